//! What came of what was asked: each answer changes the state, and the rules see what is to be done next.

#[cfg(test)]
use super::rules::Broken;
use super::{
    core::{BURIED, Core, LOOK, Memory, PermitStage, Revocation, Seen, Wish},
    decide::Reason,
    dialogue::{About, Answer, Question, Why},
    issued::{Issued, Polled},
    operation::{Event, Note, Out, Purpose, StoreOp, VendorOp},
    profile::SignOut,
    report::What,
    run::{Failure, Outcome, Pending, Run, Stage, Word},
    token::{Birth, Moment, Origin, Token},
    tokens::Tokens,
    wishes::failed,
};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    store::{Fingerprint, Generation, Record, StoreError},
};
use std::{sync::Arc, time::Duration};

/// How often a run begins anew because the store's lock was lost before anything was sent.
const ROUNDS: u32 = 3;

/// How many captchas, or access keys, one sign-in asks for before it gives up.
const MOST_ANSWERS: u32 = 3;

/// What a vendor that is asked too often adds to the interval, for good (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// However often the network fails, the vendor is asked at least this often.
const SLOWEST: Duration = Duration::from_secs(60);

/// What is ahead by less is put down to clocks that differ.
const SKEW: Duration = Duration::from_secs(60);

/// A store that fails after so long has not answered, and is not asked again for as long: one run asks it several times.
const HANGS: Duration = Duration::from_secs(2);
const LEFT_ALONE: Duration = Duration::from_secs(5);

