//! `grants ISSUER KEY.pem`, `authlib ISSUER`, `soak ISSUER TASKS SECONDS`, `soak-bound ISSUER TASKS SECONDS`, `fleet ISSUER PROCESSES SECONDS PLACE`
//! (a folder, or the address of a Redis): what Keyway does at a real provider. Panics where something is not as it must be.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use keyway::{
    DeviceCode, ErrorKind, FileStore, RedisStore, Responder, SignOut,
    oauth2::{Client, ClientAuth, ClientBuilder, DpopKey, Loopback, SigningKey},
};
use reqwest::{Response, header, redirect::Policy};
use std::{
    collections::BTreeMap,
    env, fs, io,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use url::Url;

const BASIC: &str = "a secret: of + 100 %";
const SHARED: &str = "a shared secret of thirty-two bytes, or some more";
const SCOPE: &str = "openid offline_access";

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seconds = |text: &str| Duration::from_secs(text.parse().unwrap());
    match words[..] {
        ["grants", issuer, key] => grants(issuer, &fs::read_to_string(key).unwrap()).await,
        ["authlib", issuer] => authlib(issuer).await,
        ["soak", issuer, tasks, time] => soak(person(issuer), tasks.parse().unwrap(), seconds(time)).await,
        ["soak-bound", issuer, tasks, time] => {
            let bound = person(issuer).dpop(DpopKey::generate().unwrap());
            soak(bound, tasks.parse().unwrap(), seconds(time)).await;
        }
        ["fleet", issuer, processes, time, place] => fleet(issuer, processes.parse().unwrap(), time, place).await,
        ["worker", issuer, time, place] => {
            let client = shared(issuer, place).build().unwrap();
            let (calls, failures) = call(&client, 6, seconds(time)).await;
            println!("{calls} {failures}");
        }
        _ => panic!("grants, authlib, soak, soak-bound or fleet"),
    }
}

/// Every way to a token, and out of the session again.
async fn grants(issuer: &str, key: &str) {
    let service = |id: &str, auth| Client::discover(issuer).client_with(id, auth).client_credentials();
    let signer = SigningKey::es256(key).unwrap();
    for (id, auth) in [
        ("basic", ClientAuth::basic(BASIC)),
        ("post", ClientAuth::post("another secret")),
        ("sharer", ClientAuth::secret_jwt(SHARED)),
        ("signer", ClientAuth::private_key_jwt(signer)),
    ] {
        let client = service(id, auth).build().unwrap();
        client.session().lease().await.expect(id);
        assert_eq!(client.introspect().await.unwrap()["active"], true, "{id}");
        assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked, "{id}");
        println!("  client credentials as {id}: in, asked about, out");
    }
    let error = service("basic", ClientAuth::basic("wrong")).build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_client")), "{error}");
    let key = || DpopKey::generate().unwrap();
    let client = service("basic", ClientAuth::basic(BASIC)).dpop(key()).build().unwrap();
    assert!(client.session().lease().await.unwrap().header().to_str().unwrap().starts_with("DPoP "));
    assert_eq!(client.introspect().await.unwrap()["token_type"], "DPoP");
    println!("  client credentials, bound to a key (DPoP): in, asked about");
    for (what, builder) in [
        ("", person(issuer)),
        (", pushed", person(issuer).pushed_requests()),
        (", bound to a key (DPoP)", person(issuer).dpop(key())),
    ] {
        let client = builder.build().unwrap();
        assert_eq!(client.http().get("/me").send().await.unwrap().status(), 200);
        for _ in 0..5 {
            client.session().renew().await.unwrap();
        }
        assert_eq!(client.http().get("/me").send().await.unwrap().status(), 200);
        assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
        println!("  a person at the page{what}: in, renewed five times, out");
    }
    let device = Client::discover(issuer).public_client("device").scope(SCOPE).device();
    let device = device.responder(Phone(issuer.to_owned())).build().unwrap();
    device.session().lease().await.unwrap();
    device.session().renew().await.unwrap();
    assert_eq!(device.session().sign_out().await.unwrap(), SignOut::Revoked);
    println!("  a device: let in, renewed, out");
}

fn person(issuer: &str) -> ClientBuilder {
    let page = Loopback::showing(|url| {
        tokio::spawn(browse(url.to_owned()));
        Ok::<_, io::Error>(())
    });
    let builder = Client::discover(issuer).public_client("person").scope(SCOPE);
    builder.page_parameter("prompt", "consent").browser(page)
}

