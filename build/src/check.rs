//! What a document must say, and what it may not, before anything is made of it.

use super::{
    diagnostic::{Diagnosed, Diagnostics},
    document::{
        Document, FORM, JSON, METHODS, Operation, children, contents, essence, has_members, is_json, list, members,
        reference, schema_name, server_path, text,
    },
    facts::success_member,
    keywords, names,
    prepare::{has_secret_in_url, is_set_by_us, tenant_choice},
    reach::{Reach, all_members, is_named_type, is_open_enum, is_text_enum, is_union, leads_to_essential},
    shape::json_type,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CERTAINTIES: &[&str] = &["documented", "example only", "vendor source", "observed", "inferred", "guessed"];
const STEPS: &[&str] = &["sign-in", "renew", "sign-out", "challenge"];
const ROLES: &[&str] = &["user", "service", "module", "key", CLIENT];
/// The client itself: no session satisfies it.
const CLIENT: &str = "client";
const MARKS: &[&str] = &[
    "x-certainty",
    "x-essential",
    "x-exact-pattern",
    "x-hand-written",
    "x-json-string",
    "x-name",
    "x-resend",
    "x-role",
    "x-secret-url",
    "x-session-step",
    "x-source",
    "x-success-member",
    "x-tenant",
    "x-vendor-required",
];

pub(crate) fn document(document: &Document) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    version(document, &mut diagnostics);
    references(&document.root, "", document, &mut diagnostics);
    keywords::check(document, &mut diagnostics);
    // Everything below trusts references.
    diagnostics.or(())?;

    let mut diagnostics = Diagnostics::about(&document.file);
    servers(document, &mut diagnostics);
    security_schemes(document, &mut diagnostics);
    schemas(document, &mut diagnostics);
    operations(document, &mut diagnostics);
    diagnostics.or(())
}

/// What an overlay may have said wrongly. Everything else was written by us.
pub(crate) fn adopted(document: &Document) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    for (name, scheme) in members(&document.root["components"]["securitySchemes"]) {
        let role = text(&scheme["x-role"]);
        if role != "any" && !ROLES.contains(&role) {
            let place = format!("security scheme `{name}`");
            diagnostics.add(&place, format!("`x-role` is `{role}`"), "say user, service, module or key");
        }
    }
    for (name, schema) in document.schemas() {
        essentials(document, schema, &format!("schema `{name}`"), &mut diagnostics);
    }
    for operation in document.operations() {
        let place = operation.place();
        one_of(operation.value, "x-certainty", CERTAINTIES, false, &place, &mut diagnostics);
        one_of(operation.value, "x-session-step", STEPS, false, &place, &mut diagnostics);
        token(document, operation, &mut diagnostics);
    }
    diagnostics.or(())
}

/// A schema that requests and answers share and that must be split takes a second name.
pub(crate) fn split(document: &Document, reach: &Reach) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    for name in &reach.split {
        let second = format!("{name}Answer");
        if document.schemas().any(|(other, _)| names::pascal(other) == names::pascal(&second)) {
            let what =
                format!("requests and answers share this schema, and `{second}`, which the answer needs, is taken");
            diagnostics.add(&format!("schema `{name}`"), what, "give the request a schema of its own");
        }
    }
    diagnostics.or(())
}

fn version(document: &Document, diagnostics: &mut Diagnostics) {
    let version = text(&document.root["openapi"]);
    if !version.starts_with("3.0.") {
        let what = format!("the document says it is OpenAPI `{version}`");
        diagnostics.add("", what, "write it as 3.0.3: the generator reads nothing else");
    }
}

fn servers(document: &Document, diagnostics: &mut Diagnostics) {
    let urls: Vec<&str> = list(&document.root["servers"]).iter().map(|server| text(&server["url"])).collect();
    if urls.is_empty() {
        diagnostics.add("", "no server is listed", "list the vendor's hosts under `servers`");
    }
    if let Some(other) = urls.iter().find(|url| server_path(url) != document.server_path()) {
        let what = format!("the servers have different paths (`{other}`)");
        diagnostics.add("", what, "move the path into the paths of the operations");
    }
}

// ---- references ----

