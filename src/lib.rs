#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// With fewer surfaces some shared pieces have no user; with all of them dead code is told.
#![cfg_attr(
    not(all(
        feature = "orderingstack",
        feature = "shopmonkey",
        feature = "vitamojo",
        feature = "vms",
        feature = "vtex"
    )),
    allow(dead_code, unused_imports, unused_macros)
)]

use std::{future::Future, pin::Pin};

mod chance;
mod clock;
mod credential;
mod error;
#[cfg(all(test, feature = "redis"))]
mod fleet;
mod generated;
mod http;
mod retry;
mod secret;
mod session;
mod store;
mod surfaces;
#[cfg(feature = "metrics")]
pub mod telemetry;
#[cfg(not(feature = "metrics"))]
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use clock::{Clock, SystemClock};
pub use credential::{CredentialSource, SourceError};
pub use error::{Error, ErrorKind, Validation};
#[cfg(feature = "middleware")]
pub use http::middleware::SessionMiddleware;
pub use http::{
    pages::Pages,
    request::{Http, RequestBuilder},
    runtime::{Optional, ResponseValue},
};
pub use retry::{Retry, Timeouts};
pub use secret::Secret;
pub use session::{
    Lease, Profile, Session, SignOut,
    evict::{ActiveSession, Evict, SessionId, SessionLimit},
    interact::{Answer, Responder, Resume},
    questions::{AccessKey, Captcha, DeviceCode},
    report::Report,
    tokens::Expiry,
    windows::Windows,
};
#[cfg(feature = "redis")]
pub use store::RedisStore;
pub use store::{FileStore, Generation, Key, LeasedLock, MemoryStore, Record, Store, StoreError, StoreLock};

pub use surfaces::custom;
#[cfg(feature = "orderingstack")]
pub use surfaces::orderingstack;
#[cfg(feature = "shopmonkey")]
pub use surfaces::shopmonkey;
#[cfg(feature = "vitamojo")]
pub use surfaces::vitamojo;
#[cfg(feature = "vms")]
pub use surfaces::vms;
#[cfg(feature = "vtex")]
pub use surfaces::vtex;

/// A boxed future that may be sent to another thread: what object-safe async traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
