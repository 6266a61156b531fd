//! Shopmonkey on the wire.

use super::{
    Body, Call, Detail, Surface, call,
    fixture::{self, Route},
    for_every_operation, is,
};
use keyway::{
    ErrorKind, Retry,
    shopmonkey::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct Shopmonkey;

impl Surface for Shopmonkey {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!(concat!(env!("OUT_DIR"), "/shopmonkey.json"));

    fn client(uri: &str, _role: &str) -> Client {
        Client::builder(uri).password("owner@example.org", "hunter2").retry(Retry::never()).build().unwrap()
    }

    fn session() -> Vec<Route> {
        let body = json!({ "success": true, "data": { "token": "the-access-token" } });
        vec![Route { method: "POST", path: "/v3/auth/login", status: 200, body }]
    }

    fn session_headers(_role: &str) -> Vec<(&'static str, &'static str)> {
        vec![("authorization", "Bearer the-access-token")]
    }

    fn calls() -> Vec<Call<Client>> {
        let filter = r#"{"name":{"contains":"a b&c"}}"#;
        vec![
            call!(list_api_keys(call, _) => {
                let filter = r#"{"name":{"contains":"a b&c"}}"#;
                call.ids(vec!["k1".to_owned(), "k 2".to_owned()]).limit(100).skip(200).order_by("id").where_(filter)
            })
            .asks([
                ("ids", "k1"),
                ("ids", "k 2"),
                ("limit", "100"),
                ("skip", "200"),
                ("orderBy", "id"),
                ("where", filter),
            ]),
            call!(create_api_key(call, _) => call.body_map(|body| body.audience("api").name("till").expires(30)))
                .sends(Body::Json(json!({ "audience": "api", "name": "till", "expires": 30 }))),
            call!(delete_api_key(call, id) => call.id(id).body_map(|body| body)),
            call!(login(call, _) => call.body_map(|body| body.email("value").password("value"))),
            call!(logout),
        ]
    }

    fn details() -> Vec<Detail> {
        vec![("ErrorEnvelope", is::<types::ErrorEnvelope>)]
    }

    fn means(operation: &str, status: u16, body: &Value) -> Option<ErrorKind> {
        let refuses = body.get("success").is_some() && matches!(status, 200 | 400 | 401 | 403);
        (operation == "login" && refuses).then_some(ErrorKind::InvalidCredentials)
    }

    fn telling(_operation: &str, _status: u16) -> &'static [&'static str] {
        &["/success"]
    }
}

for_every_operation!(Shopmonkey);

// ---- the readings of specs/shopmonkey.md ----

const KEYS: &str = "/v3/auth/api_key";

/// The routes of a session, with one more.
fn with(route: Route) -> Vec<Route> {
    let mut routes = Shopmonkey::session();
    routes.push(route);
    routes
}

#[apply(leak_checked!)]
async fn the_life_of_a_key_is_a_whole_number_of_days_or_left_out() {
    let body = json!({ "success": true, "data": { "token": "the-new-key" } });
    let server = fixture::server(with(Route { method: "POST", path: KEYS, status: 200, body })).await;
    let client = Shopmonkey::client(&server.uri(), "user");
    for days in [Some(30), Some(0), None] {
        let call = client.api().create_api_key().body_map(|body| body.audience("shop").name("till").expires(days));
        call.send().await.unwrap();
    }
    let sent: Vec<_> = fixture::sent(&server, KEYS).await.iter().map(|body| body.get("expires").cloned()).collect();
    assert_eq!(sent, [Some(json!(30)), Some(json!(0)), None]);
}

#[apply(leak_checked!)]
async fn a_new_key_needs_an_audience_and_a_name() {
    let server = fixture::server(Shopmonkey::session()).await;
    let client = Shopmonkey::client(&server.uri(), "user");
    let nameless = client.api().create_api_key().body_map(|body| body.audience("shop")).send().await;
    let for_nobody = client.api().create_api_key().body_map(|body| body.name("till")).send().await;
    for (outcome, field) in [(nameless, "name"), (for_nobody, "audience")] {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{error}");
        assert!(error.validation().unwrap().keys().eq([field]), "{error}");
    }
    assert!(fixture::calls(&server).await.is_empty());
}

#[apply(leak_checked!)]
async fn a_code_is_read_where_the_document_has_no_failure() {
    let body = || json!({ "success": false, "code": "API-472811", "message": "no" });
    for (status, kind) in [(404, ErrorKind::Api), (503, ErrorKind::Outage)] {
        let server =
            fixture::server(with(Route { method: "POST", path: "/v3/auth/logout", status, body: body() })).await;
        let error = Shopmonkey::client(&server.uri(), "user").api().logout().send().await.unwrap_err();
        assert_eq!((error.kind(), error.status(), error.code()), (kind, Some(status), Some("API-472811")), "{error}");
    }
    let server =
        fixture::server(vec![Route { method: "POST", path: "/v3/auth/login", status: 503, body: body() }]).await;
    let error = Shopmonkey::client(&server.uri(), "user").session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Outage, Some("API-472811")), "{error}");
}
