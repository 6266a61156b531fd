//! The runtime of a fake's server.

use std::time::Duration;
use tokio::runtime::{self, Handle};

/// The server's own runtime: its time is real time, even where a test has paused Tokio's.
#[derive(Clone)]
pub(super) struct Runtime(Handle);

impl Runtime {
    pub(super) fn of(runtime: &runtime::Runtime) -> Self {
        Self(runtime.handle().clone())
    }

    /// What `wait` comes to, unless that takes longer than `limit`, or the server is gone.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        wait: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let limited = async move { tokio::time::timeout(limit, wait).await.ok() };
        self.0.spawn(limited).await.ok().flatten()
    }
}
