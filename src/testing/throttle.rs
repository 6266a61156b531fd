//! So many requests in so much time.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, SystemTime},
};

/// Counts attempts, each by whom it was made. Refused attempts are not counted, as in Laravel.
pub(super) struct Throttle {
    limit: usize,
    window: Duration,
    attempts: HashMap<String, VecDeque<SystemTime>>,
}

impl Throttle {
    pub(super) fn new(limit: usize, window: Duration) -> Self {
        Self { limit, window, attempts: HashMap::new() }
    }

    /// How long `who` has to wait before the next attempt; none if it may be made now.
    pub(super) fn wait(&mut self, who: &str, now: SystemTime) -> Option<Duration> {
        let window = self.window;
        let attempts = self.attempts.entry(who.to_owned()).or_default();
        attempts.retain(|at| *at + window > now);
        if attempts.len() < self.limit {
            return None;
        }
        let oldest = attempts.front().copied().unwrap_or(now);
        Some((oldest + window).duration_since(now).unwrap_or_default())
    }

    /// How many attempts `who` has left now.
    pub(super) fn left(&mut self, who: &str, now: SystemTime) -> usize {
        self.wait(who, now); // forgets what is past
        self.limit.saturating_sub(self.attempts.get(who).map_or(0, VecDeque::len))
    }

    pub(super) fn count(&mut self, who: &str, now: SystemTime) {
        self.attempts.entry(who.to_owned()).or_default().push_back(now);
    }
}

/// A wait as `Retry-After` tells it. Rounded up: who waits as long as told must get in.
pub(super) fn whole_seconds(wait: Duration) -> String {
    wait.as_millis().div_ceil(1000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn an_attempt_is_forgotten_when_the_window_has_passed_it() {
        let (start, second) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        let mut throttle = Throttle::new(2, 10 * second);
        for at in [start, start + 4 * second] {
            assert_eq!(throttle.wait("ann", at), None);
            throttle.count("ann", at);
        }
        assert_eq!(throttle.wait("ann", start + 9 * second), Some(second));
        assert_eq!([9, 10].map(|after| throttle.left("ann", start + after * second)), [0, 1]);
        assert_eq!(throttle.wait("bob", start + 9 * second), None);
        assert_eq!(throttle.wait("ann", start + 10 * second), None);
    }
}
