//! Vita Mojo: sign-in, the ten-minute token, renewal in both dialects.

// Both are in lists of the build script's, which `cargo fmt` does not read: it finds them here.
#[cfg(rustfmt)]
#[path = "laws/bundled/vitamojo.rs"]
mod laws;
#[cfg(rustfmt)]
#[path = "wire/vitamojo.rs"]
mod wire;

use crate::{
    TENANT,
    counts::{Counts, NONE, counts},
    scripted_store::ScriptedStore,
    vitamojo_client,
};
use keyway::{
    ErrorKind, Expiry, FileStore, MemoryStore, Secret, SignOut,
    testing::{FakeVitaMojo, Fault, ManualClock, RefreshDialect},
    vitamojo::{Client, ClientBuilder},
};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[apply(leak_checked!)]
async fn one_token_serves_many_calls_and_carries_the_tenant() {
    let (fake, clock) = start(|b| b.require_tenant(TENANT)).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    for _ in 0..5 {
        let answer = client.http().get("/order/v1/orders").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["tenant"], TENANT);
    }
    assert_eq!((fake.count("auth"), fake.count("other"), fake.count("refresh_token")), (1, 5, 0));
    assert!(fake.saw().iter().all(|seen| seen.tenant.as_deref() == Some(TENANT)));
}

#[apply(leak_checked!)]
async fn an_opaque_token_lives_ten_minutes_and_a_jwt_as_long_as_it_says() {
    let (fake, clock) = start(|b| b).await;
    let lease = vitamojo_client(&fake, &clock).build().unwrap().session().lease().await.unwrap();
    let now = keyway::Clock::wall(&clock);
    assert_eq!(lease.expiry(), Expiry::At(now + 10 * MINUTE));

    let (fake, clock) = start(|b| b.jwt(true).token_life(3 * MINUTE)).await;
    let lease = vitamojo_client(&fake, &clock).build().unwrap().session().lease().await.unwrap();
    let Expiry::At(end) = lease.expiry() else { panic!("told") };
    let life = end.duration_since(keyway::Clock::wall(&clock)).unwrap();
    assert!(life.abs_diff(3 * MINUTE) <= Duration::from_secs(1), "{life:?}");
}

#[apply(leak_checked!)]
async fn an_expired_token_is_renewed_and_not_signed_in_again() {
    let (fake, clock) = start(|b| b.rotating(true)).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let mut generations = Vec::new();
    for _ in 0..4 {
        generations.push(client.session().lease().await.unwrap().generation().counter());
        clock.advance(11 * MINUTE);
    }
    assert_eq!(generations, [1, 2, 3, 4]);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 3, 0));
}

#[apply(leak_checked!)]
async fn in_the_early_window_a_call_is_served_at_once_and_the_renewal_runs_behind() {
    let (fake, clock) = start(|b| b).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(9 * MINUTE);
    let gate = fake.hold("refresh_token");
    let served = client.session().lease().await.unwrap();
    assert_eq!(served.generation().counter(), 1);
    gate.arrived(1).await;
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 1);
    gate.open();
    client.session().close().await.unwrap();
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!(fake.count("refresh_token"), 1);
}

#[apply(leak_checked!)]
async fn a_renewal_is_put_and_after_a_404_or_405_post_once_and_for_all() {
    let (fake, clock) = start(|b| b.refresh_dialect(RefreshDialect::PostCreated)).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    for _ in 0..3 {
        client.session().lease().await.unwrap();
        clock.advance(11 * MINUTE);
    }
    let methods: Vec<_> =
        fake.saw().into_iter().filter(|seen| seen.operation == "refresh_token").map(|seen| seen.method).collect();
    assert_eq!(methods, ["PUT", "POST", "POST"]);
    assert_eq!(fake.count("auth"), 1);
}

#[apply(leak_checked!)]
async fn a_refresh_token_with_odd_characters_is_encoded_once_and_never_shown() {
    let (fake, clock) = start(|b| b.odd_tokens(true).rotating(true)).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    client.session().renew().await.unwrap();
    client.session().renew().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));

    fake.always("refresh_token", Fault::Html(502));
    let error = client.session().renew().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Outage, Some(502)));
    let shown = format!("{error} {error:?}");
    assert!(fake.secrets().iter().all(|secret| !shown.contains(secret.as_str())), "{shown}");
}

