//! What sessions tell in numbers: counted exactly, in words of the crate only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
mod leak_check;

use keyway::{
    ErrorKind, EvictionPolicy, FileStore, Secret, telemetry,
    testing::{FakeOrderingStack, FakeVitaMojo, FakeVms, Fault, ManualClock},
    vitamojo, vms,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::{collections::BTreeMap, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// Runs `test` on one thread, whose recorder counts for this test alone.
fn counted<F: Future<Output = ()>>(test: impl FnOnce(Numbers) -> F) {
    let recorder = DebuggingRecorder::new();
    let numbers = Numbers(recorder.snapshotter());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(numbers)));
}

struct Numbers(Snapshotter);

impl Numbers {
    /// Everything counted since it was asked last, as `name{label=value,…}`, and of histograms how many values.
    fn take(&self) -> BTreeMap<String, i64> {
        let taken = self.0.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let (_, key) = key.into_parts();
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let value = match value {
                DebugValue::Counter(count) => i64::try_from(count).unwrap(),
                DebugValue::Gauge(by) => *by as i64,
                DebugValue::Histogram(values) => i64::try_from(values.len()).unwrap(),
            };
            let name = key.name().trim_start_matches("keyway_");
            (format!("{name}{{{}}}", labels.join(",")), value)
        });
        taken.filter(|(_, value)| *value != 0).collect()
    }

    #[track_caller]
    fn are(&self, expected: &[(&str, i64)]) {
        let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(self.take(), expected);
    }
}

async fn vita_mojo() -> (FakeVitaMojo, ManualClock, vitamojo::Client) {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo::Client::builder(fake.uri())
        .password(FakeVitaMojo::EMAIL, Secret::from(FakeVitaMojo::PASSWORD))
        .clock(clock.clone())
        .build()
        .unwrap();
    (fake, clock, client)
}

fn vms_client(fake: &FakeVms, clock: &ManualClock) -> vms::ClientBuilder {
    vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone())
}

#[apply(leak_checked!)]
fn a_sign_in_and_a_renewal_count_once_whoever_waits_and_a_token_by_its_age() {
    counted(async |numbers| {
        let (fake, clock, client) = vita_mojo().await;
        let gate = fake.hold("auth");
        let call = |client: &vitamojo::Client| {
            let session = client.session().clone();
            tokio::spawn(async move { session.lease().await.unwrap() })
        };
        let waiting: Vec<_> = (0..5).map(|_| call(&client)).collect();
        gate.arrived(1).await;
        numbers.are(&[("waiters{surface=vitamojo}", 5)]);
        gate.open();
        for call in waiting {
            call.await.unwrap();
        }
        numbers.are(&[
            ("waiters{surface=vitamojo}", -5),
            ("sign_ins_total{surface=vitamojo,reason=no_session,outcome=ok}", 1),
            ("renewal_seconds{surface=vitamojo,reason=no_session,outcome=ok}", 1),
            ("lease_age_seconds{surface=vitamojo}", 5),
        ]);
        client.session().lease().await.unwrap();
        numbers.are(&[("lease_age_seconds{surface=vitamojo}", 1)]);
        // The early window: served at once, renewed behind.
        clock.advance(9 * MINUTE);
        client.session().lease().await.unwrap();
        client.session().close().await.unwrap();
        numbers.are(&[
            ("lease_age_seconds{surface=vitamojo}", 1),
            ("renewals_total{surface=vitamojo,reason=early,outcome=ok}", 1),
            ("renewal_seconds{surface=vitamojo,reason=early,outcome=ok}", 1),
        ]);
    });
}

#[apply(leak_checked!)]
fn a_caller_who_goes_away_no_longer_waits() {
    counted(async |numbers| {
        let (fake, _clock, client) = vita_mojo().await;
        let gate = fake.hold("auth");
        let session = client.session().clone();
        let caller = tokio::spawn(async move { session.lease().await });
        gate.arrived(1).await;
        numbers.are(&[("waiters{surface=vitamojo}", 1)]);
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        numbers.are(&[("waiters{surface=vitamojo}", -1)]);
    });
}

#[apply(leak_checked!)]
fn a_refused_refresh_token_is_a_failed_renewal_and_a_sign_in() {
    counted(async |numbers| {
        let (fake, clock, client) = vita_mojo().await;
        client.session().lease().await.unwrap();
        numbers.take();
        fake.revoke_refresh_tokens();
        clock.advance(11 * MINUTE);
        client.session().lease().await.unwrap();
        numbers.are(&[
            ("renewals_total{surface=vitamojo,reason=expired,outcome=sign_in_required}", 1),
            ("sign_ins_total{surface=vitamojo,reason=expired,outcome=ok}", 1),
            ("renewal_seconds{surface=vitamojo,reason=expired,outcome=ok}", 1),
            ("lease_age_seconds{surface=vitamojo}", 1),
        ]);
        fake.revoke_access_tokens();
        client.http().get("/order/v1/orders").send().await.unwrap();
        numbers.are(&[
            ("lease_age_seconds{surface=vitamojo}", 2),
            ("rejections_total{surface=vitamojo}", 1),
            ("renewals_total{surface=vitamojo,reason=rejected,outcome=ok}", 1),
            ("renewal_seconds{surface=vitamojo,reason=rejected,outcome=ok}", 1),
        ]);
    });
}

