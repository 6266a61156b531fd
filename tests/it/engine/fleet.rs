//! Many processes and one store: a fleet costs the vendor what one process costs.

use super::{SECOND, Twist, Vendor, at_once, lease, pass, settle};
use crate::counts::{Counts, NONE};
use crate::{vitamojo_client, vms_client};
use keyway::{
    Clock, Error, ErrorKind, MemoryStore, Secret, Session,
    custom::{Capabilities, Renewal},
    orderingstack,
    testing::{Fake, FakeOrderingStack, FakeVitaMojo, FakeVms, Fault, ManualClock},
};
use std::time::Duration;

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// How many processes a fleet has.
const FLEETS: [usize; 3] = [1, 10, 25];

#[apply(leak_checked!)]
async fn a_wrong_password_is_presented_once_by_fifty_processes_one_after_the_other() {
    let unrenewed = Vendor::of(Capabilities::new("scripted", ".password(..)"));
    for (vendor, processes) in [(Vendor::rotating(), 50), (Vendor::signing_in(), 5), (unrenewed, 5)] {
        vendor.refuse_password();
        for _ in 0..processes {
            let error = vendor.process().0.lease().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
            vendor.clock.advance(Duration::from_secs(30));
        }
        assert_eq!(vendor.counts().sign_ins, 1);
    }
}

#[apply(leak_checked!)]
async fn a_wrong_password_is_presented_once_by_fifty_processes_at_once() {
    let vendor = Vendor::rotating();
    vendor.refuse_password();
    let fleet: Vec<_> = (0..50).map(|_| vendor.process().0).collect();
    for task in fleet.iter().map(lease).collect::<Vec<_>>() {
        let (outcome, _) = pass(&vendor.clock, SECOND, task).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    }
    assert_eq!(vendor.counts().sign_ins, 1);
    // A day later nothing has changed.
    vendor.clock.advance(Duration::from_secs(24 * 3600));
    for session in &fleet {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    }
    assert_eq!(vendor.counts().sign_ins, 1);
}

/// A client of a surface that presents this password.
type Presents<'a> = &'a dyn Fn(&str, &ManualClock, &MemoryStore) -> Session;

async fn is_presented_once(fake: &Fake, clock: &ManualClock, operation: &str, right: &str, client: Presents<'_>) {
    let store = MemoryStore::new();
    for _ in 0..5 {
        let error = client("a wrong one", clock, &store).lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{operation}: {error}");
        clock.advance(SECOND);
    }
    assert_eq!(fake.count(operation), 1, "{operation}");
    // Whoever has another one may try it, and whoever asks for it presents the wrong one once more.
    client(right, clock, &store).lease().await.unwrap();
    assert_eq!(fake.count(operation), 2, "{operation}");
}

#[apply(leak_checked!)]
async fn a_program_that_starts_again_and_again_with_a_wrong_password_asks_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    is_presented_once(&fake, &clock, "get_token", FakeVms::PASSWORD, &|password, clock, store| {
        let builder = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, Secret::from(password));
        builder.clock(clock.clone()).store(store.clone()).build().unwrap().session().clone()
    })
    .await;
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    is_presented_once(&fake, &clock, "auth", FakeVitaMojo::PASSWORD, &|password, clock, store| {
        let builder = keyway::vitamojo::Client::builder(fake.uri());
        let builder = builder.password(FakeVitaMojo::EMAIL, Secret::from(password)).tenant(crate::TENANT);
        builder.clock(clock.clone()).store(store.clone()).build().unwrap().session().clone()
    })
    .await;
    let fake = FakeOrderingStack::builder().clock(clock.clone()).start().await;
    is_presented_once(&fake, &clock, "issue_token", FakeOrderingStack::PASSWORD, &|password, clock, store| {
        let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
        let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
        let builder = builder.password(FakeOrderingStack::LOGIN, Secret::from(password));
        builder.clock(clock.clone()).store(store.clone()).build().unwrap().session().clone()
    })
    .await;
}

