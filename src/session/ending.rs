//! How a run ends, and what is learnt from it.

use super::{
    core::{SessionCore, Wish},
    operation::Note,
    report::What,
    run::{Run, RunFailure, RunOutcome, Word},
    token::Moment,
};
use crate::{Error, ErrorKind, clock::Now, store::Fingerprint};
use std::time::Duration;

/// How often a run begins anew because the store's lock was lost before anything was sent.
const ROUNDS: u32 = 3;

impl SessionCore {
    pub(super) fn fail_or_begin_anew(&mut self, error: Error, at: Moment) {
        if let Some(run) = self.run.as_mut().filter(|run| run.lost_lock && !run.spent && run.rounds + 1 < ROUNDS) {
            run.rounds += 1;
            run.begins_anew();
            self.seen = None;
            return self.notes.push(Note::LockLost);
        }
        self.fail(error, at);
    }

    pub(super) fn fail(&mut self, error: Error, at: Moment) -> Wish {
        self.end(Err(RunFailure::from(error)), at)
    }

    /// A look into the store that was made while a person thought is of no use to anybody else.
    fn take_run(&mut self) -> Option<Run> {
        let run = self.run.take()?;
        if run.peeks {
            self.end_glance();
        }
        Some(run)
    }

    pub(super) fn end(&mut self, outcome: Result<(), RunFailure>, at: Moment) -> Wish {
        let Some(mut run) = self.take_run() else { return Wish::Moved };
        self.owe_revocation_of_granted(&mut run, at);
        self.give_up_person();
        let outcome = match outcome {
            Ok(()) => {
                let memory = &mut self.memory;
                (memory.skip_refresh, memory.renewal_failed, memory.presented) = (false, false, None);
                memory.cooldown.succeeded();
                memory.open = None;
                self.note_step_up(&run, at.now);
                RunOutcome::Served
            }
            // The session goes on as if nothing had been.
            Err(failure) if run.steps_up() => {
                self.failed_beside(&failure.error, at);
                self.note_failure(&run, &failure.error, at.now);
                RunOutcome::FailedBeside(failure)
            }
            Err(failure) => RunOutcome::Failed(self.failed(&run, failure, at)),
        };
        let told = match &outcome {
            RunOutcome::Failed(failure) | RunOutcome::FailedBeside(failure) => Err(failure.error.clone()),
            _ => Ok(self.current.as_ref().map(|token| (token.generation, token.expiry()))),
        };
        self.notes.push(Note::ended(&run, self.sign_outs, told, at.now));
        self.ended = Some((run.id, outcome));
        Wish::Moved
    }

    /// Lets the failure cool down, and has it say until when.
    pub(super) fn failed(&mut self, run: &Run, failure: RunFailure, at: Moment) -> RunFailure {
        let RunFailure { error, question } = failure;
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
        self.note_failure(run, &error, at.now);
        let memory = &mut self.memory;
        let wait = memory.cooldown.failure(at.now).map(|(_, wait)| wait);
        let fingerprint = presented.map(|(_, fingerprint)| fingerprint);
        let fingerprint = fingerprint.filter(|_| error.kind() == ErrorKind::InvalidCredentials);
        self.word = self.word_about(&error, wait.flatten(), fingerprint, at.now);
        let error = match wait {
            Some(Some(wait)) if error.is_temporary() => error.with_retry_after(Some(wait)),
            _ => error,
        };
        RunFailure { error, question }
    }

    fn note_failure(&mut self, run: &Run, error: &Error, now: Now) {
        self.notes.push(Note::Happened(What::Failed {
            reason: run.reason,
            kind: error.kind(),
            took: now.monotonic.saturating_sub(run.started.monotonic),
        }));
    }

    /// What other processes that share the store shall know of it.
    pub(super) fn word_about(
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
    pub(super) fn lose_run(&mut self, at: Moment) {
        let Some(mut run) = self.take_run() else { return };
        self.owe_revocation_of_granted(&mut run, at);
        self.pending.iter_mut().for_each(|pending| (pending.run, pending.offers.again_at) = (None, None));
        self.give_up_person();
        // No caller has heard what came of the answer.
        self.memory.answered.retain(|id| Some(*id) != run.answers);
        self.ended = Some((run.id, RunOutcome::Lost));
    }

    pub(super) fn panicked(&mut self, at: Moment) {
        let (surface, credential) = (self.rules.capabilities.surface, self.rules.capabilities.credential);
        self.seen = None;
        self.fail(Error::panicked(surface, credential), at);
    }

    /// It has looked, and there is nothing: the failure goes on cooling down.
    pub(super) fn end_look(&mut self, at: Moment) -> Wish {
        let failure = self.cooling_failure(at.now);
        let Some(run) = self.run.take() else { return Wish::Moved };
        let outcome = Err(failure.error.clone());
        if !run.only_looks {
            self.notes.push(Note::ended(&run, self.sign_outs, outcome, at.now));
        }
        self.ended = Some((run.id, RunOutcome::Failed(failure)));
        Wish::Moved
    }
}
