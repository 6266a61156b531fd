//! The one authority on a session: when a vendor, the store or a person is asked, and what is served, saved and ended.
//!
//! Pure: what happened goes in ([`Core::call`], [`Core::sign_out`], [`Core::on`], …), what is to be done next comes out of
//! [`Core::next`]. There is no task, clock, lock or await here. The rules are *level-triggered*: they look at the state and
//! not at how it came about, and are asked again until they want nothing more. So nothing has to be remembered for later:
//! what is owed stands in the state, and a rule pays it.
//!
//! At most one operation is out to each side. Each has a deadline, and its answer is told by its number; an answer to an
//! operation that was given up changes nothing, except that a session the vendor has made meanwhile is ended.

#[cfg(test)]
use super::rules::Broken;
use super::{
    budget::Ledger,
    capabilities::Renewal,
    cooldown::Cooldown,
    decide::{Decision, Reason, Refusal, View, decide},
    dialogue::{Conversation, Question},
    operation::{Ask, Note, Operation, Out, StoreOp, VendorOp},
    profile::{Profile, SignOut},
    rejection::{EVICTION_BACKOFF, Rejection, judge},
    report::What,
    rules::Rules,
    run::{Failure, Outcome, Pending, Run, SigningOut, Stage, Telling, Ticket, Word},
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

/// How often the store is looked into under one lock: again after a refresh token was refused, after an answer was lost, and
/// when another process changed the store.
pub(super) const LOOKS: u32 = 4;

/// How often a token is offered to a store that keeps changing, and how often a tombstone is.
pub(super) const SAVES: u32 = 3;
pub(super) const TOMBSTONES: u32 = 10;

/// A token with less than this is of no use: asking for one after the other would never end.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// How long a refused static key is not sent again.
const STATIC: Duration = Duration::from_secs(30);

/// How long a lock is kept up for at a time while a token waits to be saved.
pub(super) const KEEP: Duration = Duration::from_secs(5);

/// How many answered questions are remembered.
pub(super) const REMEMBERED: usize = 16;

/// How many signed-out lineages are remembered. A store that did not hear of a sign-out may hold its session for long, and
/// another process may go on with it.
pub(super) const BURIED: usize = 1024;

/// A session's whole state.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Core {
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
    pub(super) ended: Option<(u64, Outcome)>,
    /// How many callers wait.
    pub(super) waiting: u32,

    // What is owed.
    pub(super) pending: Option<Pending>,
    pub(super) signing_out: Option<SigningOut>,
    pub(super) telling: Option<Telling>,
    pub(super) sign_out_ended: Option<(u64, Result<SignOut, Error>)>,
    pub(super) revocations: VecDeque<Revocation>,
    pub(super) word: Option<Word>,
    /// A stored record whose times a wrong clock had put into the future, put right.
    pub(super) correction: Option<Record>,
    pub(super) ledger: Ledger,
    pub(super) permit: Option<Permit>,
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
    pub(super) seen: Option<Seen>,
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
    /// The question that stays open, for whoever comes.
    pub(super) open: Option<(u64, Question, Conversation)>,
    pub(super) answered: Vec<u64>,
}

/// What the store was seen to hold.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Seen {
    pub(super) record: Option<Record>,
    pub(super) token: Option<Arc<Token>>,
    /// It began with another credential than ours.
    pub(super) foreign: bool,
    /// Seen under the lock, or without one because the store cannot lock: a look before the lock decides about nothing.
    pub(super) firm: bool,
    /// The store has answered.
    pub(super) read: bool,
    /// Why the store cannot be relied on: it has not answered, or it cannot lock.
    pub(super) trouble: Option<StoreError>,
}

/// A token that the vendor is to be told of, because it ends.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Revocation {
    pub(crate) token: Arc<Token>,
    /// The sign-out that waits for it.
    pub(crate) sign_out: Option<u64>,
}

/// Leave to send that an issuer has asked for.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Permit {
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
pub(crate) enum Step {
    Serve,
    Wait(Ticket),
}

/// What an answer to a question comes to at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resumed {
    Serve,
    Started(Ticket),
    /// It joins what was under way before the answer came.
    Joined(Ticket),
    /// It was answered before: this caller is like any other.
    Late,
}

