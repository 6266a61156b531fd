//! The laws. `docs/laws.md` says what each fails without.
#![allow(clippy::unwrap_used, reason = "a law that does not hold panics")]

use super::{
    factory::SessionFactory,
    fixture::Fixture,
    store::{LawStore, Saving, TemporaryFolder},
};
use crate::{ErrorKind, Expiry, Store, Timeouts, testing::Fault};
use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

/// Any number of callers are one sign-in, and later one renewal.
pub async fn l1_n_callers_are_one_sign_in_and_one_renewal<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    for round in 1..=2 {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move { session.lease().await.unwrap().generation() })
            })
            .collect();
        let mut generations = std::collections::HashSet::new();
        for task in tasks {
            generations.insert(task.await.unwrap());
        }
        let expected = if S::LIFE.is_some() { round } else { 1 };
        assert_eq!((fixture.asked(), generations.len()), (expected, 1));
        fixture.clock.advance(S::LIFE.unwrap_or(Duration::from_secs(3600)) * 2);
    }
}

/// Dropping every caller loses nothing.
pub async fn l2_dropping_every_caller_loses_nothing<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let caller = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await })
    };
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    session.close().await.unwrap();
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 1);
}

/// A failure is shared by those who wait, and then cools down.
pub async fn l3_a_failure_is_shared_and_then_cools_down<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.all(&Fault::Html(503));
    for _ in 0..50 {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    assert_eq!(fixture.asked(), 1);
    fixture.heal();
    let wait = session.lease().await.unwrap_err().retry_after().expect("says when");
    fixture.clock.advance(wait);
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

/// A late 401 to an older token renews nothing.
pub async fn l4_a_late_401_to_an_older_token_renews_nothing<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    fixture.surface.forget();
    let late = fixture.fake().hold(S::CALL);
    let straggler = tokio::spawn(http.get(S::PATH).send());
    late.arrived(1).await;
    // Meanwhile another caller, who is not held, meets the 401 and gets the next token.
    drop(fixture.fake().hold(S::CALL));
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), 2);
    // So long ago that another 401 would be believed.
    fixture.clock.advance(Duration::from_secs(31));
    late.open();
    assert_eq!(straggler.await.unwrap().unwrap().status(), 200);
    assert_eq!(fixture.asked(), 2);
}

/// Inside the early window no caller waits.
pub async fn l5_inside_the_early_window_no_caller_waits<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    let Some(life) = S::LIFE.filter(|_| S::RENEWS_QUIETLY) else {
        // Without a window: to its end, and if it has none, for good.
        fixture
            .clock
            .advance(S::LIFE.map_or(Duration::from_secs(365 * 24 * 3600), |life| life - Duration::from_secs(1)));
        let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
        assert_eq!(session.lease().await.unwrap().generation(), first);
        drop(gates);
        session.close().await.unwrap();
        assert_eq!(fixture.asked(), 1);
        return;
    };
    let margin = (life / 5).min(Duration::from_secs(300));
    fixture.clock.advance(life - margin * 3 / 4);
    let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
    for _ in 0..10 {
        assert_eq!(session.lease().await.unwrap().generation(), first);
    }
    drop(gates);
    session.close().await.unwrap();
    assert_ne!(session.lease().await.unwrap().generation(), first);
    assert_eq!(fixture.asked(), 2);
}

/// In the late window a caller waits, with a deadline.
pub async fn l6_in_the_late_window_a_caller_waits_with_a_deadline<S: SessionFactory>() {
    let Some(life) = S::LIFE.filter(|_| S::RENEWS_QUIETLY) else {
        return l5_inside_the_early_window_no_caller_waits::<S>().await;
    };
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    fixture.clock.advance(life - Duration::from_secs(8));
    let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    // Other tasks may be asleep, too: a caller that is served at once is so when polled for the first time.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    fixture.clock.until_sleeping(1).await;
    assert!(!waiting.is_finished(), "no caller waited");
    // Half of what is left is spent on waiting; then the token that is still good serves.
    fixture.clock.advance(Duration::from_secs(4));
    assert_eq!(waiting.await.unwrap(), first);
    drop(gates);
    session.close().await.unwrap();
    assert_ne!(session.lease().await.unwrap().generation(), first);
    assert_eq!(fixture.asked(), 2);
}

/// A valid token survives a failed renewal.
pub async fn l7_a_valid_token_survives_a_failed_renewal<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    fixture.all(&Fault::Html(503));
    fixture.clock.advance(S::LIFE.map_or(Duration::from_secs(3600), |life| life - Duration::from_secs(8)));
    for _ in 0..5 {
        assert_eq!(session.lease().await.unwrap().generation(), first);
        assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    }
    assert_eq!(fixture.asked(), if S::LIFE.is_some() && S::RENEWS_QUIETLY { 2 } else { 1 });
}

