//! What a core wants next.

use super::{
    super::{
        core::{KEEP, LOOK, PermitRequest, PermitStage, Wish},
        decide::Reason,
        dialogue::Ask,
        run::{PendingSave, Run, RunStage, SigningOut, Word},
        seen::StoreSeen,
        wishes::failed,
    },
    states::{OURS, at_first, code, core, out, token_of},
    *,
};

fn run(id: u64) -> Run {
    Run::new(id, Reason::NoSession, Conversation::default(), None, at_first().now)
}

fn sign_in() -> Option<Out<VendorOp>> {
    out(VendorOp::SignIn(Conversation::default()))
}

#[apply(leak_checked!)]
fn a_store_that_hung_is_not_asked_again_in_its_run_but_to_keep_its_lock() {
    let at = at_first();
    let (past, ahead) = (at.now.monotonic, at.now.monotonic + SECOND);
    let extend = StoreOp::Extend(SECOND);
    for (of, until, what, asked) in [
        (2, ahead, StoreOp::Load, false),
        (2, ahead, StoreOp::Lock(SECOND), false),
        (2, ahead, extend, true),
        (2, ahead, StoreOp::Unlock, true),
        (1, ahead, StoreOp::Load, true),
        (2, past, StoreOp::Load, true),
    ] {
        let mut core = SessionCore { runs: 2, run: Some(run(2)), locked: true, ..core() };
        core.hangs = Some((of, until, broken_store()));
        let operation = core.ask_store(what.clone(), at);
        assert_eq!((operation.is_some(), core.store.is_some()), (asked, asked), "{of} {what:?}");
    }
}

#[apply(leak_checked!)]
fn a_glance_is_given_a_second_and_all_else_the_time_of_the_store() {
    let at = at_first();
    let mut asks = run(1);
    asks.waits_for_person(RunStage::polling(code(SECOND), at.now), Duration::MAX);
    let time = |locked, run, what| {
        let mut core = SessionCore { run, locked, ..core() };
        core.ask_store(what, at);
        core.store.expect("it is out").deadline - at.now.monotonic
    };
    let whole = core().rules.timeouts.store();
    assert!(whole > LOOK);
    assert_eq!(time(false, Some(run(1)), StoreOp::Load), LOOK);
    assert_eq!(time(true, Some(run(1)), StoreOp::Load), whole);
    assert_eq!(time(false, Some(asks), StoreOp::Load), whole);
    assert_eq!(time(false, None, StoreOp::Load), whole);
    assert_eq!(time(false, Some(run(1)), StoreOp::LoadAttempts), whole);
}

#[apply(leak_checked!)]
fn a_person_has_as_long_as_a_code_lasts_and_for_all_else_the_time_of_a_person() {
    let at = at_first();
    let time = |question: OpenQuestion| {
        let mut core = core();
        core.ask_person(Ask { question, policy: false }, at);
        core.person.expect("it is out").deadline - at.now.monotonic
    };
    assert_eq!(time(code(900 * SECOND)), 900 * SECOND);
    let captcha = Error::captcha_required(Captcha::new(*b"png", "image/png", "hunter2").valid_for(900 * SECOND));
    let captcha = OpenQuestion::of(&captcha, &Conversation::default(), at.now).expect("a question");
    assert_eq!(time(captcha), core().rules.timeouts.person);
}

#[apply(leak_checked!)]
fn an_issuer_may_send_while_its_run_goes_on() {
    let permitted = |of: u64, asks: u64, signed_out: bool| {
        let asked = sign_in().map(|asked| Out { run: of, ..asked });
        let permit = Some(PermitRequest { asks, stage: PermitStage::Extending(None) });
        let mut core = SessionCore { run: Some(run(1)), vendor: asked, permit, signed_out, ..core() };
        core.wish_of_permit(at_first());
        let stage = core.permit.expect("it is answered").stage;
        let PermitStage::Answered(answer) = stage else { panic!("it is not answered") };
        let waits = core.vendor.expect("it is out").deadline != Duration::MAX;
        (answer.map_err(|error| error.kind()), waits, core.run.is_some_and(|run| run.spent))
    };
    assert_eq!(permitted(1, 7, false), (Ok(None), true, true));
    let (superseded, waits, spent) = permitted(2, 7, false);
    assert!(superseded.is_err_and(|kind| kind != ErrorKind::SignedOut) && (waits, spent) == (false, false));
    assert!(permitted(1, 8, false).0.is_err(), "it is another operation");
    assert_eq!(permitted(2, 7, true), (Err(ErrorKind::SignedOut), false, false));
}

