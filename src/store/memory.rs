//! Sessions in this process only.

use super::{Generation, Key, Record, Store, StoreError, StoreLock};
use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Keeps sessions in memory. Clones share what they keep; give one to several clients to let them share sessions.
///
/// It cannot protect replicas: two processes with a memory store each sign in for themselves.
#[derive(Clone, Default)]
#[doc(alias("token cache"))]
pub struct MemoryStore(Arc<Mutex<HashMap<Key, Slot>>>);

#[derive(Default)]
struct Slot {
    record: Option<Record>,
    lock: Arc<KeyLock>,
}

/// A lock that is never handed over, only left open: a waiter on a runtime that no thread drives would otherwise be handed
/// it and keep it from all others.
#[derive(Default)]
struct KeyLock {
    held: AtomicBool,
    freed: Notify,
}

impl KeyLock {
    fn try_hold(self: &Arc<Self>) -> Option<MemoryLock> {
        (!self.held.swap(true, Ordering::AcqRel)).then(|| MemoryLock(self.clone()))
    }

    async fn hold(self: Arc<Self>) -> MemoryLock {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Enrolled before looking, so that a lock that is left in between is heard of.
            freed.as_mut().enable();
            if let Some(held) = self.try_hold() {
                return held;
            }
            freed.await;
        }
    }
}

/// The key is held for as long as this lives.
struct MemoryLock(Arc<KeyLock>);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
        self.0.freed.notify_waiters();
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // Nothing panics while the map is changed, so a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("keys", &self.slots().len()).finish()
    }
}

impl Store for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.slots().get(key).and_then(|slot| slot.record.clone()))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        let mut slots = self.slots();
        let slot = slots.entry(key.clone()).or_default();
        if slot.record.as_ref().map(Record::generation) != expected {
            return Ok(false);
        }
        slot.record = Some(record);
        Ok(true)
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        if let Some(slot) = self.slots().get_mut(key) {
            slot.record = None;
        }
        Ok(())
    }

    /// The engine bounds the wait by its own clock as well.
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        let lock = self.slots().entry(key.clone()).or_default().lock.clone();
        if let Some(held) = lock.try_hold() {
            return Ok(StoreLock::new(held));
        }
        let held = tokio::time::timeout(wait, lock.hold()).await;
        held.map(StoreLock::new).map_err(|_| StoreError::not_in_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RecordState;

    fn record(generation: Generation) -> Record {
        Record::new(&Key::new("vms", &[]), generation, RecordState::SignedOut)
    }

    #[apply(leak_checked!)]
    async fn a_swap_succeeds_only_against_the_generation_it_expects() {
        let (store, key) = (MemoryStore::new(), Key::new("vms", &[]));
        let first = Generation::first(7);
        assert!(!store.compare_and_swap(&key, Some(first), record(first)).await.expect("memory"));
        assert!(store.compare_and_swap(&key, None, record(first)).await.expect("memory"));
        assert!(!store.compare_and_swap(&key, None, record(first.next())).await.expect("memory"));
        assert!(store.compare_and_swap(&key, Some(first), record(first.next())).await.expect("memory"));
        assert_eq!(store.load(&key).await.expect("memory").map(|r| r.generation()), Some(first.next()));
        store.remove(&key).await.expect("memory");
        assert!(store.load(&key).await.expect("memory").is_none());
    }

    #[apply(leak_checked!)]
    async fn a_dropped_wait_takes_no_lock() {
        let (store, key) = (MemoryStore::new(), Key::new("vms", &[]));
        let held = store.lock(&key, Duration::ZERO).await.expect("free");
        {
            let mut wait = Box::pin(Store::lock(&store, &key, Duration::from_secs(60)));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(wait.as_mut().poll(&mut context).is_pending());
        }
        drop(held);
        let _again = store.lock(&key, Duration::ZERO).await.expect("free again");
    }

    #[apply(leak_checked!)]
    async fn a_waiter_that_nobody_polls_keeps_the_lock_from_nobody() {
        let (store, key) = (MemoryStore::new(), Key::new("vms", &[]));
        let held = store.lock(&key, Duration::ZERO).await.expect("free");
        let mut idle = Box::pin(Store::lock(&store, &key, Duration::from_secs(60)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(idle.as_mut().poll(&mut context).is_pending());
        drop(held);
        let _mine = store.lock(&key, Duration::ZERO).await.expect("free");
        assert!(idle.as_mut().poll(&mut context).is_pending());
    }
}
