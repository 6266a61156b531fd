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

/// What the store has not taken.
#[derive(Clone)]
pub(super) struct Unsaved {
    pub(super) record: Record,
    /// What stood there when it was to be saved. Two lineages cannot be ordered, but this one it was made to replace.
    pub(super) over: Option<Generation>,
}

impl Unsaved {
    fn generation(&self) -> Generation {
        self.record.generation()
    }

    /// Whether it is newer than what is stored now: that is what it was to replace, or an older token of its lineage.
    fn succeeds(&self, stored: Option<Generation>) -> bool {
        let (ours, over) = (self.generation(), self.over);
        stored.is_none_or(|stored| {
            over == Some(stored) || (stored.lineage == ours.lineage && stored.counter < ours.counter)
        })
    }
}

impl Engine {
    /// Offers an unsaved record to the store from time to time, for as long as it is the newest and somebody holds the session.
    pub(super) fn save_later(self: &Arc<Self>, unsaved: Unsaved) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (engine, clock) = (Arc::downgrade(self), self.clock.clone());
        runtime.spawn(async move {
            let mut wait = FIRST;
            for _ in 0..OFFERS {
                clock.sleep(wait).await;
                wait = (wait * 2).min(LONGEST);
                if offer(&engine, &unsaved).await {
                    return;
                }
            }
        });
    }

    async fn try_to_save(&self, unsaved: &Unsaved) -> Result<bool, StoreError> {
        let stored = self.load(&self.key).await?.map(|stored| stored.generation());
        if !unsaved.succeeds(stored) {
            return Ok(false);
        }
        self.swap(&self.key, stored, unsaved.record.clone()).await
    }
}

/// `true` when there is nothing left to do.
async fn offer(engine: &Weak<Engine>, unsaved: &Unsaved) -> bool {
    let Some(engine) = engine.upgrade() else { return true };
    let newest = engine.state().unsaved.as_ref().map(Unsaved::generation);
    if newest != Some(unsaved.generation()) {
        return true;
    }
    match engine.try_to_save(unsaved).await {
        Ok(saved) => {
            let mut state = engine.state();
            if state.unsaved.as_ref().map(Unsaved::generation) == Some(unsaved.generation()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_it_was_to_replace_and_older_tokens_of_its_lineage_give_way() {
        let (first, other) = (Generation::first(1), Generation::first(2));
        let unsaved = |generation, over| {
            let record = Record { key: None, generation, session: None, seed: None, attempts: Vec::new() };
            Unsaved { record, over }
        };
        assert!(unsaved(first, None).succeeds(None));
        assert!(unsaved(first.next(), Some(first)).succeeds(Some(first)));
        assert!(unsaved(first.next().next(), None).succeeds(Some(first)));
        assert!(!unsaved(first, None).succeeds(Some(first)));
        assert!(!unsaved(first, None).succeeds(Some(first.next())));
        assert!(unsaved(first, Some(other)).succeeds(Some(other)));
        assert!(!unsaved(first, Some(other)).succeeds(Some(other.next())));
        assert!(!unsaved(first.next(), None).succeeds(Some(other)));
    }
}
