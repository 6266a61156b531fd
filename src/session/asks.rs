//! What users and issuers ask of a session, and what it comes to at once.

#[cfg(test)]
use super::rules::BrokenRule;
use super::{
    capabilities::Renewal,
    core::{CallOutcome, LOOK, PermitRequest, PermitStage, REMEMBERED, Resumed, STATIC, SessionCore, WaiterState},
    decide::{Decision, Reason, Refusal, View, decide},
    dialogue::Conversation,
    operation::{Note, Out, VendorOp},
    profile::SignOut,
    rejection::{EVICTION_BACKOFF, Rejection, judge},
    report::What,
    run::{PendingSave, Run, RunFailure, RunOutcome, SigningOut, WaitTicket},
    token::{Mark, Moment, Origin},
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    store::{Fingerprint, Generation},
};
use std::time::Duration;

impl SessionCore {
    // ---- What users ask ----

    /// A caller wants a token that lives for at least `needed`. `starts`: whether anything can be started from here.
    pub(crate) fn call(&mut self, needed: Duration, starts: bool, at: Moment) -> Result<CallOutcome, RunFailure> {
        let now = at.now;
        let needed = if self.may_last(needed) { needed } else { Duration::ZERO };
        #[cfg(test)]
        if self.rules.lacks(BrokenRule::StoredExpiry) && self.current.is_some() {
            return Ok(CallOutcome::Serve);
        }
        let decision = decide(&View {
            now,
            held: self.current.as_ref().map(|token| &token.deadlines),
            rejected: self.rejected,
            signed_out: self.signed_out,
            // Joining a run that is under way sends nothing.
            cooling: self.memory.cooldown.cooling().filter(|_| self.wanted_run().is_none()),
            needed,
        });
        match decision {
            Decision::Serve => Ok(CallOutcome::Serve),
            Decision::ServeAndRenewBehind => {
                if starts {
                    self.join_or_start(Reason::Early, Conversation::default(), at);
                }
                Ok(CallOutcome::Serve)
            }
            Decision::Wait(Reason::Late) if !starts => Ok(CallOutcome::Serve),
            Decision::Wait(_) if !starts => Err(RunFailure::from(Error::no_runtime())),
            Decision::Wait(reason) => Ok(CallOutcome::Wait(self.wait_for(reason, at))),
            Decision::Refuse(Refusal::SignedOut) => Err(RunFailure::from(Error::signed_out())),
            Decision::Refuse(Refusal::CoolingDown(_)) if starts && self.looks_meanwhile(now) => {
                Ok(CallOutcome::Wait(self.only_look(at)))
            }
            Decision::Refuse(Refusal::CoolingDown(_)) => Err(self.cooling_failure(now)),
        }
    }

    fn wait_for(&mut self, reason: Reason, at: Moment) -> WaitTicket {
        let mut ticket = self.join_or_start(reason, Conversation::default(), at);
        if reason == Reason::Late
            && let Some(token) = &self.current
        {
            // The token is still good: half of what is left is spent on waiting for a better one.
            ticket.serve_from = Some(at.now.monotonic.saturating_add(token.deadlines.left(at.now) / 2));
        }
        ticket
    }

    /// A run that looks into the store and does not ask the vendor.
    fn only_look(&mut self, at: Moment) -> WaitTicket {
        let ticket = self.join_or_start(Reason::NoSession, Conversation::default(), at);
        self.memory.next_look = at.now.monotonic.saturating_add(LOOK);
        self.run.iter_mut().for_each(|run| run.only_looks = true);
        self.notes.clear();
        ticket
    }

    /// While a failure cools down another process may have saved a token that works.
    fn looks_meanwhile(&self, now: Now) -> bool {
        self.rules.shared && self.store.is_none() && now.monotonic >= self.memory.next_look
    }

