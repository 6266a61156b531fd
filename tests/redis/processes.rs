//! Real processes on one Redis.

use crate::{
    children::{
        self, Job, answered, generations,
        halting::{self, Halting},
        serving, start,
    },
    server::Server,
};
use keyway::{
    RedisStore,
    testing::{FakeOrderingStack, FakeVitaMojo, FakeVms},
};
use std::{collections::HashSet, time::Duration};

/// The work of a child.
pub(crate) async fn child(work: &str) {
    let store = RedisStore::connect(children::place()).unwrap();
    match work.strip_prefix("halting ") {
        Some(surface) => children::serve(surface, Halting::new(store.lock_ttl(Duration::from_secs(1)))).await,
        None => children::serve(work, store).await,
    }
}

#[cfg(unix)]
#[apply(leak_checked!)]
async fn redis_holders_that_are_stopped_past_their_lease_neither_spend_nor_save() {
    let Some(server) = Server::start() else { return };
    halting::who_is_stopped_takes_over_what_others_obtained(&server.url()).await;
}

/// Four processes at each of three vendors, while every token is renewed again and again, and Redis
/// is killed and started anew in the middle.
#[apply(leak_checked!)]
async fn redis_keeps_one_session_for_four_processes_through_a_restart() {
    let Some(mut server) = Server::with(&["--appendonly yes", "--appendfsync always"]) else { return };
    let vita = serving(FakeVitaMojo::builder().rotating(true).start().await);
    let ordering = serving(FakeOrderingStack::builder().rotating(true).start().await);
    let vms = serving(FakeVms::start().await);
    let mut fleet = Vec::new();
    for (surface, uri, work) in [
        ("vitamojo", vita.uri(), "renew and call"),
        ("orderingstack", ordering.uri(), "renew and call"),
        ("vms", vms.uri(), "calls"),
    ] {
        let mut processes = start(4, &Job::of(surface, &uri, server.url()));
        assert_eq!(generations(&mut processes).len(), 1, "{surface}");
        processes.iter_mut().for_each(|process| process.say(work));
        fleet.push(processes);
    }
    let renewals = async |more| {
        answered(&vita, "refresh_token", more).await;
        answered(&ordering, "issue_token", more).await;
    };
    renewals(4).await;
    server.kill();
    // Calls go on without it.
    for fake in [&*vita, &*ordering, &*vms] {
        answered(fake, "other", 100).await;
    }
    server.restart();
    renewals(4).await;
    for process in fleet.iter_mut().flatten() {
        let told = process.ask("stop");
        let failed = told.split_once("failed ").unwrap().1;
        // A renewal that was asked for while Redis was down says so; no call failed.
        let only_renewals = failed.starts_with("{\"renewal: Store\": ") && !failed.contains(',');
        assert!(failed == "{}" || only_renewals, "{told}");
    }
    assert_eq!((vita.reuses(), ordering.reuses()), (0, 0));
    assert_eq!((vita.count("auth"), vms.count("get_token")), (1, 1));
    for processes in &mut fleet {
        let lineages = generations(processes).into_iter().map(|answer| answer[..12].to_owned());
        assert_eq!(lineages.collect::<HashSet<_>>().len(), 1);
    }
}

#[apply(leak_checked!)]
async fn redis_holders_that_are_killed_hold_up_others_no_longer_than_their_lease() {
    let Some(server) = Server::start() else { return };
    let vms = serving(FakeVms::start().await);
    let mut killed = start(1, &Job::of("halting vms", &vms.uri(), server.url())).pop().unwrap();
    killed.say("call");
    assert_eq!(killed.hear(), "halted");
    killed.kill();
    generations(&mut start(2, &Job::of("vms", &vms.uri(), server.url())));
    assert_eq!(vms.count("get_token"), 1);
}
