//! What is made of documents as their vendors publish them: everything is typed, told, or refused in a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use keyway_build::{Kind, Made, Report};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write as _, fs};

const FILE: &str = "acme.json";

fn made(document: &Value) -> Made {
    keyway_build::document(FILE).text(document.to_string()).make("acme").expect("a document that can be read")
}

fn refusal(text: impl Into<String>) -> String {
    keyway_build::document(FILE).text(text).make("acme").expect_err("the document is refused").to_string()
}

/// A document of one operation that answers `schema`, and is sent it.
fn of_schema(schema: Value, schemas: Value) -> Value {
    let content = json!({ "application/json": { "schema": schema } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Acme", "version": "1" },
        "paths": { "/thing": { "post": {
            "operationId": "store",
            "requestBody": { "content": content },
            "responses": { "200": { "description": "", "content": content } },
        } } },
        "components": { "schemas": schemas },
    })
}

fn of_operation(path: &str, operation: Value) -> Value {
    json!({ "openapi": "3.0.3", "info": { "title": "Acme", "version": "1" }, "paths": { path: { "get": operation } } })
}

/// Without blanks and last commas.
fn squeezed(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}").replace(",>", ">")
}

#[track_caller]
fn assert_has(made: &Made, parts: &[&str]) {
    let code = squeezed(&made.code);
    for part in parts {
        assert!(code.contains(&squeezed(part)), "not in the code: {part}");
    }
}

#[track_caller]
fn assert_told(report: &Report, kind: Kind, what: &str) {
    assert!(report.rows().any(|row| row.kind == kind && row.what.contains(what)), "not told: {what}\n{report}");
}

// ---- what nobody said ----

#[test]
fn an_operation_without_an_id_is_named_after_method_and_path() {
    let made = made(&of_operation("/pets/{petId}/photos", json!({ "responses": {} })));
    assert_has(&made, &["pub fn get_pets_by_pet_id_photos(&self)", "pub fn pet_id("]);
    assert_told(&made.report, Kind::Derived, "no operationId");
    assert_eq!((made.report.operations, made.report.typed), (1, 1));
}

#[test]
fn what_may_be_sent_again_is_what_only_reads() {
    let one = |method: &str| {
        let mut document = of_operation("/a", json!({}));
        document["paths"]["/a"] = json!({ method: { "responses": {} } });
        made(&document).code.contains("resend: true")
    };
    assert!(one("get") && one("head"));
    assert!(!one("post") && !one("put") && !one("delete") && !one("patch") && !one("options"));
}

#[test]
fn security_says_which_calls_carry_the_session() {
    let mut document = of_operation("/a", json!({ "responses": {} }));
    let unsaid = made(&document);
    assert!(unsaid.code.contains("roles: &[Role::Any]"));
    assert_told(&unsaid.report, Kind::NeedsOverlay, "nothing says which calls need a session");
    document["security"] = json!([{ "bearer": [] }]);
    assert!(made(&document).code.contains("roles: &[Role::Any]"));
    document["paths"]["/a"]["get"]["security"] = json!([]);
    assert!(made(&document).code.contains("roles: &[]"));
}

#[test]
fn a_secret_in_a_url_is_marked_without_being_told() {
    let parameter = json!({ "name": "key", "in": "query", "schema": { "type": "string", "format": "password" } });
    let made = made(&of_operation("/a", json!({ "parameters": [parameter], "responses": {} })));
    assert_has(&made, &["secret_url: true", "key: Result<Option<::keyway::Secret>, String>"]);
}

#[test]
fn a_misspelt_step_is_refused() {
    let document = of_operation("/a", json!({ "responses": {}, "x-session-step": "login" }));
    assert!(refusal(document.to_string()).contains("`x-session-step` is \"login\"; say one of: sign-in, renew"));
}

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
fn servers_may_have_variables_a_host_alone_or_none() {
    let path = |url: &str, variables: Value| {
        let mut document = of_operation("/a", json!({ "responses": {} }));
        document["servers"] = json!([{ "url": url, "variables": variables }]);
        let code = made(&document).code;
        let path = code.split("SERVER_PATH: &str = \"").nth(1).unwrap();
        path.split('"').next().unwrap().to_owned()
    };
    assert_eq!(path("https://a.example/{version}", json!({ "version": { "default": "v2" } })), "/v2");
    assert_eq!(path("//a.example/v3/", json!({})), "/v3");
    assert_eq!(path("/v4", json!({})), "/v4");
    assert_eq!(path("https://a.example", json!({})), "");
}

