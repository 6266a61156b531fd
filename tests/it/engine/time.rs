//! Tokens that end while somebody waits, and what the clocks, the log and other code of the user's may do meanwhile.

use super::{ELEVEN_MINUTES, LIFE, SECOND, Twist, Vendor, lease, settle};
use crate::counts::{Counts, NONE};
use crate::scripted_store::ScriptedStore;
use keyway::{
    Clock, Error, ErrorKind, ExpiringLock, Expiry, Generation, Key, MemoryStore, Record, Secret, Session, Store,
    StoreError, StoreLock,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Renewal},
    testing::ManualClock,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, OnceLock, mpsc},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, SystemTime},
};

macro_rules! poll {
    ($future:expr) => {
        $future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
}

/// A busy thread, or a machine that slept: the caller is polled only after the token has ended.
#[apply(leak_checked!)]
async fn who_is_polled_after_the_tokens_end_is_not_served_it() {
    for outcome in ["hangs", "fails", "fails after its end"] {
        let vendor = Vendor::rotating();
        let (session, _) = vendor.process();
        session.lease().await.unwrap();
        vendor.clock.advance(LIFE - 10 * SECOND);
        let hold = vendor.hold_renewal();
        if outcome != "hangs" {
            vendor.books().next_renewal.clear();
            vendor.twist_renewals([Twist::Late(2 * SECOND, Error::unexpected_status(503))]);
        }
        let mut waiting = pin!(session.lease());
        assert!(poll!(waiting).is_pending());
        settle().await;
        if outcome == "fails" {
            vendor.clock.advance(2 * SECOND);
            settle().await;
        }
        vendor.clock.advance(10 * SECOND);
        settle().await;
        match poll!(waiting) {
            Poll::Ready(Ok(_)) => panic!("{outcome}: served after its end"),
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Outage, "{outcome}"),
            Poll::Pending => {}
        }
        hold.release();
    }
}

#[apply(leak_checked!)]
async fn who_is_polled_after_the_new_token_has_ended_too_is_not_served_it() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    let mut waiting = pin!(session.lease());
    assert!(poll!(waiting).is_pending());
    settle().await;
    assert_eq!(vendor.counts().sign_ins, 1);
    vendor.clock.advance(ELEVEN_MINUTES);
    settle().await;
    let lease = waiting.await.unwrap();
    assert_eq!((lease.generation().counter(), vendor.counts()), (2, Counts { sign_ins: 1, renewals: 1, ..NONE }));
}

/// A virtual machine that is paused from outside: one clock stands still, the other goes on.
#[derive(Clone)]
struct Paused(ManualClock);

impl Clock for Paused {
    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn counts_sleep(&self) -> bool {
        true
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep(duration)
    }
}

/// A paused machine is found out within a second or two of going on, by whoever wants a token then.
#[apply(leak_checked!)]
async fn a_token_that_ended_while_the_machine_was_paused_is_found_out_soon() {
    let vendor = Vendor::rotating();
    let builder = vendor.builder(&ScriptedStore::default()).clock(Paused(vendor.clock.clone()));
    let session = builder.build().unwrap().session().clone();
    session.lease().await.unwrap();
    vendor.clock.advance(10 * SECOND);
    session.lease().await.unwrap();
    vendor.clock.stop_monotonic_for(Duration::from_secs(8 * 3600));
    vendor.clock.advance(3 * SECOND);
    assert_eq!(session.lease().await.unwrap().generation().counter(), 2);
}

/// What one caller has found to be over, no other is served while its successor is made.
#[apply(leak_checked!)]
async fn a_token_that_one_caller_has_found_out_is_served_to_none() {
    let vendor = Vendor::rotating();
    let builder = vendor.builder(&ScriptedStore::default()).clock(Paused(vendor.clock.clone()));
    let session = builder.build().unwrap().session().clone();
    session.lease().await.unwrap();
    vendor.clock.stop_monotonic_for(Duration::from_secs(8 * 3600));
    vendor.clock.advance(3 * SECOND);
    for _ in 0..3 {
        let lease = std::pin::pin!(session.lease()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(lease.is_pending());
    }
    assert_eq!(session.lease().await.unwrap().generation().counter(), 2);
}

fn mayfly(renewal: Renewal, life: Duration) -> Vendor {
    let capabilities = Capabilities::new("scripted", ".password(..)").renewal(renewal).default_life(life);
    Vendor { life: None, ..Vendor::of(capabilities) }
}

#[apply(leak_checked!)]
async fn a_default_life_counts_where_the_vendor_does_not_say() {
    for renewal in [Renewal::None, Renewal::SignIn, super::ROTATES] {
        let vendor = mayfly(renewal, LIFE);
        let (session, _) = vendor.process();
        let end = vendor.clock.wall() + LIFE;
        assert_eq!(session.lease().await.unwrap().expiry(), Expiry::At(end), "{renewal:?}");
        // Another process reads it from the store.
        assert_eq!(vendor.process().0.lease().await.unwrap().expiry(), Expiry::At(end), "{renewal:?}");
        vendor.clock.advance(ELEVEN_MINUTES);
        session.lease().await.unwrap();
        let Counts { sign_ins, renewals, .. } = vendor.counts();
        assert_eq!(sign_ins + renewals, 2, "{renewal:?}");
    }
}

#[apply(leak_checked!)]
async fn a_default_life_gives_way_to_what_the_vendor_says() {
    let vendor = Vendor { life: Some(2 * LIFE), ..mayfly(Renewal::SignIn, LIFE) };
    let (session, _) = vendor.process();
    assert_eq!(session.lease().await.unwrap().expiry(), Expiry::At(vendor.clock.wall() + 2 * LIFE));
    session.lease_for(LIFE + SECOND).await.unwrap();
    assert_eq!(vendor.counts().sign_ins, 1);
}

/// Runs this on a thread of its own; a deadlock is a failure, and not a test that hangs.
fn ends(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let name = thread::current().name().unwrap_or_default().to_owned();
    let worker = thread::Builder::new().name(name).spawn(move || {
        work();
        let _ = done.send(());
    });
    assert!(ended.recv_timeout(Duration::from_secs(20)).is_ok(), "{what}: it waits for itself");
    worker.unwrap().join().unwrap();
}

fn on_a_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// Where code of the user's finds the session.
type Own = Arc<OnceLock<Session>>;

fn look(own: &Own) {
    if let Some(session) = own.get() {
        let _ = (session.report().to_string(), session.profile(), format!("{session:?}"));
    }
}

/// A subscriber that does this for whatever is told, and knows whether that is an event of ours.
struct Onlooker<F>(F);

impl<F: Fn(bool) + Send + Sync + 'static> tracing::Subscriber for Onlooker<F> {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.0(false);
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0(event.metadata().target().starts_with("keyway"));
    }

    fn enter(&self, _: &tracing::span::Id) {
        self.0(false);
    }

    fn exit(&self, _: &tracing::span::Id) {
        self.0(false);
    }
}

