//! When a token is renewed, measured back from its end.

use std::time::Duration;

/// How long before its end a token is renewed. All shares are of the token's whole life.
///
/// In the **early** window a call is served at once and the renewal runs behind it; in the **late** window a call waits
/// for the renewal. Both scale with the token's life, because five minutes are little for a day and half of a
/// ten-minute token.
///
/// `build()` refuses what cannot be meant: an early window of more than a quarter of the life, a late one of more than half
/// of the early one, a minimum above its maximum, a share that is no share. The minima give way to the life of a short
/// token: of one second the early window is a quarter and the late one an eighth, so that the token is used before it is
/// renewed. Only where getting a token takes longer than that does the early window grow, to twice as long as it took
/// and at most half of the life.
///
/// ```
/// use keyway::Windows;
/// use std::time::Duration;
///
/// // A vendor whose renewals are slow: begin them ten minutes before the end.
/// let windows = Windows::default().with_early_max(Duration::from_secs(600));
/// assert_eq!(windows.late_share, 0.05);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(alias("leeway", "skew", "expiry margin"))]
pub struct Windows {
    /// Share of the life in which renewal runs behind, at most 0.25. Default 0.20.
    pub early_share: f64,
    /// The early window is at least this long. Default 10 s.
    pub early_min: Duration,
    /// The early window is at most this long. Default 5 min.
    pub early_max: Duration,
    /// Share of the life in which callers wait, at most half of `early_share`. Default 0.05.
    pub late_share: f64,
    /// The late window is at least this long. Default 1 s.
    pub late_min: Duration,
    /// The late window is at most this long. Default 60 s.
    pub late_max: Duration,
    /// By which share both windows may shrink at random, so that a fleet does not renew in step. Default 0.10.
    pub jitter: f64,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            early_share: 0.20,
            early_min: Duration::from_secs(10),
            early_max: Duration::from_secs(5 * 60),
            late_share: 0.05,
            late_min: Duration::from_secs(1),
            late_max: Duration::from_secs(60),
            jitter: 0.10,
        }
    }
}

/// The two windows of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Margins {
    pub(crate) early: Duration,
    pub(crate) late: Duration,
}

/// Three quarters of its life a token is served without a thought of the next one.
const MOST_EARLY: f64 = 0.25;

impl Windows {
    /// Renews behind the calls in this share of the life.
    #[must_use]
    pub fn with_early_share(self, early_share: f64) -> Self {
        Self { early_share, ..self }
    }

    /// Begins to renew at least so long before the end.
    #[must_use]
    pub fn with_early_min(self, early_min: Duration) -> Self {
        Self { early_min, ..self }
    }

    /// Begins to renew at most so long before the end.
    #[must_use]
    pub fn with_early_max(self, early_max: Duration) -> Self {
        Self { early_max, ..self }
    }

    /// Lets callers wait in this share of the life.
    #[must_use]
    pub fn with_late_share(self, late_share: f64) -> Self {
        Self { late_share, ..self }
    }

    /// Lets callers wait at least so long before the end.
    #[must_use]
    pub fn with_late_min(self, late_min: Duration) -> Self {
        Self { late_min, ..self }
    }

    /// Lets callers wait at most so long before the end.
    #[must_use]
    pub fn with_late_max(self, late_max: Duration) -> Self {
        Self { late_max, ..self }
    }

    /// Shrinks both windows at random, by up to this share.
    #[must_use]
    pub fn with_jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// The windows of a token that lives for `life`. `chance` is between 0 and 1, `took` is how long it took to get a token: a
    /// renewal that runs behind is to end before callers have to wait for it.
    pub(crate) fn margins(&self, life: Duration, chance: f64, took: Duration) -> Margins {
        let shrink = 1.0 - self.jitter * chance;
        let early = share(life, self.early_share, self.early_min, self.early_max).min(life / 4).mul_f64(shrink);
        let late = share(life, self.late_share, self.late_min, self.late_max).mul_f64(shrink).min(early / 2);
        let in_time = late.saturating_add(took.saturating_mul(2)).min(life / 2);
        // Who has switched the early window off has it off.
        Margins { early: if early.is_zero() { early } else { early.max(in_time) }, late }
    }

    /// Says what is wrong with settings that cannot be meant.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        let sane = |share: f64| share.is_finite() && (0.0..=1.0).contains(&share);
        if !sane(self.early_share) || !sane(self.late_share) || !sane(self.jitter) {
            return Some("its shares must lie between 0 and 1");
        }
        if self.early_share > MOST_EARLY {
            return Some("its `early_share` must be at most 0.25, or tokens would be renewed while they are new");
        }
        if self.early_min > self.early_max || self.late_min > self.late_max {
            return Some("a minimum must not be above its maximum");
        }
        if self.late_share > self.early_share / 2.0 || self.late_min > self.early_max {
            return Some("the late window must be at most half of the early one");
        }
        None
    }
}

