//! Sessions in Postgres, shared by processes on many machines.

mod error;
mod line;
mod link;
mod lock;
mod row;
mod statement;
mod store;
mod tls;

pub use store::PostgresStore;
