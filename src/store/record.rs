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

    /// The same record with every time that is still to come set to `now`: its clock was ahead, and nobody can tell by how
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

    /// This record as one line of JSON, for a store that keeps text. It holds tokens: keep it where nobody else reads.
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
    /// takes some tens of milliseconds and 7 MiB. Call it where that holds up nobody, such as in `spawn_blocking`.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        layout::write(self)
    }

    /// Whether writing it takes work that should hold up nobody.
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
    /// decide about a sealed one, and whoever cannot open it must not begin another session over it.
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
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn kept(ends: StoredExpiry) -> Kept {
        Kept {
            access: "ac\"cess".into(),
            refresh: Some("refresh".into()),
            issued: at(1000),
            received: at(1010),
            ends,
            evicted: true,
            rejections: 3,
            began: at(900),
        }
    }

    fn record(ends: StoredExpiry) -> Record {
        let wait = NotBefore { until: at(90), since: at(60), reason: WaitReason::Throttled, failures: 2 };
        Record {
            key: Some("vms-1".into()),
            generation: Generation { lineage: u64::MAX, counter: 7 },
            state: RecordState::Live(kept(ends)),
            seed: Some(Fingerprint::written("digest".into())),
            attempts: vec![at(5), at(6)],
            not_before: Some(wait),
            refused: Some(Fingerprint::written("refused".into())),
        }
    }

    fn read(record: &Record) -> Record {
        Record::from_json(record.to_json().expose()).expect("its own writing")
    }

    #[apply(leak_checked!)]
    fn what_is_written_is_read_again_whole() {
        for ends in [StoredExpiry::At(at(4600)), StoredExpiry::Never, StoredExpiry::Unknown] {
            let (written, read) = (record(ends), read(&record(ends)));
            assert_eq!(read.generation, written.generation);
            assert_eq!((&read.key, &read.seed, &read.refused), (&written.key, &written.seed, &written.refused));
            assert_eq!((&read.attempts, read.not_before), (&written.attempts, written.not_before));
            let kept = read.kept().expect("a session");
            let refresh = kept.refresh.as_ref().expect("one");
            assert_eq!((kept.access.expose(), refresh.expose()), ("ac\"cess", "refresh"));
            assert_eq!((kept.issued, kept.received, kept.began), (at(1000), at(1010), at(900)));
            assert_eq!((kept.ends, kept.evicted, kept.rejections), (ends, true, 3));
        }
    }

    #[apply(leak_checked!)]
    fn every_member_that_is_written_is_documented() {
        fn names(value: &serde_json::Value, found: &mut Vec<String>) {
            for (name, value) in value.as_object().into_iter().flatten() {
                found.push(name.clone());
                names(value, found);
            }
        }
        let mut found = Vec::new();
        let sealed = SealedText { by: "k".into(), text: "t".into(), keep: DAY, has_session: true, is_tombstone: true };
        let sealed = Record { state: RecordState::Sealed(sealed), ..record(StoredExpiry::Never) };
        for record in [record(StoredExpiry::Never), record(StoredExpiry::Never).tombstone(), sealed] {
            names(&serde_json::from_str(record.to_json().expose()).expect("JSON"), &mut found);
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 27);
        let documentation: String = include_str!("record.rs").lines().filter(|line| line.contains("///")).collect();
        for name in found {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[apply(leak_checked!)]
    fn a_tombstone_stays_one_and_holds_no_digest_of_a_credential() {
        let tombstone = record(StoredExpiry::Never).tombstone();
        let again = read(&tombstone);
        assert!(again.is_tombstone() && !again.has_session());
        assert_eq!((again.generation.counter, again.not_before), (8, tombstone.not_before));
        // Not even one that somebody put there.
        let signed_out = Record { state: RecordState::SignedOut, ..record(StoredExpiry::Never) };
        for record in [tombstone, signed_out] {
            let json = record.to_json();
            assert!(!json.expose().contains("digest") && !json.expose().contains("refused"), "{}", json.expose());
        }
    }

    #[apply(leak_checked!)]
    fn what_was_only_learnt_is_no_tombstone() {
        let nothing = Record { state: RecordState::Nothing, ..record(StoredExpiry::Never) };
        let again = read(&nothing);
        assert!(!again.is_tombstone() && !again.has_session());
        assert_eq!((&again.refused, &again.seed), (&nothing.refused, &nothing.seed));
        let bare = Record { attempts: Vec::new(), not_before: None, seed: None, refused: None, ..nothing };
        assert!(!read(&bare).is_tombstone());
    }

    #[apply(leak_checked!)]
    fn the_layouts_before_this_one_are_read_and_a_newer_one_is_left_alone() {
        let old = r#"{"schema":1,"lineage":3,"counter":2,"session":{"access":"a","issued_ms":1000,"ends":"never"}}"#;
        let first = Record::from_json(old).expect("layout 1");
        let kept = first.kept().expect("a session");
        assert_eq!((kept.received, kept.evicted), (at(1), false));
        let second = old.replace("\"schema\":1", "\"schema\":2").replace("\"ends\"", "\"received_ms\":2000,\"ends\"");
        let second = Record::from_json(&second).expect("layout 2");
        let kept = second.kept().expect("a session");
        assert_eq!((kept.received, kept.began, kept.rejections), (at(2), at(2), 0));

        // Before layout 3 what held neither a session nor attempts was a tombstone.
        for schema in [1, 2] {
            let bare = format!(r#"{{"schema":{schema},"lineage":3,"counter":2,"seed":"digest"}}"#);
            assert!(Record::from_json(&bare).expect("old").is_tombstone());
            let counts = format!(r#"{{"schema":{schema},"lineage":3,"counter":2,"attempts_ms":[1]}}"#);
            assert!(!Record::from_json(&counts).expect("old").is_tombstone());
        }
        let newer = Record::from_json(r#"{"schema":5,"anything":["else"]}"#).expect_err("newer");
        assert!(newer.is_newer(), "{newer}");
        assert!(!Record::from_json(r#"{"schema":0}"#).expect_err("too old").is_newer());
    }

    #[apply(leak_checked!)]
    fn a_sealed_record_is_of_its_own_layout_and_holds_nothing_else() {
        let sealed = r#"{"schema":4,"key":"vms-1","lineage":3,"counter":2,"sealed":{"by":"k","text":"t","keep_s":60,"has_session":true}}"#;
        let read = Record::from_json(sealed).expect("sealed");
        assert_eq!((read.has_session(), read.is_tombstone(), read.expires_at()), (true, false, None));
        assert_eq!((read.time_to_live(), read.to_json().expose()), (Duration::from_secs(60), sealed));
        // An earlier version would take one for a record without a session, and begin another.
        for changed in [
            sealed.replace("\"schema\":4", "\"schema\":3"),
            sealed.replace("\"sealed\":", "\"other\":"),
            sealed.replace(
                "\"sealed\":",
                "\"session\":{\"access\":\"a\",\"issued_ms\":1,\"ends\":\"never\"},\"sealed\":",
            ),
        ] {
            assert!(!Record::from_json(&changed).expect_err("neither").is_newer(), "{changed}");
        }
    }

    #[apply(leak_checked!)]
    fn a_reason_that_is_not_known_is_an_outage() {
        for (word, reason) in [
            ("throttled", WaitReason::Throttled),
            ("outage", WaitReason::Outage),
            ("refused", WaitReason::Refused),
            ("evicted", WaitReason::Evicted),
            ("of a later version", WaitReason::Outage),
        ] {
            let json = record(StoredExpiry::Never).to_json().expose().replace("throttled", word);
            let wait = Record::from_json(&json).expect("whole").not_before.expect("a wait");
            assert_eq!(wait.reason, reason);
            let again = Record { not_before: Some(wait), ..record(StoredExpiry::Never) };
            assert_eq!(read(&again).not_before, Some(wait));
        }
    }

    #[apply(leak_checked!)]
    fn damage_is_told_without_what_was_in_it() {
        let whole = record(StoredExpiry::Never).to_json();
        let of_both = whole.expose().replace("\"attempts_ms\"", "\"signed_out\":true,\"attempts_ms\"");
        assert_ne!(of_both, whole.expose());
        let too_long = whole.expose().replace("refresh", &"r".repeat(LONGEST));
        for damaged in [
            "",
            "null",
            "[]",
            r#"{"schema":"2"}"#,
            &whole.expose()[..whole.expose().len() - 9],
            &whole.expose().replace("never", "soon"),
            &whole.expose().replace("1000000", "99999999999999999"),
            &of_both,
            &too_long,
        ] {
            let error = Record::from_json(damaged).expect_err("damaged");
            assert_eq!(error.to_string(), "the record is damaged");
            assert!(!error.is_newer());
        }
    }

    #[apply(leak_checked!)]
    fn a_vendor_in_the_year_9999_costs_no_session() {
        let hour = Duration::from_secs(3600);
        for issued in [at(253_402_300_798), at(253_402_300_799), at(300_000_000_000), at(4_000_000_000_000)] {
            let kept = Kept { issued, ..kept(StoredExpiry::At(issued + hour)) };
            let again = read(&Record { state: RecordState::Live(kept), ..record(StoredExpiry::Never) });
            assert_eq!(again.expires_at(), Some(at(1010) + hour), "{issued:?}");
        }
        let far = at(4_000_000_000_000);
        let wait = NotBefore { until: far, since: far, reason: WaitReason::Outage, failures: 1 };
        let kept = Kept { received: far, began: far, ..kept(StoredExpiry::Never) };
        let state = RecordState::Live(kept);
        read(&Record { state, attempts: vec![far], not_before: Some(wait), ..record(StoredExpiry::Never) });
    }

    #[apply(leak_checked!)]
    fn times_to_come_are_brought_back_to_now_once() {
        let (now, tomorrow) = (at(1_000_000), at(1_086_400));
        let wait = NotBefore {
            since: tomorrow,
            until: tomorrow + Duration::from_secs(60),
            reason: WaitReason::Outage,
            failures: 10,
        };
        let ahead = Record {
            state: RecordState::Live(Kept { received: tomorrow, began: tomorrow, ..kept(StoredExpiry::At(at(4600))) }),
            attempts: vec![at(5), tomorrow],
            not_before: Some(wait),
            ..record(StoredExpiry::Never)
        };
        assert!(ahead.is_ahead_of(now) && !ahead.is_ahead_of(tomorrow));
        let back = ahead.brought_back_to(now);
        let kept = back.kept().expect("a session");
        assert_eq!((kept.received, kept.began, kept.issued), (now, now, at(1000)));
        assert_eq!(back.attempts, [at(5), now]);
        let wait = back.not_before.expect("a wait");
        assert_eq!((wait.since, wait.until, wait.failures), (now, now + Duration::from_secs(60), 10));
        assert!(!back.is_ahead_of(now));
        // What lies behind stays, however often it is looked at.
        let later = back.clone().brought_back_to(tomorrow);
        assert_eq!(later.to_json().expose(), back.to_json().expose());
    }

    #[apply(leak_checked!)]
    fn each_single_time_to_come_is_noticed() {
        let (now, later) = (at(1_000_000), at(1_000_001));
        let with = |received, began, attempt, since, until| {
            let kept = Kept { received, began, ..kept(StoredExpiry::Never) };
            let wait = NotBefore { since, until, reason: WaitReason::Outage, failures: 1 };
            let (state, attempts) = (RecordState::Live(kept), vec![attempt]);
            Record { state, attempts, not_before: Some(wait), ..record(StoredExpiry::Never) }
        };
        assert!(!with(now, now, now, now, later).is_ahead_of(now), "a wait ends in the future");
        for ahead in [
            with(later, now, now, now, later),
            with(now, later, now, now, later),
            with(now, now, later, now, later),
            with(now, now, now, later, later),
            with(now, now, now, now, now + LONGEST_WAIT * 2),
        ] {
            assert!(ahead.is_ahead_of(now));
            assert!(!ahead.brought_back_to(now).is_ahead_of(now));
        }
    }

    #[apply(leak_checked!)]
    fn it_tells_its_end_and_how_long_it_is_worth_keeping() {
        let life = Duration::from_secs(3600);
        let hour = StoredExpiry::At(at(1000) + life);
        let without_refresh = |ends| {
            let kept = Kept { refresh: None, ..kept(ends) };
            Record { state: RecordState::Live(kept), ..record(ends) }
        };
        // By our own clock: the vendor's was ten seconds behind.
        assert_eq!(record(hour).expires_at(), Some(at(1010) + life));
        assert_eq!(without_refresh(hour).time_to_live(), life + DAY);
        assert_eq!(record(hour).time_to_live(), life + DAY * 90);
        assert_eq!(record(StoredExpiry::At(at(0))).time_to_live(), DAY * 90);
        for endless in [StoredExpiry::Never, StoredExpiry::Unknown] {
            assert_eq!(without_refresh(endless).time_to_live(), DAY * 365);
            assert_eq!(record(endless).expires_at(), None);
        }
        let tombstone = record(hour).tombstone();
        assert_eq!((tombstone.time_to_live(), tombstone.expires_at()), (DAY * 90, None));
        let learnt = Record { state: RecordState::Nothing, ..record(hour) };
        assert_eq!((learnt.time_to_live(), learnt.expires_at()), (DAY * 30, None));
    }

    #[apply(leak_checked!)]
    fn a_digest_that_is_written_is_slow_and_only_the_first_time() {
        let pin = Secret::from("271828");
        let began = Record { seed: Some(Fingerprint::of(&pin)), ..record(StoredExpiry::Never) };
        assert!(began.is_slow_to_write());
        let written = began.to_json();
        assert!(written.expose().contains("\"seed\":\"argon2id-"), "{}", written.expose());
        assert!(!began.is_slow_to_write());
        let again = Record::from_json(written.expose()).expect("its own writing");
        assert!(again.seed.as_ref().is_some_and(|seed| seed.is_of(&pin, again.generation.lineage)));
        assert_eq!(again.to_json().expose(), written.expose());
        let tombstone = Record { seed: Some(Fingerprint::of(&"never written".into())), ..began.tombstone() };
        assert!(!tombstone.is_slow_to_write());
    }

    #[apply(leak_checked!)]
    fn debug_shows_neither_tokens_nor_digests() {
        let shown = format!("{:?}", record(StoredExpiry::Never));
        assert!(shown.contains("access: Secret(***)") && shown.contains("Throttled"), "{shown}");
        assert!(!shown.contains("digest") && !shown.contains("\"refused\""), "{shown}");
    }
}
