//! The lock in Postgres: who holds it, over which connection, and when it is free.

use crate::{Place, Server, record};
use keyway::{PostgresStore, Store, testing::key};
use std::{
    pin::pin,
    process::Command,
    task::{Context, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many locks there are, and how many connections of ours.
async fn counted(server: &Server) -> (String, String) {
    let locks = server.value("select count(*) from pg_locks where locktype = 'advisory'").await;
    let ours = "select count(*) from pg_stat_activity where application_name = 'keyway'";
    (locks, server.value(ours).await)
}

#[apply(leak_checked!)]
#[threads(4)]
async fn one_connection_holds_a_hundred_locks_and_makes_way_for_all_else() {
    let Some(server) = Server::start() else { return };
    let store = server.store().await;
    let keys: Vec<_> = (0..100).map(|n| key(&n.to_string())).collect();
    let taken: Vec<_> = keys
        .iter()
        .map(|key| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move { store.lock(&key, LONG).await.unwrap() })
        })
        .collect();
    let mut locks = Vec::new();
    for lock in taken {
        locks.push(lock.await.unwrap());
    }
    assert_eq!(counted(&server).await, ("100".into(), "1".into()));
    assert!(store.compare_and_swap(&keys[0], None, record(1, 1)).await.unwrap());
    // Another process, and another task of this one.
    for other in [store.clone(), server.store().await] {
        assert!(other.lock(&keys[7], Duration::ZERO).await.unwrap_err().is_busy());
    }
    for lock in locks {
        assert!(lock.extend(SECOND).await);
        lock.release().await.unwrap();
    }
    assert_eq!(counted(&server).await.0, "0");
}

/// Its locks end with Postgres, their holders do not.
#[apply(leak_checked!)]
async fn what_was_sent_under_a_lock_is_waited_for_although_postgres_was_started_anew() {
    let Some(mut server) = Server::start() else { return };
    let (store, other) = (server.store().await, server.store().await);
    let (sent, nothing_sent) = (key("sent"), key("nothing sent"));
    let lock = store.lock(&sent, LONG).await.unwrap();
    assert!(lock.extend(SECOND).await);
    let _free = store.lock(&nothing_sent, LONG).await.unwrap();
    server.kill();
    server.restart();
    drop(other.lock(&nothing_sent, Duration::ZERO).await.expect("nobody has anything to save"));
    assert!(other.lock(&sent, Duration::ZERO).await.unwrap_err().is_busy());
    assert!(!lock.extend(SECOND).await, "it is gone, and nothing more is sent under it");
    assert!(other.lock(&sent, Duration::ZERO).await.unwrap_err().is_busy());
    drop(lock);
    assert!(
        other.lock(&sent, Duration::ZERO).await.unwrap_err().is_busy(),
        "with the connection that held it nothing is saved"
    );
    let own = store.lock(&sent, Duration::ZERO).await.expect("who has sent it may go on");
    assert!(store.compare_and_swap(&sent, None, record(1, 1)).await.unwrap());
    own.release().await.unwrap();
    drop(other.lock(&sent, Duration::ZERO).await.expect("what was sent is saved"));
}

