//! Our marks in a document, and the descriptions that everything needs.

use crate::{
    diagnostic::Diagnostics,
    document::{members, text},
};
use serde_json::Value;

pub(super) const CERTAINTIES: &[&str] =
    &["documented", "example only", "vendor source", "observed", "inferred", "guessed"];
pub(super) const STEPS: &[&str] = &["sign-in", "renew", "sign-out", "challenge"];
pub(super) const ROLES: &[&str] = &["user", "service", "module", "key", CLIENT];
/// The client itself: no session satisfies it.
pub(super) const CLIENT: &str = "client";
const MARKS: &[&str] = &[
    "x-certainty",
    "x-essential",
    "x-exact-pattern",
    "x-hand-written",
    "x-json-string",
    "x-name",
    "x-resend",
    "x-role",
    "x-secret-url",
    "x-session-step",
    "x-source",
    "x-success-member",
    "x-tenant",
    "x-vendor-required",
];

pub(super) fn described(value: &Value, place: &str, cure: &str, diagnostics: &mut Diagnostics) {
    if text(&value["description"]).trim().is_empty() && value.get("allOf").is_none() {
        diagnostics.add(place, "`description` is missing", cure);
    }
}

/// A mark that is misspelt is a mark that is missing.
pub(super) fn marks(value: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (mark, _) in members(value).filter(|(key, _)| key.starts_with("x-") && !MARKS.contains(key)) {
        let cure = format!("use one of {}", MARKS.join(", "));
        diagnostics.add(place, format!("the mark `{mark}` is not known"), cure);
    }
}

/// How sure a schema, a member or a parameter is. Nothing means as sure as what it stands in.
pub(super) fn certainty(value: &Value, place: &str, diagnostics: &mut Diagnostics) {
    one_of(value, "x-certainty", CERTAINTIES, false, place, diagnostics);
}

pub(super) fn one_of(
    value: &Value,
    mark: &str,
    words: &[&str],
    needed: bool,
    place: &str,
    diagnostics: &mut Diagnostics,
) {
    let cure = format!("say one of: {}", words.join(", "));
    match value.get(mark) {
        Some(word) if words.contains(&text(word)) => {}
        Some(word) => diagnostics.add(place, format!("`{mark}` is {word}"), cure),
        None if needed => diagnostics.add(place, format!("`{mark}` is missing"), cure),
        None => {}
    }
}
