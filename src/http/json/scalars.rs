//! Single values, read across types.

use serde_json::Value;

/// A text, also one that was written as a number or a truth.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A truth, also one that was written as a number or a text.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => truth_of(&number.to_string()),
        Value::String(text) => truth_of(text),
        _ => None,
    }
}

/// A whole number, also one that was written with a point or as a text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| i64::try_from(whole_number(&number.to_string())?).ok()),
        Value::String(text) => i64::try_from(whole_number(text)?).ok(),
        _ => None,
    }
}

pub(super) fn truth_of(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" => Some(true),
        "false" | "0" | "0.0" | "no" => Some(false),
        _ => None,
    }
}

pub(super) fn whole_number(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // Beyond this a float does not hold every whole number.
    let float: f64 = text.parse().ok()?;
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i128)
}
