//! Room 1: what is peculiar to each vendor. No locks, no clocks, no tasks in here.
//!
//! A surface says how it is called ([`Capabilities`]), how it signs in, renews and signs out ([`Issuer`]), and what its
//! builder asks for. Everything else is the engine's.

mod builder;
#[cfg(feature = "vitamojo")]
pub mod vitamojo;
#[cfg(feature = "vms")]
pub mod vms;

use crate::{
    BoxFuture, Error, Secret,
    session::{Attempt, Profile, SignOut, cooldown::Budget, tokens::Tokens},
};
use http::HeaderName;
use std::time::Duration;

/// How one credential of one vendor behaves, as data: the engine runs on it and the README shows it.
#[derive(Debug, Clone)]
pub(crate) struct Capabilities {
    /// The surface's module.
    pub(crate) surface: &'static str,
    /// The credential, as its builder method is called.
    pub(crate) credential: &'static str,
    /// The builder method that sets the credential, for error messages.
    pub(crate) unattended: bool,
    pub(crate) renewal: Renewal,
    /// How long a token lives when the vendor does not say.
    pub(crate) default_life: Option<Duration>,
    pub(crate) budget: Option<Budget>,
    pub(crate) placement: Placement,
}

/// Whether tokens are renewed, and what that does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// There is no renewal: a new token means a new sign-in.
    None,
    /// With a refresh token. `rotates`: a used one may be spent, so two must never use the same one.
    RefreshToken { rotates: bool },
}

impl Renewal {
    pub(crate) fn rotates(self) -> bool {
        matches!(self, Self::RefreshToken { rotates: true })
    }
}

/// How a token travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of the vendor's own, holding the bare token.
    #[allow(dead_code, reason = "VTEX")]
    Header(HeaderName),
}

/// What a sign-in or renewal yields.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) tokens: Tokens,
    pub(crate) profile: Option<Profile>,
}

/// The vendor's side of a session. Errors speak: one with a captcha or a session limit is a question, and
/// `ErrorKind::SignInRequired` from [`renew`](Issuer::renew) says that the refresh token is definitely refused.
pub(crate) trait Issuer: Send + Sync + 'static {
    fn describe(&self) -> &Capabilities;

    /// The credential a session begins with, where it never changes: what tells one lineage from another.
    fn seed(&self) -> Option<&Secret>;

    fn sign_in<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Issued, Error>>;

    /// `refresh` is the session's refresh token.
    fn renew<'a>(&'a self, attempt: &'a Attempt, refresh: &'a Secret) -> BoxFuture<'a, Result<Issued, Error>>;

    fn sign_out<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<SignOut, Error>>;
}
