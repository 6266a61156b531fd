//! VMS on the wire.

use super::{
    Body, Call, Surface, broken, call,
    document::Document,
    input, is, lenient,
    stage::{Route, Stage},
    statuses, table,
};
use keyway::{
    Error, ErrorKind, Retry,
    vms::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct Vms;

impl Surface for Vms {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!("../../../specs/vms.json");

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

    fn details() -> Vec<(&'static str, fn(&Error) -> bool)> {
        vec![
            ("SessionLimit", is::<types::SessionLimit>),
            ("ValidationError", is::<types::ValidationError>),
            ("ThrottleAnswer", is::<types::ThrottleAnswer>),
        ]
    }

    fn means(operation: &str, status: u16, _body: &Value) -> Option<ErrorKind> {
        (operation == "get_token" && status == 419).then_some(ErrorKind::SessionLimit)
    }

    fn telling(_operation: &str, status: u16) -> &'static [&'static str] {
        if status == 419 { &["/sessions"] } else { &[] }
    }
}

#[tokio::test]
async fn every_operation_and_status_is_as_documented() {
    statuses::every_status::<Vms>().await;
}

#[tokio::test]
async fn the_vendors_examples_parse() {
    statuses::every_example::<Vms>().await;
}

#[tokio::test]
async fn answers_are_read_leniently() {
    lenient::every_mutation::<Vms>().await;
}

#[tokio::test]
async fn a_broken_answer_is_a_typed_error() {
    broken::every_broken_answer::<Vms>().await;
}

#[tokio::test]
async fn a_path_value_stays_in_its_place() {
    input::every_path_value::<Vms>().await;
}

#[tokio::test]
async fn a_missing_argument_is_named_and_nothing_is_sent() {
    input::every_missing_argument::<Vms>().await;
}
