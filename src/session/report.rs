//! The last things a session did and why, for people: `println!("{}", session.report())`.

use super::decide::Reason;
use crate::{ErrorKind, clock, store::Generation};
use std::{
    collections::{VecDeque, vec_deque},
    fmt,
    time::{Duration, SystemTime},
};

/// How many lines are remembered.
const REMEMBERED: usize = 32;

/// The last decisions of a session, oldest first, one line each. Holds no secret.
///
/// It can be printed, and it can be read line by line:
///
/// ```no_run
/// # fn example(client: keyway::custom::Client) {
/// use keyway::ReportEvent;
///
/// let report = client.session().report();
/// println!("{report}");
/// let refused = report.iter().filter(|line| matches!(line.event, ReportEvent::Rejected { .. })).count();
/// println!("{refused} of the last {} events were a 401", report.len());
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Report(VecDeque<ReportLine>);

/// One line of a [`Report`].
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ReportLine {
    /// When it happened, by the session's clock.
    pub at: SystemTime,
    /// What happened.
    pub event: ReportEvent,
}

/// What happened to a session.
#[non_exhaustive]
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub enum ReportEvent {
    /// The vendor gave the token of a new session.
    SignedIn {
        /// Why a token was wanted.
        reason: Reason,
        /// From wanting it to having it, people included.
        took: Duration,
        /// Which token it is.
        generation: Generation,
    },
    /// The vendor gave the next token of this session.
    Renewed {
        /// Why a token was wanted.
        reason: Reason,
        /// From wanting it to having it.
        took: Duration,
        /// Which token it is.
        generation: Generation,
    },
    /// A token was taken from the store, where another process had put it.
    Adopted {
        /// Which token it is.
        generation: Generation,
    },
    /// A sign-in or renewal brought no token.
    Failed {
        /// Why a token was wanted.
        reason: Reason,
        /// What the error meant.
        kind: ErrorKind,
        /// From wanting a token to knowing that there is none.
        took: Duration,
    },
    /// A person was asked, or the policy that stands in for one.
    Asked {
        /// What was asked, in words.
        question: &'static str,
        /// The kind of the error that asks it.
        kind: ErrorKind,
        /// Whether the policy was asked.
        policy: bool,
    },
    /// A key that was given is used as it is: the vendor is asked nothing.
    Given {
        /// Which token it is.
        generation: Generation,
    },
    /// The store did not take a new token, which is kept in memory and saved later.
    NotSaved {
        /// What the store says.
        why: String,
    },
    /// Another session of the account was ended for this one.
    Evicted,
    /// The vendor answered 401 to a token.
    Rejected {
        /// Which token it is.
        generation: Generation,
    },
    /// The session was signed out.
    SignedOut,
}

pub(crate) use self::ReportEvent as What;

impl Report {
    pub(crate) fn add(&mut self, at: SystemTime, event: ReportEvent) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(ReportLine { at, event });
    }

    /// The lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ReportLine> + ExactSizeIterator {
        self.0.iter()
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
            line.fmt(f)?;
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Report {
    type Item = &'a ReportLine;
    type IntoIter = vec_deque::Iter<'a, ReportLine>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Report {
    type Item = ReportLine;
    type IntoIter = vec_deque::IntoIter<ReportLine>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As in the printed report: the time of day in UTC, and the event.
impl fmt::Display for ReportLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", DayAndTime(self.at), self.event)
    }
}

impl fmt::Display for ReportEvent {
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

/// `30 Nov 11:02:07Z`: a service runs for weeks.
struct DayAndTime(SystemTime);

impl fmt::Display for DayAndTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Mon, 30 Nov 2026 11:02:07 GMT`
        let date = clock::in_words(self.0);
        write!(f, "{} {}Z", &date[5..11], &date[17..25])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_report_keeps_the_last_lines_and_reads_like_a_diary() {
        let mut report = Report::default();
        assert_eq!(report.to_string(), "nothing has happened yet");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(11 * 3600 + 2 * 60 + 7);
        for _ in 0..40 {
            report.add(at, What::SignedOut);
        }
        let took = Duration::from_millis(84);
        report.add(at, What::Renewed { reason: Reason::Early, took, generation: Generation::first(0).next() });
        let events: Vec<_> = report.iter().map(|line| &line.event).collect();
        assert!(matches!(events[..], [ReportEvent::SignedOut, .., ReportEvent::Renewed { reason: Reason::Early, .. }]));
        assert!((&report).into_iter().all(|line| line.at == at));
        assert_eq!(report.len(), REMEMBERED);
        assert!(report.to_string().ends_with("01 Jan 11:02:07Z renewed: early window, 84 ms, token 00000000.2"));
    }
}
