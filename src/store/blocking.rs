//! Work that would hold up others, on a thread where it does not.

use super::error::StoreError;
use tokio::runtime::Handle;

pub(super) fn runtime() -> Result<Handle, StoreError> {
    Handle::try_current().map_err(|_| StoreError::new("it was called outside a Tokio runtime"))
}

/// Runs what may wait for the disk, or computes for long, on a thread that may block.
pub(super) async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    runtime()?.spawn_blocking(work).await.map_err(|_| cut_off())?
}

pub(super) fn cut_off() -> StoreError {
    StoreError::new("it was cut off before it was done")
}
