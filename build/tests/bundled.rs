//! What is made of a good bundled document, and what is said about broken ones.
//!
//! `bundled/good.json` is a small document that uses everything. Each other file there is a merge patch
//! (RFC 7396) that breaks it in one way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use keyway_build::Error;
use serde_json::{Value, json};
use std::{fs, path::Path};

const FILE: &str = "specs/small.json";

fn read(case: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundled");
    fs::read_to_string(folder.join(format!("{case}.json"))).expect("the case has a file")
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|members| members.remove(&name));
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// The sentences of a refusal, one per line.
fn refusal(text: &str) -> String {
    let made = keyway_build::document(FILE).inside_keyway().text(text).make("small").map(|_| ());
    let error = made.expect_err("the document is refused");
    assert!(matches!(error, Error::Document(_)), "{error}");
    error.to_string()
}

fn refusal_of(case: &str) -> String {
    let mut document: Value = serde_json::from_str(&read("good")).expect("JSON");
    merge(&mut document, serde_json::from_str(&read(case)).expect("a merge patch"));
    refusal(&document.to_string())
}

/// Each setter of the code says what the code itself asks for.
#[test]
fn every_setter_says_whether_it_is_required() {
    let made = keyway_build::document(FILE).inside_keyway().text(read("good")).make("small").expect("code");
    let (mut required, mut optional) = (0, 0);
    for setter in made.code.split("#[must_use]\n").collect::<Vec<_>>().windows(2) {
        let Some(name) = setter[1].trim_start().strip_prefix("pub fn ").and_then(|rest| rest.split('(').next()) else {
            continue;
        };
        let about = setter[0].rsplit("}\n").next().unwrap_or_default();
        required += usize::from(about.contains("/// Required."));
        optional += usize::from(about.contains("/// Optional."));
        let refused = made.code.contains(&format!("\"`{name}` is required\""));
        assert!(refused || !about.contains("/// Required.") || name == "body", "`{name}` is not asked for: {about}");
    }
    assert!(required > 0 && optional > 0, "{required} required, {optional} optional");
    assert!(made.code.contains("/// - Required: `"), "no call says what it takes");
}

/// The vendor's id stays in the document; the call is named after the mark.
#[test]
fn a_call_is_named_after_the_mark_where_the_vendors_id_says_too_little() {
    let mut document: Value = serde_json::from_str(&read("good")).expect("JSON");
    let named = json!({ "x-name": "issueToken" });
    merge(&mut document["paths"]["/v1/token"]["post"], named);
    let made = keyway_build::document(FILE).inside_keyway().text(document.to_string()).make("small").expect("code");
    let code = squeezed(&made.code);
    assert!(code.contains("pubfnissue_token(") && !code.contains("get_token("), "the call is not `issue_token`");
    assert!(code.contains("operation:\"issue_token\""), "its errors do not name `issue_token`");
}

/// The code of the good document, without what only lays it out: blanks and last commas.
fn code() -> String {
    squeezed(
        &keyway_build::document(FILE).inside_keyway().text(read("good")).make("small").expect("a good document").code,
    )
}

fn squeezed(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}").replace(",]", "]")
}

fn assert_has(code: &str, parts: &[&str]) {
    for part in parts {
        assert!(code.contains(&squeezed(part)), "not in the code: {part}");
    }
}

fn assert_has_not(code: &str, parts: &[&str]) {
    for part in parts {
        assert!(!code.contains(&squeezed(part)), "in the code: {part}");
    }
}

/// From `item` up to the next thing that begins like it.
fn section<'c>(code: &'c str, item: &str) -> &'c str {
    let item = squeezed(item);
    let begin = code.find(&item).expect("the item is in the code");
    let rest = &code[begin + item.len()..];
    &code[begin..begin + item.len() + rest.find("pubstruct").unwrap_or(rest.len())]
}

