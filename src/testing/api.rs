//! A fake of any vendor, made from its OpenAPI document.

mod contract;
mod sample;

use super::{
    Fake,
    builders::a_fake,
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Vendor},
    fake::locked,
    mint::Mint,
    time::Time,
};
use contract::{DocumentedOperation, essence};
use sample::{of_content, resolve};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
};

/// A vendor of your own in memory, as its OpenAPI document (3.0 or 3.1, in JSON) says that it is.
///
/// It answers the document's examples, or values of its schemas. What is no operation of the document is answered with 404,
/// a request that is not as documented with 400 and a sentence about each thing that is wrong, and a call that needs a
/// session and has none with 401. Operations are named by their ids in snake_case, or by method and path: `get_orders`.
///
/// Where operations are marked `x-session-step` ([overlays](https://docs.rs/keyway-build) can say so), it keeps sessions: a sign-in and a
/// renewal answer with new tokens where a member is marked `x-essential`, a renewal spends its refresh token, a sign-out ends
/// the session, and other calls need a token that is live. Without marks any credential opens a call.
///
/// ```
/// use keyway::testing::{FakeApi, Fault};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fake = FakeApi::of(r#"{ "openapi": "3.0.3", "paths": { "/orders": { "get": {
///     "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } }],
///     "responses": { "200": { "content": { "application/json": { "example": [{ "id": 7 }] } } } }
/// } } } }"#).await;
/// let get = |path: &str| reqwest::get(format!("{}{path}", fake.uri()));
/// assert_eq!(get("/orders").await?.text().await?, r#"[{"id":7}]"#);
/// assert_eq!(get("/orders?limit=1000").await?.status(), 400);
/// assert_eq!(get("/order").await?.status(), 404);
///
/// fake.next("get_orders", Fault::Html(503));
/// assert_eq!(get("/orders").await?.status(), 503);
/// # Ok(()) }
/// ```
pub struct FakeApi {
    fake: Fake,
    api: Arc<Mutex<Api>>,
}

/// Says what the vendor is like. [`FakeApi::builder`] makes it.
#[derive(Clone)]
#[must_use]
pub struct FakeApiBuilder {
    document: String,
    clock: Time,
    port: u16,
}

impl FakeApi {
    /// The vendor that this document describes.
    ///
    /// # Panics
    /// Where the text is no OpenAPI document in JSON.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn of(document: &str) -> Self {
        Self::builder(document).start().await
    }

    /// The same with options.
    pub fn builder(document: impl Into<String>) -> FakeApiBuilder {
        FakeApiBuilder { document: document.into(), clock: Time::default(), port: 0 }
    }

    /// What was wrong with requests so far, in sentences: each was answered with 400.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        locked(&self.api).violations.clone()
    }

    /// The names of the operations, as [`Fake`] takes them.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        locked(&self.api).operations.keys().cloned().collect()
    }

    /// Ends all tokens given out so far: the next call with one of them is answered with 401.
    pub fn revoke_tokens(&self) {
        locked(&self.api).live.clear();
    }
}

a_fake!(FakeApi, FakeApiBuilder);

impl FakeApiBuilder {
    /// Opens the vendor on a free port of 127.0.0.1, or on [its own](Self::port). It closes when the fake is dropped.
    ///
    /// # Panics
    /// Where the text is no OpenAPI document in JSON, and where the port is taken.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start(self) -> FakeApi {
        let root: Value = serde_json::from_str(&self.document).expect("the document is JSON");
        let version = root["openapi"].as_str().unwrap_or_default();
        assert!(version.starts_with("3."), "the document says that it is OpenAPI `{version}`; 3.0 and 3.1 are read");
        let (api, document) = Api::of(root);
        let api = Arc::new(Mutex::new(api));
        let fake = Fake::open("FakeApi", Arc::new(document), self.clock, api.clone(), self.port).await;
        FakeApi { fake, api }
    }
}

