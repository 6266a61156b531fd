//! Where the values of a text begin and end.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// The items of a list, each as it is written.
#[derive(Clone)]
pub(super) struct Items<'a>(&'a str);

impl<'a> Items<'a> {
    pub(super) fn of(raw: &'a str) -> Option<Self> {
        raw.trim_start().strip_prefix('[').map(Self)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (raw, rest) = one_value(self.0)?;
        self.0 = after_comma(rest);
        Some(raw)
    }
}

/// The members of an object, each as it is written.
#[derive(Clone)]
pub(super) struct Members<'a>(&'a str);

impl<'a> Members<'a> {
    pub(super) fn of(raw: &'a str) -> Option<Self> {
        raw.trim_start().strip_prefix('{').map(Self)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (String, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = one_value(self.0)?;
        let name = serde_json::from_slice(name.as_bytes()).ok()?;
        let (raw, rest) = one_value(rest.trim_start().strip_prefix(':')?)?;
        self.0 = after_comma(rest);
        Some((name, raw))
    }
}

/// The first value of a text and what stands behind it; `None` at the end of a list or an object.
fn one_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = Deserializer::from_slice(text.as_bytes()).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let end = values.byte_offset();
    // A number that the text ends with may go on behind it.
    (end < text.len()).then(|| text.split_at(end))
}

fn after_comma(rest: &str) -> &str {
    let rest = rest.trim_start();
    rest.strip_prefix(',').unwrap_or("")
}
