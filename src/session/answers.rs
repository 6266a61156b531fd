//! What came of what was asked: each answer changes the state, and the rules see what is to be done next.

#[cfg(test)]
use super::rules::BrokenRule;
use super::{
    budget::Counted,
    core::{LOOK, PermitStage, SAVES, SessionCore, TOMBSTONES},
    operation::{Event, Note, Out, Purpose, StoreOp, VendorOp},
    run::{Run, RunStage},
    seen::StoreSeen,
    token::{Moment, Token},
    wishes::failed,
};
use crate::{
    Error,
    clock::Now,
    store::{Record, StoreError},
};
use std::{sync::Arc, time::Duration};

/// What is ahead by less is put down to clocks that differ.
const SKEW: Duration = Duration::from_secs(60);

/// A store that fails after so long has not answered, and is not asked again for as long: one run asks it several times.
const HANGS: Duration = Duration::from_secs(2);
const LEFT_ALONE: Duration = Duration::from_secs(5);

impl SessionCore {
    /// What came of the operation of this number. Answers whether it was still wanted: a lock that was not is to be left.
    pub(crate) fn on(&mut self, id: u64, event: Event, at: Moment) -> bool {
        let lost = matches!(event, Event::Lost);
        if let Some(out) = self.store.take_if(|out| out.id == id) {
            self.store_answered(out, event, at);
        } else if let Some(out) = self.locking.take_if(|out| out.id == id) {
            self.end_glance();
            self.store_answered(out, event, at);
        } else if let Some(out) = self.vendor.take_if(|out| out.id == id) {
            self.vendor_answered(out, event, at);
        } else if let Some(out) = self.revoking.take_if(|out| out.id == id) {
            self.revoked(out.what, event);
        } else if let Some(out) = self.person.take_if(|out| out.id == id) {
            self.person_answered(out.what.policy, event, at);
        } else {
            if let Event::Issued(asked, Ok(issued)) = event {
                self.came_too_late(&asked, issued, at);
            }
            return false;
        }
        if lost {
            // The task that had the lock for it is gone.
            (self.locked, self.seen) = (false, None);
        }
        true
    }

    /// When (monotonic) the first of what is out has taken too long.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let deadlines = [
            self.store.as_ref().map(|out| out.deadline),
            self.locking.as_ref().map(|out| out.deadline),
            self.vendor.as_ref().map(|out| out.deadline),
            self.revoking.as_ref().map(|out| out.deadline),
            self.person.as_ref().map(|out| out.deadline),
            self.run.as_ref().and_then(|run| match &run.stage {
                RunStage::Polling { question, .. } => question.ends(),
                RunStage::Asking { .. } | RunStage::Working => None,
            }),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// When (monotonic) a rule wants something because time has passed.
    pub(crate) fn due(&self) -> Option<Duration> {
        let works = self.run.as_ref().is_some_and(Run::is_working);
        let idle = self.vendor.is_none();
        #[cfg(test)]
        let idle = idle || self.rules.lacks(BrokenRule::Polls);
        let polls = self.run.as_ref().and_then(|run| match &run.stage {
            RunStage::Polling { next, .. } if idle => Some(*next),
            _ => None,
        });
        if self.store.is_some() {
            return polls;
        }
        let pending = self.pending.as_ref().filter(|_| !works);
        let again = pending.filter(|_| self.locking.is_none()).and_then(|pending| pending.offers.again_at);
        let keep = pending.filter(|_| self.locked).and_then(|pending| pending.keeps_lock_at);
        let names = self.signing_out.as_ref().filter(|names| !names.offers.are_given_up());
        let writes_tombstone = names.and_then(|names| names.offers.again_at);
        let looks = |_: &&Run| if works { self.locking.is_some() } else { self.rules.shared };
        let looks = self.run.as_ref().filter(looks).map(|run| run.next_look);
        [polls, again, keep, writes_tombstone, looks].into_iter().flatten().min()
    }

