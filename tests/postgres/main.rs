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
#[path = "../distant/mod.rs"]
mod distant;
mod kept;
mod laws;
mod locks;
mod outage;
mod pooler;
mod processes;
mod safety;
mod server;
mod stored;

use distant::{generation, record, vitamojo_client};
use keyway::PostgresStore;
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
