//! What a call takes, in words.

use crate::{
    document::{Document, Operation, text},
    names,
    prepare::is_set_by_us,
    reach::all_members,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is said of an argument of a call.
pub(super) struct Argument {
    text: String,
    pub(super) needed: bool,
}

impl Argument {
    pub(super) fn said(&self) -> String {
        said(self.needed, &self.text)
    }
}

pub(super) fn said(needed: bool, text: &str) -> String {
    let word = if needed { "Required." } else { "Optional." };
    // A fence counts at the begin of a line only: behind a word it would leave its end alone, which begins a program.
    let between = if text.trim_start().starts_with(['`', '~']) { "\n\n" } else { " " };
    format!("{word}{between}{text}").trim_end().to_owned()
}

/// The arguments of a call, by their setters.
pub(super) fn arguments(document: &Document, operation: Operation<'_>) -> BTreeMap<String, Argument> {
    let mut about = BTreeMap::new();
    let body = document.resolve(&operation.value["requestBody"]);
    if body.is_object() {
        let text = match text(&body["description"]) {
            "" => "The body.",
            text => text,
        };
        about.insert("body".to_owned(), Argument { text: text.to_owned(), needed: body["required"] == true });
    }
    for parameter in operation.parameters(document).into_iter().filter(|parameter| !is_set_by_us(parameter)) {
        let schema = document.resolve(&parameter["schema"]);
        if document.own && parameter["in"] == "query" && schema["properties"].is_object() {
            let below = all_members(document, schema).into_iter();
            about.extend(below.map(|(name, member)| {
                let text = description(document, member);
                (names::snake(name), Argument { text, needed: false })
            }));
            continue;
        }
        let setter = parameter["x-setter"].as_str().unwrap_or(text(&parameter["name"]));
        let text = text(&parameter["description"]).to_owned();
        about.insert(names::snake(setter), Argument { text, needed: parameter["required"] == true });
    }
    about
}

fn description(document: &Document, schema: &Value) -> String {
    let own = text(&schema["description"]);
    let text = if own.is_empty() { text(&document.resolve(schema)["description"]) } else { own };
    text.to_owned()
}
