// In Markdown the first definition counts: what README.md links to beside it is elsewhere, seen from the reference.
//! [examples/README.md]: https://docs.rs/crate/keyway/latest/source/examples/README.md
//! [docs/capabilities.md]: https://docs.rs/crate/keyway/latest/source/docs/capabilities.md
//! [docs/guide/README.md]: https://docs.rs/crate/keyway/latest/source/docs/guide/README.md
//! [docs/vendors/]: https://docs.rs/crate/keyway/latest/source/docs/vendors/
//! [docs/features.md]: https://docs.rs/crate/keyway/latest/source/docs/features.md
//! [docs/people.md]: https://docs.rs/crate/keyway/latest/source/docs/people.md
//! [docs/stores.md]: https://docs.rs/crate/keyway/latest/source/docs/stores.md
//! [docs/errors.md]: https://docs.rs/crate/keyway/latest/source/docs/errors.md
//! [docs/logs.md]: https://docs.rs/crate/keyway/latest/source/docs/logs.md
//! [docs/laws.md]: https://docs.rs/crate/keyway/latest/source/docs/laws.md
//! [docs/fleet.md]: https://docs.rs/crate/keyway/latest/source/docs/fleet.md
//! [docs/performance.md]: https://docs.rs/crate/keyway/latest/source/docs/performance.md
//! [docs/build-cost.md]: https://docs.rs/crate/keyway/latest/source/docs/build-cost.md
//! [docs/compare.md]: https://docs.rs/crate/keyway/latest/source/docs/compare.md
//! [specs/README.md]: https://docs.rs/crate/keyway/latest/source/specs/README.md
//! [SECURITY.md]: https://docs.rs/crate/keyway/latest/source/SECURITY.md
//! [ARCHITECTURE.md]: https://docs.rs/crate/keyway/latest/source/ARCHITECTURE.md
//! [CONTRIBUTING.md]: https://docs.rs/crate/keyway/latest/source/CONTRIBUTING.md
//! [CHANGELOG.md]: https://docs.rs/crate/keyway/latest/source/CHANGELOG.md
//! [LICENSE-MIT]: https://docs.rs/crate/keyway/latest/source/LICENSE-MIT
//! [LICENSE-APACHE]: https://docs.rs/crate/keyway/latest/source/LICENSE-APACHE
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// With fewer surfaces some shared pieces have no user; with all of them dead code is told.
#![cfg_attr(not(every_surface), allow(dead_code, unused_imports, unused_macros))]

use std::{future::Future, pin::Pin};

#[cfg(test)]
#[macro_use]
extern crate macro_rules_attribute;
// The tests of this crate are checked for leaks as all others are.
#[cfg(test)]
extern crate self as keyway;
#[cfg(test)]
#[macro_use]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]
#[path = "../tests/leak_check/mod.rs"]
mod leak_check;

/// The code of the pages below `docs/` is compiled, and run unless it says `no_run`.
#[cfg(all(
    doctest,
    every_surface,
    feature = "oauth2",
    feature = "postgres",
    feature = "redis",
    feature = "sealed",
    feature = "testing"
))]
mod papers {
    #[doc = include_str!("../docs/guide/1-first-call.md")]
    struct FirstCall;
    #[doc = include_str!("../docs/guide/2-first-test.md")]
    struct FirstTest;
    #[doc = include_str!("../docs/guide/3-first-deployment.md")]
    struct FirstDeployment;
    #[doc = include_str!("../docs/guide/4-second-process.md")]
    struct SecondProcess;
    #[doc = include_str!("../docs/guide/5-second-machine.md")]
    struct SecondMachine;
    #[doc = include_str!("../docs/guide/6-first-incident.md")]
    struct FirstIncident;
    #[doc = include_str!("../docs/guide/7-own-vendor.md")]
    struct OwnVendor;
    #[doc = include_str!("../docs/documents.md")]
    struct OwnDocument;
    #[doc = include_str!("../docs/people.md")]
    struct People;
    #[doc = include_str!("../docs/stores.md")]
    struct Stores;
    #[doc = include_str!("../specs/orderingstack.md")]
    struct Specs;
}

