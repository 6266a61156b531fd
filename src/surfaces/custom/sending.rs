//! What an issuer of your own sends with: the builder's proxy, certificates and timeouts, and the engine's permit before
//! anything that spends.

use super::expires::TokensAt;
use crate::{
    BoxFuture, Error, Secret,
    clock::Now,
    http::{
        facts::{FREE, Facts, Step},
        transport::{AuthCall, AuthClient, AuthResponse},
    },
    question::DeviceCode,
    session::{
        Attempt, SignOut,
        capabilities::Capabilities,
        issued::{Issued, Polled},
        issuer::DynIssuer,
        tokens::{Lifetime, Tokens, present},
    },
};
use http::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

static SIGN_IN: Facts = Facts { operation: "sign_in", step: Step::SignIn, ..FREE };
static RENEW: Facts = Facts { operation: "renew", step: Step::Renew, ..FREE };
/// What spends nothing: questions, polls, sign-outs.
static OTHER: Facts = Facts { operation: "session", step: Step::Challenge, ..FREE };

/// A request of an issuer of your own, to a path below the address of the client.
///
/// ```
/// use keyway::{Secret, custom::Request};
/// use serde_json::json;
///
/// let password = Secret::from("open sesame");
/// let request = Request::post("/login").named("login").json(&json!({ "password": password.expose() }));
/// ```
#[must_use = "hand it to `attempt.send(..)`"]
pub struct Request {
    call: Result<AuthCall, Error>,
    operation: Option<&'static str>,
    spends: bool,
}

impl Request {
    /// A request with this method. The path begins with `/`; `{names}` in it are filled in with [`path`](Self::path).
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        let call = match path.starts_with('/') {
            true => Ok(AuthCall::below_root(&OTHER, method, path)),
            false => Err(Error::config("the path of an issuer's request does not begin with `/`")
                .advice("give the path below the address given to builder(url)")),
        };
        Self { call, operation: None, spends: true }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A `PUT`.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// How errors call it. Default: `sign_in`, `renew` or `session`.
    pub fn named(self, operation: &'static str) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// It uses up neither an attempt nor a token, as the fetching of a captcha: no permit is asked for.
    pub fn spends_nothing(self) -> Self {
        Self { spends: false, ..self }
    }

    /// Fills in a name of the path; the value is one segment, and counts as a secret.
    pub fn path(self, name: &'static str, value: &str) -> Self {
        self.with(|call| call.path(name, value))
    }

    /// Adds a query parameter.
    pub fn query(self, name: &str, value: &str) -> Self {
        self.with(|call| Ok(call.query(name, value)))
    }

    /// Sends this as JSON. Secrets in it are written where their types allow that: expose them.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.with(|call| call.json(&body))
    }

    /// Sends these as a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.with(|call| Ok(call.form(fields)))
    }

    /// Sends these as `multipart/form-data`.
    pub fn multipart(self, fields: &[(&str, &str)]) -> Self {
        self.with(|call| call.multipart(fields))
    }

    /// Carries these cookies.
    pub fn cookies(self, cookies: &[(&str, &Secret)]) -> Self {
        self.with(|call| call.cookies(cookies))
    }

    /// Carries `Authorization: Bearer …`.
    pub fn bearer(self, token: &Secret) -> Self {
        self.with(|call| call.bearer(token))
    }

    /// Carries a header that holds a secret.
    pub fn secret_header(self, name: &'static str, value: &Secret) -> Self {
        self.with(|call| call.secret_header(name, value))
    }

    /// Counts as a secret of this request, wherever it stands in it: no error shows it, also if the vendor repeats it.
    pub fn carrying(self, secret: &Secret) -> Self {
        self.with(|call| Ok(call.carrying(secret)))
    }

    fn with(self, change: impl FnOnce(AuthCall) -> Result<AuthCall, Error>) -> Self {
        Self { call: self.call.and_then(change), ..self }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// A whole answer to a [`Request`].
pub struct Response {
    answer: AuthResponse,
    step: Step,
    operation: Option<&'static str>,
    received: Now,
}

impl Response {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status()
    }

    /// A header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }

    /// The value of a cookie that was set.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<Secret> {
        self.answer.cookies().get(name).map(|cookie| cookie.value.clone())
    }

    /// The body as plain JSON; null, if it is none.
    #[must_use]
    pub fn value(&self) -> Value {
        self.answer.value()
    }

    /// A text at this JSON pointer, as a secret. An empty one is none.
    #[must_use]
    pub fn secret(&self, pointer: &str) -> Option<Secret> {
        present(self.value().pointer(pointer)?.as_str().map(Secret::from))
    }

    /// This answer, if it is a success.
    ///
    /// # Errors
    /// [`error`](Self::error).
    pub fn checked(&self) -> Result<&Self, Error> {
        if self.answer.succeeded() { Ok(self) } else { Err(self.error()) }
    }

    /// The body of a success as a type of yours.
    ///
    /// # Errors
    /// [`error`](Self::error); `Protocol` for a body that does not fit, with an unknown outcome: the vendor may have acted.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.checked()?.answer.json().map_err(|error| self.named(error))
    }

    /// The session that a success holds.
    ///
    /// # Errors
    /// [`error`](Self::error); `Protocol` for a success without an access token.
    pub fn tokens(&self, at: &TokensAt) -> Result<Issued, Error> {
        let body = self.checked()?.value();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(Secret::from);
        let access =
            self.answer.token(text(at.access).unwrap_or_else(|| "".into())).map_err(|error| self.named(error))?;
        let life = Lifetime::ingest(at.end(&body, &access), None, self.received, self.answer.date());
        let refresh = present(at.refresh.and_then(text));
        Ok(Issued { tokens: Tokens { access, refresh, life, date: self.answer.date() }, profile: None })
    }

    /// What this failure means: what [`judge`](super::ClientBuilder::judge) says; else a 401 of a sign-in refuses the
    /// credentials and one of a renewal the refresh token, 429 and what is only for now are asked again later, and the rest
    /// is `Api`. It carries status, code, request id and `Retry-After`.
    #[must_use]
    pub fn error(&self) -> Error {
        let error = match (self.answer.judged(), self.step, self.status()) {
            (Some(error), ..) => error,
            (None, Step::SignIn, 401) => {
                let refused = Error::invalid_credentials("the vendor refused the credentials");
                self.answer.said(
                    refused.advice("check them; they are not tried again until they change or sign_in() is called"),
                )
            }
            (None, Step::Renew, 401) => {
                self.answer.said(Error::refresh_refused("the vendor refused the refresh token"))
            }
            _ => self.answer.failure(),
        };
        self.named(error)
    }

    /// An error of yours about this answer, with its status, code, request id and `Retry-After`.
    #[must_use]
    pub fn said(&self, error: Error) -> Error {
        self.named(self.answer.said(error))
    }

    fn named(&self, error: Error) -> Error {
        match self.operation {
            Some(operation) => error.called(operation),
            None => error,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status()).finish_non_exhaustive()
    }
}

