//! What came back: read within bounds, then judged by operation and status.

use super::{
    Surface,
    facts::{Certainty, Facts, Step},
};
use crate::{Error, ErrorKind, Validation, clock::Clock, error::misfit, session::cooldown::LONGEST_BELIEVED};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use reqwest::Response;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// The longest answer a typed call takes.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;
/// The longest body an error shows.
const SHOWN: usize = 4 * 1024;

/// A whole answer, its body bounded.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads the body, up to [`LONGEST`].
    pub(crate) async fn read(mut response: Response) -> Result<Self, Error> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let torn = |error: reqwest::Error| {
            let late = error.is_timeout();
            let broken = || {
                Error::new(ErrorKind::Outage, "the connection broke before the answer was complete")
                    .advice("try later; whether the vendor has acted on the call is not known")
            };
            if late { Error::from(error) } else { broken() }.with_status(status.as_u16())
        };
        // Most answers come in one piece, and that is the body.
        let first = response.chunk().await.map_err(torn)?.unwrap_or_default();
        let mut joined = Vec::new();
        let mut length = first.len();
        while let Some(chunk) = response.chunk().await.map_err(torn)? {
            length += chunk.len();
            if length > LONGEST {
                break;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&chunk);
        }
        if length > LONGEST {
            return Err(Error::protocol("the answer is longer than 8 MiB and was not read further")
                .with_status(status.as_u16())
                .advice("fetch it with http() and read its body as a stream"));
        }
        let body = if joined.is_empty() { first } else { joined.into() };
        Ok(Self { status, headers, body })
    }

    /// The body as a type of ours.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|why| self.unread(&why))
    }

    fn unread(&self, why: &serde_json::Error) -> Error {
        let what = match self.body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => "the answer is empty where JSON was promised".to_owned(),
            Some(b'<') => "the answer is a web page where JSON was promised".to_owned(),
            Some(_) => format!("the answer is not what the document promises ({})", misfit(why)),
        };
        Error::protocol(what)
            .with_status(self.status.as_u16())
            .with_request_id(request_id(&self.headers))
            .advice("the vendor changed its answer, or something between you and the vendor answered")
    }

    /// Whether nothing but blanks came.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.iter().all(u8::is_ascii_whitespace)
    }

    /// What its failure means, if the call failed.
    pub(crate) fn judged(&self, surface: &Surface, facts: &Facts, clock: &dyn Clock) -> Result<(), Error> {
        if self.status.is_success() && facts.success.is_none() {
            return Ok(());
        }
        let verdict = Verdict::of(self, facts, clock.wall());
        if self.status.is_success() && verdict.succeeded() {
            return Ok(());
        }
        Err((surface.judge)(&verdict).unwrap_or_else(|| verdict.error()).at(facts.operation))
    }
}

/// A failure before it becomes an error: everything a surface needs to word it.
pub(crate) struct Verdict<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Option<Value>,
    raw: &'a [u8],
    now: SystemTime,
}

impl<'a> Verdict<'a> {
    pub(crate) fn of(answer: &'a Answer, facts: &'a Facts, now: SystemTime) -> Self {
        let wanted = !answer.status.is_success() || facts.success.is_some();
        let body = if wanted { serde_json::from_slice(&answer.body).ok() } else { None };
        let status = answer.status.as_u16();
        Self { facts, status, headers: &answer.headers, body, raw: &answer.body, now }
    }

    /// A 200 may still say in a member that the call failed.
    pub(crate) fn succeeded(&self) -> bool {
        let Some((member, value)) = self.facts.success else { return true };
        match self.body.as_ref().and_then(|body| body.get(member)) {
            Some(Value::String(said)) => said.eq_ignore_ascii_case(value),
            Some(Value::Bool(said)) => said.to_string() == value,
            _ => true,
        }
    }

    /// The vendor's member of this name, if it is a string.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.body.as_ref()?.get(member)?.as_str()
    }

    /// Whether these words stand in the body, in small letters or capitals.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.raw.len() <= SHOWN && String::from_utf8_lossy(self.raw).to_lowercase().contains(words)
    }

    /// Words for a person, and neither data nor a web page.
    pub(crate) fn is_plain_text(&self) -> bool {
        let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        !self.is_empty() && kind.is_some_and(|kind| kind.starts_with("text/plain"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.raw.iter().all(u8::is_ascii_whitespace)
    }

    /// The error that the status alone means.
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
        self.dressed(error)
    }

    /// Adds what every error of an answer carries.
    pub(crate) fn dressed(&self, error: Error) -> Error {
        let shown = self.facts.step == Step::Call && self.raw.len() <= SHOWN;
        let detail = self.facts.failures.iter().find(|failure| (failure.from..=failure.to).contains(&self.status));
        error
            .at(self.facts.operation)
            .with_status(self.status)
            .with_request_id(request_id(self.headers))
            .with_retry_after(retry_after(self.headers, self.now))
            .with_code(
                ["vmosCode", "code", "error", "authStatus", "status"]
                    .iter()
                    .find_map(|member| self.text(member))
                    .map(str::to_owned),
            )
            .with_detail(detail.and_then(|failure| (failure.decode)(self.raw)))
            .with_body(self.body.clone().filter(|_| shown))
    }

    /// There is nothing at a guessed path, or nothing with this method: the same mistake.
    fn is_wrong_guess(&self) -> bool {
        matches!(self.status, 404 | 405) && self.facts.certainty == Certainty::Guessed
    }

    fn meaning(&self, has_fields: bool) -> (ErrorKind, String) {
        let status = self.status;
        match status {
            401 => (ErrorKind::Unauthorized, "the vendor does not accept this session".into()),
            403 => (ErrorKind::Forbidden, "the vendor forbids this call".into()),
            _ if self.is_wrong_guess() => {
                let why = if status == 404 { "nothing was found" } else { "this method is not allowed" };
                (ErrorKind::Api, format!("{why} at {}, and that path is a guess of ours", self.facts.path))
            }
            408 | 504 => (ErrorKind::Timeout, "the vendor took too long".into()),
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
            ErrorKind::Forbidden => "this session may not do that",
            ErrorKind::Validation => "see error.validation()",
            ErrorKind::Throttled => "let the next call wait",
            ErrorKind::Outage | ErrorKind::Timeout => "try later",
            ErrorKind::Protocol => "check the address given to the builder",
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
            return Some(errors.iter().map(|(field, messages)| (field.clone(), strings(messages))).collect());
        }
        let constraints = body.get("message")?.as_array()?;
        let broken: Vec<_> = constraints.iter().filter_map(|item| item.get("constraints")).flat_map(strings).collect();
        (!broken.is_empty()).then(|| Validation::from([("body".to_owned(), broken)]))
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// `Retry-After` in seconds or as a date; at most an hour is believed.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_BELIEVED))
}

/// The vendor's clock when it answered.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(http::header::DATE)?.to_str().ok()?).ok()
}

/// What any server, or anything in between, may answer to anybody: it says nothing about who asked.
pub(crate) fn is_bad_day(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    (id.len() <= 128).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wait(value: &'static str) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[apply(hunted!)]
    fn retry_after_is_read_as_seconds_or_a_date_and_clamped() {
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("99999999"), Some(3600));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0));
        for nonsense in ["", "-5", "soon", "1e3", "99999999999999999999999"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }
}
