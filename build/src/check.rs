//! What a document must say, and what it may not, before anything is made of it.

mod bodies;
mod marks;
mod operations;
mod parameters;
mod schemas;
mod security;

use super::{
    diagnostic::{Diagnosed, Diagnostics},
    document::{Document, METHODS, list, members, reference, server_path, text},
    keywords, names,
    reach::Reach,
};
use marks::{CERTAINTIES, ROLES, STEPS, one_of};
use operations::{operations, token};
use schemas::{essentials, schemas};
use security::security_schemes;
use serde_json::Value;

pub(crate) fn document(document: &Document) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    version(document, &mut diagnostics);
    references(&document.root, "", document, &mut diagnostics);
    keywords::check(document, &mut diagnostics);
    // Everything below trusts references.
    diagnostics.or(())?;

    let mut diagnostics = Diagnostics::about(&document.file);
    servers(document, &mut diagnostics);
    security_schemes(document, &mut diagnostics);
    schemas(document, &mut diagnostics);
    operations(document, &mut diagnostics);
    diagnostics.or(())
}

/// What an overlay may have said wrongly. Everything else was written by us.
pub(crate) fn adopted(document: &Document) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    for (name, scheme) in members(&document.root["components"]["securitySchemes"]) {
        let role = text(&scheme["x-role"]);
        if role != "any" && !ROLES.contains(&role) {
            let place = format!("security scheme `{name}`");
            diagnostics.add(&place, format!("`x-role` is `{role}`"), "say user, service, module or key");
        }
    }
    for (name, schema) in document.schemas() {
        essentials(document, schema, &format!("schema `{name}`"), &mut diagnostics);
    }
    for operation in document.operations() {
        let place = operation.place();
        one_of(operation.value, "x-certainty", CERTAINTIES, false, &place, &mut diagnostics);
        one_of(operation.value, "x-session-step", STEPS, false, &place, &mut diagnostics);
        token(document, operation, &mut diagnostics);
    }
    diagnostics.or(())
}

/// A schema that requests and answers share and that must be split takes a second name.
pub(crate) fn split(document: &Document, reach: &Reach) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    for name in &reach.split {
        let second = format!("{name}Answer");
        if document.schemas().any(|(other, _)| names::pascal(other) == names::pascal(&second)) {
            let what =
                format!("requests and answers share this schema, and `{second}`, which the answer needs, is taken");
            diagnostics.add(&format!("schema `{name}`"), what, "give the request a schema of its own");
        }
    }
    diagnostics.or(())
}

fn version(document: &Document, diagnostics: &mut Diagnostics) {
    let version = text(&document.root["openapi"]);
    if !version.starts_with("3.0.") {
        let what = format!("the document says it is OpenAPI `{version}`");
        diagnostics.add("", what, "write it as 3.0.3: the generator reads nothing else");
    }
}

fn servers(document: &Document, diagnostics: &mut Diagnostics) {
    let urls: Vec<&str> = list(&document.root["servers"]).iter().map(|server| text(&server["url"])).collect();
    if urls.is_empty() {
        diagnostics.add("", "no server is listed", "list the vendor's hosts under `servers`");
    }
    if let Some(other) = urls.iter().find(|url| server_path(url) != document.server_path()) {
        let what = format!("the servers have different paths (`{other}`)");
        diagnostics.add("", what, "move the path into the paths of the operations");
    }
}

/// Every `$ref` below `value`, wherever it stands. Examples are data, not document.
fn references(value: &Value, place: &str, document: &Document, diagnostics: &mut Diagnostics) {
    if let Value::Array(values) = value {
        values.iter().for_each(|value| references(value, place, document, diagnostics));
    }
    if let Some(target) = reference(value) {
        a_reference(value, target, place, document, diagnostics);
    }
    for (key, below) in members(value).filter(|(key, _)| !["example", "examples", "default", "enum"].contains(key)) {
        let place = deeper(place, key, below);
        references(below, &place, document, diagnostics);
    }
}

/// Names the place after the operation or the component that is nearest.
fn deeper(place: &str, key: &str, below: &Value) -> String {
    if METHODS.contains(&key) && below["responses"].is_object() {
        return match below["operationId"].as_str() {
            Some(id) => format!("operation `{id}`"),
            None => format!("operation {}", key.to_uppercase()),
        };
    }
    match place {
        "" if key == "schemas" => "schema".to_owned(),
        "schema" => format!("schema `{key}`"),
        _ => place.to_owned(),
    }
}

fn a_reference(value: &Value, target: &str, place: &str, document: &Document, diagnostics: &mut Diagnostics) {
    if document.target(target).is_none() {
        let cure = "name something that stands under `components`";
        diagnostics.add(place, format!("`$ref` points at `{target}`, which is not there"), cure);
    }
    if let Some((sibling, _)) = members(value).find(|(key, _)| *key != "$ref") {
        let what = format!("`{sibling}` stands beside the `$ref` to `{target}`, where OpenAPI 3.0 ignores it");
        diagnostics.add(place, what, format!("write `\"allOf\": [{{\"$ref\": …}}]` with `{sibling}` beside it"));
    }
}
