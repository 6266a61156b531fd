//! The store's lock, and stores that cannot be relied on.

use super::{ELEVEN_MINUTES, SECOND, Twist, Vendor, at_once, lease, pass, settle};
use crate::counts::{Counts, NONE};
use crate::{scripted_store::ScriptedStore, vitamojo_client};
use keyway::{
    Error, ErrorKind, FileStore, Secret, Session, orderingstack,
    testing::{FakeOrderingStack, FakeVitaMojo, ManualClock},
};
use std::{thread, time::Duration};
use tokio::runtime::Builder;

/// Whether another process gets the lock without waiting.
async fn is_free(vendor: &Vendor) {
    let other = vendor.process().0;
    let renewing = tokio::spawn(async move { other.renew().await });
    at_once(renewing).await.expect("the lock is free");
}

#[apply(leak_checked!)]
async fn a_vendor_that_fails_late_is_asked_by_one_of_a_hundred() {
    let vendor = Vendor::signing_in();
    let late = || Twist::Late(Duration::from_secs(19), Error::unexpected_status(503));
    vendor.twist_sign_ins(std::iter::repeat_with(late).take(200));
    let fleet: Vec<_> = (0..100).map(|_| vendor.process().0).collect();
    let waiting: Vec<_> = fleet.iter().map(lease).collect();
    for task in waiting {
        let (outcome, _) = pass(&vendor.clock, Duration::from_millis(500), task).await;
        let kind = outcome.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Outage | ErrorKind::Store), "{kind:?}");
    }
    assert_eq!(vendor.counts().sign_ins, 1);
}

/// The holder is slow and says nothing to others: who waits fails, and does not go without the lock.
#[apply(leak_checked!)]
async fn a_lock_that_stays_busy_is_a_failure_and_no_leave_to_sign_in() {
    let vendor = Vendor::signing_in();
    let hold = vendor.hold_sign_in();
    let (holder, other) = (vendor.process().0, vendor.process().0);
    let first = lease(&holder);
    hold.arrived().await;
    let (outcome, took) = pass(&vendor.clock, SECOND, lease(&other)).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Store);
    assert!(took >= Duration::from_secs(30), "{took:?}");
    assert_eq!(vendor.counts().sign_ins, 1);
    hold.release();
    let obtained = first.await.unwrap().unwrap().generation();
    vendor.clock.advance(Duration::from_secs(60));
    assert_eq!(other.lease().await.unwrap().generation(), obtained);
    assert_eq!(vendor.counts().sign_ins, 1);
}

/// What a client does on a runtime that ends, with a token that has ended, keeps nobody from the lock; the client lives on.
async fn leaves_no_lock(work: impl AsyncFnOnce(&Vendor, &Session, &ScriptedStore) + Send) {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    thread::scope(|scope| {
        let there = || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                session.lease().await.unwrap();
                vendor.clock.advance(ELEVEN_MINUTES);
                work(&vendor, &session, &store).await;
            });
        };
        scope.spawn(there).join().unwrap();
    });
    let other = vendor.process().0;
    at_once(lease(&other)).await.expect("the lock is free");
    drop(session);
}

#[apply(leak_checked!)]
async fn a_client_whose_runtime_has_ended_after_a_failed_save_holds_no_lock() {
    leaves_no_lock(async |_, session, store| {
        store.fail_saves(1);
        session.lease().await.unwrap();
    })
    .await;
}

#[apply(leak_checked!)]
async fn a_client_whose_runtime_has_ended_while_its_renewal_was_out_holds_no_lock() {
    leaves_no_lock(async |vendor, session, _| {
        let hold = vendor.hold_renewal();
        let waiting = lease(session);
        hold.arrived().await;
        drop(waiting);
    })
    .await;
}

#[apply(leak_checked!)]
async fn a_client_whose_runtime_has_ended_while_it_owed_a_tombstone_holds_no_lock() {
    leaves_no_lock(async |vendor, session, store| {
        let hold = vendor.hold_renewal();
        let waiting = lease(session);
        hold.arrived().await;
        store.fail_tombstones(1);
        session.sign_out().await.unwrap_err();
        drop(waiting);
    })
    .await;
}

