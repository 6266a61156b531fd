//! What is made of a good document.

use super::*;

/// Each setter of the code says what the code itself asks for.
#[test]
fn every_setter_says_whether_it_is_required() {
    let made = keyway_build::document(FILE).inside_keyway().text(read("good")).make("small").expect("code");
    let (mut required, mut optional) = (0, 0);
    for setter in made.code.replace("#[inline]\n", "").split("#[must_use]\n").collect::<Vec<_>>().windows(2) {
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
fn failures_are_read_by_the_exact_status_first_and_default_last() {
    let code = code();
    let at = |part: &str| code.find(&squeezed(part)).expect("the failure is in the table");
    let exact = at("from: 422u16, to: 422u16, body: ::std::any::TypeId::of::<types::FieldFailure>");
    let range = at("from: 400u16, to: 499u16, body: ::std::any::TypeId::of::<types::Failure>");
    let default = at("from: 400u16, to: 599u16, body: ::std::any::TypeId::of::<::serde_json::Value>");
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
            "const SHAPE_2: Shape = Shape::Members(&[(\"made\", Shape::Anything), (\"refresh\", Shape::Anything), \
             (\"roles\", Shape::List(&Shape::Anything)), (\"token\", Shape::Anything)])",
            "Shape::Members(&[(\"data\", SHAPE_2), (\"success\", Shape::Anything)])",
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
            // What has a name in the document has one in the table.
            "const RULE_2: Rule = Rule { min_length: Some(1usize), max_length: Some(32usize), pattern: Some(&PATTERN_0)",
            "(\"login\", RULE_2)",
            "(\"password\", Rule { min_length: Some(8usize)",
            "(\"duration\", Rule { maximum: Some(120f64)",
            "place: ParameterPlace::Path, name: \"id\", rule: Rule { uuid: true",
            "place: ParameterPlace::Query, name: \"_sort\", rule: Rule { max_length: Some(8usize)",
            "place: ParameterPlace::Query, name: \"ids\", rule: Rule { max_items: Some(2usize)",
            "(\"names\", Rule { values: Some(&RULE_2)",
            "(\"parts\", Rule { min_items: Some(1usize), items: Some(&RULE_3)",
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
            "crate::http::runtime::address_of(&client.baseurl, ",
            "crate::http::runtime::queried(",
            "&crate::http::runtime::QueryParam::new(\"_sort\", &sort)",
            "&crate::http::runtime::QueryParam::new(\"colour\", &colour)",
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

#[test]
fn a_failure_that_is_json_by_another_name_is_read() {
    let problem = json!({ "description": "No.", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/FieldFailure" } } } });
    let patch = json!({ "paths": { "/v1/things/{id}": { "get": { "responses": { "418": problem } } } } });
    assert_has(&code_with(patch), &["from: 418u16, to: 418u16, body: ::std::any::TypeId::of::<types::FieldFailure>"]);
}
