//! What is kept of one session, and the rules of it that every store and the engine share.

mod layout;

use super::{Fingerprint, Generation, Key, StoreError};
use crate::Secret;
use std::{
    fmt,
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// After the end of a token that nothing can renew, it is of no use. The day is for clocks that are wrong.
const ENDED: Duration = DAY;
/// The longest life of a refresh token that a vendor has stated is thirty days; most state none.
const RENEWABLE: Duration = DAY.saturating_mul(90);
/// A token whose end is not known is used until it is refused.
const ENDLESS: Duration = DAY.saturating_mul(365);
/// A sign-out is remembered for as long as the refresh token that it ended could have lived.
const SIGNED_OUT: Duration = RENEWABLE;
/// Longer than any budget of attempts counts back, and than any wait for a vendor.
const LEARNT: Duration = DAY.saturating_mul(30);

/// No wait that is read from a store is longer: the longest one that a vendor is believed.
const LONGEST_WAIT: Duration = DAY;

/// The longest text of a record that a store keeps, in bytes. No vendor's tokens come near.
pub(crate) const LONGEST: usize = 1 << 20;

/// What is kept of one session, of the attempts at one, or of what the processes that share a store have learnt about one.
/// Never a password, never a captcha.
///
/// A store of your own keeps it as text: [`to_json`](Self::to_json) and [`from_json`](Self::from_json).
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct Record {
    /// Which session it belongs to; layout 1 did not say. A store that mixes sessions up is found out by it.
    pub(crate) key: Option<String>,
    /// Which token this is.
    pub(crate) generation: Generation,
    pub(crate) state: RecordState,
    /// A digest of the credential this session began with. Not written once it is signed out.
    pub(crate) seed: Option<Fingerprint>,
    /// When sign-ins were tried, oldest first. A record holds either these or a session.
    pub(crate) attempts: Vec<SystemTime>,
    /// Until when the vendor is not asked, by any process.
    pub(crate) not_before: Option<NotBefore>,
    /// A digest of the credential that the vendor refused last. Not written once the session is signed out.
    pub(crate) refused: Option<Fingerprint>,
}

/// Whether there is a session.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum RecordState {
    Live(Kept),
    /// It was signed out: a tombstone.
    SignedOut,
    /// There never was one. The record counts attempts, or holds what has been learnt in vain ones.
    Nothing,
    /// Whatever it is, it is sealed.
    Sealed(SealedText),
}

/// A record that a key opens, and what a store may know of it.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct SealedText {
    /// The name of the key.
    pub(crate) by: String,
    pub(crate) text: String,
    pub(crate) keep: Duration,
    pub(crate) has_session: bool,
    pub(crate) is_tombstone: bool,
}

/// The tokens of a live session.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Kept {
    pub(crate) access: Secret,
    pub(crate) refresh: Option<Secret>,
    /// When the token was issued, by the vendor's clock.
    pub(crate) issued: SystemTime,
    /// When it was received, by the wall clock of the process that received it.
    pub(crate) received: SystemTime,
    pub(crate) ends: StoredExpiry,
    /// Whether another session was ended so that this one could begin.
    pub(crate) evicted: bool,
    /// How many tokens in a row, this one included, were obtained because the vendor had refused the one before.
    pub(crate) rejections: u32,
    /// When the session began, by the wall clock of the process that began it.
    pub(crate) began: SystemTime,
}

/// The end of a kept token, by the vendor's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum StoredExpiry {
    At(SystemTime),
    Never,
    Unknown,
}

/// Until when the vendor is not asked for a session, and why. Both times are by the wall clock of the process that learnt it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct NotBefore {
    pub(crate) until: SystemTime,
    pub(crate) since: SystemTime,
    pub(crate) reason: WaitReason,
    /// How many tries in a row have failed.
    pub(crate) failures: u32,
}

/// Why the vendor is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum WaitReason {
    /// The vendor said how long to wait.
    Throttled,
    /// It could not be reached, or was not itself. Also whatever a later version writes.
    Outage,
    /// It refused the credential.
    Refused,
    /// Two sides ended each other's sessions.
    Evicted,
}

impl Record {
    /// One without anything learnt or counted.
    pub(crate) fn new(key: &Key, generation: Generation, state: RecordState) -> Self {
        let key = Some(key.to_string());
        Self { key, generation, state, seed: None, attempts: Vec::new(), not_before: None, refused: None }
    }

