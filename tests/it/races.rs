//! Two things at once: who wins, and that nothing is lost or left behind.

use crate::{scripted_store::ScriptedStore, vitamojo_client, vms_client};
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

    /// Sign-ins, renewals, and refresh tokens that were used twice.
    fn counts(&self) -> (usize, usize, usize) {
        (self.fake.count("auth"), self.fake.count("refresh_token"), self.fake.reuses())
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

    /// Sign-ins, sessions that were ended, and those that go on.
    fn counts(&self) -> (usize, usize, usize) {
        (self.fake.count("get_token"), self.fake.count("logout"), self.fake.sessions().len())
    }
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
    assert_eq!(fixture.counts(), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_after_a_restart_gets_past_a_renewal_that_always_fails() {
    let fixture = Fixture::set().await;
    fixture.process().0.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    fixture.fake.always("refresh_token", Fault::Json(404, json!({"vmosCode":"US-05","message":"session not found"})));
    let (session, _) = fixture.process();
    session.sign_in().await.expect("makes sure that there is a session");
    assert_eq!(fixture.counts(), (2, 1, 0));
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
    assert_eq!(fixture.counts(), (2, 1, 0));
}

#[apply(leak_checked!)]
async fn an_explicit_sign_in_renews_what_can_be_renewed() {
    let fixture = Fixture::set().await;
    let (session, _) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    session.sign_in().await.unwrap();
    assert_eq!(fixture.counts(), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_signed_out_session_is_not_taken_back_from_a_store_that_did_not_hear_of_it() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    let first = session.lease().await.unwrap().generation();
    store.fail_loads(1);
    assert_eq!(session.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
    let second = session.sign_in().await.unwrap().generation();
    assert_eq!((first.counter(), second.counter(), fixture.counts().0), (1, 1, 2));
    // It takes the other one's place.
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), second);
}

#[apply(leak_checked!)]
async fn a_late_save_does_not_bring_back_what_was_signed_out() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    store.fail_saves(1);
    session.lease().await.unwrap();
    let hold = store.hold_save();
    fixture.clock.until_sleeping(1).await;
    fixture.clock.advance(Duration::from_secs(1));
    hold.arrived().await;
    session.sign_out().await.unwrap();
    hold.release();
    settle().await;
    fixture.process().0.lease().await.unwrap();
    assert_eq!(fixture.counts().0, 2, "the signed-out session was found in the store");
}

#[apply(leak_checked!)]
async fn the_save_of_a_superseded_sign_in_does_not_replace_the_next_one() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    let hold = store.hold_after_save();
    let waiting = lease(&session);
    hold.arrived().await;
    session.sign_out().await.unwrap();
    let second = session.sign_in().await.unwrap().generation();
    hold.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    settle().await;
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), second);
    assert_eq!(fixture.counts().0, 2);
}

#[apply(leak_checked!)]
async fn a_sign_in_whose_save_takes_for_ever_is_used_and_not_revoked() {
    let fixture = Sessions::set().await;
    let (client, store) = fixture.process();
    let hold = store.hold_after_save();
    let waiting = lease(client.session());
    hold.arrived().await;
    fixture.let_it_be_late();
    waiting.await.unwrap().expect("from memory");
    hold.release();
    settle().await;
    fixture.serves(&client).await;
    assert_eq!(fixture.counts(), (1, 0, 1));
}

#[apply(leak_checked!)]
async fn a_sign_in_that_was_beaten_by_a_sign_out_takes_nothing_from_the_next_one() {
    let fixture = Sessions::set().await;
    let (client, store) = fixture.process();
    let session = client.session();
    let hold = store.hold_failing_save();
    let waiting = lease(session);
    hold.arrived().await;
    session.sign_out().await.unwrap();
    store.fail_saves(1);
    let generation = session.sign_in().await.unwrap().generation();
    hold.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    fixture.fake.until("logout", 1).await;
    // What the second one could not save is still offered to the store.
    fixture.clock.advance(Duration::from_secs(1));
    store.saved(1).await;
    assert_eq!(fixture.process().0.session().lease().await.unwrap().generation(), generation);
    assert_eq!(fixture.counts(), (2, 1, 1));
}

