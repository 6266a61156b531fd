//! The stores that need nothing but this machine keep to what every store keeps to.

use crate::store_laws::{Shop, store_laws};
use keyway::{FileStore, MemoryStore};

struct Memory(MemoryStore);

impl Shop for Memory {
    type Store = MemoryStore;

    async fn open() -> Option<Self> {
        Some(Self(MemoryStore::new()))
    }

    fn store(&self) -> MemoryStore {
        self.0.clone()
    }
}

struct Folder(tempfile::TempDir);

impl Shop for Folder {
    type Store = FileStore;

    async fn open() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    fn store(&self) -> FileStore {
        FileStore::at(self.0.path().join("sessions"))
    }
}

store_laws! {
    memory: Memory;
    file: Folder;
}
