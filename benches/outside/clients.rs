//! What a client costs that does nothing, what the first answer of one takes, and what a long one does.

use crate::callers::keyway_client;
use std::{fs, hint::black_box, time::Instant};

/// Nanoseconds of a list, the best of several, and how many bytes more than before it were in use at the most.
pub(crate) async fn list(address: &str) -> String {
    const TRIES: usize = 9;
    let client = signed_in(address).await;
    // What there is once in a process, with a list that has no rows.
    let before = status("VmHWM:");
    let mut best = u128::MAX;
    for _ in 0..TRIES {
        let began = Instant::now();
        black_box(client.api().list_sessions().send().await.expect("a list"));
        best = best.min(began.elapsed().as_nanos());
    }
    format!("{best} {}", (status("VmHWM:") - before) * 1024.0)
}

/// KiB that each of so many clients holds that has a session and no call under way.
pub(crate) async fn idle(clients: u64, address: &str) -> f64 {
    // What there is once in a process.
    let first = signed_in(address).await;
    let before = status("VmRSS:");
    let mut all = Vec::new();
    for _ in 0..clients {
        all.push(signed_in(address).await);
    }
    let more = status("VmRSS:") - before;
    black_box((first, all));
    more / clients as f64
}

async fn signed_in(address: &str) -> keyway::vms::Client {
    let client = keyway_client(address);
    client.session().lease().await.expect("a session");
    client
}

/// As the kernel tells it, in KiB; 0 elsewhere than on Linux.
fn status(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    figure.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0.0)
}

/// Milliseconds from nothing to `build()` and from there to the first answer, sign-in included.
pub(crate) async fn first(address: &str) -> String {
    let began = Instant::now();
    let client = keyway_client(address);
    let built = began.elapsed().as_secs_f64() * 1e3;
    client.api().list_sessions().send().await.expect("a list");
    format!("{built} {}", began.elapsed().as_secs_f64() * 1e3 - built)
}
