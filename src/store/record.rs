//! What is kept of one session, and how it is written down.

use super::{Generation, Key, StoreError};
use crate::{Secret, secret::writing};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// The layout this version writes. It reads the one before as well, and leaves newer ones alone.
const SCHEMA: u32 = 2;

/// What is kept of one session, or of the attempts at one. Never a password, never a captcha.
///
/// A store of your own keeps it as text: [`to_json`](Self::to_json) and [`from_json`](Self::from_json).
#[derive(Debug, Clone)]
pub struct Record {
    /// Whose it is; layout 1 did not say. A store that mixes sessions up is found out by it.
    pub(crate) key: Option<String>,
    /// Which token this is.
    pub(crate) generation: Generation,
    /// `None` marks a session that was signed out.
    pub(crate) session: Option<Kept>,
    /// A digest of the credential this session began with, salted with its lineage.
    pub(crate) seed: Option<String>,
    /// When sign-ins were tried, oldest first. A record holds either these or a session.
    pub(crate) attempts: Vec<SystemTime>,
}

/// The tokens of a live session.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) access: Secret,
    pub(crate) refresh: Option<Secret>,
    /// When the token was issued, by the vendor's clock.
    pub(crate) issued: SystemTime,
    /// When it was received, by the wall clock of whoever received it.
    pub(crate) received: SystemTime,
    pub(crate) ends: Ends,
    /// Whether another session was ended so that this one could begin.
    pub(crate) evicted: bool,
}

/// The end of a kept token, by the vendor's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    At(SystemTime),
    Never,
    Unknown,
}

impl Record {
    /// Which token this is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether this marks a session that was signed out.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.session.is_none()
    }

    /// Whether it was made for `key`, as far as it says.
    #[must_use]
    pub fn belongs_to(&self, key: &Key) -> bool {
        self.key.as_ref().is_none_or(|own| *own == key.to_string())
    }

    /// This record as one line of JSON, for a store that keeps text. It holds tokens: keep it where nobody else reads.
    ///
    /// The members are `schema` (the layout's number), `key` (the [`Key`] it belongs to), `lineage` and `counter` (the [`Generation`]), `seed` (a digest that
    /// tells whether the session began with the same credential), `session` (missing after a sign-out) with `access`,
    /// `refresh`, `issued_ms`, `received_ms`, `ends` (`"never"`, `"unknown"` or milliseconds) and `evicted`, and
    /// `attempts_ms`. All times are milliseconds since 1970; `issued_ms` and `ends` are by the vendor's clock.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let written = Written::from(self);
        // Maps with text keys, numbers and secrets inside `writing`: there is nothing that could fail.
        writing(|| serde_json::to_string(&written)).unwrap_or_default().into()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`StoreError::is_newer`] when a newer version of Keyway wrote it: leave it as it is. Any other error means that it
    /// is damaged, or was written by a version too old to be read. Neither shows what was in it.
    pub fn from_json(json: &str) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Header {
            schema: u32,
        }
        let damaged = || StoreError::new("the record is damaged");
        let Header { schema } = serde_json::from_str(json).map_err(|_| damaged())?;
        match schema {
            newer if newer > SCHEMA => Err(StoreError::newer()),
            old if old + 1 < SCHEMA => Err(StoreError::new("the record was written by a version too old to be read")),
            _ => serde_json::from_str::<Written>(json).ok().and_then(Written::record).ok_or_else(damaged),
        }
    }
}