#[apply(leak_checked!)]
async fn a_new_token_replaces_the_held_one_in_a_store_that_could_not_be_read_before() {
    let fixture = Sessions::set().await;
    let (client, store) = fixture.process();
    let first = client.session().lease().await.unwrap().generation();
    fixture.fake.revoke_all();
    // Before the lock, and under it.
    store.fail_loads(2);
    fixture.serves(&client).await;
    let second = client.session().lease().await.unwrap().generation();
    assert_eq!((first == second, fixture.process().0.session().lease().await.unwrap().generation()), (false, second));
    assert_eq!(fixture.counts(), (2, 0, 1));
}

#[apply(leak_checked!)]
async fn what_was_withdrawn_is_not_served_by_a_store_that_has_forgotten_why() {
    let fixture = Fixture::set().await;
    let (session, store, gate, waiting) = fixture.renewing().await;
    fixture.fake.next("auth", Fault::Html(503));
    fixture.process().0.sign_out().await.unwrap();
    gate.open();
    // The renewed token is of a session that was signed out, and no other can be had now.
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Outage);
    store.forget().await;
    fixture.clock.advance(Duration::from_secs(60));
    assert_eq!(session.lease().await.unwrap().generation().counter(), 1);
    assert_eq!(fixture.counts(), (3, 1, 0));
}

#[apply(leak_checked!)]
async fn a_sign_in_that_is_answered_after_a_sign_out_never_gets_into_the_store() {
    let fixture = Sessions::set().await;
    let (client, store) = fixture.process();
    let gate = fixture.fake.hold("get_token");
    let waiting = lease(client.session());
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    fixture.fake.until("logout", 1).await;
    assert_eq!((store.saves(), fixture.counts()), (0, (1, 1, 0)));
}

#[apply(leak_checked!)]
async fn a_sign_in_that_was_signed_out_while_it_found_anothers_is_revoked() {
    let fixture = Sessions::set().await;
    let (client, store) = fixture.process();
    let hold = store.hold_save();
    let waiting = lease(client.session());
    hold.arrived().await;
    fixture.anothers().await;
    let look = store.hold_after_load();
    hold.release();
    look.arrived().await;
    // It ends what is stored, and what was obtained and is not.
    client.session().sign_out().await.unwrap();
    assert_eq!(fixture.counts(), (2, 2, 0));
    look.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(fixture.counts(), (2, 2, 0));
}

/// Every process of a fleet does so: they must not all ask at once, and not all the time.
#[apply(leak_checked!)]
async fn who_waits_for_the_stores_lock_looks_again_after_half_a_second_at_the_earliest() {
    let fixture = Sessions::set().await;
    let gate = fixture.fake.hold("get_token");
    let first = lease(fixture.process().0.session());
    gate.arrived(1).await;
    let (other, store) = fixture.process();
    let waiting = lease(other.session());
    settle().await;
    assert_eq!(store.loads(), 1);
    fixture.clock.advance(Duration::from_millis(499));
    settle().await;
    assert_eq!(store.loads(), 1);
    fixture.clock.advance(Duration::from_millis(1001));
    settle().await;
    assert_eq!(store.loads(), 2);
    gate.open();
    first.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(fixture.counts().0, 1);
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
    assert_eq!(fixture.counts(), (1, 1, 0));
    gate.open();
    assert_eq!(first.await.unwrap().unwrap().generation(), second.await.unwrap().unwrap().generation());
    assert_eq!(fixture.counts(), (1, 1, 0));
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_in_the_middle_of_a_save_loses_no_token() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let fixture = second.block_on(Fixture::set());
    let (session, store) = fixture.process();
    let hold = first.block_on(async {
        session.lease().await.unwrap();
        fixture.clock.advance(ELEVEN_MINUTES);
        let hold = store.hold_save();
        lease(&session);
        hold.arrived().await;
        hold
    });
    first.shutdown_background();
    // The first runtime's run is dropped on its own thread, whenever that comes to it.
    drop(hold);
    let generation = second.block_on(async { session.lease().await.unwrap().generation() });
    assert_eq!(generation.counter(), 2);
    assert_eq!(second.block_on(fixture.process().0.lease()).unwrap().generation(), generation);
    assert_eq!(fixture.counts(), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_new_session_takes_the_place_of_one_that_was_signed_out_meanwhile() {
    let fixture = Fixture::set().await;
    let (session, _) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    fixture.fake.revoke_refresh_tokens();
    let gate = fixture.fake.hold("auth");
    let waiting = lease(&session);
    gate.arrived(1).await;
    fixture.process().0.sign_out().await.unwrap();
    gate.open();
    let generation = waiting.await.unwrap().unwrap().generation();
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), generation);
    assert_eq!(fixture.counts(), (2, 1, 0));
}

