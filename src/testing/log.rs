//! What a fake remembers of the requests it answered.

use super::{exchange::FakeCall, fault::Fault};
use http::HeaderMap;
use std::{fmt, time::SystemTime};

/// A request that a fake has answered. Nothing in it is a secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct Seen {
    /// The operation, named as the typed methods are (`get_token`); `other` for a path beside the document that the fake
    /// serves, `unknown` for one that it does not know.
    pub operation: String,
    /// The method: `GET`.
    pub method: String,
    /// The path as the document writes it (`/api/v1/sessions/{session_id}`), without the query.
    pub path: String,
    /// What was answered, even if the answer was then lost; none if the connection was cut before the vendor saw it.
    pub status: Option<u16>,
    /// Whose token came with it: `token #2` is the second that this fake gave out, `unknown` none of them.
    pub bearer: Option<String>,
    /// The header that selects the tenant, as sent.
    pub tenant: Option<String>,
    /// When it was answered, on the fake's clock.
    pub at: SystemTime,
    /// What went wrong with it because the test had asked for that.
    pub fault: Option<Fault>,
    headers: HeaderMap,
}

impl Seen {
    pub(super) fn of(ask: &FakeCall<'_>, status: Option<u16>, bearer: Option<String>, fault: Option<&Fault>) -> Self {
        let tenant = ask.header("tenant").or_else(|| ask.header("x-tenant"));
        Self {
            operation: ask.operation().to_owned(),
            method: ask.request.method.to_string(),
            path: ask.found.template.clone(),
            status,
            bearer,
            tenant: tenant.map(str::to_owned),
            at: ask.now,
            fault: fault.cloned(),
            headers: without_credentials(&ask.request.headers),
        }
    }

    /// A header of the request, except those that carry credentials.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn without_credentials(headers: &HeaderMap) -> HeaderMap {
    const KEPT: [&str; 16] = [
        "accept",
        "accept-language",
        "content-length",
        "content-type",
        "host",
        "origin",
        "referer",
        "store",
        "tenant",
        "user-agent",
        "x-client",
        "x-requested-from",
        "x-tenant",
        "x-uuid",
        "x-version",
        "x-vtex-api-appkey",
    ];
    let kept = headers.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// One line: `auth: POST /user/v1/auth, answered with 201`.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.operation, self.method, self.path)?;
        if let Some(bearer) = &self.bearer {
            write!(f, " with {bearer}")?;
        }
        if let Some(tenant) = &self.tenant {
            write!(f, " for tenant {tenant}")?;
        }
        match self.status {
            Some(status) => write!(f, ", answered with {status}"),
            None => f.write_str(", cut before it was seen"),
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("status", &self.status)
            .field("bearer", &self.bearer)
            .field("tenant", &self.tenant)
            .field("at", &self.at)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
