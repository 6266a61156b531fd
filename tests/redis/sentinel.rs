//! A Redis that Sentinels watch, with a replica that takes its place.

use crate::server::{Server, program, until};
use keyway::{ErrorKind, RedisStore, Store, testing::key};
use std::{
    fs,
    hash::{BuildHasher, RandomState},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

/// The primary's name at its Sentinels.
const NAME: &str = "mymaster";

/// A process that watches, and agrees with the others on who is the primary.
struct Sentinel {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    fn start(primary: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for attempt in 0..20 {
            let port = 20_000 + u16::try_from(RandomState::new().hash_one(attempt) % 10_000).unwrap();
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
            let file = folder.path().join("sentinel.conf");
            let place = folder.path().display();
            let settings = format!(
                "port {port}\nbind 127.0.0.1\ndir {place}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
                 sentinel down-after-milliseconds {NAME} 500\nsentinel failover-timeout {NAME} 3000\n"
            );
            fs::write(&file, settings).unwrap();
            let mut command = Command::new(program().unwrap());
            command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut sentinel = Self { process: command.spawn().unwrap(), port, _folder: folder };
            until("a Sentinel answers or has ended", || {
                sentinel.ask::<String>(&["PING"]).is_ok() || sentinel.process.try_wait().unwrap().is_some()
            });
            assert!(sentinel.process.try_wait().unwrap().is_none(), "a Sentinel ended at once");
            return sentinel;
        }
        panic!("no port is free")
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        redis::Cmd::new().arg(words).query(&mut redis::Client::open(self.url())?.get_connection()?)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A primary, a replica, and three who watch them.
pub(crate) struct Watched {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    sentinels: Vec<Sentinel>,
}

impl Watched {
    /// `None` where no Redis is installed.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        // Replication has a user of its own, so that a test can take it away.
        let user = "--user copy on >copy +psync +replconf +ping";
        let primary = Server::with(&[&[user][..], settings].concat())?;
        let of = format!("--replicaof 127.0.0.1 {}", primary.port());
        let replica = Server::with(&[&of, "--masteruser copy", "--masterauth copy", "--repl-diskless-sync-delay 0"])?;
        until("the replica is in step", || crate::cluster::is_in_step(&replica));
        let sentinels: Vec<_> = (0..3).map(|_| Sentinel::start(primary.port())).collect();
        let watched = Self { primary, replica, sentinels };
        until("each Sentinel knows the others and the replica", || {
            watched.sentinels.iter().all(|sentinel| {
                let count =
                    |what| sentinel.ask::<Vec<redis::Value>>(&["SENTINEL", what, NAME]).map_or(0, |all| all.len());
                count("SENTINELS") == 2 && count("REPLICAS") == 1
            })
        });
        Some(watched)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }

    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::connect_sentinel(self.urls(), format!("redis://{NAME}/0")).unwrap()
    }

    /// From here on the replica learns nothing more.
    pub(crate) fn cut(&self) {
        let () = self.primary.ask(&["ACL", "SETUSER", "copy", "off"]);
        let _: u64 = self.primary.ask(&["CLIENT", "KILL", "TYPE", "REPLICA"]);
        until("it is known", || !self.primary.ask::<String>(&["INFO", "replication"]).contains("connected_slaves:1"));
    }

    /// Until all Sentinels name the replica.
    pub(crate) fn until_promoted(&self) {
        let named = |sentinel: &Sentinel| {
            let asked = sentinel.ask::<(String, u16)>(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
            asked.is_ok_and(|(_, port)| port == self.replica.port())
        };
        until("the replica is the primary", || self.sentinels.iter().all(named));
    }
}

#[apply(leak_checked!)]
async fn sentinels_that_know_no_such_primary_are_told_in_one_sentence() {
    let Some(watched) = Watched::start(&[]) else { return };
    let store = watched.store();
    assert!(store.load(&key("one")).await.unwrap().is_none());
    let nobody = RedisStore::connect_sentinel(watched.urls(), "redis://nobody/0").unwrap();
    let said = nobody.load(&key("one")).await.unwrap_err().to_string();
    assert!(said.starts_with("Redis `nobody/0` by the Sentinels 127.0.0.1:"), "{said}");
    assert!(
        said.contains("and 2 more has no primary just now that a Sentinel knows by this name; a failover"),
        "{said}"
    );
    // What is asked for a primary is a Redis of another kind.
    let no_sentinel = RedisStore::connect_sentinel([watched.primary.url()], format!("redis://{NAME}/0")).unwrap();
    let said = no_sentinel.load(&key("one")).await.unwrap_err().to_string();
    assert!(said.contains("is no Sentinel; give the addresses of Sentinels"), "{said}");
    // A password does not go where others say, in the clear.
    let with_password = format!("redis://user:password@{NAME}/0");
    let clear = RedisStore::connect_sentinel(watched.urls(), with_password).unwrap();
    let said = clear.load(&key("one")).await.unwrap_err().to_string();
    assert!(said.contains("a password and tokens would go to another machine without TLS"), "{said}");
    for mistake in [
        RedisStore::connect_sentinel([""; 0], "redis://mymaster"),
        RedisStore::connect_sentinel(["redis://127.0.0.1"], "unix:///run/redis"),
        RedisStore::connect_sentinel(["rediss://127.0.0.1#insecure"], "redis://mymaster"),
        RedisStore::connect_sentinel(["redis://user:password@127.0.0.1:port"], "redis://mymaster"),
        RedisStore::connect_cluster([""; 0]),
        RedisStore::connect_cluster(["redis://a:one@127.0.0.1", "redis://a:two@127.0.0.1"]),
    ] {
        let mistake = mistake.unwrap_err();
        let said = mistake.to_string();
        assert!(mistake.kind() == ErrorKind::Config && said.lines().count() == 1 && !said.contains("two"), "{said}");
    }
}
