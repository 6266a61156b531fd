//! Shopmonkey: login sessions, static keys, envelopes, lists.

// Both are in lists of the build script's, which `cargo fmt` does not read: it finds them here.
#[cfg(rustfmt)]
#[path = "laws/bundled/shopmonkey.rs"]
mod laws;
#[cfg(rustfmt)]
#[path = "wire/shopmonkey.rs"]
mod wire;

use keyway::{
    ErrorKind, SignOut,
    shopmonkey::{Client, ClientBuilder, filter},
    testing::{FakeShopmonkey, FakeShopmonkeyBuilder, Fault, ManualClock},
};
use serde_json::json;
use std::time::Duration;

async fn start(options: impl FnOnce(FakeShopmonkeyBuilder) -> FakeShopmonkeyBuilder) -> (FakeShopmonkey, ManualClock) {
    let clock = ManualClock::new();
    (options(FakeShopmonkey::builder().clock(clock.clone())).start().await, clock)
}

fn builder(fake: &FakeShopmonkey, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri()).clock(clock.clone())
}

fn login(fake: &FakeShopmonkey, clock: &ManualClock) -> Client {
    builder(fake, clock).password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).build().unwrap()
}

fn key(fake: &FakeShopmonkey, clock: &ManualClock) -> Client {
    builder(fake, clock).api_key(FakeShopmonkey::API_KEY).build().unwrap()
}

#[apply(leak_checked!)]
async fn the_vendors_own_example_signs_in_although_it_breaks_its_own_required() {
    let (fake, clock) = start(|b| b).await;
    let client = login(&fake, &clock);
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("login"), 1);
    let typed = client.api().login().body_map(|b| b.email(FakeShopmonkey::EMAIL).password(FakeShopmonkey::PASSWORD));
    typed.send().await.unwrap();
}

#[apply(leak_checked!)]
async fn what_a_whole_sign_in_tells_is_in_the_profile_and_its_secrets_are_apart() {
    let (fake, clock) = start(|b| b.whole_profile(true)).await;
    let client = login(&fake, &clock);
    client.session().lease().await.unwrap();
    let profile = client.session().profile().unwrap();
    assert!(profile.secret("natsUserCredentials").is_some());
    let shown = format!("{profile:?} {}", profile.facts());
    assert!(fake.secrets().iter().all(|secret| !shown.contains(secret.as_str())), "{shown}");
}

#[apply(leak_checked!)]
async fn an_audience_is_sent_and_belongs_to_a_password() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).audience("shop");
    client.build().unwrap().session().lease().await.unwrap();
    assert_eq!(fake.audience(1).as_deref(), Some("shop"));
    let error = builder(&fake, &clock).api_key("hunter2").audience("shop").build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".audience(..)"), "{error}");
}

#[apply(leak_checked!)]
async fn a_key_is_sent_as_it_is_and_is_never_renewed() {
    let (fake, clock) = start(|b| b).await;
    let client = key(&fake, &clock);
    for _ in 0..3 {
        assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
        clock.advance(Duration::from_secs(100 * 24 * 3600));
    }
    assert_eq!((fake.count("other"), fake.count("login")), (3, 0));
    let error = client.session().renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(fake.count("logout"), 0);
}

#[apply(leak_checked!)]
async fn a_401_to_a_key_is_final_and_remembered_for_a_while() {
    let (fake, clock) = start(|b| b).await;
    let client = key(&fake, &clock);
    fake.revoke_api_key(FakeShopmonkey::API_KEY);
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 401);
    for _ in 0..10 {
        let error = client.http().get("/v3/order").send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Unauthorized, true), "{error}");
    }
    assert_eq!(fake.count("other"), 1);
    clock.advance(Duration::from_secs(30));
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 401);
    assert_eq!(fake.count("other"), 2);
    let report = client.session().report().to_string();
    assert!(report.contains("uses what the builder was given: token "), "{report}");
    assert_eq!(report.matches("the vendor answered 401 to token ").count(), 2, "{report}");
}

