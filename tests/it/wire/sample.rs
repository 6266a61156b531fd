//! Values made from schemas: whole ones, and what a vendor may do to them.

use super::document::{Answer, Document, Operation, list, members};
use serde_json::{Map, Value, json};

/// What a vendor adds without asking.
const NEW: &str = "zz-new";

/// A value in an answer together with the schema that describes it.
pub(crate) struct Place<'d> {
    /// JSON pointer.
    pub(crate) at: String,
    pub(crate) schema: &'d Value,
    /// A member that an object names, and no choice.
    is_member: bool,
}

/// Something a vendor may do to an answer without a new version.
pub(crate) struct Mutation {
    /// For messages: what was done, and where.
    pub(crate) what: String,
    pub(crate) at: String,
    pub(crate) value: Value,
    /// It takes away what makes the answer worth something.
    pub(crate) is_essential: bool,
}

/// The document's examples of an answer, or whole values if it has none.
pub(crate) fn samples(operation: Operation<'_>, answer: &Answer<'_>) -> Vec<Value> {
    match answer.examples.as_slice() {
        [] => wholes(operation, answer),
        examples => examples.iter().map(|example| (*example).clone()).collect(),
    }
}

/// Answers with every member, as many as the richest choice has alternatives.
pub(crate) fn wholes(operation: Operation<'_>, answer: &Answer<'_>) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    let Some(schema) = answer.schema else { return values };
    for alternative in 0..4 {
        let mut value = whole(operation.document, schema, alternative, 6);
        if let Some((member, success)) = operation.success_member().filter(|_| answer.is_success()) {
            value[member] = success.clone();
        }
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn whole(document: &Document, schema: &Value, alternative: usize, depth: usize) -> Value {
    let schema = document.resolve(schema);
    let choice = [list(&schema["oneOf"]), list(&schema["anyOf"])].concat();
    if !choice.is_empty() {
        return whole(document, &choice[alternative % choice.len()], alternative, depth);
    }
    if let Some(value) = list(&schema["enum"]).iter().find(|value| !value.is_null()) {
        return value.clone();
    }
    let below = |schema| whole(document, schema, alternative, depth - 1);
    let named = document.members(schema);
    match schema["type"].as_str() {
        Some("string") if schema["format"] == "password" => json!("hunter2-in-the-answer"),
        Some("string") if schema["format"] == "uuid" => json!("0e8dddc7-9ebf-41f3-b08a-5a3f91f1c3c0"),
        Some("string") => json!("tëxt"),
        Some("integer") => json!(7),
        Some("number") => json!(7.5),
        Some("boolean") => json!(true),
        Some("array") if depth == 0 => json!([]),
        Some("array") => json!([below(&schema["items"])]),
        _ if !named.is_empty() && depth == 0 => json!({}),
        _ if !named.is_empty() => named.into_iter().map(|(name, member)| (name.to_owned(), below(member))).collect(),
        _ if schema["additionalProperties"].is_object() && depth > 0 => {
            json!({ "any_key": below(&schema["additionalProperties"]) })
        }
        Some("object") => json!({}),
        _ => json!({ "any": ["json"] }),
    }
}

/// Every place in `value` whose schema is known.
pub(crate) fn places<'d>(document: &'d Document, schema: &'d Value, value: &Value) -> Vec<Place<'d>> {
    let mut found = Vec::new();
    walk(document, schema, value, (String::new(), false), &mut found);
    found
}

fn walk<'d>(
    document: &'d Document,
    schema: &'d Value,
    value: &Value,
    (at, is_member): (String, bool),
    found: &mut Vec<Place<'d>>,
) {
    let schema = document.resolve(schema);
    let mut choice = list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"]));
    if let Some(alternative) = choice.find(|alternative| json_type(document, alternative) == type_of(value)) {
        return walk(document, alternative, value, (at, false), found);
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(document, &schema["items"], item, (format!("{at}/{index}"), false), found);
            }
        }
        Value::Object(object) => {
            let named = document.members(schema);
            for (name, member) in object {
                let declared = named.iter().find(|(declared, _)| declared == name).map(|(_, schema)| *schema);
                let values = Some(&schema["additionalProperties"]).filter(|values| values.is_object());
                if let Some(schema) = declared.or(values) {
                    let place = (format!("{at}/{}", escaped(name)), declared.is_some());
                    walk(document, schema, member, place, found);
                }
            }
        }
        _ => {}
    }
    found.push(Place { at, schema, is_member });
}

