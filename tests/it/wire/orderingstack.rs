//! OrderingStack on the wire.

use super::{
    Body, Call, Detail, Surface, call,
    fixture::{self, Route},
    for_every_operation, is,
};
use crate::TENANT;
use keyway::{
    Answer, DeviceCode, Error, ErrorKind, Responder, Retry,
    orderingstack::{Client, ClientBuilder, types},
    testing::ManualClock,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) struct OrderingStack;

const USER: &str = "9cbe650a-1fb7-4b06-912b-cead8a013e8b";

impl Surface for OrderingStack {
    type Client = Client;
    const DOCUMENT: &'static str = include_str!(concat!(env!("OUT_DIR"), "/orderingstack.json"));
    const TENANT: Option<&'static str> = Some(TENANT);
    const ROLES: &'static [&'static str] = &["user", "service", "module"];

    fn client(uri: &str, role: &str) -> Client {
        let builder = Client::builder(uri).tenant(TENANT).client("till", "hunter2").retry(Retry::never());
        let builder = match role {
            "user" => builder.password("cashier", "hunter2"),
            "service" => builder.client_credentials(),
            "module" => device(builder, &ManualClock::new()),
            other => panic!("no builder makes a session of the role {other}"),
        };
        builder.build().unwrap()
    }

    fn session() -> Vec<Route> {
        let token = json!({ "access_token": "the-access-token", "refresh_token": "the-refresh-token" });
        let code = json!({ "device_code": "the-device-code", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example" });
        vec![
            Route { method: "POST", path: "/auth-oauth2/oauth/token", status: 200, body: token },
            Route { method: "POST", path: "/auth-oauth2/oauth/device", status: 200, body: code },
        ]
    }

    fn session_headers(_role: &str) -> Vec<(&'static str, &'static str)> {
        vec![("authorization", "Bearer the-access-token"), ("x-tenant", TENANT)]
    }

    #[rustfmt::skip]
    fn calls() -> Vec<Call<Client>> {
        let filter = [("_sort", "id"), ("_order", "DESC"), ("_start", "100"), ("_end", "200"), ("id", "ö 1&2")];
        let of_modules = || [&filter[..], &[("type", "KIOSK"), ("venue", "v/1")]].concat();
        vec![
            call!(issue_token(call, _) => call.body_map(|body| {
                body.grant_type("password").username("user").password("a b&c=ü").scope("read")
            }))
            .sends(Body::Form(vec![("grant_type", "password"), ("username", "user"), ("password", "a b&c=ü"), ("scope", "read")])),
            call!(start_device(call, _) => call.body_map(|body| body.module("kiosk-1"))).sends(Body::Form(vec![("module", "kiosk-1")])),
            call!(get_user(call, id) => call.id(id)).at(USER),
            call!(upsert_user(call, id) => call.id(id).body_map(|body| {
                body.login("testomir5@3e.pl").active(true).roles(Vec::new()).first_name("Arnold").last_name("Schwarzenegger")
            }))
            .at(USER),
            call!(delete_user(call, id) => call.id(id)).at(USER),
            call!(upsert_user_sync(call, id) => call.id(id).body_map(|body| {
                body.login("testomir5@3e.pl").password("password123").active(true).roles(Vec::new()).first_name("Arnold")
                    .last_name("Schwarzenegger")
            }))
            .at(USER),
            call!(get_user_list(call, _) => {
                call.sort("id").order("DESC").start(100).end(200).id("ö 1&2").phone("+48 123")
            })
            .asks([&filter[..], &[("phone", "+48 123")]].concat()),
            call!(create_user(call, _) => call.body_map(|body| {
                body.id(USER.to_owned()).login("testomir5@3e.pl").password("password123").active(true).roles(Vec::new())
                    .first_name("Arnold").last_name("Schwarzenegger")
            })),
            call!(create_user_sync(call, _) => call.body_map(|body| {
                body.id(USER.to_owned()).login("testomir5@3e.pl").password("password123").active(true).roles(Vec::new())
                    .first_name("Arnold").last_name("Schwarzenegger")
            })),
            call!(upsert_auth_strategy(call, id) => call.id(id).body_map(|body| {
                body.strategy("string").id("string").password("stringstri").active(true)
            }))
            .at(USER),
            // The vendor's example breaks its own pattern: a code is six digits.
            call!(totp_configure(call, _) => call.body_map(|body| body.secret("stringstri").code("123456")))
                .sends(Body::Json(json!({ "secret": "stringstri", "code": "123456" }))),
            call!(totp_remove),
            call!(totp_secret),
            call!(get_self),
            call!(update_self(call, _) => call.body_map(|body| {
                body.first_name("string").last_name("string").phone("string").push_id("string").properties(serde_json::Map::new())
            })),
            call!(delete_self(call, _) => call.body_map(|body| body.login("string"))),
            call!(update_consents(call, _) => call.body_map(|body| body.set(Vec::new()).unset(Vec::new()))),
            call!(by_auth_strategy(call, _) => call.strategy("phone").id("+48 1/2").email("a+b@c.d"))
                .asks([("strategy", "phone"), ("id", "+48 1/2"), ("email", "a+b@c.d")]),
            call!(get_user_contact(call, id) => call.id(id)).at(USER),
            call!(get_catalog_user(call, id) => call.id(id)).at(USER),
            call!(upsert_tenant_property(call, property) => call.property(property).body_map(|body| {
                body.property("string").value("string").is_private(true).is_obfuscate(true)
            }))
            .at("a.property-1"),
            call!(delete_tenant_property(call, property) => call.property(property).is_private(false))
                .at("a.property-1").asks([("isPrivate", "false")]),
            call!(get_public_tenant_config(call, _) => call.filter("łódź.1")).asks([("filter", "łódź.1")]),
            call!(update_public_config(call, _) => {
                call.body(BTreeMap::from([("config1", "value"), ("config2", "true")].map(|(n, v)| (n.to_owned(), v.to_owned()))))
            }),
            call!(get_tenant_properties(call, _) => call.sort("id").order("DESC").start(100).end(200)).asks(&filter[..4]),
            call!(upsert_tenant_property_in_body(call, _) => call.body_map(|body| {
                body.property("string").value("string").is_private(true).is_obfuscate(true)
            })),
            call!(get_tenant_properties_schema),
            call!(get_catalog_tenant(call, id) => call.id(id).filter("a")).at(USER).asks([("filter", "a")]),
            call!(get_module(call, id) => call.id(id)).at("kiosk-1"),
            call!(update_module(call, id) => call.id(id).body_map(|body| body.id("kiosk-1").type_("KIOSK").production(false)))
                .at("kiosk-1"),
            call!(delete_module(call, id) => call.id(id)).at("kiosk-1"),
            call!(get_modules_list(call, _) => {
                call.sort("id").order("DESC").start(100).end(200).id("ö 1&2").type_("KIOSK").venue("v/1")
            })
            .asks(of_modules()),
            call!(create_module(call, _) => call.body_map(|body| body.id("kiosk-1").type_("KIOSK").production(false))),
            // Any value will do: the list of module types is open.
            call!(get_module_common_config_of_type(call, kind) => call.type_(kind)),
            call!(set_module_common_config(call, kind) => {
                call.type_(kind).body(BTreeMap::from(["property1", "property2"].map(|name| (name.to_owned(), "string".to_owned()))))
            }),
            call!(logout_module(call, id) => call.id(id)).at("kiosk-1"),
            call!(get_module_config),
            call!(get_venue_module_config(call, venue) => {
                call.venue(venue).type_("ZZ_NEW").filter_config_name("config.a1").filter_config_value("x-1")
            })
            .at("venue-1")
            .asks([("type", "ZZ_NEW"), ("filterConfigName", "config.a1"), ("filterConfigValue", "x-1")]),
            call!(get_module_common_config),
            call!(find_module_config(call, _) => {
                call.sort("id").order("DESC").start(100).end(200).id("ö 1&2").type_("KIOSK").venue("v/1")
            })
            .asks(of_modules()),
            call!(list_all_modules(call, _) => {
                call.sort("id").order("DESC").start(100).end(200).id("ö 1&2").type_("KIOSK").venue("v/1")
            })
            .asks(of_modules()),
            call!(get_catalog_module(call, id) => call.id(id)).at("kiosk-1"),
            call!(revoke_roles_globally(call, _) => call.body(vec!["string".to_owned()])),
            call!(grant_role_by_logins(call, _) => call.body_map(|body| {
                body.venue("string").role("string").logins(vec!["string".to_owned()])
            })),
        ]
    }

    fn details() -> Vec<Detail> {
        vec![("ApiError", is::<types::ApiError>), ("OAuthError", is::<types::OAuthError>)]
    }

    fn means(operation: &str, status: u16, body: &Value) -> Option<ErrorKind> {
        let refuses =
            matches!(body["error"].as_str(), Some("invalid_grant" | "invalid_client" | "unauthorized_client"));
        let grants = operation == "issue_token" || (operation == "start_device" && body["error"] != "invalid_grant");
        (grants && matches!(status, 400 | 401) && refuses).then_some(ErrorKind::InvalidCredentials)
    }

    fn telling(_operation: &str, status: u16) -> &'static [&'static str] {
        if matches!(status, 400 | 401) { &["/error"] } else { &[] }
    }
}

