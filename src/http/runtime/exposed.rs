//! Values on their way into a request, secrets among them.

use crate::secret::writing;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A request body whose secrets may be written.
#[derive(Debug)]
pub struct Exposed<'a, T>(pub &'a T);

impl<T: Serialize> Serialize for Exposed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        writing(|| self.0.serialize(serializer))
    }
}

/// A value as one text; what is no single value as JSON.
pub(super) fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A value as the texts that stand for it in a query or form: none, one or several.
pub(super) fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => {
            let nested = values.into_iter().map(texts).collect::<Option<Vec<_>>>()?;
            Some(nested.into_iter().flatten().collect())
        }
        Value::Object(_) => None,
        Value::String(text) => Some(vec![text]),
        other => Some(vec![other.to_string()]),
    }
}