/// Signs in, renews, fails, saves in vain, signs out.
async fn a_life(session: &Session, vendor: &Vendor, store: &ScriptedStore) {
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    vendor.twist_renewals([Twist::Fail(Error::unexpected_status(503))]);
    session.lease().await.unwrap_err();
    vendor.clock.advance(60 * SECOND);
    store.fail_saves(1);
    session.lease().await.unwrap();
    session.close().await.unwrap();
    store.fail_loads(1);
    session.sign_out().await.unwrap_err();
    session.sign_in().await.unwrap();
    session.sign_out().await.unwrap();
}

#[apply(leak_checked!)]
fn a_subscriber_may_look_at_the_session_it_is_told_of() {
    ends("a subscriber", || {
        let own = Own::default();
        let looks = own.clone();
        let _told = tracing::subscriber::set_default(Onlooker(move |_| look(&looks)));
        on_a_runtime(async move {
            let vendor = Vendor::rotating();
            let (session, store) = vendor.process();
            own.set(session.clone()).unwrap();
            a_life(&session, &vendor, &store).await;
        });
    });
}

/// Found by an example whose output was cut off: what writes the log failed, and everybody waited for ever.
#[apply(leak_checked!)]
fn a_subscriber_that_panics_stops_nobody() {
    ends("a subscriber that panics", || {
        let fails = |is_ours: bool| assert!(!is_ours, "the log cannot be written");
        let _told = tracing::subscriber::set_default(Onlooker(fails));
        on_a_runtime(async {
            let vendor = Vendor::rotating();
            let (session, store) = vendor.process();
            a_life(&session, &vendor, &store).await;
        });
    });
}

/// A clock, an issuer, a store and a lock that look at the session whenever they are asked.
#[derive(Clone)]
struct Looking<T>(T, Own);

impl Clock for Looking<ManualClock> {
    fn wall(&self) -> SystemTime {
        look(&self.1);
        self.0.wall()
    }

    fn monotonic(&self) -> Duration {
        look(&self.1);
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        look(&self.1);
        self.0.sleep(duration)
    }
}

struct Held {
    _lock: StoreLock,
    own: Own,
}

impl Drop for Held {
    fn drop(&mut self) {
        look(&self.own);
    }
}

impl ExpiringLock for Held {
    async fn extend(&self, _: Duration) -> bool {
        look(&self.own);
        true
    }
}

impl Store for Looking<ScriptedStore> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        look(&self.1);
        self.0.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        look(&self.1);
        self.0.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        look(&self.1);
        let lock = self.0.lock(key, wait).await?;
        Ok(StoreLock::expiring(Held { _lock: lock, own: self.1.clone() }))
    }
}

impl Issuer for Looking<super::Scripted> {
    fn describe(&self) -> Capabilities {
        self.0.describe()
    }

    fn seed(&self) -> Option<&Secret> {
        look(&self.1);
        self.0.seed()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        look(&self.1);
        self.0.sign_in(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &keyway::custom::Tokens) -> Result<Issued, Error> {
        look(&self.1);
        self.0.renew(attempt, tokens).await
    }
}

#[apply(leak_checked!)]
fn a_clock_a_store_a_lock_and_an_issuer_may_look_at_their_session() {
    ends("a callback", || {
        on_a_runtime(async move {
            let (own, vendor, store) = (Own::default(), Vendor::rotating(), ScriptedStore::over(&MemoryStore::new()));
            let builder = Client::builder("https://scripted.example").principal("ann");
            let builder = builder.issuer(Looking(vendor.issuer(), own.clone()));
            let builder = builder.clock(Looking(vendor.clock.clone(), own.clone()));
            let session = builder.store(Looking(store.clone(), own.clone())).build().unwrap().session().clone();
            own.set(session.clone()).unwrap();
            a_life(&session, &vendor, &store).await;
        });
    });
}

#[apply(leak_checked!)]
async fn a_lock_that_is_dropped_with_its_last_client_waits_for_nobody() {
    let vendor = Vendor::rotating();
    let (session, store) = vendor.process();
    session.lease().await.unwrap();
    store.fill();
    session.renew().await.unwrap();
    drop((session, store));
    settle().await;
    let other = vendor.process().0;
    super::at_once(lease(&other)).await.expect("what it kept is free");
}