/// A module's session, for which no time has to pass.
fn device(builder: ClientBuilder, clock: &ManualClock) -> ClientBuilder {
    builder.device("kiosk-1").clock(clock.clone()).responder(Screen(clock.clone()))
}

/// Shows the code, and lets the time pass that is waited before the vendor is asked.
struct Screen(ManualClock);

impl Responder for Screen {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        self.0.advance(device.interval());
        Some(())
    }
}

for_every_operation!(OrderingStack);

// ---- the readings of specs/orderingstack.md ----

#[apply(leak_checked!)]
async fn an_address_that_is_required_may_be_empty_and_is_sent_so() {
    let path = "/auth-api/api/users/by-auth-strategy";
    let mut routes = OrderingStack::session();
    routes.push(Route { method: "GET", path, status: 200, body: json!({}) });
    let server = fixture::server(routes).await;
    let client = OrderingStack::client(&server.uri(), "user");
    client.api().by_auth_strategy().strategy("phone").id("1").email("").send().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    let query = seen.last().unwrap().url.query().unwrap_or_default();
    assert!(query.split('&').any(|pair| pair == "email="), "{query}");
}

/// The routes of a session, with one more.
fn with(route: Route) -> Vec<Route> {
    let mut routes = OrderingStack::session();
    routes.push(route);
    routes
}

