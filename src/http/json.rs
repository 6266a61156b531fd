//! JSON as vendors write it: the one place where answers are read, by sign-ins and by typed calls alike.
//!
//! What keeps to its document is read by serde_json as it is. What does not is read a second time with patience: scalars
//! are read across types, and a member that cannot be read costs that member alone, where it may be missing. Answers that
//! make sessions are few, short and seldom, and each has a type of its own: they are read with patience at once, so that
//! one reader is compiled for each and not two.

mod patient;
mod scalars;
mod spans;

use super::member::named;
use patient::read_patiently;
pub(crate) use scalars::{integer, text, truth};
use serde::de::DeserializeOwned;
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
    strictly(body).or_else(|strict| read_patiently(body).map_err(|_| strict))
}

/// A whole body as this type, if it is written as the type is.
pub(crate) fn strictly<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
}

/// An object as this type, which is one of ours. A list is none, though serde_json would take its items for the members.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    read_patiently(trimmed(body))
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
    let first = named_values(Members::of(&body)?.map_while(|(name, raw)| Some((name, whole(raw)?))));
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

/// The names of an object's members, each once.
pub(crate) fn names(object: &[u8]) -> Vec<String> {
    let object = String::from_utf8_lossy(object);
    let mut names = Members::of(&object).map_or_else(Vec::new, |members| members.map(|(name, _)| name).collect());
    names.sort_unstable();
    names.dedup();
    names
}

/// These as one object; of a name that comes twice, the last one. One after the other: to collect a map is to sort first, by code
/// that is compiled anew for each kind of iterator.
pub(crate) fn named_values(values: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    values.for_each(|(name, value)| _ = object.insert(name, value));
    object
}

fn whole(raw: &str) -> Option<Value> {
    strictly(raw.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
