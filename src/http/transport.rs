//! The other client: sign-ins, renewals, captchas and sign-outs. They never pass through authorize, replay or retry.

use super::{
    cookies::Cookies,
    drift::Drift,
    facts::{Facts, Step},
    judge::Judge,
    paths::{self, Paths},
    response::BufferedResponse,
    segments::encode_segment,
    surface::Surface,
    told_times::date,
    verdict::Verdict,
};
use crate::{
    BoxFuture, Error, ErrorKind, Secret,
    clock::Clock,
    secret::{Carried, take_written, wiped, writing},
    session::Attempt,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

/// Sends what makes and ends sessions.
#[derive(Clone)]
pub(crate) struct AuthClient {
    pub(crate) surface: &'static Surface,
    pub(crate) client: reqwest::Client,
    pub(crate) root: Url,
    pub(crate) timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// Sent with every such call, such as the tenant's header.
    pub(crate) constant: HeaderMap,
    pub(crate) paths: Paths,
    pub(crate) drift: Arc<Drift>,
    /// What the user says about failures.
    pub(crate) judge: Judge,
}

/// The body of an auth call is shorter, unless a token is very long.
const ROOM: usize = 8 * 1024;

/// A call of the auth client.
pub(crate) struct AuthCall {
    facts: &'static Facts,
    method: Method,
    path: String,
    /// Where it goes, if that is not below the platform's root.
    address: Option<Url>,
    headers: HeaderMap,
    body: Option<Bytes>,
    carried: Carried,
}

/// How often a call that failed to connect is tried.
const CONNECT_ATTEMPTS: u32 = 3;

impl AuthClient {
    /// The documented operation of this name, its path filled in later if it has parameters.
    pub(crate) fn call(&self, operation: &str) -> Result<AuthCall, Error> {
        let facts = self.surface.facts.iter().find(|facts| facts.operation == operation);
        let facts = facts.ok_or_else(|| Error::config(paths::unknown(self.surface.facts, operation)))?;
        debug_assert!(
            facts.step != Step::Call || facts.roles.is_empty(),
            "an issuer calls `{operation}`, which its document takes for a call of the user's: give it `x-session-step`"
        );
        let method = Method::from_bytes(facts.method.as_bytes())
            .map_err(|_| Error::config(format!("the document's method of {operation} is none")))?;
        let mut headers = plain();
        if let Some(content_type) = self.surface.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let path = self.paths.of(facts).to_owned();
        Ok(AuthCall { facts, method, path, address: None, headers, body: None, carried: Carried::default() })
    }

    /// A call that spends nothing.
    pub(crate) async fn ask(&self, call: AuthCall) -> Result<AuthResponse, Error> {
        self.exchange(&call).await.map_err(|failed| failed.error)
    }

    /// A call that spends a token or an attempt: it needs the engine's leave, and gets it back if it never left.
    ///
    /// Boxed, as is the exchange: the compiler would write both, with all that is below them, anew for every surface.
    pub(crate) fn spend<'a>(
        &'a self,
        attempt: &'a Attempt,
        call: AuthCall,
    ) -> BoxFuture<'a, Result<AuthResponse, Error>> {
        debug_assert!(
            call.facts.step != Step::Call,
            "an issuer spends an attempt on `{}`, which is no step of a session: give it `x-session-step`",
            call.facts.operation
        );
        Box::pin(async move {
            let mut tries = 1;
            loop {
                let permit = attempt.acquire().await.map_err(|error| error.at(call.facts.operation))?;
                match self.exchange(&call).await {
                    Ok(reply) => return Ok(reply),
                    Err(failed) if failed.never_left => {
                        attempt.release(permit).await;
                        if tries == CONNECT_ATTEMPTS {
                            return Err(failed.error);
                        }
                        attempt.pause(Duration::from_millis(100 << tries)).await;
                        tries += 1;
                    }
                    Err(failed) => return Err(failed.error.with_unknown_outcome()),
                }
            }
        })
    }

    fn exchange<'a>(&'a self, call: &'a AuthCall) -> BoxFuture<'a, Result<AuthResponse, Failed>> {
        Box::pin(async move {
            let failed = |error: Error, never_left| Failed { error: error.at(call.facts.operation), never_left };
            let url = match &call.address {
                Some(address) => Ok(address.clone()),
                None => Url::parse(&format!("{}{}", self.root.as_str().trim_end_matches('/'), call.path)),
            };
            let url = url.map_err(|_| failed(Error::config("the call's address cannot be read"), true))?;
            let mut request = self.client.request(call.method.clone(), url).timeout(self.timeout);
            request = request.headers(self.constant.clone()).headers(call.headers.clone());
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            let response = request.send().await.map_err(|error| {
                let never_left = error.is_connect() || error.is_builder();
                failed(error.into(), never_left)
            })?;
            let answer = BufferedResponse::read(response).await.map_err(|error| failed(error, false))?;
            let answer = answer.carrying(call.carried.clone());
            let drift = self.drift.clone();
            let judge = self.judge.clone();
            Ok(AuthResponse { answer, facts: call.facts, surface: self.surface, now: self.clock.wall(), drift, judge })
        })
    }
}

