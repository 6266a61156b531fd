//! `docs/vendors/<name>.md`: one page per vendor for people, made from its document.
//!
//! `KEYWAY_BLESS=1 cargo test --test it vendors` writes the pages anew.

use crate::wire::document::{Document, Operation};
use serde_json::Value;
use std::{fs, path::Path};

/// How a sign-in is told: the steps in their order.
const STEPS: [(&str, &str); 4] =
    [("challenge", "Before it"), ("sign-in", "Signing in"), ("renew", "Renewing"), ("sign-out", "Signing out")];

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// A sentence as a sentence, whichever way it stands in the document.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let ends = [".", "?", "!"].iter().any(|end| text.trim().ends_with(end));
    format!("{first}{}{}", letters.as_str(), if ends { "" } else { "." })
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn page(name: &str, document: &Document) -> String {
    let info = &document.root["info"];
    let about = text(info, "description").split("\n\n**How sure").next().unwrap_or_default();
    let outside = &document.root["externalDocs"];
    let mut itself = format!("[specs/{name}.json](../../specs/{name}.json)");
    let overlay = format!("specs/overlays/{name}.json");
    if Path::new(env!("CARGO_MANIFEST_DIR")).join(&overlay).exists() {
        itself += &format!(", the vendor's own, with [{overlay}](../../{overlay})");
    }
    let mut page = format!(
        "<!-- Made from specs/{name}.json: KEYWAY_BLESS=1 cargo test --test it vendors -->\n\n# {}\n\n{about}\n\n{}: \
         <{}>. The document itself: {itself}; where its readings come from: \
         [specs/{name}.md](../../specs/{name}.md).\n",
        text(info, "title"),
        text(outside, "description"),
        text(outside, "url"),
    );
    page += &signing_in(document);
    page += "\n## What the other calls carry\n\n| scheme | how it travels | |\n|---|---|---|\n";
    let schemes = document.root["components"]["securitySchemes"].as_object().into_iter().flatten();
    for (scheme, value) in schemes {
        page += &format!("| `{scheme}` | {} | {} |\n", travels(value), cell(text(value, "description")));
    }
    page += "\n## What lives how long\n\n| what | how long | certainty | source |\n|---|---|---|---|\n";
    for row in info["x-lifetimes"].as_array().expect("x-lifetimes") {
        let [what, lives, certainty, source] =
            ["what", "lives", "certainty", "source"].map(|member| cell(text(row, member)));
        page += &format!("| {what} | {lives} | {certainty} | {source} |\n");
    }
    page += "\n## What is not known\n\n";
    for row in info["x-unknown"].as_array().expect("x-unknown") {
        let find = row["howToFindOut"].as_str().map(|find| format!(" To find out: {}", sentence(find)));
        let until = row["untilThen"].as_str().map(|until| format!(" {}", sentence(until)));
        page += &format!(
            "- **{}**{}{}\n",
            sentence(text(row, "what")),
            until.unwrap_or_default(),
            find.unwrap_or_default()
        );
    }
    page + &every_call(document)
}

fn signing_in(document: &Document) -> String {
    let mut part = "\n## How to sign in\n".to_owned();
    for (step, title) in STEPS {
        let operations = document.operations().into_iter().filter(|operation| operation.step() == Some(step));
        let calls: String = operations.map(call).collect();
        let calls = if calls.is_empty() { "\nNo operation is known.\n".to_owned() } else { calls };
        part += &format!("\n### {title}\n{calls}");
    }
    part
}

/// One call in words, with who says so.
fn call(operation: Operation<'_>) -> String {
    let value = operation.value();
    let about = text(value, "description").replace("\n\n", " ");
    let answers: Vec<_> = operation.answers().into_iter().map(|answer| format!("`{}`", answer.key)).collect();
    format!(
        "\n**{}**: `{} {}` (`{}`). {about} Answers: {}. *{}: {}.*\n",
        text(value, "summary"),
        operation.method(),
        operation.path(),
        operation.id(),
        answers.join(", "),
        operation.certainty(),
        text(value, "x-source"),
    )
}

fn travels(scheme: &Value) -> String {
    match (text(scheme, "type"), text(scheme, "scheme"), text(scheme, "in")) {
        ("http", "basic", _) => "`Authorization: Basic`".to_owned(),
        (_, _, "header") => format!("header `{}`", text(scheme, "name")),
        _ => "`Authorization: Bearer`".to_owned(),
    }
}

fn every_call(document: &Document) -> String {
    let operations = document.operations();
    let guesses = operations.iter().filter(|operation| operation.certainty() == "guessed").count();
    let mut part = "\n## Every call\n\n".to_owned();
    if guesses > 0 {
        part += &format!(
            "{guesses} of the {} paths are guesses: where one is wrong, `.operation_path(..)` on the builder puts it right.\n\n",
            operations.len()
        );
    }
    part += "| method | call | whose session | certainty |\n|---|---|---|---|\n";
    for operation in operations {
        let roles = operation.roles();
        let whose = if roles.is_empty() { "nobody's".to_owned() } else { roles.join(" or ") };
        let address = format!("{} {}", operation.method(), operation.path());
        let summary = cell(text(operation.value(), "summary"));
        part += &format!("| `{}` | {summary}: `{address}` | {whose} | {} |\n", operation.id(), operation.certainty());
    }
    part
}

#[apply(leak_checked!)]
fn every_vendor_has_a_page_that_says_what_its_document_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("docs/vendors");
    let documents = crate::documents::documents();
    let names: Vec<&String> = documents.keys().collect();
    let blesses = std::env::var_os("KEYWAY_BLESS").is_some();
    if blesses {
        fs::create_dir_all(&folder).expect("docs/vendors/");
    }
    let cure = "look at the difference, then run KEYWAY_BLESS=1 cargo test --test it vendors";
    for (name, document) in &documents {
        let now = page(name, document);
        let path = folder.join(format!("{name}.md"));
        if blesses {
            fs::write(&path, &now).expect("a page");
            continue;
        }
        let before = fs::read_to_string(&path).unwrap_or_else(|_| panic!("docs/vendors/{name}.md is missing: {cure}"));
        assert!(now == before.replace("\r\n", "\n"), "docs/vendors/{name}.md is not what its document says: {cure}");
    }
    let pages = fs::read_dir(&folder).expect("docs/vendors/").map(|file| file.expect("a file").file_name());
    let mut pages: Vec<_> = pages.map(|page| page.to_string_lossy().replace(".md", "")).collect();
    pages.sort();
    assert_eq!(pages.iter().collect::<Vec<_>>(), names, "a page without a document");
}

/// Every fact has its certainty and source, and what is unknown is said in each document.
#[apply(leak_checked!)]
fn what_lives_how_long_is_told_with_its_source() {
    for (name, document) in crate::documents::documents() {
        let info = &document.root["info"];
        let rows = info["x-lifetimes"].as_array().expect("x-lifetimes");
        let whole =
            |row: &Value| ["what", "lives", "certainty", "source"].iter().all(|name| !text(row, name).is_empty());
        assert!(!rows.is_empty() && rows.iter().all(whole), "{name}");
        let is_sure = |row: &Value| {
            let certainty = text(row, "certainty");
            crate::documents::SCALE.contains(&certainty) || certainty == "not known"
        };
        assert!(rows.iter().all(is_sure), "{name}");
        assert!(info["x-unknown"].as_array().is_some_and(|rows| !rows.is_empty()), "{name}");
    }
}
