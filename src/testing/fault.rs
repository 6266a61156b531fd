//! What can go wrong between a client and a vendor.

use super::exchange::{FakeAnswer, FakeCall, Vendor};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Something that goes wrong with one answer.
///
/// Some faults come *instead of* the vendor: it never sees the request, and nothing is spent. Others strike *after*
/// it: the vendor has done what was asked (a token is spent, a session exists), and only the answer suffers.
///
/// ```
/// use keyway::testing::{FakeVms, Fault};
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fake = FakeVms::start().await;
/// let settings = format!("{}/api/v1/static/basic", fake.uri());
///
/// fake.next("get_basic_static", Fault::Member("/version".into(), json!(24))); // a number where a text was
/// fake.next("get_basic_static", Fault::Member("/theme".into(), json!("dark"))); // a member that the document lacks
/// fake.next("get_basic_static", Fault::WithoutMember("/available_locales".into()));
///
/// for (member, value) in [("version", json!(24)), ("theme", json!("dark")), ("available_locales", Value::Null)] {
///     let answer: Value = reqwest::get(&settings).await?.json().await?;
///     assert_eq!(answer[member], value);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias("mock", "stub"))]
pub enum Fault {
    /// Instead: this status, with this JSON.
    Json(u16, Value),
    /// Instead: this status, without a body.
    Empty(u16),
    /// Instead: this status, with an HTML page, such as proxies send.
    Html(u16),
    /// Instead: 401, in the vendor's own words.
    Unauthorized,
    /// Instead: 429, in the vendor's own words, with this value in `Retry-After` (seconds, or a date).
    TooManyRequests {
        /// The header's value; none leaves it out.
        retry_after: Option<String>,
    },
    /// Instead: a redirect of this status (301, 302, 303, 307 or 308) to this address, of another origin or not.
    Redirect(u16, String),
    /// Instead: the connection is closed without an answer.
    CutBefore,
    /// After: the connection is closed without an answer. From outside it looks like [`CutBefore`](Self::CutBefore).
    CutAfter,
    /// After: the connection is closed in the middle of the answer.
    CutHalfway,
    /// After: the second half of the body is missing, in an otherwise correct answer.
    TruncatedJson,
    /// After: the same body, but called `text/plain`.
    WrongContentType,
    /// After: the same JSON, followed by 64 MiB of blanks.
    Huge,
    /// After: this member of the answer, named by its JSON pointer, has this value: null, another type, a value that its
    /// enum does not know. If there was no such member, it is added.
    Member(String, Value),
    /// After: the answer has no such member, named by its JSON pointer.
    WithoutMember(String),
    /// After: the answer has no `Date`, so that the client cannot tell the vendor's clock.
    WithoutDate,
    /// After: the answer, its head too, comes this much later, on the fake's clock. With a
    /// [`ManualClock`](super::ManualClock) the answer counts among its sleepers.
    Delay(Duration),
    /// After: the head and half of the body come at once, the other half this much later, on the fake's clock as with
    /// [`Delay`](Self::Delay).
    SlowBody(Duration),
}

/// Where an answer is lost on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Everything,
    Halfway,
}

const HUGE: usize = 64 * 1024 * 1024;

impl Fault {
    /// What is answered, if the vendor does not get to see the request.
    pub(super) fn instead(&self, vendor: &dyn Vendor, ask: &FakeCall<'_>) -> Option<FakeAnswer> {
        match self {
            Self::Json(status, body) => Some(FakeAnswer::json(*status, body)),
            Self::Empty(status) => Some(FakeAnswer::empty(*status)),
            Self::Html(status) => Some(FakeAnswer::html(*status, "Something is in the way")),
            Self::Unauthorized => Some(vendor.unauthorized(ask)),
            Self::TooManyRequests { retry_after: None } => Some(vendor.throttled(ask)),
            Self::TooManyRequests { retry_after: Some(value) } => {
                Some(vendor.throttled(ask).with("retry-after", value))
            }
            Self::Redirect(status, to) => Some(FakeAnswer::empty(*status).with("location", to)),
            Self::CutBefore => Some(FakeAnswer::empty(503)), // never delivered
            _ => None,
        }
    }

    /// Does to the vendor's answer what is to become of it, or says why that cannot be done.
    pub(super) fn spoil(&self, answer: &mut FakeAnswer) -> Result<(), String> {
        match self {
            Self::TruncatedJson => answer.body.truncate(answer.body.len() / 2),
            Self::WrongContentType => answer.content_type = "text/plain",
            Self::Huge => answer.body.resize(answer.body.len() + HUGE, b' '),
            Self::Member(at, value) => answer.change(at, |parent, member| place(parent, member, value.clone()))?,
            Self::WithoutMember(at) => answer.change(at, remove)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether it is in what the answer says, not in how it is delivered.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self, Self::Delay(_) | Self::SlowBody(_) | Self::WithoutDate | Self::CutAfter | Self::CutHalfway)
    }

    pub(super) fn cut(&self) -> Option<Cut> {
        match self {
            Self::CutBefore | Self::CutAfter => Some(Cut::Everything),
            Self::CutHalfway => Some(Cut::Halfway),
            _ => None,
        }
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        match self {
            Self::Delay(delay) => Some(*delay),
            _ => None,
        }
    }

    pub(super) fn is_dateless(&self) -> bool {
        matches!(self, Self::WithoutDate)
    }

    /// How long the second half of the body lets itself be waited for.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self {
            Self::SlowBody(pause) => Some(*pause),
            _ => None,
        }
    }
}

fn place(parent: &mut Value, member: &str, value: Value) -> bool {
    match parent {
        Value::Object(members) => {
            members.insert(member.to_owned(), value);
            true
        }
        Value::Array(items) => member.parse().ok().and_then(|at: usize| items.get_mut(at)).is_some_and(|item| {
            *item = value;
            true
        }),
        _ => false,
    }
}

fn remove(parent: &mut Value, member: &str) -> bool {
    match parent {
        Value::Object(members) => members.remove(member).is_some(),
        Value::Array(items) => member.parse().ok().filter(|at: &usize| *at < items.len()).is_some_and(|at| {
            items.remove(at);
            true
        }),
        _ => false,
    }
}

/// What is to go wrong, by operation.
#[derive(Default)]
pub(super) struct Faults {
    next: HashMap<String, VecDeque<Fault>>,
    always: HashMap<String, Fault>,
}

impl Faults {
    pub(super) fn queue(&mut self, operation: &str, times: usize, fault: &Fault) {
        self.next.entry(operation.to_owned()).or_default().extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub(super) fn keep(&mut self, operation: &str, fault: Fault) {
        self.always.insert(operation.to_owned(), fault);
    }

    pub(super) fn heal(&mut self, operation: &str) {
        self.next.remove(operation);
        self.always.remove(operation);
    }

    pub(super) fn take(&mut self, operation: &str) -> Option<Fault> {
        let next = self.next.get_mut(operation).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(operation).cloned())
    }
}
