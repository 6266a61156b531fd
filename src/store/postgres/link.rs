//! The way to Postgres: a connection that is made when it is wanted, by one for all who wait, and made anew when it is gone or
//! silent.

use super::{
    error::{self, is_about_the_line},
    line::{Connect, Line, LineFailure, look_at},
    statement::{Statement, Table},
};
use crate::{
    chance::Chance,
    store::{StoreError, blocking::runtime},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::timeout;
use tokio_postgres::{Error, Row};

/// How long a statement may take, with a second try on a new connection.
pub(super) const ANSWER: Duration = FIRST_TRY.saturating_add(SECOND_TRY);

/// Shorter: a connection that a router has forgotten answers nothing at all.
pub(super) const FIRST_TRY: Duration = Duration::from_secs(2);
const SECOND_TRY: Duration = Duration::from_secs(3);

pub(super) struct PostgresLink {
    connect: Connect,
    /// Who is at the other end, without user and password.
    pub(super) who: String,
    newest: Mutex<Option<Arc<Line>>>,
    /// The task that is inside connects, for all.
    connecting: Mutex<Arc<tokio::sync::Mutex<()>>>,
    pub(super) chance: Chance,
    /// Tells what this process has noted as sent from what others have.
    sender: i64,
}

impl PostgresLink {
    pub(super) fn new(connect: Connect, who: String) -> Self {
        let chance = Chance::new();
        let sender = chance.next().cast_signed();
        Self { connect, who, newest: Mutex::default(), connecting: Mutex::default(), chance, sender }
    }

    /// Asks once, and once more on a new connection if this one turns out to be gone or silent.
    pub(super) async fn ask(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let answer = match self.ask_newest(FIRST_TRY, statement).await {
            Some(Err(failure)) if failure.is_about_the_line() => self.ask_newest(SECOND_TRY, statement).await,
            None => self.ask_newest(SECOND_TRY, statement).await,
            answered => answered,
        };
        answer.unwrap_or(Err(LineFailure::Silent)).map_err(|failure| error::in_words(&self.who, &failure))
    }

    /// `None` if there was no answer in time.
    async fn ask_newest(&self, wait: Duration, statement: &Statement) -> Option<Result<Vec<Row>, LineFailure>> {
        let line = match self.line(wait).await {
            Ok(line) => line,
            Err(failure) => return Some(Err(failure)),
        };
        self.ask_on(&line, wait, line.say(statement)).await
    }

    /// Asks over this connection and no other. One that is of no use is given up.
    pub(super) async fn ask_on(
        &self,
        line: &Arc<Line>,
        wait: Duration,
        said: impl Future<Output = Result<Vec<Row>, Error>>,
    ) -> Option<Result<Vec<Row>, LineFailure>> {
        let answer = timeout(wait, said).await.ok();
        if answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(is_about_the_line)) {
            self.hang_up(line);
        }
        answer.map(|answer| answer.map_err(LineFailure::Postgres))
    }

    /// Which table that is, as this connection finds it.
    pub(super) async fn oid(&self, line: &Arc<Line>, table: &Table) -> Result<i64, LineFailure> {
        if let Some(known) = line.oid(&table.name) {
            return Ok(known);
        }
        let statement = table.oid();
        let rows = self.ask_on(line, ANSWER / 2, line.say(&statement)).await.unwrap_or(Err(LineFailure::Silent))?;
        let oid = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        line.keep_oid(&table.name, oid);
        Ok(oid)
    }

    /// The newest connection, or a new one.
    pub(super) async fn line(&self, wait: Duration) -> Result<Arc<Line>, LineFailure> {
        runtime().map_err(LineFailure::NoRuntime)?;
        if let Some(line) = self.newest() {
            return Ok(line);
        }
        let gate = look_at(&self.connecting).clone();
        let connected = timeout(wait, async {
            let _alone = gate.lock().await;
            if let Some(line) = self.newest() {
                return Ok(line);
            }
            let line = Arc::new(Line::connect(&self.connect, &self.chance, self.sender).await?);
            *look_at(&self.newest) = Some(line.clone());
            Ok(line)
        });
        connected.await.unwrap_or_else(|_| {
            // The task inside may be on a runtime that no thread drives.
            let mut connecting = look_at(&self.connecting);
            if Arc::ptr_eq(&connecting, &gate) {
                *connecting = Arc::default();
            }
            Err(LineFailure::Silent)
        })
    }

    fn newest(&self) -> Option<Arc<Line>> {
        let mut newest = look_at(&self.newest);
        if newest.as_ref().is_some_and(|line| line.is_gone()) {
            *newest = None;
        }
        newest.clone()
    }

    /// The next task that asks connects anew, unless another has done so already.
    pub(super) fn hang_up(&self, line: &Arc<Line>) {
        let mut newest = look_at(&self.newest);
        if newest.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, line)) {
            *newest = None;
        }
        drop(newest);
        line.close();
    }
}
