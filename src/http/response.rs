//! What came back, read within bounds.

use super::{
    json,
    middlebox::{self, what_answered},
    misfit::misfit,
};
use crate::{Error, ErrorKind, secret::Carried};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_ENCODING};
use reqwest::Response;
use std::{borrow::Cow, fmt};

/// The longest answer a typed call takes.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;

/// A whole answer, its body bounded.
#[derive(Clone)]
pub struct BufferedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The secrets of the call: a vendor that repeats one does not make it less secret.
    pub(crate) carried: Carried,
    /// The typed call that it answers: an error in reading it is named after that.
    pub(crate) operation: Option<&'static str>,
}

/// Its status: a body may hold a secret.
impl fmt::Debug for BufferedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl BufferedResponse {
    /// Reads the body, up to [`LONGEST`]. Of a failure the beginning is enough.
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
        let kept = if status.is_success() { LONGEST } else { json::LONGEST_FAILURE };
        while let Some(chunk) = response.chunk().await.map_err(torn)? {
            length += chunk.len();
            if length > LONGEST {
                break;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            // The rest is read to its end all the same, so that the connection can be used again.
            let room = kept.saturating_sub(joined.len());
            joined.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        if length > LONGEST {
            return Err(Error::protocol("the answer is longer than 8 MiB and was not read further")
                .with_status(status.as_u16())
                .advice("fetch it with http() and read its body as a stream"));
        }
        let mut body = if joined.is_empty() { first } else { joined.into() };
        if !status.is_success() && body.len() > json::LONGEST_FAILURE {
            // A copy, so that the rest of it is free.
            body = Bytes::copy_from_slice(&body[..json::LONGEST_FAILURE]);
        }
        Ok(Self { status, headers, body, carried: Carried::default(), operation: None })
    }

    pub(crate) fn carrying(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }

    /// The body as a type of ours.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        json::read(&self.body).map_err(|why| self.unread(&why))
    }

    /// The body of a typed call. A success that says that it has no content (RFC 9110, 15.3.5), or has none, is what was
    /// asked for all the same: where the type can do without every member, nothing is one without any, and where it says whether
    /// something was done, it was.
    pub(crate) fn value<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        if !self.is_empty() || self.coding().is_some() {
            return self.json();
        }
        // Read from bytes, as the body is: from a text it would be compiled for each type once more.
        let nothing =
            ["{}", "[]", "null", "true"].into_iter().find_map(|nothing| json::strictly(nothing.as_bytes()).ok());
        nothing.filter(|_| matches!(self.status.as_u16(), 202 | 204 | 205)).map_or_else(|| self.json(), Ok)
    }

    /// An object as a type of ours.
    pub(crate) fn object<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        json::object(&self.body).map_err(|why| self.unread(&why))
    }

    fn unread(&self, why: &serde_json::Error) -> Error {
        let first = json::trimmed(&self.body).iter().find(|byte| !byte.is_ascii_whitespace());
        let what = match (self.coding(), first) {
            (Some(coding), _) => format!("the answer is encoded ({coding}), and nobody asked for that"),
            (None, None) => "the answer is empty where JSON was promised".to_owned(),
            (None, Some(b'<')) => match what_answered(&self.headers) {
                Some(who) => format!("the answer is a web page where JSON was promised, and came from {who}"),
                None => "the answer is a web page where JSON was promised".to_owned(),
            },
            (None, Some(_)) => format!("the answer is not what the document promises ({})", misfit(why)),
        };
        let advice = match self.coding() {
            Some(_) => "something between you and the vendor encodes answers unasked: have it leave them as they are",
            None => "the vendor changed its answer, or something between you and the vendor answered",
        };
        self.no_success(what).with_request_id(request_id(&self.headers)).advice(advice)
    }

    /// An error of this answer, whose status promised more.
    pub(super) fn no_success(&self, what: impl Into<Cow<'static, str>>) -> Error {
        let error = Error::protocol(what).with_status(self.status.as_u16());
        match self.operation {
            Some(operation) => error.at(operation),
            None => error,
        }
    }

    /// The coding of the body (RFC 9110, 8.4), where it has one. What reqwest decodes has none any more.
    fn coding(&self) -> Option<String> {
        let coding = self.headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim();
        let is_none = coding.is_empty() || coding.eq_ignore_ascii_case("identity");
        (!is_none).then(|| middlebox::word(coding).unwrap_or("in a way that has no name").to_owned())
    }

    /// Whether nothing but blanks came.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.iter().all(u8::is_ascii_whitespace)
    }
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    (id.len() <= 128).then(|| id.to_owned())
}