#[apply(leak_checked!)]
async fn a_save_that_close_makes_up_for_leaves_the_lock_free_when_it_returns() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fail_saves(1);
    let renewed = session.renew().await.unwrap().generation();
    session.close().await.unwrap();
    assert_eq!(vendor.process().0.lease().await.unwrap().generation(), renewed);
    is_free(&vendor).await;
    assert_eq!(vendor.counts(), Counts { sign_ins: 1, renewals: 2, ..NONE });
}

#[apply(leak_checked!)]
async fn a_close_that_cannot_save_says_so_and_leaves_the_lock_free() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fill();
    session.renew().await.unwrap();
    assert_eq!(session.close().await.unwrap_err().kind(), ErrorKind::Store);
    at_once(lease(&vendor.process().0)).await.unwrap();
    is_free(&vendor).await;
}

#[apply(leak_checked!)]
async fn a_close_during_a_renewal_waits_for_it_and_leaves_the_lock_free() {
    let vendor = Vendor::rotating();
    let (session, _store) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let hold = vendor.hold_renewal();
    let waiting = lease(&session);
    hold.arrived().await;
    waiting.abort();
    let closing = {
        let session = session.clone();
        tokio::spawn(async move { session.close().await })
    };
    settle().await;
    assert!(!closing.is_finished());
    hold.release();
    at_once(closing).await.unwrap();
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 2);
    is_free(&vendor).await;
    assert_eq!(vendor.counts(), Counts { sign_ins: 1, renewals: 2, ..NONE });
}

#[apply(leak_checked!)]
async fn a_close_after_a_sign_out_that_was_not_stored_tells_the_store_and_leaves_it() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fail_tombstones(1);
    session.sign_out().await.unwrap_err();
    session.close().await.unwrap();
    assert_eq!(at_once(lease(&vendor.process().0)).await.unwrap().generation().counter(), 1);
    is_free(&vendor).await;
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn a_store_that_cannot_lock_keeps_nobody_from_a_session_that_was_never_stored() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    store.break_locks();
    store.fill();
    for lives in 1..=5 {
        session.lease().await.unwrap_or_else(|error| panic!("{lives}: {error}"));
        vendor.clock.advance(ELEVEN_MINUTES);
    }
    assert_eq!(vendor.counts().reuses, 0);
}

#[apply(leak_checked!)]
async fn a_store_that_never_worked_keeps_nobody_from_a_session() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    store.break_locks();
    store.fill();
    for lives in 1..=100 {
        store.fail_loads(10);
        session.lease().await.unwrap_or_else(|error| panic!("{lives}: {error}"));
        vendor.clock.advance(ELEVEN_MINUTES);
        settle().await;
    }
    assert_eq!(vendor.counts().reuses, 0);
}

/// A path that no folder can be made at.
fn nowhere() -> (tempfile::TempDir, FileStore) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a file");
    std::fs::write(&file, "no folder").unwrap();
    let store = FileStore::at(file.join("sessions"));
    (place, store)
}

#[apply(leak_checked!)]
async fn a_vitamojo_session_goes_on_where_its_folder_never_worked() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let (_place, store) = nowhere();
    let client = vitamojo_client(&fake, &clock).store(store).build().unwrap();
    for lives in 1..=4 {
        client.session().lease().await.unwrap_or_else(|error| panic!("{lives}: {error}"));
        clock.advance(ELEVEN_MINUTES);
    }
    assert_eq!(fake.reuses(), 0);
}

#[apply(leak_checked!)]
async fn an_orderingstack_session_goes_on_where_its_folder_never_worked() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).start().await;
    let (_place, store) = nowhere();
    let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
    let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
    let builder = builder.password(FakeOrderingStack::LOGIN, Secret::from(FakeOrderingStack::PASSWORD));
    let client = builder.clock(clock.clone()).store(store).build().unwrap();
    for lives in 1..=4 {
        client.session().lease().await.unwrap_or_else(|error| panic!("{lives}: {error}"));
        clock.advance(Duration::from_secs(24 * 3600));
    }
    assert_eq!(fake.reuses(), 0);
}

/// What was stored once may have been taken over by others: its refresh token waits for the store.
#[apply(leak_checked!)]
async fn a_session_that_was_stored_once_waits_for_the_store() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    store.break_locks();
    assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(vendor.counts(), Counts { sign_ins: 1, ..NONE });
}
