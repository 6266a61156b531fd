//! Standard sign-ins: any provider that speaks OAuth 2.0, under the same engine.
//!
//! ```no_run
//! # async fn example() -> Result<(), keyway::Error> {
//! use keyway::{Secret, oauth2};
//!
//! let acme = oauth2::Client::builder("https://api.acme.example")
//!     .token_endpoint("https://login.acme.example/oauth/token")
//!     .client("billing", Secret::from("…"))
//!     .client_credentials()
//!     .scope("invoices:read")
//!     .build()?;
//! let invoices = acme.http().get("/v1/invoices").send().await?;
//! # Ok(()) }
//! ```
//!
//! A provider that publishes metadata needs its issuer alone: [`Client::discover`]. A vendor whose OpenAPI document names its
//! token endpoint needs not even that: [`Client::of_document`].
//!
//! | what | standard |
//! |---|---|
//! | [`client_credentials`](ClientBuilder::client_credentials), [`password`](ClientBuilder::password) (legacy), [`refresh_token`](ClientBuilder::refresh_token) | RFC 6749 |
//! | [`authorization_code`](ClientBuilder::authorization_code) with PKCE, for web services; [`browser`](ClientBuilder::browser) for programs on a person's own machine | RFC 6749, 7636, 8252, 9207 |
//! | [`device`](ClientBuilder::device) | RFC 8628 |
//! | [`pushed_requests`](ClientBuilder::pushed_requests) | RFC 9126 |
//! | [`token_exchange`](ClientBuilder::token_exchange) | RFC 8693 |
//! | [`ClientAuth`]: none, basic, post, `private_key_jwt`, `client_secret_jwt`, by certificate | RFC 6749, 7523, 8705 |
//! | [`dpop`](ClientBuilder::dpop): tokens that are bound to a key | RFC 9449 |
//! | a sign-in that an API wants anew, or in another way: a question beside the session, which goes on | RFC 9470 |
//! | metadata | RFC 8414, OpenID Connect Discovery |
//! | [`resource`](ClientBuilder::resource) | RFC 8707 |
//! | revocation at sign-out, [`introspect`](Client::introspect) | RFC 7009, 7662 |
//!
//! What a provider says in an ID token is not believed here, because it is not verified:
//! [`Profile`](crate::Profile) holds the granted `scope` and nothing else.

mod addresses;
mod assembly;
mod assertion;
mod builder;
mod client;
mod client_auth;
mod code;
mod documented;
mod dpop;
mod endpoints;
mod facts;
mod grants;
mod loopback;
mod provider;
mod wants;

pub use assertion::SigningKey;
pub use builder::ClientBuilder;
pub use client::Client;
pub use client_auth::ClientAuth;
pub use dpop::DpopKey;
#[cfg(all(test, every_surface))]
pub(super) use grants::all as capabilities;
pub use loopback::Loopback;
