//! Choices: alternatives that differ by nothing that a program sees become one; the others keep their names.

use super::{Adopter, dialect::plain, merge::name_of, prose, words::Given};
use crate::document::{list, members, text};
use serde_json::{Map, Value, json};

/// More alternatives than that are any JSON.
const MOST: usize = 500;

impl Adopter<'_> {
    /// `oneOf` and `anyOf`. `words` is what stands beside it.
    pub(super) fn choice(
        &mut self,
        alternatives: &[Value],
        discriminator: Option<&Value>,
        words: &Map<String, Value>,
        hint: &str,
    ) -> Value {
        let beside: Map<String, Value> = words
            .iter()
            .filter(|(key, _)| *key != "discriminator")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let alternatives = self.grouped(alternatives);
        match alternatives.as_slice() {
            [] => return super::schemas::decorated(json!({}), &beside),
            [(only, _)] => {
                let built = self.build(only, hint);
                return super::schemas::decorated(built, &beside);
            }
            _ => {}
        }
        let is_open = alternatives.iter().any(|(_, kind)| kind.is_empty());
        if is_open || alternatives.len() > MOST {
            self.dropped("a choice of which one alternative is anything is any JSON");
            return super::schemas::decorated(json!({}), &beside);
        }
        let mut given = Given::default();
        given.take("Other");
        let mut built = Vec::new();
        let mut variants = Vec::new();
        let is_mixed = alternatives.iter().any(|(_, kind)| kind != &alternatives[0].1);
        for (alternative, kind) in &alternatives {
            let wish = name_of(alternative).filter(|_| kind == "object" || !is_mixed);
            let alone = alternatives.iter().filter(|(_, other)| other == kind).count() == 1;
            let variant = given.of_type(&wish.unwrap_or_else(|| {
                if alone || kind != "object" { word_of(kind).to_owned() } else { "Object".to_owned() }
            }));
            let name = format!("{hint} {variant}");
            built.push(self.child(alternative, &name));
            variants.push(json!({ "name": variant, "kind": kind, "tags": tags(alternative, discriminator) }));
        }
        let tag = discriminator.map(|discriminator| discriminator["propertyName"].clone()).unwrap_or_default();
        let mut choice = json!({ "oneOf": built, "x-choice": { "variants": variants, "tag": tag } });
        if let Some(description) = beside.get("description").and_then(Value::as_str) {
            choice["description"] = json!(prose(description));
        }
        if beside.get("nullable").is_some_and(|word| word == true) {
            choice["nullable"] = json!(true);
        }
        choice
    }

    /// The alternatives with their JSON types; texts are one text, numbers one number, lists one list.
    fn grouped(&mut self, alternatives: &[Value]) -> Vec<(Value, String)> {
        let mut found: Vec<(Value, String)> = Vec::new();
        for alternative in alternatives {
            let kind = self.kind(alternative, 16);
            if found.iter().any(|(known, _)| known == alternative) {
                continue;
            }
            let twin = found.iter_mut().find(|(_, known)| *known == kind && kind != "object" && !kind.is_empty());
            let Some((known, _)) = twin else {
                found.push((alternative.clone(), kind));
                continue;
            };
            let before = known.clone();
            *known = self.together(&before, alternative, &kind);
        }
        found
    }

    fn together(&mut self, one: &Value, other: &Value, kind: &str) -> Value {
        let [one, other] = [one, other].map(|schema| self.gathered(schema, &mut Vec::new()).words);
        match kind {
            "string" => {
                let values = |words: &Map<String, Value>| {
                    words.get("enum").map(|values| list(values).to_vec()).unwrap_or_default()
                };
                let mut all = values(&one);
                all.extend(values(&other));
                all.dedup();
                let is_secret =
                    [&one, &other].iter().any(|words| words.get("format").is_some_and(|format| format == "password"));
                match (all.is_empty(), is_secret) {
                    (_, true) => json!({ "type": "string", "format": "password" }),
                    (true, _) => json!({ "type": "string" }),
                    _ => json!({ "type": "string", "enum": all }),
                }
            }
            "number" => {
                let whole = [&one, &other].iter().all(|words| words.get("type").is_some_and(|kind| kind == "integer"));
                json!({ "type": if whole { "integer" } else { "number" } })
            }
            "array" => {
                let items = |words: &Map<String, Value>| words.get("items").cloned().unwrap_or_default();
                json!({ "type": "array", "items": { "anyOf": [items(&one), items(&other)] } })
            }
            _ => Value::Object(one),
        }
    }

    /// The JSON type of what a schema describes; empty if it may be several.
    pub(super) fn kind(&self, raw: &Value, depth: usize) -> String {
        if depth == 0 {
            return String::new();
        }
        if let Some(reference) = raw["$ref"].as_str() {
            return self.target(reference).map(|target| self.kind(target, depth - 1)).unwrap_or_default();
        }
        let words = plain(raw);
        match text(words.get("type").unwrap_or(&Value::Null)) {
            "integer" => return "number".to_owned(),
            "" => {}
            kind => return kind.to_owned(),
        }
        for key in ["allOf", "oneOf", "anyOf"] {
            let kinds: Vec<String> =
                list(words.get(key).unwrap_or(&Value::Null)).iter().map(|part| self.kind(part, depth - 1)).collect();
            let mut named = kinds.iter().filter(|kind| !kind.is_empty());
            if let Some(first) = named.next()
                && named.all(|kind| kind == first)
                && (key == "allOf" || kinds.iter().all(|kind| !kind.is_empty()))
            {
                return first.clone();
            }
        }
        String::new()
    }
}

/// The values of the discriminator that stand for an alternative.
fn tags(alternative: &Value, discriminator: Option<&Value>) -> Vec<String> {
    let Some(discriminator) = discriminator else { return Vec::new() };
    let inner = alternative["$ref"].as_str().or_else(|| alternative["allOf"][1]["$ref"].as_str());
    let Some(reference) = inner else { return Vec::new() };
    let name = reference.rsplit('/').next().unwrap_or_default();
    let mapped = members(&discriminator["mapping"]).filter(|(_, target)| **target == reference || **target == name);
    let mut tags: Vec<String> = mapped.map(|(value, _)| value.to_owned()).collect();
    if tags.is_empty() {
        tags.push(name.to_owned());
    }
    tags
}

fn word_of(kind: &str) -> &'static str {
    match kind {
        "string" => "Text",
        "number" => "Number",
        "boolean" => "Flag",
        "array" => "List",
        _ => "Object",
    }
}
