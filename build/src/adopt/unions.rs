//! Choices: alternatives that differ by nothing that a program sees become one; the others keep their names.

use super::{Adopter, dialect::plain, merge::name_of, prose};
use crate::{
    document::{list, members, text},
    words::Given,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// More alternatives than that are any JSON.
const MOST: usize = 500;

/// And so many are not even looked at, whether they are different or not.
const MOST_WRITTEN: usize = 5_000;

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
        if alternatives.len() > MOST_WRITTEN {
            self.dropped(format!("a choice of {} alternatives is any JSON", alternatives.len()));
            return super::schemas::decorated(json!({}), &beside);
        }
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
            let name = super::schemas::under(hint, &variant);
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
        let mut seen = BTreeSet::new();
        let mut found: Vec<(Vec<&Value>, String)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for alternative in alternatives.iter().filter(|alternative| seen.insert(alternative.to_string())) {
            let kind = self.kind(alternative, 16);
            if kind == "object" || kind.is_empty() {
                found.push((vec![alternative], kind));
                continue;
            }
            let place = *places.entry(kind.clone()).or_insert(found.len());
            match found.get_mut(place) {
                Some((twins, _)) => twins.push(alternative),
                None => found.push((vec![alternative], kind)),
            }
        }
        let one_of = |(twins, kind): (Vec<&Value>, String)| match twins.as_slice() {
            [only] => ((*only).clone(), kind),
            _ => (self.together(&twins, &kind), kind),
        };
        found.into_iter().map(one_of).collect()
    }

    /// Several schemas of one JSON type as one.
    fn together(&mut self, twins: &[&Value], kind: &str) -> Value {
        let all: Vec<Map<String, Value>> =
            twins.iter().map(|schema| self.gathered(schema, &mut Vec::new()).words).collect();
        let of = |word: &'static str| all.iter().map(move |words| words.get(word).unwrap_or(&Value::Null));
        match kind {
            "string" => {
                let values: Vec<&Value> = of("enum").flat_map(list).collect();
                match (values.is_empty(), of("format").any(|format| format == "password")) {
                    (_, true) => json!({ "type": "string", "format": "password" }),
                    (true, _) => json!({ "type": "string" }),
                    _ => json!({ "type": "string", "enum": values }),
                }
            }
            "number" => {
                let is_whole = of("type").all(|kind| kind == "integer");
                json!({ "type": if is_whole { "integer" } else { "number" } })
            }
            "array" => {
                let items: Vec<&Value> = of("items").collect();
                json!({ "type": "array", "items": { "anyOf": items } })
            }
            _ => all.into_iter().next().map(Value::Object).unwrap_or_default(),
        }
    }

    /// The JSON type of what a schema describes; empty if it may be several.
    pub(super) fn kind(&mut self, raw: &Value, depth: usize) -> String {
        if depth == 0 {
            return String::new();
        }
        if let Some(reference) = raw["$ref"].as_str() {
            let key = (reference.to_owned(), depth);
            if let Some(known) = self.kinds.get(&key) {
                return known.clone();
            }
            let kind = self.target(reference).map(|target| self.kind(target, depth - 1)).unwrap_or_default();
            self.kinds.insert(key, kind.clone());
            return kind;
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
