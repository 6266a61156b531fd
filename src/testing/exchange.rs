//! What goes in and out of a vendor's state machine: one request, and the answer to it.

use super::document::Match;
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::time::SystemTime;
use url::form_urlencoded;

/// What is peculiar to one vendor: a state machine which knows no server.
pub(super) trait Vendor: Send + 'static {
    /// Answers a request. All time comes from [`FakeCall::now`].
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer;
    /// The vendor's "401", for a fault.
    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer;
    /// Every secret that the vendor knows, knew or ever gave out.
    fn secrets(&self) -> Vec<String>;
    /// What to call this access token in the log, if it is one of ours: `token #2`.
    fn name_of(&self, token: &str) -> Option<String>;

    /// The vendor's "429", for a fault. Where nothing is known of it, it has no body.
    fn throttled(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::empty(429)
    }

    /// Paths beside its document that this vendor is known to serve: what answers there is called `other`.
    fn beside(&self) -> &'static [&'static str] {
        &[]
    }

    /// The vendor's "404", where it knows no such path.
    fn unknown(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::empty(404)
    }

    /// Where this vendor's clients put their access token.
    fn token_of<'a>(&self, ask: &'a FakeCall<'_>) -> Option<&'a str> {
        ask.bearer()
    }

    /// What stands on all answers of this vendor, those of a fault among them.
    fn stamp(&mut self, answer: FakeAnswer) -> FakeAnswer {
        answer
    }
}

/// A request, with the operation it means.
pub(super) struct FakeCall<'a> {
    pub(super) request: &'a wiremock::Request,
    pub(super) found: Match,
    pub(super) now: SystemTime,
}

impl FakeCall<'_> {
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

    /// The cookie of this name.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.request.headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The name and secret of an `Authorization: Basic`, decoded as OAuth wants it: both are form-encoded in there.
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let pair = STANDARD.decode(self.header("authorization")?.strip_prefix("Basic ")?).ok()?;
        let (name, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        let plain = |encoded: &str| {
            percent_decode_str(&encoded.replace('+', " ")).decode_utf8().ok().map(|plain| plain.into_owned())
        };
        Some((plain(name)?, plain(secret)?))
    }

    /// A parameter of the query; the first, if there are several.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        self.queries(name).next()
    }

    /// All parameters of the query that have this name.
    pub(super) fn queries(&self, name: &str) -> impl Iterator<Item = String> {
        let named = self.request.url.query_pairs().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.into_owned())
    }

    /// A field of an `application/x-www-form-urlencoded` body.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        self.header("content-type").filter(|kind| kind.starts_with("application/x-www-form-urlencoded"))?;
        form_urlencoded::parse(&self.request.body).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// A field of a `multipart/form-data` body.
    ///
    /// Capitals make no difference: so VTEX reads forms, as far as one can see.
    pub(super) fn part(&self, name: &str) -> Option<String> {
        let kind = self.header("content-type")?.strip_prefix("multipart/form-data")?;
        let boundary = format!("--{}", kind.split_once("boundary=")?.1.trim_matches('"'));
        let body = String::from_utf8_lossy(&self.request.body);
        let mut parts = body.split(&boundary).filter_map(|part| part.split_once("\r\n\r\n"));
        let wanted = format!("name=\"{name}\"").to_ascii_lowercase();
        let (_, value) = parts.find(|(head, _)| head.to_ascii_lowercase().contains(&wanted))?;
        Some(value.strip_suffix("\r\n").unwrap_or(value).to_owned())
    }

    /// The body as JSON; none if it is not.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.request.body).ok()
    }
}

/// What the vendor says.
#[derive(Clone)]
pub(super) struct FakeAnswer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What a request comes to; a refusal is an answer too, and ends what the vendor is at.
pub(super) type Outcome = Result<FakeAnswer, FakeAnswer>;

impl FakeAnswer {
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

    /// Changes what stands at this JSON pointer: `change` gets what it stands in and its name there, and says whether
    /// that could be done.
    pub(super) fn change(&mut self, at: &str, change: impl FnOnce(&mut Value, &str) -> bool) -> Result<(), String> {
        let mut body: Value =
            serde_json::from_slice(&self.body).map_err(|_| format!("there is no `{at}` in an answer without JSON"))?;
        let parent = at.rsplit_once('/').and_then(|(parent, member)| Some((body.pointer_mut(parent)?, member)));
        let done = parent.is_some_and(|(parent, member)| change(parent, &member.replace("~1", "/").replace("~0", "~")));
        if !done {
            return Err(format!("there is no `{at}` in the answer {}", outline(&body)));
        }
        self.body = body.to_string().into_bytes();
        Ok(())
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

/// The names in an answer, without its values: they may be secrets.
fn outline(body: &Value) -> String {
    match body {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| match value {
                Value::Object(_) | Value::Array(_) => format!("{name}: {}", outline(value)),
                _ => name.clone(),
            });
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}; {}]", items.first().map(outline).unwrap_or_default(), items.len()),
        _ => "…".to_owned(),
    }
}
