//! The rules: what is wanted of the store, the vendor and a person, one rule after the other.

#[cfg(test)]
use super::rules::BrokenRule;
use super::{
    budget::LedgerEntry,
    core::{KEEP, LOOK, PermitRequest, PermitStage, SessionCore, Wish},
    dialogue::{About, Ask},
    operation::{Event, Note, Operation, Out, Purpose, StoreOp, VendorOp},
    plan::{Freshness, PendingToken},
    run::{Revocation, Run, Telling},
    token::Moment,
};
use crate::{
    Error,
    clock::Now,
    store::{Generation, Record, RecordState, StoreError},
};
use std::time::Duration;

impl SessionCore {
    // ---- Sending ----

    pub(super) fn next_permit(&mut self) -> Option<Operation> {
        let answered = self.permit.take_if(|permit| matches!(permit.stage, PermitStage::Answered(_)))?;
        let PermitStage::Answered(answer) = answered.stage else { return None };
        Some(Operation::Permit(answered.asks, answer))
    }

    pub(super) fn next_revocation(&mut self) -> Option<Revocation> {
        if self.revoking.is_some() { None } else { self.revocations.pop_front() }
    }

    pub(super) fn out<T>(&mut self, what: T, at: Moment, wait: Duration) -> Out<T> {
        self.operations += 1;
        let (run, since) = (self.run.as_ref().map_or(0, |run| run.id), at.now.monotonic);
        Out { id: self.operations, run, what, since, deadline: since.saturating_add(wait) }
    }

    pub(super) fn revoke(&mut self, revocation: Revocation, at: Moment) -> Operation {
        let out = self.out(revocation.clone(), at, self.rules.timeouts.renewal);
        let id = out.id;
        self.revoking = Some(out);
        Operation::Revoke(id, revocation)
    }

    /// `None`: the store hung a moment ago, and is not asked again in the same run.
    pub(super) fn ask_store(&mut self, what: StoreOp, at: Moment) -> Option<Operation> {
        if let Some((run, until, error)) = self.hangs.clone()
            && !matches!(what, StoreOp::Extend(_))
            && run == self.runs
            && at.now.monotonic < until
            && let Some(failure) = failed(&what, error)
        {
            self.stored(what, failure, at);
            return None;
        }
        if matches!(what, StoreOp::Unlock) {
            (self.locked, self.seen) = (false, None);
        }
        // A look before the lock is a glance: what it would find is found under the lock, too.
        let glance = matches!(what, StoreOp::Load) && !self.locked && self.run.as_ref().is_some_and(Run::glances);
        let wait = self.rules.timeouts.store();
        let out = self.out(what.clone(), at, if glance { LOOK.min(wait) } else { wait });
        let id = out.id;
        self.store = Some(out);
        Some(Operation::Store(id, what))
    }

    pub(super) fn ask_vendor(&mut self, what: VendorOp, at: Moment) -> Operation {
        let out = self.out(what.clone(), at, self.rules.timeouts.renewal);
        let id = out.id;
        self.vendor = Some(out);
        Operation::Vendor(id, what)
    }

    pub(super) fn ask_person(&mut self, what: Ask, at: Moment) -> Operation {
        let wait = match what.question.ends() {
            // A responder that shows a code may take as long as the person does.
            Some(ends) if matches!(what.question.about, About::Device(_)) => ends.saturating_sub(at.now.monotonic),
            _ => self.rules.timeouts.person,
        };
        let out = self.out(what.clone(), at, wait);
        let id = out.id;
        self.person = Some(out);
        Operation::Person(id, what)
    }

    // ---- The rules ----

    /// Loads what is stored, writes the tombstone of what the sign-out names, and then the vendor is told.
    pub(super) fn wish_of_sign_out(&mut self, at: Moment) -> Option<Wish> {
        let names = self.signing_out.as_mut().filter(|names| names.offers.are_due(at.now))?;
        let Some(seen) = self.seen.as_ref().filter(|seen| seen.read) else {
            return Some(Wish::Store(StoreOp::Load));
        };
        let Some((expected, record)) = names.tombstone(seen, &self.rules) else {
            self.sign_out_is_stored(Ok(()));
            return Some(Wish::Moved);
        };
        if let Some(token) = seen.token.clone() {
            self.memory.remember_signed_out(token.generation.lineage);
            names.name(token);
        }
        Some(Wish::Store(StoreOp::Save { expected, record, purpose: Purpose::Tombstone }))
    }