impl fmt::Debug for FakeApiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeApiBuilder").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The state machine.
struct Api {
    root: Value,
    operations: BTreeMap<String, DocumentedOperation>,
    /// Method and path of each, for what is said about a path that is none.
    routes: Vec<(String, String)>,
    /// Whether the document says how sessions begin.
    keeps_sessions: bool,
    tokens: Mint,
    live: BTreeSet<String>,
    /// Refresh tokens that can be used, with the access token beside each.
    refreshes: BTreeMap<String, String>,
    violations: Vec<String>,
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

impl Api {
    fn of(root: Value) -> (Self, FakeDocument) {
        let mut document = FakeDocument::read("{}", "");
        let (mut operations, mut routes) = (BTreeMap::new(), Vec::new());
        let prefix = server_path(&root);
        for (path, item) in root["paths"].as_object().into_iter().flatten() {
            let item = resolve(&root, item);
            for method in METHODS {
                let Some(value) = item.get(method) else { continue };
                let name = name_of(value, method, path);
                let (method, template) = (method.to_uppercase(), format!("{prefix}{path}"));
                document = document.also(&name, &method, &template);
                routes.push((method, template));
                operations.insert(name, DocumentedOperation::of(&root, item, value));
            }
        }
        let keeps_sessions = operations.values().any(|operation| operation.value["x-session-step"] == "sign-in");
        let api = Self {
            root,
            operations,
            routes,
            keeps_sessions,
            tokens: Mint::default(),
            live: BTreeSet::new(),
            refreshes: BTreeMap::new(),
            violations: Vec::new(),
        };
        (api, document)
    }

    fn nearest(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let (method, path) = (ask.request.method.as_str(), ask.path());
        let allowed: Vec<&str> =
            self.routes.iter().filter(|(_, template)| template == path).map(|(method, _)| method.as_str()).collect();
        if !allowed.is_empty() {
            return FakeAnswer::message(405, "the document has this path with another method")
                .with("allow", allowed.join(", "));
        }
        let near =
            self.routes.iter().filter(|(known, _)| known == method).min_by_key(|(_, known)| distance(known, path));
        let hint = near.map(|(method, known)| format!("; the nearest is {method} {known}")).unwrap_or_default();
        FakeAnswer::message(404, &format!("the document has no such operation{hint}"))
    }

    /// The credential that a call carries, wherever a scheme of the document puts it.
    fn credential(&self, ask: &FakeCall<'_>) -> Option<String> {
        let schemes = self.root["components"]["securitySchemes"].as_object().into_iter().flatten();
        let keys = schemes.filter(|(_, scheme)| scheme["type"] == "apiKey").filter_map(|(_, scheme)| {
            let name = scheme["name"].as_str()?;
            match scheme["in"].as_str()? {
                "header" => ask.header(name).map(str::to_owned),
                "query" => ask.query(name),
                _ => ask.cookie(name).map(str::to_owned),
            }
        });
        let plain = ask.header("authorization").map(|value| value.split_once(' ').map_or(value, |(_, token)| token));
        plain.map(str::to_owned).into_iter().chain(keys).next()
    }

    fn needs_session(&self, operation: &Value) -> bool {
        let alternatives = operation.get("security").unwrap_or(&self.root["security"]).as_array();
        let step = operation["x-session-step"].as_str();
        let is_open = alternatives.is_none_or(|all| all.is_empty() || all.iter().any(|one| *one == json!({})));
        !is_open && !matches!(step, Some("sign-in" | "renew" | "challenge"))
    }

    /// Whether the request carries a refresh token that can be used: it is spent by that.
    fn spends(&mut self, ask: &FakeCall<'_>) -> bool {
        let body = String::from_utf8_lossy(&ask.request.body).into_owned();
        let place = ask.request.url.as_str().to_owned();
        let headers: String = ask.request.headers.values().filter_map(|value| value.to_str().ok()).collect();
        let carries = |token: &String| [&body, &place, &headers].iter().any(|text| text.contains(token.as_str()));
        let Some(token) = self.refreshes.keys().find(|token| carries(token)).cloned() else { return false };
        if let Some(access) = self.refreshes.remove(&token) {
            self.live.remove(&access);
        }
        true
    }

    fn success(&mut self, name: &str) -> FakeAnswer {
        let operation = &self.operations[name].value;
        let step = operation["x-session-step"].as_str().unwrap_or_default().to_owned();
        let responses = operation["responses"].as_object();
        let successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with(['2', 'd']));
        let Some((status, response)) = successes.min_by_key(|(status, _)| status.starts_with('d')) else {
            return FakeAnswer::empty(200);
        };
        let status = status.parse().unwrap_or(200);
        let response = resolve(&self.root, response);
        let content = response["content"].as_object();
        let json = content.and_then(|all| all.iter().find(|(kind, _)| essence(kind).ends_with("json")));
        let Some((_, content)) = json else {
            return match content.and_then(|all| all.iter().next()) {
                Some((kind, content)) => other_media(kind, of_content(&self.root, content), status),
                None => FakeAnswer::empty(status),
            };
        };
        let mut body = of_content(&self.root, content);
        if self.keeps_sessions && ["sign-in", "renew"].contains(&step.as_str()) {
            let schema = content["schema"].clone();
            self.put_tokens(&schema, &mut body);
        }
        FakeAnswer::json(status, &body)
    }

