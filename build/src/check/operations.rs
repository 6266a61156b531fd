//! The operations: their names, marks and paths.

use super::{
    bodies::{answers, body},
    marks::{CERTAINTIES, STEPS, described, marks, one_of},
    parameters::parameters,
    security::security,
};
use crate::{
    diagnostic::Diagnostics,
    document::{Document, Operation, contents, text},
    facts::success_member,
    names,
    prepare::has_secret_in_url,
    reach::leads_to_essential,
};
use std::collections::BTreeMap;

pub(super) fn operations(document: &Document, diagnostics: &mut Diagnostics) {
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

/// What makes or renews a session answers with a token, or says in a member that it has not.
pub(super) fn token(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let has_step = matches!(text(&operation.value["x-session-step"]), "sign-in" | "renew");
    // A token that comes in a cookie is read by hand.
    if !has_step || operation.is_hand_written() {
        return;
    }
    let successes = operation.successes(document);
    let mut bodies = successes.iter().flat_map(|(_, response)| contents(response));
    let has_token = bodies.any(|(_, schema)| leads_to_essential(document, schema));
    if !has_token && success_member(document, operation).is_none() {
        let cure =
            "mark the token `\"x-essential\": true`, or say with `x-success-member` how a refusal is told inside a 200";
        diagnostics.add(&operation.place(), "its answer may come without a token", cure);
    }
}
