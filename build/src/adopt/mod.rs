//! A document as its vendor publishes it, brought into the form that the generator reads.
//!
//! Nothing is changed in place: the form is written anew, and what is not understood is not copied but told. So a keyword
//! that nobody reads cannot be lost in silence.

mod bodies;
mod dialect;
mod merge;
mod operations;
mod parameters;
mod schemas;
mod sign_ins;
mod swagger;
mod text;
mod unions;

pub(crate) use text::{prose, quoted};

use crate::{
    Report,
    diagnostic::{Diagnosed, diagnose},
    document::{METHODS, below, list, members, reference, schema_name, text as text_of},
    reach::is_named_type,
    words::Given,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A published document, and what of it is written already.
struct Adopter<'d> {
    raw: &'d Value,
    /// OpenAPI 3.1 is JSON Schema: what stands beside a `$ref` counts there.
    is_31: bool,
    report: Report,
    names: Given,
    /// The schemas in the generator's form, by their names.
    schemas: Map<String, Value>,
    /// The name of what a pointer leads to.
    named: BTreeMap<String, String>,
    /// What is named and not written yet: pointer and name.
    waiting: VecDeque<(String, String)>,
    /// What has waited, or waits: by name, the pointer.
    begun: BTreeMap<String, String>,
    /// By reference, the components that are made of what it leads to.
    heirs: BTreeMap<&'d str, Vec<&'d str>>,
    /// The JSON types of what references lead to.
    kinds: BTreeMap<(String, usize), String>,
    /// Whether some operation says whose session it needs.
    says_security: bool,
    /// The hosts of the servers; `None` for one without.
    hosts: BTreeSet<Option<String>>,
    /// How many parts of `allOf` were looked at.
    parts: usize,
    /// How many members, items and alternatives were written.
    size: usize,
    /// Where we are, for the report.
    place: String,
}

/// The document in the generator's form.
///
/// # Errors
/// What no form can be made of.
pub(crate) fn adopt(file: &str, root: Value) -> Diagnosed<(Value, Report)> {
    let root = version(file, root)?;
    let mut adopter = Adopter {
        raw: &root,
        is_31: text_of(&root["openapi"]).starts_with("3.1"),
        report: Report::default(),
        names: Given::default(),
        schemas: Map::new(),
        named: BTreeMap::new(),
        waiting: VecDeque::new(),
        begun: BTreeMap::new(),
        heirs: BTreeMap::new(),
        kinds: BTreeMap::new(),
        says_security: says_security(&root),
        hosts: list(&root["servers"]).iter().map(|server| host(&filled_in(server)).map(str::to_owned)).collect(),
        parts: 0,
        size: 0,
        place: String::new(),
    };
    let count = adopter.operations();
    if count > MOST_OPERATIONS {
        let what = format!("the document has {count} operations, and code is made of {MOST_OPERATIONS} at most");
        return diagnose(file, "", what, CURE);
    }
    adopter.roots();
    let server = adopter.server();
    adopter.name_components();
    let schemes = adopter.security_schemes();
    let sign_ins = adopter.sign_ins();
    let paths = adopter.paths(&server);
    adopter.write_waiting();
    adopter.weigh_choices();
    if adopter.is_full() {
        let what = format!("the types of its calls have more than {MOST_VALUES} members, which no compiler takes");
        return diagnose(file, "", what, CURE);
    }
    adopter.end_circles();
    let info = &root["info"];
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": prose(text_of(&info["title"])),
            "description": prose(text_of(&info["description"])),
            "version": "1",
        },
        "servers": [{ "url": server }],
        "paths": paths,
        "components": { "schemas": adopter.schemas, "securitySchemes": schemes },
        "x-sign-ins": sign_ins,
    });
    Ok((document, adopter.report))
}

/// Code of more operations takes a compiler more memory than machines have: of a thousand, 280,000 lines and 3 GiB.
const MOST_OPERATIONS: usize = 5_000;

/// The same of members of types, items of lists and alternatives of choices, as often as they are written out.
const MOST_VALUES: usize = 50_000;

const CURE: &str =
    "name the operations that you call with `.only([..])`, or take out with an overlay what you do not call";

/// Whether some operation says whose session it needs: then those that say nothing need none.
pub(crate) fn says_security(root: &Value) -> bool {
    let operations = members(&root["paths"]).filter_map(|(_, item)| resolved(root, item)).flat_map(members);
    operations.filter(|(method, _)| METHODS.contains(method)).any(|(_, operation)| operation.get("security").is_some())
}

