//! The Redis store against a real Redis, which each test starts for itself on a free port of this machine.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

#[path = "../children/mod.rs"]
mod children;
mod cluster;
#[path = "../distant/mod.rs"]
mod distant;
mod failover;
mod laws;
mod locks;
mod outage;
mod processes;
mod safety;
mod sentinel;
mod server;
mod sessions;
mod stored;

use distant::{generation, record, vitamojo_client};
use keyway::{
    RedisStore,
    testing::{FakeVms, ManualClock},
    vms,
};

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(work) = children::work() else { return };
    children::run(processes::child(&work));
}

fn vms_client(fake: &FakeVms, clock: &ManualClock, store: RedisStore) -> vms::Client {
    let builder = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD);
    builder.clock(clock.clone()).store(store).build().unwrap()
}
