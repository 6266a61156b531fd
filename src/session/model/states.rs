//! What a core says and learns in states that the model does not tell apart.

use super::{
    super::{
        core::MOST_SIGNED_OUT,
        decide::Reason,
        operation::Note,
        plan::Plan,
        report::What,
        run::{PendingSave, Revocation, Run, RunOutcome, RunStage, SigningOut, Word},
        seen::StoreSeen,
        token::{Origin, tests::token},
        tokens::Lifetime,
    },
    scenes::ONE,
    *,
};

pub(super) const WRONG: &str = "no";

fn world() -> World {
    ONE.world()
}

pub(super) fn at_first() -> Moment {
    world().at(0, 98)
}

pub(super) fn core() -> SessionCore {
    world().processes[0].core.clone()
}

#[apply(leak_checked!)]
fn who_waits_finds_what_came_of_their_own_run_and_decides_anew_about_others() {
    let mut core = core();
    let now = at_first().now;
    let failure = RunFailure::from(outage(false));
    let ticket = |run, explicit| WaitTicket { run, sign_outs: 0, serve_from: None, explicit };
    core.ended = Some((3, RunOutcome::FailedBeside(failure.clone())));
    assert!(matches!(core.look(&ticket(3, true), now), WaiterState::Failed(_)));
    assert!(matches!(core.look(&ticket(3, false), now), WaiterState::Again));
    core.ended = Some((3, RunOutcome::Failed(failure)));
    assert!(matches!(core.look(&ticket(3, false), now), WaiterState::Failed(_)));
    assert!(matches!(core.look(&ticket(2, true), now), WaiterState::Again));
    assert!(!core.was_lost(ticket(3, true)));
    core.ended = Some((3, RunOutcome::Lost));
    assert!(core.was_lost(ticket(3, true)) && !core.was_lost(ticket(2, true)));
}

#[apply(leak_checked!)]
fn without_a_runtime_nothing_is_begun() {
    let mut world = world();
    let at = world.at(0, 98);
    let refused = world.process(0).core.call(Duration::ZERO, false, at);
    assert!(refused.is_err_and(|failure| failure.error.kind() == ErrorKind::Config));
    assert!(world.processes[0].core.run.is_none());
}

#[apply(leak_checked!)]
fn a_question_whose_answer_was_lost_can_be_answered_again_and_others_cannot() {
    let mut core = core();
    core.memory.answered = vec![1, 2, 3];
    core.reopen(2);
    assert_eq!(core.memory.answered, [1, 3]);
}

pub(super) fn out<T>(what: T) -> Option<Out<T>> {
    Some(Out { id: 7, run: 0, what, since: Duration::ZERO, deadline: Duration::MAX })
}

#[apply(leak_checked!)]
fn whatever_is_out_alone_is_no_quiet() {
    let mut signed_in = world();
    signed_in.uses(ModelStep::Call(0));
    signed_in.rests(|_| Fate::Works);
    let rest = signed_in.processes[0].core.clone();
    assert!(rest.is_quiet());
    let token = rest.current.clone().expect("it is signed in");
    let owed = Revocation { token, sign_out: None };
    assert!(!SessionCore { store: out(StoreOp::Load), ..rest.clone() }.is_quiet());
    assert!(!SessionCore { locking: out(StoreOp::Lock(SECOND)), ..rest.clone() }.is_quiet());
    assert!(!SessionCore { vendor: out(VendorOp::SignIn(Conversation::default())), ..rest.clone() }.is_quiet());
    assert!(!SessionCore { revoking: out(owed.clone()), ..rest.clone() }.is_quiet());
    assert!(!SessionCore { revocations: VecDeque::from([owed]), ..rest.clone() }.is_quiet());
    let mut asks = rest.clone();
    asks.locked = true;
    assert!(asks.is_quiet() && !asks.is_at_rest() && rest.is_at_rest());
}

#[apply(leak_checked!)]
fn a_token_may_last_longer_unless_it_was_made_for_the_same_need() {
    let may_last = |origin, needed| {
        let token = token(Lifetime::For(10 * SECOND), at_first().now);
        let mut token = Token { origin, ..token };
        token.tokens.refresh = Some("r0.0".into());
        SessionCore { current: Some(Arc::new(token)), ..core() }.may_last(needed)
    };
    assert!(!core().may_last(SECOND), "there is none");
    for (origin, needed, may) in [
        (Origin::Vendor, 11, true),
        (Origin::Vendor, 9, true),
        (Origin::Need, 9, true),
        (Origin::Need, 10, true),
        (Origin::Need, 11, false),
    ] {
        assert_eq!(may_last(origin, needed * SECOND), may, "{origin:?} {needed}");
    }
}