#[test]
fn a_path_that_is_a_reference_is_followed_inside_the_document_only() {
    let mut document = of_operation("/a", json!({ "operationId": "here", "responses": {} }));
    document["paths"]["/b"] = json!({ "$ref": "#/components/pathItems/b" });
    document["components"] = json!({ "pathItems": { "b": { "put": { "operationId": "there", "responses": {} } } } });
    document["paths"]["/c"] = json!({ "$ref": "https://elsewhere.example/c.json" });
    let made = made(&document);
    assert_has(&made, &["operation: \"there\", method: \"PUT\", path: \"/b\""]);
    assert_told(&made.report, Kind::LeftOut, "its path is a reference to another file");
    assert_eq!((made.report.operations, made.report.typed), (3, 2));
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
fn problems_are_json_and_statuses_may_be_written_small() {
    let problem = json!({ "description": "", "content": { "application/problem+json": { "schema": { "type": "object", "properties": { "title": { "type": "string" } } } } } });
    let made = made(&of_operation(
        "/a",
        json!({ "operationId": "a", "responses": { "200": { "description": "" }, "4xx": problem } }),
    ));
    assert_has(&made, &["from: 400u16, to: 499u16, decode: decode::<types::AFailure4xx>"]);
}

#[test]
fn members_of_any_name_are_kept_beside_those_with_a_name() {
    let schema = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "additionalProperties": { "type": "integer" } });
    let made = made(&of_schema(schema, json!({})));
    assert_has(&made, &["#[serde(flatten)] pub extra: ::std::collections::BTreeMap<::std::string::String, i64>"]);
}

#[test]
fn several_successes_are_a_choice_and_one_without_a_body_is_none() {
    let content = |name: &str| json!({ "description": "", "content": { "application/json": { "schema": { "title": name, "type": "object", "properties": { name: { "type": "string" } } } } } });
    let made = made(&of_operation(
        "/a",
        json!({ "operationId": "a", "responses": { "200": content("x"), "201": content("y"), "204": { "description": "" } } }),
    ));
    assert_has(
        &made,
        &["ResponseValue<::std::option::Option<super::types::AAnswer3>>", "ResponseValue::maybe(answer)"],
    );
}

#[test]
fn texts_and_bytes_are_answers_too() {
    let of = |media_type: &str| {
        let content = json!({ media_type: { "schema": { "type": "string" } } });
        made(&of_operation("/a", json!({ "responses": { "200": { "description": "", "content": content } } })))
    };
    assert_has(&of("text/csv"), &["ResponseValue<::std::string::String>", "ResponseValue::text(answer)"]);
    assert_has(&of("application/pdf"), &["ResponseValue<::keyway::Download>", "runtime::download("]);
    assert_has(&of("application/hal+json"), &["ResponseValue::from_answer(answer)"]);
}

#[test]
fn queries_are_written_in_the_style_of_the_document() {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let object = json!({ "type": "object", "properties": { "a-b": { "type": "string" } } });
    let parameters = json!([
        { "name": "x", "in": "query", "schema": list },
        { "name": "y", "in": "query", "explode": false, "schema": list },
        { "name": "z", "in": "query", "style": "pipeDelimited", "schema": list },
        { "name": "d", "in": "query", "style": "deepObject", "schema": object },
        { "name": "j", "in": "query", "content": { "application/json": { "schema": object } } },
        { "name": "X-Many", "in": "header", "schema": { "type": "string" } },
    ]);
    let made = made(&of_operation("/a", json!({ "parameters": parameters, "responses": {} })));
    assert_has(
        &made,
        &[
            "QueryParam::new(\"x\", &x)",
            "QueryParam::styled(\"y\", &y, ::keyway::__private::runtime::Style::Comma)",
            "QueryParam::styled(\"z\", &z, ::keyway::__private::runtime::Style::Pipe)",
            "QueryParam::new(\"d[a-b]\", &d_a_b)",
            "QueryParam::styled(\"j\", &j, ::keyway::__private::runtime::Style::Json)",
            "header_name(\"X-Many\")?",
        ],
    );
}

