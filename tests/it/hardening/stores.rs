//! Stores that lie, panic, hang or go back in time.

use super::*;

#[derive(Clone, Default)]
struct Slow {
    inner: MemoryStore,
    hold: Arc<AtomicBool>,
    arrived: Arc<tokio::sync::Notify>,
    go: Arc<tokio::sync::Notify>,
    full: Arc<AtomicBool>,
}

impl Store for Slow {
    as_its_store!(inner: load remove lock);

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::new("full"));
        }
        if self.hold.swap(false, Ordering::SeqCst) {
            self.arrived.notify_one();
            self.go.notified().await;
        }
        self.inner.compare_and_swap(key, old, new).await
    }
}

#[apply(leak_checked!)]
async fn a_sign_out_during_the_first_save_leaves_nothing_in_the_store() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let store = Slow::default();
    store.hold.store(true, Ordering::SeqCst);
    let client = vita(&fake, &clock).store(store.clone()).build().unwrap();
    let c = client.clone();
    let waiting = tokio::spawn(async move { c.session().lease().await });
    store.arrived.notified().await;
    client.session().sign_out().await.unwrap();
    store.go.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    let other = vita(&fake, &clock).store(store.clone()).build().unwrap();
    other.session().lease().await.unwrap();
    assert_eq!(fake.count("auth"), 2, "the signed-out session was adopted by another client");
}

#[apply(leak_checked!)]
async fn a_first_sign_in_needs_no_store() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    #[derive(Clone)]
    struct Down;
    impl Store for Down {
        async fn load(&self, _: &Key) -> Result<Option<Record>, StoreError> {
            Err(StoreError::new("down"))
        }
        async fn compare_and_swap(&self, _: &Key, _: Option<Generation>, _: Record) -> Result<bool, StoreError> {
            Err(StoreError::new("down"))
        }
        async fn remove(&self, _: &Key) -> Result<(), StoreError> {
            Ok(())
        }
        async fn lock(&self, _: &Key, _: Duration) -> Result<StoreLock, StoreError> {
            Err(StoreError::new("down"))
        }
    }
    vita(&fake, &clock)
        .store(Down)
        .build()
        .unwrap()
        .session()
        .lease()
        .await
        .expect("everything but renewing goes on from memory");
}

/// A store that lies, or is silent, when it is told to.
#[derive(Clone, Default)]
struct Liar {
    truth: MemoryStore,
    lie: Arc<Mutex<Lie>>,
    asked: Arc<tokio::sync::Notify>,
}

#[derive(Clone, Default)]
enum Lie {
    #[default]
    None,
    /// Another record than what was saved, whatever is asked for.
    Always(Box<Record>),
    Garbage,
    Silence,
    Panic,
}

impl Liar {
    fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

impl Store for Liar {
    as_its_store!(truth: compare_and_swap remove lock);

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let lie = self.lie.lock().unwrap().clone();
        match lie {
            Lie::None => self.truth.load(key).await,
            Lie::Always(record) => Ok(Some(*record)),
            Lie::Garbage => Record::from_json("\u{0}{\"schema\":").map(Some),
            Lie::Silence => {
                self.asked.notify_one();
                std::future::pending().await
            }
            Lie::Panic => panic!("the store panics"),
        }
    }
}

/// Notes what is saved, and under which key.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(Key, Record)>>>, MemoryStore);

impl Store for Notes {
    as_its_store!(1: load remove lock);

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.0.lock().unwrap().push((key.clone(), new.clone()));
        self.1.compare_and_swap(key, old, new).await
    }
}

const OTHER_TENANT: &str = "9cbe650a-1fb7-4b06-912b-cead8a013e8b";

