//! Redis goes away, stands still, comes back.

use crate::{
    distant::nothing_is_spent_while_it_is_down, generation, record, server::Server, vitamojo_client, vms_client,
};
use keyway::{
    ErrorKind, RedisStore, Store,
    testing::{FakeVitaMojo, FakeVms, ManualClock, key},
};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(30);
const MINUTES: Duration = Duration::from_secs(60);

#[apply(leak_checked!)]
async fn redis_that_is_down_stops_only_what_rotates_and_is_back_without_a_restart() {
    let Some(mut server) = Server::with(&["--appendonly yes", "--appendfsync always"]) else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let vms = FakeVms::builder().clock(clock.clone()).start().await;
    // Whoever is killed with the lock in hand leaves it for as long.
    let store = RedisStore::connect(server.url()).unwrap().lock_ttl(Duration::from_secs(1));
    let client = vitamojo_client(&fake, &clock, store.clone());
    let other = vms_client(&vms, &clock, store);
    client.session().lease().await.unwrap();
    other.session().lease().await.unwrap();
    server.kill();
    nothing_is_spent_while_it_is_down(&client, &clock, &fake).await;
    // What does not rotate goes on from memory.
    vms.revoke_all();
    assert_eq!(other.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(vms.count("get_token"), 2);

    server.restart();
    clock.advance(10 * MINUTES);
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("refresh_token"), fake.count("auth"), fake.reuses()), (1, 1, 0));
    // Another process finds what was obtained meanwhile, once it is saved: that is tried again and again.
    let saved = RedisStore::connect(server.url()).unwrap();
    let late = vms_client(&vms, &clock, saved);
    assert_eq!(late.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(other.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
}

/// The connection that the store had is of no use any more, whoever made it.
#[apply(leak_checked!)]
async fn redis_that_was_started_anew_is_used_as_if_nothing_had_been() {
    let Some(mut server) = Server::with(&["--appendonly yes", "--appendfsync always"]) else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let managed = RedisStore::from_connection(client.get_connection_manager().await.unwrap());
    let (own, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let mut expected = None;
    for round in 0..3 {
        for (at, store) in [&own, &managed].into_iter().enumerate() {
            let next = record(1, 1 + round * 2 + at as u64);
            assert!(store.compare_and_swap(&key, expected, next.clone()).await.unwrap(), "{round} {at}");
            expected = Some(next.generation());
            drop(store.lock(&key, LONG).await.unwrap());
        }
        // Its scripts are forgotten as well.
        server.restart();
    }
    assert_eq!(own.load(&key).await.unwrap().map(|kept| kept.generation()), Some(generation(1, 6)));
}

#[apply(leak_checked!)]
async fn redis_is_used_over_a_plain_connection_for_as_long_as_that_lasts() {
    let Some(mut server) = Server::start() else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let store = RedisStore::from_connection(client.get_multiplexed_async_connection().await.unwrap());
    let key = key("one");
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    server.restart();
    let said = store.load(&key).await.unwrap_err().to_string();
    assert!(said.contains("by the connection it was given") && said.contains("cannot be reached"), "{said}");
    assert!(RedisStore::from_client(client).load(&key).await.unwrap().is_none(), "it kept nothing");
}

#[apply(leak_checked!)]
async fn redis_that_is_paused_holds_up_nobody_for_longer_than_its_bound() {
    let Some(server) = Server::start() else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = RedisStore::connect(server.url()).unwrap().lock_ttl(Duration::from_secs(1));
    let client = vitamojo_client(&fake, &clock, store.clone());
    client.session().lease().await.unwrap();
    // Scripts write, and wait; a look does not.
    let () = server.ask(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    clock.advance(9 * MINUTES);
    client.session().lease().await.expect("a valid token is served at once");
    client.session().close().await.unwrap();
    clock.advance(2 * MINUTES);
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), fake.count("refresh_token")), (ErrorKind::Store, 0));
    assert!(error.to_string().contains("does not answer"), "{error}");
    let () = server.ask(&["CLIENT", "UNPAUSE"]);
    clock.advance(10 * MINUTES);
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
    // Nothing that was given up meanwhile holds the lock for longer than a lease.
    drop(store.lock(&key("one"), LONG).await.unwrap());
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[apply(leak_checked!)]
fn redis_is_used_from_one_runtime_after_the_other() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    for counter in 1..5 {
        let expected = (counter > 1).then(|| generation(1, counter - 1));
        one_thread().block_on(async {
            assert!(store.compare_and_swap(&key, expected, record(1, counter)).await.unwrap());
        });
    }
    // A lock that is dropped where no runtime is left to free it frees itself.
    let store = store.lock_ttl(Duration::from_secs(1));
    let lock = one_thread().block_on(async { store.lock(&key, LONG).await.unwrap() });
    drop(lock);
    one_thread().block_on(async { drop(store.lock(&key, LONG).await.unwrap()) });
}

/// The connection belongs to the runtime that made it, and that one stands still.
#[apply(leak_checked!)]
fn redis_is_used_although_the_runtime_that_connected_is_driven_by_nobody() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let (idle, busy) = (one_thread(), one_thread());
    idle.block_on(async { assert!(store.load(&key).await.unwrap().is_none()) });
    busy.block_on(async { assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap()) });
    idle.block_on(async { assert!(store.load(&key).await.unwrap().is_some()) });
}
