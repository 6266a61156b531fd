//! `client.middleware()`: the session for the calls of an HTTP client of the user's own.

use super::{Core, core::prefer_json, replay::Replays, request::refuse_host, retryable::RetryableRequest, segments};
use crate::Error;
use http::{Extensions, header::AUTHORIZATION};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use std::pin::pin;

/// Puts the session on the calls of a client of your own, one that is built with the crate `reqwest-middleware`: sign-in,
/// renewal, tenant header, and one replay after a 401, as with [`Http`](crate::Http).
///
/// Everything else is your client's: its timeouts, its retries, its other middlewares. Put those that retry before this
/// one, so that every try gets the token of its moment.
///
/// - Only calls to the client's own origins get the session; every other call passes as it is, and so does one that has
///   credentials of its own. Several sessions may stand in one client, each for its own origins.
/// - A timeout of the call's own covers the wait for the session too. Without one, only the session's own timeouts count.
/// - A body that cannot be sent again, such as a stream, is not: then the 401 is the answer.
/// - An address with a user name in it, or with a step upwards (`..`, however it is encoded), and a `Host` header of the
///   call's own are `ErrorKind::Config`, and nothing is sent.
/// - A proxy is your client's affair: give plain http to this machine none.
/// - A 429 or 5xx is handed over: sending again is your client's affair.
///
/// # Redirects
///
/// They are your client's too, and reqwest follows them unless it is told not to. When one leads to another origin,
/// reqwest takes `Authorization` off, so the token does not go along; a 401 from there says nothing about the session and
/// is handed over. **It takes no other header off**: a session that travels in headers of the vendor's own (VTEX, and a
/// [`Placement`](crate::custom::Placement) other than `Bearer`) would go along. Such a session is not put on any call
/// before [`redirects_off`](Self::redirects_off) says that the client follows none.
///
/// # Errors
///
/// What keeps the session from having a token comes out of the client as [`reqwest_middleware::Error`];
/// [`Error::from_middleware`] finds it in there.
///
/// # Example
///
/// ```no_run
/// # async fn example(vms: keyway::vms::Client) -> Result<(), reqwest_middleware::Error> {
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(vms.middleware()).build();
///
/// match client.get("https://vms.example/api/v1/cameras").send().await {
///     Ok(answer) => println!("{}", answer.status()),
///     Err(error) => match keyway::Error::from_middleware(&error) {
///         Some(error) => println!("the session: {error} ({:?})", error.kind()),
///         None => println!("the call: {error}"),
///     },
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until a client has it: `reqwest_middleware::ClientBuilder::with`"]
#[doc(alias("interceptor"))]
pub struct SessionMiddleware {
    core: Core,
    redirects_off: bool,
}

impl std::fmt::Debug for SessionMiddleware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionMiddleware").field("core", &self.core).finish_non_exhaustive()
    }
}

impl SessionMiddleware {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, redirects_off: false }
    }

    /// Says that the client which gets this follows no redirect (`reqwest::redirect::Policy::none()`). Needed where the
    /// session travels in headers of the vendor's own, because reqwest would carry those to another origin.
    ///
    /// ```no_run
    /// # fn example(vtex: keyway::vtex::Client) -> Result<(), reqwest::Error> {
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let client = reqwest_middleware::ClientBuilder::new(client).with(vtex.middleware().redirects_off()).build();
    /// # Ok(()) }
    /// ```
    pub fn redirects_off(self) -> Self {
        Self { redirects_off: true, ..self }
    }

    fn stays_here(&self) -> Result<(), Error> {
        if self.redirects_off || self.core.session().header() == AUTHORIZATION {
            return Ok(());
        }
        Err(Error::config("a redirect could carry this session's headers to another origin; nothing was sent")
            .advice("make the client with redirect::Policy::none() and say so with .middleware().redirects_off()"))
    }
}

#[async_trait::async_trait]
impl Middleware for SessionMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let core = &self.core;
        if core.is_own(request.url()) {
            segments::check(request.url())?;
        }
        if core.goes_without(&request, None) {
            return next.run(request, extensions).await;
        }
        refuse_host(&request)?;
        self.stays_here()?;
        let until = core.until(&request);
        prefer_json(&mut request);
        let token = core.within(until, Error::not_in_time, pin!(core.authorize(&mut request, None))).await??;
        let address = request.url().clone();
        let mut replays = Replays::of(token);
        loop {
            core.apply_deadline(&mut request, until);
            let retryable = RetryableRequest::of(&request);
            let response = next.clone().run(request, extensions).await?;
            core.note_success(&response, token, None);
            if response.url().origin() != address.origin() {
                return Ok(response);
            }
            let answer = core.answered(response.status(), response.headers(), &address);
            let again = core.replayable(&mut replays, answer, retryable.as_ref(), None);
            let again = core.within(until, Error::too_late, pin!(again)).await??;
            match again {
                Some(again) => request = again,
                None => return Ok(response),
            }
        }
    }
}

impl From<Error> for reqwest_middleware::Error {
    fn from(error: Error) -> Self {
        Self::middleware(error.at("http"))
    }
}

impl Error {
    /// The error of a [`SessionMiddleware`] that comes out of a client as `error`, also from under other middlewares that
    /// wrap it. `None` if the failure is none of the session's: the network's, or another middleware's.
    #[must_use]
    pub fn from_middleware(error: &reqwest_middleware::Error) -> Option<Self> {
        let reqwest_middleware::Error::Middleware(error) = error else { return None };
        error.chain().find_map(|link| match link.downcast_ref() {
            Some(error) => Some(Self::clone(error)),
            None => Self::from_middleware(link.downcast_ref()?),
        })
    }
}
