//! How one credential of one vendor behaves, as data.

use super::budget::Budget;
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// How one credential of one vendor behaves, as data: the engine runs on it.
///
/// ```
/// use keyway::custom::{Capabilities, Renewal};
/// use std::time::Duration;
///
/// let capabilities = Capabilities::new("acme", ".password(..)")
///     .renewal(Renewal::RefreshToken { rotates: true })
///     .default_life(Duration::from_secs(600))
///     .budget(5, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// The surface's module.
    pub(crate) surface: &'static str,
    /// The credential, as its builder method is called.
    pub(crate) credential: &'static str,
    /// Whether it signs in without a person, where the vendor asks for nothing more.
    pub(crate) unattended: bool,
    /// Whether signing in again leads back to the same account.
    pub(crate) same_account: bool,
    /// Whether the credential is itself a refresh token: it begins one session and is spent by that.
    pub(crate) spent_by_sign_in: bool,
    pub(crate) renewal: Renewal,
    /// Whether the principal says whose session it is. If not, a session stays in its client and in no store.
    pub(crate) named: bool,
    /// How long a token lives when the vendor does not say.
    pub(crate) default_life: Option<Duration>,
    pub(crate) budget: Option<Budget>,
    pub(crate) placement: Placement,
    pub(crate) prose: Prose,
}

impl Capabilities {
    /// Of a surface called `surface` and a credential called `credential`, in error texts and logs. It signs in without a
    /// person, is not renewed, has no budget of attempts, and travels as `Authorization: Bearer`.
    #[must_use]
    pub fn new(surface: &'static str, credential: &'static str) -> Self {
        Self {
            surface,
            credential,
            unattended: true,
            same_account: true,
            spent_by_sign_in: false,
            renewal: Renewal::None,
            named: true,
            default_life: None,
            budget: None,
            placement: Placement::Bearer,
            prose: Prose::default(),
        }
    }

    /// A person has to take part in every sign-in, so none is begun while the old token is still good.
    #[must_use]
    pub fn attended(self) -> Self {
        Self { unattended: false, ..self }
    }

    /// The credential is itself a refresh token, so that it begins one session and is spent by that: it is never presented
    /// again, and after the session has ended callers get `ErrorKind::SignInRequired`.
    #[must_use]
    pub fn spent_by_sign_in(self) -> Self {
        Self { spent_by_sign_in: true, unattended: false, ..self }
    }

    /// Whether a sign-in needs no person and changes nothing, so that one may be made while the old token is still good.
    pub(crate) fn signs_in_quietly(&self) -> bool {
        self.unattended && self.same_account
    }

    /// How a session gets its next token. Default: [`Renewal::None`].
    #[must_use]
    pub fn renewal(self, renewal: Renewal) -> Self {
        Self { renewal, ..self }
    }

    /// How long a token lives where the vendor does not say. Default: it is used until it is refused.
    #[must_use]
    pub fn default_life(self, life: Duration) -> Self {
        Self { default_life: Some(life), ..self }
    }

    /// How many attempts the vendor allows in which time. Default: unknown; refused credentials are never tried again.
    #[must_use]
    pub fn budget(self, attempts: usize, within: Duration) -> Self {
        Self { budget: Some(Budget { attempts, within }), ..self }
    }

    /// Says which method was given what cannot be meant.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        match (&self.budget, self.default_life) {
            (Some(budget), _) if budget.attempts == 0 || budget.within.is_zero() => {
                Some("Capabilities::budget(..) cannot work: with no attempt, or none in any time, nobody ever signs in")
            }
            (_, Some(life)) if life.is_zero() => {
                Some("Capabilities::default_life(..) cannot work: a token that ends at once is never of use")
            }
            _ => None,
        }
    }

    /// How the token travels. Default: [`Placement::Bearer`].
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }
}

/// What of `docs/capabilities.md` is for people.
#[derive(Debug, Clone, Copy, Default)]
#[allow(dead_code, reason = "read by the test that renders the README's table")]
pub(crate) struct Prose {
    pub(crate) expiry: &'static str,
    pub(crate) revocable: &'static str,
    pub(crate) unauthorized: &'static str,
    pub(crate) failed_sign_in: &'static str,
    pub(crate) budget: &'static str,
}

/// How a session gets its next token, and what that does to a refresh token.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// A new token means a new session, which is made only when the old one is refused.
    None,
    /// The credential never changes: there is nothing to renew, and a refusal is final.
    Static,
    /// By signing in again, which costs nothing but a request.
    SignIn,
    /// With a refresh token.
    RefreshToken {
        /// Whether a used one may be spent, so that two must never use the same one. If that is not known: `true`.
        rotates: bool,
    },
}

impl Renewal {
    pub(crate) fn rotates(self) -> bool {
        matches!(self, Self::RefreshToken { rotates: true })
    }

    pub(crate) fn has_refresh_token(self) -> bool {
        matches!(self, Self::RefreshToken { .. })
    }
}

/// How a token travels.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization`, with another scheme than `Bearer`: `Token …`, for instance.
    Scheme(&'static str),
    /// A header of the vendor's own, holding the bare token.
    Header(HeaderName),
    /// A header that names a key beside the one that holds its secret.
    Pair {
        /// The header that names the key.
        name: HeaderName,
        /// The key's name.
        value: HeaderValue,
        /// The header that holds the secret.
        secret: HeaderName,
    },
}
