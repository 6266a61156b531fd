//! The last things a session did and why, for people: `println!("{}", session.report())`.

use super::decide::Reason;
use crate::{ErrorKind, store::Generation};
use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, SystemTime},
};

/// How many lines are remembered.
const REMEMBERED: usize = 32;

/// The last decisions of a session, oldest first, one line each. Holds no secret.
#[derive(Debug, Clone, Default)]
pub struct Report(VecDeque<Line>);

#[derive(Debug, Clone)]
struct Line {
    at: SystemTime,
    what: What,
}

/// One thing that happened.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum What {
    SignedIn {
        reason: Reason,
        took: Duration,
        generation: Generation,
    },
    Renewed {
        reason: Reason,
        took: Duration,
        generation: Generation,
    },
    Adopted {
        generation: Generation,
    },
    Failed {
        reason: Reason,
        kind: ErrorKind,
        took: Duration,
    },
    /// A person, or the policy that stands in for one.
    Asked {
        question: &'static str,
        kind: ErrorKind,
        policy: bool,
    },
    /// A key that was given is taken as it is: nobody is asked.
    Given {
        generation: Generation,
    },
    NotSaved {
        why: String,
    },
    Evicted,
    Rejected {
        generation: Generation,
    },
    SignedOut,
}

impl Report {
    pub(crate) fn add(&mut self, at: SystemTime, what: What) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Line { at, what });
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing has happened yet");
        }
        for (n, line) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{} {}", TimeOfDay(line.at), line.what)?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedIn { reason, took, generation } => {
                write!(f, "signed in: {reason}, {} ms, token {generation}", took.as_millis())
            }
            Self::Renewed { reason, took, generation } => {
                write!(f, "renewed: {reason}, {} ms, token {generation}", took.as_millis())
            }
            Self::Adopted { generation } => write!(f, "adopted from the store: token {generation}"),
            Self::Failed { reason, kind, took } => {
                write!(f, "failed: {reason}, {kind:?}, {} ms", took.as_millis())
            }
            Self::Asked { question, policy: true, .. } => write!(f, "the policy was asked: {question}"),
            Self::Asked { question, .. } => write!(f, "asked: {question}"),
            Self::Given { generation } => write!(f, "uses what the builder was given: token {generation}"),
            Self::NotSaved { why } => write!(f, "the store did not take the new token, which is kept in memory: {why}"),
            Self::Evicted => f.write_str("another session of the account was ended for this one"),
            Self::Rejected { generation } => write!(f, "the vendor answered 401 to token {generation}"),
            Self::SignedOut => f.write_str("signed out"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSession => "no session yet",
            Self::Early => "early window",
            Self::Late => "late window",
            Self::Expired => "expired",
            Self::Rejected => "rejected with 401",
            Self::TooShort => "a caller needs more time",
            Self::Asked => "asked for",
            Self::Answered => "a question was answered",
        })
    }
}

/// `11:02:07Z`
struct TimeOfDay(SystemTime);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
        write!(f, "{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(hunted!)]
    fn a_report_keeps_the_last_lines_and_reads_like_a_diary() {
        let mut report = Report::default();
        assert_eq!(report.to_string(), "nothing has happened yet");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(11 * 3600 + 2 * 60 + 7);
        for _ in 0..40 {
            report.add(at, What::SignedOut);
        }
        let took = Duration::from_millis(84);
        report.add(at, What::Renewed { reason: Reason::Early, took, generation: Generation::first(0).next() });
        assert_eq!(report.len(), REMEMBERED);
        assert!(report.to_string().ends_with("11:02:07Z renewed: early window, 84 ms, token 00000000.2"));
    }
}
