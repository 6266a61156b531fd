//! What is bounded, however much comes: of answers, of requests, and of what an API asks for.

use super::{
    Raw,
    exchange::{FuzzedExchange, READINGS},
};
use crate::{Error, ErrorKind, http::limits};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use reqwest::{Method, Request};
use serde_json::Value;
use url::Url;

/// So much of an answer is kept in an error, whatever it was.
const FIELDS: usize = 64;
const MESSAGES: usize = 16;
/// In characters.
const LONGEST_TEXT: usize = 512;
const LONGEST_CODE: usize = 128;
const LONGEST_LINE: usize = 4096;
const LONGEST_BODY: usize = 4 * 1024;
/// What a value is marked with that no name may be.
const MARK: char = '\u{2603}';

/// An answer that is made long: of what is at its end there is as much as its beginning says, side by side or one in the other.
pub fn however_much_an_answer_holds_an_error_keeps_little(data: &[u8]) {
    let mut raw = Raw(data);
    let all: Vec<_> =
        READINGS.iter().flat_map(|reading| reading.surface.facts.iter().map(move |f| (*reading, f))).collect();
    let at = usize::from(raw.byte()) << 8 | usize::from(raw.byte());
    let (reading, facts) = all[at % all.len()];
    let status = 100 + u16::from(raw.byte()) * 2 + u16::from(raw.byte() % 2);
    let (shape, times) = (raw.byte() % 6, usize::from(raw.byte()) << 4 | usize::from(raw.byte() % 16));
    let part = String::from_utf8_lossy(raw.0).into_owned();
    let mut headers = HeaderMap::new();
    let body = match shape {
        0 => part,
        1 => format!("{{\"errors\":{{{}}}}}", list(times, |n| format!("\"f{n}\":[{part}]"))),
        2 => format!("{}{part}{}", "[".repeat(times), "]".repeat(times)),
        3 => format!("{}{part}{}", "{\"errors\":".repeat(times), "}".repeat(times)),
        4 => format!("{{\"message\":\"{}\",\"errors\":[{}]}}", part.repeat(times), list(times, |_| part.clone())),
        _ => {
            let value = HeaderValue::from_str(&part).unwrap_or(HeaderValue::from_static("x"));
            for number in 0..times {
                let name = HeaderName::try_from(format!("x-{number}")).expect("a name");
                headers.append(name, value.clone());
                headers.append("set-cookie", value.clone());
                headers.append("retry-after", value.clone());
            }
            part
        }
    };
    let Some(answer) = FuzzedExchange::of(reading, facts.operation, status, headers, body.into_bytes()) else { return };
    if let Some(error) = answer.error() {
        keeps_little(&error);
    }
}

fn list(times: usize, item: impl Fn(usize) -> String) -> String {
    (0..times).map(item).collect::<Vec<_>>().join(",")
}

fn keeps_little(error: &Error) {
    let line = error.to_string();
    assert!(line.len() <= LONGEST_LINE && !line.chars().any(char::is_control), "{} bytes: {line}", line.len());
    assert!(error.code().is_none_or(|code| code.len() <= LONGEST_CODE));
    assert!(error.request_id().is_none_or(|id| id.len() <= LONGEST_CODE));
    assert!(error.body().is_none_or(|body| body.to_string().len() <= LONGEST_BODY * 2));
    let fits = |text: &String| text.chars().count() <= LONGEST_TEXT;
    if let Some(fields) = error.validation() {
        assert!(fields.len() <= FIELDS && fields.keys().all(fits), "{} fields", fields.len());
        assert!(fields.values().all(|messages| messages.len() <= MESSAGES && messages.iter().all(fits)));
    }
}

/// `surface operation`, what its path's parameters are, its query, and its body: a line each.
pub fn what_a_document_limits_is_refused_here_without_its_values(data: &[u8]) {
    let text = String::from_utf8_lossy(data).replace(MARK, "");
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let Some((surface, operation)) = next().split_once(' ') else { return };
    let (parameter, query, body) = (next(), next(), next());
    let surface = READINGS.iter().map(|reading| reading.surface).find(|known| known.name == surface);
    let facts = surface.and_then(|surface| surface.facts.iter().find(|facts| facts.operation == operation));
    let Some(facts) = facts else { return };
    let marked = |text: &str| format!("{text}{MARK}");
    let mut url = Url::parse("https://vendor.example/").expect("an address");
    if let Ok(mut segments) = url.path_segments_mut() {
        let segment = |part: &str| if part.starts_with('{') { marked(parameter) } else { part.to_owned() };
        segments.pop_if_empty().extend(facts.path.split('/').filter(|part| !part.is_empty()).map(segment));
    }
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        url.query_pairs_mut().append_pair(&name, &marked(&value));
    }
    let mut request = Request::new(Method::POST, url);
    if let Ok(mut value) = serde_json::from_str::<Value>(body) {
        mark(&mut value);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(value.to_string().into());
    }
    let Err(error) = limits::check(facts, &request) else { return };
    assert!(error.kind() == ErrorKind::Validation && error.is_local(), "{error}");
    let line = error.to_string();
    assert!(line.contains("nothing was sent") && !line.chars().any(char::is_control), "{line}");
    let fields = error.validation().expect("its fields");
    assert!(!fields.is_empty() && !format!("{line} {fields:?} {error:?}").contains(MARK), "it tells a value: {line}");
}

fn mark(value: &mut Value) {
    match value {
        Value::String(text) => text.push(MARK),
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(members) => members.values_mut().for_each(mark),
        _ => {}
    }
}

/// A value of `WWW-Authenticate`.
#[cfg(feature = "oauth2")]
pub fn what_an_api_wants_of_a_person_stays_what_it_said(data: &[u8]) {
    use crate::http::{challenge::challenges, step_up::StepUpChallenge};
    let Ok(text) = std::str::from_utf8(data) else { return };
    let all = challenges(text);
    let is_token = |word: &str| !word.is_empty() && !word.contains([' ', ',', '"', '=', '\t']);
    assert!(all.len() <= text.len() && all.iter().all(|one| is_token(one.scheme)));
    let Some(wanted) = StepUpChallenge::read(text) else { return };
    let said = wanted.to_string();
    assert!(text.replace('\\', "").contains("insufficient_user_authentication"), "it said nothing of that");
    assert!(said.len() < 600 && said.is_ascii() && !said.chars().any(char::is_control), "{said}");
    // On a page's address it changes nothing but itself.
    let mut url = Url::parse("https://id.example/authorize?client_id=till&state=s").expect("an address");
    url.query_pairs_mut().extend_pairs(wanted.parameters());
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs[..2], [("client_id".into(), "till".into()), ("state".into(), "s".into())]);
    let own: Vec<_> = wanted.parameters().map(|(name, value)| (name.to_owned(), value)).collect();
    assert!(pairs[2..] == own && !own.is_empty() && url.fragment().is_none(), "{url}");
    // Said as a challenge it is read as the same.
    let again: Vec<_> = own.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let again = format!("Bearer error=\"insufficient_user_authentication\", {}", again.join(", "));
    assert_eq!(StepUpChallenge::read(&again), Some(wanted));
}