#[apply(leak_checked!)]
async fn a_success_that_is_denied_inside_a_200_is_an_error() {
    let (fake, clock) = start(|b| b).await;
    let client = key(&fake, &clock);
    fake.next("logout", Fault::Json(200, json!({ "success": false, "code": "API-472811", "message": "session gone" })));
    let error = client.api().logout().send().await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Api, Some(200), Some("API-472811")));
    client.session().lease().await.expect("a sign-out that was denied ends nothing");

    let (fake, clock) = start(|b| b.failures_in_200(true)).await;
    let wrong = builder(&fake, &clock).password(FakeShopmonkey::EMAIL, "wrong").build().unwrap();
    for _ in 0..3 {
        let error = wrong.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidCredentials, Some(200)));
    }
    assert_eq!(fake.count("login"), 1);
}

#[apply(leak_checked!)]
async fn any_refusal_of_a_login_means_its_credentials_but_a_firewalls_page_does_not() {
    for status in [400, 401, 403] {
        let (fake, clock) = start(|b| b.refused_login(status)).await;
        let client = builder(&fake, &clock).password(FakeShopmonkey::EMAIL, "wrong").build().unwrap();
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidCredentials, Some(status)));
    }
    let (fake, clock) = start(|b| b).await;
    let client = login(&fake, &clock);
    fake.next("login", Fault::Html(403));
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(403)));
    assert!(error.to_string().contains("did not reach the vendor"), "{error}");
    clock.advance(Duration::from_secs(60));
    client.session().lease().await.expect("a firewall's page is not remembered against the password");
}

#[apply(leak_checked!)]
async fn retry_after_is_seconds_or_a_date() {
    for date in [false, true] {
        let (fake, clock) = start(|b| b.calls_per_minute(1).retry_after_date(date)).await;
        let client = key(&fake, &clock);
        client.api().list_api_keys().send().await.unwrap();
        let client = key(&fake, &clock);
        let body = |b: keyway::shopmonkey::types::builder::CreateApiKeyRequest| b.name("till").audience("shop");
        let error = client.api().create_api_key().body_map(body).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        let wait = error.retry_after().unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60), "{date} {wait:?}");
        assert!(error.request_id().is_some());
    }
}

#[apply(leak_checked!)]
async fn keys_are_made_listed_and_deleted() {
    let (fake, clock) = start(|b| b).await;
    let client = key(&fake, &clock);
    let made =
        client.api().create_api_key().body_map(|b| b.name("till").audience("shop").expires(30)).send().await.unwrap();
    assert!(!made.data.token.expose().is_empty());
    let condition = filter(&json!({ "name": { "equals": "till" } })).unwrap();
    let keys = client
        .api_keys(move |call| call.where_(condition.clone()).order_by(r#"{"id":"asc"}"#))
        .collect()
        .await
        .unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let id = keys[0].id.clone().unwrap();
    client.api().delete_api_key().id(id).send().await.unwrap();
    let left = client.api_keys(|call| call).collect().await.unwrap();
    assert!(left.iter().all(|key| key.name.as_deref() != Some("till")));
    // Nothing signs in for a key, and no list is asked for beyond its end.
    let counts = ["create_api_key", "list_api_keys", "delete_api_key", "login"].map(|operation| fake.count(operation));
    assert_eq!((counts, fake.saw().len()), ([1, 2, 1, 0], 4));
}

#[apply(leak_checked!)]
async fn a_list_of_keys_ends_without_meta_and_with_a_repeated_page() {
    let many = |b: FakeShopmonkeyBuilder| {
        (0..150).fold(b, |b, n| b.api_key(&format!("key {n}"), &format!("sm-key-number-{n:04}")))
    };
    for (without_meta, repeat, expected) in
        [(false, false, 151), (true, false, 151), (false, true, 100), (true, true, 100)]
    {
        let (fake, clock) = start(|b| many(b).without_meta(without_meta).repeat_pages(repeat)).await;
        let keys = key(&fake, &clock).api_keys(|call| call).collect().await.unwrap();
        assert_eq!(keys.len(), expected, "without meta: {without_meta}, repeated: {repeat}");
    }
}

#[apply(leak_checked!)]
async fn a_login_session_ends_at_the_vendor_and_a_lost_one_is_made_anew() {
    let (fake, clock) = start(|b| b).await;
    let client = login(&fake, &clock);
    client.session().lease().await.unwrap();
    fake.revoke_sessions();
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("login"), fake.count("other")), (2, 2));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(fake.count("logout"), 1);
    // A second sign-out has nothing to end, and a session that the vendor has forgotten counts as ended.
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    client.session().sign_in().await.unwrap();
    fake.revoke_sessions();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!((fake.count("login"), fake.count("logout")), (3, 2));
}

