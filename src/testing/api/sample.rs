//! What a document's answers look like: the vendor's examples, else values of their schemas.

use serde_json::{Map, Value, json};

/// Deeper values are left out: a schema may contain itself.
const DEEPEST: usize = 8;

/// The example of a media type, or a value of its schema.
pub(super) fn of_content(root: &Value, content: &Value) -> Value {
    let named = content["examples"].as_object().and_then(|named| named.values().next());
    let example = content.get("example").or_else(|| resolve(root, named?).get("value"));
    example.cloned().unwrap_or_else(|| of_schema(root, &content["schema"], 0).unwrap_or(Value::Null))
}

/// What a reference into this document leads to.
pub(super) fn resolve<'d>(root: &'d Value, value: &'d Value) -> &'d Value {
    let mut value = value;
    for _ in 0..32 {
        let target = value["$ref"].as_str().and_then(|target| root.pointer(&decoded(target.strip_prefix('#')?)));
        match target {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

fn decoded(pointer: &str) -> String {
    percent_encoding::percent_decode_str(pointer).decode_utf8_lossy().into_owned()
}

/// A value of this schema; none where it would have no end.
fn of_schema(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let schema = resolve(root, schema);
    let told = ["example", "default", "const"].into_iter().find_map(|key| schema.get(key));
    let listed = ["examples", "enum"].into_iter().find_map(|key| schema[key].as_array()?.first());
    if let Some(value) = told.or(listed) {
        return Some(value.clone());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(alternatives) = schema[key].as_array() {
            return alternatives.iter().find_map(|alternative| of_schema(root, alternative, depth + 1));
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.iter().find_map(Value::as_str));
    match kind {
        Some("string") => Some(json!(text(schema))),
        Some("integer" | "number") => Some(schema.get("minimum").cloned().unwrap_or(json!(1))),
        Some("boolean") => Some(json!(true)),
        Some("array") => {
            let item = of_schema(root, &schema["items"], depth + 1);
            Some(Value::Array(item.into_iter().collect()))
        }
        Some("null") => Some(Value::Null),
        _ => object(root, schema, depth),
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let mut members = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Value::Object(more) = of_schema(root, part, depth + 1)? {
            members.extend(more);
        }
    }
    let required = schema["required"].as_array();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        match of_schema(root, member, depth + 1) {
            Some(value) => {
                members.insert(name.clone(), value);
            }
            None if required.is_some_and(|required| required.iter().any(|known| known == name)) => return None,
            None => {}
        }
    }
    Some(Value::Object(members))
}

fn text(schema: &Value) -> String {
    let plain = match schema["format"].as_str() {
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("date") => "2026-01-02",
        Some("uuid") => "7c1fd2a6-5b1c-4b0e-9f57-0d1f1d6f7a11",
        Some("email") => "user@example.com",
        Some("uri" | "url") => "https://vendor.example/",
        Some("ipv4") => "192.0.2.1",
        _ => "text",
    };
    let shortest = schema["minLength"].as_u64().unwrap_or(0).min(4096) as usize;
    let longest = schema["maxLength"].as_u64().map_or(usize::MAX, |longest| longest as usize);
    plain.chars().chain("x".repeat(shortest.saturating_sub(plain.len())).chars()).take(longest).collect()
}
