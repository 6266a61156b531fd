//! A vendor, a clock and a store: what a law begins with.

use super::{
    factory::{ClientSetup, SessionFactory},
    store::LawStore,
};
use crate::{
    Http, Session,
    testing::{Fake, Fault, ManualClock},
};
use std::{sync::Arc, time::Duration};

/// A vendor, a clock and a store.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "it is for our own tests, and holds what must not be printed")]
pub struct Fixture<S> {
    pub surface: Arc<S>,
    pub clock: ManualClock,
    pub(super) store: LawStore,
}

impl<S: SessionFactory> Fixture<S> {
    pub async fn new() -> Self {
        Self::with_life(S::LIFE).await
    }

    pub async fn with_life(life: Option<Duration>) -> Self {
        let clock = ManualClock::new();
        let surface = Arc::new(S::start(&clock, life).await);
        surface.fake().serve(S::PATH);
        Self { surface, clock, store: LawStore::in_memory() }
    }

    pub fn client(&self) -> (Http, Session) {
        self.client_on(&self.store)
    }

    pub(super) fn client_on(&self, store: &LawStore) -> (Http, Session) {
        self.surface.client(&self.setup(store))
    }

    pub(super) fn setup(&self, store: &LawStore) -> ClientSetup {
        ClientSetup::of(self.fake().uri(), &self.clock, store)
    }

    pub fn fake(&self) -> &Fake {
        self.surface.fake()
    }

    /// How often tokens were asked for.
    pub fn asked(&self) -> usize {
        self.surface.asked()
    }

    /// Lets all that obtains tokens go wrong.
    pub fn all(&self, fault: &Fault) {
        S::OBTAIN.iter().for_each(|operation| self.fake().always(operation, fault.clone()));
    }

    pub fn heal(&self) {
        S::OBTAIN.iter().for_each(|operation| self.fake().heal(operation));
    }

    /// The operation that a client without a session signs in by.
    pub fn sign_in(&self) -> &'static str {
        S::OBTAIN[0]
    }
}
