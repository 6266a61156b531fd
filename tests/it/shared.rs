//! One client in a `static`, used by tests that each have a runtime of their own.

use keyway::{
    testing::{FakeVms, ManualClock},
    vms,
};
use std::{sync::LazyLock, thread};
use tokio::runtime::{Builder, Runtime};

static SHARED: LazyLock<(FakeVms, vms::Client)> = LazyLock::new(|| {
    // A thread of its own, because whoever comes first is within a runtime.
    let fake = thread::spawn(|| one_thread().block_on(FakeVms::start())).join().unwrap();
    let client = crate::vms_client(&fake, &ManualClock::new());
    // A kept connection belongs to the runtime that opened it and dies with it, perhaps under another test's call.
    let client = client.http(|http| http.pool_max_idle_per_host(0)).build().unwrap();
    (fake, client)
});

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn use_it() {
    let (fake, client) = &*SHARED;
    for _ in 0..20 {
        assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    }
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_static_client_serves_a_test() {
    use_it().await;
}

#[apply(leak_checked!)]
async fn a_static_client_serves_another_test() {
    use_it().await;
}

#[apply(leak_checked!)]
#[threads(2)]
async fn a_static_client_serves_a_test_of_several_threads() {
    use_it().await;
}

/// The same in one process, whoever runs the tests: runtimes of both kinds, side by side and one after the other.
#[apply(leak_checked!)]
fn a_static_client_serves_many_runtimes_at_once_with_one_session() {
    for _ in 0..3 {
        let runtimes = (0..8).map(|n| if n % 2 == 0 { one_thread() } else { many_threads() });
        let threads: Vec<_> = runtimes.map(|runtime| thread::spawn(move || runtime.block_on(use_it()))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
