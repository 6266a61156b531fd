//! Parameters: each has a setter of its own name and is written as the document says.

use super::{Adopter, prose, schemas::under};
use crate::{
    document::{is_secret, list, members, names_in, text},
    words::{Given, snake},
};
use serde_json::{Value, json};

/// What of a parameter is read, or is documentation.
const READ: &[&str] = &[
    "$ref",
    "allowEmptyValue",
    "allowReserved",
    "collectionFormat",
    "content",
    "deprecated",
    "description",
    "example",
    "examples",
    "explode",
    "in",
    "name",
    "required",
    "schema",
    "style",
];

/// More parameters than that are no program's.
const MOST: usize = 500;

/// Names of the builder's own methods and of what it is made of.
const TAKEN: &[&str] = &[
    "send",
    "new",
    "body",
    "body_map",
    "client",
    "header_map",
    "tenant",
    "call_timeout",
    "keyway_request",
    "keyway_timeout",
];

impl<'d> Adopter<'d> {
    /// The parameters of an operation, and whether a secret stands in the URL.
    pub(super) fn parameters(
        &mut self,
        path: &str,
        id: &str,
        item: &'d Value,
        operation: &'d Value,
    ) -> Result<(Vec<Value>, bool), String> {
        let mut setters = Given::default();
        TAKEN.iter().for_each(|name| setters.take(name));
        let mut written = Vec::new();
        let mut has_secret = false;
        let in_path = names_in(path);
        let count = list(&operation["parameters"]).len() + list(&item["parameters"]).len() + in_path.len();
        if count > MOST {
            return Err(format!("it has {count} parameters, and {MOST} are sent at most"));
        }
        for raw in self.declared(item, operation) {
            self.unread(raw, "a parameter", READ);
            if !self.is_sent(raw, &in_path)? {
                continue;
            }
            for mut parameter in self.parameter(raw, id) {
                let schema = &parameter["schema"];
                has_secret |= raw["in"] != "header" && (is_secret(schema) || is_secret(&schema["items"]));
                let wish = text(&parameter["name"]);
                let setter = setters.of_member(wish);
                if setter != snake(wish) {
                    self.derived("a setter got another name, because its own is taken or no name");
                }
                parameter["x-setter"] = json!(setter);
                written.push(parameter);
            }
        }
        for name in in_path {
            if !written.iter().any(|known| known["in"] == "path" && known["name"] == name) {
                self.derived("a name in the path that is not declared is a text");
                let setter = setters.of_member(name);
                written.push(json!({
                    "name": name, "in": "path", "required": true, "x-setter": setter,
                    "schema": { "type": "string" }, "description": "A part of the path.",
                }));
            }
        }
        Ok((written, has_secret))
    }

    /// Whether a parameter is one that a call sends: some are ours to set, and some are left out.
    fn is_sent(&mut self, raw: &Value, in_path: &[&str]) -> Result<bool, String> {
        let name = text(&raw["name"]);
        match text(&raw["in"]) {
            "path" if !in_path.contains(&name) => self.dropped("a path parameter that does not stand in the path"),
            "path" | "query" => return Ok(true),
            "header" if is_ours(name) => {}
            "header" if http_name(name) => return Ok(true),
            "header" => return Err(format!("the name of its header `{}` is none", prose(name))),
            "cookie" if raw["required"] == true => {
                return Err("it needs a cookie, and cookies are the session's".to_owned());
            }
            "cookie" => self.dropped("a parameter in a cookie"),
            other => self.dropped(format!("a parameter in `{}`", prose(other))),
        }
        Ok(false)
    }

