//! Processes that save and lock until they are killed.

use super::{Job, PATIENCE, Process, tell};
use keyway::{Record, Store, testing};
use std::{
    env,
    hash::{BuildHasher, RandomState},
    thread,
    time::Duration,
};

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

/// `KEYWAY_KILLS` says how many; `.ci/long.d/kills` wants more than the everyday run.
pub(crate) fn kills(every_day: u64) -> u64 {
    env::var("KEYWAY_KILLS").map_or(every_day, |kills| kills.parse().unwrap())
}

/// Kills processes in the middle of whatever they do, some after they have saved `first` times: what is stored is whole and as
/// new as what any of them has confirmed, and the bystander goes on. Answers how new that is.
///
/// `raw` is what is stored as it stands, so that nothing can have been healed in between.
pub(crate) async fn killed_while_they_save(
    job: &Job,
    kills: u64,
    first: u64,
    bystander: &mut Process,
    raw: impl AsyncFn() -> String,
) -> u64 {
    // Something is stored before anybody is killed.
    let (random, mut newest) = (RandomState::new(), next_saved_after(bystander, 0));
    for kill in 0..kills {
        let mut victim = Process::start(job);
        let dice = random.hash_one(kill);
        for _ in 0..first + dice % 8 {
            newest = newest.max(saved(&mut victim));
        }
        // A kill at a random moment is what is tried; no outcome depends on its length.
        thread::sleep(Duration::from_micros(dice / 8 % 4000));
        victim.kill();
        newest = newest.max(victim.last_words().last().map_or(0, |last| last.parse().unwrap()));
        let record = Record::from_json(&raw().await).expect("a whole record");
        assert!(record.generation().counter() >= newest, "{} after {newest} was saved", record.generation());
        newest = newest.max(next_saved_after(bystander, newest));
    }
    newest
}

/// Nobody who was killed holds anything up.
pub(crate) async fn is_free(store: &impl Store) {
    let key = testing::key("churn");
    let _lock = store.lock(&key, Duration::from_secs(1)).await.expect("those who held it are gone");
    let last = store.load(&key).await.unwrap().unwrap().generation();
    assert!(store.compare_and_swap(&key, Some(last), churned(last.counter() + 1)).await.unwrap());
}
