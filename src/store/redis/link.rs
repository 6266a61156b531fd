//! The connection: made when it is wanted, given up when it does not answer, made anew without anybody's help.

use super::{
    command::Command,
    source::{FIRST_TRY, Lender, SECOND_TRY, Source},
    words::{self, ConnectedBy},
};
use crate::store::{StoreError, blocking::runtime};
use ::redis::{Client, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, aio::ConnectionLike};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::OnceCell, time::timeout};

pub(super) struct RedisLink {
    lines: Lines,
    /// Who is at the other end, without user and password.
    who: String,
}

/// A connection that is made by the first one who uses it, for all.
type SharedLender = Arc<OnceCell<Lender>>;

enum Lines {
    /// Our own: the newest one, and how many there have been.
    Own { source: Source, newest: Mutex<(u64, Option<SharedLender>)> },
    /// The user, who made it, looks after it.
    Given(SharedLender),
}

impl RedisLink {
    pub(super) fn own(client: Client) -> Self {
        let info = client.get_connection_info();
        let who = format!("Redis at {}/{}", info.addr(), info.redis_settings().db());
        Self::from(Source::Server(Box::new(client)), who)
    }

    pub(super) fn from(source: Source, who: String) -> Self {
        Self { lines: Lines::Own { source, newest: Mutex::default() }, who }
    }

    pub(super) fn given(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        let who = format!("Redis, by the connection it was given, database {},", connection.get_db());
        Self { lines: Lines::Given(Arc::new(OnceCell::new_with(Some(Lender::of(connection))))), who }
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
        let (number, line) = self.newest();
        let answer = timeout(wait, self.say(&line, command)).await.ok();
        if answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(is_about_the_line)) {
            self.hang_up(number);
        }
        answer
    }

    async fn say<T: FromRedisValue>(&self, line: &SharedLender, command: &Command<'_>) -> RedisResult<T> {
        match &self.lines {
            Lines::Own { source, .. } => {
                let lender = line.get_or_try_init(|| source.connect()).await?;
                command.say(&mut lender.lend(), source.sends_scripts_whole()).await
            }
            Lines::Given(line) => match line.get() {
                Some(lender) => command.say(&mut lender.lend(), false).await,
                None => Err((ErrorKind::Io, "no connection was given").into()),
            },
        }
    }

    /// The newest line and its number. A new one connects when it is used, once for all who use it.
    fn newest(&self) -> (u64, SharedLender) {
        let newest = match &self.lines {
            Lines::Given(line) => return (0, line.clone()),
            Lines::Own { newest, .. } => newest,
        };
        let mut newest = look_at(newest);
        if let (number, Some(line)) = &*newest {
            return (*number, line.clone());
        }
        let line = SharedLender::default();
        *newest = (newest.0 + 1, Some(line.clone()));
        (newest.0, line)
    }

    /// The next caller connects anew, unless another one has done so already.
    fn hang_up(&self, number: u64) {
        if let Lines::Own { newest, .. } = &self.lines {
            let mut newest = look_at(newest);
            if newest.0 == number {
                newest.1 = None;
            }
        }
    }

    fn failure(&self, what: &str, advice: &str) -> StoreError {
        StoreError::new(format!("{} {what}; {advice}", self.who))
    }

    fn word(&self, error: &RedisError) -> StoreError {
        let by = match &self.lines {
            Lines::Given(_) => ConnectedBy::Given,
            #[cfg(feature = "redis-cluster")]
            Lines::Own { source: Source::Cluster(_), .. } => ConnectedBy::Cluster,
            Lines::Own { .. } => ConnectedBy::Server,
        };
        let (what, advice) = words::of(error, by);
        self.failure(&what, advice)
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

fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
