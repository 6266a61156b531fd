//! Many sessions in one service: one client per key, made when it is wanted and forgotten when it is idle.

use crate::{Clock, Error, HasSession, SystemClock, http::outside::Permit};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::Hash,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::runtime::Handle;

/// How long a client that is not used is kept.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// The clients of a service that acts for many: tenants, shops, users. Each key has one client at a time, which all
/// tasks share. At most so many are kept, and those that are not used go (feature `sessions`).
///
/// A client that goes costs nothing as long as its session sleeps in a store that all of them share: the next one of its key
/// takes it from there, without a sign-in. In a [`MemoryStore`](crate::MemoryStore) a session takes less than a kilobyte.
/// What a client that goes still owes to the store, because a save had failed, is offered to it once more by a task of the
/// Tokio runtime that the call runs in. On a thread without one that task runs on the runtime of `keyway::blocking` (feature `blocking`), or else on
/// the one where a client was asked for last. Where there is none at all, a warning says so.
///
/// ```no_run
/// use keyway::{Error, MemoryStore, Sessions, vitamojo};
///
/// # async fn example(password_of: fn(&str) -> String) -> Result<(), Error> {
/// let store = MemoryStore::new();
/// let tills = Sessions::new(1_000, move |tenant: &String| {
///     vitamojo::Client::builder("https://vendor.example")
///         .tenant(tenant)
///         .password("till@shop.example", password_of(tenant))
///         .store(store.clone())
///         .build()
/// });
/// let till = tills.get(&"9cbe650a-1fb7-4b06-912b-cead8a013e8b".to_owned())?;
/// till.http().get("/order/v1/orders").send().await?;
/// # Ok(()) }
/// ```
///
/// Making a client reads this machine's certificates, which takes milliseconds; `.http_of(&other)` on the builder shares those
/// and the connections of another client.
#[doc(alias("multi-tenant", "session pool"))]
pub struct Sessions<K, C>(Arc<SessionsShared<K, C>>);

type MakeClient<K, C> = dyn Fn(&K) -> Result<C, Error> + Send + Sync;

struct SessionsShared<K, C> {
    make: Box<MakeClient<K, C>>,
    most: usize,
    idle: Duration,
    clock: Arc<dyn Clock>,
    kept: Mutex<Pool<K, C>>,
    /// Where a client was asked for last: what goes on a thread without a runtime is closed there.
    last: Mutex<Option<Handle>>,
}

struct Pool<K, C> {
    entries: HashMap<K, PooledClient<C>>,
    /// The keys, those first that were used longest ago.
    order: BTreeMap<u64, K>,
    next: u64,
}

struct PooledClient<C> {
    slot: Arc<ClientSlot<C>>,
    place: u64,
    /// When (monotonic) it was last seen in use.
    used: Duration,
}

struct ClientSlot<C> {
    client: OnceLock<C>,
    /// Held by the task that makes the client.
    making: Mutex<()>,
}

impl<C> Default for ClientSlot<C> {
    fn default() -> Self {
        Self { client: OnceLock::new(), making: Mutex::default() }
    }
}

/// The client of one key, lent: as long as this is there it is not forgotten, and no other one of its key is made.
///
/// A clone of the client inside works on when this is gone, but does not count as use: its key may have another client by then.
/// Keep this instead for as long as the client is needed.
pub struct Lent<C> {
    client: C,
    _slot: Arc<ClientSlot<C>>,
}

impl<C> Deref for Lent<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C: fmt::Debug> fmt::Debug for Lent<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent").field(&self.client).finish()
    }
}

impl<K, C> Clone for Sessions<K, C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, C> fmt::Debug for Sessions<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("most", &self.0.most).field("idle", &self.0.idle).finish_non_exhaustive()
    }
}

impl<K, C> Sessions<K, C>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    C: HasSession + Clone + Send + Sync + 'static,
{
    /// At most `most` clients at a time (at least one), which `make` builds. It may take its time: only those who want the same
    /// key wait for it. Give all of them one store.
    pub fn new(most: usize, make: impl Fn(&K) -> Result<C, Error> + Send + Sync + 'static) -> Self {
        let kept = Pool { entries: HashMap::new(), order: BTreeMap::new(), next: 0 };
        Self(Arc::new(SessionsShared {
            make: Box::new(make),
            most: most.max(1),
            idle: IDLE,
            clock: Arc::new(SystemClock),
            kept: Mutex::new(kept),
            last: Mutex::default(),
        }))
    }

