//! Keyway
#![forbid(unsafe_code)]

use std::{future::Future, pin::Pin};

mod clock;
mod error;
mod generated;
mod http;
mod secret;
mod session;
mod store;
mod surfaces;

pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Validation};
pub use secret::Secret;

/// A boxed future that may be sent to another thread: what object-safe async traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
