//! What a core makes of the vendor's answers.

use super::{
    super::{
        core::{PermitRequest, PermitStage},
        decide::Reason,
        run::{PendingSave, Run, RunStage},
        token::Origin,
    },
    states::{OURS, THEIRS, WRONG, at_first, code, core, out, token_of},
    *,
};

fn run(id: u64) -> Run {
    Run::new(id, Reason::NoSession, Conversation::default(), None, at_first().now)
}

fn issued() -> Issued {
    Issued::new("0.0").lives_for(LIFE).with_refresh("r0.0")
}

fn chosen() -> Conversation {
    let limit = Error::session_limit_reached(SessionLimit::new(vec![ActiveSession::new("1")]));
    let question = OpenQuestion::of(&limit, &Conversation::default(), at_first().now).expect("a question");
    Conversation::default().answered(&question, Answer::Session("1".into())).expect("an answer")
}

/// A core in its second run, and what the vendor answers to the run of this number.
fn answered(of: u64, stage: RunStage, event: Event) -> SessionCore {
    let second = Run { stage, ..run(2) };
    let mut core = SessionCore { run: Some(second), ..core() };
    let asked: Out<VendorOp> = out(VendorOp::SignIn(Conversation::default())).expect("it is out");
    core.vendor_answered(Out { run: of, ..asked }, event, at_first());
    core
}

#[apply(leak_checked!)]
fn what_the_vendor_answers_to_a_run_concerns_no_other_run() {
    let polling = || RunStage::polling(code(100 * SECOND), at_first().now);
    let renewal = || VendorOp::Renew(token_of(OURS));
    let sign_in = || VendorOp::SignIn(Conversation::default());
    let declined = || Error::new(ErrorKind::Declined, WRONG);
    for (stage, event) in [
        (RunStage::Working, Event::Issued(renewal(), Err(declined()))),
        (RunStage::Working, Event::Issued(sign_in(), Err(declined()))),
        (polling(), Event::Polled(Err(declined()))),
        (RunStage::Working, Event::Panicked),
        (RunStage::Working, Event::Lost),
    ] {
        assert!(answered(1, stage.clone(), event.clone()).run.is_some(), "{event:?}");
        assert!(answered(2, stage, event.clone()).run.is_none(), "{event:?}");
    }
    let issued = || Event::Polled(Ok(Polled::Issued(issued())));
    let (other, own) = (answered(1, polling(), issued()), answered(2, polling(), issued()));
    let granted = |core: &SessionCore| core.run.as_ref().is_some_and(|run| run.conversation.granted.is_some());
    assert_eq!((granted(&other), other.revocations.len()), (false, 1));
    assert_eq!((granted(&own), own.revocations.len()), (true, 0));
}

#[apply(leak_checked!)]
fn a_permit_ends_with_what_asked_for_it() {
    for (asks, stays) in [(7, false), (8, true)] {
        let mut core = core();
        core.permit = Some(PermitRequest { asks, stage: PermitStage::Counting });
        core.vendor_answered(
            out(VendorOp::SignIn(Conversation::default())).expect("it is out"),
            Event::Lost,
            at_first(),
        );
        assert_eq!(core.permit.is_some(), stays);
    }
}

#[apply(leak_checked!)]
fn a_renewal_that_comes_too_late_is_kept_while_its_session_is_held() {
    let old = Arc::new(Token { began: at_first().now.wall - SECOND, ..(*token_of(OURS)).clone() });
    let owed = || PendingSave::new(token_of(THEIRS), false, None, 1);
    let late = |held: Option<Generation>, pending: Option<PendingSave>, signed_out: &[u64]| {
        let mut core = SessionCore { current: held.map(token_of), pending, ..core() };
        core.memory.signed_out = signed_out.to_vec();
        core.came_too_late(&VendorOp::Renew(old.clone()), issued(), at_first());
        (core.pending.map(|owed| owed.token), core.revocations.len())
    };
    let (kept, revoked) = late(Some(OURS), None, &[]);
    let kept = kept.expect("it is kept");
    assert_eq!((kept.generation, kept.began, revoked), (OURS.next(), old.began, 0));
    assert_eq!(late(Some(THEIRS), None, &[]), (None, 0));
    assert_eq!(late(None, None, &[]), (None, 0));
    let (still, revoked) = late(Some(OURS), Some(owed()), &[]);
    assert_eq!((still.map(|token| token.generation), revoked), (Some(THEIRS), 0));
    assert_eq!(late(Some(OURS), None, &[OURS.lineage]), (None, 1));
}