#[apply(leak_checked!)]
async fn only_the_vendors_own_refusal_discards_a_refresh_token() {
    let (fake, clock) = start(|b| b).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    for fault in
        [Fault::Html(403), Fault::Html(502), Fault::Html(429), Fault::Html(408), Fault::Html(400), Fault::TruncatedJson]
    {
        clock.advance(11 * MINUTE);
        fake.always("refresh_token", fault.clone());
        let error = client.session().lease().await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::SignInRequired, "{fault:?}: {error}");
        fake.heal("refresh_token");
        clock.advance(61 * MINUTE);
        client.session().lease().await.unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
        assert_eq!(fake.count("auth"), 1, "{fault:?} cost a sign-in");
    }
    fake.revoke_refresh_tokens();
    clock.advance(11 * MINUTE);
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("auth"), 2);
}

#[apply(leak_checked!)]
async fn a_sentence_refuses_the_credentials_and_they_are_not_tried_again() {
    let (fake, clock) = start(|b| b).await;
    let client =
        keyway::vitamojo::Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, "wrong").clock(clock.clone());
    let client = client.build().unwrap();
    for _ in 0..5 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidCredentials, Some(400)), "{error}");
        clock.advance(60 * MINUTE);
    }
    assert_eq!(fake.count("auth"), 1);
    fake.set_password(FakeVitaMojo::EMAIL, "wrong");
    client.session().sign_in().await.unwrap();
    assert_eq!(fake.count("auth"), 2);
}

#[apply(leak_checked!)]
async fn a_valid_token_survives_a_failed_renewal() {
    let (fake, clock) = start(|b| b).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("refresh_token", Fault::Html(503));
    clock.advance(9 * MINUTE + Duration::from_secs(45));
    for _ in 0..3 {
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 1);
    }
    assert_eq!(fake.count("refresh_token"), 1);
}

#[apply(leak_checked!)]
async fn the_typed_check_answers_and_a_sign_out_is_local() {
    let (fake, clock) = start(|b| b).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let check = client.api().check_token().send().await.unwrap();
    assert_eq!(check.status(), 200);
    assert!(client.session().profile().unwrap().facts()["email"].is_string());
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    let error = client.http().get("/order/v1/orders").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    client.session().sign_in().await.unwrap();
    assert_eq!(fake.count("auth"), 2);
}

#[apply(leak_checked!)]
async fn a_renewal_that_names_no_refresh_token_keeps_the_old_one() {
    for unnamed in [json!({}), json!({ "refresh": null }), json!({ "refresh": "" }), json!({ "refresh": 7 })] {
        let (fake, clock) = start(|b| b.rotating(true)).await;
        let client = vitamojo_client(&fake, &clock).build().unwrap();
        client.session().lease().await.unwrap();
        clock.advance(11 * MINUTE);
        let mut token = unnamed.clone();
        token["value"] = "an access token of its own".into();
        fake.next("refresh_token", Fault::Json(200, json!({ "payload": { "token": token } })));
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
        clock.advance(11 * MINUTE);
        // That answer did not come from the fake, so the first refresh token is still unused.
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), 3);
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0), "{unnamed}");
    }
}

async fn start(
    options: impl FnOnce(keyway::testing::FakeVitaMojoBuilder) -> keyway::testing::FakeVitaMojoBuilder,
) -> (FakeVitaMojo, ManualClock) {
    let clock = ManualClock::new();
    (options(FakeVitaMojo::builder().clock(clock.clone())).start().await, clock)
}

