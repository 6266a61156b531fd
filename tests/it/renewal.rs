//! One renewal for all callers, whatever happens to those who wait for it.

use crate::{vitamojo_client, vms_client};
use keyway::{
    CredentialSource, Error, ErrorKind, Expiry, MemoryStore, Secret, SourceError, Timeouts,
    custom::{self, Attempt, Capabilities, Issued, Issuer},
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
    vms,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::sync::Semaphore;

const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);

#[apply(leak_checked!)]
#[threads(4)]
async fn five_hundred_tasks_on_a_cold_cache_are_one_sign_in() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.session().lease().await.unwrap().generation() })
        })
        .collect();
    let mut generations = std::collections::HashSet::new();
    for task in tasks {
        generations.insert(task.await.unwrap());
    }
    assert_eq!((fake.count("get_token"), generations.len()), (1, 1));
}

#[apply(leak_checked!)]
#[threads(4)]
async fn five_hundred_tasks_on_an_expired_token_are_one_renewal() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(ELEVEN_MINUTES);
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.http().get("/order/v1/orders").send().await.unwrap().status() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_renewal_goes_on_when_everybody_who_waited_has_left() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(ELEVEN_MINUTES);
    let gate = fake.hold("refresh_token");
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.session().lease().await })
    };
    gate.arrived(1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    gate.open();
    client.session().close().await.unwrap();
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!((fake.count("refresh_token"), fake.reuses()), (1, 0));
}

#[apply(leak_checked!)]
async fn a_failure_is_shared_and_then_cools_down() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.always("get_token", Fault::Html(503));
    let gate = fake.hold("get_token");
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.session().lease().await.unwrap_err() })
        })
        .collect();
    gate.arrived(1).await;
    gate.open();
    for task in tasks {
        assert_eq!(task.await.unwrap().kind(), ErrorKind::Outage);
    }
    for _ in 0..100 {
        let error = client.session().lease().await.unwrap_err();
        assert!(error.is_local() && error.retry_after().is_some(), "{error}");
    }
    assert_eq!(fake.count("get_token"), 1);
    clock.advance(Duration::from_secs(1));
    fake.heal("get_token");
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_late_401_to_an_older_token_renews_nothing() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    // The vendor has forgotten the first token; its 401 to the straggler is on its way while others have renewed.
    fake.revoke_access_tokens();
    let gate = fake.hold("other");
    let straggler = {
        let client = client.clone();
        tokio::spawn(async move { client.http().get("/order/v1/orders").send().await.unwrap().status() })
    };
    gate.arrived(1).await;
    client.session().renew().await.unwrap();
    gate.open();
    assert_eq!(straggler.await.unwrap(), 200);
    assert_eq!((fake.count("refresh_token"), fake.count("auth")), (1, 1));
}

#[apply(leak_checked!)]
async fn an_endpoint_that_always_answers_401_costs_one_renewal_and_not_one_per_call() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    fake.always("check_token", Fault::Unauthorized);
    for _ in 0..10 {
        let error = client.api().check_token().send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    }
    // The first call is sent twice, around the one renewal; the others once.
    assert_eq!((fake.count("check_token"), fake.count("refresh_token"), fake.count("auth")), (11, 1, 1));
}

#[apply(leak_checked!)]
async fn two_clients_that_share_a_store_share_the_session() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), MemoryStore::new());
    let one = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    let two = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    let first = one.session().lease().await.unwrap();
    let second = two.session().lease().await.unwrap();
    assert_eq!(first.generation(), second.generation());
    let apart = vms_client(&fake, &clock).store(store).profile("another").build().unwrap();
    apart.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_new_password_is_a_new_lineage_and_the_same_one_finds_its_session() {
    let (fake, clock, store) = (FakeVms::start().await, ManualClock::new(), MemoryStore::new());
    let first = vms_client(&fake, &clock).store(store.clone()).build().unwrap().session().lease().await.unwrap();
    fake.set_password(FakeVms::LOGIN, "another");
    let builder = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, "another").clock(clock.clone());
    let second = builder.store(store).build().unwrap().session().lease().await.unwrap();
    assert_ne!(first.generation(), second.generation());
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_sign_out_beats_the_sign_in_that_is_under_way_and_leaves_no_session_behind() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.session().lease().await.unwrap_err().kind() })
    };
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap(), ErrorKind::SignedOut);
    fake.until("logout", 1).await;
    assert!(fake.sessions().is_empty());
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
}