/// Every `$ref` below `value`, wherever it stands. Examples are data, not document.
fn references(value: &Value, place: &str, document: &Document, diagnostics: &mut Diagnostics) {
    if let Value::Array(values) = value {
        values.iter().for_each(|value| references(value, place, document, diagnostics));
    }
    if let Some(target) = reference(value) {
        a_reference(value, target, place, document, diagnostics);
    }
    for (key, below) in members(value).filter(|(key, _)| !["example", "examples", "default", "enum"].contains(key)) {
        let place = deeper(place, key, below);
        references(below, &place, document, diagnostics);
    }
}

/// Names the place after the operation or the component that is nearest.
fn deeper(place: &str, key: &str, below: &Value) -> String {
    if METHODS.contains(&key) && below["responses"].is_object() {
        return match below["operationId"].as_str() {
            Some(id) => format!("operation `{id}`"),
            None => format!("operation {}", key.to_uppercase()),
        };
    }
    match place {
        "" if key == "schemas" => "schema".to_owned(),
        "schema" => format!("schema `{key}`"),
        _ => place.to_owned(),
    }
}

fn a_reference(value: &Value, target: &str, place: &str, document: &Document, diagnostics: &mut Diagnostics) {
    if document.target(target).is_none() {
        let cure = "name something that stands under `components`";
        diagnostics.add(place, format!("`$ref` points at `{target}`, which is not there"), cure);
    }
    if let Some((sibling, _)) = members(value).find(|(key, _)| *key != "$ref") {
        let what = format!("`{sibling}` stands beside the `$ref` to `{target}`, where OpenAPI 3.0 ignores it");
        diagnostics.add(place, what, format!("write `\"allOf\": [{{\"$ref\": …}}]` with `{sibling}` beside it"));
    }
}

// ---- security ----

/// A scheme that no operation names, such as a vendor's client credentials, is satisfied by no session.
fn security_schemes(document: &Document, diagnostics: &mut Diagnostics) {
    let alternatives = document.operations().flat_map(|operation| list(&operation.value["security"]));
    let used: BTreeSet<&str> = alternatives.flat_map(members).map(|(scheme, _)| scheme).collect();
    for (name, scheme) in used.iter().filter_map(|name| Some((name, document.security_scheme(name)?))) {
        let place = format!("security scheme `{name}`");
        match scheme["x-role"].as_str() {
            Some(role) if ROLES.contains(&role) => {}
            Some(role) => {
                diagnostics.add(&place, format!("`x-role` is `{role}`"), "say user, service, module, key or client")
            }
            None => diagnostics.add(
                &place,
                "`x-role` is missing",
                "say user, service, module or key: whose session it is; or client, if it is no session's",
            ),
        }
    }
}

fn security(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    let Some(alternatives) = operation.value["security"].as_array() else {
        let cure = "say `[]` for none, or list one scheme per alternative";
        return diagnostics.add(&place, "`security` is missing", cure);
    };
    for alternative in alternatives {
        let schemes: Vec<&str> = members(alternative).map(|(name, _)| name).collect();
        let role = |scheme: &&str| document.security_scheme(scheme).map(|scheme| text(&scheme["x-role"]));
        let roles: BTreeSet<_> = schemes.iter().filter_map(role).collect();
        if schemes.is_empty() || roles.len() > 1 {
            let what = format!("a security alternative names {} schemes of {} roles", schemes.len(), roles.len());
            let cure = "name schemes of one role in each: one session satisfies all of them or none";
            diagnostics.add(&place, what, cure);
        }
        if roles.contains(CLIENT) && !operation.value["x-session-step"].is_string() {
            let what = "the client's own credentials open it, and it makes no session";
            diagnostics.add(&place, what, "say with `x-session-step` what it does, or name a session's scheme");
        }
        for scheme in schemes.into_iter().filter(|scheme| document.security_scheme(scheme).is_none()) {
            let cure = "declare it under `components/securitySchemes` with its `x-role`";
            diagnostics.add(&place, format!("the security scheme `{scheme}` is not declared"), cure);
        }
    }
}

// ---- schemas ----

fn schemas(document: &Document, diagnostics: &mut Diagnostics) {
    let mut generated_names = BTreeMap::new();
    for (name, schema) in document.schemas() {
        let place = format!("schema `{name}`");
        if let Some(twin) = generated_names.insert(names::pascal(name), name) {
            diagnostics.add(&place, format!("it becomes the same type as schema `{twin}`"), "rename one of them");
        }
        described(schema, &place, "say in a sentence what it is", diagnostics);
        if !is_named_type(schema) && written_out_for_ever(document, schema, &mut vec![name]) {
            diagnostics.add(&place, "it contains itself", "put an object with members in between");
        }
        marks(schema, &place, diagnostics);
        certainty(schema, &place, diagnostics);
        if is_text_enum(schema) {
            continue;
        }
        shape(document, schema, &place, diagnostics);
        if is_union(schema) {
            union(document, schema, &place, diagnostics);
        }
        below(document, schema, &place, diagnostics);
    }
}

