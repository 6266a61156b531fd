//! A real PgBouncer between the store and Postgres.

use crate::{
    Server, generation,
    kept::{Folder, Kept, log, on_a_free_port},
    record,
    server::{as_server, give_away},
    vitamojo_client,
};
use keyway::{
    PostgresStore, Store,
    testing::{FakeVitaMojo, ManualClock, key},
};
use std::{env, fs, io::Write, path::PathBuf, sync::OnceLock, time::Duration};

const LONG: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A PgBouncer on a port of its own, before a Postgres of its own. Ended when it is dropped.
struct Pooler {
    kept: Option<Kept>,
    port: u16,
    folder: Folder,
    server: Server,
}

impl Pooler {
    /// `None` where one of both is not installed: that is said once, in one line.
    fn start(mode: &str) -> Option<Self> {
        program()?;
        let server = Server::start()?;
        let folder = Folder::new();
        give_away(folder.path());
        let mut pooler = Self { kept: None, port: 0, folder, server };
        let started = on_a_free_port(|port| {
            pooler.port = port;
            pooler.configure(mode);
            pooler.launch()
        });
        assert!(started, "no PgBouncer could be started: {}", pooler.log());
        Some(pooler)
    }

    fn configure(&self, mode: &str) {
        let folder = self.folder.path().display();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = 5\n",
            self.server.port(),
            self.port
        );
        for (name, content) in [("settings", settings.as_str()), ("users", "\"postgres\" \"\"\n")] {
            let path = self.folder.path().join(name);
            fs::write(&path, content).unwrap();
            give_away(&path);
        }
    }

    /// Says whether it came up.
    fn launch(&mut self) -> bool {
        let mut pooler = as_server(program().unwrap());
        pooler.arg(self.folder.path().join("settings"));
        // A connection would tell less: another program may have the port.
        let is_up = |log: &str| log.contains("process up");
        self.kept = Kept::start(&pooler, self.folder.path(), "KILL", is_up, "FATAL");
        self.kept.is_some()
    }

    fn log(&self) -> String {
        log(self.folder.path())
    }

    /// As after a crash.
    fn kill(&mut self) {
        self.kept = None;
    }

    fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "{}", self.log());
    }

    /// As another process would have it.
    fn store(&self) -> PostgresStore {
        PostgresStore::connect(format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)).unwrap()
    }
}

fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders.map(|folder| folder.join("pgbouncer")).find(|program| program.exists());
        // Not by `println!`, which is shown for failures only.
        if found.is_none() {
            let line = "\nleft out: the tests of the Postgres store behind a pooler, because no PgBouncer is installed (on Debian: apt-get install pgbouncer)\n";
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        }
        found
    });
    found.as_ref()
}

#[apply(leak_checked!)]
#[threads(4)]
async fn behind_a_pooler_that_keeps_a_connection_for_a_session_all_is_as_without_one() {
    let Some(pooler) = Pooler::start("session") else { return };
    let (one, other) = (pooler.store(), pooler.store());
    one.create_table().await.unwrap();
    let keys: Vec<_> = (0..50).map(|n| key(&n.to_string())).collect();
    let mut locks = Vec::new();
    for key in &keys {
        locks.push(one.lock(key, LONG).await.unwrap());
        assert!(other.lock(key, Duration::ZERO).await.unwrap_err().is_busy());
        assert!(one.compare_and_swap(key, None, record(1, 1)).await.unwrap());
        assert!(!other.compare_and_swap(key, None, record(2, 1)).await.unwrap());
        assert_eq!(other.load(key).await.unwrap().unwrap().generation(), generation(1, 1));
    }
    for lock in locks {
        assert!(lock.extend(SECOND).await);
        lock.release().await.unwrap();
    }
    // Whoever comes next gets a connection that somebody else has had, and is not taken for them.
    drop((one, other));
    for _ in 0..3 {
        let next = pooler.store();
        next.lock(&keys[0], LONG).await.unwrap().release().await.unwrap();
    }
}

/// Where every transaction gets whichever connection is free, a lock is whoever's comes next.
#[apply(leak_checked!)]
#[threads(4)]
async fn behind_a_pooler_that_mixes_sessions_no_two_processes_believe_in_one_lock() {
    let Some(pooler) = Pooler::start("transaction") else { return };
    // Makes the table.
    pooler.server.store().await;
    let stores: Vec<_> = (0..6).map(|_| pooler.store()).collect();
    let asked: Vec<_> = stores
        .iter()
        .map(|store| {
            let store = store.clone();
            tokio::spawn(async move { store.lock(&key("one"), Duration::ZERO).await })
        })
        .collect();
    let mut held = Vec::new();
    let mut said = Vec::new();
    for asked in asked {
        match asked.await.unwrap() {
            Ok(lock) => held.push(lock),
            Err(error) => said.push(error),
        }
    }
    assert!(held.len() <= 1, "{} hold it", held.len());
    // Of those who come later one finds a connection that was somebody else's.
    for later in 0..20 {
        match pooler.store().lock(&key(&format!("later {later}")), Duration::ZERO).await {
            Ok(lock) => held.push(lock),
            Err(error) => {
                said.push(error);
                break;
            }
        }
    }
    assert!(said.iter().all(|error| error.is_busy() || error.is_unavailable()), "{said:?}");
    let last = said.pop().expect("somebody is told").to_string();
    assert!(
        last.contains("give the address of Postgres itself, or of a pool that keeps a connection for a session"),
        "{last}"
    );
    assert_eq!(last.lines().count(), 1);
}

/// Its connections end, and with them the locks: their holders learn of it before they send anything.
#[apply(leak_checked!)]
async fn a_pooler_that_is_started_anew_while_a_lock_is_held_frees_it_and_says_so() {
    let Some(mut pooler) = Pooler::start("session") else { return };
    let (store, key) = (pooler.store(), key("one"));
    store.create_table().await.unwrap();
    let lock = store.lock(&key, LONG).await.unwrap();
    pooler.restart();
    assert!(!lock.extend(LONG).await, "its connection has ended");
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap(), "over another one");
    let again = pooler.store().lock(&key, LONG).await.expect("it is free");
    drop(lock);
    assert!(again.extend(SECOND).await, "nobody else's lock was freed");
    pooler.kill();
    let said = store.load(&key).await.unwrap_err().to_string();
    assert!(said.contains("refuses connections; see whether it runs there"), "{said}");
}

#[apply(leak_checked!)]
async fn a_pooler_gone_in_the_middle_of_a_renewal_and_back_loses_nothing() {
    let Some(mut pooler) = Pooler::start("session") else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = pooler.store();
    store.create_table().await.unwrap();
    let client = vitamojo_client(&fake, &clock, store);
    client.session().lease().await.unwrap();
    let gate = fake.hold("refresh_token");
    let session = client.session().clone();
    let renewal = tokio::spawn(async move { session.renew().await.map(|lease| lease.generation()) });
    gate.arrived(1).await;
    pooler.restart();
    gate.open();
    let renewed = renewal.await.unwrap().unwrap();
    client.session().close().await.expect("it is saved");
    let another = vitamojo_client(&fake, &clock, pooler.store());
    assert_eq!(another.session().lease().await.unwrap().generation(), renewed);
    clock.advance(11 * MINUTE);
    assert_eq!(another.session().lease().await.unwrap().generation().counter(), 3);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));
}
