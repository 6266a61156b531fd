//! The header of a cached lease, beside what no lease can do without.

use crate::{acme::Acme, paper::Row};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::HeaderValue;
use keyway::{Clock, Session, SystemClock};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

const BLOCKS: usize = 1_280;
const CALLS: u32 = 1_000;

pub(crate) fn rows() -> Vec<Row> {
    [1, 2, 64].map(row).into()
}

fn row(tasks: usize) -> Row {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (ours, floor) = runtime.block_on(measure(tasks));
    let ratio = ours / floor;
    let what = format!("header of a cached `lease()`, {tasks} task{}", if tasks == 1 { "" } else { "s" });
    Row::new(what, format!("{ours:.0} ns, {ratio:.2}×"), format!("{floor:.0} ns: one atomic load, a clone, a clock"))
        .aimed("at most 1.3×", ratio, 1.3)
}

/// Nanoseconds per call of ours and of the floor: medians over blocks that every task takes in turn, so that whatever
/// else the machine does slows both.
async fn measure(tasks: usize) -> (f64, f64) {
    let session = Acme::new(Duration::from_secs(3600), Duration::ZERO).client().build().unwrap().session().clone();
    session.lease().await.unwrap();
    let floor = Arc::new(Floor::new());
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (session, floor) = (session.clone(), floor.clone());
            tokio::spawn(async move {
                let mut times = (Vec::new(), Vec::new());
                for _ in 0..BLOCKS / tasks {
                    times.0.push(time(|| drop(black_box(header(&session)))));
                    times.1.push(time(|| drop(black_box(floor.reach()))));
                    tokio::task::yield_now().await;
                }
                times
            })
        })
        .collect();
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for task in tasks {
        let times = task.await.unwrap();
        ours.extend(times.0);
        least.extend(times.1);
    }
    (median(ours), median(least))
}

pub(crate) fn header(session: &Session) -> HeaderValue {
    session.lease().now_or_never().expect("it is fresh").unwrap().header().clone()
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

fn time(work: impl Fn()) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|_| work());
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
