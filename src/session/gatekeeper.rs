//! The engine as issuers see it: who asks before something is sent that counts.

use super::{attempt::Gatekeeper, driver::Engine};
use crate::{
    BoxFuture, clock::Clock, credential::Credential, error::Error, retry::Timeouts, secret::Secret, store::Key,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

impl Gatekeeper for Arc<Engine> {
    fn key(&self) -> &Key {
        &self.rules.key
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn timeouts(&self) -> &Timeouts {
        &self.rules.timeouts
    }

    fn extend(&self, id: u64, wait: Duration) {
        self.change(|state, at| state.core.extend(id, wait, at.now));
    }

    fn present(&self, secret: &Secret) -> Result<(), Error> {
        Engine::present(self, secret)
    }

    fn acquire(&self, id: u64) -> BoxFuture<'_, Result<Option<SystemTime>, Error>> {
        Box::pin(Engine::acquire(self, id))
    }

    fn release(&self, made: SystemTime) {
        self.change(|state, _| state.core.release(made));
    }

    fn ask<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(self.calling_back("the credential source", credential.get()))
    }
}
