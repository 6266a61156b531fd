//! What every surface keeps to, whatever is peculiar to it: one suite, one test per law and surface.
//!
//! A further surface is named once at the end of this file, and gets all of them, and every other test that is made for
//! every surface: one that the crate does not know, too.

use keyway::{
    AccessKey, Clock, ErrorKind, Expiry, FileStore, Generation, Http, Key, MemoryStore, Record, Responder, Secret,
    Session, SignInPage, SourceError, Store, StoreError, StoreLock, Timeouts,
    custom::{Attempt, Capabilities, Issued, Issuer, Renewal, Tokens},
    testing::{
        Fake, FakeOAuth2, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock,
    },
};
use std::{
    future::Future,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};
use tokio::sync::watch;

/// A surface as the laws see it, and every other test that all of them must pass.
pub(crate) trait Surface: Sized + Send + Sync + 'static {
    /// The operations that obtain tokens.
    const OBTAIN: &'static [&'static str];
    /// How long a token is told to live; `None` where the vendor does not tell.
    const LIFE: Option<Duration>;
    /// Whether the next token can be had while this one is still good. If not, it is used to its end.
    const RENEWS_QUIETLY: bool = true;
    /// Whether the next token costs a refresh token, which is spent by that.
    const RENEWS_BY_ROTATION: bool = Self::OBTAIN.len() > 1;
    /// Whether it believes a wait that a vendor asks for with `Retry-After`.
    const READS_RETRY_AFTER: bool = true;
    /// Whether a document says what stands in its answers.
    const HAS_DOCUMENT: bool = true;
    /// A path that wants a session, and the operation it is to the fake.
    const PATH: &'static str = "/some/service/v1/things";

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self;
    fn fake(&self) -> &Fake;
    /// A client of the platform at `root`. Its password, if it is asked for, makes the asking task panic while `panics`
    /// is set.
    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session);
    fn client(
        &self,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        self.client_at(&self.fake().uri(), clock, store, panics)
    }
    /// The vendor forgets every access token.
    fn forget(&self);
    /// The vendor forgets every refresh token, where it has them.
    fn forget_refresh(&self) {}
    fn secrets(&self) -> Vec<String>;
}

/// A source that panics while it is told to.
fn source(
    secret: &'static str,
    panics: Option<Arc<AtomicBool>>,
) -> impl Fn() -> std::future::Ready<Result<Secret, SourceError>> + Send + Sync + 'static {
    move || {
        assert!(!panics.as_ref().is_some_and(|panics| panics.load(Ordering::SeqCst)), "the source panics");
        std::future::ready(Ok(Secret::from(secret)))
    }
}

/// A store in memory that can be slow to save sessions, or refuse to. Attempts are counted whatever it is told.
#[derive(Clone)]
pub(crate) struct SlowStore {
    memory: MemoryStore,
    saving: Arc<watch::Sender<Saving>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Saving {
    Works,
    /// Saving waits.
    Waits,
    /// Saving waits, and somebody does.
    Awaited,
    /// Saving fails.
    Fails,
}

impl SlowStore {
    fn new() -> Self {
        Self { memory: MemoryStore::new(), saving: Arc::new(watch::Sender::new(Saving::Works)) }
    }
}

impl Store for SlowStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Store::load(&self.memory, key).await
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        if record.is_tombstone() {
            return self.memory.compare_and_swap(key, expected, record).await;
        }
        self.saving.send_if_modified(|saving| std::mem::replace(saving, saving.awaited()) != *saving);
        let mut saving = self.saving.subscribe();
        let saving = *saving.wait_for(|saving| matches!(saving, Saving::Works | Saving::Fails)).await.unwrap();
        if saving == Saving::Fails {
            return Err(StoreError::new("the store is broken"));
        }
        self.memory.compare_and_swap(key, expected, record).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.memory.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.memory.lock(key, wait).await
    }
}

impl Saving {
    fn awaited(self) -> Self {
        if self == Self::Waits { Self::Awaited } else { self }
    }
}

/// A store that keeps what it is given as text, as files do.
#[derive(Clone, Default)]
pub(crate) struct Written(MemoryStore);

impl Store for Written {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let record = Store::load(&self.0, key).await?;
        record.map(|record| Record::from_json(record.to_json().expose())).transpose()
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.0.compare_and_swap(key, expected, record).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.0.lock(key, wait).await
    }
}

