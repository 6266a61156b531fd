//! The rules of the run under way: look, take the lock, adopt, renew or sign in, save.

#[cfg(test)]
use super::rules::BrokenRule;
use super::{
    core::{KEEP, LOOK, LOOKS, SAVES, SHORTEST, SessionCore, Wish},
    decide::Reason,
    operation::{Note, Operation, Purpose, StoreOp, VendorOp},
    plan::{Conflict, Freshness, PendingToken, Plan, Snapshot, Stored, TokenSource, is_one_too_many, plan, resolve},
    report::What,
    run::{Revocation, Word},
    seen::StoreSeen,
    token::{Moment, Token},
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    store::{Generation, StoreError},
};
use std::{sync::Arc, time::Duration};

impl SessionCore {
    /// Adopts, saves, renews or signs in.
    pub(super) fn wish_of_run(&mut self, at: Moment) -> Option<Wish> {
        let run = self.run.as_ref().filter(|run| run.is_working())?;
        if self.vendor.is_some() {
            return None;
        }
        if self.pending.as_ref().is_some_and(|pending| pending.run == Some(run.id)) {
            return self.wish_to_save(at);
        }
        if let Some(seen) = &self.seen {
            return if seen.firm { self.act(at) } else { self.act_on_look(at) };
        }
        if !self.locked && !run.looked {
            self.run.iter_mut().for_each(|run| run.looked = true);
            #[cfg(test)]
            self.run.iter_mut().for_each(|run| run.looked = !self.rules.lacks(BrokenRule::Looked));
            return Some(Wish::Store(StoreOp::Load));
        }
        if run.only_looks {
            return Some(self.end_look(at));
        }
        if !self.locked && run.unlocked.is_none() {
            return self.wish_to_lock(at);
        }
        if run.looks >= LOOKS {
            let error = Error::new(ErrorKind::Store, "others keep changing what is stored");
            return Some(self.fail(error.advice("try again").local(), at));
        }
        Some(Wish::Store(StoreOp::Load))
    }

    /// Waits for the lock, and looks meanwhile for what its holder saves: with that no caller needs it any more.
    fn wish_to_lock(&mut self, at: Moment) -> Option<Wish> {
        let now = at.now.monotonic;
        let run = self.run.as_mut()?;
        #[cfg(test)]
        if self.rules.lacks(BrokenRule::Lock) {
            run.unlocked = Some(StoreError::not_in_time());
            return Some(Wish::Moved);
        }
        if self.locking.is_some() {
            if now < run.next_look {
                return None;
            }
            run.looked = false;
        }
        run.next_look = now.saturating_add(LOOK.mul_f64(0.5 + at.share()));
        match self.locking {
            Some(_) => Some(Wish::Moved),
            None => Some(Wish::Lock(self.rules.timeouts.store_lock)),
        }
    }

    /// No caller needs the lock any more that is waited for.
    pub(super) fn leave_the_queue(&mut self, now: Now) {
        let works = self.run.as_ref().is_some_and(|run| run.is_working() && !run.only_looks);
        let saves = self.pending.as_ref().is_some_and(|pending| pending.offers.are_due(now));
        if let Some(out) = self.locking.take_if(|_| !works && !saves) {
            self.aborts.push(out.id);
        }
    }

    pub(super) fn ask_for_lock(&mut self, wait: Duration, at: Moment) -> Operation {
        let out = self.out(StoreOp::Lock(wait), at, wait);
        let id = out.id;
        self.locking = Some(out);
        Operation::Store(id, StoreOp::Lock(wait))
    }

    /// A look without the lock decides only whether there is something to take over, or a word of others to be heeded.
    fn act_on_look(&mut self, at: Moment) -> Option<Wish> {
        if self.plan(at.now) == Plan::Adopt {
            return Some(self.adopt(at));
        }
        if let Some(wish) = self.heed_word(at) {
            return Some(wish);
        }
        if self.run.as_ref().is_some_and(|run| run.only_looks) {
            return Some(self.end_look(at));
        }
        self.seen = None;
        Some(Wish::Moved)
    }

