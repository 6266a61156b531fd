//! The lock: a name that ends by itself, with the owner's own word under it.

use super::{link::ANSWER, wire::Wire};
use crate::store::LeasedLock;
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// A lock, from the moment it is asked for: if nobody learns what became of that, it is freed all the same.
pub(super) struct Lease {
    wire: Arc<dyn Wire>,
    name: String,
    owner: String,
    lease: Duration,
    /// Whether it may be ours.
    ours: bool,
}

impl Lease {
    pub(super) fn new(wire: Arc<dyn Wire>, name: String, owner: String, lease: Duration) -> Self {
        Self { wire, name, owner, lease, ours: false }
    }

    /// Tries once. A try that is dropped midway, or whose answer is lost, leaves nothing behind.
    pub(super) async fn take(&mut self) -> Result<bool, crate::StoreError> {
        self.ours = true;
        let taken = self.wire.take(&self.name, &self.owner, self.lease).await;
        if let Ok(false) = taken {
            self.ours = false;
        }
        taken
    }
}

impl LeasedLock for Lease {
    /// The answer may come late, but then so was the lease begun: it is longer by that.
    async fn extend(&self, needed: Duration) -> bool {
        let lease = self.lease.max(needed.saturating_add(ANSWER));
        matches!(self.wire.extend(&self.name, &self.owner, lease).await, Ok(true))
    }
}

impl Drop for Lease {
    /// Without a runtime, or if Redis does not hear of it, the lease ends by itself.
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.ours {
            return;
        }
        let (wire, name, owner) = (self.wire.clone(), std::mem::take(&mut self.name), std::mem::take(&mut self.owner));
        runtime.spawn(async move { wire.leave(&name, &owner).await });
    }
}
