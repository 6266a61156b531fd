//! The vendor's side of a session: what the engine asks of it.

use super::{
    attempt::Attempt,
    capabilities::Capabilities,
    issued::{Issued, Polled},
    profile::SignOut,
    tokens::Tokens,
};
use crate::{BoxFuture, error::Error, question::DeviceCode, secret::Secret};
use std::future::Future;

/// The vendor's side of a session: one per credential.
///
/// It says what it is ([`describe`](Self::describe)) and does what it is asked; when to ask is the engine's decision. It
/// never retries a request by itself. Its errors speak: one made with [`Error::captcha_required`], [`Error::session_limit_reached`] or
/// [`Error::device_code_required`] is a question for a person, one made with [`Error::invalid_credentials`] is remembered,
/// and [`Error::refresh_refused`] from [`renew`](Self::renew) says that the refresh token is definitely dead.
///
/// It sends by [`Attempt::send`](crate::custom::Attempt::send). One that sends with an HTTP client of its own calls
/// [`Attempt::acquire`] before each request that uses up an attempt or a refresh token, and must not follow redirects: a
/// vendor's 307 would take the password to wherever it says.
///
/// # Cancel safety
/// Its futures run in a task of their own, and go on when a caller stops waiting: only a runtime that ends drops one.
///
/// ```
/// use keyway::{
///     Error, Secret,
///     custom::{Attempt, Capabilities, Client, Issued, Issuer, Request, TokensAt},
/// };
/// use serde_json::json;
///
/// struct Acme {
///     password: Secret,
/// }
///
/// impl Issuer for Acme {
///     fn describe(&self) -> Capabilities {
///         Capabilities::new("acme", ".password(..)")
///     }
///
///     async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
///         attempt.present(&self.password)?;
///         let login = Request::post("/login").named("login").json(&json!({ "password": self.password.expose() }));
///         attempt.send(login).await?.tokens(&TokensAt::new("/access_token"))
///     }
/// }
///
/// let client = Client::builder("https://acme.example").issuer(Acme { password: "…".into() }).build()?;
/// # Ok::<(), Error>(())
/// ```
#[doc(alias("TokenProvider", "authenticator"))]
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

    /// Renews the session with the refresh token in `tokens`. Asked only of
    /// [`Renewal::RefreshToken`](super::capabilities::Renewal::RefreshToken).
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
    /// When the vendor could not be told: the session is forgotten here all the same, and the caller of `sign_out()` gets
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
