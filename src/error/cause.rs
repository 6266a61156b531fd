//! What caused an error, in words.

use crate::line::clean;
use std::fmt;

/// What caused an error, as texts: a chain of errors from below, without what they hold besides, on one line each.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

/// Nobody reads a longer chain.
const LONGEST_CHAIN: usize = 16;

impl Cause {
    /// The causes of an error, itself not among them.
    pub(crate) fn of(error: &dyn std::error::Error) -> Option<Self> {
        Self::chain(error.source()?, LONGEST_CHAIN)
    }

    fn chain(error: &dyn std::error::Error, left: usize) -> Option<Self> {
        let left = left.checked_sub(1)?;
        let text = error.to_string();
        let text = clean(text.lines().next().unwrap_or_default()).into_owned();
        let next = error.source().and_then(|next| Self::chain(next, left)).map(Box::new);
        Some(Self { text, next })
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

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}
