//! What the bundled documents owe to whoever reads them, and to every other tool.
//!
//! What linters find is theirs (`.ci/specs`), what generators make of the documents is in `.ci/long.d/interop`. Here is what
//! only we know: which claims must look like guesses, and which habits keep other people's tools from being misled.

use crate::{leak_check::contract, wire::document::Document};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

pub(crate) const SCALE: [&str; 6] = ["documented", "example only", "vendor source", "observed", "inferred", "guessed"];
const MARK: &str = "(path guessed)";

/// The documents as code is made of them: a vendor's own with our overlay.
pub(crate) fn documents() -> BTreeMap<String, Document> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let files = fs::read_dir(folder).expect("specs/").map(|file| file.expect("a file").path());
    let documents = files.filter(|file| file.extension().is_some_and(|ending| ending == "json")).map(|file| {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let made = Path::new(env!("OUT_DIR")).join(format!("{name}.json"));
        (name, Document::parse(&fs::read_to_string(made).expect("a document")))
    });
    documents.collect()
}

/// VTEX publishes a document, and ours is that one: what we say beside it is an overlay.
#[apply(leak_checked!)]
fn the_document_of_vtex_is_the_vendors_to_the_byte() {
    use hmac_sha256::Hash;
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/vtex.json")).expect("the document");
    let digest: String = Hash::hash(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/vtex.md")).expect("the page");
    assert!(page.contains(&digest), "specs/vtex.md does not name its digest: {digest}");
}

/// Every object below `value` with its place, examples left out: they are data.
fn walk<'v>(value: &'v Value, place: &str, visit: &mut dyn FnMut(&str, &'v Value)) {
    match value {
        Value::Object(members) => {
            visit(place, value);
            let is_data = |key: &str| ["example", "examples", "x-vendor-example", "default"].contains(&key);
            for (key, below) in members.iter().filter(|(key, _)| !is_data(key)) {
                walk(below, &format!("{place}/{key}"), visit);
            }
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(n, below)| walk(below, &format!("{place}/{n}"), visit));
        }
        _ => {}
    }
}

/// The places of all documents at which something is wrong.
fn wrong(is_wrong: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, document) in documents() {
        walk(&document.root, &name, &mut |place, value| {
            if is_wrong(value) {
                found.push(place.to_owned());
            }
        });
    }
    found
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn operation<'d>(document: &'d Document, id: &str) -> &'d Value {
    let items = document.root["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    let found = items.flat_map(|item| item.values()).find(|operation| operation["operationId"] == id);
    found.unwrap_or_else(|| panic!("no operation `{id}`"))
}

#[apply(leak_checked!)]
fn a_guessed_path_says_so_in_every_tool() {
    let mut guesses = BTreeMap::new();
    for (name, document) in documents() {
        walk(&document.root["paths"], &name, &mut |place, value| {
            if value.get("operationId").is_none() {
                return;
            }
            let is_guessed = value["x-certainty"] == "guessed";
            *guesses.entry(name.clone()).or_insert(0) += usize::from(is_guessed);
            let says = (text(value, "summary").ends_with(MARK), text(value, "description").starts_with(MARK));
            assert_eq!(says, (is_guessed, is_guessed), "{place}: `{MARK}` ends the summary and begins the description");
        });
    }
    guesses.retain(|_, count| *count > 0);
    assert_eq!(guesses, BTreeMap::from([("orderingstack".to_owned(), 27)]));
}

#[apply(leak_checked!)]
fn every_document_explains_its_marks_and_names_its_source() {
    for (name, document) in documents() {
        let info = &document.root["info"];
        assert!(info["contact"]["url"].is_string(), "{name}: no contact");
        assert!(document.root["externalDocs"]["url"].is_string(), "{name}: no externalDocs");
        let legend = text(info, "description");
        walk(&document.root, &name, &mut |place, value| {
            let marks = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            for mark in marks.filter(|key| key.starts_with("x-") && LEGEND.contains(key)) {
                assert!(legend.contains(&format!("`{mark}`")), "{place}: info.description does not explain `{mark}`");
            }
            if let Some(said) = value["x-certainty"].as_str() {
                assert!(SCALE.contains(&said), "{place}: `{said}` is not on the scale");
                assert!(legend.contains(&format!("| `{said}` |")), "{name}: the legend lacks `{said}`");
            }
        });
    }
}

