//! `client.layer()`: the session under a stack of `tower` services of the user's own.

use super::{Core, core::prefer_json, replay::Replays, request::refuse_host, retryable::RetryableRequest, segments};
use crate::{BoxFuture, Error};
use http_body::Body;
use reqwest::Url;
use std::{
    error::Error as StdError,
    fmt,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Puts the session on the requests of a stack of [`tower`](https://docs.rs/tower) services (feature `tower`): under a client of
/// hyper's, of kube, octocrab or whatever else sends `http::Request`s. Sign-in, renewal, tenant header, and one replay after a
/// 401, as with [`Http`](crate::Http).
///
/// - Only requests to the client's own origins get the session; every other one passes as it is, and so does one that has
///   credentials of its own. The address must be whole (scheme, host, port): put what completes it outside of this layer.
/// - Put layers that retry outside of this one, so that every try gets the token of its moment, and those that follow
///   redirects as well, so that each step is looked at.
/// - A request with a body is not sent again after a 401, because a body of any kind cannot be sent twice: the 401 is the
///   answer, and the next request gets a new token.
/// - An address with a user name in it, or with a step upwards (`..`, however it is encoded), and a `Host` header of the
///   request's own are `ErrorKind::Config`, and nothing is sent.
///
/// What keeps the session from having a token comes out as the service's error; `error.downcast_ref::<keyway::Error>()` finds
/// it.
///
/// ```no_run
/// # async fn example<S>(vms: keyway::vms::Client, http: S) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
/// # where
/// #     S: tower_service::Service<http::Request<String>, Response = http::Response<String>> + Clone + Send + 'static,
/// #     S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
/// #     S::Future: Send,
/// # {
/// use tower_layer::Layer as _;
/// use tower_service::Service as _;
///
/// let mut stack = vms.layer().layer(http);
/// let request = http::Request::get("https://vms.example/api/v1/cameras").body(String::new())?;
/// std::future::poll_fn(|context| stack.poll_ready(context)).await?;
/// println!("{}", stack.call(request).await?.status());
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until a service has it"]
pub struct SessionLayer(Core);

impl SessionLayer {
    pub(crate) fn new(core: Core) -> Self {
        Self(core)
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionLayer").field(&self.0).finish()
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, core: self.0.clone() }
    }
}

/// A service whose requests have the session on them. [`SessionLayer`] makes it.
#[derive(Clone)]
pub struct SessionService<S> {
    inner: S,
    core: Core,
}

impl<S: fmt::Debug> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).field("core", &self.core).finish()
    }
}

impl<S, B, R> Service<http::Request<B>> for SessionService<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Default + Send + 'static,
    R: Send,
{
    type Response = http::Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<http::Response<R>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let fresh = self.inner.clone();
        // The one that is ready; the clone has yet to be asked.
        let ready = std::mem::replace(&mut self.inner, fresh);
        let core = self.core.clone();
        Box::pin(async move { carried(core, ready, request).await })
    }
}

async fn carried<S, B, R>(core: Core, mut inner: S, request: http::Request<B>) -> Result<http::Response<R>, BoxError>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<BoxError>,
    B: Body + Default,
{
    let Some(mut head) = head(&core, &request)? else { return inner.call(request).await.map_err(Into::into) };
    refuse_host(&head)?;
    prefer_json(&mut head);
    let token = core.authorize(&mut head, None).await?;
    let (mut parts, body) = request.into_parts();
    let address = head.url().clone();
    let has_body = body.size_hint().exact() != Some(0) || !body.is_end_stream();
    let (mut replays, mut body) = (Replays::of(token), Some(body));
    loop {
        let retryable = (!has_body).then(|| RetryableRequest::of(&head)).flatten();
        parts.headers = std::mem::take(head.headers_mut());
        let sent = http::Request::from_parts(parts.clone(), body.take().unwrap_or_default());
        let response = inner.call(sent).await.map_err(Into::into)?;
        let answer = core.answered(response.status(), response.headers(), &address);
        core.note_taken(answer, token);
        let again = core.replayable(&mut replays, answer, retryable.as_ref(), None).await?;
        let Some(again) = again else { return Ok(response) };
        head = again;
        std::future::poll_fn(|context| inner.poll_ready(context)).await.map_err(Into::into)?;
    }
}

/// What of a request the session looks at and changes. `None` if it goes without.
fn head<B>(core: &Core, request: &http::Request<B>) -> Result<Option<reqwest::Request>, Error> {
    let Ok(address) = Url::parse(&request.uri().to_string()) else {
        return Err(Error::config("the address of a request is not whole, so nobody can tell whether the session may go there; nothing was sent")
            .advice("put what completes addresses outside of client.layer()"));
    };
    if core.is_own(&address) {
        segments::check(&address)?;
        // As it is sent: what reads an address as a URL takes steps upwards out of it.
        if segments::climbs(request.uri().path().as_bytes()) {
            return Err(Error::climbing());
        }
    }
    let mut head = reqwest::Request::new(request.method().clone(), address);
    *head.headers_mut() = request.headers().clone();
    Ok((!core.goes_without(&head, None)).then_some(head))
}
