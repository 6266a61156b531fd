//! One client per key, as many as there may be, and one sign-in per key however often clients go and come.

use keyway::{
    Error, ErrorKind, Generation, Key, Lent, MemoryStore, Record, Sessions, Store, StoreError, StoreLock,
    blocking::Wait,
    testing::{FakeVitaMojo, ManualClock},
    vitamojo,
};
use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";
const MINUTE: Duration = Duration::from_secs(60);

struct Stage {
    fake: FakeVitaMojo,
    clock: ManualClock,
    made: Arc<AtomicUsize>,
    sessions: Sessions<u32, vitamojo::Client>,
}

impl Stage {
    async fn of(most: usize) -> Self {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).token_life(60 * MINUTE).rotating(true).start().await;
        let (store, made) = (MemoryStore::new(), Arc::new(AtomicUsize::new(0)));
        let builder = |name: &str| {
            let builder = vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone()).profile(name);
            builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
        };
        let (first, counts) = (builder("first").build().unwrap(), made.clone());
        let (uri, its) = (fake.uri(), clock.clone());
        let sessions = Sessions::new(most, move |key: &u32| {
            counts.fetch_add(1, Ordering::SeqCst);
            if *key == 404 {
                return vitamojo::Client::builder("no address").build();
            }
            let builder = vitamojo::Client::builder(&uri).tenant(TENANT).clock(its.clone()).http_of(&first);
            let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).profile(key.to_string());
            builder.store(store.clone()).build()
        });
        let sessions = sessions.clock(clock.clone()).idle(10 * MINUTE);
        Self { fake, clock, made, sessions }
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

async fn call(client: Result<Lent<vitamojo::Client>, Error>) {
    let client = client.unwrap();
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
}

#[apply(leak_checked!)]
async fn however_clients_go_and_come_each_key_signs_in_once() {
    let stage = Stage::of(16).await;
    let mut dice = 12345_u64;
    let mut keys = HashSet::new();
    for _ in 0..400 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = (dice >> 33) as u32 % 60;
        keys.insert(key);
        call(stage.sessions.get(&key)).await;
        assert!(stage.sessions.len() <= 16);
    }
    assert!(stage.made() > keys.len(), "clients went and came");
    assert_eq!((stage.fake.count("auth"), stage.fake.count("refresh_token")), (keys.len(), 0));
}

#[apply(leak_checked!)]
#[threads(4)]
async fn those_who_want_one_key_at_once_get_one_client() {
    let stage = Arc::new(Stage::of(4).await);
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move { call(stage.sessions.get(&7)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((stage.made(), stage.fake.count("auth")), (1, 1));
}

#[apply(leak_checked!)]
async fn what_is_idle_goes_and_what_is_in_use_stays() {
    let stage = Stage::of(8).await;
    let held = stage.sessions.get(&0).unwrap();
    for key in 1..8 {
        call(stage.sessions.get(&key)).await;
    }
    stage.clock.advance(9 * MINUTE);
    call(stage.sessions.get(&1)).await;
    stage.clock.advance(2 * MINUTE);
    stage.sessions.forget_idle();
    assert_eq!(stage.sessions.len(), 2, "the one that is held, and the one that was used");
    let made = stage.made();
    call(stage.sessions.get(&0)).await;
    assert_eq!(stage.made(), made);
    stage.sessions.forget(&0);
    assert_eq!(stage.sessions.len(), 2, "it is in use");
    drop(held);
    stage.sessions.forget(&0);
    assert_eq!(stage.sessions.len(), 1);
}

#[apply(leak_checked!)]
async fn where_all_are_in_use_nobody_is_thrown_out() {
    let stage = Stage::of(2).await;
    let held = [stage.sessions.get(&1).unwrap(), stage.sessions.get(&2).unwrap()];
    let error = stage.sessions.get(&3).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
    assert!(stage.sessions.get(&1).is_ok());
    drop(held);
    assert!(stage.sessions.get(&3).is_ok());
    assert_eq!(stage.sessions.len(), 2);
}

#[apply(leak_checked!)]
async fn a_client_that_cannot_be_made_takes_no_room_and_is_tried_again() {
    let stage = Stage::of(1).await;
    for _ in 0..3 {
        assert_eq!(stage.sessions.get(&404).map(drop).unwrap_err().kind(), ErrorKind::Config);
        assert!(stage.sessions.is_empty());
    }
    assert_eq!(stage.made(), 3);
    call(stage.sessions.get(&1)).await;
}

#[apply(leak_checked!)]
fn one_who_shares_an_http_client_sets_none_of_its_own() {
    let first =
        vitamojo::Client::builder("https://vendor.example").tenant(TENANT).password("a@b.example", "the-password");
    let first = first.build().unwrap();
    let second =
        vitamojo::Client::builder("https://vendor.example").tenant(TENANT).password("a@b.example", "the-password");
    let error = second.http_of(&first).http(|b| b).build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".http_of(..)"), "{error}");
}