    /// What takes its place at a sign-out. It tells nothing of a credential any more; a wait for the vendor goes on.
    pub(crate) fn tombstone(&self) -> Self {
        Self {
            generation: self.generation.next(),
            state: RecordState::SignedOut,
            seed: None,
            refused: None,
            ..self.clone()
        }
    }

    /// Which token this is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether this marks a session that was signed out.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        match &self.state {
            RecordState::Sealed(sealed) => sealed.is_tombstone,
            state => matches!(state, RecordState::SignedOut),
        }
    }

    /// Whether this holds the tokens of a session. A record of attempts does not, nor does a tombstone.
    #[must_use]
    pub fn has_session(&self) -> bool {
        match &self.state {
            RecordState::Sealed(sealed) => sealed.has_session,
            _ => self.kept().is_some(),
        }
    }

    /// Whether it was made for `key`, as far as it says.
    #[must_use]
    pub fn belongs_to(&self, key: &Key) -> bool {
        self.key.as_ref().is_none_or(|own| *own == key.to_string())
    }

    /// When its access token ends, by the clock of the machine that received it. `None` without a session, and where the end
    /// is not known, never comes, or is sealed.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let kept = self.kept()?;
        kept.received.checked_add(kept.life()?)
    }

    /// How long it is worth keeping from the moment it is saved: for a store that can let things end by themselves.
    /// A tombstone lives as long as the refresh token that it ended could have.
    #[must_use]
    pub fn time_to_live(&self) -> Duration {
        let kept = match &self.state {
            RecordState::Live(kept) => kept,
            RecordState::SignedOut => return SIGNED_OUT,
            RecordState::Nothing => return LEARNT,
            RecordState::Sealed(sealed) => return sealed.keep,
        };
        let further = if kept.refresh.is_some() { RENEWABLE } else { ENDED };
        kept.life().map_or(ENDLESS, |life| life + further)
    }

    pub(crate) fn kept(&self) -> Option<&Kept> {
        match &self.state {
            RecordState::Live(kept) => Some(kept),
            RecordState::SignedOut | RecordState::Nothing | RecordState::Sealed(_) => None,
        }
    }

    /// Whether a clock that was ahead of `now` has written a time into it.
    pub(crate) fn is_ahead_of(&self, now: SystemTime) -> bool {
        let kept = self.kept().is_some_and(|kept| kept.received > now || kept.began > now);
        let waits = self.not_before.is_some_and(|wait| wait.since > now || wait.brought_back_to(now) != wait);
        kept || waits || self.attempts.iter().any(|attempt| *attempt > now)
    }

    /// The same record with every time that is still to come set to `now`: its clock was ahead, and there is no telling by how
    /// much. What lasts from such a time lasts as long from `now`. To be saved, so that it happens once.
    ///
    /// The times of the vendor's clock stay: only what lies between them counts.
    pub(crate) fn brought_back_to(mut self, now: SystemTime) -> Self {
        if let RecordState::Live(kept) = &mut self.state {
            kept.received = kept.received.min(now);
            kept.began = kept.began.min(now);
        }
        for attempt in &mut self.attempts {
            *attempt = now.min(*attempt);
        }
        self.not_before = self.not_before.map(|wait| wait.brought_back_to(now));
        self
    }

    /// This record as one line of JSON, for a store that keeps text. It holds tokens: keep it where no other user can read it.
    ///
    /// | member | |
    /// |---|---|
    /// | `schema` | the layout's number |
    /// | `key` | the [`Key`] it belongs to |
    /// | `lineage`, `counter` | the [`Generation`] |
    /// | `seed` | a digest that tells whether the session began with the same credential; none after a sign-out |
    /// | `session` | only where there is one: `access`, `refresh`, `issued_ms`, `received_ms`, `ends` (`"never"`, `"unknown"` or milliseconds), `evicted`, `rejections` (how many tokens in a row were obtained because the vendor had refused the one before) and `began_ms` |
    /// | `signed_out` | `true` in a tombstone |
    /// | `attempts_ms` | when sign-ins were tried |
    /// | `not_before` | until when no process asks the vendor: `until_ms`, `since_ms`, `reason` (`"throttled"`, `"outage"`, `"refused"`, `"evicted"`) and `failures` (in a row) |
    /// | `refused` | a digest of the credential that the vendor refused; none after a sign-out |
    /// | `sealed` | only in a record of a `Sealed` store, which has none of the others but `schema`, `key`, `lineage`, `counter` and `signed_out`: `by` (the name of the key), `text` (the record, AES-256-GCM with its nonce before it, in base64), `keep_s` (how long it is worth keeping, in seconds) and `has_session` |
    ///
    /// All times are milliseconds since 1970; `issued_ms` and `ends` are by the vendor's clock.
    ///
    /// The digests are slow to make, so that they are slow to guess from: the first time a process writes one of a credential
    /// takes some tens of milliseconds and 7 MiB. Call it off the threads that run tasks, such as in `spawn_blocking`.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        layout::write(self)
    }

    /// Whether writing it takes so long that it belongs off the threads that run tasks.
    #[cfg(any(feature = "postgres", feature = "redis", feature = "sealed", test))]
    pub(crate) fn is_slow_to_write(&self) -> bool {
        let digests = [&self.seed, &self.refused];
        !self.is_tombstone() && digests.into_iter().flatten().any(Fingerprint::is_slow_to_write)
    }

    /// [`to_json`](Self::to_json), if that can be read again.
    pub(crate) fn to_bounded_json(&self) -> Result<Secret, StoreError> {
        let json = self.to_json();
        match json.expose().len() {
            0..=LONGEST => Ok(json),
            _ => Err(StoreError::new(
                "the session's tokens are longer than any store keeps, 1 MiB; it lives in memory only",
            )),
        }
    }

    /// Reads what [`to_json`](Self::to_json) wrote, also in an earlier layout.
    ///
    /// # Errors
    /// [`StoreError::is_newer`] when a newer version of Keyway wrote it, and [`StoreError::is_sealed`] when it was sealed and is
    /// no longer whole: leave it as it is. Any other error means that it is damaged, or was written by a version too old to be
    /// read. None shows what was in it.
    pub fn from_json(json: &str) -> Result<Self, StoreError> {
        layout::read(json)
    }

    /// What was kept for `key`: the record, or else what is wrong with it, so that it counts as absent.
    ///
    /// # Errors
    /// What must be left as it is: a newer version's, and a sealed record that is damaged or another session's. The keys
    /// decide about a sealed one, and a process that cannot open it must not begin another session over it.
    pub(crate) fn kept_for(key: &Key, json: &str) -> Result<Result<Self, StoreError>, StoreError> {
        match Self::from_json(json) {
            Ok(record) if record.belongs_to(key) => Ok(Ok(record)),
            Ok(Self { state: RecordState::Sealed(sealed), .. }) => Err(StoreError::sealed(format!(
                "the record, sealed with the key {}, belongs to another session; \
                 see who else writes there, and put it back or remove it",
                sealed.by
            ))),
            Ok(_) => Ok(Err(StoreError::new("it belongs to another session"))),
            Err(left) if left.is_final() => Err(left),
            Err(damage) => Ok(Err(damage)),
        }
    }
}

/// Without the digests: a log is no place to guess passwords from.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key)
            .field("generation", &self.generation)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("not_before", &self.not_before)
            .finish_non_exhaustive()
    }
}

impl Kept {
    /// How long the token lives in all, if that is known.
    fn life(&self) -> Option<Duration> {
        match self.ends {
            StoredExpiry::At(end) => Some(end.duration_since(self.issued).unwrap_or_default()),
            StoredExpiry::Never | StoredExpiry::Unknown => None,
        }
    }
}

impl NotBefore {
    /// How many failures in a row these are still; none once they lie back for longer than any wait.
    pub(crate) fn failures_at(&self, now: SystemTime) -> u32 {
        let ago = now.duration_since(self.until).unwrap_or_default();
        if ago < LONGEST_WAIT { self.failures } else { 0 }
    }

    /// The same wait, begun at `now` if it begins later, and no longer than a vendor is believed.
    fn brought_back_to(self, now: SystemTime) -> Self {
        let wait = self.until.duration_since(self.since).unwrap_or_default().min(LONGEST_WAIT);
        let since = self.since.min(now);
        Self { since, until: since.checked_add(wait).unwrap_or(since), ..self }
    }
}

#[cfg(test)]
mod tests;