pub(crate) struct Fixture<S> {
    pub(crate) surface: Arc<S>,
    pub(crate) clock: ManualClock,
    pub(crate) store: SlowStore,
}

impl<S: Surface> Fixture<S> {
    pub(crate) async fn new() -> Self {
        Self::with_life(S::LIFE).await
    }

    pub(crate) async fn with_life(life: Option<Duration>) -> Self {
        let clock = ManualClock::new();
        let surface = Arc::new(S::start(&clock, life).await);
        Self { surface, clock, store: SlowStore::new() }
    }

    pub(crate) fn client(&self) -> (Http, Session) {
        self.surface.client(&self.clock, &self.store, None)
    }

    pub(crate) fn fake(&self) -> &Fake {
        self.surface.fake()
    }

    /// How often tokens were asked for.
    pub(crate) fn asked(&self) -> usize {
        S::OBTAIN.iter().map(|operation| self.fake().count(operation)).sum()
    }

    pub(crate) fn all(&self, fault: &Fault) {
        S::OBTAIN.iter().for_each(|operation| self.fake().always(operation, fault.clone()));
    }

    pub(crate) fn heal(&self) {
        S::OBTAIN.iter().for_each(|operation| self.fake().heal(operation));
    }

    /// The operation that a client without a session signs in by.
    pub(crate) fn sign_in(&self) -> &'static str {
        S::OBTAIN[0]
    }
}

async fn l1_n_callers_are_one_sign_in_and_one_renewal<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    for round in 1..=2 {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move { session.lease().await.unwrap().generation() })
            })
            .collect();
        let mut generations = std::collections::HashSet::new();
        for task in tasks {
            generations.insert(task.await.unwrap());
        }
        let expected = if S::LIFE.is_some() { round } else { 1 };
        assert_eq!((fixture.asked(), generations.len()), (expected, 1));
        fixture.clock.advance(S::LIFE.unwrap_or(Duration::from_secs(3600)) * 2);
    }
}

async fn l2_dropping_every_caller_loses_nothing<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let caller = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await })
    };
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    session.close().await.unwrap();
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 1);
}

async fn l3_a_failure_is_shared_and_then_cools_down<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.all(&Fault::Html(503));
    for _ in 0..50 {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    assert_eq!(fixture.asked(), 1);
    fixture.heal();
    let wait = session.lease().await.unwrap_err().retry_after().expect("says when");
    fixture.clock.advance(wait);
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

async fn l4_a_late_401_to_an_older_token_renews_nothing<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    fixture.surface.forget();
    let late = fixture.fake().hold("other");
    let straggler = tokio::spawn(http.get(S::PATH).send());
    late.arrived(1).await;
    // Meanwhile somebody else, who is not held, meets the 401 and gets the next token.
    drop(fixture.fake().hold("other"));
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), 2);
    // So long ago that another 401 would be believed.
    fixture.clock.advance(Duration::from_secs(31));
    late.open();
    assert_eq!(straggler.await.unwrap().unwrap().status(), 200);
    assert_eq!(fixture.asked(), 2);
}

async fn l5_inside_the_early_window_nobody_waits<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    let Some(life) = S::LIFE.filter(|_| S::RENEWS_QUIETLY) else {
        // Without a window: to its end, and if it has none, for good.
        fixture
            .clock
            .advance(S::LIFE.map_or(Duration::from_secs(365 * 24 * 3600), |life| life - Duration::from_secs(1)));
        let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
        assert_eq!(session.lease().await.unwrap().generation(), first);
        drop(gates);
        session.close().await.unwrap();
        assert_eq!(fixture.asked(), 1);
        return;
    };
    let margin = (life / 5).min(Duration::from_secs(300));
    fixture.clock.advance(life - margin * 3 / 4);
    let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
    for _ in 0..10 {
        assert_eq!(session.lease().await.unwrap().generation(), first);
    }
    drop(gates);
    session.close().await.unwrap();
    assert_ne!(session.lease().await.unwrap().generation(), first);
    assert_eq!(fixture.asked(), 2);
}

