//! Shopmonkey on the wire.

use super::{Body, Call, Detail, Surface, broken, call, input, is, lenient, stage::Route, statuses};
use keyway::{
    ErrorKind, Retry,
    shopmonkey::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct Shopmonkey;

impl Surface for Shopmonkey {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!("../../../specs/shopmonkey.json");

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

#[tokio::test]
async fn every_operation_and_status_is_as_documented() {
    statuses::every_status::<Shopmonkey>().await;
}

#[tokio::test]
async fn the_vendors_examples_parse() {
    statuses::every_example::<Shopmonkey>().await;
}

#[tokio::test]
async fn answers_are_read_leniently() {
    lenient::every_mutation::<Shopmonkey>().await;
}

#[tokio::test]
async fn a_broken_answer_is_a_typed_error() {
    broken::every_broken_answer::<Shopmonkey>().await;
}

#[tokio::test]
async fn a_path_value_stays_in_its_place() {
    input::every_path_value::<Shopmonkey>().await;
}

#[tokio::test]
async fn a_missing_argument_is_named_and_nothing_is_sent() {
    input::every_missing_argument::<Shopmonkey>().await;
}
