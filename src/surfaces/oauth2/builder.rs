//! What a client is made from: the methods of its builder.

use super::{
    addresses::NamedEndpoint,
    client_auth::ClientAuth,
    code::{Asks, Redirect},
    documented::Documented,
    dpop::DpopKey,
    endpoints::Endpoint,
    grants::{BROWSER, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, PASSWORD, REFRESH_TOKEN},
    loopback::Loopback,
    wants::Wants,
};
use crate::{
    CredentialSource, Document, Error, Secret,
    credential::Credential,
    surfaces::builder::{NamedCredential, Options, begun_elsewhere, grants, shared_options},
};
use std::fmt;

impl fmt::Debug for ClientBuilder {
    /// No address: one that was given by mistake may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Builds a [`Client`](super::Client). [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::{FileStore, oauth2};
///
/// let client = oauth2::Client::discover("https://id.acme.example")
///     .also_origin("https://api.acme.example")
///     .client("till-7", "…")
///     .device()
///     .store(FileStore::at("/var/lib/till/sessions"))
///     .profile("till-7")
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    pub(super) options: Options,
    pub(super) issuer: Option<String>,
    pub(super) endpoints: Vec<NamedEndpoint>,
    pub(super) client: Option<(String, ClientAuth)>,
    pub(super) wants: Wants,
    pub(super) grants: Vec<NamedCredential>,
    /// Given beside a refresh token.
    pub(super) access: Option<Secret>,
    pub(super) redirect: Option<Redirect>,
    /// The type of a token that is exchanged.
    pub(super) subject: String,
    pub(super) asks: Asks,
    pub(super) document: Option<Documented>,
    pub(super) security_scheme: Option<String>,
    pub(super) dpop: Option<DpopKey>,
}

