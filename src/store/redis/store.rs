//! The store: what is asked of it becomes commands.

use super::{
    content::{self, RedisContent},
    link::RedisLink,
    lock::RedisLock,
    way::Way,
    wire::Wire,
};
use crate::{
    Error,
    chance::Chance,
    store::{Generation, Key, Record, Store, StoreError, StoreLock, blocking::off_the_workers, distant},
    tls::has_provider,
};
use ::redis::{Client, ConnectionAddr, aio::ConnectionLike};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Keeps sessions in Redis or Valkey, for processes on many machines (feature `redis`).
///
/// Whichever process signs in or renews first does it for all that use the same database and prefix.
///
/// ```no_run
/// # fn example() -> Result<(), keyway::Error> {
/// use keyway::{RedisStore, vms};
///
/// let vms = vms::Client::builder("https://vms.example")
///     .password("operator@example.org", std::env::var("VMS_PASSWORD").unwrap_or_default())
///     .store(RedisStore::connect("rediss://keyway:secret@redis.example/0")?)
///     .build()?;
/// # Ok(()) }
/// ```
///
/// # What is in it
///
/// Of each session, named by its surface and a digest of whose it is:
///
/// | name | |
/// |---|---|
/// | `keyway:{…}:session` | two lines: which token of which session it is, with a number that no other save has; and the [`Record`] as JSON: access and refresh token, when they were issued and end, a digest of the credential. Member by member at [`Record::to_json`]. Never a password, never a captcha |
/// | `keyway:{…}:lock` | a random word of the process that signs in or renews just now |
///
/// The attempts at a vendor that limits them are kept in the same way, as `keyway:{…}:session` and `:lock` under a name of their
/// own: they are counted by address, so all sessions there share them. A surface of your own is called `custom` in these names,
/// whatever its issuer says. Everything ends by itself:
///
/// | what | is kept for |
/// |---|---|
/// | a session that nothing renews | a day past its end |
/// | one with a refresh token | 90 days past the end of its access token |
/// | one whose end is not told | a year after it was saved |
/// | a sign-out | 90 days |
/// | attempts | 30 days after the last one |
/// | a lock | 25 s, or longer if a request may take longer |
///
/// Tokens are not encrypted: all who may read the database have the sessions. Give it a user of its own and TLS. An ACL that
/// suffices is `~keyway:* +get +getrange +set +del +pexpire +evalsha +script|load`.
///
/// At most 1 MiB of what stands under a name is read; what is longer is damage.
///
/// # What it can do, and what not
///
/// A save is one script that compares and writes, so no two processes save over each other. The lock has a time to live: its
/// holder asks, before everything that must not be done twice, whether it still holds it, and extends it. One
/// that was lost is no error to the caller: what its new holder obtained is looked for and taken over.
///
/// A process that stands still between that question and the sending, for longer than the lock lives, can spend a refresh token
/// twice; so can a failover to a replica that has not heard of the last save. `docs/fleet.md` in the repository says what
/// that means, and how many commands a fleet sends.
///
/// Redis must not evict these names (`maxmemory-policy noeviction`), and should persist them: where it forgets, everybody
/// signs in anew. If it is down, valid tokens are served, sessions whose refresh token rotates are not renewed, and all
/// others go on from memory; when it is back, so is everything, without a restart. One connection per store is made when
/// it is first needed, and made anew when it is gone or silent.
///
/// [`connect_cluster`](Self::connect_cluster) is for a Redis Cluster (feature `redis-cluster`), and
/// [`connect_sentinel`](Self::connect_sentinel) for a Redis that Sentinels watch (feature `redis-sentinel`).
#[derive(Clone)]
#[doc(alias("valkey"))]
pub struct RedisStore {
    wire: Arc<dyn Wire>,
    who: Arc<str>,
    prefix: Arc<str>,
    lock_ttl: Duration,
    way: Way,
    plain_allowed: bool,
    warned: Arc<AtomicBool>,
    chance: Arc<Chance>,
}