/// What is served can be found in the store.
pub async fn l8_what_is_served_can_be_found_in_the_store<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    // As long as it is not stored, it is not served.
    fixture.store.saving.send_replace(Saving::Waits);
    let mut waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    let mut saving = fixture.store.saving.subscribe();
    tokio::select! {
        biased;
        served = &mut waiting => panic!("{served:?} was served before it was stored"),
        _ = saving.wait_for(|saving| *saving == Saving::Awaited) => {}
    }
    // Time enough for a caller that would be served meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    fixture.store.saving.send_replace(Saving::Works);
    let served = waiting.await.unwrap();
    let (_, another) = fixture.client();
    assert_eq!(another.lease().await.unwrap().generation(), served);
    assert_eq!(fixture.asked(), 1);
    // A save that fails loses no token, and asks for no other one.
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.store.saving.send_replace(Saving::Fails);
    let served = session.lease().await.unwrap().generation();
    assert_eq!(session.lease().await.unwrap().generation(), served);
    assert_eq!(fixture.asked(), 1);
}

/// Two processes that share a store are one sign-in and one renewal.
pub async fn l9_two_processes_are_one_sign_in_and_one_renewal<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let folder = TemporaryFolder::new();
    // As two processes have it: nothing is shared but the folder.
    let (one, two) = (LawStore::in_folder(&folder), LawStore::in_folder(&folder));
    let ((http, first), (other_http, second)) = (fixture.client_on(&one), fixture.client_on(&two));
    let gate = fixture.fake().hold(fixture.sign_in());
    let signing_in = {
        let session = first.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    gate.arrived(1).await;
    let key = one.locked().expect("it was locked");
    two.lock(&key, Duration::ZERO).await.expect_err("it is held by the process that signs in");
    let waits = || {
        let session = second.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    let beside = S::SHARES_SIGN_IN.then(waits);
    drop(gate);
    let signed_in = signing_in.await.unwrap();
    assert_eq!(signed_in, beside.unwrap_or_else(waits).await.unwrap());
    assert_eq!(fixture.asked(), 1);
    // Both find that the token has ended, by the clock or by a 401.
    fixture.clock.advance(S::LIFE.unwrap_or(Duration::from_secs(3600)) * 2);
    fixture.surface.forget();
    let (a, b) = tokio::join!(http.get(S::PATH).send(), other_http.get(S::PATH).send());
    assert_eq!((a.unwrap().status().as_u16(), b.unwrap().status().as_u16()), (200, 200));
    assert_eq!(first.lease().await.unwrap().generation(), second.lease().await.unwrap().generation());
    assert_eq!(fixture.asked(), 2);
}

/// A sleep of the machine and a jump of either clock are noticed.
pub async fn l10_a_sleep_and_a_jump_of_either_clock_are_noticed<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    let life = S::LIFE.unwrap_or(Duration::from_secs(3600));
    // The machine sleeps: the monotonic clock stops, the world goes on.
    fixture.clock.stop_monotonic_for(life * 2);
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), if S::LIFE.is_some() { 2 } else { 1 });
    // The wall clock is set back by a day: the monotonic one still counts.
    fixture.clock.jump_wall(-86_400);
    fixture.clock.advance(life * 2);
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), if S::LIFE.is_some() { 3 } else { 1 });
    // The clocks told it, and not a 401 to a token that had ended: no call was sent twice.
    assert_eq!(fixture.fake().count(S::CALL), 2);
}

/// A sign-out beats the sign-in that is under way.
pub async fn l11_a_sign_out_beats_the_sign_in_that_is_under_way<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap_err().kind() })
    };
    gate.arrived(1).await;
    session.sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap(), ErrorKind::SignedOut);
    assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    session.sign_in().await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

/// Nothing that can be printed holds a secret.
pub async fn l12_nothing_that_can_be_printed_holds_a_secret<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    let lease = session.lease().await.unwrap();
    let (token, headers) = (lease.token(), lease.headers());
    assert!(token.is_some_and(|token| fixture.surface.secrets().iter().any(|secret| secret == token.expose())));
    let mut shown = format!("{http:?} {session:?} {lease:?} {token:?} {headers:?}");
    shown += &format!("{:?} {}", session.profile(), session.report());
    fixture.clock.advance(S::LIFE.unwrap_or_default() * 2);
    fixture.surface.forget();
    for fault in [Fault::Html(502), Fault::TruncatedJson, Fault::CutAfter, Fault::Empty(400), Fault::Html(200)] {
        fixture.all(&fault);
        fixture.clock.advance(Duration::from_secs(3600));
        match http.get(S::PATH).send().await {
            Ok(answer) => shown += &format!("{answer:?}"),
            Err(error) => {
                shown += &format!("{error} {error:?} {error:#?}");
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    shown += &format!("{cause} {cause:?}");
                    source = cause.source();
                }
            }
        }
    }
    for secret in fixture.surface.secrets().into_iter().filter(|secret| secret.len() > 5) {
        assert!(!shown.contains(&secret), "`{secret}` is in {shown}");
    }
}

