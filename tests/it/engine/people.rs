//! Questions nobody answers, answers nobody waits for, and callbacks that use their own client.

use super::{SECOND, Vendor, at_once, lease, pass, settle};
use crate::{scripted_store::ScriptedStore, vms_client};
use keyway::{
    Answer, Captcha, Error, ErrorKind, EvictionPolicy, Key, MemoryStore, Record, Responder, Secret, Session, SessionId,
    SessionLimit, Store, StoreError,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Renewal, Tokens},
    testing::{FakeOrderingStack, FakeVms, FakeVtex, Fault, ManualClock},
    vms, vtex,
};
use serde_json::json;
use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A store that tells whether its client is still there.
#[derive(Clone)]
pub(crate) struct Sign(MemoryStore, #[allow(dead_code, reason = "it is held")] Arc<()>);

impl Sign {
    pub(crate) fn new() -> (Self, Weak<()>) {
        let sign = Arc::new(());
        let weak = Arc::downgrade(&sign);
        (Self(MemoryStore::new(), sign), weak)
    }
}

impl Store for Sign {
    as_its_store!(0: load compare_and_swap remove lock);
}

pub(crate) async fn are_gone(signs: Vec<Weak<()>>) {
    settle().await;
    assert_eq!(signs.iter().filter(|sign| sign.strong_count() > 0).count(), 0, "clients live on");
}

#[apply(leak_checked!)]
async fn thirty_vtex_clients_whose_question_nobody_answers_are_gone_when_dropped() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let mut signs = Vec::new();
    for _ in 0..30 {
        let (store, sign) = Sign::new();
        signs.push(sign);
        let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
        let client = builder.clock(clock.clone()).profile("me").store(store).build().unwrap();
        let error = client.session().lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessKeyRequired, "{error}");
        // Asked again, it is answered from memory.
        drop((client.session().lease().await.unwrap_err(), error));
    }
    are_gone(signs).await;
}

#[apply(leak_checked!)]
async fn clients_with_any_question_open_are_gone_when_dropped() {
    let clock = ManualClock::new();
    let captcha = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let full = FakeVms::builder().clock(clock.clone()).session_limit(1).other_sessions(1).start().await;
    let device = FakeOrderingStack::builder().clock(clock.clone()).start().await;
    let mut signs = Vec::new();
    for (fake, kind) in [(&captcha, ErrorKind::CaptchaRequired), (&full, ErrorKind::SessionLimitReached)] {
        let (store, sign) = Sign::new();
        signs.push(sign);
        let client = vms_client(fake, &clock).store(store).build().unwrap();
        let error = client.session().lease().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        // A wrong answer is no end of it either.
        if kind == ErrorKind::CaptchaRequired {
            error.resume().unwrap().answer(Answer::Captcha("wrong".into())).await.unwrap_err();
        }
    }
    let (store, sign) = Sign::new();
    signs.push(sign);
    let builder = keyway::orderingstack::Client::builder(device.uri()).tenant(FakeOrderingStack::TENANT);
    let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
    let client = builder.device(FakeOrderingStack::MODULE).clock(clock.clone()).store(store).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::DeviceCodeRequired);
    drop(client);
    are_gone(signs).await;
}

#[apply(leak_checked!)]
async fn a_client_that_is_dropped_in_the_middle_of_anything_is_gone_in_the_end() {
    let vendor = Vendor::rotating();
    let (store, sign) = Sign::new();
    let client = vendor.builder(&ScriptedStore::default()).store(store).build().unwrap();
    let hold = vendor.hold_sign_in();
    let waiting = lease(client.session());
    hold.arrived().await;
    waiting.abort();
    drop(client);
    hold.release();
    are_gone(vec![sign]).await;
    assert_eq!(vendor.clock.sleepers(), 0);
}

/// A person who takes her time, and tells when she was asked.
struct Slow {
    answer: crate::scripted_store::Hold,
    fake: Arc<FakeVms>,
}

impl Responder for Slow {
    async fn captcha(&self, _: Captcha) -> Option<Secret> {
        self.answer.pass().await;
        Some(self.fake.captcha_answer().into())
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        self.answer.pass().await;
        Some(limit.sessions.first()?.id.clone())
    }
}

