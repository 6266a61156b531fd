//! From an OpenAPI document to Rust code that Keyway can send: check → prepare → generate → facade → facts table.
//!
//! ```no_run
//! // build.rs
//! fn main() -> keyway_build::Result {
//!     keyway_build::document("specs/acme.json").generate("acme")
//! }
//! ```
//!
//! It reads the files it is given, writes to `OUT_DIR` and touches nothing else: no network, no other folder.

mod adopt;
mod check;
mod choices;
mod diagnostic;
mod document;
mod door;
mod enums;
mod facade;
mod facts;
mod generate;
#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests")]
mod growth;
mod keywords;
mod limits;
mod names;
mod only;
mod outside;
mod overlay;
mod pattern;
mod prepare;
mod quiet;
mod reach;
mod read;
mod send;
mod shape;
mod sign_ins;

/// The code of the page is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use adopt::{Kind, Report, Row};
pub use diagnostic::Diagnostic;
pub use door::{Error, Made, Result, Source, document};

use diagnostic::Diagnosed;
use document::Document;
use reach::Reach;

/// The Rust code of a published document, and what became of it.
///
/// # Errors
/// What no code can be made of: one sentence each.
fn published(name: &str, file: &str, root: serde_json::Value) -> Diagnosed<(String, Report)> {
    let (root, mut report) = adopt::adopt(file, root)?;
    let mut document = Document::of(file, root, false);
    check::adopted(&document)?;
    let made = match attempt(name, &document) {
        Ok(made) => made,
        Err(_) => {
            without_what_fails(name, &mut document, &mut report);
            attempt(name, &document)?
        }
    };
    let title = document::text(&document.root["info"]["title"]).lines().next().unwrap_or_default();
    let made = outside::named_from_without(made, &document, name, title).or_else(|why| {
        diagnostic::diagnose(file, "", format!("the code cannot be named from without ({why})"), "report this")
    })?;
    let head = format!("// Made by keyway-build from {file}. Changes belong there.\n\n");
    Ok((head + &prettyplease::unparse(&made), report))
}

fn attempt(name: &str, document: &Document) -> Diagnosed<syn::File> {
    let limits = limits::of(document)?;
    let reach = Reach::of(document);
    let copy = prepare::generators_copy(document, &reach);
    let mut code = generate::code(name, document, &reach, copy)?;
    facade::rewrite(&mut code, document, &reach)?;
    enums::add(&mut code, document, &reach)?;
    choices::add(&mut code, document, &reach)?;
    facts::add(&mut code, document, &reach, &limits)?;
    facade::compiled_where_called(&mut code.items);
    facade::check(&code, document)?;
    Ok(code)
}

/// Where very much fails, groups of operations are left out together: each attempt takes as long as its operations have code.
const MOST_ATTEMPTS: usize = 500;

/// What the generator cannot express is found operation by operation, and left out.
fn without_what_fails(name: &str, document: &mut Document, report: &mut Report) {
    let all: Vec<(String, String)> =
        document.operations().map(|operation| (operation.path.to_owned(), operation.method.to_owned())).collect();
    let whole = document.root["paths"].take();
    let mut groups = vec![all.as_slice()];
    let mut kept = Vec::new();
    let mut attempts = 0;
    while let Some(group) = groups.pop() {
        attempts += 1;
        document.root["paths"] = only(&whole, group.iter());
        let Err(why) = attempt(name, document) else {
            kept.extend(group);
            continue;
        };
        if group.len() > 1 && attempts < MOST_ATTEMPTS {
            let (one, other) = group.split_at(group.len() / 2);
            groups.extend([one, other]);
            continue;
        }
        let why = why.first().map(|diagnostic| diagnostic.what.clone()).unwrap_or_default();
        for (path, method) in group {
            report.typed -= 1;
            report.note(Kind::LeftOut, why.as_str(), &format!("{} {path}", method.to_uppercase()));
        }
    }
    document.root["paths"] = only(&whole, kept.into_iter());
}

/// These operations of a document.
fn only<'a>(paths: &serde_json::Value, operations: impl Iterator<Item = &'a (String, String)>) -> serde_json::Value {
    let mut chosen = serde_json::json!({});
    for (path, method) in operations {
        chosen[path][method] = paths[path][method].clone();
    }
    chosen
}

/// The Rust code of a surface, made from its document.
///
/// # Errors
/// What the document may not say: one sentence each, with the file, the place and the cure.
fn surface(name: &str, file: &str, root: serde_json::Value) -> Diagnosed<String> {
    let document = Document::of(file, root, true);
    check::document(&document)?;
    let limits = limits::of(&document)?;
    let reach = Reach::of(&document);
    check::split(&document, &reach)?;

    let copy = prepare::generators_copy(&document, &reach);
    let mut code = generate::code(name, &document, &reach, copy)?;
    facade::rewrite(&mut code, &document, &reach)?;
    enums::add(&mut code, &document, &reach)?;
    facts::add(&mut code, &document, &reach, &limits)?;
    facade::compiled_where_called(&mut code.items);
    facade::check(&code, &document)?;

    let head = format!("// Made by the build script from {file}. Changes belong there.\n\n");
    Ok(head + &prettyplease::unparse(&code))
}
