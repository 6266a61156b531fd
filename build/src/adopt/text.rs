//! Vendors' prose as documentation: it is text, and stays text.

use crate::diagnostic::is_harmless;

/// Of a longer description the beginning is kept, and nobody has read that either.
const LONGEST: usize = 100_000;

/// A description that neither runs as a test nor turns the reader's line around.
pub(crate) fn prose(text: &str) -> String {
    let kept: String = text.chars().take(LONGEST).collect();
    let text = if kept.len() < text.len() { kept + "…" } else { kept };
    let text: String = text.replace("\r\n", "\n").replace('\r', "\n").chars().filter(|c| is_harmless(*c)).collect();
    let mut lines = Vec::new();
    let mut fence: Option<char> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let marker = ['`', '~'].into_iter().find(|marker| bare.starts_with(&marker.to_string().repeat(3)));
        match (fence, marker) {
            // Only what is marked as text is not run by `cargo test --doc`.
            (None, Some(marker)) => {
                fence = Some(marker);
                lines.push(marker.to_string().repeat(3) + "text");
            }
            (Some(open), Some(marker)) if open == marker && bare.trim_end().chars().all(|c| c == marker) => {
                fence = None;
                lines.push(marker.to_string().repeat(3));
            }
            (Some(_), _) => lines.push(line.replace("```", "'''").replace("~~~", "'''")),
            (None, None) => lines.push(unindented(line)),
        }
    }
    if let Some(marker) = fence {
        lines.push(marker.to_string().repeat(3));
    }
    lines.join("\n").trim_end().to_owned()
}

/// Documentation that was put together of a vendor's names: they are written into it as they are, and stay text as well.
pub(crate) fn quoted(text: &str) -> String {
    let text: String = text.replace("\r\n", "\n").replace('\r', "\n").chars().filter(|c| is_harmless(*c)).collect();
    let is_ours = |line: &str| ["```", "```text", "```ignore"].contains(&line.trim());
    let lines = text.split('\n').map(|line| match line.trim_start().starts_with(['`', '~']) && !is_ours(line) {
        true => line.replace("```", "'''").replace("~~~", "'''"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Four blanks begin a program in Markdown, and so does a fence inside a list or a quotation.
fn unindented(line: &str) -> String {
    let bare = line.trim_start();
    let depth = line.len() - bare.len();
    let is_item = bare.starts_with(['-', '*', '+']) || bare.starts_with(|first: char| first.is_ascii_digit());
    let indent = if line.starts_with('\t') || depth > 3 { if is_item { "  " } else { "" } } else { &line[..depth] };
    let bare = bare.replace("```", "'''").replace("~~~", "'''");
    // A list item's or quotation's own text may begin with blanks as well.
    match bare.find(|c: char| !"-*+> \t0123456789.".contains(c)) {
        Some(start) if start > 4 => {
            format!("{indent}{} {}", bare[..start].split_whitespace().collect::<Vec<_>>().join(" "), &bare[start..])
        }
        _ => format!("{indent}{bare}"),
    }
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn a_program_in_a_description_stays_text() {
        assert_eq!(prose("```rust\npanic!()\n```"), "```text\npanic!()\n```");
        assert_eq!(prose("~~~\nx"), "~~~text\nx\n~~~");
        assert_eq!(prose("    panic!()"), "panic!()");
        assert_eq!(prose("> ```\n> panic!()"), "> '''\n> panic!()");
        assert_eq!(prose("-     panic!()"), "- panic!()");
        assert_eq!(prose("\tpanic!()"), "panic!()");
    }

    #[test]
    fn nothing_turns_the_line_around() {
        assert_eq!(prose("a\u{202e}b\u{0}c\rd"), "abc\nd");
    }
}
