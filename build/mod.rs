//! From a bundled document to Rust code: check → prepare → generate → facade → facts table.

mod check;
mod complaint;
mod document;
mod enums;
mod facade;
mod facts;
mod generate;
mod limits;
mod names;
mod pattern;
mod prepare;
mod reach;
mod send;
mod shape;

use complaint::Complaint;
use document::Document;
use reach::Reach;

/// The Rust code of a surface, made from the text of its document.
///
/// # Errors
/// What the document may not say: one sentence each, with the file, the place and the cure.
pub(crate) fn surface(name: &str, file: &str, text: &str) -> Result<String, Vec<Complaint>> {
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