    /// The store has heard of the sign-out, or has failed: now the vendor is told.
    pub(super) fn sign_out_is_stored(&mut self, stored: Result<(), Error>) {
        let Some(names) = &mut self.signing_out else { return };
        let tokens = if names.tell { std::mem::take(&mut names.tokens) } else { Vec::new() };
        names.told.extend(tokens.iter().map(|token| token.generation));
        let (id, heard) = (names.id, std::mem::replace(&mut names.heard, true));
        if stored.is_ok() {
            self.signing_out = None;
        }
        let sign_out = (!heard).then_some(id);
        if !heard {
            self.telling = Some(Telling { id, stored, left: tokens.len(), revoked: false });
        }
        self.revocations.extend(tokens.into_iter().map(|token| Revocation { token, sign_out }));
        self.told(None);
    }

    /// Counts and extends before an issuer may send.
    pub(super) fn wish_of_permit(&mut self, at: Moment) -> Option<Wish> {
        let PermitRequest { asks, stage } = self.permit.clone()?;
        if let Err(error) = self.may_send(asks) {
            self.ledger.give_up();
            if let PermitStage::Extending(Some(made)) = stage {
                self.ledger.release(made);
            }
            return Some(self.answer_permit(asks, Err(error)));
        }
        match stage {
            PermitStage::Counting => self.ledger.next().map(|entry| Wish::Store(entry.into())),
            PermitStage::Extending(_) if self.locked => Some(Wish::Store(StoreOp::Extend(self.rules.timeouts.sign_in))),
            PermitStage::Extending(made) => {
                self.clear_to_send(asks, at.now);
                Some(self.answer_permit(asks, Ok(made)))
            }
            PermitStage::Answered(_) => None,
        }
    }

    pub(super) fn answer_permit(&mut self, asks: u64, answer: Result<Option<std::time::SystemTime>, Error>) -> Wish {
        self.permit = Some(PermitRequest { asks, stage: PermitStage::Answered(answer) });
        Wish::Moved
    }

    /// From now on its answer is waited for.
    pub(super) fn clear_to_send(&mut self, asks: u64, now: Now) {
        let until = now.monotonic.saturating_add(self.rules.timeouts.renewal);
        self.vendor.iter_mut().filter(|out| out.id == asks).for_each(|out| out.deadline = until);
        self.run.iter_mut().for_each(|run| run.spent = true);
    }

    /// Whether the run that this operation belongs to still goes on.
    fn may_send(&self, asks: u64) -> Result<(), Error> {
        let run = self.vendor.as_ref().filter(|out| out.id == asks).map(|out| out.run);
        match (&self.run, run) {
            (Some(run), Some(of)) if run.id == of => Ok(()),
            _ if self.signed_out => Err(Error::signed_out()),
            _ => Err(Error::superseded()),
        }
    }

    /// What the store has not taken is offered again, under its lock, so that its refresh token is not used in between.
    pub(super) fn wish_of_pending(&mut self, at: Moment) -> Option<Wish> {
        if self.run.as_ref().is_some_and(|run| run.is_working()) {
            return None;
        }
        let now = at.now.monotonic;
        let there = self.seen.as_ref().and_then(|seen| self.there(seen, at.now));
        let pending = self.pending.as_mut()?;
        if !pending.offers.are_due(at.now) {
            let keeps_lock_at = pending.keeps_lock_at.as_mut().filter(|at| self.locked && **at <= now)?;
            *keeps_lock_at = now.saturating_add(KEEP);
            return Some(Wish::Store(StoreOp::Extend(KEEP * 2)));
        }
        if !self.locked {
            return self.locking.is_none().then_some(Wish::Lock(self.rules.timeouts.store_lock));
        }
        let Some(seen) = self.seen.as_ref().filter(|seen| seen.firm && seen.trouble.is_none()) else {
            return Some(Wish::Store(StoreOp::Load));
        };
        let known = pending.token.known(Freshness::Ended, None, 0);
        let offer = PendingToken { known, expected: pending.expected, ours_alone: false };
        if !offer.succeeds(there) {
            self.pending = None;
            self.notes.push(Note::SavedLate(false));
            return Some(Wish::Moved);
        }
        let (expected, record) = (seen.generation(), pending.token.record(&self.rules));
        Some(Wish::Store(StoreOp::Save { expected, record, purpose: Purpose::Token }))
    }