    /// How long a client that is not used is kept; default ten minutes. What is idle goes when another client is asked for, and
    /// at [`forget_idle`](Self::forget_idle).
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        // With no time at all one that is in use would be idle again at once.
        self.with(|inner| inner.idle = idle.max(Duration::from_nanos(1)))
    }

    /// Where the time comes from; for tests.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|inner| inner.clock = Arc::new(clock))
    }

    fn with(mut self, change: impl FnOnce(&mut SessionsShared<K, C>)) -> Self {
        // Before the first clone there is one owner; a later setting changes nothing.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    /// The client of this key: the one there is, or a new one. Blocks for as long as `make` takes.
    ///
    /// # Errors
    /// What `make` answers, and `ErrorKind::Config` if all clients there may be are in use.
    pub fn get(&self, key: &K) -> Result<Lent<C>, Error> {
        let now = self.0.clock.monotonic();
        let mut gone = Vec::new();
        let slot = self.kept().slot(key, now, &self.0, &mut gone);
        self.let_go(gone);
        let slot = slot.ok_or_else(|| {
            Error::config(format!("all {} clients that Sessions may keep are in use", self.0.most))
                .advice("drop what Sessions::get() lent once it is not needed, or let there be more")
        })?;
        match self.made(key, &slot) {
            Ok(client) => Ok(Lent { client, _slot: slot }),
            Err(error) => {
                self.kept().give_back(key, slot);
                Err(error)
            }
        }
    }

    fn made(&self, key: &K, slot: &ClientSlot<C>) -> Result<C, Error> {
        if let Some(client) = slot.client.get() {
            return Ok(client.clone());
        }
        let _making = slot.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.client.get() {
            return Ok(client.clone());
        }
        let client = (self.0.make)(key)?;
        Ok(slot.client.get_or_init(|| client).clone())
    }

    /// Forgets the client of this key, unless it is in use. Its session stays where it sleeps.
    pub fn forget(&self, key: &K) {
        let gone = self.kept().remove(key, |slot| Arc::strong_count(slot) == 1);
        self.let_go(gone.into_iter().collect());
    }

    /// Forgets all clients that have been idle for as long as [`idle`](Self::idle) says.
    pub fn forget_idle(&self) {
        let (now, mut gone) = (self.0.clock.monotonic(), Vec::new());
        self.kept().forget_idle(now, self.0.idle, &mut gone);
        self.let_go(gone);
    }

    /// How many clients there are now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn kept(&self) -> MutexGuard<'_, Pool<K, C>> {
        // Nothing panics while it is changed, so a poisoned one is still whole.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a session still owes to its store is offered to it before its client goes.
    fn let_go(&self, gone: Vec<Arc<ClientSlot<C>>>) {
        let current = self.current_runtime();
        for client in gone.iter().filter_map(|slot| slot.client.get()) {
            let (core, unoffered) = (client.core(&Permit), Unoffered(true));
            let offer = async move {
                let closed = core.session().close().await;
                unoffered.no_more();
                if let Err(error) = closed {
                    tracing::warn!(%error, "keyway: an idle session has gone, and the store did not take its token");
                }
            };
            // Dropped, where there is no runtime or it has ended.
            if let Some(runtime) = current.clone().or_else(|| self.lasting_runtime()) {
                runtime.spawn(offer);
            }
        }
    }

    /// The runtime of this thread, which is remembered.
    fn current_runtime(&self) -> Option<Handle> {
        let current = Handle::try_current().ok()?;
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        Some(current)
    }

    /// For threads without one: that of `keyway::blocking`, which lives as long as the program, or else the one that was
    /// remembered.
    fn lasting_runtime(&self) -> Option<Handle> {
        #[cfg(feature = "blocking")]
        if let Some(lasting) = crate::blocking::handle() {
            return Some(lasting);
        }
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a client's session goes without its store having been offered what it may lack.
struct Unoffered(bool);

impl Unoffered {
    fn no_more(mut self) {
        self.0 = false;
    }
}

impl Drop for Unoffered {
    fn drop(&mut self) {
        if self.0 {
            tracing::warn!(
                "keyway: an idle session has gone where no Tokio runtime runs, so its store was not offered what it may lack"
            );
        }
    }
}

impl<K: Clone + Eq + Hash, C> Pool<K, C> {
    /// The slot of this key, which is the last to go now. `None` if there is no room.
    fn slot(
        &mut self,
        key: &K,
        now: Duration,
        inner: &SessionsShared<K, C>,
        gone: &mut Vec<Arc<ClientSlot<C>>>,
    ) -> Option<Arc<ClientSlot<C>>> {
        if !self.entries.contains_key(key) {
            self.forget_idle(now, inner.idle, gone);
            if self.entries.len() >= inner.most {
                gone.push(self.forget_oldest(now)?);
            }
            self.entries.insert(key.clone(), PooledClient { slot: Arc::default(), place: self.next, used: now });
        }
        self.use_now(key, now);
        self.entries.get(key).map(|entry| entry.slot.clone())
    }

    fn use_now(&mut self, key: &K, now: Duration) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.order.remove(&entry.place);
        (entry.place, entry.used) = (self.next, now);
        self.order.insert(self.next, key.clone());
        self.next += 1;
    }

    fn remove(&mut self, key: &K, is_meant: impl FnOnce(&Arc<ClientSlot<C>>) -> bool) -> Option<Arc<ClientSlot<C>>> {
        if !is_meant(&self.entries.get(key)?.slot) {
            return None;
        }
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.place);
        Some(entry.slot)
    }

    /// Called by one whose client could not be made. The slot goes with the last of them: a caller that still waits for it makes the
    /// client of this key, and one who comes now must wait for that one.
    fn give_back(&mut self, key: &K, slot: Arc<ClientSlot<C>>) {
        let is_there = self.entries.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.slot, &slot));
        let is_empty = slot.client.get().is_none();
        // Before the others are counted, and while no other task can take or give back one.
        drop(slot);
        if is_there && is_empty {
            self.remove(key, |there| Arc::strong_count(there) == 1);
        }
    }

    fn forget_idle(&mut self, now: Duration, idle: Duration, gone: &mut Vec<Arc<ClientSlot<C>>>) {
        while let Some(key) = self.order.first_key_value().map(|(_, key)| key.clone()) {
            let is_idle = self.entries.get(&key).is_some_and(|entry| now.saturating_sub(entry.used) >= idle);
            if !is_idle {
                return;
            }
            match self.remove(&key, |slot| Arc::strong_count(slot) == 1) {
                Some(slot) => gone.push(slot),
                None => self.use_now(&key, now),
            }
        }
    }

    /// The one that was used longest ago, of those that are not in use.
    fn forget_oldest(&mut self, now: Duration) -> Option<Arc<ClientSlot<C>>> {
        for _ in 0..self.order.len() {
            let key = self.order.first_key_value().map(|(_, key)| key.clone())?;
            if let Some(slot) = self.remove(&key, |slot| Arc::strong_count(slot) == 1) {
                return Some(slot);
            }
            self.use_now(&key, now);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when one maker fails while another one waits for it, and a third one comes meanwhile.
    #[apply(leak_checked!)]
    fn after_a_failure_a_key_has_one_slot_until_the_last_has_given_it_back() {
        let kept = || Pool { entries: HashMap::new(), order: BTreeMap::new(), next: 0 };
        let inner: SessionsShared<u32, ()> = SessionsShared {
            make: Box::new(|_| Ok(())),
            most: 4,
            idle: IDLE,
            clock: Arc::new(SystemClock),
            kept: Mutex::new(kept()),
            last: Mutex::default(),
        };
        let (mut kept, mut gone) = (kept(), Vec::new());
        let mut take = |kept: &mut Pool<_, _>| kept.slot(&7, Duration::ZERO, &inner, &mut gone).expect("there is room");
        let (first, second) = (take(&mut kept), take(&mut kept));
        kept.give_back(&7, first);
        let third = take(&mut kept);
        assert!(Arc::ptr_eq(&second, &third), "two would make a client of one key");
        kept.give_back(&7, second);
        kept.give_back(&7, third);
        assert!(kept.entries.is_empty() && kept.order.is_empty(), "a failure takes no room");

        let (failed, made) = (take(&mut kept), take(&mut kept));
        made.client.set(()).expect("the first one");
        drop(made);
        kept.give_back(&7, failed);
        assert_eq!(kept.entries.len(), 1, "a client that was made stays");
    }
}
