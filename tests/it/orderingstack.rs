//! OrderingStack: OAuth2 with a client of its own, sessions of users and services, lists, guessed paths.

// Both are in lists of the build script's, which `cargo fmt` does not read: it finds them here.
#[cfg(rustfmt)]
#[path = "laws/bundled/orderingstack.rs"]
mod laws;
#[cfg(rustfmt)]
#[path = "wire/orderingstack.rs"]
mod wire;

use keyway::{
    ErrorKind, Expiry, Secret,
    orderingstack::{Client, ClientBuilder},
    testing::{ExpiresIn, FakeOrderingStack, FakeOrderingStackBuilder, Fault, ManualClock},
};
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn start(
    options: impl FnOnce(FakeOrderingStackBuilder) -> FakeOrderingStackBuilder,
) -> (FakeOrderingStack, ManualClock) {
    let clock = ManualClock::new();
    (options(FakeOrderingStack::builder().clock(clock.clone())).start().await, clock)
}

fn builder(fake: &FakeOrderingStack, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .clock(clock.clone())
}

fn user(fake: &FakeOrderingStack, clock: &ManualClock) -> Client {
    let builder = builder(fake, clock).password(FakeOrderingStack::LOGIN, Secret::from(FakeOrderingStack::PASSWORD));
    builder.build().unwrap()
}

#[apply(leak_checked!)]
async fn a_user_signs_in_once_and_renews_by_rotating_refresh_tokens() {
    let (fake, clock) = start(|b| b.rotating(true).token_life(HOUR)).await;
    let client = user(&fake, &clock);
    for _ in 0..4 {
        client.api().get_self().send().await.unwrap();
        clock.advance(2 * HOUR);
    }
    assert_eq!((fake.count("issue_token"), fake.count("get_self"), fake.reuses()), (4, 4, 0));
    assert!(fake.saw().iter().all(|seen| seen.tenant.as_deref() == Some(FakeOrderingStack::TENANT)));
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 5);
}

#[apply(leak_checked!)]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let (fake, clock) = start(|b| b.keeps_refresh_token(true).token_life(HOUR)).await;
    let client = user(&fake, &clock);
    for counter in 1..4 {
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), counter);
        clock.advance(2 * HOUR);
    }
    assert_eq!(fake.reuses(), 0);
}

#[apply(leak_checked!)]
async fn neither_does_an_empty_one_or_null_take_its_place() {
    for unnamed in [json!(null), json!("")] {
        let (fake, clock) = start(|b| b.rotating(true).token_life(HOUR)).await;
        let client = user(&fake, &clock);
        client.session().lease().await.unwrap();
        clock.advance(2 * HOUR);
        let answer = json!({ "access_token": "one of its own", "expires_in": 3600, "refresh_token": unnamed });
        fake.next("issue_token", Fault::Json(200, answer));
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
        clock.advance(2 * HOUR);
        // That answer did not come from the fake, so the first refresh token is still unused.
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 3);
        assert_eq!((fake.count("issue_token"), fake.reuses()), (3, 0), "{unnamed}");
    }
}

#[apply(leak_checked!)]
async fn expires_in_is_a_number_a_text_or_absent() {
    for (dialect, jwt, told) in [
        (ExpiresIn::Number, false, true),
        (ExpiresIn::Text, false, true),
        (ExpiresIn::Absent, true, true),
        (ExpiresIn::Absent, false, false),
    ] {
        let (fake, clock) = start(|b| b.expires_in(dialect).jwt(jwt).token_life(HOUR)).await;
        let lease = user(&fake, &clock).session().lease().await.unwrap();
        match lease.expiry() {
            Expiry::At(end) => {
                let life = end.duration_since(keyway::Clock::wall(&clock)).unwrap();
                assert!(told && life.abs_diff(HOUR) <= Duration::from_secs(1), "{dialect:?} {life:?}");
            }
            other => assert!(!told && other == Expiry::Unknown, "{dialect:?} {other:?}"),
        }
    }
}

