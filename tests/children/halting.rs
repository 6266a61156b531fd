//! A process that stands still at the worst moment.

use super::{GO_ON, tell};
use keyway::{Generation, Key, Record, Store, StoreError, StoreLock};
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
