//! The lock in Redis: who frees it, and when.

use crate::server::Server;
use keyway::{RedisStore, Store, testing::key};
use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(30);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn locks(server: &Server) -> Vec<String> {
    server.ask(&["KEYS", "*:lock"])
}

/// A program that ends right after it: nothing of its runtime runs any more.
#[apply(leak_checked!)]
fn redis_locks_are_free_when_their_release_returns() {
    let Some(server) = Server::start() else { return };
    let store = RedisStore::connect(server.url()).unwrap();
    one_thread().block_on(async {
        let lock = store.lock(&key("one"), LONG).await.unwrap();
        assert_eq!(locks(&server).len(), 1);
        lock.release().await.unwrap();
    });
    assert_eq!(locks(&server), [""; 0]);
}

#[apply(leak_checked!)]
fn redis_locks_are_freed_although_their_release_is_dropped() {
    let Some(server) = Server::start() else { return };
    let store = RedisStore::connect(server.url()).unwrap();
    one_thread().block_on(async {
        let lock = store.lock(&key("one"), LONG).await.unwrap();
        {
            let mut release = pin!(lock.release());
            assert!(release.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(store.lock(&key("one"), Duration::from_secs(10)).await.expect("freed in the background"));
    });
}

#[apply(leak_checked!)]
async fn redis_locks_that_are_released_too_late_free_nobody_elses() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let late = store.clone().lock_ttl(Duration::from_secs(1)).lock(&key, LONG).await.unwrap();
    let _held = store.lock(&key, LONG).await.expect("once its time is over");
    late.release().await.expect("there is nothing left to free");
    store.lock(&key, Duration::ZERO).await.expect_err("it is held");
}

#[apply(leak_checked!)]
async fn redis_locks_whose_release_nobody_hears_of_say_so() {
    let Some(mut server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let lock = store.lock(&key, LONG).await.unwrap();
    server.kill();
    let said = lock.release().await.unwrap_err().to_string();
    assert!(said.contains("refuses connections"), "{said}");
}
