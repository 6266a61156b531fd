//! Schemas in the generator's form: every object, enum and choice has a name, and everything said about a value is read,
//! or told.

use super::{
    Adopter,
    dialect::plain,
    escaped,
    merge::{Whole, has_content, nowhere, says_nothing, with_members},
    prose,
};
use crate::{
    document::{list, text},
    pattern,
    reach::is_named_type,
    words::{Given, LONGEST, snake},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// More members, or values of a choice, make no type that a compiler takes.
const MOST_MEMBERS: usize = 5_000;

/// What is read, or is documentation.
const READ: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "collectionFormat",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "enum",
    "example",
    "examples",
    "externalDocs",
    "format",
    "in",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "name",
    "nullable",
    "oneOf",
    "optional",
    "pattern",
    "prefixItems",
    "properties",
    "readOnly",
    "required",
    "title",
    "type",
    "writeOnly",
    "xml",
];

/// Limits that the vendor alone checks.
const UNCHECKED: &[&str] = &[
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxContains",
    "maxProperties",
    "minContains",
    "minProperties",
    "multipleOf",
    "not",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Marks that stand at members.
const MARKS: &[&str] = &["x-essential", "x-json-string", "readOnly", "writeOnly"];

impl Adopter<'_> {
    /// The definition of a component.
    pub(super) fn component(&mut self, raw: &Value, name: &str, pointer: &str) -> Value {
        let mut built = match self.with_children(raw, name, pointer) {
            Some(choice) => choice,
            None => self.build(raw, name),
        };
        self.describe(&mut built, || format!("The document's `{name}`, of which it says no more."));
        built
    }

    /// A schema where it is used: what needs a name of its own gets one.
    pub(super) fn child(&mut self, raw: &Value, hint: &str) -> Value {
        self.size += 1;
        if self.is_full() {
            return json!({});
        }
        let built = self.build(raw, hint);
        self.report.fields += usize::from(!says_nothing(raw));
        self.report.untyped += usize::from(!says_nothing(raw) && says_nothing(&built));
        if is_named_type(&built) { self.hoisted(built, hint) } else { built }
    }

    pub(super) fn hoisted(&mut self, mut built: Value, hint: &str) -> Value {
        let name = self.names.of_type(hint);
        let nullable = built.as_object_mut().and_then(|words| words.remove("nullable"));
        self.describe(&mut built, || format!("The document's {hint}, of which it says no more."));
        self.schemas.insert(name.clone(), built);
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        match nullable {
            Some(nullable) => json!({ "allOf": [reference], "nullable": nullable }),
            None => reference,
        }
    }

    fn describe(&mut self, built: &mut Value, otherwise: impl FnOnce() -> String) {
        if built.get("$ref").is_none() && text(&built["description"]).trim().is_empty() {
            built["description"] = json!(otherwise());
        }
    }

    /// A schema in the generator's form, whether it needs a name or not.
    pub(super) fn build(&mut self, raw: &Value, hint: &str) -> Value {
        if raw["$ref"].is_string() {
            return self.reference(raw, hint);
        }
        let words = plain(raw);
        self.tell_unread(&words);
        let has_choice = words.contains_key("oneOf") || words.contains_key("anyOf");
        let is_mixed = words.contains_key("allOf") || (has_choice && words.contains_key("properties"));
        if !is_mixed {
            return self.of_words(words, hint);
        }
        if let [only] = list(words.get("allOf").unwrap_or(&Value::Null))
            && !has_choice
            && words.keys().all(|word| is_annotation(word) || word == "allOf")
        {
            return decorated(self.build(only, hint), &words);
        }
        let whole = self.gathered(raw, &mut Vec::new());
        self.of_whole(whole, hint)
    }

    fn reference(&mut self, raw: &Value, hint: &str) -> Value {
        let reference = text(&raw["$ref"]).to_owned();
        let Some(target) = self.target(&reference) else {
            self.dropped(nowhere(&reference));
            return json!({});
        };
        let beside: Map<String, Value> = plain(raw).into_iter().filter(|(key, _)| key != "$ref").collect();
        if self.is_31 && beside.keys().any(|word| !is_annotation(word)) {
            let whole = self.gathered(raw, &mut Vec::new());
            return self.of_whole(whole, hint);
        }
        // A value without members is written out: a name would add nothing.
        let is_scalar = ["string", "integer", "number", "boolean"].contains(&text(&target["type"]));
        if is_scalar && target.get("enum").is_none() {
            let built = self.of_words(plain(target), hint);
            return decorated(built, &beside);
        }
        let pointer = super::decoded(reference.trim_start_matches('#'));
        let name = match self.named.get(&pointer) {
            Some(name) => name.clone(),
            None => {
                let last = pointer
                    .rsplit('/')
                    .find(|part| !part.is_empty() && part.parse::<usize>().is_err() && *part != "schema");
                let wish = if pointer.starts_with("/components/") { last.unwrap_or(hint) } else { hint };
                let name = self.names.of_type(wish);
                self.named.insert(pointer.clone(), name.clone());
                name
            }
        };
        if !self.schemas.contains_key(&name) && !self.begun.contains_key(&name) {
            self.begun.insert(name.clone(), pointer.clone());
            self.waiting.push_back((pointer, name.clone()));
        }
        decorated(json!({ "$ref": format!("#/components/schemas/{name}") }), &beside)
    }

    fn tell_unread(&mut self, words: &Map<String, Value>) {
        for word in words.keys() {
            if UNCHECKED.contains(&word.as_str()) {
                self.derived(format!("`{word}` is left to the vendor to check"));
            } else if !READ.contains(&word.as_str()) && !word.starts_with("x-") {
                self.dropped(format!("`{}` of a schema is not read", shortened(word)));
            }
        }
    }

    fn of_whole(&mut self, mut whole: Whole, hint: &str) -> Value {
        let mut choices = std::mem::take(&mut whole.choices);
        if whole.is_object() && !choices.is_empty() {
            let before = choices.len();
            choices.retain(|(alternatives, _)| alternatives.iter().any(has_content));
            if choices.len() < before {
                self.derived("which members must be there together is left to the vendor to check");
            }
        }
        // Of several choices at once the first is one, and what the others may add is optional.
        for (alternatives, _) in choices.drain(usize::from(!choices.is_empty())..) {
            self.derived("a second choice beside the first is members that may be missing");
            for alternative in &alternatives {
                let part = self.gathered(alternative, &mut Vec::new());
                for (name, schema) in part.properties {
                    whole.properties.entry(name).or_insert(schema);
                }
            }
        }
        if let Some((alternatives, discriminator)) = choices.pop() {
            self.size += alternatives.len() * whole.properties.len();
            if self.is_full() {
                return json!({});
            }
            let alternatives = if whole.is_object() { with_members(&alternatives, &whole) } else { alternatives };
            return self.choice(&alternatives, discriminator.as_ref(), &whole.words, hint);
        }
        let mut words = whole.words;
        if !whole.properties.is_empty() || !whole.required.is_empty() {
            words.insert("type".to_owned(), json!("object"));
            words.insert("properties".to_owned(), Value::Object(whole.properties));
            words.insert("required".to_owned(), json!(whole.required));
        }
        self.of_words(words, hint)
    }

    /// A schema without `allOf`.
    pub(super) fn of_words(&mut self, words: Map<String, Value>, hint: &str) -> Value {
        for key in ["oneOf", "anyOf"] {
            if let Some(alternatives) = words.get(key).and_then(Value::as_array) {
                let discriminator = words.get("discriminator");
                return self.choice(alternatives, discriminator, &words, hint);
            }
        }
        let built = match text(words.get("type").unwrap_or(&Value::Null)) {
            "object" => self.object(&words, hint),
            "array" => {
                let items = self.child(words.get("items").unwrap_or(&Value::Null), &under(hint, "item"));
                json!({ "type": "array", "items": items })
            }
            "string" => self.string(&words),
            kind @ ("integer" | "number" | "boolean") => {
                if words.contains_key("enum") && kind != "boolean" {
                    self.derived("the values of an enum of numbers are left to the vendor to check");
                }
                let mut built = json!({ "type": kind });
                if words.get("format").is_some_and(|format| format == "uint64") {
                    built["format"] = json!("uint64");
                }
                built
            }
            _ => {
                if words.contains_key("enum") {
                    self.derived("the values of an enum of several types are left to the vendor to check");
                }
                json!({})
            }
        };
        self.limited(decorated(built, &words), &words)
    }

    fn string(&mut self, words: &Map<String, Value>) -> Value {
        let mut built = json!({ "type": "string" });
        let mut seen = BTreeSet::new();
        let values = list(words.get("enum").unwrap_or(&Value::Null)).iter().filter_map(Value::as_str);
        let values: Vec<&str> = values.filter(|value| seen.insert(*value)).collect();
        if values.len() > MOST_MEMBERS {
            self.dropped(format!("a choice of {} texts is any text", values.len()));
        } else if !values.is_empty() {
            built["enum"] = json!(values);
            return built;
        }
        if let Some(format @ ("password" | "uuid")) = words.get("format").and_then(Value::as_str) {
            built["format"] = json!(format);
        }
        built
    }

    /// Limits that can be checked before a request is sent.
    fn limited(&mut self, mut built: Value, words: &Map<String, Value>) -> Value {
        for limit in ["minLength", "maxLength", "minItems", "maxItems"] {
            if let Some(count) = words.get(limit).and_then(Value::as_u64).filter(|_| built.get("type").is_some()) {
                built[limit] = json!(count);
            }
        }
        for limit in ["minimum", "maximum"] {
            let is_bare = !words
                .get(&format!("exclusive{}{}", &limit[..1].to_uppercase(), &limit[1..]))
                .is_some_and(|word| word == true);
            if let Some(bound) = words.get(limit).filter(|bound| bound.as_f64().is_some_and(f64::is_finite) && is_bare)
            {
                built[limit] = bound.clone();
            }
        }
        if let Some(pattern) = words.get("pattern").and_then(Value::as_str) {
            match pattern::parse(pattern) {
                Ok(_) if built.get("enum").is_none() => built["pattern"] = json!(pattern),
                Ok(_) => {}
                Err(_) => self.derived("a pattern of more than one character class is left to the vendor to check"),
            }
        }
        built
    }

    fn object(&mut self, words: &Map<String, Value>, hint: &str) -> Value {
        let mut built = json!({ "type": "object" });
        let none = Map::new();
        let given = words.get("properties").and_then(Value::as_object).unwrap_or(&none);
        if given.len() > MOST_MEMBERS {
            self.dropped(format!("an object of {} members is a map of any JSON", given.len()));
            built["additionalProperties"] = json!(true);
            return built;
        }
        let (properties, must) = self.named_members(words, given, hint);
        let values = words.get("additionalProperties").filter(|values| **values != false).cloned();
        if !must.is_empty() {
            built["required"] = json!(must);
        }
        if !properties.is_empty() {
            built["properties"] = Value::Object(properties);
        }
        match values.or_else(|| only_pattern(words)) {
            Some(values @ Value::Object(_)) if !says_nothing(&values) => {
                built["additionalProperties"] = self.child(&values, &under(hint, "value"));
            }
            Some(Value::Bool(true) | Value::Object(_)) => built["additionalProperties"] = json!(true),
            _ => {}
        }
        // An object that is closed and empty is a type without members.
        if given.is_empty() && words.get("properties").is_some() && built.get("additionalProperties").is_none() {
            built["properties"] = json!({});
        }
        built
    }

    /// The members that have names, by names as a program writes them, and which of them must be there.
    fn named_members(
        &mut self,
        words: &Map<String, Value>,
        given: &Map<String, Value>,
        hint: &str,
    ) -> (Map<String, Value>, Vec<String>) {
        let mut properties = Map::new();
        let mut taken = Given::default();
        // Names that are as a program writes them are kept; the others give way.
        let mut names: Vec<&String> = given.keys().collect();
        names.sort_by_key(|name| (snake(name) != **name, *name));
        let mut key_of: BTreeMap<&str, String> = BTreeMap::new();
        for name in names {
            let key = taken.of_member(name);
            let mut member = self.member(&given[name], hint, name);
            if crate::names::snake(name) == key && !properties.contains_key(name) && is_plain(name) {
                properties.insert(name.clone(), member);
                key_of.insert(name, name.clone());
                continue;
            }
            if member.get("$ref").is_some() {
                member = json!({ "allOf": [member] });
            }
            member["x-wire-name"] = json!(name);
            properties.insert(key.clone(), member);
            key_of.insert(name, key);
        }
        let required = list(words.get("required").unwrap_or(&Value::Null)).iter().filter_map(Value::as_str);
        let (declared, others): (Vec<&str>, Vec<&str>) = required.partition(|name| key_of.contains_key(name));
        if !others.is_empty() && !given.is_empty() {
            self.derived("a member is required that is not described: the vendor checks it");
        }
        let must: BTreeSet<String> = declared.into_iter().map(|name| key_of[name].clone()).collect();
        (properties, must.into_iter().collect())
    }

    fn member(&mut self, raw: &Value, hint: &str, name: &str) -> Value {
        let mut member = self.child(raw, &under(hint, name));
        let marks: Vec<(String, Value)> =
            MARKS.iter().filter_map(|mark| Some(((*mark).to_owned(), raw.get(*mark)?.clone()))).collect();
        let is_described = !text(&member["description"]).trim().is_empty();
        let from_target = raw["$ref"].is_string() || raw["allOf"].is_array();
        if marks.is_empty() && (is_described || from_target) {
            return member;
        }
        if member.get("$ref").is_some() {
            member = json!({ "allOf": [member] });
        }
        for (mark, value) in marks {
            member[mark] = value;
        }
        if !is_described && !from_target {
            let shown: String = prose(&name.replace('`', "'")).chars().take(80).collect();
            member["description"] = json!(format!("The member `{shown}`, of which the document says no more."));
        }
        member
    }

    /// A schema that names the member by which its heirs are told apart is a choice between them.
    fn with_children(&mut self, raw: &Value, name: &str, pointer: &str) -> Option<Value> {
        raw["discriminator"]["propertyName"].as_str()?;
        if raw.get("oneOf").is_some() || raw.get("anyOf").is_some() {
            return None;
        }
        let heirs = self.heirs.get(format!("#{pointer}").as_str())?.iter();
        let mut alternatives: Vec<Value> =
            heirs.map(|heir| json!({ "$ref": format!("#/components/schemas/{}", escaped(heir)) })).collect();
        let mut itself = raw.clone();
        itself.as_object_mut()?.remove("discriminator");
        itself["x-name"] = json!(format!("{name}Itself"));
        alternatives.push(itself);
        let words =
            plain(raw).into_iter().filter(|(word, _)| ["description", "nullable"].contains(&word.as_str())).collect();
        Some(self.choice(&alternatives, raw.get("discriminator"), &words, name))
    }
}