#[apply(leak_checked!)]
async fn odd_characters_of_a_client_are_form_encoded_before_they_are_joined() {
    let (id, secret) = ("shop:one/ü", "p@ss:wörd %+&");
    let (fake, clock) = start(|b| b.client(id, secret)).await;
    let client = Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).client(id, secret).clock(clock.clone());
    client.client_credentials().build().unwrap().session().lease().await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_refused_user_and_a_refused_client_are_told_apart_and_sent_once() {
    let (fake, clock) = start(|b| b).await;
    let wrong_user = builder(&fake, &clock).password(FakeOrderingStack::LOGIN, "wrong").build().unwrap();
    let wrong_client = Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).client("till", "wrong");
    let wrong_client = wrong_client.clock(clock.clone()).client_credentials().build().unwrap();
    for (client, status, code, method) in
        [(wrong_user, 400, "invalid_grant", ".password(..)"), (wrong_client, 401, "invalid_client", ".client(..)")]
    {
        let before = fake.count("issue_token");
        for _ in 0..3 {
            let error = client.session().lease().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.status(), error.code()),
                (ErrorKind::InvalidCredentials, Some(status), Some(code))
            );
            assert!(error.to_string().contains(method) && error.body().is_none(), "{error}");
            clock.advance(HOUR);
        }
        assert_eq!(fake.count("issue_token") - before, 1);
    }
}

#[apply(leak_checked!)]
async fn a_refused_refresh_token_ends_in_a_new_sign_in() {
    let (fake, clock) = start(|b| b.token_life(HOUR)).await;
    let client = user(&fake, &clock);
    let first = client.session().lease().await.unwrap().generation();
    fake.revoke_refresh_tokens();
    clock.advance(2 * HOUR);
    let second = client.session().lease().await.unwrap().generation();
    assert_ne!(first, second);
    // One sign-in, one refused renewal, one sign-in.
    assert_eq!(fake.count("issue_token"), 3);
}

#[apply(leak_checked!)]
async fn a_call_that_needs_another_role_fails_before_anything_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let user = user(&fake, &clock);
    let service = builder(&fake, &clock).client_credentials().build().unwrap();
    let error = user.api().get_catalog_user().id(FakeOrderingStack::USER).send().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some("get_catalog_user")));
    assert!(error.to_string().contains(".client_credentials()"), "{error}");
    let error = service.api().get_self().send().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".password(..)"), "{error}");
    let error = user.api().get_module_config().send().await.unwrap_err();
    assert!(error.to_string().contains(".device(..)"), "{error}");
    assert!(fake.saw().is_empty());

    service.api().get_catalog_user().id(FakeOrderingStack::USER).send().await.unwrap();
    assert_eq!((fake.count("issue_token"), fake.count("get_catalog_user")), (1, 1));
}

const OTHER_TENANT: &str = "9cbe650a-1fb7-4b06-912b-cead8a013e8b";

/// Which tenants the requests for `operation` named, one after the other.
fn tenants_of(fake: &FakeOrderingStack, operation: &str) -> Vec<String> {
    let seen = fake.saw().into_iter().filter(|seen| seen.operation == operation);
    seen.map(|seen| seen.tenant.unwrap_or_default()).collect()
}

#[apply(leak_checked!)]
async fn a_service_chooses_the_tenant_per_call() {
    let (fake, clock) = start(|b| b.tenant(OTHER_TENANT)).await;
    let client = builder(&fake, &clock).client_credentials().build().unwrap();
    let (api, http) = (client.api(), client.http());
    api.get_modules_list().tenant(OTHER_TENANT).send().await.unwrap();
    api.get_modules_list().send().await.unwrap();
    http.get("/menu-api/api/menu").tenant(OTHER_TENANT).send().await.unwrap();
    http.get("/menu-api/api/menu").send().await.unwrap();
    http.get("/menu-api/api/menu").header("X-Tenant", OTHER_TENANT).send().await.unwrap();
    http.get("/menu-api/api/menu").tenant(FakeOrderingStack::TENANT.to_uppercase()).send().await.unwrap();
    let own = FakeOrderingStack::TENANT;
    assert_eq!(tenants_of(&fake, "get_modules_list"), [OTHER_TENANT, own]);
    assert_eq!(tenants_of(&fake, "other"), [OTHER_TENANT, own, OTHER_TENANT, own]);
    // It is one session all the same, and its own tenant's.
    assert_eq!(tenants_of(&fake, "issue_token"), [own]);
}

