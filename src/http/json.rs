//! JSON as vendors write it: the one place where answers are read, by sign-ins and by typed calls alike.
//!
//! What keeps to its document is read by serde_json as it is. What does not is read a second time with patience: scalars
//! are read across types, and a member that cannot be read costs that member alone, where it may be missing.

mod patient;
mod scalars;
mod spans;

use super::member::named;
use patient::read_patiently;
pub(crate) use scalars::{integer, text, truth};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Map, Value};
use spans::Members;

/// So much of a failing answer is read as JSON. What stands behind it is worth no memory.
pub(crate) const LONGEST_FAILURE: usize = 64 * 1024;
/// A longer profile is none: it is kept for as long as the session.
const LONGEST_PROFILE: usize = 1024 * 1024;

/// The JSON in a body: some frameworks write a byte order mark in front of it (RFC 8259, 8.1 lets readers ignore one).
pub(crate) fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// A whole body as this type.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body = trimmed(body);
    strictly(body).or_else(|strict| read_patiently(body).ok_or(strict))
}

/// A whole body as this type, if it is written as the type is.
pub(crate) fn strictly<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
}

/// An object as this type. A list would be read member by member, as if its first item were the first member.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    if trimmed(body).trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice::<Map<String, Value>>(b"[]").and_then(|_| Err(Error::custom("a list")));
    }
    read(body)
}

/// A body as plain JSON.
pub(crate) fn value(body: &[u8]) -> Option<Value> {
    read(body).ok()
}

/// A body as plain JSON, if it is no longer than the facts about a person are.
pub(crate) fn bounded(body: &[u8]) -> Option<Value> {
    if body.len() <= LONGEST_PROFILE { value(body) } else { failure(body) }
}

/// What a failing answer says: of an object that is too long, or that ends too early, the members before that.
pub(crate) fn failure(body: &[u8]) -> Option<Value> {
    let body = trimmed(body);
    if body.len() <= LONGEST_FAILURE
        && let Some(value) = value(body)
    {
        return Some(value);
    }
    let body = String::from_utf8_lossy(&body[..body.len().min(LONGEST_FAILURE)]);
    let first: Map<_, _> = Members::of(&body)?.map_while(|(name, raw)| Some((name, whole(raw)?))).collect();
    (!first.is_empty()).then_some(Value::Object(first))
}

/// One member of an object, without the memory that the others and what is below it would cost. The last one of a name
/// counts. A list or an object is `null`.
pub(crate) fn member(body: &[u8], name: &str) -> Option<Value> {
    let body = trimmed(body);
    if let Ok(found) = named(body, name) {
        return found;
    }
    // It is torn, or no object, or not in UTF-8: then what can be read of it counts.
    let body = String::from_utf8_lossy(body);
    let named = Members::of(&body)?.filter(|(found, _)| found == name);
    named.last().and_then(|(_, raw)| if raw.starts_with(['[', '{']) { Some(Value::Null) } else { whole(raw) })
}

fn whole(raw: &str) -> Option<Value> {
    serde_json::from_str(raw).ok()
}

#[cfg(test)]
mod tests;
