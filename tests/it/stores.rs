//! The stores that need nothing but this machine keep to what every store keeps to.

use keyway::{
    FileStore, MemoryStore,
    testing::{__store_law_names, StoreFactory, store_law},
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

/// As `store_laws!` does, with the leak check around each.
macro_rules! leak_checked_laws {
    ($factory:ty, $($law:ident)*) => {$(
        #[apply(hunted!)]
        #[threads(4)]
        async fn $law() {
            store_law::$law::<$factory>().await;
        }
    )*};
}

mod memory {
    use super::*;
    __store_law_names!(leak_checked_laws, Memory);
}

mod file {
    use super::*;
    __store_law_names!(leak_checked_laws, Folder);
}
