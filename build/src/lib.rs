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

#![cfg_attr(not(feature = "published"), allow(dead_code, reason = "what only published documents need"))]

#[cfg(feature = "published")]
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
#[cfg(all(test, feature = "published"))]
#[allow(clippy::expect_used, reason = "tests")]
mod growth;
mod keywords;
mod limits;
mod names;
#[cfg(feature = "published")]
mod only;
#[cfg(feature = "published")]
mod outside;
mod overlay;
mod pattern;
mod prepare;
#[cfg(feature = "published")]
mod published;
mod quiet;
mod reach;
mod read;
mod report;
mod send;
mod shape;
#[cfg(feature = "published")]
mod sign_ins;
mod words;

/// The code of the page is compiled.
#[cfg(all(doctest, feature = "overlay"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use diagnostic::Diagnostic;
pub use door::{Error, Made, Result, Source, document};
pub use report::{Kind, Report, Row};

use diagnostic::Diagnosed;
use document::Document;
#[cfg(feature = "published")]
use published::published;
use reach::Reach;

/// The Rust code of a surface, made from its document.
///
/// # Errors
/// What the document may not say: one sentence each, with the file, the place and the cure.
fn surface(name: &str, file: &str, root: serde_json::Value) -> Diagnosed<String> {
    let document = Document::of(file, root, true);
    check::document(&document)?;
    let head = format!("// Made by the build script from {file}. Changes belong there.\n\n");
    Ok(head + &prettyplease::unparse(&made(name, &document)?))
}

/// What is made of a document that has the generator's form.
fn made(name: &str, document: &Document) -> Diagnosed<syn::File> {
    let limits = limits::of(document)?;
    let reach = Reach::of(document);
    if document.own {
        check::split(document, &reach)?;
    }
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

/// The Rust code of a published document, and what became of it.
///
/// # Errors
/// That this cannot be made here.
#[cfg(not(feature = "published"))]
fn published(
    _: &str,
    file: &str,
    _: serde_json::Value,
    _: Option<&std::collections::BTreeSet<String>>,
) -> Diagnosed<(String, Report)> {
    let what = "this build of keyway-build makes code of Keyway's own documents alone";
    diagnostic::diagnose(file, "", what, "switch on its feature `published`")
}