/// What somebody who waits finds.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    Waiting,
    Serve,
    /// The run is gone without an answer for this caller: decide anew.
    Again,
    Failed(Failure),
}

impl Core {
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

    // ---- What users ask ----

    /// A caller wants a token that lives for at least `needed`. `starts`: whether anything can be started from here.
    pub(crate) fn call(&mut self, needed: Duration, starts: bool, at: Moment) -> Result<Step, Failure> {
        let now = at.now;
        let needed = if self.may_last(needed) { needed } else { Duration::ZERO };
        #[cfg(test)]
        if self.rules.lacks(Broken::Ends) && self.current.is_some() {
            return Ok(Step::Serve);
        }
        let decision = decide(&View {
            now,
            held: self.current.as_ref().map(|token| &token.deadlines),
            rejected: self.rejected,
            signed_out: self.signed_out,
            // Joining a run that is under way asks nobody anything.
            cooling: self.memory.cooldown.cooling().filter(|_| self.wanted_run().is_none()),
            needed,
        });
        match decision {
            Decision::Serve => Ok(Step::Serve),
            Decision::ServeAndRenewBehind => {
                if starts {
                    self.join_or_start(Reason::Early, Conversation::default(), at);
                }
                Ok(Step::Serve)
            }
            Decision::Wait(Reason::Late) if !starts => Ok(Step::Serve),
            Decision::Wait(_) if !starts => Err(Failure::from(Error::no_runtime())),
            Decision::Wait(reason) => {
                let mut ticket = self.join_or_start(reason, Conversation::default(), at);
                if reason == Reason::Late
                    && let Some(token) = &self.current
                {
                    // The token is still good: half of what is left is spent on waiting for a better one.
                    ticket.serve_from = Some(now.monotonic.saturating_add(token.deadlines.left(now) / 2));
                }
                Ok(Step::Wait(ticket))
            }
            Decision::Refuse(Refusal::SignedOut) => Err(Failure::from(Error::signed_out())),
            Decision::Refuse(Refusal::CoolingDown(_)) if starts && self.looks_meanwhile(now) => {
                let ticket = self.join_or_start(Reason::NoSession, Conversation::default(), at);
                self.memory.next_look = now.monotonic.saturating_add(LOOK);
                self.run.iter_mut().for_each(|run| run.only_looks = true);
                self.notes.clear();
                Ok(Step::Wait(ticket))
            }
            Decision::Refuse(Refusal::CoolingDown(_)) => Err(self.cooling_failure(now)),
        }
    }

    /// While a failure cools down another process may have saved a token that works.
    fn looks_meanwhile(&self, now: Now) -> bool {
        self.rules.shared && self.store.is_none() && now.monotonic >= self.memory.next_look
    }

    /// What the caller who has this ticket finds.
    pub(crate) fn look(&self, ticket: &Ticket, now: Now) -> Look {
        if self.sign_outs != ticket.sign_outs {
            return Look::Failed(Failure::from(Error::signed_out()));
        }
        let good = self.usable(now).is_some();
        if self.run.as_ref().is_some_and(|run| run.id == ticket.run) {
            let patient = ticket.serve_from.is_none_or(|from| now.monotonic < from);
            return if !patient && good { Look::Serve } else { Look::Waiting };
        }
        match &self.ended {
            Some((id, outcome)) if *id == ticket.run => match outcome {
                Outcome::Served if good && (ticket.explicit || !self.is_from_the_store()) => Look::Serve,
                Outcome::Failed(_) if good && ticket.serve_from.is_some() => Look::Serve,
                Outcome::Failed(failure) => Look::Failed(failure.clone()),
                Outcome::Served | Outcome::Lost => Look::Again,
            },
            _ => Look::Again,
        }
    }

    /// Whether nobody knows how that run ended, because its task is gone.
    pub(crate) fn was_lost(&self, ticket: Ticket) -> bool {
        matches!(&self.ended, Some((id, Outcome::Lost)) if *id == ticket.run)
    }