#[apply(leak_checked!)]
fn a_failure_that_cools_down_has_the_question_that_it_asks_and_no_other() {
    let mut world = Scene { wants: VendorWants::Captcha, ..ONE }.world();
    world.uses(ModelStep::Call(0));
    world.rests(|_| Fate::Works);
    let at = world.at(0, 98);
    let asked = world.processes[0].core.memory.open.as_ref().expect("a question").0;
    let mut core = world.processes[0].core.clone();
    let captcha = core.cooling_failure(at.now);
    assert_eq!((captcha.error.kind(), captcha.question), (ErrorKind::CaptchaRequired, Some(asked)));
    core.memory.cooldown.failed(&outage(false), at.now, 0.0, false);
    let down = core.cooling_failure(at.now);
    assert_eq!((down.error.kind(), down.question), (ErrorKind::Outage, None));
}

#[apply(leak_checked!)]
fn the_last_thousand_lineages_that_were_signed_out_are_remembered_once_each() {
    let mut memory = core().memory;
    [1, 2, 1].into_iter().for_each(|lineage| memory.remember_signed_out(lineage));
    assert_eq!(memory.signed_out, [2, 1]);
    (3..).take(MOST_SIGNED_OUT - 2).for_each(|lineage| memory.remember_signed_out(lineage));
    assert_eq!((memory.signed_out.len(), memory.signed_out[0]), (MOST_SIGNED_OUT, 2));
    memory.remember_signed_out(0);
    assert_eq!((memory.signed_out.len(), memory.signed_out[0]), (MOST_SIGNED_OUT, 1));
}

/// A run whose failure is this, and what the core remembers of it.
fn failing(error: Error, chose: bool) -> SessionCore {
    let (mut core, at) = (core(), at_first());
    let limit = Error::session_limit_reached(SessionLimit::new(vec![ActiveSession::new("1")]));
    let question = OpenQuestion::of(&limit, &Conversation::default(), at.now).expect("a question");
    let answered = Conversation::default().answered(&question, Answer::Session("1".into())).expect("an answer");
    let conversation = if chose { answered } else { Conversation::default() };
    let secret = Secret::from("the-first-password");
    core.memory.presented = Some((Mark::of(0, &secret), Fingerprint::of(&secret)));
    core.failed(&Run::new(1, Reason::NoSession, conversation, None, at.now), RunFailure::from(error), at);
    core
}

#[apply(leak_checked!)]
fn a_refusal_is_about_the_credential_unless_a_choice_was_refused() {
    let wrong = |chose| failing(Error::invalid_credentials(WRONG), chose).memory.refused.is_some();
    let invalid = |chose| failing(Error::new(ErrorKind::Validation, WRONG), chose).memory.refused.is_some();
    assert_eq!([wrong(false), wrong(true), invalid(false), invalid(true)], [true, true, true, false]);
    let failed = |note: &Note| matches!(note, Note::Happened(What::Failed { kind: ErrorKind::Outage, .. }));
    assert!(failing(outage(false), false).notes.iter().any(failed));
}

#[apply(leak_checked!)]
fn word_is_left_of_what_concerns_others() {
    let (core, now) = (core(), at_first().now);
    let World { processes, rules, .. } = world();
    drop(processes);
    let rules = Arc::into_inner(rules).expect("nobody else has them");
    let alone = SessionCore::new(Arc::new(Rules { shared: false, ..rules }));
    let refused = || Some(Fingerprint::of(&"the-first-password".into()));
    let (wait, wrong) = (Some(SECOND), Error::invalid_credentials(WRONG));
    assert!(core.word_about(&outage(false), wait, None, now).is_some());
    assert!(core.word_about(&wrong, None, refused(), now).is_some());
    for (core, error, wait, refused) in [
        (&core, outage(false), None, None),
        (&core, outage(false).local(), wait, None),
        (&core, wrong.clone(), wait, None),
        (&core, Error::new(ErrorKind::Validation, WRONG), wait, refused()),
        (&alone, outage(false), wait, None),
        (&alone, wrong, None, refused()),
    ] {
        assert!(core.word_about(&error, wait, refused, now).is_none(), "{error}");
    }
}