#[test]
fn parameters_may_be_a_part_of_a_segment() {
    let made = made(&of_operation("/a/{id}.{format}/v{n}", json!({ "operationId": "a", "responses": {} })));
    assert_has(
        &made,
        &["\"{}/a/{}.{}/v{}\"", "encode_path(\"format\", &::keyway::__private::runtime::text_of(&format))?"],
    );
}

#[test]
fn a_secret_may_be_a_part_of_the_path_or_a_header() {
    let secret = |name, place| json!({ "name": name, "in": place, "required": true, "schema": { "type": "string", "format": "password" } });
    let operation = json!({ "operationId": "a", "parameters": [secret("key", "path"), secret("X-Key", "header")], "responses": {} });
    let made = made(&of_operation("/a/{key}", operation));
    // A secret has no `Display`, so the generator's own `to_string()` would not compile outside.
    assert_has(
        &made,
        &[
            "::keyway::__private::runtime::text_of(&key)",
            "header_value(\"X-Key\", &::keyway::__private::runtime::text_of(",
        ],
    );
}

#[test]
fn methods_that_the_generator_lacks_are_sent() {
    let mut document = of_operation("/a", json!({}));
    document["paths"]["/a"] = json!({ "options": { "operationId": "ask", "responses": {} }, "trace": { "operationId": "trace", "responses": {} } });
    assert_has(&made(&document), &["reqwest::Method::OPTIONS", "reqwest::Method::TRACE"]);
}

#[test]
fn a_keyword_that_nobody_reads_is_told() {
    let made = made(&of_schema(
        json!({ "type": "object", "quantum": true, "properties": { "a": { "type": "string", "not": {} } } }),
        json!({}),
    ));
    assert_told(&made.report, Kind::Dropped, "`quantum` of a schema is not read");
    assert_told(&made.report, Kind::Derived, "`not` is left to the vendor");
    let strict = keyway_build::document(FILE)
        .text(of_schema(json!({ "quantum": 1 }), json!({})).to_string())
        .strict()
        .make("acme");
    assert!(strict.expect_err("strict").to_string().contains("`quantum` of a schema is not read (dropped)"));
}