/// Credentials go to the own origin only.
pub async fn l13_credentials_go_to_the_own_origin_only<S: SessionFactory>() {
    let (fixture, other) = (Fixture::<S>::new().await, Fixture::<S>::new().await);
    let (http, _) = fixture.client();
    let answer = http.get(format!("{}{}", other.fake().uri(), S::PATH)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(other.fake().saw().iter().all(|seen| seen.bearer.is_none()));
    assert_eq!(fixture.asked(), 0);
    // Nor do they follow a redirect, whether of a call or of a sign-in.
    let elsewhere = format!("{}{}", other.fake().uri(), S::PATH);
    fixture.all(&Fault::Redirect(307, elsewhere.clone()));
    let error = http.get(S::PATH).send().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(307)), "{error}");
    fixture.heal();
    fixture.clock.advance(Duration::from_secs(60));
    fixture.fake().next(S::CALL, Fault::Redirect(307, elsewhere));
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 307);
    assert_eq!(other.fake().saw().len(), 1);
}

/// A throttle is waited for, even by an explicit sign-in.
pub async fn l14_a_throttle_is_waited_for_even_by_an_explicit_sign_in<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.all(&Fault::Empty(429));
    for _ in 0..100 {
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        assert!(error.retry_after().is_some());
        let _ = session.sign_in().await.unwrap_err();
    }
    assert_eq!(fixture.asked(), 1);
}

/// A panic in a sign-in stops no other caller.
pub async fn l15_a_panic_in_a_sign_in_stops_no_other_caller<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let setup = fixture.setup(&fixture.store);
    setup.panics(true);
    let (_, session) = fixture.surface.client(&setup);
    let error = session.lease().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && error.to_string().contains("panicked"), "{error}");
    setup.panics(false);
    fixture.clock.advance(Duration::from_secs(1));
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 1);
}

/// A dead runtime stops no other caller.
pub async fn l16_a_dead_runtime_stops_no_other_caller<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let caller = session.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move { caller.lease().await });
        let _ = stopped.recv();
        runtime.shutdown_background();
    });
    gate.arrived(1).await;
    stop.send(()).unwrap();
    thread.join().unwrap();
    gate.open();
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 2);
    an_idle_runtime_stops_no_other_caller::<S>().await;
}

/// A runtime that lives, but that no thread drives: the clock tells that its run will never end.
async fn an_idle_runtime_stops_no_other_caller<S: SessionFactory>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let idle = tokio::runtime::Builder::new_current_thread().build().unwrap();
    {
        let _inside = idle.enter();
        let mut waiting = pin!(session.lease());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let caller = session.clone();
    let next = tokio::spawn(async move { caller.lease().await.map(|lease| lease.generation()) });
    fixture.clock.until_sleeping(1).await;
    assert_eq!(fixture.asked(), 0);
    fixture.clock.advance(Timeouts::default().renewal);
    next.await.unwrap().unwrap();
    assert_eq!(fixture.asked(), 1);
    idle.shutdown_background();
}

/// Two sessions never mix.
pub async fn l17_two_sessions_never_mix<S: SessionFactory>() {
    let (one, two) = (Fixture::<S>::new().await, Fixture::<S>::new().await);
    // Two platforms, one store.
    let (_, first) = one.client();
    let (_, second) = two.client_on(&one.store);
    let (a, b) = (first.lease().await.unwrap(), second.lease().await.unwrap());
    assert_ne!(a.generation(), b.generation());
    assert_eq!((one.asked(), two.asked()), (1, 1));
}

/// A token that is dead on arrival is not asked for again and again.
pub async fn l18_a_token_that_is_dead_on_arrival_never_spins<S: SessionFactory>() {
    let fixture = Fixture::<S>::with_life(S::LIFE.map(|_| Duration::ZERO)).await;
    let (_, session) = fixture.client();
    if S::LIFE.is_none() {
        assert_eq!(session.lease().await.unwrap().expiry(), Expiry::Unknown);
        return;
    }
    for _ in 0..100 {
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    assert_eq!(fixture.asked(), 1);
}
