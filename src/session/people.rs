//! People: what they are asked, what comes of their answers, and how long callers wait for them.

use super::{
    core::{SessionCore, Stepped, Wish, next_peek},
    dialogue::{About, Answer, OpenQuestion, OpenReason},
    issued::Polled,
    operation::{Event, Note, StoreOp, VendorOp},
    plan::Plan,
    report::What,
    run::{Run, RunFailure, RunStage},
    token::Moment,
};
use crate::{Error, ErrorKind, clock::Now};
use std::time::Duration;

/// How many captchas, or access keys, one sign-in asks for before it gives up.
const MOST_ANSWERS: u32 = 3;

/// What a vendor that is asked too often adds to the interval, for good (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// However often the network fails, the vendor is asked at least this often.
const SLOWEST: Duration = Duration::from_secs(60);

/// So soon after a person has signed in for what an API wants, the same is not wanted of them again.
#[cfg(feature = "oauth2")]
pub(super) const STEP_UP: Duration = Duration::from_secs(60);

impl SessionCore {
    /// The vendor wants something that only a person or a policy can give.
    pub(super) fn asked(&mut self, question: OpenQuestion, error: Error, at: Moment) {
        let (evicts, attended) = (self.rules.evicts && !self.memory.lost_evicted, self.rules.attended);
        let Some(run) = &mut self.run else { return };
        let chosen = run.conversation.end_session().is_some();
        run.conversation.asked(&question);
        let policy = matches!(question.about, About::Session(_)) && self.rules.evicts;
        self.notes.push(Note::Happened(What::Asked { question: question.name(), kind: question.kind(), policy }));
        let open = match &question.about {
            About::Captcha(_) if run.conversation.captchas > MOST_ANSWERS => Some(OpenReason::TooOften),
            About::AccessKey(_) if run.conversation.access_keys > MOST_ANSWERS => Some(OpenReason::TooOften),
            About::SecondFactor(_) if run.conversation.second_factors > MOST_ANSWERS => Some(OpenReason::TooOften),
            // One session at most ends per sign-in, and two fleets must not end each other's for ever.
            About::Session(_) if chosen => Some(OpenReason::Unattended),
            About::Session(_) if evicts => None,
            _ if !attended => Some(OpenReason::Unattended),
            _ => None,
        };
        if let Some(why) = open {
            return self.stays_open(question, error, why, at);
        }
        let policy = matches!(question.about, About::Session(_)) && evicts;
        let stage = match &question.about {
            About::Device(_) => RunStage::shows(question, at.now),
            _ => RunStage::Asking { question, error, policy },
        };
        run.waits_for_person(stage, next_peek(at));
    }

    /// A person is asked beside the session, which goes on meanwhile.
    #[cfg(feature = "oauth2")]
    pub(crate) fn asked_beside(&mut self, question: &OpenQuestion) {
        let (name, kind) = (question.name(), question.kind());
        self.notes.push(Note::Happened(What::Asked { question: name, kind, policy: false }));
    }

    /// Whether a person may be asked for what an API wants: not once more where the session there is came of that a moment ago.
    #[cfg(feature = "oauth2")]
    pub(crate) fn may_step_up(&self, wanted: &str, now: Now) -> bool {
        let lineage = self.current.as_ref().map(|token| token.generation.lineage);
        !self.memory.stepped.as_ref().is_some_and(|stepped| {
            let soon = now.monotonic.saturating_sub(stepped.at) < STEP_UP;
            soon && stepped.wanted == wanted && Some(stepped.lineage) == lineage
        })
    }

    /// Not while the provider wants to be left alone, or was not there a moment ago: it may be asked for the page, too.
    #[cfg(feature = "oauth2")]
    pub(crate) fn may_ask_for_page(&self, now: Now) -> Result<(), Error> {
        match self.memory.cooldown.failure(now) {
            Some((error, _)) if is_about_the_provider(error) => Err(self.cooling_failure(now).error),
            _ => Ok(()),
        }
    }

    /// What was asked for beside a good session has failed. That is nobody's affair but the caller's, unless the provider is in
    /// trouble.
    pub(crate) fn failed_beside(&mut self, error: &Error, at: Moment) {
        if is_about_the_provider(error) {
            self.memory.cooldown.failed(error, at.now, at.share(), false);
        }
    }

    pub(super) fn note_step_up(&mut self, run: &Run, now: Now) {
        let (Some(step), Some(token)) = (run.conversation.step_up(), &self.current) else { return };
        let (wanted, lineage) = (step.wanted.clone(), token.generation.lineage);
        self.memory.stepped = Some(Stepped { wanted, lineage, at: now.monotonic });
    }

