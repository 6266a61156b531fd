//! The lock: an advisory lock, which a connection holds for as long as it lasts. One connection holds as many as are wanted.

use super::{
    error,
    line::{Failure, Line},
    link::{ANSWER, Link},
};
use crate::store::{ExpiringLock, StoreError};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// A lock, from the moment it is asked for: if nobody learns what became of that, it is freed all the same.
pub(super) struct PostgresLock {
    link: Arc<Link>,
    number: i64,
    ttl: Duration,
    /// The connection that may hold it.
    line: Option<Arc<Line>>,
}

impl PostgresLock {
    pub(super) fn new(link: Arc<Link>, number: i64, ttl: Duration) -> Self {
        Self { link, number, ttl, line: None }
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

    async fn take_once(&mut self) -> Result<bool, Failure> {
        // Over a connection that has ended nothing is held.
        self.line = None;
        let line = self.link.line(ANSWER / 2).await?;
        if !line.reserve(self.number, self.ttl) {
            return Ok(false);
        }
        self.line = Some(line.clone());
        let said = line.take(self.number);
        let rows = self.link.ask_on(&line, ANSWER / 2, said).await.unwrap_or(Err(Failure::Silent))?;
        let taken = rows.first().map(|row| row.try_get::<_, Option<bool>>(0)).transpose()?.flatten();
        if taken == Some(true) {
            return Ok(true);
        }
        self.line = None;
        line.give_up(self.number);
        taken.ok_or(Failure::Pooled)
    }
}

impl ExpiringLock for PostgresLock {
    /// Asked over the connection that holds it: as long as that lasts, the lock does.
    async fn extend(&self, needed: Duration) -> bool {
        let Some(line) = &self.line else { return false };
        // The answer may come late.
        let ttl = self.ttl.max(needed.saturating_add(ANSWER));
        let said = line.extend(self.number, ttl);
        let answer = self.link.ask_on(line, ANSWER, said).await;
        let rows = answer.and_then(Result::ok);
        rows.and_then(|rows| rows.first()?.try_get::<_, Option<bool>>(0).ok()?).unwrap_or(false)
    }

    /// Dropped before Postgres has answered, this has said so already.
    async fn release(mut self) -> Result<(), StoreError> {
        let Some(line) = self.line.take() else { return Ok(()) };
        let failure = match timeout(ANSWER, line.leave(self.number)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => Failure::Postgres(error),
            Err(_) => Failure::Silent,
        };
        // With its connection the lock ends.
        self.link.hang_up(&line);
        Err(error::in_words(&self.link.who, &failure))
    }
}

impl Drop for PostgresLock {
    /// Needs no runtime, and waits for nothing: what is asked later over the same connection comes after it.
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            drop(line.leave(self.number));
        }
    }
}
