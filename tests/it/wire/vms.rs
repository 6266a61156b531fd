//! VMS on the wire.

use super::{
    Body, Call, Detail, Surface, call,
    fixture::{self, Route},
    for_every_operation, is,
};
use keyway::{
    ErrorKind, EvictionPolicy, Retry, SignOut,
    vms::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct Vms;

impl Surface for Vms {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!(concat!(env!("OUT_DIR"), "/vms.json"));

    fn client(uri: &str, _role: &str) -> Client {
        Client::builder(uri).password("operator", "hunter2").retry(Retry::never()).build().unwrap()
    }

    fn session() -> Vec<Route> {
        let token = json!({ "access_token": "the-access-token", "user": { "id": 13 } });
        vec![
            Route { method: "GET", path: "/api/v1/static/basic", status: 200, body: json!({}) },
            Route { method: "POST", path: "/api/v1/token", status: 200, body: token },
        ]
    }

    fn session_headers(_role: &str) -> Vec<(&'static str, &'static str)> {
        vec![("authorization", "Bearer the-access-token")]
    }

    fn calls() -> Vec<Call<Client>> {
        vec![
            call!(get_token(call, _) => call.body_map(|body| {
                body.login("mylogin@mail.com").password("mypassword").session_id("null|session_id").captcha("9U6yh")
                    .key("$2y$10$3gXEas4WVUryBA8GgF37vulJz1UrAo2VaYbWccaxeNYoZ.3UJqHYu")
            })),
            call!(get_captcha),
            call!(get_basic_static),
            call!(list_sessions),
            call!(delete_session(call, id) => call.session_id(id).x_client("web").x_uuid("6f1c"))
                .with_headers([("X-Client", "web"), ("X-UUID", "6f1c")]),
            call!(logout(call, _) => call.body_map(|body| body.uuid("6f1c")))
                .sends(Body::Json(json!({ "uuid": "6f1c" }))),
            call!(get_self),
            call!(update_self(call, _) => call.body_map(|body| {
                body.current_password("hunter2").password("hunter3").password_confirmation("hunter3")
            }))
            .sends(Body::Json(json!({
                "current_password": "hunter2", "password": "hunter3", "password_confirmation": "hunter3"
            }))),
        ]
    }

    fn details() -> Vec<Detail> {
        vec![
            ("SessionLimit", is::<types::SessionLimit>),
            ("ValidationError", is::<types::ValidationError>),
            ("ThrottleAnswer", is::<types::ThrottleAnswer>),
        ]
    }

    fn means(operation: &str, status: u16, _body: &Value) -> Option<ErrorKind> {
        (operation == "get_token" && status == 419).then_some(ErrorKind::SessionLimitReached)
    }

    fn telling(_operation: &str, status: u16) -> &'static [&'static str] {
        if status == 419 { &["/sessions"] } else { &[] }
    }
}

for_every_operation!(Vms);

// ---- the readings of specs/vms.md ----

/// The routes of a session, with one more that is asked first.
fn with(route: Route) -> Vec<Route> {
    let mut routes = vec![route];
    routes.extend(Vms::session());
    routes
}

#[apply(leak_checked!)]
async fn a_first_sign_in_sends_login_and_password_only() {
    let server = fixture::server(Vms::session()).await;
    Vms::client(&server.uri(), "user").session().lease().await.unwrap();
    let credentials = json!({ "login": "operator", "password": "hunter2" });
    assert_eq!(fixture::sent(&server, "/api/v1/token").await, [credentials]);
}

/// The page's example of a request has `"session_id": "null|session_id"`, that of a 419 the id `session_id`.
#[apply(leak_checked!)]
async fn the_notation_for_no_session_is_never_sent() {
    let limit = json!({ "sessions": [{ "id": "session_id", "is_current": false, "online": true }] });
    let route = Route { method: "POST", path: "/api/v1/token", status: 419, body: limit };
    let server = fixture::server(with(route)).await;
    let builder = Client::builder(server.uri()).password("operator", "hunter2").session_limit(EvictionPolicy::Oldest);
    let error = builder.build().unwrap().session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLimitReached);
    let sent = fixture::sent(&server, "/api/v1/token").await;
    let sessions: Vec<_> = sent.iter().map(|body| body.get("session_id").and_then(Value::as_str)).collect();
    assert_eq!(sessions, [None, Some("session_id")]);
}

