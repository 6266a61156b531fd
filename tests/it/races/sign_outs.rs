//! A sign-out beside whatever else is under way.

use super::*;

#[apply(leak_checked!)]
async fn a_signed_out_session_is_not_taken_back_from_a_store_that_did_not_hear_of_it() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    let first = session.lease().await.unwrap().generation();
    store.fail_loads(1);
    assert_eq!(session.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
    let second = session.sign_in().await.unwrap().generation();
    assert_eq!((first.counter(), second.counter(), fixture.counts().sign_ins), (1, 1, 2));
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
    assert_eq!(fixture.counts().sign_ins, 2, "the signed-out session was found in the store");
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
    assert_eq!(fixture.counts().sign_ins, 2);
}

#[apply(leak_checked!)]
async fn a_sign_in_that_a_sign_out_superseded_takes_nothing_from_the_next_one() {
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
    assert_eq!(fixture.counts(), Ends { sign_ins: 2, sign_outs: 1, live: 1 });
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 3, renewals: 1, ..NONE });
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
    assert_eq!((store.saves(), fixture.counts()), (0, Ends { sign_ins: 1, sign_outs: 1, live: 0 }));
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
    assert_eq!(fixture.counts(), Ends { sign_ins: 2, sign_outs: 2, live: 0 });
    look.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(fixture.counts(), Ends { sign_ins: 2, sign_outs: 2, live: 0 });
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
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
    assert_eq!(
        (generation.counter(), generation == first, fixture.counts()),
        (1, false, Counts { sign_ins: 2, renewals: 1, ..NONE })
    );
    assert_eq!(fixture.process().0.lease().await.unwrap().generation(), generation);
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
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
    assert_eq!(fixture.counts().sign_ins, 2);
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
