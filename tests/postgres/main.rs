//! The Postgres store against a real Postgres, which the tests start for themselves on a free port of this machine.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

#[path = "../children/mod.rs"]
mod children;
mod laws;
mod locks;
mod outage;
mod processes;
mod safety;
mod server;
mod stored;

use keyway::{
    Generation, PostgresStore, Record,
    testing::{FakeVitaMojo, ManualClock},
    vitamojo,
};
use server::{Place, Server};

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(work) = children::work() else { return };
    children::run(processes::child(&work));
}

impl Place {
    /// Another one each time, as another process would have it.
    fn store(&self) -> PostgresStore {
        PostgresStore::connect(self.server.url()).unwrap().table(&self.table)
    }

    async fn ready() -> Option<Self> {
        let place = Self::open()?;
        place.store().create_table().await.unwrap();
        Some(place)
    }
}

impl Server {
    async fn store(&self) -> PostgresStore {
        let store = PostgresStore::connect(self.url()).unwrap();
        store.create_table().await.unwrap();
        store
    }
}

fn vitamojo_client(fake: &FakeVitaMojo, clock: &ManualClock, store: PostgresStore) -> vitamojo::Client {
    let builder = vitamojo::Client::builder(fake.uri()).tenant("c36578d8-ffa6-4a5e-a808-400ee422028a");
    let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
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
