//! Twice the document is twice the work, counted in allocations: whatever is made, copied or written anew is one. What is only
//! compared is not; that is bounded (`adopt`: operations, members, parameters, alternatives).

use crate::{adopt, check, document::Document, door::on_a_deep_stack, limits, prepare, reach::Reach};
use serde_json::{Value, json};

/// So many calls of one name, each with types of its own: a base and its heir, that refer to those before.
fn document(count: usize) -> Value {
    let mut root = json!({ "openapi": "3.0.3", "info": { "title": "Big", "version": "1" }, "paths": {}, "components": { "schemas": {} } });
    let named = |name: &str, number: usize| json!({ "$ref": format!("#/components/schemas/{name}{number}") });
    let text = json!({ "type": "string", "maxLength": 9, "pattern": "^[a-z]{1,9}$" });
    for number in 0..count {
        let before = named("Heir", number.saturating_sub(1));
        let kind = json!({ "type": "string", "enum": ["a", "A", "a-"] });
        let members = json!({ "kind": kind, "a b": text, "a-b": text, "before": before, "list": { "type": "array", "items": before } });
        let base = json!({ "type": "object", "required": ["a b"], "properties": members, "discriminator": { "propertyName": "kind" } });
        let heir =
            json!({ "allOf": [named("Base", number), { "properties": { "more": { "oneOf": [text, before] } } }] });
        root["components"]["schemas"][format!("Base{number}")] = base;
        root["components"]["schemas"][format!("Heir{number}")] = heir;
        let content = json!({ "application/json": { "schema": named("Base", number) } });
        root["paths"][format!("/things{number}/{{id}}")] = json!({ "post": {
            "operationId": "call",
            "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 9 } }],
            "requestBody": { "content": content },
            "responses": { "200": { "description": "", "content": content }, "404": { "description": "", "content": content } },
        } });
    }
    root
}

/// What one more call costs where there are many and where there are twice as many.
#[track_caller]
fn assert_linear(count: usize, work: fn(Value)) {
    let counted = |count: usize| {
        on_a_deep_stack(move || {
            let document = document(count);
            allocation_counter::measure(|| work(document))
        })
    };
    let [one, two, four] = [count, 2 * count, 4 * count].map(counted);
    for (what, one, two, four) in [
        ("allocations", one.count_total, two.count_total, four.count_total),
        ("bytes", one.bytes_total, two.bytes_total, four.bytes_total),
    ] {
        let (first, second) = (two - one, four - two);
        assert!(10 * second < 22 * first, "{what}: {count} more calls cost {first}, and twice as many {second}");
    }
}

#[test]
fn twice_the_document_is_twice_the_work_before_code_is_made_of_it() {
    assert_linear(200, |root| {
        let (root, report) = adopt::adopt("big.json", root).expect("a document");
        assert_eq!(report.typed, report.operations);
        let document = Document::of("big.json", root, false);
        check::adopted(&document).expect("what an overlay may say");
        let reach = Reach::of(&document);
        limits::of(&document).expect("limits");
        prepare::generators_copy(&document, &reach);
    });
}

#[test]
fn twice_the_document_is_twice_the_code() {
    assert_linear(5, |root| {
        let (_, report) = crate::published("big", "big.json", root, None).expect("a document");
        assert_eq!(report.typed, report.operations);
    });
}
