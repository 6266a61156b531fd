//! What a store has to do.

use super::{
    error::StoreError,
    generation::Generation,
    key::Key,
    lock::StoreLock,
    record::{Record, RecordState},
};
use crate::BoxFuture;
use std::{future::Future, sync::Arc, time::Duration};

/// Keeps sessions between calls, and lets those who share it renew one at a time.
///
/// [`MemoryStore`](crate::MemoryStore) is the default. It protects the tasks of one process; it cannot protect replicas. [`FileStore`](crate::FileStore) protects
/// the processes of one user on one machine, `RedisStore` (feature `redis`) those of many machines.
///
/// # Cancel safety
/// The engine drops what a store does not answer within [`Timeouts::store_lock`](crate::Timeouts::store_lock), and a runtime
/// that ends drops everything. What was begun may then be done or not, and must not be half done: a record is the old or the
/// new one, whole.
///
/// A store is given to a builder, and clients that are given the same one share their sessions:
///
/// ```
/// # fn build(issuer: impl keyway::custom::Issuer + Clone) -> Result<(), keyway::Error> {
/// use keyway::{MemoryStore, custom::Client};
///
/// let store = MemoryStore::new();
/// let client = || Client::builder("https://acme.example").issuer(issuer.clone()).principal("till-7").store(store.clone());
/// let (one, two) = (client().build()?, client().build()?);
/// # Ok(()) }
/// ```
///
/// `examples/your_own_store.rs` writes one; [`store_laws!`](crate::testing::store_laws) tests it.
#[doc(alias("cache", "storage", "backend"))]
pub trait Store: Send + Sync + 'static {
    /// Whether it is set up so that it can be used. `build()` asks it once, and refuses with what it answers. It sends nothing.
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

    /// Waits, at most `wait`, until no other holder is left of the lock of `key`, and takes it.
    ///
    /// # Errors
    /// When the lock cannot be had in time.
    ///
    /// # Cancel safety
    /// A dropped wait takes no lock.
    fn lock(&self, key: &Key, wait: Duration) -> impl Future<Output = Result<StoreLock, StoreError>> + Send;
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

/// The engine reads what is not sealed; a sealed store has opened it before.
fn unsealed(record: Option<Record>) -> Result<Option<Record>, StoreError> {
    match record.as_ref().map(|record| &record.state) {
        Some(RecordState::Sealed(sealed)) => {
            let by = &sealed.by;
            Err(StoreError::sealed(format!(
                "the record is sealed with the key {by}; give the store to keyway::Sealed, with that key (feature `sealed`)"
            )))
        }
        _ => Ok(record),
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
        Box::pin(async move { Store::load(self, key).await.and_then(unsealed) })
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
