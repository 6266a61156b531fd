//! Holds answers back until a test lets them go.

use super::runtime::Runtime;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long a test may take, in real time, before it is told that it hangs.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Holds the answers to one operation: [`Fake::hold`](super::Fake::hold) makes it.
///
/// The vendor has done what was asked; only its answer waits. Dropping the gate opens it. An answer that was held for
/// 10 s of real time goes out anyway, so that a mistaken test fails instead of hanging.
#[must_use = "a gate that is dropped is open"]
pub struct Gate {
    operation: String,
    hold: Arc<Hold>,
    runtime: Runtime,
}

impl Gate {
    pub(super) fn new(operation: &str, runtime: Runtime) -> (Self, Arc<Hold>) {
        let hold = Arc::new(Hold { passage: watch::Sender::new(Passage::default()) });
        (Self { operation: operation.to_owned(), hold: hold.clone(), runtime }, hold)
    }

    /// Completes when `count` requests in all have come to this gate, those let through among them.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and does nothing else.
    ///
    /// # Panics
    /// After 10 s of real time.
    pub async fn arrived(&self, count: usize) {
        let mut passage = self.hold.passage.subscribe();
        let wait = async move { passage.wait_for(|passage| passage.arrived >= count).await.is_ok() };
        if self.runtime.within(LONGEST_WAIT, wait).await != Some(true) {
            let arrived = self.hold.passage.borrow().arrived;
            panic!("{count} requests for `{}` were to be held, but within 10 s only {arrived} came", self.operation);
        }
    }

    /// Lets `count` more answers go, in the order in which their requests came.
    pub fn let_through(&self, count: usize) {
        self.hold.passage.send_modify(|passage| passage.let_through = passage.let_through.saturating_add(count));
    }

    /// Lets all answers go, and holds none from now on.
    pub fn open(&self) {
        self.let_through(usize::MAX);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passage = *self.hold.passage.borrow();
        f.debug_struct("Gate").field("operation", &self.operation).field("passage", &passage).finish()
    }
}

/// The server's side of a gate.
pub(super) struct Hold {
    passage: watch::Sender<Passage>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Passage {
    arrived: usize,
    let_through: usize,
}

impl Hold {
    /// The number under which an answer waits.
    pub(super) fn arrive(&self) -> usize {
        let mut number = 0;
        self.passage.send_modify(|passage| {
            passage.arrived += 1;
            number = passage.arrived;
        });
        number
    }

    pub(super) async fn pass(&self, number: usize) {
        let mut passage = self.passage.subscribe();
        let turn = passage.wait_for(|passage| passage.let_through >= number);
        // Too late or not, the answer goes out now.
        let _ = tokio::time::timeout(LONGEST_WAIT, turn).await;
    }
}
