//! Which alternative of a documented choice a value is.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What tells an alternative from the others.
#[derive(Debug)]
pub struct Alternative {
    /// Its JSON type.
    pub kind: &'static str,
    /// The members that must be there.
    pub required: &'static [&'static str],
    /// The members it has.
    pub known: &'static [&'static str],
    /// The texts that a member may have, where the document lists them.
    pub fixed: &'static [(&'static str, &'static [&'static str])],
}

/// The alternative that fits best: by what the document fixes, then by the members it must have, then by those it has.
pub fn chosen(value: &Value, alternatives: &[Alternative]) -> Option<usize> {
    let fitting = alternatives.iter().enumerate().filter_map(|(at, one)| Some((at, one.fit(value)?)));
    // Of several that fit equally the first is meant.
    fitting.rev().max_by_key(|(_, fit)| *fit).map(|(at, _)| at)
}

impl Alternative {
    /// How well it fits; `None` if it does not.
    fn fit(&self, value: &Value) -> Option<(usize, bool, isize)> {
        if self.kind != kind(value) {
            return None;
        }
        let Some(members) = value.as_object() else { return Some((0, true, 0)) };
        let mut fixed = 0;
        for (member, texts) in self.fixed {
            match members.get(*member) {
                Some(Value::String(text)) if texts.contains(&text.as_str()) => fixed += 1,
                Some(Value::String(_)) => return None,
                _ => {}
            }
        }
        let complete = self.required.iter().all(|name| members.contains_key(*name));
        let known = members.keys().filter(|name| self.known.contains(&name.as_str())).count();
        let strange = members.len() - known;
        Some((fixed, complete, known.cast_signed() - strange.cast_signed()))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value as this alternative, or as what none describes.
pub fn read<T: DeserializeOwned, C>(value: Value, this: fn(Box<T>) -> C, other: fn(Value) -> C) -> C {
    match T::deserialize(&value) {
        Ok(read) => this(Box::new(read)),
        Err(_) => other(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CAT: Alternative =
        Alternative { kind: "object", required: &["name"], known: &["name", "lives"], fixed: &[("kind", &["cat"])] };
    const DOG: Alternative = Alternative {
        kind: "object",
        required: &["name", "tricks"],
        known: &["name", "tricks"],
        fixed: &[("kind", &["dog"])],
    };
    const TEXT: Alternative = Alternative { kind: "string", required: &[], known: &[], fixed: &[] };

    #[apply(leak_checked!)]
    fn a_choice_is_made_by_what_the_document_fixes_then_by_members() {
        let of = |value| chosen(&value, &[CAT, DOG, TEXT]);
        assert_eq!(of(json!({ "kind": "dog", "name": "Rex", "lives": 9 })), Some(1));
        assert_eq!(of(json!({ "name": "Rex", "tricks": [] })), Some(1));
        assert_eq!(of(json!({ "name": "Tom", "lives": 9 })), Some(0));
        assert_eq!(of(json!({ "name": "either" })), Some(0));
        assert_eq!(of(json!("Tom")), Some(2));
        assert_eq!(of(json!({ "kind": "cow", "name": "Elsa" })), None);
        assert_eq!(of(json!(5)), None);
    }
}