impl Core {
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
            // Whoever had the lock for it is gone.
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
                Stage::Polling { question, .. } => question.ends(),
                Stage::Asking { .. } | Stage::Working => None,
            }),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// When (monotonic) a rule wants something because time has passed.
    pub(crate) fn due(&self) -> Option<Duration> {
        let works = self.run.as_ref().is_some_and(Run::is_working);
        let polls = self.run.as_ref().and_then(|run| match &run.stage {
            Stage::Polling { next, .. } if self.vendor.is_none() => Some(*next),
            _ => None,
        });
        if self.store.is_some() {
            return polls;
        }
        let pending = self.pending.as_ref().filter(|_| !works);
        let again = pending.filter(|_| self.locking.is_none()).and_then(|pending| pending.again_at);
        let keep = pending.filter(|pending| pending.keeps_lock && self.locked).map(|pending| pending.keep_at);
        let buries = self.signing_out.as_ref().filter(|names| !names.is_given_up()).map(|names| names.again_at);
        let looks = self.run.as_ref().filter(|_| works && self.locking.is_some()).map(|run| run.next_look);
        [polls, again, keep, buries, looks].into_iter().flatten().min()
    }

    /// Whichever comes first.
    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        self.deadline().into_iter().chain(self.due()).min()
    }

    /// What has outlived its deadline is given up. `lost`: nobody drives it, so that nobody has given it up in time.
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
            let error = Error::vendor_too_late(self.run.as_ref().is_some_and(|run| run.sent));
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
            (_, Event::Extended(false)) => self.lock_is_lost(at.now),
            (StoreOp::LoadAttempts, Event::Loaded(loaded)) => self.attempts_loaded(loaded, at.now),
            (StoreOp::SaveAttempts { .. }, Event::Saved(saved)) => self.attempts_saved(saved, at.now),
            (_, Event::Loaded(loaded)) => self.loaded(loaded, at),
            (StoreOp::Save { purpose: Purpose::Token, .. }, Event::Saved(saved)) => self.token_saved(saved, at),
            (StoreOp::Save { purpose: Purpose::Tombstone, record, .. }, Event::Saved(saved)) => {
                self.tombstone_saved(&record, saved, at);
            }
            (StoreOp::Save { purpose: Purpose::Times, .. }, Event::Saved(saved)) => {
                self.seen.take_if(|_| matches!(saved, Ok(false)));
            }
            (StoreOp::Save { purpose: Purpose::Word, .. }, Event::Saved(saved)) => {
                (self.seen, self.correction) = (None, None);
                self.word.take_if(|word| {
                    word.tries += 1;
                    !matches!(saved, Ok(false)) || word.tries > super::core::SAVES
                });
            }
            _ => {}
        }
    }

    /// What was looked for while the lock was waited for is not needed any more.
    fn end_glance(&mut self) {
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

    fn postpone(&mut self, error: StoreError, now: Now) {
        let closing = self.closing;
        self.pending.iter_mut().for_each(|pending| pending.postpone(now, closing));
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

    fn lock_is_lost(&mut self, _now: Now) {
        (self.locked, self.seen) = (false, None);
        self.pending.iter_mut().for_each(|pending| pending.keeps_lock = false);
        let Some(permit) = &self.permit else { return };
        let PermitStage::Extending(made) = permit.stage else { return };
        let asks = permit.asks;
        if let Some(made) = made {
            self.ledger.refund(made);
        }
        self.run.iter_mut().for_each(|run| run.lost_lock = true);
        self.answer_permit(asks, Err(Error::lock_lost()));
    }

    fn loaded(&mut self, loaded: Result<Option<(Record, bool)>, StoreError>, at: Moment) {
        let run = self.run.as_mut().filter(|run| run.is_working());
        let unlocked = run.as_ref().and_then(|run| run.unlocked.clone());
        let firm = self.locked || unlocked.is_some();
        if firm && let Some(run) = run {
            run.looks += 1;
        }
        let buries = self.signing_out.as_ref().is_some_and(|names| names.again_at <= at.now.monotonic);
        if loaded.is_ok() {
            self.run.iter_mut().for_each(|run| run.blind = None);
        }
        match loaded {
            Ok(stored) => self.see(stored, firm, unlocked, at),
            Err(error) if buries => self.not_buried(error, at),
            Err(error) if firm && self.run.is_some() => {
                self.notes.push(Note::StoreFailed(error.clone()));
                self.seen = Some(Seen::nothing(Some(error)));
            }
            Err(error) if self.word.is_some() => {
                self.notes.push(Note::StoreFailed(error));
                self.word = None;
            }
            Err(error) if self.run.is_none() => self.postpone(error, at.now),
            // A look before the lock that fails is none.
            Err(error) => {
                self.run.iter_mut().for_each(|run| run.blind = Some(error.clone()));
                self.seen = None;
            }
        }
    }

    fn see(&mut self, stored: Option<(Record, bool)>, firm: bool, trouble: Option<StoreError>, at: Moment) {
        let Some((record, ours)) = stored else {
            self.seen = Some(Seen { firm, read: true, ..Seen::nothing(trouble) });
            return;
        };
        // A moment ahead is another machine's clock, not a wrong one.
        let ahead = record.is_ahead_of(at.now.wall + SKEW);
        let mut record = if ahead { record.brought_back_to(at.now.wall) } else { record };
        self.correction = ahead.then(|| record.clone());
        if let (true, Some(names)) = (ahead, &self.signing_out) {
            // When that session began nobody knows: a sign-out of what is stored ends it.
            record = record.brought_back_to(names.since.min(at.now.wall));
        }
        if record.is_tombstone() {
            // Also for a store that forgets it.
            self.memory.bury(record.generation().lineage);
        }
        let token = Token::kept(&self.rules, &record, at).map(Arc::new);
        self.seen = Some(Seen { record: Some(record), token, foreign: !ours, firm, read: true, trouble });
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

    fn tombstone_saved(&mut self, record: &Record, saved: Result<bool, StoreError>, at: Moment) {
        self.seen = None;
        let Some(names) = &mut self.signing_out else { return };
        match saved {
            Ok(true) => {
                names.uncertain.take_if(|late| late.lineage == record.generation().lineage);
                self.sign_out_is_stored(Ok(()));
            }
            // Another process saved a newer token of it in between: that one is to be buried.
            Ok(false) if names.tries < super::core::TOMBSTONES => names.tries += 1,
            Ok(false) => self.not_buried(StoreError::new("others keep saving newer tokens"), at),
            Err(error) => self.not_buried(error, at),
        }
    }

    /// The user hears of it now, and it stays owed.
    fn not_buried(&mut self, error: StoreError, at: Moment) {
        let closing = self.closing;
        self.signing_out.iter_mut().for_each(|names| names.postpone(at.now, closing));
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

    fn counted(&mut self, counted: Option<super::budget::Counted>) {
        let (Some(counted), Some(permit)) = (counted, &mut self.permit) else { return };
        permit.stage = match counted {
            Ok(made) => PermitStage::Extending(Some(made)),
            Err(wait) => PermitStage::Answered(Err(Error::budget_used_up(wait))),
        };
    }

    // ---- The vendor ----

    fn vendor_answered(&mut self, out: Out<VendorOp>, event: Event, at: Moment) {
        self.permit.take_if(|permit| permit.asks == out.id);
        let ours = self.run.as_ref().is_some_and(|run| run.id == out.run);
        let late = out.deadline <= at.now.monotonic;
        match event {
            Event::Issued(asked, Ok(issued)) if !ours => self.came_too_late(&asked, issued, at),
            Event::Polled(Ok(Polled::Issued(issued))) if !ours => {
                self.give_back(issued.tokens, Generation::first(at.dice), at);
            }
            Event::Issued(VendorOp::Renew(token), outcome) if ours => {
                let took = at.now.monotonic.saturating_sub(out.since);
                self.renewed(&token, outcome, took, late, at);
            }
            Event::Issued(_, outcome) if ours => {
                let took = at.now.monotonic.saturating_sub(out.since);
                self.signed_in(outcome, took, at);
            }
            Event::Polled(outcome) if ours => self.polled(outcome, at),
            Event::Lost => self.vendor_lost(&out.what, ours, at),
            Event::Panicked if ours => self.panicked(at),
            _ => {}
        }
    }

    fn vendor_lost(&mut self, asked: &VendorOp, ours: bool, at: Moment) {
        let sent = self.run.as_ref().is_some_and(|run| run.sent);
        if let (VendorOp::Renew(token), true) = (asked, sent) {
            self.memory.lost_renewal = Some(token.generation);
        }
        if ours {
            self.lose_run(at);
        }
    }

    /// Its run is superseded. A session that nobody will use is ended; a renewed token of the session that is still held is
    /// the newest one, and what it was renewed with is used up.
    fn came_too_late(&mut self, asked: &VendorOp, issued: Issued, at: Moment) {
        #[cfg(test)]
        if self.rules.lacks(Broken::GivingBack) {
            return;
        }
        let VendorOp::Renew(old) = asked else {
            self.memory.seed_used = true;
            return self.give_back(issued.tokens, Generation::first(at.dice), at);
        };
        let generation = old.generation.next();
        let holds = self.current.as_ref().is_some_and(|token| token.generation == old.generation);
        if self.memory.signed_out.contains(&generation.lineage) {
            return self.give_back(issued.tokens, generation, at);
        }
        if !holds || self.pending.is_some() {
            return;
        }
        let tokens = issued.tokens.keeping(old.tokens.refresh());
        let birth = Birth { began: Some(old.began), ..Birth::of(generation) };
        if let Ok(token) = Token::issued(&self.rules, tokens, birth, at) {
            let mut pending = Pending::new(Arc::new(token), true, Some(old.generation), 0);
            (pending.run, pending.again_at) = (None, Some(at.now.monotonic));
            self.pending = Some(pending);
        }
    }

    /// What a person's code has led to, and its run has not come to keep.
    pub(super) fn give_back_granted(&mut self, run: &mut Run, at: Moment) {
        if let Some((issued, lineage)) = run.conversation.granted.take() {
            self.give_back(issued.tokens, Generation::first(lineage), at);
        }
    }

    /// The vendor is told of a token that nobody will use, so that no session is left behind.
    pub(super) fn give_back(&mut self, tokens: Tokens, generation: Generation, at: Moment) {
        if let Ok(token) = Token::issued(&self.rules, tokens, Birth::of(generation), at) {
            self.revocations.push_back(Revocation { token: Arc::new(token), sign_out: None });
        }
    }

    fn renewed(&mut self, token: &Arc<Token>, outcome: Result<Issued, Error>, took: Duration, late: bool, at: Moment) {
        let Some(run) = &mut self.run else { return };
        self.notes.push(Note::Asked { renewal: true, reason: run.reason, failure: outcome.as_ref().err().cloned() });
        let error = match outcome {
            Ok(issued) => {
                // One that comes back is not used up by being used.
                let (used, next) = (token.tokens.refresh(), issued.tokens.refresh());
                if self.rules.rotates() && next.is_some() && next.map(Secret::expose) != used.map(Secret::expose) {
                    self.memory.used_refresh = token.refresh_mark(self.rules.salt);
                }
                self.memory.took = took;
                let issued = Issued { tokens: issued.tokens.keeping(used), ..issued };
                drop(self.keep(issued, Some(token), token.generation.next(), at));
                return;
            }
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::SignInRequired => {
                self.notes.push(Note::RefreshRefused);
                self.memory.used_refresh = token.refresh_mark(self.rules.salt);
                (run.refused, self.seen) = (Some(error), None);
            }
            // The vendor may have rotated the token or not: one further try tells.
            _ if error.is_outcome_unknown() && self.rules.rotates() && !run.torn && !late => {
                (run.torn, self.seen) = (true, None);
            }
            _ => {
                if late && run.sent {
                    self.memory.lost_renewal = Some(token.generation);
                }
                // Whatever is wrong with the values, it is nothing a person typed.
                let validation = error.kind() == ErrorKind::Validation;
                self.fail_or_begin_anew(if validation { error.with_kind(ErrorKind::Api) } else { error }, at);
            }
        }
    }

    fn signed_in(&mut self, outcome: Result<Issued, Error>, took: Duration, at: Moment) {
        let Some(run) = &mut self.run else { return };
        self.notes.push(Note::Asked { renewal: false, reason: run.reason, failure: outcome.as_ref().err().cloned() });
        let error = match outcome {
            Ok(issued) => {
                (self.memory.seed_used, self.memory.took) = (true, took);
                drop(self.keep(issued, None, Generation::first(at.dice), at));
                return;
            }
            Err(error) => error,
        };
        if let Some(question) = Question::of(&error, &run.conversation, at.now) {
            return self.asked(question, error, at);
        }
        // Beside the credential a choice was presented: the session that was to end may have ended by itself.
        if error.kind() == ErrorKind::Validation && run.conversation.end_session().is_some() && !run.chose_again {
            run.chose_again = true;
            run.conversation.choose_again();
            run.begins_anew();
            self.seen = None;
            return;
        }
        self.fail_or_begin_anew(error, at);
    }

    /// Makes of what the vendor issued something that can be saved and served.
    pub(super) fn keep(
        &mut self,
        issued: Issued,
        old: Option<&Arc<Token>>,
        generation: Generation,
        at: Moment,
    ) -> Wish {
        let Some(run) = &self.run else { return Wish::Moved };
        let rejections = if run.reason == Reason::Rejected { self.memory.in_a_row } else { 0 };
        let birth = Birth {
            origin: if run.reason == Reason::TooShort { Origin::Need } else { Origin::Vendor },
            rejections,
            evicted: match old {
                Some(old) => old.evicted && rejections == 0,
                None => run.conversation.end_session().is_some(),
            },
            began: old.map(|old| old.began),
            took: self.memory.took,
            ..Birth::of(generation)
        };
        let id = run.id;
        let token = match Token::issued(&self.rules, issued.tokens, birth, at) {
            Ok(token) => Arc::new(token),
            Err(error) => return self.fail(error, at),
        };
        let over = self.seen.as_ref().and_then(Seen::generation);
        let replaces = self.current.as_ref().map(|token| token.generation);
        let pending = Pending { profile: issued.profile, replaces, ..Pending::new(token, old.is_some(), over, id) };
        self.replace_pending(pending);
        Wish::Moved
    }

    /// If that leaves a session that nobody has used, it is ended.
    fn replace_pending(&mut self, pending: Pending) {
        let generation = pending.generation();
        let Some(before) = self.pending.replace(pending) else { return };
        let served = self.current.as_ref().is_some_and(|token| token.generation == before.generation());
        if !served && super::plan::is_one_too_many(before.generation(), before.renewed, generation) {
            self.revocations.push_back(Revocation { token: before.token, sign_out: None });
        }
    }

    fn revoked(&mut self, revocation: Revocation, event: Event) {
        let outcome = match event {
            Event::Revoked(outcome) => outcome,
            // Nobody knows whether the vendor has heard: it is told again as soon as anything can be.
            Event::Lost => return self.revocations.push_front(revocation),
            _ => Err(Error::vendor_too_late(true)),
        };
        let revoked = matches!(outcome, Ok(SignOut::Revoked));
        if !revoked {
            self.notes.push(Note::NotRevoked {
                kind: outcome.err().map(|error| error.kind()),
                asked_for: revocation.sign_out.is_some(),
            });
        }
        let telling = self.telling.as_ref().is_some_and(|telling| revocation.sign_out == Some(telling.id));
        if telling {
            self.told(Some(revoked));
        }
    }

    /// The vendor has heard of one more token, or not; once it has heard of all, the sign-out is over.
    pub(super) fn told(&mut self, revoked: Option<bool>) {
        #[cfg(test)]
        (self.telling.take_if(|_| self.rules.lacks(Broken::Telling)));
        let Some(telling) = &mut self.telling else { return };
        telling.left -= usize::from(revoked.is_some());
        telling.revoked |= revoked.unwrap_or_default();
        if telling.left == 0
            && let Some(telling) = self.telling.take()
        {
            let told = if telling.revoked { SignOut::Revoked } else { SignOut::LocalOnly };
            self.sign_out_ended = Some((telling.id, telling.stored.map(|()| told)));
        }
    }

    // ---- People ----

    /// The vendor wants something that only a person or a policy can give.
    fn asked(&mut self, question: Question, error: Error, at: Moment) {
        let (evicts, attended) = (self.rules.evicts && !self.memory.lost_evicted, self.rules.attended);
        let Some(run) = &mut self.run else { return };
        let chosen = run.conversation.end_session().is_some();
        run.conversation.asked(&question);
        let policy = matches!(question.about, About::Session(_)) && self.rules.evicts;
        self.notes.push(Note::Happened(What::Asked { question: question.name(), kind: question.kind(), policy }));
        let open = match &question.about {
            About::Captcha(_) if run.conversation.captchas > MOST_ANSWERS => Some(Why::TooOften),
            About::AccessKey(_) if run.conversation.access_keys > MOST_ANSWERS => Some(Why::TooOften),
            // One session at most ends per sign-in, and two fleets must not end each other's for ever.
            About::Session(_) if chosen => Some(Why::Unattended),
            About::Session(_) if evicts => None,
            _ if !attended => Some(Why::Unattended),
            _ => None,
        };
        if let Some(why) = open {
            return self.stays_open(question, error, why, at);
        }
        let policy = matches!(question.about, About::Session(_)) && evicts;
        run.stage = match &question.about {
            About::Device(_) => Stage::shows(question, at.now),
            _ => Stage::Asking { question, error, policy },
        };
    }

    fn person_answered(&mut self, policy: bool, event: Event, at: Moment) {
        let Some(run) = &mut self.run else { return };
        let (question, error) = match &run.stage {
            Stage::Asking { question, error, .. } => (question.clone(), error.clone()),
            // It is shown: the vendor is asked meanwhile.
            Stage::Polling { question, .. } => match event {
                Event::Answered(None) => {
                    let (question, error) = (question.clone(), Error::question(&question.about));
                    self.give_up_vendor();
                    return self.stays_open(question, error, Why::Declined, at);
                }
                Event::Panicked => return self.panicked(at),
                _ => return,
            },
            Stage::Working => return,
        };
        let why = match event {
            Event::Answered(Some(answer)) => return self.answered(question, error, answer, policy, at),
            Event::Answered(None) if policy => Why::NoneFits,
            Event::Answered(None) => Why::Declined,
            Event::Panicked => return self.panicked(at),
            _ => Why::TooLate,
        };
        self.stays_open(question, error, why, at);
    }

    fn answered(&mut self, question: Question, error: Error, answer: Answer, policy: bool, at: Moment) {
        // An attempt, and a session, would be spent for nobody.
        if self.waiting == 0 && !policy {
            return self.stays_open(question, error, Why::Nobody, at);
        }
        let Some(run) = &mut self.run else { return };
        match run.conversation.clone().answered(&question, answer) {
            Ok(conversation) => {
                run.conversation = conversation;
                run.begins_anew();
                self.seen = None;
            }
            Err(error) => drop(self.fail(error, at)),
        }
    }

    /// The sign-in stops here, and can be gone on with.
    pub(super) fn stays_open(&mut self, question: Question, error: Error, why: Why, at: Moment) {
        let error = why.word(error).asking(&question.about).advice(question.advice());
        let Some(id) = self.keep_open(question) else { return };
        self.end(Err(Failure { error, question: Some(id) }), at);
    }

    /// Whoever comes can answer it; this is its number.
    pub(super) fn keep_open(&mut self, question: Question) -> Option<u64> {
        let conversation = self.run.as_ref()?.conversation.clone();
        self.memory.questions += 1;
        self.memory.open = Some((self.memory.questions, question, conversation));
        Some(self.memory.questions)
    }

    fn polled(&mut self, outcome: Result<Polled, Error>, at: Moment) {
        let Some(run) = &mut self.run else { return };
        let Stage::Polling { interval, next, question, .. } = &mut run.stage else { return };
        let reason = run.reason;
        match outcome {
            Ok(Polled::Issued(issued)) => {
                self.notes.push(Note::Asked { renewal: false, reason, failure: None });
                run.conversation.granted = Some((issued, at.dice));
                run.begins_anew();
                self.seen = None;
                return self.give_up_person();
            }
            Ok(Polled::Pending) => {}
            Ok(Polled::SlowDown) => *interval = interval.saturating_add(SLOWER),
            Err(error) if error.is_temporary() && !error.is_local() => *interval = slower(*interval, &error),
            Err(error) => {
                self.notes.push(Note::Asked { renewal: false, reason, failure: Some(error.clone()) });
                // That code is of no use any more.
                self.memory.open = None;
                self.give_up_person();
                return drop(self.fail(error, at));
            }
        }
        let left = question.ends().unwrap_or(Duration::MAX).saturating_sub(at.now.monotonic);
        *next = at.now.monotonic.saturating_add((*interval).min(left));
    }

    fn give_up_vendor(&mut self) {
        if let Some(out) = self.vendor.take_if(|out| matches!(out.what, VendorOp::Poll(_))) {
            self.aborts.push(out.id);
        }
    }

    // ---- How a run ends ----

    fn fail_or_begin_anew(&mut self, error: Error, at: Moment) {
        if let Some(run) = self.run.as_mut().filter(|run| run.lost_lock && !run.sent && run.rounds + 1 < ROUNDS) {
            run.rounds += 1;
            run.begins_anew();
            self.seen = None;
            return self.notes.push(Note::LockLost);
        }
        self.fail(error, at);
    }

    pub(super) fn fail(&mut self, error: Error, at: Moment) -> Wish {
        self.end(Err(Failure::from(error)), at)
    }

    pub(super) fn end(&mut self, outcome: Result<(), Failure>, at: Moment) -> Wish {
        let Some(mut run) = self.run.take() else { return Wish::Moved };
        self.give_back_granted(&mut run, at);
        self.give_up_person();
        let outcome = match outcome {
            Ok(()) => {
                let memory = &mut self.memory;
                (memory.skip_refresh, memory.renewal_failed, memory.presented) = (false, false, None);
                memory.cooldown.succeeded();
                memory.open = None;
                Outcome::Served
            }
            Err(failure) => Outcome::Failed(self.failed(&run, failure, at)),
        };
        let told = match &outcome {
            Outcome::Failed(failure) => Err(failure.error.clone()),
            _ => Ok(self.current.as_ref().map(|token| (token.generation, token.expiry()))),
        };
        self.notes.push(Note::ended(&run, self.sign_outs, told, at.now));
        self.ended = Some((run.id, outcome));
        Wish::Moved
    }

    /// Lets the failure cool down, and has it say until when.
    fn failed(&mut self, run: &Run, failure: Failure, at: Moment) -> Failure {
        let Failure { error, question } = failure;
        let memory = &mut self.memory;
        // What was refused may be the choice that a person or a policy has made: the credential had been taken before.
        let choice = error.kind() == ErrorKind::Validation && run.conversation.end_session().is_some();
        // A refusal that was remembered presents nothing and changes nothing.
        let refusal = matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::Validation);
        let refused = refusal && !error.is_local() && !choice;
        let presented = memory.presented.take_if(|_| refused);
        let unnamed = refused && presented.is_none();
        if let Some((mark, _)) = &presented {
            memory.refused = Some((*mark, error.clone()));
        }
        memory.renewal_failed = !run.signs_in;
        // An issuer that does not say what it presents presents the same thing again, as far as anybody knows.
        let given = (self.rules.given || unnamed) && !choice;
        memory.cooldown.failed(&error, at.now, at.share(), given);
        self.notes.push(Note::Happened(What::Failed {
            reason: run.reason,
            kind: error.kind(),
            took: at.now.monotonic.saturating_sub(run.started.monotonic),
        }));
        let wait = memory.cooldown.failure(at.now).map(|(_, wait)| wait);
        let fingerprint = presented.map(|(_, fingerprint)| fingerprint);
        let fingerprint = fingerprint.filter(|_| error.kind() == ErrorKind::InvalidCredentials);
        self.word = self.word_about(&error, wait.flatten(), fingerprint, at.now);
        let error = match wait {
            Some(Some(wait)) if error.is_temporary() => error.with_retry_after(Some(wait)),
            _ => error,
        };
        Failure { error, question }
    }

    /// What other processes that share the store shall know of it.
    fn word_about(
        &self,
        error: &Error,
        wait: Option<Duration>,
        refused: Option<Fingerprint>,
        now: Now,
    ) -> Option<Word> {
        let concerns_all = match error.kind() {
            ErrorKind::Throttled | ErrorKind::Outage => !error.is_local() && wait.is_some(),
            ErrorKind::InvalidCredentials => refused.is_some(),
            _ => false,
        };
        (self.rules.shared && concerns_all).then(|| Word {
            error: error.clone(),
            until: wait.map(|wait| now.wall + wait),
            failures: self.memory.cooldown.failures(),
            refused,
            tries: 0,
        })
    }

    /// Its task is gone without an outcome: those who wait start another one.
    fn lose_run(&mut self, at: Moment) {
        let Some(mut run) = self.run.take() else { return };
        self.give_back_granted(&mut run, at);
        self.pending.iter_mut().for_each(|pending| (pending.run, pending.again_at) = (None, None));
        self.give_up_person();
        // Nobody has heard what came of the answer.
        self.memory.answered.retain(|id| Some(*id) != run.answers);
        self.ended = Some((run.id, Outcome::Lost));
    }

    fn panicked(&mut self, at: Moment) {
        let (surface, credential) = (self.rules.capabilities.surface, self.rules.capabilities.credential);
        self.seen = None;
        self.fail(Error::panicked(surface, credential), at);
    }
}

impl Memory {
    /// This lineage was signed out.
    pub(super) fn bury(&mut self, lineage: u64) {
        self.signed_out.retain(|other| *other != lineage);
        self.signed_out.push(lineage);
        if self.signed_out.len() > BURIED {
            self.signed_out.remove(0);
        }
    }
}

impl Seen {
    pub(super) fn nothing(trouble: Option<StoreError>) -> Self {
        Self { record: None, token: None, foreign: false, firm: true, read: trouble.is_none(), trouble }
    }

    /// A credential that is itself a refresh token begins one session: what the store has had from it, if only a tombstone,
    /// says that it is used up.
    pub(super) fn says_seed_is_used(&self) -> bool {
        !self.foreign && self.record.as_ref().is_some_and(|record| record.seed.is_some())
    }
}

/// A lost answer doubles the interval (RFC 8628, 3.5), and a vendor that says how long to wait is believed.
fn slower(interval: Duration, error: &Error) -> Duration {
    interval.saturating_mul(2).min(SLOWEST.max(interval)).max(error.retry_after().unwrap_or_default())
}
