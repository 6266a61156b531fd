//! The header of a cached lease under criterion, beside what no lease can do without: `cargo bench --bench lease`.
//!
//! All other figures, and what is aimed at: `cargo bench --bench performance`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench")]

#[allow(dead_code, reason = "shared")]
#[path = "performance/acme.rs"]
mod acme;
#[allow(dead_code, reason = "shared")]
#[path = "performance/lease.rs"]
mod lease;
#[allow(dead_code, reason = "shared")]
#[path = "performance/paper.rs"]
mod paper;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

fn leases(criterion: &mut Criterion) {
    let client = acme::Acme::new(Duration::from_secs(3600), Duration::ZERO).client().build().unwrap();
    let session = client.session();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(session.lease()).unwrap();
    let floor = lease::Floor::new();
    criterion.bench_function("lease", |bencher| bencher.iter(|| lease::header(session)));
    criterion.bench_function("floor", |bencher| bencher.iter(|| floor.reach()));
}

criterion_group!(benches, leases);
criterion_main!(benches);