    /// What the caller who has this ticket finds.
    pub(crate) fn look(&self, ticket: &WaitTicket, now: Now) -> WaiterState {
        if self.sign_outs != ticket.sign_outs {
            return WaiterState::Failed(RunFailure::from(Error::signed_out()));
        }
        let good = self.usable(now).is_some();
        if self.run.as_ref().is_some_and(|run| run.id == ticket.run) {
            let may_wait = ticket.serve_from.is_none_or(|from| now.monotonic < from);
            return if !may_wait && good { WaiterState::Serve } else { WaiterState::Waiting };
        }
        match &self.ended {
            Some((id, outcome)) if *id == ticket.run => match outcome {
                RunOutcome::Served if good && (ticket.explicit || !self.is_from_the_store()) => WaiterState::Serve,
                RunOutcome::Failed(_) if good && ticket.serve_from.is_some() => WaiterState::Serve,
                RunOutcome::Failed(failure) => WaiterState::Failed(failure.clone()),
                RunOutcome::FailedBeside(failure) if ticket.explicit => WaiterState::Failed(failure.clone()),
                RunOutcome::Served | RunOutcome::FailedBeside(_) | RunOutcome::Lost => WaiterState::Again,
            },
            _ => WaiterState::Again,
        }
    }

    /// Whether it is unknown how that run ended, because its task is gone.
    pub(crate) fn was_lost(&self, ticket: WaitTicket) -> bool {
        matches!(&self.ended, Some((id, RunOutcome::Lost)) if *id == ticket.run)
    }

    fn is_from_the_store(&self) -> bool {
        self.current.as_ref().is_some_and(|token| token.origin == Origin::Store)
    }

    /// The user asked for a renewal.
    pub(crate) fn renew(&mut self, at: Moment) -> Result<WaitTicket, RunFailure> {
        if self.signed_out {
            return Err(RunFailure::from(Error::signed_out()));
        }
        if self.wanted_run().is_none() && self.memory.cooldown.failure(at.now).is_some() {
            return Err(self.cooling_failure(at.now));
        }
        let ticket = self.join_or_start(Reason::Asked, Conversation::default(), at);
        Ok(self.explicit(ticket))
    }

    /// Of a caller who asked for this very run; but not of one who joins what was asked for beside the session.
    fn explicit(&self, ticket: WaitTicket) -> WaitTicket {
        WaitTicket { explicit: !self.run.as_ref().is_some_and(Run::steps_up), ..ticket }
    }

    /// What an explicit sign-in forgets.
    pub(crate) fn reset_failures(&mut self, now: Now) {
        let memory = &mut self.memory;
        self.signed_out = false;
        memory.insists = memory.cooldown.last().is_some_and(|error| error.kind() != ErrorKind::Throttled);
        memory.refused = None;
        memory.lost_evicted = false;
        memory.cooldown.reset_failures();
        // A refresh token whose renewal failed, for whatever reason, must not stand in the way of another way in.
        let another_way = memory.renewal_failed && !self.rules.capabilities.spent_by_sign_in;
        self.memory.skip_refresh = another_way && self.usable(now).is_none();
    }

    /// Whether a sign-in may work where a renewal has failed.
    pub(crate) fn has_another_way_in(&self) -> bool {
        self.memory.renewal_failed && !self.rules.capabilities.spent_by_sign_in
    }

    /// A question is answered.
    pub(crate) fn resume(&mut self, id: u64, conversation: Conversation, at: Moment) -> Result<Resumed, RunFailure> {
        if self.signed_out {
            return Err(RunFailure::from(Error::signed_out()));
        }
        let replaced = conversation.step_up().map(|step| step.lineage);
        if self.usable(at.now).is_some_and(|token| replaced != Some(token.generation.lineage)) {
            return Ok(Resumed::Serve);
        }
        if self.wanted_run().is_some() {
            let ticket = self.join_or_start(Reason::Answered, conversation, at);
            return Ok(Resumed::Joined(self.explicit(ticket)));
        }
        // A person's answer does not shorten it. The question stays open: the answer can be given again.
        if self.memory.cooldown.is_throttled(at.now) {
            return Err(self.cooling_failure(at.now));
        }
        if self.memory.answered.contains(&id) {
            return Ok(Resumed::Late);
        }
        if self.memory.answered.len() == REMEMBERED {
            self.memory.answered.remove(0);
        }
        self.memory.answered.push(id);
        let ticket = self.join_or_start(Reason::Answered, conversation, at);
        self.run.iter_mut().for_each(|run| run.answers = Some(id));
        Ok(Resumed::Started(WaitTicket { explicit: true, ..ticket }))
    }

