//! The client of a provider: what it is made from, and its doors.

use super::{
    addresses::{self, Named, is_resource, redirect_address},
    client_auth::{ClientAuth, OAuthClient},
    code::{Asks, Redirect},
    documented::{Documented, Led},
    dpop::{DpopKey, Proofs},
    endpoints::Endpoint,
    facts::{PROVIDER, SURFACE},
    grants::{BROWSER, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, Grant, PASSWORD, REFRESH_TOKEN},
    loopback::Loopback,
    provider::Provider,
    wants::Wants,
};
use crate::{
    CredentialSource, Document, Error, Lease, Secret, SignInPage,
    credential::Credential,
    http::{Core, facts::Role},
    surfaces::builder::{Grant as Credentialed, Options, begun_elsewhere, doors, only, shared_options},
};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// A client of any provider that speaks OAuth 2.0. Cheap to clone; clones share one session.
///
/// Typed calls come from the provider's own document: [`include_document!`](crate::include_document).
#[derive(Clone)]
pub struct Client {
    core: Core,
    provider: Arc<Provider>,
}

impl Client {
    /// Begins a client for the platform at this address, such as `https://api.acme.example`: calls go there, and tokens
    /// come from [`token_endpoint`](ClientBuilder::token_endpoint) or from an [`issuer`](ClientBuilder::issuer).
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    /// Begins a client of the provider with this issuer, such as `https://id.acme.example/tenants/7`. Its endpoints are
    /// looked up in its metadata when somebody first signs in. Calls go below the same address, and to each
    /// [`also_origin`](ClientBuilder::also_origin).
    ///
    /// ```
    /// use keyway::{Secret, oauth2};
    ///
    /// # fn build() -> Result<(), keyway::Error> {
    /// let client = oauth2::Client::discover("https://id.acme.example")
    ///     .also_origin("https://api.acme.example")
    ///     .client("billing", Secret::from("…"))
    ///     .client_credentials()
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn discover(issuer: impl Into<String>) -> ClientBuilder {
        let issuer = issuer.into();
        ClientBuilder::new(issuer.clone()).issuer(issuer)
    }

    /// Begins a client of the vendor whose document this is: its server is where calls go, and the grant that is chosen on the
    /// builder is asked for where the flow of that name in its `securitySchemes` says.
    ///
    /// ```ignore
    /// keyway::include_document!(acme);
    ///
    /// let session = oauth2::Client::of_document::<acme::Document>().client("till-7", secret).client_credentials().build()?;
    /// let acme = acme::Client::new(&session);
    /// let orders = acme.api().list_orders().limit(50).send().await?;
    /// ```
    ///
    /// For another server than the document's first, such as a sandbox: [`builder(address)`](Self::builder) and
    /// [`document`](ClientBuilder::document).
    pub fn of_document<D: Document>() -> ClientBuilder {
        ClientBuilder::new(D::ORIGIN.unwrap_or_default().to_owned()).document::<D>()
    }

    /// Finishes a sign-in that another process of yours has begun: with the [`ticket`](crate::SignInPage::ticket) of its page,
    /// and the whole address that the browser was sent to. Here the session is obtained, and where both processes share a
    /// [`store`](ClientBuilder::store), the other one finds it there. Where there is a session already, nothing is sent.
    ///
    /// # Errors
    /// `Config` if the redirect does not answer this page, if the page was asked by a client of another id, provider, scope,
    /// redirect address or [`profile`](ClientBuilder::profile), or if this client signs in in another way: nothing is sent.
    /// Else whatever the sign-in ends with.
    ///
    /// # Cancel safety
    /// Once polled, the sign-in goes on even if this future is dropped. If one was under way already, which cannot know the
    /// redirect, nothing of it is kept.
    pub async fn finish_sign_in(&self, ticket: &Secret, redirect: impl Into<Secret>) -> Result<Lease, Error> {
        let page = SignInPage::from_ticket(ticket)
            .ok_or_else(|| Error::config("what was given for the ticket of a sign-in page is none"))?;
        self.provider.asks_such(&page)?;
        self.session().finish(page, redirect.into()).await
    }

