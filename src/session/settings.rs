//! What a session is made from.

use super::{
    driver::Engine, eviction::EvictionPolicy, issuer::DynIssuer, outside::Outside, responder::DynResponder,
    rules::Rules, windows::Windows,
};
use crate::{
    chance::Chance,
    clock::Clock,
    retry::Timeouts,
    store::{DynStore, Key},
};
use http::HeaderMap;
use std::sync::Arc;

pub(crate) struct Settings {
    pub(crate) key: Key,
    pub(crate) ledger: Key,
    pub(crate) issuer: Arc<dyn DynIssuer>,
    pub(crate) store: Arc<dyn DynStore>,
    /// Other processes may have the same store.
    pub(crate) shared: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) responder: Option<Arc<dyn DynResponder>>,
    pub(crate) evict: EvictionPolicy,
    pub(crate) windows: Windows,
    pub(crate) timeouts: Timeouts,
    pub(crate) constant: HeaderMap,
    pub(crate) chance: Chance,
}

impl Settings {
    pub(super) fn engine(self) -> Engine {
        let Settings {
            key,
            ledger,
            issuer,
            store,
            shared,
            clock,
            responder,
            evict,
            windows,
            timeouts,
            constant,
            chance,
        } = self;
        let rules = Rules {
            key,
            ledger,
            capabilities: issuer.describe(),
            windows,
            timeouts,
            salt: chance.next(),
            given: issuer.seed().is_some(),
            shared,
            evicts: !evict.is_never(),
            attended: responder.is_some(),
            #[cfg(test)]
            broken: None,
        };
        let outside = Outside { rules: Arc::new(rules), store, issuer, responder, evict, chance };
        Engine::new(outside, clock, constant)
    }
}
