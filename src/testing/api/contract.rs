//! Whether a request is as the document has it.

use super::sample::resolve;
use crate::testing::exchange::FakeCall;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// An operation of the document, with what it inherits.
pub(super) struct DocumentedOperation {
    pub(super) value: Value,
    parameters: Vec<Value>,
    /// The schema of each parameter, ready to be asked.
    validators: Vec<Option<Validator>>,
    /// The media types of the body, in small letters, with their schemas.
    bodies: Vec<(String, Value, Option<Validator>)>,
}

impl DocumentedOperation {
    pub(super) fn of(root: &Value, item: &Value, value: &Value) -> Self {
        let mut parameters: Vec<Value> = Vec::new();
        for given in [value, item].into_iter().flat_map(|from| from["parameters"].as_array().into_iter().flatten()) {
            let given = resolve(root, given);
            if !parameters.iter().any(|known| known["name"] == given["name"] && known["in"] == given["in"]) {
                parameters.push(given.clone());
            }
        }
        let validators = parameters.iter().map(|parameter| validator(root, &parameter["schema"])).collect();
        let body = resolve(root, &value["requestBody"]);
        let content = body["content"].as_object().into_iter().flatten();
        let bodies = content.map(|(kind, content)| {
            (essence(kind), resolve(root, &content["schema"]).clone(), validator(root, &content["schema"]))
        });
        let bodies = bodies.collect();
        let mut value = value.clone();
        value["requestBody"] = body.clone();
        Self { value, parameters, validators, bodies }
    }

    /// What is wrong with a request, in sentences that quote no value.
    pub(super) fn wrong(&self, ask: &FakeCall<'_>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (parameter, validator) in self.parameters.iter().zip(&self.validators) {
            let (name, place) =
                (parameter["name"].as_str().unwrap_or_default(), parameter["in"].as_str().unwrap_or_default());
            let given: Vec<String> = match place {
                "query" => ask.queries(name).collect(),
                "header" => ask.header(name).map(str::to_owned).into_iter().collect(),
                "cookie" => ask.cookie(name).map(str::to_owned).into_iter().collect(),
                // A path that fits has its parameters.
                _ => continue,
            };
            if given.is_empty() && parameter["required"] == true {
                wrong.push(format!("the {place} parameter `{name}` is missing"));
            }
            if let ([only], Some(validator)) = (given.as_slice(), validator)
                && !typed(only).iter().any(|value| validator.is_valid(value))
            {
                wrong.push(format!("the {place} parameter `{name}` is not of its schema"));
            }
        }
        wrong.extend(self.wrong_body(ask));
        wrong
    }

    fn wrong_body(&self, ask: &FakeCall<'_>) -> Vec<String> {
        let body = &ask.request.body;
        if body.is_empty() {
            let is_required = self.value["requestBody"]["required"] == true;
            return if is_required { vec!["the body is missing".to_owned()] } else { Vec::new() };
        }
        if self.bodies.is_empty() {
            return match self.value["requestBody"].is_object() {
                true => Vec::new(),
                false if body.as_slice() == b"null" || body.as_slice() == b"{}" => Vec::new(),
                false => vec!["there is a body, and none is documented".to_owned()],
            };
        }
        let sent = essence(ask.header("content-type").unwrap_or_default());
        let fits = |kind: &str| {
            kind == sent || kind == "*/*" || kind.strip_suffix('*').is_some_and(|start| sent.starts_with(start))
        };
        let Some((_, schema, validator)) = self.bodies.iter().find(|(kind, ..)| fits(kind)) else {
            let known: Vec<&str> = self.bodies.iter().map(|(kind, ..)| kind.as_str()).collect();
            return vec![format!("the body is `{sent}`, and `{}` is documented", known.join("` or `"))];
        };
        let value = match sent.as_str() {
            "application/x-www-form-urlencoded" => form(schema, body),
            _ if sent.ends_with("json") => match serde_json::from_slice(body) {
                Ok(value) => value,
                Err(_) => return vec!["the body is not JSON".to_owned()],
            },
            // Uploads, texts and bytes are taken as they come.
            _ => return Vec::new(),
        };
        let wrong = validator.iter().flat_map(|validator| validator.iter_errors(&value));
        wrong.map(|error| format!("the body's `{}` {}", error.instance_path(), error.masked())).collect()
    }
}

/// The values that a text may mean.
fn typed(text: &str) -> Vec<Value> {
    let parsed = serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    let list = json!(text.split(',').collect::<Vec<_>>());
    [Some(json!(text)), parsed, Some(list)].into_iter().flatten().collect()
}

fn form(schema: &Value, body: &[u8]) -> Value {
    let mut members = Map::new();
    for (name, text) in form_urlencoded::parse(body) {
        let kind = schema["properties"][name.as_ref()]["type"].as_str();
        let value = match kind {
            Some("integer" | "number" | "boolean") => serde_json::from_str(&text).unwrap_or_else(|_| json!(text)),
            _ => json!(text),
        };
        members.insert(name.into_owned(), value);
    }
    Value::Object(members)
}

/// `Application/JSON; charset=utf-8` → `application/json`.
pub(super) fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// None, where the document's schema is none that can be asked: it then lets everything through.
fn validator(root: &Value, schema: &Value) -> Option<Validator> {
    let mut whole = json_schema(schema);
    if !whole.is_object() {
        return None;
    }
    whole["components"] = json_schema(&root["components"]);
    jsonschema::options().with_draft(Draft::Draft202012).build(&whole).ok()
}

/// A schema of OpenAPI 3.0 as one of JSON Schema: the two differ in how they say `null`.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(json_schema).collect(),
        Value::Object(members) => {
            let schema: Map<_, _> = members.iter().map(|(name, value)| (name.clone(), json_schema(value))).collect();
            match schema.get("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [{ "type": "null" }, schema] }),
                _ => Value::Object(schema),
            }
        }
        other => other.clone(),
    }
}
