//! What keeps us from asking too often: a schedule after failures, and the vendor's own attempt budget.

use super::decide::Cooling;
use crate::{Error, ErrorKind, clock::Now};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

/// The first wait after a failure; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// No wait of our own is longer.
const LONGEST: Duration = Duration::from_secs(60);
/// No wait a vendor asks for is believed beyond this.
pub(crate) const LONGEST_BELIEVED: Duration = Duration::from_secs(3600);

/// How long a question without an end of its own stays open.
const OPEN_QUESTION: Duration = Duration::from_secs(5 * 60);

/// Remembers the last failure and until when no attempt is made because of it.
#[derive(Debug, Default)]
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

    /// Somebody wants another attempt. What the vendor asked us to wait for is waited for all the same.
    pub(crate) fn forgive(&mut self) {
        if self.last.as_ref().is_some_and(|(error, _)| error.kind() != ErrorKind::Throttled) {
            *self = Self::default();
        }
    }

    fn cooling_after(&self, error: &Error, now: Now, chance: f64, given: bool) -> Option<Cooling> {
        let until = |wait: Duration| Some(Cooling::Until(now.monotonic.saturating_add(wait)));
        match error.kind() {
            // Trying again cannot help and can lock the account.
            ErrorKind::InvalidCredentials | ErrorKind::Validation if given => Some(Cooling::ForGood),
            // Nothing was sent, and what is wrong is not the vendor's state.
            ErrorKind::Config | ErrorKind::SignedOut if error.is_local() => None,
            // The same question for everybody, until it is answered or nobody takes the answer any more.
            _ if error.captcha().is_some() => until(error.captcha()?.expires_in().min(OPEN_QUESTION)),
            _ if error.session_limit().is_some() => until(OPEN_QUESTION),
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

/// How many attempts a vendor allows in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) attempts: usize,
    pub(crate) within: Duration,
}

/// The attempts made so far. One that lies in the future (a clock was set back) counts as made now.
#[derive(Debug, Default)]
pub(crate) struct Attempts(VecDeque<SystemTime>);

impl Attempts {
    /// Counts one attempt, or says how long to wait until the vendor would allow it.
    pub(crate) fn spend(&mut self, budget: Budget, now: Now) -> Result<(), Duration> {
        for made in &mut self.0 {
            *made = (*made).min(now.wall);
        }
        let age = |made: &SystemTime| now.wall.duration_since(*made).unwrap_or_default();
        self.0.retain(|made| age(made) < budget.within);
        match self.0.front() {
            Some(oldest) if self.0.len() >= budget.attempts => Err(budget.within - age(oldest)),
            _ => {
                self.0.push_back(now.wall);
                Ok(())
            }
        }
    }

    /// The last attempt never reached the vendor.
    pub(crate) fn refund(&mut self) {
        self.0.pop_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let monotonic = Duration::from_secs(seconds);
        Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + monotonic, monotonic }
    }

    #[test]
    fn waits_double_up_to_a_minute_and_end_with_a_success() {
        let mut cooldown = Cooldown::default();
        let outage = Error::new(ErrorKind::Outage, "down");
        let mut waits = Vec::new();
        for _ in 0..9 {
            cooldown.failed(&outage, at(0), 0.0, true);
            waits.push(cooldown.failure(at(0)).expect("cooling").1.expect("bounded").as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(cooldown.failure(at(60)).is_none());
        cooldown.succeeded();
        assert!(cooldown.failure(at(0)).is_none());
    }

    #[test]
    fn refused_credentials_cool_down_for_good() {
        let mut cooldown = Cooldown::default();
        cooldown.failed(&Error::new(ErrorKind::InvalidCredentials, "no"), at(0), 0.0, true);
        assert_eq!(cooldown.failure(at(1_000_000)).expect("cooling").1, None);
    }

    #[test]
    fn the_vendors_own_wait_is_believed_up_to_an_hour() {
        let mut cooldown = Cooldown::default();
        let throttled = Error::new(ErrorKind::Throttled, "slow").with_retry_after(Some(Duration::from_secs(1_000_000)));
        cooldown.failed(&throttled, at(0), 0.0, true);
        assert_eq!(cooldown.failure(at(0)).expect("cooling").1, Some(LONGEST_BELIEVED));
    }

    #[test]
    fn the_eleventh_attempt_in_ten_minutes_is_refused_here() {
        let budget = Budget { attempts: 10, within: Duration::from_secs(600) };
        let mut attempts = Attempts::default();
        for second in 0..10 {
            assert_eq!(attempts.spend(budget, at(second)), Ok(()));
        }
        assert_eq!(attempts.spend(budget, at(10)), Err(Duration::from_secs(590)));
        assert_eq!(attempts.spend(budget, at(600)), Ok(()));
        attempts.refund();
        assert_eq!(attempts.spend(budget, at(600)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_does_not_reopen_the_budget() {
        let budget = Budget { attempts: 1, within: Duration::from_secs(600) };
        let mut attempts = Attempts::default();
        assert_eq!(attempts.spend(budget, at(10_000)), Ok(()));
        assert_eq!(attempts.spend(budget, at(0)), Err(Duration::from_secs(600)));
    }
}
