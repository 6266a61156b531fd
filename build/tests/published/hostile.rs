//! Documents that mean harm, by their names, their size or their references.

use super::*;

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

#[test]
fn a_value_that_is_written_several_times_counts_once() {
    let values: Vec<_> = (0..2_000).map(|number| format!("v{number}")).collect();
    // Of one and the same schema nothing would be left to put together.
    let alternatives: Vec<_> =
        (0..4).map(|number| json!({ "type": "string", "enum": values, "description": format!("{number}") })).collect();
    let choice = json!({ "anyOf": alternatives });
    let made = made(&of_schema(json!({ "$ref": "#/components/schemas/E" }), json!({ "E": choice })));
    assert_has(&made, &["pub enum E {", "\"v1999\" => Self::V1999,"]);
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
fn a_choice_of_very_many_texts_is_any_text() {
    let values: Vec<_> = (0..200_000).map(|number| format!("v{number}")).collect();
    let made = made(&of_schema(
        json!({ "type": "object", "properties": { "x": { "type": "string", "enum": values } } }),
        json!({}),
    ));
    assert_told(&made.report, Kind::Dropped, "a choice of 200000 texts is any text");
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

/// A build script's lines are commands where they begin with `cargo:`, and the table and the sentences are such lines.
#[test]
fn no_name_in_a_document_speaks_to_cargo() {
    let evil = "x\ncargo::rustc-env=STOLEN=1\r\ncargo:rustc-link-arg=evil\u{1b}[2J";
    let parameters = json!([{ "name": evil, "in": "header", "schema": { "type": "string" } }]);
    let mut document = of_operation(&format!("/{evil}"), json!({ "parameters": parameters, "responses": {} }));
    document["paths"]["/b"] = json!({ "get": { "operationId": evil, "responses": {}, evil: evil } });
    document["components"] = json!({ "schemas": { evil: { "type": "string", evil: true, "format": evil } } });
    let told = made(&document).report.to_string();
    assert!(told.contains("rustc-env"), "it is told: {told}");
    let lines: Vec<_> = told.lines().map(str::trim).filter(|line| line.starts_with("cargo:")).collect();
    assert_eq!((lines, told.contains('\u{1b}')), (Vec::<&str>::new(), false), "{told}");
    document["openapi"] = json!(evil);
    let refused = refusal(document.to_string());
    assert!(refused.lines().count() == 1 && !refused.contains('\u{1b}'), "{refused}");
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

// ---- size ----

/// `count` operations, each with types of its own.
fn of_size(count: usize) -> Value {
    let mut document = of_operation("/a", json!({ "responses": {} }));
    document["components"] = json!({ "schemas": {} });
    for number in 0..count {
        let thing = json!({ "$ref": format!("#/components/schemas/Thing{number}") });
        let content = json!({ "application/json": { "schema": thing } });
        document["components"]["schemas"][format!("Thing{number}")] =
            json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        document["paths"][format!("/things{number}")] = json!({ "post": {
            "operationId": format!("make{number}"),
            "requestBody": { "content": content },
            "responses": { "200": { "description": "", "content": content } },
        } });
    }
    document
}

#[test]
fn more_operations_than_a_compiler_takes_are_refused_and_a_few_of_them_made() {
    let text = of_size(6_000).to_string();
    let refused = refusal(text.as_str());
    assert!(refused.contains("6001 operations, and code is made of 5000 at most; name the operations"), "{refused}");
    let few = keyway_build::document(FILE).text(text).only(["make7", "POST /things8"]);
    let made = few.clone().make("acme").expect("a document");
    assert_eq!((made.report.operations, made.report.typed), (2, 2));
    assert_has(&made, &["pub fn make7(&self)", "pub fn make8(&self)", "pub struct Thing7 {"]);
    assert!(!made.code.contains("Thing9"));
    let missing = few.only(["make", "GET /things8"]).make("acme").expect_err("no such operation").to_string();
    assert_eq!(missing.lines().count(), 2, "{missing}");
    assert!(missing.contains("`.only(..)` names `GET /things8`, and no operation is called so; "), "{missing}");
    let none = keyway_build::document(FILE).text(of_size(1).to_string()).only::<String>([]);
    let none = none.make("acme").expect_err("nothing is named").to_string();
    assert!(none.contains("`.only(..)` names no operation; "), "{none}");
}

#[test]
fn which_operations_are_made_changes_nothing_about_whose_session_they_carry() {
    let mut document = of_operation("/a", json!({ "responses": {} }));
    document["paths"]["/b"] = json!({ "get": { "security": [{ "bearer": [] }], "responses": {} } });
    let only = |document: &Value, name: &str| {
        keyway_build::document(FILE).text(document.to_string()).only([name]).make("acme").expect("a document").code
    };
    assert!(only(&document, "GET /a").contains("roles: &[]"));
    assert!(only(&document, "GET /b").contains("roles: &[Role::Any]"));
    // Also where the one that says it stands behind references.
    let item = document["paths"]["/b"].take();
    document["x-items"] = json!({ "b": item, "one": { "$ref": "#/x-items/b" } });
    document["paths"]["/b"] = json!({ "$ref": "#/x-items/one" });
    assert!(only(&document, "GET /a").contains("roles: &[]"));
    assert!(only(&document, "GET /b").contains("roles: &[Role::Any]"));
    let all = made(&document).code;
    assert!(all.contains("roles: &[]") && all.contains("roles: &[Role::Any]"));
}

#[test]
fn more_members_than_a_compiler_takes_are_refused_before_they_are_written() {
    let members: Value = (0..2_000).map(|number| (format!("m{number}"), json!({ "type": "string" }))).collect();
    let base = json!({ "type": "object", "properties": members });
    let part = json!({ "$ref": "#/components/schemas/Base" });
    // Each heir has all members of its base: a short document, and very long code.
    let mut heirs = json!({ "Base": base });
    let mut properties = json!({});
    for number in 0..4_000 {
        heirs[format!("H{number}")] = json!({ "allOf": [part, { "properties": { "x": {} } }] });
        properties[format!("h{number}")] = json!({ "$ref": format!("#/components/schemas/H{number}") });
    }
    let document = of_schema(json!({ "type": "object", "properties": properties }), heirs);
    assert!(refusal(document.to_string()).contains("more than 50000 members, which no compiler takes; name the"));
    // So has each alternative of a choice beside members.
    let alternatives: Vec<_> = (0..400).map(|number| json!({ "properties": { format!("a{number}"): {} } })).collect();
    let choice = json!({ "type": "object", "properties": members, "oneOf": alternatives });
    assert!(refusal(of_schema(choice, json!({})).to_string()).contains("more than 50000 members"));
}

/// Each is short, and was read in a time that grows with a power of its length.
#[test]
fn what_refers_to_the_same_again_and_again_is_read_once() {
    const WIDTH: usize = 40;
    let level = |number: usize| format!("L{number}");
    let below = |number: usize| json!({ "$ref": format!("#/components/schemas/{}", level(number + 1)) });
    let mut wide = json!({ (level(12)): { "type": "string" } });
    let mut choices = wide.clone();
    for number in 0..12 {
        let mut members: Map<_, _> = (0..WIDTH).map(|member| (format!("m{member}"), below(number))).collect();
        members.insert("x".to_owned(), json!({ "type": "string", "maxLength": 3 }));
        wide[level(number)] = json!({ "type": "object", "properties": members });
        let parts: Vec<_> = (0..WIDTH).map(|part| json!({ "allOf": [below(number)], "x-part": part })).collect();
        choices[level(number)] = json!({ "oneOf": parts });
    }
    let mut document = of_schema(json!({ "$ref": "#/components/schemas/L0" }), wide);
    // What makes a session is looked at to the bottom.
    document["paths"]["/thing"]["post"]["x-session-step"] = json!("sign-out");
    let deep = made(&document);
    assert!(deep.code.lines().count() < 60_000, "{}", deep.code.lines().count());
    assert_has(&deep, &["max_length: Some(3usize)"]);
    made(&of_schema(json!({ "$ref": "#/components/schemas/L0" }), choices));
}

#[test]
fn chains_of_references_are_followed_however_long_they_are() {
    let next = |number: usize| json!({ "$ref": format!("#/components/schemas/L{}", number + 1) });
    let of = |length: usize, link: &dyn Fn(usize) -> Value| {
        let mut schemas: Map<_, _> = (0..length).map(|number| (format!("L{number}"), link(number))).collect();
        schemas.insert(format!("L{length}"), json!({ "type": "object", "properties": { "x": { "type": "string" } } }));
        made(&of_schema(json!({ "$ref": "#/components/schemas/L0" }), Value::Object(schemas)))
    };
    let lists = of(20_000, &|number| json!({ "type": "array", "items": next(number) }));
    assert_told(&lists.report, Kind::Dropped, "lists more than 64 deep");
    let parts = of(20_000, &|number| json!({ "allOf": [next(number), { "properties": { "y": {} } }] }));
    assert_told(&parts.report, Kind::Dropped, "parts of parts more than 64 deep");
    let members = of(300, &|number| json!({ "type": "object", "properties": { "next": next(number) } }));
    assert_has(&members, &["pub struct L300 {"]);
}

#[test]
fn an_operation_that_no_server_reads_is_left_out() {
    let parameters: Vec<_> = (0..501).map(|number| json!({ "name": format!("p{number}"), "in": "query" })).collect();
    let mut document = of_operation("/a", json!({ "parameters": parameters, "responses": {} }));
    document["paths"][format!("/{}", "b/".repeat(40_000))] = json!({ "get": { "responses": {} } });
    document["paths"]["/c"] = json!({ "get": { "responses": { "2": {}, "600": {}, "ok": {}, "200": {} } } });
    for (path, status) in [("/d", "+200"), ("/e", "0200")] {
        document["paths"][path] = json!({ "get": { "responses": { status: {}, "200": {} } } });
    }
    let made = made(&document);
    assert_eq!((made.report.operations, made.report.typed), (5, 3), "{}", made.report);
    let unknown =
        made.report.rows().find(|row| row.what.contains("an answer whose status is none")).expect("it is told");
    assert_eq!(unknown.count, 3, "{}", made.report);
    assert_told(&made.report, Kind::LeftOut, "it has 501 parameters");
    assert_told(&made.report, Kind::LeftOut, "its path has more than 65536 characters");
}
