//! How the fake VTEX store reads bodies, and answers.

use super::names::{ACCOUNT_ID, TOKEN};
use crate::testing::{
    calendar,
    exchange::{FakeAnswer, FakeCall},
};
use serde_json::{Value, json};
use std::time::SystemTime;

pub(super) fn auth_status(status: u16, told: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "authStatus": told }))
}

pub(super) fn unknown_account() -> FakeAnswer {
    FakeAnswer::message(400, "Account not found.")
}

pub(super) fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| FakeAnswer::message(400, "The body must be a JSON object."))
}

pub(super) fn text<'a>(body: &'a Value, member: &str) -> Result<&'a str, FakeAnswer> {
    body[member].as_str().ok_or_else(|| FakeAnswer::message(400, &format!("{member} is required.")))
}

/// The name of the cookie that ends with the account's id.
pub(super) fn id_cookie() -> String {
    format!("{TOKEN}_{}", ACCOUNT_ID)
}

/// A line as in the vendor's example.
pub(super) fn set_cookie(ask: &FakeCall<'_>, name: &str, value: &str, ends: SystemTime, path: &str) -> String {
    let domain = ask.header("host").and_then(|host| host.split(':').next()).unwrap_or_default();
    let expires = calendar::http_date(ends);
    format!("{name}={value}; expires={expires}; domain={domain}; path={path}; secure; samesite=strict; httponly")
}

/// Both kinds of forms are taken, as clients send both.
pub(super) fn field(ask: &FakeCall<'_>, name: &str) -> Option<String> {
    ask.part(name).or_else(|| ask.form(name))
}
