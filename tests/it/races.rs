//! Two things at once: who wins, and that nothing is lost or left behind.

mod saves;
mod sign_outs;

use crate::{
    counts::{Counts, NONE, counts},
    scripted_store::ScriptedStore,
    vitamojo_client, vms_client,
};
use keyway::{
    Answer, ErrorKind, Generation, MemoryStore, Session, Timeouts, custom,
    custom::{Attempt, Capabilities, Issued, Issuer, Renewal},
    testing::{FakeVitaMojo, FakeVms, Fault, Gate, ManualClock},
};
use serde_json::json;
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);

/// A vendor whose refresh tokens rotate, and a store that several clients share.
struct Fixture {
    fake: FakeVitaMojo,
    clock: ManualClock,
    memory: MemoryStore,
}

impl Fixture {
    async fn set() -> Self {
        Self::rotating(true).await
    }

    async fn rotating(rotating: bool) -> Self {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(rotating).start().await;
        Self { fake, clock, memory: MemoryStore::new() }
    }

    /// As a process of its own has it.
    fn process(&self) -> (Session, ScriptedStore) {
        let store = ScriptedStore::over(&self.memory);
        (vitamojo_client(&self.fake, &self.clock).store(store.clone()).build().unwrap().session().clone(), store)
    }

    /// A process whose token has ended, and whose renewal waits at the vendor's.
    async fn renewing(&self) -> (Session, ScriptedStore, Gate, JoinHandle<Leased>) {
        let (session, store) = self.process();
        session.lease().await.unwrap();
        self.clock.advance(ELEVEN_MINUTES);
        let gate = self.fake.hold("refresh_token");
        let waiting = lease(&session);
        gate.arrived(1).await;
        (session, store, gate, waiting)
    }

    fn counts(&self) -> Counts {
        counts(&self.fake)
    }
}

/// A VMS, where whoever signs in has one more session, and a store that several clients share.
struct Sessions {
    fake: FakeVms,
    clock: ManualClock,
    memory: MemoryStore,
}

impl Sessions {
    async fn set() -> Self {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().clock(clock.clone()).start().await;
        Self { fake, clock, memory: MemoryStore::new() }
    }

    /// As a process of its own has it, with a store that is waited for however long it takes.
    fn process(&self) -> (keyway::vms::Client, ScriptedStore) {
        let store = ScriptedStore::over(&self.memory);
        let timeouts = Timeouts::default().with_store_lock(Duration::from_secs(24 * 3600));
        let builder = vms_client(&self.fake, &self.clock).store(store.clone()).timeouts(timeouts);
        (builder.build().unwrap(), store)
    }

    /// What is out takes too long.
    fn let_it_be_late(&self) {
        self.clock.advance(Timeouts::default().renewal);
    }

    /// The session of another process, whose lock is no better than its network.
    async fn anothers(&self) -> Generation {
        let (other, its_store) = self.process();
        its_store.open_locks();
        other.session().lease().await.unwrap().generation()
    }

    async fn serves(&self, client: &keyway::vms::Client) {
        assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    }

    fn counts(&self) -> Ends {
        let (sign_ins, sign_outs) = (self.fake.count("get_token"), self.fake.count("logout"));
        Ends { sign_ins, sign_outs, live: self.fake.sessions().len() }
    }
}

/// What has become of the sessions at a VMS.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    sign_ins: usize,
    sign_outs: usize,
    /// Sessions that go on.
    live: usize,
}

type Leased = Result<keyway::Lease, keyway::Error>;

fn lease(session: &Session) -> JoinHandle<Leased> {
    let session = session.clone();
    tokio::spawn(async move { session.lease().await })
}

