//! Scenarios that once went wrong, or could have.

use keyway::{testing::*, *};
use serde_json::json;
use std::{
    sync::{Arc, Mutex, atomic::*},
    time::Duration,
};

fn vms(fake: &FakeVms, clock: &ManualClock) -> keyway::vms::ClientBuilder {
    keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone())
}
fn vita(fake: &FakeVitaMojo, clock: &ManualClock) -> keyway::vitamojo::ClientBuilder {
    keyway::vitamojo::Client::builder(fake.uri())
        .password(FakeVitaMojo::EMAIL, Secret::from(FakeVitaMojo::PASSWORD))
        .tenant("c36578d8-ffa6-4a5e-a808-400ee422028a")
        .clock(clock.clone())
}

#[apply(leak_checked!)]
async fn a_source_whose_secret_has_changed_is_asked_and_tried_again() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let secret = Arc::new(Mutex::new("wrong".to_owned()));
    let s = secret.clone();
    let client = keyway::vms::Client::builder(fake.uri())
        .clock(clock.clone())
        .password_from(FakeVms::LOGIN, move || {
            let s = s.lock().unwrap().clone();
            async move { Ok::<_, std::io::Error>(Secret::from(s)) }
        })
        .build()
        .unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    *secret.lock().unwrap() = FakeVms::PASSWORD.to_owned();
    clock.advance(Duration::from_secs(86400));
    client.session().lease().await.expect("the new password is tried");
}

fn key_source(k: &'static str) -> impl CredentialSource {
    move || async move { Ok::<_, std::io::Error>(Secret::from(k)) }
}

#[apply(leak_checked!)]
async fn two_keys_from_sources_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).api_key("other", "KEY-OF-COMPANY-B").start().await;
    let store = MemoryStore::new();
    let a = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .api_key_from(key_source(FakeShopmonkey::API_KEY))
        .build()
        .unwrap();
    let b = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .api_key_from(key_source("KEY-OF-COMPANY-B"))
        .build()
        .unwrap();
    a.session().lease().await.unwrap();
    assert_eq!(b.session().lease().await.unwrap().token().unwrap().expose(), "KEY-OF-COMPANY-B");
}

#[apply(leak_checked!)]
async fn two_shoppers_of_one_provider_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake =
        FakeVtex::builder().clock(clock.clone()).provider_token(FakeVtex::PROVIDER, "token-of-shopper-B").start().await;
    let store = MemoryStore::new();
    let c = |t| {
        keyway::vtex::Client::builder(fake.uri())
            .account(FakeVtex::ACCOUNT)
            .clock(clock.clone())
            .store(store.clone())
            .oauth_exchange(FakeVtex::PROVIDER, key_source(t))
            .build()
            .unwrap()
    };
    let (a, b) = (c(FakeVtex::PROVIDER_TOKEN), c("token-of-shopper-B"));
    let (a, b) = (a.session().lease().await.unwrap(), b.session().lease().await.unwrap());
    assert_ne!(a.token().unwrap().expose(), b.token().unwrap().expose());
}

#[apply(leak_checked!)]
async fn two_audiences_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let store = MemoryStore::new();
    let c = |a: &str| {
        keyway::shopmonkey::Client::builder(fake.uri())
            .clock(clock.clone())
            .store(store.clone())
            .password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD)
            .audience(a)
            .build()
            .unwrap()
    };
    let (a, b) = (c("shop"), c("hq"));
    a.session().lease().await.unwrap();
    b.session().lease().await.unwrap();
    assert_eq!(fake.count("login"), 2);
}

#[derive(Clone, Default)]
struct Slow {
    inner: MemoryStore,
    hold: Arc<AtomicBool>,
    arrived: Arc<tokio::sync::Notify>,
    go: Arc<tokio::sync::Notify>,
    full: Arc<AtomicBool>,
}
impl Store for Slow {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.load(key).await
    }
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
    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key).await
    }
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.inner.lock(key, wait).await
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
async fn a_retry_after_of_zero_still_cools_down() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    fake.always("auth", Fault::TooManyRequests { retry_after: Some("0".into()) });
    let client = vita(&fake, &clock).build().unwrap();
    for _ in 0..10 {
        let _ = client.session().lease().await.unwrap_err();
    }
    assert_eq!(fake.count("auth"), 1);
}

#[apply(leak_checked!)]
fn outside_a_runtime_joining_a_run_is_an_error_too() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = rt.block_on(FakeVms::start());
    let client = keyway::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).build().unwrap();
    let gate = fake.hold("get_token");
    let c = client.clone();
    rt.spawn(async move { c.session().lease().await });
    rt.block_on(gate.arrived(1));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut f = Box::pin(client.session().lease());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(f.as_mut(), &mut cx)
    }));
    gate.open();
    assert!(result.is_ok(), "panicked");
}

#[apply(leak_checked!)]
async fn a_key_that_no_header_can_carry_is_told() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .api_key(format!("{}\n", FakeShopmonkey::API_KEY))
        .build();
    let Ok(client) = client else { return };
    let answer = client.http().get("/v3/order").send().await;
    assert!(answer.is_err(), "sent without credentials");
}

#[apply(leak_checked!)]
async fn a_late_waiter_gets_no_token_after_a_sign_out() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(9 * 60 + 40));
    let gate = fake.hold("refresh_token");
    let c = client.clone();
    let waiting = tokio::spawn(async move { c.session().lease().await });
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert!(waiting.await.unwrap().is_err(), "a lease after sign-out");
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_gets_past_a_renewal_that_always_fails() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always(
        "refresh_token",
        Fault::Json(400, json!({"message":[{"property":"value","constraints":{"isUuid":"value must be a UUID"}}]})),
    );
    for _ in 0..2 {
        clock.advance(Duration::from_secs(86_400));
        client.session().lease().await.unwrap_err();
    }
    client.session().sign_in().await.expect("sign_in() makes sure that there is a session");
}

