//! Typed calls of a document of one's own under a standard sign-in: `oidc ISSUER TASKS SECONDS`.
//!
//! A device is let in; then so many tasks call at once while tokens end every few seconds. It ends with an error if a call fails, or
//! if the session counts for anything after the sign-out.

keyway::include_document!(userinfo);

use keyway::{
    DeviceCode, Error as SessionError, ErrorKind, Responder, SignOut,
    oauth2::{Client, ClientAuth, ClientBuilder},
};
use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [issuer, tasks, seconds] = &words[..] else { return Err("oidc ISSUER TASKS SECONDS".into()) };
    let session = device(issuer).build()?;
    let client = userinfo::Client::new(&session);
    let me = client.api().get_me().send().await?.into_inner();
    assert_eq!(me.sub.as_deref(), Some("ann"));
    println!("  typed: {} was let in by code", me.sub.unwrap_or_default());
    nobody(issuer).await?;
    soak(&client, tasks.parse()?, Duration::from_secs(seconds.parse()?)).await?;

    // A header that was lent before the sign-out is refused by the provider after it.
    let bearer = client.session().lease().await?.header().clone();
    assert_eq!(client.session().sign_out().await?, SignOut::Revoked);
    let after = client.api().get_me().send().await.expect_err("it was signed out");
    assert_eq!(after.kind(), ErrorKind::SignedOut);
    let late = keyway::reqwest::Client::new().get(format!("{issuer}/me")).header("authorization", bearer).send().await?;
    assert_eq!(late.status().as_u16(), 401, "the provider has ended the session");
    println!("  signed out: the token of before is answered with {}", late.status());
    Ok(())
}

/// A person who lets in whatever shows a code.
struct Phone(String);

impl Responder for Phone {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        let at = format!("{}/approve?user_code={}", self.0, device.user_code());
        keyway::reqwest::get(at).await.ok()?.status().is_success().then_some(())
    }
}

fn device(issuer: &str) -> ClientBuilder {
    let builder = Client::discover(issuer).public_client("device").scope("openid offline_access").device();
    builder.responder(Phone(issuer.to_owned()))
}

/// A service is nobody: what the provider says to that is read here, of a typed call.
async fn nobody(issuer: &str) -> Result<(), Box<dyn Error>> {
    let service = Client::discover(issuer).client_with("basic", ClientAuth::basic("a secret: of + 100 %"));
    let service = service.client_credentials().judge(|failure| {
        let nobody = failure.operation() == "get_me" && failure.status() < 500;
        nobody.then(|| SessionError::declined("a service is nobody"))
    });
    let error = userinfo::Client::new(service.build()?).api().get_me().send().await.expect_err("nobody signed in");
    assert_eq!(error.kind(), ErrorKind::Declined, "{error}");
    println!("  typed, as a service: {error}");
    Ok(())
}

async fn soak(client: &userinfo::Client, tasks: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let (before, end) = (client.session().lease().await?.generation().counter(), Instant::now() + time);
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(calls(client.clone(), end))).collect();
    let (mut good, mut failures) = (0, Vec::new());
    for task in tasks {
        let (calls, failed) = task.await?;
        good += calls;
        failures.extend(failed);
    }
    let renewals = client.session().lease().await?.generation().counter() - before;
    println!("  {} s: {good} calls, {} failures, {renewals} renewals", time.as_secs(), failures.len());
    assert!(renewals > 0, "no token ended");
    failures.first().map_or(Ok(()), |failure| Err(failure.clone().into()))
}

async fn calls(client: userinfo::Client, end: Instant) -> (usize, Vec<String>) {
    let (mut good, mut failures) = (0, Vec::new());
    while Instant::now() < end {
        match client.api().get_me().send().await {
            Ok(_) => good += 1,
            Err(error) => failures.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (good, failures)
}
