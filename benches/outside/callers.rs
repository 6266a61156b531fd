//! The same call by everybody: the list of sessions, with a token, and the answer read.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use octocrab::{
    Octocrab,
    models::{AppId, InstallationId},
};
use reqwest::{
    Client as Reqwest,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use std::{env, fs, hint::black_box, time::Duration};

const TOKEN: &str = "2f6e0c1a9b8d47e5a3c1f0e2d4b6a897";

/// What progenitor makes of `sessions.json`.
#[allow(clippy::all, dead_code, unused_imports, mismatched_lifetime_syntaxes, reason = "generated")]
mod progenitor {
    include!(concat!(env!("OUT_DIR"), "/progenitor.rs"));
}

/// As anybody would write it.
#[derive(Deserialize)]
#[allow(dead_code, reason = "read into, and no further")]
struct VmsSession {
    id: String,
    is_current: bool,
    online: bool,
    user_agent: Option<String>,
    client: Option<String>,
    ip: Option<String>,
    last: Option<i64>,
}

/// Who calls. Each keeps its connection, and has its token.
pub(crate) enum Caller {
    /// What reqwest stands on.
    Hyper(Hyper<HttpConnector, Empty<Bytes>>, String),
    /// No header but what reqwest sets, and the body as bytes.
    Bare(Reqwest, String),
    /// `bearer_auth` and `json`, as in every tutorial.
    ByHand(Reqwest, String),
    Progenitor(progenitor::Client),
    /// As the installation of an app: the only other crate that renews by itself.
    Octocrab(Octocrab),
    Http(keyway::vms::Client),
    Typed(keyway::vms::Client),
    /// Of a vendor whose successes say in their bodies that they are.
    Judged(keyway::shopmonkey::Client),
}

impl Caller {
    pub(crate) async fn of(what: &str, address: &str) -> Self {
        let url = format!("{address}/api/v1/sessions");
        let caller = match what {
            "hyper" => Self::Hyper(Hyper::builder(TokioExecutor::new()).build_http(), url),
            "bare" => Self::Bare(reqwest_client(), url),
            "by_hand" => Self::ByHand(reqwest_client(), url),
            "progenitor" => Self::Progenitor(progenitor::Client::new_with_client(address, with_token())),
            "octocrab" => Self::Octocrab(octocrab(address)),
            "http" => Self::Http(keyway_client(address)),
            "typed" => Self::Typed(keyway_client(address)),
            "judged" => {
                Self::Judged(keyway::shopmonkey::Client::builder(address).api_key(TOKEN).build().expect("a client"))
            }
            _ => panic!("nobody is called {what}"),
        };
        // The sign-in, and the connection.
        black_box(caller.call().await);
        caller
    }

    /// How many rows the answer has, or bytes where it is not read into a type.
    pub(crate) async fn call(&self) -> usize {
        match self {
            Self::Hyper(client, url) => {
                let request = http::Request::get(url).body(Empty::new()).expect("a request");
                let answer = client.request(request).await.expect("an answer");
                answer.into_body().collect().await.expect("a body").to_bytes().len()
            }
            Self::Bare(client, url) => {
                client.get(url).send().await.expect("an answer").bytes().await.expect("a body").len()
            }
            Self::ByHand(client, url) => {
                let answer = client.get(url).bearer_auth(TOKEN).send().await.expect("an answer");
                let answer = answer.error_for_status().expect("a success");
                black_box(answer.json::<Vec<VmsSession>>().await.expect("a list")).len()
            }
            Self::Progenitor(client) => black_box(client.list_sessions().await.expect("a list").into_inner()).len(),
            Self::Octocrab(client) => {
                let list: Vec<VmsSession> = client.get("/api/v1/sessions", None::<&()>).await.expect("a list");
                black_box(list).len()
            }
            Self::Http(client) => {
                let answer = client.http().get("/api/v1/sessions").send().await.expect("an answer");
                answer.bytes().await.expect("a body").len()
            }
            Self::Typed(client) => {
                black_box(client.api().list_sessions().send().await.expect("a list").into_inner()).len()
            }
            Self::Judged(client) => {
                black_box(client.api().list_api_keys().send().await.expect("a list").into_inner());
                0
            }
        }
    }
}

pub(crate) fn reqwest_client() -> Reqwest {
    Reqwest::builder().build().expect("a client")
}

fn with_token() -> Reqwest {
    let mut headers = HeaderMap::new();
    let mut token = HeaderValue::try_from(format!("Bearer {TOKEN}")).expect("a header");
    token.set_sensitive(true);
    headers.insert(AUTHORIZATION, token);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Reqwest::builder().timeout(Duration::from_secs(30)).default_headers(headers).build().expect("a client")
}

pub(crate) fn keyway_client(address: &str) -> keyway::vms::Client {
    keyway::vms::Client::builder(address).password("operator", "open sesame").build().expect("a client")
}

fn octocrab(address: &str) -> Octocrab {
    let app = Octocrab::builder().base_uri(address).expect("an address");
    let app = app.app_from_rsa_pem(AppId(1), key()).expect("a key").build().expect("a client");
    app.installation(InstallationId(1)).expect("an installation")
}

/// The app's key. Making one takes a while that is never the same twice, so that only the first process makes it.
fn key() -> String {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
    };
    let file = env::current_exe().expect("a program").with_file_name("app.pem");
    if let Ok(key) = fs::read_to_string(&file) {
        return key;
    }
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der = pair.as_der().expect("a key");
    let lines = BASE64_STANDARD.encode(der.as_ref());
    let lines: Vec<_> = lines.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    fs::write(file, &key).expect("a file");
    key
}