/// What every such call asks for.
fn plain() -> HeaderMap {
    HeaderMap::from_iter([
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        // Without this any coding would be as good (RFC 9110, 12.5.3), and none is read here.
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ])
}

struct Failed {
    error: Error,
    /// Nothing reached the vendor.
    never_left: bool,
}

impl AuthCall {
    /// Of an issuer that no document of ours describes.
    pub(crate) fn below_root(facts: &'static Facts, method: Method, path: String) -> Self {
        Self { facts, method, path, address: None, headers: plain(), body: None, carried: Carried::default() }
    }

    /// The same call as this step.
    pub(crate) fn of(self, facts: &'static Facts) -> Self {
        Self { facts, ..self }
    }

    /// Counts this as a secret of the call.
    pub(crate) fn carrying(mut self, secret: &Secret) -> Self {
        self.carried.add(secret);
        self
    }

    /// A header that holds a secret.
    pub(crate) fn secret_header(mut self, name: &'static str, secret: &Secret) -> Result<Self, Error> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config("a header of an issuer's request has a name that is none"))?;
        let mut value = HeaderValue::try_from(secret.expose())
            .map_err(|_| Error::refused_field(name.as_str(), "cannot be sent as a header"))?;
        value.set_sensitive(true);
        self.carried.add(secret);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Fills in a path parameter, percent-encoded as one segment.
    pub(crate) fn path(mut self, name: &'static str, value: &str) -> Result<Self, Error> {
        let encoded = encode_segment(name, value)?;
        self.path = self.path.replace(format!("{{{name}}}").as_str(), &encoded);
        self.carried.add(&Secret::from(value));
        Ok(self)
    }

    /// Goes to this address, which is one of the provider's own: who builds the call has checked it.
    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "the other surfaces have one platform each"))]
    pub(crate) fn to(self, address: Url) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Uses another method than the document's, where the live service is known to.
    pub(crate) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Sends this as JSON; the secrets in it are written.
    pub(crate) fn json<T: Serialize>(mut self, body: &T) -> Result<Self, Error> {
        // With room for all, so that it does not grow and leave copies behind.
        let mut written = Vec::with_capacity(ROOM);
        writing(|| serde_json::to_writer(&mut written, body))
            .map_err(|_| Error::config("the call's body cannot be written"))?;
        self.carried = take_written();
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { body: Some(wiped(written)), ..self })
    }

    /// Sends these as a form. Those that anybody may know are named; all others count as secrets.
    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.carry(fields);
        let body = url::form_urlencoded::Serializer::new(String::with_capacity(ROOM)).extend_pairs(fields).finish();
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Self { body: Some(wiped(body.into_bytes())), ..self }
    }

    fn carry(&mut self, fields: &[(&str, &str)]) {
        const KNOWN: [&str; 21] = [
            "acr_values",
            "accountName",
            "audience",
            "client_assertion_type",
            "client_id",
            "code_challenge_method",
            "email",
            "grant_type",
            "login",
            "max_age",
            "module",
            "redirect_uri",
            "requested_token_type",
            "resource",
            "response_type",
            "scope",
            "subject_token_type",
            "token_type_hint",
            "actor_token_type",
            "user",
            "username",
        ];
        let secrets = fields.iter().filter(|(name, _)| !KNOWN.contains(name));
        secrets.for_each(|(_, value)| self.carried.add(&Secret::from(*value)));
    }

    /// Sends these as `multipart/form-data`.
    pub(crate) fn multipart(mut self, fields: &[(&str, &str)]) -> Result<Self, Error> {
        const BOUNDARY: &str = "keyway-8f14e45fceea167a5a36dedd4bea2543";
        self.carry(fields);
        let mut body = String::with_capacity(ROOM);
        for (name, value) in fields {
            if value.contains(BOUNDARY) {
                return Err(Error::refused_field(name, "cannot be sent as a part of a form"));
            }
            body += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body += &format!("--{BOUNDARY}--\r\n");
        let kind = HeaderValue::from_static("multipart/form-data; boundary=keyway-8f14e45fceea167a5a36dedd4bea2543");
        self.headers.insert(header::CONTENT_TYPE, kind);
        Ok(Self { body: Some(wiped(body.into_bytes())), ..self })
    }

    /// Carries these cookies, as they were set (RFC 6265, 5.4). What would end a cookie or its name is refused.
    pub(crate) fn cookies(mut self, cookies: &[(&str, &Secret)]) -> Result<Self, Error> {
        let mut line = String::new();
        for (name, value) in cookies {
            let text = value.expose();
            let ends = |c: char| c == ';' || c.is_control();
            let is_value = !text.is_empty() && text.trim() == text && !text.contains(ends);
            if !is_value || name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || ends(c)) {
                return Err(Error::refused_field(shown(name), "cannot be sent as a cookie"));
            }
            self.carried.add(value);
            line += &format!("{}{name}={}", if line.is_empty() { "" } else { "; " }, value.expose());
        }
        let mut value =
            HeaderValue::try_from(line).map_err(|_| Error::refused_field("cookie", "cannot be sent as a header"))?;
        value.set_sensitive(true);
        self.headers.insert(header::COOKIE, value);
        Ok(self)
    }

    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&pair);
        self
    }

    /// Says which client asks: its header, and the secret in that.
    pub(crate) fn authorized(mut self, header: &HeaderValue, secret: &Secret) -> Self {
        self.carried.add(secret);
        self.headers.insert(header::AUTHORIZATION, header.clone());
        self
    }

    /// Carries a token that is about to be ended.
    pub(crate) fn bearer(mut self, token: &Secret) -> Result<Self, Error> {
        self.carried.add(token);
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Error::protocol("the vendor's token holds characters that no header may hold"))?;
        value.set_sensitive(true);
        self.headers.insert(header::AUTHORIZATION, value);
        Ok(self)
    }
}

