//! What every session keeps to, as tests: [`session_laws!`](crate::testing::session_laws) runs them on one of yours.

mod factory;
mod fixture;
mod laws;
mod store;

pub use factory::{ClientSetup, SessionFactory};
pub use fixture::Fixture;
pub use laws::*;

use std::future::Future;

/// Runs one law to its end on a runtime of its own. What [`session_laws!`](crate::testing::session_laws) calls. One thread:
/// the laws count what happens while a task waits, and a second thread would make that a race.
///
/// # Panics
/// If the law does not hold.
#[doc(hidden)]
pub fn hold_session_law(law: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(law);
}

/// Runs the eighteen laws of sessions on a vendor of your own, as a test each: `session_laws!(Factory)`, at the place of a
/// module. `Factory` is a [`SessionFactory`](crate::testing::SessionFactory). The tests run on Tokio runtimes of their own.
///
/// The laws are listed in [`docs/laws.md`](https://docs.rs/crate/keyway/latest/source/docs/laws.md). All that the bundled
/// surfaces promise under concurrency, in outages and at sign-outs is among them. Your fake's document needs a name for each
/// operation that obtains tokens, and one call that needs a session.
///
/// ```
/// # #![allow(unused)]
/// use keyway::{
///     Error, Http, Session,
///     custom::{Attempt, Capabilities, Client, Issued, Issuer, Request, TokensAt},
///     testing::{ClientSetup, Fake, FakeApi, ManualClock, SessionFactory},
/// };
/// use std::time::Duration;
///
/// // This is your issuer.
/// struct Acme;
///
/// impl Issuer for Acme {
///     fn describe(&self) -> Capabilities {
///         Capabilities::new("acme", ".password(..)")
///     }
///
///     async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
///         let body = serde_json::json!({ "password": "open sesame" });
///         attempt.send(Request::post("/login").json(&body)).await?.tokens(&TokensAt::new("/access"))
///     }
/// }
///
/// // Then this is how the laws meet it.
/// struct FakeAcme(FakeApi);
///
/// impl SessionFactory for FakeAcme {
///     const OBTAIN: &'static [&'static str] = &["sign_in"];
///     const LIFE: Option<Duration> = None; // Acme does not say when a token ends
///     const PATH: &'static str = "/orders";
///     const CALL: &'static str = "get_orders";
///
///     async fn start(clock: &ManualClock, _: Option<Duration>) -> Self {
///         Self(FakeApi::builder(DOCUMENT).clock(clock.clone()).start().await)
///     }
///
///     fn fake(&self) -> &Fake {
///         &self.0
///     }
///
///     fn client(&self, setup: &ClientSetup) -> (Http, Session) {
///         let client = Client::builder(setup.root()).issuer(setup.issuer(Acme)).principal("till-7");
///         let client = client.clock(setup.clock()).store(setup.store()).build().expect("a client");
///         (client.http(), client.session().clone())
///     }
///
///     fn forget(&self) {
///         self.0.revoke_tokens();
///     }
/// }
///
/// const DOCUMENT: &str = r##"{ "openapi": "3.1.0", "paths": {
///     "/login": { "post": { "operationId": "signIn", "x-session-step": "sign-in",
///         "requestBody": { "content": { "application/json": { "schema": { "type": "object" } } } },
///         "responses": { "200": { "content": { "application/json": { "schema": { "type": "object", "properties": {
///             "access": { "type": "string", "x-essential": true } } } } } } } } },
///     "/orders": { "get": { "security": [{ "bearer": [] }], "responses": { "200": { "content": {
///         "application/json": { "example": [] } } } } } }
/// }, "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } } }"##;
///
/// #[cfg(test)]
/// mod acme {
///     keyway::testing::session_laws!(super::FakeAcme);
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// #     use keyway::testing::__laws as law;
/// #     law::l1_n_callers_are_one_sign_in_and_one_renewal::<FakeAcme>().await;
/// #     law::l15_a_panic_in_a_sign_in_stops_no_other_caller::<FakeAcme>().await;
/// # }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __session_laws {
    ($factory:ty) => {
        $crate::testing::__session_law_names!($crate::testing::__session_law_tests, $factory);
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __session_law_tests {
    ($factory:ty, $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::testing::__laws::hold_session_law($crate::testing::__laws::$law::<$factory>());
        }
    )*};
}

/// Gives the names of all laws to a macro.
#[macro_export]
#[doc(hidden)]
macro_rules! __session_law_names {
    ($macro:path, $factory:ty) => {
        $macro! { $factory,
            l1_n_callers_are_one_sign_in_and_one_renewal
            l2_dropping_every_caller_loses_nothing
            l3_a_failure_is_shared_and_then_cools_down
            l4_a_late_401_to_an_older_token_renews_nothing
            l5_inside_the_early_window_no_caller_waits
            l6_in_the_late_window_a_caller_waits_with_a_deadline
            l7_a_valid_token_survives_a_failed_renewal
            l8_what_is_served_can_be_found_in_the_store
            l9_two_processes_are_one_sign_in_and_one_renewal
            l10_a_sleep_and_a_jump_of_either_clock_are_noticed
            l11_a_sign_out_beats_the_sign_in_that_is_under_way
            l12_nothing_that_can_be_printed_holds_a_secret
            l13_credentials_go_to_the_own_origin_only
            l14_a_throttle_is_waited_for_even_by_an_explicit_sign_in
            l15_a_panic_in_a_sign_in_stops_no_other_caller
            l16_a_dead_runtime_stops_no_other_caller
            l17_two_sessions_never_mix
            l18_a_token_that_is_dead_on_arrival_never_spins
        }
    };
}
