//! What our own tests look through: everything inside that could show a secret, and every exchange with a fake. It is no
//! part of the API.

use http::HeaderMap;
use std::sync::OnceLock;

/// Is told what happens inside.
pub trait Witness: Send + Sync {
    /// This is secret.
    fn secret(&self, secret: &str);

    /// Others could read this: an error's text, a file's name.
    fn shown(&self, what: &'static str, text: &str);

    /// A fake was asked and has answered. Says what is wrong about it; the fake tells that when it is dropped.
    fn exchange(&self, exchange: &Exchange<'_>) -> Vec<String>;

    /// The fake at this address is dropped: these are the secrets that may be sent to it.
    fn closed(&self, address: &str, secrets: Vec<String>);
}

/// A request to a fake, and its answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The fake's type: `FakeVms`.
    pub fake: &'static str,
    /// Its host and port.
    pub address: &'a str,
    /// As in the log.
    pub operation: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// Path and query as they came.
    pub target: &'a str,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// The body of the request.
    pub body: &'a [u8],
    /// Whether a fault has had its way with the answer.
    pub is_faulty: bool,
    /// The status of the answer.
    pub status: u16,
    /// The media type of the answer, empty without a body.
    pub content_type: &'a str,
    /// The body of the answer.
    pub answer: &'a [u8],
}

static WITNESS: OnceLock<&'static dyn Witness> = OnceLock::new();

/// Tells everything to this witness from now on. The first one stays.
pub fn tell(witness: &'static dyn Witness) {
    let _ = WITNESS.set(witness); // a listener is there already: as good
}

pub(crate) fn witness() -> Option<&'static dyn Witness> {
    WITNESS.get().copied()
}

pub(crate) fn shown(what: &'static str, text: impl FnOnce() -> String) {
    if let Some(witness) = witness() {
        witness.shown(what, &text());
    }
}