type Make = dyn Fn() -> Result<AuthClient, Error> + Send + Sync;

/// Sends requests of an issuer that spend nothing, such as sign-outs, with the builder's proxy, certificates and timeouts. Made
/// for [`issuer_with`](super::ClientBuilder::issuer_with).
#[derive(Clone)]
pub struct Sender {
    make: Arc<Make>,
    made: Arc<OnceLock<AuthClient>>,
}

impl Sender {
    /// Nothing is made before it is used: making an HTTP client reads all certificates of the machine.
    pub(super) fn new(make: impl Fn() -> Result<AuthClient, Error> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), made: Arc::default() }
    }

    /// Sends a request that spends nothing.
    ///
    /// # Errors
    /// What the network does. An answer is none, whatever its status: see [`Response::checked`].
    ///
    /// # Cancel safety
    /// The vendor may have been asked when the future is dropped.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        self.exchange(None, &OTHER, request).await
    }

    fn client(&self) -> Result<&AuthClient, Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = (self.make)()?;
        Ok(self.made.get_or_init(|| made))
    }

    /// Boxed, so that it is compiled here and not where an issuer is written.
    fn exchange<'a>(
        &'a self,
        attempt: Option<&'a Attempt>,
        facts: &'static Facts,
        request: Request,
    ) -> BoxFuture<'a, Result<Response, Error>> {
        Box::pin(async move {
            let client = self.client()?;
            let Request { call, operation, spends } = request;
            let call = call?.of(facts);
            let outcome = match attempt.filter(|_| spends && facts.step != Step::Challenge) {
                Some(attempt) => client.spend(attempt, call).await,
                None => client.ask(call).await,
            };
            let named = |error: Error| operation.map_or(error.clone(), |operation| error.called(operation));
            let answer = outcome.map_err(named)?;
            Ok(Response { answer, step: facts.step, operation, received: Now::read(&*client.clock) })
        })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// What an attempt of this surface sends with.
struct Equipment {
    sender: Sender,
    facts: &'static Facts,
}

impl Attempt {
    /// Sends a request of this sign-in, renewal or poll, below the address of the client: with the builder's proxy,
    /// certificates and timeouts, without redirects and retries. In a sign-in or renewal it is asked leave for first, as by
    /// [`acquire`](Self::acquire), and an attempt that never arrived does not count; a poll, and a request that
    /// [`spends_nothing`](Request::spends_nothing), needs none. An answer that was lost comes back with an unknown outcome.
    ///
    /// # Errors
    /// What [`acquire`](Self::acquire) and the network do. An answer is no error, whatever its status: see
    /// [`Response::checked`].
    ///
    /// # Cancel safety
    /// An attempt that was counted stays counted.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let Some(Equipment { sender, facts }) = self.equipment() else {
            return Err(Error::config("this attempt has nothing to send with")
                .advice("give the issuer to custom::Client::builder(..).issuer(..)"));
        };
        sender.exchange(Some(self), facts, request).await
    }
}

/// An issuer of a user's whose attempts can send.
pub(super) struct Equipped {
    issuer: Arc<dyn DynIssuer>,
    sender: Sender,
}

impl Equipped {
    pub(super) fn new(issuer: Arc<dyn DynIssuer>, sender: Sender) -> Self {
        Self { issuer, sender }
    }

    fn equip<'a>(&self, attempt: &'a Attempt, facts: &'static Facts) -> &'a Attempt {
        attempt.equip(Equipment { sender: self.sender.clone(), facts });
        attempt
    }
}

impl DynIssuer for Equipped {
    fn describe(&self) -> Capabilities {
        self.issuer.describe()
    }

    fn seed(&self) -> Option<&Secret> {
        self.issuer.seed()
    }

    fn sign_in<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Issued, Error>> {
        self.issuer.sign_in(self.equip(attempt, &SIGN_IN))
    }

    fn renew<'a>(&'a self, attempt: &'a Attempt, tokens: &'a Tokens) -> BoxFuture<'a, Result<Issued, Error>> {
        self.issuer.renew(self.equip(attempt, &RENEW), tokens)
    }

    fn poll<'a>(&'a self, attempt: &'a Attempt, device: &'a DeviceCode) -> BoxFuture<'a, Result<Polled, Error>> {
        self.issuer.poll(self.equip(attempt, &OTHER), device)
    }

    fn sign_out<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<SignOut, Error>> {
        self.issuer.sign_out(tokens)
    }
}
