//! VTEX ID on the wire: the operations that are generated. Cookies and forms of several parts are written by hand.

use super::{
    Call, Detail, Surface, call,
    document::Document,
    fixture::{self, Route},
    for_every_operation, is,
};
use keyway::{
    ErrorKind, Expiry, Retry, Secret,
    vtex::{Client, types},
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(crate) struct Vtex;

const KEY: &str = "vtexappkey-example-YSWQFZ";
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
    const DOCUMENT: &'static str = include_str!(concat!(env!("OUT_DIR"), "/vtex.json"));
    const CONTENT_TYPE: Option<&'static str> = Some("application/json");
    const ROLES: &'static [&'static str] = &["user", "key"];

    fn client(uri: &str, role: &str) -> Client {
        let builder = Client::builder(uri).retry(Retry::never());
        let builder = match role {
            "key" => builder.app_key_headers(KEY, "hunter2"),
            _ => builder.app_key(KEY, "hunter2"),
        };
        builder.build().unwrap()
    }

    fn session() -> Vec<Route> {
        let body = json!({ "authStatus": "Success", "token": "the-user-token" });
        vec![Route { method: "POST", path: "/api/vtexid/apptoken/login", status: 200, body }]
    }

    fn session_headers(role: &str) -> Vec<(&'static str, &'static str)> {
        match role {
            "key" => vec![("X-VTEX-API-AppKey", KEY), ("X-VTEX-API-AppToken", "hunter2")],
            _ => vec![("VtexIdclientAutCookie", "the-user-token")],
        }
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
            call!(start_mfa_setup),
            call!(create_storefront_user(call, _) => call.is_legacy_password(true).body_map(|body| {
                let identifier = |kind: &str, value: &str| {
                    types::StorefrontIdentifier::builder().type_(kind).value(value).try_into().expect("an identifier")
                };
                body.identifiers(vec![
                    identifier("username", "beneson_test_21"),
                    identifier("email", "beneson2010@gmail.com"),
                    identifier("phoneNumber", "415-602-8838"),
                ])
            }))
            .asks([("isLegacyPassword", "true")]),
            call!(set_password_migration(call, name) => call.name(name).body_map(|body| {
                let (endpoint, secret) = ("https://auth-middleware.example.com/authentication", "set_password_migration");
                body.client_id("vtex-b2b-store").idp_endpoint(endpoint).secret(example(secret, "secret"))
            })),
            call!(switch_password_migration(call, name) => call.name(name).body_map(|body| body.enabled(true))),
            call!(delete_password_migration(call, name) => call.name(name)),
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
            ("AuthenticatorError", is::<types::AuthenticatorError>),
            ("ErrorMessage", is::<types::ErrorMessage>),
            ("UnknownAnswer", is::<Value>),
        ]
    }

    fn means(operation: &str, _status: u16, body: &Value) -> Option<ErrorKind> {
        let said = body["authStatus"].as_str().is_some_and(|said| said != "Success");
        (operation == "generate_authentication_token" && said).then_some(ErrorKind::InvalidCredentials)
    }
}

for_every_operation!(Vtex);

// ---- the readings of specs/vtex.md ----

const EXCHANGE: &str = "/api/vtexid/audience/webstore/provider/oauth/exchange";

/// The vendor's example of a successful answer.
fn answered(operation: &str, member: &str) -> String {
    let document = Document::parse(Vtex::DOCUMENT);
    let operation = document.operations().into_iter().find(|found| found.id() == operation).expect("an operation");
    let answer = operation.answers().into_iter().find(|answer| answer.is_success()).expect("a success");
    answer.examples[0][member].as_str().expect("a text").to_owned()
}

#[apply(leak_checked!)]
async fn an_exchange_is_for_120_minutes_at_most() {
    let body = json!({ "authToken": "the-user-token" });
    let server = fixture::server(vec![Route { method: "POST", path: EXCHANGE, status: 200, body }]).await;
    let client = Vtex::client(&server.uri(), "user");
    let call = |minutes: i64| {
        let call = client.api().exchange_oauth_access_token();
        call.body_map(|body| body.provider_id("p").access_token("hunter2").duration(minutes)).send()
    };
    let error = call(121).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{error}");
    assert!(error.validation().unwrap().keys().eq(["duration"]), "{error}");
    assert!(fixture::calls(&server).await.is_empty());
    call(120).await.unwrap();
    assert_eq!(fixture::sent(&server, EXCHANGE).await[0]["duration"], 120);
}

