//! What stops the build: one sentence that names the file, the place in it and the cure.

/// One thing a document may not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}", one_line(.place.as_deref(), .what, .cure))]
#[non_exhaustive]
pub struct Complaint {
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
pub(crate) type Found<T> = Result<T, Vec<Complaint>>;

/// Cargo shows one line per error.
fn one_line(place: Option<&str>, what: &str, cure: &str) -> String {
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{what}; {cure}").replace(['\n', '\r'], " ")
}
/// Complaints about one document, collected so that the reader sees all of them at once.
#[derive(Debug)]
pub(crate) struct Complaints {
    file: String,
    found: Vec<Complaint>,
}

impl Complaints {
    pub(crate) fn about(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, place: &str, what: impl Into<String>, cure: impl Into<String>) {
        let place = (!place.is_empty()).then(|| place.to_owned());
        let complaint = Complaint { file: self.file.clone(), place, what: what.into(), cure: cure.into() };
        // The same schema is met on several ways; it is told once.
        if !self.found.contains(&complaint) {
            self.found.push(complaint);
        }
    }

    /// `value`, unless there was something to complain about.
    pub(crate) fn or<T>(self, value: T) -> Found<T> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// A single complaint about a file.
pub(crate) fn complain<T>(file: &str, place: &str, what: impl Into<String>, cure: impl Into<String>) -> Found<T> {
    let mut complaints = Complaints::about(file);
    complaints.add(place, what, cure);
    Err(complaints.found)
}
