//! One connection to Postgres, and the locks that it holds: they are free when it ends.

use super::statement::{LONGEST_KEPT, OID_ELSE, OID_OF, STARTED, Statement, Table, sent};
use crate::{
    BoxFuture, Clock, SystemClock,
    chance::Chance,
    store::{StoreError, blocking::runtime},
};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{task::AbortHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, Row, SimpleQueryMessage, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

/// Lets what flows over a connection flow.
type Flow = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send>;

/// What Postgres answers to what was said.
pub(super) type Said = BoxFuture<'static, Result<Vec<Row>, Error>>;

/// Makes connections of one kind.
pub(super) type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<(Client, Flow), Error>> + Send + Sync>;

pub(super) fn connect_by<T>(config: Config, tls: T) -> Connect
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let config = Arc::new(config);
    Box::new(move || {
        let (config, tls) = (config.clone(), tls.clone());
        Box::pin(async move {
            let (client, mut connection) = config.connect(tls).await?;
            let flow: Flow = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
            Ok((client, flow))
        })
    })
}

/// Why a connection is of no use.
pub(super) enum LineFailure {
    Postgres(Error),
    /// Another client uses what should be ours alone.
    Pooled,
    /// It cannot be written to.
    Standby,
    NoRuntime(StoreError),
    /// Nothing came in time.
    Silent,
}

impl From<Error> for LineFailure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

/// A connection is marked first. What has a mark already was another client's a moment ago: a pooler stands in between.
const MARK: &str =
    "select set_config('keyway.connection', 'MARK', false), current_setting('idle_session_timeout', true),
    current_setting('transaction_read_only'),
    (select floor(extract(epoch from clock_timestamp() - backend_start) * 1000)::bigint
     from pg_stat_activity where pid = pg_backend_pid())
    where coalesce(current_setting('keyway.connection', true), '') = ''";

/// What a connection of ours alone is told then:
///
/// - a statement ends before the task that waits for it hangs up: that would free the locks as well;
/// - what is compared is compared to what others have saved;
/// - a machine that is gone without a word is found out within half a minute, and its locks are free.
const FIRST: &str = "set statement_timeout = '1500ms';
    set default_transaction_isolation = 'read committed';
    set tcp_keepalives_idle = 10;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
    set tcp_user_timeout = '25s'";

/// What of a connection must not outlive it, whichever runtime drives it, or none.
struct Driven {
    flow: Arc<Mutex<Option<Flow>>>,
    task: AbortHandle,
}

pub(super) struct Line {
    client: Client,
    driven: Driven,
    mark: String,
    /// Whose connection it is: what this one has noted as sent keeps the next one from nothing.
    sender: i64,
    /// What its `idle_session_timeout` is when it holds no lock. Postgres has none before 14.
    idle: Option<String>,
    /// The locks that it holds or asks for, and after how much silence each may be taken from it.
    held: Mutex<BTreeMap<i64, Duration>>,
    /// The oids of the tables, by what they are called here.
    oids: Mutex<BTreeMap<String, i64>>,
}

/// What came of asking for a lock.
pub(super) enum Taken {
    Ours,
    Busy,
    /// Under that name stands another table by now.
    OtherTable,
}

impl Line {
    pub(super) async fn connect(connect: &Connect, chance: &Chance, sender: i64) -> Result<Self, LineFailure> {
        let began = SystemClock.monotonic();
        let (client, flow) = connect().await?;
        let driven = Driven::drive(flow).map_err(LineFailure::NoRuntime)?;
        let mark = format!("{:016x}", chance.next());
        let said = client.simple_query(&MARK.replace("MARK", &mark)).await?;
        let row = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(LineFailure::Pooled)?;
        // It gives locks, too, but they hold off no client of the primary.
        if row.get(2) == Some("on") {
            return Err(LineFailure::Standby);
        }
        let idle = row.get(1).map(str::to_owned);
        // It is older than we are: somebody else has had it before, and may have it meanwhile.
        let age = row.get(3).and_then(|age| age.parse().ok()).map(Duration::from_millis);
        let is_older = age.is_some_and(|age| age > SystemClock.monotonic().saturating_sub(began));
        if is_older && is_everybodys(connect).await {
            return Err(LineFailure::Pooled);
        }
        client.simple_query(FIRST).await?;
        Ok(Self { client, driven, mark, sender, idle, held: Mutex::default(), oids: Mutex::default() })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.client.is_closed()
    }

