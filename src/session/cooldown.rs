//! What keeps us from asking too often: a schedule after failures.

use super::decide::Cooling;
use crate::{Error, ErrorKind, clock::Now};
use std::time::Duration;

/// The first wait after a failure; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// No wait of our own is longer.
const LONGEST: Duration = Duration::from_secs(60);
/// No wait a vendor asks for is believed beyond this.
pub(crate) const LONGEST_BELIEVED: Duration = Duration::from_secs(3600);

/// How long a question without an end of its own stays open.
const OPEN_QUESTION: Duration = Duration::from_secs(5 * 60);

/// Remembers the last failure and until when no attempt is made because of it.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Cooldown {
    failures: u32,
    last: Option<(Error, Cooling)>,
}

impl Cooldown {
    /// The failure that cools down, with the wait that is left. `None` when attempts are allowed.
    pub(crate) fn failure(&self, now: Now) -> Option<(&Error, Option<Duration>)> {
        let (error, cooling) = self.last.as_ref()?;
        Some((error, cooling.wait(now)?))
    }

    /// Whether a wait that the vendor or its budget asked for is not over: no caller's wish shortens that one.
    pub(crate) fn is_throttled(&self, now: Now) -> bool {
        self.failure(now).is_some_and(|(error, _)| error.kind() == ErrorKind::Throttled)
    }

    pub(crate) fn cooling(&self) -> Option<Cooling> {
        self.last.as_ref().map(|(_, cooling)| *cooling)
    }

    /// `chance` is between 0 and 1.
    /// `given`: the credential never changes, so that what refused it once refuses it for good.
    pub(crate) fn failed(&mut self, error: &Error, now: Now, chance: f64, given: bool) {
        let Some(cooling) = self.cooling_after(error, now, chance, given) else { return };
        self.failures = self.failures.saturating_add(1);
        self.last = Some((error.clone(), cooling));
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The user wants another attempt. What the vendor asked us to wait for is waited for all the same.
    pub(crate) fn reset_failures(&mut self) {
        if self.last.as_ref().is_some_and(|(error, _)| error.kind() != ErrorKind::Throttled) {
            *self = Self::default();
        }
    }

    /// Another process has failed and left word until when the vendor is not to be asked.
    pub(crate) fn learned(&mut self, error: Error, failures: u32, wait: Option<Duration>, now: Now) {
        let wait = wait.map(|wait| wait.min(LONGEST_BELIEVED));
        let cooling = wait.map_or(Cooling::ForGood, |wait| Cooling::Until(now.monotonic.saturating_add(wait)));
        self.failures = self.failures.max(failures);
        self.last = Some((error, cooling));
    }

    /// Other processes have failed so often in a row.
    pub(crate) fn follows(&mut self, failures: u32) {
        self.failures = self.failures.max(failures);
    }

    /// How many failures in a row there were.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The failure that was remembered last, whether it is over or not.
    pub(crate) fn last(&self) -> Option<&Error> {
        self.last.as_ref().map(|(error, _)| error)
    }

    fn cooling_after(&self, error: &Error, now: Now, chance: f64, given: bool) -> Option<Cooling> {
        let until = |wait: Duration| Some(Cooling::Until(now.monotonic.saturating_add(wait)));
        match error.kind() {
            // Trying again cannot help and can lock the account.
            ErrorKind::InvalidCredentials | ErrorKind::Validation if given => Some(Cooling::ForGood),
            // Nothing was sent, and what is wrong is not the vendor's state.
            ErrorKind::Config | ErrorKind::SignedOut if error.is_local() => None,
            // The same question for all callers, until it is answered or its answer can be taken no more.
            _ if error.captcha().is_some() => until(error.captcha()?.expires_in().min(OPEN_QUESTION)),
            _ if error.device_code().is_some() => until(error.device_code()?.expires_in().min(OPEN_QUESTION)),
            _ if error.asked().is_some() => until(OPEN_QUESTION),
            // A vendor that asks for less than our own schedule does not shorten it.
            _ => until(self.next_wait(chance).max(error.retry_after().unwrap_or_default()).min(LONGEST_BELIEVED)),
        }
    }

    /// Doubles up to the cap, with up to a quarter taken off at random.
    fn next_wait(&self, chance: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        doubled.min(LONGEST).mul_f64(1.0 - 0.25 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
