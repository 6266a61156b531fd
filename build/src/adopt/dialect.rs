//! A schema's own words, the same for every dialect: what 3.1 and older habits say otherwise is said as OpenAPI 3.0 does.

use crate::document::{list, text};
use serde_json::{Map, Value, json};

/// What a schema says without the schemas below it, or `None` if it says nothing: `true`, `{}`.
pub(super) fn plain(raw: &Value) -> Map<String, Value> {
    let Some(raw) = raw.as_object() else { return Map::new() };
    let mut words = raw.clone();
    types(&mut words);
    alternatives(&mut words);
    constants(&mut words);
    one_list(&mut words);
    for key in ["allOf", "oneOf", "anyOf"] {
        if words.get(key).is_some_and(|parts| list(parts).is_empty()) {
            words.remove(key);
        }
    }
    if words.get("properties").is_some_and(|below| !below.is_object()) {
        words.remove("properties");
    }
    // `required: true` on a member is Swagger's older habit.
    if words.get("required").is_some_and(|names| !names.is_array()) {
        words.remove("required");
    }
    if words.get("nullable").is_some_and(|word| word != true) {
        words.remove("nullable");
    }
    words
}

/// `type: [string, null]`.
fn types(words: &mut Map<String, Value>) {
    match words.get("type") {
        Some(Value::Array(kinds)) => {
            let kinds = kinds.clone();
            several_types(words, &kinds);
        }
        Some(Value::String(kind)) if kind == "null" => {
            words.remove("type");
            words.insert("nullable".to_owned(), json!(true));
        }
        // Swagger 2 has files, and some documents their own words.
        Some(Value::String(kind)) if kind == "file" => {
            words.insert("type".to_owned(), json!("string"));
            words.insert("format".to_owned(), json!("binary"));
        }
        Some(Value::String(kind))
            if !["string", "number", "integer", "boolean", "array", "object"].contains(&kind.as_str()) =>
        {
            words.remove("type");
        }
        Some(kind) if !kind.is_string() => {
            words.remove("type");
        }
        _ => {}
    }
    if !words.contains_key("type")
        && let Some(kind) = guessed_type(words)
    {
        words.insert("type".to_owned(), json!(kind));
    }
}

/// OpenAPI 3.1 lists types; `null` among them says that there may be nothing.
fn several_types(words: &mut Map<String, Value>, kinds: &[Value]) {
    let named: Vec<&Value> = kinds.iter().filter(|kind| *kind != "null").collect();
    if named.len() < kinds.len() {
        words.insert("nullable".to_owned(), json!(true));
    }
    match named.as_slice() {
        [] => words.remove("type"),
        [one] => words.insert("type".to_owned(), (*one).clone()),
        _ => {
            words.remove("type");
            let each: Vec<Value> = named.iter().map(|kind| with_type(words, kind)).collect();
            ["properties", "items", "additionalProperties", "required"].iter().for_each(|key| {
                words.remove(*key);
            });
            words.insert("anyOf".to_owned(), Value::Array(each))
        }
    };
}

/// What a schema is that does not say so.
fn guessed_type(words: &Map<String, Value>) -> Option<&'static str> {
    if words.contains_key("properties") || words.get("additionalProperties").is_some_and(Value::is_object) {
        return Some("object");
    }
    words.contains_key("items").then_some("array")
}

/// The words that belong to one of several types.
fn with_type(words: &Map<String, Value>, kind: &Value) -> Value {
    let belongs: &[&str] = match text(kind) {
        "object" => &["properties", "additionalProperties", "required"],
        "array" => &["items"],
        "string" => &["format"],
        _ => &[],
    };
    let mut alternative = Map::from_iter([("type".to_owned(), kind.clone())]);
    for key in belongs {
        if let Some(value) = words.get(*key) {
            alternative.insert((*key).to_owned(), value.clone());
        }
    }
    Value::Object(alternative)
}

/// `oneOf: [X, {type: null}]`.
fn alternatives(words: &mut Map<String, Value>) {
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(all)) = words.get(key) else {
            words.remove(key);
            continue;
        };
        let is_null = |one: &&Value| {
            one["type"] == "null"
                || list(&one["enum"]).len() == 1 && one["enum"][0].is_null()
                || one.get("const").is_some_and(Value::is_null)
        };
        if all.iter().any(|one| is_null(&one)) {
            let rest: Vec<Value> = all.iter().filter(|one| !is_null(one)).cloned().collect();
            words.insert(key.to_owned(), Value::Array(rest));
            words.insert("nullable".to_owned(), json!(true));
        }
    }
}

fn constants(words: &mut Map<String, Value>) {
    if let Some(value) = words.remove("const") {
        words.insert("enum".to_owned(), json!([value]));
    }
    let Some(Value::Array(values)) = words.get("enum") else {
        words.remove("enum");
        return;
    };
    if values.iter().any(Value::is_null) {
        let named: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        words.insert("enum".to_owned(), Value::Array(named));
        words.insert("nullable".to_owned(), json!(true));
    }
    let Some(Value::Array(values)) = words.get("enum") else { return };
    if !words.contains_key("type") {
        let kind = if values.iter().all(Value::is_string) {
            Some("string")
        } else if values.iter().all(|value| value.is_i64() || value.is_u64()) {
            Some("integer")
        } else if values.iter().all(Value::is_number) {
            Some("number")
        } else if values.iter().all(Value::is_boolean) {
            Some("boolean")
        } else {
            None
        };
        kind.map(|kind| words.insert("type".to_owned(), json!(kind)));
    }
}

/// A list of tuples is a list of anything; so is one that does not say.
fn one_list(words: &mut Map<String, Value>) {
    if words.get("type").is_none_or(|kind| kind != "array") {
        return;
    }
    let given = words.remove("prefixItems").or_else(|| words.get("items").cloned());
    let items = match given {
        Some(Value::Array(each)) => match each.as_slice() {
            [first, rest @ ..] if rest.iter().all(|one| one == first) => first.clone(),
            _ => json!({}),
        },
        Some(items @ Value::Object(_)) => items,
        _ => json!({}),
    };
    words.insert("items".to_owned(), items);
}
