//! A bundled document as these tests read it: on their own, so that a mistake of the build script shows.

use heck::ToSnakeCase;
use serde_json::{Map, Value};

pub(crate) struct Document {
    pub(crate) root: Value,
}

#[derive(Clone, Copy)]
pub(crate) struct Operation<'d> {
    pub(crate) document: &'d Document,
    method: &'d str,
    path: &'d str,
    value: &'d Value,
}

/// One documented answer: a status, a range of them, or whatever the others leave.
pub(crate) struct Answer<'d> {
    pub(crate) key: &'d str,
    /// The statuses that stand for it in a test.
    pub(crate) statuses: Vec<u16>,
    /// Media type and description of the body. `None`: no body is documented.
    pub(crate) content: Option<(&'d str, &'d Value)>,
    pub(crate) schema: Option<&'d Value>,
    pub(crate) examples: Vec<&'d Value>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Self {
        Self { root: serde_json::from_str(text).expect("the document is JSON") }
    }

    pub(crate) fn title(&self) -> &str {
        self.root["info"]["title"].as_str().expect("a title")
    }

    /// In the order of their paths.
    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
        let of_path = |(path, item)| {
            members(item).filter(|(method, _)| methods.contains(method)).map(move |(method, value)| Operation {
                document: self,
                method,
                path,
                value,
            })
        };
        members(&self.root["paths"]).flat_map(of_path).collect()
    }

    /// Follows references, and an `allOf` of one part, which only adds a description.
    pub(crate) fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let only_part = value["allOf"].as_array().filter(|parts| parts.len() == 1).map(|parts| &parts[0]);
        let target = value["$ref"].as_str().map(|target| {
            self.root.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} is not there"))
        });
        match only_part.or(target) {
            Some(next) => self.resolve(next),
            None => value,
        }
    }

    /// The members of an object, also of one that is put together with `allOf`.
    pub(crate) fn members<'d>(&'d self, schema: &'d Value) -> Vec<(&'d str, &'d Value)> {
        let schema = self.resolve(schema);
        let parts = list(&schema["allOf"]).iter().flat_map(|part| self.members(part));
        members(&schema["properties"]).chain(parts).collect()
    }

    fn requires(&self, schema: &Value, member: &str) -> bool {
        let schema = self.resolve(schema);
        list(&schema["required"]).iter().any(|name| name == member)
            || list(&schema["allOf"]).iter().any(|part| self.requires(part, member))
    }

    /// Without this member the answer is worth nothing: it is marked so, or leads to one that is.
    pub(crate) fn is_essential(&self, schema: &Value, member: &str) -> bool {
        let of_member = self.members(schema).into_iter().find(|(name, _)| *name == member);
        self.requires(schema, member) && of_member.is_some_and(|(_, schema)| self.leads_to_essential(schema, 8))
    }

    fn leads_to_essential(&self, schema: &Value, depth: usize) -> bool {
        let below = || self.members(schema).into_iter().any(|(_, member)| self.leads_to_essential(member, depth - 1));
        schema["x-essential"] == true || (depth > 0 && below())
    }

    /// Whether any JSON will do.
    pub(crate) fn is_anything(&self, schema: &Value) -> bool {
        let schema = self.resolve(schema);
        ["type", "properties", "allOf", "oneOf", "anyOf", "enum"].iter().all(|key| schema.get(*key).is_none())
    }
}

