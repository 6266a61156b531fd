//! What a failure means, by operation and status.

use super::{
    facts::{Certainty, Facts, Step},
    json,
    middlebox::{self, what_answered},
    response::{BufferedResponse, request_id},
    told_times::retry_after,
};
use crate::{Error, ErrorKind, Validation, error::Detail};
use http::HeaderMap;
use serde_json::Value;
use std::{borrow::Cow, time::SystemTime};

/// The longest body an error shows.
const SHOWN: usize = 4 * 1024;
/// The longest body that an error holds as the document's type.
const LONGEST_DETAIL: usize = 16 * 1024;
/// An error holds so many fields, so many messages of each, and so much of each text: it may be kept for long.
const FIELDS: usize = 64;
const MESSAGES: usize = 16;
const LONGEST_TEXT: usize = 512;
const LONGEST_CODE: usize = 128;
/// A vendor's sentence that is shown in the line of an error.
const LONGEST_QUOTE: usize = 160;
const LET_THROUGH: &str =
    "have it let these calls through: firewalls and gateways know callers by address, User-Agent and rate";

/// How a surface reads a failure, where the status alone does not say what the vendor means.
pub(crate) type Classify = fn(&Verdict<'_>) -> Option<Error>;

/// A failure before it becomes an error: everything a surface needs to word it.
pub(crate) struct Verdict<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    /// What a failure says; nothing of a success.
    pub(crate) body: Option<Value>,
    answer: &'a BufferedResponse,
    succeeded: bool,
    now: SystemTime,
}

/// Whether a 200 says that the call succeeded: in the member that its document names; and a step of a session that
/// answers with an OAuth error (RFC 6749, 5.2) and no token has failed, whatever its status.
fn says_success(facts: &Facts, body: &[u8]) -> bool {
    if matches!(facts.step, Step::SignIn | Step::Renew) && facts.success.is_none() {
        let error = json::member(body, "error");
        let is_error = error.as_ref().and_then(Value::as_str).is_some_and(|error| !error.is_empty());
        return !is_error || json::member(body, "access_token").is_some();
    }
    let Some((member, value)) = facts.success else { return true };
    match json::member(body, member) {
        Some(Value::String(said)) => said.eq_ignore_ascii_case(value),
        Some(Value::Bool(said)) => said.to_string() == value,
        _ => true,
    }
}

fn makes_sessions(facts: &Facts) -> bool {
    matches!(facts.step, Step::SignIn | Step::Renew)
}

/// What a failure says. Where it decides about a credential it is read whole or not at all, unless it is very long: then its
/// beginning is read.
fn said(answer: &BufferedResponse, facts: &Facts) -> Option<Value> {
    let is_long = answer.body.len() >= json::LONGEST_FAILURE;
    if makes_sessions(facts) && !is_long { json::value(&answer.body) } else { json::failure(&answer.body) }
}

impl<'a> Verdict<'a> {
    pub(crate) fn of(answer: &'a BufferedResponse, facts: &'a Facts, now: SystemTime) -> Self {
        let succeeded = answer.status.is_success() && says_success(facts, &answer.body);
        let body = if succeeded { None } else { said(answer, facts) };
        Self { facts, answer, status: answer.status.as_u16(), headers: &answer.headers, body, succeeded, now }
    }

    /// Of an answer that is a failure, whatever its status says.
    pub(crate) fn failed(answer: &'a BufferedResponse, facts: &'a Facts, now: SystemTime) -> Self {
        let body = said(answer, facts);
        Self { body, succeeded: false, ..Self::of(answer, facts, now) }
    }

