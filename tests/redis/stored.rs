//! What stands in Redis, who may put it there, and what becomes of it.

use crate::{
    distant::{of, records_end_by_themselves},
    generation, record,
    server::Server,
};
use keyway::{ErrorKind, Key, RedisStore, Store, testing::key};
use std::time::Duration;

/// As the documentation of `RedisStore` has it.
const ACL: &str = "~keyway:* +get +getrange +set +del +pexpire +evalsha +script|load";

const LONG: Duration = Duration::from_secs(30);

fn session(key: &Key) -> String {
    format!("keyway:{{{key}}}:session")
}

#[apply(leak_checked!)]
async fn redis_names_tell_what_they_are_and_end_by_themselves() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let left = async || Duration::from_millis(server.ask(&["PTTL", &session(&key)]));
    records_end_by_themselves(&store, &key, left).await;
    let _lock = store.lock(&key, LONG).await.unwrap();
    let left: i64 = server.ask(&["PTTL", &format!("keyway:{{{key}}}:lock")]);
    assert!((15_000..=25_000).contains(&left), "{left}");
    let mut names: Vec<String> = server.ask(&["KEYS", "*"]);
    names.sort();
    assert_eq!(names, [format!("keyway:{{{key}}}:lock"), session(&key)]);
}

#[apply(leak_checked!)]
async fn redis_prefixes_and_databases_keep_sessions_apart() {
    let Some(server) = Server::start() else { return };
    let one = RedisStore::connect(server.url()).unwrap();
    let (key, prefixed) = (key("one"), one.clone().prefix("staging:"));
    let second = RedisStore::connect(server.url().replace("/0", "/1")).unwrap();
    for store in [&one, &prefixed, &second] {
        assert!(store.load(&key).await.unwrap().is_none());
        assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    }
    let mut names: Vec<String> = server.ask(&["KEYS", "*"]);
    names.sort();
    assert_eq!(names, [session(&key), format!("staging:{{{key}}}:session")]);
}

#[apply(leak_checked!)]
async fn redis_damage_is_removed_counts_as_absent_and_is_healed_by_the_next_save() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let stranger = of(r#"{"schema":2,"key":"vms-somebody-else","lineage":1,"counter":1}"#).to_json();
    let stranger = format!("0000000000000001.1 0000000000000005\n{}", stranger.expose());
    for damage in ["", "damage", "0000000000000001.1 5\n{\"schema\":2", "\n", &stranger] {
        let () = server.ask(&["SET", &session(&key), damage]);
        assert!(store.load(&key).await.unwrap().is_none(), "{damage}");
        assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap(), "{damage}");
        assert_eq!(store.load(&key).await.unwrap().map(|kept| kept.generation()), Some(generation(1, 1)));
        store.remove(&key).await.unwrap();
    }
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("SET").arg(session(&key)).arg(&[0xff, b'\n'][..]).query(&mut connection).unwrap();
    assert!(store.load(&key).await.unwrap().is_none());
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
}

#[apply(leak_checked!)]
async fn redis_leaves_alone_what_is_newer_or_not_ours() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let newer = "0000000000000001.1 0000000000000005\n{\"schema\":99,\"and\":[\"what\",\"comes\"]}";
    let () = server.ask(&["SET", &session(&key), newer]);
    assert!(store.load(&key).await.unwrap_err().is_newer());
    assert!(!store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    assert!(store.remove(&key).await.unwrap_err().is_newer());
    assert_eq!(server.ask::<String>(&["GET", &session(&key)]), newer);

    let () = server.ask(&["DEL", &session(&key)]);
    let _: i64 = server.ask(&["LPUSH", &session(&key), "a list"]);
    let said = store.load(&key).await.unwrap_err().to_string();
    assert!(said.contains("holds something else under a name of ours; choose another prefix"), "{said}");
    assert_eq!(server.ask::<String>(&["TYPE", &session(&key)]), "list");
}

#[apply(leak_checked!)]
async fn redis_locks_whose_lease_has_ended_free_nobody_elses() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (RedisStore::connect(server.url()).unwrap(), key("one"));
    let forgotten = store.clone().lock_ttl(Duration::from_secs(1)).lock(&key, LONG).await.unwrap();
    let _held = store.lock(&key, LONG).await.expect("once the lease has ended");
    drop(forgotten);
    // Time enough for what the drop has begun: it goes over the same connection.
    for _ in 0..20 {
        tokio::task::yield_now().await;
        store.load(&key).await.unwrap();
    }
    store.lock(&key, Duration::ZERO).await.expect_err("it is held");
}