/// The schemas below a component or a parameter.
fn below(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (word, child) in children(schema) {
        let place = format!("{place}, {word}");
        if reference(child).is_some() {
            continue;
        }
        marks(child, &place, diagnostics);
        certainty(child, &place, diagnostics);
        shape(document, child, &place, diagnostics);
        let is_part = word.contains("allOf");
        if has_members(child) && !is_part {
            let cure = "give it a name under `components/schemas` and refer to it";
            diagnostics.add(&place, "an object is written in line", cure);
        }
        if is_open_enum(child) {
            let cure = "give it a name under `components/schemas`";
            diagnostics.add(&place, "a string enum is written in line", cure);
            continue;
        }
        if is_union(child) {
            diagnostics.add(&place, "a choice is written in line", "give it a name under `components/schemas`");
        }
        if word.starts_with("member") {
            described(child, &place, "say in a sentence what it is, with its unit", diagnostics);
        }
        below(document, child, &place, diagnostics);
    }
    essentials(document, schema, place, diagnostics);
}

/// What the generator cannot express at any place.
fn shape(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    if schema.get("not").is_some() {
        diagnostics.add(place, "`not` cannot be expressed", "describe what is excluded in words");
    }
    if schema["type"] == "array" && schema.get("items").is_none() {
        diagnostics.add(place, "a list does not say what it holds", "add `items`; `{}` if anything");
    }
    let has_named_members = members(&schema["properties"]).next().is_some();
    if has_named_members && schema["additionalProperties"].is_object() {
        let cure = "drop `additionalProperties`: members that are not named are accepted and left out";
        diagnostics.add(place, "an object has both named members and values of any name", cure);
    }
    if let Some(values) = schema["enum"].as_array() {
        let is_boolean = values.iter().all(Value::is_boolean);
        let (what, cure) = match text(&schema["type"]) {
            "string" => ("a string enum is written in line", "give it a name under `components/schemas`"),
            _ if is_boolean => return,
            _ => ("only strings can be an enum", "name the values in the description"),
        };
        diagnostics.add(place, what, cure);
    }
    let parts = list(&schema["allOf"]);
    if let Some(part) = parts.iter().find(|part| parts.len() > 1 && json_type(document, part) != "object") {
        let what = format!("`allOf` puts `{}` together with something else", json_type(document, part));
        diagnostics.add(place, what, "put together objects only");
    }
}

/// Alternatives are told apart by their JSON type: the first match would win and drop the members of the others.
fn union(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for alternative in list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])) {
        let kind = json_type(document, alternative);
        if kind.is_empty() || !seen.insert(kind) {
            let kind = if kind.is_empty() { "anything" } else { kind };
            let what =
                format!("two alternatives of the choice may both be `{kind}`, so that one would lose its members");
            diagnostics.add(place, what, "write one object with all members of both");
        }
    }
}

fn essentials(document: &Document, schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (name, member) in members(&schema["properties"]).filter(|(_, member)| member["x-essential"] == true) {
        let place = format!("{place}, member `{name}`");
        let is_nullable = member["nullable"] == true || document.resolve(member)["nullable"] == true;
        if is_nullable || !list(&schema["required"]).iter().any(|required| required == name) {
            let cure = "list it under `required` and let it not be null, or drop the mark";
            diagnostics.add(&place, "`x-essential` marks a member that may be missing", cure);
        }
    }
}

/// A component that is written out where it is used must end somewhere.
fn written_out_for_ever<'d>(document: &'d Document, schema: &'d Value, path: &mut Vec<&'d str>) -> bool {
    if let Some(name) = reference(schema).and_then(schema_name) {
        let target = document.schema(name);
        if is_named_type(target) {
            return false;
        }
        if path.contains(&name) {
            return true;
        }
        path.push(name);
        let found = written_out_for_ever(document, target, path);
        path.pop();
        return found;
    }
    children(schema).into_iter().any(|(_, child)| written_out_for_ever(document, child, path))
}