/// No time at all is a moment: a client in use is not idle again and again.
#[apply(leak_checked!)]
async fn clients_that_are_idle_at_once_leave_those_in_use_alone() {
    let stage = Stage::of(10).await;
    let sessions = stage.sessions.idle(Duration::ZERO);
    let lent = sessions.get(&1).unwrap();
    call(sessions.get(&2)).await;
    sessions.forget_idle();
    call(Ok(lent)).await;
}

/// Those who waited while it failed make one among them; whoever comes then gets that one.
#[apply(leak_checked!)]
fn a_client_that_could_not_be_made_at_first_is_made_once_by_those_who_waited() {
    const WAITING: usize = 16;
    for _ in 0..20 {
        let (tries, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (failing, its) = (Arc::new(Barrier::new(2)), (tries.clone(), made.clone()));
        let its_failing = failing.clone();
        let sessions = Sessions::new(4, move |_: &u32| {
            if its.0.fetch_add(1, Ordering::SeqCst) == 0 {
                its_failing.wait();
                its_failing.wait();
                return vitamojo::Client::builder("no address").build();
            }
            its.1.fetch_add(1, Ordering::SeqCst);
            let builder = vitamojo::Client::builder("https://vendor.example").tenant(TENANT);
            builder.password("a@b.example", "the-password").build()
        });
        let first = {
            let sessions = sessions.clone();
            thread::spawn(move || sessions.get(&7).map(drop))
        };
        failing.wait();
        let asking = Arc::new(Barrier::new(WAITING + 1));
        let others: Vec<_> = (0..WAITING)
            .map(|_| {
                let (sessions, asking) = (sessions.clone(), asking.clone());
                thread::spawn(move || {
                    asking.wait();
                    sessions.get(&7).unwrap()
                })
            })
            .collect();
        asking.wait();
        // Most of them have the slot by now and wait in it; whoever comes later finds it.
        (0..200).for_each(|_| thread::yield_now());
        failing.wait();
        assert_eq!(first.join().unwrap().unwrap_err().kind(), ErrorKind::Config);
        let lent: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        let late = sessions.get(&7).unwrap();
        assert_eq!((made.load(Ordering::SeqCst), sessions.len()), (1, 1));
        drop((lent, late));
    }
}

/// A store that takes nothing while it is told so.
#[derive(Clone, Default)]
struct Full {
    memory: MemoryStore,
    full: Arc<AtomicBool>,
    saved: Arc<AtomicUsize>,
}

impl Store for Full {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.memory.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::new("full"));
        }
        self.saved.fetch_add(1, Ordering::SeqCst);
        self.memory.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.memory.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.memory.lock(key, wait).await
    }
}

/// A token that the store did not take at first is offered once more before its client goes.
#[apply(leak_checked!)]
fn what_a_client_owes_is_paid_although_it_goes_where_no_runtime_runs() {
    let runtime = crate::leak_check::runtime(2);
    let clock = ManualClock::new();
    let fake = runtime.block_on(FakeVitaMojo::builder().clock(clock.clone()).start());
    let (store, uri) = (Full::default(), fake.uri());
    let (kept, its) = (store.clone(), clock.clone());
    let sessions = Sessions::new(4, move |key: &u32| {
        let builder = vitamojo::Client::builder(&uri).tenant(TENANT).clock(its.clone()).profile(key.to_string());
        builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).store(kept.clone()).build()
    });
    store.full.store(true, Ordering::SeqCst);
    let lent = sessions.get(&1).unwrap();
    lent.session().lease().wait().unwrap();
    drop(lent);
    store.full.store(false, Ordering::SeqCst);
    sessions.forget(&1);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while store.saved.load(Ordering::SeqCst) == 0 {
        assert!(std::time::Instant::now() < until, "the store was offered nothing");
        thread::yield_now();
    }
    let next = sessions.get(&1).unwrap();
    next.session().lease().wait().unwrap();
    assert_eq!(fake.count("auth"), 1, "the session was taken from the store");
}

/// What a program's log is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl io::Write for Told {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[apply(leak_checked!)]
fn a_client_that_goes_on_a_runtime_that_has_ended_says_what_it_could_not_do() {
    let runtime = crate::leak_check::runtime(1);
    let fake = runtime.block_on(FakeVitaMojo::start());
    let uri = fake.uri();
    let sessions = Sessions::new(4, move |key: &u32| {
        let builder = vitamojo::Client::builder(&uri).tenant(TENANT).profile(key.to_string());
        builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build()
    });
    drop(sessions.get(&1).unwrap());
    let ended = runtime.handle().clone();
    drop(runtime);
    let told = Told::default();
    let log = told.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let _inside = ended.enter();
        sessions.forget(&1);
    });
    let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("has gone where no Tokio runtime runs"), "{told}");
}
