//! The one public error.

mod cause;
mod detail;
mod kind;

use crate::{
    line::{clean, is_plain},
    question::{AccessKey, Captcha, DeviceCode, Question, SecondFactor, SessionLimit, SignInPage},
};
pub(crate) use cause::Cause;
pub(crate) use detail::Detail;
pub use kind::ErrorKind;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{any::Any, borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// What went wrong, with which operation, and what to do about it.
///
/// One word big and cheap to clone: callers who waited for the same renewal share one error. Ask [`kind`](Error::kind)
/// what to do; everything else is detail. Neither `Display` nor `Debug` nor `source()` ever shows a secret, a header, a
/// URL or the body of an answer, and each is one line without control characters.
///
/// ```
/// use keyway::{Error, ErrorKind};
///
/// /// What this program does about a failure.
/// fn act_on(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::InvalidCredentials => "ask the user for a new password",
///         ErrorKind::Throttled | ErrorKind::Outage => "come again later",
///         _ if error.resume().is_some() => "ask a person, and hand in the answer",
///         _ => "log the line, and look it up in docs/errors.md",
///     }
/// }
/// assert_eq!(act_on(&Error::invalid_credentials("refused")), "ask the user for a new password");
/// ```
#[derive(Clone)]
pub struct Error(Arc<ErrorParts>);

/// What fallible calls of this crate return.
///
/// ```
/// # #[cfg(feature = "vms")]
/// async fn cameras(vms: &keyway::vms::Client) -> keyway::Result<String> {
///     Ok(vms.http().get("/api/v1/cameras").send_ok().await?.text().await?)
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Messages of a [`ErrorKind::Validation`] failure, by field.
pub type Validation = BTreeMap<String, Vec<String>>;

/// How a sign-in that stopped with a question goes on. The session knows what is behind it; the error only carries it.
pub(crate) trait Continuation: Any + fmt::Debug + Send + Sync {}

#[derive(Clone)]
struct ErrorParts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    advice: Option<Cow<'static, str>>,
    operation: Option<&'static str>,
    status: Option<u16>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    local: bool,
    outcome_unknown: bool,
    code: Option<String>,
    body: Option<Value>,
    detail: Option<Arc<Detail>>,
    validation: Option<Validation>,
    question: Option<Question>,
    continuation: Option<Arc<dyn Continuation>>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// What this failure means and therefore what to do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status of the vendor's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The document's name of the operation that failed, in snake_case: also that of the sign-in step which kept a call
    /// from being made. `"http"` for a free call.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation
    }

    /// The vendor's id of the failed request (`X-Request-Id`), for a support ticket.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long to wait before trying again: the vendor's `Retry-After` (at most an hour is believed) or our own schedule.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Throttled | ErrorKind::Outage | ErrorKind::Timeout | ErrorKind::Store)
    }

    /// Whether Keyway refused by itself, without asking the vendor.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.local
    }

    /// The vendor's own error code, such as Vita Mojo's `US-04`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The vendor's parsed JSON answer, if it was no longer than 4 KiB. Never that of a call that hands out tokens.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        self.0.body.as_ref()
    }

    /// The vendor's answer as the type the document gives for this operation and status. It is read when this is first called.
    ///
    /// ```no_run
    /// # async fn example(vms: keyway::vms::Client) -> Option<()> {
    /// use keyway::vms::types::ValidationError;
    ///
    /// let error = vms.api().update_self().body_map(|b| b.language("xx".to_owned())).send().await.err()?;
    /// let refused = error.detail::<ValidationError>()?;
    /// # Some(()) }
    /// ```
    #[must_use]
    pub fn detail<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.detail.as_ref()?.get()
    }

    /// Which fields were refused and why.
    #[must_use]
    pub fn validation(&self) -> Option<&Validation> {
        self.0.validation.as_ref()
    }

    /// The captcha to be answered.
    #[must_use]
    pub fn captcha(&self) -> Option<&Captcha> {
        if let Some(Question::Captcha(question)) = &self.0.question { Some(question) } else { None }
    }

    /// The sessions that fill the account's limit.
    #[must_use]
    pub fn session_limit(&self) -> Option<&SessionLimit> {
        if let Some(Question::Session(question)) = &self.0.question { Some(question) } else { None }
    }

    /// The code that lets this device in.
    #[must_use]
    pub fn device_code(&self) -> Option<&DeviceCode> {
        if let Some(Question::Device(question)) = &self.0.question { Some(question) } else { None }
    }

    /// The key that was sent to a person.
    #[must_use]
    pub fn access_key(&self) -> Option<&AccessKey> {
        if let Some(Question::AccessKey(question)) = &self.0.question { Some(question) } else { None }
    }

    /// The second factor that is wanted.
    #[must_use]
    pub fn second_factor(&self) -> Option<&SecondFactor> {
        if let Some(Question::SecondFactor(question)) = &self.0.question { Some(question) } else { None }
    }

    /// The page at which a person signs in.
    #[must_use]
    pub fn sign_in_page(&self) -> Option<&SignInPage> {
        if let Some(Question::SignInPage(question)) = &self.0.question { Some(question) } else { None }
    }
}