pub(super) fn code(lives: Duration) -> OpenQuestion {
    let code = DeviceCode::new("device-hunter2", "WDJB-MJHT", "https://vendor.example", lives);
    OpenQuestion::of(&Error::device_code_required(code), &Conversation::default(), at_first().now).expect("a question")
}

/// A person looks at a device code, and the vendor is asked meanwhile.
fn polling() -> SessionCore {
    let at = at_first();
    let mut run = Run::new(1, Reason::NoSession, Conversation::default(), None, at.now);
    run.waits_for_person(RunStage::polling(code(100 * SECOND), at.now), Duration::MAX);
    let about = code(100 * SECOND).about;
    let About::Device(device) = about else { unreachable!("it is a device code") };
    SessionCore { run: Some(run), vendor: out(VendorOp::Poll(device)), ..core() }
}

#[apply(leak_checked!)]
fn a_person_who_declines_a_code_that_is_shown_ends_the_poll_and_so_does_a_panic() {
    let mut declined = polling();
    declined.person_answered(false, Event::Answered(None), at_first());
    assert!(declined.run.is_none() && declined.vendor.is_none() && declined.aborts == [7]);
    let mut panicked = polling();
    panicked.person_answered(false, Event::Panicked, at_first());
    assert!(panicked.run.is_none());
}

#[apply(leak_checked!)]
fn a_code_that_was_left_is_shown_again_until_its_end() {
    let mut core = core();
    let ends = at_first().now.monotonic + 100 * SECOND;
    let at = |monotonic| Now { monotonic, ..at_first().now };
    assert!(core.code_still_good(at(ends)).is_none());
    core.memory.open = Some((1, code(100 * SECOND), Conversation::default()));
    let good = |monotonic| core.code_still_good(at(monotonic)).is_some();
    assert_eq!([good(ends - SECOND), good(ends), good(ends + SECOND)], [true, false, false]);
}

#[apply(leak_checked!)]
fn a_run_looks_before_it_has_the_lock_while_it_works_and_while_a_person_thinks() {
    let now = at_first().now;
    let run = || Run::new(1, Reason::NoSession, Conversation::default(), None, now);
    let mut unlocked = run();
    unlocked.unlocked = Some(broken_store());
    let mut asks = run();
    asks.waits_for_person(RunStage::polling(code(SECOND), now), Duration::MAX);
    let mut peeks = asks.clone();
    peeks.peeks = true;
    assert_eq!([run(), unlocked, asks, peeks].map(|run| run.glances()), [true, false, false, true]);
}

#[apply(leak_checked!)]
fn what_is_found_while_a_person_thinks_is_taken_over_if_it_can_be_used() {
    for (days, adopts) in [(false, true), (true, false)] {
        let mut world = Scene { processes: 1, ..ONE }.world();
        world.uses(ModelStep::Call(0));
        world.rests(|_| Fate::Works);
        if days {
            world.passes(LIFE + SECOND);
        }
        let at = world.at(0, 98);
        let mut asks = Run::new(1, Reason::NoSession, Conversation::default(), None, at.now);
        asks.waits_for_person(RunStage::polling(code(1000 * SECOND), at.now), at.now.monotonic);
        world.process(0).core = SessionCore { run: Some(asks), waiting: 1, ..SessionCore::new(world.rules.clone()) };
        world.settle(0, None);
        assert_eq!(world.out(), Some(&StoreOp::Load), "it is looked at the very moment");
        world.store_answers();
        assert_eq!(world.processes[0].core.current.is_some(), adopts);
    }
}

#[cfg(feature = "oauth2")]
#[apply(leak_checked!)]
fn a_provider_in_trouble_is_asked_for_no_page_and_a_wrong_password_is_none_of_its() {
    let (mut core, at) = (core(), at_first());
    core.asked_beside(&code(SECOND));
    assert!(matches!(core.notes[..], [Note::Happened(What::Asked { policy: false, .. })]));
    assert!(core.may_ask_for_page(at.now).is_ok());
    core.memory.cooldown.failed(&Error::invalid_credentials(WRONG), at.now, 0.0, true);
    assert!(core.may_ask_for_page(at.now).is_ok());
    core.failed_beside(&outage(false), at);
    assert!(core.may_ask_for_page(at.now).is_err());
}