    fn is_from_the_store(&self) -> bool {
        self.current.as_ref().is_some_and(|token| token.origin == Origin::Store)
    }

    /// The user asked for a renewal.
    pub(crate) fn renew(&mut self, at: Moment) -> Result<Ticket, Failure> {
        if self.signed_out {
            return Err(Failure::from(Error::signed_out()));
        }
        if self.wanted_run().is_none() && self.memory.cooldown.failure(at.now).is_some() {
            return Err(self.cooling_failure(at.now));
        }
        let ticket = self.join_or_start(Reason::Asked, Conversation::default(), at);
        Ok(Ticket { explicit: true, ..ticket })
    }

    /// What an explicit sign-in forgets.
    pub(crate) fn forgive(&mut self, now: Now) {
        let memory = &mut self.memory;
        self.signed_out = false;
        memory.insists = memory.cooldown.last().is_some_and(|error| error.kind() != ErrorKind::Throttled);
        memory.refused = None;
        memory.lost_evicted = false;
        memory.cooldown.forgive();
        // A refresh token whose renewal failed, for whatever reason, must not stand in the way of another way in.
        let another_way = memory.renewal_failed && !self.rules.capabilities.spent_by_sign_in;
        self.memory.skip_refresh = another_way && self.usable(now).is_none();
    }

    /// Whether a sign-in may work where a renewal has failed.
    pub(crate) fn has_another_way_in(&self) -> bool {
        self.memory.renewal_failed && !self.rules.capabilities.spent_by_sign_in
    }

    /// A question is answered.
    pub(crate) fn resume(&mut self, id: u64, conversation: Conversation, at: Moment) -> Result<Resumed, Failure> {
        if self.signed_out {
            return Err(Failure::from(Error::signed_out()));
        }
        if self.usable(at.now).is_some() {
            return Ok(Resumed::Serve);
        }
        if self.wanted_run().is_some() {
            let ticket = self.join_or_start(Reason::Answered, conversation, at);
            return Ok(Resumed::Joined(Ticket { explicit: true, ..ticket }));
        }
        // A person's answer does not shorten it. The question stays open: the answer can be given again.
        if self.memory.cooldown.is_throttled(at.now) {
            return Err(self.cooling_failure(at.now));
        }
        let oldest = self.memory.questions.saturating_sub(REMEMBERED as u64);
        if self.memory.answered.contains(&id) || id <= oldest {
            return Ok(Resumed::Late);
        }
        self.memory.answered.retain(|other| *other > oldest);
        self.memory.answered.push(id);
        let ticket = self.join_or_start(Reason::Answered, conversation, at);
        self.run.iter_mut().for_each(|run| run.answers = Some(id));
        Ok(Resumed::Started(Ticket { explicit: true, ..ticket }))
    }

    /// What was to come of the answer is lost: it can be given again.
    pub(crate) fn reopen(&mut self, id: u64) {
        self.memory.answered.retain(|other| *other != id);
    }

    /// The vendor answered 401 to this token. Tells whether a new lease is worth a try.
    pub(crate) fn reject(&mut self, refused: Generation, worked: bool, at: Moment) -> bool {
        if self.rules.capabilities.renewal == Renewal::Static {
            self.notes.push(Note::Happened(What::Rejected { generation: refused }));
            self.remember_refusal(at.now);
            return false;
        }
        let Some(token) = self.current.clone() else { return true };
        // A late 401 to an older token: the newer one has not been tried yet.
        if token.generation != refused || self.rejected {
            return true;
        }
        match judge(&token, worked, at.now) {
            Rejection::Permission => return false,
            Rejection::Evicted => self.back_off_after_eviction(at.now),
            Rejection::Token { in_a_row } => self.memory.in_a_row = in_a_row,
        }
        self.rejected = true;
        self.notes.push(Note::Happened(What::Rejected { generation: refused }));
        true
    }

    /// A key that never changes was refused: sending it again at once would not help, and some vendors lock for it.
    fn remember_refusal(&mut self, now: Now) {
        let credential = self.rules.capabilities.credential;
        let error =
            Error::new(ErrorKind::Unauthorized, format!("the vendor refused what {credential} gave, moments ago"))
                .advice("check it; nothing is sent with it for a while")
                .with_retry_after(Some(STATIC));
        self.rejected = true;
        self.memory.cooldown.failed(&error, now, 0.0, true);
    }