/// `patternProperties` of one pattern is a map.
fn only_pattern(words: &Map<String, Value>) -> Option<Value> {
    let patterns = words.get("patternProperties")?.as_object()?;
    let mut values = patterns.values();
    values.next().filter(|_| values.next().is_none()).cloned()
}

/// Whether a name can be a program's as it is, but for its case.
fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= 80
}

/// What something below is to be called. Names are cut, so that what is deep inside long names is not longer still.
pub(super) fn under(hint: &str, name: &str) -> String {
    let cut = |text: &str| text.chars().take(4 * LONGEST).collect::<String>();
    format!("{} {}", cut(hint), cut(name))
}

fn shortened(word: &str) -> String {
    prose(word).chars().take(40).collect()
}

/// What says something about a value without making another of it.
fn is_annotation(word: &str) -> bool {
    let words = [
        "$comment",
        "default",
        "deprecated",
        "description",
        "example",
        "examples",
        "externalDocs",
        "nullable",
        "readOnly",
        "title",
        "writeOnly",
        "xml",
    ];
    word.starts_with("x-") || words.contains(&word)
}

/// A schema with what is said about it at the place where it is used.
pub(super) fn decorated(mut built: Value, words: &Map<String, Value>) -> Value {
    let description =
        words.get("description").and_then(Value::as_str).map(prose).filter(|text| !text.trim().is_empty());
    let nullable = words.get("nullable").is_some_and(|word| word == true) && !says_nothing(&built);
    if (description.is_some() || nullable) && built.get("$ref").is_some() {
        built = json!({ "allOf": [built] });
    }
    if let Some(description) = description {
        built["description"] = json!(description);
    }
    if nullable {
        built["nullable"] = json!(true);
    }
    built
}
