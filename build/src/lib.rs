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

mod check;
mod complaint;
mod document;
mod door;
mod enums;
mod facade;
mod facts;
mod generate;
mod limits;
mod names;
mod pattern;
mod prepare;
mod quiet;
mod reach;
mod send;
mod shape;

pub use complaint::Complaint;
pub use door::{Error, Result, Source, document};

use complaint::Found;
use document::Document;
use reach::Reach;

/// The Rust code of a surface, made from the text of its document.
///
/// # Errors
/// What the document may not say: one sentence each, with the file, the place and the cure.
fn surface(name: &str, file: &str, text: &str) -> Found<String> {
    let document = Document::parse(file, text)?;
    check::document(&document)?;
    let limits = limits::of(&document)?;
    let reach = Reach::of(&document);
    check::split(&document, &reach)?;

    let copy = prepare::generators_copy(&document, &reach);
    let mut code = generate::code(name, &document, &reach, copy)?;
    facade::dress(&mut code, &document, &reach)?;
    enums::add(&mut code, name, &document, &reach)?;
    facts::add(&mut code, &document, &reach, &limits)?;
    facade::check(&code, &document)?;

    let head = format!("// Made by the build script from {file}. Changes belong there.\n\n");
    Ok(head + &prettyplease::unparse(&code))
}