#[apply(leak_checked!)]
fn a_permit_is_answered_once_its_lock_lasts() {
    let permit = Some(PermitRequest { asks: 7, stage: PermitStage::Extending(None) });
    let vendor = sign_in().map(|asked| Out { run: 1, ..asked });
    let mut core = SessionCore { run: Some(run(1)), vendor, permit, locked: true, ..core() };
    assert!(matches!(core.wish_of_permit(at_first()), Some(Wish::Store(StoreOp::Extend(_)))));
    let answered = |core: &SessionCore| matches!(&core.permit, Some(permit) if matches!(permit.stage, PermitStage::Answered(Ok(_))));
    assert!(!answered(&core));
    core.stored(StoreOp::Extend(SECOND), Event::Extended(true), at_first());
    assert!(answered(&core));
}

#[apply(leak_checked!)]
fn the_lock_is_held_as_long_as_anything_needs_it() {
    let now = at_first().now;
    let held = || SessionCore { locked: true, ..core() };
    let leaves = |mut core: SessionCore| matches!(core.wish_of_lock(now), Some(Wish::Store(StoreOp::Unlock)));
    let owed = |at: Option<Duration>, keeps: Option<Duration>| {
        let mut owed = PendingSave::new(token_of(OURS), false, None, 1);
        (owed.offers.again_at, owed.keeps_lock_at) = (at, keeps);
        SessionCore { pending: Some(owed), ..held() }
    };
    let error = outage(false);
    let word = Some(Word { error, until: None, failures: 1, refused: None, tries: 0 });
    let renews = out(VendorOp::Renew(token_of(OURS)));
    let About::Device(device) = code(SECOND).about else { unreachable!("it is a device code") };
    let mut asks = run(1);
    asks.waits_for_person(RunStage::polling(code(SECOND), now), Duration::MAX);
    assert!(leaves(held()) && !leaves(core()), "what is not held is not left");
    assert!(!leaves(SessionCore { vendor: sign_in(), ..held() }) && !leaves(SessionCore { vendor: renews, ..held() }));
    assert!(leaves(SessionCore { vendor: out(VendorOp::Poll(device)), run: Some(asks), ..held() }));
    assert!(!leaves(SessionCore { run: Some(run(1)), ..held() }));
    assert!(!leaves(owed(Some(now.monotonic), None)) && !leaves(owed(None, Some(Duration::MAX))));
    assert!(leaves(owed(None, None)) && leaves(owed(Some(Duration::MAX), None)));
    assert!(!leaves(SessionCore { word, ..held() }));
    let names = SigningOut::new(1, false, false, SystemTime::UNIX_EPOCH);
    assert!(!leaves(SessionCore { signing_out: Some(names.clone()), ..held() }));
    let mut given_up = names;
    given_up.postpone(broken_store(), now, true);
    assert!(leaves(SessionCore { signing_out: Some(given_up), ..held() }));
}

#[apply(leak_checked!)]
fn what_is_given_up_is_aborted_but_for_what_leaves_a_lock() {
    let gives_up = |what| {
        let mut core = SessionCore { store: out(what), ..core() };
        core.give_up_store();
        (core.store.is_some(), core.aborts)
    };
    assert_eq!(gives_up(StoreOp::Load), (false, vec![7]));
    assert_eq!(gives_up(StoreOp::Unlock), (true, vec![]));
}

