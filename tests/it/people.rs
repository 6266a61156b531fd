//! People: whoever has to be asked is asked once, by nobody who holds a lock, and may answer when and from where they like.

use crate::vms_client;
use keyway::{
    AccessKey, Answer, Captcha, Clock, DeviceCode, ErrorKind, EvictionPolicy, Key, MemoryStore, Responder, Secret,
    Session, SessionId, SessionLimit, Store, StoreError, StoreLock, Timeouts, orderingstack,
    testing::{Fake, FakeOrderingStack, FakeVms, FakeVtex, ManualClock},
    vms, vtex,
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A store that remembers which session was locked last.
#[derive(Clone, Default)]
struct Watched {
    memory: MemoryStore,
    locked: Arc<Mutex<Option<Key>>>,
}

impl Watched {
    /// Whether nobody holds the lock of the session that was locked last.
    async fn is_free(&self) -> bool {
        let key = self.locked.lock().unwrap().clone().expect("it was locked before");
        self.memory.lock(&key, Duration::ZERO).await.is_ok()
    }
}

impl Store for Watched {
    as_its_store!(memory: load compare_and_swap remove);

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        *self.locked.lock().unwrap() = Some(key.clone());
        self.memory.lock(key, wait).await
    }
}

type Answers<Q, A> = Option<Box<dyn Fn(&Q) -> A + Send + Sync>>;

/// Looks at the store when it is asked, and knows the answers it was given.
#[derive(Default)]
struct Inspector {
    store: Watched,
    /// One per question: whether the store was free then.
    asked: Arc<Mutex<Vec<bool>>>,
    captcha: Answers<Captcha, String>,
    session: Answers<SessionLimit, SessionId>,
    device: Answers<DeviceCode, ()>,
    key: Answers<AccessKey, String>,
}

impl Inspector {
    async fn answer<Q, A>(&self, question: Q, answers: &Answers<Q, A>) -> Option<A> {
        let free = self.store.is_free().await;
        self.asked.lock().unwrap().push(free);
        answers.as_ref().map(|answers| answers(&question))
    }
}

impl Responder for Inspector {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        self.answer(captcha, &self.captcha).await.map(Secret::from)
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        self.answer(limit, &self.session).await
    }

    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        self.answer(device, &self.device).await
    }

    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        self.answer(key, &self.key).await.map(Secret::from)
    }
}

/// Two hundred want a session; each of `questions` is asked once, while the store is free; the vendor sees `counts`.
async fn is_asked_once(
    session: &Session,
    asked: &Mutex<Vec<bool>>,
    questions: usize,
    fake: &Fake,
    counts: &[(&str, usize)],
) {
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { session.lease().await.unwrap().generation() })
        })
        .collect();
    let mut generations = HashSet::new();
    for task in tasks {
        generations.insert(task.await.unwrap());
    }
    assert_eq!((generations.len(), asked.lock().unwrap().clone()), (1, vec![true; questions]));
    for (operation, count) in counts {
        assert_eq!(fake.count(operation), *count, "{operation}");
    }
}

#[apply(leak_checked!)]
async fn two_hundred_who_wait_are_one_captcha_and_one_choice_of_a_session() {
    let clock = ManualClock::new();
    let fake = Arc::new(
        FakeVms::builder().clock(clock.clone()).captcha(true).session_limit(2).other_sessions(2).start().await,
    );
    let reader = fake.clone();
    let inspector = Inspector {
        captcha: Some(Box::new(move |_| reader.captcha_answer())),
        session: Some(Box::new(|limit| limit.sessions[0].id.clone())),
        ..Inspector::default()
    };
    let (store, asked) = (inspector.store.clone(), inspector.asked.clone());
    let client = vms_client(&fake, &clock).store(store).responder(inspector).build().unwrap();
    let counts = [("get_basic_static", 1), ("get_captcha", 1), ("get_token", 2)];
    is_asked_once(client.session(), &asked, 2, &fake, &counts).await;
}

