//! What may stand in a bundled document: an allow-list per kind of object, so that nothing is silently ignored.
//!
//! In documents of others what is not read is told (`adopt`); ours must not say anything that means nothing.

use crate::{
    diagnostic::Diagnostics,
    document::{Document, METHODS, Operation, children, list, members, reference, schema_name, text},
    reach::is_open_enum,
};
use serde_json::Value;

const ROOT: &[&str] = &["openapi", "info", "externalDocs", "servers", "tags", "paths", "components"];
const PATH: &[&str] = &["servers", "parameters", "summary", "description"];
const OPERATION: &[&str] = &[
    "operationId",
    "tags",
    "summary",
    "description",
    "externalDocs",
    "deprecated",
    "parameters",
    "requestBody",
    "responses",
    "security",
];
const PARAMETER: &[&str] = &[
    "name",
    "in",
    "required",
    "description",
    "deprecated",
    "schema",
    "style",
    "explode",
    "allowEmptyValue",
    "example",
    "examples",
];
const BODY: &[&str] = &["description", "required", "content"];
const MEDIA: &[&str] = &["schema", "example", "examples"];
const RESPONSE: &[&str] = &["description", "content", "headers"];
const SCHEMA: &[&str] = &[
    "$ref",
    "type",
    "format",
    "title",
    "description",
    "deprecated",
    "nullable",
    "default",
    "example",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "allOf",
    "anyOf",
    "oneOf",
    "readOnly",
    "writeOnly",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    // Refused elsewhere, in words of their own.
    "not",
    "multipleOf",
];

/// Everything that stands where the generator would not read it.
pub(crate) fn check(document: &Document, diagnostics: &mut Diagnostics) {
    only(&document.root, ROOT, "the document", "", diagnostics);
    server(document, diagnostics);
    for (path, item) in members(&document.root["paths"]) {
        let known: Vec<&str> = PATH.iter().chain(METHODS).copied().collect();
        only(item, &known, "a path", &format!("path `{path}`"), diagnostics);
    }
    for (name, schema) in document.schemas() {
        let place = format!("schema `{name}`");
        if part_of_itself(document, schema, &mut vec![name]) {
            diagnostics.add(&place, "it is a part of itself", "put an object with members in between");
        }
        below(schema, &place, diagnostics);
    }
    for operation in document.operations() {
        operation_words(document, operation, diagnostics);
    }
}

/// Tells what stands in `value` and is not read there. Our marks are checked where they mean something.
fn only(value: &Value, known: &[&str], what: &str, place: &str, diagnostics: &mut Diagnostics) {
    for (key, _) in members(value).filter(|(key, _)| !key.starts_with("x-") && !known.contains(key)) {
        let cure = "leave it out, and say in the description what it means";
        diagnostics.add(place, format!("`{key}` of {what} is not read"), cure);
    }
}

fn server(document: &Document, diagnostics: &mut Diagnostics) {
    for server in list(&document.root["servers"]) {
        let url = text(&server["url"]);
        if !url.contains("://") {
            let what = format!("the server `{url}` has no scheme");
            diagnostics.add("", what, "write the whole address: https://vendor.example/base");
        }
        if crate::document::server_path(url).contains('{') {
            let what = format!("the path of the server `{url}` has a variable");
            diagnostics.add("", what, "write its value, or move it into the paths of the operations");
        }
    }
}

fn operation_words(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    only(operation.value, OPERATION, "an operation", &place, diagnostics);
    for parameter in operation.parameters(document) {
        let place = format!("{place}, parameter `{}`", text(&parameter["name"]));
        only(parameter, PARAMETER, "a parameter", &place, diagnostics);
        below(&parameter["schema"], &place, diagnostics);
    }
    let body = document.resolve(&operation.value["requestBody"]);
    only(body, BODY, "a request body", &place, diagnostics);
    media(body, &format!("{place}, request body"), diagnostics);
    for (status, response) in operation.responses(document) {
        let place = format!("{place}, answer {status}");
        let is_range = |status: &str| matches!(status.as_bytes(), [b'1'..=b'5', b'X', b'X']);
        if status != "default" && status.parse::<u16>().is_err() && !is_range(status) {
            diagnostics.add(&place, "this is no status", "write it as `404`, `4XX` or `default`");
        }
        only(response, RESPONSE, "an answer", &place, diagnostics);
        media(response, &place, diagnostics);
    }
}

fn media(body: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (_, content) in members(&body["content"]) {
        only(content, MEDIA, "a media type", place, diagnostics);
        below(&content["schema"], place, diagnostics);
    }
}

fn below(schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    only(schema, SCHEMA, "a schema", place, diagnostics);
    let is_whole = |key: &str| schema.get(key).is_some();
    let has_members = is_whole("properties") || is_whole("required");
    if is_whole("allOf") && (has_members || is_whole("oneOf") || is_whole("anyOf")) {
        let cure = "make what stands beside it one more part";
        diagnostics.add(place, "members or a choice stand beside `allOf`, where they are not read", cure);
    }
    let is_choice = is_whole("oneOf") || (is_whole("anyOf") && !is_open_enum(schema));
    if is_choice && has_members {
        diagnostics.add(
            place,
            "members stand beside a choice, where they are not read",
            "put them into each alternative",
        );
    }
    for (word, child) in children(schema) {
        below(child, &format!("{place}, {word}"), diagnostics);
    }
}

/// Whether a schema that is put together leads back to itself with nothing in between: it would have no end.
fn part_of_itself<'d>(document: &'d Document, schema: &'d Value, path: &mut Vec<&'d str>) -> bool {
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| list(&schema[key])).chain([schema]);
    for name in parts.filter_map(reference).filter_map(schema_name) {
        if path.contains(&name) {
            return true;
        }
        path.push(name);
        let found = part_of_itself(document, document.schema(name), path);
        path.pop();
        if found {
            return true;
        }
    }
    false
}