#[apply(leak_checked!)]
fn each_operation_fails_in_its_own_way() {
    let save = || StoreOp::SaveAttempts { expected: None, attempts: Vec::new() };
    let fails = |what: StoreOp| failed(&what, broken_store());
    assert!(matches!(fails(StoreOp::Lock(SECOND)), Some(Event::Locked(Err(_)))));
    assert!(matches!(fails(StoreOp::Extend(SECOND)), Some(Event::Extended(false))));
    assert!(matches!(fails(StoreOp::Load), Some(Event::Loaded(Err(_)))));
    assert!(matches!(fails(StoreOp::LoadAttempts), Some(Event::Loaded(Err(_)))));
    assert!(matches!(fails(save()), Some(Event::Saved(Err(_)))));
    assert!(fails(StoreOp::Unlock).is_none());
}

#[apply(leak_checked!)]
fn while_the_lock_is_waited_for_the_store_is_looked_into_at_the_very_moment() {
    let at = at_first();
    for (early, looks) in [(Duration::ZERO, true), (Duration::from_nanos(1), false)] {
        let waits = Run { looked: true, next_look: at.now.monotonic + early, ..run(1) };
        let mut core = SessionCore { run: Some(waits), locking: out(StoreOp::Lock(SECOND)), waiting: 1, ..core() };
        let wanted = core.next(at);
        assert_eq!(matches!(wanted, Some(Operation::Store(_, StoreOp::Load))), looks, "{wanted:?}");
    }
}

/// What is wanted for a token that the store has not taken.
fn owed(again: Duration, keeps: Option<Duration>, seen: Option<StoreSeen>) -> (SessionCore, Option<Wish>) {
    let mut owed = PendingSave::new(token_of(OURS), true, None, 1);
    (owed.run, owed.offers.again_at, owed.keeps_lock_at) = (None, Some(again), keeps);
    let mut core = SessionCore { pending: Some(owed), locked: true, seen, ..core() };
    let wish = core.wish_of_pending(at_first());
    (core, wish)
}

#[apply(leak_checked!)]
fn a_lock_that_is_kept_lasts_until_it_is_kept_again() {
    let now = at_first().now.monotonic;
    let (core, wish) = owed(Duration::MAX, Some(now), None);
    let Some(Wish::Store(StoreOp::Extend(lasts))) = wish else { panic!("it is not kept") };
    let again = core.pending.and_then(|owed| owed.keeps_lock_at).expect("it is kept again") - now;
    assert!(again == KEEP && lasts > again);
    assert!(owed(Duration::MAX, Some(now + SECOND), None).1.is_none());
}

#[apply(leak_checked!)]
fn what_is_owed_is_offered_where_the_store_was_seen_under_its_lock() {
    let now = at_first().now.monotonic;
    let seen = |firm, trouble: Option<StoreError>| Some(StoreSeen { firm, ..StoreSeen::nothing(trouble) });
    let loads = |seen| matches!(owed(now, None, seen).1, Some(Wish::Store(StoreOp::Load)));
    let unseen = [None, seen(false, None), seen(true, Some(broken_store())), seen(false, Some(broken_store()))];
    assert_eq!(unseen.map(loads), [true; 4]);
    let (_, wish) = owed(now, None, seen(true, None));
    assert!(matches!(wish, Some(Wish::Store(StoreOp::Save { purpose: Purpose::Token, .. }))));
}

#[apply(leak_checked!)]
fn an_attempt_that_was_not_made_is_taken_back_once_nobody_asks_for_a_permit() {
    let mut core = core();
    core.ledger.release(at_first().now.wall);
    let mut asks = core.clone();
    asks.permit = Some(PermitRequest { asks: 7, stage: PermitStage::Counting });
    assert!(asks.wish_of_ledger().is_none());
    assert!(matches!(core.wish_of_ledger(), Some(Wish::Store(StoreOp::LoadAttempts))));
}

#[apply(leak_checked!)]
fn a_person_who_is_not_needed_any_more_is_let_go() {
    let mut core = SessionCore { person: out(Ask { question: code(SECOND), policy: false }), ..core() };
    core.give_up_person();
    assert!(core.person.is_none() && core.aborts == [7]);
    core.give_up_person();
    assert_eq!(core.aborts, [7]);
}