#[apply(leak_checked!)]
async fn an_answer_that_nobody_waits_for_spends_neither_an_attempt_nor_a_session() {
    for captcha in [true, false] {
        let clock = ManualClock::new();
        let builder = FakeVms::builder().clock(clock.clone());
        let builder = if captcha { builder.captcha(true) } else { builder.session_limit(1).other_sessions(1) };
        let fake = Arc::new(builder.start().await);
        let answer = crate::scripted_store::Hold::new();
        let responder = Slow { answer: answer.clone(), fake: fake.clone() };
        let client = vms_client(&fake, &clock).responder(responder).build().unwrap();
        let waiting = lease(client.session());
        answer.arrived().await;
        let asked = fake.count("get_token");
        waiting.abort();
        let _ = waiting.await;
        answer.release();
        for _ in 0..20 {
            settle().await;
        }
        assert_eq!(fake.count("get_token"), asked, "{captcha}");
        // Whoever comes next begins with the question, and gets in.
        let error = client.session().lease().await.unwrap_err();
        let answer = match error.captcha() {
            Some(_) => Answer::Captcha(fake.captcha_answer().into()),
            None => Answer::Session(error.session_limit().unwrap().sessions[0].id.clone()),
        };
        error.resume().unwrap().answer(answer).await.unwrap();
        assert_eq!(fake.count("get_token"), asked + 1, "{captcha}");
    }
}

/// What is owed to a store that fails is offered at its pace, also while a person is asked something.
#[apply(leak_checked!)]
async fn a_store_that_fails_is_not_asked_again_and_again_while_a_person_thinks() {
    let (clock, store) = (ManualClock::new(), ScriptedStore::default());
    let fake = Arc::new(FakeVms::builder().clock(clock.clone()).captcha_after(1).start().await);
    let answer = crate::scripted_store::Hold::new();
    let responder = Slow { answer: answer.clone(), fake: fake.clone() };
    let client = vms_client(&fake, &clock).store(store.clone()).responder(responder).build().unwrap();
    store.fill();
    client.session().lease().await.unwrap();
    fake.revoke_all();
    let http = client.http();
    let waiting = tokio::spawn(async move { http.get("/api/v1/cameras").send().await.map(|answer| answer.status()) });
    answer.arrived().await;
    store.fail_loads(10_000);
    let before = store.loads();
    for _ in 0..10 {
        clock.advance(SECOND);
        settle().await;
    }
    let asked = store.loads() - before;
    assert!((1..=10).contains(&asked), "it was asked {asked} times in ten seconds");
    waiting.abort();
    answer.release();
}

/// One of two callers goes: the answer is for the other one.
#[apply(leak_checked!)]
async fn an_answer_that_somebody_still_waits_for_counts() {
    let clock = ManualClock::new();
    let fake = Arc::new(FakeVms::builder().clock(clock.clone()).captcha(true).start().await);
    let answer = crate::scripted_store::Hold::new();
    let responder = Slow { answer: answer.clone(), fake: fake.clone() };
    let client = vms_client(&fake, &clock).responder(responder).build().unwrap();
    let (first, second) = (lease(client.session()), lease(client.session()));
    answer.arrived().await;
    first.abort();
    answer.release();
    second.await.unwrap().unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

/// Chooses the first session; the vendor says meanwhile that it has ended already.
struct Unlucky {
    fake: Arc<FakeVms>,
    unlucky: AtomicUsize,
    asked: Arc<AtomicUsize>,
}

impl Responder for Unlucky {
    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.unlucky.load(Ordering::SeqCst) > 0 {
            self.unlucky.fetch_sub(1, Ordering::SeqCst);
            let errors = json!({ "session_id": ["The selected session id is invalid."] });
            self.fake.next("get_token", Fault::Json(422, json!({ "message": "x", "errors": errors })));
        }
        Some(limit.sessions.first()?.id.clone())
    }
}

