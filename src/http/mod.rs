//! How a request gets its credentials and comes back.

pub(crate) mod answer;
pub(crate) mod authorize;
pub(crate) mod drift;
#[allow(dead_code, reason = "it holds what documents can say, whether or not one of ours says it today")]
pub(crate) mod facts;
pub(crate) mod limits;
#[cfg(feature = "middleware")]
pub(crate) mod middleware;
pub(crate) mod pages;
pub(crate) mod paths;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod runtime;
pub(crate) mod transport;

use crate::{
    Error, ErrorKind, Retry, Session, Timeouts,
    clock::Clock,
    session::flight::{First, first},
};
use answer::{Answer, Verdict};
use authorize::Origins;
use drift::Drift;
use facts::{Facts, Role};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::ACCEPT};
use paths::Paths;
use replay::{Spare, is_final};
use reqwest::{Request, Response};
use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use transport::AuthClient;
use url::Url;

/// What is fixed about a surface: its document's facts and how it words a failure.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) name: &'static str,
    pub(crate) facts: &'static [Facts],
    /// Reads a failure as the vendor means it, where the status alone does not say.
    pub(crate) judge: fn(&Verdict<'_>) -> Option<Error>,
    /// The builder methods whose session has this role.
    pub(crate) serves: fn(Role) -> &'static str,
}

/// Sends every call of one client: the typed ones and the free ones go through the same code.
#[derive(Clone)]
pub(crate) struct Core(Arc<Parts>);

