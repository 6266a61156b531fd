//! The header of a cached lease, beside what no lease can do without.

use crate::{acme::Acme, paper::Row};
use arc_swap::ArcSwap;
use http::HeaderValue;
use keyway::{Clock, Lease, Session, SystemClock};
use std::{
    collections::VecDeque,
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

const PHASES: usize = 40;
/// Of all tasks, in each phase.
const BLOCKS: usize = 64;
const CALLS: u32 = 1_000;
/// More leases than a thread has room to borrow.
const KEPT: usize = 16;

pub(crate) fn rows() -> Vec<Row> {
    let aimed = [1, 2, 64].map(|tasks| {
        let (row, ratio) = row(tasks, 0);
        row.aimed("at most 1.3×", ratio, 1.3)
    });
    aimed.into_iter().chain([row(1, KEPT).0, row(64, KEPT).0]).collect()
}

fn row(tasks: usize, kept: usize) -> (Row, f64) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (ours, floor) = runtime.block_on(measure(tasks, kept));
    let ratio = ours / floor;
    let plural = if tasks == 1 { "" } else { "s" };
    let more = if kept == 0 { String::new() } else { format!(", each of which keeps {kept}") };
    let what = format!("header of a cached `lease()`, {tasks} task{plural}{more}");
    let floor = format!("{floor:.0} ns: one atomic load, a clone, a clock");
    (Row::new(what, format!("{ours:.0} ns, {ratio:.2}×"), floor), ratio)
}

/// Nanoseconds per call of ours and of the floor: medians over phases in which every task does the same, so that it meets
/// itself alone on the other core. They take turns, so that whatever else the machine does slows both.
async fn measure(tasks: usize, kept: usize) -> (f64, f64) {
    let session = Acme::new(Duration::from_secs(3600), Duration::ZERO).client().build().unwrap().session().clone();
    session.lease().await.unwrap();
    let floor = Arc::new(Floor::new());
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..PHASES {
        ours.extend(match kept {
            0 => phase(tasks, || one(session.clone())).await,
            _ => phase(tasks, || one_more(session.clone(), kept)).await,
        });
        least.extend(phase(tasks, || least_of_all(floor.clone())).await);
    }
    (median(ours), median(least))
}

/// What each block of each task took.
async fn phase<W: FnMut() + Send + 'static>(tasks: usize, work: impl Fn() -> W) -> Vec<f64> {
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let mut work = work();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..(BLOCKS / tasks).max(1) {
                    times.push(time(&mut work));
                    tokio::task::yield_now().await;
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times
}

fn one(session: Session) -> impl FnMut() + Send + 'static {
    move || drop(black_box(header(&session)))
}

fn one_more(session: Session, kept: usize) -> impl FnMut() + Send + 'static {
    let mut kept: VecDeque<_> = (0..kept).map(|_| lease(&session)).collect();
    move || drop(black_box(header_of_one_more(&session, &mut kept)))
}

fn least_of_all(floor: Arc<Floor>) -> impl FnMut() + Send + 'static {
    move || drop(black_box(floor.reach()))
}

pub(crate) fn header(session: &Session) -> HeaderValue {
    lease(session).header().clone()
}

/// The lease is kept, and the oldest one goes.
fn header_of_one_more(session: &Session, kept: &mut VecDeque<Lease>) -> HeaderValue {
    kept.push_back(lease(session));
    let oldest = kept.pop_front();
    drop(oldest);
    kept.back().expect("the new one").header().clone()
}

/// As `.await` does it: where the future stands.
fn lease(session: &Session) -> Lease {
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(lease) = pin!(session.lease()).poll(&mut context) else { panic!("it is fresh") };
    lease.unwrap()
}

/// What no lease can do without.
pub(crate) struct Floor {
    value: ArcSwap<HeaderValue>,
    clock: Arc<dyn Clock>,
    one_clock: bool,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let value = HeaderValue::try_from(format!("Bearer {}", "t".repeat(40))).unwrap();
        // A header value allocates when it is cloned for the first time.
        drop(value.clone());
        Self {
            value: ArcSwap::from_pointee(value),
            clock: Arc::new(SystemClock),
            one_clock: SystemClock.counts_sleep(),
        }
    }

    /// Looks at as many clocks as a lease does.
    pub(crate) fn reach(&self) -> (HeaderValue, Duration) {
        let value = self.value.load();
        let header = (**value).clone();
        match self.one_clock {
            true => (header, self.clock.monotonic()),
            false => (header, self.clock.now().1),
        }
    }
}

fn time(mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|_| work());
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