    /// Puts new tokens where the document marks `x-essential`, and a refresh token where a member beside is called one.
    fn put_tokens(&mut self, schema: &Value, body: &mut Value) {
        let access = self.tokens.make(|number, random| format!("access-{number}-{random}"));
        let refresh = self.tokens.make(|number, random| format!("refresh-{number}-{random}"));
        fill(&self.root, schema, body, (&access, &refresh), 0);
        self.live.insert(access.clone());
        self.refreshes.insert(refresh, access);
    }
}

impl Vendor for Api {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        if ask.operation() == OTHER {
            return FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path() }));
        }
        let name = ask.operation().to_owned();
        let operation = &self.operations[&name];
        let wrong = operation.wrong(ask);
        if !wrong.is_empty() {
            let told = json!({ "message": "the request is not as the document has it", "violations": wrong });
            self.violations.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
            return FakeAnswer::json(400, &told);
        }
        let (step, needs) = (operation.value["x-session-step"].clone(), self.needs_session(&operation.value));
        let credential = self.credential(ask);
        let is_live = |token: &String| !self.keeps_sessions || self.live.contains(token);
        if needs && !credential.as_ref().is_some_and(is_live) {
            return self.unauthorized(ask);
        }
        match step.as_str() {
            Some("renew") if !self.spends(ask) => return self.unauthorized(ask),
            Some("sign-out") => {
                let token = credential.unwrap_or_default();
                self.live.remove(&token);
                self.refreshes.retain(|_, access| *access != token);
            }
            _ => {}
        }
        self.success(&name)
    }

    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let documented = self.operations.get(ask.operation()).map(|operation| &operation.value["responses"]["401"]);
        let content = documented.and_then(|answer| resolve(&self.root, answer)["content"].as_object()?.values().next());
        match content {
            Some(content) => FakeAnswer::json(401, &of_content(&self.root, content)),
            None => FakeAnswer::message(401, "this call needs a session"),
        }
    }

    fn unknown(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        self.nearest(ask)
    }

    fn secrets(&self) -> Vec<String> {
        self.tokens.made().collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.number(token).map(|number| format!("token #{}", number.div_ceil(2)))
    }
}

/// Its id in snake_case, or its method and path.
fn name_of(operation: &Value, method: &str, path: &str) -> String {
    let wish = operation["operationId"].as_str().map_or_else(|| format!("{method} {path}"), str::to_owned);
    let mut name = String::new();
    let mut before = ' ';
    for letter in wish.chars() {
        let begins = letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        let divides = !letter.is_ascii_alphanumeric();
        if (begins || divides) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if !divides {
            name.extend(letter.to_lowercase());
        }
        before = letter;
    }
    name.trim_end_matches('_').to_owned()
}

/// The path of the first server, with the defaults of its variables.
fn server_path(root: &Value) -> String {
    let server = &root["servers"][0];
    let mut url = server["url"].as_str().unwrap_or_default().to_owned();
    for (name, variable) in server["variables"].as_object().into_iter().flatten() {
        url = url.replace(&format!("{{{name}}}"), variable["default"].as_str().unwrap_or_default());
    }
    let rest = url.split_once("//").map_or(url.as_str(), |(_, rest)| rest);
    rest.find('/').map_or("", |slash| &rest[slash..]).trim_end_matches('/').to_owned()
}

fn other_media(kind: &str, sample: Value, status: u16) -> FakeAnswer {
    let body = sample.as_str().map_or_else(|| sample.to_string(), str::to_owned);
    let content_type = if kind.starts_with("text/") { "text/plain" } else { "application/octet-stream" };
    FakeAnswer { content_type, body: body.into_bytes(), ..FakeAnswer::empty(status) }
}

/// Deeper members are no tokens.
const DEEPEST: usize = 8;

fn fill(root: &Value, schema: &Value, body: &mut Value, tokens: (&str, &str), depth: usize) {
    let schema = resolve(root, schema);
    if depth > DEEPEST {
        return;
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fill(root, part, body, tokens, depth + 1);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let is_refresh = name.to_ascii_lowercase().contains("refresh");
        let is_text = resolve(root, member)["type"] == "string";
        match body.get_mut(name) {
            Some(value) if is_text && (member["x-essential"] == true || is_refresh) => {
                *value = json!(if is_refresh { tokens.1 } else { tokens.0 });
            }
            Some(value) => fill(root, member, value, tokens, depth + 1),
            None => {}
        }
    }
}

/// How many parts of two paths differ.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<_>, Vec<_>) = (one.split('/').collect(), other.split('/').collect());
    let differ = one.iter().zip(&other).filter(|(one, other)| one != other && !one.starts_with('{'));
    differ.count() + one.len().abs_diff(other.len())
}
