//! Tokens that end all the time, under 32 tasks that never stop asking for one.

use crate::{acme::Acme, lease::Floor, paper::Row};
use keyway::{Expiry, Lease, Session, Windows};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tokio::{runtime::Builder, task::JoinSet};

const TASKS: usize = 32;
const RENEWAL: Duration = Duration::from_millis(50);
const RUN: Duration = Duration::from_secs(5);
/// The longest get is that of the calmest of so many runs: whatever else the machine does only adds.
const TRIES: usize = 3;

pub(crate) fn rows() -> Vec<Row> {
    let rows = [Duration::from_millis(200), Duration::from_secs(1)].into_iter().flat_map(storm);
    rows.chain(as_it_comes()).collect()
}

/// Tokens that live for 200 ms, and a client that nobody has set anything for.
fn as_it_comes() -> Vec<Row> {
    let life = Duration::from_millis(200);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let run = |_| Storm::under(Windows::default(), life, life, cores.max(2) - 1);
    let runs: Vec<_> = (0..TRIES).map(run).collect();
    let late: u64 = runs.iter().map(|storm| storm.gets.late).sum();
    let gets: u64 = runs.iter().flat_map(|storm| &storm.gets.counts).sum();
    let calmest = runs.iter().map(|storm| storm.gets.longest).min().unwrap_or_default().as_secs_f64() * 1e3;
    let name = "tokens that live 200 ms, 32 tasks, default windows";
    vec![
        Row::new(format!("{name}: handed out after their end"), format!("{late} of {gets}"), "0".into()).aimed(
            "0",
            if late == 0 { 0.0 } else { 2.0 },
            1.0,
        ),
        Row::new(format!("{name}: the longest get"), format!("{calmest:.2} ms"), "50 ms: a renewal".into()).aimed(
            "at most 5 ms",
            calmest,
            5.0,
        ),
    ]
}

/// What the gets took, in nanoseconds, as a histogram of powers of two with eight steps each, and the longest.
struct Gets {
    counts: Vec<u64>,
    longest: Duration,
    errors: u64,
    /// Tokens that had ended before they were asked for.
    late: u64,
}

impl Gets {
    fn new() -> Self {
        Self { counts: vec![0; 64 * 8], longest: Duration::ZERO, errors: 0, late: 0 }
    }

    fn add(&mut self, took: Duration) {
        let nanos = (took.as_nanos() as u64).max(8);
        let power = nanos.ilog2();
        let step = (nanos >> (power - 3)) & 7;
        self.counts[power as usize * 8 + step as usize] += 1;
        self.longest = self.longest.max(took);
    }

    fn join(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.longest = self.longest.max(other.longest);
        self.errors += other.errors;
        self.late += other.late;
    }

    /// Microseconds that this share of the gets stayed below.
    fn below(&self, share: f64) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let mut left = (all as f64 * share) as u64;
        for (at, count) in self.counts.iter().enumerate() {
            if *count > left {
                let (power, step) = (at / 8, at % 8);
                return (8 + step + 1) as f64 * 2f64.powi(power as i32 - 3) / 1e3;
            }
            left -= count;
        }
        0.0
    }
}

/// What came of it.
struct Storm {
    gets: Gets,
    cached: Gets,
    renewals_per_life: f64,
}

impl Storm {
    /// So many threads do nothing else for a while.
    fn of(usable: Duration, threads: usize) -> Self {
        let windows = Windows::default()
            .with_early_share(0.25)
            .with_early_min(Duration::ZERO)
            .with_late_share(0.0)
            .with_late_min(Duration::from_millis(2))
            .with_jitter(0.0);
        // Three quarters of a life pass before the early window opens.
        Self::under(windows, usable * 4 / 3, usable, threads)
    }

    fn under(windows: Windows, life: Duration, usable: Duration, threads: usize) -> Self {
        let acme = Acme::new(life, RENEWAL);
        let session = acme.client().windows(windows).build().unwrap().session().clone();
        let floor = Arc::new(Floor::new());
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        runtime.block_on(async {
            session.lease().await.unwrap();
            let before = acme.issued();
            let began = Instant::now();
            let mut tasks: JoinSet<(Gets, Gets)> =
                (0..TASKS).map(|_| ask(began, session.clone(), floor.clone())).collect();
            let (mut gets, mut cached) = (Gets::new(), Gets::new());
            while let Some(done) = tasks.join_next().await {
                let (more, also) = done.unwrap();
                gets.join(&more);
                cached.join(&also);
            }
            let lives = began.elapsed().as_secs_f64() / (usable + RENEWAL).as_secs_f64();
            Self { gets, cached, renewals_per_life: (acme.issued() - before) as f64 / lives }
        })
    }
}

/// One task: what its gets took, and cached ones in between.
async fn ask(began: Instant, session: Session, floor: Arc<Floor>) -> (Gets, Gets) {
    let (mut gets, mut cached) = (Gets::new(), Gets::new());
    while began.elapsed() < RUN {
        let (at, wall) = (Instant::now(), SystemTime::now());
        let outcome = session.lease().await;
        gets.add(at.elapsed());
        gets.errors += u64::from(outcome.is_err());
        gets.late += u64::from(outcome.is_ok_and(|lease| has_ended(&lease, wall)));
        let at = Instant::now();
        drop(floor.reach());
        cached.add(at.elapsed());
        tokio::task::yield_now().await;
    }
    (gets, cached)
}

fn has_ended(lease: &Lease, at: SystemTime) -> bool {
    matches!(lease.expiry(), Expiry::At(end) if end <= at)
}

fn storm(usable: Duration) -> Vec<Row> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let all = Storm::of(usable, cores);
    // The tasks never rest. Without a core left for it, the rest of the machine takes one of theirs for milliseconds, and
    // whatever is in progress there has lasted so long.
    let calm = |_| Storm::of(usable, cores - 1);
    let one_left = (0..TRIES).filter(|_| cores > 1).map(calm).min_by_key(|storm| storm.gets.longest);
    let name = format!("tokens usable for {} ms, 32 tasks", usable.as_millis());
    let longest = |what: &str, storm: &Storm| {
        let ms = |gets: &Gets| gets.longest.as_secs_f64() * 1e3;
        Row::new(
            format!("{name}{what}: the longest get"),
            format!("{:.2} ms", ms(&storm.gets)),
            format!("{:.2} ms: the longest cached get among them", ms(&storm.cached)),
        )
    };
    let p999 = |gets: &Gets| gets.below(0.999);
    let errors = all.gets.errors + one_left.as_ref().map_or(0, |storm| storm.gets.errors);
    let mut rows = vec![
        Row::new(
            format!("{name}: p99.9 of a get"),
            format!("{:.2} µs", p999(&all.gets)),
            format!("{:.2} µs: a cached get among them", p999(&all.cached)),
        )
        .aimed("at most 2 µs more", (p999(&all.gets) - p999(&all.cached)).max(0.0), 2.0),
        longest("", &all),
        Row::new(format!("{name}: renewals per life"), format!("{:.2}", all.renewals_per_life), "1".into()).aimed(
            "at most 1.2",
            all.renewals_per_life,
            1.2,
        ),
        Row::new(format!("{name}: errors"), errors.to_string(), "0".into()).aimed(
            "0",
            if errors == 0 { 0.0 } else { 2.0 },
            1.0,
        ),
    ];
    if let Some(storm) = one_left {
        let row = longest(" on all cores but one", &storm);
        rows.push(row.aimed("at most 1 ms", storm.gets.longest.as_secs_f64(), 1e-3));
    }
    rows
}
