//! A long day with all five vendors: twenty-four clients, and faults, ends, revocations, sign-outs and clocks that jump.
//!
//! The day goes on in rounds, each with fakes, clients and a runtime of its own, until `KEYWAY_SOAK_SECONDS` are over (3 if
//! nobody says). `KEYWAY_SOAK_SEED` chooses what happens; in which order the tasks run is the machine's choice. At the end of
//! each round nobody may have used another's token, none may have been spent twice but after a lost answer, nothing may have
//! leaked, panicked or got stuck, and every client has to be well again; at the end of the day memory has to be as before.
//!
//! `KEYWAY_SOAK_DEFECT` does one of these wrongs on purpose, so that the looking can be looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

mod day;
mod measure;
mod vendors;

use day::{Actor, Misfortunes, recover};
use keyway::testing::{Fake, FakeVitaMojo, ManualClock};
use measure::{Dice, ROUNDS_TO_TELL, Tally, Watchdog, is_flat, resident};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    env,
    future::pending,
    hash::{BuildHasher, RandomState},
    panic,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, task::JoinSet, time::timeout};
use vendors::{Vendor, everybody};

/// What each client does in a round.
const STEPS: usize = 20;
/// Real time in which whatever was begun has to end once all faults are healed.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const DAY: &str = "a_long_day_with_all_five_vendors_leaves_nothing_behind";

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_long_day_with_all_five_vendors_leaves_nothing_behind() {
    let seconds = env::var("KEYWAY_SOAK_SECONDS").map_or(3, |seconds| seconds.parse().expect("seconds"));
    let seed =
        env::var("KEYWAY_SOAK_SEED").map_or_else(|_| RandomState::new().hash_one(0), |s| s.parse().expect("a seed"));
    let defect = env::var("KEYWAY_SOAK_DEFECT").ok();
    println!("KEYWAY_SOAK_SECONDS={seconds} KEYWAY_SOAK_SEED={seed}");
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        print(panic);
    }));
    let began = Instant::now();
    let watchdog = Watchdog::wake();
    let (mut dice, mut memory, mut tally) = (Dice(seed), Vec::new(), Tally::default());
    let least = if defect.as_deref() == Some("memory") { ROUNDS_TO_TELL } else { 1 };
    while memory.len() < least || began.elapsed() < Duration::from_secs(seconds) {
        let round = Round { seed: dice.roll(), answers_are_lost: memory.len() % 2 == 1, defect: defect.clone() };
        // Each round is a check of its own: what it noted is looked through and forgotten.
        leak_check::checked(|| tally.add(round.play()));
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
        memory.push(resident());
        watchdog.pat();
    }
    println!("{} rounds in {:?}: {tally}", memory.len(), began.elapsed());
    is_flat(&memory);
}

struct Round {
    seed: u64,
    /// Whether answers to renewals are lost: only then may a token be spent twice.
    answers_are_lost: bool,
    defect: Option<String>,
}

