//! What a session tells the task that keeps it warm.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Whether a session is kept warm, and what tells the task that does so.
#[derive(Default)]
pub(super) struct Warm {
    on: AtomicBool,
    changed: Notify,
}

impl Warm {
    /// Whether no task keeps it warm yet. One does from now on.
    pub(super) fn begin(&self) -> bool {
        !self.on.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end(&self) {
        self.on.store(false, Ordering::Release);
    }

    /// Waits until something has happened since this was last waited for.
    pub(super) async fn news(&self) {
        self.changed.notified().await;
    }

    /// Tells whether a run has begun or ended, or the session was signed out. What changes nothing must not wake the task: it
    /// would look again, and change nothing, for ever.
    pub(super) fn tell(&self, has_news: bool) {
        if has_news && self.on.load(Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }
}