async fn l6_in_the_late_window_a_caller_waits_with_a_deadline<S: Surface>() {
    let Some(life) = S::LIFE.filter(|_| S::RENEWS_QUIETLY) else {
        return l5_inside_the_early_window_nobody_waits::<S>().await;
    };
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    fixture.clock.advance(life - Duration::from_secs(8));
    let gates: Vec<_> = S::OBTAIN.iter().map(|operation| fixture.fake().hold(operation)).collect();
    let mut waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    tokio::select! {
        () = fixture.clock.until_sleeping(1) => {}
        served = &mut waiting => panic!("nobody waited, and {served:?} was served"),
    }
    // Half of what is left is spent on waiting; then the token that is still good serves.
    fixture.clock.advance(Duration::from_secs(4));
    assert_eq!(waiting.await.unwrap(), first);
    drop(gates);
    session.close().await.unwrap();
    assert_ne!(session.lease().await.unwrap().generation(), first);
    assert_eq!(fixture.asked(), 2);
}

async fn l7_a_valid_token_survives_a_failed_renewal<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    fixture.all(&Fault::Html(503));
    fixture.clock.advance(S::LIFE.map_or(Duration::from_secs(3600), |life| life - Duration::from_secs(8)));
    for _ in 0..5 {
        assert_eq!(session.lease().await.unwrap().generation(), first);
        assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    }
    assert_eq!(fixture.asked(), if S::LIFE.is_some() && S::RENEWS_QUIETLY { 2 } else { 1 });
}

async fn l8_what_is_served_can_be_found_in_the_store<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    // As long as it is not stored, it is not served.
    fixture.store.saving.send_replace(Saving::Waits);
    let mut waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    let mut saving = fixture.store.saving.subscribe();
    tokio::select! {
        biased;
        served = &mut waiting => panic!("{served:?} was served before it was stored"),
        _ = saving.wait_for(|saving| *saving == Saving::Awaited) => {}
    }
    // Time enough for whoever would be served meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    fixture.store.saving.send_replace(Saving::Works);
    let served = waiting.await.unwrap();
    let (_, another) = fixture.client();
    assert_eq!(another.lease().await.unwrap().generation(), served);
    assert_eq!(fixture.asked(), 1);
    // A save that fails loses no token, and asks nobody for another one.
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.store.saving.send_replace(Saving::Fails);
    let served = session.lease().await.unwrap().generation();
    assert_eq!(session.lease().await.unwrap().generation(), served);
    assert_eq!(fixture.asked(), 1);
}

async fn l9_two_processes_are_one_sign_in_and_one_renewal<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let folder = tempfile::tempdir().unwrap();
    // As two processes have it: nothing is shared but the folder.
    let (one, two) = (Desk::at(folder.path()), Desk::at(folder.path()));
    let client = |desk: &Desk| fixture.surface.client(&fixture.clock, desk, None);
    let ((http, first), (other_http, second)) = (client(&one), client(&two));
    let gate = fixture.fake().hold(fixture.sign_in());
    let signing_in = {
        let session = first.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    gate.arrived(1).await;
    let key = one.locked.lock().unwrap().clone().expect("it was locked");
    two.files.lock(&key, Duration::ZERO).await.expect_err("it is held by who signs in");
    let waiting = {
        let session = second.clone();
        tokio::spawn(async move { session.lease().await.unwrap().generation() })
    };
    drop(gate);
    assert_eq!(signing_in.await.unwrap(), waiting.await.unwrap());
    assert_eq!(fixture.asked(), 1);
    // Both find that the token has ended, by the clock or by a 401.
    fixture.clock.advance(S::LIFE.unwrap_or(Duration::from_secs(3600)) * 2);
    fixture.surface.forget();
    let (a, b) = tokio::join!(http.get(S::PATH).send(), other_http.get(S::PATH).send());
    assert_eq!((a.unwrap().status().as_u16(), b.unwrap().status().as_u16()), (200, 200));
    assert_eq!(first.lease().await.unwrap().generation(), second.lease().await.unwrap().generation());
    assert_eq!(fixture.asked(), 2);
}

/// A store in files that remembers which session was locked last.
#[derive(Clone)]
struct Desk {
    files: FileStore,
    locked: Arc<Mutex<Option<Key>>>,
}

impl Desk {
    fn at(folder: &Path) -> Self {
        Self { files: FileStore::at(folder), locked: Arc::default() }
    }
}

impl Store for Desk {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.files.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.files.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.files.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        *self.locked.lock().unwrap() = Some(key.clone());
        self.files.lock(key, wait).await
    }
}

