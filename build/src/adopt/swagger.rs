//! Swagger 2.0 as OpenAPI 3.0: other words for the same, which no kept crate converts without reading them into types of its
//! own, and losing what those lack.

use super::bodies::kind_of;
use crate::document::{METHODS, list, members, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const MOST_MEDIA_TYPES: usize = 20;

/// The document in the words of OpenAPI 3.0.
pub(super) fn converted(root: Value) -> Value {
    let mut root = root;
    let raw = root.clone();
    let mut converted = Map::from_iter([("openapi".to_owned(), json!("3.0.3"))]);
    for key in ["info", "tags", "security", "externalDocs"] {
        raw.get(key).map(|value| converted.insert(key.to_owned(), value.clone()));
    }
    let scheme = list(&raw["schemes"]).first().map_or("https", text);
    let server = match raw["host"].as_str() {
        Some(host) => format!("{scheme}://{host}{}", text(&raw["basePath"])),
        None => text(&raw["basePath"]).to_owned(),
    };
    converted.insert("servers".to_owned(), json!([{ "url": server }]));
    let reader = Reader { raw: &raw };
    let mut paths = Map::new();
    for (path, item) in members(&raw["paths"]) {
        paths.insert(path.to_owned(), reader.path_item(item));
    }
    converted.insert("paths".to_owned(), Value::Object(paths));
    let responses: Map<String, Value> = members(&raw["responses"])
        .map(|(name, response)| (name.to_owned(), reader.response(response, list(&raw["produces"]))))
        .collect();
    let schemes: Map<String, Value> =
        members(&raw["securityDefinitions"]).map(|(name, scheme)| (name.to_owned(), security(scheme))).collect();
    let schemas = root["definitions"].take();
    converted.insert(
        "components".to_owned(),
        json!({ "schemas": schemas, "responses": responses, "securitySchemes": schemes }),
    );
    let mut converted = Value::Object(converted);
    references(&mut converted);
    converted
}

struct Reader<'d> {
    raw: &'d Value,
}

impl<'d> Reader<'d> {
    fn path_item(&self, item: &'d Value) -> Value {
        let shared: Vec<&Value> = list(&item["parameters"]).iter().map(|parameter| self.resolved(parameter)).collect();
        let mut written = Map::new();
        for (key, value) in members(item) {
            if METHODS.contains(&key) {
                written.insert(key.to_owned(), self.operation(value, &shared));
            } else if key != "parameters" {
                written.insert(key.to_owned(), value.clone());
            }
        }
        Value::Object(written)
    }

    fn operation(&self, operation: &'d Value, shared: &[&'d Value]) -> Value {
        let mut written = operation.as_object().cloned().unwrap_or_default();
        let consumes = list(operation.get("consumes").unwrap_or(&self.raw["consumes"]));
        let produces = list(operation.get("produces").unwrap_or(&self.raw["produces"]));
        let own: Vec<&Value> =
            list(&operation["parameters"]).iter().map(|parameter| self.resolved(parameter)).collect();
        let place_of = |parameter: &'d Value| (text(&parameter["name"]), text(&parameter["in"]));
        let known: BTreeSet<(&str, &str)> = own.iter().copied().map(place_of).collect();
        let is_new = |parameter: &&&'d Value| !known.contains(&place_of(parameter));
        let all: Vec<&Value> = own.iter().copied().chain(shared.iter().filter(is_new).copied()).collect();
        let mut parameters = Vec::new();
        let mut form: Vec<&Value> = Vec::new();
        for parameter in all {
            match text(&parameter["in"]) {
                "body" => {
                    let content: Map<String, Value> = media_types(consumes)
                        .map(|media_type| (media_type.to_owned(), json!({ "schema": parameter["schema"] })))
                        .collect();
                    let body = json!({ "description": parameter["description"], "required": parameter["required"], "content": content });
                    written.insert("requestBody".to_owned(), body);
                }
                "formData" => form.push(parameter),
                _ => parameters.push(parameter_of(parameter)),
            }
        }
        if !form.is_empty() {
            written.insert("requestBody".to_owned(), form_body(&form, consumes));
        }
        written.insert("parameters".to_owned(), Value::Array(parameters));
        let responses: Map<String, Value> = members(&operation["responses"])
            .map(|(status, response)| (status.to_owned(), self.response(response, produces)))
            .collect();
        written.insert("responses".to_owned(), Value::Object(responses));
        ["consumes", "produces", "schemes"].iter().for_each(|key| {
            written.remove(*key);
        });
        Value::Object(written)
    }

    fn response(&self, response: &Value, produces: &[Value]) -> Value {
        if response.get("$ref").is_some() {
            return response.clone();
        }
        let mut written = json!({ "description": response["description"] });
        if let Some(schema) = response.get("schema") {
            let content: Map<String, Value> =
                media_types(produces).map(|media_type| (media_type.to_owned(), json!({ "schema": schema }))).collect();
            let is_file = schema["type"] == "file";
            let has_json = content.keys().any(|media_type| media_type.contains("json"));
            written["content"] = match is_file && has_json {
                true => json!({ "application/octet-stream": { "schema": schema } }),
                false => Value::Object(content),
            };
        }
        written
    }

    fn resolved(&self, parameter: &'d Value) -> &'d Value {
        let target = parameter["$ref"].as_str().and_then(|reference| self.raw.pointer(reference.strip_prefix('#')?));
        target.unwrap_or(parameter)
    }
}