#[apply(leak_checked!)]
async fn a_session_that_another_process_signed_out_is_not_renewed_behind_its_back() {
    let fixture = Fixture::set().await;
    let (session, _) = fixture.process();
    let first = session.lease().await.unwrap().generation();
    fixture.clock.advance(ELEVEN_MINUTES);
    let gate = fixture.fake.hold("refresh_token");
    let waiting = lease(&session);
    gate.arrived(1).await;
    fixture.process().0.sign_out().await.unwrap();
    gate.open();
    // This client was not signed out: it begins a session of its own.
    let generation = waiting.await.unwrap().unwrap().generation();
    assert_eq!((generation.counter(), generation == first, fixture.counts()), (1, false, (2, 1, 0)));
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), generation);
}

#[apply(leak_checked!)]
async fn while_a_renewed_token_is_not_saved_nobody_else_renews_what_it_replaced() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    store.fail_saves(1);
    let generation = session.lease().await.unwrap().generation();
    // Another process has a store that works, and finds the old token in it.
    let waiting = lease(&fixture.process().0);
    settle().await;
    assert_eq!(fixture.counts(), (1, 1, 0));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap().unwrap().generation(), generation);
    assert_eq!((generation.counter(), fixture.counts()), (2, (1, 1, 0)));
}

#[apply(leak_checked!)]
async fn what_is_not_saved_and_was_spent_in_its_turn_never_gets_into_the_store() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    session.lease().await.unwrap();
    store.fail_saves(1);
    session.renew().await.unwrap();
    // The offer of the second token is on its way when the third one is obtained.
    let hold = store.hold_load();
    fixture.clock.advance(Duration::from_secs(1));
    hold.arrived().await;
    let renewing = {
        let session = session.clone();
        tokio::spawn(async move { session.renew().await })
    };
    settle().await;
    hold.release();
    let third = renewing.await.unwrap().unwrap().generation();
    settle().await;
    assert_eq!((third.counter(), fixture.process().0.lease().await.unwrap().generation()), (3, third));
    assert_eq!(fixture.counts(), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn until_a_sign_out_is_in_the_store_nobody_else_spends_what_a_renewal_is_spending() {
    let fixture = Fixture::set().await;
    let (leaver, store, gate, renewing) = fixture.renewing().await;
    let hold = store.hold_tombstone();
    let signing_out = {
        let leaver = leaver.clone();
        tokio::spawn(async move { leaver.sign_out().await })
    };
    hold.arrived().await;
    let waiting = lease(&fixture.process().0);
    gate.open();
    // The renewal has ended, and finds that it was signed out.
    assert_eq!(renewing.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    settle().await;
    hold.release();
    signing_out.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().generation().counter(), 1);
    assert_eq!(fixture.counts(), (2, 1, 0));
}

#[apply(leak_checked!)]
async fn a_sign_out_leaves_alone_what_others_have_begun_since() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    fixture.fake.revoke_refresh_tokens();
    let hold = store.hold_after_load();
    let signing_out = {
        let session = session.clone();
        tokio::spawn(async move { session.sign_out().await })
    };
    hold.arrived().await;
    let (other, _) = fixture.process();
    let generation = other.lease().await.unwrap().generation();
    hold.release();
    signing_out.await.unwrap().unwrap();
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), generation);
    assert_eq!(fixture.counts().0, 2);
}

#[apply(leak_checked!)]
async fn a_refused_refresh_token_whose_successor_is_in_the_store_by_now_costs_no_sign_in() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    session.lease().await.unwrap();
    fixture.clock.advance(ELEVEN_MINUTES);
    // The look before the lock finds nothing new; the one under it is held.
    let (before, hold) = (store.hold_after_load(), store.hold_after_load());
    let waiting = lease(&session);
    before.arrived().await;
    before.release();
    hold.arrived().await;
    // Another process whose lock is no better than its network renews the same token.
    let (other, its_store) = fixture.process();
    its_store.open_locks();
    let generation = other.lease().await.unwrap().generation();
    hold.release();
    assert_eq!(waiting.await.unwrap().unwrap().generation(), generation);
    assert_eq!((generation.counter(), fixture.fake.count("auth"), fixture.fake.count("refresh_token")), (2, 1, 2));
}