fn at_second(second: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + second * SECOND
}

pub(super) const OURS: Generation = Generation { lineage: 5, counter: 2 };
pub(super) const THEIRS: Generation = Generation { lineage: 9, counter: 7 };

#[apply(leak_checked!)]
fn a_second_sign_out_ends_what_the_first_one_still_owes_and_nothing_that_began_since() {
    for (earlier_any, any, since, ends_any) in
        [(true, false, 1, true), (true, true, 2, true), (false, true, 2, true), (false, false, 2, false)]
    {
        let mut earlier = SigningOut::new(1, true, earlier_any, at_second(1));
        (earlier.lineages, earlier.told, earlier.uncertain) = (vec![5], vec![OURS], Some(OURS));
        earlier.tokens = vec![Arc::new(token(Lifetime::Unknown, at_first().now))];
        let mut second = SigningOut::new(2, false, any, at_second(2));
        second.inherit(Some(earlier.clone()));
        assert_eq!((second.since, second.any), (at_second(since), ends_any), "{earlier_any} {any}");
        assert_eq!((second.lineages, second.told, second.uncertain), (vec![5], vec![OURS], Some(OURS)));
        assert_eq!((second.tokens, second.id, second.tell), (earlier.tokens, 2, false));
    }
    let alone = SigningOut::new(2, false, true, at_second(2));
    let mut second = alone.clone();
    second.inherit(None);
    assert_eq!(second, alone);
}

#[apply(leak_checked!)]
fn what_may_still_arrive_is_kept_out_unless_a_tombstone_of_its_own_stands_there() {
    let world = world();
    let uncertain = SigningOut { uncertain: Some(OURS), ..SigningOut::new(1, false, false, at_second(1)) };
    let tombstone = |there: Option<Generation>| {
        let record = there.map(|there| Record::new(&world.rules.key, there, RecordState::SignedOut));
        let seen = StoreSeen { record, ..StoreSeen::nothing(None) };
        let written = uncertain.tombstone(&seen, &world.rules);
        written.map(|(expected, record)| (expected, record.generation()))
    };
    assert_eq!(tombstone(None), Some((None, OURS.next())));
    assert_eq!(tombstone(Some(THEIRS)), Some((Some(THEIRS), OURS.next())));
    assert_eq!(tombstone(Some(OURS)), None);
}

#[apply(leak_checked!)]
fn word_of_a_refused_credential_holds_nobody_up_and_word_of_trouble_does() {
    let (world, now) = (world(), at_first().now.wall);
    for (kind, waits) in
        [(ErrorKind::Outage, true), (ErrorKind::Throttled, true), (ErrorKind::InvalidCredentials, false)]
    {
        let error = Error::new(kind, WRONG);
        let word = Word { error, until: Some(now + SECOND), failures: 2, refused: None, tries: 0 };
        let record = word.on(Record::new(&world.rules.key, OURS, RecordState::Nothing), now);
        let read = Word::read(&record, now).map(|(error, failures, wait)| (error.kind(), failures, wait));
        assert_eq!(read, waits.then_some((kind, 2, SECOND)));
    }
}

#[apply(leak_checked!)]
fn who_only_looks_leaves_the_queue_for_the_lock() {
    for (only_looks, leaves) in [(true, true), (false, false)] {
        let now = at_first().now;
        let mut run = Run::new(1, Reason::NoSession, Conversation::default(), None, now);
        run.only_looks = only_looks;
        let mut core = SessionCore { run: Some(run), locking: out(StoreOp::Lock(SECOND)), ..core() };
        core.leave_the_queue(now);
        assert_eq!(core.locking.is_none(), leaves);
    }
}

#[apply(leak_checked!)]
fn only_the_token_whose_renewal_was_lost_is_doubtful() {
    let mut core = core();
    let token = Arc::new(token(Lifetime::Unknown, at_first().now));
    for (lost, doubtful) in [(None, false), (Some(token.generation), true), (Some(THEIRS), false)] {
        core.memory.lost_renewal = lost;
        assert_eq!(core.is_doubtful(&token), doubtful, "{lost:?}");
    }
    let steady = Scene { renewal: Renewal::RefreshToken { rotates: false }, ..ONE }.world();
    let mut core = steady.processes[0].core.clone();
    core.memory.lost_renewal = Some(token.generation);
    assert!(!core.is_doubtful(&token), "it is not used up by being used");
}

