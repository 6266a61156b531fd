//! The way of every call of one client: from the checks before it to the judgement of its answer.

use super::{
    client_id::ClientId,
    drift::Drift,
    facts::{self, Facts, Role, Step},
    judge::Judge,
    limits,
    origins::Origins,
    paths::Paths,
    prover::Prover,
    response::BufferedResponse,
    retryable::{RetryableRequest, is_final},
    surface::Surface,
    transport::AuthClient,
    verdict::Verdict,
};
use crate::{
    BoxFuture, Error, ErrorKind, Retry, Secret, Session, Timeouts,
    clock::Clock,
    secret::Carried,
    select::{First, first},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use reqwest::{Request, Response};
use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// Sends every call of one client: the typed ones and the free ones go through the same code.
#[derive(Clone)]
pub struct Core(pub(super) Arc<Parts>);

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
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) paths: Paths,
    pub(crate) drift: Arc<Drift>,
    /// What the user says about failures.
    pub(crate) judge: Judge,
    /// Which OAuth client asks for tokens, where the vendor wants to know.
    pub(crate) client_id: Option<ClientId>,
    /// For the typed steps of a session: it keeps no connections and sends nothing twice.
    pub(crate) steps: reqwest::Client,
    /// Proves that the session has the key that its tokens are bound to, where they are.
    pub(crate) prover: Option<Arc<dyn Prover>>,
    /// Where a person signs in once more if an API wants it.
    #[cfg(feature = "oauth2")]
    pub(crate) step_up: Option<Arc<dyn super::step_up::StepUpPages>>,
    /// For plain http within this machine, which no proxy needs to hear; none where there is nothing of that.
    pub(crate) direct: Option<reqwest::Client>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0.session
    }

    /// That of the calls, that of a session's steps (if it has one for them alone), and that of calls within this machine.
    pub(crate) fn http_clients(&self) -> (&reqwest::Client, Option<&reqwest::Client>, Option<&reqwest::Client>) {
        let steps = (!self.0.surface.facts.is_empty()).then_some(&self.0.steps);
        (&self.0.client, steps, self.0.direct.as_ref())
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// For calls of the hand-written wires that carry no session.
    pub(crate) fn auth_client(&self) -> AuthClient {
        AuthClient {
            surface: self.0.surface,
            client: self.0.steps.clone(),
            root: self.0.root.clone(),
            timeout: self.0.timeouts.sign_in,
            clock: self.0.clock.clone(),
            constant: HeaderMap::new(),
            paths: self.0.paths.clone(),
            drift: self.0.drift.clone(),
            judge: self.0.judge.clone(),
        }
    }

    pub(crate) fn root(&self) -> &Url {
        &self.0.root
    }

    /// A documented operation, from the checks before it to the judgement of its answer; `carried` are the secrets in the
    /// request. Whatever fails is named after it.
    ///
    /// Boxed, as all that others wait for: what is not would be compiled into every crate that waits for it, and again each
    /// time such a crate changes.
    pub(crate) fn operation(
        &self,
        request: Result<Request, Error>,
        facts: &'static Facts,
        carried: Carried,
    ) -> BoxFuture<'_, Result<BufferedResponse, Error>> {
        Box::pin(async move {
            let answered = async {
                let (response, presented) = self.sent(request?, facts).await?;
                self.classified(response, facts, carried, presented).await
            };
            answered.await.map_err(|error| error.at(facts.operation))
        })
    }

    /// A documented operation whose success is not read here: what fails is.
    pub(crate) fn opened(
        &self,
        request: Result<Request, Error>,
        facts: &'static Facts,
        carried: Carried,
    ) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            let opened = async {
                let (response, presented) = self.sent(request?, facts).await?;
                if response.status().is_success() {
                    return Ok(response);
                }
                let answer = self.classified(response, facts, carried, presented).await?;
                Err(Error::unexpected_status(answer.status.as_u16()))
            };
            opened.await.map_err(|error| error.at(facts.operation))
        })
    }

    /// A free call.
    pub(crate) fn free(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(self.call(request, None))
    }

    /// A free call, whose answer that is no success is an error.
    pub(crate) fn free_ok(&self, request: Request, secrets: Vec<Secret>) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            let response = self.call(request, None).await?;
            if response.status().is_success() { Ok(response) } else { Err(self.failure(response, secrets).await) }
        })
    }

    /// What came back, and the token that was presented to end a session.
    async fn sent(&self, mut request: Request, facts: &'static Facts) -> Result<(Response, Option<Secret>), Error> {
        limits::check(facts, &request)?;
        self.allowed(facts)?;
        self.set_tenant(&mut request, facts)?;
        self.0.paths.apply(facts, request.url_mut());
        if let Some(content_type) = self.0.surface.content_type {
            request.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        // Boxed are those that are rare and large.
        Ok(match facts.step {
            // A session that shall end is not renewed for it.
            Step::SignOut => Box::pin(self.call_as_held(request, facts)).await?,
            Step::Call => (self.call(request, Some(facts)).await?, None),
            Step::SignIn | Step::Renew | Step::Challenge => (Box::pin(self.step(request, facts)).await?, None),
        })
    }

    async fn classified(
        &self,
        response: Response,
        facts: &'static Facts,
        carried: Carried,
        presented: Option<Secret>,
    ) -> Result<BufferedResponse, Error> {
        let answer = BufferedResponse::read(response).await?;
        // A 401 says that a session has ended only where its token was presented.
        let unknown = answer.status == StatusCode::UNAUTHORIZED && presented.is_some();
        let answer = if answer.status.is_success() && facts.success.is_none() && facts.step == Step::Call {
            answer.carrying(carried)
        } else {
            self.carrying(answer, carried, presented)
        };
        self.0.drift.answered(facts, &answer, || self.held_token());
        let outcome = self.0.judge.judged(&answer, self.0.surface.classify, facts, &*self.0.clock);
        let outcome = outcome.map_err(|error| self.blamed_on_key(self.0.paths.blame(facts, error), facts));
        if outcome.is_ok() {
            self.0.drift.read(facts, &answer);
        }
        if facts.step == Step::SignOut && (unknown || outcome.is_ok()) {
            self.0.session.ended().await?;
        }
        outcome.map(|()| BufferedResponse { operation: Some(facts.operation), ..answer })
    }

    /// A key that the user gave is not signed in anew: if it is not accepted, it is the key that has to be looked at.
    fn blamed_on_key(&self, error: Error, facts: &Facts) -> Error {
        let is_about_session = error.kind() == ErrorKind::Unauthorized && !facts.roles.is_empty();
        let Some(credential) = self.0.session.static_credential().filter(|_| is_about_session) else { return error };
        error
            .message(format!("the vendor does not accept what {credential} gave"))
            .advice("it may have ended or been deleted, or may not do this: check it with the vendor")
    }

    /// What a free call's answer that is no success means.
    async fn failure(&self, response: Response, secrets: Vec<Secret>) -> Error {
        let answer = match BufferedResponse::read(response).await {
            Ok(answer) => self.carrying(answer, Carried::of(secrets), None),
            Err(error) => return error,
        };
        let verdict = Verdict::of(&answer, &facts::FREE, self.0.clock.wall());
        let judge = &self.0.judge;
        judge.reads(&verdict, self.0.surface.classify).unwrap_or_else(|| judge.coded(&verdict, verdict.error()))
    }

    fn held_token(&self) -> Option<Secret> {
        self.0.session.held().and_then(|lease| lease.token().cloned())
    }

    /// A failure may repeat the secrets of its call, the session's own among them.
    fn carrying(&self, answer: BufferedResponse, mut carried: Carried, presented: Option<Secret>) -> BufferedResponse {
        if let Some(token) = presented.or_else(|| self.held_token()) {
            carried.add(&token);
        }
        answer.carrying(carried)
    }

    /// A step that makes or renews a session: it carries none, and is sent once, in the client's name.
    async fn step(&self, mut request: Request, facts: &Facts) -> Result<Response, Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        if !facts.roles.is_empty() {
            return self.call(request, Some(facts)).await;
        }
        if let Some(client_id) = self.0.client_id.as_ref().filter(|_| facts.client && self.is_own(request.url())) {
            client_id.sign(&mut request);
        }
        let until = self.until(&request);
        request.timeout_mut().get_or_insert(self.0.timeouts.request);
        let retryable = RetryableRequest::of(&request);
        let mut outcome = self.within(until, Error::too_late, pin!(self.0.steps.execute(request))).await?;
        // What did not arrive may be sent again.
        let mut number = 1;
        while let Err(error) = &outcome
            && error.is_connect()
        {
            number += 1;
            let wait = self.0.retry.wait_before(number, None);
            let wait = wait.filter(|wait| until.is_none_or(|until| *wait < self.left(until)));
            let again = error.url().and_then(|address| retryable.as_ref()?.request(address));
            let (Some(wait), Some(mut again)) = (wait, again) else { break };
            self.0.clock.sleep(wait).await;
            self.apply_deadline(&mut again, until);
            outcome = self.within(until, Error::too_late, pin!(self.0.steps.execute(again))).await?;
        }
        outcome.map_err(Error::from)
    }

    /// Any call: credentials, retries, and one replay after a 401.
    pub(super) async fn call(&self, mut request: Request, facts: Option<&Facts>) -> Result<Response, Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        let until = self.until(&request);
        if facts.is_none() {
            prefer_json(&mut request);
        }
        let token = self.within(until, Error::not_in_time, pin!(self.authorize(&mut request, facts))).await??;
        // For whatever may have to be sent again.
        let retryable = RetryableRequest::of(&request);
        match self.within(until, Error::too_late, pin!(self.execute(request, until))).await? {
            Ok(response) if is_final(&response) => {
                self.note_success(&response, token, facts);
                Ok(response)
            }
            outcome => {
                // Boxed, so that the future of nearly every call stays small.
                let tried = Box::pin(self.tried(outcome, token, retryable, facts, until));
                self.within(until, Error::too_late, pin!(tried)).await?
            }
        }
    }

    /// Does the work, but not beyond `until` (monotonic), if the call has a timeout of its own. Pinned by the caller: what a
    /// call holds is large, and is not moved.
    pub(super) async fn within<T>(
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
    pub(super) fn until(&self, request: &Request) -> Option<Duration> {
        request.timeout().map(|own| self.0.clock.monotonic().saturating_add(*own))
    }

    /// What is left of the call's own timeout is what the HTTP client is told: it covers the answer's body too, which is
    /// read after we are done.
    pub(super) fn apply_deadline(&self, request: &mut Request, until: Option<Duration>) {
        if let Some(until) = until {
            *request.timeout_mut() = Some(self.left(until));
        }
    }

    pub(super) fn left(&self, until: Duration) -> Duration {
        until.saturating_sub(self.0.clock.monotonic())
    }

    /// A sign-out, with the token that is to be ended, where the document asks for one; and that token.
    async fn call_as_held(&self, mut request: Request, facts: &Facts) -> Result<(Response, Option<Secret>), Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        let until = self.until(&request);
        let mut presented = None;
        if !self.goes_without(&request, Some(facts)) {
            let lease = match self.0.session.held() {
                Some(lease) => lease,
                // It may sleep in the store, or be a key that needs no sign-in.
                None => self.within(until, Error::not_in_time, pin!(self.0.session.lease())).await??,
            };
            self.settle_tenant(&mut request)?;
            self.carry(&mut request, &lease)?;
            presented = lease.token().cloned();
        }
        let retryable = RetryableRequest::of(&request);
        let outcome = self.within(until, Error::too_late, pin!(self.execute(request, until))).await?;
        let retried = self.retried(outcome, retryable.as_ref(), Some(facts), until, presented.is_some());
        let response = self.within(until, Error::too_late, pin!(retried)).await??;
        let lacks_proof = self.answered(response.status(), response.headers(), response.url()).lacks_proof;
        if presented.is_some() && lacks_proof {
            let again = retryable.as_ref().and_then(|retryable| retryable.request(response.url()));
            if let Some(mut again) = again {
                self.prove(&mut again)?;
                let response = self.within(until, Error::too_late, pin!(self.execute(again, until))).await??;
                return Ok((response, presented));
            }
        }
        Ok((response, presented))
    }

    /// A call that needs another role than this session's fails here, before any I/O.
    fn allowed(&self, facts: &Facts) -> Result<(), Error> {
        let serves = |role: &Role| *role == Role::Any || *role == self.0.role;
        if facts.roles.is_empty() || facts.roles.iter().any(serves) {
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
pub(super) fn prefer_json(request: &mut Request) {
    request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, */*;q=0.8"));
}

impl Error {
    pub(super) fn not_in_time() -> Self {
        Self::new(ErrorKind::Timeout, "the session was not ready within the call's timeout; nothing was sent")
            .advice("the sign-in or renewal goes on: try again, or give the call more time")
            .local()
    }

    pub(super) fn too_late() -> Self {
        Self::new(ErrorKind::Timeout, "the call did not end within its own timeout")
            .advice("give it more time; whether the vendor has acted on it is not known")
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No address: it may name a customer, or hold what is private.
        f.debug_struct("Core").field("surface", &self.0.surface.name).finish_non_exhaustive()
    }
}
