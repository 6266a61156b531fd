//! What stops the build: one sentence that names the file, the place in it and the cure.

use std::fmt;

/// One thing a document may not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) file: String,
    /// The operation or schema, as a reader would look it up: "operation `getToken`".
    pub(crate) place: Option<String>,
    pub(crate) what: String,
    pub(crate) cure: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        // Cargo shows one line per error.
        let sentence = format!("{}; {}", self.what, self.cure);
        f.write_str(&sentence.replace(['\n', '\r'], " "))
    }
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
    pub(crate) fn or<T>(self, value: T) -> Result<T, Vec<Complaint>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// A single complaint about a file.
pub(crate) fn complain<T>(
    file: &str,
    place: &str,
    what: impl Into<String>,
    cure: impl Into<String>,
) -> Result<T, Vec<Complaint>> {
    let mut complaints = Complaints::about(file);
    complaints.add(place, what, cure);
    Err(complaints.found)
}
