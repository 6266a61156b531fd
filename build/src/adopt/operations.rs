//! Operations: what each is called, whose session it needs, what it sends and what comes back.

use super::{Adopter, SESSION, filled_in, host, path_of, prose};
use crate::{
    Kind,
    document::{METHODS, list, members, text},
    words::Given,
};
use serde_json::{Map, Value, json};

/// What of an operation is read, or is documentation.
const READ: &[&str] = &[
    "callbacks",
    "consumes",
    "deprecated",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "produces",
    "requestBody",
    "responses",
    "schemes",
    "security",
    "servers",
    "summary",
    "tags",
];

/// Marks that stand at operations.
const MARKS: &[&str] = &["x-certainty", "x-session-step", "x-source", "x-success-member"];

/// No server reads a longer path.
const LONGEST_PATH: usize = 64 * 1024;

impl<'d> Adopter<'d> {
    pub(super) fn paths(&mut self, server: &str) -> Map<String, Value> {
        let raw = self.raw;
        let mut ids = Given::default();
        let mut paths = Map::new();
        for (path, item) in members(&raw["paths"]).filter(|(path, _)| !path.starts_with("x-")) {
            let Some(item) = self.resolved(item).filter(|item| item.is_object()) else {
                self.report.operations += 1;
                self.report.note(Kind::LeftOut, "its path is a reference to another file, or to nothing", path);
                continue;
            };
            let mut written = Map::new();
            for (method, operation) in members(item).filter(|(method, _)| METHODS.contains(method)) {
                self.report.operations += 1;
                self.place = format!("{} {path}", method.to_uppercase());
                let place = self.place.clone();
                if operation["x-hand-written"] == true {
                    self.report.note(Kind::LeftOut, "the document marks it `x-hand-written`", &place);
                    continue;
                }
                match self.operation(path, method, item, operation, server, &mut ids) {
                    Ok(value) => {
                        self.report.typed += 1;
                        written.insert(method.to_owned(), value);
                    }
                    Err(reason) => self.report.note(Kind::LeftOut, reason, &place),
                }
            }
            if !written.is_empty() {
                paths.insert(path.to_owned(), Value::Object(written));
            }
        }
        paths
    }

    fn operation(
        &mut self,
        path: &str,
        method: &str,
        item: &'d Value,
        operation: &'d Value,
        server: &str,
        ids: &mut Given,
    ) -> Result<Value, String> {
        self.unread(operation, "an operation", READ);
        self.has_our_server(item, operation, server)?;
        if !path.starts_with('/') {
            return Err("its path does not begin with `/`".to_owned());
        }
        if path.len() > LONGEST_PATH {
            return Err(format!("its path has more than {LONGEST_PATH} characters"));
        }
        let id = self.id(path, method, operation, ids);
        let (parameters, has_secret) = self.parameters(path, &id, item, operation)?;
        let body = self.body(&id, operation)?;
        let (responses, answer) = self.answers(&id, operation)?;
        let summary = prose(text(&operation["summary"]));
        let description = prose(text(&operation["description"]));
        if description.is_empty() && summary.is_empty() {
            self.derived("no description: method and path stand for it");
        }
        let summary = if summary.is_empty() { format!("`{}`", self.place.replace('`', "'")) } else { summary };
        let mut written = json!({
            "operationId": id,
            "summary": summary.lines().next().unwrap_or_default(),
            "description": description,
            "parameters": parameters,
            "responses": responses,
            "security": self.security(operation),
            "x-answer": answer,
            "x-certainty": "documented",
            "x-resend": operation.get("x-resend").and_then(Value::as_bool).unwrap_or(["get", "head"].contains(&method)),
        });
        for mark in MARKS {
            if let Some(value) = operation.get(*mark) {
                written[*mark] = value.clone();
            }
        }
        if operation["deprecated"] == true {
            written["description"] = json!(format!("Deprecated by the vendor. {description}"));
        }
        if has_secret {
            written["x-secret-url"] = json!(true);
        }
        if let Some(body) = body {
            written["requestBody"] = body;
        }
        Ok(written)
    }

    fn id(&mut self, path: &str, method: &str, operation: &Value, ids: &mut Given) -> String {
        let named = operation["x-name"].as_str().or(operation["operationId"].as_str());
        match named.filter(|id| !id.trim().is_empty()) {
            Some(id) => {
                let name = ids.of_operation(id);
                if name != crate::names::snake(id) {
                    self.derived("its id is another operation's, or no method's: it got another name");
                }
                name
            }
            None => {
                self.derived("no operationId: its name is made of method and path");
                let words = path.split('/').filter(|segment| !segment.is_empty());
                let words = words.map(|segment| match segment.strip_prefix('{') {
                    Some(name) => format!("by {name}"),
                    None => segment.to_owned(),
                });
                ids.of_operation(&format!("{method} {}", words.collect::<Vec<_>>().join(" ")))
            }
        }
    }

    /// Typed calls go to the address of the session. What has a server of its own would go astray.
    fn has_our_server(&mut self, item: &Value, operation: &Value, server: &str) -> Result<(), String> {
        let own = list(&operation["servers"]).first().or_else(|| list(&item["servers"]).first());
        let Some(own) = own.map(filled_in) else { return Ok(()) };
        let host = host(&own).map(str::to_owned);
        if path_of(&own) == server && (self.hosts.is_empty() || host.is_none() || self.hosts.contains(&host)) {
            return Ok(());
        }
        Err("it has a server of its own: call it with a client for that address".to_owned())
    }

    /// One scheme per alternative: a session satisfies it or it does not.
    fn security(&mut self, operation: &Value) -> Value {
        let raw = self.raw;
        let step = operation["x-session-step"].as_str();
        let said = operation.get("security").or_else(|| raw.get("security")).and_then(Value::as_array);
        let Some(alternatives) = said else {
            if matches!(step, Some("sign-in" | "renew" | "challenge")) {
                return json!([]);
            }
            if self.says_security {
                self.derived("no `security`: it carries no session");
                return json!([]);
            }
            self.report.note(
                Kind::NeedsOverlay,
                "nothing says which calls need a session: each carries it; say `security: []` where none is needed",
                &self.place.clone(),
            );
            return json!([{ SESSION: [] }]);
        };
        if operation.get("security").is_none() {
            self.derived("its `security` is the document's");
        }
        let mut written = Vec::new();
        for alternative in alternatives {
            let names: Vec<&str> = members(alternative).map(|(name, _)| name).collect();
            if names.len() > 1 {
                let what = "several credentials at once are asked for: the session is one of them";
                self.report.note(Kind::NeedsOverlay, what, &self.place.clone());
            }
            let is_declared = |name: &&str| raw["components"]["securitySchemes"].get(*name).is_some();
            let has_role = |name: &&str| raw["components"]["securitySchemes"][*name]["x-role"].is_string();
            let chosen =
                names.iter().copied().find(|name| has_role(name)).or_else(|| names.iter().copied().find(is_declared));
            match (chosen, names.is_empty()) {
                (_, true) => {}
                (Some(name), _) => written.push(json!({ name: [] })),
                (None, _) => written.push(json!({ SESSION: [] })),
            }
        }
        written.dedup();
        Value::Array(written)
    }
}