/// Two processes, of which one has a wrong password, and then the vendor is down: the right one was never refused.
#[apply(leak_checked!)]
async fn a_word_of_an_outage_says_nothing_about_the_password_that_was_presented() {
    let vendor = Vendor::rotating();
    let process = |password: &str| {
        let issuer = super::Scripted { vendor: vendor.clone(), password: Secret::from(password) };
        let builder = keyway::custom::Client::builder("https://scripted.example").issuer(issuer).principal("ann");
        builder.clock(vendor.clock.clone()).store(vendor.memory.clone()).build().unwrap().session().clone()
    };
    vendor.twist_sign_ins([Twist::Fail(Error::invalid_credentials("no")), Twist::Fail(Error::unexpected_status(503))]);
    assert_eq!(process("a wrong one").lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(process("the right one").lease().await.unwrap_err().kind(), ErrorKind::Outage);
    vendor.clock.advance(2 * SECOND);
    // The wrong one is still known for what it is.
    assert_eq!(process("a wrong one").lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(vendor.counts().sign_ins, 2);
    process("the right one").lease().await.unwrap();
    assert_eq!(vendor.counts().sign_ins, 3);
}

#[apply(leak_checked!)]
async fn who_insists_presents_a_refused_password_once_more() {
    let vendor = Vendor::rotating();
    vendor.refuse_password();
    vendor.process().0.lease().await.unwrap_err();
    let session = vendor.process().0;
    session.lease().await.unwrap_err();
    assert_eq!(vendor.counts().sign_ins, 1);
    assert_eq!(session.sign_in().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(vendor.counts().sign_ins, 2);
    assert_eq!(vendor.process().0.lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(vendor.counts().sign_ins, 2);
}

/// How many sign-ins so many processes send in an outage of ten minutes, if each wants a token that often.
async fn outage(processes: usize, step: Duration, restarts: bool) -> usize {
    let vendor = Vendor::signing_in();
    vendor.twist_sign_ins((0..5000).map(|_| Twist::Fail(Error::unexpected_status(503))));
    let mut fleet: Vec<_> = (0..processes).map(|_| vendor.process().0).collect();
    let began = vendor.clock.monotonic();
    while vendor.clock.monotonic() - began < TEN_MINUTES {
        for session in &mut fleet {
            if restarts {
                *session = vendor.process().0;
            }
            drop(lease(session));
        }
        settle().await;
        vendor.clock.advance(step);
    }
    vendor.counts().sign_ins
}

#[apply(leak_checked!)]
async fn an_outage_of_ten_minutes_costs_a_fleet_what_it_costs_one_process() {
    for processes in FLEETS {
        let sent = outage(processes, SECOND, false).await;
        assert!((13..=20).contains(&sent), "{processes} processes: {sent} sign-ins");
    }
}

#[apply(leak_checked!)]
async fn an_outage_of_ten_minutes_costs_a_crash_loop_what_it_costs_one_process() {
    let sent = outage(1, 5 * SECOND, true).await;
    assert!((10..=20).contains(&sent), "{sent} sign-ins");
}

#[apply(leak_checked!)]
async fn a_renewal_that_fails_for_ten_minutes_is_asked_for_on_one_schedule() {
    for processes in [1, 10] {
        let vendor = Vendor::rotating();
        let fleet: Vec<_> = (0..processes).map(|_| vendor.process().0).collect();
        for session in &fleet {
            session.lease().await.unwrap();
        }
        vendor.twist_renewals((0..5000).map(|_| Twist::Fail(Error::unexpected_status(503))));
        vendor.clock.advance(super::ELEVEN_MINUTES);
        for _ in 0..600 {
            fleet.iter().for_each(|session| drop(lease(session)));
            settle().await;
            vendor.clock.advance(SECOND);
        }
        let Counts { sign_ins, renewals, .. } = vendor.counts();
        assert!(sign_ins == 1 && (13..=20).contains(&renewals), "{processes} processes: {renewals} renewals");
    }
}

#[apply(leak_checked!)]
async fn who_is_throttled_adopts_what_another_process_has_saved() {
    let vendor = Vendor::signing_in();
    let (other, its_store) = vendor.process();
    its_store.open_locks();
    let hold = vendor.hold_sign_in();
    let theirs = lease(&other);
    hold.arrived().await;
    let half_an_hour = Duration::from_secs(1800);
    vendor.twist_sign_ins([Twist::Fail(Error::throttled(Some(half_an_hour)))]);
    let (session, _) = vendor.process();
    let error = session.lease().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(half_an_hour)));
    hold.release();
    let obtained = theirs.await.unwrap().unwrap().generation();
    vendor.clock.advance(SECOND * 2);
    assert_eq!(at_once(lease(&session)).await.unwrap().generation(), obtained);
    assert_eq!(at_once(lease(&session)).await.unwrap().generation(), obtained);
    assert_eq!(vendor.counts().sign_ins, 2);
}

#[apply(leak_checked!)]
async fn who_waits_out_an_outage_or_a_refusal_adopts_what_another_process_has_saved() {
    for error in [Error::unexpected_status(503), Error::invalid_credentials("no")] {
        let vendor = Vendor::signing_in();
        let (other, its_store) = vendor.process();
        its_store.open_locks();
        let hold = vendor.hold_sign_in();
        let theirs = lease(&other);
        hold.arrived().await;
        vendor.twist_sign_ins([Twist::Fail(error)]);
        let (session, _) = vendor.process();
        session.lease().await.unwrap_err();
        hold.release();
        let obtained = theirs.await.unwrap().unwrap().generation();
        assert_eq!(at_once(lease(&session)).await.unwrap().generation(), obtained);
        assert_eq!(vendor.counts().sign_ins, 2);
    }
}

/// Five starts of a program, each of them wants a token at once.
async fn five_starts(vendor: &Vendor) -> Vec<ErrorKind> {
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(vendor.process().0.lease().await.unwrap_err().kind());
        vendor.clock.advance(Duration::from_secs(60));
    }
    kinds
}

#[apply(leak_checked!)]
async fn five_starts_within_a_throttle_ask_once_and_then_again() {
    let vendor = Vendor::signing_in();
    vendor.twist_sign_ins([Twist::Fail(Error::throttled(Some(TEN_MINUTES)))]);
    assert_eq!(five_starts(&vendor).await, [ErrorKind::Throttled; 5]);
    assert_eq!(vendor.counts().sign_ins, 1);
    vendor.clock.advance(Duration::from_secs(299));
    let error = vendor.process().0.lease().await.unwrap_err();
    assert_eq!((error.kind(), error.is_local(), error.retry_after()), (ErrorKind::Throttled, true, Some(SECOND)));
    vendor.clock.advance(SECOND);
    vendor.process().0.lease().await.unwrap();
    assert_eq!(vendor.counts().sign_ins, 2);
}

#[apply(leak_checked!)]
async fn a_throttle_of_another_process_is_waited_for_by_who_insists_too() {
    let vendor = Vendor::signing_in();
    vendor.twist_sign_ins([Twist::Fail(Error::throttled(Some(TEN_MINUTES)))]);
    vendor.process().0.lease().await.unwrap_err();
    let session = vendor.process().0;
    for _ in 0..3 {
        assert_eq!(session.sign_in().await.unwrap_err().kind(), ErrorKind::Throttled);
    }
    assert_eq!(vendor.counts().sign_ins, 1);
}

#[apply(leak_checked!)]
async fn five_starts_within_a_throttle_of_the_vms_ask_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    fake.next("get_token", Fault::TooManyRequests { retry_after: Some("600".to_owned()) });
    let store = MemoryStore::new();
    for _ in 0..5 {
        let session = vms_client(&fake, &clock).store(store.clone()).build().unwrap().session().clone();
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::Throttled);
        clock.advance(SECOND);
    }
    assert_eq!(fake.count("get_token"), 1);
}