async fn unlucky(times: usize) -> (Arc<FakeVms>, ManualClock, vms::Client, Arc<AtomicUsize>) {
    let clock = ManualClock::new();
    let fake = Arc::new(FakeVms::builder().clock(clock.clone()).session_limit(1).other_sessions(1).start().await);
    let asked = Arc::<AtomicUsize>::default();
    let responder = Unlucky { fake: fake.clone(), unlucky: times.into(), asked: asked.clone() };
    let client = vms_client(&fake, &clock).responder(responder).build().unwrap();
    (fake, clock, client, asked)
}

#[apply(leak_checked!)]
async fn a_chosen_session_that_has_ended_meanwhile_is_chosen_again() {
    let (fake, _clock, client, asked) = unlucky(1).await;
    client.session().lease().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), fake.count("get_token"), fake.sessions().len()), (2, 4, 1));
}

#[apply(leak_checked!)]
async fn a_choice_that_is_refused_for_ever_is_given_up_and_not_remembered_for_good() {
    let (fake, clock, client, asked) = unlucky(3).await;
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    let sent = fake.count("get_token");
    assert!(sent <= 6 && asked.load(Ordering::SeqCst) <= 3, "{sent}");
    clock.advance(Duration::from_secs(24 * 3600));
    client.session().lease().await.unwrap();
    assert!(fake.count("get_token") > sent);
}

/// The same where a policy chooses, and where somebody answers the question by hand.
#[apply(leak_checked!)]
async fn a_choice_that_was_refused_blocks_no_credentials() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).session_limit(1).other_sessions(1).start().await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    let id = error.session_limit().unwrap().sessions[0].id.clone();
    let errors = json!({ "session_id": ["The selected session id is invalid."] });
    fake.next("get_token", Fault::Json(422, json!({ "message": "x", "errors": errors })));
    let error = error.resume().unwrap().answer(Answer::Session(id)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLimitReached, "another one is to be chosen: {error}");
    let id = error.session_limit().unwrap().sessions[0].id.clone();
    error.resume().unwrap().answer(Answer::Session(id)).await.unwrap();
    let full = FakeVms::builder().clock(clock.clone()).session_limit(1).other_sessions(1).start().await;
    let client = vms_client(&full, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let gate = full.hold("get_token");
    let waiting = lease(client.session());
    gate.arrived(1).await;
    gate.let_through(1);
    gate.arrived(2).await;
    full.next("get_token", Fault::Json(422, json!({ "message": "x", "errors": { "session_id": ["gone"] } })));
    gate.open();
    let outcome = waiting.await.unwrap();
    if let Err(error) = outcome {
        clock.advance(Duration::from_secs(120));
        client.session().lease().await.unwrap_or_else(|again| panic!("{error}, then {again}"));
    }
}

/// Where a callback finds the client that it works for.
type Own = Arc<OnceLock<Session>>;

/// What each door says to a callback.
async fn doors(own: &Own) -> Vec<ErrorKind> {
    let Some(session) = own.get() else { return Vec::new() };
    let mut errors = vec![
        session.lease().await.err(),
        session.lease_for(SECOND).await.err(),
        session.sign_in().await.err(),
        session.sign_out().await.err(),
    ];
    errors.push(session.renew().await.err());
    errors.into_iter().map(|error| error.expect("it is refused").kind()).collect()
}

fn is_named(error: &Error, name: &str) {
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(name), "{error}");
}

#[apply(leak_checked!)]
async fn a_credential_source_that_uses_its_own_client_is_told_at_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let own: Own = Arc::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let source = {
        let (own, told) = (own.clone(), told.clone());
        move || {
            let (own, told) = (own.clone(), told.clone());
            async move {
                *told.lock().unwrap() = doors(&own).await;
                let error = own.get().unwrap().lease().await.unwrap_err();
                Err::<Secret, _>(io::Error::other(error))
            }
        }
    };
    let client = vms::Client::builder(fake.uri()).clock(clock.clone()).password_from(FakeVms::LOGIN, source).build();
    let client = client.unwrap();
    own.set(client.session().clone()).unwrap();
    let error = at_once(lease(client.session())).await.unwrap_err();
    assert!(error.to_string().contains("the credential source"), "{error}");
    assert_eq!(*told.lock().unwrap(), [ErrorKind::Config; 5]);
    // Nobody was asked, and nothing is remembered against the person.
    assert_eq!((clock.sleepers(), fake.count("get_token")), (0, 0));
}

