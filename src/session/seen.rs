//! What the store was seen to hold.

use super::{
    plan::Stored,
    token::{Mark, Token},
};
use crate::{
    clock::Now,
    store::{Generation, Record, StoreError},
};
use std::sync::Arc;

/// What the store was seen to hold.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct StoreSeen {
    pub(super) record: Option<Record>,
    pub(super) token: Option<Arc<Token>>,
    /// It began with another credential than ours.
    pub(super) foreign: bool,
    /// Seen under the lock, or without one because the store cannot lock: a look before the lock decides about nothing.
    pub(super) firm: bool,
    /// The store has answered.
    pub(super) read: bool,
    /// Why the store cannot be relied on: it has not answered, or it cannot lock.
    pub(super) trouble: Option<StoreError>,
}

impl StoreSeen {
    pub(super) fn nothing(trouble: Option<StoreError>) -> Self {
        Self { record: None, token: None, foreign: false, firm: true, read: trouble.is_none(), trouble }
    }

    /// A credential that is itself a refresh token begins one session: what the store has had from it, if only a tombstone,
    /// says that it is used up.
    pub(super) fn says_seed_is_used(&self) -> bool {
        !self.foreign && self.record.as_ref().is_some_and(|record| record.seed.is_some())
    }

    /// As the plan sees it.
    pub(crate) fn stored(&self, now: Now, used: Option<Mark>, salt: u64) -> Option<Stored> {
        let record = self.record.as_ref()?;
        let generation = record.generation();
        Some(match &self.token {
            Some(_) if self.foreign => Stored::Foreign(generation),
            Some(token) => Stored::Session(token.known(token.freshness(now), used, salt)),
            None if record.is_tombstone() => Stored::Tombstone(generation),
            None => Stored::Nothing(generation),
        })
    }

    pub(crate) fn generation(&self) -> Option<Generation> {
        self.record.as_ref().map(Record::generation)
    }
}
