//! A token for so long: what is renewed for it, and what is not.

use crate::vitamojo_client;
use keyway::{
    Error, ErrorKind, MemoryStore, shopmonkey,
    testing::{FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock},
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn vita_mojo() -> (FakeVitaMojo, ManualClock) {
    let clock = ManualClock::new();
    (FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await, clock)
}

fn refused(outcome: Result<keyway::Lease, Error>, says: &str) {
    let error = outcome.expect_err("no token lives that long");
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[apply(leak_checked!)]
async fn one_that_lives_long_enough_is_served_and_one_that_does_not_is_renewed_once() {
    let (fake, clock) = vita_mojo().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let session = client.session();
    assert_eq!(session.lease_for(10 * MINUTE).await.unwrap().generation().counter(), 1);
    clock.advance(5 * MINUTE);
    assert_eq!(session.lease_for(5 * MINUTE).await.unwrap().generation().counter(), 1);
    // Fresh still, and yet too short.
    assert_eq!(session.lease_for(6 * MINUTE).await.unwrap().generation().counter(), 2);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn what_is_found_in_the_store_is_renewed_if_it_is_too_short() {
    let ((fake, clock), store) = (vita_mojo().await, MemoryStore::new());
    let client = || vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    client().session().lease().await.unwrap();
    clock.advance(7 * MINUTE);
    let lease = client().session().lease_for(5 * MINUTE).await.unwrap();
    assert_eq!((lease.generation().counter(), fake.count("auth"), fake.count("refresh_token")), (2, 1, 1));
}

#[apply(leak_checked!)]
async fn a_life_the_vendor_does_not_give_is_asked_for_once_per_token() {
    let (fake, clock) = vita_mojo().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    for _ in 0..100 {
        refused(client.session().lease_for(60 * MINUTE).await, "this vendor's live 600 s");
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 1));
    // What it does give is still to be had.
    clock.advance(5 * MINUTE);
    client.session().lease_for(9 * MINUTE).await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn a_renewal_that_fails_is_an_error_although_a_shorter_lived_token_is_at_hand() {
    let (fake, clock) = vita_mojo().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("refresh_token", Fault::Html(503));
    clock.advance(5 * MINUTE);
    for _ in 0..10 {
        assert_eq!(client.session().lease_for(6 * MINUTE).await.unwrap_err().kind(), ErrorKind::Outage);
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 1);
    }
    assert_eq!(fake.count("refresh_token"), 1);
}

#[apply(leak_checked!)]
async fn where_nobody_knows_how_long_a_token_lives_that_is_the_answer() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = crate::vms_client(&fake, &clock).build().unwrap();
    for _ in 0..10 {
        refused(client.session().lease_for(MINUTE).await, "nobody knows how long");
    }
    assert_eq!(fake.count("get_token"), 1);
}

async fn shop() -> (FakeShopmonkey, ManualClock, shopmonkey::ClientBuilder) {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).jwt(true).token_life(60 * MINUTE).start().await;
    let builder = shopmonkey::Client::builder(fake.uri()).clock(clock.clone());
    (fake, clock, builder)
}

#[apply(leak_checked!)]
async fn where_a_new_token_is_another_session_none_is_made_while_the_old_one_is_good() {
    let (fake, clock, builder) = shop().await;
    let client = builder.password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).build().unwrap();
    let session = client.session();
    session.lease_for(60 * MINUTE).await.unwrap();
    for _ in 0..10 {
        refused(session.lease_for(120 * MINUTE).await, "this vendor's live 3600 s");
    }
    clock.advance(45 * MINUTE);
    refused(session.lease_for(30 * MINUTE).await, "900 s left: it is not renewed before its end");
    assert_eq!(fake.count("login"), 1);
}

#[apply(leak_checked!)]
async fn a_key_that_never_ends_lives_longer_than_anybody_needs() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let builder = keyway::vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).clock(clock);
    let client = builder.app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    client.session().lease_for(Duration::MAX).await.unwrap();
    assert!(fake.saw().is_empty());
}
