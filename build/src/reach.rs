//! Which schemas requests and answers reach, and what stays required of an answer.
//!
//! Requests are written strictly and answers read leniently. A schema that both use is generated twice where that
//! makes a difference: `Name` for the request, `NameAnswer` for the answer.

use super::document::{Document, below, has_members, list, members, reference, schema_name, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct Reach {
    pub(crate) requests: BTreeSet<String>,
    pub(crate) answers: BTreeSet<String>,
    /// Schemas of both sides whose answer is read more leniently than the request is written.
    pub(crate) split: BTreeSet<String>,
}

impl Reach {
    pub(crate) fn of(document: &Document) -> Self {
        let mut reach = Self::default();
        for operation in document.operations() {
            for parameter in operation.parameters(document) {
                follow(document, &parameter["schema"], &mut reach.requests);
            }
            for (_, schema) in operation.bodies(document) {
                follow(document, schema, &mut reach.requests);
            }
            follow(document, &operation.value["x-answer"]["schema"], &mut reach.answers);
            for (_, response) in operation.responses(document) {
                members(&response["content"])
                    .for_each(|(_, content)| follow(document, &content["schema"], &mut reach.answers));
            }
        }
        // Whatever a schema of both sides refers to is of both sides as well.
        let both: Vec<&str> = reach.requests.intersection(&reach.answers).map(String::as_str).collect();
        reach.split = leading_to(document, both, |schema| is_relaxed(document, schema), below);
        reach
    }
}

/// A component that becomes a type of its own: objects with members, enums and unions. Every other component (a
/// text, a list, a map) is written out where it is used.
pub(crate) fn is_named_type(schema: &Value) -> bool {
    is_object(schema) || is_text_enum(schema) || is_union(schema)
}

pub(crate) fn is_text_enum(schema: &Value) -> bool {
    (schema["type"] == "string" && schema["enum"].is_array()) || is_open_enum(schema)
}

/// `anyOf` of known texts and of any text: how other tools are told that a list is open.
pub(crate) fn is_open_enum(schema: &Value) -> bool {
    let parts = list(&schema["anyOf"]);
    let known = parts.iter().filter(|part| part["enum"].is_array()).count();
    parts.len() == 2 && known == 1 && parts.iter().all(|part| part["type"] == "string")
}

/// The texts that an enum names.
pub(crate) fn enum_values(schema: &Value) -> &[Value] {
    let parts = list(&schema["anyOf"]).iter().chain([schema]);
    parts.map(|part| list(&part["enum"])).find(|values| !values.is_empty()).unwrap_or_default()
}

pub(crate) fn is_union(schema: &Value) -> bool {
    (schema["oneOf"].is_array() || schema["anyOf"].is_array()) && !is_open_enum(schema)
}

fn is_object(schema: &Value) -> bool {
    // One part alone is another name for that part.
    if schema["allOf"].is_array() {
        return list(&schema["allOf"]).len() > 1;
    }
    let is_map = schema.get("additionalProperties").is_some_and(|values| values != false);
    has_members(schema) && !(is_map && members(&schema["properties"]).next().is_none())
}

/// Without calling itself: a chain of references is as long as its author likes.
fn follow(document: &Document, schema: &Value, seen: &mut BTreeSet<String>) {
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        match reference(schema).and_then(schema_name) {
            Some(name) if seen.insert(name.to_owned()) => open.push(document.schema(name)),
            Some(_) => {}
            None => open.extend(below(schema)),
        }
    }
}

/// Those of the schemas `names` in which something is found, and those from which references lead to one. `parts` says what of
/// a schema is looked at. Each schema is looked at once, however many refer to it.
fn leading_to<'d, Parts: Iterator<Item = &'d Value>>(
    document: &'d Document,
    names: Vec<&'d str>,
    is_found: impl Fn(&'d Value) -> bool,
    parts: impl Fn(&'d Value) -> Parts,
) -> BTreeSet<String> {
    let mut used_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for name in names {
        let mut open = vec![document.schema(name)];
        while let Some(schema) = open.pop() {
            if is_found(schema) {
                found.push(name);
                break;
            }
            match reference(schema).and_then(schema_name) {
                Some(target) => used_by.entry(target).or_default().push(name),
                None => open.extend(parts(schema)),
            }
        }
    }
    let mut leading = BTreeSet::new();
    while let Some(name) = found.pop() {
        if leading.insert(name.to_owned()) {
            found.extend(used_by.get(name).into_iter().flatten());
        }
    }
    leading
}

/// A choice between alternatives that differ by more than their JSON type.
pub(crate) fn is_choice(schema: &Value) -> bool {
    schema.get("x-choice").is_some()
}

/// A member that only answers have, or only requests.
fn is_one_sided(member: &Value) -> bool {
    member["readOnly"] == true || member["writeOnly"] == true
}

/// Whether a lenient reading of `schema` itself differs from a strict one.
fn is_relaxed(document: &Document, schema: &Value) -> bool {
    essential_names(document, schema).len() != list(&schema["required"]).len()
        || members(&schema["properties"]).any(|(_, member)| is_one_sided(member))
}

/// The required members of an answer that really must be there: those marked `x-essential` and the way to them.
pub(crate) fn essential_names<'d>(document: &'d Document, schema: &'d Value) -> Vec<&'d str> {
    if !document.has_essentials {
        return Vec::new();
    }
    let required = list(&schema["required"]).iter().map(text);
    let all = all_members(document, schema).into_iter();
    let essential: BTreeSet<&str> =
        all.filter(|(_, value)| leads_to_essential(document, value)).map(|(name, _)| name).collect();
    required.filter(|name| essential.contains(name)).collect()
}

/// Whether this, or something below it, is marked `x-essential`.
pub(crate) fn leads_to_essential(document: &Document, schema: &Value) -> bool {
    if !document.has_essentials {
        return false;
    }
    match reference(schema).and_then(schema_name) {
        Some(name) => is_essential(schema) || document.essential.contains(name),
        None => is_essential(schema) || essential_parts(schema).any(|part| leads_to_essential(document, part)),
    }
}

/// The schemas that lead to something marked `x-essential`.
pub(crate) fn leading_to_essentials(document: &Document) -> BTreeSet<String> {
    let names = document.schemas().map(|(name, _)| name).collect();
    leading_to(document, names, is_essential, essential_parts)
}

fn is_essential(schema: &Value) -> bool {
    schema["x-essential"] == true
}

fn essential_parts(schema: &Value) -> impl Iterator<Item = &Value> {
    list(&schema["allOf"]).iter().chain(members(&schema["properties"]).map(|(_, value)| value))
}

/// The members of an object, also of one that is put together with `allOf`.
pub(crate) fn all_members<'d>(document: &'d Document, schema: &'d Value) -> Vec<(&'d str, &'d Value)> {
    gather_members(document, schema, 8)
}

fn gather_members<'d>(document: &'d Document, schema: &'d Value, depth: usize) -> Vec<(&'d str, &'d Value)> {
    let schema = document.resolve(schema);
    let mut found: Vec<_> = members(&schema["properties"]).collect();
    if depth > 0 {
        found.extend(list(&schema["allOf"]).iter().flat_map(|part| gather_members(document, part, depth - 1)));
    }
    found
}
