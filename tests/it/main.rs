//! Keyway against its fakes, as a user would use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

#[macro_use]
mod delegating;

// `for_every_document!`, by the build script.
include!(concat!(env!("OUT_DIR"), "/for_every_document.rs"));
pub(crate) use for_every_document;

mod bad_input;
mod calls;
mod cancel;
mod counts;
mod custom;
mod custom_sending;
mod documents;
mod drift;
mod elsewhere;
mod engine;
mod errors_page;
mod every_surface;
mod expiry;
mod fake_api;
mod fakes;
mod folder;
mod friction;
mod goldens;
mod hardening;
mod judging;
mod laws;
mod leak_checks;
mod lease_for;
mod middleware;
mod mistakes;
mod nginx;
mod oauth2;
mod one_clock;
mod orderingstack;
mod orderingstack_grants;
mod outage;
mod people;
mod promises;
mod races;
mod raw;
mod readme;
mod renewal;
mod scale;
mod scripted_store;
mod sealed;
mod shared;
mod shopmonkey;
mod spec_readme;
mod store;
mod stores;
mod telling;
mod tls;
mod vendors;
mod vitamojo;
mod vms;
mod vtex;
mod vtex_password;
mod vtex_shopper;
mod wire;
mod world;

use keyway::{
    Secret,
    testing::{FakeVitaMojo, FakeVms, ManualClock},
};

/// A tenant as the vendor writes one.
const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

fn vms_client(fake: &FakeVms, clock: &ManualClock) -> keyway::vms::ClientBuilder {
    keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone())
}

fn vitamojo_client(fake: &FakeVitaMojo, clock: &ManualClock) -> keyway::vitamojo::ClientBuilder {
    vitamojo_client_at(&fake.uri(), clock)
}

fn vitamojo_client_at(address: &str, clock: &ManualClock) -> keyway::vitamojo::ClientBuilder {
    keyway::vitamojo::Client::builder(address)
        .password(FakeVitaMojo::EMAIL, Secret::from(FakeVitaMojo::PASSWORD))
        .tenant(TENANT)
        .clock(clock.clone())
}
