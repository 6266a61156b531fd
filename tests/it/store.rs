//! What happens when the place where sessions sleep fails.

use crate::{vitamojo_client, vms_client};
use keyway::{
    Clock, ErrorKind, Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock,
    testing::{FakeVitaMojo, FakeVms, ManualClock},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A memory store that can be made to fail.
#[derive(Clone, Default)]
struct Moody {
    inner: MemoryStore,
    down: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    saves: Arc<AtomicUsize>,
    locks: Arc<AtomicUsize>,
    /// Its lock is never free.
    stuck: bool,
}

impl Moody {
    fn is_up(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::new("the disk is gone")) } else { Ok(()) }
    }
}

impl Store for Moody {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.is_up()?;
        self.inner.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.is_up()?;
        self.saves.fetch_add(1, Ordering::SeqCst);
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::new("the disk is full"));
        }
        self.inner.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.is_up()?;
        self.locks.fetch_add(1, Ordering::SeqCst);
        if self.stuck {
            std::future::pending::<()>().await;
        }
        self.inner.lock(key, wait).await
    }
}

#[apply(leak_checked!)]
async fn what_somebody_else_has_obtained_is_taken_over_without_the_lock() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let client = || vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    let (one, two) = (client(), client());
    for renewals in 0..3 {
        let obtained = one.session().lease().await.unwrap().generation();
        assert_eq!(two.session().lease().await.unwrap().generation(), obtained);
        assert_eq!((store.locks.load(Ordering::SeqCst), fake.count("refresh_token")), (renewals + 1, renewals));
        clock.advance(Duration::from_secs(11 * 60));
    }
}

#[apply(leak_checked!)]
async fn who_waits_for_the_lock_finds_meanwhile_what_its_holder_has_saved() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let waits = Moody { stuck: true, ..store.clone() };
    let waiting = vitamojo_client(&fake, &clock).store(waits.clone()).build().unwrap().session().clone();
    let waiting = tokio::spawn(async move { waiting.lease().await.unwrap().generation() });
    // The two tasks that keep the time.
    clock.until_sleeping(2).await;
    let client = vitamojo_client(&fake, &clock).store(store).build().unwrap();
    let obtained = client.session().lease().await.unwrap().generation();
    clock.advance(Duration::from_millis(1500));
    assert_eq!((waiting.await.unwrap(), fake.count("auth")), (obtained, 1));
}

/// Takes every question and answers none: each fails after five seconds.
#[derive(Clone)]
struct Mute {
    clock: ManualClock,
    asked: Arc<Mutex<Vec<(&'static str, Key)>>>,
    failed: Arc<AtomicBool>,
}

impl Mute {
    async fn ask<T>(&self, what: &'static str, key: &Key) -> Result<T, StoreError> {
        self.asked.lock().unwrap().push((what, key.clone()));
        self.clock.sleep(Duration::from_secs(5)).await;
        self.failed.store(true, Ordering::SeqCst);
        Err(StoreError::new("it does not answer"))
    }
}

impl Store for Mute {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.ask("load", key).await
    }

    async fn compare_and_swap(&self, key: &Key, _: Option<Generation>, _: Record) -> Result<bool, StoreError> {
        self.ask("save", key).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.ask("remove", key).await
    }

    async fn lock(&self, key: &Key, _: Duration) -> Result<StoreLock, StoreError> {
        self.ask("lock", key).await
    }
}

/// A run looks, locks, looks again, counts an attempt and saves: with a store that hangs, each of these would be a wait.
#[apply(leak_checked!)]
async fn a_store_that_does_not_answer_is_waited_for_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = Mute { clock: clock.clone(), asked: Arc::default(), failed: Arc::default() };
    let client = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await });
    while !store.failed.load(Ordering::SeqCst) {
        clock.until_sleeping(2).await;
        clock.advance(Duration::from_millis(250));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    waiting.await.unwrap().unwrap();
    let report = client.session().report().to_string();
    assert!(report.contains("kept in memory: it does not answer"), "{report}");
    let asked = store.asked.lock().unwrap().clone();
    let (locks, looks): (Vec<_>, Vec<_>) = asked.iter().partition(|(what, _)| *what == "lock");
    assert_eq!(locks.len(), 1);
    // Never for the attempts' ledger, nor to save.
    assert!(looks.iter().all(|(what, key)| *what == "load" && *key == locks[0].1), "{asked:?}");
    assert_eq!(fake.count("get_token"), 1);
    // Whoever signs out wants it tried all the same.
    let signing_out = tokio::spawn(async move { client.session().sign_out().await });
    while store.asked.lock().unwrap().len() == asked.len() {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(5));
    assert_eq!(signing_out.await.unwrap().unwrap_err().kind(), ErrorKind::Store);
    let loads = |asked: &[(&str, Key)]| asked.iter().filter(|(what, _)| *what == "load").count();
    assert_eq!(loads(&store.asked.lock().unwrap()), loads(&asked) + 1);
}