impl RedisStore {
    /// The Redis or Valkey at `url`: `redis://[user][:password@]host[:port][/database]`, `rediss://…` with TLS,
    /// `unix:///path?db=…`, as the `redis` crate reads them. It is connected to when it is first needed.
    ///
    /// For client certificates or a certificate authority of your own make a [`redis::Client`] and give it to [`from_client`](Self::from_client). With
    /// rustls, the process must have one crypto provider, as for any use of rustls.
    ///
    /// A password goes to another machine under TLS only, or by [`allow_plain`](Self::allow_plain): else `build()` refuses, and
    /// so does every use. Tokens that go there in the clear without a password are reported by a warning.
    ///
    /// # Errors
    /// `ErrorKind::Config` if the URL cannot be read, ends with `#insecure`, or asks for TLS where no TLS feature is on or no crypto provider is installed.
    pub fn connect(url: impl AsRef<str>) -> Result<Self, Error> {
        let url = url.as_ref();
        if url.ends_with("#insecure") {
            return Err(Error::config(
                "the URL given to RedisStore::connect(..) asks for TLS without looking at certificates (#insecure)",
            )
            .advice("leave it out; for an authority of your own give a redis::Client to RedisStore::from_client"));
        }
        // What is wrong is said by the library in words that may hold a part of the URL, and that may hold a password.
        let client = Client::open(url).map_err(|_| {
            Error::config("the URL given to RedisStore::connect(..) cannot be read")
                .advice("give one such as redis://user:password@redis.example:6379/0, or rediss://… with one of our TLS features on")
        })?;
        if matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. }) && !has_provider() {
            return Err(Error::no_provider());
        }
        Ok(Self::from_client(client))
    }

    /// What this client of the `redis` crate connects to.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        let way = Way::of(client.get_connection_info());
        Self::over(RedisLink::own(client)).by_way(way)
    }

    /// An asynchronous connection of the `redis` crate that is there already: a
    /// [`ConnectionManager`](redis::aio::ConnectionManager), a
    /// [`MultiplexedConnection`](redis::aio::MultiplexedConnection), or one of your own. Whether it is made anew when it breaks is its own affair: a
    /// `MultiplexedConnection` is not, a `ConnectionManager` is when it breaks, and not when what stands behind it has become a
    /// replica: where roles change behind one address, use [`from_client`](Self::from_client), which connects anew then.
    #[must_use]
    pub fn from_connection(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self::over(RedisLink::given(connection))
    }

    pub(super) fn over(link: RedisLink) -> Self {
        let who = link.who().into();
        Self::on(Arc::new(link), who, Chance::new())
    }

    pub(super) fn by_way(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// The same store on what stands in the place of Redis.
    #[cfg(test)]
    pub(crate) fn simulated(model: Arc<super::model::Model>, chance: Chance) -> Self {
        Self::on(model, "the model of a Redis".into(), chance)
    }

    fn on(wire: Arc<dyn Wire>, who: Arc<str>, chance: Chance) -> Self {
        Self {
            wire,
            who,
            prefix: "keyway:".into(),
            lock_ttl: distant::LOCK_TTL,
            way: Way::Unknown,
            plain_allowed: false,
            warned: Arc::default(),
            chance: Arc::new(chance),
        }
    }

    /// Lets a password and tokens go to another machine without TLS, or under TLS that looks at no certificate: for networks
    /// where nobody else listens.
    #[must_use]
    pub fn allow_plain(self) -> Self {
        Self { plain_allowed: true, ..self }
    }

    /// Whether what would be said may be said this way.
    fn may_speak(&self) -> Result<(), StoreError> {
        let refused = match self.way {
            _ if self.plain_allowed => None,
            Way::Clear { password: true } => Some("a password and tokens would go to another machine without TLS"),
            Way::Unchecked => Some("no certificate would be looked at, so anybody could answer"),
            Way::Clear { password: false } if !self.warned.swap(true, Ordering::Relaxed) => {
                tracing::warn!(store = %self.who, "keyway: tokens go to Redis on another machine without TLS; give rediss://, or .allow_plain() where nobody else listens");
                None
            }
            Way::Clear { .. } | Way::Unknown | Way::Safe => None,
        };
        refused.map_or(Ok(()), |what| {
            let advice = "give rediss://, or .allow_plain() where nobody else listens";
            Err(StoreError::unavailable(format!("{} is not used: {what}; {advice}", self.who)))
        })
    }

    /// What every name begins with; default `keyway:`. Stores with different prefixes share nothing.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into().into(), ..self }
    }

    /// How long the lock of a process that has ended without leaving it keeps others waiting; default 25 s, at least one
    /// second and at most an hour. It is extended by itself before each request to the vendor, to as long as that may
    /// take. Let it be longer if a credential source takes longer to answer.
    #[must_use]
    pub fn lock_ttl(self, lock_ttl: Duration) -> Self {
        Self { lock_ttl: distant::bounded(lock_ttl), ..self }
    }

    fn name(&self, key: &Key, what: &str) -> String {
        // In braces, so that a cluster keeps what belongs together together.
        let name = format!("{}{{{key}}}:{what}", self.prefix);
        #[cfg(feature = "testing")]
        crate::witness::shown("a key in Redis", || name.clone());
        name
    }

    /// What stands under this name, and as it was written. Damage is removed, and counts as absent.
    async fn read(&self, key: &Key, name: &str) -> Result<Option<(Record, Vec<u8>)>, StoreError> {
        for _ in 0..distant::TRIES {
            let Some(content) = self.wire.get(name).await? else { return Ok(None) };
            let why = match content::read(key, content.clone())? {
                RedisContent::Record(record) => return Ok(Some((*record, content))),
                RedisContent::Damaged(why) => why,
            };
            // Unless another process has put a whole one in its place meanwhile.
            if self.wire.forget(name, &content).await? {
                tracing::warn!(%key, %why, "keyway: a session in Redis was damaged and has been removed");
                #[cfg(feature = "audit")]
                tracing::info!(target: "keyway::audit", event = "record_damaged", %key, error = %why, "record_damaged");
                return Ok(None);
            }
        }
        Err(self.busy("what is kept of a session changes and is damaged each time", "see who else writes there"))
    }

    fn busy(&self, what: &str, advice: &str) -> StoreError {
        StoreError::busy(format!("{what} in {}; {advice}", self.who))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("who", &self.who).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    fn check(&self) -> Result<(), StoreError> {
        self.may_speak()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.may_speak()?;
        let found = self.read(key, &self.name(key, "session")).await?;
        Ok(found.map(|(record, _)| record))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.may_speak()?;
        let (number, keep) = (self.chance.next(), record.time_to_live());
        let written = match record.is_slow_to_write() {
            true => off_the_workers(move || content::write(&record, number)).await?,
            false => content::write(&record, number)?,
        };
        self.wire.swap(&self.name(key, "session"), expected, &written, keep).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.may_speak()?;
        let name = self.name(key, "session");
        for _ in 0..distant::TRIES {
            let Some(content) = self.wire.get(&name).await? else { return Ok(()) };
            // A newer version's is left. A sealed one that cannot be used may go: its error names this way out.
            if let Err(left) = content::read(key, content.clone())
                && !left.is_sealed()
            {
                return Err(left);
            }
            if self.wire.forget(&name, &content).await? {
                return Ok(());
            }
        }
        Err(self.busy("others keep saving a session that is to be removed", "end what uses it first"))
    }

    /// Tried again and again: what is waited for may end without telling anybody.
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.may_speak()?;
        let owner = format!("{:016x}{:016x}", self.chance.next(), self.chance.next());
        let mut lock = RedisLock::new(self.wire.clone(), self.name(key, "lock"), owner, self.lock_ttl);
        let mut pauses = distant::pauses(wait, &self.chance);
        loop {
            if lock.take().await? {
                return Ok(StoreLock::expiring(lock));
            }
            if !pauses.pause().await {
                let what = format!("another client has held the lock for {} s", wait.as_secs_f64());
                let advice = "it frees itself when its holder is gone; else see what hangs";
                return Err(self.busy(&what, advice));
            }
        }
    }
}