impl<'d> Operation<'d> {
    /// The document's own id.
    pub(crate) fn written_id(&self) -> &'d str {
        self.value["x-name"].as_str().or(self.value["operationId"].as_str()).expect("an operationId")
    }

    /// As the generated method and `Error::operation` call it.
    pub(crate) fn id(&self) -> String {
        self.written_id().to_snake_case()
    }

    /// The operation as it stands in the document.
    pub(crate) fn value(&self) -> &'d Value {
        self.value
    }

    pub(crate) fn method(&self) -> String {
        self.method.to_uppercase()
    }

    /// The template below the platform's root: the path of the server stands in front.
    pub(crate) fn path(&self) -> String {
        let server = self.document.root["servers"][0]["url"].as_str().expect("a server");
        let after_scheme = server.split_once("://").map_or(server, |(_, rest)| rest);
        let server_path = after_scheme.find('/').map_or("", |slash| &after_scheme[slash..]);
        format!("{}{}", server_path.trim_end_matches('/'), self.path)
    }

    /// The path with every `{name}` replaced by the encoded value.
    pub(crate) fn path_with(&self, value: &str) -> String {
        let encoded = percent_encoded(value);
        let template = self.path();
        let segments = template.split('/').map(|part| if part.starts_with('{') { encoded.as_str() } else { part });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Written by hand: the generator cannot express it, so its wire tests are written by hand as well.
    pub(crate) fn is_hand_written(&self) -> bool {
        self.value["x-hand-written"] == true
    }

    pub(crate) fn certainty(&self) -> &'d str {
        self.value["x-certainty"].as_str().expect("an x-certainty")
    }

    /// The part it plays in the life of a session; `None` for an ordinary call.
    pub(crate) fn step(&self) -> Option<&'d str> {
        self.value["x-session-step"].as_str()
    }

    /// A secret stands in its address.
    pub(crate) fn has_secret_url(&self) -> bool {
        self.value["x-secret-url"] == true
    }

    /// The security schemes of each alternative: what opens it has all of one.
    pub(crate) fn alternatives(&self) -> Vec<Vec<&'d Value>> {
        let schemes = &self.document.root["components"]["securitySchemes"];
        let scheme = |(name, _): (&str, _)| &schemes[name];
        list(&self.value["security"]).iter().map(|alternative| members(alternative).map(scheme).collect()).collect()
    }

    /// Whether the program's own id and secret open it.
    pub(crate) fn wants_the_client(&self) -> bool {
        self.alternatives().into_iter().flatten().any(|scheme| scheme["x-role"] == "client")
    }

    /// Whose session may call it, in the document's order; empty = no session is sent. The client's own credentials are
    /// nobody's session.
    pub(crate) fn roles(&self) -> Vec<&'d str> {
        let mut roles = Vec::new();
        for scheme in self.alternatives().into_iter().flatten() {
            let role = scheme["x-role"].as_str().expect("an x-role");
            if role != "client" && !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }

    pub(crate) fn parameters(&self, place: &str) -> Vec<&'d Value> {
        let all = list(&self.value["parameters"]).iter().map(|parameter| self.document.resolve(parameter));
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    /// The header that selects the tenant, if it is declared.
    pub(crate) fn tenant_header(&self) -> Option<&'d str> {
        let tenant = self.parameters("header").into_iter().find(|parameter| parameter["x-tenant"] == true)?;
        tenant["name"].as_str()
    }

    /// Media type and description of the request body.
    pub(crate) fn body(&self) -> Option<(&'d str, &'d Value)> {
        let body = self.document.resolve(&self.value["requestBody"]);
        members(&body["content"]).next()
    }

    pub(crate) fn requires_body(&self) -> bool {
        self.document.resolve(&self.value["requestBody"])["required"] == true
    }

    /// The vendor's first example of a request body.
    pub(crate) fn body_example(&self) -> Option<&'d Value> {
        let (_, content) = self.body()?;
        let named = members(&content["examples"]).map(|(_, example)| &example["value"]);
        content.get("example").into_iter().chain(named).next()
    }

    /// The names a missing argument may be told by, in the document's spelling.
    pub(crate) fn required_arguments(&self) -> Vec<&'d str> {
        let places = ["path", "query", "header"].into_iter().flat_map(|place| self.parameters(place));
        let mut names = Vec::new();
        for parameter in places.filter(|parameter| parameter["required"] == true && parameter["x-tenant"] != true) {
            let below = self.document.members(&parameter["schema"]);
            if below.is_empty() {
                names.extend(parameter["name"].as_str());
            }
            let required = below.iter().map(|(name, _)| *name);
            names.extend(required.filter(|name| self.document.requires(&parameter["schema"], name)));
        }
        if let Some((_, content)) = self.body() {
            let members = self.document.members(&content["schema"]).into_iter().map(|(name, _)| name);
            names.extend(members.filter(|name| self.document.requires(&content["schema"], name)));
        }
        names
    }

    /// A member that tells success from failure inside a 2xx, and its value if all is well.
    pub(crate) fn success_member(&self) -> Option<(&'d str, &'d Value)> {
        let of_answers = members(&self.value["responses"]).flat_map(|(_, response)| {
            let schemas = members(&response["content"]).map(|(_, content)| self.document.resolve(&content["schema"]));
            schemas.chain([response])
        });
        let mark = of_answers.chain([self.value]).find_map(|marked| marked.get("x-success-member"))?;
        Some((mark["member"].as_str()?, &mark["value"]))
    }

    pub(crate) fn answers(&self) -> Vec<Answer<'d>> {
        members(&self.value["responses"]).map(|(key, response)| self.answer(key, response)).collect()
    }

    fn answer(&self, key: &'d str, response: &'d Value) -> Answer<'d> {
        let response = self.document.resolve(response);
        let content = members(&response["content"]).next();
        let described = content.map(|(_, described)| described);
        let schema = described.map(|described| &described["schema"]);
        let named = described.into_iter().flat_map(|described| members(&described["examples"]));
        let examples = described.and_then(|described| described.get("example")).into_iter();
        let examples = examples.chain(named.map(|(_, example)| &example["value"])).collect();
        let is_taken = |status: &u16| self.value["responses"].get(status.to_string()).is_some();
        let mut statuses = statuses_of(key);
        if statuses.len() > 1 {
            statuses.retain(|status| !is_taken(status));
        }
        // Nothing at all comes with a 204.
        if schema.is_some_and(|schema| !self.document.is_anything(schema)) {
            statuses.retain(|status| *status != 204 || key == "204");
        }
        Answer { key, statuses, content, schema, examples }
    }
}

impl Answer<'_> {
    pub(crate) fn is_success(&self) -> bool {
        self.key.starts_with('2')
    }
}

fn statuses_of(key: &str) -> Vec<u16> {
    match key {
        "2XX" => vec![200, 201, 204],
        "4XX" => vec![400, 401, 403, 404, 409, 422, 429],
        "5XX" => vec![500, 503],
        "default" => vec![401, 418, 503],
        exact => vec![exact.parse().unwrap_or_else(|_| panic!("{exact} is no status"))],
    }
}

/// RFC 3986: everything but the unreserved characters.
pub(crate) fn percent_encoded(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}