    /// Ends it, and with it all its locks.
    pub(super) fn close(&self) {
        self.driven.end();
    }

    pub(super) async fn say(&self, statement: &Statement) -> Result<Vec<Row>, Error> {
        self.client.query_typed(&statement.sql, &statement.values()).await
    }

    /// Whether no task of this process has this lock over this connection; if so it is this caller's to ask for. Postgres would
    /// give it to the same connection twice.
    pub(super) fn reserve(&self, lock: i64, ttl: Duration) -> bool {
        let mut held = look_at(&self.held);
        let is_free = !held.contains_key(&lock);
        if is_free {
            held.insert(lock, ttl);
        }
        is_free
    }

    pub(super) fn give_up(&self, lock: i64) {
        look_at(&self.held).remove(&lock);
    }

    /// The oid of a table that it was asked for before.
    pub(super) fn oid(&self, table: &str) -> Option<i64> {
        look_at(&self.oids).get(table).copied()
    }

    pub(super) fn keep_oid(&self, table: &str, oid: i64) {
        look_at(&self.oids).insert(table.to_owned(), oid);
    }

    pub(super) fn forget_oid(&self, table: &str) {
        look_at(&self.oids).remove(table);
    }

    /// Takes the lock if it is free, the table is the one with this oid, and nobody else who held it before Postgres was started
    /// may have something to save.
    pub(super) fn take(self: &Arc<Self>, lock: i64, table: &Table, oid: i64, key: &str) -> Said {
        let limit = self.idle.as_ref().map_or("true", |_| "set_config('idle_session_timeout', $7, false) is not null");
        let name = &table.name;
        let sql = format!(
            "select case when current_setting('keyway.connection', true) is distinct from $2 then 'pooled'
             when {OID_OF}$3){OID_ELSE} <> $4 then 'moved'
             when exists (
                 select from {name} where key = $5 and save <> $6 and ends > now() and generation <> {STARTED}
             ) then 'busy'
             when not pg_try_advisory_lock($1) then 'busy'
             when {limit} then 'taken' end"
        );
        let held = look_at(&self.held);
        let statement = Statement::new(sql).number(lock).text(&*self.mark).text(name).number(oid);
        let statement = statement.text(sent(key)).number(self.sender);
        self.on_its_way(statement, &held)
    }

    /// What Postgres has answered to that; nothing if this is not the connection it was a moment ago.
    pub(super) fn taken(rows: &[Row]) -> Result<Option<Taken>, Error> {
        let said: Option<String> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(match said.as_deref() {
            Some("taken") => Some(Taken::Ours),
            Some("busy") => Some(Taken::Busy),
            Some("moved") => Some(Taken::OtherTable),
            _ => None,
        })
    }

    /// Lets Postgres wait that long for a word of this connection before it ends it and its locks, and notes that something is
    /// sent meanwhile that must not be done twice.
    pub(super) fn extend(self: &Arc<Self>, lock: i64, table: &Table, key: &str, ttl: Duration) -> Said {
        let limit = self.idle.as_ref().map_or("true", |_| "set_config('idle_session_timeout', $5, false) is not null");
        let name = &table.name;
        let sql = format!(
            "with noted as (
                 insert into {name} (key, generation, save, record, ends)
                 select $2, {STARTED}, $4, '', now() + $3 * interval '1 millisecond'
                 where current_setting('keyway.connection', true) = $1
                 on conflict (key) do update set generation = excluded.generation, save = excluded.save, ends = excluded.ends
                 returning true
             )
             select exists (select from noted) and {limit}"
        );
        let mut held = look_at(&self.held);
        held.insert(lock, ttl);
        let ttl = i64::try_from(ttl.min(LONGEST_KEPT).as_millis()).unwrap_or(i64::MAX);
        let statement = Statement::new(sql).text(&*self.mark).text(sent(key)).number(ttl).number(self.sender);
        self.on_its_way(statement, &held)
    }

    /// Frees the lock, before whatever is asked later; the answer need not be waited for. Nothing that was sent under it is left
    /// to be saved.
    pub(super) fn leave(self: &Arc<Self>, lock: i64, table: &Table, key: &str) -> Said {
        let limit = self.idle.as_ref().map_or("", |_| ", set_config('idle_session_timeout', $4, false)");
        let sql = format!(
            "with done as (delete from {} where key = $2 and save = $3) select pg_advisory_unlock($1){limit}",
            table.name
        );
        let mut held = look_at(&self.held);
        held.remove(&lock);
        let statement = Statement::new(sql).number(lock).text(sent(key)).number(self.sender);
        self.on_its_way(statement, &held)
    }

    /// Is on its way when this returns. `held` is locked meanwhile: each says how long the connection may be silent for all the
    /// locks that it holds, and the last word counts.
    fn on_its_way(self: &Arc<Self>, statement: Statement, held: &BTreeMap<i64, Duration>) -> Said {
        let (line, statement) = (self.clone(), self.with_limit(statement, held));
        let mut said = Box::pin(async move { line.say(&statement).await });
        match said.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(said) => Box::pin(async { said }),
            Poll::Pending => said,
        }
    }

    fn with_limit(&self, statement: Statement, held: &BTreeMap<i64, Duration>) -> Statement {
        match &self.idle {
            None => statement,
            Some(usual) => {
                let longest = held.values().max().map(|ttl| format!("{}ms", ttl.as_millis().min(LONGEST_LIMIT)));
                statement.text(longest.unwrap_or_else(|| usual.clone()))
            }
        }
    }
}

