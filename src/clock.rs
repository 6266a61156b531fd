//! Time, injected. The only place that asks the machine what time it is.

use crate::BoxFuture;
use std::time::{Duration, SystemTime};

/// Where Keyway takes the time from.
///
/// Two clocks are read, because each of them can lie: the wall clock is set by people and by NTP, and the monotonic
/// one stops on many systems while the machine sleeps. For expiries the stricter of the two wins.
///
/// [`SystemClock`] is the default; `keyway::testing::ManualClock` is for tests.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn wall(&self) -> SystemTime;
    /// Time since some fixed point; never runs backwards.
    fn monotonic(&self) -> Duration;
    /// Both clocks, read at one moment. Every lease looks at them: a clock that can read both at once may do so here.
    fn now(&self) -> (SystemTime, Duration) {
        (self.wall(), self.monotonic())
    }
    /// Whether the monotonic clock goes on while the machine sleeps. Then a lease of a fresh token looks at it alone, and at
    /// the other one about once a second. Asked once per session. Default: `false`.
    fn counts_sleep(&self) -> bool {
        false
    }
    /// Completes after `duration` on this clock.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and does nothing else.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own clocks. On Linux and Android the monotonic one counts the time that the machine sleeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn monotonic(&self) -> Duration {
        machine::monotonic()
    }

    fn counts_sleep(&self) -> bool {
        machine::COUNTS_SLEEP
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Time since the machine was started, the time it slept included.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod machine {
    use rustix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    pub(super) const COUNTS_SLEEP: bool = true;

    #[inline]
    pub(super) fn monotonic() -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        // Neither is ever negative, and the nanoseconds are less than a second.
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// Time since the first look.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod machine {
    use std::{
        sync::LazyLock,
        time::{Duration, Instant},
    };

    pub(super) const COUNTS_SLEEP: bool = false;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn monotonic() -> Duration {
        START.elapsed()
    }
}

/// Added to what a monotonic clock says, so that the age of any token can be subtracted however young the machine is.
const LONG_AGO: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Both clocks, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Now {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Duration,
}

impl Now {
    #[inline]
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        let (wall, monotonic) = clock.now();
        Self { wall, monotonic: monotonic.saturating_add(LONG_AGO) }
    }

    /// The monotonic half alone.
    #[inline]
    pub(crate) fn monotonic(clock: &dyn Clock) -> Duration {
        Self::monotonic_of(clock.monotonic())
    }

    /// The monotonic half of what the clock itself says.
    #[inline]
    pub(crate) fn monotonic_of(said: Duration) -> Duration {
        said.saturating_add(LONG_AGO)
    }

    /// What the clock itself says at this moment; nothing for what was before it began.
    pub(crate) fn said_at(monotonic: Duration) -> Duration {
        monotonic.saturating_sub(LONG_AGO)
    }
}

/// The clock of simulations: that of a runtime whose time is paused, and moves on whenever no task has anything to do.
#[cfg(all(test, feature = "redis"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct PausedClock(tokio::time::Instant);

#[cfg(all(test, feature = "redis"))]
impl PausedClock {
    /// It begins now.
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

#[cfg(all(test, feature = "redis"))]
impl Clock for PausedClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// `Mon, 30 Nov 2026 11:02:07 GMT`. What no calendar has, as a wrong clock or a vendor may say, is the nearest that it has.
pub(crate) fn in_words(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(SystemTime::UNIX_EPOCH, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[apply(leak_checked!)]
    fn the_monotonic_clock_counts_from_the_start_of_the_machine_and_while_it_sleeps() {
        // What the kernel says in hundredths of a second, rounded down.
        let uptime = || -> f64 {
            let text = std::fs::read_to_string("/proc/uptime").expect("a kernel that tells");
            text.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("seconds")
        };
        let before = uptime();
        let now = SystemClock.monotonic().as_secs_f64();
        let after = uptime();
        assert!(before <= now && now <= after + 0.01, "{before} ≤ {now} ≤ {after}");
        assert!(SystemClock.counts_sleep());
    }

    #[apply(leak_checked!)]
    fn a_time_that_no_calendar_has_can_be_told() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(in_words(at(1_796_036_527)), "Mon, 30 Nov 2026 11:02:07 GMT");
        assert_eq!(in_words(at(300_000_000_000)), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(in_words(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
