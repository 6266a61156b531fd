//! Settings at the edge of what can be written: refused at `build()`, or they work.

use super::{Vendor, at_once, lease, settle};
use keyway::{
    Error, ErrorKind, Retry, Timeouts, Windows,
    custom::{Capabilities, Renewal},
};
use std::time::Duration;

const NANOSECOND: Duration = Duration::from_nanos(1);
const EDGES: [Duration; 5] =
    [Duration::ZERO, NANOSECOND, Duration::from_secs(1), Duration::from_secs(u64::MAX / 2), Duration::MAX];

fn signs_in() -> Capabilities {
    Capabilities::new("scripted", ".password(..)").renewal(Renewal::SignIn)
}

fn is_config(error: &Error, what: &str) {
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(what), "{error}");
}

/// Either refused with a word about `what`, or it goes through a life without a panic and without spinning.
async fn refused_or_works(
    vendor: &Vendor,
    change: impl FnOnce(keyway::custom::ClientBuilder) -> keyway::custom::ClientBuilder,
    what: &str,
) {
    let store = crate::scripted_store::ScriptedStore::over(&vendor.memory);
    let client = match change(vendor.builder(&store)).build() {
        Err(error) => return is_config(&error, what),
        Ok(client) => client,
    };
    let session = client.session();
    for _ in 0..5 {
        let waiting = lease(session);
        for _ in 0..20 {
            settle().await;
            vendor.clock.advance(Duration::from_millis(100));
        }
        if waiting.is_finished() {
            drop(waiting.await.expect("nothing panics"));
        }
        vendor.clock.advance(Duration::from_secs(300));
    }
    let asked = vendor.counts().sign_ins + vendor.counts().renewals;
    assert!(asked <= 60, "{what}: {asked} requests");
    let signing_out = super::sign_out(session);
    let _ = super::pass(&vendor.clock, Duration::from_secs(1), signing_out).await.0;
    session.close().await.ok();
}

#[apply(leak_checked!)]
fn a_budget_that_allows_nothing_is_refused_when_the_client_is_built() {
    for (attempts, within) in
        [(0, Duration::from_secs(60)), (5, Duration::ZERO), (0, Duration::ZERO), (0, Duration::MAX)]
    {
        let vendor = Vendor::of(signs_in().budget(attempts, within));
        let error = vendor.builder(&crate::scripted_store::ScriptedStore::default()).build().unwrap_err();
        is_config(&error, "budget(..)");
    }
}

#[apply(leak_checked!)]
async fn a_budget_at_the_edge_works() {
    for attempts in [1, 2, usize::MAX] {
        for within in EDGES.into_iter().skip(1) {
            let vendor = Vendor::of(signs_in().budget(attempts, within));
            refused_or_works(&vendor, |builder| builder, "budget(..)").await;
        }
    }
    let vendor = Vendor::of(signs_in().budget(1, Duration::MAX));
    let session = vendor.process().0;
    at_once(lease(&session)).await.expect("the first attempt of all time");
}

#[apply(leak_checked!)]
async fn a_default_life_at_the_edge_is_refused_or_works() {
    for life in EDGES {
        for renewal in [Renewal::None, Renewal::SignIn, super::ROTATES] {
            let capabilities = Capabilities::new("scripted", ".password(..)").renewal(renewal).default_life(life);
            let vendor = Vendor { life: None, ..Vendor::of(capabilities) };
            refused_or_works(&vendor, |builder| builder, "default_life(..)").await;
        }
    }
}

#[apply(leak_checked!)]
fn a_default_life_of_nothing_is_refused_when_the_client_is_built() {
    let vendor = Vendor::of(signs_in().default_life(Duration::ZERO));
    let error = vendor.builder(&crate::scripted_store::ScriptedStore::default()).build().unwrap_err();
    is_config(&error, "default_life(..)");
}