    /// Two fleets at one account must not end each other's sessions for ever: no sign-in for a while, and after that none
    /// that ends a session, until the user asks for it.
    fn back_off_after_eviction(&mut self, now: Now) {
        let error = Error::new(
            ErrorKind::SessionLimit,
            "a session was ended for this one, and this one was lost again within ten minutes: others use the account",
        )
        .advice("free a session, or call sign_in() to end one all the same")
        .with_retry_after(Some(EVICTION_BACKOFF));
        (self.memory.lost_evicted, self.memory.in_a_row) = (true, 1);
        self.memory.cooldown.failed(&error, now, 0.0, false);
    }

    /// From now on nobody is served, and what this client has or is making is ended. It names what it ends, so that it can
    /// neither end nor be undone by a session that begins after it. Returns the sign-out's number.
    pub(crate) fn sign_out(&mut self, tell: bool, at: Moment) -> u64 {
        self.sign_outs += 1;
        self.signed_out = true;
        // Whoever signs out wants it tried, whatever has just failed.
        self.hangs = None;
        let mut names = SigningOut::new(self.sign_outs, tell, self.current.is_none(), at.now.wall);
        names.inherit(self.signing_out.take());
        // Also a save that was given up may arrive yet.
        names.uncertain = self.pending.as_ref().filter(|pending| !pending.ours_alone).map(Pending::generation);
        #[cfg(test)]
        (names.uncertain.take_if(|_| self.rules.lacks(Broken::Uncertain)));
        let pending = self.pending.take().map(|pending| pending.token);
        #[cfg(test)]
        let kept = self.current.clone().filter(|_| self.rules.lacks(Broken::LettingGo));
        self.current.take().into_iter().chain(pending).for_each(|token| names.name(token));
        if let Some(Out { what: VendorOp::Renew(token), .. }) = &self.vendor {
            names.lineages.push(token.generation.lineage);
        }
        for lineage in &names.lineages {
            self.memory.bury(*lineage);
        }
        #[cfg(test)]
        (self.current = kept);
        self.signing_out = Some(names);
        (self.rejected, self.profile, self.memory.open) = (false, None, None);
        if let Some(mut run) = self.run.take() {
            self.give_back_granted(&mut run, at);
            self.ended = Some((run.id, Outcome::Failed(Failure::from(Error::signed_out()))));
            self.notes.push(Note::ended(&run, self.sign_outs, Err(Error::signed_out()), at.now));
        }
        self.give_up_store();
        self.give_up_person();
        // What is out at the vendor's is waited for: the session it makes is to be ended.
        self.notes.push(Note::Happened(What::SignedOut));
        self.sign_outs
    }

    /// How the sign-out ended, once it has.
    pub(crate) fn sign_out_ended(&self, id: u64) -> Option<Result<SignOut, Error>> {
        let (ended, outcome) = self.sign_out_ended.as_ref()?;
        (*ended >= id).then(|| outcome.clone())
    }

    /// The program is about to end: what is owed to the store is offered once more, now.
    pub(crate) fn close(&mut self, at: Moment) {
        self.closing = true;
        let now = at.now.monotonic;
        self.pending.iter_mut().for_each(|pending| pending.again_at = Some(now));
        self.signing_out.iter_mut().for_each(|names| names.again_at = now);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        let out = self.store.is_some()
            || self.locking.is_some()
            || self.vendor.is_some()
            || self.revoking.is_some()
            || self.person.is_some();
        !out && self.run.is_none() && self.revocations.is_empty()
    }

