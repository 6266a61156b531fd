//! A simulation of fleets: the engine and the Redis store as they are, for as many processes as it is told, in a time that
//! moves on when no task has anything to do. What stands in the place of Redis and of the vendor answers and counts.
//!
//! `docs/fleet.md` holds its figures, between two marks; this holds them together. `KEYWAY_BLESS=1` writes them anew.

mod vendor;

use crate::{
    Secret, Session,
    chance::Chance,
    clock::{Clock, PausedClock},
    retry::Timeouts,
    session::{Settings, eviction::EvictionPolicy, tokens::Expiry, windows::Windows},
    store::{Key, RedisStore, Store, redis::model::Model},
};
use http::HeaderMap;
use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use vendor::{LIFE, SimulatedIssuer, SimulatedVendor};

/// There and back, within one site.
const TO_REDIS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Processes that share nothing but Redis.
struct Fleet {
    clock: PausedClock,
    vendor: Arc<SimulatedVendor>,
    redis: Arc<Model>,
    key: Key,
    processes: Vec<Session>,
    dice: Chance,
}

/// What a stretch of time came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figures {
    sign_ins: u64,
    renewals: u64,
    reuses: u64,
    commands: u64,
    busiest: u64,
    /// The longest that a call waited for its token.
    longest: Duration,
    failed: u64,
}

impl Fleet {
    fn of(size: u64) -> Self {
        Self::with(size, None)
    }

    fn with_password(size: u64) -> Self {
        Self::with(size, Some(Secret::from("correct horse battery staple")))
    }

    fn with(size: u64, password: Option<Secret>) -> Self {
        let clock = PausedClock::new();
        let vendor = Arc::new(SimulatedVendor { clock, ledger: Mutex::default() });
        let redis = Arc::new(Model::new(Arc::new(clock), TO_REDIS));
        let key = Key::new("simulated", &[]);
        let processes = (0..size).map(|number| {
            let store = RedisStore::simulated(redis.clone(), Chance::seeded(2 * number));
            Session::new(Settings {
                key: key.clone(),
                ledger: Key::new("simulated", &[("attempts", "")]),
                issuer: Arc::new(SimulatedIssuer { vendor: vendor.clone(), password: password.clone() }),
                store: Arc::new(store),
                shared: true,
                clock: Arc::new(clock),
                responder: None,
                evict: EvictionPolicy::Never,
                windows: Windows::default(),
                timeouts: Timeouts::default(),
                constant: HeaderMap::new(),
                chance: Chance::seeded(2 * number + 1),
            })
        });
        let processes = processes.collect();
        Self { clock, vendor, redis, key, processes, dice: Chance::seeded(0xdead) }
    }

    /// Every process makes `calls` calls, one each `pause`, the first within that. Then everything comes to rest.
    async fn call(&self, calls: u32, pause: Duration) -> Figures {
        let before = self.counted();
        let _ = self.redis.count();
        let tasks = self.processes.iter().map(|session| {
            let (session, clock, first) = (session.clone(), self.clock, pause.mul_f64(self.dice.share()));
            tokio::spawn(async move {
                let (mut longest, mut failed) = (Duration::ZERO, 0);
                clock.sleep(first).await;
                for call in 0..calls {
                    if call > 0 {
                        clock.sleep(pause).await;
                    }
                    let began = clock.monotonic();
                    failed += u64::from(session.lease().await.is_err());
                    longest = longest.max(clock.monotonic() - began);
                }
                session.close().await.expect("everything is saved");
                (longest, failed)
            })
        });
        let tasks = tasks.collect::<Vec<_>>();
        let (mut longest, mut failed) = (Duration::ZERO, 0);
        for task in tasks {
            let (waited, failures) = task.await.expect("a process");
            longest = longest.max(waited);
            failed += failures;
        }
        // The locks that were left last are free a moment later.
        self.clock.sleep(SECOND).await;
        let (after, (commands, busiest)) = (self.counted(), self.redis.count());
        let [sign_ins, renewals, reuses] = [0, 1, 2].map(|at: usize| after[at] - before[at]);
        Figures { sign_ins, renewals, reuses, commands, busiest, longest, failed }
    }

    fn counted(&self) -> [u64; 3] {
        let ledger = self.vendor.ledger();
        [ledger.sign_ins, ledger.renewals, ledger.reuses]
    }

