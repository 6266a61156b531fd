//! Callers that wait, and for how long.

use super::driver::Engine;
use crate::select::first;
use std::{pin::pin, sync::Arc, time::Duration};

/// How long what runs elsewhere may be late before it counts as driven by no task.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A caller that waits for a token, for as long as this lives.
pub(super) struct Waiting<'a>(&'a Arc<Engine>);

impl<'a> Waiting<'a> {
    pub(super) fn of(engine: &'a Arc<Engine>) -> Self {
        engine.state().core.joins();
        Self(engine)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().core.leaves();
    }
}

/// Waits until the core has come to something.
pub(super) async fn until<T>(engine: &Arc<Engine>, answer: impl Fn(&Engine) -> Option<T>) -> T {
    loop {
        let mut changed = pin!(engine.changed.notified());
        changed.as_mut().enable();
        if let Some(answer) = answer(engine) {
            return answer;
        }
        // What is out ends by its deadline, wherever it runs. Where it runs here it is late, and not lost.
        let now = engine.now().monotonic;
        let (wake, lost) = {
            let state = engine.state();
            (state.core.wakes_at(), engine.runs_elsewhere(&state))
        };
        match wake.map(|at| at.saturating_add(GRACE).saturating_sub(now)) {
            Some(pause) if pause.is_zero() => {
                engine.change(|state, at| state.core.tick(lost, at));
                tokio::task::yield_now().await;
            }
            Some(pause) => {
                first(changed, engine.clock.sleep(pause)).await;
            }
            None => changed.await,
        }
    }
}
