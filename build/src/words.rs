//! Names for what the document does not name, or names as no program can.

use crate::names;
use std::collections::{BTreeMap, BTreeSet};

/// Longer names help no reader.
pub(crate) const LONGEST: usize = 80;

/// What generated code means by these names must not be something else.
const TAKEN: &[&str] = &[
    "Api",
    "AsMut",
    "AsRef",
    "Box",
    "Client",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deserialize",
    "DoubleEndedIterator",
    "Drop",
    "Eq",
    "Err",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "Hash",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Result",
    "Secret",
    "Self",
    "Send",
    "Serialize",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Vec",
];

/// Names that are given out once.
#[derive(Debug, Default)]
pub(crate) struct Given {
    names: BTreeSet<String>,
    /// The number that comes next for each name that was wished for again: ten thousand equal wishes are no reason to try ten
    /// thousand numbers for each.
    next: BTreeMap<String, usize>,
}

impl Given {
    /// A name for a type, as near to `wish` as can be. `XAnswer` goes with `X`: requests and answers may need one each.
    pub(crate) fn of_type(&mut self, wish: &str) -> String {
        let base = pascal(wish);
        let base = match base.as_str() {
            "" => "Anonymous".to_owned(),
            taken if TAKEN.contains(&taken) => format!("{taken}Value"),
            _ => base,
        };
        let name =
            self.numbered(&base, |name, given| !given.contains(name) && !given.contains(&format!("{name}Answer")));
        self.names.insert(format!("{name}Answer"));
        self.names.insert(name.clone());
        name
    }

    /// A name for an operation, in snake_case.
    pub(crate) fn of_operation(&mut self, wish: &str) -> String {
        let base = snake(wish);
        let is_bare = names::is_identifier(&base) && !["gen", "new", "new_with_client"].contains(&base.as_str());
        let base = match base.as_str() {
            "" => "call".to_owned(),
            digits if digits.starts_with(|first: char| first.is_ascii_digit()) => format!("call_{digits}"),
            _ if !is_bare || TAKEN.contains(&names::pascal(&base).as_str()) => format!("{base}_call"),
            _ => base,
        };
        let name = self.numbered(&base, |name, given| !given.contains(&names::pascal(name)));
        self.names.insert(names::pascal(&name));
        name
    }

    /// A name for a setter or a member, in snake_case.
    pub(crate) fn of_member(&mut self, wish: &str) -> String {
        let base = snake(wish);
        let base = match base.as_str() {
            "" => "value".to_owned(),
            // A reserved word since 2024, which the generator does not know.
            "gen" => "gen_value".to_owned(),
            digits if digits.starts_with(|first: char| first.is_ascii_digit()) => format!("value_{digits}"),
            word if !names::is_identifier(word) => format!("{word}_"),
            _ => base,
        };
        let name = self.numbered(&base, |name, given| !given.contains(name.trim_end_matches('_')));
        self.names.insert(name.trim_end_matches('_').to_owned());
        name
    }

    pub(crate) fn take(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// `name`, or the first of `name2`, `name3`, … that is free. What was taken once stays so.
    fn numbered(&mut self, base: &str, is_free: impl Fn(&str, &BTreeSet<String>) -> bool) -> String {
        if is_free(base, &self.names) {
            return base.to_owned();
        }
        let stem = base.trim_end_matches('_');
        let join = if stem.starts_with(|first: char| first.is_ascii_lowercase()) { "_" } else { "" };
        let next = self.next.entry(stem.to_owned()).or_insert(2);
        loop {
            let name = format!("{stem}{join}{next}");
            *next += 1;
            if is_free(&name, &self.names) {
                return name;
            }
        }
    }
}

/// ASCII words only: what is a letter somewhere is not always one in a program.
fn words(text: &str) -> String {
    let words: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn pascal(text: &str) -> String {
    use heck::ToPascalCase;
    let name: String = words(text).to_pascal_case().chars().take(LONGEST).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("N{name}") } else { name }
}

pub(crate) fn snake(text: &str) -> String {
    use heck::ToSnakeCase;
    let name: String = words(text).to_snake_case().chars().take(LONGEST).collect();
    name.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_given_once_and_shadows_nothing() {
        let mut given = Given::default();
        let named = |given: &mut Given, wish| given.of_type(wish);
        assert_eq!(named(&mut given, "foo_bar"), "FooBar");
        assert_eq!(named(&mut given, "fooBar"), "FooBar2");
        assert_eq!(named(&mut given, "Option"), "OptionValue");
        assert_eq!(named(&mut given, "Pet"), "Pet");
        assert_eq!(named(&mut given, "PetAnswer"), "PetAnswer2");
        assert_eq!(named(&mut given, "\";} */"), "Anonymous");
        assert_eq!(named(&mut given, &"x".repeat(10_000)).len(), LONGEST);
    }

    #[test]
    fn an_operation_is_a_method_whatever_it_is_called() {
        let mut given = Given::default();
        for (wish, name) in [("move", "move_call"), ("result", "result_call"), ("", "call"), ("1st", "call_1st")] {
            assert_eq!(given.of_operation(wish), name);
        }
        assert_eq!([given.of_operation("getThing"), given.of_operation("get_thing")], ["get_thing", "get_thing_2"]);
    }
}
