//! Sessions in Redis or Valkey, shared by processes on many machines.

mod command;
mod content;
mod link;
mod lock;
#[cfg(test)]
pub(crate) mod model;
mod store;
mod wire;

pub use store::RedisStore;