    /// The number of a question that was asked elsewhere.
    #[cfg(any(feature = "oauth2", feature = "sealed"))]
    pub(crate) fn number_question(&mut self) -> u64 {
        self.memory.questions += 1;
        self.memory.questions
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
            ErrorKind::SessionLimitReached,
            "a session was ended for this one, and this one was lost again within ten minutes: others use the account",
        )
        .advice("free a session, or call sign_in() to end one all the same")
        .with_retry_after(Some(EVICTION_BACKOFF));
        (self.memory.lost_evicted, self.memory.in_a_row) = (true, 1);
        self.memory.cooldown.failed(&error, now, 0.0, false);
    }

    /// From now on no caller is served, and what this client has or is making is ended. It names what it ends, so that it can
    /// neither end nor be undone by a session that begins after it. Returns the sign-out's number.
    pub(crate) fn sign_out(&mut self, tell: bool, at: Moment) -> u64 {
        self.sign_outs += 1;
        self.signed_out = true;
        // A sign-out is tried, whatever has just failed.
        self.hangs = None;
        let mut names = SigningOut::new(self.sign_outs, tell, self.current.is_none(), at.now.wall);
        names.inherit(self.signing_out.take());
        // Also a save that was given up may arrive yet.
        names.uncertain = self.pending.as_ref().filter(|pending| !pending.ours_alone).map(PendingSave::generation);
        #[cfg(test)]
        (names.uncertain.take_if(|_| self.rules.lacks(BrokenRule::Uncertain)));
        let pending = self.pending.take().map(|pending| pending.token);
        #[cfg(test)]
        let kept = self.current.clone().filter(|_| self.rules.lacks(BrokenRule::LettingGo));
        self.current.take().into_iter().chain(pending).for_each(|token| names.name(token));
        if let Some(Out { what: VendorOp::Renew(token), .. }) = &self.vendor {
            names.lineages.push(token.generation.lineage);
        }
        for lineage in &names.lineages {
            self.memory.remember_signed_out(*lineage);
        }
        #[cfg(test)]
        (self.current = kept);
        self.signing_out = Some(names);
        (self.rejected, self.profile, self.memory.open) = (false, None, None);
        if let Some(mut run) = self.run.take() {
            self.owe_revocation_of_granted(&mut run, at);
            self.ended = Some((run.id, RunOutcome::Failed(RunFailure::from(Error::signed_out()))));
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
        self.pending.iter_mut().for_each(|pending| pending.offers.again_at = Some(now));
        self.signing_out.iter_mut().for_each(|names| names.offers.again_at = Some(now));
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

    /// Fails with what the store has not taken, and why.
    pub(crate) fn unsaved(&self) -> Result<(), Error> {
        let trouble = match (&self.pending, &self.signing_out) {
            (None, None) => return Ok(()),
            (Some(pending), _) => pending.offers.trouble.as_ref(),
            (None, Some(names)) => names.offers.trouble.as_ref(),
        };
        Err(Error::not_saved(trouble))
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
        let budget = budget.filter(|_| !self.rules.lacks(BrokenRule::Counting));
        let stage = match budget {
            Some(_) => {
                self.ledger.count();
                PermitStage::Counting
            }
            None => PermitStage::Extending(None),
        };
        self.permit = Some(PermitRequest { asks, stage });
    }

    /// What was granted never reached the vendor.
    pub(crate) fn release(&mut self, made: std::time::SystemTime) {
        self.ledger.release(made);
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
}