fn is_refused(error: &Error, field: &str) {
    assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{error}");
    assert!(error.validation().unwrap().keys().eq([field]), "{error} does not name {field} alone");
}

#[apply(leak_checked!)]
async fn a_deletion_is_told_as_true_or_as_an_object() {
    for told in [json!(true), json!({ "deleteAfter": "2026-01-01T00:00:00Z" })] {
        let route = Route { method: "DELETE", path: "/auth-api/api/me", status: 200, body: told.clone() };
        let server = fixture::server(with(route)).await;
        let client = OrderingStack::client(&server.uri(), "user");
        let answer = client.api().delete_self().body_map(|body| body.login("cashier")).send().await.unwrap();
        assert_eq!(*answer, told);
        assert_eq!(fixture::sent(&server, "/auth-api/api/me").await, [json!({ "login": "cashier" })]);
    }
}

#[apply(leak_checked!)]
async fn an_empty_filter_or_venue_is_refused_and_nothing_is_sent() {
    let server = fixture::server(OrderingStack::session()).await;
    let client = OrderingStack::client(&server.uri(), "user");
    let error = client.api().get_public_tenant_config().filter("").send().await.unwrap_err();
    is_refused(&error, "filter");
    let module = client.api().create_module().body_map(|body| body.id("kiosk-1").type_("KIOSK").venue(""));
    is_refused(&module.send().await.unwrap_err(), "venue");
    assert!(fixture::calls(&server).await.is_empty());
}