fn described(value: &Value, place: &str, cure: &str, diagnostics: &mut Diagnostics) {
    if text(&value["description"]).trim().is_empty() && value.get("allOf").is_none() {
        diagnostics.add(place, "`description` is missing", cure);
    }
}

/// A mark that is misspelt is a mark that is missing.
fn marks(value: &Value, place: &str, diagnostics: &mut Diagnostics) {
    for (mark, _) in members(value).filter(|(key, _)| key.starts_with("x-") && !MARKS.contains(key)) {
        let cure = format!("use one of {}", MARKS.join(", "));
        diagnostics.add(place, format!("the mark `{mark}` is not known"), cure);
    }
}

/// How sure a schema, a member or a parameter is. Nothing means as sure as what it stands in.
fn certainty(value: &Value, place: &str, diagnostics: &mut Diagnostics) {
    one_of(value, "x-certainty", CERTAINTIES, false, place, diagnostics);
}

// ---- operations ----

fn operations(document: &Document, diagnostics: &mut Diagnostics) {
    let mut methods = BTreeMap::new();
    let mut builders = BTreeMap::new();
    for operation in document.operations() {
        operation_id(operation, &mut methods, &mut builders, diagnostics);
        operation_marks(document, operation, diagnostics);
        token(document, operation, diagnostics);
        security(document, operation, diagnostics);
        path(document, operation, diagnostics);
        answers(document, operation, diagnostics);
        if operation.is_hand_written() {
            continue;
        }
        parameters(document, operation, diagnostics);
        body(document, operation, diagnostics);
    }
}

fn operation_id<'d>(
    operation: Operation<'d>,
    methods: &mut BTreeMap<String, Operation<'d>>,
    builders: &mut BTreeMap<String, Operation<'d>>,
    diagnostics: &mut Diagnostics,
) {
    let (id, place) = (operation.id(), operation.place());
    if id.is_empty() {
        return diagnostics.add(&place, "`operationId` is missing", "give it a name of its own, such as `getToken`");
    }
    let method = names::snake(id);
    if !names::is_identifier(&method) || method.ends_with('_') || ["new", "new_with_client"].contains(&method.as_str())
    {
        return diagnostics.add(&place, "its name cannot be a Rust method", "use letters, digits and no reserved word");
    }
    let twin = methods.insert(method.clone(), operation).or(builders.insert(names::pascal(id), operation));
    if let Some(twin) = twin {
        let what = format!("it becomes the same method `{method}` as operation `{}` ({})", twin.id(), twin.address());
        diagnostics.add(&place, what, "rename one of the two");
    }
}

fn operation_marks(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let (value, place) = (operation.value, operation.place());
    marks(value, &place, diagnostics);
    described(value, &place, "say in a sentence or two what it does", diagnostics);
    one_of(value, "x-certainty", CERTAINTIES, true, &place, diagnostics);
    one_of(value, "x-session-step", STEPS, false, &place, diagnostics);
    if !value["x-resend"].is_boolean() {
        let cure = "say true only for a pure read: it may be sent again when the outcome of the first is unknown";
        diagnostics.add(&place, "`x-resend` is missing", cure);
    }
    let (has_secret, is_marked) = (has_secret_in_url(document, operation), value["x-secret-url"] == true);
    if has_secret && !is_marked {
        let cure = "mark the operation `\"x-secret-url\": true`";
        diagnostics.add(&place, "a path or query parameter is a secret, and the URL is not marked", cure);
    }
    if is_marked && !has_secret {
        let cure = "give the secret parameter `format: password`, or drop the mark";
        diagnostics.add(&place, "`x-secret-url` is set, and no path or query parameter is a secret", cure);
    }
}

/// What makes or renews a session answers with a token, or says in a member that it has not.
fn token(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let has_step = matches!(text(&operation.value["x-session-step"]), "sign-in" | "renew");
    // A token that comes in a cookie is read by hand.
    if !has_step || operation.is_hand_written() {
        return;
    }
    let successes = operation.successes(document);
    let mut bodies = successes.iter().flat_map(|(_, response)| contents(response));
    let has_token = bodies.any(|(_, schema)| leads_to_essential(document, schema, &mut Vec::new()));
    if !has_token && success_member(document, operation).is_none() {
        let cure =
            "mark the token `\"x-essential\": true`, or say with `x-success-member` how a refusal is told inside a 200";
        diagnostics.add(&operation.place(), "its answer may come without a token", cure);
    }
}