/// The vendor may have rotated the refresh token or not: one further try tells.
#[apply(leak_checked!)]
async fn a_torn_renewal_is_tried_once_more_and_not_a_third_time() {
    for (first, second, works, counts) in [
        // It had not: the same token is good.
        (Fault::CutBefore, None, true, (2, 1, 0)),
        // It had: the second try is refused, and a sign-in follows.
        (Fault::CutAfter, None, true, (2, 2, 1)),
        (Fault::CutHalfway, None, true, (2, 2, 1)),
        (Fault::TruncatedJson, None, true, (2, 2, 1)),
        // Nobody can tell: no third try and no sign-in, which could be needless.
        (Fault::CutBefore, Some(Fault::CutBefore), false, (2, 1, 0)),
        (Fault::CutHalfway, Some(Fault::CutBefore), false, (2, 1, 0)),
    ] {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
        let client = vitamojo_client(&fake, &clock).build().unwrap();
        client.session().lease().await.unwrap();
        clock.advance(Duration::from_secs(11 * 60));
        let what = format!("{first:?}, {second:?}");
        fake.next("refresh_token", first);
        if let Some(second) = second {
            fake.next("refresh_token", second);
        }
        let outcome = client.session().lease().await;
        assert_eq!(outcome.is_ok(), works, "{what}: {outcome:?}");
        assert_eq!((fake.count("refresh_token"), fake.count("auth"), fake.reuses()), counts, "{what}");
        if let Err(error) = outcome {
            assert!(error.is_temporary() && client.session().lease().await.unwrap_err().is_local(), "{error}");
            assert_eq!(fake.count("refresh_token"), counts.0);
        }
    }
}

/// A refresh token as another program would have it, and a client that begins with it.
async fn seed(fake: &FakeVitaMojo) -> Secret {
    let client = Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build().unwrap();
    let call = client.api().auth().body_map(|body| body.email(FakeVitaMojo::EMAIL).password(FakeVitaMojo::PASSWORD));
    call.send().await.unwrap().payload.token.refresh.clone().unwrap()
}

fn seeded(fake: &FakeVitaMojo, clock: &ManualClock, seed: &Secret) -> ClientBuilder {
    Client::builder(fake.uri()).refresh_token(seed.clone()).clock(clock.clone())
}

#[apply(leak_checked!)]
async fn a_refresh_token_begins_a_session_in_either_dialect_and_with_odd_characters() {
    for (dialect, methods) in [
        (RefreshDialect::PutOk, &["PUT", "PUT", "PUT"][..]),
        (RefreshDialect::PostCreated, &["PUT", "POST", "POST", "POST"]),
    ] {
        let (fake, clock) = start(|b| b.refresh_dialect(dialect).rotating(true).odd_tokens(true)).await;
        let client = seeded(&fake, &clock, &seed(&fake).await).tenant(TENANT).build().unwrap();
        for counter in 1..=3 {
            assert_eq!(client.session().lease().await.unwrap().generation().counter(), counter);
            clock.advance(11 * MINUTE);
        }
        let renewals: Vec<_> = fake.saw().into_iter().filter(|seen| seen.operation == "refresh_token").collect();
        assert!(renewals.iter().map(|seen| seen.method.as_str()).eq(methods.iter().copied()));
        assert!(renewals.iter().all(|seen| seen.tenant.as_deref() == Some(TENANT)));
        assert_eq!((fake.count("auth"), fake.reuses()), (1, 0));
        assert_eq!(client.session().profile().unwrap().facts()["email"], FakeVitaMojo::EMAIL);
    }
}