/// The word of an outage is over with the first token that anybody gets.
#[apply(leak_checked!)]
async fn a_success_ends_the_word_of_an_outage() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = MemoryStore::new();
    let process = || vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap().session().clone();
    fake.next("auth", Fault::Html(503));
    let first = process();
    assert_eq!(first.lease().await.unwrap_err().kind(), ErrorKind::Outage);
    clock.advance(SECOND * 2);
    let obtained = first.lease().await.unwrap().generation();
    assert_eq!(process().lease().await.unwrap().generation(), obtained);
    process().renew().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (2, 1));
}

/// Ten starts by a clock that is a day fast while the vendor is down, and then the right time.
#[apply(leak_checked!)]
async fn attempts_of_a_clock_that_was_fast_throttle_nobody_for_longer_than_the_window() {
    for ahead in [24 * 3600, 365 * 24 * 3600] {
        let window = Duration::from_secs(60);
        let capabilities = Capabilities::new("scripted", ".password(..)").renewal(Renewal::SignIn);
        let vendor = Vendor::of(capabilities.budget(5, window));
        vendor.twist_sign_ins((0..5).map(|_| Twist::Fail(Error::unexpected_status(503))));
        vendor.clock.jump_wall(ahead);
        for _ in 0..10 {
            vendor.process().0.lease().await.unwrap_err();
            vendor.clock.advance(SECOND);
        }
        vendor.clock.jump_wall(-ahead);
        // Each start is a process of its own: what one of them has put right is right for the next.
        let began = vendor.clock.monotonic();
        while vendor.process().0.lease().await.is_err() {
            vendor.clock.advance(SECOND);
            assert!(vendor.clock.monotonic() - began <= 2 * window, "{ahead}");
        }
    }
}

