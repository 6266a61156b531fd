//! When a call is sent again, and how long everything may take.

use std::time::Duration;

/// How often a call is sent again after a failure that may pass.
///
/// Only calls that the document allows to be re-sent are (never by HTTP method alone), and calls that failed before
/// anything was sent. Sign-ins and renewals have rules of their own.
///
/// ```
/// use keyway::Retry;
/// use std::time::Duration;
///
/// let retry = Retry::default().with_attempts(5).with_longest_wait(Duration::from_secs(2));
/// assert_eq!(retry.first_wait, Duration::from_millis(200));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias("backoff"))]
pub struct Retry {
    /// How often a call is sent at most, the first time included. Default 3.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there. Default 200 ms.
    pub first_wait: Duration,
    /// No wait is longer; a vendor that asks for more with `Retry-After` gets no second attempt. Default 5 s.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(5) }
    }
}

impl Retry {
    /// Every call is sent once.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// Sends a call so often at most, the first time included.
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Waits so long before the second attempt.
    #[must_use]
    pub fn with_first_wait(self, first_wait: Duration) -> Self {
        Self { first_wait, ..self }
    }

    /// Waits no longer than that before any attempt.
    #[must_use]
    pub fn with_longest_wait(self, longest_wait: Duration) -> Self {
        Self { longest_wait, ..self }
    }

    /// The wait before attempt `number` (2, 3, …); `None` when there shall be no such attempt.
    pub(crate) fn wait_before(&self, number: u32, asked: Option<Duration>) -> Option<Duration> {
        if number > self.attempts {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << number.saturating_sub(2).min(16));
        let wait = asked.unwrap_or_else(|| doubled.min(self.longest_wait));
        (wait <= self.longest_wait).then_some(wait)
    }
}

/// How long Keyway waits for a vendor, a store or a person.
///
/// `build()` refuses a timeout of zero, and a `renewal` that is not longer than `sign_in`.
///
/// ```
/// use keyway::Timeouts;
/// use std::time::Duration;
///
/// let timeouts = Timeouts::default().with_request(Duration::from_secs(5)).with_person(Duration::from_secs(600));
/// assert_eq!(timeouts.sign_in, Duration::from_secs(20));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias("deadline"))]
pub struct Timeouts {
    /// For a connection. Default 10 s.
    pub connect: Duration,
    /// For a whole call, body included, unless the call sets its own. Default 30 s.
    pub request: Duration,
    /// For one request of a sign-in or renewal. Default 20 s.
    pub sign_in: Duration,
    /// For a whole sign-in or renewal at the vendor's, counted from its start and anew from each request it sends: after that
    /// it is given up, and those who wait for it get an error. It must be longer than `sign_in`. Default 90 s.
    pub renewal: Duration,
    /// For the lock of a store that is shared. Default 30 s. Where the lock has a time to live, as in Redis, that of a process that
    /// was killed ends after `sign_in` and five seconds at the latest: let this be longer.
    pub store_lock: Duration,
    /// For a person to answer. Default 5 min.
    pub person: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            sign_in: Duration::from_secs(20),
            renewal: Duration::from_secs(90),
            store_lock: Duration::from_secs(30),
            person: Duration::from_secs(5 * 60),
        }
    }
}

impl Timeouts {
    /// How long one operation of a store may take.
    pub(crate) fn store(&self) -> Duration {
        self.store_lock.min(self.renewal)
    }

    /// Waits so long for a connection.
    #[must_use]
    pub fn with_connect(self, connect: Duration) -> Self {
        Self { connect, ..self }
    }

    /// Waits so long for a whole call that sets no timeout of its own.
    #[must_use]
    pub fn with_request(self, request: Duration) -> Self {
        Self { request, ..self }
    }

    /// Waits so long for one request of a sign-in or renewal.
    #[must_use]
    pub fn with_sign_in(self, sign_in: Duration) -> Self {
        Self { sign_in, ..self }
    }

    /// Gives up a whole sign-in or renewal so long after its last request.
    #[must_use]
    pub fn with_renewal(self, renewal: Duration) -> Self {
        Self { renewal, ..self }
    }

    /// Waits so long for the lock of a shared store.
    #[must_use]
    pub fn with_store_lock(self, store_lock: Duration) -> Self {
        Self { store_lock, ..self }
    }

    /// Waits so long for a person's answer.
    #[must_use]
    pub fn with_person(self, person: Duration) -> Self {
        Self { person, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn waits_double_and_a_vendor_that_asks_for_too_long_gets_none() {
        let retry = Retry::default();
        let wait = |number, asked| retry.wait_before(number, asked).map(|wait| wait.as_millis());
        assert_eq!(wait(2, None), Some(200));
        assert_eq!(wait(3, None), Some(400));
        assert_eq!(wait(4, None), None);
        assert_eq!(wait(2, Some(Duration::from_secs(5))), Some(5000));
        assert_eq!(wait(2, Some(Duration::from_secs(6))), None);
        assert_eq!(Retry::never().wait_before(2, None), None);
    }
}
