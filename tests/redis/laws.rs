//! Redis keeps to what every store keeps to.

use crate::{
    server::Server,
    store_laws::{Shop, store_laws},
};
use keyway::RedisStore;

impl Shop for Server {
    type Store = RedisStore;

    async fn open() -> Option<Self> {
        Server::start()
    }

    fn store(&self) -> RedisStore {
        RedisStore::connect(self.url()).unwrap()
    }
}

store_laws! {
    redis_store: Server;
}