impl Round {
    fn play(self) -> Tally {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tally = runtime.block_on(self.day());
        runtime.block_on(async {
            let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let gone = async {
                while alive() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            // Where a task is stuck on purpose there is nothing to hope for.
            let patience = if self.defect.is_some() { PATIENCE / 30 } else { PATIENCE / 4 };
            assert!(timeout(patience, gone).await.is_ok(), "{} tasks are stuck", alive());
        });
        tally
    }

    async fn day(&self) -> Tally {
        let (clock, mut dice) = (ManualClock::new(), Dice(self.seed));
        let (vendors, actors) = everybody(&clock).await;
        let (vendors, over) = (Arc::new(vendors), Arc::new(AtomicBool::new(false)));
        let misfortunes = Misfortunes { vendors: vendors.clone(), clock: clock.clone(), loses: self.answers_are_lost };
        let misfortunes = tokio::spawn(misfortunes.goes_on(Dice(dice.roll()), over.clone()));
        let mut days = JoinSet::new();
        for actor in &actors {
            days.spawn(actor.clone().day(Dice(dice.roll())));
        }
        let mut tally = Tally::default();
        let all = async {
            while let Some(day) = days.join_next().await {
                tally.add(day.expect("an actor panicked"));
            }
        };
        assert!(timeout(PATIENCE, all).await.is_ok(), "actors are stuck");
        over.store(true, Ordering::SeqCst);
        misfortunes.await.expect("the misfortunes panicked");
        recover(&vendors, &actors, &clock).await;
        self.do_wrong(&actors, &vendors).await;
        for vendor in vendors.iter() {
            let (lost, reuses) = (vendor.lost(), (vendor.reuses)());
            tally.lost += lost;
            tally.reuses += reuses;
            assert!(reuses <= lost, "{reuses} tokens were spent twice, and {lost} answers were lost");
            nobody_used_anothers(vendor.fake());
        }
        tally
    }

    /// What the looking has to notice.
    async fn do_wrong(&self, actors: &[Actor], vendors: &[Vendor]) {
        match self.defect.as_deref() {
            None => {}
            Some("tenant") => {
                // The first two are of one user, the third of another one at the same vendor.
                let lease = actors[0].session.lease().await.unwrap();
                for user in [actors[0].user, actors[2].user] {
                    let call = actors[2].http.get("/some/things").headers(lease.headers().clone());
                    call.header("x-client", user).send().await.unwrap();
                }
            }
            Some("leak") => {
                let lease = actors[0].session.lease().await.unwrap();
                tracing::info!("the token is {}", lease.token().unwrap().expose());
            }
            Some("reuse") => {
                // The token of a sign-in of its own: the misfortunes may have ended any other.
                let (fake, vendor) = (vendors[0].fake(), reqwest::Client::new());
                let login = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
                let sign_in = vendor.post(format!("{}/user/v1/auth", fake.uri())).json(&login);
                let told: Value = sign_in.send().await.unwrap().json().await.unwrap();
                let token = told["payload"]["token"]["refresh"].as_str().expect("a refresh token");
                for _ in 0..2 {
                    let renewal = vendor.put(format!("{}/user/v1/auth/refresh/{token}", fake.uri()));
                    renewal.send().await.unwrap();
                }
            }
            Some("panic") => assert!(tokio::spawn(async { panic!("on purpose") }).await.is_err()),
            Some("stuck") => drop(tokio::spawn(pending::<()>())),
            Some("memory") => drop(Box::leak(vec![1_u8; 24 * 1024 * 1024].into_boxed_slice())),
            Some(other) => panic!("what is the defect `{other}`?"),
        }
    }
}

/// Every call says who it is of; a token that comes with two names was lent to the wrong one.
fn nobody_used_anothers(fake: &Fake) {
    let mut owners = HashMap::new();
    for seen in fake.saw() {
        if let (Some(token), Some(user)) = (seen.bearer.as_deref(), seen.header("x-client")) {
            let owner = owners.entry(token.to_owned()).or_insert_with(|| user.to_owned());
            assert!(token == "unknown" || owner == user, "{token} of {owner} was used by {user}");
        }
    }
}

/// Each wrong, done on purpose in a process of its own, is noticed and named.
#[apply(leak_checked!)]
fn every_kind_of_wrong_is_noticed() {
    let wrongs = [
        ("tenant", "was used by"),
        ("leak", "a log shows the secret"),
        ("reuse", "tokens were spent twice"),
        ("panic", "something panicked"),
        ("stuck", "tasks are stuck"),
        ("memory", "memory grows"),
    ];
    // Most of their time they wait.
    let days = wrongs.map(|(wrong, said)| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", DAY, "--nocapture"]).env("KEYWAY_SOAK_DEFECT", wrong).env("KEYWAY_SOAK_SECONDS", "1");
        let day = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        (wrong, said, thread::spawn(move || day.wait_with_output().unwrap()))
    });
    let mut unnoticed = Vec::new();
    for (wrong, said, day) in days {
        let told = day.join().unwrap();
        let text = [told.stdout, told.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if told.status.success() || !text.contains(said) {
            unnoticed.push(format!("`{wrong}` was not noticed: {text}"));
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