#[apply(leak_checked!)]
async fn a_bare_list_of_sessions_is_a_broken_contract() {
    let list = json!([{ "id": "s1", "is_current": false, "online": true }]);
    let route = Route { method: "POST", path: "/api/v1/token", status: 419, body: list };
    let server = fixture::server(with(route)).await;
    let error = Vms::client(&server.uri(), "user").session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(419)), "{error}");
}

#[apply(leak_checked!)]
async fn the_reasons_of_a_422_come_from_errors() {
    for message in [json!("The given data was invalid"), json!("hunter2"), json!(null), json!({ "login": "hunter2" })] {
        let body = json!({ "message": message, "errors": { "language": ["The language is not known."] } });
        let server =
            fixture::server(with(Route { method: "PUT", path: "/api/v1/users/self", status: 422, body })).await;
        let client = Vms::client(&server.uri(), "user");
        let error = client.api().update_self().body_map(|body| body.language("xx")).send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, Some(422)), "{error}");
        assert_eq!(error.validation().unwrap()["language"], ["The language is not known."]);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[apply(leak_checked!)]
async fn a_session_is_ended_by_its_id_in_the_path_without_a_body() {
    let route =
        Route { method: "POST", path: "/api/v1/sessions/a%20b%2Fc", status: 200, body: json!({ "status": "ok" }) };
    let server = fixture::server(with(route)).await;
    let client = Vms::client(&server.uri(), "user");
    let answer = client.api().delete_session().session_id("a b/c").send().await.unwrap();
    assert_eq!(answer.status.as_deref(), Some("ok"));
    let seen = server.received_requests().await.unwrap();
    let last = seen.last().unwrap();
    assert!(last.body.is_empty() && !last.headers.contains_key("content-type"), "{last:?}");
}

#[apply(leak_checked!)]
async fn client_headers_are_optional() {
    let route = Route { method: "POST", path: "/api/v1/sessions/s1", status: 200, body: json!({}) };
    let server = fixture::server(with(route)).await;
    let client = Vms::client(&server.uri(), "user");
    client.api().delete_session().session_id("s1").send().await.unwrap();
    client.api().delete_session().session_id("s1").x_client("web").x_uuid(None).send().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    let has = |name: &str| -> Vec<bool> {
        let calls = seen.iter().filter(|request| request.url.path() == "/api/v1/sessions/s1");
        calls.map(|request| request.headers.contains_key(name)).collect()
    };
    assert_eq!((has("x-client"), has("x-uuid")), (vec![false, true], vec![false, false]));
}

#[apply(leak_checked!)]
async fn a_client_header_that_holds_a_line_break_is_named_and_nothing_is_sent() {
    let server = fixture::server(Vms::session()).await;
    let client = Vms::client(&server.uri(), "user");
    for value in ["web\r\nauthorization: x", "web\n", "\0"] {
        let error = client.api().delete_session().session_id("s1").x_client(value).send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{error}");
        assert!(error.validation().unwrap().contains_key("X-Client"), "{error}");
    }
    assert!(fixture::calls(&server).await.is_empty());
}

#[apply(leak_checked!)]
async fn a_sign_out_works_without_a_device() {
    let server =
        fixture::server(with(Route { method: "POST", path: "/api/v1/logout", status: 200, body: json!({}) })).await;
    let client = Vms::client(&server.uri(), "user");
    client.api().logout().send().await.unwrap();
    client.session().sign_in().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(fixture::sent(&server, "/api/v1/logout").await, [json!({}), json!({})]);
}
