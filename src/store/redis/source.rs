//! Where connections come from: one server, a cluster, or the primary that Sentinels know.

#[cfg(feature = "redis-cluster")]
use ::redis::cluster::ClusterClient;
#[cfg(feature = "redis-sentinel")]
use ::redis::{AsyncConnectionConfig, sentinel::SentinelClient};
use ::redis::{
    Client, Cmd, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};
use std::time::Duration;

/// How long a command may take, with a second try on a new connection.
pub(super) const ANSWER: Duration = FIRST_TRY.saturating_add(SECOND_TRY);

/// Shorter: a connection that a router has forgotten answers nothing at all.
pub(super) const FIRST_TRY: Duration = Duration::from_secs(2);
pub(super) const SECOND_TRY: Duration = Duration::from_secs(3);

/// A connection, whichever it is.
pub(super) struct RedisConnection(Box<dyn ConnectionLike + Send>);

impl ConnectionLike for RedisConnection {
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

/// Gives one connection to each who asks for it.
pub(super) struct Lender(Box<dyn Fn() -> RedisConnection + Send + Sync>);

impl Lender {
    pub(super) fn of(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self(Box::new(move || RedisConnection(Box::new(connection.clone()))))
    }

    pub(super) fn lend(&self) -> RedisConnection {
        (self.0)()
    }
}

/// Where a new connection comes from.
pub(super) enum Source {
    Server(Box<Client>),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<ClusterClient>),
    /// Made anew for each connection: what a client of Sentinels keeps belongs to the runtime that it was used on.
    #[cfg(feature = "redis-sentinel")]
    Sentinels(Box<MakeSentinels>),
}

#[cfg(feature = "redis-sentinel")]
pub(super) type MakeSentinels = dyn Fn() -> RedisResult<SentinelClient> + Send + Sync;

impl Source {
    /// A new connection. Dropped midway, nothing is left of it.
    pub(super) async fn connect(&self) -> RedisResult<Lender> {
        match self {
            // It connects when it is used.
            Self::Server(client) => {
                // It is bounded by those who use it, and tried again there.
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(0)
                    .set_connection_timeout(Some(ANSWER))
                    .set_response_timeout(None);
                ConnectionManager::new_lazy_with_config(Client::clone(client), config).map(Lender::of)
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(client) => client.get_async_connection().await.map(Lender::of),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinels(make) => {
                let primary = make()?.async_get_client().await?;
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(None);
                primary.get_multiplexed_async_connection_with_config(&config).await.map(Lender::of)
            }
        }
    }

    /// Whether a script goes to the server that has its name, and not to all of them: to load one is to ask every primary of a
    /// cluster, and one of them may be gone.
    pub(super) fn sends_scripts_whole(&self) -> bool {
        match self {
            Self::Server(_) => false,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => true,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinels(_) => false,
        }
    }
}