/// What a core is made from.
pub(crate) struct Parts {
    pub(crate) surface: &'static Surface,
    pub(crate) session: Session,
    pub(crate) client: reqwest::Client,
    pub(crate) root: Url,
    pub(crate) origins: Origins,
    /// Whose session this is.
    pub(crate) role: Role,
    pub(crate) tenant: Option<(HeaderName, HeaderValue)>,
    /// What says which program asks, where a document wants that: `Basic` with the client's id and secret.
    pub(crate) own_credentials: Option<HeaderValue>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) paths: Paths,
    pub(crate) drift: Arc<Drift>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0.session
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// For calls of the hand-written wires that carry no session.
    pub(crate) fn auth_client(&self) -> AuthClient {
        AuthClient {
            surface: self.0.surface,
            client: self.0.client.clone(),
            root: self.0.root.clone(),
            timeout: self.0.timeouts.sign_in,
            clock: self.0.clock.clone(),
            constant: HeaderMap::new(),
            paths: self.0.paths.clone(),
            drift: self.0.drift.clone(),
        }
    }

    pub(crate) fn root(&self) -> &Url {
        &self.0.root
    }

    /// A documented operation, from the checks before it to the judgement of its answer. The generated call names it in
    /// whatever fails.
    pub(crate) async fn operation(&self, mut request: Request, facts: &'static Facts) -> Result<Answer, Error> {
        limits::check(facts, &request)?;
        self.allowed(facts)?;
        self.set_tenant(&mut request, facts)?;
        self.set_own_credentials(&mut request, facts);
        self.0.paths.apply(facts, request.url_mut());
        let response = match facts.step {
            // A session that shall end is not renewed for it, and a 401 says that it has ended.
            facts::Step::SignOut => self.call_as_held(request, facts).await?,
            _ => self.call(request, Some(facts)).await?,
        };
        let answer = Answer::read(response).await?;
        self.0.drift.answered(facts, &answer);
        // A session that shall end and that the vendor does not know has ended.
        let unknown = answer.status == StatusCode::UNAUTHORIZED;
        let outcome = answer.judged(self.0.surface, facts, &*self.0.clock);
        let outcome = outcome.map_err(|error| self.0.paths.blame(facts, error));
        if outcome.is_ok() {
            self.0.drift.read(facts, &answer);
        }
        if facts.step == facts::Step::SignOut && (unknown || outcome.is_ok()) {
            self.0.session.ended().await?;
        }
        outcome.map(|()| answer)
    }

    /// Any call: credentials, retries, and one replay after a 401.
    pub(crate) async fn call(&self, mut request: Request, facts: Option<&Facts>) -> Result<Response, Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        let until = self.until(&request);
        if facts.is_none() {
            prefer_json(&mut request);
        }
        let token = self.within(until, Error::not_in_time, pin!(self.authorize(&mut request, facts))).await??;
        // For whatever may have to be sent again.
        let spare = Spare::of(&request);
        match self.within(until, Error::too_late, pin!(self.execute(request, until))).await? {
            Ok(response) if is_final(&response) => Ok(response),
            outcome => {
                // Boxed, so that the future of nearly every call stays small.
                let tried = Box::pin(self.tried(outcome, token, spare, facts, until));
                self.within(until, Error::too_late, pin!(tried)).await?
            }
        }
    }

    /// Does the work, but not beyond `until` (monotonic), if the call has a timeout of its own. Pinned by the caller: what a
    /// call holds is large, and is not moved.
    async fn within<T>(
        &self,
        until: Option<Duration>,
        late: fn() -> Error,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Error> {
        let Some(until) = until else { return Ok(work.await) };
        match first(work, self.0.clock.sleep(self.left(until))).await {
            First::One(outcome) => Ok(outcome),
            First::Other(()) => Err(late()),
        }
    }

    /// The end (monotonic) of a call that has a timeout of its own. It covers the wait for the session too; the default one
    /// does not, because a person may be asked in between. The sign-in or renewal goes on either way.
    fn until(&self, request: &Request) -> Option<Duration> {
        request.timeout().map(|own| self.0.clock.monotonic().saturating_add(*own))
    }

    /// What is left of the call's own timeout is what the HTTP client is told: it covers the answer's body too, which is
    /// read after we are done.
    fn hurry(&self, request: &mut Request, until: Option<Duration>) {
        if let Some(until) = until {
            *request.timeout_mut() = Some(self.left(until));
        }
    }

    fn left(&self, until: Duration) -> Duration {
        until.saturating_sub(self.0.clock.monotonic())
    }

    async fn call_as_held(&self, mut request: Request, facts: &Facts) -> Result<Response, Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        let lease = match self.0.session.held() {
            Some(lease) => lease,
            // It may sleep in the store, or be a key that needs no sign-in.
            None => self.0.session.lease().await?,
        };
        self.settle_tenant(&mut request)?;
        self.carry(&mut request, &lease);
        let spare = Spare::of(&request);
        let outcome = self.execute(request, None).await;
        self.retried(outcome, spare.as_ref(), Some(facts), None).await
    }

    /// A call that needs another role than this session's fails here, before any I/O.
    fn allowed(&self, facts: &Facts) -> Result<(), Error> {
        if facts.roles.is_empty() || facts.roles.contains(&self.0.role) {
            return Ok(());
        }
        let serves: Vec<_> = facts.roles.iter().map(|role| (self.0.surface.serves)(*role)).collect();
        Err(Error::config(format!("this call needs another session than this client's {} session", self.0.role))
            .advice(format!("make a client with {}", serves.join(" or ")))
            .at(facts.operation))
    }
}

/// Some frameworks answer a failure with a redirect to a login page unless JSON is asked for first. Typed calls ask for
/// nothing else.
fn prefer_json(request: &mut Request) {
    request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, */*;q=0.8"));
}

impl Error {
    fn not_in_time() -> Self {
        Self::new(ErrorKind::Timeout, "the session was not ready within the call's timeout; nothing was sent")
            .advice("the sign-in or renewal goes on: try again, or give the call more time")
            .local()
    }

    fn too_late() -> Self {
        Self::new(ErrorKind::Timeout, "the call did not end within its own timeout")
            .advice("give it more time; whether the vendor has acted on it is not known")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Module => "module",
            Self::Key => "key",
        })
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("surface", &self.0.surface.name).field("root", &self.0.root.as_str()).finish()
    }
}