#[apply(leak_checked!)]
async fn a_save_that_fails_costs_no_sign_in_and_is_made_up_for() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let client = vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    store.full.store(true, Ordering::SeqCst);
    client.session().lease().await.unwrap();
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert!(client.session().report().to_string().contains("kept in memory"));

    store.full.store(false, Ordering::SeqCst);
    clock.until_sleeping(1).await;
    clock.advance(Duration::from_secs(1));
    let other = loop {
        // The offer is under way on this runtime; a second client sees the session once it is there.
        tokio::task::yield_now().await;
        if store.saves.load(Ordering::SeqCst) == 2 {
            break vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
        }
    };
    assert_eq!(
        other.session().lease().await.unwrap().generation(),
        client.session().lease().await.unwrap().generation()
    );
    assert_eq!(fake.count("auth"), 1);
}

#[apply(leak_checked!)]
async fn a_new_session_that_could_not_be_saved_takes_the_place_of_the_ended_one_later() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let client = vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(Duration::from_secs(11 * 60));
    store.full.store(true, Ordering::SeqCst);
    let ours = client.session().lease().await.unwrap().generation();
    assert_eq!((fake.count("refresh_token"), fake.count("auth"), ours.counter()), (1, 2, 1));

    store.full.store(false, Ordering::SeqCst);
    clock.until_sleeping(1).await;
    clock.advance(Duration::from_secs(1));
    // Time enough for the offer, which runs on this runtime and waits for nothing.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.saves.load(Ordering::SeqCst), 3);
    let other = vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    assert_eq!(other.session().lease().await.unwrap().generation(), ours);
    assert_eq!(fake.count("auth"), 2);
}

#[apply(leak_checked!)]
async fn a_stored_token_whose_successor_could_not_be_saved_is_not_taken_back() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let client = vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    store.full.store(true, Ordering::SeqCst);
    for counter in 2..4 {
        assert_eq!(client.session().renew().await.unwrap().generation().counter(), counter);
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn a_token_that_rotates_is_not_renewed_without_the_store_and_a_valid_one_serves() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = Moody::default();
    let client = vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(9 * 60));
    client.session().lease().await.expect("still valid");
    client.session().close().await.unwrap();
    clock.advance(Duration::from_secs(2 * 60));
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), fake.count("refresh_token")), (ErrorKind::Store, 0));
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    store.down.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(60));
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_vendor_whose_tokens_do_not_rotate_goes_on_without_the_store() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), Moody::default());
    store.down.store(true, Ordering::SeqCst);
    let client = vms_client(&fake, &clock).store(store).build().unwrap();
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_sign_out_that_the_store_does_not_hear_of_says_so_and_counts_here() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), Moody::default());
    let client = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    let error = client.session().sign_out().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<StoreError>());
    assert!(cause.is_some_and(|cause| error.to_string().contains(&cause.to_string())), "{error:?}");
    assert!(fake.sessions().is_empty());
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
}

#[apply(leak_checked!)]
async fn who_waits_for_the_lock_looks_again_and_again_but_not_for_ever() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let waits = Moody { stuck: true, ..Moody::default() };
    let session = vitamojo_client(&fake, &clock).store(waits).build().unwrap().session().clone();
    let waiting = tokio::spawn(async move { session.lease().await });
    for seconds in (0..30).step_by(2) {
        // Its own patience, and that with the lock.
        clock.until_sleeping(2).await;
        assert_eq!(fake.count("auth"), 0, "after {seconds} s");
        clock.advance(Duration::from_secs(2));
    }
    // Its holder is at work: to go on without the lock would be to do the same beside it.
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(fake.count("auth"), 0);
}
