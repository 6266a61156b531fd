//! A Redis of several servers: a cluster, or one that Sentinels watch.

use super::{link::RedisLink, source::Source, store::RedisStore, way::Way};
use crate::{Error, tls::has_provider};
#[cfg(feature = "redis-cluster")]
use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
#[cfg(feature = "redis-sentinel")]
use ::redis::{
    RedisResult, TlsMode,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

/// How often a cluster is asked again for one command, after a wait in milliseconds: less than a command may take in all.
#[cfg(feature = "redis-cluster")]
const RETRIES: (u32, u64, u64) = (6, 20, 400);

impl RedisStore {
    /// The Redis or Valkey cluster that these nodes belong to (feature `redis-cluster`). Some of them suffice: they tell of the others,
    /// and of who serves which slot. Each URL is as in [`connect`](Self::connect), all with the same user, password and TLS.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), keyway::Error> {
    /// let nodes = ["rediss://keyway:secret@redis-1.example", "rediss://keyway:secret@redis-2.example"];
    /// let store = keyway::RedisStore::connect_cluster(nodes)?;
    /// # Ok(()) }
    /// ```
    ///
    /// All names of a session have its key in braces, so one slot has them. A slot that moves is followed; one that no node
    /// serves is an error until one does. The ACL needs `+eval` in the place of `+script|load`, and `+cluster|slots +asking`.
    ///
    /// What a failover can lose stands in `docs/fleet.md` in the repository.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and `ErrorKind::Config` if there is no URL, or the URLs contradict each other.
    #[cfg(feature = "redis-cluster")]
    pub fn connect_cluster(nodes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        let infos = read("RedisStore::connect_cluster(..)", nodes)?;
        let (retries, shortest, longest) = RETRIES;
        let builder = ClusterClientBuilder::new(infos.clone()).retries(retries);
        let builder = builder.min_retry_wait(shortest).max_retry_wait(longest);
        let client = builder.build().map_err(|_| {
            Error::config("the URLs given to RedisStore::connect_cluster(..) do not fit each other")
                .advice("give all of them the same user, password, database and TLS, and no socket")
        })?;
        let who = format!("the Redis cluster of {}", of(&infos));
        Ok(Self::of_source(Source::Cluster(Box::new(client)), who, Way::of_told(&infos)))
    }

    /// The cluster that this client of the `redis` crate connects to (feature `redis-cluster`): for certificates of your own and other settings.
    /// Connections are made when they are needed, and made anew when they are gone. It must not read from replicas: what was
    /// saved a moment ago may not stand there yet, and a refresh token would be spent twice.
    #[cfg(feature = "redis-cluster")]
    #[must_use]
    pub fn from_cluster_client(client: ClusterClient) -> Self {
        let who = "the Redis cluster of the client it was given".to_owned();
        Self::of_source(Source::Cluster(Box::new(client)), who, Way::Unknown)
    }

    /// The Redis or Valkey whose primary these Sentinels know (feature `redis-sentinel`). `primary` is a URL as in [`connect`](Self::connect)
    /// whose host is the name that the Sentinels know it by, with its user, password, TLS and database. Sentinels have users and passwords of
    /// their own, in their URLs.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), keyway::Error> {
    /// let sentinels = ["redis://sentinel-1.example:26379", "redis://sentinel-2.example:26379"];
    /// let store = keyway::RedisStore::connect_sentinel(sentinels, "rediss://keyway:secret@mymaster/0")?;
    /// # Ok(()) }
    /// ```
    ///
    /// They are asked for each new connection, so after a failover the store goes on with the new primary. Its ACL needs `+role` as well.
    ///
    /// What a failover can lose stands in `docs/fleet.md` in the repository.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and `ErrorKind::Config` if there is no Sentinel.
    #[cfg(feature = "redis-sentinel")]
    pub fn connect_sentinel(
        sentinels: impl IntoIterator<Item = impl AsRef<str>>,
        primary: impl AsRef<str>,
    ) -> Result<Self, Error> {
        let what = "RedisStore::connect_sentinel(..)";
        let sentinels = read(what, sentinels)?;
        let primaries = read(what, [primary])?;
        let primary = &primaries[0];
        let (name, tls) = match primary.addr() {
            ConnectionAddr::Tcp(name, _) => (name.clone(), None),
            ConnectionAddr::TcpTls { host, .. } => (host.clone(), Some(TlsMode::Secure)),
            _ => {
                return Err(Error::config(format!("the primary given to {what} has no name"))
                    .advice("give one such as rediss://keyway:secret@mymaster/0"));
            }
        };
        let who = format!("Redis `{name}/{}` by the Sentinels {}", primary.redis_settings().db(), of(&sentinels));
        let way = Way::of_told(&sentinels.iter().chain([primary]).cloned().collect::<Vec<_>>());
        let mut node =
            SentinelNodeConnectionInfo::default().set_redis_connection_info(primary.redis_settings().clone());
        if let Some(tls) = tls {
            node = node.set_tls_mode(tls);
        }
        let make = move || {
            let node = Some(node.clone());
            SentinelClient::build(sentinels.clone(), name.clone(), node, SentinelServerType::Master)
        };
        Ok(Self::of_source(Source::Sentinels(Box::new(make)), who, way))
    }

    /// The Redis whose primary such a client of the `redis` crate finds (feature `redis-sentinel`): for certificates of your own and other
    /// settings. `make` is called for each new connection; let it make a client for [`SentinelServerType::Master`].
    #[cfg(feature = "redis-sentinel")]
    #[must_use]
    pub fn from_sentinel_clients(make: impl Fn() -> RedisResult<SentinelClient> + Send + Sync + 'static) -> Self {
        let who = "the Redis that the Sentinels of the client it was given know".to_owned();
        Self::of_source(Source::Sentinels(Box::new(make)), who, Way::Unknown)
    }

    fn of_source(source: Source, who: String, way: Way) -> Self {
        Self::over(RedisLink::from(source, who)).by_way(way)
    }
}

fn read(what: &str, urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<ConnectionInfo>, Error> {
    let mut infos = Vec::new();
    for url in urls {
        let url = url.as_ref();
        if url.ends_with("#insecure") {
            return Err(Error::config(format!(
                "a URL given to {what} asks for TLS without looking at certificates (#insecure)"
            ))
            .advice("leave it out; for an authority of your own give a client of the redis crate"));
        }
        // What is wrong is said by the library in words that may hold a part of the URL, and that may hold a password.
        let info = url.into_connection_info().map_err(|_| {
            Error::config(format!("a URL given to {what} cannot be read"))
                .advice("give one such as redis://user:password@redis.example:6379, or rediss://… with one of our TLS features on")
        })?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) && !has_provider() {
            return Err(Error::no_provider());
        }
        infos.push(info);
    }
    if infos.is_empty() {
        return Err(Error::config(format!("{what} was given no URL")).advice("give one at least"));
    }
    Ok(infos)
}

/// The first one, and how many others there are. Neither user nor password.
fn of(infos: &[ConnectionInfo]) -> String {
    match infos.len() {
        1 => infos[0].addr().to_string(),
        more => format!("{} and {} more", infos[0].addr(), more - 1),
    }
}
