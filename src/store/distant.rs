//! What stores on other machines have in common.

use super::pauses::Pauses;
use crate::chance::Chance;
use std::time::Duration;

/// Longer than it takes to get from the lock to the first request; shorter than the wait for the lock.
pub(super) const LOCK_TTL: Duration = Duration::from_secs(25);

/// How often others may change what stands there before a store gives up.
pub(super) const TRIES: u32 = 5;

/// A time for a lock that serves: at least a second, at most an hour.
pub(super) fn bounded(lock_ttl: Duration) -> Duration {
    lock_ttl.clamp(Duration::from_secs(1), Duration::from_secs(3600))
}

/// Before a lock is tried again: each asks another machine.
pub(super) fn pauses(bound: Duration, chance: &Chance) -> Pauses<'_> {
    Pauses::new(Duration::from_millis(20), Duration::from_secs(1), bound, chance)
}