macro_rules! refused {
    ($($name:ident: $case:literal => $place:literal, $what:literal, $cure:literal;)*) => {$(
        #[test]
        fn $name() {
            let said = refusal_of($case);
            let expected = |line: &&str| line.starts_with(FILE) && [$place, $what, $cure].iter().all(|part| line.contains(part));
            assert_eq!(said.lines().filter(expected).count(), 1, "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    )*};
}

refused! {
    another_version_of_openapi_is_refused: "version" => "", "it is OpenAPI `3.1.0`", "write it as 3.0.3";
    a_document_without_servers_is_refused: "servers_missing" => "", "no server is listed", "under `servers`";
    servers_with_different_paths_are_refused: "servers_differ" => "", "different paths (`https://b.example`)", "move the path";
    an_operation_without_an_id_is_refused: "operation_id_missing" => "operation POST /v1/token", "`operationId` is missing", "give it a name";
    an_id_twice_is_refused: "operation_id_twice" => "operation `getThing`", "same method `get_thing`", "rename one";
    an_id_twice_in_snake_case_is_refused: "operation_id_twice_in_snake_case" => "operation `get_thing`", "same method `get_thing` as operation `getThing` (GET ", "rename one";
    an_id_that_is_a_reserved_word_is_refused: "operation_id_is_a_keyword" => "operation `move`", "cannot be a Rust method", "no reserved word";
    an_operation_without_certainty_is_refused: "certainty_missing" => "operation `getToken`", "`x-certainty` is missing", "say one of: documented";
    an_unknown_certainty_is_refused: "certainty_unknown" => "operation `getToken`", "`x-certainty` is \"sure\"", "say one of: documented";
    an_operation_that_does_not_say_whether_it_may_be_sent_again_is_refused: "resend_missing" => "operation `getToken`", "`x-resend` is missing", "true only for a pure read";
    an_unknown_session_step_is_refused: "step_unknown" => "operation `getToken`", "`x-session-step` is \"login\"", "sign-in";
    a_sign_in_without_a_token_is_refused: "token_may_be_missing" => "operation `getToken`", "may come without a token", "x-essential";
    a_misspelt_mark_is_refused: "mark_unknown" => "operation `getToken`", "`x-secure-url` is not known", "x-secret-url";
    an_operation_without_a_description_is_refused: "description_missing" => "operation `getToken`", "`description` is missing", "what it does";
    a_member_without_a_description_is_refused: "member_description_missing" => "schema `Failure`, member `message`", "`description` is missing", "with its unit";
    an_operation_without_security_is_refused: "security_missing" => "operation `getToken`", "`security` is missing", "say `[]` for none";
    an_alternative_of_several_schemes_is_refused: "security_with_two_schemes" => "operation `getThing`", "names 2 schemes of 2 roles", "schemes of one role";
    an_undeclared_security_scheme_is_refused: "security_undeclared" => "operation `getThing`", "`admin` is not declared", "components/securitySchemes";
    a_scheme_without_a_role_is_refused: "role_missing" => "security scheme `user`", "`x-role` is missing", "user, service, module or key";
    an_unknown_role_is_refused: "role_unknown" => "security scheme `user`", "`x-role` is `admin`", "user, service, module, key or client";
    a_path_parameter_that_is_not_in_the_path_is_refused: "path_parameter_not_in_path" => "operation `getToken`", "`account` does not stand in the path `/v1/token`", "put `{account}` into the path";
    a_path_segment_that_is_only_in_part_a_parameter_is_refused: "path_segment_in_part" => "operation `getFile`", "`{name}.json` is only in part", "make it the whole";
    a_secret_in_an_unmarked_url_is_refused: "secret_url_not_marked" => "operation `endToken`", "is a secret, and the URL is not marked", "\"x-secret-url\": true";
    a_secret_url_without_a_secret_is_refused: "secret_url_without_secret" => "operation `getToken`", "no path or query parameter is a secret", "format: password";
    an_operation_without_a_success_is_refused: "success_missing" => "operation `putThing`", "no success is documented", "`2XX`";
    successes_with_different_bodies_are_refused: "successes_differ" => "operation `getToken`", "the success 201 has another body", "the same schema";
    a_success_with_and_one_without_a_body_are_refused: "success_with_and_without_body" => "operation `getToken`", "the success 201 has another body", "the same schema";
    a_success_that_is_not_json_is_refused: "success_of_another_media_type" => "operation `putThing`", "is of type `text/plain`", "x-hand-written";
    a_multipart_body_is_refused: "body_of_another_media_type" => "operation `getToken`", "`multipart/form-data` cannot be generated", "x-hand-written";
    a_body_of_two_media_types_is_refused: "body_of_two_media_types" => "operation `getToken`", "has 2 media types", "declare the one";
    a_body_without_a_schema_is_refused: "body_without_schema" => "operation `getToken`", "the schema is missing", "refer to one";
    a_body_written_in_line_is_refused: "body_in_line" => "operation `getToken`", "written in line", "under `components/schemas`";
    an_answer_written_in_line_is_refused: "answer_in_line" => "operation `getToken`, answer 422", "written in line", "under `components/schemas`";
    a_member_written_in_line_is_refused: "member_in_line" => "schema `Failure`, member `more`", "an object is written in line", "under `components/schemas`";
    an_object_that_is_a_map_as_well_is_refused: "members_and_values" => "schema `Failure`", "both named members and values of any name", "drop `additionalProperties`";
    an_enum_written_in_line_is_refused: "enum_in_line" => "schema `Failure`, member `message`", "a string enum is written in line", "under `components/schemas`";
    an_enum_of_numbers_is_refused: "enum_of_numbers" => "schema `Failure`, member `message`", "only strings can be an enum", "in the description";
    enum_values_that_become_one_variant_are_refused: "enum_values_collide" => "schema `Colour`", "`light-blue` and `light_blue` become the same variant", "plain string";
    an_enum_value_that_is_called_other_is_refused: "enum_value_is_other" => "schema `Colour`", "`other` makes no name", "plain string";
    a_reference_to_nothing_is_refused: "reference_to_nothing" => "schema `Failure`", "`#/components/schemas/Missing`, which is not there", "under `components`";
    null_beside_a_reference_is_refused: "reference_with_nullable" => "schema `Thing`", "`nullable` stands beside the `$ref`", "allOf";
    a_choice_between_objects_is_refused: "choice_of_objects" => "schema `Moment`", "may both be `object`", "one object with all members";
    a_choice_written_in_line_is_refused: "choice_in_line" => "schema `Failure`, member `message`", "a choice is written in line", "under `components/schemas`";
    a_pattern_without_anchors_is_refused: "pattern_not_anchored" => "operation `getToken`", "`[a-z]+` is not anchored", "anchor it: `^[a-z]+$`";
    a_pattern_of_two_classes_is_refused: "pattern_of_two_classes" => "operation `getToken`", "more than one character class", "`^[class]{min,max}$`";
    a_pattern_with_a_shorthand_is_refused: "pattern_with_shorthand" => "operation `getToken`", "holds `\\w`", "name the characters";
    a_limit_that_nobody_checks_is_refused: "limit_nobody_checks" => "operation `getToken`", "`multipleOf`, which nobody would check", "in words";
    limits_that_contain_themselves_are_refused: "limits_in_a_circle" => "operation `putThing`", "schema `Thing2` contains itself and has limits", "in words";
    a_list_that_contains_itself_is_refused: "schema_contains_itself" => "schema `AnyJson`", "it contains itself", "an object with members";
    schemas_that_become_one_type_are_refused: "schema_names_collide" => "schema `Thing`", "the same type as schema `THING`", "rename one";
    an_essential_member_that_may_be_missing_is_refused: "essential_may_be_missing" => "schema `TokenData`, member `token`", "`x-essential` marks a member that may be missing", "under `required`";
    a_second_name_that_is_taken_is_refused: "split_name_is_taken" => "schema `Thing`", "`ThingAnswer`, which the answer needs, is taken", "a schema of its own";
    a_parameter_called_body_beside_a_body_is_refused: "parameter_named_body" => "operation `putThing`, parameter `body`", "same name as the builder's own method", "x-hand-written";
    two_parameters_with_one_setter_are_refused: "parameters_with_one_setter" => "operation `getThing`, parameter `aB`", "same name as parameter `a-b`", "x-hand-written";
    a_cookie_parameter_is_refused: "parameter_in_a_cookie" => "operation `putThing`, parameter `_vss`", "a parameter in `cookie` cannot be generated", "x-hand-written";
    a_list_in_a_header_is_refused: "header_with_a_list" => "operation `putThing`, parameter `X-Ids`", "no single value", "make it a string";
    a_query_object_of_another_style_is_refused: "query_object_of_another_style" => "operation `putThing`, parameter `filter`", "another style", "`style: form, explode: true`";
    a_tenant_that_is_no_header_is_refused: "tenant_in_the_query" => "operation `putThing`, parameter `tenant`", "no header", "drop the mark";
    a_form_that_holds_an_object_is_refused: "form_with_an_object" => "operation `postForm`", "the form member `thing` is no single value", "make it a string";
}

#[test]
fn a_name_in_the_path_that_no_parameter_has_is_refused_for_each_operation() {
    let said = refusal_of("path_name_not_declared");
    for operation in ["getThing", "putThing"] {
        let sentence =
            format!("{FILE}: operation `{operation}`: `{{id}}` stands in the path and no path parameter has that name");
        assert!(said.contains(&sentence), "{said}");
    }
    assert!(said.contains("declare it as a parameter with `in: path`"), "{said}");
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let said = refusal(&read("not_json"));
    assert_eq!(said, format!("{FILE}: this is not JSON (line 3, column 13); mend the syntax there"));
}

/// The overlay that is beside a vendor's own document is one: a library that knows nothing of us applies it alike.
#[cfg(feature = "overlay")]
#[test]
fn the_overlay_of_vtex_means_the_same_to_a_library() {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let (document, overlay) = (specs.join("vtex.json"), specs.join("overlays/vtex.json"));
    let ours = keyway_build::document(&document).inside_keyway().bundled_overlay(&overlay).overlaid();
    let theirs = keyway_build::document(&document).overlay(&overlay).overlaid();
    assert!(ours.expect("applied") == theirs.expect("applied"));
}

fn refusal_with(patch: Value) -> String {
    let mut document: Value = serde_json::from_str(&read("good")).expect("JSON");
    merge(&mut document, patch);
    refusal(&document.to_string())
}

#[test]
fn a_keyword_that_nobody_reads_is_refused_wherever_it_stands() {
    let thing = |more: Value| json!({ "components": { "schemas": { "Thing": more } } });
    let get = |more: Value| json!({ "paths": { "/v1/things/{id}": { "get": more } } });
    let answer = |more: Value| get(json!({ "responses": more }));
    let text = json!({ "type": "string" });
    for (patch, said) in [
        (json!({ "webhooks": {} }), "`webhooks` of the document is not read"),
        (json!({ "paths": { "/v1/things/{id}": { "$ref": "#/paths/x" } } }), "points at `#/paths/x`"),
        (json!({ "servers": [{ "url": "//vendor.example/base" }] }), "has no scheme"),
        (json!({ "servers": [{ "url": "https://vendor.example/{version}" }] }), "has a variable"),
        (get(json!({ "callbacks": {} })), "`callbacks` of an operation is not read"),
        (answer(json!({ "4xx": { "description": "No." } })), "answer 4xx: this is no status"),
        (answer(json!({ "400": { "links": {} } })), "`links` of an answer is not read"),
        (thing(json!({ "discriminator": { "propertyName": "kind" } })), "`discriminator` of a schema is not read"),
        (thing(json!({ "patternProperties": {} })), "`patternProperties` of a schema is not read"),
        (thing(json!({ "allOf": [{ "type": "object" }] })), "stand beside `allOf`"),
        (thing(json!({ "oneOf": [text, { "type": "number" }] })), "stand beside a choice"),
        (
            thing(json!({ "properties": { "name": { "type": "string", "const": "a", "description": "A name." } } })),
            "schema `Thing`, member `name`: `const` of a schema is not read",
        ),
    ] {
        let refused = refusal_with(patch.clone());
        assert!(refused.contains(said), "{patch}: {refused}");
    }
}

#[test]
fn a_failure_that_is_json_by_another_name_is_read() {
    let problem = json!({ "description": "No.", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/FieldFailure" } } } });
    let patch = json!({ "paths": { "/v1/things/{id}": { "get": { "responses": { "418": problem } } } } });
    assert_has(&code_with(patch), &["from: 418u16, to: 418u16, decode: decode::<types::FieldFailure>"]);
}

#[test]
fn a_schema_that_is_a_part_of_itself_is_refused() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let described = |mut schema: Value| {
        schema["description"] = json!("A thing.");
        schema
    };
    for word in ["allOf", "oneOf", "anyOf"] {
        let (one, two) =
            (json!({ word: [to("Two"), { "type": "object" }] }), json!({ word: [to("One"), { "type": "object" }] }));
        let schemas =
            json!({ "One": described(one), "Two": described(two), "Self": described(json!({ word: [to("Self")] })) });
        let refused = refusal_with(json!({ "components": { "schemas": schemas } }));
        for name in ["One", "Two", "Self"] {
            assert!(refused.contains(&format!("schema `{name}`: it is a part of itself")), "{word}: {refused}");
        }
    }
}

#[test]
fn every_broken_document_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundled");
    let this = include_str!("bundled.rs");
    for entry in fs::read_dir(folder).expect("the folder") {
        let file = entry.expect("an entry").path();
        let case = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        assert!(this.contains(&format!("\"{case}\"")), "{case}.json has no test");
    }
}

#[test]
fn nothing_of_the_generators_runtime_remains() {
    assert_has_not(&code(), &["progenitor_client", "api-version", "api_version", "ignore\n", "unwrap()"]);
}

#[test]
fn the_same_document_makes_the_same_code() {
    assert_eq!(code(), code());
}

#[test]
fn constructors_are_ours_alone() {
    let code = code();
    assert_has(&code, &["pub(crate) fn new_with_client(", "pub(crate) fn new(client: &'a super::Client) -> Self"]);
    assert_has_not(&code, &["pub fn new(", "pub fn new_with_client("]);
}

#[test]
fn facts_are_sorted_and_say_what_the_document_says() {
    let code = code();
    let facts = section(&code, "pub(crate) static FACTS");
    let ids: Vec<&str> = facts.split("Facts{operation:\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids, ["end_token", "get_thing", "get_token", "post_form", "put_thing", "upload"]);
    assert_has(
        facts,
        &[
            "operation: \"end_token\", method: \"DELETE\", path: \"/base/v1/tokens/{token}\"",
            "roles: &[Role::User, Role::Service]",
            "secret_url: true, certainty: Certainty::Observed, step: Step::SignOut",
            "tenant: TenantHeader::Required(\"tenant\")",
            "success: Some((\"success\", \"true\"))",
        ],
    );
    assert_has(&code, &["pub(crate) const SERVER_PATH: &str = \"/base\";"]);
}

#[test]
fn failures_are_decoded_by_the_exact_status_first_and_default_last() {
    let code = code();
    let at = |part: &str| code.find(&squeezed(part)).expect("the failure is in the table");
    let exact = at("from: 422u16, to: 422u16, decode: decode::<types::FieldFailure>");
    let range = at("from: 400u16, to: 499u16, decode: decode::<types::Failure>");
    let default = at("from: 400u16, to: 599u16, decode: decode::<::serde_json::Value>");
    assert!(exact < range && range < default);
    assert_has_not(&code, &["from: 502u16"]);
}

#[test]
fn every_documented_answer_is_in_the_table_with_the_names_of_its_members() {
    let code = code();
    let facts = section(&code, "pub(crate) static FACTS");
    let signs_in = facts.split("operation:\"get_token\"").nth(1).expect("the sign-in is in the table");
    let at = |part: &str| signs_in.find(&squeezed(part)).expect("the answer is in the table");
    let order =
        ["(200u16..=200u16,", "(422u16..=422u16,", "(502u16..=502u16,", "(400u16..=499u16,", "(100u16..=599u16,"];
    assert!(order.map(at).is_sorted(), "exact statuses first, then ranges, `default` last");
    assert_has(
        &code,
        &[
            // What makes a session is known to the bottom, what a call answers on its outside.
            "Shape::Members(&[(\"data\", Shape::Members(&[(\"made\", Shape::Anything), (\"refresh\", Shape::Anything), \
             (\"roles\", Shape::List(&Shape::Anything)), (\"token\", Shape::Anything)])), (\"success\", Shape::Anything)])",
            "(\"names\", Shape::Anything), (\"parts\", Shape::Anything)",
        ],
    );
}

#[test]
fn limits_of_requests_become_a_table_and_answers_have_none() {
    let code = code();
    assert_has(
        &code,
        &[
            "source: \"^[\\\\p{L}_. -]+$\", prefix: \"\"",
            "(\"login\", Rule { min_length: Some(1usize), max_length: Some(32usize), pattern: Some(&PATTERN_0)",
            "(\"password\", Rule { min_length: Some(8usize)",
            "(\"duration\", Rule { maximum: Some(120f64)",
            "place: Place::Path, name: \"id\", rule: Rule { uuid: true",
            "place: Place::Query, name: \"_sort\", rule: Rule { max_length: Some(8usize)",
            "place: Place::Query, name: \"ids\", rule: Rule { max_items: Some(2usize)",
            "(\"names\", Rule { values: Some(&Rule { min_length: Some(1usize)",
            "(\"parts\", Rule { min_items: Some(1usize), items: Some(&Rule { members: &[(\"name\"",
        ],
    );
    // `roles` is limited in an answer, `tenant` is checked where it is chosen.
    assert_has_not(&code, &["(\"roles\", crate", "max_items: Some(3usize)", "name: \"tenant\"", "NonZero"]);
}

#[test]
fn secrets_are_secrets_wherever_they_stand() {
    let code = code();
    assert_has(
        section(&code, "pub struct TokenRequest"),
        &["pub password: crate::Secret", "captcha: ::std::option::Option<crate::Secret>"],
    );
    assert_has(section(&code, "pub struct EndToken"), &["token: Result<crate::Secret, String>"]);
}

#[test]
fn only_what_is_marked_essential_stays_required_of_an_answer() {
    let code = code();
    let data = section(&code, "pub struct TokenData");
    assert_has(data, &["pub token: crate::Secret", "pub refresh: ::std::option::Option<crate::Secret>"]);
    assert_has(data, &["pub made: ::std::option::Option<::std::string::String>"]);
    assert_has(data, &["deserialize_with = \"crate::http::runtime::list\""]);
    let answer = section(&code, "pub struct TokenAnswer");
    assert_has(answer, &["pub data: TokenData", "pub success: ::std::option::Option<bool>"]);
    assert_has_not(&code, &["deny_unknown_fields"]);
}

#[test]
fn a_schema_of_both_sides_is_written_strictly_and_read_leniently() {
    let code = code();
    assert_has(
        section(&code, "pub struct Thing {"),
        &["pub id: ::std::string::String", "pub parts: ::std::vec::Vec<Thing2>"],
    );
    let answer = section(&code, "pub struct ThingAnswer {");
    assert_has(answer, &["pub id: ::std::option::Option<::std::string::String>", "::std::vec::Vec<Thing2Answer>"]);
    assert_has(&code, &["ResponseValue<types::ThingAnswer>"]);
    // Nobody writes an answer.
    assert_has_not(&code, &["builder::ThingAnswer", "builder::TokenAnswer"]);
    assert_has(&code, &["pub fn builder() -> builder::Thing {"]);
}

#[test]
fn enums_are_open() {
    let code = code();
    assert_has(
        &code,
        &[
            "#[non_exhaustive] #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)] pub enum Colour {",
            "/// `light-blue` LightBlue, /// `RED` Red,",
            "Other(::std::string::String)",
            "pub colour: ::std::option::Option<crate::generated::small::types::Colour>",
        ],
    );
}

/// The code of the good document with something said in another way.
fn code_with(patch: Value) -> String {
    let mut document: Value = serde_json::from_str(&read("good")).expect("JSON");
    merge(&mut document, patch);
    squeezed(
        &keyway_build::document(FILE)
            .inside_keyway()
            .text(document.to_string())
            .make("small")
            .expect("a good document")
            .code,
    )
}

#[test]
fn an_enum_that_tells_other_tools_that_it_is_open_makes_the_same_type() {
    let open = json!({
        "type": null,
        "enum": null,
        "anyOf": [{ "type": "string", "enum": ["light-blue", "RED"] }, { "type": "string" }],
    });
    assert_eq!(code_with(json!({ "components": { "schemas": { "Colour": open } } })), code());
}

#[test]
fn several_schemes_of_one_role_are_one_session() {
    let both = json!([{ "user": [], "badge": [] }, { "service": [] }]);
    let badge = json!({ "type": "apiKey", "in": "header", "name": "badge", "x-role": "user" });
    let one = json!({ "paths": { "/v1/things/{id}": { "get": { "security": [{ "user": [] }, { "service": [] }] } } } });
    let patch = json!({
        "paths": { "/v1/things/{id}": { "get": { "security": both } } },
        "components": { "securitySchemes": { "badge": badge } },
    });
    assert_eq!(code_with(patch), code_with(one));
}

#[test]
fn the_clients_own_credentials_are_no_session() {
    let patch = json!({
        "paths": { "/v1/token": { "post": { "security": [{ "client": [] }] } } },
        "components": { "securitySchemes": { "client": { "type": "http", "scheme": "basic", "x-role": "client" } } },
    });
    assert_eq!(code_with(patch).replace("client:true", "client:false"), code());
}

#[test]
fn of_two_patterns_the_exact_one_counts() {
    let exact = json!({ "pattern": "^.*$", "x-exact-pattern": r"^[\p{L}]+$" });
    let only = json!({ "pattern": r"^[\p{L}]+$" });
    let with = |name: Value| code_with(json!({ "components": { "schemas": { "Name": name } } }));
    assert_eq!(with(exact), with(only));
}

#[test]
fn a_choice_has_a_variant_per_json_type() {
    assert_has(&code(), &["pub enum Moment { /// A text. Text(::std::string::String), /// A number. Number(i64), }"]);
}

#[test]
fn parameters_are_checked_encoded_and_flattened() {
    let code = code();
    assert_has(
        &code,
        &[
            "crate::http::runtime::encode_path(\"id\", &id.to_string())?",
            "header_map.insert(\"X-Client\", crate::http::runtime::header_value(\"X-Client\", &value.to_string())?)",
            ".query(&crate::http::runtime::QueryParam::new(\"_sort\", &sort))",
            ".query(&crate::http::runtime::QueryParam::new(\"colour\", &colour))",
            "crate::http::runtime::form(client.client.post(url), &body)?",
            ".json(&crate::http::runtime::Exposed(&body))",
        ],
    );
}

#[test]
fn a_tenant_is_never_required_and_a_choice_only_where_a_service_may_call() {
    let code = code();
    let builder = section(&code, "pub struct GetThing");
    assert_has(
        builder,
        &["tenant: Result<Option<::std::string::String>, String>", "pub fn tenant(", "tenant: Ok(None)"],
    );
    // The only operation that both declares it and lets a service in.
    assert_eq!(code.matches(&squeezed("pub fn tenant(")).count(), 1);
}

#[test]
fn an_unset_argument_is_told_by_its_name() {
    assert_has(&code(), &["Err(\"`login` is required\".to_string())", "Err(\"`id` is required\".to_string())"]);
}

#[test]
fn what_is_written_by_hand_is_not_generated_and_its_types_are() {
    let code = code();
    assert_has_not(&code, &["fn upload", "pub struct Upload<"]);
    assert_has(&code, &["pub struct Form {"]);
}

#[test]
fn operations_tell_their_certainty_session_and_repeatability() {
    assert_has(
        &code(),
        &[
            "/// - `GET /base/v1/things/{id}`. The path is a guess: a 404 or 405 may mean that the vendor calls it differently.",
            "/// - Needs a user or service session.",
            "/// - Sent again by itself when the outcome of the first attempt is unknown.",
            "/// - Needs no session.",
            "/// - Never sent again by itself",
            "/// - Source: the vendor's page.",
            "/// - Its URL holds a secret; Keyway never prints it.",
        ],
    );
}
