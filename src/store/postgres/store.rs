//! The store: what is asked of it becomes statements.

use super::{
    error,
    line::connect_by,
    link::{FIRST_TRY, PostgresLink},
    lock::PostgresLock,
    row::{FoundRow, RowContent},
    statement::{Table, WrittenRow},
    tls::of_this_machine,
};
use crate::{
    Error,
    store::{Generation, Key, Record, Store, StoreError, StoreLock, blocking::off_the_workers, distant},
    tls::is_here,
};
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};
use tokio_postgres::{
    Config, NoTls, Socket,
    config::{Host, SslMode},
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// One save in so many also removes what has ended.
const CLEANING: u64 = 64;

/// Keeps sessions in a table of Postgres, for processes on many machines that have no Redis (feature `postgres`).
///
/// Whichever process signs in or renews first does it for all that use the same database and table.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use keyway::{PostgresStore, vms};
///
/// let store = PostgresStore::connect("postgres://keyway:secret@db.example/app")?;
/// store.create_table().await?; // or by a migration of yours
/// let vms = vms::Client::builder("https://vms.example")
///     .password("operator@example.org", std::env::var("VMS_PASSWORD").unwrap_or_default())
///     .store(store)
///     .build()?;
/// # Ok(()) }
/// ```
///
/// # What is in it
///
/// One row per session, in the table that [`create_table`](Self::create_table) makes unless it is there. As a migration:
///
/// ```sql
/// create table if not exists keyway_sessions (
///     key text primary key,
///     generation text not null,
///     save bigint not null,
///     record text not null,
///     ends timestamptz not null
/// );
/// create index if not exists keyway_sessions_ends_idx on keyway_sessions (ends);
/// ```
///
/// | column | |
/// |---|---|
/// | `key` | the surface and a digest of whose session it is |
/// | `generation` | which token of which session it is |
/// | `save` | a number that no other save has |
/// | `record` | the [`Record`] as JSON: access and refresh token, when they were issued and end, a digest of the credential. Member by member at [`Record::to_json`]. Never a password, never a captcha |
/// | `ends` | until when it counts: a session that nothing renews until a day past its end, one with a refresh token until 90 days past the end of its access token, one whose end is not told for a year, a sign-out for 90 days, attempts for 30 days. Rows whose time is over are removed now and then, by one save in sixty-four |
///
/// The attempts at a vendor that limits them are rows of their own: they are counted by address, so all sessions there share
/// them. While a request is out that must not be sent twice, a row says so and until when its sender may have something to save:
/// should Postgres be started anew meanwhile, which frees all locks, the other processes wait for that save. The role needs `select, insert, update, delete` on the table. Tokens are not encrypted: a role that may read the table or
/// a backup of it has the sessions. Give it a role of its own, or seal it with `Sealed`. At most 1 MiB of a record is
/// read; what is longer is damage.
///
/// # What it can do, and what not
///
/// A save is one statement that compares and writes, so no two processes save over each other. The lock of a session is
/// an advisory lock (its number is a digest of the table's oid and the session's key): it is
/// held by a connection, and free as soon as that ends, so that a killed process holds up no other. One connection per store, made
/// when it is first needed, is enough for all statements and all locks at once. One that is gone or silent is
/// made anew; its locks are lost then, which is no error to the caller: before everything that must not be done
/// twice a holder asks over the same connection whether it still holds its lock, and what a new holder obtained is looked for
/// and taken over.
///
/// A process that stands still, or whose machine has gone, keeps its locks for [`lock_ttl`](Self::lock_ttl), or half a minute
/// (by `idle_session_timeout`, which Postgres has since version 14, and by TCP keepalives). If it stands still between its
/// question and the sending, for longer than that, it can spend a refresh token twice; so can a failover to a standby that has not
/// heard of the last save (`synchronous_commit` decides).
///
/// A pooler in between must keep a connection for a session (PgBouncer: `pool_mode = session`). One that gives every
/// transaction another connection makes advisory locks worthless; it is recognised and refused.
///
/// If Postgres is down, valid tokens are served, sessions whose refresh token rotates are not renewed, and all others go on
/// from memory; when it is back, so is everything, without a restart.
#[derive(Clone)]
#[doc(alias("postgresql", "sql", "database"))]
pub struct PostgresStore {
    link: Arc<PostgresLink>,
    table: Table,
    lock_ttl: Duration,
    /// Whether it is another machine that is spoken to without TLS.
    in_the_clear: bool,
    plain_allowed: bool,
}

impl PostgresStore {
    /// The Postgres at `url`: `postgres://user:password@host[:port]/database[?sslmode=…]`, as libpq and the `tokio-postgres`
    /// crate read it; several hosts and `target_session_attrs=read-write` for those that fail over, `host=/run/postgresql` in
    /// the query for a socket. It is connected to when it is first needed.
    ///
    /// Another machine is spoken to under TLS, and its certificate must be one that this machine trusts and name that host,
    /// whether `sslmode` says `verify-full`, `verify-ca`, `require`, `prefer` or nothing. With `sslmode=disable` such a store is not used
    /// unless [`allow_plain`](Self::allow_plain) is called. On this machine TLS is spoken only if
    /// `sslmode` asks for it.
    ///
    /// TLS is rustls, whichever of our TLS features is on: it needs `rustls`, or a crypto provider that the process installed.
    /// For authorities of your own or client certificates use [`from_config`](Self::from_config).
    ///
    /// # Errors
    /// `ErrorKind::Config` if the URL cannot be read or names no host, or if TLS is wanted where there is no crypto
    /// provider or this machine trusts no authority.
    pub fn connect(url: impl AsRef<str>) -> Result<Self, Error> {
        // What is wrong is said by the library in words that may hold a part of the URL, and that may hold a password.
        let mut config: Config = without_verify(url.as_ref()).parse().map_err(|_| {
            Error::config("the URL given to PostgresStore::connect(..) cannot be read")
                .advice("give one such as postgres://user:password@db.example:5432/app?sslmode=require")
        })?;
        if config.get_hosts().iter().any(holds_a_password) {
            return Err(Error::config(
                "the URL given to PostgresStore::connect(..) has more than one @ before its path",
            )
            .advice("write one that belongs to the password as %40"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::config("the URL given to PostgresStore::connect(..) names no host")
                .advice("give one such as postgres://user:password@db.example:5432/app"));
        }
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if leaves(&config) { SslMode::Require } else { SslMode::Disable });
        }
        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self::from_config(config, NoTls));
        }
        Ok(Self::from_config(config, MakeRustlsConnect::new(of_this_machine()?)))
    }

    /// What this configuration of the `tokio-postgres` crate connects to, with the TLS of this connector: `NoTls`, or that of
    /// `tokio-postgres-rustls`, `postgres-native-tls` or `postgres-openssl`. `SslMode::Prefer` is taken for `Require` where it is
    /// another machine.
    #[must_use]
    pub fn from_config<T>(mut config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        if config.get_ssl_mode() == SslMode::Prefer && leaves(&config) {
            config.ssl_mode(SslMode::Require);
        }
        // One of several that does not answer at all leaves time for the others.
        if config.get_hosts().len() > 1 && config.get_connect_timeout().is_none() {
            let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX - 1);
            config.connect_timeout(FIRST_TRY / (hosts + 1));
        }
        if config.get_application_name().is_none() {
            config.application_name("keyway");
        }
        let in_the_clear = config.get_ssl_mode() == SslMode::Disable && leaves(&config);
        let who = who(&config);
        Self {
            link: Arc::new(PostgresLink::new(connect_by(config, tls), who)),
            table: Table::named("keyway_sessions"),
            lock_ttl: distant::LOCK_TTL,
            in_the_clear,
            plain_allowed: false,
        }
    }

    /// Lets tokens go to another machine without TLS (`sslmode=disable`): for networks where nobody else listens.
    #[must_use]
    pub fn allow_plain(self) -> Self {
        Self { plain_allowed: true, ..self }
    }

    /// The table, as `table` or `schema.table`, written as it is called, capitals too; default `keyway_sessions`. Stores with
    /// different tables share nothing.
    #[must_use]
    pub fn table(self, name: impl AsRef<str>) -> Self {
        Self { table: Table::named(name.as_ref()), ..self }
    }

    /// How long a process that has fallen silent keeps its lock from others; default 25 s, at least one second and at most an
    /// hour. It is extended by itself before each request to the vendor, to as long as that may take. Let it be longer if a
    /// credential source takes longer to answer. Before Postgres 14 it counts for nothing: a lock lasts as long as its connection.
    #[must_use]
    pub fn lock_ttl(self, lock_ttl: Duration) -> Self {
        Self { lock_ttl: distant::bounded(lock_ttl), ..self }
    }

    /// Makes the table and its index, unless the table is there: a large one would hold up all who save while it is indexed, so
    /// that is left to you. The role needs the right to make it: elsewhere use the statement above in a migration.
    ///
    /// # Errors
    /// When Postgres cannot be reached, or does not let this role make it.
    ///
    /// # Cancel safety
    /// A dropped call has made the table or not.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        self.may_speak()?;
        let rows = self.link.ask(&self.table.state()).await?;
        let is_so = |column| rows.first().and_then(|row| row.try_get(column).ok()).unwrap_or(false);
        let (is_there, has_index) = (is_so(0), is_so(1));
        if is_there && !has_index {
            let table = &self.table.name;
            tracing::warn!(%table, "keyway: what has ended is looked for in the whole table, which has no index on `ends`; say once, where it may take its time: create index concurrently on {table} (ends)");
        }
        if is_there {
            return Ok(());
        }
        self.link.ask(&self.table.create()).await.map(drop)
    }

    /// Whether what would be said may be said this way.
    fn may_speak(&self) -> Result<(), StoreError> {
        if !self.in_the_clear || self.plain_allowed {
            return Ok(());
        }
        let who = &self.link.who;
        Err(StoreError::unavailable(format!(
            "{who} is not used: tokens would go to another machine without TLS; leave out sslmode=disable, or use \
             .allow_plain() where nobody else listens"
        )))
    }

    /// What stands under this key. Damage is removed, and counts as absent.
    async fn read(&self, key: &Key) -> Result<Option<(Record, String)>, StoreError> {
        for _ in 0..distant::TRIES {
            let Some(found) = self.find(key).await? else { return Ok(None) };
            let why = match found.read(key)? {
                RowContent::Record(record) => return Ok(Some((*record, found.version))),
                RowContent::Damaged(why) => why,
            };
            // Unless another process has put a whole one in its place meanwhile.
            if self.forget(key, &found).await? {
                tracing::warn!(%key, %why, "keyway: a session in Postgres was damaged and has been removed");
                #[cfg(feature = "audit")]
                tracing::info!(target: "keyway::audit", event = "record_damaged", %key, error = %why, "record_damaged");
                return Ok(None);
            }
        }
        Err(self.busy("what is kept of a session changes and is damaged each time", "see who else writes there"))
    }

    async fn find(&self, key: &Key) -> Result<Option<FoundRow>, StoreError> {
        let rows = self.link.ask(&self.table.load(self.name(key))).await?;
        let found = rows.first().map(FoundRow::of).transpose();
        found.map_err(|error| error::in_words(&self.link.who, &error.into()))
    }

    async fn forget(&self, key: &Key, found: &FoundRow) -> Result<bool, StoreError> {
        let rows = self.link.ask(&self.table.remove(self.name(key), &found.version)).await?;
        Ok(!rows.is_empty())
    }

    fn name(&self, key: &Key) -> String {
        let name = key.to_string();
        #[cfg(feature = "testing")]
        crate::witness::shown("a key in Postgres", || name.clone());
        name
    }

    fn busy(&self, what: &str, advice: &str) -> StoreError {
        StoreError::busy(format!("{what} in {}; {advice}", self.link.who))
    }
}

