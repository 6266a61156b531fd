//! What failed, in our own words: those of Postgres may hold what was said to it, and that is tokens.

use super::line::LineFailure;
use crate::store::StoreError;
use std::{error::Error as _, io};
use tokio_postgres::{Error, error::SqlState};

/// Said with what is wrong where TLS is wanted and there is none. It is the library's word for it.
const NO_TLS: &str = "server does not support TLS";
const NO_PASSWORD: &str = "password missing";

impl LineFailure {
    /// Whether another connection may do better.
    pub(super) fn is_about_the_line(&self) -> bool {
        match self {
            Self::Postgres(error) => is_about_the_line(error),
            Self::Silent | Self::Standby => true,
            Self::Pooled | Self::NoRuntime(_) => false,
        }
    }
}

/// Also where it has become one that cannot be written to: behind the same address may be another one by now.
pub(super) fn is_about_the_line(error: &Error) -> bool {
    let code = error.code().map(SqlState::code);
    let ended = ["57P01", "57P02", "57P03", "57P05", "25006"];
    error.is_closed()
        || io_error(error).is_some()
        || code.is_some_and(|code| ended.contains(&code) || code.starts_with("08"))
}

fn io_error(error: &Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

pub(super) fn in_words(who: &str, failure: &LineFailure) -> StoreError {
    match failure {
        LineFailure::NoRuntime(error) => error.clone(),
        LineFailure::Pooled => StoreError::unavailable(format!(
            "{who} is reached through a pooler that gives every transaction another connection, so a lock would hold off \
             nobody; give the address of Postgres itself, or of a pool that keeps a connection for a session"
        )),
        LineFailure::Silent => StoreError::new(format!(
            "{who} does not answer; see whether it is overloaded or out of reach, and whether it is a Postgres"
        )),
        LineFailure::Standby => {
            let (what, advice) = of_code(&SqlState::READ_ONLY_SQL_TRANSACTION);
            StoreError::new(format!("{who} {what}; {advice}"))
        }
        LineFailure::Postgres(error) => {
            let (what, advice) = match error.code() {
                Some(code) => of_code(code),
                None => without_code(error),
            };
            StoreError::new(format!("{who} {what}; {advice}"))
        }
    }
}

fn without_code(error: &Error) -> (String, &'static str) {
    let source = error.source().map(ToString::to_string);
    if let Some(io) = io_error(error) {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                ("refuses connections".into(), "see whether it runs there")
            }
            _ => (
                format!("cannot be reached: {io}"),
                "see whether it runs, and whether its certificate is trusted here and names that host",
            ),
        };
    }
    let (what, advice) = match source.as_deref() {
        Some(NO_TLS) => (
            "speaks no TLS",
            "switch it on there (ssl = on), or give sslmode=disable and .allow_plain() where nobody else listens",
        ),
        Some(NO_PASSWORD) => ("wants a password", "give one in the URL"),
        _ if error.is_closed() => ("has ended the connection", "see its log"),
        _ => ("answered what cannot be read", "see whether it is a Postgres"),
    };
    (what.into(), advice)
}

fn of_code(code: &SqlState) -> (String, &'static str) {
    let (what, advice) = match code.code() {
        "28P01" | "28000" => {
            ("refuses the user or password", "give those of a role that may log in, and see its pg_hba.conf")
        }
        "3D000" => ("has no database of that name", "make it, or give another one in the URL"),
        "3F000" => ("has no schema of that name", "make it, or choose another one with .table(..)"),
        "42P01" => (
            "has no table for sessions",
            "make it with PostgresStore::create_table() or with the statement in its documentation",
        ),
        "42703" | "42804" | "42883" | "42P10" | "22P02" | "42809" => {
            ("has another table of that name", "choose another name with .table(..), or make it anew")
        }
        "42501" => (
            "does not let its role do that",
            "grant it select, insert, update and delete on the table, and create on the schema to make it",
        ),
        "25006" => (
            "is a standby that cannot be written to",
            "give the address of the primary, or several and target_session_attrs=read-write",
        ),
        "53300" => ("has no connection left", "raise its max_connections, or the role's limit"),
        "53100" | "53200" => ("is out of disk or memory", "make room"),
        "57P01" | "57P02" | "57P03" => ("is starting or shutting down", "try again"),
        "57014" | "55P03" => ("took too long", "see what locks the table"),
        "22P05" => ("cannot keep every character", "make its database with encoding 'UTF8'"),
        // Five letters and digits, by the protocol.
        other if other.len() == 5 && other.bytes().all(|c| c.is_ascii_alphanumeric()) => {
            return (format!("answered {other}"), "see its log");
        }
        _ => ("answered what cannot be read", "see whether it is a Postgres"),
    };
    (what.into(), advice)
}