/// What the code of [`include_document!`] stands on. Not for anybody else: it changes with `keyway-build`.
#[doc(hidden)]
pub mod __private {
    pub use crate::HasSession;
    pub use crate::http::{
        Core,
        document::flow,
        facts,
        outside::{Permit, base, client, free, session},
        runtime,
    };
    pub use {reqwest, serde, serde_json};
}
#[cfg(feature = "blocking")]
pub mod blocking;
mod chance;
mod clock;
mod credential;
mod digest;
mod error;
#[cfg(all(test, feature = "redis"))]
mod fleet;
#[cfg(all(any(test, fuzzing), every_surface))]
pub mod fuzzing;
mod generated;
mod http;
mod line;
mod question;
mod retry;
mod secret;
mod select;
mod session;
#[cfg(feature = "sessions")]
mod sessions;
mod store;
mod surfaces;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
#[cfg(feature = "testing")]
mod witness;

/// The HTTP client below, in the version whose types `.http(|builder| ..)` and free calls take and give.
pub use reqwest;

pub use clock::{Clock, SystemClock};
pub use credential::{CredentialSource, SourceError};
pub use error::{Error, ErrorKind, Result, Validation};
#[cfg(feature = "tower")]
pub use http::layer::{SessionLayer, SessionService};
#[cfg(feature = "middleware")]
pub use http::middleware::SessionMiddleware;
pub use http::{
    document::{Document, FlowKind, SecurityFlow},
    outside::{Download, HasSession},
    pages::Pages,
    request::{Http, RequestBuilder},
    runtime::{Optional, ResponseValue},
    upload::File,
};
pub use question::{AccessKey, ActiveSession, Captcha, DeviceCode, SecondFactor, SessionId, SessionLimit, SignInPage};
pub use retry::{Retry, Timeouts};
pub use secret::Secret;
#[cfg(feature = "metrics")]
pub use session::telemetry;
#[cfg(feature = "totp")]
pub use session::totp::TotpSource;
pub use session::{
    Lease, Profile, Resume, Session, SignOut,
    decide::Reason,
    dialogue::Answer,
    eviction::EvictionPolicy,
    report::{Report, ReportEvent, ReportLine},
    responder::Responder,
    tokens::Expiry,
    windows::Windows,
};
#[cfg(feature = "sessions")]
pub use sessions::{Lent, Sessions};
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "redis")]
pub use store::RedisStore;
pub use store::{ExpiringLock, FileStore, Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock};
#[cfg(feature = "sealed")]
pub use store::{Sealed, SealingKey, SealingKeys};

// One by one: of a name that a feature switches off, the compiler then says which feature that is.
pub use surfaces::custom;
#[cfg(feature = "oauth2")]
pub use surfaces::oauth2;
// The bundled vendors: `#[cfg(feature = "vms")] pub use surfaces::vms;` and so on, by the build script from `specs/`.
include!(concat!(env!("OUT_DIR"), "/vendors.rs"));

/// Includes the code that `keyway_build::document(..).generate("acme")` made in the build script: a module `acme` with the
/// vendor's operations, typed, for any session.
///
/// ```ignore
/// keyway::include_document!(acme);
///
/// let session = keyway::custom::Client::builder("https://acme.example").issuer(issuer).build()?;
/// let acme = acme::Client::new(&session);
/// let orders = acme.api().list_orders().limit(50).send().await?;
/// ```
#[macro_export]
macro_rules! include_document {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[allow(
            clippy::all,
            clippy::pedantic,
            missing_debug_implementations,
            missing_docs,
            rustdoc::all,
            unreachable_pub,
            unused,
            reason = "machine-written"
        )]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}

/// A boxed future that may be sent to another thread: what object-safe async traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