async fn l10_a_sleep_and_a_jump_of_either_clock_are_noticed<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    let life = S::LIFE.unwrap_or(Duration::from_secs(3600));
    // The machine sleeps: the monotonic clock stops, the world goes on.
    fixture.clock.stop_monotonic_for(life * 2);
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), if S::LIFE.is_some() { 2 } else { 1 });
    // The wall clock is set back by a day: the monotonic one still counts.
    fixture.clock.jump_wall(-86_400);
    fixture.clock.advance(life * 2);
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(fixture.asked(), if S::LIFE.is_some() { 3 } else { 1 });
    // The clocks told it, and not a 401 to a token that had ended: no call was sent twice.
    assert_eq!(fixture.fake().count("other"), 2);
}

async fn l11_a_sign_out_beats_the_sign_in_that_is_under_way<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await.unwrap_err().kind() })
    };
    gate.arrived(1).await;
    session.sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap(), ErrorKind::SignedOut);
    assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    session.sign_in().await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

async fn l12_nothing_that_can_be_printed_holds_a_secret<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    let lease = session.lease().await.unwrap();
    let (token, headers) = (lease.token(), lease.headers());
    assert!(token.is_some_and(|token| fixture.surface.secrets().iter().any(|secret| secret == token.expose())));
    let mut shown = format!("{http:?} {session:?} {lease:?} {token:?} {headers:?}");
    shown += &format!("{:?} {}", session.profile(), session.report());
    fixture.clock.advance(S::LIFE.unwrap_or_default() * 2);
    fixture.surface.forget();
    for fault in [Fault::Html(502), Fault::TruncatedJson, Fault::CutAfter, Fault::Empty(400), Fault::Html(200)] {
        fixture.all(&fault);
        fixture.clock.advance(Duration::from_secs(3600));
        match http.get(S::PATH).send().await {
            Ok(answer) => shown += &format!("{answer:?}"),
            Err(error) => {
                shown += &format!("{error} {error:?} {error:#?}");
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    shown += &format!("{cause} {cause:?}");
                    source = cause.source();
                }
            }
        }
    }
    for secret in fixture.surface.secrets().into_iter().filter(|secret| secret.len() > 5) {
        assert!(!shown.contains(&secret), "`{secret}` is in {shown}");
    }
}

async fn l13_credentials_go_to_the_own_origin_only<S: Surface>() {
    let (fixture, other) = (Fixture::<S>::new().await, Fixture::<S>::new().await);
    let (http, _) = fixture.client();
    let answer = http.get(format!("{}{}", other.fake().uri(), S::PATH)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(other.fake().saw().iter().all(|seen| seen.bearer.is_none()));
    assert_eq!(fixture.asked(), 0);
    // Nor do they follow a redirect, whether of a call or of a sign-in.
    let elsewhere = format!("{}{}", other.fake().uri(), S::PATH);
    fixture.all(&Fault::Redirect(307, elsewhere.clone()));
    let error = http.get(S::PATH).send().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(307)), "{error}");
    fixture.heal();
    fixture.clock.advance(Duration::from_secs(60));
    fixture.fake().next("other", Fault::Redirect(307, elsewhere));
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 307);
    assert_eq!(other.fake().saw().len(), 1);
}

async fn l14_a_throttle_is_waited_for_even_by_an_explicit_sign_in<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.all(&Fault::Empty(429));
    for _ in 0..100 {
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        assert!(error.retry_after().is_some());
        let _ = session.sign_in().await.unwrap_err();
    }
    assert_eq!(fixture.asked(), 1);
}

async fn l15_a_panic_in_a_sign_in_wedges_nobody<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let panics = Arc::new(AtomicBool::new(true));
    let (_, session) = fixture.surface.client(&fixture.clock, &fixture.store, Some(panics.clone()));
    let error = session.lease().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && error.to_string().contains("panicked"), "{error}");
    panics.store(false, Ordering::SeqCst);
    fixture.clock.advance(Duration::from_secs(1));
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 1);
}

async fn l16_a_dead_runtime_wedges_nobody<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let gate = fixture.fake().hold(fixture.sign_in());
    let caller = session.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move { caller.lease().await });
        let _ = stopped.recv();
        runtime.shutdown_background();
    });
    gate.arrived(1).await;
    stop.send(()).unwrap();
    thread.join().unwrap();
    gate.open();
    session.lease().await.unwrap();
    assert_eq!(fixture.asked(), 2);
    an_idle_runtime_wedges_nobody::<S>().await;
}

