//! How a record is written down: the layout of files and of what stands in Redis.

use super::{Kept, LONGEST, NotBefore, Record, RecordState, SealedText, StoredExpiry, WaitReason};
use crate::{
    Secret,
    secret::writing,
    store::{Fingerprint, Generation, StoreError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// The newest layout that this version reads. It leaves newer ones alone.
const NEWEST: u32 = SEALED;
/// The layout of sealed records.
const SEALED: u32 = 4;
/// The layout of all others.
const SCHEMA: u32 = 3;
/// The first layout, which this version still reads.
const FIRST: u32 = 1;
/// The first layout that says whether a session was signed out.
const SAYS_SIGNED_OUT: u32 = 3;

/// What a record holds beside its tokens is shorter.
const ROOM: usize = 1024;

/// The last second of the year 9999. What comes after is no time but damage, and would overflow sums.
const LATEST_MS: u64 = 253_402_300_799_000;

pub(super) fn write(record: &Record) -> Secret {
    let written = Written::from(record);
    let tokens = record.kept().map_or(0, |kept| {
        kept.access.expose().len() + kept.refresh.as_ref().map_or(0, |refresh| refresh.expose().len())
    });
    // With room for all, so that it does not grow and leave copies behind.
    let mut json = Vec::with_capacity(tokens * 2 + ROOM + record.attempts.len() * 16);
    // Maps with text keys, numbers and secrets inside `writing`: there is nothing that could fail.
    let _ = writing(|| serde_json::to_writer(&mut json, &written));
    String::from_utf8(json).unwrap_or_default().into()
}

pub(super) fn read(json: &str) -> Result<Record, StoreError> {
    #[derive(Deserialize)]
    struct Header {
        schema: u32,
    }
    let damaged = || match begins_as_sealed(json) {
        true => StoreError::sealed(
            "the record was sealed, and is no longer whole: it was cut off or changed; \
             put it back, or see who else writes there and remove it",
        ),
        false => StoreError::new("the record is damaged"),
    };
    // More than any of ours: it is not worth the memory.
    if json.trim_end().len() > LONGEST {
        return Err(damaged());
    }
    let Header { schema } = serde_json::from_slice(json.as_bytes()).map_err(|_| damaged())?;
    match schema {
        newer if newer > NEWEST => Err(StoreError::newer()),
        old if old < FIRST => Err(StoreError::new("the record was written by a version too old to be read")),
        _ => serde_json::from_slice::<Written>(json.as_bytes()).ok().and_then(Written::record).ok_or_else(damaged),
    }
}

/// Whether this is, or once was, a sealed record: also where the rest is gone, so that it is not taken for none.
fn begins_as_sealed(json: &str) -> bool {
    json.trim_start()
        .strip_prefix("{\"schema\":4")
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

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
    #[serde(default, skip_serializing_if = "is_false")]
    signed_out: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts_ms: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<WrittenWait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<WrittenSealed>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSealed {
    by: String,
    text: String,
    keep_s: u64,
    has_session: bool,
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
    /// A time in milliseconds, or a word for none.
    ends: Value,
    #[serde(default)]
    evicted: bool,
    #[serde(default)]
    rejections: u32,
    /// Layout 2 had none: the session is taken to be as old as its token.
    #[serde(default)]
    began_ms: Option<u64>,
}

const NEVER: &str = "never";
const UNKNOWN: &str = "unknown";

#[derive(Serialize, Deserialize)]
struct WrittenWait {
    until_ms: u64,
    since_ms: u64,
    reason: String,
    #[serde(default)]
    failures: u32,
}

impl From<&Record> for Written {
    fn from(record: &Record) -> Self {
        let signed_out = record.is_tombstone();
        // A sign-out leaves nothing behind from which a password could be guessed.
        let sealed = match &record.state {
            RecordState::Sealed(sealed) => Some(sealed),
            _ => None,
        };
        let digest = |digest: &Option<Fingerprint>| digest.as_ref().filter(|_| !signed_out).map(Fingerprint::to_text);
        Self {
            schema: if sealed.is_some() { SEALED } else { SCHEMA },
            key: record.key.clone(),
            lineage: record.generation.lineage,
            counter: record.generation.counter,
            seed: digest(&record.seed),
            session: record.kept().map(WrittenSession::from),
            signed_out,
            attempts_ms: record.attempts.iter().copied().map(millis).collect(),
            not_before: record.not_before.as_ref().map(WrittenWait::from),
            refused: digest(&record.refused),
            sealed: sealed.map(WrittenSealed::from),
        }
    }
}

impl From<&SealedText> for WrittenSealed {
    fn from(SealedText { by, text, keep, has_session, .. }: &SealedText) -> Self {
        Self { by: by.clone(), text: text.clone(), keep_s: keep.as_secs(), has_session: *has_session }
    }
}

impl From<&Kept> for WrittenSession {
    fn from(kept: &Kept) -> Self {
        let (issued_ms, ends) = match kept.ends {
            StoredExpiry::At(end) => {
                let (issued, end) = life(kept.issued, end);
                (issued, end.into())
            }
            StoredExpiry::Never => (millis(kept.issued), NEVER.into()),
            StoredExpiry::Unknown => (millis(kept.issued), UNKNOWN.into()),
        };
        Self {
            access: kept.access.clone(),
            refresh: kept.refresh.clone(),
            issued_ms,
            received_ms: Some(millis(kept.received)),
            ends,
            evicted: kept.evicted,
            rejections: kept.rejections,
            began_ms: Some(millis(kept.began)),
        }
    }
}

impl From<&NotBefore> for WrittenWait {
    fn from(wait: &NotBefore) -> Self {
        let reason = match wait.reason {
            WaitReason::Throttled => "throttled",
            WaitReason::Outage => "outage",
            WaitReason::Refused => "refused",
            WaitReason::Evicted => "evicted",
        };
        Self {
            until_ms: millis(wait.until),
            since_ms: millis(wait.since),
            reason: reason.to_owned(),
            failures: wait.failures,
        }
    }
}

impl Written {
    /// `None` if a number in it is no time, or if it contradicts itself.
    fn record(self) -> Option<Record> {
        let has_learnt = !self.attempts_ms.is_empty();
        let state = match self.session {
            _ if (self.schema == SEALED) != self.sealed.is_some() => return None,
            Some(_) if self.sealed.is_some() => return None,
            Some(_) if self.signed_out => return None,
            Some(session) => RecordState::Live(session.kept()?),
            None if self.sealed.is_some() => RecordState::Sealed(self.sealed?.sealed(self.signed_out)),
            None if self.signed_out => RecordState::SignedOut,
            None if self.schema < SAYS_SIGNED_OUT && !has_learnt => RecordState::SignedOut,
            None => RecordState::Nothing,
        };
        Some(Record {
            key: self.key,
            generation: Generation { lineage: self.lineage, counter: self.counter },
            state,
            seed: self.seed.map(Fingerprint::written),
            attempts: self.attempts_ms.into_iter().map(time).collect::<Option<_>>()?,
            not_before: match self.not_before {
                Some(wait) => Some(wait.not_before()?),
                None => None,
            },
            refused: self.refused.map(Fingerprint::written),
        })
    }
}

impl WrittenSealed {
    fn sealed(self, is_tombstone: bool) -> SealedText {
        let Self { by, text, keep_s, has_session } = self;
        SealedText { by, text, keep: Duration::from_secs(keep_s), has_session, is_tombstone }
    }
}

impl WrittenSession {
    fn kept(self) -> Option<Kept> {
        // A token that ended before it was issued has no life.
        let issued = time(self.issued_ms)?;
        let ends = match (self.ends.as_u64(), self.ends.as_str()) {
            (Some(ms), _) => StoredExpiry::At(time(ms)?.max(issued)),
            (_, Some(NEVER)) => StoredExpiry::Never,
            (_, Some(UNKNOWN)) => StoredExpiry::Unknown,
            _ => return None,
        };
        let received_ms = self.received_ms.unwrap_or(self.issued_ms);
        Some(Kept {
            access: self.access,
            refresh: self.refresh,
            issued,
            received: time(received_ms)?,
            ends,
            evicted: self.evicted,
            rejections: self.rejections,
            began: time(self.began_ms.unwrap_or(received_ms))?,
        })
    }
}

impl WrittenWait {
    fn not_before(self) -> Option<NotBefore> {
        let reason = match &*self.reason {
            "throttled" => WaitReason::Throttled,
            "refused" => WaitReason::Refused,
            "evicted" => WaitReason::Evicted,
            _ => WaitReason::Outage,
        };
        Some(NotBefore { until: time(self.until_ms)?, since: time(self.since_ms)?, reason, failures: self.failures })
    }
}

/// No later than what is read again.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(LATEST_MS)
}

/// When a token was issued and ends. A vendor's clock may be absurd; what lies between the two stays what it was.
fn life(issued: SystemTime, end: SystemTime) -> (u64, u64) {
    let lives = end.duration_since(issued).unwrap_or_default().as_millis();
    let lives = u64::try_from(lives).unwrap_or(u64::MAX).min(LATEST_MS);
    let issued = millis(issued).min(LATEST_MS - lives);
    (issued, issued + lives)
}

fn time(ms: u64) -> Option<SystemTime> {
    let since = Duration::from_millis(Some(ms).filter(|ms| *ms <= LATEST_MS)?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn is_false(is: &bool) -> bool {
    !is
}