    /// Other processes shall know what this one has learnt.
    pub(super) fn wish_of_word(&mut self, at: Moment) -> Option<Wish> {
        if let Some(record) = self.correction.take() {
            let expected = Some(record.generation());
            return Some(Wish::Store(StoreOp::Save { expected, record, purpose: Purpose::Times }));
        }
        let word = self.word.as_ref()?;
        let Some(seen) = &self.seen else { return Some(Wish::Store(StoreOp::Load)) };
        if seen.trouble.is_some() {
            self.word = None;
            return Some(Wish::Moved);
        }
        let record = seen.record.clone();
        let record =
            record.unwrap_or_else(|| Record::new(&self.rules.key, Generation::first(at.dice), RecordState::Nothing));
        let record = word.on(record, at.now.wall);
        Some(Wish::Store(StoreOp::Save { expected: seen.generation(), record, purpose: Purpose::Word }))
    }

    pub(super) fn wish_of_ledger(&mut self) -> Option<Wish> {
        if self.permit.is_some() { None } else { self.ledger.next().map(|entry| Wish::Store(entry.into())) }
    }

    /// The lock has one rule: it is held while something that needs it is out, owed or wanted.
    pub(super) fn wish_of_lock(&mut self, now: Now) -> Option<Wish> {
        let asks = matches!(&self.vendor, Some(Out { what: VendorOp::SignIn(_) | VendorOp::Renew(_), .. }));
        #[cfg(test)]
        let asks = self.rules.lacks(BrokenRule::Leaving) || asks && !self.rules.lacks(BrokenRule::LockWhileAsking);
        let works = self.run.as_ref().is_some_and(|run| run.is_working());
        let saves =
            self.pending.as_ref().is_some_and(|pending| pending.keeps_lock_at.is_some() || pending.offers.are_due(now));
        let writes_tombstone = self.signing_out.as_ref().is_some_and(|names| !names.offers.are_given_up());
        let needed = asks || works || saves || writes_tombstone || self.word.is_some();
        (self.locked && !needed).then_some(Wish::Store(StoreOp::Unlock))
    }

    pub(super) fn give_up_store(&mut self) {
        self.seen = None;
        if let Some(out) = self.store.take_if(|out| !matches!(out.what, StoreOp::Unlock)) {
            self.aborts.push(out.id);
        }
    }

    pub(super) fn give_up_person(&mut self) {
        if let Some(out) = self.person.take() {
            self.aborts.push(out.id);
        }
    }
}

impl From<LedgerEntry> for StoreOp {
    fn from(entry: LedgerEntry) -> Self {
        match entry {
            LedgerEntry::Load => Self::LoadAttempts,
            LedgerEntry::Save { expected, attempts } => Self::SaveAttempts { expected, attempts },
        }
    }
}

/// How this operation fails with this error; `None`: it cannot.
pub(super) fn failed(what: &StoreOp, error: StoreError) -> Option<Event> {
    Some(match what {
        StoreOp::Lock(_) => Event::Locked(Err(error)),
        StoreOp::Extend(_) => Event::Extended(false),
        StoreOp::Load | StoreOp::LoadAttempts => Event::Loaded(Err(error)),
        StoreOp::Save { .. } | StoreOp::SaveAttempts { .. } => Event::Saved(Err(error)),
        StoreOp::Unlock => return None,
    })
}
