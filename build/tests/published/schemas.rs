//! Schemas: members, choices, and those that contain themselves.

use super::*;

// ---- keywords: honoured or told ----

#[test]
fn members_and_requirements_beside_all_of_count() {
    let base = json!({ "type": "object", "properties": { "id": { "type": "string" } } });
    let schema = json!({
        "allOf": [{ "$ref": "#/components/schemas/Base" }], "required": ["id", "size"], "properties": { "size": { "type": "integer" } },
    });
    let made =
        made(&of_schema(json!({ "$ref": "#/components/schemas/Thing" }), json!({ "Base": base, "Thing": schema })));
    assert_has(
        &made,
        &["pub struct Thing { /// The member `id`, of which the document says no more. pub id: ::std::string::String,"],
    );
    assert_has(&made, &["pub size: i64"]);
}

#[test]
fn what_only_answers_have_is_not_asked_for() {
    let thing = json!({
        "type": "object", "required": ["id", "name", "pin"],
        "properties": {
            "id": { "type": "string", "readOnly": true }, "name": { "type": "string" }, "pin": { "type": "string", "writeOnly": true },
        },
    });
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/Thing" }), json!({ "Thing": thing })));
    let code = squeezed(&made.code);
    let of =
        |name: &str| code.split(&format!("pubstruct{name}{{")).nth(1).unwrap().split('}').next().unwrap().to_owned();
    assert!(of("Thing").contains("pubpin:") && !of("Thing").contains("pubid:"));
    assert!(of("ThingAnswer").contains("pubid:") && !of("ThingAnswer").contains("pubpin:"));
}

#[test]
fn heirs_of_a_discriminator_are_a_choice() {
    let pet = json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string" } }, "discriminator": { "propertyName": "kind" } });
    let heir = |name: &str| json!({ "allOf": [{ "$ref": "#/components/schemas/Pet" }, { "type": "object", "properties": { name: { "type": "integer" } } }] });
    let schemas = json!({ "Pet": pet, "Cat": heir("lives"), "Dog": heir("tricks") });
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/Pet" }), schemas));
    assert_has(
        &made,
        &[
            "Cat(::std::boxed::Box<types::Cat>)",
            "Dog(::std::boxed::Box<types::Dog>)",
            "(\"kind\", &[\"Cat\"])",
            "pub tricks:",
        ],
    );
}

#[test]
fn a_choice_beside_members_has_them_in_every_alternative() {
    let schema = json!({
        "type": "object", "properties": { "id": { "type": "string" } },
        "oneOf": [{ "title": "ByName", "properties": { "name": { "type": "string" } } }, { "title": "ByNumber", "properties": { "number": { "type": "integer" } } }],
    });
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/Who" }), json!({ "Who": schema })));
    assert_has(
        &made,
        &["pub struct WhoByName {", "pub struct WhoByNumber {", "ByName(::std::boxed::Box<types::WhoByName>)"],
    );
    assert_eq!(made.code.matches("pub id: ").count(), 2);
}

#[test]
fn what_only_demands_members_together_is_told() {
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "anyOf": [{ "required": ["a"] }] });
    let made = made(&of_schema(schema, json!({})));
    assert_told(&made.report, Kind::Derived, "which members must be there together");
    assert_has(&made, &["pub struct StoreBody {"]);
}

#[test]
fn members_of_any_name_are_kept_beside_those_with_a_name() {
    let schema = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "additionalProperties": { "type": "integer" } });
    let made = made(&of_schema(schema, json!({})));
    assert_has(&made, &["#[serde(flatten)] pub extra: ::std::collections::BTreeMap<::std::string::String, i64>"]);
}

// ---- recursion ----

#[test]
fn schemas_may_contain_themselves_where_that_means_something() {
    let tree = json!({ "type": "object", "properties": { "below": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } } } });
    let one = json!({ "type": "object", "properties": { "other": { "$ref": "#/components/schemas/Two" } } });
    let two = json!({ "type": "object", "properties": { "one": { "$ref": "#/components/schemas/One" }, "tree": { "$ref": "#/components/schemas/Tree" } } });
    let made = made(&of_schema(
        json!({ "$ref": "#/components/schemas/One" }),
        json!({ "Tree": tree, "One": one, "Two": two }),
    ));
    assert_has(&made, &["Vec<Tree>", "::std::boxed::Box<One>"]);
}

#[test]
fn a_schema_that_is_nothing_but_itself_is_any_json() {
    let circle = |first: Value, second: Value| {
        made(&of_schema(json!({ "$ref": "#/components/schemas/A" }), json!({ "A": first, "B": second })))
    };
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let both = circle(to("B"), to("A"));
    assert_told(&both.report, Kind::Dropped, "nothing but itself");
    let part = circle(
        json!({ "allOf": [to("A"), { "type": "object", "properties": { "x": { "type": "string" } } }] }),
        to("A"),
    );
    assert_told(&part.report, Kind::Dropped, "a part of itself");
    let parts =
        circle(json!({ "allOf": [to("B")], "type": "object" }), json!({ "allOf": [to("A")], "type": "object" }));
    assert!(parts.code.contains("pub fn store("));
    let list = circle(json!({ "type": "array", "items": to("A") }), to("A"));
    assert_told(&list.report, Kind::Dropped, "nothing but itself");
    let choice = circle(json!({ "oneOf": [to("A"), to("B")] }), json!({ "oneOf": [to("B"), to("A")] }));
    assert!(choice.code.contains("pub fn store("));
}
