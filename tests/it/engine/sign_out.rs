//! What a sign-out ends, and what it leaves alone.

use super::{ELEVEN_MINUTES, SECOND, Twist, Vendor, at_once, lease, settle, sign_in, sign_out};
use crate::counts::{Counts, NONE};
use keyway::{Error, ErrorKind, SignOut};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// One client has a token, and another one has renewed it since.
async fn one_behind() -> (Vendor, keyway::Session, keyway::Session) {
    let vendor = Vendor::rotating();
    let (behind, ahead) = (vendor.process().0, vendor.process().0);
    behind.lease().await.unwrap();
    ahead.renew().await.unwrap();
    assert_eq!(vendor.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
    (vendor, behind, ahead)
}

#[apply(leak_checked!)]
async fn a_sign_out_by_a_client_that_is_behind_ends_the_session_by_its_newest_token() {
    let (vendor, behind, _ahead) = one_behind().await;
    assert_eq!(behind.sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!((vendor.live(), vendor.books().told.clone()), (0, vec!["scripted-access-2".to_owned()]));
}

#[apply(leak_checked!)]
async fn a_sign_out_that_a_renewal_overtakes_ends_the_session_by_the_renewed_token() {
    let vendor = Vendor::rotating();
    let (ours, store) = vendor.process();
    let ahead = vendor.process().0;
    ours.lease().await.unwrap();
    let hold = store.hold_tombstone();
    let signing_out = sign_out(&ours);
    hold.arrived().await;
    ahead.renew().await.unwrap();
    hold.release();
    signing_out.await.unwrap().unwrap();
    assert_eq!((vendor.live(), vendor.books().told.last().cloned()), (0, Some("scripted-access-2".to_owned())));
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 1, "it was signed out");
}

#[apply(leak_checked!)]
async fn a_sign_out_ends_what_this_client_has_renewed_and_could_not_save() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fail_saves(1);
    session.renew().await.unwrap();
    session.sign_out().await.unwrap();
    settle().await;
    assert_eq!((vendor.live(), vendor.books().told.last().cloned()), (0, Some("scripted-access-2".to_owned())));
}

#[apply(leak_checked!)]
async fn a_sign_out_by_a_client_that_holds_nothing_ends_what_is_stored() {
    let vendor = Vendor::rotating();
    vendor.process().0.lease().await.unwrap();
    vendor.clock.advance(SECOND);
    assert_eq!(vendor.process().0.sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(vendor.live(), 0);
}

#[apply(leak_checked!)]
async fn what_was_signed_out_here_is_not_adopted_by_a_sign_in_whose_first_look_fails() {
    for (loads, tombstones, looks) in [(1, 0, 1), (1, 0, 0), (0, 1, 1), (0, 1, 2), (1, 1, 2), (2, 0, 3)] {
        let vendor = Vendor::rotating();
        let (session, store) = vendor.process();
        let first = session.lease().await.unwrap().generation();
        store.fail_loads(loads);
        store.fail_tombstones(tombstones);
        assert_eq!(session.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
        store.fail_loads(looks);
        let second = at_once(sign_in(&session)).await.unwrap().generation();
        let about = format!("{loads} {tombstones} {looks}");
        assert!(second.counter() == 1 && first != second, "{about}");
        for _ in 0..10 {
            vendor.clock.advance(SECOND);
            settle().await;
        }
        assert_eq!(session.lease().await.unwrap().generation(), second, "{about}");
        assert_eq!(vendor.books().live, ["scripted-access-2"], "{about}");
        assert_eq!(vendor.process().0.lease().await.unwrap().generation(), second, "{about}");
        assert_eq!(vendor.counts(), Counts { sign_ins: 2, ..NONE }, "{about}");
    }
}

/// At each of its steps the sign-out's caller gives up, and a session begins before the store goes on.
#[apply(leak_checked!)]
async fn a_sign_out_whose_caller_gave_up_does_not_end_the_session_begun_since() {
    for step in ["before the look", "after the look", "before the tombstone"] {
        let vendor = Vendor::rotating();
        let (session, store) = vendor.process();
        session.lease().await.unwrap();
        let hold = match step {
            "before the look" => store.hold_load(),
            "after the look" => store.hold_after_load(),
            _ => store.hold_tombstone(),
        };
        let signing_out = sign_out(&session);
        hold.arrived().await;
        signing_out.abort();
        let signing_in = sign_in(&session);
        settle().await;
        hold.release();
        let second = at_once(signing_in).await.unwrap().generation();
        settle().await;
        assert_eq!(session.lease().await.unwrap().generation(), second, "{step}");
        assert_eq!(vendor.process().0.lease().await.unwrap().generation(), second, "{step}");
        assert_eq!(
            (vendor.counts(), vendor.books().live.clone()),
            (Counts { sign_ins: 2, ..NONE }, vec!["scripted-access-2".to_owned()]),
            "{step}"
        );
    }
}

/// The same where the store stays silent for so long that it is given up.
#[apply(leak_checked!)]
async fn a_sign_out_that_the_store_answers_late_does_not_end_the_session_begun_since() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    let hold = store.hold_tombstone();
    let signing_out = sign_out(&session);
    hold.arrived().await;
    let (outcome, _) = super::pass(&vendor.clock, SECOND, signing_out).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Store);
    let second = session.sign_in().await.unwrap().generation();
    hold.release();
    for _ in 0..10 {
        vendor.clock.advance(SECOND);
        settle().await;
    }
    assert_eq!(session.lease().await.unwrap().generation(), second);
    assert_eq!(vendor.process().0.lease().await.unwrap().generation(), second);
    assert_eq!((vendor.counts(), vendor.live()), (Counts { sign_ins: 2, ..NONE }, 1));
}

