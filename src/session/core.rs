//! The one authority on a session: when a vendor, the store or a person is asked, and what is served, saved and ended.
//!
//! Pure: what happened goes in ([`SessionCore::call`], [`SessionCore::sign_out`], [`SessionCore::on`], …), what is to be
//! done next comes out of [`SessionCore::next`]. There is no task, clock, lock or await here. The rules are
//! *level-triggered*: they look at the state and not at how it came about, and are asked again until they want nothing more. So nothing has to be remembered for later:
//! what is owed stands in the state, and a rule pays it.
//!
//! At most one operation is out to each side. Each has a deadline, and its answer is told by its number; an answer to an
//! operation that was given up changes nothing, except that a session the vendor has made meanwhile is ended.

use super::{
    budget::Ledger,
    cooldown::Cooldown,
    decide::Reason,
    dialogue::{Ask, Conversation, OpenQuestion},
    operation::{Note, Operation, Out, StoreOp, VendorOp},
    profile::{Profile, SignOut},
    rules::Rules,
    run::{PendingSave, Revocation, Run, RunFailure, RunOutcome, RunStage, SigningOut, Telling, WaitTicket, Word},
    seen::StoreSeen,
    token::{Mark, Moment, Origin, Token},
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    store::{Fingerprint, Generation, Record, StoreError},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// About how long a busy lock is waited for before the store is looked into again: its holder may have saved what is wanted.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// About how often the store is looked into while a person is asked.
const PEEK: Duration = Duration::from_secs(5);

/// When (monotonic) it is looked into next.
pub(super) fn next_peek(at: Moment) -> Duration {
    at.now.monotonic.saturating_add(PEEK.mul_f64(0.5 + at.share()))
}

/// How often the store is looked into under one lock: again after a refresh token was refused, after an answer was lost, and
/// when another process changed the store.
pub(super) const LOOKS: u32 = 4;

/// How often a token is offered to a store that keeps changing, and how often a tombstone is.
pub(super) const SAVES: u32 = 3;
pub(super) const TOMBSTONES: u32 = 10;

/// A token with less than this is of no use: asking for one after the other would never end.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// How long a refused static key is not sent again.
pub(super) const STATIC: Duration = Duration::from_secs(30);

/// How long a lock is kept up for at a time while a token waits to be saved.
pub(super) const KEEP: Duration = Duration::from_secs(5);

/// How many answered questions are remembered.
pub(super) const REMEMBERED: usize = 16;

/// How many signed-out lineages are remembered. A store that did not hear of a sign-out may hold its session for long, and
/// another process may go on with it.
pub(super) const MOST_SIGNED_OUT: usize = 1024;

/// A session's whole state.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct SessionCore {
    pub(super) rules: Arc<Rules>,

    // What is served.
    pub(super) current: Option<Arc<Token>>,
    /// The vendor has refused the current token.
    pub(super) rejected: bool,
    pub(super) profile: Option<Profile>,
    pub(super) signed_out: bool,
    /// Counts sign-outs: who waited across one is not served.
    pub(super) sign_outs: u64,

    // What is wanted.
    pub(super) run: Option<Run>,
    pub(super) runs: u64,
    pub(super) ended: Option<(u64, RunOutcome)>,
    /// How many callers wait.
    pub(super) waiting: u32,

    // What is owed.
    pub(super) pending: Option<PendingSave>,
    pub(super) signing_out: Option<SigningOut>,
    pub(super) telling: Option<Telling>,
    pub(super) sign_out_ended: Option<(u64, Result<SignOut, Error>)>,
    pub(super) revocations: VecDeque<Revocation>,
    pub(super) word: Option<Word>,
    /// A stored record whose times a wrong clock had put into the future, put right.
    pub(super) correction: Option<Record>,
    pub(super) ledger: Ledger,
    pub(super) permit: Option<PermitRequest>,
    /// The program is about to end: what cannot be saved now is given up.
    pub(super) closing: bool,

    // What is out, and what was seen.
    pub(super) store: Option<Out<StoreOp>>,
    /// The lock is waited for: meanwhile the store is looked into.
    pub(super) locking: Option<Out<StoreOp>>,
    pub(super) vendor: Option<Out<VendorOp>>,
    pub(super) revoking: Option<Out<Revocation>>,
    pub(super) person: Option<Out<Ask>>,
    pub(super) operations: u64,
    pub(super) aborts: Vec<u64>,
    pub(super) locked: bool,
    pub(super) seen: Option<StoreSeen>,
    /// For which run, until when (monotonic) and why a store that hung is not asked.
    pub(super) hangs: Option<(u64, Duration, StoreError)>,

    // What was learnt.
    pub(super) memory: Memory,
    pub(super) notes: Vec<Note>,
}

