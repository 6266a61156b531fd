//! A vendor's answer to one of its operations, as HTTP has it.

use super::{Still, is_sane, now};
use crate::{
    Error, ErrorKind,
    http::{
        facts::{Facts, Step},
        json,
        judge::Judge,
        response::BufferedResponse,
        told_times::date,
        transport::AuthResponse,
    },
    session::cooldown::LONGEST_BELIEVED,
    surfaces::{
        Issued,
        reading::{Came, Reading},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::SET_COOKIE};
use serde_json::Value;
use std::str;

/// A vendor's answer to one of its operations.
#[derive(Clone)]
pub(super) struct FuzzedExchange {
    reading: &'static Reading,
    facts: &'static Facts,
    answer: BufferedResponse,
}

/// How each surface reads its answers.
pub(super) static READINGS: &[&Reading] = &include!(concat!(env!("OUT_DIR"), "/readings.rs"));

impl FuzzedExchange {
    pub(super) fn of(
        reading: &'static Reading,
        operation: &str,
        status: u16,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Option<Self> {
        let facts = reading.surface.facts.iter().find(|facts| facts.operation == operation)?;
        let status = StatusCode::from_u16(status).ok()?;
        Some(Self {
            reading,
            facts,
            answer: BufferedResponse {
                status,
                headers,
                body: body.into(),
                carried: Default::default(),
                operation: None,
            },
        })
    }

    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
        let (head, body) = data.split_at(end);
        let mut lines = str::from_utf8(head).ok()?.lines();
        let mut first = lines.next()?.split(' ');
        let (surface, operation, status) = (first.next()?, first.next()?, first.next()?.parse().ok()?);
        let reading = READINGS.iter().find(|known| known.surface.name == surface)?;
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        Self::of(reading, operation, status, headers, body.get(2..).unwrap_or_default().to_vec())
    }

    pub(super) fn reply(&self) -> AuthResponse {
        AuthResponse::of(self.answer.clone(), self.facts, self.reading.surface, now().wall)
    }

    /// As the surface reads it.
    fn came(&self) -> Result<Came, Error> {
        let read = (self.reading.came)(self.facts.operation, &self.reply(), now());
        read.unwrap_or_else(|| self.judged().map(|()| Came::Nothing))
    }

    /// As the answer to any call.
    fn judged(&self) -> Result<(), Error> {
        Judge::default().judged(&self.answer, self.reading.surface.classify, self.facts, &Still)
    }

    /// What it is as a failure, if it is one.
    pub(super) fn error(&self) -> Option<Error> {
        let read = self.came().err();
        read.or_else(|| self.judged().err())
    }

    pub(super) fn holds(&self) {
        let came = self.came();
        match &came {
            Ok(Came::Session(issued)) => self.is_a_session(issued),
            Ok(Came::Device(device)) => assert!(!device.interval().is_zero() && !device.expires_in().is_zero()),
            Ok(Came::Captcha(_) | Came::Nothing) => {}
            Err(error) => self.is_an_error(error),
        }
        if let Err(error) = self.judged() {
            self.is_an_error(&error);
        }
        if let Some([plain, masked]) = self.with_and_without_secrets() {
            assert_eq!(told(&plain.came()), told(&masked.came()), "it tells a secret");
        }
    }

    fn is_a_session(&self, Issued { tokens, .. }: &Issued) {
        assert!(self.answer.status.is_success());
        // Members that nobody needs may be anything, no text even.
        let body = serde_json::from_slice::<Value>(&self.answer.body).ok();
        assert!(body.as_ref().is_none_or(Value::is_object), "what came is no object");
        let at = self.reading.tokens.iter().find(|(operation, _)| *operation == self.facts.operation);
        if let (Some(body), Some((_, at))) = (body, at) {
            let sent = body.pointer(at).and_then(Value::as_str).expect("a token");
            assert_eq!(tokens.access.expose(), sent);
        }
        assert!(tokens.refresh.as_ref().is_none_or(|refresh| !refresh.expose().is_empty()));
        assert_eq!(tokens.date, date(&self.answer.headers));
        is_sane(tokens.life);
    }

    fn is_an_error(&self, error: &Error) {
        assert!(error.retry_after().is_none_or(|wait| wait <= LONGEST_BELIEVED), "{error}");
        let is_a_call = self.facts.step == Step::Call;
        assert!(is_a_call || error.body().is_none(), "a body of what makes sessions");
        let refused = matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::SignInRequired);
        if refused && matches!(self.facts.step, Step::SignIn | Step::Renew) {
            let status = self.answer.status.as_u16();
            assert!(!matches!(status, 408 | 429 | 500..), "a bad day refuses nobody: {error}");
            // Of one that is very long the beginning is read.
            let is_long = self.answer.body.len() >= json::LONGEST_FAILURE;
            let body = is_long || json::value(&self.answer.body).is_some_and(|body| body.is_object());
            // Where the document gives errors no body, a refusal without words is one, of a renewal too.
            let nothing = self.answer.is_empty();
            assert!(body || nothing, "it was not the vendor who spoke: {error}");
        }
    }

    /// The same answer twice, and in the second one each secret is another one of the same length.
    fn with_and_without_secrets(&self) -> Option<[Self; 2]> {
        let mut body: Value = serde_json::from_slice(&self.answer.body).ok()?;
        let mut plain = self.clone();
        plain.answer.body = body.to_string().into();
        let mut masked = self.clone();
        mask(&mut body);
        masked.answer.body = body.to_string().into();
        masked.answer.headers.remove(SET_COOKIE);
        for cookie in self.answer.headers.get_all(SET_COOKIE) {
            masked.answer.headers.append(SET_COOKIE, masked_cookie(cookie).unwrap_or_else(|| cookie.clone()));
        }
        Some([plain, masked])
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| match value {
            // A sentence for a person, about the member of this name.
            _ if name == "errors" => {}
            Value::String(secret) if is_secret(name) => *secret = masked(secret),
            value => mask(value),
        }),
        _ => {}
    }
}

/// What one vendor keeps to itself is hidden in every vendor's answer.
fn is_secret(name: &str) -> bool {
    READINGS.iter().any(|reading| reading.secrets.contains(&name))
}

/// As long, as it stands in JSON.
fn masked(secret: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric();
    secret.chars().map(|c| if plain(c) { 'x' } else { c }).collect()
}

fn masked_cookie(cookie: &HeaderValue) -> Option<HeaderValue> {
    let (pair, attributes) = cookie.to_str().ok()?.split_once(';').unwrap_or((cookie.to_str().ok()?, ""));
    let (name, value) = pair.split_once('=')?;
    HeaderValue::try_from(format!("{name}={};{attributes}", masked(value))).ok()
}

/// Everything of it that a person or a log could see.
fn told(came: &Result<Came, Error>) -> String {
    match came {
        Ok(Came::Nothing) => String::new(),
        Ok(Came::Session(issued)) => format!("{:?}", issued.profile),
        Ok(Came::Captcha(captcha)) => format!("{captcha:?}"),
        Ok(Came::Device(device)) => format!("{device:?}"),
        Err(error) => {
            let questions = (error.captcha(), error.session_limit(), error.device_code(), error.access_key());
            let questions = (questions, error.second_factor(), error.sign_in_page());
            let (code, id, fields) = (error.code(), error.request_id(), error.validation());
            format!("{error} {error:?} {:?} {code:?} {id:?} {fields:?} {questions:?}", error.retry_after())
        }
    }
}
