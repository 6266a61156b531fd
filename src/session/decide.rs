//! The decision: serve, renew or refuse. Pure: everything it depends on is an argument.

use super::{plan::Freshness, tokens::Lifetime, windows::Windows};
use crate::clock::Now;
use std::time::{Duration, SystemTime};

/// The moments at which the answer for one token changes, on both clocks. The stricter clock wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Deadlines {
    fresh: BothClocks,
    early: BothClocks,
    end: BothClocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BothClocks {
    wall: SystemTime,
    monotonic: Duration,
}

impl BothClocks {
    fn after(now: Now, wait: Duration) -> Self {
        Self { wall: now.wall + wait, monotonic: now.monotonic.saturating_add(wait) }
    }

    #[inline]
    fn is_ahead_of(&self, now: Now) -> bool {
        now.monotonic < self.monotonic && now.wall < self.wall
    }

    fn left(&self, now: Now) -> Duration {
        let wall = self.wall.duration_since(now.wall).unwrap_or_default();
        wall.min(self.monotonic.saturating_sub(now.monotonic))
    }
}

/// Stands for "no end": far enough to be never, near enough to add without overflow.
const FAR: Duration = Duration::from_secs(200 * 365 * 24 * 3600);

impl Deadlines {
    /// Of a token of this life that was received at `received`. `chance` (0 to 1) is the jitter's, `took` how long it took to
    /// get a token.
    pub(crate) fn new(life: Lifetime, received: Now, windows: &Windows, chance: f64, took: Duration) -> Self {
        let Lifetime::For(life) = life else {
            let far = BothClocks::after(received, FAR);
            return Self { fresh: far, early: far, end: far };
        };
        let margins = windows.margins(life, chance, took);
        Self {
            fresh: BothClocks::after(received, life - margins.early),
            early: BothClocks::after(received, life - margins.late),
            end: BothClocks::after(received, life),
        }
    }

    /// Of a token that is used to its end, because its successor costs more than a request.
    pub(crate) fn without_windows(life: Lifetime, received: Now) -> Self {
        let end = BothClocks::after(received, if let Lifetime::For(life) = life { life } else { FAR });
        Self { fresh: end, early: end, end }
    }

    /// One comparison per clock.
    #[inline]
    pub(crate) fn is_fresh(&self, now: Now) -> bool {
        self.fresh.is_ahead_of(now)
    }

    /// Until when (monotonic) it is fresh by a clock that counts sleep: nothing that matters to a token escapes that.
    pub(crate) fn fresh_until(&self) -> Duration {
        self.fresh.monotonic
    }

    /// How long it stays fresh.
    #[cfg(feature = "keep-warm")]
    pub(crate) fn fresh_for(&self, now: Now) -> Duration {
        self.fresh.left(now)
    }

    pub(crate) fn is_valid(&self, now: Now) -> bool {
        self.end.is_ahead_of(now)
    }

    /// What the token is good for.
    pub(crate) fn freshness(&self, now: Now) -> Freshness {
        match () {
            () if self.is_fresh(now) => Freshness::Fresh,
            () if self.is_valid(now) => Freshness::Aging,
            () => Freshness::Ended,
        }
    }

    /// Time left until the end.
    pub(crate) fn left(&self, now: Now) -> Duration {
        self.end.left(now)
    }
}

/// Why a token is wanted from the vendor.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no session yet.
    NoSession,
    /// The token is in its early window.
    Early,
    /// The token is in its late window.
    Late,
    /// The token has ended.
    Expired,
    /// The vendor answered 401 to it.
    Rejected,
    /// The caller needs more time than the token has left.
    TooShort,
    /// The user of the crate asked.
    Asked,
    /// A person answered the question that had stopped a sign-in.
    Answered,
}

impl Reason {
    /// Its name in snake_case, such as `no_session`: for labels and logs. A reason keeps its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::Early => "early",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::TooShort => "too_short",
            Self::Asked => "asked",
            Self::Answered => "answered",
        }
    }
}

/// What a call for a token is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Serve what is held.
    Serve,
    /// Serve what is held and renew behind the caller's back.
    ServeAndRenewBehind,
    /// Nothing that is held may be served before the vendor was asked.
    Wait(Reason),
    /// Do not ask the vendor now.
    Refuse(Refusal),
}

/// Why the vendor is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    SignedOut,
    /// The last attempt failed; the next one is allowed after this wait. `None`: not before a user changes something.
    CoolingDown(Option<Duration>),
}

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) now: Now,
    pub(crate) held: Option<&'a Deadlines>,
    pub(crate) rejected: bool,
    pub(crate) signed_out: bool,
    /// Set while a failure cools down: until when (monotonic), or for good.
    pub(crate) cooling: Option<Cooling>,
    /// How long the caller needs the token to live.
    pub(crate) needed: Duration,
}

/// Until when no attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cooling {
    Until(Duration),
    ForGood,
}

impl Cooling {
    /// `None` when it is over; else the wait, if one is known.
    pub(crate) fn wait(self, now: Now) -> Option<Option<Duration>> {
        match self {
            Self::ForGood => Some(None),
            Self::Until(end) if now.monotonic < end => Some(Some(end - now.monotonic)),
            Self::Until(_) => None,
        }
    }
}

pub(crate) fn decide(view: &View<'_>) -> Decision {
    if view.signed_out {
        return Decision::Refuse(Refusal::SignedOut);
    }
    let cooling = view.cooling.and_then(|cooling| cooling.wait(view.now));
    let ask = |reason| match cooling {
        Some(wait) => Decision::Refuse(Refusal::CoolingDown(wait)),
        None => Decision::Wait(reason),
    };
    let Some(held) = view.held else { return ask(Reason::NoSession) };
    if view.rejected {
        return ask(Reason::Rejected);
    }
    if !held.is_valid(view.now) {
        return ask(Reason::Expired);
    }
    if held.left(view.now) < view.needed {
        return ask(Reason::TooShort);
    }
    if held.is_fresh(view.now) {
        return Decision::Serve;
    }
    // A valid token is served whatever happened to its renewal.
    match cooling {
        Some(_) => Decision::Serve,
        None if held.early.is_ahead_of(view.now) => Decision::ServeAndRenewBehind,
        None => Decision::Wait(Reason::Late),
    }
}

#[cfg(test)]
mod tests;