/// The media types of a list, one of each kind where there are very many: each operation gets all of them.
fn media_types(listed: &[Value]) -> impl Iterator<Item = &str> {
    let mut kinds = BTreeSet::new();
    let is_one_of_few = move |media_type: &&str| listed.len() <= MOST_MEDIA_TYPES || kinds.insert(kind_of(media_type));
    let fallback = listed.is_empty().then_some("application/json");
    listed.iter().filter_map(Value::as_str).filter(is_one_of_few).chain(fallback)
}

/// What stands at the parameter itself is its schema.
fn parameter_of(parameter: &Value) -> Value {
    let outer = ["name", "in", "required", "description", "collectionFormat", "allowEmptyValue"];
    let mut written = Map::new();
    let mut schema = Map::new();
    for (key, value) in members(parameter) {
        let target = if outer.contains(&key) || (key.starts_with("x-") && key != "x-json-string") {
            &mut written
        } else {
            &mut schema
        };
        target.insert(key.to_owned(), value.clone());
    }
    if parameter.get("schema").is_some() {
        return parameter.clone();
    }
    match written.remove("collectionFormat").as_ref().and_then(Value::as_str) {
        Some("multi") => written.insert("explode".to_owned(), json!(true)),
        Some("ssv") => written.insert("style".to_owned(), json!("spaceDelimited")),
        Some("pipes") => written.insert("style".to_owned(), json!("pipeDelimited")),
        _ if parameter["type"] == "array" && parameter["in"] == "query" => {
            written.insert("explode".to_owned(), json!(false))
        }
        _ => None,
    };
    written.insert("schema".to_owned(), Value::Object(schema));
    Value::Object(written)
}

fn form_body(form: &[&Value], consumes: &[Value]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in form {
        let words = ["name", "in", "required", "collectionFormat", "allowEmptyValue"];
        let schema: Map<String, Value> = members(parameter)
            .filter(|(key, _)| !words.contains(key))
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        properties.insert(text(&parameter["name"]).to_owned(), Value::Object(schema));
        if parameter["required"] == true {
            required.push(parameter["name"].clone());
        }
    }
    let has_file = form.iter().any(|parameter| parameter["type"] == "file");
    let is_multipart = has_file || consumes.iter().any(|media_type| text(media_type).starts_with("multipart/"));
    let media_type = if is_multipart { "multipart/form-data" } else { "application/x-www-form-urlencoded" };
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "required": true, "content": { media_type: { "schema": schema } } })
}

fn security(scheme: &Value) -> Value {
    let mut written = scheme.clone();
    match text(&scheme["type"]) {
        "basic" => {
            written["type"] = json!("http");
            written["scheme"] = json!("basic");
        }
        "oauth2" => {
            let flow = match text(&scheme["flow"]) {
                "application" => "clientCredentials",
                "accessCode" => "authorizationCode",
                other => other,
            };
            let scopes = &scheme["scopes"];
            let addresses = (&scheme["tokenUrl"], &scheme["authorizationUrl"]);
            written["flows"] =
                json!({ flow: { "tokenUrl": addresses.0, "authorizationUrl": addresses.1, "scopes": scopes } });
        }
        _ => {}
    }
    written
}

/// `#/definitions/X` → `#/components/schemas/X`.
fn references(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(references),
        Value::Object(words) => {
            if let Some(Value::String(reference)) = words.get_mut("$ref") {
                for (old, new) in
                    [("#/definitions/", "#/components/schemas/"), ("#/responses/", "#/components/responses/")]
                {
                    if let Some(rest) = reference.strip_prefix(old) {
                        *reference = format!("{new}{rest}");
                        break;
                    }
                }
            }
            // The name of the member alone, in Swagger's words.
            if let Some(Value::String(member)) = words.get("discriminator") {
                let member = json!({ "propertyName": member });
                words.insert("discriminator".to_owned(), member);
            }
            words.values_mut().for_each(references);
        }
        _ => {}
    }
}