    /// Lets time pass until the token that everybody has lives for so long only.
    async fn until_left(&self, left: Duration) {
        let Expiry::At(end) = self.processes[0].lease().await.expect("a token").expiry() else { panic!("no end") };
        let wait = end.duration_since(self.clock.wall() + left).unwrap_or_default();
        self.clock.sleep(wait).await;
    }

    fn store(&self) -> RedisStore {
        RedisStore::simulated(self.redis.clone(), Chance::seeded(0xbeef))
    }
}

/// Begins to call a little before the window in which the token is renewed behind the calls, and goes on beyond that.
async fn use_on(fleet: &Fleet) -> Figures {
    fleet.until_left(SECOND * 150).await;
    fleet.call(7, SECOND * 20).await
}

/// Everything that can happen to a fleet of this size while nothing goes wrong.
async fn ordinary(size: u64) -> Vec<(&'static str, Figures)> {
    let fleet = Fleet::of(size);
    let start = fleet.call(1, SECOND * 60).await;
    let renewal = use_on(&fleet).await;
    fleet.clock.sleep(LIFE * 6).await;
    let night = fleet.call(1, SECOND).await;
    vec![
        ("all start within a minute", start),
        ("a renewal while all call", renewal),
        ("all call within a second, the token ended", night),
    ]
}

/// What goes wrong, for a thousand processes.
async fn mishaps() -> Vec<(&'static str, Figures)> {
    let fleet = Fleet::of(1000);
    fleet.call(1, SECOND * 60).await;
    fleet.clock.sleep(LIFE * 6).await;
    // As a process that is killed the moment it has the lock.
    std::mem::forget(Store::lock(&fleet.store(), &fleet.key, SECOND).await.expect("free"));
    let killed = fleet.call(1, SECOND).await;

    // Between the moment the window begins and that at which callers would wait.
    fleet.until_left(SECOND * 150).await;
    fleet.redis.shut(true);
    let (down, ()) = tokio::join!(fleet.call(14, SECOND * 10), async {
        fleet.clock.sleep(SECOND * 60).await;
        fleet.redis.shut(false);
    });

    // One renews, and what it saved is lost before anybody else has seen it.
    fleet.until_left(SECOND * 100).await;
    let old = fleet.redis.names().clone();
    fleet.processes[0].lease().await.expect("a token");
    fleet.processes[0].close().await.expect("everything is saved");
    *fleet.redis.names() = old;
    let lost = fleet.call(8, SECOND * 10).await;
    vec![
        ("the holder of the lock is killed, the token ended", killed),
        ("Redis is down for a minute of the window", down),
        ("a failover loses the save of a renewal", lost),
    ]
}

/// Calls one after the other, of every process, until `end`; the first failure after the vendor works again would count.
struct FleetCaller {
    session: Session,
    clock: PausedClock,
    pause: Duration,
}

/// What callers saw.
#[derive(Debug, Default, Clone, Copy)]
struct Served {
    served: u64,
    failed: u64,
    /// When the last of the processes was served again, after the vendor worked again.
    back: Duration,
}

impl FleetCaller {
    /// A call each `pause` for so long. `works`: when the vendor works again.
    async fn call(self, first: Duration, lasts: Duration, works: Duration) -> Served {
        let (began, mut seen) = (self.clock.monotonic(), Served::default());
        self.clock.sleep(first).await;
        while self.clock.monotonic() - began < lasts {
            let served = self.session.lease().await.is_ok();
            let since = (self.clock.monotonic() - began).saturating_sub(works);
            (seen.served, seen.failed) = (seen.served + u64::from(served), seen.failed + u64::from(!served));
            if served && seen.back.is_zero() {
                seen.back = since;
            }
            self.clock.sleep(self.pause).await;
        }
        seen
    }

    /// Every other call goes to an endpoint that answers 401 to whatever token, as the replay of calls sees it.
    async fn call_refused_endpoint(self, first: Duration, lasts: Duration) -> Served {
        const GOOD: u64 = 1;
        const REFUSED: u64 = 2;
        let (began, mut seen) = (self.clock.monotonic(), Served::default());
        self.clock.sleep(first).await;
        while self.clock.monotonic() - began < lasts {
            match self.session.lease().await {
                Ok(lease) if self.session.reject(lease.generation(), REFUSED) => {
                    // The call is sent again, once, with a new token.
                    if let Ok(lease) = self.session.lease().await {
                        let _ = self.session.reject(lease.generation(), REFUSED);
                    }
                }
                Ok(_) | Err(_) => {}
            }
            self.clock.sleep(self.pause / 2).await;
            let served = self.session.lease().await.is_ok();
            if served {
                self.session.worked(GOOD);
            }
            (seen.served, seen.failed) = (seen.served + u64::from(served), seen.failed + u64::from(!served));
            self.clock.sleep(self.pause / 2).await;
        }
        seen
    }
}

