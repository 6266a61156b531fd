//! Redis keeps to what every store keeps to.

use crate::server::Server;
use keyway::{
    RedisStore,
    testing::{__laws, __store_law_names, StoreFactory},
};

impl StoreFactory for Server {
    type Store = RedisStore;

    async fn open() -> Option<Self> {
        Server::start()
    }

    fn store(&self) -> RedisStore {
        RedisStore::connect(self.url()).unwrap()
    }
}

mod redis_store {
    use super::*;
    __store_law_names!(leak_checked_laws, Server);
}