#[apply(leak_checked!)]
async fn a_venue_may_have_dots_in_a_module_and_none_in_a_path() {
    let route = Route { method: "POST", path: "/auth-api/api/modules", status: 200, body: json!({}) };
    let server = fixture::server(with(route)).await;
    let client = OrderingStack::client(&server.uri(), "service");
    let error = client.api().get_venue_module_config().venue("north.1").type_("KIOSK").send().await.unwrap_err();
    is_refused(&error, "venue");
    let roles = client.api().grant_role_by_logins().body_map(|body| body.venue("").role("r").logins(vec!["a".into()]));
    is_refused(&roles.send().await.unwrap_err(), "venue");
    assert!(fixture::calls(&server).await.is_empty());
    let module = client.api().create_module().body_map(|body| body.id("kiosk-1").type_("KIOSK").venue("north.1"));
    module.send().await.unwrap();
    let sent = json!({ "id": "kiosk-1", "type": "KIOSK", "venue": "north.1" });
    assert_eq!(fixture::sent(&server, "/auth-api/api/modules").await, [sent]);
}

#[apply(leak_checked!)]
async fn a_password_has_the_limits_of_its_place_and_none_at_sign_in() {
    let server = fixture::server(OrderingStack::session()).await;
    let client = OrderingStack::client(&server.uri(), "user");
    let user = |password: &str| {
        let password = password.to_owned();
        client.api().upsert_user().id(USER).body_map(|body| body.login("cashier").password(password)).send()
    };
    let strategy = |password: &str| {
        let password = password.to_owned();
        let call = client.api().upsert_auth_strategy().id(USER);
        call.body_map(|body| body.strategy("FB").id("1").password(password)).send()
    };
    let (short, long) = ("1234567", "x".repeat(65));
    for error in [user(short).await, user(&long).await].map(Result::unwrap_err) {
        is_refused(&error, "password");
    }
    for error in [strategy("123456789").await, strategy(&long).await].map(Result::unwrap_err) {
        is_refused(&error, "password");
    }
    assert!(fixture::calls(&server).await.is_empty());
    let call = client.api().issue_token();
    let call = call.body_map(|body| body.grant_type("password").username("anonymous").password("").scope("read"));
    call.send().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    assert_eq!(seen.len(), 1);
    let form = std::str::from_utf8(&seen[0].body).unwrap();
    assert!(form.split('&').any(|pair| pair == "password="), "{form}");
    for error in [user("12345678").await, strategy("1234567890").await].map(Result::unwrap_err) {
        assert_eq!(error.status(), Some(404), "{error}");
    }
    // The three that are within their limits, and the session of two of them.
    assert_eq!(fixture::calls(&server).await.len(), 4);
}

#[apply(leak_checked!)]
async fn a_code_is_six_digits_whatever_the_sample_says() {
    let route = Route { method: "POST", path: "/auth-api/api/totp", status: 200, body: json!(null) };
    let server = fixture::server(with(route)).await;
    let client = OrderingStack::client(&server.uri(), "user");
    let sample = client.api().totp_configure().body_map(|body| body.secret("stringstri").code("string"));
    is_refused(&sample.send().await.unwrap_err(), "code");
    assert!(fixture::calls(&server).await.is_empty());
    client.api().totp_configure().body_map(|body| body.secret("stringstri").code("123456")).send().await.unwrap();
    assert_eq!(fixture::calls(&server).await, ["POST /auth-oauth2/oauth/token", "POST /auth-api/api/totp"]);
}

