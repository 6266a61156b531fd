//! A replica takes the place of the primary while sessions are renewed: what is lost, and what is spent twice.
//!
//! Every day one primary of each kind is killed under load. `.ci/long.d/failover` kills `KEYWAY_FAILOVERS` of them, and prints the
//! table of `docs/fleet.md`.

use crate::{
    children::{PATH, serving},
    cluster::Cluster,
    sentinel::Watched,
    server::{Server, until},
    vitamojo_client,
};
use keyway::{
    Generation, Key, Record, RedisStore, Store, StoreError, StoreLock, SystemClock,
    testing::{FakeVitaMojo, ManualClock},
    vitamojo,
};
use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Clients that share nothing but Redis.
const CLIENTS: usize = 4;

/// Renewals before the primary is killed, and after the replica has taken its place.
const RENEWALS: usize = 20;

fn rounds() -> usize {
    std::env::var("KEYWAY_FAILOVERS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// A save, and the one that it was made on top of.
type Confirmed = (Option<String>, String);

/// What Redis has confirmed.
#[derive(Clone, Default)]
struct Saves(Arc<Mutex<Vec<Confirmed>>>, Arc<OnceLock<Key>>);

impl Saves {
    /// How many are not among those that the last one was made on top of, step by step.
    fn lost(&self, stands: Option<Generation>) -> usize {
        let saves = self.0.lock().unwrap();
        let below: HashMap<_, _> = saves.iter().map(|(below, save)| (save.clone(), below.clone())).collect();
        let (mut at, mut found) = (stands.map(|generation| generation.to_text()), 0);
        while let Some(next) = at.as_ref().and_then(|at| below.get(at)) {
            (at, found) = (next.clone(), found + 1);
        }
        saves.len() - found
    }
}

/// A store that tells what was confirmed.
struct Telling(RedisStore, Saves);

impl Store for Telling {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        let save = new.generation();
        let _ = self.1.1.set(key.clone());
        let saved = self.0.compare_and_swap(key, old, new).await?;
        // What is no new token (when not to ask the vendor, say) has no generation of its own.
        if saved && old != Some(save) {
            self.1.0.lock().unwrap().push((old.map(|old| old.to_text()), save.to_text()));
        }
        Ok(saved)
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.0.lock(key, wait).await
    }
}

/// What came of one failover.
#[derive(Debug)]
struct Outcome {
    renewals: usize,
    lost: usize,
    twice: usize,
    sign_ins: usize,
    calls: usize,
    failed: usize,
    /// How long no session was renewed.
    gap: Duration,
    /// What callers were told of renewals that failed, and how often.
    told: BTreeMap<String, usize>,
}

/// Until so many more were renewed. A lock that its holder could not leave, because the primary was gone, is held for 25 s more.
async fn renewed(count: impl Fn() -> usize, more: usize) {
    let (wanted, until) = (count() + more, Instant::now() + Duration::from_secs(60));
    while count() < wanted {
        assert!(Instant::now() < until, "{} renewals, and {wanted} were awaited", count());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Renews and calls from all sides, kills the primary in the middle of it, and goes on.
async fn under_load(store: impl Fn() -> RedisStore, kill: impl FnOnce() + Send + 'static) -> Outcome {
    let fake = serving(FakeVitaMojo::builder().rotating(true).start().await);
    let (saves, is_over) = (Saves::default(), Arc::new(AtomicBool::new(false)));
    let (calls, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let told = Arc::new(Mutex::new(BTreeMap::new()));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let builder = vitamojo::Client::builder(fake.uri()).tenant("c36578d8-ffa6-4a5e-a808-400ee422028a");
        let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).clock(SystemClock);
        let client = builder.store(Telling(store(), saves.clone())).build().unwrap();
        // The first one signs in, the others take that over.
        client.session().lease().await.unwrap();
        let (is_over, calls, failed, told) = (is_over.clone(), calls.clone(), failed.clone(), told.clone());
        clients.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                // Says so if Redis is away; calls go on with the token there is.
                if let Err(error) = client.session().renew().await {
                    *told.lock().unwrap().entry(error.to_string()).or_default() += 1;
                }
                let answer = client.http().get(PATH).send().await;
                calls.fetch_add(1, Ordering::SeqCst);
                failed.fetch_add(usize::from(!answer.is_ok_and(|answer| answer.status() == 200)), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            client.session().close().await
        });
    }
    let count = || fake.count("refresh_token");
    renewed(count, RENEWALS).await;
    let (killed, signed_in) = (Instant::now(), fake.count("auth"));
    tokio::task::spawn_blocking(kill).await.unwrap();
    // One may have been out.
    renewed(count, 2).await;
    let gap = killed.elapsed();
    renewed(count, RENEWALS).await;
    is_over.store(true, Ordering::SeqCst);
    while let Some(closed) = clients.join_next().await {
        closed.unwrap().unwrap();
    }
    let stands = store().load(saves.1.get().unwrap()).await.unwrap().map(|kept| kept.generation());
    Outcome {
        renewals: fake.count("refresh_token"),
        lost: saves.lost(stands),
        twice: fake.reuses(),
        sign_ins: fake.count("auth") - signed_in,
        calls: calls.load(Ordering::SeqCst),
        failed: failed.load(Ordering::SeqCst),
        gap,
        told: told.lock().unwrap().clone(),
    }
}

/// One line of the table.
fn tell(what: &str, outcomes: &[Outcome]) {
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let longest = outcomes.iter().map(|outcome| outcome.gap).max().unwrap_or_default();
    let line = format!(
        "| {what} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |\n",
        outcomes.len(),
        sum(|of| of.renewals),
        sum(|of| of.lost),
        sum(|of| of.twice),
        sum(|of| of.sign_ins),
        sum(|of| of.calls),
        sum(|of| of.failed),
        longest.as_secs_f64(),
    );
    let told = outcomes.iter().flat_map(|outcome| &outcome.told);
    let told: String = told.map(|(said, often)| format!("- {often} times: {said}\n")).collect();
    std::io::stdout().write_all((line + &told).as_bytes()).unwrap();
}

/// What a failover may cost: the save that was under way, and with it a token and a sign-in.
fn is_bounded(outcome: &Outcome) {
    assert!(outcome.lost <= 1 && outcome.twice <= 1 && outcome.sign_ins <= outcome.twice, "{outcome:?}");
    assert_eq!(outcome.failed, 0, "{outcome:?}");
}

#[apply(leak_checked!)]
#[ignore = "waits for half a minute: .ci/long.d/failover"]
#[threads(2)]
async fn a_failover_by_sentinels_costs_one_save_at_most() {
    let mut outcomes = Vec::new();
    for _ in 0..rounds() {
        let Some(watched) = Watched::start(&[]) else { return };
        let watched = Arc::new(Mutex::new(watched));
        let (store, its) = (watched.lock().unwrap().store(), watched.clone());
        let outcome = under_load(
            move || store.clone(),
            move || {
                let mut watched = its.lock().unwrap();
                watched.primary.kill();
                watched.until_promoted();
            },
        );
        let outcome = outcome.await;
        is_bounded(&outcome);
        outcomes.push(outcome);
    }
    tell("Sentinel", &outcomes);
}

#[apply(leak_checked!)]
#[ignore = "waits for half a minute: .ci/long.d/failover"]
#[threads(2)]
async fn a_failover_in_a_cluster_costs_one_save_at_most() {
    let mut outcomes = Vec::new();
    for _ in 0..rounds() {
        let Some(cluster) = Cluster::start(true, &[]) else { return };
        let cluster = Arc::new(Mutex::new(cluster));
        let (store, its) = (cluster.lock().unwrap().store(), cluster.clone());
        let outcome = under_load(
            move || store.clone(),
            move || {
                let mut cluster = its.lock().unwrap();
                let has = |node: &Server| !node.ask::<Vec<String>>(&["KEYS", "keyway:*:session"]).is_empty();
                let at = cluster.primaries.iter().position(has).expect("one has it");
                cluster.primaries[at].kill();
                let replica = &cluster.replicas[at];
                until("the replica is the primary", || {
                    replica.ask::<String>(&["INFO", "replication"]).contains("role:master")
                });
            },
        );
        let outcome = outcome.await;
        is_bounded(&outcome);
        outcomes.push(outcome);
    }
    tell("Cluster", &outcomes);
}

/// A replica that had not heard of the last save, which was confirmed.
async fn without_the_last_save(
    settings: &[&str],
    first: impl AsyncFnOnce(&vitamojo::Client, &vitamojo::Client),
) -> Option<(usize, usize, usize)> {
    let mut watched = Watched::start(settings)?;
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = || vitamojo_client(&fake, &clock, watched.store());
    let (one, other) = (client(), client());
    one.session().lease().await.unwrap();
    other.session().lease().await.unwrap();
    let _: u64 = watched.primary.ask(&["WAIT", "1", "5000"]);
    watched.cut();
    // One renews. The other one does not look before the failover.
    let renewed = one.session().renew().await.map(drop).map_err(|error| error.to_string());
    assert_eq!(fake.count("refresh_token"), usize::from(renewed.is_ok()), "{renewed:?}");
    let refused = "refuses to write while it cannot persist or replicate";
    assert!(renewed.as_ref().is_ok_and(|()| settings.is_empty()) || renewed.is_err_and(|said| said.contains(refused)));
    watched.primary.kill();
    watched.until_promoted();
    clock.advance(Duration::from_secs(30));
    first(&one, &other).await;
    clock.advance(Duration::from_secs(11 * 60));
    let (ones, others) = (one.session().lease().await.unwrap(), other.session().lease().await.unwrap());
    assert_eq!(ones.generation(), others.generation(), "they are one again");
    Some((fake.count("refresh_token"), fake.reuses(), fake.count("auth")))
}

#[apply(leak_checked!)]
#[threads(2)]
async fn a_save_that_a_failover_loses_is_mended_by_the_process_that_made_it() {
    let came = without_the_last_save(&[], async |one, _| {
        one.session().renew().await.unwrap();
    });
    let Some(came) = came.await else { return };
    assert_eq!(came, (3, 0, 1), "renewals, tokens spent twice, sign-ins");
}

#[apply(leak_checked!)]
#[threads(2)]
async fn a_save_that_a_failover_loses_costs_a_sign_in_where_another_process_comes_first() {
    let came = without_the_last_save(&[], async |_, other| {
        other.session().renew().await.unwrap();
    });
    let Some((_, twice, sign_ins)) = came.await else { return };
    assert_eq!((twice, sign_ins), (1, 2), "tokens spent twice, sign-ins");
}

/// The primary refuses what no replica takes, and so the lock as well: the vendor is not asked.
#[apply(leak_checked!)]
#[threads(2)]
async fn nothing_is_spent_or_lost_where_a_primary_without_its_replica_takes_no_writes() {
    let settings = ["--min-replicas-to-write 1", "--min-replicas-max-lag 1"];
    let Some(came) = without_the_last_save(&settings, async |_, _| {}).await else { return };
    assert_eq!(came, (1, 0, 1), "renewals, tokens spent twice, sign-ins");
}
