//! What goes in and out of a vendor's state machine: one request, and the answer to it.

use super::document::Match;
use serde_json::{Value, json};
use std::time::SystemTime;

/// What is peculiar to one vendor: a state machine which knows no server.
pub(super) trait Vendor: Send + 'static {
    /// Answers a request. All time comes from [`Ask::now`].
    fn answer(&mut self, ask: &Ask<'_>) -> Answer;
    /// The vendor's "401", for a fault.
    fn unauthorized(&self, ask: &Ask<'_>) -> Answer;
    /// The vendor's "429", for a fault.
    fn throttled(&self, ask: &Ask<'_>) -> Answer;
    /// What to call this access token in the log, if it is one of ours: `token #2`.
    fn name_of(&self, token: &str) -> Option<String>;
}

/// A request, with the operation it means.
pub(super) struct Ask<'a> {
    pub(super) request: &'a wiremock::Request,
    pub(super) found: Match,
    pub(super) now: SystemTime,
}

impl Ask<'_> {
    pub(super) fn operation(&self) -> &str {
        &self.found.operation
    }

    pub(super) fn path(&self) -> &str {
        self.request.url.path()
    }

    /// The path's parameters by position: their names are the document's business.
    pub(super) fn parameter(&self, position: usize) -> &str {
        &self.found.parameters[position]
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The body as JSON; none if it is not.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.request.body).ok()
    }
}

/// What the vendor says.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { content_type: "application/json", body: body.to_string().into_bytes(), ..Self::empty(status) }
    }

    /// A page for people, such as proxies and frameworks put in the way of programs.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>{title}</title></head>\n\
             <body><h1>{status}</h1><p>{title}</p></body>\n</html>\n"
        );
        Self { content_type: "text/html; charset=UTF-8", body: page.into_bytes(), ..Self::empty(status) }
    }

    /// `{"message": …}`, as several frameworks answer what went wrong.
    pub(super) fn message(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}