#[apply(leak_checked!)]
async fn two_hundred_who_wait_are_one_device_code() {
    let clock = ManualClock::new();
    let fake = Arc::new(FakeOrderingStack::builder().clock(clock.clone()).start().await);
    let (person, time) = (fake.clone(), clock.clone());
    let lets_in = move |device: &DeviceCode| {
        assert!(person.approve_user_code(device.user_code()));
        // The poll sleeps already: it was begun before the code was shown.
        time.advance(device.interval());
    };
    let inspector = Inspector { device: Some(Box::new(lets_in)), ..Inspector::default() };
    let (store, asked) = (inspector.store.clone(), inspector.asked.clone());
    let client = orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .device(FakeOrderingStack::MODULE)
        .clock(clock)
        .store(store)
        .responder(inspector)
        .build()
        .unwrap();
    is_asked_once(client.session(), &asked, 1, &fake, &[("start_device", 1), ("issue_token", 1)]).await;
}

#[apply(leak_checked!)]
async fn two_hundred_who_wait_are_one_mail() {
    let clock = ManualClock::new();
    let fake = Arc::new(FakeVtex::builder().clock(clock.clone()).start().await);
    let mailbox = fake.clone();
    let inspector = Inspector { key: Some(Box::new(move |_| mailbox.access_key())), ..Inspector::default() };
    let (store, asked) = (inspector.store.clone(), inspector.asked.clone());
    let client = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
    let client = client.clock(clock).store(store).responder(inspector).build().unwrap();
    is_asked_once(client.session(), &asked, 1, &fake, &[("send_access_key", 1), ("validate_access_key", 1)]).await;
}

// ---- A web service, whose person answers later ----

async fn captchas() -> (Arc<FakeVms>, ManualClock, vms::Client) {
    let clock = ManualClock::new();
    let fake = Arc::new(FakeVms::builder().clock(clock.clone()).captcha(true).start().await);
    let client = vms_client(&fake, &clock).build().unwrap();
    (fake, clock, client)
}

fn read(fake: &FakeVms) -> Answer {
    Answer::Captcha(fake.captcha_answer().into())
}

/// What the vendor was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    captchas: usize,
    sign_ins: usize,
}

fn counts(fake: &FakeVms) -> Asked {
    Asked { captchas: fake.count("get_captcha"), sign_ins: fake.count("get_token") }
}

#[apply(leak_checked!)]
async fn an_answer_may_come_later_and_from_another_task() {
    let (fake, clock, client) = captchas().await;
    let question = client.session().lease().await.unwrap_err();
    clock.advance(59 * SECOND);
    let (resume, answer) = (question.resume().unwrap(), read(&fake));
    drop(question);
    tokio::spawn(async move { resume.answer(answer).await }).await.unwrap().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), Asked { captchas: 1, sign_ins: 1 });
}

#[apply(leak_checked!)]
async fn an_answer_that_comes_twice_is_sent_once() {
    let (fake, _clock, client) = captchas().await;
    let question = client.session().lease().await.unwrap_err();
    let gate = fake.hold("get_token");
    let answers = [read(&fake), Answer::Captcha("something else".into()), read(&fake)].map(|answer| {
        let resume = question.resume().unwrap();
        tokio::spawn(async move { resume.answer(answer).await.unwrap().generation() })
    });
    gate.arrived(1).await;
    gate.open();
    let mut generations = HashSet::new();
    for answer in answers {
        generations.insert(answer.await.unwrap());
    }
    // And once more, long after.
    generations.insert(question.resume().unwrap().answer(read(&fake)).await.unwrap().generation());
    assert_eq!((generations.len(), counts(&fake)), (1, Asked { captchas: 1, sign_ins: 1 }));
}

#[apply(leak_checked!)]
async fn an_answer_that_comes_too_late_is_not_sent_and_brings_another_picture() {
    let (fake, clock, client) = captchas().await;
    let question = client.session().lease().await.unwrap_err();
    let late = read(&fake);
    clock.advance(MINUTE);
    let anew = question.resume().unwrap().answer(late).await.unwrap_err();
    assert_eq!((anew.kind(), counts(&fake)), (ErrorKind::CaptchaRequired, Asked { captchas: 2, sign_ins: 0 }));
    assert_ne!(anew.captcha().unwrap().image(), question.captcha().unwrap().image());
    anew.resume().unwrap().answer(read(&fake)).await.unwrap();
    assert_eq!(counts(&fake), Asked { captchas: 2, sign_ins: 1 });
}