/// Whether another connection of the moment is led to one that has a mark: its owner has it still, so it is everybody's. What
/// cannot be told in time is not so.
async fn is_everybodys(connect: &Connect) -> bool {
    let look = async {
        let (client, flow) = connect().await?;
        let Ok(_driven) = Driven::drive(flow) else { return Ok(false) };
        let said = client.simple_query("select 1 where current_setting('keyway.connection', true) <> ''").await?;
        Ok::<_, Error>(said.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))))
    };
    matches!(timeout(LOOK, look).await, Ok(Ok(true)))
}

/// How long that may take: a pool may have no connection left.
const LOOK: Duration = Duration::from_millis(500);

/// The longest limit that Postgres takes, in milliseconds.
const LONGEST_LIMIT: u128 = i32::MAX as u128;

impl Driven {
    fn drive(flow: Flow) -> Result<Self, StoreError> {
        let flow = Arc::new(Mutex::new(Some(flow)));
        let task = runtime()?.spawn(Driver(flow.clone())).abort_handle();
        Ok(Self { flow, task })
    }

    /// Closes the socket here and now: the runtime that drives it may be driven by no thread.
    fn end(&self) {
        drop(look_at(&self.flow).take());
        self.task.abort();
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.end();
    }
}

/// The task in which a connection flows.
struct Driver(Arc<Mutex<Option<Flow>>>);

impl Future for Driver {
    type Output = ();

    /// Drives the connection. What Postgres says beside its answers, such as notices, is dropped.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut slot = look_at(&self.0);
        let Some(flow) = &mut *slot else { return Poll::Ready(()) };
        loop {
            match flow(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Driver {
    /// With its runtime the connection ends.
    fn drop(&mut self) {
        drop(look_at(&self.0).take());
    }
}

pub(super) fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
