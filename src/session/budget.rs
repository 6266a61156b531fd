//! The vendor's budget of sign-in attempts, counted together with everybody who shares the store.

use super::Engine;
use crate::{
    Error, ErrorKind,
    store::{Generation, Record, RecordState, StoreError},
};
use std::time::{Duration, SystemTime};

/// How often others may be faster to write down an attempt before this one is counted here alone.
const TRIES: u32 = 20;

impl Engine {
    /// Counts one attempt before it is made. `None` where the vendor has no budget.
    pub(super) async fn budgeted(&self) -> Result<Option<SystemTime>, Error> {
        let Some(budget) = self.capabilities.budget else { return Ok(None) };
        for _ in 0..TRIES {
            let stored = self.attempts_of_others().await;
            let now = self.now();
            let (made, known) = {
                let mut state = self.state();
                if let Ok(Some(record)) = &stored {
                    state.attempts.learn(&record.attempts, budget, now);
                }
                (state.attempts.spend(budget, now).map_err(Error::budget_used_up)?, state.attempts.times())
            };
            let Ok(stored) = stored else { return Ok(Some(made)) };
            let (expected, record) = self.ledger(stored.as_ref(), known);
            match self.swap(&self.ledger, expected, record).await {
                Ok(true) => return Ok(Some(made)),
                // Somebody else counted one in between: look again.
                Ok(false) => self.state().attempts.refund(made),
                Err(error) => {
                    self.tell_uncounted(&error);
                    return Ok(Some(made));
                }
            }
        }
        self.tell_uncounted(&StoreError::new("others were faster each time"));
        let now = self.now();
        self.state().attempts.spend(budget, now).map(Some).map_err(Error::budget_used_up)
    }

    /// Takes one attempt out again. If the store does not answer it stays counted there, which is the safe side.
    pub(super) async fn refund(&self, made: SystemTime) {
        self.state().attempts.refund(made);
        for _ in 0..TRIES {
            let Ok(Some(stored)) = self.attempts_of_others().await else { return };
            let left = stored.attempts.iter().copied().filter(|other| *other != made).collect();
            let (expected, record) = self.ledger(Some(&stored), left);
            if !matches!(self.swap(&self.ledger, expected, record).await, Ok(false)) {
                return;
            }
        }
    }

    async fn attempts_of_others(&self) -> Result<Option<Record>, StoreError> {
        let stored = self.load(&self.ledger).await;
        stored.inspect_err(|error| self.tell_uncounted(error))
    }

    fn ledger(&self, stored: Option<&Record>, attempts: Vec<SystemTime>) -> (Option<Generation>, Record) {
        let expected = stored.map(Record::generation);
        let generation = expected.map_or_else(|| Generation::first(self.chance.next()), Generation::next);
        (expected, Record { attempts, ..Record::new(&self.ledger, generation, RecordState::Nothing) })
    }

    fn tell_uncounted(&self, error: &StoreError) {
        tracing::warn!(key = %self.ledger, %error, "keyway: the store failed; sign-in attempts are counted in this process only");
    }
}

impl Error {
    fn budget_used_up(wait: Duration) -> Self {
        Self::new(ErrorKind::Throttled, "the vendor's budget of sign-in attempts is used up; nothing was sent")
            .with_retry_after(Some(wait))
            .local()
    }
}
