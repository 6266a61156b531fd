//! What a builder collects: its options, and the one credential that is meant.

use crate::{
    Error,
    clock::{Clock, SystemClock},
    credential::Credential,
    http::{Core, judge::Judge},
    retry::{Retry, Timeouts},
    session::{eviction::EvictionPolicy, responder::DynResponder, windows::Windows},
    store::DynStore,
};
use std::{fmt, sync::Arc};

type Configure = Arc<dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync>;

/// What every builder asks for.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) store: Option<Arc<dyn DynStore>>,
    pub(crate) responder: Option<Arc<dyn DynResponder>>,
    pub(crate) configure: Option<Configure>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) windows: Windows,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) also: Vec<String>,
    pub(crate) allow_http: bool,
    pub(crate) profile: Option<String>,
    pub(crate) evict: EvictionPolicy,
    /// Other paths for operations.
    pub(crate) paths: Vec<(String, String)>,
    /// What the user says about failures.
    pub(crate) judge: Judge,
    /// Whose HTTP clients are used.
    pub(crate) http_of: Option<Core>,
}

impl Options {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            store: None,
            responder: None,
            configure: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            windows: Windows::default(),
            clock: Arc::new(SystemClock),
            also: Vec::new(),
            allow_http: false,
            profile: None,
            evict: EvictionPolicy::Never,
            paths: Vec::new(),
            judge: Judge::default(),
            http_of: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: before it is checked it may hold a password.
        f.debug_struct("Options").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

/// A credential and who it stands for.
#[derive(Debug, Clone)]
pub(crate) struct NamedCredential {
    /// The builder method that set it.
    pub(crate) method: &'static str,
    pub(crate) principal: String,
    pub(crate) credential: Credential,
}

const FROM_NOWHERE: &str = "check where it comes from, such as a variable that is not set";

/// Exactly one credential, or what to do about it.
pub(crate) fn only(mut grants: Vec<NamedCredential>, offered: &str) -> Result<NamedCredential, Error> {
    match (grants.pop(), grants.pop()) {
        (None, _) => {
            Err(Error::config("the client has no credential").advice(format!("call {offered} on the builder")))
        }
        (Some(grant), None) if grant.principal.is_empty() => {
            Err(Error::config(format!("{} was given an empty name", grant.method)).advice(FROM_NOWHERE))
        }
        (Some(grant), None) if grant.credential.given().is_some_and(|secret| secret.expose().is_empty()) => {
            Err(Error::config(format!("{} was given an empty secret", grant.method)).advice(FROM_NOWHERE))
        }
        (Some(grant), None) => Ok(grant),
        (Some(second), Some(first)) if first.method == second.method => {
            Err(Error::config(format!("{} was called twice", first.method))
                .advice("one client is one session: make a client for each"))
        }
        (Some(second), Some(first)) => {
            Err(Error::config(format!("the client has two credentials, {} and {}", first.method, second.method))
                .advice("one client is one session: make a client for each"))
        }
    }
}