#[apply(leak_checked!)]
fn a_credential_that_a_sign_in_has_used_up_is_not_presented() {
    let mut world = Scene { seed: true, ..ONE }.world();
    world.process(0).core.memory.seed_used = true;
    world.uses(ModelStep::Call(0));
    world.rests(|world| {
        assert!(!world.vendor_is_asked());
        Fate::Works
    });
    assert!(world.processes[0].callers.is_empty());
}

/// A token of this generation that can be renewed.
pub(super) fn token_of(generation: Generation) -> Arc<Token> {
    let mut token = Token { generation, ..token(Lifetime::For(10 * SECOND), at_first().now) };
    token.tokens.refresh = Some("r0.0".into());
    Arc::new(token)
}

#[apply(leak_checked!)]
fn an_unsaved_session_that_no_other_process_has_is_begun_anew_where_the_store_does_not_work() {
    for (stored, plan) in
        [(None, Plan::SignIn), (Some(THEIRS.lineage), Plan::SignIn), (Some(OURS.lineage), Plan::Refuse)]
    {
        let mut core = core();
        core.current = Some(token_of(OURS));
        core.rejected = true;
        core.pending = Some(PendingSave::new(token_of(OURS), false, None, 1));
        core.seen = Some(StoreSeen::nothing(Some(broken_store())));
        core.memory.stored = stored;
        assert_eq!(core.plan(at_first().now), plan, "{stored:?}");
    }
}

#[apply(leak_checked!)]
fn what_was_obtained_beside_another_session_and_never_served_is_given_back() {
    for (served, theirs, revoked) in [(None, THEIRS, 1), (Some(OURS), THEIRS, 0), (None, OURS.next(), 0)] {
        let mut core = core();
        core.run = Some(Run::new(1, Reason::NoSession, Conversation::default(), None, at_first().now));
        core.current = served.map(token_of);
        core.pending = Some(PendingSave::new(token_of(OURS), false, None, 1));
        core.seen = Some(StoreSeen { token: Some(token_of(theirs)), ..StoreSeen::nothing(None) });
        core.adopt(at_first());
        assert_eq!(core.revocations.len(), revoked, "{served:?} {theirs:?}");
        assert_eq!(core.current.map(|token| token.generation), Some(theirs));
    }
}

/// What is told of a token that is in the store now.
fn told_of(mut core: SessionCore, evicted: bool, renewed: bool, replaces: Option<Generation>) -> Vec<&'static str> {
    core.run = Some(Run::new(1, Reason::NoSession, Conversation::default(), None, at_first().now));
    let token = Arc::new(Token { evicted, ..(*token_of(OURS)).clone() });
    core.pending = Some(PendingSave { replaces, ..PendingSave::new(token, renewed, None, 1) });
    core.commit(Ok(()), at_first());
    let names = core.notes.iter().map(|note| match note {
        Note::Happened(What::Evicted) => "evicted",
        Note::Happened(What::Renewed { .. }) => "renewed",
        Note::Happened(What::SignedIn { .. }) => "signed in",
        Note::Happened(What::Given { .. }) => "given",
        _ => "",
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[apply(leak_checked!)]
fn what_is_told_of_a_new_token_is_how_it_came_about() {
    assert_eq!(told_of(core(), false, false, None), ["signed in"]);
    assert_eq!(told_of(core(), false, true, None), ["renewed"]);
    assert_eq!(told_of(core(), true, false, Some(THEIRS)), ["evicted", "signed in"]);
    assert_eq!(told_of(core(), true, true, Some(THEIRS)), ["renewed"]);
    assert_eq!(told_of(core(), true, false, Some(OURS)), ["signed in"], "it was told before");
    let key = Scene { renewal: Renewal::Static, ..ONE }.world().processes[0].core.clone();
    assert_eq!(told_of(key, false, false, None), ["given"]);
}

#[apply(leak_checked!)]
fn a_poll_is_due_while_none_is_out() {
    let mut core = polling();
    assert_eq!(core.due(), Some(Duration::MAX), "it looks into the store then");
    core.vendor = None;
    assert!(core.due().is_some_and(|due| due < Duration::MAX));
}