#[apply(leak_checked!)]
fn a_client_is_built_on_one_runtime_and_used_on_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (fake, clock) = (runtime().block_on(FakeVms::start()), ManualClock::new());
    let client = runtime().block_on(async { vms_client(&fake, &clock).build().unwrap() });
    for _ in 0..3 {
        runtime().block_on(async { client.http().get("/api/v1/cameras").send().await.unwrap() });
    }
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
fn a_runtime_that_dies_in_the_middle_of_a_sign_in_wedges_nobody() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (fake, clock) = (runtime().block_on(FakeVms::start()), ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let first = runtime();
    let gate = fake.hold("get_token");
    let caller = client.clone();
    first.spawn(async move { caller.session().lease().await });
    runtime().block_on(gate.arrived(1));
    first.shutdown_background();
    gate.open();
    runtime().block_on(async { client.session().lease().await.unwrap() });
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_call_whose_own_timeout_is_short_ends_in_time_and_the_renewal_survives() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let call = {
        let client = client.clone();
        let call = client.http().get("/api/v1/cameras").timeout(Duration::from_secs(2)).send();
        tokio::spawn(async move { call.await.unwrap_err() })
    };
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("http")));
    gate.open();
    client.session().close().await.unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_renewal_that_takes_longer_than_a_call_serves_the_next_one() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(ELEVEN_MINUTES);
    let gate = fake.hold("refresh_token");
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(2)).send());
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Timeout, true), "{error}");
    assert_eq!(fake.count("other"), 0);
    gate.open();
    let next = client.http().get("/order/v1/orders").timeout(Duration::from_secs(2)).send().await.unwrap();
    assert_eq!(next.status(), 200);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_calls_own_timeout_covers_the_renewal_after_a_401() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_access_tokens();
    let (answers, renewals) = (fake.hold("other"), fake.hold("refresh_token"));
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(5)).send());
    // The 401 itself takes three of the five seconds, so two are left for the renewal.
    answers.arrived(1).await;
    clock.advance(Duration::from_secs(3));
    answers.open();
    renewals.arrived(1).await;
    assert!(!call.is_finished());
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("http")), "{error}");
    renewals.open();
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("other"), fake.count("refresh_token"), fake.count("auth")), (2, 1, 1));
}

#[apply(leak_checked!)]
async fn a_calls_own_timeout_covers_the_second_sending_after_a_401() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_access_tokens();
    let answers = fake.hold("other");
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(5)).send());
    answers.arrived(1).await;
    answers.let_through(1);
    answers.arrived(2).await;
    clock.advance(Duration::from_secs(5));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Timeout, false), "{error}");
    assert_eq!((fake.count("other"), fake.count("refresh_token")), (2, 1));
}

#[apply(leak_checked!)]
async fn a_refused_refresh_token_is_not_presented_again_when_the_sign_in_fails_too() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    fake.always("auth", Fault::Html(503));
    for _ in 0..3 {
        clock.advance(ELEVEN_MINUTES);
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    assert_eq!((fake.count("refresh_token"), fake.count("auth")), (1, 4));
}

/// More of them than a thread has room to borrow, and given back on another thread than they were got on.
#[apply(leak_checked!)]
async fn leases_that_are_kept_stay_what_they_were_whatever_comes_after_them() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let session = client.session();
    let mut kept = Vec::new();
    for counter in 1..=3 {
        let token = session.lease().await.unwrap().token().unwrap().clone();
        for _ in 0..50 {
            let lease = session.lease().await.unwrap();
            kept.extend([(counter, token.clone(), lease.clone()), (counter, token.clone(), lease)]);
        }
        clock.advance(ELEVEN_MINUTES);
    }
    session.sign_out().await.unwrap();
    let returned = std::thread::spawn(move || {
        for (counter, token, lease) in &kept {
            assert_eq!((lease.generation().counter(), lease.token().unwrap().expose()), (*counter, token.expose()));
            assert_eq!(lease.header().to_str().unwrap().strip_prefix("Bearer "), Some(token.expose()));
        }
        kept.len()
    });
    assert_eq!(returned.join().unwrap(), 300);
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 2));
}

#[apply(leak_checked!)]
fn a_runtime_that_is_kept_but_not_driven_wedges_nobody() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (fake, clock) = (runtime().block_on(FakeVms::start()), ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let (idle, busy) = (runtime(), runtime());
    let gate = fake.hold("get_token");
    idle.block_on(async {
        let caller = client.clone();
        tokio::spawn(async move { caller.session().lease().await });
        gate.arrived(1).await;
    });
    // Nobody drives `idle` any more: the run there can neither go on nor be seen to end.
    gate.open();
    busy.block_on(async {
        let caller = client.clone();
        let waiting = tokio::spawn(async move { caller.session().lease().await.unwrap() });
        clock.until_sleeping(1).await;
        clock.advance(Duration::from_secs(91));
        waiting.await.unwrap();
    });
    assert_eq!(fake.count("get_token"), 2);
    // Should it wake up, it finds that it was overtaken, and changes nothing.
    let before = busy.block_on(client.session().lease()).unwrap().generation();
    idle.block_on(async { tokio::task::yield_now().await });
    assert_eq!(busy.block_on(client.session().lease()).unwrap().generation(), before);
}