/// Where the certificate is always looked at, `require` is `verify-full`. The library does not know that word.
fn without_verify(url: &str) -> Cow<'_, str> {
    let Some((address, query)) = url.split_once('?') else { return url.into() };
    let query: Vec<_> = query.split('&').collect();
    let verifies = |option: &&str| matches!(*option, "sslmode=verify-full" | "sslmode=verify-ca");
    let query: Vec<_> = query.iter().map(|option| if verifies(option) { "sslmode=require" } else { option }).collect();
    format!("{address}?{}", query.join("&")).into()
}

/// Whether what is said leaves this machine.
fn leaves(config: &Config) -> bool {
    let away = |host: &Host| match host {
        Host::Tcp(host) => !is_here(host),
        #[cfg(unix)]
        Host::Unix(_) => false,
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().any(away),
        addresses => addresses.iter().any(|address| !address.to_canonical().is_loopback()),
    }
}

/// The library ends the password at the first `@`, so the rest of one that has more stands where the host should.
fn holds_a_password(host: &Host) -> bool {
    match host {
        Host::Tcp(host) => host.contains('@'),
        #[cfg(unix)]
        Host::Unix(_) => false,
    }
}

/// Without user and password.
fn who(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let host = |(at, host): (usize, &Host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(at)),
        #[cfg(unix)]
        Host::Unix(folder) => folder.display().to_string(),
    };
    let mut hosts: Vec<_> = config.get_hosts().iter().enumerate().map(host).collect();
    if hosts.is_empty() {
        hosts = config.get_hostaddrs().iter().enumerate().map(|(at, to)| format!("{to}:{}", port(at))).collect();
    }
    let database = config.get_dbname().map(|name| format!("/{name}")).unwrap_or_default();
    format!("Postgres at {}{database}", hosts.join(","))
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("who", &self.link.who)
            .field("table", &self.table.name)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn check(&self) -> Result<(), StoreError> {
        self.may_speak()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.may_speak()?;
        Ok(self.read(key).await?.map(|(record, _)| record))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.may_speak()?;
        let (number, is_slow) = (self.link.chance.next(), record.is_slow_to_write());
        let write = move || {
            let (generation, keep) = (record.generation().to_text(), record.time_to_live());
            Ok(WrittenRow { generation, number, keep, record: record.to_bounded_json()? })
        };
        let written = if is_slow { off_the_workers(write).await? } else { write()? };
        let expected = expected.as_ref().map(Generation::to_text);
        let rows = self.link.ask(&self.table.swap(self.name(key), expected, written)).await?;
        let is_kept = !rows.is_empty();
        if is_kept && number % CLEANING == 0 {
            // What is left stays until the next one.
            let _ = self.link.ask(&self.table.clean()).await;
        }
        Ok(is_kept)
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.may_speak()?;
        for _ in 0..distant::TRIES {
            let Some(found) = self.find(key).await? else { return Ok(()) };
            // A newer version's is left. A sealed one that cannot be used may go: its error names this way out.
            if let Err(left) = found.read(key)
                && !left.is_sealed()
            {
                return Err(left);
            }
            if self.forget(key, &found).await? {
                return Ok(());
            }
        }
        Err(self.busy("others keep saving a session that is to be removed", "end what uses it first"))
    }

    /// Tried again and again: a wait inside Postgres would hold up all that is asked over the same connection.
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.may_speak()?;
        let mut lock = PostgresLock::new(self.link.clone(), self.table.clone(), key.to_string(), self.lock_ttl);
        let mut pauses = distant::pauses(wait, &self.link.chance);
        loop {
            if lock.take().await? {
                return Ok(StoreLock::expiring(lock));
            }
            if !pauses.pause().await {
                let what = format!("somebody else has held the lock for {} s", wait.as_secs_f64());
                let advice = "it is free when its holder is gone; else see what hangs";
                return Err(self.busy(&what, advice));
            }
        }
    }
}
