//! What became of a published document: what was derived, what is not read, what was left out, and what only a person knows.

use crate::diagnostic::one_line;
use std::{collections::BTreeMap, fmt};

/// The places that a row names at most; the others are counted.
const SHOWN: usize = 3;

/// Longer ones are cut: a path may have any length.
const LONGEST_PLACE: usize = 300;

/// Why a row stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The document does not say it, and a machine can: it was derived.
    Derived,
    /// The document says it, and the code does not: it was dropped.
    Dropped,
    /// An operation that has no typed call.
    LeftOut,
    /// Only a person can say it, in an overlay.
    NeedsOverlay,
}

/// One thing that happened, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Why it stands here.
    pub kind: Kind,
    /// What happened, in a sentence.
    pub what: String,
    /// How often.
    pub count: usize,
    /// The first places.
    pub places: Vec<String>,
}

/// What became of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many operations the document has.
    pub operations: usize,
    /// How many of them became typed calls.
    pub typed: usize,
    /// How many members and items the document gives a type, and how many of these are any JSON in the code.
    pub fields: usize,
    /// See [`fields`](Self::fields).
    pub untyped: usize,
    rows: BTreeMap<(Kind, String), (usize, Vec<String>)>,
}

impl Report {
    /// The rows, by kind.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.rows.iter().map(|((kind, what), (count, places))| Row {
            kind: *kind,
            what: what.clone(),
            count: *count,
            places: places.clone(),
        })
    }

    /// What the document says and the code does not, or what has no typed call: nothing of it is left under `.strict()`.
    pub fn losses(&self) -> impl Iterator<Item = Row> {
        self.rows().filter(|row| matches!(row.kind, Kind::Dropped | Kind::LeftOut))
    }

    pub(crate) fn note(&mut self, kind: Kind, what: impl Into<String>, place: &str) {
        let (count, places) = self.rows.entry((kind, one_line(&what.into()))).or_default();
        *count += 1;
        let place: String = one_line(place).chars().take(LONGEST_PLACE).collect();
        // An operation is left out once, so nothing is looked for among thousands of them.
        if kind == Kind::LeftOut || places.len() < SHOWN && !places.contains(&place) {
            places.push(place);
        }
    }

    pub(crate) fn derived(&mut self, what: impl Into<String>, place: &str) {
        self.note(Kind::Derived, what, place);
    }

    pub(crate) fn dropped(&mut self, what: impl Into<String>, place: &str) {
        self.note(Kind::Dropped, what, place);
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Derived => "derived",
            Self::Dropped => "dropped",
            Self::LeftOut => "left out",
            Self::NeedsOverlay => "needs an overlay",
        })
    }
}

/// A table in Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} operations are typed calls.\n", self.typed, self.operations)?;
        writeln!(f, "| | what | how often | where |\n|---|---|---:|---|")?;
        for row in self.rows() {
            let more = if row.places.len() < row.count { ", …" } else { "" };
            let places = row.places.join(", ").replace('|', "\\|");
            writeln!(f, "| {} | {} | {} | {places}{more} |", row.kind, row.what.replace('|', "\\|"), row.count)?;
        }
        Ok(())
    }
}