struct Nosy {
    own: Own,
    error: Arc<Mutex<Option<Error>>>,
}

impl Responder for Nosy {
    async fn captcha(&self, _: Captcha) -> Option<Secret> {
        *self.error.lock().unwrap() = self.own.get()?.lease().await.err();
        None
    }
}

#[apply(leak_checked!)]
async fn a_responder_that_uses_its_own_client_is_told_at_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let (own, error) = (Own::default(), Arc::default());
    let responder = Nosy { own: own.clone(), error: Arc::clone(&error) };
    let client = vms_client(&fake, &clock).responder(responder).build().unwrap();
    own.set(client.session().clone()).unwrap();
    assert_eq!(lease(client.session()).await.unwrap().unwrap_err().kind(), ErrorKind::Declined);
    is_named(error.lock().unwrap().as_ref().unwrap(), ".responder(..)");
}

struct Recursive(Own);

impl Issuer for Recursive {
    fn describe(&self) -> Capabilities {
        Capabilities::new("recursive", ".password(..)").renewal(Renewal::SignIn)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        self.0.get().unwrap().lease().await?;
        Ok(Issued::new("never"))
    }

    async fn sign_out(&self, _: &Tokens) -> Result<keyway::SignOut, Error> {
        self.0.get().unwrap().close().await?;
        self.0.get().unwrap().sign_out().await
    }
}

#[apply(leak_checked!)]
async fn an_issuer_that_uses_its_own_client_is_told_at_once() {
    let (clock, own) = (ManualClock::new(), Own::default());
    let builder = Client::builder("https://recursive.example").issuer(Recursive(own.clone())).clock(clock.clone());
    let session = builder.build().unwrap().session().clone();
    own.set(session.clone()).unwrap();
    is_named(&at_once(lease(&session)).await.unwrap_err(), ".issuer(..)");
    assert_eq!(at_once(super::sign_out(&session)).await.unwrap(), keyway::SignOut::LocalOnly);
}

#[derive(Clone)]
struct Curious(MemoryStore, Own, Arc<Mutex<Option<Error>>>);

impl Store for Curious {
    as_its_store!(0: compare_and_swap remove lock);

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        *self.2.lock().unwrap() = self.1.get().unwrap().lease().await.err();
        self.0.load(key).await
    }
}

#[apply(leak_checked!)]
async fn a_store_that_uses_its_own_client_is_told_at_once() {
    let vendor = Vendor::rotating();
    let (own, error) = (Own::default(), Arc::default());
    let store = Curious(MemoryStore::new(), own.clone(), Arc::clone(&error));
    let session = vendor.builder(&ScriptedStore::default()).store(store).build().unwrap().session().clone();
    own.set(session.clone()).unwrap();
    at_once(lease(&session)).await.unwrap();
    is_named(error.lock().unwrap().as_ref().unwrap(), ".store(..)");
}

/// It hands the work to a task of its own: that waits, and whoever waits for it hears of it in time.
#[apply(leak_checked!)]
async fn a_source_that_has_a_task_use_its_own_client_ends_by_its_deadline() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let own: Own = Arc::default();
    let source = {
        let own = own.clone();
        move || {
            let session = own.get().unwrap().clone();
            async move {
                let outcome = tokio::spawn(async move { session.lease().await.map(drop) }).await.unwrap();
                outcome.map(|()| Secret::from(FakeVms::PASSWORD)).map_err(io::Error::other)
            }
        }
    };
    let client = vms::Client::builder(fake.uri()).clock(clock.clone()).password_from(FakeVms::LOGIN, source).build();
    let client = client.unwrap();
    own.set(client.session().clone()).unwrap();
    let (outcome, took) = pass(&clock, SECOND, lease(client.session())).await;
    outcome.unwrap_err();
    assert!(took <= Duration::from_secs(5 * 60 + 91), "{took:?}");
}
