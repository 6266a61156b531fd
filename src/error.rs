//! The one public error.

use crate::{
    http::facts::Detail,
    line::clean,
    session::{
        Resume,
        dialogue::About,
        evict::SessionLimit,
        questions::{AccessKey, Captcha, DeviceCode},
    },
};
use serde_json::{Value, error::Category};
use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// What went wrong, with which operation, and what to do about it.
///
/// One word big and cheap to clone: callers who waited for the same renewal share one error. Ask [`kind`](Error::kind)
/// what to do; everything else is detail. Neither `Display` nor `Debug` nor `source()` ever shows a secret, a header, a
/// URL or the body of an answer, and each is one line without control characters.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// What an [`Error`] means to the caller.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The vendor refused the credentials. Keyway remembers it and does not try them again until they change or
    /// `sign_in()` is called. Correct the credentials; see [`Error::validation`] for what the vendor said.
    InvalidCredentials,
    /// There is no session and nothing that could make one unattended. Sign in again with a person's help.
    SignInRequired,
    /// Somebody called `sign_out()` on this client. Call `sign_in()` to begin a new session.
    SignedOut,
    /// The vendor wants a captcha answered and no responder did. Answer through [`Error::resume`].
    CaptchaRequired,
    /// The account has as many sessions as it may have. Choose one to end through [`Error::resume`], or set a policy.
    SessionLimit,
    /// A person must enter a code on a device of their own to let this one in. Show [`Error::device_code`] and go on
    /// through [`Error::resume`].
    DeviceCode,
    /// The vendor has sent a key to a person. Hand it in through [`Error::resume`].
    AccessKey,
    /// The responder was asked and declined, or did not answer within [`Timeouts::person`](crate::Timeouts::person).
    Declined,
    /// The vendor answered 401 even with a fresh token. Renewing does not help; the account may lack the right.
    Unauthorized,
    /// The vendor answered 403: this session may not do that.
    Forbidden,
    /// A value was refused, by the vendor or by a limit of the document before anything was sent (then there is no
    /// [`Error::status`]). See [`Error::validation`].
    Validation,
    /// Too many requests: the vendor said so, or our own attempt budget did ([`Error::is_local`]). Wait for
    /// [`Error::retry_after`].
    Throttled,
    /// Any other documented failure, also one inside a 200. See [`Error::code`] and [`Error::body`].
    Api,
    /// The vendor could not be reached or answered 5xx. Try later.
    Outage,
    /// No answer in time.
    Timeout,
    /// The answer breaks the documented contract.
    Protocol,
    /// The store that keeps sessions failed.
    Store,
    /// Something the user of this crate gave us cannot work. The message names the builder method.
    Config,
}

impl ErrorKind {
    /// Its name in snake_case, such as `invalid_credentials`: for labels and logs. A kind keeps its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::SignInRequired => "sign_in_required",
            Self::SignedOut => "signed_out",
            Self::CaptchaRequired => "captcha_required",
            Self::SessionLimit => "session_limit",
            Self::DeviceCode => "device_code",
            Self::AccessKey => "access_key",
            Self::Declined => "declined",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Validation => "validation",
            Self::Throttled => "throttled",
            Self::Api => "api",
            Self::Outage => "outage",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Store => "store",
            Self::Config => "config",
        }
    }
}

/// Messages of a [`ErrorKind::Validation`] failure, by field.
pub type Validation = BTreeMap<String, Vec<String>>;

#[derive(Clone)]
struct Inner {
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
    detail: Option<Detail>,
    validation: Option<Validation>,
    captcha: Option<Captcha>,
    session_limit: Option<SessionLimit>,
    device_code: Option<DeviceCode>,
    access_key: Option<AccessKey>,
    resume: Option<Resume>,
    cause: Option<Cause>,
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

