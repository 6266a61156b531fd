//! The list of operations of each bundled document, as it was when somebody last looked at it.
//!
//! `KEYWAY_BLESS=1 cargo test` writes the lists anew. That generated code has these operations and no others is what
//! the tables of `wire/` hold: each names its operations as methods of the generated client.

use crate::wire::document::Document;
use std::{collections::BTreeMap, fs, path::Path};

/// `METHOD path operation role certainty`: the path with that of the server in front, several roles joined with `|`.
fn golden(document: &Document) -> String {
    let line = |operation: crate::wire::document::Operation<'_>| {
        let roles = operation.roles();
        let role = if roles.is_empty() { "none".to_owned() } else { roles.join("|") };
        let (method, path) = (operation.method(), operation.path());
        format!("{method} {path} {} {role} {}\n", operation.id(), operation.certainty())
    };
    document.operations().into_iter().map(line).collect()
}

#[apply(leak_checked!)]
fn the_operations_are_those_of_the_golden_lists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let documents = crate::documents::documents();
    let mut found = BTreeMap::new();
    for file in fs::read_dir(&folder).expect("specs/") {
        let name = file.expect("a file").file_name().into_string().expect("a plain name");
        if let Some(surface) = name.strip_suffix(".json") {
            found.entry(surface.to_owned()).or_insert((false, false)).0 = true;
        } else if let Some(surface) = name.strip_suffix(".ops.txt") {
            found.entry(surface.to_owned()).or_insert((false, false)).1 = true;
        }
    }
    for (surface, (has_document, has_golden)) in found {
        assert!(has_document, "specs/{surface}.ops.txt has no document: delete it");
        let now = golden(&documents[&surface]);
        let path = folder.join(format!("{surface}.ops.txt"));
        if std::env::var_os("KEYWAY_BLESS").is_some() {
            fs::write(&path, &now).expect("a golden list");
            continue;
        }
        let cure = "look at the difference, then run KEYWAY_BLESS=1 cargo test";
        assert!(has_golden, "specs/{surface}.ops.txt is missing: {cure}");
        let before = fs::read_to_string(&path).expect("a golden list").replace("\r\n", "\n");
        assert_eq!(now, before, "specs/{surface}.ops.txt is not what the document says: {cure}");
    }
}
