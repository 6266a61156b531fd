//! Vita Mojo on the wire.

use super::{Call, Surface, broken, call, input, is, lenient, stage::Route, statuses};
use crate::TENANT;
use keyway::{
    Error, ErrorKind, Retry,
    vitamojo::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct VitaMojo;

impl Surface for VitaMojo {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!("../../../specs/vitamojo.json");
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

    fn details() -> Vec<(&'static str, fn(&Error) -> bool)> {
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

#[tokio::test]
async fn every_operation_and_status_is_as_documented() {
    statuses::every_status::<VitaMojo>().await;
}

#[tokio::test]
async fn the_vendors_examples_parse() {
    statuses::every_example::<VitaMojo>().await;
}

#[tokio::test]
async fn answers_are_read_leniently() {
    lenient::every_mutation::<VitaMojo>().await;
}

#[tokio::test]
async fn a_broken_answer_is_a_typed_error() {
    broken::every_broken_answer::<VitaMojo>().await;
}

#[tokio::test]
async fn a_path_value_stays_in_its_place() {
    input::every_path_value::<VitaMojo>().await;
}

#[tokio::test]
async fn a_missing_argument_is_named_and_nothing_is_sent() {
    input::every_missing_argument::<VitaMojo>().await;
}
