//! The schemas, and what the generator can make of them.

use super::marks::{certainty, described, marks};
use crate::{
    diagnostic::Diagnostics,
    document::{Document, children, has_members, list, members, reference, schema_name, text},
    names,
    reach::{is_named_type, is_open_enum, is_text_enum, is_union},
    shape::json_type,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn schemas(document: &Document, diagnostics: &mut Diagnostics) {
    let mut generated_names = BTreeMap::new();
    for (name, schema) in document.schemas() {
        let place = format!("schema `{name}`");
        if let Some(twin) = generated_names.insert(names::pascal(name), name) {
            diagnostics.add(&place, format!("it becomes the same type as schema `{twin}`"), "rename one of them");
        }
        described(schema, &place, "say in a sentence what it is", diagnostics);
        if !is_named_type(schema) && written_out_for_ever(document, schema, &mut vec![name]) {
            diagnostics.add(&place, "it contains itself", "put an object with members in between");
        }
        marks(schema, &place, diagnostics);
        certainty(schema, &place, diagnostics);
        if is_text_enum(schema) {
            continue;
        }
        shape(document, schema, &place, diagnostics);
        if is_union(schema) {
            union(document, schema, &place, diagnostics);
        }
        below(document, schema, &place, diagnostics);
    }
}

/// The schemas below a component or a parameter.
fn below(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (word, child) in children(schema) {
        let place = format!("{place}, {word}");
        if reference(child).is_some() {
            continue;
        }
        marks(child, &place, diagnostics);
        certainty(child, &place, diagnostics);
        shape(document, child, &place, diagnostics);
        let is_part = word.contains("allOf");
        if has_members(child) && !is_part {
            let cure = "give it a name under `components/schemas` and refer to it";
            diagnostics.add(&place, "an object is written in line", cure);
        }
        if is_open_enum(child) {
            let cure = "give it a name under `components/schemas`";
            diagnostics.add(&place, "a string enum is written in line", cure);
            continue;
        }
        if is_union(child) {
            diagnostics.add(&place, "a choice is written in line", "give it a name under `components/schemas`");
        }
        if word.starts_with("member") {
            described(child, &place, "say in a sentence what it is, with its unit", diagnostics);
        }
        below(document, child, &place, diagnostics);
    }
    essentials(document, schema, place, diagnostics);
}

/// What the generator cannot express at any place.
pub(super) fn shape(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    if schema.get("not").is_some() {
        diagnostics.add(place, "`not` cannot be expressed", "describe what is excluded in words");
    }
    if schema["type"] == "array" && schema.get("items").is_none() {
        diagnostics.add(place, "a list does not say what it holds", "add `items`; `{}` if anything");
    }
    let has_named_members = members(&schema["properties"]).next().is_some();
    if has_named_members && schema["additionalProperties"].is_object() {
        let cure = "drop `additionalProperties`: members that are not named are accepted and left out";
        diagnostics.add(place, "an object has both named members and values of any name", cure);
    }
    if let Some(values) = schema["enum"].as_array() {
        let is_boolean = values.iter().all(Value::is_boolean);
        let (what, cure) = match text(&schema["type"]) {
            "string" => ("a string enum is written in line", "give it a name under `components/schemas`"),
            _ if is_boolean => return,
            _ => ("only strings can be an enum", "name the values in the description"),
        };
        diagnostics.add(place, what, cure);
    }
    let parts = list(&schema["allOf"]);
    if let Some(part) = parts.iter().find(|part| parts.len() > 1 && json_type(document, part) != "object") {
        let what = format!("`allOf` puts `{}` together with something else", json_type(document, part));
        diagnostics.add(place, what, "put together objects only");
    }
}

/// Alternatives are told apart by their JSON type: the first match would win and drop the members of the others.
fn union(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for alternative in list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])) {
        let kind = json_type(document, alternative);
        if kind.is_empty() || !seen.insert(kind) {
            let kind = if kind.is_empty() { "anything" } else { kind };
            let what =
                format!("two alternatives of the choice may both be `{kind}`, so that one would lose its members");
            diagnostics.add(place, what, "write one object with all members of both");
        }
    }
}

pub(super) fn essentials(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (name, member) in members(&schema["properties"]).filter(|(_, member)| member["x-essential"] == true) {
        let place = format!("{place}, member `{name}`");
        let is_nullable = member["nullable"] == true || document.resolve(member)["nullable"] == true;
        if is_nullable || !list(&schema["required"]).iter().any(|required| required == name) {
            let cure = "list it under `required` and let it not be null, or drop the mark";
            diagnostics.add(&place, "`x-essential` marks a member that may be missing", cure);
        }
    }
}

/// A component that is written out where it is used must end somewhere.
fn written_out_for_ever<'d>(document: &'d Document, schema: &'d Value, path: &mut Vec<&'d str>) -> bool {
    if let Some(name) = reference(schema).and_then(schema_name) {
        let target = document.schema(name);
        if is_named_type(target) {
            return false;
        }
        if path.contains(&name) {
            return true;
        }
        path.push(name);
        let found = written_out_for_ever(document, target, path);
        path.pop();
        return found;
    }
    children(schema).into_iter().any(|(_, child)| written_out_for_ever(document, child, path))
}
