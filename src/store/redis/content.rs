//! How a record stands in Redis.

use crate::{
    Secret,
    store::{Key, Record, StoreError},
};

/// Two lines: the word of its generation and a number that no other save has, and the record as JSON. By the number a save
/// that is sent again knows itself, also where another process has saved the very same.
pub(super) fn write(record: &Record, number: u64) -> Result<Secret, StoreError> {
    let json = record.to_bounded_json()?;
    Ok(format!("{} {number:016x}\n{}", record.generation.to_text(), json.expose()).into())
}

/// What was found under a key.
pub(super) enum RedisContent {
    Record(Box<Record>),
    /// With what is wrong with it.
    Damaged(StoreError),
}

/// Reads what [`write`] wrote. What is not ours to mend is an error: a newer version's, and what is sealed.
pub(super) fn read(key: &Key, content: Vec<u8>) -> Result<RedisContent, StoreError> {
    let damaged = |what| Ok(RedisContent::Damaged(StoreError::new(what)));
    let Ok(text) = String::from_utf8(content).map(Secret::from) else { return damaged("it is no text") };
    let Some((head, json)) = text.expose().split_once('\n') else { return damaged("it is no record") };
    match Record::kept_for(key, json)? {
        Ok(record) if head.split(' ').next() != Some(&*record.generation.to_text()) => {
            damaged("its two lines tell of different tokens")
        }
        Ok(record) => Ok(RedisContent::Record(Box::new(record))),
        Err(damage) => Ok(RedisContent::Damaged(damage)),
    }
}

#[cfg(test)]
mod tests;
