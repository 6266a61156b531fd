//! How a record stands in Redis, and for how long.

use crate::{
    Secret,
    store::{Ends, Generation, Key, Record, StoreError},
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// After the end of a token that nothing can renew, it is of no use. The day is for clocks that are wrong.
const ENDED: Duration = DAY;
/// The longest life of a refresh token that a vendor has told is thirty days; most tell none.
const RENEWABLE: Duration = DAY.saturating_mul(90);
/// A token whose end is not told is used until it is refused.
const ENDLESS: Duration = DAY.saturating_mul(365);
/// A sign-out is remembered for as long as the refresh token it buried could have lived.
const TOMBSTONE: Duration = RENEWABLE;
/// Longer than any budget of attempts counts back.
const ATTEMPTS: Duration = DAY.saturating_mul(30);

/// How long a record is kept after it was saved.
pub(super) fn keep_for(record: &Record) -> Duration {
    let Some(session) = &record.session else {
        return if record.attempts.is_empty() { TOMBSTONE } else { ATTEMPTS };
    };
    let further = if session.refresh.is_some() { RENEWABLE } else { ENDED };
    match session.ends {
        Ends::At(end) => end.duration_since(session.issued).unwrap_or_default() + further,
        Ends::Never | Ends::Unknown => ENDLESS,
    }
}

/// The word that a kept record begins with, and that a swap compares.
pub(super) fn word(generation: Generation) -> String {
    format!("{:016x}.{}", generation.lineage, generation.counter)
}

/// Two lines: the word of its generation and a number that no other save has, and the record as JSON. By the number a save
/// that is sent again knows itself, also where somebody else has saved the very same.
pub(super) fn write(record: &Record, number: u64) -> Secret {
    format!("{} {number:016x}\n{}", word(record.generation), record.to_json().expose()).into()
}

/// What was found under a key.
pub(super) enum Found {
    Record(Record),
    /// With what is wrong with it.
    Damaged(StoreError),
}

/// Reads what [`write`] wrote. One that a newer version wrote is an error: it is not ours to mend.
pub(super) fn read(key: &Key, content: Vec<u8>) -> Result<Found, StoreError> {
    let damaged = |what| Ok(Found::Damaged(StoreError::new(what)));
    let Ok(text) = String::from_utf8(content).map(Secret::from) else { return damaged("it is no text") };
    let Some((head, json)) = text.expose().split_once('\n') else { return damaged("it is no record") };
    match Record::from_json(json) {
        Ok(record) if !record.belongs_to(key) => damaged("it belongs to another session"),
        Ok(record) if head.split(' ').next() != Some(&word(record.generation)) => {
            damaged("its two lines tell of different tokens")
        }
        Ok(record) => Ok(Found::Record(record)),
        Err(newer) if newer.is_newer() => Err(newer),
        Err(damage) => Ok(Found::Damaged(damage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kept;
    use std::time::SystemTime;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn record(ends: Ends, refresh: bool) -> Record {
        let session = Kept {
            access: "access".into(),
            refresh: refresh.then(|| "refresh".into()),
            issued: at(1000),
            received: at(1000),
            ends,
            evicted: false,
        };
        let generation = Generation { lineage: u64::MAX, counter: 7 };
        let key = Some(key().to_string());
        Record { key, generation, session: Some(session), seed: None, attempts: Vec::new() }
    }

    fn key() -> Key {
        Key::new("vms", &[])
    }

    #[apply(hunted!)]
    fn a_record_outlives_its_session_and_what_could_renew_it() {
        let hour = Ends::At(at(4600));
        let life = Duration::from_secs(3600);
        assert_eq!(keep_for(&record(hour, false)), life + DAY);
        assert_eq!(keep_for(&record(hour, true)), life + DAY * 90);
        assert_eq!(keep_for(&record(Ends::At(at(0)), true)), DAY * 90);
        for endless in [Ends::Never, Ends::Unknown] {
            assert_eq!(keep_for(&record(endless, false)), DAY * 365);
        }
        let tombstone = Record { session: None, ..record(hour, true) };
        assert_eq!(keep_for(&tombstone), DAY * 90);
        assert_eq!(keep_for(&Record { attempts: vec![at(5)], ..tombstone }), DAY * 30);
    }

    #[apply(hunted!)]
    fn what_is_written_is_read_and_begins_with_the_word_that_is_compared() {
        let record = record(Ends::Never, true);
        let written = write(&record, 5);
        assert!(written.expose().starts_with("ffffffffffffffff.7 0000000000000005\n{"));
        assert_ne!(written.expose(), write(&record, 6).expose());
        let Ok(Found::Record(read)) = read(&key(), written.expose().as_bytes().to_vec()) else { panic!("damaged") };
        assert_eq!(read.to_json().expose(), record.to_json().expose());
    }

    #[apply(hunted!)]
    fn damage_is_named_and_what_is_newer_is_an_error() {
        let whole = write(&record(Ends::Never, true), 5);
        for (text, what) in [
            (String::new(), "it is no record"),
            (whole.expose().replace('\n', " "), "it is no record"),
            (whole.expose().replace("fff.7", "fff.8"), "its two lines tell of different tokens"),
            (whole.expose().replace("{\"schema", "[\"schema"), "the record is damaged"),
            (whole.expose().replace("\"key\":\"vms", "\"key\":\"vtex"), "it belongs to another session"),
        ] {
            let Ok(Found::Damaged(why)) = read(&key(), text.clone().into()) else { panic!("{text}") };
            assert_eq!(why.to_string(), what);
        }
        assert!(matches!(read(&key(), vec![0xff, b'\n']), Ok(Found::Damaged(_))));
        let newer = whole.expose().replace("\"schema\":2", "\"schema\":3");
        assert!(read(&key(), newer.into()).is_err_and(|error| error.is_newer()));
    }
}
