//! What auditors are told is what docs/audit.md says: every event, with these fields and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
mod leak_check;

use keyway::{
    Answer, EvictionPolicy, FileStore, Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock,
    testing::{FakeOrderingStack, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock},
    vitamojo, vms, vtex,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";
const MINUTE: Duration = Duration::from_secs(60);

/// One event: its fields, as they are shown.
type Told = BTreeMap<String, String>;

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<Told>>>);

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "keyway::audit" {
            assert_eq!(*event.metadata().level(), Level::INFO);
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }
}

#[derive(Default)]
struct Fields(Told);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Journal {
    /// Listens on this thread.
    fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// The names since it was last asked, and holds each event against the page.
    fn take(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        told.iter().map(|event| self.holds(event)).collect()
    }

    fn holds(&self, event: &Told) -> String {
        let name = event["event"].clone();
        assert_eq!(event["message"], name);
        let (always, may) = promised(&name);
        let has: BTreeSet<_> = event.keys().map(String::as_str).filter(|field| *field != "message").collect();
        assert!(has.is_superset(&always), "{name} lacks one of {always:?}: {event:?}");
        assert!(
            has.is_subset(&always.union(&may).copied().collect()),
            "{name} has more than {always:?} {may:?}: {event:?}"
        );
        assert!(event["key"].contains('-') && event["key"].len() > 64, "{event:?}");
        name
    }
}

const PAGE: &str = include_str!("../docs/audit.md");

/// The fields that the page gives an event, and those of them that may be missing.
fn promised(name: &str) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    let fields = row.unwrap_or_else(|| panic!("docs/audit.md lacks `{name}`")).rsplit('|').nth(1).unwrap();
    let fields = fields.split('`').skip(1).step_by(2);
    let missing = ["wait_ms", "status"];
    let (may, always): (BTreeSet<_>, BTreeSet<_>) =
        fields.partition(|field| missing.contains(field) || (name == "not_revoked" && *field == "kind"));
    let common = ["event", "key"].into_iter().chain((name != "record_damaged").then_some("surface"));
    (always.into_iter().chain(common).collect(), may)
}

/// The events that the page names.
fn on_the_page() -> BTreeSet<String> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with("| event ")).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

fn operator(fake: &FakeVms, clock: &ManualClock, password: &str) -> vms::ClientBuilder {
    vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, password).clock(clock.clone())
}

fn till(fake: &FakeVitaMojo, clock: &ManualClock) -> vitamojo::ClientBuilder {
    let client = vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone());
    client.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
}

/// A store that fails when it is told to.
#[derive(Clone, Default)]
struct Moody {
    below: MemoryStore,
    fails: Arc<AtomicBool>,
}

impl Moody {
    fn mood(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) { Err(StoreError::new("it is not in the mood")) } else { Ok(()) }
    }
}

impl Store for Moody {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.mood()?;
        self.below.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.mood()?;
        self.below.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.below.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.below.lock(key, wait).await
    }
}

#[apply(leak_checked!)]
fn every_event_of_the_page_is_told_with_its_fields_and_no_others() {
    let journal = Journal::default();
    let _listens = journal.listen();
    // What waits for the disk is told on other threads.
    let (name, its) = (std::thread::current().name().unwrap_or_default().to_owned(), journal.clone());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().thread_name(name).on_thread_start(move || std::mem::forget(its.listen()));
    let seen: BTreeSet<_> = runtime.build().unwrap().block_on(async {
        let parts = [a_life().await, refusals().await, people().await, stores(&journal).await];
        parts.into_iter().flatten().chain(journal.take()).collect()
    });
    assert_eq!(seen, on_the_page());
}