/// With a session that all processes find in this place.
fn shared(issuer: &str, place: &str) -> ClientBuilder {
    let builder = person(issuer).profile("ann");
    match place.starts_with("redis://") {
        true => builder.store(RedisStore::connect(place).unwrap()),
        false => builder.store(FileStore::at(place)),
    }
}

/// A browser: it keeps cookies and follows redirects.
async fn browse(url: String) {
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let (mut cookies, mut at) = (BTreeMap::new(), Url::parse(&url).unwrap());
    for _ in 0..12 {
        let line: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = browser.get(at.clone()).header(header::COOKIE, line.join("; ")).send().await.unwrap();
        keep(&mut cookies, &answer);
        let Some(next) = answer.headers().get(header::LOCATION) else { return };
        at = at.join(next.to_str().unwrap()).unwrap();
    }
}

fn keep(cookies: &mut BTreeMap<String, String>, answer: &Response) {
    for set in answer.headers().get_all(header::SET_COOKIE) {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }
}

/// A person who lets in whatever shows a code.
struct Phone(String);

impl Responder for Phone {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        let at = format!("{}/approve?user_code={}", self.0, device.user_code());
        reqwest::get(at).await.ok()?.status().is_success().then_some(())
    }
}

/// How many calls so many tasks have made, and how many of them failed.
async fn call(client: &Client, tasks: usize, time: Duration) -> (usize, usize) {
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let (mut calls, mut failures) = (0, 0);
                while Instant::now() < end {
                    calls += 1;
                    match client.http().get("/me").send().await {
                        Ok(answer) if answer.status() == 200 => {}
                        Ok(answer) => {
                            failures += 1;
                            eprintln!("answered with {}", answer.status());
                        }
                        Err(error) => {
                            failures += 1;
                            eprintln!("{error}");
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                (calls, failures)
            })
        })
        .collect();
    let mut sum = (0, 0);
    for task in tasks {
        let (calls, failures) = task.await.unwrap();
        sum = (sum.0 + calls, sum.1 + failures);
    }
    sum
}

/// What Authlib's server offers.
async fn authlib(issuer: &str) {
    for (id, auth) in [("basic", ClientAuth::basic("a-plain-secret")), ("post", ClientAuth::post("another secret"))] {
        let basis = || Client::discover(issuer).client_with(id, auth.clone());
        let client = basis().client_credentials().build().unwrap();
        client.session().lease().await.expect(id);
        assert_eq!(client.introspect().await.unwrap()["active"], true, "{id}");
        let client = basis().password("ann", "open sesame").build().unwrap();
        assert_eq!(client.http().get("/me").send().await.unwrap().status(), 200);
        for _ in 0..5 {
            client.session().renew().await.unwrap();
        }
        assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked, "{id}");
        println!("  as {id}: client credentials in, asked about; a password in, renewed five times, out");
    }
    let client = person(issuer).build().unwrap();
    assert_eq!(client.http().get("/me").send().await.unwrap().status(), 200);
    client.session().renew().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    println!("  a person at the page: in, renewed, out");
    let device = Client::discover(issuer).public_client("person").device();
    let device = device.responder(Phone(issuer.to_owned())).build().unwrap();
    device.session().lease().await.unwrap();
    println!("  a device: let in");
}

async fn soak(person: ClientBuilder, tasks: usize, time: Duration) {
    let client = person.build().unwrap();
    let (calls, failures) = call(&client, tasks, time).await;
    println!("  {tasks} tasks, {} s: {calls} calls, {failures} failures", time.as_secs());
    assert_eq!(failures, 0);
}

async fn fleet(issuer: &str, processes: usize, time: &str, place: &str) {
    let first = shared(issuer, place).build().unwrap();
    first.session().lease().await.unwrap();
    let me = env::current_exe().unwrap();
    let worker = || Command::new(&me).args(["worker", issuer, time, place]).stdout(Stdio::piped()).spawn().unwrap();
    let workers: Vec<_> = (0..processes).map(|_| worker()).collect();
    let mut sum = (0, 0);
    for worker in workers {
        let said = String::from_utf8(worker.wait_with_output().unwrap().stdout).unwrap();
        let mut words = said.split_whitespace().map(|word| word.parse::<usize>().unwrap());
        sum = (sum.0 + words.next().unwrap(), sum.1 + words.next().unwrap());
    }
    let by = if place.starts_with("redis://") { "Redis" } else { "file" };
    println!("  {processes} processes by {by}, {time} s: {} calls, {} failures", sum.0, sum.1);
    assert_eq!(sum.1, 0);
}
