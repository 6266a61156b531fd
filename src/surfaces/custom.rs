//! A vendor of your own: write an [`Issuer`], and the engine does the rest.
//!
//! ```
//! use keyway::{Error, Secret, custom::{self, Attempt, Capabilities, Expires, Issued, Issuer, Request, TokensAt}};
//! use serde_json::json;
//!
//! struct Acme {
//!     password: Secret,
//! }
//!
//! const TOKENS: TokensAt = TokensAt::new("/access").expires(&[Expires::Seconds("/expires_in")]);
//!
//! impl Issuer for Acme {
//!     fn describe(&self) -> Capabilities {
//!         Capabilities::new("acme", ".password(..)")
//!     }
//!
//!     async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
//!         attempt.present(&self.password)?;
//!         let body = json!({ "password": self.password.expose() });
//!         attempt.send(Request::post("/login").json(&body).carrying(&self.password)).await?.tokens(&TOKENS)
//!     }
//! }
//!
//! # fn client(acme: Acme) -> Result<custom::Client, Error> {
//! let client = custom::Client::builder("https://acme.example").issuer(acme).principal("till-7").build()?;
//! # Ok(client) }
//! ```
//!
//! `keyway::testing::session_laws!` (feature `testing`) runs the laws that the bundled surfaces keep to as tests of yours.

mod expires;
mod sending;

use super::{
    DynIssuer,
    builder::{NamedCredential, Options, doors, shared_options},
};
use crate::{
    Error,
    credential::Credential,
    http::{Core, Surface, facts::Role},
};
use sending::Equipped;
use std::{fmt, sync::Arc};

pub use crate::http::judge::Failure;
pub use expires::{Expires, TokensAt};
pub use sending::{Request, Response, Sender};

pub use crate::session::{
    attempt::{Attempt, SendPermit},
    capabilities::{Capabilities, Placement, Renewal},
    dialogue::SolvedCaptcha,
    issued::{Issued, Polled},
    issuer::Issuer,
    tokens::Tokens,
};

static SURFACE: Surface =
    Surface { name: "custom", facts: &[], classify: |_| None, serves: |_| ".issuer(..)", content_type: None };

/// A client of a vendor of your own. Cheap to clone; clones share one session. There are no typed calls: nothing here
/// knows the vendor's document.
///
/// ```
/// # async fn example(issuer: impl keyway::custom::Issuer) -> Result<(), keyway::Error> {
/// use keyway::custom::Client;
///
/// let client = Client::builder("https://acme.example").issuer(issuer).build()?;
/// let orders = client.http().get("/orders").send_ok().await?.text().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    core: Core,
}

impl Client {
    /// Begins a client for the platform at this address, such as `https://acme.example`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder { options: Options::new(url), issuer: None, principal: None }
    }
}

type MakeIssuer = dyn Fn(Sender) -> Arc<dyn DynIssuer> + Send + Sync;

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```
/// # fn build(issuer: impl keyway::custom::Issuer) -> Result<(), keyway::Error> {
/// use keyway::{FileStore, Timeouts, custom::Client};
/// use std::time::Duration;
///
/// let client = Client::builder("https://acme.example")
///     .issuer(issuer)
///     .principal("till-7")
///     .store(FileStore::at("/var/lib/till/sessions"))
///     .timeouts(Timeouts::default().with_request(Duration::from_secs(10)));
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    issuer: Option<Arc<MakeIssuer>>,
    principal: Option<String>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Who signs in, renews and signs out.
    pub fn issuer(mut self, issuer: impl Issuer) -> Self {
        let issuer: Arc<dyn DynIssuer> = Arc::new(issuer);
        self.issuer = Some(Arc::new(move |_| issuer.clone()));
        self
    }

    /// As [`issuer`](Self::issuer), with one that keeps what it sends sign-outs with. Called once per [`build`](Self::build).
    pub fn issuer_with<I: Issuer>(mut self, make: impl Fn(Sender) -> I + Send + Sync + 'static) -> Self {
        self.issuer = Some(Arc::new(move |sender| Arc::new(make(sender))));
        self
    }

    /// Whose session it is: a login, a tenant and a login, a device. With a [`store`](Self::store) it must be said, because a
    /// shared one could hand the session to another user.
    pub fn principal(mut self, name: impl Into<String>) -> Self {
        self.principal = Some(name.into());
        self
    }

    /// Which session ends when the account has as many as it may have. Default: [`EvictionPolicy::Never`](crate::EvictionPolicy::Never).
    pub fn session_limit(mut self, evict: crate::EvictionPolicy) -> Self {
        self.options.evict = evict;
        self
    }

    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let Some(make) = self.issuer else {
            return Err(Error::config("the client has no issuer").advice("call .issuer(..) on the builder"));
        };
        if self.principal.as_deref() == Some("") {
            return Err(Error::config(".principal(..) was given an empty name"));
        }
        let options = self.options.clone();
        let sender = Sender::new(move || options.clone().check(&SURFACE)?.auth_client(&SURFACE));
        let issuer = Arc::new(Equipped::new(make(sender.clone()), sender));
        let capabilities = issuer.describe();
        if let Some(mistake) = capabilities.mistake() {
            return Err(Error::config(mistake).advice("leave it out where nothing is known"));
        }
        let Capabilities { surface, credential, .. } = capabilities;
        if self.principal.is_none() && self.options.store.is_some() {
            let error = Error::config(
                "nothing says whose session it is, and two people who share a .store(..) would share one",
            );
            return Err(error.advice("name whose it is with .principal(..), or leave .store(..) out"));
        }
        let principal = self.principal.unwrap_or_default();
        let grant = NamedCredential { method: credential, principal, credential: Credential::Nothing };
        let checked = self.options.check(&SURFACE)?.with_surface(surface);
        let core = checked.assemble(&SURFACE, Role::User, issuer, &grant)?;
        Ok(Client { core })
    }
}

doors!(Client);