fn json_type<'d>(document: &'d Document, schema: &'d Value) -> &'d str {
    match document.resolve(schema)["type"].as_str() {
        Some("integer") => "number",
        Some(named) => named,
        None => "object",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The strings in `value` that are secrets.
pub(crate) fn secrets(document: &Document, schema: &Value, value: &Value) -> Vec<String> {
    let secret = |place: &Place<'_>| place.schema["format"] == "password";
    let places = places(document, schema, value).into_iter().filter(secret);
    places.filter_map(|place| value.pointer(&place.at)?.as_str().map(str::to_owned)).collect()
}

/// Each enum set to a new value; a member nobody announced in each object; each member null, and absent; a null in each
/// list and map that is a member.
pub(crate) fn mutations(document: &Document, schema: &Value, value: &Value) -> Vec<Mutation> {
    let mut found = Vec::new();
    for Place { at, schema, is_member } in places(document, schema, value) {
        let here = value.pointer(&at).expect("it was just found");
        let mut add = |what: &str, at: String, is_essential: bool, change: &dyn Fn(&mut Value)| {
            let mut value = value.clone();
            change(&mut value);
            found.push(Mutation { what: format!("{what} at `{at}`"), at, value, is_essential });
        };
        if schema["enum"].is_array() && here.is_string() {
            add("a new value", at.clone(), false, &|value| *place(value, &at) = json!(NEW));
        }
        if here.is_array() && is_member {
            add("a null item", at.clone(), false, &|value| items(place(value, &at)).push(Value::Null));
        }
        if !here.is_object() {
            continue;
        }
        if schema["additionalProperties"].is_object() {
            if !is_member {
                continue;
            }
            add("a null value", at.clone(), false, &|value| {
                object(place(value, &at)).insert("zz_null".to_owned(), Value::Null);
            });
        } else {
            add("a new member", format!("{at}/zz_new"), false, &|value| {
                object(place(value, &at)).insert("zz_new".to_owned(), json!({ "zz": ["new", null, 1] }));
            });
        }
        for (name, _) in document.members(schema) {
            let (below, is_essential) = (format!("{at}/{}", escaped(name)), document.is_essential(schema, name));
            add("null", below.clone(), is_essential, &|value| {
                object(place(value, &at)).insert(name.to_owned(), Value::Null);
            });
            if here.get(name).is_some() {
                add("nothing", below, is_essential, &|value| {
                    object(place(value, &at)).remove(name);
                });
            }
        }
    }
    found
}

fn place<'v>(value: &'v mut Value, at: &str) -> &'v mut Value {
    value.pointer_mut(at).expect("it is there")
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("an object")
}

fn items(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

/// What of `given` is not in `written`: nothing that the document describes may get lost on the way through a type.
/// Null, an empty list and nothing are the same.
pub(crate) fn lost(document: &Document, schema: &Value, given: &Value, written: &Value) -> Vec<String> {
    let (given, written) = (pruned(given), pruned(written));
    let places = places(document, schema, &given).into_iter().map(|place| place.at);
    let differs = |at: &String| {
        let (given, written) = (given.pointer(at), written.pointer(at));
        match given {
            None | Some(Value::Array(_) | Value::Object(_) | Value::Null) => false,
            Some(Value::Number(number)) => number.as_f64() != written.and_then(Value::as_f64),
            Some(_) => given != written,
        }
    };
    places.filter(differs).collect()
}

fn pruned(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(pruned).collect(),
        Value::Object(_) => members(value)
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name.to_owned(), pruned(member)))
            .collect(),
        other => other.clone(),
    }
}