    /// Whether nothing is held, either.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_quiet() && !self.locked
    }

    /// What the store has not taken.
    pub(crate) fn unsaved(&self) -> bool {
        self.pending.is_some() || self.signing_out.is_some()
    }

    pub(crate) fn joins(&mut self) {
        self.waiting += 1;
    }

    pub(crate) fn leaves(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    // ---- What issuers ask ----

    /// The issuer of this operation wants to send what spends a token or an attempt.
    pub(crate) fn acquire(&mut self, asks: u64) {
        let budget = self.rules.capabilities.budget;
        #[cfg(test)]
        let budget = budget.filter(|_| !self.rules.lacks(Broken::Counting));
        let stage = match budget {
            Some(_) => {
                self.ledger.count();
                PermitStage::Counting
            }
            None => PermitStage::Extending(None),
        };
        self.permit = Some(Permit { asks, stage });
    }

    /// What was granted never reached the vendor.
    pub(crate) fn release(&mut self, made: std::time::SystemTime) {
        self.ledger.refund(made);
    }

    /// This credential is about to be presented. `refused_elsewhere`: another process has seen the vendor refuse it.
    pub(crate) fn present(
        &mut self,
        mark: Mark,
        fingerprint: Fingerprint,
        refused_elsewhere: bool,
    ) -> Result<(), Error> {
        if let Some((refused, error)) = &self.memory.refused
            && *refused == mark
        {
            return Err(error.clone().local());
        }
        if refused_elsewhere && !self.run.as_ref().is_some_and(|run| run.insists) {
            let error = Error::refused_elsewhere();
            self.memory.refused = Some((mark, error.clone()));
            return Err(error);
        }
        self.memory.presented = Some((mark, fingerprint));
        Ok(())
    }

    /// The digest of the credential that another process has seen refused, if it left one.
    pub(crate) fn refused_elsewhere(&self) -> Option<Fingerprint> {
        self.seen.as_ref()?.record.as_ref()?.refused.clone()
    }

    /// A person or a source is waited for: the operation may take this much longer.
    pub(crate) fn extend(&mut self, asks: u64, wait: Duration, now: Now) {
        let until = now.monotonic.saturating_add(wait);
        self.vendor.iter_mut().filter(|out| out.id == asks).for_each(|out| out.deadline = until);
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
    fn may_last(&self, needed: Duration) -> bool {
        let Some(token) = &self.current else { return false };
        let made_for_it = token.origin == Origin::Need && token.life() < needed;
        self.rules.may_lengthen(&token.tokens) && !made_for_it
    }

    /// The failure that cools down, as the answer to a caller who comes meanwhile.
    pub(super) fn cooling_failure(&self, now: Now) -> Failure {
        match self.memory.cooldown.failure(now) {
            Some((error, wait)) => match &self.memory.open {
                Some((id, question, _)) if question.kind() == error.question_kind() => {
                    Failure { error: error.clone().local(), question: Some(*id) }
                }
                _ => Failure::from(error.clone().with_retry_after(wait.or(error.retry_after())).local()),
            },
            None => Failure::from(Error::new(ErrorKind::Throttled, "a failure is cooling down").local()),
        }
    }

    fn join_or_start(&mut self, reason: Reason, conversation: Conversation, at: Moment) -> Ticket {
        if self.wanted_run().is_none() {
            self.start(reason, conversation, at);
        }
        let run = self.run.as_ref().map_or(0, |run| run.id);
        Ticket { run, sign_outs: self.sign_outs, serve_from: None, explicit: false }
    }

    fn start(&mut self, reason: Reason, conversation: Conversation, at: Moment) {
        self.runs += 1;
        let left = self.current.as_ref().map(|token| token.deadlines.left(at.now));
        let mut run = Run::new(self.runs, reason, conversation, left, at.now);
        if let Some(shown) = run.conversation.shown.take() {
            run.stage = Stage::polling(shown, at.now);
        }
        run.insists = std::mem::take(&mut self.memory.insists);
        // What a run that only looked wanted of the store goes on for this one.
        run.looked = self.run.as_ref().is_some_and(|run| run.only_looks && run.looked);
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
        let wish = self.wish_of_sign_out(at).or_else(|| self.wish_of_permit(at));
        let wish = wish.or_else(|| self.wish_of_run(at)).or_else(|| self.wish_of_pending(at));
        wish.or_else(|| self.wish_of_word(at)).or_else(|| self.wish_of_ledger()).or_else(|| self.wish_of_lock(at.now))
    }
}