    pub(super) fn act(&mut self, at: Moment) -> Option<Wish> {
        let plan = self.plan(at.now);
        if plan == Plan::Adopt {
            return Some(self.adopt(at));
        }
        let run = self.run.as_mut()?;
        if plan == Plan::Recover {
            let (id, current) = (run.id, self.current.as_ref().map(|token| token.generation));
            let pending = self.pending.as_mut()?;
            (pending.run, pending.replaces, pending.tries) = (Some(id), current, 0);
            pending.expected = self.seen.as_ref().and_then(StoreSeen::generation);
            return Some(Wish::Moved);
        }
        if let Some((issued, lineage)) = run.conversation.granted.take() {
            return Some(self.keep(issued, None, Generation::first(lineage), at));
        }
        if let Some(wish) = self.heed_word(at) {
            return Some(wish);
        }
        match plan {
            Plan::Refuse => {
                let trouble = self.seen.as_ref().and_then(|seen| seen.trouble.clone());
                Some(self.fail(Error::not_without_store(trouble.as_ref()), at))
            }
            Plan::Renew { with, .. } => match self.source(with) {
                // A token whose renewal was lost may be used up: where signing in costs nothing, it is not presented again.
                Some(token) if self.is_doubtful(&token) => self.wish_to_sign_in(at),
                Some(token) => Some(Wish::Vendor(VendorOp::Renew(token))),
                None => self.wish_to_sign_in(at),
            },
            Plan::SignIn | Plan::Adopt | Plan::Recover => self.wish_to_sign_in(at),
        }
    }

    pub(super) fn is_doubtful(&self, token: &Token) -> bool {
        let quiet = self.rules.capabilities.signs_in_quietly() && self.rules.rotates();
        quiet && self.memory.lost_renewal == Some(token.generation)
    }

    fn source(&self, with: TokenSource) -> Option<Arc<Token>> {
        match with {
            TokenSource::Held => self.current.clone(),
            TokenSource::Stored => self.seen.as_ref()?.token.clone(),
            TokenSource::PendingToken => self.pending.as_ref().map(|pending| pending.token.clone()),
        }
    }

    fn wish_to_sign_in(&mut self, at: Moment) -> Option<Wish> {
        let (quiet, once) = {
            let capabilities = &self.rules.capabilities;
            (capabilities.signs_in_quietly(), capabilities.spent_by_sign_in)
        };
        let usable = self.usable(at.now).is_some();
        let run = self.run.as_mut()?;
        if let Some(refused) = run.refused.take_if(|_| once) {
            return Some(self.fail(refused, at));
        }
        // Where a sign-in takes a person, or leads to another account, none is made while the old token is still good.
        if matches!(run.reason, Reason::Early | Reason::Late) && !quiet && usable {
            return Some(self.fail(Error::used_to_its_end(), at));
        }
        let used = self.seen.as_ref().is_some_and(StoreSeen::says_seed_is_used);
        #[cfg(test)]
        let used = used && !self.rules.lacks(BrokenRule::Seed);
        if once && (self.memory.seed_used || used) {
            return Some(self.fail(Error::seed_used(self.rules.capabilities.credential), at));
        }
        if let Some(question) = self.code_still_good(at.now) {
            return self.show_again(question, at);
        }
        let run = self.run.as_mut()?;
        run.signs_in = true;
        Some(Wish::Vendor(VendorOp::SignIn(run.conversation.clone())))
    }

