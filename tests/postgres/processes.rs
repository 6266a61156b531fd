//! Real processes on one Postgres.

use crate::{
    Place, Server,
    children::{
        self, Job, Process, answered,
        churn::{self, churn},
        generations,
        halting::{self, Halting},
        serving, start,
    },
    kept::in_time,
};
use keyway::{
    PostgresStore,
    testing::{FakeOrderingStack, FakeVitaMojo, FakeVms},
};
use std::{collections::HashSet, path::PathBuf, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The work of a child.
pub(crate) async fn child(work: &str) {
    if work == "keeping" {
        return keep().await;
    }
    let place = children::place();
    let (url, table) = place.split_once(' ').unwrap();
    let store = PostgresStore::connect(url).unwrap().table(table);
    match (work, work.strip_prefix("halting ")) {
        ("churn", _) => churn(store).await,
        (_, Some(surface)) => children::serve(surface, Halting::new(store.lock_ttl(Duration::from_secs(1)))).await,
        (surface, None) => children::serve(surface, store).await,
    }
}

/// Starts the server that tests share, and ends when it is told to.
async fn keep() {
    children::tell(Place::open().unwrap().server.folder().display());
    children::lines().recv().await;
}

/// Nothing is dropped there that all tests of a process share, nor anything that is killed.
#[apply(leak_checked!)]
fn a_postgres_whose_tests_have_ended_or_were_killed_is_gone_with_its_folder() {
    if Place::open().is_none() {
        return;
    }
    for killed in [true, false] {
        let mut process = Process::start(&Job::of("keeping", "", ""));
        let folder = PathBuf::from(process.hear());
        assert!(folder.join("data").exists());
        if killed {
            process.kill();
        } else {
            process.say("end");
        }
        assert!(in_time(|| !folder.exists()), "killed: {killed}, {}", folder.display());
    }
}

#[apply(leak_checked!)]
async fn eight_processes_on_postgres_are_one_sign_in_and_one_renewal() {
    let vita = serving(FakeVitaMojo::builder().rotating(true).start().await);
    let ordering = serving(FakeOrderingStack::builder().rotating(true).start().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri())] {
        let Some(place) = Place::ready().await else { return };
        let job = Job::of(surface, &uri, place.name());
        let before = generations(&mut start(8, &job));
        let after = generations(&mut start(8, &Job { ahead: DAY, ..job }));
        assert_eq!((before.len(), after.len()), (1, 1), "{surface}");
        assert!(after.is_disjoint(&before));
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token"), vita.reuses()), (1, 1, 0));
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
}

/// The vendor tells no end, so the 401 does.
#[apply(leak_checked!)]
async fn eight_processes_on_postgres_whose_token_is_refused_are_one_new_sign_in() {
    let Some(place) = Place::ready().await else { return };
    let fake = serving(FakeVms::start().await);
    let mut processes = start(8, &Job::of("vms", &fake.uri(), place.name()));
    let before = generations(&mut processes);
    fake.revoke_all();
    let after = generations(&mut processes);
    assert_eq!((before.len(), after.len(), fake.count("get_token")), (1, 1, 2));
    assert!(after.is_disjoint(&before));
}

/// They spend no refresh token twice, also while Postgres crashes and comes back.
#[apply(leak_checked!)]
async fn rotations_by_six_processes_on_postgres_use_no_token_twice_also_through_a_crash() {
    let Some(mut server) = Server::start() else { return };
    server.store().await;
    let fake = serving(FakeOrderingStack::builder().rotating(true).start().await);
    let place = format!("{} keyway_sessions", server.url());
    let mut processes = start(6, &Job::of("orderingstack", &fake.uri(), place));
    let before = generations(&mut processes);
    processes.iter_mut().for_each(|process| process.say("renew and call"));
    answered(&fake, "issue_token", 4).await;
    server.kill();
    // Calls go on without it.
    answered(&fake, "other", 100).await;
    server.restart();
    answered(&fake, "issue_token", 4).await;
    for process in &mut processes {
        let told = process.ask("stop");
        let failed = told.split_once("failed ").unwrap().1;
        // A renewal that was asked for while Postgres was down says so; no call failed.
        let only_renewals = failed.starts_with("{\"renewal: Store\": ") && !failed.contains(',');
        assert!(failed == "{}" || only_renewals, "{told}");
    }
    assert_eq!(fake.reuses(), 0);
    // One session from beginning to end: nobody had to sign in anew.
    let lineages = generations(&mut processes).into_iter().chain(before).map(|answer| answer[..12].to_owned());
    assert_eq!(lineages.collect::<HashSet<_>>().len(), 1);
}

#[apply(leak_checked!)]
async fn postgres_holders_that_are_stopped_past_their_time_neither_spend_nor_save() {
    let Some(place) = Place::ready().await else { return };
    halting::who_is_stopped_takes_over_what_others_obtained(&place.name()).await;
}

#[apply(leak_checked!)]
async fn a_process_that_is_killed_in_the_middle_of_a_sign_in_frees_its_postgres_lock() {
    let Some(place) = Place::ready().await else { return };
    let fake = serving(FakeVms::start().await);
    let mut processes = start(3, &Job::of("vms", &fake.uri(), place.name()));
    let gate = fake.hold("get_token");
    let mut killed = processes.pop().unwrap();
    killed.say("call");
    gate.arrived(1).await;
    processes.iter_mut().for_each(|process| process.say("call"));
    killed.kill();
    gate.open();
    let generations: HashSet<_> = processes.iter_mut().map(|process| process.hear()).collect();
    assert_eq!((generations.len(), fake.count("get_token")), (1, 2), "{generations:?}");
}

/// `KEYWAY_KILLS` says how many; `.ci/long.d/kills` wants more than the everyday run.
#[apply(leak_checked!)]
async fn processes_killed_while_they_save_in_postgres_lose_nothing_and_hold_up_nobody() {
    let Some(place) = Place::ready().await else { return };
    let job = Job::of("churn", "", place.name());
    let mut bystander = Process::start(&job);
    let row = format!("select record from {}", place.table);
    let raw = async || place.server.value(&row).await;
    churn::killed_while_they_save(&job, churn::kills(40), 1, &mut bystander, raw).await;
    bystander.kill();
    churn::is_free(&place.store()).await;
}
