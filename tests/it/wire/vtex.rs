//! VTEX ID on the wire: the operations that are generated. Cookies and forms of several parts are written by hand.

use super::{Call, Detail, Surface, broken, call, document::Document, input, is, lenient, stage::Route, statuses};
use keyway::{
    ErrorKind, Retry,
    vtex::{Client, types},
};
use serde_json::{Value, json};

pub(crate) struct Vtex;

const UNIT: &str = "8d8b68e2-89e1-4d9f-b7c3-3a7f2c8e9d1a";

/// The document's own example of what an operation is sent: some of its tokens are too long to be read here.
fn example(operation: &str, member: &str) -> String {
    let document = Document::parse(Vtex::DOCUMENT);
    let operation = document.operations().into_iter().find(|found| found.id() == operation).expect("an operation");
    let body = operation.body_example().expect("an example");
    body[member].as_str().expect("a text").to_owned()
}

impl Surface for Vtex {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!("../../../specs/vtex.json");

    fn client(uri: &str, _role: &str) -> Client {
        Client::builder(uri).app_key("vtexappkey-example-YSWQFZ", "hunter2").retry(Retry::never()).build().unwrap()
    }

    fn session() -> Vec<Route> {
        let body = json!({ "authStatus": "Success", "token": "the-user-token" });
        vec![Route { method: "POST", path: "/api/vtexid/apptoken/login", status: 200, body }]
    }

    fn session_headers(_role: &str) -> Vec<(&'static str, &'static str)> {
        vec![("VtexIdclientAutCookie", "the-user-token")]
    }

    fn calls() -> Vec<Call<Client>> {
        vec![
            call!(generate_authentication_token(call, _) => {
                let operation = "generate_authentication_token";
                let (key, token) = (example(operation, "appkey"), example(operation, "apptoken"));
                call.an("my store").body_map(|body| body.appkey(key).apptoken(token))
            })
            .asks([("an", "my store")]),
            call!(exchange_oauth_access_token(call, _) => {
                let token = example("exchange_oauth_access_token", "accessToken");
                call.body_map(|body| body.provider_id("custom-oauth-provider").access_token(token).duration(90))
            }),
            call!(check_authenticated_user(call, _) => {
                let token = example("check_authenticated_user", "token");
                call.body_map(|body| body.token(token))
            }),
            call!(set_repeated_passwords(call, _) => call.body_map(|body| body.is_active(true).allow_repeated(false))),
            call!(expire_user_password(call, _) => call.email("a+b@c d")).asks([("email", "a+b@c d")]),
            call!(get_user_id_by_email(call, _) => call.usuario("john@mail.com")).asks([("usuario", "john@mail.com")]),
            call!(get_storefront_user(call, _) => call.user("ü/1")).asks([("user", "ü/1")]),
            call!(start_token_renewal(call, key) => call.api_key(key)),
            call!(finish_token_renewal(call, key) => call.api_key(key)),
            call!(start_authentication(call, _) => call.scope("mystore").fingerprint("12345"))
                .asks([("scope", "mystore"), ("fingerprint", "12345")]),
            call!(get_organization_unit_settings(call, unit) => call.unit_id(unit)).at(UNIT),
            call!(set_organization_unit_settings(call, unit) => call.unit_id(unit).body_map(|body| {
                let setting = types::MethodToSet::builder().type_("OAuth").name("PingFederate").status("Disabled");
                body.settings(vec![setting.try_into().expect("a setting")])
            }))
            .at(UNIT),
            call!(update_organization_unit_settings(call, unit) => call.unit_id(unit).body_map(|body| {
                let setting = types::MethodToUpdate::builder().type_("OAuth").status("Disabled");
                body.settings(vec![setting.try_into().expect("a setting")])
            }))
            .at(UNIT),
            call!(delete_organization_unit_settings(call, unit) => call.unit_id(unit).body_map(|body| {
                let setting = types::MethodToDelete::builder().type_("OAuth");
                body.settings(vec![setting.try_into().expect("a setting")])
            }))
            .at(UNIT),
        ]
    }

    fn details() -> Vec<Detail> {
        vec![
            ("AuthFailure", is::<types::AuthFailure>),
            ("ErrorMessage", is::<types::ErrorMessage>),
            ("UnknownAnswer", is::<Value>),
        ]
    }

    fn means(operation: &str, _status: u16, body: &Value) -> Option<ErrorKind> {
        let said = body["authStatus"].as_str().is_some_and(|said| said != "Success");
        (operation == "generate_authentication_token" && said).then_some(ErrorKind::InvalidCredentials)
    }
}

#[tokio::test]
async fn every_operation_and_status_is_as_documented() {
    statuses::every_status::<Vtex>().await;
}

#[tokio::test]
async fn the_vendors_examples_parse() {
    statuses::every_example::<Vtex>().await;
}

#[tokio::test]
async fn answers_are_read_leniently() {
    lenient::every_mutation::<Vtex>().await;
}

#[tokio::test]
async fn a_broken_answer_is_a_typed_error() {
    broken::every_broken_answer::<Vtex>().await;
}

#[tokio::test]
async fn a_path_value_stays_in_its_place() {
    input::every_path_value::<Vtex>().await;
}

#[tokio::test]
async fn a_missing_argument_is_named_and_nothing_is_sent() {
    input::every_missing_argument::<Vtex>().await;
}