#[apply(leak_checked!)]
async fn an_answer_that_never_comes_costs_one_picture_a_minute_while_callers_call() {
    let (fake, clock, client) = captchas().await;
    for pictures in 1..=3 {
        for _ in 0..6 {
            assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::CaptchaRequired);
            clock.advance(10 * SECOND);
        }
        assert_eq!(counts(&fake), Asked { captchas: pictures, sign_ins: 0 });
    }
    clock.advance(60 * MINUTE);
    assert_eq!(counts(&fake), Asked { captchas: 3, sign_ins: 0 });
}

#[apply(leak_checked!)]
async fn an_answer_whose_asker_has_gone_is_used_all_the_same() {
    let (fake, _clock, client) = captchas().await;
    let resume = client.session().lease().await.unwrap_err().resume().unwrap();
    let (gate, answer) = (fake.hold("get_token"), read(&fake));
    let request = tokio::spawn(async move { resume.answer(answer).await });
    gate.arrived(1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    gate.open();
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), Asked { captchas: 1, sign_ins: 1 });
}

// ---- Somebody at a terminal, who takes their time ----

/// Takes so long for the first question, and no time for the next.
struct Slow {
    fake: Arc<FakeVms>,
    clock: ManualClock,
    takes: Duration,
}

impl Responder for Slow {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        let text = self.fake.captcha_answer();
        if captcha.attempt() == 1 {
            self.clock.sleep(self.takes).await;
        }
        Some(text.into())
    }
}

#[apply(leak_checked!)]
async fn a_person_slower_than_the_captcha_lives_sees_another_and_costs_no_attempt() {
    let (fake, clock, _) = captchas().await;
    let person = Slow { fake: fake.clone(), clock: clock.clone(), takes: MINUTE };
    let client = vms_client(&fake, &clock).responder(person).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(drop) });
    // The deadline of the question, and the person.
    clock.until_sleeping(2).await;
    clock.advance(MINUTE);
    waiting.await.unwrap().unwrap();
    assert_eq!(counts(&fake), Asked { captchas: 2, sign_ins: 1 });
}

#[apply(leak_checked!)]
async fn a_policy_may_ask_for_as_long_as_a_person_and_no_longer() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).session_limit(1).other_sessions(1).start().await;
    let patience = Timeouts::default().person;
    for (takes, kind) in [(patience / 2, None), (2 * patience, Some(ErrorKind::Declined))] {
        let its = clock.clone();
        let policy = EvictionPolicy::choose_async(move |limit| {
            let asked = its.sleep(takes);
            async move {
                asked.await;
                limit.sessions.iter().find(|session| !session.is_current).map(|session| session.id.clone())
            }
        });
        let client = vms_client(&fake, &clock).session_limit(policy).build().unwrap();
        let session = client.session().clone();
        let waiting = tokio::spawn(async move { session.lease().await.map(drop) });
        // The deadline of the question, and whoever the policy asks.
        clock.until_sleeping(2).await;
        clock.advance(takes.min(patience));
        assert_eq!(waiting.await.unwrap().map_err(|error| error.kind()).err(), kind);
    }
    let itself = std::sync::Arc::new(std::sync::OnceLock::<keyway::vms::Client>::new());
    let its = itself.clone();
    let policy = EvictionPolicy::choose_async(move |_| {
        let client = its.get().unwrap().clone();
        async move {
            let error = client.session().lease().await.map(drop).unwrap_err();
            assert!(error.to_string().contains(".session_limit(..)"), "{error}");
            None
        }
    });
    let client = itself.get_or_init(|| vms_client(&fake, &clock).session_limit(policy).build().unwrap());
    assert_eq!(client.session().lease().await.map(drop).unwrap_err().kind(), ErrorKind::SessionLimitReached);
}

#[apply(leak_checked!)]
async fn who_takes_longer_than_anybody_waits_has_not_answered_and_can_still_be_asked() {
    let (fake, clock, _) = captchas().await;
    let patience = Timeouts::default().person;
    let person = Slow { fake: fake.clone(), clock: clock.clone(), takes: 10 * patience };
    let client = vms_client(&fake, &clock).responder(person).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(drop) });
    clock.until_sleeping(2).await;
    clock.advance(patience);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Declined, Asked { captchas: 1, sign_ins: 0 }));
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    // By now the captcha has ended, too: another one is shown, to the same person, who is quick this time.
    error.resume().unwrap().answer(read(&fake)).await.unwrap();
    assert_eq!(counts(&fake), Asked { captchas: 2, sign_ins: 1 });
}
