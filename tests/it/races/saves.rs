//! Saves, locks and several processes: no token is lost, and none is used twice.

use super::*;

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
    assert_eq!(fixture.counts(), Ends { sign_ins: 1, sign_outs: 0, live: 1 });
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
    assert_eq!(fixture.counts(), Ends { sign_ins: 2, sign_outs: 0, live: 1 });
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
    assert_eq!(fixture.counts().sign_ins, 1);
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap().unwrap().generation(), generation);
    assert_eq!((generation.counter(), fixture.counts()), (2, Counts { sign_ins: 1, renewals: 1, ..NONE }));
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
    assert_eq!(fixture.counts(), Counts { sign_ins: 1, renewals: 2, ..NONE });
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
    assert_eq!(fixture.counts().sign_ins, 1);
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
    assert_eq!(
        (fixture.counts(), other.counts()),
        (Counts { sign_ins: 1, ..NONE }, Counts { sign_ins: 1, renewals: 2, ..NONE })
    );
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

/// Nothing is spent by it, so nobody has to be kept from the store.
#[apply(leak_checked!)]
async fn a_new_session_that_could_not_be_saved_keeps_the_stores_lock_from_nobody() {
    let fixture = Fixture::set().await;
    let (session, store) = fixture.process();
    store.fill();
    session.lease().await.unwrap();
    fixture.process().0.lease().await.expect("a session of its own, at once");
    assert_eq!(fixture.counts(), Counts { sign_ins: 2, ..NONE });
}
