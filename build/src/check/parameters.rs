//! The parameters of an operation, and the setters that they become.

use super::{
    marks::{certainty, described, marks},
    schemas::shape,
};
use crate::{
    diagnostic::Diagnostics,
    document::{Document, Operation, has_members, reference, text},
    names,
    prepare::{is_set_by_us, tenant_choice},
    reach::all_members,
    shape::json_type,
};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn parameters(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let has_body = operation.value.get("requestBody").is_some();
    for reserved in ["send", "new", "body_map", "header_map", "keyway_request", "keyway_timeout"]
        .iter()
        .chain(has_body.then_some(&"body"))
    {
        taken.insert((*reserved).to_owned(), "the builder's own method".to_owned());
    }
    if let Some(tenant) = tenant_choice(document, operation) {
        for setter in ["tenant", &names::snake(text(&tenant["name"]))] {
            taken.insert(setter.to_owned(), "the setter of the tenant".to_owned());
        }
    }
    for parameter in operation.parameters(document) {
        let name = text(&parameter["name"]);
        let place = format!("{place}, parameter `{name}`");
        described(parameter, &place, "say in a sentence what it is", diagnostics);
        marks(parameter, &place, diagnostics);
        certainty(parameter, &place, diagnostics);
        if parameter["x-tenant"] == true && parameter["in"] != "header" {
            diagnostics.add(&place, "`x-tenant` marks something that is no header", "drop the mark");
        }
        if is_set_by_us(parameter) {
            continue;
        }
        a_parameter(document, parameter, &place, diagnostics);
        for name in names_of_setters(document, parameter) {
            if let Some(twin) = taken.insert(names::snake(&name), format!("parameter `{name}`")) {
                let what = format!("its setter has the same name as {twin}");
                diagnostics.add(&place, what, "the operation cannot be generated so: mark it `x-hand-written`");
            }
        }
    }
}

fn names_of_setters(document: &Document, parameter: &Value) -> Vec<String> {
    let schema = document.resolve(&parameter["schema"]);
    if parameter["in"] == "query" && has_members(schema) {
        return all_members(document, schema).into_iter().map(|(name, _)| name.to_owned()).collect();
    }
    vec![text(&parameter["name"]).to_owned()]
}

fn a_parameter(document: &Document, parameter: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let schema = document.resolve(&parameter["schema"]);
    let kind = json_type(document, schema);
    let by_hand = "mark the operation `x-hand-written`, or leave the parameter out";
    match text(&parameter["in"]) {
        "path" if parameter["required"] != true => {
            diagnostics.add(place, "a path parameter is not required", "say `\"required\": true`");
        }
        "query" => query(document, parameter, place, diagnostics),
        "path" | "header" => {}
        other => return diagnostics.add(place, format!("a parameter in `{other}` cannot be generated"), by_hand),
    }
    let is_scalar = ["string", "number", "boolean"].contains(&kind);
    if !is_scalar && parameter["in"] != "query" {
        let what = format!("a `{}` parameter is no single value", text(&parameter["in"]));
        diagnostics.add(place, what, "make it a string that the caller puts together");
    }
    if reference(&parameter["schema"]).is_none() {
        shape(document, schema, place, diagnostics);
        if has_members(schema) {
            let cure = "give it a name under `components/schemas` and refer to it";
            diagnostics.add(place, "an object is written in line", cure);
        }
    }
}

fn query(document: &Document, parameter: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let is_plain = parameter["style"].as_str().is_none_or(|style| style == "form") && parameter["explode"] != false;
    let kind = json_type(document, &parameter["schema"]);
    if !is_plain && ["object", "array"].contains(&kind) {
        let cure = "only `style: form, explode: true` can be sent; make it a string that the caller puts together";
        diagnostics.add(place, "a query list or object has another style", cure);
    }
    let schema = document.resolve(&parameter["schema"]);
    if kind == "object" && all_members(document, schema).is_empty() {
        diagnostics.add(place, "a query object names no members", "name them: each is sent as a parameter");
    }
    if kind.is_empty() {
        diagnostics.add(place, "a query parameter has no type", "make it a string that the caller puts together");
    }
    let is_flat = |member: &Value| !["object", "array", ""].contains(&json_type(document, member));
    if let Some((name, _)) = all_members(document, schema).into_iter().find(|(_, member)| !is_flat(member)) {
        let what = format!("the member `{name}` of a query object is no single value");
        diagnostics.add(place, what, "make it a string that the caller puts together");
    }
}