/// A cookie's name, where a line can show it.
fn shown(name: &str) -> &str {
    let is_plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { name } else { "cookie" }
}

/// A whole answer to an auth call. What a surface expects beside its document it tells by [`status`](Self::status); what
/// it reads, as a success or a failure, is to be what the document says.
pub(crate) struct AuthResponse {
    answer: BufferedResponse,
    facts: &'static Facts,
    surface: &'static Surface,
    now: SystemTime,
    drift: Arc<Drift>,
    judge: Judge,
}

impl AuthResponse {
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(
        answer: BufferedResponse,
        facts: &'static Facts,
        surface: &'static Surface,
        now: SystemTime,
    ) -> Self {
        let drift = Arc::new(Drift::new(surface.name));
        Self { answer, facts, surface, now, drift, judge: Judge::default() }
    }

    /// To this operation, of 1970.
    #[cfg(test)]
    pub(crate) fn with(surface: &'static Surface, operation: &str, status: u16, body: &'static str) -> Self {
        let facts = surface.facts.iter().find(|facts| facts.operation == operation).expect("an operation");
        let status = http::StatusCode::from_u16(status).expect("a status");
        let answer = BufferedResponse {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            carried: Carried::default(),
            operation: None,
        };
        Self::of(answer, facts, surface, SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    /// Whether these words stand in the body, in small letters or capitals.
    #[cfg_attr(not(feature = "vtex"), allow(dead_code, reason = "the other vendors answer in data"))]
    pub(crate) fn says(&self, words: &str) -> bool {
        Verdict::failed(&self.answer, self.facts, self.now).says(words)
    }

    /// The vendor's clock when it answered.
    pub(crate) fn date(&self) -> Option<SystemTime> {
        date(&self.answer.headers)
    }

    /// The body of a success, as a small type that asks for no more than it needs. A body that does not fit comes with
    /// an unknown outcome: the vendor may have acted.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        self.checked()?;
        self.drift.read(self.facts, &self.answer);
        self.answer.object().map_err(|error| error.at(self.facts.operation).with_unknown_outcome())
    }

    /// An access token that a session can be made of. With none the answer is no success, whatever its status.
    pub(crate) fn token(&self, token: Secret) -> Result<Secret, Error> {
        if !token.expose().trim().is_empty() {
            return Ok(token);
        }
        Err(Error::protocol("the vendor answered with success and an empty token")
            .at(self.facts.operation)
            .with_status(self.status())
            .with_unknown_outcome()
            .advice("the vendor changed its answer, or something between you and the vendor answered"))
    }

    /// This reply, if it is a success: a 200 may still say that the call failed.
    pub(crate) fn checked(&self) -> Result<&Self, Error> {
        let verdict = Verdict::of(&self.answer, self.facts, self.now);
        if !self.answer.status.is_success() || !verdict.succeeded() {
            return Err(self.failure());
        }
        self.drift.answered(self.facts, &self.answer, || None);
        Ok(self)
    }

    /// A header of the answer, if it is text.
    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "what others say of an answer stands in its body"))]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers.get(name)?.to_str().ok()
    }

    /// The body as plain JSON, for the profile.
    pub(crate) fn value(&self) -> serde_json::Value {
        super::json::bounded(&self.answer.body).unwrap_or_default()
    }

    /// The cookies the vendor set, and those that it took away.
    pub(crate) fn cookies(&self) -> Cookies {
        Cookies::of(&self.answer.headers, self.date(), self.now)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.answer.status.is_success()
    }

    /// An error about this reply, with what every such error carries.
    pub(crate) fn said(&self, error: Error) -> Error {
        let verdict = Verdict::failed(&self.answer, self.facts, self.now);
        self.judge.coded(&verdict, verdict.with_context(error))
    }

    /// What the user, or the surface, says that this failure means, if either does.
    pub(crate) fn judged(&self) -> Option<Error> {
        self.judge.reads(&Verdict::failed(&self.answer, self.facts, self.now), self.surface.classify)
    }

    /// What this failure means, in the surface's words.
    pub(crate) fn failure(&self) -> Error {
        self.drift.answered(self.facts, &self.answer, || None);
        let verdict = Verdict::failed(&self.answer, self.facts, self.now);
        let classified = self.judge.reads(&verdict, self.surface.classify);
        let is_worded = classified.is_some();
        let error = classified.unwrap_or_else(|| self.judge.coded(&verdict, verdict.error_of_step()));
        match error.kind() {
            // Whatever is wrong with an auth call, it is not the session of the caller.
            ErrorKind::Unauthorized => error
                .with_kind(ErrorKind::Api)
                .message("the vendor answered 401 to a call that needs no session")
                .advice("check the address given to builder(url): it must be the platform's root"),
            ErrorKind::Api if !is_worded && verdict.is_nowhere() => error
                .message(format!("there is no {} at the address given to the builder", self.facts.path))
                .advice("give it the platform's root, such as https://vendor.example"),
            ErrorKind::Api if !is_worded && !verdict.is_wrong_guess() => {
                error.advice("see error.code(); check what the builder was given")
            }
            _ => error,
        }
    }
}