fn share(life: Duration, share: f64, min: Duration, max: Duration) -> Duration {
    life.mul_f64(share).max(min).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(life: u64) -> (f64, f64) {
        let Margins { early, late } = Windows::default().margins(Duration::from_secs(life), 0.0, Duration::ZERO);
        (early.as_secs_f64(), late.as_secs_f64())
    }

    #[apply(leak_checked!)]
    fn windows_scale_with_the_life_of_the_token() {
        assert_eq!(margins(600), (120.0, 30.0));
        assert_eq!(margins(24 * 3600), (300.0, 60.0));
        assert_eq!(margins(60), (12.0, 3.0));
    }

    #[apply(leak_checked!)]
    fn a_renewal_that_takes_long_begins_sooner_unless_none_runs_behind() {
        let (life, took) = (Duration::from_secs(600), Duration::from_secs(100));
        let early = |windows: Windows, took| windows.margins(life, 0.0, took).early.as_secs();
        assert_eq!(early(Windows::default(), took), 230);
        assert_eq!(early(Windows::default(), Duration::from_secs(1)), 120);
        let off = Windows {
            early_share: 0.0,
            early_min: Duration::ZERO,
            late_share: 0.0,
            late_min: Duration::ZERO,
            ..Windows::default()
        };
        assert_eq!(early(off, took), 0);
    }

    #[apply(leak_checked!)]
    fn each_setting_is_set_alone() {
        let (five, default) = (Duration::from_secs(5), Windows::default());
        assert_eq!(default.with_early_min(five), Windows { early_min: five, ..default });
        assert_eq!(default.with_early_max(five), Windows { early_max: five, ..default });
        assert_eq!(default.with_late_min(five), Windows { late_min: five, ..default });
        assert_eq!(default.with_late_max(five), Windows { late_max: five, ..default });
        assert_eq!(default.with_early_share(0.125), Windows { early_share: 0.125, ..default });
        assert_eq!(default.with_late_share(0.125), Windows { late_share: 0.125, ..default });
        assert_eq!(default.with_jitter(0.125), Windows { jitter: 0.125, ..default });
    }

    #[apply(leak_checked!)]
    fn a_short_token_spends_most_of_its_life_fresh() {
        assert_eq!(margins(10), (2.5, 1.0));
        assert_eq!(margins(1), (0.25, 0.125));
        assert_eq!(margins(0), (0.0, 0.0));
    }

    #[apply(leak_checked!)]
    fn settings_that_cannot_be_meant_are_told_by_what_is_wrong_with_them() {
        let usual = Windows::default();
        let whole = Windows { early_share: 0.25, late_share: 0.125, jitter: 1.0, ..usual };
        let nothing = Windows { early_share: 0.0, late_share: 0.0, jitter: 0.0, ..usual };
        let narrow = Windows { early_min: usual.early_max, late_min: usual.late_max, ..usual };
        let touching = Windows { late_min: usual.early_max, late_max: usual.early_max, ..usual };
        for sane in [usual, whole, nothing, narrow, touching] {
            assert_eq!(sane.mistake(), None, "{sane:?}");
        }
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            for wrong in [
                Windows { early_share: share, ..usual },
                Windows { late_share: share, ..usual },
                Windows { jitter: share, ..usual },
            ] {
                assert_eq!(wrong.mistake(), Some("its shares must lie between 0 and 1"), "{wrong:?}");
            }
        }
        let more = Duration::from_nanos(1);
        for wrong in [
            Windows { early_min: usual.early_max + more, ..usual },
            Windows { late_min: usual.late_max + more, ..usual },
        ] {
            assert_eq!(wrong.mistake(), Some("a minimum must not be above its maximum"), "{wrong:?}");
        }
        let wide = Windows { early_share: 0.26, ..usual };
        assert!(wide.mistake().is_some_and(|mistake| mistake.contains("at most 0.25")), "{wide:?}");
        for wrong in [
            Windows { late_share: usual.early_share / 2.0 + 0.01, ..usual },
            Windows { late_min: usual.early_max + more, late_max: usual.early_max + more, ..usual },
        ] {
            assert_eq!(wrong.mistake(), Some("the late window must be at most half of the early one"), "{wrong:?}");
        }
    }

    #[apply(leak_checked!)]
    fn jitter_only_shrinks_the_windows() {
        let calm = Windows::default().margins(Duration::from_secs(600), 0.0, Duration::ZERO);
        let shaken = Windows::default().margins(Duration::from_secs(600), 1.0, Duration::ZERO);
        assert_eq!(shaken.early, calm.early.mul_f64(0.9));
        assert!(shaken.late < calm.late && shaken.late <= shaken.early / 2);
    }
}
