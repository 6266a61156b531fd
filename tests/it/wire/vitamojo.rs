//! Vita Mojo on the wire.

use super::{
    Call, Detail, Surface, call,
    document::percent_encoded,
    fixture::{self, Route},
    for_every_operation, is,
};
use crate::{TENANT, vitamojo_client};
use keyway::{
    ErrorKind, Retry,
    testing::{FakeVitaMojo, Fault, ManualClock, RefreshDialect},
    vitamojo::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct VitaMojo;

impl Surface for VitaMojo {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!(concat!(env!("OUT_DIR"), "/vitamojo.json"));
    const TENANT: Option<&'static str> = Some(TENANT);

    fn client(uri: &str, _role: &str) -> Client {
        let builder = Client::builder(uri).password("admin@vitamojo.dev", "hunter2").tenant(TENANT);
        builder.retry(Retry::never()).build().unwrap()
    }

    fn session() -> Vec<Route> {
        let token = json!({ "payload": { "token": { "value": "the-access-token", "refresh": "the-refresh-token" } } });
        let renewal =
            Route { method: "PUT", path: "/user/v1/auth/refresh/the-refresh-token", status: 200, body: token.clone() };
        vec![Route { method: "POST", path: "/user/v1/auth", status: 201, body: token }, renewal]
    }

    fn session_headers(_role: &str) -> Vec<(&'static str, &'static str)> {
        vec![("authorization", "Bearer the-access-token"), ("tenant", TENANT)]
    }

    fn calls() -> Vec<Call<Client>> {
        vec![
            call!(auth(call, _) => call.body_map(|body| body.email("string").password("string"))),
            call!(check_token),
            call!(refresh_token(call, value) => call.value(value)),
        ]
    }

    fn details() -> Vec<Detail> {
        vec![("VmosError", is::<types::VmosError>)]
    }

    fn means(operation: &str, status: u16, body: &Value) -> Option<ErrorKind> {
        match (operation, status) {
            (_, 400) if body["message"].is_array() => Some(ErrorKind::Validation),
            ("auth", 400) => Some(ErrorKind::InvalidCredentials),
            ("refresh_token", 400) => Some(ErrorKind::SignInRequired),
            _ => None,
        }
    }

    fn telling(_operation: &str, status: u16) -> &'static [&'static str] {
        if status == 400 { &["/message", "/vmosCode"] } else { &[] }
    }
}

for_every_operation!(VitaMojo);

// ---- the readings of specs/vitamojo.md ----

#[apply(leak_checked!)]
async fn a_renewal_is_posted_after_a_404_or_405_without_a_code_only() {
    let code = json!({ "vmosCode": "US-99", "message": "Not here", "statusCode": 404 });
    for (fault, methods) in [
        (Fault::Html(404), &["PUT", "POST"][..]),
        (Fault::Empty(405), &["PUT", "POST"]),
        (Fault::Json(404, code), &["PUT"]),
        (Fault::Html(501), &["PUT"]),
    ] {
        let (fake, clock) =
            (FakeVitaMojo::builder().refresh_dialect(RefreshDialect::PostCreated).start().await, ManualClock::new());
        let client = vitamojo_client(&fake, &clock).build().unwrap();
        client.session().lease().await.unwrap();
        fake.next("refresh_token", fault.clone());
        assert_eq!(client.session().renew().await.is_ok(), methods.len() == 2, "{fault:?}");
        let renewals: Vec<_> = fake.saw().into_iter().filter(|seen| seen.operation == "refresh_token").collect();
        assert!(renewals.iter().map(|seen| seen.method.as_str()).eq(methods.iter().copied()), "{fault:?}");
    }
}

#[apply(leak_checked!)]
async fn a_renewal_answers_like_a_sign_in() {
    let server = fixture::server(VitaMojo::session()).await;
    let client = VitaMojo::client(&server.uri(), "user");
    let first = client.session().lease().await.unwrap();
    let renewed = client.session().renew().await.unwrap();
    assert_ne!(first.generation(), renewed.generation());
    assert_eq!(renewed.token().unwrap().expose(), "the-access-token");
    assert_eq!(fixture::calls(&server).await, ["POST /user/v1/auth", "PUT /user/v1/auth/refresh/the-refresh-token"]);
}

