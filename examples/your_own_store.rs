//! A store of your own, as good as those that Keyway has: here on a table of a database. The laws of stores are its tests.
//!
//! ```sh
//! cargo run --example your_own_store
//! cargo test --example your_own_store
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    ExpiringLock, Generation, Key, Record, Secret, Store, StoreError, StoreLock,
    testing::{FakeVms, key},
    vms,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// How long a lock is held by a process that has ended without freeing it.
const LOCK_TTL: Duration = Duration::from_secs(25);

/// What a database has: rows, and statements that change one of them at one moment. Yours is on another machine; this one is
/// here, so that the example runs.
#[derive(Default)]
struct Database {
    /// `CREATE TABLE sessions (key TEXT PRIMARY KEY, generation TEXT, record TEXT, expires TIMESTAMP)`
    sessions: Mutex<HashMap<String, Row>>,
    /// `CREATE TABLE locks (key TEXT PRIMARY KEY, owner TEXT, expires TIMESTAMP)`
    locks: Mutex<HashMap<String, (u64, SystemTime)>>,
    owners: AtomicU64,
}

struct Row {
    generation: String,
    record: Secret,
    expires: SystemTime,
}

impl Database {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.sessions.lock().expect("no statement panics")
    }

    /// `DELETE FROM locks WHERE key = $1 AND expires < now()`, and then
    /// `INSERT INTO locks VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`: says whether it is this owner's.
    fn take(&self, key: &str, owner: u64) -> bool {
        let (mut locks, now) = (self.locks.lock().expect("no statement panics"), SystemTime::now());
        locks.retain(|_, (_, expires)| *expires > now);
        locks.entry(key.to_owned()).or_insert((owner, now + LOCK_TTL)).0 == owner
    }

    /// `UPDATE locks SET expires = $3 WHERE key = $1 AND owner = $2 AND expires > now()`: says whether there was one.
    fn extend(&self, key: &str, owner: u64, ttl: Duration) -> bool {
        let (mut locks, now) = (self.locks.lock().expect("no statement panics"), SystemTime::now());
        let mine = locks.get_mut(key).filter(|(holder, expires)| *holder == owner && *expires > now);
        mine.map(|(_, expires)| *expires = now + ttl).is_some()
    }

    /// `DELETE FROM locks WHERE key = $1 AND owner = $2`
    fn free(&self, key: &str, owner: u64) {
        let mut locks = self.locks.lock().expect("no statement panics");
        if locks.get(key).is_some_and(|(holder, _)| *holder == owner) {
            locks.remove(key);
        }
    }
}

#[derive(Clone, Default)]
struct Table(Arc<Database>);

impl Store for Table {
    /// `SELECT record FROM sessions WHERE key = $1 AND expires > now()`
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let sessions = self.0.sessions();
        let row = sessions.get(&key.to_string()).filter(|row| row.expires > SystemTime::now());
        row.map(|row| Record::from_json(row.record.expose())).transpose()
    }

    /// `UPDATE sessions SET … WHERE key = $1 AND generation = $2`, or where none is expected,
    /// `INSERT INTO sessions … ON CONFLICT DO NOTHING`: says whether a row was written.
    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        let row = Row {
            generation: record.generation().to_text(),
            expires: SystemTime::now() + record.time_to_live(),
            // With a column that is encrypted, tokens are not at rest in the clear.
            record: record.to_json(),
        };
        let mut sessions = self.0.sessions();
        // A row whose time is over is none.
        sessions.retain(|_, row| row.expires > SystemTime::now());
        let found = sessions.get(&key.to_string()).map(|row| row.generation.clone());
        if found != expected.as_ref().map(Generation::to_text) {
            return Ok(false);
        }
        sessions.insert(key.to_string(), row);
        Ok(true)
    }

    /// `DELETE FROM sessions WHERE key = $1`
    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.sessions().remove(&key.to_string());
        Ok(())
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        // Drawn when it is wanted: no two processes have the same. With more than one machine, use a random number.
        let owner = self.0.owners.fetch_add(1, Ordering::Relaxed);
        let (lock, mut left) = (Held { database: self.0.clone(), key: key.to_string(), owner }, wait);
        // Asked again and again, since its holder may be gone without a word.
        while !self.0.take(&lock.key, lock.owner) {
            let pause = Duration::from_millis(20).min(left);
            if pause.is_zero() {
                return Err(StoreError::busy("another process has held the row's lock; it ends by itself"));
            }
            left -= pause;
            tokio::time::sleep(pause).await;
        }
        Ok(StoreLock::expiring(lock))
    }
}

/// A row in the table of locks: of a process that is gone, it ends by itself.
struct Held {
    database: Arc<Database>,
    key: String,
    owner: u64,
}

impl ExpiringLock for Held {
    async fn extend(&self, needed: Duration) -> bool {
        self.database.extend(&self.key, self.owner, LOCK_TTL.max(needed))
    }
    // `release` is there already: it drops the lock. Where freeing it takes a word to another machine, write one that waits
    // for the answer, and let the drop begin the same in the background.
}

impl Drop for Held {
    fn drop(&mut self) {
        self.database.free(&self.key, self.owner);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (fake, table) = (FakeVms::start().await, Table::default());
    let client =
        || vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).store(table.clone()).build();
    let (one, two) = (client()?, client()?);
    let first = one.session().lease().await?.generation();
    println!("one client has signed in: token {first}");
    println!("another one has found it in the table: token {}", two.session().lease().await?.generation());
    println!("sign-ins at the vendor: {}", fake.count("get_token"));
    let nothing = table.load(&key("nobody")).await?;
    println!("of others it keeps nothing: {}", nothing.is_none());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Table;
    use keyway::testing::{StoreFactory, store_laws};

    struct Tables(Table);

    impl StoreFactory for Tables {
        type Store = Table;

        async fn open() -> Option<Self> {
            Some(Self(Table::default()))
        }

        fn store(&self) -> Table {
            self.0.clone()
        }
    }

    store_laws!(Tables);
}
