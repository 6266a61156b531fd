//! Where a vendor's answers leave its document. Each is reported once per client, by names only: never a value, never a body.
//!
//! At WARN, because a developer has to look: the document that this crate was built from is no longer all that the vendor
//! says. Where a vendor keeps to it nothing is reported.

use super::{
    facts::{Facts, Shape, Step},
    json::{self, trimmed},
    response::BufferedResponse,
    verdict::is_transient,
};
use crate::secret::{Carried, Secret};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// A client reports so many ways at most.
const TOLD: usize = 64;
/// So many names stand in one line.
const NAMED: usize = 8;
/// Longer bodies are not looked into: it would cost more than it tells.
const LOOKED_INTO: usize = 64 * 1024;
/// What stands for a name that may be a value.
const NO_NAME: &str = "(no name)";

/// What a client and its clones have told so far.
#[derive(Debug)]
pub(crate) struct Drift {
    surface: &'static str,
    told: Mutex<HashSet<Departure>>,
}

/// A way in which an answer can leave its document.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Departure {
    /// A status that is not documented.
    Status(&'static str, u16),
    /// A documented status, and something else than is documented for it.
    Envelope(&'static str, u16),
    /// A member that is not documented.
    Member(&'static str, String),
}

impl Drift {
    pub(crate) fn new(surface: &'static str) -> Self {
        Self { surface, told: Mutex::default() }
    }

    /// Looks at the status of an answer, and at what it is on the outside. `held` is asked for the session's own token only
    /// where there is something to tell.
    pub(crate) fn answered(
        &self,
        facts: &'static Facts,
        answer: &BufferedResponse,
        held: impl FnOnce() -> Option<Secret>,
    ) {
        let status = answer.status.as_u16();
        // Nothing is documented of what no document describes.
        if facts.answers.is_empty() || is_always_possible(facts, status) {
            return;
        }
        let Some(shape) = documented(facts, status) else {
            if self.is_new(Departure::Status(facts.operation, status)) {
                self.tell("status", facts, status, None, "the vendor answered with a status that its document lacks");
            }
            return;
        };
        let Some(found) = another_envelope(shape, answer) else { return };
        if self.is_new(Departure::Envelope(facts.operation, status)) {
            let held = Carried::of(held().into_iter().collect());
            let names =
                found.names.map(|names| line(names.iter().map(|name| shown(shown(name, &answer.carried), &held))));
            let what = format!("the vendor answered with {} where its document has another answer", found.what);
            self.tell("envelope", facts, status, names, &what);
        }
    }

    /// Looks for members that the document lacks, in a success that makes a session or is a step on the way to one.
    pub(crate) fn read(&self, facts: &'static Facts, answer: &BufferedResponse) {
        if !matches!(facts.step, Step::SignIn | Step::Renew | Step::Challenge) || answer.body.len() > LOOKED_INTO {
            return;
        }
        let status = answer.status.as_u16();
        let Some(shape) = documented(facts, status) else { return };
        if another_envelope(shape, answer).is_some() {
            return; // told already, as a whole
        }
        let Ok(body) = serde_json::from_slice(trimmed(&answer.body)) else { return };
        let mut unknown = Vec::new();
        find_unknown(shape, &body, "", &answer.carried, &mut unknown);
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|name| self.is_new(Departure::Member(facts.operation, name.clone())));
        if !unknown.is_empty() {
            let what = "the vendor's answer has members that its document lacks";
            self.tell("member", facts, status, Some(line(unknown.into_iter())), what);
        }
    }

    fn is_new(&self, departure: Departure) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < TOLD && told.insert(departure)
    }

    fn tell(&self, kind: &'static str, facts: &Facts, status: u16, members: Option<String>, what: &str) {
        let (surface, operation) = (self.surface, facts.operation);
        tracing::warn!(name: "contract.drift", kind, surface, operation, status, members, "keyway: contract.drift: {what}");
    }
}

/// A bad day is no other contract, whatever the vendor's document says, and neither is a session that has ended or may not
/// do this.
fn is_always_possible(facts: &Facts, status: u16) -> bool {
    let carries_session = !facts.roles.is_empty();
    is_transient(status) || carries_session && matches!(status, 401 | 403)
}

