//! Texts from outside, made fit for one line of a terminal or a log.

use std::borrow::Cow;

/// Without what moves a cursor, colours a line, begins another one, or turns the direction of writing: texts of
/// certificates, sources and vendors may hold it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return text.into();
    }
    let fit = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        _ => (!is_unfit(c)).then_some(c),
    });
    fit.collect::<String>().into()
}

fn is_unfit(c: char) -> bool {
    let turns = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    c.is_control() || turns || c == '\u{feff}'
}

/// Whether a text looks like a code or a name: such a one of the vendor's is shown in a line.
pub(crate) fn is_plain(code: &str) -> bool {
    !code.is_empty() && code.len() <= 40 && code.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_line_is_one_line_and_moves_no_cursor() {
        assert_eq!(clean("plain, é, 日本"), "plain, é, 日本");
        assert_eq!(clean("a\r\nb\tc"), "a  b c");
        assert_eq!(clean("\u{1b}[2Ja\u{9b}2Jb\u{7f}\u{0}"), "[2Ja2Jb");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{feff}d"), "abcd");
    }
}
