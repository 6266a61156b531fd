//! What is said to Postgres. A value is never a part of a statement.

use crate::{Secret, digest::Sha256, store::LONGEST};
use bytes::BytesMut;
use std::{borrow::Cow, error, time::Duration};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// Longer than anything is kept: a hundred years. Postgres' own times end later.
pub(super) const LONGEST_KEPT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// One statement with its values. Said twice it does what it does once, because an answer can be lost.
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Secret(Hidden),
    Number(i64),
}

impl Statement {
    pub(super) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.values.push(Value::Text(text.into()));
        self
    }

    pub(super) fn secret(mut self, secret: Secret) -> Self {
        self.values.push(Value::Secret(Hidden(secret)));
        self
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.values.push(Value::Number(number));
        self
    }

    /// The values with their types, so that nothing has to be prepared first.
    pub(super) fn values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let typed = self.values.iter().map(|value| match value {
            Value::Text(text) => (text as &(dyn ToSql + Sync), Type::TEXT),
            Value::Secret(hidden) => (hidden as &(dyn ToSql + Sync), Type::TEXT),
            Value::Number(number) => (number as &(dyn ToSql + Sync), Type::INT8),
        });
        typed.collect()
    }
}

/// A text that is shown to Postgres alone: what takes values wants to be able to show them.
#[derive(Debug)]
struct Hidden(Secret);

impl ToSql for Hidden {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn error::Error + Sync + Send>> {
        self.0.expose().to_sql(of, out)
    }

    fn accepts(of: &Type) -> bool {
        <&str as ToSql>::accepts(of)
    }

    to_sql_checked!();
}

/// The oid of a table, or 0 where there is none: what stands between these is its name.
pub(super) const OID_OF: &str = "coalesce(to_regclass(";
pub(super) const OID_ELSE: &str = "::oid::bigint, 0)";

/// Whether a table has an index that begins with the time at which rows end.
const HAS_INDEX: &str = "exists (
    select from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
    where indrelid = to_regclass($1) and attname = 'ends' and indpred is null and indisvalid
)";

/// Which start of Postgres this is, whatever the session's time zone.
pub(super) const STARTED: &str = "extract(epoch from pg_postmaster_start_time())::text";

/// Under this key stands until when a holder of this lock may have something to save that must not be done twice. It counts once
/// Postgres was started anew: then the lock is gone, and its holder may not be.
pub(super) fn sent(key: &str) -> String {
    format!("{key} sent")
}

/// The number of the lock of a session in the table with this oid. All that lock something in a database have their numbers
/// from the same 2^64.
pub(super) fn lock_of(oid: i64, key: &str) -> i64 {
    number(&format!("keyway lock\n{oid}\n{key}"))
}

fn number(text: &str) -> i64 {
    let digest = Sha256::new().with(text).finish();
    let head: [u8; 8] = std::array::from_fn(|at| digest[at]);
    i64::from_be_bytes(head)
}

/// A table of sessions, as statements name it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
}

impl Table {
    /// `table` or `schema.table`, each as it is written, capitals too.
    pub(super) fn named(name: &str) -> Self {
        let quoted = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
        Self { name: name.split('.').map(quoted).collect::<Vec<_>>().join(".") }
    }

    /// Which table that is, however its name is written: nothing else tells two spellings of one from two tables.
    pub(super) fn oid(&self) -> Statement {
        Statement::new(format!("select {OID_OF}$1){OID_ELSE}")).text(&*self.name)
    }

    /// Whether it is there, and whether what has ended is found in it without looking at all of it.
    pub(super) fn state(&self) -> Statement {
        Statement::new(format!("select to_regclass($1) is not null, {HAS_INDEX}")).text(&*self.name)
    }

    /// Two processes that make it at once do not get into each other's way. One that is there may be large, and to index it would
    /// hold up all who save in it.
    pub(super) fn create(&self) -> Statement {
        let (table, lock) = (&self.name, number("keyway ddl"));
        let text = format!("'{}'", table.replace('\'', "''"));
        Statement::new(format!(
            "do $keyway_ddl$ begin
             perform pg_advisory_xact_lock({lock});
             if to_regclass({text}) is null then
                 create table {table} (
                     key text primary key,
                     generation text not null,
                     save bigint not null,
                     record text not null,
                     ends timestamptz not null
                 );
                 create index on {table} (ends);
             end if;
             end $keyway_ddl$"
        ))
    }

    /// At most the longest record is read, and by `xmin` the very row that was read can be named.
    pub(super) fn load(&self, key: String) -> Statement {
        let table = &self.name;
        let sql = format!(
            "select generation::text, case when octet_length(record) <= {LONGEST} then record::text end, xmin::text \
             from {table} where key = $1 and ends > now()"
        );
        Statement::new(sql).text(key)
    }

    /// Answers a row if `written` stands there now, and then what was sent for it is saved. Its `save` is a number that no other
    /// save has: one that is said again, because its answer was lost, knows itself by it.
    pub(super) fn swap(&self, key: String, expected: Option<String>, written: WrittenRow) -> Statement {
        let (table, sent) = (&self.name, sent(&key));
        let saved = match expected {
            None => format!(
                "insert into {table} as kept (key, generation, save, record, ends)
                 values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
                 on conflict (key) do update set generation = excluded.generation, save = excluded.save,
                 record = excluded.record, ends = excluded.ends
                 where kept.ends <= now() or kept.save = excluded.save
                 returning true"
            ),
            Some(_) => format!(
                "update {table} set generation = $2, save = $3, record = $4, ends = now() + $5 * interval '1 millisecond'
                 where key = $1 and (generation = $7 and ends > now() or save = $3)
                 returning true"
            ),
        };
        let keep = i64::try_from(written.keep.min(LONGEST_KEPT).as_millis()).unwrap_or(i64::MAX);
        let save = written.number.cast_signed();
        let sql = format!(
            "with saved as ({saved}), done as (delete from {table} where key = $6 and exists (select from saved))
             select true from saved"
        );
        let statement = Statement::new(sql).text(key).text(written.generation).number(save);
        let statement = statement.secret(written.record).number(keep).text(sent);
        expected.into_iter().fold(statement, Statement::text)
    }

    /// Removes the very row that was read.
    pub(super) fn remove(&self, key: String, row: &str) -> Statement {
        let sql = format!("delete from {} where key = $1 and xmin::text = $2 returning true", self.name);
        Statement::new(sql).text(key).text(row)
    }

    /// Removes some of what has ended. Each is looked at again when its turn comes: it may have been saved anew.
    pub(super) fn clean(&self) -> Statement {
        let table = &self.name;
        Statement::new(format!(
            "delete from {table} where ends <= now()
             and key in (select key from {table} where ends <= now() order by ends limit 1000)"
        ))
    }
}

/// A record as it is written.
pub(super) struct WrittenRow {
    pub(super) generation: String,
    pub(super) number: u64,
    pub(super) record: Secret,
    pub(super) keep: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn names_of_tables_are_quoted_and_hold_no_statement() {
        for (name, quoted) in [
            ("keyway_sessions", r#""keyway_sessions""#),
            ("auth.Sessions", r#""auth"."Sessions""#),
            (r#"a"; drop table users; --"#, r#""a""; drop table users; --""#),
        ] {
            assert_eq!(Table::named(name).name, quoted);
        }
    }
}