#[apply(leak_checked!)]
fn what_a_code_has_led_to_is_given_back_where_its_run_ends_without_it() {
    let mut ends = run(1);
    ends.conversation.granted = Some((issued(), 5));
    let mut core = SessionCore { run: Some(ends), ..core() };
    core.fail(outage(false), at_first());
    assert_eq!(core.revocations.len(), 1);
}

#[apply(leak_checked!)]
fn a_choice_that_is_refused_is_made_once_more_and_nothing_else_is() {
    for (chose, again, kind, goes_on) in [
        (true, false, ErrorKind::Validation, true),
        (true, true, ErrorKind::Validation, false),
        (false, false, ErrorKind::Validation, false),
        (true, false, ErrorKind::InvalidCredentials, false),
    ] {
        let mut asks = run(1);
        asks.conversation = if chose { chosen() } else { Conversation::default() };
        asks.chose_again = again;
        let mut core = SessionCore { run: Some(asks), ..core() };
        let asked: Out<VendorOp> = out(VendorOp::SignIn(Conversation::default())).expect("it is out");
        let what = VendorOp::SignIn(Conversation::default());
        core.vendor_answered(Out { run: 1, ..asked }, Event::Issued(what, Err(Error::new(kind, WRONG))), at_first());
        assert_eq!(core.run.is_some(), goes_on, "{chose} {again} {kind:?}");
        assert!(core.run.is_none_or(|run| run.chose_again && run.conversation.end_session().is_none()));
    }
}

/// The token that is made of what the vendor has issued.
fn made(reason: Reason, chose: bool, old: Option<&Arc<Token>>, took: Duration) -> Arc<Token> {
    let mut asks = Run::new(1, reason, Conversation::default(), None, at_first().now);
    asks.conversation = if chose { chosen() } else { Conversation::default() };
    let mut core = SessionCore { run: Some(asks), ..core() };
    (core.memory.in_a_row, core.memory.took) = (2, took);
    core.keep(issued(), old, OURS, at_first());
    core.pending.expect("it is to be saved").token
}

#[apply(leak_checked!)]
fn a_token_knows_how_it_was_born() {
    let old = |evicted| Arc::new(Token { evicted, began: at_first().now.wall - SECOND, ..(*token_of(OURS)).clone() });
    let (evicting, plain) = (old(true), old(false));
    let born = |reason, chose, old| {
        let token = made(reason, chose, old, SECOND);
        (token.origin, token.evicted, token.rejections)
    };
    use Origin::{Need, Vendor};
    use Reason::{Early, NoSession, Rejected, TooShort};
    assert_eq!(born(NoSession, false, None), (Vendor, false, 0));
    assert_eq!(born(NoSession, true, None), (Vendor, true, 0));
    assert_eq!(born(TooShort, false, Some(&plain)), (Need, false, 0));
    assert_eq!(born(Early, false, Some(&evicting)), (Vendor, true, 0));
    assert_eq!(born(Rejected, false, Some(&evicting)), (Vendor, false, 2));
    assert_eq!(born(Rejected, false, Some(&plain)), (Vendor, false, 2));
    assert_eq!(made(Early, false, Some(&plain), SECOND).began, plain.began);
    assert_ne!(made(Early, false, None, SECOND).began, plain.began);
    let quick = made(Early, false, Some(&plain), Duration::ZERO);
    assert_ne!(quick.deadlines, made(Early, false, Some(&plain), 4 * SECOND).deadlines, "who is slow is asked sooner");
}

#[apply(leak_checked!)]
fn an_unsaved_token_that_another_takes_the_place_of_is_given_back_unless_it_is_served_or_of_the_same_session() {
    let before = Generation { counter: 1, ..OURS };
    for (held, owed, revoked) in [
        (None, THEIRS, 1),
        (Some(OURS), THEIRS, 1),
        (Some(THEIRS), THEIRS, 0),
        (None, before, 0),
        (Some(before), before, 0),
    ] {
        let mut core = SessionCore { run: Some(run(1)), current: held.map(token_of), ..core() };
        core.pending = Some(PendingSave::new(token_of(owed), false, None, 0));
        core.keep(issued(), None, OURS, at_first());
        assert_eq!(core.revocations.len(), revoked, "{held:?} {owed:?}");
        let pending = core.pending.expect("it is to be saved");
        assert_eq!((pending.generation(), pending.replaces), (OURS, held));
    }
}

