//! The generator's copy of a schema: only what makes a type. Limits, defaults, examples and formats stay behind.

use super::{
    document::{Document, has_members, is_file, is_secret, list, members, reference, schema_name, text},
    reach::{Reach, essential_names, is_choice, is_named_type, is_open_enum, is_union},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// For whom a schema is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Shaper<'d> {
    pub(crate) document: &'d Document,
    pub(crate) reach: &'d Reach,
    pub(crate) side: Side,
}

impl Shaper<'_> {
    /// The generated name of a component as this side sees it.
    pub(crate) fn type_name(&self, component: &str) -> String {
        match self.side {
            Side::Answer if self.reach.split.contains(component) => format!("{component}Answer"),
            _ => component.to_owned(),
        }
    }

    /// A component's own definition.
    pub(crate) fn component(&self, name: &str) -> Value {
        let schema = self.document.schema(name);
        let mut copy = self.shape(schema);
        // The schemas that refer to it say that it may be null: see `referred`.
        copy.as_object_mut().map(|copy| copy.remove("nullable"));
        if copy.get("description").is_none() {
            described(&mut copy, schema);
        }
        copy
    }

    pub(crate) fn shape(&self, schema: &Value) -> Value {
        if let Some(name) = reference(schema).and_then(schema_name) {
            return self.referred(name);
        }
        if let [only] = list(&schema["allOf"]) {
            return decorated(self.shape(only), schema);
        }
        let mut copy = self.kind(schema);
        described(&mut copy, schema);
        nullable(&mut copy, schema);
        copy
    }

    fn referred(&self, name: &str) -> Value {
        let target = self.document.schema(name);
        if !is_named_type(target) {
            return self.shape(target);
        }
        let mut copy = json!({ "$ref": format!("#/components/schemas/{}", self.type_name(name)) });
        if target["nullable"] == true {
            copy = json!({ "allOf": [copy], "nullable": true });
        }
        copy
    }

    fn kind(&self, schema: &Value) -> Value {
        if is_choice(schema) {
            // Ours stands in its place: see `choices`.
            return json!({ "type": "object" });
        }
        if is_union(schema) {
            return self.union(schema);
        }
        if schema["allOf"].is_array() {
            return json!({ "allOf": list(&schema["allOf"]).iter().map(|part| self.shape(part)).collect::<Vec<_>>() });
        }
        if is_secret(schema) {
            return json!({ "type": "string", "format": "password" });
        }
        if is_open_enum(schema) {
            return json!({ "type": "string" });
        }
        if !self.document.own && is_file(schema) {
            return json!({ "type": "string", "format": "binary" });
        }
        if schema["format"] == "uint64" {
            return json!({ "type": "integer", "format": "uint64" });
        }
        match text(&schema["type"]) {
            "array" => json!({ "type": "array", "items": self.shape(&schema["items"]) }),
            "object" => self.object(schema),
            "" if has_members(schema) => self.object(schema),
            "" => json!({}),
            scalar => json!({ "type": scalar }),
        }
    }

    fn object(&self, schema: &Value) -> Value {
        let of_member = |(name, value)| (name, self.member(value));
        let is_ours = |(_, member): &(&str, &Value)| !self.is_of_the_other_side(member);
        let mut properties: Map<String, Value> = members(&schema["properties"])
            .filter(is_ours)
            .map(of_member)
            .map(|(name, value)| (String::from(name), value))
            .collect();
        let mut copy = json!({ "type": "object" });
        let required = self.required(schema);
        if self.side == Side::Request {
            let required: BTreeSet<&str> = required.iter().copied().collect();
            let optional = properties.iter_mut().filter(|(name, _)| !required.contains(&name.as_str()));
            optional.for_each(|(_, member)| keep_apart_from_empty(member));
        }
        if !required.is_empty() {
            copy["required"] = json!(required);
        }
        match schema.get("additionalProperties") {
            // A document of ours says `true` where it means that unknown members are passed over.
            Some(values) if values.is_object() && (properties.is_empty() || !self.document.own) => {
                copy["additionalProperties"] = self.shape(values)
            }
            Some(Value::Bool(true)) if properties.is_empty() || !self.document.own => {
                copy["additionalProperties"] = json!(true)
            }
            // An object without members: `false` makes the generator write a struct, not a map. The facade takes the
            // ban on unknown members out again.
            _ if properties.is_empty() && has_members(schema) => copy["additionalProperties"] = json!(false),
            _ => {}
        }
        if has_members(schema) {
            copy["properties"] = Value::Object(properties);
        }
        copy
    }

    /// A member says what its type says if it says nothing itself.
    fn member(&self, schema: &Value) -> Value {
        let mut copy = self.shape(schema);
        if copy.get("$ref").is_some() {
            copy = json!({ "allOf": [copy] });
        }
        if copy.get("description").is_none() {
            described(&mut copy, self.document.resolve(schema));
        }
        copy
    }

    fn required<'s>(&'s self, schema: &'s Value) -> Vec<&'s str> {
        let is_ours = |name: &&str| !self.is_of_the_other_side(&schema["properties"][*name]);
        match self.side {
            Side::Request => list(&schema["required"]).iter().map(text).filter(is_ours).collect(),
            Side::Answer => essential_names(self.document, schema).into_iter().filter(is_ours).collect(),
        }
    }

    /// Whether a member stands in answers alone, and this is a request, or the other way round.
    fn is_of_the_other_side(&self, member: &Value) -> bool {
        let mark = match self.side {
            Side::Request => "readOnly",
            Side::Answer => "writeOnly",
        };
        member[mark] == true
    }

    /// The check has seen to it that every alternative is another JSON type; the title names the variant after it.
    fn union(&self, schema: &Value) -> Value {
        let alternatives = list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"]));
        let titled = alternatives.map(|alternative| {
            let kind = json_type(self.document, alternative);
            let mut copy = self.shape(alternative);
            if copy.get("$ref").is_some() {
                copy = json!({ "allOf": [copy] });
            }
            copy["title"] = json!(variant(kind));
            copy
        });
        json!({ "oneOf": titled.collect::<Vec<_>>() })
    }
}

