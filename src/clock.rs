//! Time, injected. The only place that asks the machine what time it is.

use crate::BoxFuture;
use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

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
    /// Completes after `duration` on this clock.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and does nothing else.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// One second before the first look, so that "a moment ago" can be subtracted right after the start.
static START: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
});

impl Clock for SystemClock {
    #[inline]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn monotonic(&self) -> Duration {
        START.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Both clocks, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Duration,
}

impl Now {
    #[inline]
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        let (wall, monotonic) = clock.now();
        Self { wall, monotonic }
    }
}

/// The clock of simulations: that of a runtime whose time is paused, and moves on whenever nobody has anything to do.
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