#[apply(leak_checked!)]
async fn a_chosen_tenant_stays_when_a_call_is_sent_again() {
    let (fake, clock) = start(|b| b.tenant(OTHER_TENANT)).await;
    let client = builder(&fake, &clock).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_access_tokens();
    let answer = client.http().get("/menu-api/api/menu").tenant(OTHER_TENANT).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    clock.advance(HOUR / 2);
    fake.revoke_access_tokens();
    client.api().list_all_modules().tenant(OTHER_TENANT).send().await.unwrap();
    assert_eq!(tenants_of(&fake, "other"), [OTHER_TENANT; 2]);
    assert_eq!(tenants_of(&fake, "list_all_modules"), [OTHER_TENANT; 2]);
    assert_eq!(fake.count("issue_token"), 3);
}

#[apply(leak_checked!)]
async fn another_sessions_tenant_and_an_invalid_one_are_refused_before_sending() {
    let (fake, clock) = start(|b| b.tenant(OTHER_TENANT)).await;
    let user = user(&fake, &clock);
    let service = builder(&fake, &clock).client_credentials().build().unwrap();
    let (menu, lists) = ("/menu-api/api/menu", FakeOrderingStack::USER);
    for (outcome, word) in [
        (user.http().get(menu).tenant(OTHER_TENANT).send().await.map(drop), "service session"),
        (user.http().get(menu).header("x-tenant", OTHER_TENANT).send().await.map(drop), "service session"),
        (user.api().get_modules_list().tenant(OTHER_TENANT).send().await.map(drop), "service session"),
        (user.api().get_user_contact().id(lists).tenant(OTHER_TENANT).send().await.map(drop), "service session"),
        (service.http().get(menu).tenant("the other one").send().await.map(drop), "no UUID"),
        (service.http().get(menu).header("x-tenant", "").send().await.map(drop), "no UUID"),
        (service.api().get_modules_list().tenant("the other one").send().await.map(drop), "no UUID"),
        (
            service
                .http()
                .get(menu)
                .header("x-tenant", OTHER_TENANT)
                .header("x-tenant", FakeOrderingStack::TENANT)
                .send()
                .await
                .map(drop),
            "two tenants",
        ),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
        assert!(error.to_string().contains(word) && error.to_string().contains("nothing was sent"), "{error}");
    }
    assert!(fake.saw().is_empty());

    // The session's own tenant is no other one.
    user.http().get(menu).tenant(FakeOrderingStack::TENANT).send().await.unwrap();
    user.http().get(menu).header("x-tenant", FakeOrderingStack::TENANT).send().await.unwrap();
    user.api().get_modules_list().tenant(FakeOrderingStack::TENANT).send().await.unwrap();
    assert_eq!((fake.count("other"), fake.count("get_modules_list")), (2, 1));
}

#[apply(leak_checked!)]
async fn a_service_gets_its_next_token_by_signing_in_again() {
    let (fake, clock) = start(|b| b.token_life(HOUR)).await;
    let client = builder(&fake, &clock).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(2 * HOUR);
    client.session().lease().await.unwrap();
    client.session().renew().await.unwrap();
    assert_eq!(fake.count("issue_token"), 3);
}

#[apply(leak_checked!)]
async fn consents_are_a_list_to_the_vendor_and_a_map_from_it() {
    let (fake, clock) = start(|b| b).await;
    let client = user(&fake, &clock);
    client.api().update_consents().body_map(|body| body.set(vec!["newsletter".to_owned()])).send().await.unwrap();
    let me = client.api().get_self().send().await.unwrap();
    assert!(me.consents.contains_key("newsletter"), "{me:?}");
}

#[apply(leak_checked!)]
async fn a_delete_has_a_body_and_the_literal_true_is_an_answer() {
    let (fake, clock) = start(|b| b).await;
    let client = user(&fake, &clock);
    let changed = client.api().update_self().body_map(|body| body.first_name("Łukasz")).send().await.unwrap();
    assert_eq!(*changed, json!(true));
    let gone = client.api().delete_self().body_map(|body| body.login(FakeOrderingStack::LOGIN)).send().await.unwrap();
    assert_eq!(*gone, json!(true));
    assert_eq!((fake.count("update_self"), fake.count("delete_self")), (1, 1));
}

