//! `allOf`, taken together: one schema that says what all its parts say.

use super::{Adopter, dialect::plain};
use crate::document::{list, members, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// So many parts are looked at in one document; a document may refer to the same parts again and again.
const MOST_PARTS: usize = 200_000;

/// Parts of parts further down are no vendor's.
const DEEPEST: usize = 64;

/// What the parts of a schema say together.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Everything but members and choices.
    pub(super) words: Map<String, Value>,
    /// The members, in the document's own words.
    pub(super) properties: Map<String, Value>,
    pub(super) required: BTreeSet<String>,
    /// The choices, each with its alternatives and its discriminator.
    pub(super) choices: Vec<(Vec<Value>, Option<Value>)>,
}

impl Whole {
    fn add(&mut self, other: Whole) {
        for (name, schema) in other.properties {
            let together = match self.properties.remove(&name) {
                Some(before) => both(before, schema),
                None => schema,
            };
            self.properties.insert(name, together);
        }
        self.required.extend(other.required);
        self.choices.extend(other.choices);
        for (key, value) in other.words {
            // A closed part does not close the whole: other parts add members.
            if key == "additionalProperties" && value == false {
                continue;
            }
            self.words.insert(key, value);
        }
    }

    pub(super) fn is_object(&self) -> bool {
        !self.properties.is_empty() || self.words.get("type").is_some_and(|kind| kind == "object")
    }
}

/// A member that two parts describe: the later one counts, unless it only adds words.
fn both(before: Value, after: Value) -> Value {
    if before == after || says_nothing(&after) {
        let mut before = before;
        if let Some(description) =
            after["description"].as_str().filter(|_| before.is_object() && before.get("$ref").is_none())
        {
            before["description"] = json!(description);
        }
        return before;
    }
    after
}

/// Whether a schema has no type, only words about it.
pub(super) fn says_nothing(schema: &Value) -> bool {
    let says =
        ["type", "$ref", "properties", "items", "allOf", "oneOf", "anyOf", "enum", "const", "additionalProperties"];
    !says.iter().any(|key| schema.get(*key).is_some())
}

impl Adopter<'_> {
    /// All parts of a schema as one. References on the way are followed once each.
    pub(super) fn gathered(&mut self, raw: &Value, path: &mut Vec<String>) -> Whole {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            self.dropped("the document has too many parts of parts: what is below is any JSON");
            return Whole::default();
        }
        let mut whole = Whole::default();
        if let Some(reference) = raw["$ref"].as_str() {
            whole = self.referred(reference, path);
            if raw.as_object().is_none_or(|words| words.len() < 2) {
                return whole;
            }
        }
        let mut words = plain(raw);
        words.remove("$ref");
        for part in list(&words.remove("allOf").unwrap_or_default()) {
            let part = self.gathered(part, path);
            whole.add(part);
        }
        whole.add(own(words));
        whole
    }

    fn referred(&mut self, reference: &str, path: &mut Vec<String>) -> Whole {
        if path.iter().any(|known| known == reference) {
            self.dropped("a schema is a part of itself, which adds nothing");
            return Whole::default();
        }
        if path.len() >= DEEPEST {
            self.dropped(format!("parts of parts more than {DEEPEST} deep are any JSON"));
            return Whole::default();
        }
        let Some(target) = self.target(reference) else {
            self.dropped(nowhere(reference));
            return Whole::default();
        };
        path.push(reference.to_owned());
        let mut whole = self.gathered(target, path);
        path.pop();
        // What a schema is called and who it is for is its own affair.
        ["description", "title", "discriminator", "readOnly", "writeOnly"].iter().for_each(|word| {
            whole.words.remove(*word);
        });
        whole
    }
}

/// What a schema says itself.
fn own(mut words: Map<String, Value>) -> Whole {
    let mut whole = Whole::default();
    if let Some(Value::Object(properties)) = words.remove("properties") {
        whole.properties = properties;
    }
    whole.required = list(&words.remove("required").unwrap_or_default()).iter().map(text).map(str::to_owned).collect();
    let discriminator = words.remove("discriminator");
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::Array(alternatives)) = words.remove(key) {
            whole.choices.push((alternatives, discriminator.clone()));
        }
    }
    whole.words = words;
    whole
}

/// Why a reference was not followed.
pub(super) fn nowhere(reference: &str) -> &'static str {
    if reference.starts_with('#') {
        "a reference to what is not there is any JSON"
    } else {
        "a reference to another file is not followed: any JSON"
    }
}

/// The alternatives of a choice beside members, each with the members.
pub(super) fn with_members(alternatives: &[Value], whole: &Whole) -> Vec<Value> {
    let mut base = json!({ "type": "object", "properties": whole.properties, "required": whole.required });
    if let Some(values) = whole.words.get("additionalProperties") {
        base["additionalProperties"] = values.clone();
    }
    alternatives
        .iter()
        .map(|alternative| json!({ "allOf": [base, alternative], "x-name": name_of(alternative) }))
        .collect()
}

/// What a schema would be called: its reference's last part or its title.
pub(super) fn name_of(schema: &Value) -> Option<String> {
    if let Some(name) = schema.get("x-name").and_then(Value::as_str) {
        return Some(name.to_owned());
    }
    let reference = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let named = reference.or(schema["title"].as_str()).map(crate::words::pascal);
    named.filter(|name| !name.is_empty()).or_else(|| match list(&schema["allOf"]) {
        [only] => name_of(only),
        _ => None,
    })
}

/// Whether an alternative adds anything but which members must be there.
pub(super) fn has_content(schema: &Value) -> bool {
    let adds = ["type", "$ref", "properties", "items", "allOf", "oneOf", "anyOf", "enum", "const"];
    let is_bare_object = schema["type"] == "object"
        && members(schema).all(|(key, _)| ["type", "required", "title", "description", "not"].contains(&key));
    adds.iter().any(|key| schema.get(*key).is_some()) && !is_bare_object
}
