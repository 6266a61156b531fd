//! A store in memory that does what a test tells it to.

use keyway::{ExpiringLock, Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// A store that is pulled by strings: each pull is for one operation. Saves of sessions alone: attempts are counted
/// whatever happens.
#[derive(Clone, Default)]
pub(crate) struct ScriptedStore {
    inner: MemoryStore,
    strings: Arc<Mutex<Strings>>,
    saves: Arc<watch::Sender<usize>>,
    loads: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Strings {
    loads: VecDeque<Pull>,
    saves: VecDeque<Pull>,
    tombstones: VecDeque<Pull>,
    /// Nobody gets the lock, and it is not busy.
    broken: bool,
    /// How often a lock turns out to have ended when it is to be extended.
    lost_locks: usize,
    /// Everybody gets the lock.
    open: bool,
    /// Nothing can be saved.
    full: bool,
    /// Whose session was saved.
    key: Option<Key>,
}

impl Strings {
    fn next_swap(&mut self, tombstone: bool) -> Option<Pull> {
        match tombstone {
            true => self.tombstones.pop_front(),
            false if self.full => Some(Pull::Fail),
            false => self.saves.pop_front(),
        }
    }
}

enum Pull {
    Fail,
    /// Waits, before or after the deed, or instead of it: then it fails.
    Hold(Hold, When),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
    Instead,
}

/// An operation that is held until the test lets it go.
#[derive(Clone)]
pub(crate) struct Hold(Arc<watch::Sender<Stand>>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stand {
    Awaited,
    Arrived,
    Released,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stand::Awaited)))
    }

    pub(crate) async fn arrived(&self) {
        let _ = self.0.subscribe().wait_for(|stand| *stand >= Stand::Arrived).await;
    }

    pub(crate) fn release(&self) {
        self.0.send_replace(Stand::Released);
    }

    pub(crate) async fn pass(&self) {
        self.0.send_if_modified(|stand| {
            *stand == Stand::Awaited && std::mem::replace(stand, Stand::Arrived) == Stand::Awaited
        });
        let _ = self.0.subscribe().wait_for(|stand| *stand == Stand::Released).await;
    }
}

impl ScriptedStore {
    /// What `memory` keeps, by strings of its own.
    pub(crate) fn over(memory: &MemoryStore) -> Self {
        Self { inner: memory.clone(), ..Self::default() }
    }

    pub(crate) fn fail_loads(&self, times: usize) {
        self.strings.lock().unwrap().loads.extend(std::iter::repeat_with(|| Pull::Fail).take(times));
    }

    pub(crate) fn fail_saves(&self, times: usize) {
        self.strings.lock().unwrap().saves.extend(std::iter::repeat_with(|| Pull::Fail).take(times));
    }

    /// Every save fails from now on.
    pub(crate) fn fill(&self) {
        self.strings.lock().unwrap().full = true;
    }

    /// What was saved is not there any more.
    pub(crate) async fn forget(&self) {
        let key = self.strings.lock().unwrap().key.clone().expect("something was saved");
        self.inner.remove(&key).await.unwrap();
    }

    /// The next records that hold no session cannot be saved.
    pub(crate) fn fail_tombstones(&self, times: usize) {
        self.strings.lock().unwrap().tombstones.extend(std::iter::repeat_with(|| Pull::Fail).take(times));
    }

    /// Nobody gets a lock from now on: it cannot lock at all.
    pub(crate) fn break_locks(&self) {
        self.strings.lock().unwrap().broken = true;
    }

    /// The next load waits before it looks.
    pub(crate) fn hold_load(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().loads.push_back(Pull::Hold(hold.clone(), When::Before));
        hold
    }

    /// The next load waits after it has looked.
    pub(crate) fn hold_after_load(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().loads.push_back(Pull::Hold(hold.clone(), When::After));
        hold
    }

    /// The next load waits and fails.
    pub(crate) fn hold_failing_load(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().loads.push_back(Pull::Hold(hold.clone(), When::Instead));
        hold
    }