fn documented(facts: &'static Facts, status: u16) -> Option<&'static Shape> {
    facts.answers.iter().find(|(statuses, _)| statuses.contains(&status)).map(|(_, shape)| *shape)
}

/// What came instead of what was expected.
struct Envelope {
    what: &'static str,
    names: Option<Vec<String>>,
}

fn another_envelope(shape: &Shape, answer: &BufferedResponse) -> Option<Envelope> {
    if matches!(shape, Shape::Anything) || answer.body.len() > LOOKED_INTO || begins_as_documented(shape, &answer.body)
    {
        return None;
    }
    if answer.is_empty() {
        // A failure is told by its status, with a body or without one.
        return answer.status.is_success().then_some(Envelope { what: "nothing", names: None });
    }
    match (shape, outermost(&answer.body)) {
        (Shape::Members(known), Outermost::Object(names)) => {
            let is_known = names.is_empty() || names.iter().any(|name| member(known, name).is_some());
            (!is_known).then_some(Envelope { what: "another object", names: Some(names) })
        }
        (Shape::List(_), Outermost::List) => None,
        (_, Outermost::Object(names)) => Some(Envelope { what: "an object", names: Some(names) }),
        (_, Outermost::List) => Some(Envelope { what: "a list", names: None }),
        (_, Outermost::Value) => Some(Envelope { what: "a single value", names: None }),
        (_, Outermost::NoJson) => Some(Envelope { what: "something that is no JSON", names: None }),
    }
}

/// Whether a body need not be read to its end, which every call would pay for: one documented member suffices, and the first one
/// of an object that keeps to its document is one.
fn begins_as_documented(shape: &Shape, body: &[u8]) -> bool {
    let body = trimmed(body).trim_ascii_start();
    match shape {
        Shape::Members(known) => first_name(body).is_some_and(|name| member(known, name).is_some()),
        Shape::List(_) => body.starts_with(b"["),
        Shape::Anything => true,
    }
}

/// The name of an object's first member, as it is written.
fn first_name(object: &[u8]) -> Option<&str> {
    let name = object.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    std::str::from_utf8(name.split(|byte| *byte == b'"').next()?).ok()
}

/// What a body is, without what is in it.
enum Outermost {
    Object(Vec<String>),
    List,
    Value,
    NoJson,
}

fn outermost(body: &[u8]) -> Outermost {
    let body = trimmed(body);
    if json::strictly::<IgnoredAny>(body).is_err() {
        return Outermost::NoJson;
    }
    match body.trim_ascii_start().first() {
        Some(b'{') => Outermost::Object(json::names(body)),
        Some(b'[') => Outermost::List,
        _ => Outermost::Value,
    }
}

/// The paths of members that are not known: `payload.user.rank`.
fn find_unknown(shape: &Shape, value: &Value, at: &str, carried: &Carried, unknown: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Members(known), Value::Object(members)) => {
            for (name, value) in members {
                let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                match member(known, name) {
                    Some(shape) => find_unknown(shape, value, &path(name), carried, unknown),
                    None => unknown.push(path(shown(name, carried))),
                }
            }
        }
        (Shape::List(shape), Value::Array(items)) => {
            items.iter().for_each(|item| find_unknown(shape, item, at, carried, unknown));
        }
        _ => {}
    }
}

fn member<'s>(known: &'s [(&'static str, Shape)], name: &str) -> Option<&'s Shape> {
    known.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|at| &known[at].1)
}

/// A member's name, if it looks like one. Some vendors write values, ids and tokens where names belong: what is long or
/// full of digits is not shown, and no secret that the call carried.
fn shown<'n>(name: &'n str, carried: &Carried) -> &'n str {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let is_name = (1..=32).contains(&name.len()) && name.chars().all(is_letter) && digits <= 3;
    let is_name = is_name && !carried.is_told_by(name);
    if is_name { name } else { NO_NAME }
}

fn line(names: impl ExactSizeIterator<Item = impl AsRef<str>>) -> String {
    let count = names.len();
    let mut first: Vec<_> = names.take(NAMED).map(|name| name.as_ref().to_owned()).collect();
    if count > NAMED {
        first.push(format!("and {} more", count - NAMED));
    }
    first.join(", ")
}
