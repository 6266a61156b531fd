//! What is sent and answered.

use super::marks::{CERTAINTIES, marks, one_of};
use crate::{
    diagnostic::Diagnostics,
    document::{Document, FORM, JSON, Operation, children, contents, essence, has_members, is_json, reference},
    reach::{all_members, is_text_enum, is_union},
    shape::json_type,
};
use serde_json::Value;

pub(super) fn body(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
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

pub(super) fn answers(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
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