#[apply(leak_checked!)]
async fn sign_in_is_json_and_carries_no_session() {
    let server = fixture::server(VitaMojo::session()).await;
    VitaMojo::client(&server.uri(), "user").session().lease().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    let header = |name| seen[0].headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(seen.len(), 1);
    assert_eq!((header("content-type"), header("accept")), (Some("application/json"), Some("application/json")));
    assert_eq!((header("authorization"), header("tenant")), (None, Some(TENANT)));
}

#[apply(leak_checked!)]
async fn a_refresh_token_cannot_move_the_request_or_appear_in_an_error() {
    for refresh in ["..", "../../v2/admin", "a/b?c#d", "%2e%2e", "ü&secret value", "", "."] {
        let token = json!({ "payload": { "token": { "value": "the-access-token", "refresh": refresh } } });
        let route = Route { method: "POST", path: "/user/v1/auth", status: 201, body: token };
        let server = fixture::server(vec![route]).await;
        let client = VitaMojo::client(&server.uri(), "user");
        client.session().lease().await.unwrap();
        let outcome = client.session().renew().await;
        let mut renewals = fixture::calls(&server).await.into_iter().filter(|call| call != "POST /user/v1/auth");
        if ["", ".", ".."].contains(&refresh) {
            assert_eq!(renewals.next(), None, "{refresh}");
            continue;
        }
        let encoded = percent_encoded(refresh);
        assert_eq!(renewals.next(), Some(format!("PUT /user/v1/auth/refresh/{encoded}")), "{refresh}");
        let shown = format!("{0} {0:?}", outcome.unwrap_err());
        assert!(!shown.contains(refresh) && !shown.contains(&encoded), "{shown}");
    }
}

#[apply(leak_checked!)]
async fn a_check_needs_a_user_session_only() {
    let server = fixture::server(VitaMojo::session()).await;
    let client = VitaMojo::client(&server.uri(), "user");
    let _not_found = client.api().check_token().send().await.unwrap_err();
    assert_eq!(fixture::calls(&server).await, ["POST /user/v1/auth", "GET /user/v1/auth/check"]);
    let credentials = json!({ "email": "admin@vitamojo.dev", "password": "hunter2" });
    assert_eq!(fixture::sent(&server, "/user/v1/auth").await, [credentials]);
    let seen = server.received_requests().await.unwrap();
    assert_eq!((seen[1].url.query(), seen[1].body.len()), (None, 0));
}

#[apply(leak_checked!)]
async fn a_sentence_refuses_the_credentials_and_a_list_is_validation() {
    let message = |message: Value| Fault::Json(400, json!({ "message": message, "statusCode": 400 }));
    for (fault, kind) in [
        (message(json!("User not found")), ErrorKind::InvalidCredentials),
        (Fault::Empty(400), ErrorKind::InvalidCredentials),
        (message(json!([{ "value": "hunter2", "constraints": ["must be an e-mail"] }])), ErrorKind::Validation),
        (Fault::Html(400), ErrorKind::Api),
        (Fault::Json(400, json!({ "detail": "from a proxy" })), ErrorKind::Api),
    ] {
        let (fake, clock) = (FakeVitaMojo::start().await, ManualClock::new());
        let client = vitamojo_client(&fake, &clock).build().unwrap();
        fake.next("auth", fault.clone());
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(400)), "{fault:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert_eq!(error.validation().is_some(), kind == ErrorKind::Validation, "{fault:?}: {error}");
    }
}

#[apply(leak_checked!)]
async fn paths_go_below_the_user_service() {
    let mut routes = VitaMojo::session();
    routes[0].path = "/gateway/user/v1/auth";
    let server = fixture::server(routes).await;
    let client = VitaMojo::client(&format!("{}/gateway/", server.uri()), "user");
    let _not_found = client.api().check_token().send().await.unwrap_err();
    let _not_found = client.http().get("/order/v1/orders").send().await.unwrap();
    let _not_found = client.session().renew().await.unwrap_err();
    assert_eq!(
        fixture::calls(&server).await,
        [
            "POST /gateway/user/v1/auth",
            "GET /gateway/user/v1/auth/check",
            "GET /gateway/order/v1/orders",
            "PUT /gateway/user/v1/auth/refresh/the-refresh-token",
            "POST /gateway/user/v1/auth/refresh/the-refresh-token",
        ]
    );
}