    /// A 200 may still say in a member that the call failed.
    pub(crate) fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// The vendor's member of this name, if it is a string.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.body.as_ref()?.get(member)?.as_str()
    }

    /// What the vendor says in this member, in quotes, if it is a short line of plain words and repeats no secret.
    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "the other surfaces have words of their own"))]
    pub(crate) fn quoted(&self, member: &str) -> Option<String> {
        let said = self.text(member)?.trim();
        let is_plain = said.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        let is_told = self.answer.carried.is_told_by(said) || self.answer.carried.masked(said.to_owned()) != said;
        (!said.is_empty() && said.len() <= LONGEST_QUOTE && is_plain && !is_told).then(|| format!("\"{said}\""))
    }

    /// Whether these words stand in the body, in small letters or capitals.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.answer.body.len() <= SHOWN && String::from_utf8_lossy(&self.answer.body).to_lowercase().contains(words)
    }

    /// Words for a person, and neither data nor a web page.
    pub(crate) fn is_plain_text(&self) -> bool {
        let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        !self.is_empty() && kind.is_some_and(|kind| kind.starts_with("text/plain"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answer.is_empty()
    }

    /// Who answered in the vendor's place: something that speaks in web pages.
    fn middlebox(&self) -> Option<Cow<'static, str>> {
        // The vendor's own servers have pages too, for what they do not know and for their bad days.
        let is_the_vendors = matches!(self.status, 400 | 401 | 404) || is_transient(self.status);
        if is_the_vendors || !(400..500).contains(&self.status) {
            return None;
        }
        let is_page = middlebox::is_page(self.headers, &self.answer.body);
        let is_text = self.status == 403 && self.body.is_none() && !self.is_empty();
        (is_page || is_text)
            .then(|| what_answered(self.headers).unwrap_or("something that does not say what it is".into()))
    }

    /// The same for a step of the session's own. Who is not signed in yet cannot lack a right: a page in the place of an
    /// answer says that the vendor was not reached.
    pub(crate) fn error_of_step(&self) -> Error {
        match self.middlebox() {
            Some(who) => {
                let what = format!("the call did not reach the vendor: {who} answered with a page of its own");
                self.with_context(Error::protocol(what).advice(LET_THROUGH))
            }
            None => self.error(),
        }
    }

    /// The error that code and status mean.
    pub(crate) fn error(&self) -> Error {
        let validation = self.validation();
        let (kind, message) = self.meaning(validation.is_some());
        let error = Error::new(kind, message);
        let error = match self.advice(kind) {
            Some(advice) => error.advice(advice),
            None => error,
        };
        let error = match validation {
            Some(validation) if kind == ErrorKind::Validation => error.with_validation(validation),
            _ => error,
        };
        self.with_context(error)
    }

    /// Adds what every error of an answer carries.
    pub(crate) fn with_context(&self, error: Error) -> Error {
        let error = if self.refuses_in_pieces(error.kind()) { torn_refusal() } else { error };
        let raw = &self.answer.body;
        let shown = self.facts.step == Step::Call && raw.len() <= SHOWN;
        error
            .at(self.facts.operation)
            .with_status(self.status)
            .with_request_id(request_id(self.headers).filter(|id| !self.answer.carried.is_told_by(id)))
            .with_retry_after(retry_after(self.headers, self.now))
            .with_code(self.code())
            .with_detail(self.detail())
            .with_body(shown.then(|| self.shown()).flatten())
    }

    /// A credential that is refused is not presented again, by any process: an answer that broke off, or that is no object
    /// of the vendor's at all, is not enough for that.
    fn refuses_in_pieces(&self, kind: ErrorKind) -> bool {
        let refuses = matches!(kind, ErrorKind::InvalidCredentials | ErrorKind::SignInRequired);
        let is_object = self.body.as_ref().is_some_and(Value::is_object);
        refuses && makes_sessions(self.facts) && !is_object && !self.is_empty()
    }

    /// What the vendor said, without the secrets that it repeats.
    fn shown(&self) -> Option<Value> {
        let body = self.body.clone()?;
        Some(if self.answer.carried.is_empty() { body } else { self.answer.carried.masked_value(body) })
    }

    pub(crate) fn code(&self) -> Option<String> {
        let code = ["vmosCode", "code", "error", "authStatus", "status"].iter().find_map(|member| self.text(member))?;
        self.is_code(code).then(|| code.to_owned())
    }

    /// What repeats a secret is none.
    pub(crate) fn is_code(&self, code: &str) -> bool {
        code.len() <= LONGEST_CODE && !self.answer.carried.is_told_by(code)
    }

    /// The body as the type that the document gives for this status.
    fn detail(&self) -> Option<Detail> {
        if self.answer.body.len() > LONGEST_DETAIL {
            return None;
        }
        let failure = self.facts.failures.iter().find(|failure| (failure.from..=failure.to).contains(&self.status))?;
        let body = match self.shown() {
            Some(masked) if self.body.as_ref() != Some(&masked) => serde_json::to_vec(&masked).ok()?,
            _ => json::trimmed(&self.answer.body).to_vec(),
        };
        Some(Detail::new((failure.body)(), body))
    }

    /// What a code means that says more than its status (RFC 6749, 4.1.2.1 and 5.2; RFC 8628, 3.5).
    fn meaning_of_code(&self) -> Option<(ErrorKind, String)> {
        if self.facts.step == Step::Call || self.status >= 500 {
            return None;
        }
        match self.text("error")? {
            "temporarily_unavailable" | "server_error" => {
                Some((ErrorKind::Outage, "the vendor's service failed for now".into()))
            }
            "slow_down" => Some((ErrorKind::Throttled, "the vendor allows no more requests for now".into())),
            _ => None,
        }
    }

    /// There is nothing where the vendor's document has this operation, and nobody says that something else is missing.
    pub(crate) fn is_nowhere(&self) -> bool {
        let is_documented = self.facts.certainty != Certainty::Guessed && self.facts.path.starts_with('/');
        matches!(self.status, 404 | 405) && is_documented && self.code().is_none()
    }

    /// There is nothing at a guessed path, or nothing with this method: the same mistake.
    pub(crate) fn is_wrong_guess(&self) -> bool {
        matches!(self.status, 404 | 405) && self.facts.certainty == Certainty::Guessed
    }

    fn meaning(&self, has_fields: bool) -> (ErrorKind, String) {
        let status = self.status;
        if let Some(meaning) = self.meaning_of_code() {
            return meaning;
        }
        match status {
            401 => (ErrorKind::Unauthorized, "the vendor does not accept this session".into()),
            403 => match self.middlebox() {
                Some(who) => {
                    (ErrorKind::Forbidden, format!("{who} answered in the vendor's place and forbids this call"))
                }
                None => (ErrorKind::Forbidden, "the vendor forbids this call".into()),
            },
            _ if self.is_wrong_guess() => {
                let why = if status == 404 { "nothing was found" } else { "this method is not allowed" };
                (ErrorKind::Api, format!("{why} at {}, and that path is a guess of ours", self.facts.path))
            }
            407 => (ErrorKind::Config, "a proxy on the way wants credentials of its own".into()),
            408 | 504 => (ErrorKind::Timeout, "the vendor took too long".into()),
            511 => (ErrorKind::Outage, "the network wants a sign-in of its own before it lets calls through".into()),
            422 => (ErrorKind::Validation, "the vendor refused the values it was sent".into()),
            400 if has_fields => (ErrorKind::Validation, "the vendor refused the values it was sent".into()),
            429 => (ErrorKind::Throttled, "the vendor allows no more requests for now".into()),
            500.. => (ErrorKind::Outage, "the vendor's service failed".into()),
            300..=399 => (ErrorKind::Protocol, "the vendor redirects, and credentials do not follow".into()),
            _ => (ErrorKind::Api, "the vendor refused the call".into()),
        }
    }

    fn advice(&self, kind: ErrorKind) -> Option<&'static str> {
        Some(match kind {
            ErrorKind::Unauthorized => "renewing does not help; check what this account may do",
            ErrorKind::Forbidden if self.middlebox().is_some() => LET_THROUGH,
            ErrorKind::Forbidden => "this session may not do that",
            ErrorKind::Validation => "see error.validation()",
            ErrorKind::Throttled => "let the next call wait",
            ErrorKind::Outage | ErrorKind::Timeout => "try later",
            ErrorKind::Protocol => "check the address given to the builder",
            ErrorKind::Config => "give the proxy's user and password with .http(|b| b.proxy(..)), or in HTTPS_PROXY",
            ErrorKind::Api if self.is_wrong_guess() => {
                "ask the vendor for the real one and give it to .operation_path(..) on the builder"
            }
            ErrorKind::Api => "see error.code() and error.body()",
            _ => return None,
        })
    }

    /// `errors` by field, or a list of broken constraints.
    pub(crate) fn validation(&self) -> Option<Validation> {
        let body = self.body.as_ref()?;
        if let Some(errors) = body.get("errors").and_then(Value::as_object) {
            let mut fields = Validation::new();
            for (field, messages) in errors.iter().take(FIELDS) {
                fields.insert(self.answer.carried.masked(cut(field).into_owned()), self.strings(messages));
            }
            return Some(fields);
        }
        let constraints = body.get("message")?.as_array()?;
        let broken = constraints.iter().filter_map(|item| item.get("constraints")).flat_map(|all| self.strings(all));
        let broken: Vec<_> = broken.take(MESSAGES).collect();
        if broken.is_empty() {
            return None;
        }
        let mut fields = Validation::new();
        fields.insert("body".to_owned(), broken);
        Some(fields)
    }

    fn strings(&self, value: &Value) -> Vec<String> {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let texts = items.iter().filter_map(Value::as_str).take(MESSAGES);
        texts.map(|text| self.answer.carried.masked(cut(text).into_owned())).collect()
    }
}

fn torn_refusal() -> Error {
    Error::protocol("the answer is no whole one of the vendor's, so nobody can tell whether it refused the credentials")
        .advice("if it stays so, see what stands between you and the vendor")
}

/// No more of a text than an error holds.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// What any server, or anything in between, may answer to anybody: it says nothing about who asked.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}