    /// Asks the provider what it knows of the session's access token (RFC 7662): `active`, `scope`, `exp` and whatever else
    /// it says. Only a client that can say who it is may ask. Signs in first, if nobody has.
    ///
    /// # Errors
    /// `Config` if nothing says where the introspection endpoint is; whatever keeps the session from having a token;
    /// `InvalidCredentials` if the provider refused the client.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn introspect(&self) -> Result<Value, Error> {
        let lease = self.session().lease().await?;
        let Some(token) = lease.token().cloned() else {
            return Err(Error::config("this session has no token that could be asked about"));
        };
        self.provider.introspect(&token).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("core", &self.core).finish_non_exhaustive()
    }
}

doors!(Client);

impl fmt::Debug for ClientBuilder {
    /// No address: one that was given by mistake may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Builds a [`Client`]. [`build`](Self::build) checks everything and contacts nobody.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    issuer: Option<String>,
    endpoints: Vec<Named>,
    client: Option<(String, ClientAuth)>,
    wants: Wants,
    grants: Vec<Credentialed>,
    /// Given beside a refresh token.
    access: Option<Secret>,
    redirect: Option<Redirect>,
    /// The type of a token that is exchanged.
    subject: String,
    asks: Asks,
    document: Option<Documented>,
    security_scheme: Option<String>,
    dpop: Option<DpopKey>,
}