#[apply(leak_checked!)]
async fn limits_of_the_document_are_checked_before_anything_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let client = user(&fake, &clock);
    for (first_name, phone, field) in
        [("!!", "48 123", "firstName"), ("Łukasz", "1", "phone"), ("Łukasz", "+48 123", "phone")]
    {
        let error = client.api().update_self().body_map(|body| body.first_name(first_name).phone(phone)).send().await;
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{error}");
        assert!(error.validation().unwrap().contains_key(field), "{error}");
    }
    let logins: Vec<_> = (0..101).map(|n| format!("user{n}")).collect();
    let error = client.api().grant_role_by_logins().body_map(|body| body.role("CASHIER").logins(logins)).send().await;
    assert!(error.unwrap_err().validation().unwrap().contains_key("logins"));
    let error = client.api().get_user().id("not-a-uuid").send().await.unwrap_err();
    assert!(error.validation().unwrap().contains_key("id"), "{error}");
    assert!(fake.saw().is_empty());
}

#[apply(leak_checked!)]
async fn a_guessed_path_says_so_and_can_be_overridden() {
    let (fake, clock) = start(|b| b).await;
    let client = user(&fake, &clock);
    // Nothing there, or nothing with this method: the same mistake.
    for status in [404, 405] {
        fake.next("update_consents", Fault::Empty(status));
        let error = client.api().update_consents().body_map(|body| body).send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
        assert!(error.to_string().contains("guess") && error.to_string().contains("operation_path"), "{error}");
        fake.next("get_module", Fault::Empty(status));
        let error = client.api().get_module().id("kiosk-1").send().await.unwrap_err();
        assert!(error.to_string().contains("guess") && error.to_string().contains("operation_path"), "{error}");
        fake.next("get_user", Fault::Empty(status));
        let error = client.api().get_user().id(FakeOrderingStack::USER).send().await.unwrap_err();
        assert!(!error.to_string().contains("guess"), "that path was seen: {error}");
    }

    let builder = builder(&fake, &clock).password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
    fake.serve("/elsewhere/{id}/contact");
    let moved = builder.clone().operation_path("get_user_contact", "/elsewhere/{id}/contact").build().unwrap();
    moved.api().get_user_contact().id(FakeOrderingStack::USER).send().await.unwrap();
    assert_eq!((fake.count("get_user_contact"), fake.count("other")), (0, 1));
    // What the user gave is no guess of ours.
    fake.next("other", Fault::Empty(404));
    let error = moved.api().get_user_contact().id(FakeOrderingStack::USER).send().await.unwrap_err();
    let told = error.to_string();
    assert!(!told.contains("guess") && told.contains("/elsewhere/{id}/contact"), "{told}");
    let error = builder.operation_path("get_user_contact", "/elsewhere").build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".operation_path(..)"), "{error}");
}

#[apply(leak_checked!)]
async fn a_list_is_a_stream_that_ends_and_loses_nothing() {
    let (fake, clock) = start(|b| (0..7).fold(b, |b, n| b.module(&format!("extra-{n}"), "KDS"))).await;
    let client = user(&fake, &clock);
    let modules = client.modules(|call| call).collect().await.unwrap();
    let mut ids: Vec<_> = modules.iter().map(|module| module["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), modules.len());
    assert!(ids.len() >= 7, "{ids:?}");
    assert_eq!(fake.count("get_modules_list"), 1);
    assert!(!client.users(|call| call).collect().await.unwrap().is_empty());
}

#[apply(leak_checked!)]
fn a_client_needs_its_tenant_and_its_oauth2_client() {
    let whole = Client::builder("https://ordering.example").tenant(FakeOrderingStack::TENANT).client("id", "hunter2");
    let missing_tenant = Client::builder("https://ordering.example").client("id", "hunter2").client_credentials();
    let missing_client =
        Client::builder("https://ordering.example").tenant(FakeOrderingStack::TENANT).client_credentials();
    for (built, method) in [
        (missing_tenant.build(), ".tenant(uuid)"),
        (missing_client.build(), ".client(id, secret)"),
        (whole.clone().build(), ".client_credentials()"),
        (whole.client_credentials().password("user", "hunter2").build(), "two credentials"),
    ] {
        let error = built.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(method), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }
}
