//! From a document as its vendor publishes it to code that stands outside Keyway.

use crate::{
    Kind, Report, adopt, check,
    diagnostic::{Diagnosed, diagnose},
    document::{Document, text},
    only, outside,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The Rust code of a published document, and what became of it.
///
/// # Errors
/// What no code can be made of: one sentence each.
pub(crate) fn published(
    name: &str,
    file: &str,
    mut root: Value,
    operations: Option<&BTreeSet<String>>,
) -> Diagnosed<(String, Report)> {
    if let Some(operations) = operations {
        only::chosen(file, &mut root, operations)?;
    }
    let (root, mut report) = adopt::adopt(file, root)?;
    let mut document = Document::of(file, root, false);
    check::adopted(&document)?;
    let made = match crate::made(name, &document) {
        Ok(made) => made,
        Err(_) => {
            without_what_fails(name, &mut document, &mut report);
            crate::made(name, &document)?
        }
    };
    let title = text(&document.root["info"]["title"]).lines().next().unwrap_or_default();
    let made = outside::named_from_without(made, &document, name, title)
        .or_else(|why| diagnose(file, "", format!("the code cannot be named from without ({why})"), "report this"))?;
    let head = format!("// Made by keyway-build from {file}. Changes belong there.\n\n");
    Ok((head + &prettyplease::unparse(&made), report))
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
        let Err(why) = crate::made(name, document) else {
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
fn only<'a>(paths: &Value, operations: impl Iterator<Item = &'a (String, String)>) -> Value {
    let mut chosen = serde_json::json!({});
    for (path, method) in operations {
        chosen[path][method] = paths[path][method].clone();
    }
    chosen
}
