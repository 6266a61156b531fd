//! Postgres keeps to what every store keeps to.

use crate::server::Place;
use keyway::{
    PostgresStore,
    testing::{__laws, __store_law_names, StoreFactory},
};

impl StoreFactory for Place {
    type Store = PostgresStore;

    async fn open() -> Option<Self> {
        Place::ready().await
    }

    fn store(&self) -> PostgresStore {
        self.store()
    }
}

mod postgres_store {
    use super::*;
    __store_law_names!(leak_checked_laws, Place);
}

/// One store for all, as the tasks of one process have it: one connection holds every lock.
struct Shared(Place, PostgresStore);

impl StoreFactory for Shared {
    type Store = PostgresStore;

    async fn open() -> Option<Self> {
        let place = Place::ready().await?;
        let store = place.store();
        Some(Self(place, store))
    }

    fn store(&self) -> PostgresStore {
        assert!(!self.0.table.is_empty());
        self.1.clone()
    }
}

mod shared_postgres_store {
    use super::*;
    __store_law_names!(leak_checked_laws, Shared);
}