impl Fleet {
    fn callers(&self, pause: Duration) -> Vec<(FleetCaller, Duration)> {
        let caller = |session: &Session| FleetCaller { session: session.clone(), clock: self.clock, pause };
        self.processes.iter().map(|session| (caller(session), pause.mul_f64(self.dice.share()))).collect()
    }

    /// What all of them saw, and what was asked of the vendor meanwhile: sign-ins and renewals.
    async fn all(&self, tasks: Vec<tokio::task::JoinHandle<Served>>) -> (Served, u64, u64) {
        let before = self.counted();
        let mut all = Served::default();
        for task in tasks {
            let seen = task.await.expect("a process");
            all.served += seen.served;
            all.failed += seen.failed;
            all.back = all.back.max(seen.back);
        }
        let after = self.counted();
        (all, after[0] - before[0], after[1] - before[1])
    }

    /// The vendor is down for ten minutes when all start, and each of them calls every five seconds, for twenty minutes.
    async fn outage(&self) -> (Served, u64, u64) {
        const DOWN: Duration = Duration::from_secs(600);
        self.vendor.ledger().down = true;
        let works = async {
            self.clock.sleep(DOWN).await;
            self.vendor.ledger().down = false;
        };
        let calls = self.callers(SECOND * 5).into_iter();
        let tasks = calls.map(|(caller, first)| tokio::spawn(caller.call(first, DOWN * 2, DOWN))).collect();
        tokio::join!(self.all(tasks), works).0
    }

    /// All have a wrong password, and each of them calls every ten seconds for an hour.
    async fn wrong_password(&self) -> (Served, u64, u64) {
        self.vendor.ledger().refuses = true;
        let calls = self.callers(SECOND * 10).into_iter();
        let hour = SECOND * 3600;
        self.all(calls.map(|(caller, first)| tokio::spawn(caller.call(first, hour, hour))).collect()).await
    }

    /// One endpoint always answers 401; each process calls it, and a good one, every ten seconds for half an hour.
    async fn refused_endpoint(&self) -> (Served, u64, u64) {
        let calls = self.callers(SECOND * 10).into_iter();
        let tasks = calls.map(|(caller, first)| tokio::spawn(caller.call_refused_endpoint(first, SECOND * 1800)));
        self.all(tasks.collect()).await
    }
}

