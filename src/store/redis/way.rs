//! How what is said goes to Redis, and whether it may.

use crate::tls::is_here;
use ::redis::{ConnectionAddr, ConnectionInfo};

/// How what is said goes to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Under TLS, by a socket, or within this machine.
    Safe,
    /// To another machine, readable by all on the way.
    Clear { password: bool },
    /// Under TLS that looks at no certificate.
    Unchecked,
    /// By a connection that the user made.
    Unknown,
}

impl Way {
    pub(super) fn of(info: &ConnectionInfo) -> Self {
        match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Self::Unchecked,
            ConnectionAddr::Tcp(host, _) if !is_here(host) => Self::Clear { password: has_password(info) },
            _ => Self::Safe,
        }
    }

    /// To servers whose addresses are told by others: by the nodes of a cluster, by Sentinels. Those may be on this machine,
    /// and what they name on another one; so a password needs TLS there also from here to here.
    #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
    pub(super) fn of_told(infos: &[ConnectionInfo]) -> Self {
        let with_a_password =
            |info: &&ConnectionInfo| matches!(info.addr(), ConnectionAddr::Tcp(..)) && has_password(info);
        if infos.iter().find(with_a_password).is_some() {
            return Self::Clear { password: true };
        }
        let ways: Vec<_> = infos.iter().map(Self::of).collect();
        let worst = [Self::Unchecked, Self::Clear { password: false }].into_iter().find(|way| ways.contains(way));
        worst.unwrap_or(Self::Safe)
    }
}

fn has_password(info: &ConnectionInfo) -> bool {
    info.redis_settings().password().is_some()
}