impl ClientBuilder {
    fn new(url: String) -> Self {
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
    /// They are looked up when somebody first signs in, and again when that answer's time is over, a day at most. The
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
    /// Calls by [`http`](Client::http), typed calls and the session's middlewares carry proofs; a
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
    /// to the [`responder`](Self::responder) or in a resumable error ([`Error::sign_in_page`]); it leads back to this
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

    fn grant(mut self, method: &'static str, principal: String, credential: Credential) -> Self {
        self.grants.push(Credentialed { method, principal, credential });
        self
    }

    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(mut self) -> Result<Client, Error> {
        let offered = ".authorization_code(address), .browser(loopback), .token_exchange(type, secret), .client_credentials(), .device(), .refresh_token(secret) or .password(user, secret)";
        let chosen = only(std::mem::take(&mut self.grants), offered)?;
        self.check(&chosen)?;
        self.take_from_document(&chosen)?;
        let Some((id, auth)) = self.client.take() else {
            return Err(Error::config("the client has no OAuth2 client")
                .advice("call .client(id, secret) or .public_client(id) on the builder"));
        };
        let client = OAuthClient::new(id, auth)?;
        if chosen.method == CLIENT_CREDENTIALS && client.is_public() {
            return Err(Error::config(
                ".client_credentials() cannot work with .public_client(..): it has no credentials",
            )
            .advice("call .client(id, secret) on the builder"));
        }
        let endpoints = addresses::endpoints(&self.options, &self.endpoints, self.issuer.as_deref())?;
        if let (Some(Redirect::Loopback(loopback)), None) = (&self.redirect, &self.options.responder) {
            self.options.responder = Some(Arc::new(loopback.clone()));
        }
        if let Some(Redirect::Loopback(loopback)) = &mut self.redirect {
            *loopback = loopback.of_one_client();
        }
        let issuer = self.issuer.take();
        // Whichever was named first: the address that tokens come from says whose session it is.
        let token = self.endpoints.iter().rev().find(|(endpoint, ..)| *endpoint == Endpoint::Token);
        let provider_at = issuer.or_else(|| token.map(|(_, _, address)| address.clone()));
        let checked = self.options.check(&SURFACE)?.with_part("client", client.id());
        let checked = checked.with_part("provider", provider_at.unwrap_or_default());
        let checked = checked.with_scope(self.wants.scope.as_deref()).with_audience(self.wants.audience.clone());
        let checked = checked.with_part("resource", self.wants.resources.join(" "));
        let checked = match chosen.method {
            BROWSER | CODE | DEVICE | EXCHANGE | REFRESH_TOKEN => checked.named_by_profile(chosen.method)?,
            _ => checked,
        };
        if self.dpop.as_ref().is_some_and(DpopKey::is_new) && checked.has_store() {
            let what = ".dpop(..) was given a key that this process alone has, and what sleeps in the .store(..) is bound to it";
            return Err(Error::config(what).advice(
                "keep DpopKey::to_pem() where your secrets are, and give it to DpopKey::es256(pem) in every process",
            ));
        }
        let proofs = self.dpop.take().map(|key| Arc::new(Proofs::new(key, checked.clock().clone())));
        let checked = match &proofs {
            Some(proofs) => checked.with_part("dpop", proofs.thumbprint()).with_prover(Some(proofs.clone())),
            None => checked,
        };
        let grant = match chosen.method {
            PASSWORD => Grant::Password { user: chosen.principal.clone(), password: chosen.credential.clone() },
            REFRESH_TOKEN => Grant::RefreshToken { token: chosen.credential.clone(), access: self.access },
            DEVICE => Grant::Device,
            EXCHANGE => Grant::Exchange { subject: chosen.credential.clone(), kind: self.subject },
            _ => match self.redirect {
                Some(redirect) => Grant::Code { redirect, asks: self.asks },
                None => Grant::ClientCredentials,
            },
        };
        let auth = checked.auth_client(&PROVIDER)?;
        let session = checked.key(&SURFACE, &chosen).to_string();
        let provider = Arc::new(Provider { auth, endpoints, client, grant, wants: self.wants, session, proofs });
        let core = checked.assemble(&SURFACE, Role::User, provider.clone(), &chosen)?;
        Ok(Client { core, provider })
    }

    /// What the document says of where this grant is asked for, unless the user does.
    fn take_from_document(&mut self, chosen: &Credentialed) -> Result<(), Error> {
        let Some(document) = &self.document else { return Ok(()) };
        if self.options.url.is_empty() && !document.has_origin {
            return Err(Error::config(
                "the document names no whole address of a server, so nothing says where calls go",
            )
            .advice("begin with Client::builder(address).document::<acme::Document>()"));
        }
        let names_token = self.endpoints.iter().any(|(endpoint, ..)| *endpoint == Endpoint::Token);
        if names_token || self.issuer.is_some() {
            return Ok(());
        }
        let Led { endpoints, issuer } = document.led(chosen.method, self.security_scheme.as_deref())?;
        let named: Vec<_> = self.endpoints.iter().map(|(endpoint, ..)| *endpoint).collect();
        self.endpoints.extend(endpoints.into_iter().filter(|(endpoint, ..)| !named.contains(endpoint)));
        self.issuer = issuer;
        Ok(())
    }

    /// What cannot work together.
    fn check(&self, chosen: &Credentialed) -> Result<(), Error> {
        if self.access.as_ref().is_some_and(|access| access.expose().is_empty()) {
            return Err(
                Error::config(".tokens(..) was given an empty access token").advice("give .refresh_token(..) alone")
            );
        }
        if chosen.method == REFRESH_TOKEN && self.wants.scope.is_some() {
            return Err(Error::config(".scope(..) is not for .refresh_token(..): it has its scopes in itself"));
        }
        if let Some(Redirect::To(address)) = &self.redirect {
            redirect_address(address, self.options.allow_http)?;
        }
        const OURS: [&str; 9] = [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "dpop_jkt",
            "redirect_uri",
            "request_uri",
            "response_type",
            "scope",
            "state",
        ];
        if let Some((name, _)) = self.asks.more.iter().find(|(name, _)| OURS.contains(&name.as_str())) {
            return Err(Error::config(format!(".page_parameter(..) was given `{name}`, which is Keyway's to say")));
        }
        if let Some(resource) = self.wants.resources.iter().find(|resource| !is_resource(resource)) {
            let what = if resource.is_empty() { "nothing" } else { "what is no absolute address, or has a fragment" };
            return Err(Error::config(format!(".resource(..) was given {what}"))
                .advice("give the resource's address, such as https://api.acme.example"));
        }
        Ok(())
    }
}
