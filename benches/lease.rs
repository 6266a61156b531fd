//! What `lease()` costs while the token is fresh, beside what it cannot do without: one atomic load, one clone of a header
//! value and a look at both clocks.
//!
//! `cargo bench --bench lease`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench")]

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::HeaderValue;
use keyway::{Clock, Lease, Session, SystemClock, testing::FakeVms};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Blocks of each, taken in turn, so that a busy machine slows both.
const BLOCKS: usize = 101;
const CALLS: u32 = 20_000;

fn signed_in() -> (FakeVms, Session) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fake = FakeVms::start().await;
        let client = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD);
        let client = client.build().unwrap();
        client.session().lease().await.unwrap();
        (fake, client.session().clone())
    })
}

fn lease(session: &Session) -> Lease {
    session.lease().now_or_never().expect("it is fresh").unwrap()
}

/// What no lease can do without.
struct Floor {
    value: ArcSwap<HeaderValue>,
    clock: Arc<dyn Clock>,
}

impl Floor {
    fn new() -> Self {
        let value = HeaderValue::try_from(format!("Bearer {}", "t".repeat(40))).unwrap();
        // A header value allocates when it is cloned for the first time.
        drop(value.clone());
        Self { value: ArcSwap::from_pointee(value), clock: Arc::new(SystemClock) }
    }

    fn reach(&self) -> (HeaderValue, (SystemTime, Duration)) {
        let value = self.value.load();
        ((**value).clone(), self.clock.now())
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

fn leases(criterion: &mut Criterion) {
    let (_fake, session) = signed_in();
    let floor = Floor::new();
    criterion.bench_function("lease", |bencher| bencher.iter(|| lease(&session)));
    criterion.bench_function("floor", |bencher| bencher.iter(|| floor.reach()));

    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..BLOCKS {
        ours.push(time(|| drop(black_box(lease(&session)))));
        least.push(time(|| drop(black_box(floor.reach()))));
    }
    let (ours, least) = (median(ours), median(least));
    println!("lease {ours:.1} ns, floor {least:.1} ns, ratio {:.2}", ours / least);
}

criterion_group!(benches, leases);
criterion_main!(benches);
