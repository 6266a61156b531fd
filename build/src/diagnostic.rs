//! What stops the build: one sentence that names the file, the place in it and the cure.

use std::collections::HashSet;

/// One thing a document may not say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{file}: {}", sentence(.place.as_deref(), .what, .cure))]
#[non_exhaustive]
pub struct Diagnostic {
    /// The document.
    pub file: String,
    /// The operation or schema, as a reader would look it up: "operation `getToken`".
    pub place: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub cure: String,
}

/// What was made, or everything that stands in the way.
pub(crate) type Diagnosed<T> = Result<T, Vec<Diagnostic>>;

/// Cargo shows one line per error.
fn sentence(place: Option<&str>, what: &str, cure: &str) -> String {
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    one_line(&format!("{place}{what}; {cure}"))
}

/// A vendor's words in one line: what a build script prints on a line of its own may be a command to Cargo.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ").chars().filter(|c| is_harmless(*c)).collect()
}

/// Control characters, and marks that change the direction of what follows, are for neither source code nor terminals.
pub(crate) fn is_harmless(c: char) -> bool {
    c == '\n'
        || c == '\t'
        || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}'))
}

/// Diagnostics about one document, collected so that the reader sees all of them at once.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    file: String,
    found: Vec<Diagnostic>,
    seen: HashSet<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn about(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new(), seen: HashSet::new() }
    }

    pub(crate) fn add(&mut self, place: &str, what: impl Into<String>, cure: impl Into<String>) {
        let place = (!place.is_empty()).then(|| place.to_owned());
        let diagnostic = Diagnostic { file: self.file.clone(), place, what: what.into(), cure: cure.into() };
        // The same schema is met on several ways; it is told once.
        if self.seen.insert(diagnostic.clone()) {
            self.found.push(diagnostic);
        }
    }

    /// `value`, unless something was found.
    pub(crate) fn or<T>(self, value: T) -> Diagnosed<T> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// Stops with a single diagnostic about a file.
pub(crate) fn diagnose<T>(file: &str, place: &str, what: impl Into<String>, cure: impl Into<String>) -> Diagnosed<T> {
    let mut diagnostics = Diagnostics::about(file);
    diagnostics.add(place, what, cure);
    Err(diagnostics.found)
}
