//! The forms in which a secret can show.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{collections::BTreeSet, ops::RangeInclusive};
use url::form_urlencoded;

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Nothing shorter is searched for, as it would be found everywhere, and nothing longer, as no vendor gives it out.
const SEARCHED: RangeInclusive<usize> = 5..=4096;
/// What is shorter counts only where it stands alone.
const ALONE: usize = 8;
/// A part of a secret that is at least so long gives it away as well.
const TELLING: usize = 16;

/// What tests give where a secret is meant, and what is none.
const WORDS: [&str; 7] = ["/v1/auth", "a@b.example", "c@d.example", "nobody", "token", "user@example.com", "value"];

/// Finds many secrets in many forms at once.
pub(crate) struct Patterns<'a> {
    patterns: Vec<Needle<'a>>,
    automaton: AhoCorasick,
}

struct Needle<'a> {
    secret: &'a str,
    form: &'static str,
    text: String,
}

/// A secret in a text.
pub(crate) struct Found<'a> {
    pub(crate) secret: &'a str,
    /// `as it is`, `in base64` and so on.
    pub(crate) form: &'static str,
    start: usize,
    end: usize,
}

impl<'a> Patterns<'a> {
    pub(crate) fn of(secrets: impl Iterator<Item = &'a str>) -> Self {
        let secrets: BTreeSet<_> = secrets.filter(|secret| is_worth_searching(secret)).collect();
        let patterns: Vec<_> = secrets.into_iter().flat_map(patterns).collect();
        let texts = patterns.iter().map(|needle| &needle.text);
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts).expect("an automaton");
        Self { patterns, automaton }
    }

    pub(crate) fn found_in(&self, text: &str) -> impl Iterator<Item = Found<'a>> {
        self.automaton.find_overlapping_iter(text).filter_map(move |found| {
            let needle = &self.patterns[found.pattern()];
            let (start, end) = (found.start(), found.end());
            let counts = needle.text.len() >= ALONE || stands_alone(text, start, end);
            counts.then_some(Found { secret: needle.secret, form: needle.form, start, end })
        })
    }
}

impl Found<'_> {
    /// Whether it can have come from nowhere else: two fakes may well ask for the same code of six digits.
    pub(crate) fn is_unique(&self) -> bool {
        self.secret.len() >= ALONE
    }

    /// The words around it.
    pub(crate) fn excerpt(&self, text: &str) -> String {
        let (start, end) = (self.start.saturating_sub(160), (self.end + 160).min(text.len()));
        String::from_utf8_lossy(&text.as_bytes()[start..end]).trim().to_owned()
    }
}

/// Not a whole record, whose tokens are searched for by themselves; Redis keeps one below a line of its own.
fn is_worth_searching(secret: &str) -> bool {
    let is_record = secret.starts_with('{') || secret.contains("\n{\"schema\":");
    SEARCHED.contains(&secret.len()) && !is_record && !WORDS.contains(&secret)
}

fn patterns(secret: &str) -> Vec<Needle<'_>> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let debug = format!("{secret:?}");
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![
        ("as it is", secret.to_owned()),
        ("in JSON", json.trim_matches('"').to_owned()),
        ("in a Debug text", debug.trim_matches('"').to_owned()),
        ("percent-encoded", utf8_percent_encode(secret, ENCODED).to_string()),
        ("form-encoded", form),
        ("in part", longest_word(secret).to_owned()),
    ];
    forms.extend(in_base64(secret).into_iter().map(|text| ("in base64", text)));
    let mut known = BTreeSet::new();
    forms.retain(|(form, text)| (*form != "in part" || text.len() >= TELLING) && known.insert(text.clone()));
    forms.into_iter().map(|(form, text)| Needle { secret, form, text }).collect()
}

/// What stands in the base64 of a text with this secret in it, wherever it stands there.
fn in_base64(secret: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for before in 0..3 {
        let bytes = [vec![0; before], secret.as_bytes().to_vec()].concat();
        // The characters that depend on nothing but the secret.
        let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let cores = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
        texts.extend(cores.iter().map(|text| text[start..end].to_owned()).filter(|core| core.len() >= ALONE));
    }
    texts
}

fn longest_word(secret: &str) -> &str {
    let words = secret.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.max_by_key(|word| word.len()).unwrap_or_default()
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric());
    !is_word(text[..start].chars().next_back()) && !is_word(text[end..].chars().next())
}