    /// The vendor's answer as the type the document gives for this operation and status.
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
    pub fn detail<T: 'static>(&self) -> Option<&T> {
        self.0.detail.as_ref()?.downcast_ref()
    }

    /// Which fields were refused and why.
    #[must_use]
    pub fn validation(&self) -> Option<&Validation> {
        self.0.validation.as_ref()
    }

    /// The captcha to be answered.
    #[must_use]
    pub fn captcha(&self) -> Option<&Captcha> {
        self.0.captcha.as_ref()
    }

    /// The sessions that fill the account's limit.
    #[must_use]
    pub fn session_limit(&self) -> Option<&SessionLimit> {
        self.0.session_limit.as_ref()
    }

    /// The code that lets this device in.
    #[must_use]
    pub fn device_code(&self) -> Option<&DeviceCode> {
        self.0.device_code.as_ref()
    }

    /// The key that was sent to a person.
    #[must_use]
    pub fn access_key(&self) -> Option<&AccessKey> {
        self.0.access_key.as_ref()
    }

    /// The handle that continues the interrupted sign-in once somebody has the answer.
    #[must_use]
    pub fn resume(&self) -> Option<Resume> {
        self.0.resume.clone()
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
        Self::new(ErrorKind::CaptchaRequired, "the vendor wants a captcha answered before it signs in")
            .with_captcha(captcha)
    }

    /// The account has as many sessions as it may have.
    #[must_use]
    pub fn session_limit_reached(limit: SessionLimit) -> Self {
        Self::new(ErrorKind::SessionLimit, "the account has as many sessions as it may have").with_session_limit(limit)
    }

    /// A person has to let this device in.
    #[must_use]
    pub fn device_code_required(device: DeviceCode) -> Self {
        let error = Self::new(ErrorKind::DeviceCode, "a person has to enter a code to let this device in");
        error.with(|inner| inner.device_code = Some(device))
    }

    /// The vendor has sent a key to a person and wants to have it back.
    #[must_use]
    pub fn access_key_required(key: AccessKey) -> Self {
        let error = Self::new(ErrorKind::AccessKey, "the vendor has sent a key to a person and wants to have it back");
        error.with(|inner| inner.access_key = Some(key))
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
        Self(Arc::new(Inner {
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
            captcha: None,
            session_limit: None,
            device_code: None,
            access_key: None,
            resume: None,
            cause: None,
        }))
    }

    /// The build has no TLS, and nothing but TLS goes to the vendor.
    pub(crate) fn no_tls() -> Self {
        Self::config("keyway was built without TLS, so no https address can be called")
            .advice("turn on its feature `rustls`, `native-tls` or `rustls-no-provider`")
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message).local()
    }

    pub(crate) fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// A value that a limit of the document refuses, before anything is sent.
    pub(crate) fn refused_field(field: impl Into<String>, why: impl Into<String>) -> Self {
        let (field, why) = (field.into(), why.into());
        let message = format!("`{field}` {why}; nothing was sent");
        Self::new(ErrorKind::Validation, message).with_validation(Validation::from([(field, vec![why])])).local()
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
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

    #[doc(hidden)]
    pub fn at(self, operation: &'static str) -> Self {
        self.with(|inner| inner.operation = inner.operation.or(Some(operation)))
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

    /// The request was sent and no whole answer came back: the vendor may or may not have acted on it.
    pub(crate) fn with_unknown_outcome(self) -> Self {
        self.with(|inner| inner.outcome_unknown = true)
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    pub(crate) fn with_code(self, code: Option<String>) -> Self {
        self.with(|inner| inner.code = code)
    }

    pub(crate) fn with_body(self, body: Option<Value>) -> Self {
        self.with(|inner| inner.body = body)
    }

    pub(crate) fn with_detail(self, detail: Option<Detail>) -> Self {
        self.with(|inner| inner.detail = detail)
    }

    pub(crate) fn with_validation(self, validation: Validation) -> Self {
        self.with(|inner| inner.validation = Some(validation))
    }

    pub(crate) fn with_captcha(self, captcha: Captcha) -> Self {
        self.with(|inner| inner.captcha = Some(captcha))
    }

    pub(crate) fn with_session_limit(self, limit: SessionLimit) -> Self {
        self.with(|inner| inner.session_limit = Some(limit))
    }

    /// Carries this question, as it is asked.
    pub(crate) fn asking(self, about: &About) -> Self {
        self.with(|inner| match about {
            About::Captcha(captcha) => inner.captcha = Some(captcha.clone()),
            About::Session(limit) => inner.session_limit = Some(limit.clone()),
            About::Device(device) => inner.device_code = Some(device.clone()),
            About::AccessKey(key) => inner.access_key = Some(key.clone()),
        })
    }

    pub(crate) fn with_cause(self, cause: Option<Cause>) -> Self {
        self.with(|inner| inner.cause = cause)
    }

    pub(crate) fn with_resume(self, resume: Resume) -> Self {
        self.with(|inner| inner.resume = Some(resume))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Inner {
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

/// A code is shown in the line if it looks like one.
fn is_plain(code: &str) -> bool {
    !code.is_empty() && code.len() <= 40 && code.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    /// What caused it, where it came from below: the network, TLS. Texts alone, on one line each.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

/// Our own tests read every error that there ever was, when it goes.
#[cfg(feature = "testing")]
impl Drop for Inner {
    fn drop(&mut self) {
        crate::testing::witness::shown("an error", || {
            let Self { code, request_id, validation, cause, .. } = &*self;
            let questions = (&self.captcha, &self.session_limit, &self.device_code, &self.access_key, &self.resume);
            format!("{self} {:?} {code:?} {request_id:?} {validation:?} {questions:?} {cause:?}", self.kind)
        });
    }
}

/// Why JSON could not be read into a type, and where. serde's own text quotes values: only what it says of the type it
/// wanted is shown.
pub(crate) fn misfit(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let what = match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        Category::Data => wanted(text).unwrap_or_else(|| "a value has another type or is missing".to_owned()),
        _ => "it is not JSON".to_owned(),
    };
    format!("{what}, line {line}, column {column}")
}

fn wanted(text: &str) -> Option<String> {
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return is_plain(field).then(|| format!("it lacks `{field}`"));
    }
    let is_serdes = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|head| text.starts_with(head));
    let (_, wanted) = text.rsplit_once(", expected ").filter(|_| is_serdes)?;
    Some(format!("a value is not {}", if wanted == "a string" { "text" } else { wanted }))
}

/// What caused an error, as texts: a chain of errors from below, without what they hold besides, on one line each.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

/// Nobody reads a longer chain.
const LONGEST_CHAIN: usize = 16;

impl Cause {
    /// The causes of an error, itself not among them.
    pub(crate) fn of(error: &dyn std::error::Error) -> Option<Self> {
        Self::chain(error.source()?, LONGEST_CHAIN)
    }

    fn chain(error: &dyn std::error::Error, left: usize) -> Option<Self> {
        let left = left.checked_sub(1)?;
        let text = error.to_string();
        let text = clean(text.lines().next().unwrap_or_default()).into_owned();
        let next = error.source().and_then(|next| Self::chain(next, left)).map(Box::new);
        Some(Self { text, next })
    }

    pub(crate) fn innermost(&self) -> Option<&str> {
        match &self.next {
            Some(next) => next.innermost(),
            None => (!self.text.is_empty()).then_some(&self.text),
        }
    }

    /// All of them, in one line.
    pub(crate) fn whole(&self) -> String {
        match &self.next {
            Some(next) => format!("{}: {}", self.text, next.whole()),
            None => self.text.clone(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

const _: () = {
    const fn promised<T: Send + Sync + Clone + std::error::Error + 'static>() {}
    promised::<Error>();
    assert!(size_of::<Error>() == size_of::<usize>());
};

#[cfg(test)]
mod tests {
    use super::{ErrorKind, misfit};

    #[apply(hunted!)]
    fn what_does_not_fit_is_told_by_the_wanted_type_and_without_a_value() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "it is never read")]
        struct Camera {
            id: u8,
            name: String,
        }
        let why = |text: &str| misfit(&serde_json::from_str::<Camera>(text).expect_err("no camera"));
        assert_eq!(why(r#"{"id":1}"#), "it lacks `name`, line 1, column 8");
        assert_eq!(why(r#"{"id":"hunter2, expected u8"}"#), "a value is not u8, line 1, column 28");
        assert_eq!(why("{\n  \"id\": 300}"), "a value is not u8, line 2, column 11");
        assert_eq!(why(r#"{"id":1,"name":["hunter2"]}"#), "a value is not text, line 1, column 15");
        assert_eq!(why(r#"{"id":1,"#), "it ends too early, line 1, column 8");
        assert_eq!(why("hunter2"), "it is not JSON, line 1, column 1");
        let unknown = serde_json::from_str::<Option<std::net::Ipv4Addr>>(r#""hunter2""#).expect_err("no address");
        assert_eq!(misfit(&unknown), "a value has another type or is missing, line 1, column 9");
    }

    /// A kind that is added here does not compile before it has a place in the list, and so in the page.
    #[apply(hunted!)]
    fn every_kind_has_a_name_of_its_own_and_a_section_in_the_page_of_errors() {
        use ErrorKind::*;
        let all = [
            InvalidCredentials,
            SignInRequired,
            SignedOut,
            CaptchaRequired,
            SessionLimit,
            DeviceCode,
            AccessKey,
            Declined,
            Unauthorized,
            Forbidden,
            Validation,
            Throttled,
            Api,
            Outage,
            Timeout,
            Protocol,
            Store,
            Config,
        ];
        let known = |kind| match kind {
            InvalidCredentials | SignInRequired | SignedOut | CaptchaRequired | SessionLimit | DeviceCode
            | AccessKey => (),
            Declined | Unauthorized | Forbidden | Validation | Throttled | Api | Outage | Timeout | Protocol => (),
            Store | Config => (),
        };
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).expect("a page");
        let mut names = std::collections::BTreeSet::new();
        for kind in all {
            known(kind);
            let heading = format!("\n## `{kind:?}`\n");
            assert!(page.contains(&heading), "docs/errors.md has no section {kind:?}");
            assert!(names.insert(kind.as_str()), "{kind:?}");
            assert_eq!(kind.as_str().replace('_', ""), format!("{kind:?}").to_lowercase());
        }
        assert_eq!(page.matches("\n## `").count(), all.len());
    }
}