#[apply(leak_checked!)]
async fn a_store_that_mixes_tenants_up_gets_nobody_anothers_token() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    // The same account and password, so that nothing but the tenant tells the two apart.
    let notes = Notes::default();
    let theirs = vita(&fake, &clock).tenant(OTHER_TENANT).store(notes.clone()).build().unwrap();
    let theirs = theirs.session().lease().await.unwrap();
    let (_, record) = notes.0.lock().unwrap().pop().unwrap();

    let store = Liar::default();
    store.tell(Lie::Always(record.into()));
    let client = vita(&fake, &clock).store(store.clone()).build().unwrap();
    let own = client.session().lease().await.unwrap();
    assert_ne!(own.token().unwrap().expose(), theirs.token().unwrap().expose());
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (2, 0));
    // Nor is their refresh token spent: where tokens rotate nothing is renewed without a store that can be believed.
    clock.advance(Duration::from_secs(11 * 60));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!((fake.count("refresh_token"), fake.reuses()), (0, 0));
    store.tell(Lie::None);
    clock.advance(Duration::from_secs(60));
    client.session().lease().await.expect("the store tells the truth again");
}

#[apply(leak_checked!)]
async fn a_file_under_anothers_name_gets_nobody_anothers_token() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let home = tempfile::tempdir().unwrap();
    let client = |tenant| vita(&fake, &clock).tenant(tenant).store(FileStore::at(home.path())).build().unwrap();
    let theirs = client(OTHER_TENANT).session().lease().await.unwrap();
    let file = |end: &str| {
        let names = std::fs::read_dir(home.path()).unwrap().flatten().map(|file| file.path());
        names.filter(|path| path.to_string_lossy().ends_with(end)).collect::<Vec<_>>()
    };
    let first = file(".json").pop().unwrap();
    let mine = client("c36578d8-ffa6-4a5e-a808-400ee422028a").session().lease().await.unwrap();
    let second = file(".json").into_iter().find(|path| *path != first).unwrap();
    std::fs::copy(&first, &second).unwrap();
    let again = client("c36578d8-ffa6-4a5e-a808-400ee422028a").session().lease().await.unwrap();
    let tokens = [theirs, mine, again].map(|lease| lease.token().unwrap().expose().to_owned());
    assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2]);
    assert_eq!((fake.count("auth"), file(".corrupt-1").len()), (3, 1));
}

#[apply(leak_checked!)]
async fn a_store_that_goes_back_to_an_older_token_is_not_followed() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let (notes, store) = (Notes::default(), Liar::default());
    let client = vita(&fake, &clock).store(notes.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    let (key, older) = notes.0.lock().unwrap()[0].clone();
    // The same session, kept by another store from now on.
    store.compare_and_swap(&key, None, older.clone()).await.unwrap();
    let client = vita(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(9 * 60));
    let second = client.session().renew().await.unwrap();
    assert_eq!((fake.count("auth"), second.generation().counter()), (1, 2));

    store.tell(Lie::Always(older.into()));
    fake.revoke_access_tokens();
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 3);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn a_store_that_answers_garbage_or_panics_wedges_nobody() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = Liar::default();
    store.tell(Lie::Garbage);
    let client = vms(&fake, &clock).store(store.clone()).build().unwrap();
    client.session().lease().await.expect("from memory");
    fake.revoke_all();
    store.tell(Lie::Panic);
    clock.advance(Duration::from_secs(60));
    let error = client.http().get("/api/v1/cameras").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().starts_with("a sign-in or renewal of `vms` by `.password(..)` panicked, "), "{error}");
    store.tell(Lie::None);
    clock.advance(Duration::from_secs(60));
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn a_store_that_never_answers_is_given_up_on_in_time() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = Liar::default();
    store.tell(Lie::Silence);
    let client = vms(&fake, &clock).store(store.clone()).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|lease| lease.generation()) });
    let bound = Timeouts::default().store_lock;
    // A look at the session's record, then the record itself. After that it is asked for nothing more.
    for wait in [Duration::from_secs(1), bound] {
        store.asked.notified().await;
        clock.until_sleeping(1).await;
        clock.advance(wait);
    }
    waiting.await.unwrap().expect("from memory");
    assert_eq!(fake.count("get_token"), 1);
}