async fn a_life() -> Vec<String> {
    let journal = Journal::default();
    let _listens = journal.listen();
    let (clock, store) = (ManualClock::new(), MemoryStore::new());
    let fake = FakeVitaMojo::builder().clock(clock.clone()).token_life(10 * MINUTE).rotating(true).start().await;
    let (one, two) =
        (till(&fake, &clock).store(store.clone()).build().unwrap(), till(&fake, &clock).store(store).build().unwrap());
    one.session().lease().await.unwrap();
    two.session().lease().await.unwrap();
    clock.advance(11 * MINUTE);
    one.session().lease().await.unwrap();
    let told = journal.take();
    assert_eq!(told, ["signed_in", "adopted", "renewed"]);
    for _ in 0..100 {
        one.http().get("/order/v1/orders").send().await.unwrap();
    }
    assert_eq!(journal.take(), Vec::<String>::new(), "a call is no event");
    clock.advance(MINUTE);
    fake.next("other", Fault::Json(401, serde_json::json!({})));
    one.http().get("/order/v1/orders").send().await.unwrap();
    assert_eq!(journal.take(), ["token_rejected", "renewed"]);
    fake.next("refresh_token", Fault::Json(400, serde_json::json!({ "message": "refused" })));
    one.session().renew().await.unwrap();
    let mut told = told;
    told.extend(journal.take());
    one.session().sign_out().await.unwrap();
    told.extend(journal.take());
    told.push("token_rejected".to_owned());
    told
}

async fn refusals() -> Vec<String> {
    let journal = Journal::default();
    let _listens = journal.listen();
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    operator(&fake, &clock, "wrong-password").build().unwrap().session().lease().await.map(drop).unwrap_err();
    let told = journal.take();
    assert_eq!(told, ["credential_refused", "failed"]);
    fake.next("get_token", Fault::Json(429, serde_json::json!({})));
    operator(&fake, &clock, "another-password").build().unwrap().session().lease().await.map(drop).unwrap_err();
    let more = journal.take();
    assert_eq!(more, ["throttled", "failed"]);
    let key = FakeVtex::start().await;
    let vtex = vtex::Client::builder(key.uri()).user_token("a-user-token").build().unwrap();
    let _ = vtex.session().lease().await;
    [told, more, journal.take()].concat()
}

async fn people() -> Vec<String> {
    let journal = Journal::default();
    let _listens = journal.listen();
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).session_limit(1).other_sessions(1).start().await;
    let client = operator(&fake, &clock, FakeVms::PASSWORD).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let question = client.session().lease().await.map(drop).unwrap_err();
    let mut told = journal.take();
    assert_eq!(told[0], "question_asked");
    let answer = Answer::Captcha(fake.captcha_answer().into());
    question.resume().unwrap().answer(answer).await.unwrap();
    let more = journal.take();
    assert_eq!(more, ["question_answered", "question_asked", "question_answered", "session_evicted", "signed_in"]);
    fake.always("delete_session", Fault::Html(503));
    fake.always("logout", Fault::Html(503));
    client.session().sign_out().await.unwrap();
    told.extend(more);
    told.extend(journal.take());
    told
}

async fn stores(journal: &Journal) -> Vec<String> {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).start().await;
    let client = || {
        let client = keyway::orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
        let client = client.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET).clock(clock.clone());
        client.password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD)
    };
    let moody = Moody::default();
    let first = client().store(moody.clone()).build().unwrap();
    moody.fails.store(true, Ordering::SeqCst);
    first.session().lease().await.unwrap();
    moody.fails.store(false, Ordering::SeqCst);
    clock.advance(MINUTE);
    first.session().close().await.unwrap();
    let told = journal.take();
    assert!(told.contains(&"store_failed".to_owned()) && told.contains(&"store_healed".to_owned()), "{told:?}");

    let folder = tempfile::tempdir().unwrap();
    client().store(FileStore::at(folder.path())).build().unwrap().session().lease().await.unwrap();
    let files = fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path());
    for file in files.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        fs::write(file, "torn").unwrap();
    }
    client().store(FileStore::at(folder.path())).build().unwrap().session().lease().await.unwrap();
    [told, journal.take()].concat()
}
