//! Where sessions sleep.

mod disk;
mod file;
mod fingerprint;
mod guard;
mod memory;
mod pauses;
mod record;
#[cfg(feature = "redis")]
pub(crate) mod redis;

pub use file::FileStore;
pub(crate) use fingerprint::Fingerprint;
pub use memory::MemoryStore;
pub use record::Record;
pub(crate) use record::{Ends, Kept, LONGEST, NotBefore, RecordState, WaitReason};
#[cfg(feature = "redis")]
pub use redis::RedisStore;

use crate::BoxFuture;
use sha2::{Digest, Sha256};
use std::{fmt, future::Future, str::FromStr, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// Keeps sessions between calls, and lets those who share it renew one at a time.
///
/// [`MemoryStore`] is the default. It protects the tasks of one process; it cannot protect replicas. [`FileStore`] protects
/// the processes of one user on one machine, `RedisStore` (feature `redis`) those of many machines.
///
/// # Cancel safety
/// The engine drops what a store does not answer within [`Timeouts::store_lock`](crate::Timeouts::store_lock), and a runtime
/// that ends drops everything. What was begun may then be done or not, and must not be half done: a record is the old or the
/// new one, whole.
pub trait Store: Send + Sync + 'static {
    /// Whether it is set up so that it can be used. `build()` asks it once, and refuses with what it answers. It contacts nobody.
    ///
    /// # Errors
    /// What is wrong and what to change.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// Keeps `record` if what is there has the generation `expected` (`None`: if nothing is there). Answers whether it did.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets what is kept under `key`.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn remove(&self, key: &Key) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Waits, at most `wait`, until nobody else holds the lock of `key`, and takes it.
    ///
    /// # Errors
    /// When the lock cannot be had in time.
    ///
    /// # Cancel safety
    /// A dropped wait takes no lock.
    fn lock(&self, key: &Key, wait: Duration) -> impl Future<Output = Result<StoreLock, StoreError>> + Send;
}

/// Names one session: surface, address, tenant, principal and grant. A digest of them; no secret goes in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    surface: &'static str,
    digest: String,
}

impl Key {
    /// `parts` are separated so that no two lists of parts make the same key.
    pub(crate) fn new(surface: &'static str, parts: &[(&str, &str)]) -> Self {
        let mut hash = Sha256::new();
        for text in [surface].into_iter().chain(parts.iter().flat_map(|(name, value)| [*name, *value])) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self { surface, digest: hex(&hash.finalize()) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.surface, self.digest)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which token of which session: a random lineage and a counter within it.
///
/// Within one lineage a larger counter is newer. Two lineages cannot be ordered. [`Display`](fmt::Display) shortens it, for
/// logs; [`to_text`](Self::to_text) does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    pub(crate) lineage: u64,
    pub(crate) counter: u64,
}

impl Generation {
    /// The first token of a new session.
    pub(crate) fn first(lineage: u64) -> Self {
        Self { lineage, counter: 1 }
    }

    /// The token after this one.
    pub(crate) fn next(self) -> Self {
        Self { counter: self.counter + 1, ..self }
    }

    /// Whether this is a newer token of the same session.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self.lineage == other.lineage && self.counter > other.counter
    }

    /// How many tokens this session has had, this one included.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The whole of it as text, for a store that compares: `0123456789abcdef.7`. Reading that gives the same one.
    ///
    /// ```
    /// # use keyway::Generation;
    /// let generation: Generation = "0123456789abcdef.7".parse()?;
    /// assert_eq!(generation.to_text(), "0123456789abcdef.7");
    /// assert_eq!(generation.to_string(), "01234567.7", "shortened, for people");
    /// # Ok::<(), keyway::StoreError>(())
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{:016x}.{}", self.lineage, self.counter)
    }
}

