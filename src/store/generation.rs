//! Which token of which session.

use super::error::StoreError;
use std::{fmt, str::FromStr};

/// Which token of which session: a random lineage and a counter within it.
///
/// Within one lineage a larger counter is newer. Two lineages cannot be ordered. [`Display`](fmt::Display) shortens it, for
/// logs; [`to_text`](Self::to_text) does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    pub(crate) lineage: u64,
    pub(crate) counter: u64,
}

impl Generation {
    /// The first token of a new session.
    pub(crate) fn first(lineage: u64) -> Self {
        Self { lineage, counter: 1 }
    }

    /// The token after this one. No session has had so many that there is none: a user who wrote that number into a store gets
    /// another lineage, which nothing takes for older or newer.
    pub(crate) fn next(self) -> Self {
        match self.counter.checked_add(1) {
            Some(counter) => Self { counter, ..self },
            None => Self::first(self.lineage.wrapping_add(1)),
        }
    }

    /// Whether this is a newer token of the same session.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self.lineage == other.lineage && self.counter > other.counter
    }

    /// How many tokens this session has had, this one included.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The whole of it as text, for a store that compares: `0123456789abcdef.7`. Reading that gives the same one.
    ///
    /// ```
    /// # use keyway::Generation;
    /// let generation: Generation = "0123456789abcdef.7".parse()?;
    /// assert_eq!(generation.to_text(), "0123456789abcdef.7");
    /// assert_eq!(generation.to_string(), "01234567.7", "shortened, for people");
    /// # Ok::<(), keyway::StoreError>(())
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{:016x}.{}", self.lineage, self.counter)
    }
}

/// Reads what [`Generation::to_text`] wrote, and nothing else.
impl FromStr for Generation {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let read = text.split_once('.').and_then(|(lineage, counter)| {
            let lineage = u64::from_str_radix(lineage, 16).ok()?;
            Some(Self { lineage, counter: counter.parse().ok()? })
        });
        // One text for each: two that differ are two generations.
        read.filter(|read| read.to_text() == text)
            .ok_or_else(|| StoreError::new("this is not the text of a generation: use what Generation::to_text() gave"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{}", self.lineage >> 32, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn after_the_last_number_comes_another_lineage_and_no_panic() {
        for lineage in [0, 7, u64::MAX] {
            let last = Generation { lineage, counter: u64::MAX };
            let next = last.next();
            assert!(next != last && !next.is_after(last) && !last.is_after(next), "{next:?}");
            assert_eq!(next.counter(), 1);
        }
    }

    #[apply(leak_checked!)]
    fn a_generation_comes_back_from_its_text_whole() {
        for (lineage, counter) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (0x0123_4567_89ab_cdef, 10)] {
            let generation = Generation { lineage, counter };
            assert_eq!(generation.to_text().parse::<Generation>().expect("its own text"), generation);
        }
        let shown = Generation { lineage: 1 << 63, counter: 7 }.to_string();
        for wrong in [
            "",
            ".",
            "7",
            &shown,
            "0123456789ABCDEF.7",
            "0123456789abcdef.07",
            "0123456789abcdef.+7",
            "+123456789abcdef.7",
            "0123456789abcdef.7 ",
        ] {
            wrong.parse::<Generation>().expect_err(wrong);
        }
    }
}
