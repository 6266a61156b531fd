//! How a record stands in Postgres.

use crate::{
    Secret,
    store::{Key, Record, StoreError},
};
use tokio_postgres::{Row, types::FromSql};

/// What was found under a key.
pub(super) enum RowContent {
    Record(Box<Record>),
    /// With what is wrong with it.
    Damaged(StoreError),
}

/// A row as it was read: what is in it, and which version of it that was.
pub(super) struct FoundRow {
    pub(super) version: String,
    generation: String,
    /// Nothing if it is longer than any record.
    record: Option<Secret>,
}

impl FoundRow {
    pub(super) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let record: Option<String> = column(row, 1)?;
        Ok(Self { generation: column(row, 0)?, record: record.map(Secret::from), version: column(row, 2)? })
    }

    /// What is not ours to mend is an error: a newer version's, and what is sealed.
    pub(super) fn read(&self, key: &Key) -> Result<RowContent, StoreError> {
        let damaged = |what| Ok(RowContent::Damaged(StoreError::new(what)));
        let Some(record) = &self.record else { return damaged("it is longer than any record") };
        match Record::kept_for(key, record.expose())? {
            Ok(record) if self.generation != record.generation.to_text() => {
                damaged("its row and its record tell of different tokens")
            }
            Ok(record) => Ok(RowContent::Record(Box::new(record))),
            Err(damage) => Ok(RowContent::Damaged(damage)),
        }
    }
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, tokio_postgres::Error> {
    row.try_get(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Generation, RecordState};

    fn found(record: Option<&str>) -> FoundRow {
        FoundRow { version: "7".into(), generation: "0000000000000001.7".into(), record: record.map(Secret::from) }
    }

    #[apply(leak_checked!)]
    fn damage_is_named_and_what_is_newer_or_sealed_is_an_error() {
        let key = Key::new("vms", &[]);
        let generation = Generation { lineage: 1, counter: 7 };
        let whole = Record::new(&key, generation, RecordState::SignedOut).to_json().expose().to_owned();
        assert!(matches!(found(Some(&whole)).read(&key), Ok(RowContent::Record(_))));
        for (record, what) in [
            (None, "it is longer than any record"),
            (Some(whole.replace(":7", ":8")), "its row and its record tell of different tokens"),
            (Some(whole.replace("{\"schema", "[\"schema")), "the record is damaged"),
            (Some(String::new()), "the record is damaged"),
            (Some(whole.replace("\"key\":\"vms", "\"key\":\"vtex")), "it belongs to another session"),
        ] {
            let Ok(RowContent::Damaged(why)) = found(record.as_deref()).read(&key) else { panic!("{record:?}") };
            assert_eq!(why.to_string(), what);
        }
        assert!(found(Some("{\"schema\":44}")).read(&key).is_err_and(|error| error.is_newer()));
        assert!(found(Some("{\"schema\":4")).read(&key).is_err_and(|error| error.is_sealed()));
    }
}