/// For an [`Issuer`](crate::custom::Issuer) of your own. The texts are shown to people, so they must hold no secret.
impl Error {
    /// The vendor refused the credentials. They are not presented again until they change or `sign_in()` is called.
    #[must_use]
    pub fn invalid_credentials(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidCredentials, message)
    }

    /// The vendor itself refused the refresh token: it is discarded.
    #[must_use]
    pub fn refresh_refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::SignInRequired, message).advice("sign in again")
    }

    /// The vendor wants this captcha answered before it signs anybody in.
    #[must_use]
    pub fn captcha_required(captcha: Captcha) -> Self {
        Self::asks(Question::Captcha(captcha))
    }

    /// The account has as many sessions as it may have.
    #[must_use]
    pub fn session_limit_reached(limit: SessionLimit) -> Self {
        Self::asks(Question::Session(limit))
    }

    /// A person has to let this device in.
    #[must_use]
    pub fn device_code_required(device: DeviceCode) -> Self {
        Self::asks(Question::Device(device))
    }

    /// The vendor has sent a key to a person and wants to have it back.
    #[must_use]
    pub fn access_key_required(key: AccessKey) -> Self {
        Self::asks(Question::AccessKey(key))
    }

    /// The vendor wants a second factor before it signs anybody in.
    #[must_use]
    pub fn second_factor_required(factor: SecondFactor) -> Self {
        Self::asks(Question::SecondFactor(factor))
    }

    /// A person has to sign in at this page.
    #[must_use]
    pub fn sign_in_page_required(page: SignInPage) -> Self {
        Self::asks(Question::SignInPage(page))
    }

    /// The vendor, or the person asked, said no.
    #[must_use]
    pub fn declined(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Declined, message)
    }

    /// The vendor was asked too often. `retry_after`: how long it wants to be left alone, if it says.
    #[must_use]
    pub fn throttled(retry_after: Option<Duration>) -> Self {
        Self::new(ErrorKind::Throttled, "the vendor was asked too often").with_retry_after(retry_after)
    }

    /// The vendor answered with a failure that is none of the others: a redirect is `Protocol`, and from 500 on it is an
    /// outage.
    #[must_use]
    pub fn unexpected_status(status: u16) -> Self {
        let (kind, message) = match status {
            300..=399 => (ErrorKind::Protocol, "the vendor redirects, and credentials do not follow"),
            500.. => (ErrorKind::Outage, "the vendor answered with a failure"),
            _ => (ErrorKind::Api, "the vendor answered with a failure"),
        };
        Self::new(kind, message).with_status(status)
    }
}