    pub(super) fn person_answered(&mut self, policy: bool, event: Event, at: Moment) {
        let Some(run) = &mut self.run else { return };
        let (question, error) = match &run.stage {
            RunStage::Asking { question, error, .. } => (question.clone(), error.clone()),
            // It is shown: the vendor is asked meanwhile.
            RunStage::Polling { question, .. } => match event {
                Event::Answered(None) => {
                    let (question, error) = (question.clone(), Error::question(&question.about));
                    self.give_up_vendor();
                    return self.stays_open(question, error, OpenReason::Declined, at);
                }
                Event::Panicked => return self.panicked(at),
                _ => return,
            },
            RunStage::Working => return,
        };
        let why = match event {
            Event::Answered(Some(answer)) => return self.answered(question, error, answer, policy, at),
            Event::Answered(None) if policy => OpenReason::NoneFits,
            Event::Answered(None) => OpenReason::Declined,
            Event::Panicked => return self.panicked(at),
            _ => OpenReason::TooLate,
        };
        self.stays_open(question, error, why, at);
    }

    pub(super) fn answered(&mut self, question: OpenQuestion, error: Error, answer: Answer, policy: bool, at: Moment) {
        // An attempt, and a session, would be spent for no caller.
        if self.waiting == 0 && !policy {
            return self.stays_open(question, error, OpenReason::Nobody, at);
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
    fn stays_open(&mut self, question: OpenQuestion, error: Error, why: OpenReason, at: Moment) {
        let error = why.word(error).asking(&question.about).advice(question.advice());
        let Some(id) = self.keep_open(question) else { return };
        self.end(Err(RunFailure { error, question: Some(id) }), at);
    }

    /// Any later caller can answer it; this is its number.
    fn keep_open(&mut self, question: OpenQuestion) -> Option<u64> {
        let conversation = self.run.as_ref()?.conversation.clone();
        self.memory.questions += 1;
        self.memory.open = Some((self.memory.questions, question, conversation));
        Some(self.memory.questions)
    }

    pub(super) fn polled(&mut self, outcome: Result<Polled, Error>, at: Moment) {
        let Some(run) = &mut self.run else { return };
        let RunStage::Polling { interval, next, question, .. } = &mut run.stage else { return };
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

    /// While a person is asked here, another process that shares the store may be let in: with its session nobody needs to answer
    /// any more.
    pub(super) fn wish_to_peek(&mut self, at: Moment) -> Option<Wish> {
        let run = self.run.as_mut().filter(|run| self.rules.shared && !run.is_working())?;
        if std::mem::take(&mut run.peeks) {
            let finds = self.seen.is_some() && self.plan(at.now) == Plan::Adopt;
            let wish = if finds { self.adopt(at) } else { Wish::Moved };
            self.seen = None;
            return Some(wish);
        }
        if at.now.monotonic < run.next_look {
            return None;
        }
        (run.peeks, run.next_look) = (true, next_peek(at));
        Some(Wish::Store(StoreOp::Load))
    }

    fn give_up_vendor(&mut self) {
        if let Some(out) = self.vendor.take_if(|out| matches!(out.what, VendorOp::Poll(_))) {
            self.aborts.push(out.id);
        }
    }

    /// Asks at the vendor's pace until the person has decided, the code has ended, or no caller waits any more.
    pub(super) fn wish_to_poll(&mut self, now: Now) -> Option<Wish> {
        let run = self.run.as_ref()?;
        let RunStage::Polling { question, next, .. } = &run.stage else { return None };
        let ended = question.ends().is_some_and(|ends| ends <= now.monotonic);
        let at = Moment { now, dice: 0 };
        if ended {
            return Some(self.fail(Error::device_code_ended(), at));
        }
        if now.monotonic < *next {
            return None;
        }
        if self.waiting == 0 {
            return Some(self.nobody_waits(at));
        }
        let About::Device(device) = &question.about else { return None };
        Some(Wish::Vendor(VendorOp::Poll(device.clone())))
    }

    /// Nothing is lost by stopping: the question can be answered again.
    fn nobody_waits(&mut self, at: Moment) -> Wish {
        let answers = self.run.as_ref().and_then(|run| run.answers);
        self.memory.answered.retain(|id| Some(*id) != answers);
        if let Some(RunStage::Polling { question, .. }) = self.run.as_ref().map(|run| &run.stage) {
            let question = question.clone();
            self.keep_open(question);
        }
        self.fail(Error::nobody_waits(), at)
    }

    /// A device code that everybody has stopped waiting for, and that the vendor still takes.
    pub(super) fn code_still_good(&self, now: Now) -> Option<OpenQuestion> {
        let (_, question, _) = self.memory.open.as_ref()?;
        let good = question.ends().is_some_and(|ends| ends > now.monotonic);
        (good && matches!(question.about, About::Device(_))).then(|| question.clone())
    }

    /// The same code, instead of another one.
    pub(super) fn show_again(&mut self, question: OpenQuestion, at: Moment) -> Option<Wish> {
        let run = self.run.as_mut()?;
        if self.rules.attended {
            run.waits_for_person(RunStage::shows(question, at.now), next_peek(at));
        } else {
            let error = Error::question(&question.about);
            self.stays_open(question, error, OpenReason::Unattended, at);
        }
        Some(Wish::Moved)
    }
}

fn is_about_the_provider(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Outage)
}

/// A lost answer doubles the interval (RFC 8628, 3.5), and a vendor that says how long to wait is believed.
fn slower(interval: Duration, error: &Error) -> Duration {
    interval.saturating_mul(2).min(SLOWEST.max(interval)).max(error.retry_after().unwrap_or_default())
}
