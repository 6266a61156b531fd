//! What is wrong with a request, held against the vendor's document.

use super::{super::document::Operation, Contract, essence};
use keyway::testing::witness::Exchange;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// What any HTTP client sends, and the two headers by which platforms tell their tenants apart: a session sends its own with
/// every call, since the vendors' services behind the documented ones want it, whether a page says so or not.
const USUAL_HEADERS: [&str; 10] = [
    "accept",
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "tenant",
    "user-agent",
    "x-tenant",
];

pub(super) struct Request<'e> {
    pub(super) contract: &'static Contract,
    pub(super) operation: Operation<'static>,
    pub(super) exchange: &'e Exchange<'e>,
}

impl Request<'_> {
    pub(super) fn breaches(&self) -> Vec<String> {
        let (path, query) = self.exchange.target.split_once('?').unwrap_or((self.exchange.target, ""));
        let mut wrong = self.path(path);
        wrong.extend(self.query(query));
        wrong.extend(self.headers());
        wrong.extend(self.cookies());
        wrong.extend(self.security());
        wrong.extend(self.body());
        wrong
    }

    fn path(&self, path: &str) -> Vec<String> {
        let template = self.operation.path();
        let parts = template.split('/').zip(path.split('/'));
        let given = parts.filter_map(|(name, value)| {
            let name = name.strip_prefix('{')?.strip_suffix('}')?;
            Some((name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned()))
        });
        self.parameters("path", given.collect())
    }

    fn query(&self, query: &str) -> Vec<String> {
        self.parameters("query", form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Headers that are documented must be right; no others may come but those that every client sends and those that
    /// carry a session or its tenant.
    fn headers(&self) -> Vec<String> {
        let documented = self.operation.parameters("header");
        let names = documented.iter().filter_map(|header| header["name"].as_str());
        let names: Vec<_> = names.map(str::to_ascii_lowercase).collect();
        let is_usual = |name: &str| USUAL_HEADERS.contains(&name) && !names.iter().any(|known| known == name);
        let is_session = |name: &str| self.security_headers().iter().any(|known| known.eq_ignore_ascii_case(name));
        let given =
            self.exchange.headers.iter().filter(|(name, _)| !is_usual(name.as_str()) && !is_session(name.as_str()));
        let given =
            given.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        self.parameters("header", given.collect())
    }

    fn cookies(&self) -> Vec<String> {
        let lines = self.exchange.headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
        self.parameters("cookie", pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Each documented one that is required is there, each that is there is documented, and all are of their schemas.
    fn parameters(&self, place: &str, given: Vec<(String, String)>) -> Vec<String> {
        let documented = self.documented(place);
        let same = |documented: &str, given: &str| match place {
            "header" => documented.eq_ignore_ascii_case(given),
            // The account's id and name stand in their names.
            "cookie" => documented.split("{{").next().is_some_and(|start| given.starts_with(start)),
            _ => documented == given,
        };
        let mut wrong = Vec::new();
        for (name, schema, is_required) in &documented {
            let values: Vec<_> =
                given.iter().filter(|(given, _)| same(name, given)).map(|(_, value)| value.as_str()).collect();
            if values.is_empty() && *is_required {
                wrong.push(format!("lacks the {place} parameter `{name}`"));
            }
            if !values.is_empty() {
                let value = self.typed(schema, &values);
                wrong.extend(self.contract.check(schema, &value, &format!("has the {place} parameter `{name}`")));
            }
        }
        let unknown = given.iter().filter(|(given, _)| !documented.iter().any(|(name, ..)| same(name, given)));
        wrong.extend(unknown.map(|(name, _)| format!("has the {place} parameter `{name}`, which is not documented")));
        wrong
    }

    /// Name, schema, and whether it is required; an object in the query stands for its members.
    fn documented(&self, place: &str) -> Vec<(&'static str, &'static Value, bool)> {
        let document = &self.contract.document;
        let of_parameter = |parameter: &'static Value| {
            let (schema, is_required) = (&parameter["schema"], parameter["required"] == true);
            let below = document.members(schema);
            match below.is_empty() {
                true => vec![(parameter["name"].as_str().expect("a name"), schema, is_required)],
                false => below.into_iter().map(|(name, schema)| (name, schema, false)).collect(),
            }
        };
        self.operation.parameters(place).into_iter().flat_map(of_parameter).collect()
    }

    /// The value that these texts stand for.
    fn typed(&self, schema: &Value, texts: &[&str]) -> Value {
        let schema = self.contract.document.resolve(schema);
        let of_text = |kind: Option<&str>, text: &str| match kind {
            Some("integer" | "number" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            _ => json!(text),
        };
        match schema["type"].as_str() {
            Some("array") => {
                let item = self.contract.document.resolve(&schema["items"])["type"].as_str();
                texts.iter().map(|text| of_text(item, text)).collect()
            }
            kind => of_text(kind, texts[0]),
        }
    }

    /// Whatever the document lets a session travel in.
    fn security_headers(&self) -> Vec<&'static str> {
        self.operation.alternatives().into_iter().flatten().map(header_of).collect()
    }

    /// A call that needs a session, or the client's own credentials, has one, and no other carries any.
    fn security(&self) -> Option<String> {
        let alternatives = self.operation.alternatives();
        let begins = |with: &str| {
            let value = self.exchange.headers.get("authorization");
            value.is_some_and(|value| value.as_bytes().starts_with(with.as_bytes()))
        };
        let in_form = |name: &str| {
            let form = String::from_utf8_lossy(self.exchange.body);
            form.split('&').any(|pair| pair.split('=').next() == Some(name))
        };
        let satisfies = |scheme: &&'static Value| match scheme["scheme"].as_str() {
            // A client without a secret says in the form who it is (RFC 6749, 2.3.1).
            Some("basic") => begins("Basic ") || in_form("client_id"),
            _ => self.exchange.headers.contains_key(header_of(scheme)),
        };
        let is_open = alternatives.is_empty() || alternatives.iter().any(|schemes| schemes.iter().all(satisfies));
        match self.operation.roles().is_empty() {
            true if !is_open => Some("comes without the client's own credentials".to_owned()),
            false if !is_open => Some("comes without a session".to_owned()),
            true if begins("Bearer") => Some("carries a session, and needs none".to_owned()),
            _ => None,
        }
    }

    fn body(&self) -> Vec<String> {
        let body = self.exchange.body;
        let Some((media_type, content)) = self.operation.body() else {
            return if body.is_empty() { Vec::new() } else { vec!["has a body, and none is documented".to_owned()] };
        };
        if body.is_empty() {
            let is_required = self.operation.requires_body();
            return if is_required { vec!["lacks its body".to_owned()] } else { Vec::new() };
        }
        let sent = self.exchange.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if essence(sent) != media_type {
            return vec![format!("has a body of `{sent}`, documented is `{media_type}`")];
        }
        let schema = &content["schema"];
        let body = match media_type {
            "application/json" => serde_json::from_slice(body).ok(),
            "multipart/form-data" => Some(self.fields(schema, parts(sent, body))),
            _ => Some(self.fields(schema, form_urlencoded::parse(body).into_owned().collect())),
        };
        match body {
            Some(body) => self.contract.check(schema, &body, "has a body"),
            None => vec!["has a body without JSON".to_owned()],
        }
    }

    /// The fields of a form, as the members of an object.
    fn fields(&self, schema: &Value, fields: Vec<(String, String)>) -> Value {
        let members = self.contract.document.members(schema);
        let typed = fields.into_iter().map(|(name, text)| {
            let schema = members.iter().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, schema)| schema);
            let value = self.typed(schema, &[text.as_str()]);
            (name, value)
        });
        Value::Object(typed.collect::<Map<_, _>>())
    }
}

/// The header in which a security scheme travels.
fn header_of(scheme: &'static Value) -> &'static str {
    scheme["name"].as_str().unwrap_or("authorization")
}

/// The fields of a `multipart/form-data` body.
fn parts(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    let boundary = content_type.split_once("boundary=").map_or("", |(_, boundary)| boundary.trim_matches('"'));
    let body = String::from_utf8_lossy(body);
    let boundary = format!("--{boundary}");
    let parts = body.split(&boundary).filter_map(|part| part.split_once("\r\n\r\n"));
    let named = parts.filter_map(|(head, value)| {
        let name = head.split_once("name=\"")?.1.split_once('"')?.0;
        Some((name.to_owned(), value.strip_suffix("\r\n").unwrap_or(value).to_owned()))
    });
    named.collect()
}