#[apply(leak_checked!)]
async fn a_life_at_the_edge_is_an_error_or_works() {
    for life in EDGES {
        for renewal in [Renewal::None, Renewal::SignIn, super::ROTATES] {
            let capabilities = Capabilities::new("scripted", ".password(..)").renewal(renewal);
            let vendor = Vendor { life: Some(life), ..Vendor::of(capabilities) };
            refused_or_works(&vendor, |builder| builder, "nothing").await;
            // Another process reads it from the store.
            refused_or_works(&vendor, |builder| builder, "nothing").await;
        }
    }
}

#[apply(leak_checked!)]
async fn timeouts_at_the_edge_are_refused_or_work() {
    let usual = Timeouts::default();
    for edge in EDGES {
        for timeouts in [
            usual.with_connect(edge),
            usual.with_request(edge),
            usual.with_sign_in(edge),
            usual.with_renewal(edge),
            usual.with_store_lock(edge),
            usual.with_person(edge),
            usual.with_sign_in(edge).with_renewal(edge.saturating_add(NANOSECOND)),
            Timeouts::default()
                .with_connect(edge)
                .with_request(edge)
                .with_sign_in(edge)
                .with_renewal(edge)
                .with_store_lock(edge)
                .with_person(edge),
        ] {
            for vendor in [Vendor::rotating(), Vendor::signing_in()] {
                refused_or_works(&vendor, |builder| builder.timeouts(timeouts), ".timeouts(..)").await;
            }
        }
    }
}

#[apply(leak_checked!)]
async fn windows_at_the_edge_are_refused_or_work() {
    let usual = Windows::default();
    for edge in EDGES {
        for windows in [
            usual.with_early_min(edge),
            usual.with_early_max(edge),
            usual.with_late_min(edge),
            usual.with_late_max(edge),
            usual.with_early_min(edge).with_early_max(edge).with_late_min(edge).with_late_max(edge),
            usual.with_early_min(edge).with_early_max(Duration::MAX).with_early_share(0.25),
            usual
                .with_early_max(Duration::MAX)
                .with_late_max(Duration::MAX)
                .with_late_share(0.125)
                .with_early_share(0.25),
        ] {
            for life in [Duration::from_millis(100), Duration::from_secs(600), Duration::MAX] {
                let vendor = Vendor { life: Some(life), ..Vendor::rotating() };
                refused_or_works(&vendor, |builder| builder.windows(windows), ".windows(..)").await;
            }
        }
    }
}

#[apply(leak_checked!)]
async fn retries_at_the_edge_are_refused_or_work() {
    for edge in EDGES {
        for attempts in [0, 1, u32::MAX] {
            let retry = Retry::default().with_attempts(attempts).with_first_wait(edge).with_longest_wait(edge);
            refused_or_works(&Vendor::rotating(), |builder| builder.retry(retry), ".retry(..)").await;
        }
    }
}

#[apply(leak_checked!)]
async fn a_lease_for_longer_than_time_lasts_is_an_error_or_a_lease() {
    for life in EDGES {
        let vendor = Vendor { life: Some(life), ..Vendor::signing_in() };
        let session = vendor.process().0;
        for needed in EDGES {
            let waiting = {
                let session = session.clone();
                tokio::spawn(async move { session.lease_for(needed).await.map(drop) })
            };
            drop(at_once(waiting).await);
        }
        assert!(vendor.counts().sign_ins <= 6, "{life:?}: {} sign-ins", vendor.counts().sign_ins);
    }
}

#[apply(leak_checked!)]
async fn a_wait_that_a_vendor_asks_for_may_be_as_long_as_it_likes() {
    for wait in EDGES {
        let vendor = Vendor::signing_in();
        vendor.twist_sign_ins([super::Twist::Fail(Error::throttled(Some(wait)))]);
        let (session, other) = (vendor.process().0, vendor.process().0);
        for session in [&session, &other] {
            assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::Throttled, "{wait:?}");
        }
        vendor.clock.advance(Duration::from_secs(3600));
        for session in [&session, &other] {
            at_once(lease(session)).await.unwrap_or_else(|error| panic!("{wait:?}: {error}"));
        }
    }
}
