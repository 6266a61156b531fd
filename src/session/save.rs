//! Saved is part of renewed. When the store does not take a token now, it is kept in memory and offered again.

use super::Engine;
use crate::store::{Generation, Record, StoreError};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// The first wait before a token is offered again; it doubles.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is offered before that is left to the next renewal: about a quarter of an hour in all.
const OFFERS: u32 = 20;

impl Engine {
    /// Offers an unsaved record to the store from time to time, for as long as it is the newest and somebody holds the session.
    pub(super) fn save_later(self: &Arc<Self>, record: Record) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (engine, clock) = (Arc::downgrade(self), self.clock.clone());
        runtime.spawn(async move {
            let mut wait = FIRST;
            for _ in 0..OFFERS {
                clock.sleep(wait).await;
                wait = (wait * 2).min(LONGEST);
                if offer(&engine, &record).await {
                    return;
                }
            }
        });
    }

    async fn try_to_save(&self, record: &Record) -> Result<bool, StoreError> {
        let stored = self.load(&self.key).await?.map(|stored| stored.generation());
        if !succeeds(record.generation(), stored) {
            return Ok(false);
        }
        self.swap(&self.key, stored, record.clone()).await
    }
}

/// `true` when there is nothing left to do.
async fn offer(engine: &Weak<Engine>, record: &Record) -> bool {
    let Some(engine) = engine.upgrade() else { return true };
    let unsaved = engine.state().unsaved.as_ref().map(Record::generation);
    if unsaved != Some(record.generation()) {
        return true;
    }
    match engine.try_to_save(record).await {
        Ok(saved) => {
            let mut state = engine.state();
            if state.unsaved.as_ref().map(Record::generation) == Some(record.generation()) {
                state.unsaved = None;
            }
            tracing::info!(key = %engine.key, saved, "keyway: the store answers again");
            true
        }
        Err(error) => {
            tracing::debug!(key = %engine.key, %error, "keyway: the store still fails");
            false
        }
    }
}

/// Whether what we hold is newer than what is stored. Two lineages cannot be ordered: the stored one stays.
fn succeeds(ours: Generation, stored: Option<Generation>) -> bool {
    stored.is_none_or(|stored| stored.lineage == ours.lineage && stored.counter < ours.counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_token_of_the_same_lineage_gives_way() {
        let first = Generation::first(1);
        assert!(succeeds(first, None));
        assert!(succeeds(first.next(), Some(first)));
        assert!(!succeeds(first, Some(first)));
        assert!(!succeeds(first, Some(first.next())));
        assert!(!succeeds(first.next(), Some(Generation::first(2))));
    }
}