    /// Whichever comes first.
    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        self.deadline().into_iter().chain(self.due()).min()
    }

    /// What has outlived its deadline is given up. `lost`: no task drives it, so that none has given it up in time.
    pub(crate) fn tick(&mut self, lost: bool, at: Moment) {
        let now = at.now.monotonic;
        let late = |id: Option<(u64, Duration)>| id.filter(|(_, deadline)| *deadline <= now).map(|(id, _)| id);
        let store = late(self.store.as_ref().map(|out| (out.id, out.deadline)));
        let locking = late(self.locking.as_ref().map(|out| (out.id, out.deadline)));
        let vendor = late(self.vendor.as_ref().map(|out| (out.id, out.deadline)));
        let revoking = late(self.revoking.as_ref().map(|out| (out.id, out.deadline)));
        let person = late(self.person.as_ref().map(|out| (out.id, out.deadline)));
        for id in [store, locking, vendor, revoking, person].into_iter().flatten() {
            self.aborts.push(id);
            let event = if lost { Event::Lost } else { self.too_late(id) };
            self.on(id, event, at);
        }
    }

    fn too_late(&self, id: u64) -> Event {
        if let Some(out) = self.store.as_ref().filter(|out| out.id == id) {
            return failed(&out.what, StoreError::too_late()).unwrap_or(Event::Unlocked);
        }
        if self.locking.as_ref().is_some_and(|out| out.id == id) {
            return Event::Locked(Err(StoreError::not_in_time()));
        }
        if let Some(out) = self.vendor.as_ref().filter(|out| out.id == id) {
            let error = Error::vendor_too_late(self.run.as_ref().is_some_and(|run| run.spent));
            return match &out.what {
                VendorOp::Poll(_) => Event::Polled(Err(error)),
                asked => Event::Issued(asked.clone(), Err(error)),
            };
        }
        if self.revoking.as_ref().is_some_and(|out| out.id == id) {
            return Event::Revoked(Err(Error::vendor_too_late(true)));
        }
        Event::Lost
    }

    // ---- The store ----

    fn store_answered(&mut self, out: Out<StoreOp>, event: Event, at: Moment) {
        let took = at.now.monotonic.saturating_sub(out.since);
        let error = match &event {
            Event::Locked(Err(error)) | Event::Loaded(Err(error)) | Event::Saved(Err(error)) => Some(error),
            _ => None,
        };
        let glance = out.deadline.saturating_sub(out.since) <= LOOK;
        if let Some(error) = error.filter(|error| took >= HANGS && !glance && !error.is_busy()) {
            self.hangs = Some((self.runs, at.now.monotonic.saturating_add(LEFT_ALONE), error.clone()));
        }
        match event {
            Event::Lost => self.store_lost(&out.what, at),
            Event::Panicked => {
                // What is owed to it waits, as after any failure.
                if let Some(failure) = failed(&out.what, StoreError::new("it panicked")) {
                    self.stored(out.what, failure, at);
                }
                self.panicked(at);
            }
            event => self.stored(out.what, event, at),
        }
    }

    pub(super) fn stored(&mut self, asked: StoreOp, event: Event, at: Moment) {
        match (asked, event) {
            (_, Event::Locked(Ok(()))) => (self.locked, self.seen) = (true, None),
            (_, Event::Locked(Err(error))) => self.not_locked(error, at),
            (_, Event::Extended(true)) => self.extended(at.now),
            (_, Event::Extended(false)) => self.lock_is_lost(),
            (StoreOp::LoadAttempts, Event::Loaded(loaded)) => self.attempts_loaded(loaded, at.now),
            (StoreOp::SaveAttempts { .. }, Event::Saved(saved)) => self.attempts_saved(saved, at.now),
            (_, Event::Loaded(loaded)) => self.loaded(loaded, at),
            (StoreOp::Save { purpose: Purpose::Token, .. }, Event::Saved(saved)) => self.token_saved(saved, at),
            (StoreOp::Save { purpose: Purpose::Tombstone, .. }, Event::Saved(saved)) => self.tombstone_saved(saved, at),
            (StoreOp::Save { purpose: Purpose::Word, .. }, Event::Saved(saved)) => {
                (self.seen, self.correction) = (None, None);
                self.word.take_if(|word| {
                    word.tries += 1;
                    !matches!(saved, Ok(false)) || word.tries > SAVES
                });
            }
            // Times that others have replaced meanwhile: whatever is saved next meets that, too.
            _ => {}
        }
    }

    /// What was looked for while the lock, or a person, was waited for is not needed any more.
    pub(super) fn end_glance(&mut self) {
        if let Some(out) = self.store.take_if(|out| matches!(out.what, StoreOp::Load)) {
            self.aborts.push(out.id);
        }
    }

    /// Its runtime has ended: the next caller goes on with what is owed.
    fn store_lost(&mut self, asked: &StoreOp, at: Moment) {
        if let StoreOp::LoadAttempts | StoreOp::SaveAttempts { .. } = asked {
            self.ledger.give_up();
        }
        self.lose_run(at);
    }

    /// Busy is not broken: its holder is at work, and to go on without the lock would be to do the same beside it. But a store
    /// that does not even say what it holds does not work.
    fn not_locked(&mut self, error: StoreError, at: Moment) {
        let run = self.run.as_mut().filter(|run| run.is_working());
        match run {
            Some(run) if error.is_busy() && run.blind.is_none() => drop(self.fail(Error::store_is_busy(), at)),
            Some(run) => {
                let blind = run.blind.take().filter(|_| error.is_busy());
                if let Some(error) = &blind {
                    self.hangs = Some((self.runs, at.now.monotonic.saturating_add(LEFT_ALONE), error.clone()));
                }
                let error = blind.unwrap_or(error);
                self.notes.push(Note::StoreFailed(error.clone()));
                run.unlocked = Some(error);
            }
            None => self.postpone(error, at.now),
        }
    }

    pub(super) fn postpone(&mut self, error: StoreError, now: Now) {
        let closing = self.closing;
        self.pending.iter_mut().for_each(|pending| pending.postpone(error.clone(), now, closing));
        self.notes.push(Note::StillUnsaved(error));
    }

    fn extended(&mut self, now: Now) {
        let Some(permit) = &self.permit else { return };
        let PermitStage::Extending(made) = permit.stage else { return };
        let asks = permit.asks;
        self.clear_to_send(asks, now);
        self.answer_permit(asks, Ok(made));
    }

    /// The runtime that kept up what is held has ended. A lock that is held for what is owed alone would never be left.
    pub(crate) fn abandoned(&mut self) {
        if self.store.is_none() && self.vendor.is_none() {
            (self.locked, self.seen) = (false, None);
        }
    }

    fn lock_is_lost(&mut self) {
        (self.locked, self.seen) = (false, None);
        self.pending.iter_mut().for_each(|pending| pending.keeps_lock_at = None);
        let Some(permit) = &self.permit else { return };
        let PermitStage::Extending(made) = permit.stage else { return };
        let asks = permit.asks;
        if let Some(made) = made {
            self.ledger.release(made);
        }
        self.run.iter_mut().for_each(|run| run.lost_lock = true);
        self.answer_permit(asks, Err(Error::lock_lost()));
    }

    fn loaded(&mut self, loaded: Result<Option<(Record, bool)>, StoreError>, at: Moment) {
        let run = self.run.as_mut().filter(|run| run.is_working());
        let works = run.is_some();
        let unlocked = run.as_ref().and_then(|run| run.unlocked.clone());
        let firm = self.locked || unlocked.is_some();
        if firm && let Some(run) = run {
            run.looks += 1;
        }
        let writes_tombstone = self.signing_out.as_ref().is_some_and(|names| names.offers.are_due(at.now));
        if loaded.is_ok() {
            self.run.iter_mut().for_each(|run| run.blind = None);
        }
        match loaded {
            Ok(stored) => self.see(stored, firm, unlocked, at),
            Err(error) if writes_tombstone => self.tombstone_not_written(error, at),
            // A person is asked: what cannot be seen now is looked for again.
            Err(_) if self.run.as_ref().is_some_and(|run| run.peeks) => self.seen = None,
            // To begin another session would be to write over one that another process can read.
            Err(error) if error.is_final() && works => {
                self.notes.push(Note::StoreFailed(error.clone()));
                drop(self.fail(Error::store_is_not_ours(&error), at));
            }
            Err(error) if firm && works => {
                self.notes.push(Note::StoreFailed(error.clone()));
                self.seen = Some(StoreSeen::nothing(Some(error)));
            }
            Err(error) if self.word.is_some() => {
                self.notes.push(Note::StoreFailed(error));
                self.word = None;
            }
            Err(error) if !works => self.postpone(error, at.now),
            // A look before the lock that fails is none.
            Err(error) => {
                self.run.iter_mut().for_each(|run| run.blind = Some(error.clone()));
                self.seen = None;
            }
        }
    }

    fn see(&mut self, stored: Option<(Record, bool)>, firm: bool, trouble: Option<StoreError>, at: Moment) {
        let Some((record, ours)) = stored else {
            self.seen = Some(StoreSeen { firm, read: true, ..StoreSeen::nothing(trouble) });
            return;
        };
        // A moment ahead is another machine's clock, not a wrong one.
        let ahead = record.is_ahead_of(at.now.wall + SKEW);
        let mut record = if ahead { record.brought_back_to(at.now.wall) } else { record };
        self.correction = ahead.then(|| record.clone());
        if let (true, Some(names)) = (ahead, &self.signing_out) {
            // When that session began is not known: a sign-out of what is stored ends it.
            record = record.brought_back_to(names.since.min(at.now.wall));
        }
        if record.is_tombstone() {
            // Also for a store that forgets it.
            self.memory.remember_signed_out(record.generation().lineage);
        }
        let token = Token::kept(&self.rules, &record, at).map(Arc::new);
        self.seen = Some(StoreSeen { record: Some(record), token, foreign: !ours, firm, read: true, trouble });
    }

    fn token_saved(&mut self, saved: Result<bool, StoreError>, at: Moment) {
        self.seen = None;
        let Some(pending) = &mut self.pending else { return };
        if saved.as_ref().is_ok_and(|saved| *saved) {
            self.memory.stored = Some(pending.generation().lineage);
        }
        match (saved, pending.run.is_some()) {
            (Ok(true), true) => drop(self.commit(Ok(()), at)),
            (Ok(true), false) => {
                self.pending = None;
                self.notes.push(Note::SavedLate(true));
            }
            (Ok(false), true) => (pending.conflict, pending.tries) = (true, pending.tries + 1),
            (Ok(false), false) => self.postpone(StoreError::others_keep_changing(), at.now),
            (Err(error), true) => drop(self.commit(Err(error), at)),
            (Err(error), false) => self.postpone(error, at.now),
        }
    }

    fn tombstone_saved(&mut self, saved: Result<bool, StoreError>, at: Moment) {
        self.seen = None;
        let Some(names) = &mut self.signing_out else { return };
        match saved {
            Ok(true) => self.sign_out_is_stored(Ok(())),
            // Another process saved a newer token of it in between: that one gets the tombstone.
            Ok(false) if names.tries < TOMBSTONES => names.tries += 1,
            Ok(false) => self.tombstone_not_written(StoreError::new("others keep saving newer tokens"), at),
            Err(error) => self.tombstone_not_written(error, at),
        }
    }

    /// The user hears of it now, and it stays owed.
    fn tombstone_not_written(&mut self, error: StoreError, at: Moment) {
        let closing = self.closing;
        self.signing_out.iter_mut().for_each(|names| names.postpone(error.clone(), at.now, closing));
        self.sign_out_is_stored(Err(Error::sign_out_not_stored(&error)));
    }

    fn attempts_loaded(&mut self, loaded: Result<Option<(Record, bool)>, StoreError>, now: Now) {
        let Some(budget) = self.rules.capabilities.budget else { return };
        let counted = match loaded {
            Ok(Some((record, _))) => {
                let stored = (Some(record.generation()), record.attempts.as_slice());
                self.ledger.loaded(Some(stored), budget, now)
            }
            Ok(None) => self.ledger.loaded(Some((None, &[])), budget, now),
            Err(error) => {
                self.notes.push(Note::Uncounted(error));
                self.ledger.loaded(None, budget, now)
            }
        };
        self.counted(counted);
    }

    fn attempts_saved(&mut self, saved: Result<bool, StoreError>, now: Now) {
        let Some(budget) = self.rules.capabilities.budget else { return };
        let written = saved.map_err(|error| self.notes.push(Note::Uncounted(error))).ok();
        let counted = self.ledger.saved(written, budget, now);
        self.counted(counted);
    }

    fn counted(&mut self, counted: Option<Counted>) {
        let (Some(counted), Some(permit)) = (counted, &mut self.permit) else { return };
        permit.stage = match counted {
            Ok(made) => PermitStage::Extending(Some(made)),
            Err(wait) => PermitStage::Answered(Err(Error::budget_used_up(wait))),
        };
    }
}
