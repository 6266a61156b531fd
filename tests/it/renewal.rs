//! One renewal for all callers, whatever happens to those who wait for it.

mod runtimes;
mod timeouts;

use crate::{vitamojo_client, vms_client};
use keyway::{
    CredentialSource, Error, ErrorKind, Expiry, MemoryStore, Secret, SourceError, Timeouts,
    custom::{self, Attempt, Capabilities, Issued, Issuer},
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
    vms,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::sync::Semaphore;

const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);

#[apply(leak_checked!)]
#[threads(4)]
async fn five_hundred_tasks_on_an_expired_token_are_one_renewal() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(ELEVEN_MINUTES);
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.http().get("/order/v1/orders").send().await.unwrap().status() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_failure_is_shared_and_then_cools_down() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.always("get_token", Fault::Html(503));
    let gate = fake.hold("get_token");
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.session().lease().await.unwrap_err() })
        })
        .collect();
    gate.arrived(1).await;
    gate.open();
    for task in tasks {
        assert_eq!(task.await.unwrap().kind(), ErrorKind::Outage);
    }
    for _ in 0..100 {
        let error = client.session().lease().await.unwrap_err();
        assert!(error.is_local() && error.retry_after().is_some(), "{error}");
    }
    assert_eq!(fake.count("get_token"), 1);
    clock.advance(Duration::from_secs(1));
    fake.heal("get_token");
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn an_endpoint_that_always_answers_401_costs_one_renewal_and_not_one_per_call() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    fake.always("check_token", Fault::Unauthorized);
    for _ in 0..10 {
        let error = client.api().check_token().send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    }
    // The first call is sent twice, around the one renewal; the others once.
    assert_eq!((fake.count("check_token"), fake.count("refresh_token"), fake.count("auth")), (11, 1, 1));
}

#[apply(leak_checked!)]
async fn two_clients_that_share_a_store_share_the_session() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), MemoryStore::new());
    let one = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    let two = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    let first = one.session().lease().await.unwrap();
    let second = two.session().lease().await.unwrap();
    assert_eq!(first.generation(), second.generation());
    let apart = vms_client(&fake, &clock).store(store).profile("another").build().unwrap();
    apart.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_new_password_is_a_new_lineage_and_the_same_one_finds_its_session() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), MemoryStore::new());
    let first = vms_client(&fake, &clock).store(store.clone()).build().unwrap().session().lease().await.unwrap();
    fake.set_password(FakeVms::LOGIN, "another");
    let builder = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, "another").clock(clock.clone());
    let second = builder.store(store).build().unwrap().session().lease().await.unwrap();
    assert_ne!(first.generation(), second.generation());
    assert_eq!(fake.count("get_token"), 2);
}

/// More of them than a thread has room to borrow, and given back on another thread than they were got on.
#[apply(leak_checked!)]
async fn leases_that_are_kept_stay_what_they_were_whatever_comes_after_them() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let session = client.session();
    let mut kept = Vec::new();
    for counter in 1..=3 {
        let token = session.lease().await.unwrap().token().unwrap().clone();
        for _ in 0..50 {
            let lease = session.lease().await.unwrap();
            kept.extend([(counter, token.clone(), lease.clone()), (counter, token.clone(), lease)]);
        }
        clock.advance(ELEVEN_MINUTES);
    }
    session.sign_out().await.unwrap();
    let returned = std::thread::spawn(move || {
        for (counter, token, lease) in &kept {
            assert_eq!((lease.generation().counter(), lease.token().unwrap().expose()), (*counter, token.expose()));
            assert_eq!(lease.header().to_str().unwrap().strip_prefix("Bearer "), Some(token.expose()));
        }
        kept.len()
    });
    assert_eq!(returned.join().unwrap(), 300);
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 2));
}