#[apply(leak_checked!)]
async fn attempts_that_were_not_made_because_the_lock_was_lost_do_not_count() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = ScriptedStore::default();
    let client = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    for _ in 0..5 {
        store.lose_locks(3);
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Store, true), "{error}");
        clock.advance(Duration::from_secs(30));
    }
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn an_orderly_end_offers_the_store_what_it_has_not_taken() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    store.fail_saves(1);
    let generation = session.lease().await.unwrap().generation();
    session.close().await.unwrap();
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), generation);
    assert_eq!(fixture.counts().0, 1);
}

#[apply(leak_checked!)]
async fn a_sign_out_that_the_vendor_answers_with_401_ends_the_session_here_too() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_all();
    let error = client.api().logout().body_map(|body| body).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(fake.count("get_token"), 1);
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

/// Waits before it asks for leave to send.
struct Dawdler {
    go: Arc<watch::Sender<bool>>,
    asks: Arc<AtomicUsize>,
    sends: Arc<AtomicUsize>,
}

impl Issuer for Dawdler {
    fn describe(&self) -> Capabilities {
        Capabilities::new("dawdler", ".password(..)")
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, keyway::Error> {
        if self.asks.fetch_add(1, Ordering::SeqCst) == 0 {
            let _ = self.go.subscribe().wait_for(|go| *go).await;
        }
        let _permit = attempt.acquire().await?;
        self.sends.fetch_add(1, Ordering::SeqCst);
        Ok(Issued::new("token"))
    }
}

fn dawdler(clock: &ManualClock) -> (Session, Arc<watch::Sender<bool>>, Arc<AtomicUsize>) {
    let (go, sends) = (Arc::new(watch::Sender::new(false)), Arc::new(AtomicUsize::new(0)));
    let issuer = Dawdler { go: go.clone(), asks: Arc::default(), sends: sends.clone() };
    let builder = custom::Client::builder("https://dawdler.example").issuer(issuer).clock(clock.clone());
    (builder.build().unwrap().session().clone(), go, sends)
}

#[apply(leak_checked!)]
async fn a_run_that_was_signed_out_before_it_sent_sends_nothing() {
    let clock = ManualClock::new();
    let (session, go, sends) = dawdler(&clock);
    let first = lease(&session);
    settle().await;
    session.sign_out().await.unwrap();
    go.send_replace(true);
    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(sends.load(Ordering::SeqCst), 0);
}

#[apply(leak_checked!)]
async fn a_client_that_waits_for_its_vendor_holds_up_no_other() {
    let (fixture, other) = (Fixture::set().await, Fixture::set().await);
    let gates = [fixture.fake.hold("auth"), fixture.fake.hold("refresh_token")];
    // One store, one runtime of one thread: a lock that was held across the wait would be noticed.
    let waiting = lease(&fixture.process().0);
    gates[0].arrived(1).await;
    let builder = vitamojo_client(&other.fake, &other.clock).store(fixture.memory.clone());
    let session = builder.build().unwrap().session().clone();
    for _ in 0..3 {
        session.lease().await.unwrap();
        other.clock.advance(ELEVEN_MINUTES);
    }
    assert_eq!((fixture.counts(), other.counts()), ((1, 0, 0), (1, 2, 0)));
    drop(gates);
    waiting.await.unwrap().unwrap();
}

#[apply(leak_checked!)]
async fn when_the_last_handle_is_dropped_every_task_ends() {
    let fixture = Fixture::set().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (session, store) = fixture.process();
    let before = tasks();
    store.fill();
    session.lease().await.unwrap();
    settle().await;
    assert_eq!(tasks(), before + 1, "what was not saved is offered again");
    drop((session, store));
    fixture.clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!((tasks(), fixture.clock.sleepers()), (before, 0));
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

/// Nothing is spent by it, so nobody has to be kept from the store.
#[apply(leak_checked!)]
async fn a_new_session_that_could_not_be_saved_keeps_the_stores_lock_from_nobody() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    store.fill();
    session.lease().await.unwrap();
    fixture.process().0.lease().await.expect("a session of its own, at once");
    assert_eq!(fixture.counts(), (2, 0, 0));
}
