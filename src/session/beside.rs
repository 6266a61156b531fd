//! A page that a person is shown beside a session, as plain data.

use super::resume::Parked;
use crate::error::Error;
use std::time::Duration;
use tokio::sync::watch;

/// A page that a person is shown, or was.
pub(super) struct Shown {
    pub(super) wanted: String,
    /// Nothing as long as it is shown; closed without a word where its task is gone.
    pub(super) outcome: watch::Receiver<Option<PageOutcome>>,
}

#[derive(Clone)]
pub(super) struct PageOutcome {
    pub(super) came: Result<(), PageFailure>,
    /// Until when (monotonic) a person who declined is not asked the same again.
    pub(super) until: Duration,
}

/// Why a page has led to no session, and the question that can still be answered. Its session keeps this, so this keeps no session.
#[derive(Clone)]
pub(super) struct PageFailure {
    pub(super) error: Error,
    pub(super) parked: Option<Parked>,
}

impl From<Error> for PageFailure {
    fn from(error: Error) -> Self {
        let (error, parked) = error.parked();
        Self { error, parked }
    }
}
