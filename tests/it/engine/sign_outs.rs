//! Several sign-outs, and sign-outs between the steps of others.

use super::{ELEVEN_MINUTES, SECOND, Twist, Vendor, at_once, lease, settle, sign_in, sign_out};
use crate::counts::{Counts, NONE};
use keyway::{Error, ErrorKind, SignOut};

#[apply(leak_checked!)]
async fn two_clients_that_sign_out_at_once_end_their_one_session() {
    let vendor = Vendor::rotating();
    let (one, two) = (vendor.process().0, vendor.process().0);
    one.lease().await.unwrap();
    two.lease().await.unwrap();
    let (first, second) = (sign_out(&one), sign_out(&two));
    for task in [first, second] {
        at_once(task).await.unwrap();
    }
    assert_eq!(vendor.live(), 0);
    for session in [&one, &two] {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    }
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 1);
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, ..NONE });
}

#[apply(leak_checked!)]
async fn two_sign_outs_of_one_client_both_return() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    let hold = store.hold_tombstone();
    let first = sign_out(&session);
    hold.arrived().await;
    let second = sign_out(&session);
    settle().await;
    hold.release();
    for task in [first, second] {
        at_once(task).await.unwrap();
    }
    assert_eq!(vendor.live(), 0);
    assert_eq!(session.sign_out().await.unwrap(), SignOut::LocalOnly, "there is nothing more to end");
}

#[apply(leak_checked!)]
async fn a_sign_out_after_one_that_was_given_up_ends_the_session_begun_in_between() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    let hold = store.hold_tombstone();
    let given_up = sign_out(&session);
    hold.arrived().await;
    given_up.abort();
    let signing_in = sign_in(&session);
    settle().await;
    hold.release();
    at_once(signing_in).await.unwrap();
    at_once(sign_out(&session)).await.unwrap();
    settle().await;
    assert_eq!(vendor.live(), 0);
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 1);
    assert_eq!(vendor.counts(), Counts { sign_ins: 3, ..NONE });
}

/// In each order of the vendor's answer, the sign-out and the next sign-in.
#[apply(leak_checked!)]
async fn a_sign_in_answered_after_a_sign_out_and_another_sign_in_leaves_one_session() {
    for before in [true, false] {
        let vendor = Vendor::rotating();
        let (session, _) = vendor.process();
        let hold = vendor.hold_sign_in();
        let first = lease(&session);
        hold.arrived().await;
        at_once(sign_out(&session)).await.unwrap();
        assert_eq!(at_once(first).await.unwrap_err().kind(), ErrorKind::SignedOut);
        if before {
            hold.release();
            settle().await;
        }
        let second = sign_in(&session);
        settle().await;
        hold.release();
        let generation = at_once(second).await.unwrap().generation();
        settle().await;
        assert_eq!(vendor.books().live, ["scripted-access-2"], "{before}");
        assert_eq!(vendor.process().0.lease().await.unwrap().generation(), generation, "{before}");
        assert_eq!(vendor.counts(), Counts { sign_ins: 2, ..NONE }, "{before}");
    }
}

/// Another process renews while a sign-out waits for its store: what it is given is of a session that is over.
#[apply(leak_checked!)]
async fn a_renewal_that_is_answered_after_a_sign_out_elsewhere_is_ended_too() {
    let vendor = Vendor::rotating();
    let (ours, theirs) = (vendor.process().0, vendor.process().0);
    ours.lease().await.unwrap();
    theirs.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let hold = vendor.hold_renewal();
    let renewing = lease(&theirs);
    hold.arrived().await;
    at_once(sign_out(&ours)).await.unwrap();
    hold.release();
    let next = at_once(renewing).await.unwrap().generation();
    settle().await;
    assert_eq!(next.counter(), 1, "a session of its own");
    assert_eq!(vendor.books().live, ["scripted-access-3"]);
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn a_sign_out_while_a_failure_cools_down_ends_what_is_stored() {
    let vendor = Vendor::rotating();
    vendor.process().0.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    vendor.twist_renewals([Twist::Fail(Error::unexpected_status(503))]);
    let (session, _) = vendor.process();
    session.lease().await.unwrap_err();
    assert_eq!(at_once(sign_out(&session)).await.unwrap(), SignOut::Revoked);
    assert_eq!(vendor.live(), 0);
}

/// The tombstone is written after several failures, and the vendor is told but once.
#[apply(leak_checked!)]
async fn a_sign_out_that_is_stored_late_tells_the_vendor_once() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fail_tombstones(3);
    assert_eq!(session.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
    for _ in 0..20 {
        vendor.clock.advance(SECOND);
        settle().await;
    }
    assert_eq!((vendor.live(), vendor.books().told.len()), (0, 1));
    assert_eq!(vendor.process().0.lease().await.unwrap().generation().counter(), 1);
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, ..NONE });
}