    /// The next save waits before it is made.
    pub(crate) fn hold_save(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().saves.push_back(Pull::Hold(hold.clone(), When::Before));
        hold
    }

    /// The next save waits after it was made.
    pub(crate) fn hold_after_save(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().saves.push_back(Pull::Hold(hold.clone(), When::After));
        hold
    }

    /// The next save waits and fails.
    pub(crate) fn hold_failing_save(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().saves.push_back(Pull::Hold(hold.clone(), When::Instead));
        hold
    }

    /// The next sign-out waits before it puts its tombstone into the store.
    pub(crate) fn hold_tombstone(&self) -> Hold {
        let hold = Hold::new();
        self.strings.lock().unwrap().tombstones.push_back(Pull::Hold(hold.clone(), When::Before));
        hold
    }

    pub(crate) fn lose_locks(&self, times: usize) {
        self.strings.lock().unwrap().lost_locks = times;
    }

    /// Whoever comes through this handle gets the lock, whoever holds it.
    pub(crate) fn open_locks(&self) {
        self.strings.lock().unwrap().open = true;
    }

    /// How often it was asked what it has.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// How many saves of sessions have succeeded.
    pub(crate) fn saves(&self) -> usize {
        *self.saves.borrow()
    }

    /// Completes when so many saves of sessions have succeeded.
    pub(crate) async fn saved(&self, times: usize) {
        let _ = self.saves.subscribe().wait_for(|saves| *saves >= times).await;
    }
}

struct Lease {
    strings: Arc<Mutex<Strings>>,
    _lock: Option<StoreLock>,
}

impl ExpiringLock for Lease {
    async fn extend(&self, _: Duration) -> bool {
        let mut strings = self.strings.lock().unwrap();
        let lost = strings.lost_locks > 0;
        strings.lost_locks = strings.lost_locks.saturating_sub(1);
        !lost
    }
}

impl Store for ScriptedStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let pull = self.strings.lock().unwrap().loads.pop_front();
        match pull {
            None => self.inner.load(key).await,
            Some(Pull::Fail) => Err(StoreError::new("it was told to fail")),
            Some(Pull::Hold(hold, When::After)) => {
                let loaded = self.inner.load(key).await;
                hold.pass().await;
                loaded
            }
            Some(Pull::Hold(hold, When::Before)) => {
                hold.pass().await;
                self.inner.load(key).await
            }
            Some(Pull::Hold(hold, When::Instead)) => {
                hold.pass().await;
                Err(StoreError::new("it was told to fail"))
            }
        }
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        // What counts attempts passes as one does.
        let tombstone = !new.has_session();
        let pull = self.strings.lock().unwrap().next_swap(tombstone);
        let after = match pull {
            None => None,
            Some(Pull::Fail) => return Err(StoreError::new("it was told to fail")),
            Some(Pull::Hold(hold, When::Before)) => {
                hold.pass().await;
                None
            }
            Some(Pull::Hold(hold, When::After)) => Some(hold),
            Some(Pull::Hold(hold, When::Instead)) => {
                hold.pass().await;
                return Err(StoreError::new("it was told to fail"));
            }
        };
        let saved = self.inner.compare_and_swap(key, old, new).await;
        if let (Ok(true), false) = (&saved, tombstone) {
            self.strings.lock().unwrap().key = Some(key.clone());
            self.saves.send_modify(|saves| *saves += 1);
        }
        if let Some(hold) = after {
            hold.pass().await;
        }
        saved
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        let (open, broken) = {
            let strings = self.strings.lock().unwrap();
            (strings.open, strings.broken)
        };
        if broken {
            return Err(StoreError::new("it has no locks"));
        }
        let lock = if open { None } else { Some(self.inner.lock(key, wait).await?) };
        Ok(StoreLock::expiring(Lease { strings: self.strings.clone(), _lock: lock }))
    }
}
