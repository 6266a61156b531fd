//! The two tasks that keep the time while anything is out or owed. They have the only timers, however many wait.

use crate::{
    clock::Clock,
    select::{First, first},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;

/// What is waited for by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerKind {
    Deadline,
    Due,
}

impl TimerKind {
    pub(super) const BOTH: [Self; 2] = [Self::Deadline, Self::Due];
}

/// Whose time is kept.
pub(super) trait Timed: Send + Sync {
    /// How long nothing is to be done. `None`: for ever.
    fn pause(&self, time: TimerKind) -> Option<Duration>;
    /// Something is due, or late.
    fn tick(self: Arc<Self>);
    /// The runtime has ended: no task keeps that time any more.
    fn abandoned(self: Arc<Self>, time: TimerKind);
}

/// A task that keeps the time. It holds no session: when the last client is gone, it ends.
pub(super) struct TimerTask {
    pub(super) time: TimerKind,
    pub(super) engine: Weak<dyn Timed>,
    pub(super) signal: Arc<Notify>,
    pub(super) clock: Arc<dyn Clock>,
    /// It has come to its end, and another one may have begun.
    pub(super) done: bool,
}

pub(super) async fn keep_time(mut task: TimerTask) {
    while let Some(engine) = task.engine.upgrade()
        && let Some(pause) = engine.pause(task.time)
    {
        if pause.is_zero() {
            engine.tick();
            // What is due and cannot be done now is not asked for again and again.
            tokio::task::yield_now().await;
            continue;
        }
        drop(engine);
        if let First::Other(()) = first(task.signal.notified(), task.clock.sleep(pause)).await {
            let Some(engine) = task.engine.upgrade() else { break };
            engine.tick();
        }
    }
    task.done = true;
}

impl Drop for TimerTask {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.done) {
            engine.abandoned(self.time);
        }
    }
}
