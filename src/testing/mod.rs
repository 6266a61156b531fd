//! Room 6: for your tests. A clock that you move, and a fake of each vendor that keeps state as the vendor does.
//!
//! A fake is a server on a free port of 127.0.0.1, on a thread of its own: it belongs to no runtime, and closes when it
//! is dropped. It is written from the bundled document of its surface and answers with the vendor's own examples,
//! wherever an answer is not made of its state.
//!
//! | | |
//! |---|---|
//! | [`ManualClock`] | time passes when the test says so; also clock jumps and a sleeping machine |
//! | [`FakeVitaMojo`] | tokens that end, renewal in both dialects, rotation that punishes re-use |
//! | [`FakeOrderingStack`] | all grants of a token service, devices, tenants that never mix |
//! | [`FakeShopmonkey`] | API keys, pages that repeat, failures inside a 200 |
//! | [`FakeVms`] | a limit of sessions, captchas, throttles |
//! | [`FakeVtex`] | app keys, sign-in by mail, failures inside a 200 |
//! | [`Fake`] | what all of them can do: log, counts, expectations, gates, faults |
//!
//! The vendor can take its time, and fail, when the test wants it:
//!
//! ```
//! use keyway::testing::{FakeVms, Fault};
//! use reqwest::StatusCode;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fake = FakeVms::start().await;
//! let settings = format!("{}/api/v1/static/basic", fake.uri());
//!
//! fake.next("get_basic_static", Fault::Html(502)); // the next answer only
//! assert_eq!(reqwest::get(&settings).await?.status(), StatusCode::BAD_GATEWAY);
//!
//! let gate = fake.hold("get_basic_static");
//! let (one, two) = (tokio::spawn(reqwest::get(settings.clone())), tokio::spawn(reqwest::get(settings)));
//! gate.arrived(2).await; // both are answered, and neither knows yet
//! gate.open();
//! assert!(one.await??.status().is_success() && two.await??.status().is_success());
//!
//! assert_eq!(fake.count("get_basic_static"), 3);
//! # Ok(())
//! # }
//! ```

mod account;
mod calendar;
mod captcha;
mod clock;
mod device;
mod document;
mod door;
mod exchange;
mod fake;
mod fault;
mod gate;
mod lineage;
mod log;
mod mint;
mod orderingstack;
mod picture;
mod server;
mod shopmonkey;
mod storefront;
mod tenant;
mod throttle;
mod units;
mod vitamojo;
mod vms;
mod vtex;

pub use clock::ManualClock;
pub use fake::Fake;
pub use fault::Fault;
pub use gate::Gate;
pub use log::Seen;
pub use orderingstack::{ExpiresIn, FakeOrderingStack, FakeOrderingStackBuilder};
pub use shopmonkey::{FakeShopmonkey, FakeShopmonkeyBuilder};
pub use vitamojo::{FakeVitaMojo, FakeVitaMojoBuilder, RefreshDialect};
pub use vms::{FakeVms, FakeVmsBuilder, VmsSession};
pub use vtex::{FakeVtex, FakeVtexBuilder};

/// The key of a session that there is not, for tests of a [`Store`](crate::Store) of your own. Names that differ make keys that differ.
///
/// ```
/// use keyway::{MemoryStore, Record, Store, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), keyway::StoreError> {
/// let (store, key) = (MemoryStore::new(), testing::key("one"));
/// let record = Record::from_json(r#"{"schema":2,"lineage":7,"counter":1}"#)?;
/// assert!(store.compare_and_swap(&key, None, record).await?);
/// assert!(store.load(&testing::key("another")).await?.is_none());
/// # Ok(()) }
/// ```
#[must_use]
pub fn key(name: &str) -> crate::Key {
    crate::Key::new("testing", &[("name", name)])
}
