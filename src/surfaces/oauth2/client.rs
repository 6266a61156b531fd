//! The client of a provider: its doors.

use super::{builder::ClientBuilder, provider::Provider};
use crate::{
    Document, Error, Lease, Secret, SignInPage,
    http::{Core, step_up::StepUpChallenge},
    surfaces::builder::doors,
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
    pub(super) fn new(core: Core, provider: Arc<Provider>) -> Self {
        Self { core, provider }
    }

    /// Begins a client for the platform at this address, such as `https://api.acme.example`: calls go there, and tokens
    /// come from [`token_endpoint`](ClientBuilder::token_endpoint) or from an [`issuer`](ClientBuilder::issuer).
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    /// Begins a client of the provider with this issuer, such as `https://id.acme.example/tenants/7`. Its endpoints are
    /// looked up in its metadata at the first sign-in. Calls go below the same address, and to each
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
    /// ```
    /// # mod acme {
    /// #     pub struct Document;
    /// #     impl keyway::Document for Document {
    /// #         const TITLE: &'static str = "Acme";
    /// #         const ORIGIN: Option<&'static str> = Some("https://api.acme.example");
    /// #         const FLOWS: &'static [keyway::SecurityFlow] = &[keyway::__private::flow(
    /// #             "oauth", keyway::FlowKind::ClientCredentials, [Some("/token"), None, None, None, None], &[],
    /// #         )];
    /// #     }
    /// # }
    /// use keyway::{Secret, oauth2};
    ///
    /// // keyway::include_document!(acme);
    /// # fn build() -> Result<(), keyway::Error> {
    /// let session = oauth2::Client::of_document::<acme::Document>()
    ///     .client("till-7", Secret::from("…"))
    ///     .client_credentials()
    ///     .build()?;
    /// // let acme = acme::Client::new(&session);
    /// # drop(session);
    /// # Ok(()) }
    /// # build().unwrap();
    /// ```
    ///
    /// `examples/outside/documented` is a whole crate of this kind.
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

    /// Has the person sign in as an API wants it that has refused a request of an HTTP client of your own: with the value of its
    /// answer's `WWW-Authenticate`, whose error is `insufficient_user_authentication` (RFC 9470), and the lease that the request
    /// had. Where another sign-in has taken that one's place meanwhile, nobody is asked: send the request with it first. Calls by
    /// [`http`](Self::http), typed calls and the session's middlewares do so by themselves.
    ///
    /// The [`responder`](ClientBuilder::responder) or loopback leads the person to the page, and the lease of the session that comes of it is
    /// returned. Without one, the page is the error's question. Until it is answered, and if it never is, the session goes on as it
    /// was. The session that another one takes the place of is not revoked at the provider: there it ends by itself.
    ///
    /// # Errors
    /// `SignInPageRequired`, which can be answered as that of a sign-in can; `Declined`; `Unauthorized` if this client leads
    /// nobody to a page, or the person has signed in for just this a moment ago; `Config` if the challenge is another one;
    /// whatever keeps the session from having a token.
    ///
    /// # Cancel safety
    /// A page that is shown stays open even if this future is dropped, and its session is kept.
    pub async fn step_up(&self, challenge: &str, refused: &Lease) -> Result<Lease, Error> {
        let wanted = StepUpChallenge::read(challenge).ok_or_else(|| {
            Error::config("the challenge given to step_up(..) does not want the person to sign in again").advice(
                "give it the whole value of `WWW-Authenticate`, with error=\"insufficient_user_authentication\"",
            )
        })?;
        self.session().lease().await?;
        self.core.step_up(wanted, refused.generation()).await?;
        self.session().lease().await
    }

    /// Asks the provider what it knows of the session's access token (RFC 7662): `active`, `scope`, `exp` and whatever else
    /// it says. Only a client that can say who it is may ask. Signs in first, where there is no session.
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
