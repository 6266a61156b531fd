//! How the fake Shopmonkey reads bodies, and refuses.

use crate::testing::exchange::{FakeAnswer, FakeCall};
use serde_json::{Value, json};

/// The vendor's envelope for what went wrong.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "success": false, "code": code, "message": message }))
}

pub(super) fn invalid(message: &str) -> FakeAnswer {
    refusal(400, "API-400001", message)
}

/// The body, which every write must have, if only `{}`.
pub(super) fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| invalid("the body must be a JSON object"))
}
