//! What a client costs that does nothing, what the first answer of one takes, and what a long one does.

use crate::callers::{keyway_client, reqwest_client};
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

/// How many there are at once.
const CLIENTS: usize = 1000;

/// KiB of each client that has a session and no call under way, and of each of reqwest's that has made a call.
pub(crate) async fn idle(address: &str) -> String {
    let ours = each(|| signed_in(address)).await;
    let theirs = each(|| called(address)).await;
    format!("{ours} {theirs}")
}

async fn each<T, F: Future<Output = T>>(one: impl Fn() -> F) -> f64 {
    // What there is once in a process.
    let first = one().await;
    let before = status("VmRSS:");
    let mut all = Vec::new();
    for _ in 0..CLIENTS {
        all.push(one().await);
    }
    let more = status("VmRSS:") - before;
    // They stay, so that the next ones find no room that these have left.
    std::mem::forget((first, all));
    more / CLIENTS as f64
}

async fn signed_in(address: &str) -> keyway::vms::Client {
    let client = keyway_client(address);
    client.session().lease().await.expect("a session");
    client
}

async fn called(address: &str) -> reqwest::Client {
    let client = reqwest_client();
    let answer = client.get(format!("{address}/api/v1/sessions")).send().await.expect("an answer");
    answer.bytes().await.expect("a body");
    client
}

/// As the kernel tells it, in KiB; 0 elsewhere than on Linux.
fn status(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    figure.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0.0)
}

/// Milliseconds from nothing to `build()` and from there to the first answer, sign-in included; and the same of reqwest.
pub(crate) async fn first(address: &str) -> String {
    let began = Instant::now();
    let client = keyway_client(address);
    let built = millis(began);
    client.api().list_sessions().send().await.expect("a list");
    let answered = millis(began) - built;
    let began = Instant::now();
    let client = reqwest_client();
    let theirs_built = millis(began);
    let answer = client.get(format!("{address}/api/v1/sessions")).send().await.expect("an answer");
    answer.bytes().await.expect("a body");
    format!("{built} {answered} {theirs_built} {}", millis(began) - theirs_built)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