    /// Saved before it is served.
    fn wish_to_save(&mut self, at: Moment) -> Option<Wish> {
        let there = self.seen.as_ref().and_then(|seen| self.there(seen, at.now));
        let pending = self.pending.as_mut()?;
        if !pending.conflict {
            let (expected, record) = (pending.expected, pending.token.record(&self.rules));
            return Some(Wish::Store(StoreOp::Save { expected, record, purpose: Purpose::Token }));
        }
        let Some(seen) = &self.seen else { return Some(Wish::Store(StoreOp::Load)) };
        if let Some(trouble) = seen.trouble.clone() {
            return Some(self.commit(Err(trouble), at));
        }
        let ours = pending.generation();
        match resolve(ours, pending.replaces, there) {
            Conflict::SaveOver(expected) if pending.tries < SAVES => {
                (pending.expected, pending.conflict) = (expected, false);
                Some(Wish::Moved)
            }
            Conflict::SaveOver(_) | Conflict::Keep => Some(self.commit(Err(StoreError::others_keep_changing()), at)),
            Conflict::Adopt => {
                let needless = there.is_some_and(|there| is_one_too_many(ours, there.generation()));
                self.drop_pending(needless);
                Some(self.adopt(at))
            }
            Conflict::Revoke => {
                self.drop_pending(true);
                self.memory.remember_signed_out(ours.lineage);
                Some(Wish::Moved)
            }
        }
    }

    /// What stands in the store. What was signed out here is none, whether the store has heard of it or not.
    pub(super) fn there(&self, seen: &StoreSeen, now: Now) -> Option<Stored> {
        let there = seen.stored(now, self.memory.used_refresh, self.rules.salt)?;
        let is_signed_out = self.memory.signed_out.contains(&there.generation().lineage);
        #[cfg(test)]
        let is_signed_out = is_signed_out && !self.rules.lacks(BrokenRule::Tombstones);
        Some(if is_signed_out { Stored::Tombstone(there.generation()) } else { there })
    }

    fn drop_pending(&mut self, revokes: bool) {
        if let Some(pending) = self.pending.take().filter(|_| revokes) {
            self.revocations.push_back(Revocation { token: pending.token, sign_out: None });
        }
    }

    pub(super) fn plan(&self, now: Now) -> Plan {
        let seen = self.seen.as_ref();
        let stored = seen.and_then(|seen| self.there(seen, now));
        if self.steps_up(stored) {
            return Plan::SignIn;
        }
        let (memory, salt) = (&self.memory, self.rules.salt);
        let known = |token: &Token, freshness| token.known(freshness, memory.used_refresh, salt);
        let trouble = seen.is_some_and(|seen| seen.trouble.is_some());
        #[cfg(test)]
        let trouble = trouble && !self.rules.lacks(BrokenRule::Trouble);
        let signed_out = memory.signed_out.as_slice();
        #[cfg(test)]
        let signed_out = if self.rules.lacks(BrokenRule::Tombstones) { &[] } else { signed_out };
        plan(&Snapshot {
            stored,
            held: self
                .current
                .as_ref()
                .map(|token| known(token, if self.rejected { Freshness::Ended } else { token.freshness(now) })),
            unsaved: self.pending.as_ref().map(|pending| PendingToken {
                known: known(&pending.token, pending.token.freshness(now)),
                expected: pending.expected,
                ours_alone: pending.ours_alone,
            }),
            signed_out,
            asked: self.run.as_ref().is_some_and(|run| run.reason == Reason::Asked),
            may_refresh: self.rules.capabilities.renewal.has_refresh_token() && !memory.skip_refresh,
            may_spend: !trouble || !self.rules.rotates(),
            sign_in_spends: self.rules.capabilities.spent_by_sign_in,
            may_begin: self.rules.capabilities.signs_in_quietly()
                && self.pending.as_ref().is_some_and(|pending| Some(pending.generation().lineage) != memory.stored),
        })
    }

    /// Whether the session that another one is to take the place of is still there.
    fn steps_up(&self, stored: Option<Stored>) -> bool {
        let Some(step) = self.run.as_ref().and_then(|run| run.conversation.step_up()) else { return false };
        let there = match stored {
            Some(Stored::Session(known)) => Some(known.generation),
            _ => self.current.as_ref().map(|token| token.generation),
        };
        there.is_some_and(|there| there.lineage == step.lineage)
    }