/// The rest of making errors is ours alone.
impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(ErrorParts {
            kind,
            message: message.into(),
            advice: None,
            operation: None,
            status: None,
            request_id: None,
            retry_after: None,
            local: false,
            outcome_unknown: false,
            code: None,
            body: None,
            detail: None,
            validation: None,
            question: None,
            continuation: None,
            cause: None,
        }))
    }

    /// The build has no TLS, and nothing but TLS goes to the vendor.
    pub(crate) fn no_tls() -> Self {
        Self::config("keyway was built without TLS, so no https address can be called")
            .advice("turn on its feature `rustls`, `native-tls` or `rustls-no-provider`")
    }

    /// With the feature `rustls-no-provider` alone the crypto provider is the user's to bring.
    pub(crate) fn no_provider() -> Self {
        Self::config("no crypto provider is installed for rustls")
            .advice("install one first, such as rustls::crypto::ring::default_provider().install_default()")
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message).local()
    }

    pub(crate) fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// A value that a limit of the document refuses, before anything is sent.
    pub(crate) fn refused_field(field: &str, why: &str) -> Self {
        let message = format!("`{field}` {why}; nothing was sent");
        let mut fields = Validation::new();
        fields.insert(field.to_owned(), vec![why.to_owned()]);
        Self::new(ErrorKind::Validation, message).with_validation(fields).local()
    }

    fn with(mut self, change: impl FnOnce(&mut ErrorParts)) -> Self {
        change(self.parts());
        self
    }

    /// Compiled once and not wherever an error is told more: to copy its parts is much code.
    #[inline(never)]
    fn parts(&mut self) -> &mut ErrorParts {
        Arc::make_mut(&mut self.0)
    }

    /// What the reader should do next.
    pub(crate) fn advice(self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.advice = Some(advice.into()))
    }

    pub(crate) fn message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.message = message.into())
    }

    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        self.with(|inner| inner.kind = kind)
    }

    /// The operation, unless it is known already.
    pub(crate) fn at(self, operation: &'static str) -> Self {
        self.with(|inner| inner.operation = inner.operation.or(Some(operation)))
    }

    /// The operation, whatever it was called before.
    pub(crate) fn called(self, operation: &'static str) -> Self {
        self.with(|inner| inner.operation = Some(operation))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    pub(crate) fn with_request_id(self, id: Option<String>) -> Self {
        self.with(|inner| inner.request_id = id)
    }

    pub(crate) fn with_retry_after(self, wait: Option<Duration>) -> Self {
        self.with(|inner| inner.retry_after = wait)
    }

    pub(crate) fn local(self) -> Self {
        self.with(|inner| inner.local = true)
    }

    /// The request was sent and no whole answer came back: the vendor may or may not have acted on it. Say so with an error of
    /// a renewal of your own whose answer was lost, so that its refresh token counts as possibly used.
    #[must_use]
    pub fn with_unknown_outcome(self) -> Self {
        self.with(|inner| inner.outcome_unknown = true)
    }

    /// Nothing was asked for that the vendor could have acted on.
    #[cfg(feature = "oauth2")]
    pub(crate) fn with_known_outcome(self) -> Self {
        self.with(|inner| inner.outcome_unknown = false)
    }

    /// Whether the vendor may have acted on the request that failed.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    pub(crate) fn with_code(self, code: Option<String>) -> Self {
        self.with(|inner| inner.code = code)
    }

    pub(crate) fn with_body(self, body: Option<Value>) -> Self {
        self.with(|inner| inner.body = body)
    }

    pub(crate) fn with_detail(self, detail: Option<Detail>) -> Self {
        self.with(|inner| inner.detail = detail.map(Arc::new))
    }

    pub(crate) fn with_validation(self, validation: Validation) -> Self {
        self.with(|inner| inner.validation = Some(validation))
    }

    /// The error that asks this.
    pub(crate) fn asks(question: Question) -> Self {
        Self::new(question.kind(), question.message()).with(|inner| inner.question = Some(question.fit_to_show()))
    }

    pub(crate) fn asked(&self) -> Option<&Question> {
        self.0.question.as_ref()
    }

    /// Carries this question, as it is asked.
    pub(crate) fn asking(self, question: &Question) -> Self {
        self.with(|inner| inner.question = Some(question.clone()))
    }

    /// How the sign-in goes on once the question is answered.
    pub(crate) fn continuation(&self) -> Option<Arc<dyn Continuation>> {
        self.0.continuation.clone()
    }

    pub(crate) fn with_continuation(self, continuation: Arc<dyn Continuation>) -> Self {
        self.with(|inner| inner.continuation = Some(continuation))
    }

    #[cfg(feature = "oauth2")]
    pub(crate) fn without_continuation(self) -> Self {
        self.with(|inner| inner.continuation = None)
    }

    /// What caused it. It is shown: what could hold a secret comes as a [`Cause`], which is words alone.
    pub(crate) fn with_cause(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.cause = Some(Arc::new(cause)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ErrorParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clean(&self.message))?;
        let status = self.status.map(|status| format!("HTTP {status}"));
        let where_from = [self.operation, status.as_deref(), self.code.as_deref().filter(|code| is_plain(code))];
        let where_from: Vec<_> = where_from.into_iter().flatten().collect();
        if !where_from.is_empty() {
            write!(f, " ({})", where_from.join(", "))?;
        }
        if let Some(advice) = &self.advice {
            write!(f, ": {}", clean(advice))?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, "; try again in {} s", wait.as_secs_f64().ceil())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    /// What caused it: of the network, of TLS and of a credential source the texts, on one line each; of a store its
    /// [`StoreError`](crate::StoreError), to which `downcast_ref` leads.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

/// Our own tests read every error that there ever was, when it goes.
#[cfg(feature = "testing")]
impl Drop for ErrorParts {
    fn drop(&mut self) {
        crate::witness::shown("an error", || {
            let Self { code, request_id, validation, cause, .. } = &*self;
            let asked = (&self.question, &self.continuation);
            format!("{self} {:?} {code:?} {request_id:?} {validation:?} {asked:?} {cause:?}", self.kind)
        });
    }
}

const _: () = {
    const fn promised<T: Send + Sync + Clone + std::error::Error + 'static>() {}
    promised::<Error>();
    assert!(size_of::<Error>() == size_of::<usize>());
};