/// A core whose look into the store has come to this.
fn looked(run: Run, loaded: Result<Option<(Record, bool)>, StoreError>) -> SessionCore {
    let mut core = SessionCore { run: Some(run), ..core() };
    core.stored(StoreOp::Load, Event::Loaded(loaded), at_first());
    core
}

#[apply(leak_checked!)]
fn a_look_for_a_person_that_fails_is_told_to_nobody() {
    let mut asks = run(1);
    asks.waits_for_person(RunStage::polling(code(SECOND), at_first().now), Duration::MAX);
    asks.peeks = true;
    let core = looked(asks, Err(broken_store()));
    assert!(core.notes.is_empty() && core.seen.is_none() && core.run.is_some());
}

#[apply(leak_checked!)]
fn a_store_that_cannot_lock_has_answered_all_the_same() {
    let mut unlocked = run(1);
    unlocked.unlocked = Some(broken_store());
    let seen = looked(unlocked, Ok(None)).seen.expect("it has answered");
    assert!(seen.read && seen.firm && seen.trouble.is_some() && seen.record.is_none());
}

#[apply(leak_checked!)]
fn an_answer_whose_run_is_lost_can_be_given_again() {
    let mut answers = run(1);
    answers.answers = Some(2);
    let mut core = SessionCore { run: Some(answers), ..core() };
    core.memory.answered = vec![1, 2, 3];
    core.lose_run(at_first());
    assert_eq!(core.memory.answered, [1, 3]);
}

/// A run that is to put a session in the place of this lineage.
#[cfg(feature = "oauth2")]
fn stepping(lineage: u64) -> Run {
    use crate::question::{SignInPage, StepUp};
    let page = SignInPage::new("https://id.example/authorize?state=a1", "https://app.example/back", "a1", "thread");
    let page = page.of_step_up(StepUp { lineage, wanted: "mfa".to_owned() });
    let question = OpenQuestion::of_page(page, at_first().now);
    let answer = Answer::Redirect("https://app.example/back?code=c1&state=a1".into());
    let conversation = Conversation::default().answered(&question, answer).expect("an answer");
    Run::new(1, Reason::Answered, conversation, None, at_first().now)
}

#[cfg(feature = "oauth2")]
#[apply(leak_checked!)]
fn a_step_up_begins_another_session_while_the_one_it_is_for_is_there() {
    use super::super::{plan::Plan, seen::StoreSeen};
    let plan = |lineage, held: Option<Generation>, stored: Option<Generation>| {
        let seen = stored.map(|stored| StoreSeen {
            record: Some(token_of(stored).record(&core().rules)),
            token: Some(token_of(stored)),
            ..StoreSeen::nothing(None)
        });
        SessionCore { run: Some(stepping(lineage)), current: held.map(token_of), seen, ..core() }.plan(at_first().now)
    };
    assert_eq!(plan(OURS.lineage, Some(OURS), None), Plan::SignIn);
    assert_eq!(plan(OURS.lineage, Some(OURS), Some(OURS)), Plan::SignIn);
    assert_eq!(plan(OURS.lineage, Some(OURS), Some(THEIRS)), Plan::Adopt, "another process has stepped up");
    assert_eq!(plan(THEIRS.lineage, Some(OURS), Some(THEIRS)), Plan::SignIn);
    assert_ne!(plan(THEIRS.lineage, Some(OURS), None), Plan::SignIn);
}

#[cfg(feature = "oauth2")]
#[apply(leak_checked!)]
fn a_step_up_that_fails_is_its_callers_failure_and_one_that_works_is_remembered() {
    use super::super::run::RunOutcome;
    let beside = |run: Run| {
        let mut core = SessionCore { run: Some(run), current: Some(token_of(OURS)), ..core() };
        core.fail(Error::new(ErrorKind::Declined, WRONG), at_first());
        matches!(core.ended, Some((1, RunOutcome::FailedBeside(_))))
    };
    assert!(beside(stepping(OURS.lineage)) && !beside(run(1)));
    let mut core = SessionCore { run: Some(stepping(OURS.lineage)), current: Some(token_of(THEIRS)), ..core() };
    assert!(core.may_step_up("mfa", at_first().now));
    core.end(Ok(()), at_first());
    assert!(!core.may_step_up("mfa", at_first().now) && core.may_step_up("other", at_first().now));
}