/// The forms of the vendor's own clients.
#[apply(leak_checked!)]
async fn every_way_in_sends_the_form_of_its_grant() {
    let clock = ManualClock::new();
    let begin = |uri: &str| Client::builder(uri).tenant(TENANT).client("till", "hunter2").clock(clock.clone());
    let of_device = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=the-device-code";
    let refresh = "grant_type=refresh_token&refresh_token=the-refresh-token";
    type Way = fn(ClientBuilder, &ManualClock) -> ClientBuilder;
    let ways: [(Way, &[&str]); 9] = [
        (
            |b, _| b.password("ann", "a b&c=ü"),
            &["grant_type=password&username=ann&password=a+b%26c%3D%C3%BC&scope=read", refresh],
        ),
        (
            |b, _| b.password("ann", "x").scope("a b"),
            &["grant_type=password&username=ann&password=x&scope=a+b", refresh],
        ),
        (|b, _| b.anonymous(), &["grant_type=password&username=anonymous&password=&scope=read", refresh]),
        (|b, _| b.client_credentials(), &["grant_type=client_credentials", "grant_type=client_credentials"]),
        (
            |b, _| b.client_credentials().scope("a"),
            &["grant_type=client_credentials&scope=a", "grant_type=client_credentials&scope=a"],
        ),
        (device, &["module=kiosk-1&scope=pos+role.MENU", of_device, refresh]),
        (|b, clock| device(b, clock).scope("pos"), &["module=kiosk-1&scope=pos", of_device, refresh]),
        (|b, _| b.refresh_token("s/e+d"), &["grant_type=refresh_token&refresh_token=s%2Fe%2Bd", refresh]),
        (
            |b, _| b.password_from("ann", || async { Ok::<_, Error>("x".into()) }),
            &["grant_type=password&username=ann&password=x&scope=read", refresh],
        ),
    ];
    for (way, forms) in ways {
        let server = fixture::server(OrderingStack::session()).await;
        let client = way(begin(&server.uri()), &clock).build().unwrap();
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap();
        let seen = server.received_requests().await.unwrap();
        let sent: Vec<_> = seen.iter().map(|request| std::str::from_utf8(&request.body).unwrap()).collect();
        assert_eq!(sent, forms);
        for request in &seen {
            let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!((header("authorization"), header("x-tenant")), (Some("Basic dGlsbDpodW50ZXIy"), Some(TENANT)));
            assert_eq!(header("content-type"), Some("application/x-www-form-urlencoded"));
        }
    }
}

/// Some servers answer a poll with a 200 that has an error in it.
#[apply(leak_checked!)]
async fn a_poll_is_judged_by_its_error_whatever_its_status() {
    for (status, body, kind) in [
        (200, json!({ "error": "access_denied" }), ErrorKind::Declined),
        (403, json!({ "error": "access_denied" }), ErrorKind::Declined),
        (401, json!({ "error": "invalid_client" }), ErrorKind::InvalidCredentials),
        (400, json!({ "error": "unsupported_grant_type" }), ErrorKind::Api),
        (400, json!({ "message": "what?" }), ErrorKind::Api),
        (404, json!(null), ErrorKind::Api),
        (200, json!({ "token": "x" }), ErrorKind::Protocol),
        (200, json!("<html>"), ErrorKind::Protocol),
    ] {
        let mut routes = OrderingStack::session();
        routes.insert(0, Route { method: "POST", path: "/auth-oauth2/oauth/token", status, body: body.clone() });
        let server = fixture::server(routes).await;
        let clock = ManualClock::new();
        let builder = Client::builder(server.uri()).tenant(TENANT).client("till", "hunter2");
        let client = builder.device("kiosk-1").clock(clock.clone()).build().unwrap();
        let resume = client.session().lease().await.unwrap_err().resume().unwrap();
        let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(drop) });
        clock.until_sleeping(2).await;
        clock.advance(std::time::Duration::from_secs(5));
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert!(!format!("{error} {error:?}").contains("the-device-code"), "{error}");
        assert_eq!(fixture::calls(&server).await.len(), 2, "{status} {body}");
    }
}
