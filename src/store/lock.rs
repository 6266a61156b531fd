//! The lock of one session: who signs in or renews.

use super::error::StoreError;
use crate::BoxFuture;
use std::{fmt, future::Future, sync::Arc, time::Duration};

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
    /// When the store cannot tell whether it is free. It then ends by itself.
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
