//! The copy of the document that the generator reads. Nothing is deleted from the document: the copy is written anew
//! and holds only what is meant to become code.

use super::{
    document::{Document, JSON, Operation, contents, essence, is_secret, list, members, names_in, text},
    facts,
    reach::{Reach, all_members, is_named_type},
    shape::{Shaper, Side},
};
use serde_json::{Map, Value, json};

pub(crate) fn generators_copy(document: &Document, reach: &Reach) -> Value {
    let mut paths = Map::new();
    for operation in document.generated() {
        let (path, method) =
            if document.own { (operation.path.to_owned(), operation.method) } else { address(operation) };
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path[method] = prepared(document, reach, operation);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": document.root["info"]["title"],
            "description": document.root["info"]["description"],
            "version": "1",
        },
        "paths": paths,
        "components": { "schemas": components(document, reach) },
    })
}

/// A path and a method that the generator can express, whatever the document's are: `send` puts those in their place.
fn address(operation: Operation<'_>) -> (String, &str) {
    let names = names_in(operation.path);
    let setters = names.iter().map(|name| format!("/{{{}}}", setter_of_path_name(operation, name)));
    let method = if ["options", "trace"].contains(&operation.method) { "post" } else { operation.method };
    (format!("/{}{}", operation.id(), setters.collect::<String>()), method)
}

/// The setter of a name in the path.
pub(crate) fn setter_of_path_name<'d>(operation: Operation<'d>, name: &'d str) -> &'d str {
    let parameters = list(&operation.value["parameters"]).iter();
    parameters.filter(|p| p["in"] == "path" && p["name"] == name).find_map(|p| p["x-setter"].as_str()).unwrap_or(name)
}

fn components(document: &Document, reach: &Reach) -> Map<String, Value> {
    let [request, answer] = [Side::Request, Side::Answer].map(|side| Shaper { document, reach, side });
    let mut copies = Map::new();
    for (name, _) in document.schemas().filter(|(_, schema)| is_named_type(schema)) {
        if reach.requests.contains(name) {
            copies.insert(name.to_owned(), request.component(name));
        }
        let is_only_answered = !reach.requests.contains(name);
        if reach.answers.contains(name) && (is_only_answered || reach.split.contains(name)) {
            copies.insert(answer.type_name(name), answer.component(name));
        }
    }
    copies
}

fn prepared(document: &Document, reach: &Reach, operation: Operation<'_>) -> Value {
    let shaper = Shaper { document, reach, side: Side::Request };
    let parameters = operation.parameters(document).into_iter().flat_map(|p| parameters(shaper, p));
    let parameters: Vec<_> = parameters.chain(tenant_choice(document, operation).map(chosen_tenant)).collect();
    let mut copy = json!({
        "operationId": operation.id(),
        "summary": operation.value["summary"],
        "description": operation.value["description"],
        "parameters": parameters,
        "responses": { "2XX": success(document, reach, operation) },
    });
    if let Some((media_type, schema)) = operation.bodies(document).first() {
        let content = json!({ essence(media_type): { "schema": shaper.shape(schema) } });
        copy["requestBody"] = json!({ "required": true, "content": content });
    }
    copy
}

/// What the generator is told about a parameter: nothing if it is set by us, several parameters if it is an object.
fn parameters(shaper: Shaper<'_>, parameter: &Value) -> Vec<Value> {
    if is_set_by_us(parameter) {
        return Vec::new();
    }
    let schema = shaper.document.resolve(&parameter["schema"]);
    if shaper.document.own && parameter["in"] == "query" && schema["properties"].is_object() {
        return query_members(shaper, parameter, schema);
    }
    vec![copied(shaper, parameter, &parameter["name"], parameter["required"] == true, &parameter["schema"])]
}

/// A query object in style form, exploded, goes out as its members.
fn query_members(shaper: Shaper<'_>, parameter: &Value, object: &Value) -> Vec<Value> {
    let required = list(&object["required"]);
    let of_member = |(name, schema): (&str, &Value)| {
        let name = json!(name);
        let is_required = parameter["required"] == true && required.contains(&name);
        copied(shaper, parameter, &name, is_required, schema)
    };
    all_members(shaper.document, object).into_iter().map(of_member).collect()
}

fn copied(shaper: Shaper<'_>, parameter: &Value, name: &Value, required: bool, schema: &Value) -> Value {
    let mut copy = shaper.shape(schema);
    // A parameter that is null is left out.
    copy.as_object_mut().map(|copy| copy.remove("nullable"));
    let name = parameter.get("x-setter").unwrap_or(name);
    json!({ "name": name, "in": parameter["in"], "required": required, "schema": copy })
}

/// Headers that are not for the caller to set: the tenant comes from the session, the others from the request.
pub(crate) fn is_set_by_us(parameter: &Value) -> bool {
    let ours = ["content-type", "accept", "authorization"];
    let name = text(&parameter["name"]).to_lowercase();
    parameter["in"] == "header" && (parameter["x-tenant"] == true || ours.contains(&name.as_str()))
}

/// The tenant's header, where the caller may choose it: only the session of a service may be used for any tenant.
pub(crate) fn tenant_choice<'d>(document: &'d Document, operation: Operation<'d>) -> Option<&'d Value> {
    let declared = operation.parameters(document).into_iter().find(|parameter| parameter["x-tenant"] == true);
    declared.filter(|_| facts::roles(document, operation).contains(&"service"))
}

/// A text, and never required: the session's tenant is the default, and `authorize.rs` checks the choice.
fn chosen_tenant(header: &Value) -> Value {
    json!({ "name": header["name"], "in": "header", "required": false, "schema": { "type": "string" } })
}

/// Every success as one: the check has made sure that their bodies agree.
fn success(document: &Document, reach: &Reach, operation: Operation<'_>) -> Value {
    let shaper = Shaper { document, reach, side: Side::Answer };
    if let Some(answer) = operation.value.get("x-answer") {
        let schema = match text(&answer["kind"]) {
            "json" | "maybe" => shaper.shape(&answer["schema"]),
            "text" => json!({ "type": "string" }),
            _ => return json!({ "description": "Success." }),
        };
        return json!({ "description": "Success.", "content": { JSON: { "schema": schema } } });
    }
    let successes = operation.successes(document);
    let bodies = successes.iter().flat_map(|(_, response)| contents(response));
    match bodies.map(|(_, schema)| schema).next() {
        Some(schema) => {
            json!({ "description": "Success.", "content": { JSON: { "schema": shaper.shape(schema) } } })
        }
        None => json!({ "description": "Success." }),
    }
}

/// The parameters whose value must not be seen, by name and place.
pub(crate) fn has_secret_in_url(document: &Document, operation: Operation<'_>) -> bool {
    operation.parameters(document).into_iter().filter(|p| p["in"] == "path" || p["in"] == "query").any(|parameter| {
        let schema = document.resolve(&parameter["schema"]);
        let below = members(&schema["properties"]).map(|(_, member)| document.resolve(member));
        let items = document.resolve(&schema["items"]);
        below.chain([schema, items]).any(is_secret)
    })
}