/// Polls once, without a task of its own.
macro_rules! poll {
    ($future:expr) => {
        $future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
}

#[apply(leak_checked!)]
async fn who_is_polled_after_a_sign_out_has_returned_gets_no_lease() {
    for renewed_first in [true, false] {
        let vendor = Vendor::rotating();
        let (session, _) = vendor.process();
        session.lease().await.unwrap();
        vendor.clock.advance(ELEVEN_MINUTES);
        let hold = vendor.hold_renewal();
        let mut waiting = pin!(session.lease());
        assert!(poll!(waiting).is_pending());
        hold.arrived().await;
        if renewed_first {
            hold.release();
            settle().await;
        }
        session.sign_out().await.unwrap();
        hold.release();
        settle().await;
        let Poll::Ready(outcome) = poll!(waiting) else { panic!("it has ended") };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SignedOut, "{renewed_first}");
        assert_eq!(vendor.live(), 0, "{renewed_first}");
    }
}

#[apply(leak_checked!)]
async fn who_waited_across_a_sign_out_gets_no_lease_of_the_session_after_it_either() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let hold = vendor.hold_renewal();
    let mut waiting = pin!(session.lease());
    let mut asking = pin!(session.renew());
    assert!(poll!(waiting).is_pending() && poll!(asking).is_pending());
    hold.arrived().await;
    session.sign_out().await.unwrap();
    hold.release();
    session.sign_in().await.unwrap();
    for outcome in [poll!(waiting), poll!(asking)] {
        let Poll::Ready(outcome) = outcome else { panic!("it has ended") };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SignedOut);
    }
    settle().await;
    assert_eq!(vendor.live(), 1);
}

#[apply(leak_checked!)]
async fn who_waits_in_the_late_window_gets_no_lease_after_a_sign_out() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(Duration::from_secs(590));
    let hold = vendor.hold_renewal();
    let mut waiting = pin!(session.lease());
    assert!(poll!(waiting).is_pending());
    hold.arrived().await;
    session.sign_out().await.unwrap();
    vendor.clock.advance(Duration::from_secs(6));
    let Poll::Ready(outcome) = poll!(waiting) else { panic!("it has ended") };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SignedOut);
}

#[apply(leak_checked!)]
async fn what_a_superseded_renewal_has_spent_is_not_sent_while_the_tombstone_is_owed() {
    for failures in [1, 3] {
        let vendor = Vendor::rotating();
        let (session, store) = vendor.process();
        session.lease().await.unwrap();
        vendor.clock.advance(ELEVEN_MINUTES);
        let hold = vendor.hold_renewal();
        let waiting = lease(&session);
        hold.arrived().await;
        store.fail_tombstones(failures);
        assert_eq!(session.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
        hold.release();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
        let other = vendor.process().0;
        let (outcome, _) = super::pass(&vendor.clock, Duration::from_millis(250), lease(&other)).await;
        assert_eq!(outcome.unwrap().generation().counter(), 1, "a session of its own");
        assert_eq!(vendor.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE }, "{failures}");
        assert_eq!(vendor.books().live, ["scripted-access-3"], "{failures}");
    }
}

#[apply(leak_checked!)]
async fn a_sign_out_of_a_vendor_that_never_answers_ends() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.twist_sign_outs([Twist::Never]);
    let (outcome, took) = super::pass(&vendor.clock, SECOND, sign_out(&session)).await;
    assert_eq!(outcome.unwrap(), SignOut::LocalOnly);
    assert!(took <= Duration::from_secs(91), "{took:?}");
    settle().await;
    assert_eq!(vendor.under_way(), 0);
}

#[apply(leak_checked!)]
async fn a_sign_out_beside_a_sign_in_that_never_ends_returns_and_leaves_nothing_behind() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    vendor.twist_sign_ins([Twist::Never]);
    let waiting = lease(&session);
    settle().await;
    assert_eq!(at_once(sign_out(&session)).await.unwrap(), SignOut::LocalOnly);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    for _ in 0..100 {
        vendor.clock.advance(SECOND);
        settle().await;
    }
    assert_eq!(vendor.under_way(), 0);
    session.sign_in().await.unwrap();
    assert_eq!((vendor.counts(), vendor.live()), (Counts { sign_ins: 2, ..NONE }, 1));
}

#[apply(leak_checked!)]
async fn a_vendor_that_refuses_a_sign_out_is_told_once() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.twist_sign_outs([Twist::Fail(Error::unexpected_status(503))]);
    assert_eq!(session.sign_out().await.unwrap(), SignOut::LocalOnly);
    settle().await;
    assert_eq!(vendor.books().told.len(), 1);
}