    /// Takes over what another process has stored. What of ours was not saved, and what the vendor has handed out to this run
    /// meanwhile, is one session too many.
    pub(super) fn adopt(&mut self, at: Moment) -> Wish {
        let Some(token) = self.seen.as_ref().and_then(|seen| seen.token.clone()) else { return Wish::Moved };
        let used = self.current.as_ref().map(|token| token.generation);
        if let Some(pending) = self.pending.take() {
            let (ours, theirs) = (pending.generation(), token.generation);
            if used != Some(ours) && is_one_too_many(ours, theirs) {
                self.revocations.push_back(Revocation { token: pending.token, sign_out: None });
            }
        }
        let granted = self.run.as_mut().and_then(|run| run.conversation.granted.take());
        if let Some((issued, lineage)) = granted {
            self.owe_revocation(issued.tokens, Generation::first(lineage), at);
        }
        self.memory.stored = Some(token.generation.lineage);
        self.notes.push(Note::Happened(What::Adopted { generation: token.generation }));
        self.publish(token);
        self.end(Ok(()), at)
    }

    pub(super) fn publish(&mut self, token: Arc<Token>) {
        (self.rejected, self.memory.in_a_row, self.memory.lost_renewal) = (false, 0, None);
        self.current = Some(token);
    }

    /// The new token is in the store, or the store has not taken it and it is kept here: now it is served.
    pub(super) fn commit(&mut self, saved: Result<(), StoreError>, at: Moment) -> Wish {
        let Some(mut pending) = self.pending.take() else { return Wish::Moved };
        let (token, renewed, profile) = (pending.token.clone(), pending.renewed, pending.profile.take());
        if token.evicted && !renewed && pending.replaces != Some(token.generation) {
            self.notes.push(Note::Happened(What::Evicted));
        }
        self.note_success(&token, renewed, at.now);
        if let Err(error) = saved {
            self.notes.push(Note::Happened(What::NotSaved { why: error.to_string() }));
            self.notes.push(Note::StoreFailed(error.clone()));
            pending.run = None;
            pending.ours_alone = error.is_unavailable();
            // What it replaces is used up: the token that was renewed, or a credential that begins one session.
            let used_up = if renewed { self.rules.rotates() } else { self.rules.capabilities.spent_by_sign_in };
            #[cfg(test)]
            let used_up = used_up && !self.rules.lacks(BrokenRule::LockWhileUnsaved);
            pending.keeps_lock_at = (used_up && self.locked).then(|| at.now.monotonic.saturating_add(KEEP));
            pending.conflict = false;
            pending.postpone(error, at.now, self.closing);
            self.pending = Some(pending);
        }
        if profile.is_some() {
            self.profile = profile;
        }
        // A token that is dead on arrival displaces none that is alive.
        let dead = token.deadlines.left(at.now) < SHORTEST;
        if !dead || self.usable(at.now).is_none() {
            self.publish(token);
        }
        if dead { self.fail(Error::dead_on_arrival(), at) } else { self.end(Ok(()), at) }
    }

    fn note_success(&mut self, token: &Token, renewed: bool, now: Now) {
        let Some(run) = &self.run else { return };
        let took = now.monotonic.saturating_sub(run.started.monotonic);
        let (reason, generation) = (run.reason, token.generation);
        self.notes.push(Note::Happened(match renewed {
            true => What::Renewed { reason, took, generation },
            false if self.rules.is_static() => What::Given { generation },
            false => What::SignedIn { reason, took, generation },
        }));
    }

    /// Another process has left word that the vendor is not to be asked.
    fn heed_word(&mut self, at: Moment) -> Option<Wish> {
        let run = self.run.as_ref()?;
        let record = self.seen.as_ref()?.record.as_ref()?;
        let Some((error, failures, wait)) = Word::read(record, at.now.wall) else {
            // The wait is over, and the next one goes on from there: else each process that starts would begin anew.
            self.memory.cooldown.follows(record.not_before.map_or(0, |wait| wait.failures_at(at.now.wall)));
            return None;
        };
        // What the vendor asked for is waited for, even if a caller insists.
        if run.insists && error.kind() != ErrorKind::Throttled {
            return None;
        }
        self.memory.cooldown.learned(error, failures, Some(wait), at.now);
        Some(self.end_look(at))
    }
}
