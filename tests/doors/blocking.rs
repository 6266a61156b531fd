//! Programs without async wait, and are told where they must not.

use keyway::{
    Error, ErrorKind,
    blocking::Wait,
    testing::{FakeVms, ManualClock},
    vms,
};
use std::{thread, time::Duration};

/// The fake needs a runtime of its own, which a thread drives for as long as the test runs.
fn fake(clock: &ManualClock) -> (tokio::runtime::Runtime, FakeVms) {
    let runtime = crate::leak_check::runtime(2);
    let fake = runtime.block_on(FakeVms::builder().clock(clock.clone()).token_life(Duration::from_secs(600)).start());
    (runtime, fake)
}

fn client(fake: &FakeVms, clock: &ManualClock) -> vms::Client {
    let client = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone());
    client.build().unwrap()
}

#[apply(leak_checked!)]
fn a_program_without_a_runtime_calls_and_signs_out() {
    let clock = ManualClock::new();
    let (_runtime, fake) = fake(&clock);
    let client = client(&fake, &clock);
    let answer = client.http().get("/api/v1/cameras").send().wait().unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().wait().unwrap();
    assert!(text.starts_with('['), "{text}");
    assert!(client.api().get_self().send().wait().is_ok());
    assert_eq!(client.session().sign_out().wait().unwrap(), keyway::SignOut::Revoked);
    let error = client.http().get("/api/v1/cameras").send().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    client.session().close().wait().unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
fn threads_that_wait_at_once_share_one_sign_in() {
    let clock = ManualClock::new();
    let (_runtime, fake) = fake(&clock);
    let client = client(&fake, &clock);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(client.http().get("/api/v1/cameras").send().wait().unwrap())));
        }
    });
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
fn what_another_crate_fails_with_is_an_error_of_ours() {
    let nobody = { std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap() };
    let error: Error = reqwest::get(format!("http://{nobody}/?token=the-token")).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Outage, "{error}");
}

#[apply(leak_checked!)]
fn inside_async_code_nothing_is_blocked_and_a_sentence_says_so() {
    let clock = ManualClock::new();
    let (runtime, fake) = fake(&clock);
    let client = client(&fake, &clock);
    let refused = |outcome: Result<(), Error>| {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
        assert!(error.to_string().contains(".await"), "{error}");
    };
    runtime.block_on(async {
        refused(client.session().lease().wait().map(drop));
        let its = client.clone();
        refused(tokio::task::spawn_blocking(move || its.session().lease().wait().map(drop)).await.unwrap());
    });
    crate::leak_check::runtime(1).block_on(async { refused(client.session().lease().wait().map(drop)) });
    assert_eq!(fake.count("get_token"), 0);
    assert!(client.session().lease().wait().is_ok());
}
