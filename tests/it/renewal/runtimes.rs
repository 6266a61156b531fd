//! Runtimes that end, stand still or are blocked: other callers go on.

use super::*;

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
