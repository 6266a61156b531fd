//! The lock: an advisory lock, which a connection holds for as long as it lasts. One connection holds as many as are wanted.

use super::{
    error,
    line::{Line, LineFailure, Taken},
    link::{ANSWER, PostgresLink},
    statement::{Table, lock_of},
};
use crate::store::{ExpiringLock, StoreError};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// A lock, from the moment it is asked for: if no task learns what became of that, it is freed all the same.
pub(super) struct PostgresLock {
    link: Arc<PostgresLink>,
    table: Table,
    key: String,
    ttl: Duration,
    /// The connection that may hold it, and its number there.
    held: Option<(Arc<Line>, i64)>,
}

impl PostgresLock {
    pub(super) fn new(link: Arc<PostgresLink>, table: Table, key: String, ttl: Duration) -> Self {
        Self { link, table, key, ttl, held: None }
    }

    /// Tries once, and once more if the connection turns out to be gone or silent. A try that is dropped midway, or whose
    /// answer is lost, leaves nothing behind.
    pub(super) async fn take(&mut self) -> Result<bool, StoreError> {
        let taken = match self.take_once().await {
            Err(failure) if failure.is_about_the_line() => self.take_once().await,
            taken => taken,
        };
        taken.map_err(|failure| error::in_words(&self.link.who, &failure))
    }

    async fn take_once(&mut self) -> Result<bool, LineFailure> {
        // Over a connection that has ended nothing is held.
        self.held = None;
        let line = self.link.line(ANSWER / 2).await?;
        let oid = self.link.oid(&line, &self.table).await?;
        let number = lock_of(oid, &self.key);
        if !line.reserve(number, self.ttl) {
            return Ok(false);
        }
        self.held = Some((line.clone(), number));
        let said = line.take(number, &self.table, oid, &self.key);
        let rows = self.link.ask_on(&line, ANSWER / 2, said).await.unwrap_or(Err(LineFailure::Silent))?;
        let taken = Line::taken(&rows)?;
        if let Some(Taken::Ours) = taken {
            return Ok(true);
        }
        self.held = None;
        line.give_up(number);
        if let Some(Taken::OtherTable) = taken {
            line.forget_oid(&self.table.name);
        }
        taken.map(|_| false).ok_or(LineFailure::Pooled)
    }
}

impl ExpiringLock for PostgresLock {
    /// Asked over the connection that holds it: as long as that lasts, the lock does.
    async fn extend(&self, needed: Duration) -> bool {
        let Some((line, number)) = &self.held else { return false };
        // The answer may come late.
        let ttl = self.ttl.max(needed.saturating_add(ANSWER));
        let said = line.extend(*number, &self.table, &self.key, ttl);
        let answer = self.link.ask_on(line, ANSWER, said).await;
        let rows = answer.and_then(Result::ok);
        rows.and_then(|rows| rows.first()?.try_get::<_, Option<bool>>(0).ok()?).unwrap_or(false)
    }

    /// Dropped before Postgres has answered, this has said so already.
    async fn release(mut self) -> Result<(), StoreError> {
        let Some((line, number)) = self.held.take() else { return Ok(()) };
        let failure = match timeout(ANSWER, line.leave(number, &self.table, &self.key)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => LineFailure::Postgres(error),
            Err(_) => LineFailure::Silent,
        };
        // With its connection the lock ends.
        self.link.hang_up(&line);
        Err(error::in_words(&self.link.who, &failure))
    }
}

impl Drop for PostgresLock {
    /// Needs no runtime, and waits for nothing: what is asked later over the same connection comes after it.
    fn drop(&mut self) {
        if let Some((line, number)) = self.held.take() {
            drop(line.leave(number, &self.table, &self.key));
        }
    }
}
