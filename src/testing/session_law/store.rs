//! The store of the laws.

use crate::{
    store::{FileStore, Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock},
    testing::mint::random,
};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// A store that can be slow to save sessions or refuse to, and remembers which key was locked last. Only sessions are slow:
/// attempts and tombstones are written whatever it is told.
#[derive(Clone)]
pub(super) struct LawStore {
    place: LawStorePlace,
    pub(super) saving: Arc<watch::Sender<Saving>>,
    locked: Arc<Mutex<Option<Key>>>,
}

#[derive(Clone)]
enum LawStorePlace {
    Memory(MemoryStore),
    Files(FileStore),
}

/// What becomes of a session that is to be saved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Saving {
    Works,
    /// It waits.
    Waits,
    /// It waits, and one has come that does.
    Awaited,
    /// It fails.
    Fails,
}

impl Saving {
    fn awaited(self) -> Self {
        if self == Self::Waits { Self::Awaited } else { self }
    }
}

impl LawStore {
    pub(super) fn in_memory() -> Self {
        Self::on(LawStorePlace::Memory(MemoryStore::new()))
    }

    /// As another process has it: nothing is shared but the folder.
    pub(super) fn in_folder(folder: &TemporaryFolder) -> Self {
        Self::on(LawStorePlace::Files(FileStore::at(&folder.0)))
    }

    fn on(place: LawStorePlace) -> Self {
        Self { place, saving: Arc::new(watch::Sender::new(Saving::Works)), locked: Arc::default() }
    }

    /// The key of the session that was locked last.
    pub(super) fn locked(&self) -> Option<Key> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn save(&self, key: &Key, expected: Option<Generation>, record: Record) -> Result<bool, StoreError> {
        match &self.place {
            LawStorePlace::Memory(memory) => memory.compare_and_swap(key, expected, record).await,
            LawStorePlace::Files(files) => files.compare_and_swap(key, expected, record).await,
        }
    }
}

impl Store for LawStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match &self.place {
            LawStorePlace::Memory(memory) => Store::load(memory, key).await,
            LawStorePlace::Files(files) => Store::load(files, key).await,
        }
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        if record.is_tombstone() {
            return self.save(key, expected, record).await;
        }
        self.saving.send_if_modified(|saving| std::mem::replace(saving, saving.awaited()) != *saving);
        let mut saving = self.saving.subscribe();
        // The sender is a part of this store, so it is there.
        let fails = saving.wait_for(|saving| matches!(saving, Saving::Works | Saving::Fails)).await;
        if fails.is_ok_and(|saving| *saving == Saving::Fails) {
            return Err(StoreError::new("the store is broken"));
        }
        self.save(key, expected, record).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        match &self.place {
            LawStorePlace::Memory(memory) => memory.remove(key).await,
            LawStorePlace::Files(files) => files.remove(key).await,
        }
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        *self.locked.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        match &self.place {
            LawStorePlace::Memory(memory) => Store::lock(memory, key, wait).await,
            LawStorePlace::Files(files) => Store::lock(files, key, wait).await,
        }
    }
}

/// A folder that goes with its last user.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// It is made by the store, which knows who may enter it.
    pub(super) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("keyway-laws-{}", random())))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left behind is a test's, and holds dead tokens
    }
}