/// What goes wrong at the vendor's, or with what callers give: as one process, so a hundred.
async fn faults(size: u64) -> Vec<(String, Served, u64, u64)> {
    let of = if size == 1 { "1 process" } else { &format!("{size} processes") };
    let (down, sign_ins, renewals) = Fleet::with_password(size).outage().await;
    let mut rows = vec![(format!("the vendor is down for ten minutes: {of}"), down, sign_ins, renewals)];
    let (refused, sign_ins, renewals) = Fleet::with_password(size).wrong_password().await;
    rows.push((format!("a wrong password, for an hour: {of}"), refused, sign_ins, renewals));
    let (endpoint, sign_ins, renewals) = Fleet::with_password(size).refused_endpoint().await;
    rows.push((format!("an endpoint that always answers 401, for half an hour: {of}"), endpoint, sign_ins, renewals));
    rows
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

fn table(rows: &[(String, Figures)]) -> String {
    let mut table = String::from(
        "| | sign-ins | renewals | refresh tokens spent twice | Redis commands | in the busiest second | longest wait of a call |\n|---|---|---|---|---|---|---|\n",
    );
    for (what, figures) in rows {
        let Figures { sign_ins, renewals, reuses, commands, busiest, longest, .. } = figures;
        let (commands, busiest, wait) = (thousands(*commands), thousands(*busiest), longest.as_secs_f64());
        let _ =
            writeln!(table, "| {what} | {sign_ins} | {renewals} | {reuses} | {commands} | {busiest} | {wait:.1} s |");
    }
    table
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let parts = digits.as_bytes().rchunks(3).rev().map(|part| String::from_utf8_lossy(part).into_owned());
    parts.collect::<Vec<_>>().join(",")
}

/// What stands between `<!-- name -->` and `<!-- /name -->` of the paper is this.
fn compare(name: &str, table: &str) {
    const PAPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md");
    let paper = std::fs::read_to_string(PAPER).expect("docs/fleet.md");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = paper.split_once(&begin).expect("the mark that begins it");
    let (_, after) = rest.split_once(&end).expect("the mark that ends it");
    let rendered = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("KEYWAY_BLESS").is_some() {
        std::fs::write(PAPER, rendered).expect("written");
    } else {
        assert!(paper == rendered, "docs/fleet.md tells otherwise; KEYWAY_BLESS=1 writes it anew:\n{table}");
    }
}

/// However large it is: one sign-in or renewal, nothing spent twice, no call that failed.
fn rows_of(size: u64) -> Vec<(String, Figures)> {
    let rows = paused().block_on(ordinary(size)).into_iter().map(|(what, figures)| {
        assert_eq!((figures.reuses, figures.failed), (0, 0), "{size}: {what}: {figures:?}");
        assert_eq!(figures.sign_ins + figures.renewals, 1, "{size}: {what}: {figures:?}");
        (format!("{}: {what}", thousands(size)), figures)
    });
    rows.collect()
}

#[apply(leak_checked!)]
fn ten_processes_and_a_thousand_are_one_sign_in_and_one_renewal_each_time() {
    compare("small", &table(&[rows_of(10), rows_of(1_000)].concat()));
}

/// A hundred thousand take half a minute, or more where others want the processor: `.ci/long.d/fleet` has that patience.
#[apply(leak_checked!)]
fn a_large_fleet_is_one_sign_in_and_one_renewal_each_time() {
    if std::env::var_os("KEYWAY_FLEET").is_some() {
        compare("large", &table(&rows_of(100_000)));
    } else {
        rows_of(5_000);
    }
}

#[apply(leak_checked!)]
fn mishaps_cost_a_fleet_no_more_than_is_written() {
    let rows = paused().block_on(mishaps());
    for (what, figures) in &rows {
        assert_eq!(figures.failed, 0, "{what}: {figures:?}");
    }
    let [killed, down, lost] = [&rows[0].1, &rows[1].1, &rows[2].1];
    assert_eq!((killed.sign_ins, killed.renewals, killed.reuses), (0, 1, 0), "{killed:?}");
    assert_eq!((down.sign_ins, down.renewals, down.reuses), (0, 1, 0), "{down:?}");
    assert_eq!((lost.sign_ins, lost.renewals, lost.reuses), (1, 1, 1), "{lost:?}");
    compare("mishaps", &table(&rows.into_iter().map(|(what, figures)| (what.to_owned(), figures)).collect::<Vec<_>>()));
}

/// What a fault costs a fleet is what it costs one process.
#[apply(leak_checked!)]
fn a_fault_is_asked_about_by_one_process_however_many_there_are() {
    let mut table = String::from(
        "| | sign-ins | renewals | calls served | calls that failed | the last process is served again after |\n|---|---|---|---|---|---|\n",
    );
    let rows: Vec<_> = [1, 10, 100].into_iter().map(|size| paused().block_on(faults(size))).collect();
    for [(what, _, down, _), (_, _, refused, _), (_, endpoint, signed_in, renewed)] in
        rows.iter().map(|rows| <&[_; 3]>::try_from(rows.as_slice()).expect("three faults"))
    {
        let (_, _, alone, _) = &rows[0][0];
        assert!(*down <= alone + alone / 4, "{what}: {down} sign-ins, and {alone} of one process");
        assert_eq!((*refused, *signed_in, endpoint.failed), (1, 1, 0), "{what}");
        assert!(*renewed <= rows[0][2].3, "{what}: {renewed} renewals");
    }
    for row in (0..3).flat_map(|fault| rows.iter().map(move |rows| &rows[fault])) {
        let (what, Served { served, failed, back }, sign_ins, renewals) = row;
        let (served, failed) = (thousands(*served), thousands(*failed));
        let back = if back.is_zero() { "–".to_owned() } else { format!("{:.0} s", back.as_secs_f64()) };
        let _ = writeln!(table, "| {what} | {sign_ins} | {renewals} | {served} | {failed} | {back} |");
    }
    compare("faults", &table);
}