/// The layout on disk and in Redis.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    lineage: u64,
    counter: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<WrittenSession>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts_ms: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSession {
    access: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Secret>,
    issued_ms: u64,
    /// Layout 1 had none: the vendor's clock was taken for our own.
    #[serde(default)]
    received_ms: Option<u64>,
    ends: WrittenEnd,
    #[serde(default)]
    evicted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Endless {
    Never,
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenEnd {
    AtMs(u64),
    Endless(Endless),
}

impl From<&Record> for Written {
    fn from(record: &Record) -> Self {
        Self {
            schema: SCHEMA,
            key: record.key.clone(),
            lineage: record.generation.lineage,
            counter: record.generation.counter,
            seed: record.seed.clone(),
            session: record.session.as_ref().map(WrittenSession::from),
            attempts_ms: record.attempts.iter().copied().map(millis).collect(),
        }
    }
}

impl From<&Kept> for WrittenSession {
    fn from(kept: &Kept) -> Self {
        Self {
            access: kept.access.clone(),
            refresh: kept.refresh.clone(),
            issued_ms: millis(kept.issued),
            received_ms: Some(millis(kept.received)),
            ends: match kept.ends {
                Ends::At(end) => WrittenEnd::AtMs(millis(end)),
                Ends::Never => WrittenEnd::Endless(Endless::Never),
                Ends::Unknown => WrittenEnd::Endless(Endless::Unknown),
            },
            evicted: kept.evicted,
        }
    }
}

impl Written {
    /// `None` if a number in it is no time.
    fn record(self) -> Option<Record> {
        let session = match self.session {
            Some(session) => Some(session.kept()?),
            None => None,
        };
        let attempts = self.attempts_ms.into_iter().map(time).collect::<Option<_>>()?;
        let generation = Generation { lineage: self.lineage, counter: self.counter };
        Some(Record { key: self.key, generation, session, seed: self.seed, attempts })
    }
}

impl WrittenSession {
    fn kept(self) -> Option<Kept> {
        let ends = match self.ends {
            WrittenEnd::AtMs(ms) => Ends::At(time(ms)?),
            WrittenEnd::Endless(Endless::Never) => Ends::Never,
            WrittenEnd::Endless(Endless::Unknown) => Ends::Unknown,
        };
        let issued = time(self.issued_ms)?;
        let received = time(self.received_ms.unwrap_or(self.issued_ms))?;
        Some(Kept { access: self.access, refresh: self.refresh, issued, received, ends, evicted: self.evicted })
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// No later than the year 9999: what comes after is no time but damage, and would overflow sums.
fn time(ms: u64) -> Option<SystemTime> {
    const LATEST_MS: u64 = 253_402_300_799_000;
    let since = Duration::from_millis(Some(ms).filter(|ms| *ms <= LATEST_MS)?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn record(ends: Ends) -> Record {
        let kept = Kept {
            access: "ac\"cess".into(),
            refresh: Some("refresh".into()),
            issued: at(1000),
            received: at(1010),
            ends,
            evicted: true,
        };
        let generation = Generation { lineage: u64::MAX, counter: 7 };
        Record {
            key: Some("vms-1".into()),
            generation,
            session: Some(kept),
            seed: Some("digest".into()),
            attempts: vec![at(5), at(6)],
        }
    }

    fn read(record: &Record) -> Record {
        Record::from_json(record.to_json().expose()).expect("its own writing")
    }

    #[apply(hunted!)]
    fn what_is_written_is_read_again_whole() {
        for ends in [Ends::At(at(4600)), Ends::Never, Ends::Unknown] {
            let (written, read) = (record(ends), read(&record(ends)));
            assert_eq!(read.generation, written.generation);
            assert_eq!((&read.key, &read.seed, &read.attempts), (&written.key, &written.seed, &written.attempts));
            let kept = read.session.expect("a session");
            assert_eq!((kept.access.expose(), kept.refresh.expect("one").expose()), ("ac\"cess", "refresh"));
            assert_eq!((kept.issued, kept.received, kept.ends, kept.evicted), (at(1000), at(1010), ends, true));
        }
    }

    #[apply(hunted!)]
    fn every_member_that_is_written_is_documented() {
        fn names(value: &serde_json::Value, found: &mut Vec<String>) {
            for (name, value) in value.as_object().into_iter().flatten() {
                found.push(name.clone());
                names(value, found);
            }
        }
        let mut found = Vec::new();
        names(&serde_json::from_str(record(Ends::Never).to_json().expose()).expect("JSON"), &mut found);
        let documentation: String = include_str!("record.rs").lines().filter(|line| line.contains("///")).collect();
        assert_eq!(found.len(), 13);
        for name in found {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[apply(hunted!)]
    fn a_tombstone_stays_one() {
        let tombstone = Record { session: None, ..record(Ends::Never) };
        assert!(read(&tombstone).is_tombstone());
    }

    #[apply(hunted!)]
    fn the_layout_before_this_one_is_read_and_a_newer_one_is_left_alone() {
        let old = r#"{"schema":1,"lineage":3,"counter":2,"session":{"access":"a","issued_ms":1000,"ends":"never"}}"#;
        let kept = Record::from_json(old).expect("layout 1").session.expect("a session");
        assert_eq!((kept.received, kept.evicted), (at(1), false));
        let newer = Record::from_json(r#"{"schema":3,"anything":["else"]}"#).expect_err("newer");
        assert!(newer.is_newer(), "{newer}");
        assert!(!Record::from_json(r#"{"schema":0}"#).expect_err("too old").is_newer());
    }

    #[apply(hunted!)]
    fn damage_is_told_without_what_was_in_it() {
        let whole = record(Ends::Never).to_json();
        for damaged in [
            "",
            "null",
            "[]",
            r#"{"schema":"2"}"#,
            &whole.expose()[..whole.expose().len() - 9],
            &whole.expose().replace("never", "soon"),
            &whole.expose().replace("1000000", "99999999999999999"),
        ] {
            let error = Record::from_json(damaged).expect_err("damaged");
            assert_eq!(error.to_string(), "the record is damaged", "{damaged}");
            assert!(!error.is_newer());
        }
    }
}
