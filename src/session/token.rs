//! One token of a session, as the engine holds it, and how it is kept in a store.

use super::{
    decide::Deadlines,
    plan::{Freshness, Known},
    rules::Rules,
    tokens::{Expiry, Lifetime, Tokens},
};
use crate::{
    Error, Secret,
    clock::Now,
    store::{Generation, Kept, Record, RecordState, StoredExpiry},
};
use http::HeaderValue;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

/// An access token with its refresh token: which one it is, how long it lives and where it came from.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Token {
    pub(crate) generation: Generation,
    pub(crate) tokens: Tokens,
    /// When its life began, on our clocks.
    pub(crate) received: Now,
    pub(crate) deadlines: Deadlines,
    pub(crate) origin: Origin,
    /// How many 401s in a row it was born of.
    pub(crate) rejections: u32,
    /// Another session was ended so that this one could begin.
    pub(crate) evicted: bool,
    /// When the session began, by the wall clock of the process that began it.
    pub(crate) began: SystemTime,
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// The vendor issued it to this client.
    Vendor,
    /// The vendor issued it because a caller needed a token for longer than its predecessor would live.
    Need,
    /// Another process saved it, or it was kept here unsaved: it may be near its end.
    Store,
}

/// What the clocks and the dice say at the moment something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    /// Drawn anew for every moment: it names lineages and spreads a fleet.
    pub(crate) dice: u64,
}

impl Moment {
    /// Between 0 and 1.
    pub(crate) fn share(self) -> f64 {
        (self.dice.rotate_left(23) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a new token is made from besides what the vendor issued.
pub(crate) struct Birth {
    pub(crate) generation: Generation,
    pub(crate) origin: Origin,
    pub(crate) rejections: u32,
    pub(crate) evicted: bool,
    pub(crate) began: Option<SystemTime>,
    /// How long it took to get it: the next one is asked for in time.
    pub(crate) took: Duration,
}

impl Birth {
    /// Of a token that the vendor has issued for no particular reason.
    pub(crate) fn of(generation: Generation) -> Self {
        let (origin, took) = (Origin::Vendor, Duration::ZERO);
        Self { generation, origin, rejections: 0, evicted: false, began: None, took }
    }
}

impl Token {
    /// A token that the vendor has just issued.
    pub(crate) fn issued(rules: &Rules, mut tokens: Tokens, birth: Birth, at: Moment) -> Result<Self, Error> {
        if tokens.life == Lifetime::Unknown
            && let Some(life) = rules.capabilities.default_life
        {
            tokens.life = Lifetime::For(life);
        }
        let Birth { generation, origin, rejections, evicted, began, took } = birth;
        let began = began.unwrap_or(at.now.wall);
        let deadlines = rules.deadlines(&tokens, at.now, at.share(), took);
        let token = Self { generation, tokens, received: at.now, deadlines, origin, rejections, evicted, began };
        // Before it is saved or served.
        if token.is_sendable() { Ok(token) } else { Err(Error::unsendable_token()) }
    }

    /// What is kept in this record, if it holds a session.
    pub(crate) fn kept(rules: &Rules, record: &Record, at: Moment) -> Option<Self> {
        let kept = record.kept()?;
        let now = at.now;
        let age = now.wall.duration_since(kept.received).unwrap_or_default();
        let received = Now { wall: now.wall - age, monotonic: now.monotonic.saturating_sub(age) };
        let life = match kept.ends {
            StoredExpiry::At(end) => Lifetime::For(end.duration_since(kept.issued).unwrap_or_default()),
            StoredExpiry::Never => Lifetime::Never,
            StoredExpiry::Unknown => Lifetime::Unknown,
        };
        let (access, refresh) = (kept.access.clone(), kept.refresh.clone());
        let tokens = Tokens { access, refresh, life, date: Some(kept.issued) };
        let deadlines = rules.deadlines(&tokens, received, at.share(), Duration::ZERO);
        Some(Self {
            generation: record.generation(),
            tokens,
            received,
            deadlines,
            origin: Origin::Store,
            rejections: kept.rejections,
            evicted: kept.evicted,
            began: kept.began,
        })
    }

    /// As a store keeps it. Its seed is added by the driver, which computes digests.
    pub(crate) fn record(&self, rules: &Rules) -> Record {
        let issued = self.tokens.date.unwrap_or(self.received.wall);
        let ends = match self.tokens.life {
            Lifetime::For(life) => StoredExpiry::At(issued + life),
            Lifetime::Never => StoredExpiry::Never,
            Lifetime::Unknown => StoredExpiry::Unknown,
        };
        let (access, refresh) = (self.tokens.access.clone(), self.tokens.refresh.clone());
        let (received, evicted) = (self.received.wall, self.evicted);
        let (rejections, began) = (self.rejections, self.began);
        let kept = Kept { access, refresh, issued, received, ends, evicted, rejections, began };
        Record::new(&rules.key, self.generation, RecordState::Live(kept))
    }

    /// How long ago its life began.
    pub(crate) fn age(&self, now: Now) -> Duration {
        now.monotonic.saturating_sub(self.received.monotonic)
    }

    /// How long it lives in all.
    pub(crate) fn life(&self) -> Duration {
        self.deadlines.left(self.received)
    }

    pub(crate) fn expiry(&self) -> Expiry {
        self.tokens.life.expiry(self.received)
    }

    /// What it is good for. A token that no header can carry may still have a refresh token.
    pub(crate) fn freshness(&self, now: Now) -> Freshness {
        if self.is_sendable() { self.deadlines.freshness(now) } else { Freshness::Ended }
    }

    pub(crate) fn known(&self, freshness: Freshness, used: Option<Mark>, salt: u64) -> Known {
        let refresh = self.refresh_mark(salt);
        Known { generation: self.generation, token: freshness, refresh: refresh.is_some() && refresh != used }
    }

    pub(crate) fn refresh_mark(&self, salt: u64) -> Option<Mark> {
        self.tokens.refresh().map(|refresh| Mark::of(salt, refresh))
    }

    fn is_sendable(&self) -> bool {
        let access = self.tokens.access.expose();
        !access.is_empty() && HeaderValue::from_str(access).is_ok()
    }
}

/// Tells within one process whether two secrets are the same one, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn of(salt: u64, secret: &Secret) -> Self {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        secret.expose().hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl Error {
    fn unsendable_token() -> Self {
        Self::protocol("the token is empty or holds characters that no header can carry")
            .advice("if it was given to the builder, check it for a line break at its end")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::session::token::*;

    /// Of this life, received at `now`.
    pub(in crate::session) fn token(life: Lifetime, now: Now) -> Token {
        Token {
            generation: Generation::first(1),
            tokens: Tokens { access: Secret::from("access-7f3a"), refresh: None, life, date: None },
            received: now,
            deadlines: Deadlines::without_windows(life, now),
            origin: Origin::Vendor,
            rejections: 0,
            evicted: false,
            began: now.wall,
        }
    }

    #[apply(leak_checked!)]
    fn a_mark_tells_secrets_and_salts_apart() {
        let (one, other) = (Secret::from("hunter2"), Secret::from("hunter3"));
        assert_eq!(Mark::of(1, &one), Mark::of(1, &one));
        assert_ne!(Mark::of(1, &one), Mark::of(1, &other));
        assert_ne!(Mark::of(1, &one), Mark::of(2, &one));
    }
}