/// The marks a reader has to understand. The others are Keyway's business alone.
const LEGEND: [&str; 9] = [
    "x-certainty",
    "x-exact-pattern",
    "x-resend",
    "x-role",
    "x-secret-url",
    "x-session-step",
    "x-source",
    "x-vendor-example",
    "x-vendor-required",
];

#[apply(leak_checked!)]
fn every_request_body_says_what_it_is() {
    let is_body = |value: &Value| value.get("content").is_some() && value.get("required").is_some();
    assert_eq!(wrong(|value| is_body(value) && text(value, "description").is_empty()), [""; 0]);
}

/// A generated client must not fail on a value that was added since: `CASHIER`, `BlockedUser`.
#[apply(leak_checked!)]
fn no_list_of_texts_is_closed() {
    let texts = |value: &Value| value["enum"].as_array().is_some_and(|values| values.iter().any(Value::is_string));
    let mut closed = Vec::new();
    for (name, document) in documents() {
        walk(&document.root["components"], &name, &mut |place, value| {
            let is_server = place.contains("/servers/");
            let is_open = |parts: &Value| parts.as_array().is_some_and(|parts| parts.iter().any(|part| !texts(part)));
            if texts(value) && !is_server && !place.ends_with("/anyOf/0") {
                closed.push(place.to_owned());
            }
            if value["anyOf"].as_array().is_some_and(|parts| parts.iter().any(texts)) && !is_open(&value["anyOf"]) {
                closed.push(place.to_owned());
            }
        });
    }
    assert_eq!(closed, [""; 0]);
}

/// Beside `allOf` or a reference `nullable` means nothing to many tools: `null` must pass the parts as well.
#[apply(leak_checked!)]
fn null_is_said_where_the_type_is() {
    let is_lost =
        |value: &Value| value["nullable"] == true && value.get("type").is_none() && value.get("anyOf").is_none();
    assert_eq!(wrong(|value| is_lost(value) || (value["nullable"] == true && value.get("allOf").is_some())), [""; 0]);
}

/// ECMA-262 without its Unicode flag, Python and the others must all be able to read a pattern; where that widens it, the
/// vendor's own stands beside it, and what that admits the wide one admits too.
#[apply(leak_checked!)]
fn every_pattern_can_be_read_by_every_tool() {
    assert_eq!(wrong(|value| text(value, "pattern").contains(r"\p")), [""; 0]);
    let mut pairs = Vec::new();
    for (name, document) in documents() {
        walk(&document.root, &name, &mut |_, value| {
            if let (Some(wide), Some(exact)) = (value["pattern"].as_str(), value["x-exact-pattern"].as_str()) {
                pairs.push((wide.to_owned(), exact.to_owned()));
            }
        });
    }
    pairs.sort();
    pairs.dedup();
    assert!(!pairs.is_empty(), "none is widened: take this test out");
    let reads = |pattern: &str| {
        let schema = serde_json::json!({ "type": "string", "pattern": pattern });
        jsonschema::validator_for(&schema).expect("a pattern")
    };
    for (wide, exact) in pairs {
        let (wide_reads, exact_reads) = (reads(&wide), reads(&exact));
        for letter in ('\0'..='\u{ffff}').map(|letter| Value::String(letter.to_string())) {
            let is_lost = exact_reads.is_valid(&letter) && !wide_reads.is_valid(&letter);
            assert!(!is_lost, "{letter} is of `{exact}` and not of `{wide}`");
        }
    }
}

