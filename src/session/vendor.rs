//! What comes of asking the vendor: a token is made of what it issued, or the run fails, or a session too many is ended.

#[cfg(test)]
use super::rules::BrokenRule;
use super::{
    core::{SessionCore, Wish},
    decide::Reason,
    dialogue::OpenQuestion,
    issued::{Issued, Polled},
    operation::{Event, Note, Out, VendorOp},
    profile::SignOut,
    run::{PendingSave, Revocation, Run},
    seen::StoreSeen,
    token::{Birth, Moment, Origin, Token},
    tokens::Tokens,
};
use crate::{Error, ErrorKind, Secret, clock::Now, store::Generation};
use std::{sync::Arc, time::Duration};

impl SessionCore {
    // ---- The vendor ----

    pub(super) fn vendor_answered(&mut self, out: Out<VendorOp>, event: Event, at: Moment) {
        self.permit.take_if(|permit| permit.asks == out.id);
        let ours = self.run.as_ref().is_some_and(|run| run.id == out.run);
        let late = out.deadline <= at.now.monotonic;
        match event {
            Event::Issued(asked, Ok(issued)) if !ours => self.came_too_late(&asked, issued, at),
            Event::Polled(Ok(Polled::Issued(issued))) if !ours => {
                self.owe_revocation(issued.tokens, Generation::first(at.dice), at);
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
        let sent = self.run.as_ref().is_some_and(|run| run.spent);
        if let (VendorOp::Renew(token), true) = (asked, sent) {
            self.memory.lost_renewal = Some(token.generation);
        }
        if ours {
            self.lose_run(at);
        }
    }

    /// Its run is superseded. A session that no caller will use is ended; a renewed token of the session that is still held is
    /// the newest one, and what it was renewed with is used up.
    pub(super) fn came_too_late(&mut self, asked: &VendorOp, issued: Issued, at: Moment) {
        #[cfg(test)]
        if self.rules.lacks(BrokenRule::GivingBack) {
            return;
        }
        let VendorOp::Renew(old) = asked else {
            self.memory.seed_used = true;
            return self.owe_revocation(issued.tokens, Generation::first(at.dice), at);
        };
        let generation = old.generation.next();
        let holds = self.current.as_ref().is_some_and(|token| token.generation == old.generation);
        if self.memory.signed_out.contains(&generation.lineage) {
            return self.owe_revocation(issued.tokens, generation, at);
        }
        if !holds || self.pending.is_some() {
            return;
        }
        let tokens = issued.tokens.keeping(old.tokens.refresh());
        let birth = Birth { began: Some(old.began), ..Birth::of(generation) };
        if let Ok(token) = Token::issued(&self.rules, tokens, birth, at) {
            let mut pending = PendingSave::new(Arc::new(token), true, Some(old.generation), 0);
            (pending.run, pending.offers.again_at) = (None, Some(at.now.monotonic));
            self.pending = Some(pending);
        }
    }

    /// What a person's code has led to, and its run has not come to keep.
    pub(super) fn owe_revocation_of_granted(&mut self, run: &mut Run, at: Moment) {
        if let Some((issued, lineage)) = run.conversation.granted.take() {
            self.owe_revocation(issued.tokens, Generation::first(lineage), at);
        }
    }

    /// Revokes a token that no caller will use, so that no session is left behind.
    pub(super) fn owe_revocation(&mut self, tokens: Tokens, generation: Generation, at: Moment) {
        if let Ok(token) = Token::issued(&self.rules, tokens, Birth::of(generation), at) {
            self.revocations.push_back(Revocation { token: Arc::new(token), sign_out: None });
        }
    }

    pub(super) fn renewed(
        &mut self,
        token: &Arc<Token>,
        outcome: Result<Issued, Error>,
        took: Duration,
        late: bool,
        at: Moment,
    ) {
        let Some(run) = &mut self.run else { return };
        self.notes.push(Note::Asked { renewal: true, reason: run.reason, failure: outcome.as_ref().err().cloned() });
        let error = match outcome {
            Ok(issued) => return self.renewed_with(token, issued, took, at),
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
                if late && run.spent {
                    self.memory.lost_renewal = Some(token.generation);
                }
                // Whatever is wrong with the values, it is nothing a person typed.
                let validation = error.kind() == ErrorKind::Validation;
                self.fail_or_begin_anew(if validation { error.with_kind(ErrorKind::Api) } else { error }, at);
            }
        }
    }

    fn renewed_with(&mut self, token: &Arc<Token>, issued: Issued, took: Duration, at: Moment) {
        // One that comes back is not used up by being used.
        let (used, next) = (token.tokens.refresh(), issued.tokens.refresh());
        if self.rules.rotates() && next.is_some() && next.map(Secret::expose) != used.map(Secret::expose) {
            self.memory.used_refresh = token.refresh_mark(self.rules.salt);
        }
        self.memory.took = took;
        let issued = Issued { tokens: issued.tokens.keeping(used), ..issued };
        drop(self.keep(issued, Some(token), token.generation.next(), at));
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
        if let Some(question) = OpenQuestion::of(&error, &run.conversation, at.now) {
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
        let expected = self.seen.as_ref().and_then(StoreSeen::generation);
        let replaces = self.current.as_ref().map(|token| token.generation);
        let pending =
            PendingSave { profile: issued.profile, replaces, ..PendingSave::new(token, old.is_some(), expected, id) };
        self.replace_pending(pending, at.now);
        Wish::Moved
    }

    /// If that leaves a session that no caller uses any more, it is ended.
    fn replace_pending(&mut self, pending: PendingSave, now: Now) {
        let generation = pending.generation();
        let Some(before) = self.pending.replace(pending) else { return };
        let served = self.usable(now).is_some_and(|token| token.generation == before.generation());
        if !served && super::plan::is_one_too_many(before.generation(), generation) {
            self.revocations.push_back(Revocation { token: before.token, sign_out: None });
        }
    }

    pub(super) fn revoked(&mut self, revocation: Revocation, event: Event) {
        let outcome = match event {
            Event::Revoked(outcome) => outcome,
            // Whether the vendor has heard is not known: it is told again as soon as anything can be.
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
        (self.telling.take_if(|_| self.rules.lacks(BrokenRule::Telling)));
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
}
