//! A process that stands still at the worst moment.

use super::{GO_ON, tell};
#[cfg(unix)]
use super::{Job, generations, serving, start};
#[cfg(unix)]
use keyway::testing::{FakeOrderingStack, FakeVms};
use keyway::{Generation, Key, Record, Store, StoreError, StoreLock};
#[cfg(unix)]
use std::collections::HashSet;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Halts when it holds the lock and has seen what is stored: all that is left is to ask whether the lock is still held, and to
/// send.
pub(crate) struct Halting<S> {
    store: S,
    locked: AtomicBool,
}

impl<S: Store> Halting<S> {
    pub(crate) fn new(store: S) -> Self {
        Self { store, locked: AtomicBool::new(false) }
    }
}

impl<S: Store> Store for Halting<S> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let seen = self.store.load(key).await;
        if self.locked.swap(false, Ordering::SeqCst) {
            tell("halted");
            GO_ON.notified().await;
        }
        seen
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.store.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        let lock = self.store.lock(key, wait).await;
        self.locked.store(true, Ordering::SeqCst);
        lock
    }
}

/// Holders that are stopped for longer than their lock lasts neither spend nor save: at a vendor whose refresh tokens rotate, and
/// at one where each sign-in is a session.
#[cfg(unix)]
pub(crate) async fn who_is_stopped_takes_over_what_others_obtained(place: &str) {
    let ordering = serving(FakeOrderingStack::builder().rotating(true).start().await);
    let vms = serving(FakeVms::start().await);
    // It stays, so that nothing keeps it from leaving its lock.
    let mut first = start(1, &Job::of("orderingstack", &ordering.uri(), place));
    generations(&mut first);
    for (halting, surface, uri) in
        [("halting orderingstack", "orderingstack", ordering.uri()), ("halting vms", "vms", vms.uri())]
    {
        let job = |work| Job { ahead: Duration::from_secs(24 * 3600), ..Job::of(work, &uri, place) };
        let mut halted = start(1, &job(halting)).pop().unwrap();
        halted.say("call");
        assert_eq!(halted.hear(), "halted");
        halted.signal("-STOP");
        // Waits for the end of the lock, and for nothing else.
        let others = generations(&mut start(1, &job(surface)));
        halted.say("go on");
        halted.signal("-CONT");
        assert_eq!(HashSet::from([halted.hear()]), others, "{surface}: it took over what the other one had obtained");
    }
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
    assert_eq!(vms.count("get_token"), 1);
}