#[apply(leak_checked!)]
async fn a_failing_source_is_not_asked_on_every_call() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let n = asked.clone();
    let client = keyway::vtex::Client::builder(fake.uri())
        .account(FakeVtex::ACCOUNT)
        .clock(clock.clone())
        .oauth_exchange(FakeVtex::PROVIDER, move || {
            let k = n.fetch_add(1, Ordering::SeqCst);
            async move {
                if k == 0 {
                    Ok(Secret::from(FakeVtex::PROVIDER_TOKEN))
                } else {
                    Err(std::io::Error::other("vault down"))
                }
            }
        })
        .build()
        .unwrap();
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(57 * 60));
    for _ in 0..20 {
        client.session().lease().await.unwrap();
        client.session().close().await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[apply(leak_checked!)]
async fn an_endpoint_that_forbids_by_401_does_not_lock_the_session_out() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).session_limit(100).start().await;
    let client = vms(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("get_self", Fault::Unauthorized);
    let mut blocked = 0;
    for _ in 0..15 {
        let _ = client.api().get_self().send().await;
        if client.http().get("/api/v1/cameras").send().await.is_err() {
            blocked += 1;
        }
        clock.advance(Duration::from_secs(31));
    }
    assert_eq!(blocked, 0);
}

#[apply(leak_checked!)]
async fn a_renewal_that_arrives_dead_displaces_no_valid_token() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let dead = "e30.eyJleHAiOjF9.sig";
    fake.always("refresh_token", Fault::Json(200, json!({"payload":{"token":{"value":dead,"refresh":"r"}}})));
    clock.advance(Duration::from_secs(8 * 60 + 30));
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    client.session().lease().await.expect("the old one has 90 s left");
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

#[apply(leak_checked!)]
async fn debug_of_a_call_shows_no_secret() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = vms(&fake, &clock).build().unwrap();
    let call = client.http().get("/x").query(&[("token", Secret::from("hunter2"))]);
    let shown = format!("{call:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
#[apply(leak_checked!)]
async fn debug_of_a_builder_shows_no_secret() {
    let shown = format!("{:?}", keyway::vms::Client::builder("https://me:hunter2@vms.example"));
    assert!(!shown.contains("hunter2"), "{shown}");
}
#[apply(leak_checked!)]
async fn each_of_two_concurrent_401s_to_a_key_is_an_answer() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client =
        keyway::shopmonkey::Client::builder(fake.uri()).clock(clock.clone()).api_key("unknown-key").build().unwrap();
    client.session().lease().await.unwrap();
    let gate = fake.hold("other");
    let one = |c: keyway::shopmonkey::Client| tokio::spawn(async move { c.http().get("/v3/order").send().await });
    let (a, b) = (one(client.clone()), one(client.clone()));
    gate.arrived(2).await;
    gate.open();
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    assert!(a.is_ok() && b.is_ok());
}
#[apply(leak_checked!)]
async fn a_renewal_refused_without_words_does_not_block_an_explicit_sign_in() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("refresh_token", Fault::Json(404, json!({"vmosCode":"US-05","message":"session not found"})));
    for _ in 0..5 {
        clock.advance(Duration::from_secs(3600));
        client.session().lease().await.unwrap_err();
    }
    client.session().sign_in().await.unwrap();
    assert_eq!(fake.count("auth"), 2);
}
#[apply(leak_checked!)]
async fn a_source_that_hangs_does_not_keep_the_lock_for_ever() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = MemoryStore::new();
    let a = keyway::vms::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .password_from(FakeVms::LOGIN, std::future::pending::<Result<Secret, std::io::Error>>)
        .build()
        .unwrap();
    let session = a.session().clone();
    let call = tokio::spawn(async move { session.lease().await });
    clock.until_sleeping(2).await;
    call.abort();
    clock.advance(Duration::from_secs(24 * 3600));
    vms(&fake, &clock).store(store.clone()).build().unwrap().session().lease().await.unwrap();
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
    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.truth.compare_and_swap(key, old, new).await
    }
    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.truth.remove(key).await
    }
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.truth.lock(key, wait).await
    }
}

/// Notes what is saved, and under which key.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(Key, Record)>>>, MemoryStore);

impl Store for Notes {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.1.load(key).await
    }
    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.0.lock().unwrap().push((key.clone(), new.clone()));
        self.1.compare_and_swap(key, old, new).await
    }
    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.1.remove(key).await
    }
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.1.lock(key, wait).await
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

#[apply(leak_checked!)]
async fn a_renewal_that_is_refused_for_its_values_is_no_mistake_of_whoever_signed_in() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vita(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let refused = json!({"message": [{"property": "value", "constraints": ["value must be a UUID"]}]});
    fake.next("refresh_token", Fault::Json(400, refused));
    let error = client.session().renew().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(400)), "{error}");
}

#[apply(leak_checked!)]
async fn whoever_is_refused_is_not_told_to_come_again_in_a_second() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = keyway::vms::Client::builder(fake.uri()).clock(clock.clone());
    let client = client.password_from(FakeVms::LOGIN, async || Ok::<_, std::io::Error>(Secret::from("not the one")));
    let client = client.build().unwrap();
    let refused = client.session().lease().await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after()), (ErrorKind::InvalidCredentials, None), "{refused}");
    fake.next("get_token", Fault::Html(503));
    let down = vms(&fake, &clock).build().unwrap().session().lease().await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Outage, "{down}");
    assert!(down.retry_after().is_some(), "{down}");
}
