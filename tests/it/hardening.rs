//! Scenarios that once went wrong, or could have.

mod sources;
mod stores;

use keyway::{testing::*, *};
use serde_json::json;
use std::{
    sync::{Arc, Mutex, atomic::*},
    time::Duration,
};

fn vms(fake: &FakeVms, clock: &ManualClock) -> keyway::vms::ClientBuilder {
    keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone())
}

fn vita(fake: &FakeVitaMojo, clock: &ManualClock) -> keyway::vitamojo::ClientBuilder {
    keyway::vitamojo::Client::builder(fake.uri())
        .password(FakeVitaMojo::EMAIL, Secret::from(FakeVitaMojo::PASSWORD))
        .tenant("c36578d8-ffa6-4a5e-a808-400ee422028a")
        .clock(clock.clone())
}

fn key_source(k: &'static str) -> impl CredentialSource {
    move || async move { Ok::<_, std::io::Error>(Secret::from(k)) }
}

#[apply(leak_checked!)]
async fn two_shoppers_of_one_provider_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake =
        FakeVtex::builder().clock(clock.clone()).provider_token(FakeVtex::PROVIDER, "token-of-shopper-B").start().await;
    let store = MemoryStore::new();
    let c = |t| {
        keyway::vtex::Client::builder(fake.uri())
            .account(FakeVtex::ACCOUNT)
            .clock(clock.clone())
            .store(store.clone())
            .oauth_exchange(FakeVtex::PROVIDER, key_source(t))
            .build()
            .unwrap()
    };
    let (a, b) = (c(FakeVtex::PROVIDER_TOKEN), c("token-of-shopper-B"));
    let (a, b) = (a.session().lease().await.unwrap(), b.session().lease().await.unwrap());
    assert_ne!(a.token().unwrap().expose(), b.token().unwrap().expose());
}

#[apply(leak_checked!)]
async fn two_audiences_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let store = MemoryStore::new();
    let c = |a: &str| {
        keyway::shopmonkey::Client::builder(fake.uri())
            .clock(clock.clone())
            .store(store.clone())
            .password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD)
            .audience(a)
            .build()
            .unwrap()
    };
    let (a, b) = (c("shop"), c("hq"));
    a.session().lease().await.unwrap();
    b.session().lease().await.unwrap();
    assert_eq!(fake.count("login"), 2);
}

#[apply(leak_checked!)]
async fn a_retry_after_of_zero_still_cools_down() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    fake.always("auth", Fault::TooManyRequests { retry_after: Some("0".into()) });
    let client = vita(&fake, &clock).build().unwrap();
    for _ in 0..10 {
        let _ = client.session().lease().await.unwrap_err();
    }
    assert_eq!(fake.count("auth"), 1);
}

#[apply(leak_checked!)]
fn outside_a_runtime_joining_a_run_is_an_error_too() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = rt.block_on(FakeVms::start());
    let client = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).build().unwrap();
    let gate = fake.hold("get_token");
    let c = client.clone();
    rt.spawn(async move { c.session().lease().await });
    rt.block_on(gate.arrived(1));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut f = Box::pin(client.session().lease());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(f.as_mut(), &mut cx)
    }));
    gate.open();
    assert!(result.is_ok(), "panicked");
}

#[apply(leak_checked!)]
async fn a_key_that_no_header_can_carry_is_told() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .api_key(format!("{}\n", FakeShopmonkey::API_KEY))
        .build()
        .unwrap();
    let error = client.http().get("/v3/order").send().await.unwrap_err();
    assert_eq!((error.kind(), fake.saw().len()), (ErrorKind::Protocol, 0), "sent without credentials: {error}");
}

#[apply(leak_checked!)]
async fn a_late_waiter_gets_no_token_after_a_sign_out() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(9 * 60 + 40));
    let gate = fake.hold("refresh_token");
    let c = client.clone();
    let waiting = tokio::spawn(async move { c.session().lease().await });
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert!(waiting.await.unwrap().is_err(), "a lease after sign-out");
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_gets_past_a_renewal_that_always_fails() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always(
        "refresh_token",
        Fault::Json(400, json!({"message":[{"property":"value","constraints":{"isUuid":"value must be a UUID"}}]})),
    );
    for _ in 0..2 {
        clock.advance(Duration::from_secs(86_400));
        client.session().lease().await.unwrap_err();
    }
    client.session().sign_in().await.expect("sign_in() makes sure that there is a session");
}

#[apply(leak_checked!)]
async fn an_endpoint_that_forbids_by_401_does_not_lock_the_session_out() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).session_limit(100).start().await;
    let client = vms(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("get_self", Fault::Unauthorized);
    let mut blocked = 0;
    for _ in 0..15 {
        let _ = client.api().get_self().send().await;
        if client.http().get("/api/v1/cameras").send().await.is_err() {
            blocked += 1;
        }
        clock.advance(Duration::from_secs(31));
    }
    assert_eq!(blocked, 0);
}

#[apply(leak_checked!)]
async fn a_renewal_that_arrives_dead_displaces_no_valid_token() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let dead = "e30.eyJleHAiOjF9.sig";
    fake.always("refresh_token", Fault::Json(200, json!({"payload":{"token":{"value":dead,"refresh":"r"}}})));
    clock.advance(Duration::from_secs(8 * 60 + 30));
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    client.session().lease().await.expect("the old one has 90 s left");
}

#[apply(leak_checked!)]
async fn debug_of_a_call_shows_no_secret() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = vms(&fake, &clock).build().unwrap();
    let call = client.http().get("/x").query(&[("token", Secret::from("hunter2"))]);
    let shown = format!("{call:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[apply(leak_checked!)]
async fn debug_of_a_builder_shows_no_secret() {
    let shown = format!("{:?}", keyway::vms::Client::builder("https://me:hunter2@vms.example"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[apply(leak_checked!)]
async fn each_of_two_concurrent_401s_to_a_key_is_an_answer() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client =
        keyway::shopmonkey::Client::builder(fake.uri()).clock(clock.clone()).api_key("unknown-key").build().unwrap();
    client.session().lease().await.unwrap();
    let gate = fake.hold("other");
    let one = |c: keyway::shopmonkey::Client| tokio::spawn(async move { c.http().get("/v3/order").send().await });
    let (a, b) = (one(client.clone()), one(client.clone()));
    gate.arrived(2).await;
    gate.open();
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    assert!(a.is_ok() && b.is_ok());
}

#[apply(leak_checked!)]
async fn a_renewal_that_is_refused_for_its_values_is_no_mistake_of_whoever_signed_in() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let refused = json!({"message": [{"property": "value", "constraints": ["value must be a UUID"]}]});
    fake.next("refresh_token", Fault::Json(400, refused));
    let error = client.session().renew().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(400)), "{error}");
}

#[apply(leak_checked!)]
async fn whoever_is_refused_is_not_told_to_come_again_in_a_second() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = keyway::vms::Client::builder(fake.uri()).clock(clock.clone());
    let client = client.password_from(FakeVms::LOGIN, async || Ok::<_, std::io::Error>(Secret::from("not the one")));
    let client = client.build().unwrap();
    let refused = client.session().lease().await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after()), (ErrorKind::InvalidCredentials, None), "{refused}");
    fake.next("get_token", Fault::Html(503));
    let down = vms(&fake, &clock).build().unwrap().session().lease().await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Outage, "{down}");
    assert!(down.retry_after().is_some(), "{down}");
}
