//! Processes that save and lock until they are killed.

use super::{PATIENCE, Process, tell};
use keyway::{Record, Store, testing};

/// Long enough to be written in more than one piece.
pub(crate) fn churned(counter: u64) -> Record {
    let token = "t".repeat(20_000);
    let json = format!(
        r#"{{"schema":2,"lineage":1,"counter":{counter},"session":{{"access":"{token}","issued_ms":1,"ends":"never"}}}}"#
    );
    Record::from_json(&json).unwrap()
}

/// Saves and saves, with the lock and without, and says each time what is safe now.
pub(crate) async fn churn(store: impl Store) {
    let key = testing::key("churn");
    for round in 0_u64.. {
        let lock = match round % 2 {
            0 => Some(store.lock(&key, PATIENCE).await.unwrap()),
            _ => None,
        };
        let seen = store.load(&key).await.unwrap().map(|record| record.generation());
        let next = seen.map_or(1, |seen| seen.counter() + 1);
        if store.compare_and_swap(&key, seen, churned(next)).await.unwrap() {
            tell(next);
        }
        drop(lock);
    }
}

pub(crate) fn saved(process: &mut Process) -> u64 {
    process.hear().parse().unwrap()
}

pub(crate) fn next_saved_after(process: &mut Process, counter: u64) -> u64 {
    loop {
        let saved = saved(process);
        if saved > counter {
            return saved;
        }
    }
}
