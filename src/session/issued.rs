//! What a vendor gives: the tokens of a sign-in or renewal.

use super::{
    profile::Profile,
    tokens::{Lifetime, Tokens, jwt_expiry, present},
};
use crate::{clock::Now, secret::Secret};
use std::time::Duration;

/// What a sign-in or renewal yields.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct Issued {
    pub(crate) tokens: Tokens,
    pub(crate) profile: Option<Profile>,
}

impl Issued {
    /// This access token, of unknown life.
    #[must_use]
    pub fn new(access: impl Into<Secret>) -> Self {
        Self {
            tokens: Tokens { access: access.into(), refresh: None, life: Lifetime::Unknown, date: None },
            profile: None,
        }
    }

    /// A session of which both tokens were given: nothing is sent for it.
    #[allow(dead_code, reason = "not every surface takes one")]
    pub(crate) fn given(access: &Secret, refresh: &Secret, default: Option<Duration>, now: Now) -> Self {
        let life = Lifetime::ingest(jwt_expiry(access), default, now, None);
        let tokens = Tokens { access: access.clone(), refresh: Some(refresh.clone()), life, date: None };
        Self { tokens, profile: None }
    }

    /// With this refresh token. A renewal that names none keeps the old one.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Secret>) -> Self {
        self.tokens.refresh = present(Some(refresh.into()));
        self
    }

    /// It lives for so long from now on.
    #[must_use]
    pub fn lives_for(mut self, life: Duration) -> Self {
        self.tokens.life = Lifetime::For(life).sensible();
        self
    }

    /// It does not end by itself.
    #[must_use]
    pub fn never_ends(mut self) -> Self {
        self.tokens.life = Lifetime::Never;
        self
    }

    /// What the vendor said about the user, for [`Session::profile`](crate::Session::profile). It must hold no secret.
    #[must_use]
    pub fn with_profile(mut self, facts: serde_json::Value) -> Self {
        self.profile = Some(Profile::new(facts));
        self
    }
}

/// What asking for the token of a device code is answered with.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Polled {
    /// The person let the device in.
    Issued(Issued),
    /// The person has not decided yet.
    Pending,
    /// The person has not decided yet, and the vendor wants to be asked less often.
    SlowDown,
}