#[apply(leak_checked!)]
async fn a_word_of_a_clock_that_was_fast_keeps_no_crash_loop_waiting_for_ever() {
    let vendor = Vendor::signing_in();
    vendor.twist_sign_ins([Twist::Fail(Error::throttled(Some(TEN_MINUTES)))]);
    vendor.clock.jump_wall(24 * 3600);
    vendor.process().0.lease().await.unwrap_err();
    vendor.clock.jump_wall(-24 * 3600);
    for minute in 0..10 {
        let outcome = vendor.process().0.lease().await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Throttled, "minute {minute}");
        vendor.clock.advance(Duration::from_secs(60));
    }
    vendor.process().0.lease().await.unwrap();
    assert_eq!(vendor.counts().sign_ins, 2);
}

#[apply(leak_checked!)]
async fn a_session_begun_by_a_clock_that_is_fast_can_be_signed_out_by_the_right_one() {
    let vendor = Vendor::rotating();
    vendor.clock.jump_wall(24 * 3600);
    vendor.process().0.lease().await.unwrap();
    vendor.clock.jump_wall(-24 * 3600);
    let (session, store) = vendor.process();
    // The store takes its time.
    let hold = store.hold_load();
    let signing_out = super::sign_out(&session);
    hold.arrived().await;
    vendor.clock.advance(SECOND);
    hold.release();
    at_once(signing_out).await.unwrap();
    assert_eq!(vendor.live(), 0);
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 1);
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, ..NONE });
}

/// A token stored by a fast clock lives as long from now as it lives, and not for ever anew at each look.
#[apply(leak_checked!)]
async fn a_token_stored_by_a_clock_that_is_fast_ends_for_a_program_that_restarts() {
    let vendor = Vendor::signing_in();
    vendor.clock.jump_wall(24 * 3600);
    vendor.process().0.lease().await.unwrap();
    vendor.clock.jump_wall(-24 * 3600);
    for _ in 0..12 {
        vendor.process().0.lease().await.unwrap();
        vendor.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(vendor.counts().sign_ins, 2);
}
