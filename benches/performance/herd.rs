//! Ten thousand tasks without a session, and a vendor that takes 50 ms.

use crate::{
    paper::Row,
    vendor::{SIGN_IN, Vendor},
};
use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, task::JoinSet};

const TASKS: usize = 10_000;
/// The best of several: whatever else the machine does only adds.
const TRIES: usize = 9;

pub(crate) fn rows() -> Vec<Row> {
    let (mut ours, mut sleeps) = (Duration::MAX, Duration::MAX);
    let vendor = Vendor::start();
    for _ in 0..TRIES {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        sleeps = sleeps.min(runtime.block_on(plain_sleeps()));
        ours = ours.min(runtime.block_on(herd(&vendor.address)));
    }
    let requests = vendor.sign_ins() as f64 / TRIES as f64;
    let ratio = ours.as_secs_f64() / sleeps.as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (sleeping, herding) = (memory("sleeps", &vendor), memory("herd", &vendor));
    vec![
        Row::new("10,000 tasks without a session", format!("{requests} request"), "1".into()).aimed(
            "1 request",
            requests,
            1.0,
        ),
        Row::new(
            "10,000 tasks wait for one sign-in of 50 ms",
            format!("{:.1} ms, {ratio:.2}×", ms(ours)),
            format!("{:.1} ms: 10,000 sleeps of 50 ms", ms(sleeps)),
        )
        .aimed("at most 1.1×", ratio, 1.1),
        Row::new(
            "memory of the 10,000 who wait",
            format!("{herding:.1} MiB"),
            format!("{sleeping:.1} MiB: 10,000 sleeps"),
        )
        .aimed("at most 8 MiB", herding, 8.0),
    ]
}

async fn plain_sleeps() -> Duration {
    let began = Instant::now();
    let mut tasks: JoinSet<()> = (0..TASKS).map(|_| tokio::time::sleep(SIGN_IN)).collect();
    while tasks.join_next().await.is_some() {}
    began.elapsed()
}

/// How long it took.
async fn herd(address: &str) -> Duration {
    let client =
        keyway::vitamojo::Client::builder(address).password("till@example.org", "open sesame").build().unwrap();
    let began = Instant::now();
    let mut tasks: JoinSet<()> = (0..TASKS)
        .map(|_| {
            let session = client.session().clone();
            async move { drop(session.lease().await.unwrap()) }
        })
        .collect();
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}

/// The most MiB that they have added to a process which does nothing else.
fn memory(what: &str, vendor: &Vendor) -> f64 {
    let program = env::current_exe().unwrap();
    let child = Command::new(program).args(["memory", what, &vendor.address]).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    String::from_utf8_lossy(&child.stdout).trim().parse().expect("a number")
}

/// That process.
pub(crate) fn measure_memory(what: &str, address: &str) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Both have a client, so that only those who wait make the difference.
    let client =
        keyway::vitamojo::Client::builder(address).password("till@example.org", "open sesame").build().unwrap();
    runtime.block_on(async { client.session().lease().await.unwrap() });
    let before = peak();
    match what {
        "sleeps" => runtime.block_on(plain_sleeps()),
        _ => runtime.block_on(herd(address)),
    };
    println!("{}", peak() - before);
}

/// The most MiB so far, as the kernel tells it; elsewhere than on Linux nobody does.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.trim().parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}