/// What is remembered of what went wrong, and of people.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Memory {
    pub(super) cooldown: Cooldown,
    /// The credential that was presented last, and the one the vendor refused with its refusal.
    pub(super) presented: Option<(Mark, Fingerprint)>,
    pub(super) refused: Option<(Mark, Error)>,
    /// The lineage that the store has taken last: other processes may have what is of it.
    pub(super) stored: Option<u64>,
    /// The refresh token that was used last, or refused: it may still stand in the store.
    pub(super) used_refresh: Option<Mark>,
    /// The next run signs in, whatever refresh token there is.
    pub(super) skip_refresh: bool,
    /// The last run failed before it came to signing in.
    pub(super) renewal_failed: bool,
    /// The credential has begun a session and is used up by that.
    pub(super) seed_used: bool,
    /// The token whose renewal was sent, and whose answer will never come.
    pub(super) lost_renewal: Option<Generation>,
    /// A session that had ended another one was lost at once: the other fleet has taken it back.
    pub(super) lost_evicted: bool,
    /// Of how many 401s in a row the next token is born.
    pub(super) in_a_row: u32,
    /// The lineages that were signed out, newest last: they may still stand in the store.
    pub(super) signed_out: Vec<u64>,
    /// The user insists, although this client knows of a refusal.
    pub(super) insists: bool,
    /// How long it took to get a token.
    pub(super) took: Duration,
    /// Until when (monotonic) the store is not looked into while a failure cools down.
    pub(super) next_look: Duration,
    pub(super) questions: u64,
    /// The question that stays open, for the next caller.
    pub(super) open: Option<(u64, OpenQuestion, Conversation)>,
    pub(super) answered: Vec<u64>,
    /// The last time that a person has signed in anew although a session was there.
    pub(super) stepped: Option<Stepped>,
}

/// A person has signed in anew although a session was there.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
#[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor's API asks for a stronger sign-in"))]
pub(crate) struct Stepped {
    /// What an API had wanted.
    pub(super) wanted: String,
    /// The session that came of it.
    pub(super) lineage: u64,
    /// Monotonic.
    pub(super) at: Duration,
}

/// Permission to send that an issuer has asked for.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct PermitRequest {
    /// The operation that asks.
    pub(super) asks: u64,
    pub(super) stage: PermitStage,
}

#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum PermitStage {
    Counting,
    Extending(Option<std::time::SystemTime>),
    Answered(Result<Option<std::time::SystemTime>, Error>),
}

/// What a rule wants.
pub(super) enum Wish {
    /// The state has changed: ask again.
    Moved,
    /// The lock, waited for as long.
    Lock(Duration),
    Store(StoreOp),
    Vendor(VendorOp),
    Person(Ask),
}

/// What a call for a token comes to at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Serve,
    Wait(WaitTicket),
}

/// What an answer to a question comes to at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resumed {
    Serve,
    Started(WaitTicket),
    /// It joins what was under way before the answer came.
    Joined(WaitTicket),
    /// It was answered before: this caller is like any other.
    Late,
}

/// What a waiting caller finds.
#[derive(Debug, Clone)]
pub(crate) enum WaiterState {
    Waiting,
    Serve,
    /// The run is gone without an answer for this caller: decide anew.
    Again,
    Failed(RunFailure),
}

