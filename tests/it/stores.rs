//! The stores that need nothing but this machine keep to what every store keeps to.

use keyway::{
    FileStore, MemoryStore, Sealed, SealingKey,
    testing::{__laws, __store_law_names, StoreFactory},
};

struct Memory(MemoryStore);

impl StoreFactory for Memory {
    type Store = MemoryStore;

    async fn open() -> Option<Self> {
        Some(Self(MemoryStore::new()))
    }

    fn store(&self) -> MemoryStore {
        self.0.clone()
    }
}

struct Folder(tempfile::TempDir);

impl StoreFactory for Folder {
    type Store = FileStore;

    async fn open() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    fn store(&self) -> FileStore {
        FileStore::at(self.0.path().join("sessions"))
    }
}

/// A key that is drawn anew for each place.
struct Under<P>(P, SealingKey);

impl<P: StoreFactory> StoreFactory for Under<P> {
    type Store = Sealed<P::Store>;

    async fn open() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self(P::open().await?, SealingKey::create_file(folder.path().join("key")).unwrap()))
    }

    fn store(&self) -> Self::Store {
        Sealed::new(self.0.store(), self.1.clone())
    }
}

mod memory {
    use super::*;
    __store_law_names!(leak_checked_laws, Memory);
}

mod file {
    use super::*;
    __store_law_names!(leak_checked_laws, Folder);
}

mod sealed_memory {
    use super::*;
    __store_law_names!(leak_checked_laws, Under<Memory>);
}

mod sealed_file {
    use super::*;
    __store_law_names!(leak_checked_laws, Under<Folder>);
}
