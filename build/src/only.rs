//! The operations that a program calls, out of all that a vendor has.

use crate::{
    adopt::{resolved, says_security},
    diagnostic::{Diagnosed, Diagnostics, diagnose},
    document::{METHODS, members, reference},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Takes out of a document all operations but these, by id or by method and path.
///
/// # Errors
/// Names that no operation has; no name.
pub(crate) fn chosen(file: &str, root: &mut Value, names: &BTreeSet<String>) -> Diagnosed<()> {
    if names.is_empty() {
        let cure = "name the operations that you call, or leave `.only(..)` out to have them all";
        return diagnose(file, "", "`.only(..)` names no operation", cure);
    }
    write_out_paths(root);
    keep_what_security_means(root);
    let mut missing = names.clone();
    if let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths.iter_mut() {
            choose(path, item, names, &mut missing);
        }
        let has_operation = |item: &Value| METHODS.iter().any(|method| item.get(*method).is_some());
        paths.retain(|_, item| has_operation(item));
    }
    let mut diagnostics = Diagnostics::about(file);
    for name in missing {
        let cure = "name it by its `operationId`, or by method and path as the document has them: `GET /orders/{id}`";
        diagnostics.add("", format!("`.only(..)` names `{name}`, and no operation is called so"), cure);
    }
    diagnostics.or(())
}

fn choose(path: &str, item: &mut Value, names: &BTreeSet<String>, missing: &mut BTreeSet<String>) {
    let Some(words) = item.as_object_mut() else { return };
    words.retain(|method, operation| {
        if !METHODS.contains(&method.as_str()) {
            return true;
        }
        let address = format!("{} {path}", method.to_uppercase());
        let id = operation["operationId"].as_str().unwrap_or_default();
        missing.remove(&address);
        missing.remove(id);
        names.contains(&address) || names.contains(id)
    });
}

/// An operation that says nothing of security carries no session where another one says something, also if that one is taken out.
fn keep_what_security_means(root: &mut Value) {
    if says_security(root) && !root["security"].is_array() {
        root["security"] = json!([]);
    }
}

/// What a path refers to stands in its place: operations are taken out of it.
fn write_out_paths(root: &mut Value) {
    let referred = members(&root["paths"]).filter_map(|(path, item)| {
        reference(item)?;
        Some((path.to_owned(), resolved(root, item)?.clone()))
    });
    let referred: Map<String, Value> = referred.collect();
    if let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) {
        paths.extend(referred);
    }
}
