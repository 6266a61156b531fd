//! What is made of documents as their vendors publish them: everything is typed, told, or refused in a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod hostile;
mod schemas;

use keyway_build::{Kind, Made, Report};
use serde_json::{Map, Value, json};
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

/// What the builder has of its own is called once, whatever a document calls its parameters.
#[test]
fn a_parameter_is_never_named_after_a_part_of_its_builder() {
    let parts = ["send", "new", "client", "timeout", "keyway_request", "keyway_timeout"];
    let parameter = |name: &&str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    let parameters: Vec<_> = parts.iter().map(parameter).collect();
    let made = made(&of_operation("/a", json!({ "operationId": "a", "parameters": parameters, "responses": {} })));
    let code = squeezed(&made.code);
    for function in ["send", "new", "timeout", "call_timeout", "keyway_request"] {
        assert_eq!(code.matches(&format!("fn{function}(")).count(), 1 + usize::from(function == "new"), "{function}");
    }
    for name in parts {
        assert!(made.code.contains(&format!("\"{name}\"")), "`{name}` is not sent");
    }
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
fn problems_are_json_and_statuses_may_be_written_small() {
    let problem = json!({ "description": "", "content": { "application/problem+json": { "schema": { "type": "object", "properties": { "title": { "type": "string" } } } } } });
    let made = made(&of_operation(
        "/a",
        json!({ "operationId": "a", "responses": { "200": { "description": "" }, "4xx": problem } }),
    ));
    assert_has(&made, &["from: 400u16, to: 499u16, body: ::std::any::TypeId::of::<types::AFailure4xx>"]);
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
        &["\"/a/{}.{}/v{}\"", "encode_path(\"format\", &::keyway::__private::runtime::text_of(&format))?"],
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

#[test]
fn a_vendors_own_marks_of_ours_do_not_hang_on_recursion() {
    let tree = json!({ "type": "object", "required": ["token"], "properties": {
        "token": { "type": "string", "x-essential": true }, "below": { "$ref": "#/components/schemas/Tree" },
    } });
    let mut document = of_schema(json!({ "$ref": "#/components/schemas/Tree" }), json!({ "Tree": tree }));
    document["paths"]["/thing"]["post"]["x-session-step"] = json!("sign-in");
    assert_has(&made(&document), &["pub token: ::std::string::String", "step: Step::SignIn"]);
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
    assert_has(&made, &[concat!("::keyway::__fits!(4, \"", env!("CARGO_PKG_VERSION"), "\")")]);
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