/// Reads what [`Generation::to_text`] wrote, and nothing else.
impl FromStr for Generation {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let read = text.split_once('.').and_then(|(lineage, counter)| {
            let lineage = u64::from_str_radix(lineage, 16).ok()?;
            Some(Self { lineage, counter: counter.parse().ok()? })
        });
        // One text for each: two that differ are two generations.
        read.filter(|read| read.to_text() == text)
            .ok_or_else(|| StoreError::new("this is not the text of a generation: use what Generation::to_text() gave"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{}", self.lineage >> 32, self.counter)
    }
}

/// The lock of one key.
///
/// [`release`](Self::release) returns when it is free. A lock that is dropped is freed as well: at once where that takes no
/// waiting, else in the background of the Tokio runtime it is dropped on.
#[must_use = "the lock is held only as long as this value lives"]
pub struct StoreLock(Arc<dyn DynLock>);

/// A lock with a time to live: one that ends by itself unless it is extended, such as a lock in a store on another machine.
pub trait ExpiringLock: Send + Sync + 'static {
    /// Makes sure that the lock is still held and will be for `needed` from when this returns, and says whether it is.
    /// Asked before everything that must not be done twice; `needed` is how long that may take.
    ///
    /// # Cancel safety
    /// A dropped call may have extended the lock.
    fn extend(&self, needed: Duration) -> impl Future<Output = bool> + Send;

    /// Frees the lock, and returns when it is really free. Without an implementation of your own the lock is dropped: enough
    /// where its `Drop` frees it before it returns.
    ///
    /// # Errors
    /// When nobody can tell whether it is free. It then ends by itself.
    ///
    /// # Cancel safety
    /// A call that is dropped must free the lock as a drop of the lock does.
    fn release(self) -> impl Future<Output = Result<(), StoreError>> + Send
    where
        Self: Sized,
    {
        async {
            drop(self);
            Ok(())
        }
    }
}

trait DynLock: Send + Sync {
    fn extend(&self, needed: Duration) -> BoxFuture<'_, bool>;

    /// Frees the lock, unless another share of it is held.
    fn release(self: Arc<Self>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A lock that lasts until it is dropped.
struct Lasting<G>(#[allow(dead_code, reason = "held for its Drop")] G);

impl<G: Send + Sync + 'static> DynLock for Lasting<G> {
    fn extend(&self, _: Duration) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }

    fn release(self: Arc<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(async {
            drop(self);
            Ok(())
        })
    }
}

struct Expiring<L>(L);

impl<L: ExpiringLock> DynLock for Expiring<L> {
    fn extend(&self, needed: Duration) -> BoxFuture<'_, bool> {
        Box::pin(self.0.extend(needed))
    }

    fn release(self: Arc<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(async {
            match Arc::into_inner(self) {
                Some(Self(lock)) => lock.release().await,
                // The last share releases it.
                None => Ok(()),
            }
        })
    }
}

impl StoreLock {
    /// Wraps whatever guard the store has; dropping the guard must free the lock before it returns.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Arc::new(Lasting(guard)))
    }

    /// Wraps a lock that ends by itself if it is not extended; dropping it must free it.
    pub fn expiring(lock: impl ExpiringLock) -> Self {
        Self(Arc::new(Expiring(lock)))
    }

    /// Frees the lock, and returns when it is really free: where it is on another machine, when that has answered.
    ///
    /// # Errors
    /// When the store cannot tell whether the lock is free. A lock that ends by itself does so then.
    ///
    /// # Cancel safety
    /// A dropped call frees the lock as a drop of the lock does.
    pub async fn release(self) -> Result<(), StoreError> {
        self.0.release().await
    }

    /// The same lock once more: it is freed when the last of both is dropped.
    pub(crate) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// Whether the lock is still held, and will be for `needed` from when this returns. A lock without a time to live always is.
    ///
    /// # Cancel safety
    /// A dropped call may have extended the lock.
    pub async fn extend(&self, needed: Duration) -> bool {
        self.0.extend(needed).await
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLock")
    }
}

/// Why a store could not do what was asked. The text must not hold a secret.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct StoreError {
    what: Arc<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// The next try may succeed.
    Failed,
    Busy,
    Unavailable,
    Newer,
}

impl StoreError {
    /// Says what happened, in one line: something that failed now, and may succeed when it is tried again.
    pub fn new(what: impl fmt::Display) -> Self {
        Self::of(Kind::Failed, what)
    }

    /// Says that another process holds the lock. A store answers that when a wait for its lock is over: what is busy works,
    /// and is waited for again.
    pub fn busy(what: impl fmt::Display) -> Self {
        Self::of(Kind::Busy, what)
    }

