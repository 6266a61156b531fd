//! Sessions in Redis or Valkey, shared by processes on many machines.

mod command;
mod content;
mod link;
mod lock;
#[cfg(test)]
pub(crate) mod model;
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
mod several;
mod source;
mod store;
mod way;
mod wire;
mod words;

pub use store::RedisStore;
