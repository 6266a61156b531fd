//! Patterns as character ranges, so that no regex engine is carried into the crate.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// `^prefix[class]{min,max}$`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) prefix: String,
    pub(crate) ranges: Vec<(char, char)>,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
}

/// The parts of a pattern, or what is wrong with it and the cure.
pub(crate) fn parse(pattern: &str) -> Result<Shape, (String, String)> {
    if !pattern.starts_with('^') || !pattern.ends_with('$') || pattern.ends_with("\\$") {
        let cure = format!("anchor it: `^{}$`", pattern.trim_start_matches('^').trim_end_matches('$'));
        return Err((format!("the pattern `{pattern}` is not anchored"), cure));
    }
    if let Some(unlike) = means_something_else(pattern) {
        let what = format!("the pattern `{pattern}` holds `{unlike}`, which is read differently in other languages");
        return Err((what, "name the characters, such as `0-9`, and escape brackets".to_owned()));
    }
    shape(pattern).ok_or_else(|| {
        let what = format!("the pattern `{pattern}` is more than one character class with a quantifier");
        (what, "write it as `^[class]{min,max}$`, with plain text before the class if need be, or describe the limit in words".to_owned())
    })
}

/// Shorthands that are Unicode here and ASCII elsewhere, and class operators that others read as plain characters.
fn means_something_else(pattern: &str) -> Option<&'static str> {
    let unlike = ["\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "&&", "--", "~~", "[["];
    unlike.into_iter().find(|text| pattern.contains(text))
}

fn shape(pattern: &str) -> Option<Shape> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let HirKind::Concat(parts) = parsed.kind() else { return None };
    let (prefix, class) = match parts.as_slice() {
        [start, class, end] if is_anchored(start, end) => (String::new(), class),
        [start, prefix, class, end] if is_anchored(start, end) => (literal(prefix)?, class),
        _ => return None,
    };
    if let HirKind::Repetition(repeated) = class.kind() {
        return Some(Shape { prefix, ranges: ranges(&repeated.sub)?, min: repeated.min, max: repeated.max });
    }
    Some(Shape { prefix, ranges: ranges(class)?, min: 1, max: Some(1) })
}

fn is_anchored(start: &Hir, end: &Hir) -> bool {
    start.kind() == &HirKind::Look(Look::Start) && end.kind() == &HirKind::Look(Look::End)
}

fn literal(part: &Hir) -> Option<String> {
    match part.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        _ => None,
    }
}

fn ranges(class: &Hir) -> Option<Vec<(char, char)>> {
    match class.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class.iter().map(|r| (r.start(), r.end())).collect()),
        HirKind::Class(Class::Bytes(class)) => {
            Some(class.iter().map(|r| (char::from(r.start()), char::from(r.end()))).collect())
        }
        // A class of one character.
        HirKind::Literal(_) => {
            let text = literal(class)?;
            let mut characters = text.chars();
            let only = characters.next().filter(|_| characters.next().is_none())?;
            Some(vec![(only, only)])
        }
        _ => None,
    }
}
