//! What goes out and what comes back: JSON, forms, uploads, texts and bytes.

use super::{Adopter, dialect::plain, merge::says_nothing, prose};
use crate::document::{FORM, JSON, essence, list, members, text};
use serde_json::{Map, Value, json};

const MULTIPART: &str = "multipart/form-data";

impl<'d> Adopter<'d> {
    /// The body that a request has, in the one media type that is sent.
    pub(super) fn body(&mut self, id: &str, operation: &'d Value) -> Result<Option<Value>, String> {
        let Some(raw) = operation.get("requestBody").filter(|body| !body.is_null()) else { return Ok(None) };
        let Some(raw) = self.resolved(raw) else {
            return Err("its body is a reference to another file, or to nothing".to_owned());
        };
        let offered: Vec<(&str, &Value)> = members(&raw["content"]).collect();
        let Some((media_type, content)) = preferred(&offered) else { return Ok(None) };
        if offered.len() > 1 {
            self.derived(format!("of several media types of a body `{}` is sent", kind_of(media_type)));
        }
        let hint = format!("{id} body");
        let schema = &content["schema"];
        let description = prose(text(&raw["description"]));
        let mut body = json!({ "description": description, "required": true });
        match kind_of(media_type) {
            "JSON" => {
                let built = self.child(schema, &hint);
                body["content"] = json!({ JSON: { "schema": built } });
                if !is_plain_json(media_type) {
                    body["x-media-type"] = json!(media_type);
                }
            }
            "a form" => {
                let built = self.form(schema, &hint, false);
                body["content"] = json!({ FORM: { "schema": built } });
            }
            "multipart" => {
                let built = self.form(schema, &hint, true);
                body["content"] = json!({ JSON: { "schema": built } });
                body["x-body"] = json!("multipart");
            }
            "text" => {
                body["content"] = json!({ JSON: { "schema": { "type": "string" } } });
                body["x-body"] = json!("text");
                body["x-media-type"] = json!(media_type);
            }
            _ => {
                body["content"] = json!({ JSON: { "schema": { "type": "string", "format": "binary" } } });
                body["x-body"] = json!("bytes");
                body["x-media-type"] =
                    json!(if media_type.contains('*') { "application/octet-stream" } else { media_type });
            }
        }
        Ok(Some(body))
    }

    /// The members of a form; those that are files are files.
    fn form(&mut self, schema: &Value, hint: &str, has_files: bool) -> Value {
        let whole = self.gathered(schema, &mut Vec::new());
        if whole.properties.is_empty() || !whole.choices.is_empty() {
            return self.child(schema, hint);
        }
        let mut words = whole.words;
        words.insert("type".to_owned(), json!("object"));
        words.insert("properties".to_owned(), Value::Object(whole.properties.clone()));
        words.insert("required".to_owned(), json!(whole.required));
        let mut built = self.of_words(words, hint);
        if has_files {
            let is_file = |schema: &Value| {
                let words = plain(schema);
                let is_binary = words.get("format").is_some_and(|format| format == "binary");
                is_binary || (words.get("contentMediaType").is_some() && words.get("contentEncoding").is_none())
            };
            let file = json!({ "type": "string", "format": "binary" });
            let mut files = Vec::new();
            for (name, member) in built["properties"].as_object_mut().into_iter().flatten() {
                let wire = member["x-wire-name"].as_str().unwrap_or(name).to_owned();
                let Some(raw) = whole.properties.get(&wire) else { continue };
                let raw = self.resolved_or(raw);
                let is_list = raw["type"] == "array" && is_file(self.resolved_or(&raw["items"]));
                if !is_file(raw) && !is_list {
                    continue;
                }
                let mut instead = if is_list { json!({ "type": "array", "items": file }) } else { file.clone() };
                for word in ["description", "x-wire-name"] {
                    if let Some(value) = member.get(word) {
                        instead[word] = value.clone();
                    }
                }
                *member = instead;
                files.push(wire);
            }
        }
        if crate::reach::is_named_type(&built) { self.hoisted(built, hint) } else { built }
    }

    fn resolved_or<'s>(&'s self, raw: &'s Value) -> &'s Value {
        raw["$ref"].as_str().and_then(|reference| self.target(reference)).unwrap_or(raw)
    }