fn one_of(value: &Value, mark: &str, words: &[&str], needed: bool, place: &str, diagnostics: &mut Diagnostics) {
    let cure = format!("say one of: {}", words.join(", "));
    match value.get(mark) {
        Some(word) if words.contains(&text(word)) => {}
        Some(word) => diagnostics.add(place, format!("`{mark}` is {word}"), cure),
        None if needed => diagnostics.add(place, format!("`{mark}` is missing"), cure),
        None => {}
    }
}

fn path(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    let named = operation.names_in_path();
    let declared: Vec<&str> = operation
        .parameters(document)
        .into_iter()
        .filter(|parameter| parameter["in"] == "path")
        .map(|parameter| text(&parameter["name"]))
        .collect();
    for name in declared.iter().filter(|name| !named.contains(name)) {
        let what = format!("the path parameter `{name}` does not stand in the path `{}`", operation.path);
        diagnostics.add(&place, what, format!("put `{{{name}}}` into the path, or drop the parameter"));
    }
    for name in named.iter().filter(|name| !declared.contains(name)) {
        let what = format!("`{{{name}}}` stands in the path and no path parameter has that name");
        diagnostics.add(&place, what, "declare it as a parameter with `in: path`");
    }
    let is_partial = |segment: &str| segment.contains('{') && !(segment.starts_with('{') && segment.ends_with('}'));
    if let Some(segment) = operation.path.split('/').find(|segment| is_partial(segment)) {
        diagnostics.add(
            &place,
            format!("the path segment `{segment}` is only in part a parameter"),
            "make it the whole",
        );
    }
}

// ---- parameters ----

fn parameters(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let has_body = operation.value.get("requestBody").is_some();
    for reserved in ["send", "new", "body_map", "header_map"].iter().chain(has_body.then_some(&"body")) {
        taken.insert((*reserved).to_owned(), "the builder's own method".to_owned());
    }
    if let Some(tenant) = tenant_choice(document, operation) {
        for setter in ["tenant", &names::snake(text(&tenant["name"]))] {
            taken.insert(setter.to_owned(), "the setter of the tenant".to_owned());
        }
    }
    for parameter in operation.parameters(document) {
        let name = text(&parameter["name"]);
        let place = format!("{place}, parameter `{name}`");
        described(parameter, &place, "say in a sentence what it is", diagnostics);
        marks(parameter, &place, diagnostics);
        certainty(parameter, &place, diagnostics);
        if parameter["x-tenant"] == true && parameter["in"] != "header" {
            diagnostics.add(&place, "`x-tenant` marks something that is no header", "drop the mark");
        }
        if is_set_by_us(parameter) {
            continue;
        }
        a_parameter(document, parameter, &place, diagnostics);
        for name in names_of_setters(document, parameter) {
            if let Some(twin) = taken.insert(names::snake(&name), format!("parameter `{name}`")) {
                let what = format!("its setter has the same name as {twin}");
                diagnostics.add(&place, what, "the operation cannot be generated so: mark it `x-hand-written`");
            }
        }
    }
}

fn names_of_setters(document: &Document, parameter: &Value) -> Vec<String> {
    let schema = document.resolve(&parameter["schema"]);
    if parameter["in"] == "query" && has_members(schema) {
        return all_members(document, schema).into_iter().map(|(name, _)| name.to_owned()).collect();
    }
    vec![text(&parameter["name"]).to_owned()]
}

fn a_parameter(document: &Document, parameter: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let schema = document.resolve(&parameter["schema"]);
    let kind = json_type(document, schema);
    let by_hand = "mark the operation `x-hand-written`, or leave the parameter out";
    match text(&parameter["in"]) {
        "path" if parameter["required"] != true => {
            diagnostics.add(place, "a path parameter is not required", "say `\"required\": true`");
        }
        "query" => query(document, parameter, place, diagnostics),
        "path" | "header" => {}
        other => return diagnostics.add(place, format!("a parameter in `{other}` cannot be generated"), by_hand),
    }
    let is_scalar = ["string", "number", "boolean"].contains(&kind);
    if !is_scalar && parameter["in"] != "query" {
        let what = format!("a `{}` parameter is no single value", text(&parameter["in"]));
        diagnostics.add(place, what, "make it a string that the caller puts together");
    }
    if reference(&parameter["schema"]).is_none() {
        shape(document, schema, place, diagnostics);
        if has_members(schema) {
            let cure = "give it a name under `components/schemas` and refer to it";
            diagnostics.add(place, "an object is written in line", cure);
        }
    }
}

