//! A bundled document as the build reads it: its operations in order, its references resolved.

use crate::reach;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub(crate) const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace"];
pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Longer chains of references are a circle.
const CHAIN: usize = 32;

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) root: Value,
    /// One of Keyway's own: it says everything itself, and its code stands inside Keyway.
    pub(crate) own: bool,
    /// Whether anything is marked `x-essential`.
    pub(crate) has_essentials: bool,
    /// The schemas that lead to something marked so.
    pub(crate) essential: BTreeSet<String>,
}

/// An operation with what it inherits from its path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation<'d> {
    pub(crate) method: &'d str,
    pub(crate) path: &'d str,
    path_item: &'d Value,
    pub(crate) value: &'d Value,
}

impl Document {
    pub(crate) fn of(file: &str, root: Value, own: bool) -> Self {
        let has_essentials = has_essential(&root);
        let mut document = Self { file: file.to_owned(), root, own, has_essentials, essential: BTreeSet::new() };
        if has_essentials {
            document.essential = reach::leading_to_essentials(&document);
        }
        document
    }

    /// The value a reference points at, or the value itself. What cannot be resolved stays a reference: the check
    /// has refused such a document before anybody asks.
    pub(crate) fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let mut value = value;
        for _ in 0..CHAIN {
            match reference(value).and_then(|target| self.target(target)) {
                Some(next) => value = next,
                None => break,
            }
        }
        value
    }

    /// What `#/components/…` names.
    pub(crate) fn target(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        members(&self.root["components"]["schemas"])
    }

    pub(crate) fn schema(&self, name: &str) -> &Value {
        &self.root["components"]["schemas"][name]
    }

    pub(crate) fn security_scheme(&self, name: &str) -> Option<&Value> {
        self.root["components"]["securitySchemes"].get(name)
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        members(&self.root["paths"]).flat_map(|(path, path_item)| {
            let of_path = members(path_item).filter(|(method, _)| METHODS.contains(method));
            of_path.map(move |(method, value)| Operation { method, path, path_item, value })
        })
    }

    /// Those whose code is generated: all but the hand-written ones.
    pub(crate) fn generated(&self) -> impl Iterator<Item = Operation<'_>> {
        self.operations().filter(|operation| !operation.is_hand_written())
    }

    /// The path part of the first server: what `api()` adds to the root. The host may hold `{variables}`.
    pub(crate) fn server_path(&self) -> &str {
        server_path(text(&self.root["servers"][0]["url"]))
    }
}

fn has_essential(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_essential),
        Value::Object(words) => words.contains_key("x-essential") || words.values().any(has_essential),
        _ => false,
    }
}

pub(crate) fn server_path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |slash| &after_scheme[slash..]).trim_end_matches('/')
}

impl<'d> Operation<'d> {
    /// What its call is named after: `x-name`, where the vendor's own id says too little.
    pub(crate) fn id(&self) -> &'d str {
        match text(&self.value["x-name"]) {
            "" => text(&self.value["operationId"]),
            name => name,
        }
    }

    /// How a diagnostic calls it.
    pub(crate) fn place(&self) -> String {
        match self.id() {
            "" => format!("operation {}", self.address()),
            id => format!("operation `{id}`"),
        }
    }

    /// Its method and path.
    pub(crate) fn address(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    pub(crate) fn is_hand_written(&self) -> bool {
        self.value["x-hand-written"] == true
    }

    /// Parameters of the operation, and those of its path that it does not declare itself.
    pub(crate) fn parameters(&self, document: &'d Document) -> Vec<&'d Value> {
        let own = list(&self.value["parameters"]).iter().map(|p| document.resolve(p));
        let mut all: Vec<&Value> = own.collect();
        for inherited in list(&self.path_item["parameters"]).iter().map(|p| document.resolve(p)) {
            if !all.iter().any(|p| p["name"] == inherited["name"] && p["in"] == inherited["in"]) {
                all.push(inherited);
            }
        }
        all
    }

    /// Media types and schemas of the request body.
    pub(crate) fn bodies(&self, document: &'d Document) -> Vec<(&'d str, &'d Value)> {
        contents(document.resolve(&self.value["requestBody"]))
    }

    pub(crate) fn responses(&self, document: &'d Document) -> Vec<(&'d str, &'d Value)> {
        members(&self.value["responses"]).map(|(status, response)| (status, document.resolve(response))).collect()
    }

    pub(crate) fn successes(&self, document: &'d Document) -> Vec<(&'d str, &'d Value)> {
        self.responses(document).into_iter().filter(|(status, _)| status.starts_with('2')).collect()
    }

    /// The names in braces of the path template.
    pub(crate) fn names_in_path(&self) -> Vec<&'d str> {
        in_braces(self.path).collect()
    }
}

/// Media types of a body or response with their schemas; `null` where there is none.
pub(crate) fn contents(body: &Value) -> Vec<(&str, &Value)> {
    members(&body["content"]).map(|(media_type, content)| (media_type, &content["schema"])).collect()
}

/// `application/json; charset=utf-8` → `application/json`.
pub(crate) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or(media_type).trim()
}

/// JSON, by whichever name: `application/problem+json` is read as what it is.
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.eq_ignore_ascii_case(JSON) || essence.to_ascii_lowercase().ends_with("+json")
}

pub(crate) fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}

/// `#/components/schemas/User` → `User`.
pub(crate) fn schema_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/").filter(|name| !name.contains('/'))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

/// The schemas directly below a schema.
pub(crate) fn below(schema: &Value) -> impl Iterator<Item = &Value> {
    let named = members(&schema["properties"]).map(|(_, value)| value);
    let single = ["items", "additionalProperties", "not"].into_iter().filter_map(|key| schema.get(key));
    let several = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|key| list(&schema[key]));
    named.chain(single.filter(|value| value.is_object())).chain(several)
}

/// The same, with the word that leads to each.
pub(crate) fn children(schema: &Value) -> Vec<(String, &Value)> {
    let mut found: Vec<(String, &Value)> =
        members(&schema["properties"]).map(|(name, value)| (format!("member `{name}`"), value)).collect();
    for (key, word) in [("items", "its items"), ("additionalProperties", "its values"), ("not", "`not`")] {
        found.extend(schema.get(key).filter(|value| value.is_object()).map(|value| (word.to_owned(), value)));
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        found.extend(list(&schema[key]).iter().map(|value| (format!("its `{key}`"), value)));
    }
    found
}

/// The name on the wire of a member whose own is no program's.
pub(crate) fn wire_name<'v>(name: &'v str, schema: &'v Value) -> &'v str {
    schema["x-wire-name"].as_str().unwrap_or(name)
}

/// A file of a form, or a body of bytes.
pub(crate) fn is_file(schema: &Value) -> bool {
    schema["type"] == "string" && schema["format"] == "binary"
}

pub(crate) fn is_secret(schema: &Value) -> bool {
    schema["type"] == "string" && schema["format"] == "password"
}

/// An object with declared members, also one that is put together with `allOf`.
pub(crate) fn has_members(schema: &Value) -> bool {
    schema["properties"].is_object()
}

/// The names in braces of a path, each once.
pub(crate) fn names_in(path: &str) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    in_braces(path).filter(|name| seen.insert(*name)).collect()
}

fn in_braces(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}