/// A runtime that lives, but that nobody drives: the clock tells that its run will never end.
async fn an_idle_runtime_wedges_nobody<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let idle = tokio::runtime::Builder::new_current_thread().build().unwrap();
    {
        let _inside = idle.enter();
        let mut waiting = pin!(session.lease());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let caller = session.clone();
    let next = tokio::spawn(async move { caller.lease().await.map(|lease| lease.generation()) });
    fixture.clock.until_sleeping(1).await;
    assert_eq!(fixture.asked(), 0);
    fixture.clock.advance(Timeouts::default().renewal);
    next.await.unwrap().unwrap();
    assert_eq!(fixture.asked(), 1);
    idle.shutdown_background();
}

async fn l17_two_sessions_never_mix<S: Surface>() {
    let (one, two) = (Fixture::<S>::new().await, Fixture::<S>::new().await);
    // Two platforms, one store.
    let (_, first) = one.surface.client(&one.clock, &one.store, None);
    let (_, second) = two.surface.client(&two.clock, &one.store, None);
    let (a, b) = (first.lease().await.unwrap(), second.lease().await.unwrap());
    assert_ne!(a.generation(), b.generation());
    assert_eq!((one.asked(), two.asked()), (1, 1));
}

async fn l18_a_token_that_is_dead_on_arrival_never_spins<S: Surface>() {
    let fixture = Fixture::<S>::with_life(S::LIFE.map(|_| Duration::ZERO)).await;
    let (_, session) = fixture.client();
    if S::LIFE.is_none() {
        assert_eq!(session.lease().await.unwrap().expiry(), Expiry::Unknown);
        return;
    }
    for _ in 0..100 {
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    assert_eq!(fixture.asked(), 1);
}

pub(crate) struct VitaMojo(FakeVitaMojo);

impl Surface for VitaMojo {
    const OBTAIN: &'static [&'static str] = &["auth", "refresh_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).jwt(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::vitamojo::Client::builder(root).tenant(crate::TENANT).clock(clock.clone());
        let builder = builder.password_from(FakeVitaMojo::EMAIL, source(FakeVitaMojo::PASSWORD, panics));
        let client = builder.store(store.clone()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

pub(crate) struct OrderingStack(FakeOrderingStack);

impl Surface for OrderingStack {
    const OBTAIN: &'static [&'static str] = &["issue_token"];
    const RENEWS_BY_ROTATION: bool = true;
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeOrderingStack::builder().clock(clock.clone()).rotating(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let client = keyway::orderingstack::Client::builder(root)
            .tenant(FakeOrderingStack::TENANT)
            .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
            .password_from(FakeOrderingStack::LOGIN, source(FakeOrderingStack::PASSWORD, panics))
            .store(store.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

pub(crate) struct Shopmonkey(FakeShopmonkey);

impl Surface for Shopmonkey {
    const OBTAIN: &'static [&'static str] = &["login"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));
    const RENEWS_QUIETLY: bool = false;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeShopmonkey::builder().clock(clock.clone()).jwt(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::shopmonkey::Client::builder(root).clock(clock.clone()).store(store.clone());
        let source = source(FakeShopmonkey::PASSWORD, panics);
        let client = builder.password_from(FakeShopmonkey::EMAIL, source).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_sessions();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

pub(crate) struct Vms(FakeVms);

impl Surface for Vms {
    const OBTAIN: &'static [&'static str] = &["get_token"];
    const LIFE: Option<Duration> = None;

    async fn start(clock: &ManualClock, _: Option<Duration>) -> Self {
        Self(FakeVms::builder().clock(clock.clone()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::vms::Client::builder(root).clock(clock.clone()).store(store.clone());
        let client = builder.password_from(FakeVms::LOGIN, source(FakeVms::PASSWORD, panics)).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_all();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

pub(crate) struct Vtex(FakeVtex);

impl Surface for Vtex {
    const OBTAIN: &'static [&'static str] = &["generate_authentication_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(6 * 3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(FakeVtex::builder().clock(clock.clone()).token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::vtex::Client::builder(root).clock(clock.clone()).store(store.clone());
        let client = builder.app_key_from(FakeVtex::APP_KEY, source(FakeVtex::APP_TOKEN, panics)).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

/// A shopper of a VTEX store, who reads every mail at once.
pub(crate) struct Shopper(Arc<FakeVtex>);

struct Mailbox {
    fake: Arc<FakeVtex>,
    panics: Option<Arc<AtomicBool>>,
}

impl Responder for Mailbox {
    async fn access_key(&self, _: AccessKey) -> Option<Secret> {
        assert!(!self.panics.as_ref().is_some_and(|panics| panics.load(Ordering::SeqCst)), "the mailbox panics");
        Some(Secret::from(self.fake.access_key()))
    }
}

impl Surface for Shopper {
    const OBTAIN: &'static [&'static str] = &["validate_access_key", "refresh_storefront_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(24 * 3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeVtex::builder().clock(clock.clone()).storefront_life(life.unwrap_or_default());
        Self(Arc::new(builder.start().await))
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::vtex::Client::builder(root).clock(clock.clone()).store(store.clone());
        let mailbox = Mailbox { fake: self.0.clone(), panics };
        let builder = builder.account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL).responder(mailbox);
        let client = builder.build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

/// A user of a provider that speaks OAuth 2.0, whose endpoints are discovered.
pub(crate) struct OAuthUser(FakeOAuth2);

/// A person who signs in at the page of such a provider, and allows everything.
pub(crate) struct OAuthPerson(FakeOAuth2);

struct Reader(Option<Arc<AtomicBool>>);

impl Responder for Reader {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        assert!(!self.0.as_ref().is_some_and(|panics| panics.load(Ordering::SeqCst)), "the reader panics");
        Some(crate::oauth2::follow(&page).await)
    }
}

/// A service of such a provider.
pub(crate) struct OAuthService(FakeOAuth2);

async fn provider(clock: &ManualClock, life: Option<Duration>) -> FakeOAuth2 {
    FakeOAuth2::builder().clock(clock.clone()).token_life(life.unwrap_or_default()).start().await
}

impl Surface for OAuthUser {
    const OBTAIN: &'static [&'static str] = &["issue_token"];
    const RENEWS_BY_ROTATION: bool = true;
    const HAS_DOCUMENT: bool = false;
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(provider(clock, life).await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::oauth2::Client::builder(root).token_endpoint("/token").clock(clock.clone());
        let builder = builder.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET).store(store.clone());
        let source = source(FakeOAuth2::PASSWORD, panics);
        let client = builder.password_from(FakeOAuth2::LOGIN, source).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

impl Surface for OAuthPerson {
    const OBTAIN: &'static [&'static str] = &["issue_token"];
    const RENEWS_BY_ROTATION: bool = true;
    const HAS_DOCUMENT: bool = false;
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(provider(clock, life).await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::oauth2::Client::discover(root).public_client(FakeOAuth2::PUBLIC_CLIENT);
        let builder = builder.authorization_code("https://till.example/back").responder(Reader(panics));
        let client = builder.profile("ann").clock(clock.clone()).store(store.clone()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

impl Surface for OAuthService {
    const OBTAIN: &'static [&'static str] = &["issue_token"];
    const HAS_DOCUMENT: bool = false;
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(provider(clock, life).await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let builder = keyway::oauth2::Client::builder(root).token_endpoint("/token").clock(clock.clone());
        let source = source(FakeOAuth2::CLIENT_SECRET, panics);
        let builder = builder.client_from(FakeOAuth2::CLIENT_ID, source).client_credentials();
        let client = builder.store(store.clone()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

/// A vendor that this crate does not know: an issuer written as a user writes one. Its platform happens to be Vita Mojo's.
pub(crate) struct Acme(FakeVitaMojo, Option<Duration>);

struct AcmeIssuer {
    root: String,
    http: reqwest::Client,
    life: Option<Duration>,
    panics: Option<Arc<AtomicBool>>,
}

impl AcmeIssuer {
    async fn tokens(&self, attempt: &Attempt, call: reqwest::RequestBuilder) -> Result<Issued, keyway::Error> {
        let _permit = attempt.acquire().await?;
        let answer = call.send().await?;
        match answer.status().as_u16() {
            200 | 201 => {}
            400 => return Err(keyway::Error::refresh_refused("Acme refused it")),
            429 => return Err(keyway::Error::throttled(None)),
            status => return Err(keyway::Error::unexpected_status(status)),
        }
        let body: serde_json::Value = answer.json().await?;
        let token = |name: &str| body["payload"]["token"][name].as_str().unwrap_or_default().to_owned();
        let issued = Issued::new(token("value")).with_refresh(token("refresh"));
        Ok(self.life.into_iter().fold(issued, Issued::lives_for))
    }
}

impl Issuer for AcmeIssuer {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, keyway::Error> {
        let password = source(FakeVitaMojo::PASSWORD, self.panics.clone())().await.expect("a password");
        attempt.present(&password)?;
        let body = serde_json::json!({ "email": FakeVitaMojo::EMAIL, "password": password.expose() });
        self.tokens(attempt, self.http.post(format!("{}/user/v1/auth", self.root)).json(&body)).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, keyway::Error> {
        let refresh = tokens.refresh().map(Secret::expose).unwrap_or_default();
        self.tokens(attempt, self.http.put(format!("{}/user/v1/auth/refresh/{refresh}", self.root))).await
    }
}

impl Surface for Acme {
    const OBTAIN: &'static [&'static str] = VitaMojo::OBTAIN;
    const READS_RETRY_AFTER: bool = false;
    const HAS_DOCUMENT: bool = false;
    const LIFE: Option<Duration> = VitaMojo::LIFE;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(VitaMojo::start(clock, life).await.0, life)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client_at(
        &self,
        root: &str,
        clock: &ManualClock,
        store: &(impl Store + Clone),
        panics: Option<Arc<AtomicBool>>,
    ) -> (Http, Session) {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let issuer = AcmeIssuer { root: root.to_owned(), http, life: self.1, panics };
        let builder = keyway::custom::Client::builder(root).issuer(issuer).principal(FakeVitaMojo::EMAIL);
        let client = builder.clock(clock.clone()).store(store.clone()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets()
    }
}

/// Makes these tests for every surface, each surface in a module of its own.
macro_rules! for_every_surface {
    ($($test:ident)*) => {
        crate::laws::for_every_surface! { @surfaces [$($test)*]
            vitamojo: VitaMojo;
            orderingstack: OrderingStack;
            shopmonkey: Shopmonkey;
            vms: Vms;
            vtex: Vtex;
            vtex_shopper: Shopper;
            outside: Acme;
            oauth2_user: OAuthUser;
            oauth2_service: OAuthService;
            oauth2_person: OAuthPerson;
        }
    };
    (@surfaces $tests:tt $($name:ident: $surface:ident;)*) => {$(
        mod $name {
            use crate::laws::$surface;
            crate::laws::for_every_surface! { @tests $surface $tests }
        }
    )*};
    (@tests $surface:ident [$($test:ident)*]) => {$(
        #[apply(leak_checked!)]
        async fn $test() {
            super::$test::<$surface>().await;
        }
    )*};
}
pub(crate) use for_every_surface;

for_every_surface! {
    l1_n_callers_are_one_sign_in_and_one_renewal
    l2_dropping_every_caller_loses_nothing
    l3_a_failure_is_shared_and_then_cools_down
    l4_a_late_401_to_an_older_token_renews_nothing
    l5_inside_the_early_window_nobody_waits
    l6_in_the_late_window_a_caller_waits_with_a_deadline
    l7_a_valid_token_survives_a_failed_renewal
    l8_what_is_served_can_be_found_in_the_store
    l9_two_processes_are_one_sign_in_and_one_renewal
    l10_a_sleep_and_a_jump_of_either_clock_are_noticed
    l11_a_sign_out_beats_the_sign_in_that_is_under_way
    l12_nothing_that_can_be_printed_holds_a_secret
    l13_credentials_go_to_the_own_origin_only
    l14_a_throttle_is_waited_for_even_by_an_explicit_sign_in
    l15_a_panic_in_a_sign_in_wedges_nobody
    l16_a_dead_runtime_wedges_nobody
    l17_two_sessions_never_mix
    l18_a_token_that_is_dead_on_arrival_never_spins
}

/// The laws look at the clock the way the crate does.
#[apply(leak_checked!)]
fn a_manual_clock_stands_still() {
    let clock = ManualClock::new();
    assert_eq!((clock.wall(), clock.monotonic()), (clock.wall(), clock.monotonic()));
}