fn version(file: &str, root: Value) -> Diagnosed<Value> {
    if !root.is_object() {
        return diagnose(file, "", "this is no OpenAPI document: no object stands at its top", "name the right file");
    }
    if text_of(&root["swagger"]).starts_with("2.") {
        return Ok(swagger::converted(root));
    }
    let version = text_of(&root["openapi"]);
    if version.starts_with("3.0") || version.starts_with("3.1") {
        return Ok(root);
    }
    let what = match version {
        "" => "the document does not say that it is OpenAPI".to_owned(),
        _ => format!("the document says that it is OpenAPI `{version}`"),
    };
    diagnose(file, "", what, "OpenAPI 3.0 and 3.1 and Swagger 2.0 are read: convert it, or name another file")
}

fn target<'d>(root: &'d Value, reference: &str) -> Option<&'d Value> {
    let pointer = decoded(reference.strip_prefix('#')?);
    root.pointer(&pointer)
}

/// The value itself, or what it refers to. A circle or a reference to nothing is `None`.
pub(crate) fn resolved<'d>(root: &'d Value, value: &'d Value) -> Option<&'d Value> {
    let mut value = value;
    for _ in 0..32 {
        match value.get("$ref").and_then(Value::as_str) {
            None => return Some(value),
            Some(reference) => value = target(root, reference)?,
        }
    }
    None
}

impl<'d> Adopter<'d> {
    /// What a reference into this document leads to.
    fn target(&self, reference: &str) -> Option<&'d Value> {
        target(self.raw, reference)
    }

    fn resolved(&self, value: &'d Value) -> Option<&'d Value> {
        resolved(self.raw, value)
    }

    /// How many operations there are.
    fn operations(&self) -> usize {
        let items = members(&self.raw["paths"]).filter_map(|(_, item)| self.resolved(item));
        items.flat_map(members).filter(|(method, _)| METHODS.contains(method)).count()
    }

    /// Whether more was written than code can be made of: what follows is any JSON, and the document is refused.
    fn is_full(&self) -> bool {
        self.size > MOST_VALUES
    }

    fn dropped(&mut self, what: impl Into<String>) {
        self.report.dropped(what, &self.place);
    }

    fn derived(&mut self, what: impl Into<String>) {
        self.report.derived(what, &self.place);
    }

    /// Tells what stands in `value` and is neither read nor mere documentation.
    fn unread(&mut self, value: &Value, what: &str, known: &[&str]) {
        for (key, _) in members(value).filter(|(key, _)| !key.starts_with("x-") && !known.contains(key)) {
            self.dropped(format!("`{key}` of {what} is not read"));
        }
    }

    fn roots(&mut self) {
        const KNOWN: &[&str] = &[
            "openapi",
            "info",
            "servers",
            "paths",
            "components",
            "security",
            "tags",
            "externalDocs",
            "swagger",
            "jsonSchemaDialect",
        ];
        self.place = "the document".to_owned();
        self.unread(self.raw, "the document", KNOWN);
    }

    /// The path of the first server, with the defaults of its variables. The host is the session's affair.
    fn server(&mut self) -> String {
        let servers = list(&self.raw["servers"]);
        let Some(first) = servers.iter().find(|server| server["url"].is_string()) else {
            self.report.derived("no server is listed: paths begin at the address of the session", "the document");
            return String::new();
        };
        let url = filled_in(first);
        let others = servers.iter().filter(|server| server["url"].is_string());
        if others.clone().any(|server| path_of(&filled_in(server)) != path_of(&url)) {
            self.report.derived("the servers have different paths: that of the first one is used", "the document");
        }
        path_of(&url)
    }

    /// Every component gets its name before anything in line does.
    fn name_components(&mut self) {
        let raw = self.raw;
        for (name, _) in members(&raw["components"]["schemas"]) {
            let given = self.names.of_type(name);
            if given != crate::names::pascal(name) {
                self.report.derived(
                    "a schema got another name, because a type is called so already",
                    &format!("schema `{name}`"),
                );
            }
            self.named.insert(format!("/components/schemas/{}", escaped(name)), given);
        }
        for (name, schema) in members(&raw["components"]["schemas"]) {
            for reference in list(&schema["allOf"]).iter().filter_map(reference) {
                let heirs = self.heirs.entry(reference).or_default();
                if heirs.last() != Some(&name) {
                    heirs.push(name);
                }
            }
        }
    }

    /// Writes what was named, and what is named by that.
    fn write_waiting(&mut self) {
        while let Some((pointer, name)) = self.waiting.pop_front().filter(|_| !self.is_full()) {
            let Some(raw) = self.raw.pointer(&pointer) else { continue };
            self.place = format!("schema `{name}`");
            let written = self.component(raw, &name, &pointer);
            self.schemas.insert(name, written);
        }
    }

    /// The code of a choice names the members of each alternative.
    fn weigh_choices(&mut self) {
        let count = |alternative: &Value| {
            let inner = list(&alternative["allOf"]).first().unwrap_or(alternative);
            let target = reference(inner).and_then(schema_name).and_then(|name| self.schemas.get(name));
            target.and_then(|target| target["properties"].as_object()).map_or(1, Map::len)
        };
        let choices = self.schemas.values().filter(|schema| schema.get("x-choice").is_some());
        self.size += choices.flat_map(|choice| list(&choice["oneOf"])).map(count).sum::<usize>();
    }

    /// What cannot be written out because it has no end is any JSON.
    fn end_circles(&mut self) {
        let names: Vec<String> =
            self.schemas.keys().filter(|name| !is_named_type(&self.schemas[*name])).cloned().collect();
        for name in names {
            if !ends(&self.schemas, &self.schemas[&name], DEEPEST) {
                let description = self.schemas[&name]["description"].clone();
                self.place = format!("schema `{name}`");
                self.dropped(format!(
                    "a schema that is nothing but itself, or lists more than {DEEPEST} deep, is any JSON"
                ));
                self.schemas.insert(name, json!({ "description": description }));
            }
        }
    }

    fn security_schemes(&mut self) -> Map<String, Value> {
        let raw = self.raw;
        let mut schemes = Map::new();
        for (name, scheme) in members(&raw["components"]["securitySchemes"]) {
            let scheme = self.resolved(scheme).unwrap_or(&Value::Null);
            let role = scheme.get("x-role").cloned().unwrap_or_else(|| json!("any"));
            schemes.insert(name.to_owned(), json!({ "x-role": role, "type": scheme["type"] }));
        }
        schemes.insert(SESSION.to_owned(), json!({ "x-role": "any" }));
        schemes
    }
}

