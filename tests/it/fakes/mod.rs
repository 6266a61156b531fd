//! The fakes themselves, asked by a plain HTTP client: if a fake is wrong, every test that stands on it is.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keyway::{
    Clock,
    testing::{
        ExpiresIn, Fake, FakeOAuth2, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault,
        ManualClock, RefreshDialect,
    },
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    future::Future,
    net::TcpListener,
    panic::{self, AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Once,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::form_urlencoded;

mod clock;
mod every_document;
mod every_fake;
mod orderingstack;
mod shopmonkey;
mod vitamojo;
mod vms;
mod vtex;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// When a manual clock starts: 2026-01-01 00:00:00 UTC.
const START: u64 = 1_767_225_600;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn call(fake: &Fake, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("{}{path}", fake.uri()))
}

fn vita_sign_in(fake: &FakeVitaMojo) -> RequestBuilder {
    let credentials = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
    call(fake, Method::POST, "/user/v1/auth").json(&credentials)
}

fn renew(fake: &FakeVitaMojo, method: Method, refresh: &str) -> RequestBuilder {
    let mut url = reqwest::Url::parse(&fake.uri()).expect("a URL");
    url.path_segments_mut().expect("a base").extend(["user", "v1", "auth", "refresh", refresh]);
    call(fake, method, url.path())
}

fn refresh_token(auth_res: &Value) -> String {
    auth_res["payload"]["token"]["refresh"].as_str().expect("a refresh token").to_owned()
}

fn vms(fake: &FakeVms, method: Method, path: &str) -> RequestBuilder {
    call(fake, method, path).header("accept", "application/json")
}

/// A sign-in of the default user, with these members changed.
fn vms_sign_in(fake: &FakeVms, change: Value) -> RequestBuilder {
    let mut request = json!({ "login": FakeVms::LOGIN, "password": FakeVms::PASSWORD });
    for (member, value) in change.as_object().expect("an object") {
        request[member] = value.clone();
    }
    vms(fake, Method::POST, "/api/v1/token").json(&request)
}

async fn with_token(fake: &FakeVms, method: Method, path: &str) -> reqwest::Result<Response> {
    vms(fake, method, path).bearer_auth(fake.token(1)).send().await
}

async fn captcha_key(fake: &FakeVms) -> String {
    let captcha = body(vms(fake, Method::GET, "/api/v1/captcha").send().await).await;
    captcha["key"].as_str().expect("a key").to_owned()
}

async fn field_blamed(request: RequestBuilder) -> String {
    let refused = request.send().await.expect("answers");
    assert_eq!(refused.status(), 422);
    let body: Value = refused.json().await.expect("is JSON");
    body["errors"].as_object().expect("an object").keys().next().expect("a field").clone()
}

async fn status(answer: impl Future<Output = reqwest::Result<Response>>) -> u16 {
    answer.await.expect("answers").status().as_u16()
}

async fn body(answer: reqwest::Result<Response>) -> Value {
    answer.expect("answers").json().await.expect("is JSON")
}

async fn text(answer: reqwest::Result<Response>) -> String {
    answer.expect("answers").text().await.expect("a body")
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

fn document(surface: &str) -> Value {
    let documents: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/documents.rs"));
    let (_, document) = documents.iter().find(|(name, _)| *name == surface).expect("a document");
    serde_json::from_str(document).expect("is JSON")
}

/// The vendor's example, straight from the document.
fn example(surface: &str, path: &str, method: &str, status: &str) -> Value {
    document(surface)["paths"][path][method]["responses"][status]["content"]["application/json"]["example"].take()
}

/// What a panic says.
fn unmet(panics: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err("panics");
    panic.downcast_ref::<String>().expect("a sentence").clone()
}

/// The file and the line that a panic names.
fn place_of_panic(panics: impl FnOnce()) -> (String, u32) {
    thread_local!(static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) });
    // The hook is the whole process's: it hands on what it hears, and each thread reads its own place.
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|at| (at.file().to_owned(), at.line()));
            PLACE.with_borrow_mut(|last| *last = place);
            print(panic);
        }));
    });
    catch_unwind(AssertUnwindSafe(panics)).expect_err("panics");
    PLACE.take().expect("a place")
}
