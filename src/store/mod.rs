//! Where sessions sleep.

mod blocking;
mod disk;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod distant;
mod error;
mod file;
mod fingerprint;
mod generation;
mod guard;
mod key;
mod lock;
mod memory;
mod pauses;
mod port;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "sealed")]
mod sealed;

pub use error::StoreError;
pub use file::FileStore;
pub(crate) use fingerprint::Fingerprint;
pub use generation::Generation;
pub use key::Key;
pub use lock::{ExpiringLock, StoreLock};
pub use memory::MemoryStore;
pub(crate) use port::DynStore;
pub use port::Store;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(any(test, feature = "postgres", feature = "redis"))]
pub(crate) use record::LONGEST;
pub use record::Record;
#[cfg(feature = "sealed")]
pub(crate) use record::SealedText;
pub(crate) use record::{Kept, NotBefore, RecordState, StoredExpiry, WaitReason};
#[cfg(feature = "redis")]
pub use redis::RedisStore;
#[cfg(feature = "sealed")]
pub use sealed::{Sealed, SealingKey, SealingKeys};
