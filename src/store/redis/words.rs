//! What Redis answers when it does not do what it was asked, in our own words.

use ::redis::{ErrorKind, RedisError};

/// Who looks after the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectedBy {
    /// The user, who made it.
    Given,
    /// We, by a client that follows slots from node to node.
    #[cfg(feature = "redis-cluster")]
    Cluster,
    /// We, to one server.
    Server,
}

/// What happened, and what to do. The server's own words may hold what was said to it, and that is tokens.
pub(super) fn of(error: &RedisError, by: ConnectedBy) -> (String, &'static str) {
    let (what, advice) = match (error.kind(), error.code()) {
        _ if error.is_connection_refusal() => ("refuses connections", "see whether it runs there"),
        (ErrorKind::Io, _) => {
            return (
                format!("cannot be reached: {error}"),
                "see whether it runs, and whether its certificate is trusted here",
            );
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
        _ => return of_roles(error, by),
    };
    (what.to_owned(), advice)
}

/// What has to do with who is the primary, and of what.
fn of_roles(error: &RedisError, by: ConnectedBy) -> (String, &'static str) {
    let (what, advice) = match (error.kind(), error.code()) {
        (_, Some("READONLY")) if by == ConnectedBy::Given => (
            "is a replica that cannot be written to, and a connection that was given is not made anew for that",
            "give the client to RedisStore::from_client, which connects anew, and the address of the primary",
        ),
        (_, Some("READONLY")) => (
            "is a replica that cannot be written to",
            "give the address of the primary, or those of its Sentinels to RedisStore::connect_sentinel",
        ),
        (ErrorKind::MasterNameNotFoundBySentinel, _) => (
            "has no primary just now that a Sentinel knows by this name",
            "a failover passes by itself; if it stays, see `SENTINEL MASTERS` for the name and the state",
        ),
        (ErrorKind::ClusterConnectionNotFound, _) => (
            "has no node that can be reached for this session's slot",
            "a failover passes by itself; if it stays, see `CLUSTER SLOTS` for a slot without a primary",
        ),
        (ErrorKind::InvalidClientConfig, _) => ("is no Sentinel", "give the addresses of Sentinels"),
        (_, Some("CLUSTERDOWN")) => (
            "does not serve this session's slot: no node has it, or a failover is in progress",
            "a failover passes by itself; if it stays, see `CLUSTER INFO` and `CLUSTER SLOTS`",
        ),
        #[cfg(feature = "redis-cluster")]
        (_, Some("MOVED" | "ASK")) if by == ConnectedBy::Cluster => (
            "has this session's slot at another node by now, and not every node knows of that yet",
            "a failover passes by itself; if it stays, see `CLUSTER SLOTS`",
        ),
        (_, Some("MOVED" | "ASK" | "CROSSSLOT")) => (
            "is part of a cluster",
            "give the address to RedisStore::connect_cluster (feature `redis-cluster`), \
             or a cluster's connection to RedisStore::from_connection",
        ),
        (_, Some("TRYAGAIN")) => ("is moving this session's slot to another node", "try again"),
        (_, Some("LOADING" | "MASTERDOWN")) => ("is not ready yet", "try again"),
        (_, Some("OOM")) => ("is out of memory", "raise `maxmemory` or make room"),
        (_, Some("MISCONF" | "NOREPLICAS")) => ("refuses to write while it cannot persist or replicate", "see its log"),
        (_, Some(code)) if is_plain(code) => return (format!("answered {code}"), "see its log"),
        _ => ("answered what cannot be read", "see whether it is a Redis or Valkey"),
    };
    (what.to_owned(), advice)
}

fn is_plain(code: &str) -> bool {
    code.len() <= 20 && code.chars().all(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "redis-cluster")]
    #[apply(leak_checked!)]
    fn a_slot_that_moves_is_no_wrong_address_where_slots_are_followed() {
        use super::{ConnectedBy, of};
        use ::redis::{ErrorKind, RedisError, ServerErrorKind};
        for kind in [ServerErrorKind::Moved, ServerErrorKind::Ask] {
            let error = RedisError::from((ErrorKind::Server(kind), "moved"));
            let said = |by| {
                let (what, advice) = of(&error, by);
                format!("{what}; {advice}")
            };
            assert!(
                said(ConnectedBy::Cluster).contains("not every node knows of that yet; a failover passes by itself")
            );
            for by in [ConnectedBy::Server, ConnectedBy::Given] {
                assert!(said(by).contains("is part of a cluster; give the address to RedisStore::connect_cluster"));
            }
        }
    }
}
