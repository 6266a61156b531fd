//! Where Redis is not what it should be: in the clear, huge, or a replica by now.

use crate::{record, server::Server};
use keyway::{ErrorKind, RedisStore, Store, testing::key, vms};
use std::{
    io::copy,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

#[apply(leak_checked!)]
async fn redis_passwords_go_to_another_machine_under_tls_only() {
    let others = [
        "redis.example:1",
        "127.0.0.1.example:1",
        "localhost.example:1",
        "10.0.0.1:1",
        "[2001:db8::1]:1",
        "[::ffff:10.0.0.1]:1",
    ];
    for host in others {
        for user in ["", "user"] {
            let store = RedisStore::connect(format!("redis://{user}:s3cret@{host}/0")).unwrap();
            let error = store.load(&key("one")).await.unwrap_err();
            let said = error.to_string();
            assert!(
                error.is_unavailable() && said.contains("without TLS") && said.contains(".allow_plain()"),
                "{said}"
            );
            store.lock(&key("one"), Duration::ZERO).await.unwrap_err();
            store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap_err();
            store.remove(&key("one")).await.unwrap_err();
            let builder = vms::Client::builder("https://vms.example").password("me", "hunter2");
            let refused = builder.store(store.clone()).build().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Config, "{refused}");
            assert!(!format!("{said} {refused} {refused:?}").contains("s3cret"), "{refused}");
            store.allow_plain().check().expect("it was allowed");
        }
    }
    for fine in [
        "redis://:s3cret@127.0.0.1:1",
        "redis://:s3cret@127.8.9.10:1",
        "redis://:s3cret@localhost:1",
        "redis://:s3cret@LocalHost:1",
        "redis://:s3cret@[::1]:1",
        "redis://:s3cret@[::ffff:127.0.0.1]:1",
        "redis://redis.example:1",
        "rediss://:s3cret@redis.example:1",
        "unix:///run/redis.sock?pass=s3cret",
    ] {
        RedisStore::connect(fine).unwrap().check().expect(fine);
    }
    let client = redis::Client::open("redis://:s3cret@redis.example:1").unwrap();
    assert!(RedisStore::from_client(client).check().unwrap_err().is_unavailable());
}

#[apply(leak_checked!)]
fn redis_certificates_are_looked_at() {
    for url in ["rediss://:s3cret@redis.example:1/#insecure", "rediss://127.0.0.1:1/0#insecure"] {
        let error = RedisStore::connect(url).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("#insecure"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let Ok(client) = redis::Client::open(url) else { continue };
        let said = RedisStore::from_client(client).check().unwrap_err().to_string();
        assert!(said.contains("no certificate"), "{said}");
    }
}

#[apply(leak_checked!)]
async fn redis_that_holds_something_huge_is_not_read_into_memory() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let name = format!("keyway:{{{key}}}:session");
    let sent = || {
        let info: String = server.ask(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).unwrap().to_owned();
        line.parse::<u64>().unwrap()
    };
    for _ in 0..2 {
        let _: i64 = server.ask(&["SETRANGE", &name, "100000000", "x"]);
        let before = sent();
        assert!(store.load(&key).await.unwrap().is_none(), "it is damage");
        let read = sent() - before;
        assert!(read < 2 << 20, "{read} bytes were read");
        assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap(), "it was removed");
        store.remove(&key).await.unwrap();
    }
}

/// One address, behind which another Redis can be put. Connections that are there stay.
fn address_of(first: u16) -> (u16, Arc<AtomicU16>) {
    let (listener, behind) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(AtomicU16::new(first)));
    let (port, now) = (listener.local_addr().unwrap().port(), behind.clone());
    thread::spawn(move || {
        for here in listener.incoming() {
            let (here, there) = (here.unwrap(), TcpStream::connect(("127.0.0.1", now.load(Ordering::SeqCst))).unwrap());
            for (mut from, mut to) in [(here.try_clone().unwrap(), there.try_clone().unwrap()), (there, here)] {
                thread::spawn(move || copy(&mut from, &mut to));
            }
        }
    });
    (port, behind)
}

#[apply(leak_checked!)]
async fn redis_roles_that_change_behind_one_address_are_noticed() {
    let (Some(one), Some(two)) = (Server::start(), Server::start()) else { return };
    let (port, behind) = address_of(one.port());
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0")).unwrap();
    let given = RedisStore::from_connection(client.get_connection_manager().await.unwrap());
    let (own, key) = (RedisStore::from_client(client), key("one"));
    assert!(own.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    given.lock(&key, Duration::ZERO).await.unwrap().release().await.unwrap();

    let _: String = two.ask(&["REPLICAOF", "127.0.0.1", &one.port().to_string()]);
    while two.ask::<String>(&["INFO", "replication"]).contains("master_link_status:down") {
        thread::yield_now();
    }
    let _: String = two.ask(&["REPLICAOF", "NO", "ONE"]);
    let _: String = one.ask(&["REPLICAOF", "127.0.0.1", &two.port().to_string()]);
    behind.store(two.port(), Ordering::SeqCst);

    // Its own line is hung up, and the next one leads to the new primary.
    own.lock(&key, Duration::ZERO).await.expect("it connects anew").release().await.unwrap();
    assert!(own.compare_and_swap(&key, Some(crate::generation(1, 1)), record(1, 2)).await.unwrap());
    // One that was given cannot be: what helps is said.
    let said = given.lock(&key, Duration::ZERO).await.unwrap_err().to_string();
    assert!(said.contains("is a replica") && said.contains("RedisStore::from_client"), "{said}");
}