#[apply(leak_checked!)]
async fn the_store_beats_the_same_seed_and_a_new_seed_begins_another_lineage() {
    let (fake, clock) = start(|b| b.rotating(true)).await;
    let home = tempfile::tempdir().unwrap();
    let client = |seed: &Secret| {
        seeded(&fake, &clock, seed).profile("till-7").store(FileStore::at(home.path())).build().unwrap()
    };
    let (first, second) = (seed(&fake).await, seed(&fake).await);
    let begun = client(&first).session().lease().await.unwrap().generation();
    assert_eq!(client(&first).session().lease().await.unwrap().generation(), begun);
    clock.advance(11 * MINUTE);
    assert_eq!(client(&first).session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!(counts(&fake), Counts { sign_ins: 2, renewals: 2, ..NONE });

    let another = client(&second).session().lease().await.unwrap().generation();
    assert_eq!((another.counter(), counts(&fake)), (1, Counts { sign_ins: 2, renewals: 3, ..NONE }));
    clock.advance(11 * MINUTE);
    assert_eq!(client(&second).session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!(counts(&fake), Counts { sign_ins: 2, renewals: 4, ..NONE });
}

#[apply(leak_checked!)]
async fn a_seed_is_not_sent_again_although_nothing_of_it_is_in_the_store() {
    let (fake, clock) = start(|b| b.rotating(true)).await;
    let store = ScriptedStore::default();
    store.fill();
    let client = seeded(&fake, &clock, &seed(&fake).await).profile("till-7").store(store).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    for _ in 0..3 {
        clock.advance(60 * MINUTE);
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignInRequired);
    }
    assert_eq!(counts(&fake), Counts { sign_ins: 1, renewals: 2, ..NONE });
}

#[apply(leak_checked!)]
async fn a_dead_refresh_token_is_refused_once_and_not_sent_again() {
    let (fake, clock) = start(|b| b).await;
    // As a seed: the credentials are wrong.
    let client = seeded(&fake, &clock, &Secret::from("long dead")).build().unwrap();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("US-04")));
        assert!(error.to_string().contains(".refresh_token(..)"), "{error}");
        clock.advance(60 * MINUTE);
    }
    assert_eq!(counts(&fake), Counts { renewals: 1, ..NONE });
    // As the successor of one: a new one is needed.
    let client = seeded(&fake, &clock, &seed(&fake).await).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(11 * MINUTE);
    for _ in 0..3 {
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignInRequired);
        clock.advance(60 * MINUTE);
    }
    assert_eq!(counts(&fake), Counts { sign_ins: 1, renewals: 3, ..NONE });
    // Where there is a password, it signs in; and if that fails too, the dead token stays discarded.
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    fake.next("auth", Fault::Html(503));
    clock.advance(11 * MINUTE);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    clock.advance(MINUTE);
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), Counts { sign_ins: 4, renewals: 4, ..NONE });
}

#[apply(leak_checked!)]
async fn a_typed_call_without_the_session_names_the_tenant_too() {
    let (fake, clock) = start(|b| b.require_tenant(TENANT)).await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let sign_in = client.api().auth().body_map(|body| body.email(FakeVitaMojo::EMAIL).password(FakeVitaMojo::PASSWORD));
    assert_eq!(sign_in.send().await.unwrap().status(), 201);
    let seen = &fake.saw()[0];
    assert_eq!((seen.tenant.as_deref(), seen.bearer.as_deref()), (Some(TENANT), None));
}

#[apply(leak_checked!)]
async fn without_a_tenant_none_is_sent_and_the_vendor_may_refuse_that() {
    let (fake, clock) = start(|b| b).await;
    let client =
        || Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).clock(clock.clone());
    let without = client().build().unwrap();
    without.http().get("/order/v1/orders").send().await.unwrap();
    clock.advance(11 * MINUTE);
    without.http().get("/order/v1/orders").send().await.unwrap();
    assert!(fake.saw().iter().all(|seen| seen.tenant.is_none()));
    assert_eq!((counts(&fake), fake.count("other")), (Counts { sign_ins: 1, renewals: 1, ..NONE }, 2));

    let (fake, clock) = start(|b| b.require_tenant(TENANT)).await;
    let client = Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).clock(clock);
    let error = client.clone().build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidCredentials, Some(400)));
    client.tenant(TENANT).build().unwrap().session().lease().await.unwrap();
    assert_eq!(counts(&fake), Counts { sign_ins: 2, ..NONE });
}

#[apply(leak_checked!)]
fn a_refresh_token_names_nobody_so_that_a_store_needs_a_name_for_it() {
    let client = || Client::builder("https://vmos.example").refresh_token("hunter2");
    client().build().unwrap();
    client().store(MemoryStore::new()).profile("till-7").build().unwrap();
    for (client, word) in [
        (client().store(MemoryStore::new()), ".profile(..)"),
        (Client::builder("https://vmos.example").refresh_token(""), "empty secret"),
        (client().password("till@example.org", "hunter2"), "two credentials"),
    ] {
        let error = client.build().unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
