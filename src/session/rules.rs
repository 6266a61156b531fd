//! What never changes in the life of a session: how its vendor behaves and what its user has set.

use super::{
    capabilities::{Capabilities, Renewal},
    decide::Deadlines,
    tokens::{Lifetime, Tokens},
    windows::Windows,
};
use crate::{clock::Now, retry::Timeouts, store::Key};
use std::time::Duration;

/// Everything the core is told once.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) key: Key,
    pub(crate) ledger: Key,
    pub(crate) capabilities: Capabilities,
    pub(crate) windows: Windows,
    pub(crate) timeouts: Timeouts,
    /// Salts what is remembered of secrets.
    pub(crate) salt: u64,
    /// The credential never changes.
    pub(crate) given: bool,
    /// Other processes may have the same store.
    pub(crate) shared: bool,
    /// A policy may end sessions of the account.
    pub(crate) evicts: bool,
    /// A person can be asked.
    pub(crate) attended: bool,
    /// What the model leaves out, to show that it is missed.
    #[cfg(test)]
    pub(crate) broken: Option<BrokenRule>,
}

/// What each invariant of the model stands on.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenRule {
    /// Two processes are at work at once.
    Lock,
    /// What can be spent once is spent without the lock.
    Trouble,
    /// The lock is left while something is out that was signed out meanwhile.
    LockWhileAsking,
    /// The lock is left while what replaces a spent token is not saved.
    LockWhileUnsaved,
    /// The lock is not left.
    Leaving,
    /// A sign-out leaves the token where it is.
    LettingGo,
    /// A token that has ended is served.
    StoredExpiry,
    /// What was signed out is forgotten.
    Tombstones,
    /// A save that was given up is not reckoned with.
    Uncertain,
    /// A session that comes too late is not given back.
    GivingBack,
    /// A caller of `sign_out()` is not told that it is done.
    Telling,
    /// That it has looked is not remembered.
    Looked,
    /// Attempts are not counted.
    Counting,
    /// That a credential is used up is not seen in the store.
    Seed,
    /// A poll is due while one is out.
    Polls,
}

#[cfg(test)]
impl Rules {
    pub(crate) fn lacks(&self, what: BrokenRule) -> bool {
        self.broken == Some(what)
    }
}

impl Rules {
    pub(crate) fn deadlines(&self, tokens: &Tokens, received: Now, share: f64, took: Duration) -> Deadlines {
        match self.renews_quietly(tokens) {
            true => Deadlines::new(tokens.life, received, &self.windows, share, took),
            false => Deadlines::without_windows(tokens.life, received),
        }
    }

    /// Whether the next token can be had while this one is still good, at no cost but a request. Where it takes another
    /// session or a person, that is left for when it has ended.
    pub(crate) fn renews_quietly(&self, tokens: &Tokens) -> bool {
        match self.capabilities.renewal {
            Renewal::None | Renewal::Static => false,
            Renewal::SignIn => self.capabilities.signs_in_quietly(),
            Renewal::RefreshToken { .. } => tokens.refresh.is_some() || self.capabilities.signs_in_quietly(),
        }
    }

    /// The credential is a key that is used as it is.
    pub(crate) fn is_static(&self) -> bool {
        self.capabilities.renewal == Renewal::Static
    }

    pub(crate) fn rotates(&self) -> bool {
        self.capabilities.renewal.rotates()
    }

    /// Whether a renewal could make a token that lives longer than this one.
    pub(crate) fn may_lengthen(&self, tokens: &Tokens) -> bool {
        matches!(tokens.life, Lifetime::For(_)) && self.renews_quietly(tokens)
    }
}
