//! How the Auth API of the fake OrderingStack reads calls and answers them.

use crate::testing::exchange::{FakeAnswer, FakeCall, Outcome};
use serde_json::{Value, json};

/// On whose behalf an operation is done.
pub(super) struct TenantCaller<'a> {
    pub(super) user: &'a str,
    pub(super) module: Option<&'a str>,
}

pub(super) fn ok(body: &Value) -> FakeAnswer {
    FakeAnswer::json(200, body)
}

/// The literal `true`, as the vendor answers where its answer to a write is known.
pub(super) fn done() -> FakeAnswer {
    ok(&Value::Bool(true))
}

/// One page, in the dialect of admin-on-rest's client for JSON servers.
pub(super) fn page(ask: &FakeCall<'_>, mut rows: Vec<Value>, filters: &[&str]) -> Outcome {
    for filter in filters {
        if let Some(wanted) = ask.query(filter) {
            rows.retain(|row| row[*filter] == *wanted);
        }
    }
    if let Some(field) = ask.query("_sort") {
        rows.sort_by_key(|row| row[&field].to_string());
        if ask.query("_order").as_deref() == Some("DESC") {
            rows.reverse();
        }
    }
    let total = rows.len();
    let index = |name: &str| ask.query(name).and_then(|index| index.parse::<usize>().ok());
    let (start, end) = (index("_start").unwrap_or(0), index("_end").unwrap_or(total));
    let rows: Vec<Value> = rows.into_iter().take(end).skip(start).collect();
    Ok(ok(&json!(rows)).with("x-total-count", total.to_string()))
}

/// A token names no module, or one that is gone.
pub(super) fn no_module() -> FakeAnswer {
    FakeAnswer::json(404, &json!({ "error": "Not Found", "description": "Cannot determine module" }))
}

/// What went wrong, in the members in which the vendor's clients look for it.
pub(super) fn refusal(status: u16, message: &str) -> FakeAnswer {
    FakeAnswer::message(status, message)
}

pub(super) fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| refusal(400, "A JSON object is required"))
}

pub(super) fn text<'a>(body: &'a Value, member: &str) -> Result<&'a str, FakeAnswer> {
    body[member].as_str().ok_or_else(|| refusal(400, &format!("{member} is required")))
}

pub(super) fn needed(ask: &FakeCall<'_>, parameter: &str) -> Result<String, FakeAnswer> {
    ask.query(parameter).ok_or_else(|| refusal(400, &format!("{parameter} is required")))
}

/// Takes over what the body has of these members.
pub(super) fn set(record: &mut Value, body: &Value, members: &[&str]) {
    for member in members.iter().filter(|member| body.get(**member).is_some()) {
        record[*member] = body[*member].clone();
    }
}