    /// Says that nothing can be kept there, and that trying again will not change it: a folder that cannot be made, a file
    /// system without locks.
    pub fn unavailable(what: impl fmt::Display) -> Self {
        Self::of(Kind::Unavailable, what)
    }

    fn of(kind: Kind, what: impl fmt::Display) -> Self {
        Self { what: what.to_string().into(), kind }
    }

    pub(crate) fn not_in_time() -> Self {
        Self::busy("its lock was not free in time")
    }

    pub(crate) fn newer() -> Self {
        let what = "a newer version of Keyway wrote this record, so it is left as it is; update this program";
        Self::of(Kind::Newer, what)
    }

    pub(crate) fn too_late() -> Self {
        Self::new("it did not answer in time")
    }

    pub(crate) fn others_keep_changing() -> Self {
        Self::new("others keep changing what is stored")
    }

    /// Whether the store works, and another process holds the lock.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }

    /// Whether nothing can be kept there until somebody changes something.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.kind == Kind::Unavailable
    }

    /// Whether a newer version of Keyway wrote what this one cannot read. It must not be changed.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.kind == Kind::Newer
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for StoreError {}

fn runtime() -> Result<Handle, StoreError> {
    Handle::try_current().map_err(|_| StoreError::new("it was called outside a Tokio runtime"))
}

/// Runs what may wait for the disk, or computes for long, where it holds up nobody.
async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    runtime()?.spawn_blocking(work).await.map_err(|_| cut_off())?
}

fn cut_off() -> StoreError {
    StoreError::new("it was cut off before it was done")
}

impl<S: Store> Store for Arc<S> {
    fn check(&self) -> Result<(), StoreError> {
        S::check(self)
    }

    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send {
        S::load(self, key)
    }

    fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        S::compare_and_swap(self, key, expected, record)
    }

    fn remove(&self, key: &Key) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::remove(self, key)
    }

    fn lock(&self, key: &Key, wait: Duration) -> impl Future<Output = Result<StoreLock, StoreError>> + Send {
        S::lock(self, key, wait)
    }
}

/// [`Store`] behind a pointer: what the engine holds.
pub(crate) trait DynStore: Send + Sync {
    fn check(&self) -> Result<(), StoreError>;
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Generation>,
        record: Record,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn lock<'a>(&'a self, key: &'a Key, wait: Duration) -> BoxFuture<'a, Result<StoreLock, StoreError>>;
}

impl<S: Store> DynStore for S {
    fn check(&self) -> Result<(), StoreError> {
        Store::check(self)
    }

    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(Store::load(self, key))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Generation>,
        record: Record,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(Store::compare_and_swap(self, key, expected, record))
    }

    fn lock<'a>(&'a self, key: &'a Key, wait: Duration) -> BoxFuture<'a, Result<StoreLock, StoreError>> {
        Box::pin(Store::lock(self, key, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(hunted!)]
    fn keys_differ_when_any_part_differs_and_when_parts_are_split_otherwise() {
        let key = |parts: &[(&str, &str)]| Key::new("vms", parts).to_string();
        let one = key(&[("url", "https://a"), ("login", "b")]);
        assert_eq!(one, key(&[("url", "https://a"), ("login", "b")]));
        assert_ne!(one, key(&[("url", "https://ab"), ("login", "")]));
        assert_ne!(one, key(&[("url", "https://a"), ("login", "c")]));
        assert_ne!(one, Key::new("vitamojo", &[("url", "https://a"), ("login", "b")]).to_string());
    }

    #[apply(hunted!)]
    fn a_generation_comes_back_from_its_text_whole() {
        for (lineage, counter) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (0x0123_4567_89ab_cdef, 10)] {
            let generation = Generation { lineage, counter };
            assert_eq!(generation.to_text().parse::<Generation>().expect("its own text"), generation);
        }
        let shown = Generation { lineage: 1 << 63, counter: 7 }.to_string();
        for wrong in [
            "",
            ".",
            "7",
            &shown,
            "0123456789ABCDEF.7",
            "0123456789abcdef.07",
            "0123456789abcdef.+7",
            "+123456789abcdef.7",
            "0123456789abcdef.7 ",
        ] {
            wrong.parse::<Generation>().expect_err(wrong);
        }
    }
}