#[test]
fn swagger_2_is_read() {
    let document = json!({
        "swagger": "2.0", "info": { "title": "Old", "version": "1" }, "host": "old.example", "basePath": "/api",
        "paths": { "/up": { "post": {
            "operationId": "up", "consumes": ["multipart/form-data"],
            "parameters": [
                { "name": "file", "in": "formData", "type": "file", "required": true },
                { "name": "tags", "in": "query", "type": "array", "items": { "type": "string" }, "collectionFormat": "csv" },
            ],
            "responses": { "200": { "description": "", "schema": { "$ref": "#/definitions/Up" } } },
        } } },
        "definitions": { "Up": { "type": "object", "properties": { "id": { "type": "integer" } } } },
    });
    let made = made(&document);
    assert_has(
        &made,
        &[
            "path: \"/api/up\"",
            "pub file: ::keyway::File",
            "runtime::multipart(",
            "Style::Comma",
            "ResponseValue<types::Up>",
        ],
    );
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

#[test]
fn a_vendors_own_marks_of_ours_do_not_hang_on_recursion() {
    let tree = json!({ "type": "object", "required": ["token"], "properties": {
        "token": { "type": "string", "x-essential": true }, "below": { "$ref": "#/components/schemas/Tree" },
    } });
    let mut document = of_schema(json!({ "$ref": "#/components/schemas/Tree" }), json!({ "Tree": tree }));
    document["paths"]["/thing"]["post"]["x-session-step"] = json!("sign-in");
    assert_has(&made(&document), &["pub token: ::std::string::String", "step: Step::SignIn"]);
}

// ---- names ----

#[test]
fn names_that_collide_or_shadow_get_others_and_the_wire_keeps_its_own() {
    let member = json!({ "type": "string" });
    let option = json!({ "type": "object", "properties": {
        "fooBar": member, "foo_bar": member, "gen": member, "url": member, "_url": member, "M": member, "m": member, "+1": member, "-1": member, "": member,
        "type": member, "self": member, "\u{202e}": member,
    } });
    let schemas = json!({ "Option": option, "option": { "type": "object", "properties": { "v": member } } });
    let mut document = of_schema(json!({ "$ref": "#/components/schemas/Option" }), schemas);
    let string = json!({ "operationId": "string", "responses": { "200": { "description": "", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/option" } } } } } });
    document["paths"]["/b"] = json!({ "get": string, "put": { "operationId": "gen", "responses": {} }, "delete": { "operationId": "String", "responses": {} } });
    let made = made(&document);
    assert_has(
        &made,
        &[
            "pub struct OptionValue {",
            "pub struct OptionValue2 {",
            "pub fn string_call(&self)",
            "pub fn gen_call(&self)",
            "pub fn string_call_2(&self)",
            "#[serde(rename = \"fooBar\")]",
            "pub foo_bar: ",
            "pub foo_bar_2: ",
            "#[serde(rename = \"_url\")]",
            "pub url_2: ",
            "#[serde(rename = \"+1\")]",
            "#[serde(rename = \"-1\")]",
            "#[serde(rename = \"\")]",
            "pub type_: ",
            "#[serde(rename = \"gen\")]",
        ],
    );
    syn_parses(&made.code);
}

#[test]
fn every_value_of_an_enum_has_a_variant() {
    let schema = json!({ "type": "string", "enum": ["other", "Other", "", "a-b", "a_b", "+", "-", "Self", "1"] });
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/E" }), json!({ "E": schema })));
    assert_eq!(squeezed(&made.code).matches("=>Self::").count(), 10);
    assert_has(&made, &["Empty,", "Other(::std::string::String)"]);
}

// ---- prose ----

#[test]
fn what_a_vendor_writes_is_text() {
    let text = "*/ \"; } \r fn main() {}\n```\nassert!(false)\n```\n\n    assert!(false)\n\u{202e}\u{0}";
    // Behind a word of ours, too.
    let code = "```\nassert!(false)\n```";
    let parameters = json!([{ "name": "a", "in": "query", "description": code, "schema": { "type": "string" } }]);
    let told = json!({ "summary": text, "description": text, "parameters": parameters, "responses": {} });
    let mut document = of_operation("/a", told);
    document["info"] = json!({ "title": text, "description": text, "version": text });
    let made = made(&document);
    syn_parses(&made.code);
    assert!(!made.code.contains(['\u{202e}', '\r', '\0']));
    runs_nothing(&made.code);
    assert!(!made.code.contains("///     assert"), "{}", made.code);
}

// ---- hostile documents ----

fn syn_parses(code: &str) {
    syn::parse_file(code).expect("code that can be read");
}

/// Every code block of its documentation is marked as text, so that `cargo test --doc` leaves it alone.
#[track_caller]
fn runs_nothing(code: &str) {
    let mut open = false;
    for line in code.lines().map(|line| line.trim().trim_start_matches("///").trim_start_matches("/**").trim()) {
        let Some(info) = line.strip_prefix("```") else {
            // Where documentation ends, its blocks do.
            open &= !line.starts_with("#[") && !line.starts_with("pub ");
            continue;
        };
        assert!(open || ["text", "ignore"].contains(&info), "this block is a program: {line}");
        open = !open;
    }
}

#[test]
fn what_is_no_document_is_refused_in_a_sentence() {
    for (text, said) in [
        ("", "no object stands at its top"),
        ("[]", "no object stands at its top"),
        ("{", "this is not JSON (line 1"),
        ("a: [", "this is not YAML (line"),
        ("{}", "does not say that it is OpenAPI"),
        ("{\"openapi\": \"4.0.0\"}", "says that it is OpenAPI `4.0.0`"),
        ("{\"swagger\": \"1.2\"}", "does not say that it is OpenAPI"),
    ] {
        let refused = refusal(text);
        assert!(
            refused.starts_with("acme.json: ") && refused.contains(said) && refused.contains("; "),
            "{text}: {refused}"
        );
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refusal(deep).contains("nested too deeply"));
    let name = keyway_build::document(FILE).text("{}").make("a-b").expect_err("no module");
    assert!(name.to_string().contains("`a-b` is no Rust module's name"));
    assert!(keyway_build::document(FILE).text("{}").make("box").is_err());
    let missing = keyway_build::document("nowhere/acme.json").make("acme").expect_err("no file");
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn a_document_of_fifty_mebibytes_is_read_and_a_larger_one_refused() {
    let mut document = of_operation("/a", json!({ "responses": {} }));
    document["info"]["description"] = json!("x".repeat(50 << 20));
    document["paths"]["/a"]["get"]["x-examples"] = json!("y".repeat(1 << 20));
    assert_eq!(made(&document).report.typed, 1);
    document["info"]["x-more"] = json!("z".repeat(14 << 20));
    assert!(refusal(document.to_string()).contains("64 are read at most"));
}

#[test]
fn a_million_members_are_a_map() {
    let mut text = String::from("{\"type\":\"object\",\"properties\":{");
    for number in 0..1_000_000 {
        let _ = write!(text, "{}\"m{number}\":{{}}", if number > 0 { "," } else { "" });
    }
    text += "}}";
    let document = of_schema(json!("HERE"), json!({})).to_string().replace("\"HERE\"", &text);
    let made = keyway_build::document(FILE).text(document).make("acme").expect("a document");
    assert_told(&made.report, Kind::Dropped, "an object of 1000000 members is a map");
    assert!(made.code.len() < 100_000);
}

#[test]
fn references_elsewhere_are_never_followed() {
    let file = std::env::temp_dir().join(format!("keyway-build-{}.json", std::process::id()));
    fs::write(&file, "{\"type\":\"object\",\"properties\":{\"stolen\":{\"type\":\"string\"}}}").expect("written");
    for reference in [
        format!("file://{}", file.display()),
        file.display().to_string(),
        "https://elsewhere.example/x.json".to_owned(),
    ] {
        let made =
            made(&of_schema(json!({ "type": "object", "properties": { "x": { "$ref": reference } } }), json!({})));
        assert_told(&made.report, Kind::Dropped, "a reference to another file is not followed");
        assert!(!made.code.contains("stolen"));
    }
    fs::remove_file(file).expect("removed");
}

#[test]
fn hostile_names_make_code_that_can_be_read() {
    let hostile = [
        "\";}",
        "*/",
        "{}",
        "{0}",
        "\\",
        "\u{202e}evil",
        "a\nb",
        "a\rb",
        "```\nlet x = y;\n```",
        "```rust",
        "²",
        "ſ",
        "r#fn",
        "crate",
        "'a",
        "#",
        "$ref",
        "%s",
        "日本",
        "🦀",
        "",
    ];
    let long = "n".repeat(10_000);
    let mut properties = json!({});
    let mut schemas = json!({});
    let mut paths = json!({});
    for (number, name) in hostile.iter().copied().chain([long.as_str()]).enumerate() {
        properties[name] = json!({ "type": "string", "description": name, "enum": hostile });
        schemas[name] = json!({ "type": "object", "title": name, "properties": { name: { "type": "integer" } } });
        let pointer = name.replace('~', "~0").replace('/', "~1").replace('%', "%25");
        let answer = json!({ "description": name, "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{pointer}") } } } });
        let parameters = json!([
            { "name": name, "in": "query", "schema": { "type": "string" } },
            { "name": name, "in": "path", "schema": { "type": "string" } },
        ]);
        paths[format!("/{number}/{name}/{{{name}}}")] = json!({ "get": { "operationId": name, "tags": [name], "parameters": parameters, "responses": { "200": answer } } });
    }
    let mut document = of_schema(json!({ "type": "object", "properties": properties }), schemas);
    for (path, item) in paths.as_object().expect("paths") {
        document["paths"][path] = item.clone();
    }
    let made = made(&document);
    syn_parses(&made.code);
    // Which the compiler refuses, where `syn` does not.
    assert!(!made.code.contains(['\r', '\u{202e}', '\u{2066}']));
    runs_nothing(&made.code);
    assert_eq!(made.report.typed, made.report.operations, "{}", made.report);
}

#[test]
fn two_operations_with_one_id_get_names_of_their_own_and_are_told() {
    let mut document = of_operation("/a", json!({ "operationId": "list", "responses": {} }));
    document["paths"]["/b"] = json!({ "get": { "operationId": "list", "responses": {} } });
    document["paths"]["/c"] = json!({ "get": { "operationId": "List", "responses": {} } });
    let made = made(&document);
    syn_parses(&made.code);
    assert_eq!((made.report.operations, made.report.typed), (3, 3), "{}", made.report);
    let names: BTreeSet<&str> =
        made.code.lines().filter_map(|line| line.trim().strip_prefix("operation: \"")?.split('"').next()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_told(&made.report, Kind::Derived, "list");
}

#[test]
fn references_in_a_circle_come_to_an_end() {
    let circle = |from: &str, to: &str| json!({ from: { "$ref": format!("#/components/{to}") } });
    let mut document = of_schema(json!({ "$ref": "#/components/schemas/A" }), json!({}));
    document["components"] = json!({
        "schemas": { "A": { "$ref": "#/components/schemas/B" }, "B": { "$ref": "#/components/schemas/A" } },
        "parameters": circle("P", "parameters/P"),
        "responses": circle("R", "responses/R"),
        "requestBodies": circle("Q", "requestBodies/Q"),
        "pathItems": circle("I", "pathItems/I"),
        "headers": circle("H", "headers/H"),
    });
    let operation = json!({
        "parameters": [{ "$ref": "#/components/parameters/P" }],
        "requestBody": { "$ref": "#/components/requestBodies/Q" },
        "responses": { "200": { "$ref": "#/components/responses/R" } },
    });
    document["paths"]["/round"] = json!({ "post": operation });
    document["paths"]["/around"] = json!({ "$ref": "#/components/pathItems/I" });
    document["paths"]["/myself"] = json!({ "$ref": "#/paths/~1myself" });
    match keyway_build::document(FILE).text(document.to_string()).make("acme") {
        Ok(made) => syn_parses(&made.code),
        Err(error) => assert!(error.to_string().contains("; "), "{error}"),
    }
}

#[test]
fn an_alias_of_aliases_of_aliases_is_refused_before_it_fills_the_memory() {
    let mut text = String::from(
        "openapi: 3.0.3\ninfo: {title: Acme, version: '1'}\npaths: {}\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n",
    );
    for level in 1..12 {
        let below = format!("*x{}", level - 1);
        let _ = writeln!(text, "x{level}: &x{level} [{}]", [below.as_str(); 9].join(", "));
    }
    let refused = refusal(text);
    assert!(refused.starts_with("acme.json: ") && refused.contains("; "), "{refused}");
}

#[test]
fn no_name_leads_a_file_out_of_its_folder() {
    for name in ["../acme", "/tmp/acme", "a/b", "a\\b", "..", "", "a\0b", "con:", "self", "acme.rs"] {
        let refused = keyway_build::document(FILE).text("{}").make(name).expect_err("no module").to_string();
        assert!(refused.contains("is no Rust module's name"), "{name}: {refused}");
    }
}

#[test]
fn parts_of_parts_of_parts_come_to_an_end() {
    let mut schemas = json!({ "L0": { "type": "object", "properties": { "x": { "type": "string" } } } });
    for level in 1..40 {
        let below = json!({ "$ref": format!("#/components/schemas/L{}", level - 1) });
        schemas[format!("L{level}")] =
            json!({ "allOf": [below, below, { "properties": { "y": { "type": "string" } } }] });
    }
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/L39" }), schemas));
    assert_told(&made.report, Kind::Dropped, "too many parts of parts");
}

// ---- overlays and files ----

#[test]
fn an_overlay_says_what_the_document_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        file
    };
    let document =
        write("acme.json", &of_operation("/in", json!({ "operationId": "in_", "responses": {} })).to_string());
    let marks = "overlay: 1.0.0\ninfo: {title: t, version: '1'}\nactions:\n- target: $.paths['/in'].get\n  update: {x-session-step: sign-out, x-resend: false}\n";
    let marked = keyway_build::document(&document).overlay(write("good.yaml", marks)).make("acme").expect("an overlay");
    assert_has(&marked, &["step: Step::SignOut", "resend: false"]);
    // For a fake of it.
    let left: Value = serde_json::from_str(&marked.document).expect("JSON");
    assert_eq!(left["paths"]["/in"]["get"]["x-session-step"], "sign-out");
    let lost = write("lost.yaml", &marks.replace("/in", "/nowhere"));
    let refused =
        keyway_build::document(&document).overlay(lost).make("acme").expect_err("it finds nothing").to_string();
    assert!(refused.contains("lost.yaml: the overlay cannot be applied"), "{refused}");
}

#[test]
fn code_says_by_which_version_it_was_made() {
    let made = made(&of_operation("/a", json!({ "responses": {} })));
    assert_has(&made, &[concat!("::keyway::__fits!(2, \"", env!("CARGO_PKG_VERSION"), "\")")]);
}

#[test]
fn the_same_document_makes_the_same_code() {
    let document = of_operation("/a", json!({ "responses": {} }));
    assert_eq!(made(&document).code, made(&document).code);
}

#[test]
fn code_that_is_checked_in_is_written_once_and_compared_under_ci() {
    // `CI` is read from the environment, so this test runs itself.
    let folder = tempfile::tempdir().expect("a folder");
    let (document, code) = (folder.path().join("acme.json"), folder.path().join("acme.rs"));
    fs::write(&document, of_operation("/a", json!({ "responses": {} })).to_string()).expect("written");
    if std::env::var_os("CI").is_some() {
        let refused = keyway_build::document(&document).generate_to(&code).expect_err("nothing is checked in");
        assert!(refused.to_string().contains("is not what the document makes"));
        assert!(!code.exists());
        return;
    }
    keyway_build::document(&document).generate_to(&code).expect("written");
    assert!(fs::read_to_string(&code).expect("written").contains("pub fn get_a("));
    keyway_build::document(&document).generate_to(&code).expect("the same again");
}

// ---- how one signs in ----

#[test]
fn the_flows_of_the_security_schemes_stand_in_the_code() {
    let mut document = of_operation("/a", json!({ "responses": {} }));
    document["servers"] =
        json!([{ "url": "https://{region}.acme.example/v7", "variables": { "region": { "default": "eu" } } }]);
    document["components"]["securitySchemes"] = json!({
        "oauth": { "type": "oauth2", "flows": {
            "clientCredentials": { "tokenUrl": "/oauth/token", "scopes": { "menu": "", "orders": "" } },
            "authorizationCode": {
                "authorizationUrl": "https://id.acme.example/authorize",
                "tokenUrl": "https://id.acme.example/token",
                "refreshUrl": "https://id.acme.example/refresh",
                "scopes": {},
            },
        } },
        "oidc": { "type": "openIdConnect", "openIdConnectUrl": "https://id.acme.example/.well-known/openid-configuration" },
        "key": { "type": "apiKey", "in": "header", "name": "x-key" },
    });
    let own = made(&document);
    let parts = [
        "pub struct Document;",
        "const TITLE: &'static str = \"Acme\";",
        "= ::std::option::Option::Some(\"https://eu.acme.example\");",
        "::keyway::__private::flow(\"oauth\", ::keyway::FlowKind::ClientCredentials, [::std::option::Option::Some(\"/oauth/token\"), ::std::option::Option::None,",
        "&[\"menu\", \"orders\"]",
        "::std::option::Option::Some(\"https://id.acme.example/refresh\")",
        "::keyway::FlowKind::OpenIdConnect",
    ];
    assert_has(&own, &parts);
    document["servers"] = json!([{ "url": "/v7" }]);
    document["components"]["securitySchemes"] = json!({});
    let none = ["= ::std::option::Option::None;", "const FLOWS: &'static [::keyway::SecurityFlow] = &[];"];
    assert_has(&made(&document), &none);
}

#[test]
fn the_flows_of_swagger_are_those_of_openapi() {
    let document = json!({
        "swagger": "2.0",
        "info": { "title": "Acme", "version": "1" },
        "host": "acme.example",
        "basePath": "/v7",
        "schemes": ["https"],
        "paths": { "/a": { "get": { "responses": {} } } },
        "securityDefinitions": { "oauth": {
            "type": "oauth2", "flow": "accessCode", "scopes": { "menu": "" },
            "authorizationUrl": "https://acme.example/authorize", "tokenUrl": "https://acme.example/token",
        } },
    });
    let parts = [
        "::std::option::Option::Some(\"https://acme.example\")",
        "::keyway::FlowKind::AuthorizationCode",
        "::std::option::Option::Some(\"https://acme.example/token\")",
        "&[\"menu\"]",
    ];
    assert_has(&made(&document), &parts);
}
