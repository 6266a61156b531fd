//! The vendor's side of a session: what the engine asks of it, and what it is told about it.

use crate::{
    BoxFuture, Error, Secret,
    session::{
        Attempt, Profile, SignOut,
        cooldown::Budget,
        questions::DeviceCode,
        tokens::{Life, Tokens},
    },
};
use http::{HeaderName, HeaderValue};
use std::{future::Future, time::Duration};

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

    /// Whether a sign-in troubles nobody and changes nothing, so that one may be made while the old token is still good.
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

    /// How the token travels. Default: [`Placement::Bearer`].
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }
}

/// What of the capability table is for people.
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
        /// Whether a used one may be spent, so that two must never use the same one. If nobody knows: `true`.
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

/// What a sign-in or renewal yields.
#[derive(Debug, Clone)]
pub struct Issued {
    pub(crate) tokens: Tokens,
    pub(crate) profile: Option<Profile>,
}

impl Issued {
    /// This access token, of unknown life.
    #[must_use]
    pub fn new(access: impl Into<Secret>) -> Self {
        Self { tokens: Tokens { access: access.into(), refresh: None, life: Life::Unknown, date: None }, profile: None }
    }

    /// With this refresh token. A renewal that names none keeps the old one.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Secret>) -> Self {
        self.tokens.refresh = crate::session::tokens::present(Some(refresh.into()));
        self
    }

    /// It lives for so long from now on.
    #[must_use]
    pub fn lives_for(mut self, life: Duration) -> Self {
        self.tokens.life = Life::For(life).sensible();
        self
    }

    /// It does not end by itself.
    #[must_use]
    pub fn never_ends(mut self) -> Self {
        self.tokens.life = Life::Never;
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
    /// Nobody has decided yet.
    Pending,
    /// Nobody has decided yet, and the vendor wants to be asked less often.
    SlowDown,
}

/// The vendor's side of a session: one per credential.
///
/// It says what it is ([`describe`](Self::describe)) and does what it is asked; when to ask is the engine's decision. It
/// calls [`Attempt::spend`] before each request that uses up an attempt or a refresh token, and never retries one by
/// itself. Its errors speak: one made with [`Error::captcha_required`], [`Error::session_limit_reached`] or
/// [`Error::device_code_required`] is a question for a person, one made with [`Error::invalid_credentials`] is remembered,
/// and [`Error::refresh_refused`] from [`renew`](Self::renew) says that the refresh token is definitely dead.
///
/// It sends with an HTTP client of its own, which must not follow redirects: a vendor's 307 would take the password to
/// wherever it says. With reqwest that is `.redirect(reqwest::redirect::Policy::none())`.
///
/// # Cancel safety
/// Its futures run in a task of their own, whoever waits for the session: only a runtime that ends drops one.
pub trait Issuer: Send + Sync + 'static {
    /// How this credential behaves. Asked once.
    fn describe(&self) -> Capabilities;

    /// The credential a session begins with, where it never changes: what tells one lineage from another in a store.
    fn seed(&self) -> Option<&Secret> {
        None
    }

    /// Makes a session.
    ///
    /// # Errors
    /// Whatever keeps the vendor from it, in the words of the constructors named above.
    fn sign_in(&self, attempt: &Attempt) -> impl Future<Output = Result<Issued, Error>> + Send;

    /// Renews the session with the refresh token in `tokens`. Asked only of [`Renewal::RefreshToken`].
    ///
    /// # Errors
    /// [`Error::refresh_refused`] when the vendor itself refused the refresh token; anything else keeps it.
    fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> impl Future<Output = Result<Issued, Error>> + Send {
        let _ = (attempt, tokens);
        async { Err(Error::config("this session is not renewed")) }
    }

    /// Asks once whether a person has let the device in. Asked only after [`Error::device_code_required`].
    ///
    /// # Errors
    /// A temporary one is asked again, ever more slowly; any other ends the sign-in.
    fn poll(&self, attempt: &Attempt, device: &DeviceCode) -> impl Future<Output = Result<Polled, Error>> + Send {
        let _ = (attempt, device);
        async { Err(Error::config("this session does not begin with a device code")) }
    }

    /// Ends the session at the vendor. Default: the vendor offers no way to.
    ///
    /// # Errors
    /// When the vendor could not be told: the session is forgotten here all the same, and whoever signed out hears
    /// [`SignOut::LocalOnly`].
    fn sign_out(&self, tokens: &Tokens) -> impl Future<Output = Result<SignOut, Error>> + Send {
        let _ = tokens;
        async { Ok(SignOut::LocalOnly) }
    }
}

/// [`Issuer`] behind a pointer.
pub(crate) trait DynIssuer: Send + Sync {
    fn describe(&self) -> Capabilities;
    fn seed(&self) -> Option<&Secret>;
    fn sign_in<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Issued, Error>>;
    fn renew<'a>(&'a self, attempt: &'a Attempt, tokens: &'a Tokens) -> BoxFuture<'a, Result<Issued, Error>>;
    fn poll<'a>(&'a self, attempt: &'a Attempt, device: &'a DeviceCode) -> BoxFuture<'a, Result<Polled, Error>>;
    fn sign_out<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<SignOut, Error>>;
}

impl<I: Issuer> DynIssuer for I {
    fn describe(&self) -> Capabilities {
        Issuer::describe(self)
    }

    fn seed(&self) -> Option<&Secret> {
        Issuer::seed(self)
    }

    fn sign_in<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Issued, Error>> {
        Box::pin(Issuer::sign_in(self, attempt))
    }

    fn renew<'a>(&'a self, attempt: &'a Attempt, tokens: &'a Tokens) -> BoxFuture<'a, Result<Issued, Error>> {
        Box::pin(Issuer::renew(self, attempt, tokens))
    }

    fn poll<'a>(&'a self, attempt: &'a Attempt, device: &'a DeviceCode) -> BoxFuture<'a, Result<Polled, Error>> {
        Box::pin(Issuer::poll(self, attempt, device))
    }

    fn sign_out<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<SignOut, Error>> {
        Box::pin(Issuer::sign_out(self, tokens))
    }
}