/// What contradicts the vendor's own schema stands in `x-vendor-example`, and what a tool shows can be sent.
#[apply(leak_checked!)]
fn every_example_is_of_its_schema() {
    let mut examples = 0;
    for (fake, document) in contract::documents() {
        walk(&document.root, fake, &mut |place, value| {
            let Some(schema) = value.get("schema") else { return };
            let named = value["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
            for example in value.get("example").into_iter().chain(named) {
                // A parameter's example is shown as it is sent; numbers are texts in an address.
                let wrong = contract::wrong(fake, schema, example);
                assert_eq!(wrong, [""; 0], "{place}");
                examples += 1;
            }
            let is_alone = value.get("x-vendor-example").is_some() && value.get("example").is_none();
            assert!(!is_alone, "{place}: give it an example of its own that can be sent");
        });
    }
    assert!(examples > 90, "only {examples} examples were found");
}

#[apply(leak_checked!)]
fn the_vendors_own_lists_of_required_members_are_kept() {
    let mut kept = 0;
    for (name, document) in documents() {
        walk(&document.root["components"]["schemas"], &name, &mut |place, value| {
            let Some(vendors) = value.get("x-vendor-required").map(names) else { return };
            let ours = names(&value["required"]);
            assert!(ours.iter().all(|member| vendors.contains(member)) && ours.len() < vendors.len(), "{place}");
            kept += 1;
        });
    }
    assert_eq!(kept, 2, "Shopmonkey's session and its user");
}

#[apply(leak_checked!)]
fn other_tools_are_told_what_opens_an_operation() {
    let documents = documents();
    let vtex = &documents["vtex"];
    let pair = serde_json::json!({ "appKey": [], "appToken": [] });
    assert_eq!(operation(vtex, "getStorefrontUser")["security"], Value::Array(vec![pair.clone()]));
    assert_eq!(operation(vtex, "expireUserPassword")["security"][0], pair);
    for id in ["issueToken", "startDevice"] {
        let opened = &operation(&documents["orderingstack"], id)["security"];
        assert_eq!(*opened, serde_json::json!([{ "client": [] }]), "{id}: the client's Basic");
    }
    let basic = &documents["orderingstack"].root["components"]["securitySchemes"]["client"];
    assert_eq!((text(basic, "scheme"), text(basic, "x-role")), ("basic", "client"));
}

#[apply(leak_checked!)]
fn a_failure_of_shopmonkey_says_that_it_is_one() {
    let documents = documents();
    let envelope = &documents["shopmonkey"].root["components"]["schemas"]["ErrorEnvelope"];
    assert_eq!(envelope["properties"]["success"]["enum"], serde_json::json!([false]));
    let mut nullable = Vec::new();
    walk(&documents["shopmonkey"].root["components"], "", &mut |place, value| {
        if value["nullable"] == true {
            nullable.push(place.rsplit('/').next().expect("a name").to_owned());
        }
    });
    assert_eq!(nullable, ["name", "algoliaAuthToken"], "that a key never ends is told by nobody to be null");
}

/// The vendor's front end and nearly every client spell the access key in small letters, its document does not.
#[apply(leak_checked!)]
fn contradictions_of_vtex_are_in_its_document() {
    let documents = documents();
    let vtex = &documents["vtex"].root;
    let form = &vtex["components"]["schemas"]["AccessKeyLogin"]["properties"];
    assert!(form["accesskey"].is_object() && form["accessKey"].is_object());
    let sent = operation(&documents["vtex"], "sendAccessKey");
    assert!(text(&sent["responses"]["200"], "description").contains("empty"), "the mail is sent only then");
    assert!(text(&vtex["info"], "description").contains("B2B Buyer Portal"));
    for status in ["InvalidEmail", "InvalidToken", "WrongCredentials", "RequiresMFA", "WeakPassword"] {
        let told = text(&vtex["components"]["schemas"]["AuthStatus"], "description");
        assert!(told.contains(&format!("`{status}`")), "{status}");
    }
    let cookies = ["sendAccessKey", "validateAccessKey", "refreshStorefrontToken"].map(|id| {
        let parameters = operation(&documents["vtex"], id)["parameters"].as_array().expect("parameters");
        parameters.iter().filter(|parameter| parameter["in"] == "cookie" && parameter.get("example").is_some()).count()
    });
    assert_eq!(cookies, [1, 1, 3], "the vendor's examples of cookies");
}