#[apply(leak_checked!)]
async fn the_typed_logout_ends_the_session_here_too_and_a_key_is_only_forgotten() {
    let (fake, clock) = start(|b| b).await;
    let client = login(&fake, &clock);
    client.session().lease().await.unwrap();
    client.api().logout().send().await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.http().get("/v3/order").send().await.unwrap_err().kind(), ErrorKind::SignedOut);
    }
    assert_eq!((fake.count("login"), fake.count("logout"), fake.count("other")), (1, 1, 0));
    client.session().sign_in().await.unwrap();
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("login"), fake.count("logout"), fake.count("other")), (2, 1, 1));

    let key = key(&fake, &clock);
    key.session().lease().await.unwrap();
    assert_eq!(key.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(key.http().get("/v3/order").send().await.unwrap_err().kind(), ErrorKind::SignedOut);
    key.session().sign_in().await.unwrap();
    assert_eq!(key.http().get("/v3/order").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("login"), fake.count("logout"), fake.count("other")), (2, 1, 2));
}

#[apply(leak_checked!)]
async fn a_key_made_by_a_session_serves_a_second_client_until_it_is_deleted() {
    let (fake, clock) = start(|b| b).await;
    let session = login(&fake, &clock);
    let made = session.api().create_api_key().body_map(|b| b.name("till").audience("shop")).send().await.unwrap();
    let second = builder(&fake, &clock).api_key(made.data.token.clone()).build().unwrap();
    for client in [&session, &second, &session, &second] {
        assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    }
    let keys = session.api_keys(|call| call).collect().await.unwrap();
    let id = keys.iter().find(|key| key.name.as_deref() == Some("till")).and_then(|key| key.id.clone()).unwrap();
    session.api().delete_api_key().id(id).send().await.unwrap();

    // The second client: one 401, final, and for 30 s nothing more.
    assert_eq!(second.http().get("/v3/order").send().await.unwrap().status(), 401);
    clock.advance(Duration::from_secs(29));
    for _ in 0..5 {
        let error = second.http().get("/v3/order").send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Unauthorized, true), "{error}");
    }
    assert_eq!(fake.count("other"), 5);
    clock.advance(Duration::from_secs(1));
    assert_eq!(second.http().get("/v3/order").send().await.unwrap().status(), 401);
    // The session and the key that was always there go on.
    for client in [&session, &key(&fake, &clock)] {
        assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    }
    assert_eq!((fake.count("login"), fake.count("other")), (1, 8));
    assert_eq!(session.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!((fake.count("logout"), fake.count("create_api_key"), fake.count("delete_api_key")), (1, 1, 1));
    let bearers: Vec<_> = fake.saw().into_iter().filter_map(|seen| seen.bearer).collect();
    let of = |name: &str| bearers.iter().filter(|bearer| *bearer == name).count();
    // What came with the deleted key is no token that the vendor knows.
    assert_eq!((of("token #1"), of("api key #1"), of("api key #2")), (7, 1, 4), "{bearers:?}");
}

#[apply(leak_checked!)]
async fn a_login_that_tells_its_end_is_used_to_it_and_leaves_no_session_behind() {
    let hour = Duration::from_secs(3600);
    let (fake, clock) = start(|b| b.jwt(true).token_life(hour)).await;
    let client = login(&fake, &clock);
    let first = client.session().lease().await.unwrap().generation();
    clock.advance(hour - Duration::from_secs(1));
    assert_eq!(client.session().lease().await.unwrap().generation(), first);
    client.session().close().await.unwrap();
    assert_eq!(fake.count("login"), 1);
    // The old session has ended by itself by the time the next one begins: there is nothing to revoke.
    clock.advance(Duration::from_secs(1));
    assert_eq!(client.http().get("/v3/order").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("login"), fake.count("logout"), fake.count("other")), (2, 0, 1));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(fake.count("logout"), 1);
    for number in [1, 2] {
        let alone = reqwest::Client::new().get(format!("{}/v3/order", fake.uri())).bearer_auth(fake.token(number));
        assert_eq!(alone.send().await.unwrap().status(), 401, "session {number} lives");
    }
}
