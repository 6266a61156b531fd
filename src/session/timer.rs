//! The two tasks that keep the time while anything is out or owed. They have the only timers, however many wait.

use super::driver::Engine;
use crate::{
    clock::Clock,
    select::{First, first},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify};

/// What is waited for by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Deadline,
    Due,
}

impl Time {
    pub(super) const BOTH: [Self; 2] = [Self::Deadline, Self::Due];
}

/// A task that keeps the time. It holds no session: when the last client is gone, it ends.
pub(super) struct TimerTask {
    time: Time,
    engine: Weak<Engine>,
    signal: Arc<Notify>,
    clock: Arc<dyn Clock>,
    /// It has come to its end, and another one may have begun.
    done: bool,
}

impl TimerTask {
    pub(super) fn of(engine: &Arc<Engine>, time: Time, runtime: &Handle) -> Self {
        engine.state().runtime = Some(runtime.id());
        let (signal, clock) = (engine.timers[time as usize].clone(), engine.clock.clone());
        Self { time, engine: Arc::downgrade(engine), signal, clock, done: false }
    }

    /// How long nothing is to be done. `None`: for ever, or there is no session any more.
    fn pause(&self) -> Option<Duration> {
        let engine = self.engine.upgrade()?;
        let now = engine.now().monotonic;
        let mut state = engine.state();
        let wakes = state.wakes(self.time);
        state.armed[self.time as usize] = wakes;
        wakes.map(|wakes| wakes.saturating_sub(now))
    }
}

pub(super) async fn keep_time(mut task: TimerTask) {
    while let Some(pause) = task.pause() {
        if pause.is_zero() {
            let Some(engine) = task.engine.upgrade() else { return };
            engine.change(|state, at| state.core.tick(false, at));
            // What is due and cannot be done now is not asked for again and again.
            tokio::task::yield_now().await;
            continue;
        }
        if let First::Other(()) = first(task.signal.notified(), task.clock.sleep(pause)).await {
            let Some(engine) = task.engine.upgrade() else { return };
            engine.change(|state, at| state.core.tick(false, at));
        }
    }
    task.done = true;
}

impl Drop for TimerTask {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.done) {
            engine.lost(|state, _| {
                state.armed[self.time as usize] = None;
                state.core.abandoned();
            });
        }
    }
}