/// Its answer tells no end, and both parts of the vendor's example cannot be read.
#[apply(leak_checked!)]
async fn an_exchanged_token_that_cannot_be_read_lives_the_minutes_asked_for() {
    let token = answered("exchange_oauth_access_token", "authToken");
    let body = json!({ "authToken": token });
    let server = fixture::server(vec![Route { method: "POST", path: EXCHANGE, status: 200, body }]).await;
    for (asked, minutes) in [(None, 60), (Some(90), 90)] {
        let source = || async { Ok::<_, std::io::Error>(Secret::from("hunter2")) };
        let builder = Client::builder(server.uri()).oauth_exchange("p", source);
        let builder = asked.into_iter().fold(builder, |b, asked| b.exchanged_for(Duration::from_secs(60 * asked)));
        let lease = builder.build().unwrap().session().lease().await.unwrap();
        assert_eq!(lease.token().unwrap().expose(), token);
        let Expiry::At(end) = lease.expiry() else { panic!("told") };
        let life = end.duration_since(SystemTime::now()).unwrap();
        assert!(life.abs_diff(Duration::from_secs(60 * minutes)) < Duration::from_secs(30), "{asked:?}: {life:?}");
    }
    let sent = fixture::sent(&server, EXCHANGE).await;
    assert_eq!(sent.iter().map(|body| body.get("duration").cloned()).collect::<Vec<_>>(), [None, Some(json!(90))]);
}

#[apply(leak_checked!)]
async fn a_user_token_that_cannot_be_read_is_sent_as_it_is() {
    let token = answered("exchange_oauth_access_token", "authToken");
    let server = fixture::server(Vec::new()).await;
    let client = Client::builder(server.uri()).user_token(token.as_str()).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap().expiry(), Expiry::Unknown);
    client.http().get("/api/oms/pvt/orders").send().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    assert_eq!((seen.len(), seen[0].headers["VtexIdclientAutCookie"].to_str().unwrap()), (1, token.as_str()));
}

#[apply(leak_checked!)]
async fn an_unknown_auth_status_is_an_error_and_is_named() {
    let route = |path| Route { method: "POST", path, status: 200, body: json!({ "authStatus": "PasskeyNeeded" }) };
    let server =
        fixture::server(["/api/vtexid/credential/validate", "/api/vtexid/apptoken/login"].map(route).into()).await;
    let client = Vtex::client(&server.uri(), "user");
    let error = client.api().check_authenticated_user().body_map(|body| body.token("hunter2")).send().await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Api, Some("PasskeyNeeded")), "{error}");
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("PasskeyNeeded")), "{error}");
}

#[apply(leak_checked!)]
async fn a_sign_in_without_a_token_is_a_failure() {
    let body = json!({ "authStatus": "Success", "expires": 1_669_770_737 });
    let route = Route { method: "POST", path: "/api/vtexid/apptoken/login", status: 200, body };
    let server = fixture::server(vec![route]).await;
    let error = Vtex::client(&server.uri(), "user").session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)), "{error}");
}

#[apply(leak_checked!)]
fn switching_knows_oauth_alone() {
    use types::{AuthenticationMethodType, UpdatableMethodType};
    assert_eq!(AuthenticationMethodType::from("Password"), AuthenticationMethodType::Password);
    assert_eq!(AuthenticationMethodType::from("OAuth"), AuthenticationMethodType::OAuth);
    assert_eq!(UpdatableMethodType::from("Password"), UpdatableMethodType::Other("Password".to_owned()));
    assert_eq!(UpdatableMethodType::from("OAuth"), UpdatableMethodType::OAuth);
}

#[apply(leak_checked!)]
async fn both_of_the_vendors_examples_of_an_exchange_are_sent_as_they_stand() {
    let document = Document::parse(Vtex::DOCUMENT);
    let operations = document.operations();
    let exchange = operations.iter().find(|found| found.id() == "exchange_oauth_access_token").expect("an operation");
    let examples = exchange.body().expect("a body").1["examples"].as_object().expect("examples");
    let examples: Vec<Value> = examples.values().map(|example| example["value"].clone()).collect();
    let body = json!({ "authToken": "the-user-token" });
    let server = fixture::server(vec![Route { method: "POST", path: EXCHANGE, status: 200, body }]).await;
    let client = Vtex::client(&server.uri(), "user");
    for example in &examples {
        let text = |member: &str| example[member].as_str().expect("a text").to_owned();
        let (provider, token, minutes) = (text("providerId"), text("accessToken"), example["duration"].as_i64());
        let call = client.api().exchange_oauth_access_token();
        call.body_map(|body| body.provider_id(provider).access_token(token).duration(minutes)).send().await.unwrap();
    }
    assert_eq!(fixture::sent(&server, EXCHANGE).await, examples);
    let providers: Vec<_> = examples.iter().map(|example| &example["providerId"]).collect();
    assert_eq!(providers, ["custom-oauth-provider", "GoogleID"]);
}
