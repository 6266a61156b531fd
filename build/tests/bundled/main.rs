//! What is made of a good bundled document, and what is said about broken ones.
//!
//! `good.json` is a small document that uses everything. Each other document beside it is a merge patch
//! (RFC 7396) that breaks it in one way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod code;

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
    let this = include_str!("main.rs");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    for file in files.filter(|file| file.extension().is_some_and(|ending| ending == "json")) {
        let case = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        assert!(this.contains(&format!("\"{case}\"")), "{case}.json has no test");
    }
}

#[cfg(not(feature = "published"))]
#[test]
fn a_build_without_published_documents_says_so() {
    let said = keyway_build::document(FILE).text(read("good")).make("small").unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "{FILE}: this build of keyway-build makes code of Keyway's own documents alone; switch on its feature `published`"
        )
    );
}