/// The scheme of calls that need a session without the document's saying which.
const SESSION: &str = "the session";

/// Lists of lists deeper than that are no type that a program can use.
const DEEPEST: usize = 64;

/// Whether a schema that is written out where it is used comes to an end within so many levels.
fn ends(schemas: &Map<String, Value>, schema: &Value, levels: usize) -> bool {
    if levels == 0 {
        return false;
    }
    match reference(schema).and_then(schema_name) {
        Some(name) => {
            let target = schemas.get(name).filter(|target| !is_named_type(target));
            target.is_none_or(|target| ends(schemas, target, levels - 1))
        }
        None => below(schema).all(|below| ends(schemas, below, levels - 1)),
    }
}

/// A server's URL with the defaults of its variables.
fn filled_in(server: &Value) -> String {
    let mut url = String::new();
    let mut rest = text_of(&server["url"]);
    while let Some((before, after)) = rest.split_once('{') {
        url.push_str(before);
        let Some((name, after)) = after.split_once('}') else { return url + &rest[before.len()..] };
        match server["variables"].get(name) {
            Some(variable) => url.push_str(text_of(&variable["default"])),
            None => url.push_str(&format!("{{{name}}}")),
        }
        rest = after;
    }
    url + rest
}

/// The host of a whole address.
fn host(url: &str) -> Option<&str> {
    url.split_once("//").map(|(_, rest)| rest.split('/').next().unwrap_or_default())
}

/// The path of a URL that may lack its scheme or its host.
fn path_of(url: &str) -> String {
    let rest = url.split_once("//").map(|(_, rest)| rest);
    let path = match rest {
        Some(rest) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None if url.starts_with('/') => url,
        None => url.find('/').map_or("", |slash| &url[slash..]),
    };
    path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// A part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A reference is a URL's fragment.
fn decoded(fragment: &str) -> String {
    let bytes = fragment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = fragment.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