    /// The operation's own, and those of its path that it does not declare itself.
    fn declared(&mut self, item: &'d Value, operation: &'d Value) -> Vec<&'d Value> {
        let mut all: Vec<&'d Value> = Vec::new();
        for raw in list(&operation["parameters"]).iter().chain(list(&item["parameters"])) {
            let Some(parameter) =
                self.resolved(raw).filter(|found| found["name"].is_string() && found["in"].is_string())
            else {
                self.dropped("a parameter that is a reference to another file or to nothing");
                continue;
            };
            if !all.iter().any(|known| known["name"] == parameter["name"] && known["in"] == parameter["in"]) {
                all.push(parameter);
            }
        }
        all
    }

    fn parameter(&mut self, raw: &'d Value, id: &str) -> Vec<Value> {
        let name = text(&raw["name"]);
        let place = text(&raw["in"]);
        let hint = under(id, name);
        let described = prose(text(&raw["description"]));
        let description = if described.is_empty() {
            format!("The parameter `{}`.", prose(&name.replace('`', "'")))
        } else {
            described
        };
        let required = raw["required"] == true || place == "path";
        let mut parameter = json!({ "name": name, "in": place, "required": required, "description": description });
        let content = members(&raw["content"]).next();
        let schema = content.map_or(&raw["schema"], |(_, content)| &content["schema"]);
        let kind = self.kind(schema, 16);
        let is_scalar = ["string", "number", "boolean"].contains(&kind.as_str());
        if content.is_some() && !is_scalar {
            parameter["schema"] = json!({});
            parameter["x-style"] = json!("json");
            if place != "query" {
                parameter["schema"] = json!({ "type": "string" });
                parameter.as_object_mut().map(|words| words.remove("x-style"));
            }
            return vec![parameter];
        }
        if is_scalar {
            let built = self.child(schema, &hint);
            parameter["schema"] = if self.is_choice(&built) { json!({ "type": "string" }) } else { bare(built) };
            return vec![parameter];
        }
        if place != "query" {
            self.derived("a list or object in a path or header is a text that the caller puts together");
            parameter["schema"] = json!({ "type": "string" });
            return vec![parameter];
        }
        self.query(raw, schema, &kind, parameter, &hint)
    }

    fn query(&mut self, raw: &Value, schema: &Value, kind: &str, mut parameter: Value, hint: &str) -> Vec<Value> {
        let style = text(&raw["style"]);
        let explode =
            raw.get("explode").and_then(Value::as_bool).unwrap_or(matches!(style, "" | "form" | "deepObject"));
        match kind {
            "array" => vec![self.query_list(schema, style, explode, parameter, hint)],
            "object" => self.query_object(schema, style == "deepObject", explode, parameter, hint),
            _ => {
                // One value or several: what is given is written as it is.
                parameter["schema"] = json!({});
                vec![parameter]
            }
        }
    }

    fn query_list(&mut self, schema: &Value, style: &str, explode: bool, mut parameter: Value, hint: &str) -> Value {
        let built = bare(self.child(schema, hint));
        let items_are_flat = self.is_flat(&built["items"]);
        parameter["schema"] = if items_are_flat { built } else { json!({ "type": "array", "items": {} }) };
        let separator = match style {
            "spaceDelimited" => Some("space"),
            "pipeDelimited" => Some("pipe"),
            _ => Some("comma").filter(|_| !explode),
        };
        if let Some(word) = separator {
            parameter["x-style"] = json!(word);
        }
        parameter
    }

    /// Each member is a parameter, where all of them are single values.
    fn query_object(
        &mut self,
        schema: &Value,
        is_deep: bool,
        explode: bool,
        mut parameter: Value,
        hint: &str,
    ) -> Vec<Value> {
        let built = self.gathered(schema, &mut Vec::new());
        let mut is_single = |member: &Value| ["string", "number", "boolean"].contains(&self.kind(member, 16).as_str());
        let is_flat = (is_deep || explode)
            && built.choices.is_empty()
            && !built.properties.is_empty()
            && built.words.get("additionalProperties").is_none_or(|values| *values == false)
            && built.properties.values().all(&mut is_single);
        if !is_flat {
            parameter["schema"] = json!({});
            parameter["x-style"] = json!(match (is_deep, explode) {
                (true, _) => "deep",
                (false, true) => "members",
                (false, false) => "comma",
            });
            return vec![parameter];
        }
        let (name, about) = (text(&parameter["name"]), text(&parameter["description"]));
        let of_member = |(member, schema): (&String, &Value)| {
            let child = self.child(schema, &under(hint, member));
            let child = if self.is_choice(&child) { json!({ "type": "string" }) } else { bare(child) };
            let described = prose(text(&schema["description"]));
            json!({
                "name": if is_deep { format!("{name}[{member}]") } else { member.clone() },
                "in": "query",
                "required": parameter["required"] == true && built.required.contains(member),
                "description": if described.is_empty() { about.to_owned() } else { described },
                "schema": child,
            })
        };
        built.properties.iter().map(of_member).collect()
    }

    fn is_choice(&self, built: &Value) -> bool {
        self.definition(built).get("oneOf").is_some()
    }

    /// Whether a value is written as one text.
    fn is_flat(&self, built: &Value) -> bool {
        let definition = self.definition(built);
        ["string", "integer", "number", "boolean"].contains(&text(&definition["type"]))
    }

    /// What a reference to a schema that is written already leads to.
    fn definition<'s>(&'s self, built: &'s Value) -> &'s Value {
        let built = match list(&built["allOf"]) {
            [only] => only,
            _ => built,
        };
        let name = built["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        match name.and_then(|name| self.schemas.get(name)) {
            Some(definition) => definition,
            None => self.raw_definition(built).unwrap_or(built),
        }
    }

    /// A component that waits to be written, in the document's words.
    fn raw_definition(&self, built: &Value) -> Option<&'d Value> {
        let name = built["$ref"].as_str()?.rsplit('/').next()?;
        self.raw.pointer(self.begun.get(name)?)
    }
}

/// A parameter that is null is left out.
fn bare(mut built: Value) -> Value {
    if let Some(words) = built.as_object_mut() {
        words.remove("nullable");
    }
    built
}

/// Headers that the request or the session sets.
fn is_ours(name: &str) -> bool {
    ["accept", "authorization", "content-type", "content-length", "cookie", "host"]
        .contains(&name.to_ascii_lowercase().as_str())
}

fn http_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}