impl SessionCore {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            current: None,
            rejected: false,
            profile: None,
            signed_out: false,
            sign_outs: 0,
            run: None,
            runs: 0,
            ended: None,
            waiting: 0,
            pending: None,
            signing_out: None,
            telling: None,
            sign_out_ended: None,
            revocations: VecDeque::new(),
            word: None,
            correction: None,
            ledger: Ledger::default(),
            permit: None,
            closing: false,
            store: None,
            locking: None,
            vendor: None,
            revoking: None,
            person: None,
            operations: 0,
            aborts: Vec::new(),
            locked: false,
            seen: None,
            hangs: None,
            memory: Memory::default(),
            notes: Vec::new(),
        }
    }

    // ---- Little questions ----

    /// The run that callers may join.
    pub(super) fn wanted_run(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| !run.only_looks)
    }

    pub(super) fn usable(&self, now: Now) -> Option<&Arc<Token>> {
        self.current.as_ref().filter(|token| !self.rejected && token.deadlines.is_valid(now))
    }

    /// Whether a renewal could make a token that lives so long: not where none is made while this one is good, and not if
    /// this one was made for the same need.
    pub(super) fn may_last(&self, needed: Duration) -> bool {
        let Some(token) = &self.current else { return false };
        let made_for_it = token.origin == Origin::Need && token.life() < needed;
        self.rules.may_lengthen(&token.tokens) && !made_for_it
    }

    /// The failure that cools down, as the answer to a caller who comes meanwhile.
    pub(super) fn cooling_failure(&self, now: Now) -> RunFailure {
        match self.memory.cooldown.failure(now) {
            Some((error, wait)) => match &self.memory.open {
                Some((id, question, _)) if question.kind() == error.question_kind() => {
                    RunFailure { error: error.clone().local(), question: Some(*id) }
                }
                _ => RunFailure::from(error.clone().with_retry_after(wait.or(error.retry_after())).local()),
            },
            None => RunFailure::from(Error::new(ErrorKind::Throttled, "a failure is cooling down").local()),
        }
    }

    pub(super) fn join_or_start(&mut self, reason: Reason, conversation: Conversation, at: Moment) -> WaitTicket {
        if self.wanted_run().is_none() {
            self.start(reason, conversation, at);
        }
        let run = self.run.as_ref().map_or(0, |run| run.id);
        WaitTicket { run, sign_outs: self.sign_outs, serve_from: None, explicit: false }
    }

    pub(super) fn start(&mut self, reason: Reason, conversation: Conversation, at: Moment) {
        self.runs += 1;
        let left = self.current.as_ref().map(|token| token.deadlines.left(at.now));
        let mut run = Run::new(self.runs, reason, conversation, left, at.now);
        if let Some(shown) = run.conversation.shown.take() {
            run.waits_for_person(RunStage::polling(shown, at.now), next_peek(at));
        }
        run.insists = std::mem::take(&mut self.memory.insists);
        // What a run that only looked wanted of the store goes on for this one.
        run.looked = self.run.as_ref().is_some_and(|run| run.looked);
        self.notes.push(Note::Wanted { run: run.id, reason });
        (self.run, self.closing) = (Some(run), false);
        if !self.locked {
            self.seen = None;
        }
    }

    // ---- What is done next ----

    /// What is to be done next, if anything. To be asked again until it says no more.
    pub(crate) fn next(&mut self, at: Moment) -> Option<Operation> {
        loop {
            if let Some(id) = self.aborts.pop() {
                return Some(Operation::Abort(id));
            }
            if let Some(answer) = self.next_permit() {
                return Some(answer);
            }
            if let Some(revocation) = self.next_revocation() {
                return Some(self.revoke(revocation, at));
            }
            match self.wish(at)? {
                Wish::Moved => {}
                Wish::Lock(wait) => return Some(self.ask_for_lock(wait, at)),
                Wish::Store(what) => {
                    if let Some(operation) = self.ask_store(what, at) {
                        return Some(operation);
                    }
                }
                Wish::Vendor(what) => return Some(self.ask_vendor(what, at)),
                Wish::Person(what) => return Some(self.ask_person(what, at)),
            }
        }
    }

    /// The first rule that wants something.
    fn wish(&mut self, at: Moment) -> Option<Wish> {
        if self.person.is_none()
            && let Some(question) = self.run.as_mut().and_then(Run::next_question)
        {
            return Some(Wish::Person(question));
        }
        if self.vendor.is_none()
            && let Some(wish) = self.wish_to_poll(at.now)
        {
            return Some(wish);
        }
        if self.store.is_some() {
            return None;
        }
        self.leave_the_queue(at.now);
        let wish = self.wish_of_sign_out(at).or_else(|| self.wish_of_permit(at)).or_else(|| self.wish_to_peek(at));
        let wish = wish.or_else(|| self.wish_of_run(at)).or_else(|| self.wish_of_pending(at));
        wish.or_else(|| self.wish_of_word(at)).or_else(|| self.wish_of_ledger()).or_else(|| self.wish_of_lock(at.now))
    }
}

impl Memory {
    /// This lineage was signed out.
    pub(super) fn remember_signed_out(&mut self, lineage: u64) {
        self.signed_out.retain(|other| *other != lineage);
        self.signed_out.push(lineage);
        if self.signed_out.len() > MOST_SIGNED_OUT {
            self.signed_out.remove(0);
        }
    }
}