/// The JSON type of a schema, as far as it has one.
pub(crate) fn json_type<'d>(document: &'d Document, schema: &'d Value) -> &'d str {
    let schema = document.resolve(schema);
    if is_open_enum(schema) {
        return "string";
    }
    match (text(&schema["type"]), list(&schema["allOf"])) {
        ("integer", _) => "number",
        ("", [first, ..]) => json_type(document, first),
        ("", []) if has_members(schema) => "object",
        (named, _) => named,
    }
}

fn variant(json_type: &str) -> &str {
    match json_type {
        "string" => "Text",
        "number" => "Number",
        "boolean" => "Flag",
        "array" => "List",
        _ => "Object",
    }
}

/// A reference with a description of its own, or one that may be null.
fn decorated(mut copy: Value, outer: &Value) -> Value {
    let wants = outer.get("description").is_some() || outer["nullable"] == true;
    if wants && copy.get("$ref").is_some() {
        copy = json!({ "allOf": [copy] });
    }
    described(&mut copy, outer);
    nullable(&mut copy, outer);
    copy
}

/// The generator leaves out an empty list or map that may be absent, but to write "no roles" is not to leave the roles
/// alone: as an `Option` the two are told apart.
fn keep_apart_from_empty(member: &mut Value) {
    let is_map = member["type"] == "object" && !has_members(member);
    if member["type"] == "array" || is_map {
        member["nullable"] = json!(true);
    }
}

fn described(copy: &mut Value, schema: &Value) {
    if let Some(description) = schema["description"].as_str() {
        copy["description"] = json!(description.replace('\r', ""));
    }
}

fn nullable(copy: &mut Value, schema: &Value) {
    // Any JSON is null already.
    let is_typed = ["type", "$ref", "allOf", "oneOf"].iter().any(|key| copy.get(*key).is_some());
    if schema["nullable"] == true && is_typed {
        copy["nullable"] = json!(true);
    }
}
