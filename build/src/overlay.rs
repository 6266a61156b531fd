//! The overlays of Keyway's own documents: OpenAPI Overlay 1.0 whose targets are names and `*`.
//!
//! Overlays of others are applied by a library, which reads all of JSONPath and brings fifteen crates. Everyone who builds Keyway
//! would compile them for one file of ours. A test holds both to the same result.

use crate::diagnostic::{Diagnosed, diagnose};
use serde_json::Value;

/// A step of a target: one of these names, or every member.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Names(Vec<String>),
    Every,
}

/// Applies an overlay, action by action.
///
/// # Errors
/// What in it cannot work.
pub(crate) fn applied(file: &str, text: &str, root: &mut Value) -> Diagnosed<()> {
    let overlay: Value = match serde_json::from_str(text) {
        Ok(overlay) => overlay,
        Err(why) => return diagnose(file, "", format!("the overlay is not JSON ({why})"), "mend the syntax there"),
    };
    for (number, action) in crate::document::list(&overlay["actions"]).iter().enumerate() {
        let target = action["target"].as_str().unwrap_or_default();
        let place = format!("action {} ({target})", number + 1);
        let Some(steps) = steps(target) else {
            let cure = "write it with names and `*` only: $.paths['/a'].get";
            return diagnose(file, &place, "the target is not read here", cure);
        };
        let found = found(root, &steps);
        if found.is_empty() {
            return diagnose(file, &place, "the target finds nothing", "name what the document has");
        }
        let is_whole = |path: &String| root.pointer(path).is_some_and(|value| value.is_object() || value.is_array());
        if !found.iter().all(is_whole) {
            return diagnose(file, &place, "the target is no object and no list", "name what it stands in");
        }
        // From behind, so that what is left keeps its place.
        for path in found.iter().rev() {
            match (action["remove"] == true, action.get("update")) {
                (true, _) => remove(root, path),
                (false, Some(update)) => update_at(root, path, update),
                (false, None) => return diagnose(file, &place, "it does nothing", "say `update` or `remove`"),
            }
        }
    }
    Ok(())
}

/// `$.a['b','c'].*` as steps; none if it is written in another way.
fn steps(target: &str) -> Option<Vec<Step>> {
    let mut rest = target.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(".*") {
            steps.push(Step::Every);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(Step::Names(vec![after[..end].to_owned()]));
            rest = &after[end..];
        } else {
            let (names, after) = rest.strip_prefix("['")?.split_once("']")?;
            steps.push(Step::Names(names.split("','").map(str::to_owned).collect()));
            rest = after;
        }
    }
    Some(steps)
}

/// The JSON pointers of what a target selects.
fn found(root: &Value, steps: &[Step]) -> Vec<String> {
    let mut found = vec![(String::new(), root)];
    for step in steps {
        let mut below = Vec::new();
        for (path, value) in found {
            match (step, value) {
                (Step::Names(names), Value::Object(_)) => below.extend(
                    names.iter().filter_map(|name| Some((format!("{path}/{}", escaped(name)), value.get(name)?))),
                ),
                (Step::Every, Value::Object(members)) => {
                    below.extend(members.iter().map(|(name, value)| (format!("{path}/{}", escaped(name)), value)));
                }
                (Step::Every, Value::Array(values)) => {
                    below.extend(values.iter().enumerate().map(|(at, value)| (format!("{path}/{at}"), value)));
                }
                _ => {}
            }
        }
        found = below;
    }
    found.into_iter().map(|(path, _)| path).collect()
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn remove(root: &mut Value, path: &str) {
    let Some((parent, name)) = path.rsplit_once('/') else { return };
    match root.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(values)) => {
            if let Some(at) = name.parse().ok().filter(|at: &usize| *at < values.len()) {
                values.remove(at);
            }
        }
        _ => {}
    }
}

/// Objects are merged; to a list the update is one more entry.
fn update_at(root: &mut Value, path: &str, update: &Value) {
    match root.pointer_mut(path) {
        Some(Value::Array(values)) => values.push(update.clone()),
        Some(value) => merge(value, update),
        None => {}
    }
}

fn merge(value: &mut Value, update: &Value) {
    match (value, update) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, update) in more {
                match members.get_mut(name) {
                    Some(value) => merge(value, update),
                    None => {
                        members.insert(name.clone(), update.clone());
                    }
                }
            }
        }
        (Value::Array(values), Value::Array(more)) => values.extend(more.iter().cloned()),
        (value, update) => *value = update.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(actions: Value) -> Diagnosed<Value> {
        let mut root = json!({ "a": { "x/y": { "list": [1] }, "z": { "list": [2], "w": {} } } });
        applied("o.json", &json!({ "overlay": "1.0.0", "actions": actions }).to_string(), &mut root).map(|()| root)
    }

    #[test]
    fn actions_remove_replace_merge_and_append() {
        let actions = json!([
            { "target": "$.a.*.list", "update": 3 },
            { "target": "$.a.z['v','w']", "remove": true },
            { "target": "$", "update": { "a": { "z": { "list": [4], "v": null } }, "b": {} } },
        ]);
        let wanted = json!({ "a": { "x/y": { "list": [1, 3] }, "z": { "list": [2, 3, 4], "v": null } }, "b": {} });
        assert_eq!(after(actions).expect("an overlay"), wanted);
    }

    #[test]
    fn an_action_that_cannot_work_is_refused_with_its_number() {
        for (action, said) in [
            (json!({ "target": "$.nowhere", "remove": true }), "action 1 ($.nowhere): the target finds nothing"),
            (json!({ "target": "$.a[?@.b]", "remove": true }), "the target is not read here"),
            (json!({ "target": "$.a" }), "it does nothing"),
            (json!({ "target": "$.a.z.list.*", "remove": true }), "the target is no object and no list"),
        ] {
            let refused = after(json!([action])).expect_err("it cannot work");
            assert!(refused[0].to_string().contains(said), "{}", refused[0]);
        }
    }
}