    /// Every answer, and what a success is read as.
    pub(super) fn answers(&mut self, id: &str, operation: &'d Value) -> Result<(Map<String, Value>, Value), String> {
        let mut written = Map::new();
        // Of each success: its status, how it is read, its schema.
        let mut successes: Vec<(String, &'static str, Value)> = Vec::new();
        let all = members(&operation["responses"]).filter(|(status, _)| !status.starts_with("x-"));
        let (given, unknown): (Vec<_>, Vec<_>) = all.partition(|(status, _)| is_status(status));
        if !unknown.is_empty() {
            self.dropped("an answer whose status is none");
        }
        let has_success = given.iter().any(|(status, _)| status.starts_with('2'));
        for (status, raw) in given {
            let raw = self.resolved(raw).unwrap_or(&Value::Null);
            let is_success = status.starts_with('2') || (status == "default" && !has_success);
            let status = status.to_uppercase().replace("DEFAULT", "default");
            let offered: Vec<(&str, &Value)> = members(&raw["content"]).collect();
            let chosen = preferred(&offered);
            let hint = format!("{id} {}", if is_success { "answer".to_owned() } else { format!("failure {status}") });
            let mut response = json!({ "description": prose(text(&raw["description"])) });
            let kind = chosen.map_or("nothing", |(media_type, _)| kind_of(media_type));
            match (kind, chosen) {
                ("JSON", Some((_, content))) => {
                    let schema = self.child(&content["schema"], &hint);
                    response["content"] = json!({ JSON: { "schema": schema } });
                    if is_success {
                        successes.push((status.clone(), "json", schema));
                    }
                }
                ("nothing", _) if is_success => successes.push((status.clone(), "nothing", Value::Null)),
                ("text" | "a form", _) if is_success => successes.push((status.clone(), "text", Value::Null)),
                (_, _) if is_success => successes.push((status.clone(), "bytes", Value::Null)),
                _ => {}
            }
            written.insert(status, response);
        }
        if successes.is_empty() {
            self.derived("no success is documented: any answer of 200 to 299 without a type");
            written.insert("2XX".to_owned(), json!({ "description": "Success." }));
        } else if !has_success {
            self.derived("no success is documented but `default`, which is taken for it");
        }
        let answer = self.answer(id, successes);
        Ok((written, answer))
    }

    /// What all successes are read as.
    fn answer(&mut self, id: &str, successes: Vec<(String, &'static str, Value)>) -> Value {
        let has_nothing = successes.iter().any(|(_, kind, _)| *kind == "nothing");
        let mut bodies: Vec<Value> = Vec::new();
        for (_, _, schema) in successes.iter().filter(|(_, kind, _)| *kind == "json") {
            if !bodies.contains(schema) {
                bodies.push(schema.clone());
            }
        }
        let others: Vec<&str> =
            successes.iter().map(|(_, kind, _)| *kind).filter(|kind| !["json", "nothing"].contains(kind)).collect();
        if !bodies.is_empty() && !others.is_empty() {
            self.dropped("a success that is no JSON, beside one that is: only JSON is asked for");
        }
        match (bodies.as_slice(), others.first()) {
            ([], None) => json!({ "kind": "nothing" }),
            ([], Some(_)) if others.contains(&"bytes") => json!({ "kind": "bytes" }),
            ([], Some(_)) => json!({ "kind": "text" }),
            ([only], _) => {
                let is_typed = !says_nothing(only);
                json!({ "kind": if has_nothing && is_typed { "maybe" } else { "json" }, "schema": only })
            }
            (several, _) => {
                let schema = self.any_of(several, &format!("{id} answer"));
                json!({ "kind": if has_nothing { "maybe" } else { "json" }, "schema": schema })
            }
        }
    }

    /// A choice between schemas that are in the generator's form already.
    fn any_of(&mut self, schemas: &[Value], hint: &str) -> Value {
        if schemas.iter().any(says_nothing) {
            self.dropped("successes of which one is anything are any JSON");
            return json!({});
        }
        let mut given = crate::words::Given::default();
        given.take("Other");
        let mut variants = Vec::new();
        for schema in schemas {
            let inner = list(&schema["allOf"]).first().unwrap_or(schema);
            let name = inner["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()).unwrap_or("Value");
            let kind = match text(&schema["type"]) {
                "" => "",
                "integer" => "number",
                kind => kind,
            };
            variants.push(json!({ "name": given.of_type(name), "kind": kind, "tags": [] }));
        }
        let description = "What a success may be, by what comes.";
        let choice =
            json!({ "oneOf": schemas, "description": description, "x-choice": { "variants": variants, "tag": null } });
        self.hoisted(choice, hint)
    }
}

/// The media type that is sent or asked for.
fn preferred<'v>(offered: &[(&'v str, &'v Value)]) -> Option<(&'v str, &'v Value)> {
    ["JSON", "a form", "multipart", "text", "bytes"]
        .iter()
        .find_map(|kind| offered.iter().find(|(media_type, _)| kind_of(media_type) == *kind))
        .copied()
}

/// `200`, `2XX` or `default`.
fn is_status(status: &str) -> bool {
    let is_one_or_many =
        matches!(status.as_bytes(), [b'1'..=b'5', b'x' | b'X', b'x' | b'X'] | [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    is_one_or_many || status.eq_ignore_ascii_case("default")
}

fn is_plain_json(media_type: &str) -> bool {
    let essence = essence(media_type).to_ascii_lowercase();
    essence == JSON || essence.contains('*')
}

pub(super) fn kind_of(media_type: &str) -> &'static str {
    let essence = essence(media_type).to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "*/*" | "application/*" | "text/json" | "" => "JSON",
        _ if essence.ends_with("+json") || essence.ends_with("/json") => "JSON",
        FORM => "a form",
        MULTIPART | "multipart/mixed" | "multipart/*" => "multipart",
        _ if essence.starts_with("text/") || essence.ends_with("xml") || essence.ends_with("yaml") => "text",
        _ => "bytes",
    }
}
