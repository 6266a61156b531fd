//! The connection: made when it is wanted, given up when it does not answer, made anew without anybody's help.

use super::command::Command;
use crate::{
    store::{StoreError, blocking::runtime},
    tls::is_here,
};
use ::redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture,
    RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// How long a command may take, with a second try on a new connection.
pub(super) const ANSWER: Duration = FIRST_TRY.saturating_add(SECOND_TRY);

/// Shorter: a connection that a router has forgotten answers nothing at all.
const FIRST_TRY: Duration = Duration::from_secs(2);
const SECOND_TRY: Duration = Duration::from_secs(3);

pub(super) struct Link {
    line: Lines,
    /// Who is at the other end, without user and password.
    who: String,
}

/// How what is said goes to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Under TLS, by a socket, or within this machine.
    Safe,
    /// To another machine, readable by all on the way.
    Clear { password: bool },
    /// Under TLS that looks at no certificate.
    Unchecked,
    /// By a connection that the user made.
    Unknown,
}

impl Way {
    pub(super) fn of(info: &ConnectionInfo) -> Self {
        match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Self::Unchecked,
            ConnectionAddr::Tcp(host, _) if !is_here(host) => {
                Self::Clear { password: info.redis_settings().password().is_some() }
            }
            _ => Self::Safe,
        }
    }
}

enum Lines {
    /// Our own: the newest one, and how many there have been.
    Own { client: Box<Client>, newest: Mutex<(u64, Option<ConnectionManager>)> },
    /// The user, who made it, looks after it.
    Given(Box<dyn Fn() -> Line + Send + Sync>),
}

/// A connection, whichever it is.
pub(super) struct Line(Box<dyn ConnectionLike + Send>);

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

impl Link {
    pub(super) fn own(client: Client) -> Self {
        let info = client.get_connection_info();
        let who = format!("Redis at {}/{}", info.addr(), info.redis_settings().db());
        Self { line: Lines::Own { client: Box::new(client), newest: Mutex::default() }, who }
    }

    pub(super) fn given(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        let who = format!("Redis, by the connection it was given, database {},", connection.get_db());
        Self { line: Lines::Given(Box::new(move || Line(Box::new(connection.clone())))), who }
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// Asks once, and once more on a new connection if this one turns out to be gone or silent.
    ///
    /// Which runtime the connection was made on does not matter: one that has ended, or that no thread drives, is a
    /// connection that is gone or silent.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Command<'_>) -> Result<T, StoreError> {
        runtime()?;
        let answer = match self.try_once(FIRST_TRY, command).await {
            Some(Err(error)) if error.kind() == ErrorKind::AuthenticationFailed => Some(Err(error)),
            Some(Err(error)) if is_about_the_line(&error) => self.try_once(SECOND_TRY, command).await,
            None => self.try_once(SECOND_TRY, command).await,
            answered => answered,
        };
        match answer {
            Some(answer) => answer.map_err(|error| self.word(&error)),
            None => Err(self.failure(
                "does not answer",
                "see whether it is paused, overloaded or out of reach, and whether the URL is right about TLS",
            )),
        }
    }

    /// `None` if there was no answer in time. A line that is of no use is given up.
    async fn try_once<T: FromRedisValue>(&self, wait: Duration, command: &Command<'_>) -> Option<RedisResult<T>> {
        let (number, line) = self.line();
        let answer = match line {
            Ok(mut line) => timeout(wait, command.say(&mut line)).await.ok(),
            Err(error) => Some(Err(error)),
        };
        if answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(is_about_the_line)) {
            self.hang_up(number);
        }
        answer
    }

    /// The newest line and its number. A new one connects when it is used, once for all who use it.
    fn line(&self) -> (u64, RedisResult<Line>) {
        let (client, newest) = match &self.line {
            Lines::Given(line) => return (0, Ok(line())),
            Lines::Own { client, newest } => (client, newest),
        };
        let mut newest = look_at(newest);
        if let (number, Some(manager)) = &*newest {
            return (*number, Ok(Line(Box::new(manager.clone()))));
        }
        // It is bounded here, and tried again here.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(None);
        let number = newest.0 + 1;
        match ConnectionManager::new_lazy_with_config(Client::clone(client), config) {
            Ok(manager) => {
                *newest = (number, Some(manager.clone()));
                (number, Ok(Line(Box::new(manager))))
            }
            Err(error) => (newest.0, Err(error)),
        }
    }

    /// The next caller connects anew, unless another one has done so already.
    fn hang_up(&self, number: u64) {
        if let Lines::Own { newest, .. } = &self.line {
            let mut newest = look_at(newest);
            if newest.0 == number {
                newest.1 = None;
            }
        }
    }

    fn failure(&self, what: &str, advice: &str) -> StoreError {
        StoreError::new(format!("{} {what}; {advice}", self.who))
    }

    /// In our own words. The server's may hold what was said to it, and that is tokens.
    fn word(&self, error: &RedisError) -> StoreError {
        let (what, advice) = match (error.kind(), error.code()) {
            _ if error.is_connection_refusal() => ("refuses connections", "see whether it runs there"),
            (ErrorKind::Io, _) => {
                let what = format!("cannot be reached: {error}");
                return self.failure(&what, "see whether it runs, and whether its certificate is trusted here");
            }
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                ("refuses the user or password", "give those of its ACL or `requirepass` in the URL")
            }
            (_, Some("NOPERM")) => {
                ("does not let its user do that", "see RedisStore for the commands and names that its ACL must allow")
            }
            (_, Some("WRONGTYPE")) => {
                ("holds something else under a name of ours", "choose another prefix with .prefix(..)")
            }
            (_, Some("READONLY")) if matches!(self.line, Lines::Given(_)) => (
                "is a replica that cannot be written to, and a connection that was given is not made anew for that",
                "give the client to RedisStore::from_client, which connects anew, and the address of the primary",
            ),
            (_, Some("READONLY")) => ("is a replica that cannot be written to", "give the address of the primary"),
            (_, Some("MOVED" | "ASK" | "CROSSSLOT")) => {
                ("is part of a cluster", "give a cluster's connection to RedisStore::from_connection")
            }
            (_, Some("OOM")) => ("is out of memory", "raise `maxmemory` or make room"),
            (_, Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN")) => ("is not ready yet", "try again"),
            (_, Some("MISCONF" | "NOREPLICAS")) => {
                ("refuses to write while it cannot persist or replicate", "see its log")
            }
            (_, Some(code)) if is_plain(code) => {
                return self.failure(&format!("answered {code}"), "see its log");
            }
            _ => ("answered what cannot be read", "see whether it is a Redis or Valkey"),
        };
        self.failure(what, advice)
    }
}

/// Whether another connection may do better.
fn is_about_the_line(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

fn is_plain(code: &str) -> bool {
    code.len() <= 20 && code.chars().all(|c| c.is_ascii_uppercase())
}

fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
