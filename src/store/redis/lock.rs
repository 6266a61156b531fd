//! The lock: a name that ends by itself, with the owner's own word under it.

use super::{source::ANSWER, wire::Wire};
use crate::{StoreError, store::ExpiringLock};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// A lock, from the moment it is asked for. If the answer to that is lost, the lock is freed all the same.
pub(super) struct RedisLock {
    wire: Arc<dyn Wire>,
    name: String,
    owner: String,
    ttl: Duration,
    /// Whether it may be ours.
    ours: bool,
}

impl RedisLock {
    pub(super) fn new(wire: Arc<dyn Wire>, name: String, owner: String, ttl: Duration) -> Self {
        Self { wire, name, owner, ttl, ours: false }
    }

    /// Tries once. A try that is dropped midway, or whose answer is lost, leaves nothing behind.
    pub(super) async fn take(&mut self) -> Result<bool, StoreError> {
        self.ours = true;
        let taken = self.wire.take(&self.name, &self.owner, self.ttl).await;
        if let Ok(false) = taken {
            self.ours = false;
        }
        taken
    }
}

impl ExpiringLock for RedisLock {
    /// The answer may come late, but then so did the lock's time begin: it is longer by that.
    async fn extend(&self, needed: Duration) -> bool {
        let ttl = self.ttl.max(needed.saturating_add(ANSWER));
        matches!(self.wire.extend(&self.name, &self.owner, ttl).await, Ok(true))
    }

    /// Dropped before Redis has answered, this goes on in the background, as a drop of the lock does.
    async fn release(mut self) -> Result<(), StoreError> {
        let answered = self.wire.leave(&self.name, &self.owner).await;
        // The command has been tried twice. After that the lock ends by itself.
        self.ours = false;
        answered.map(drop)
    }
}

impl Drop for RedisLock {
    /// Without a runtime, or if Redis does not hear of it, the lock ends by itself.
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.ours {
            return;
        }
        let (wire, name, owner) = (self.wire.clone(), std::mem::take(&mut self.name), std::mem::take(&mut self.owner));
        runtime.spawn(async move { wire.leave(&name, &owner).await });
    }
}
