//! The Redis store against a real Redis, which each test starts for itself on a free port of this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

#[path = "../children/mod.rs"]
mod children;
mod cluster;
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

use keyway::{
    Generation, Record, RedisStore,
    testing::{FakeVitaMojo, FakeVms, ManualClock},
    vitamojo, vms,
};

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(work) = children::work() else { return };
    children::run(processes::child(&work));
}

fn vitamojo_client(fake: &FakeVitaMojo, clock: &ManualClock, store: RedisStore) -> vitamojo::Client {
    let builder = vitamojo::Client::builder(fake.uri()).tenant("c36578d8-ffa6-4a5e-a808-400ee422028a");
    let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
    builder.clock(clock.clone()).store(store).build().unwrap()
}

fn vms_client(fake: &FakeVms, clock: &ManualClock, store: RedisStore) -> vms::Client {
    let builder = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD);
    builder.clock(clock.clone()).store(store).build().unwrap()
}

fn record(lineage: u64, counter: u64) -> Record {
    let json = format!(
        r#"{{"schema":2,"lineage":{lineage},"counter":{counter},"session":{{"access":"a-{counter}","issued_ms":1,"ends":"never"}}}}"#
    );
    Record::from_json(&json).unwrap()
}

fn generation(lineage: u64, counter: u64) -> Generation {
    record(lineage, counter).generation()
}
