//! What caused an error, in words.

use crate::line::clean;

/// What caused an error, as texts: a chain of errors from below, without what they hold besides, on one line each.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Cause {
    text: String,
    #[source]
    next: Option<Box<Cause>>,
}

/// Longer chains are cut: no reader follows them.
const LONGEST_CHAIN: usize = 16;

impl Cause {
    /// The causes of an error, itself not among them.
    pub(crate) fn of(error: &dyn std::error::Error) -> Option<Self> {
        Self::chain(error.source()?, LONGEST_CHAIN)
    }

    /// The text of this error alone: what stands behind it may hold more than may be shown.
    pub(crate) fn alone(error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        Self { text: clean(text.lines().next().unwrap_or_default()).into_owned(), next: None }
    }

    fn chain(error: &dyn std::error::Error, left: usize) -> Option<Self> {
        let left = left.checked_sub(1)?;
        let next = error.source().and_then(|next| Self::chain(next, left)).map(Box::new);
        Some(Self { next, ..Self::alone(error) })
    }

    pub(crate) fn innermost(&self) -> Option<&str> {
        match &self.next {
            Some(next) => next.innermost(),
            None => (!self.text.is_empty()).then_some(&self.text),
        }
    }

    /// All of them, in one line.
    pub(crate) fn whole(&self) -> String {
        match &self.next {
            Some(next) => format!("{}: {}", self.text, next.whole()),
            None => self.text.clone(),
        }
    }
}
