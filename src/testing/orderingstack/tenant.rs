//! What a tenant of the fake OrderingStack holds: users, modules, properties.

use super::{answers::TenantCaller, modules::TenantModules, properties::TenantProperties, users::TenantUsers};
use crate::testing::exchange::{FakeCall, Outcome};
use std::time::Duration;

#[derive(Clone)]
pub(super) struct Tenant {
    pub(super) users: TenantUsers,
    pub(super) modules: TenantModules,
    properties: TenantProperties,
}

impl Tenant {
    /// `grace` is how long an account waits to be deleted. None: it is deleted at once.
    pub(super) fn new(grace: Option<Duration>) -> Self {
        let (modules, properties) = (TenantModules::default(), TenantProperties::default());
        Self { users: TenantUsers::new(grace), modules, properties }
    }

    pub(super) fn answer(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        if let Some(outcome) = self.users.answer(ask, caller) {
            return outcome;
        }
        match ask.operation().contains("module") {
            true => self.modules.answer(ask, caller),
            false => self.properties.answer(ask),
        }
    }
}