/// Time for everything on this runtime that waits for nothing outside of it.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[apply(leak_checked!)]
async fn a_new_process_is_served_a_valid_stored_token_that_cannot_be_renewed() {
    let fixture = Fixture::set().await;
    let first = fixture.process().0.lease().await.unwrap().generation();
    fixture.fake.always("refresh_token", Fault::Html(503));
    for seconds in [8 * 60 + 30, 65] {
        fixture.clock.advance(Duration::from_secs(seconds));
        let (session, _) = fixture.process();
        assert_eq!(session.lease().await.unwrap().generation(), first);
        session.close().await.unwrap();
    }
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 2, ..NONE });
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_after_a_restart_gets_past_a_renewal_that_always_fails() {
    let fixture = Fixture::set().await;
    fixture.process().0.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    fixture.fake.always("refresh_token", Fault::Json(404, json!({"vmosCode":"US-05","message":"session not found"})));
    let (session, _) = fixture.process();
    session.sign_in().await.expect("makes sure that there is a session");
    assert_eq!(fixture.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_joins_a_renewal_and_goes_on_if_that_fails() {
    let fixture = Fixture::set().await;
    fixture.fake.always("refresh_token", Fault::Html(503));
    let (session, _store, gate, waiting) = fixture.renewing().await;
    let signing_in = {
        let session = session.clone();
        tokio::spawn(async move { session.sign_in().await })
    };
    settle().await;
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Outage);
    signing_in.await.unwrap().expect("what was asked for is a sign-in");
    assert_eq!(fixture.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_renews_what_can_be_renewed() {
    let fixture = Fixture::set().await;
    let (session, _) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    session.sign_in().await.unwrap();
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn no_run_takes_the_place_of_one_whose_request_is_out() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    let (hold, gate) = (store.hold_load(), fixture.fake.hold("refresh_token"));
    let first = lease(&session);
    hold.arrived().await;
    // It has waited for the store for most of its time when it sends.
    fixture.clock.advance(Timeouts::default().store_lock - Duration::from_secs(1));
    hold.release();
    gate.arrived(1).await;
    fixture.clock.advance(Timeouts::default().renewal - Timeouts::default().store_lock + Duration::from_secs(2));
    let second = lease(&session);
    settle().await;
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
    gate.open();
    assert_eq!(first.await.unwrap().unwrap().generation(), second.await.unwrap().unwrap().generation());
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn an_answer_that_no_run_has_heard_can_be_given_again() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let session = client.session();
    let resume = session.lease().await.unwrap_err().resume().expect("a captcha");
    let answer = || Answer::Captcha(fake.captcha_answer().into());
    fake.next("get_basic_static", Fault::Html(503));
    let gate = fake.hold("get_basic_static");
    let signing_in = {
        let session = session.clone();
        tokio::spawn(async move { session.sign_in().await })
    };
    gate.arrived(1).await;
    let joining = {
        let (resume, answer) = (resume.clone(), answer());
        tokio::spawn(async move { resume.answer(answer).await })
    };
    settle().await;
    gate.open();
    assert_eq!(signing_in.await.unwrap().unwrap_err().kind(), ErrorKind::Outage);
    assert_eq!(joining.await.unwrap().unwrap_err().kind(), ErrorKind::Outage);
    resume.answer(answer()).await.expect("it is the same question still");
    assert_eq!((fake.count("get_captcha"), fake.count("get_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_credential_source_that_takes_its_time_is_asked_once() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (answer, answered) = tokio::sync::watch::channel(false);
    let source = {
        let asked = asked.clone();
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut answered = answered.clone();
            async move {
                let _ = answered.wait_for(|answered| *answered).await;
                Ok::<_, std::io::Error>(FakeVms::PASSWORD.into())
            }
        }
    };
    let builder = keyway::vms::Client::builder(fake.uri()).clock(clock.clone());
    let client = builder.password_from(FakeVms::LOGIN, source).build().unwrap();
    let first = lease(client.session());
    clock.until_sleeping(2).await;
    clock.advance(Timeouts::default().renewal + Duration::from_secs(1));
    let second = lease(client.session());
    settle().await;
    answer.send_replace(true);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), fake.count("get_token")), (1, 1));
}

/// Its tokens live for so long.
struct Mayfly {
    life: Duration,
    asked: Arc<AtomicUsize>,
}

impl Mayfly {
    fn client(life: Duration) -> (custom::Client, ManualClock, Arc<AtomicUsize>) {
        let (clock, asked) = (ManualClock::new(), Arc::<AtomicUsize>::default());
        let builder = custom::Client::builder("https://mayfly.example").issuer(Self { life, asked: asked.clone() });
        (builder.clock(clock.clone()).build().unwrap(), clock, asked)
    }
}

impl Issuer for Mayfly {
    fn describe(&self) -> Capabilities {
        Capabilities::new("mayfly", ".password(..)").renewal(Renewal::SignIn)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, keyway::Error> {
        let _permit = attempt.acquire().await?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Issued::new("token").lives_for(self.life))
    }
}

#[apply(leak_checked!)]
async fn tokens_that_end_at_once_are_not_asked_for_one_after_the_other() {
    for life in [1, 99].map(Duration::from_millis) {
        let (client, clock, asked) = Mayfly::client(life);
        let lease = async || client.session().lease().await.err().map(|error| error.kind());
        assert_eq!(lease().await, Some(ErrorKind::Protocol));
        clock.advance(life);
        for _ in 0..100 {
            assert_eq!(lease().await, Some(ErrorKind::Protocol));
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{life:?}");
    }
}

#[apply(leak_checked!)]
async fn a_token_that_lives_for_a_tenth_of_a_second_is_used_for_as_long() {
    let life = Duration::from_millis(100);
    let (client, clock, asked) = Mayfly::client(life);
    for lives in 1..=3 {
        for _ in 0..2 {
            client.session().lease().await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), lives);
        clock.advance(life);
    }
}

#[apply(leak_checked!)]
async fn a_ready_lease_is_ready_at_the_first_poll() {
    let fixture = Fixture::set().await;
    let (session, _) = fixture.process();
    session.lease().await.unwrap();
    let mut again = pin!(session.lease());
    assert!(matches!(again.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
}