fn query(document: &Document, parameter: &Value, place: &str, diagnostics: &mut Diagnostics) {
    let is_plain = parameter["style"].as_str().is_none_or(|style| style == "form") && parameter["explode"] != false;
    let kind = json_type(document, &parameter["schema"]);
    if !is_plain && ["object", "array"].contains(&kind) {
        let cure = "only `style: form, explode: true` can be sent; make it a string that the caller puts together";
        diagnostics.add(place, "a query list or object has another style", cure);
    }
    let schema = document.resolve(&parameter["schema"]);
    if kind == "object" && all_members(document, schema).is_empty() {
        diagnostics.add(place, "a query object names no members", "name them: each is sent as a parameter");
    }
    if kind.is_empty() {
        diagnostics.add(place, "a query parameter has no type", "make it a string that the caller puts together");
    }
    let is_flat = |member: &Value| !["object", "array", ""].contains(&json_type(document, member));
    if let Some((name, _)) = all_members(document, schema).into_iter().find(|(_, member)| !is_flat(member)) {
        let what = format!("the member `{name}` of a query object is no single value");
        diagnostics.add(place, what, "make it a string that the caller puts together");
    }
}

// ---- bodies and answers ----

fn body(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    if operation.value.get("requestBody").is_none() {
        return;
    }
    let bodies = operation.bodies(document);
    let [(media_type, schema)] = bodies.as_slice() else {
        let what = format!("the request body has {} media types", bodies.len());
        return diagnostics.add(&place, what, "declare the one that Keyway is to send");
    };
    if ![JSON, FORM].contains(&essence(media_type)) {
        let what = format!("a request body of type `{media_type}` cannot be generated");
        diagnostics.add(&place, what, "mark the operation `\"x-hand-written\": true` and write its wire by hand");
    }
    inline(schema, &format!("{place}, request body"), diagnostics);
    if essence(media_type) == FORM {
        let nested = |member: &Value| ["object", "array", ""].contains(&json_type(document, member));
        if let Some((name, _)) = all_members(document, schema).into_iter().find(|(_, member)| nested(member)) {
            let what = format!("the form member `{name}` is no single value");
            diagnostics.add(&place, what, "make it a string that the caller puts together");
        }
    }
}

/// A body has a name, so that its type has one.
fn inline(schema: &Value, place: &str, diagnostics: &mut Diagnostics) {
    if schema.is_null() {
        return diagnostics.add(place, "the schema is missing", "refer to one; `{}` if it may be anything");
    }
    if has_members(schema) || is_union(schema) || is_text_enum(schema) {
        let cure = "give it a name under `components/schemas` and refer to it";
        diagnostics.add(place, "an object, choice or enum is written in line", cure);
    }
    if reference(schema).is_none() {
        for (_, child) in children(schema) {
            inline(child, place, diagnostics);
        }
    }
}

fn answers(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    for (status, response) in operation.responses(document) {
        one_of(response, "x-certainty", CERTAINTIES, false, &format!("{place}, answer {status}"), diagnostics);
        marks(response, &format!("{place}, answer {status}"), diagnostics);
        for (media_type, schema) in contents(response).into_iter().filter(|(m, _)| is_json(m)) {
            inline(schema, &format!("{place}, answer {status} in `{media_type}`"), diagnostics);
        }
    }
    let successes = operation.successes(document);
    let Some((_, first)) = successes.first() else {
        return diagnostics.add(&place, "no success is documented", "add a `2XX` response");
    };
    if operation.is_hand_written() {
        return;
    }
    for (status, response) in &successes {
        if let Some((media_type, _)) = contents(response).into_iter().find(|(m, _)| !is_json(m)) {
            let what = format!("the success {status} is of type `{media_type}`");
            diagnostics.add(&place, what, "mark the operation `\"x-hand-written\": true` and write its wire by hand");
        }
        let bodies = |response: &'_ Value| contents(response).into_iter().map(|(_, s)| s.clone()).collect::<Vec<_>>();
        if bodies(response) != bodies(first) {
            let what = format!("the success {status} has another body than the first success");
            diagnostics.add(&place, what, "give every success the same schema, one whose members may be missing");
        }
    }
}