impl ClientBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            options: Options::new(url),
            issuer: None,
            endpoints: Vec::new(),
            client: None,
            wants: Wants::default(),
            grants: Vec::new(),
            access: None,
            redirect: None,
            subject: String::new(),
            asks: Asks::default(),
            document: None,
            security_scheme: None,
            dpop: None,
        }
    }

    /// Takes from the vendor's document where tokens come from: from the flow in its `securitySchemes` for the grant that is
    /// chosen. What is named on the builder counts for more. [`build`](Self::build) fails if the document has no such flow, or
    /// several that lead to different places.
    pub fn document<D: Document>(mut self) -> Self {
        self.document = Some(Documented::of::<D>());
        self
    }

    /// Which of the [`document`](Self::document)'s security schemes is meant, where several fit the grant.
    pub fn security_scheme(mut self, name: impl Into<String>) -> Self {
        self.security_scheme = Some(name.into());
        self
    }

    /// Where tokens come from: a whole address, or a path below the platform's root, such as `/oauth/token`. What is named
    /// here counts for more than what is discovered.
    pub fn token_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Token, ".token_endpoint(..)", address.into())
    }

    /// Where a device asks for the codes that let it in (RFC 8628), as [`token_endpoint`](Self::token_endpoint).
    pub fn device_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Device, ".device_endpoint(..)", address.into())
    }

    /// The page at which a person signs in, as [`token_endpoint`](Self::token_endpoint).
    pub fn authorization_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Authorization, ".authorization_endpoint(..)", address.into())
    }

    /// Where authorization requests are pushed (RFC 9126), as [`token_endpoint`](Self::token_endpoint).
    pub fn pushed_authorization_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Pushed, ".pushed_authorization_endpoint(..)", address.into())
    }

    /// Where tokens are ended (RFC 7009), as [`token_endpoint`](Self::token_endpoint). Without one a sign-out is
    /// [`LocalOnly`](crate::SignOut::LocalOnly).
    pub fn revocation_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Revocation, ".revocation_endpoint(..)", address.into())
    }

    /// Where a token is asked about (RFC 7662), as [`token_endpoint`](Self::token_endpoint).
    pub fn introspection_endpoint(self, address: impl Into<String>) -> Self {
        self.endpoint(Endpoint::Introspection, ".introspection_endpoint(..)", address.into())
    }

    fn endpoint(mut self, endpoint: Endpoint, method: &'static str, address: String) -> Self {
        self.endpoints.push((endpoint, method, address));
        self
    }

    /// The issuer in whose metadata the endpoints stand that are not named here (RFC 8414, OpenID Connect Discovery).
    /// They are looked up at the first sign-in, and again when that answer's time is over, a day at most. The
    /// metadata must name this very issuer. An endpoint that is not https, or at another origin than the issuer's, gets
    /// nothing, unless [`also_origin`](Self::also_origin) names that origin.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The client's id and secret, sent in a header (`client_secret_basic`). For other ways, see
    /// [`client_with`](Self::client_with).
    pub fn client(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.client_with(id, ClientAuth::basic(secret))
    }

    /// As [`client`](Self::client), with a secret that is asked for at every request, from a vault for instance.
    pub fn client_from(self, id: impl Into<String>, source: impl CredentialSource) -> Self {
        self.client_with(id, ClientAuth::basic_from(source))
    }

    /// The id of a client that has no secret, because it could not keep one (RFC 6749, 2.1).
    pub fn public_client(self, id: impl Into<String>) -> Self {
        self.client_with(id, ClientAuth::none())
    }

    /// The client's id, and how it says who it is.
    pub fn client_with(mut self, id: impl Into<String>, auth: ClientAuth) -> Self {
        self.client = Some((id.into(), auth));
        self
    }

    /// The scopes to ask for, separated by blanks. Default: the provider's. A refresh token has its scopes in itself.
    pub fn scope(mut self, scopes: impl Into<String>) -> Self {
        self.wants.scope = Some(scopes.into());
        self
    }

    /// For whom the token is, in the words of providers that call it `audience`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.wants.audience = Some(audience.into());
        self
    }

    /// A resource that the token is for: an absolute address (RFC 8707). It may be called several times.
    pub fn resource(mut self, address: impl Into<String>) -> Self {
        self.wants.resources.push(address.into());
        self
    }

    /// Binds the session's tokens to this key (DPoP, RFC 9449): each request proves that it has the key, so a token alone is of
    /// no use to who steals it. A token that the provider did not bind is refused. Nonces of the provider and of the API are
    /// taken as they come; a request that lacked one is sent again, once.
    ///
    /// Calls by [`http`](super::Client::http), typed calls and the session's middlewares carry proofs; a
    /// [`Lease`](crate::Lease) alone has none.
    ///
    /// With a [`store`](Self::store) it takes a key that was made before ([`DpopKey::es256`]): it is kept in no store, and all
    /// processes that share the session need the same one. Another key is another session.
    pub fn dpop(mut self, key: DpopKey) -> Self {
        self.dpop = Some(key);
        self
    }

    /// Signs in as the client itself.
    pub fn client_credentials(self) -> Self {
        self.grant(CLIENT_CREDENTIALS, "client".into(), Credential::Nothing)
    }

    /// Signs in as this user. Legacy: OAuth 2.1 has this grant no longer, because the program sees the password.
    pub fn password(self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.grant(PASSWORD, user.into(), Credential::Given(password.into()))
    }

    /// As [`password`](Self::password), with a password that is asked for at every sign-in.
    pub fn password_from(self, user: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(PASSWORD, user.into(), Credential::from_source(source))
    }

    /// Signs in a person at the provider's own page, in a browser, with PKCE (S256): for web services. The page is a question,
    /// to the [`responder`](Self::responder) or in a resumable error ([`Error::sign_in_page`](crate::Error::sign_in_page)); it leads back to this
    /// address, which is registered at the provider, and the whole address that the browser was sent to is the answer:
    ///
    /// ```no_run
    /// # async fn example(client: keyway::oauth2::Client) -> Result<(), keyway::Error> {
    /// use keyway::Answer;
    ///
    /// let Err(error) = client.session().lease().await else { return Ok(()) };
    /// let (Some(page), Some(resume)) = (error.sign_in_page(), error.resume()) else { return Err(error) };
    /// // Lead the browser to page.url(). Later, in the route of the address it comes back to, in any task:
    /// # let url = String::new();
    /// resume.answer(Answer::Redirect(url.into())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Nothing says whose session it is: with a [`store`](Self::store) it needs a name, by [`profile`](Self::profile).
    pub fn authorization_code(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect = Some(Redirect::To(redirect_uri.into()));
        self.grant(CODE, "person".into(), Credential::Nothing)
    }

    /// As [`authorization_code`](Self::authorization_code), in the browser of this machine: for desktop programs and
    /// terminals. The [`Loopback`] answers the question, unless a [`responder`](Self::responder) is given.
    pub fn browser(mut self, loopback: Loopback) -> Self {
        self.redirect = Some(Redirect::Loopback(loopback));
        self.grant(BROWSER, "person".into(), Credential::Nothing)
    }

    /// The whole request for the sign-in page is told to the provider beforehand (RFC 9126), so that the browser carries
    /// its name alone. So it is, too, where the provider's metadata says that it must be.
    pub fn pushed_requests(mut self) -> Self {
        self.asks.pushed = true;
        self
    }

    /// Something more that the sign-in page is asked, such as `prompt`, `login_hint` or what a provider has of its own.
    pub fn page_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.asks.more.push((name.into(), value.into()));
        self
    }

    /// Exchanges another token, which says for whom, for one of this provider's (RFC 8693). `kind` is its type, such as
    /// `urn:ietf:params:oauth:token-type:access_token`. The next token comes by a refresh token, if the provider gives one, and
    /// else by the same exchange.
    ///
    /// Nothing says whose session it is: with a [`store`](Self::store) it needs a name, by [`profile`](Self::profile).
    pub fn token_exchange(mut self, kind: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.subject = kind.into();
        self.grant(EXCHANGE, "subject".into(), Credential::Given(token.into()))
    }

    /// As [`token_exchange`](Self::token_exchange), with a token that is asked for at every sign-in: from another session,
    /// for instance.
    pub fn token_exchange_from(mut self, kind: impl Into<String>, source: impl CredentialSource) -> Self {
        self.subject = kind.into();
        self.grant(EXCHANGE, "subject".into(), Credential::from_source(source))
    }

    /// Signs in a device that has no browser, or no keyboard: a person lets it in with a code on another device
    /// ([`Responder::device_code`](crate::Responder::device_code)).
    ///
    /// Nothing says whose session it is: with a [`store`](Self::store) it needs a name, by [`profile`](Self::profile).
    pub fn device(self) -> Self {
        self.grant(DEVICE, "device".into(), Credential::Nothing)
    }

    begun_elsewhere!();

    grants!();

    shared_options!();
}