#[apply(leak_checked!)]
fn postgres_locks_are_free_although_their_release_is_dropped_or_no_runtime_is_left() {
    let Some(place) = one_thread().block_on(Place::ready()) else { return };
    let (store, other, key) = (place.store(), place.store(), key("one"));
    one_thread().block_on(async {
        let lock = store.lock(&key, LONG).await.unwrap();
        {
            let mut release = pin!(lock.release());
            assert!(release.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(other.lock(&key, LONG).await.expect("freed in the background"));
    });
    let kept = one_thread().block_on(async { store.lock(&key, LONG).await.unwrap() });
    // With its runtime the connection has ended.
    one_thread().block_on(async {
        assert!(!kept.extend(SECOND).await);
        let again = other.lock(&key, LONG).await.unwrap();
        drop(kept);
        assert!(again.extend(SECOND).await, "nobody else's lock was freed");
    });
}

/// The lock's holder has a thread that does something else. Postgres frees it after as long a silence as was agreed upon.
#[apply(leak_checked!)]
fn postgres_locks_of_a_runtime_that_nobody_drives_end_by_themselves() {
    let Some(place) = one_thread().block_on(Place::ready()) else { return };
    let (store, other, key) = (place.store().lock_ttl(SECOND), place.store(), key("one"));
    let (idle, busy) = (one_thread(), one_thread());
    let kept = idle.block_on(async { store.lock(&key, LONG).await.unwrap() });
    busy.block_on(async {
        assert!(other.lock(&key, Duration::ZERO).await.unwrap_err().is_busy());
        let again = other.lock(&key, LONG).await.unwrap();
        drop(kept);
        assert!(again.extend(SECOND).await, "nobody else's lock was freed");
        again.release().await.unwrap();
    });
    // What comes late learns of it.
    drop(idle.block_on(async { store.lock(&key, Duration::ZERO).await.expect("the other one was released") }));
}

#[apply(leak_checked!)]
async fn a_postgres_lock_lasts_as_it_was_extended_and_without_one_silence_is_fine() {
    let Some(server) = Server::start() else { return };
    let (store, other, key) = (server.store().await.lock_ttl(SECOND), server.store().await, key("one"));
    let lock = store.lock(&key, LONG).await.unwrap();
    assert!(lock.extend(Duration::from_secs(3600)).await);
    // Longer than its own time, which the extension has replaced.
    server.ask("select pg_sleep(1.5)").await;
    assert!(other.lock(&key, Duration::ZERO).await.unwrap_err().is_busy());
    assert!(lock.extend(Duration::ZERO).await);
    lock.release().await.unwrap();
    // Without a lock it may be silent.
    let ours = "select pid from pg_stat_activity where application_name = 'keyway' order by pid";
    let before = server.ask(ours).await;
    server.ask("select pg_sleep(1.5)").await;
    assert_eq!((before.len(), server.ask(ours).await), (2, before));
}

/// The connection stands still: nobody answers on it, and nobody says so.
#[apply(leak_checked!)]
async fn a_postgres_connection_that_is_silent_is_given_up_and_its_locks_with_it() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (server.store().await, key("one"));
    let lock = store.lock(&key, LONG).await.unwrap();
    let ours = "select pid from pg_stat_activity where application_name = 'keyway'";
    let process = server.value(ours).await;
    let signal = |what: &str| assert!(Command::new("kill").args([what, &process]).status().unwrap().success());
    signal("-STOP");
    assert!(store.load(&key).await.unwrap().is_none(), "over another connection");
    signal("-CONT");
    assert!(!lock.extend(SECOND).await);
    let again = store.lock(&key, LONG).await.expect("its connection is gone");
    drop(lock);
    assert!(again.extend(SECOND).await, "nobody else's lock was freed");
}

#[apply(leak_checked!)]
async fn postgres_locks_whose_release_nobody_hears_of_say_so() {
    let Some(mut server) = Server::start() else { return };
    let (store, key) = (server.store().await, key("one"));
    let lock = store.lock(&key, LONG).await.unwrap();
    server.kill();
    assert!(!lock.extend(SECOND).await);
    let said = lock.release().await.unwrap_err().to_string();
    assert!(said.contains("has ended the connection") || said.contains("shutting down"), "{said}");
    let said = store.lock(&key, LONG).await.unwrap_err();
    assert!(said.to_string().contains("refuses connections; see whether it runs there") && !said.is_busy(), "{said}");
}

/// The mark that every connection is given is there before it is ours: it is somebody else's as well.
#[apply(leak_checked!)]
async fn a_pooler_that_mixes_connections_is_refused() {
    let Some(place) = Place::ready().await else { return };
    let role = format!("role_{}", place.table);
    place
        .server
        .ask(&format!("create role {role} login password 'seen'; alter role {role} set keyway.connection = 'taken'"))
        .await;
    let store = PostgresStore::connect(place.server.url_of(&format!("{role}:seen"))).unwrap();
    let said = store.lock(&key("one"), LONG).await.unwrap_err();
    assert!(said.is_unavailable() && said.to_string().contains("through a pooler"), "{said}");
    assert_eq!(said.to_string().lines().count(), 1);
}

#[apply(leak_checked!)]
async fn two_spellings_of_one_table_have_one_lock_and_another_table_in_its_place_another() {
    let Some(place) = Place::ready().await else { return };
    let (store, key) = (place.store(), key("one"));
    let spelled = format!("public.{}", place.table);
    // Over the same connection, and over one of another process.
    let others = [store.clone().table(&spelled), PostgresStore::connect(place.server.url()).unwrap().table(&spelled)];
    let lock = store.lock(&key, LONG).await.unwrap();
    for other in &others {
        assert!(other.lock(&key, Duration::ZERO).await.unwrap_err().is_busy());
    }
    lock.release().await.unwrap();
    for other in &others {
        other.lock(&key, Duration::ZERO).await.expect("it is free").release().await.unwrap();
    }
    let old = store.lock(&key, LONG).await.unwrap();
    place.server.ask(&format!("drop table {}", place.table)).await;
    let newcomer = place.store();
    newcomer.create_table().await.unwrap();
    let lock = newcomer.lock(&key, Duration::ZERO).await.expect("the old lock is another table's");
    for other in &others {
        // It knew the table of before.
        assert!(other.lock(&key, SECOND).await.unwrap_err().is_busy());
    }
    old.release().await.unwrap();
    for other in &others {
        assert!(other.lock(&key, Duration::ZERO).await.unwrap_err().is_busy());
    }
    lock.release().await.unwrap();
}