#[apply(leak_checked!)]
async fn redis_takes_a_user_with_the_documented_rights_and_tells_which_are_missing() {
    assert!(include_str!("../../src/store/redis/store.rs").contains(ACL));
    let Some(server) = Server::start() else { return };
    let set_user = |name: &str, rights: &str| {
        let () =
            server.ask(&[&["ACL", "SETUSER", name, "on", ">s3cret"], &*rights.split(' ').collect::<Vec<_>>()].concat());
    };
    set_user("whole", ACL);
    let url = |user: &str| format!("redis://{user}:s3cret@127.0.0.1:{}/0", server.port());
    let (store, key) = (RedisStore::connect(url("whole")).unwrap(), key("one"));
    let lock = store.lock(&key, LONG).await.unwrap();
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    assert!(store.load(&key).await.unwrap().is_some());
    drop(lock);
    drop(store.lock(&key, LONG).await.unwrap());
    store.remove(&key).await.unwrap();

    set_user("reader", "~keyway:* +get");
    set_user("elsewhere", &ACL.replace("keyway", "other"));
    for user in ["reader", "elsewhere"] {
        let store = RedisStore::connect(url(user)).unwrap();
        let error = store.compare_and_swap(&key, None, record(1, 1)).await.unwrap_err();
        assert!(error.to_string().contains("does not let its user do that; see RedisStore"), "{error}");
        assert!(!format!("{error:?}{store:?}").contains("s3cret"));
    }
    // Let in meanwhile: nobody needs to start again.
    let store = RedisStore::connect(url("reader")).unwrap();
    store.lock(&key, LONG).await.unwrap_err();
    set_user("reader", ACL);
    drop(store.lock(&key, LONG).await.unwrap());
}

#[apply(leak_checked!)]
async fn redis_refuses_a_wrong_password_in_words_that_do_not_hold_it() {
    let Some(server) = Server::with(&["--requirepass right"]) else { return };
    let key = key("one");
    for user in ["", ":s3cret@", "nobody:s3cret@"] {
        let store = RedisStore::connect(format!("redis://{user}127.0.0.1:{}/0", server.port())).unwrap();
        let error = store.load(&key).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("refuses the user or password"), "{said}");
        assert_eq!(said.lines().count(), 1);
        assert!(!format!("{error:?}{said}{store:?}").contains("s3cret"), "{error:?} {store:?}");
    }
    // The password becomes right: nobody needs to start again.
    let store = RedisStore::connect(format!("redis://:s3cret@127.0.0.1:{}/0", server.port())).unwrap();
    store.load(&key).await.unwrap_err();
    let known = format!("redis://:right@127.0.0.1:{}/0", server.port());
    let () = server.ask_as(&known, &["CONFIG", "SET", "requirepass", "s3cret"]);
    assert!(store.load(&key).await.unwrap().is_none());
}

#[apply(leak_checked!)]
async fn redis_speaks_tls_with_whom_it_trusts() {
    let key_pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key_pair).unwrap();
    let files = [("certificate", &*certificate.pem()), ("key", &key_pair.serialize_pem())];
    let settings = [
        "--port 0 --tls-port PORT --tls-auth-clients no",
        "--tls-cert-file FOLDER/certificate --tls-key-file FOLDER/key",
    ];
    let Some(server) = Server::with_files(&settings, &files) else { return };
    let (url, key) = (format!("rediss://:s3cret@localhost:{}/0", server.port()), key("one"));
    let said = RedisStore::connect(&url).unwrap().load(&key).await.unwrap_err().to_string();
    assert!(said.contains("cannot be reached") && said.contains("certificate"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");

    let trusted = redis::TlsCertificates { client_tls: None, root_cert: Some(certificate.pem().into()) };
    let client = redis::Client::build_with_tls(url.replace(":s3cret@", ""), trusted).unwrap();
    let store = RedisStore::from_client(client);
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    assert!(store.load(&key).await.unwrap().is_some());
    drop(store.lock(&key, LONG).await.unwrap());
    // Where no TLS is spoken, that is said too.
    let Some(plain) = Server::start() else { return };
    let said = RedisStore::connect(plain.url().replace("redis", "rediss")).unwrap().load(&key).await.unwrap_err();
    assert!(said.to_string().ends_with("whether the URL is right about TLS"), "{said}");
}

#[apply(leak_checked!)]
fn redis_urls_that_cannot_be_read_are_refused_without_showing_them() {
    for url in
        ["", "s3cret", "http://:s3cret@host/", "redis://:s3cret@host/words", "redis://:s3cret@host?protocol=s3cret"]
    {
        let error = RedisStore::connect(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let store = RedisStore::connect("redis://user:s3cret@redis.example:1234/5").unwrap().prefix("mine:");
    assert_eq!(format!("{store:?}"), r#"RedisStore { who: "Redis at redis.example:1234/5", prefix: "mine:", .. }"#);
    RedisStore::connect("rediss://redis.example").expect("TLS is on");
    RedisStore::connect("unix:///run/redis.sock").expect("a socket");
}

#[apply(leak_checked!)]
fn redis_outside_a_runtime_is_an_error_and_no_panic() {
    let (store, key) = (RedisStore::connect("redis://127.0.0.1:1").unwrap(), key("one"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(store.load(&key)).poll(&mut context).is_ready());
    assert!(std::pin::pin!(store.lock(&key, LONG)).poll(&mut context).is_ready());
}
