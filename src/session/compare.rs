//! Compares, and hashes, what the state of a session holds, so that the model knows a state that it has seen.
//!
//! No build of a user's has this: nothing of theirs compares secrets.

use super::rules::Rules;
use crate::{Error, Secret};
use std::hash::{Hash, Hasher};

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl Error {
    /// All of it that anything is decided by: words are for people.
    fn decides(&self) -> impl PartialEq + Hash {
        let question = self.captcha().is_some() || self.session_limit().is_some() || self.device_code().is_some();
        (self.kind(), self.retry_after(), self.is_local(), self.is_outcome_unknown(), question)
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.decides() == other.decides()
    }
}

impl Eq for Error {}

impl Hash for Error {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.decides().hash(state);
    }
}

/// They never change in the life of a session.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Rules {}

impl Hash for Rules {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