#[apply(leak_checked!)]
fn refused_credentials_are_one_failed_sign_in_and_every_caller_after_it_a_refusal() {
    counted(async |numbers| {
        let (fake, clock) = (FakeVms::start().await, ManualClock::new());
        let client = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, "wrong").clock(clock).build().unwrap();
        for _ in 0..3 {
            assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
        }
        numbers.are(&[
            ("sign_ins_total{surface=vms,reason=no_session,outcome=invalid_credentials}", 1),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=invalid_credentials}", 1),
            ("refusals_total{surface=vms,kind=invalid_credentials}", 2),
        ]);
        client.session().sign_out().await.unwrap();
        client.session().lease().await.unwrap_err();
        numbers.are(&[("sign_outs_total{surface=vms}", 1), ("refusals_total{surface=vms,kind=signed_out}", 1)]);
    });
}

#[apply(leak_checked!)]
fn a_throttle_is_the_vendors_or_that_of_our_own_budget_before_it() {
    counted(async |numbers| {
        let (fake, clock) = (FakeVms::start().await, ManualClock::new());
        let client = vms_client(&fake, &clock).build().unwrap();
        fake.next("get_token", Fault::Json(429, serde_json::json!({})));
        client.session().lease().await.unwrap_err();
        numbers.are(&[
            ("throttles_total{surface=vms,kind=vendor}", 1),
            ("sign_ins_total{surface=vms,reason=no_session,outcome=throttled}", 1),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=throttled}", 1),
        ]);
        // Ten attempts in ten minutes are what the vendor allows: the eleventh is not made.
        let fake = FakeVms::start().await;
        let client = vms_client(&fake, &clock).build().unwrap();
        fake.always("get_token", Fault::Html(503));
        for _ in 0..10 {
            client.session().sign_in().await.unwrap_err();
        }
        numbers.are(&[
            ("sign_ins_total{surface=vms,reason=no_session,outcome=outage}", 10),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=outage}", 10),
        ]);
        client.session().sign_in().await.unwrap_err();
        numbers.are(&[
            ("throttles_total{surface=vms,kind=budget}", 1),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=throttled}", 1),
            ("refusals_total{surface=vms,kind=throttled}", 1),
        ]);
        assert_eq!(fake.count("get_token"), 10);
    });
}

#[apply(leak_checked!)]
fn an_eviction_is_counted_with_the_question_it_answered() {
    counted(async |numbers| {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().session_limit(2).other_sessions(2).start().await;
        let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
        client.session().lease().await.unwrap();
        numbers.are(&[
            ("sign_ins_total{surface=vms,reason=no_session,outcome=session_limit_reached}", 1),
            ("questions_total{surface=vms,kind=session_limit_reached}", 1),
            ("sign_ins_total{surface=vms,reason=no_session,outcome=ok}", 1),
            ("evictions_total{surface=vms}", 1),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=ok}", 1),
            ("lease_age_seconds{surface=vms}", 1),
        ]);
        assert!(client.session().report().to_string().contains("another session of the account was ended"));
    });
}

#[apply(leak_checked!)]
fn a_token_that_somebody_else_put_into_the_store_is_an_adoption_and_no_sign_in() {
    counted(async |numbers| {
        let (fake, clock) = (FakeVms::start().await, ManualClock::new());
        let folder = tempfile::tempdir().unwrap();
        let client = || vms_client(&fake, &clock).store(FileStore::at(folder.path())).build().unwrap();
        client().session().lease().await.unwrap();
        numbers.take();
        client().session().lease().await.unwrap();
        numbers.are(&[
            ("adoptions_total{surface=vms}", 1),
            ("renewal_seconds{surface=vms,reason=no_session,outcome=ok}", 1),
            ("lease_age_seconds{surface=vms}", 1),
        ]);
        assert_eq!(fake.count("get_token"), 1);
    });
}

#[apply(leak_checked!)]
fn labels_are_words_of_the_crate_and_hold_no_secret() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(all_kinds_of_trouble()));
    let secret =
        [FakeVms::PASSWORD, FakeVms::LOGIN, FakeOrderingStack::CLIENT_SECRET, FakeOrderingStack::TENANT, "127.0"];
    let mut series = 0;
    for (key, ..) in snapshotter.snapshot().into_vec() {
        series += 1;
        for label in key.key().labels() {
            assert!(["surface", "reason", "outcome", "kind"].contains(&label.key()), "{label:?}");
            let word = label.value();
            assert!(!word.is_empty() && word.len() <= 24, "{label:?}");
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{label:?}");
            assert!(!secret.iter().any(|secret| word.contains(secret)), "{label:?}");
        }
    }
    assert!(series > 10, "{series} series");
}

async fn all_kinds_of_trouble() {
    let clock = ManualClock::new();
    let vms = FakeVms::builder().captcha(true).start().await;
    let client = vms_client(&vms, &clock).build().unwrap();
    client.session().lease().await.unwrap_err();
    let services = FakeOrderingStack::start().await;
    let client = keyway::orderingstack::Client::builder(services.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, Secret::from(FakeOrderingStack::CLIENT_SECRET))
        .client_credentials()
        .clock(clock.clone())
        .build()
        .unwrap();
    for fault in [Fault::Html(500), Fault::CutHalfway, Fault::Empty(200), Fault::Html(403)] {
        services.next("issue_token", fault);
        client.session().lease().await.unwrap_err();
        clock.advance(2 * MINUTE);
    }
    client.session().lease().await.unwrap();
    client.session().sign_out().await.unwrap();
}

#[apply(leak_checked!)]
fn every_number_that_is_told_is_described() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        telemetry::describe();
        runtime.block_on(all_kinds_of_trouble());
    });
    for (key, unit, what, _) in snapshotter.snapshot().into_vec() {
        let name = key.key().name();
        assert!(unit.is_some() && what.is_some(), "{name}");
        let documented = include_str!("../src/session/telemetry.rs").contains(&format!("//! | `{name}`"));
        assert!(documented, "{name} is missing from the table in src/session/telemetry.rs");
    }
}
