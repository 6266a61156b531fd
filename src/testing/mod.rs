//! For your tests: a clock that you move, and a fake of each vendor that keeps state as the vendor does.
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
//! | `FakeOAuth2` | with the feature `oauth2`: a provider of standard sign-ins |
//! | [`FakeApi`] | any vendor, made from its OpenAPI document |
//! | [`Fake`] | what all of them can do: log, counts, expectations, gates, faults |
//! | [`session_laws!`](session_laws), [`store_laws!`](store_laws) | all that Keyway promises, as tests of an issuer or of a store of your own |
//!
//! # A test of your own
//!
//! Say that this is your retry logic: three tries, with ten seconds between them.
//!
//! ```
//! # use keyway::{Clock, Error, vms};
//! # use reqwest::{Response, StatusCode};
//! # use std::time::Duration;
//! async fn cameras(vms: &vms::Client, clock: &impl Clock) -> Result<Response, Error> {
//!     for _ in 1..3 {
//!         let answer = vms.http().get("/api/v1/cameras").send().await?;
//!         if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
//!             return Ok(answer);
//!         }
//!         clock.sleep(Duration::from_secs(10)).await;
//!     }
//!     vms.http().get("/api/v1/cameras").send().await
//! }
//!
//! // Then this is its test.
//! use keyway::testing::{FakeVms, Fault, ManualClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = ManualClock::new();
//! let fake = FakeVms::builder().clock(clock.clone()).start().await;
//! fake.next_times("list_cameras", 2, Fault::Html(503)); // down, and down again
//! fake.expect("list_cameras", 3); // checked when the fake is dropped
//! fake.expect("get_token", 1); // the session outlives the outage
//! let vms = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD);
//! let vms = vms.clock(clock.clone()).build().expect("a client");
//!
//! let time_passes = async {
//!     for tries in 1..3 {
//!         fake.until("list_cameras", tries).await;
//!         clock.until_sleeping(1).await; // a barrier, not a guess
//!         clock.advance(Duration::from_secs(10)); // which takes no time at all
//!     }
//! };
//! let (answer, ()) = tokio::join!(cameras(&vms, &clock), time_passes);
//! assert_eq!(answer.expect("an answer").status(), 200);
//! # }
//! ```
//!
//! The same as a file: `examples/your_own_tests.rs`. An expectation that is not met panics, and tells what came instead:
//!
//! ```text
//! FakeVms: `get_token` was to be called once, but was called 2 times. It saw:
//!   get_basic_static: GET /api/v1/static/basic, answered with 200
//!   get_token: POST /api/v1/token, answered with 500
//!   …
//! ```
//!
//! # What can be told to a fake
//!
//! Before it starts, what the vendor is like: each fake's builder says it, from [`session_limit`](FakeVmsBuilder::session_limit)
//! and [`captcha_after`](FakeVmsBuilder::captcha_after) to [`rotating`](FakeOrderingStackBuilder::rotating) refresh tokens
//! that take their family with them, and [`token_life`](FakeVtexBuilder::token_life). All time is that of a [`ManualClock`],
//! if one is given.
//!
//! Then, what is to go wrong: one of these for the [`next`](Fake::next) call of an operation, for [some](Fake::next_times)
//! or for [all](Fake::always).
//!
//! | what goes wrong | [`Fault`] |
//! |---|---|
//! | the connection is cut: before the vendor has done anything, after, or in the middle of the answer | [`CutBefore`](Fault::CutBefore), [`CutAfter`](Fault::CutAfter), [`CutHalfway`](Fault::CutHalfway) |
//! | the answer is slow, from its head on or in its body | [`Delay`](Fault::Delay), [`SlowBody`](Fault::SlowBody) |
//! | the answer is a page, or nothing, or half of itself, or never ends, or is called something else | [`Html`](Fault::Html), [`Empty`](Fault::Empty), [`TruncatedJson`](Fault::TruncatedJson), [`Huge`](Fault::Huge), [`WrongContentType`](Fault::WrongContentType) |
//! | a member is null, of another type, a new value of an enum, or new altogether; or is missing | [`Member`](Fault::Member), [`WithoutMember`](Fault::WithoutMember) |
//! | the vendor says no, or not now, or something that you think up | [`Unauthorized`](Fault::Unauthorized), [`TooManyRequests`](Fault::TooManyRequests), [`Json`](Fault::Json) |
//! | the client cannot tell what time it is at the vendor's | [`WithoutDate`](Fault::WithoutDate) |
//! | the answer leads elsewhere | [`Redirect`](Fault::Redirect) |
//!
//! The vendor's clock can go wrong too ([`skew_clock`](Fake::skew_clock)), and an answer can be held until the test wants it:
//!
//! ```
//! use keyway::testing::FakeVms;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fake = FakeVms::start().await;
//! let settings = format!("{}/api/v1/static/basic", fake.uri());
//!
//! let gate = fake.hold("get_basic_static");
//! let (one, two) = (tokio::spawn(reqwest::get(settings.clone())), tokio::spawn(reqwest::get(settings)));
//! gate.arrived(2).await; // both are answered, and neither knows yet
//! gate.open();
//! assert!(one.await??.status().is_success() && two.await??.status().is_success());
//!
//! assert_eq!(fake.count("get_basic_static"), 2);
//! # Ok(())
//! # }
//! ```

mod account;
mod api;
mod builders;
mod calendar;
mod clock;
mod device;
mod document;
mod exchange;
mod fake;
mod fault;
mod gate;
mod key;
mod lineage;
mod log;
mod mint;
#[cfg(feature = "oauth2")]
mod oauth2;
mod orderingstack;
mod proxy;
mod runtime;
mod server;
mod session_law;
mod shopmonkey;
mod store_law;
mod throttle;
mod time;
mod vitamojo;
mod vms;
mod vtex;

#[doc(inline)]
pub use crate::__session_laws as session_laws;
#[doc(inline)]
pub use crate::__store_laws as store_laws;
/// The laws one by one, for the macros above. Their modules are private, so that the traits stand on pages of this one.
#[doc(hidden)]
pub mod __laws {
    pub use super::{session_law::*, store_law::*};
}
#[doc(hidden)]
pub mod witness {
    pub use crate::witness::{Exchange, Witness, tell};
}
#[doc(hidden)]
pub use crate::{
    __session_law_names, __session_law_tests, __store_law_names, __store_law_names_of_vendors, __store_law_tests,
};
pub use api::{FakeApi, FakeApiBuilder};
pub use clock::ManualClock;
pub use fake::Fake;
pub use fault::Fault;
pub use gate::Gate;
pub use key::key;
pub use log::Seen;
#[cfg(feature = "oauth2")]
pub use oauth2::{FakeOAuth2, FakeOAuth2Builder};
pub use orderingstack::{ExpiresIn, FakeOrderingStack, FakeOrderingStackBuilder};
pub use session_law::{ClientSetup, SessionFactory};
pub use shopmonkey::{FakeShopmonkey, FakeShopmonkeyBuilder};
pub use store_law::StoreFactory;
pub use vitamojo::{FakeVitaMojo, FakeVitaMojoBuilder, RefreshDialect};
pub use vms::{FakeVms, FakeVmsBuilder, VmsSession};
pub use vtex::{FakeVtex, FakeVtexBuilder};