#[apply(leak_checked!)]
async fn however_many_wait_one_timer_tells_them_that_the_vendor_is_too_late() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let wait = || {
        let session = client.session().clone();
        tokio::spawn(async move { session.lease().await.map(drop) })
    };
    let mut waiting = vec![wait()];
    gate.arrived(1).await;
    clock.until_sleeping(1).await;
    let before = clock.sleepers();
    waiting.extend((0..99).map(|_| wait()));
    tokio::task::yield_now().await;
    assert_eq!(clock.sleepers(), before);
    clock.advance(Timeouts::default().renewal);
    for waits in waiting {
        let error = waits.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    // It was given up: nobody waits for its answer, and the next call asks anew.
    gate.open();
    clock.advance(Duration::from_secs(1));
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

/// Somebody who takes one step each time he is let.
#[derive(Clone)]
struct Hesitant {
    arrived: Arc<Semaphore>,
    leave: Arc<Semaphore>,
}

impl Hesitant {
    fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), leave: Arc::new(Semaphore::new(0)) }
    }

    async fn step(&self) {
        self.arrived.add_permits(1);
        self.leave.acquire().await.unwrap().forget();
    }

    /// Waits until he wants to take his next step.
    async fn hesitates(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    fn let_go(&self, steps: usize) {
        self.leave.add_permits(steps);
    }
}

impl Issuer for Hesitant {
    fn describe(&self) -> Capabilities {
        Capabilities::new("hesitant", ".password(..)")
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.step().await;
        let _permit = attempt.acquire().await?;
        self.step().await;
        Ok(Issued::new("a-token-after-two-steps"))
    }
}

impl CredentialSource for Hesitant {
    async fn secret(&self) -> Result<Secret, SourceError> {
        self.step().await;
        Ok(FakeVms::PASSWORD.into())
    }
}

#[apply(leak_checked!)]
async fn whoever_waited_for_a_slow_source_waits_for_the_vendor_no_longer_than_others_do() {
    let (fake, clock, source) = (FakeVms::start().await, ManualClock::new(), Hesitant::new());
    let client = vms::Client::builder(fake.uri()).clock(clock.clone());
    let client = client.password_from(FakeVms::LOGIN, source.clone()).build().unwrap();
    let gate = fake.hold("get_token");
    let lease = || {
        let session = client.session().clone();
        tokio::spawn(async move { session.lease().await.map(drop) })
    };
    let first = lease();
    source.hesitates().await;
    let waiting = lease();
    first.abort();
    first.await.unwrap_err();
    source.let_go(2);
    gate.arrived(1).await;
    clock.advance(Timeouts::default().renewal);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    gate.open();
}

/// A platform's client that blocks the thread it is on, after a sign of life.
#[derive(Clone)]
struct Blocking {
    arrived: Arc<Semaphore>,
    blocks: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Issuer for Blocking {
    fn describe(&self) -> Capabilities {
        Capabilities::new("blocking", ".password(..)")
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        let blocks = self.blocks.lock().unwrap().take();
        self.arrived.add_permits(1);
        if let Some(blocks) = blocks {
            blocks.recv().unwrap();
        }
        Ok(Issued::new("a-token-after-a-blocked-one"))
    }
}

#[apply(leak_checked!)]
#[threads(2)]
async fn an_issuer_that_blocks_its_thread_stops_no_other_caller() {
    let (unblock, blocks) = mpsc::channel();
    let (arrived, blocks) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Some(blocks))));
    let (clock, issuer) = (ManualClock::new(), Blocking { arrived, blocks });
    let client = custom::Client::builder("http://127.0.0.1:1").issuer(issuer.clone()).principal("me");
    let client = client.clock(clock.clone()).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(drop) });
    issuer.arrived.acquire().await.unwrap().forget();
    clock.until_sleeping(1).await;
    clock.advance(Timeouts::default().renewal);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    clock.advance(Duration::from_secs(1));
    client.session().lease().await.unwrap();
    unblock.send(()).unwrap();
}

#[apply(leak_checked!)]
fn a_runtime_that_has_ended_is_told_and_wedges_nobody() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (ended, alive, clock) = (runtime(), runtime(), ManualClock::new());
    let fake = alive.block_on(FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start());
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let handle = ended.handle().clone();
    drop(ended);
    let on_ended = || handle.block_on(client.session().lease()).map(|lease| lease.generation());
    let error = on_ended().unwrap_err();
    assert_eq!((error.kind(), fake.count("auth")), (ErrorKind::Config, 0), "{error}");
    assert!(error.to_string().contains("runtime that is ending"), "{error}");
    // A token that is still good is served, in both windows.
    let first = alive.block_on(client.session().lease()).unwrap();
    let Expiry::At(end) = first.expiry() else { panic!("no end") };
    for left in [100, 20] {
        clock.advance(end.duration_since(clock.world()).unwrap() - Duration::from_secs(left));
        assert_eq!(on_ended().unwrap(), first.generation(), "{left} s before its end");
    }
    clock.advance(Duration::from_secs(20));
    assert_eq!(on_ended().unwrap_err().kind(), ErrorKind::Config);
    assert_ne!(alive.block_on(client.session().lease()).unwrap().generation(), first.generation());
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 1));
}
