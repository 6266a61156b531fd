//! What is under way and what is owed, as plain data.

use super::{
    decide::Reason,
    dialogue::{About, Ask, Conversation, OpenQuestion},
    profile::Profile,
    rules::Rules,
    seen::StoreSeen,
    token::Token,
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    store::{Fingerprint, Generation, NotBefore, Record, RecordState, StoreError, WaitReason},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The one sign-in or renewal under way.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) reason: Reason,
    pub(crate) started: Now,
    /// How long the token that was held then had left.
    pub(crate) left: Option<Duration>,
    pub(crate) conversation: Conversation,
    pub(crate) stage: RunStage,
    /// The question that this run answers.
    pub(crate) answers: Option<u64>,
    /// It looks into the store while a failure cools down, and does not ask the vendor.
    pub(crate) only_looks: bool,
    /// It has looked into the store before it wants the lock.
    pub(crate) looked: bool,
    /// When (monotonic) the store is looked into while the lock, or a person, is waited for.
    pub(crate) next_look: Duration,
    /// It looks into the store while a person is asked.
    pub(crate) peeks: bool,
    /// Why the last look before the lock saw nothing.
    pub(crate) blind: Option<StoreError>,
    /// Why it goes on without the lock.
    pub(crate) unlocked: Option<StoreError>,
    pub(crate) lost_lock: bool,
    /// How often it has begun anew because the lock was lost.
    pub(crate) rounds: u32,
    /// How often it has looked into the store under the lock.
    pub(crate) looks: u32,
    /// An answer to a renewal was lost: one further try tells.
    pub(crate) torn: bool,
    /// How the vendor refused the refresh token.
    pub(crate) refused: Option<Error>,
    /// The user insists on a sign-in that was refused before.
    pub(crate) insists: bool,
    /// It has come to signing in.
    pub(crate) signs_in: bool,
    /// It has sent something that spends a token or an attempt.
    pub(crate) spent: bool,
    /// The session that was chosen had ended already, and another one is to be chosen.
    pub(crate) chose_again: bool,
}

/// What a run waits for.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum RunStage {
    /// The store, or the vendor.
    Working,
    /// A person, or the policy that stands in for one.
    Asking { question: OpenQuestion, error: Error, policy: bool },
    /// The vendor, which is asked at its own pace whether a person has entered the code.
    Polling { question: OpenQuestion, interval: Duration, next: Duration, shown: bool },
}

impl RunStage {
    pub(crate) fn polling(question: OpenQuestion, now: Now) -> Self {
        let interval = if let About::Device(device) = &question.about { device.interval } else { Duration::ZERO };
        let left = question.ends().unwrap_or_default().saturating_sub(now.monotonic);
        Self::Polling { question, interval, next: now.monotonic.saturating_add(interval.min(left)), shown: true }
    }

    /// The code is to be shown first; the vendor is asked meanwhile.
    pub(crate) fn shows(question: OpenQuestion, now: Now) -> Self {
        match Self::polling(question, now) {
            Self::Polling { question, interval, next, .. } => Self::Polling { question, interval, next, shown: false },
            stage => stage,
        }
    }
}

impl Run {
    pub(crate) fn new(
        id: u64,
        reason: Reason,
        conversation: Conversation,
        left: Option<Duration>,
        started: Now,
    ) -> Self {
        Self {
            id,
            reason,
            started,
            left,
            conversation,
            stage: RunStage::Working,
            answers: None,
            only_looks: false,
            looked: false,
            next_look: Duration::ZERO,
            peeks: false,
            blind: None,
            unlocked: None,
            lost_lock: false,
            rounds: 0,
            looks: 0,
            torn: false,
            refused: None,
            insists: false,
            signs_in: false,
            spent: false,
            chose_again: false,
        }
    }

    /// Whether it puts another session in the place of a good one.
    pub(crate) fn steps_up(&self) -> bool {
        self.conversation.step_up().is_some()
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self.stage, RunStage::Working)
    }

    /// From now on a person is asked. `look`: when (monotonic) the store is looked into, where others may be let in meanwhile.
    pub(crate) fn waits_for_person(&mut self, stage: RunStage, look: Duration) {
        (self.stage, self.next_look, self.peeks) = (stage, look, false);
    }

    /// Whether it looks into the store before it has the lock.
    pub(crate) fn glances(&self) -> bool {
        self.peeks || self.is_working() && self.unlocked.is_none()
    }

    /// The question that is to be put to a person now.
    pub(crate) fn next_question(&mut self) -> Option<Ask> {
        match &mut self.stage {
            RunStage::Asking { question, policy, .. } => Some(Ask { question: question.clone(), policy: *policy }),
            RunStage::Polling { question, shown, .. } if !*shown => {
                *shown = true;
                Some(Ask { question: question.clone(), policy: false })
            }
            RunStage::Polling { .. } | RunStage::Working => None,
        }
    }

    /// It looks into the store from the beginning once more.
    pub(crate) fn begins_anew(&mut self) {
        (self.stage, self.looked, self.unlocked) = (RunStage::Working, false, None);
        (self.looks, self.lost_lock, self.peeks) = (0, false, false);
    }
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct WaitTicket {
    pub(crate) run: u64,
    /// How many sign-outs there had been.
    pub(crate) sign_outs: u64,
    /// From when on (monotonic) a token that is still valid is taken instead.
    pub(crate) serve_from: Option<Duration>,
    /// The caller asked for this very run.
    pub(crate) explicit: bool,
}

/// How a run ended.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum RunOutcome {
    Served,
    Failed(RunFailure),
    /// What failed was asked for by one caller, beside a session that is good: it is that caller's failure alone.
    FailedBeside(RunFailure),
    /// Its task is gone: those who wait start another one.
    Lost,
}

/// A failure, and the question that can be answered to go on.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct RunFailure {
    pub(crate) error: Error,
    pub(crate) question: Option<u64>,
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        Self { error, question: None }
    }
}

/// When what is owed to the store is offered to it, and how often still.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Offers {
    /// When (monotonic). `None`: not before a run wants the store.
    pub(crate) again_at: Option<Duration>,
    /// Why the store has not taken it, when it was last offered.
    pub(crate) trouble: Option<StoreError>,
    wait: Duration,
    left: u32,
}

impl Offers {
    /// The first wait before it is offered again; it doubles.
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);
    /// How often it is offered before that is left to the next run: about a quarter of an hour in all.
    const MOST: u32 = 20;

    fn from(again_at: Option<Duration>) -> Self {
        Self { again_at, trouble: None, wait: Self::FIRST, left: Self::MOST }
    }

    pub(crate) fn are_due(&self, now: Now) -> bool {
        self.again_at.is_some_and(|again| again <= now.monotonic)
    }

    pub(crate) fn are_given_up(&self) -> bool {
        self.left == 0
    }

    fn postpone(&mut self, error: StoreError, now: Now, closing: bool) {
        self.trouble = Some(error);
        self.left = if closing { 0 } else { self.left.saturating_sub(1) };
        self.again_at = (self.left > 0).then(|| now.monotonic.saturating_add(self.wait));
        self.wait = (self.wait * 2).min(Self::LONGEST);
    }
}

/// A token that the store has not taken.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct PendingSave {
    pub(crate) token: Arc<Token>,
    pub(crate) profile: Option<Profile>,
    /// It continues a session. If not, it began one.
    pub(crate) renewed: bool,
    /// What stood in the store when it was to be saved: that gives way to it.
    pub(crate) expected: Option<Generation>,
    /// What was held when it was asked for.
    pub(crate) replaces: Option<Generation>,
    /// The run that saves it. `None`: it is served already, and offered to the store from time to time.
    pub(crate) run: Option<u64>,
    /// Another process has changed the store meanwhile.
    pub(crate) conflict: bool,
    pub(crate) tries: u32,
    pub(crate) offers: Offers,
    /// The store has certainly not written it.
    pub(crate) ours_alone: bool,
    /// When (monotonic) the lock is kept up next, if it is kept with it, because what it replaces is used up: no other process
    /// may come by that.
    pub(crate) keeps_lock_at: Option<Duration>,
}

impl PendingSave {
    pub(crate) fn new(token: Arc<Token>, renewed: bool, expected: Option<Generation>, run: u64) -> Self {
        Self {
            token,
            profile: None,
            renewed,
            expected,
            replaces: None,
            run: Some(run),
            conflict: false,
            tries: 0,
            offers: Offers::from(None),
            ours_alone: false,
            keeps_lock_at: None,
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.token.generation
    }

    /// The store has failed: it is offered again later, for a while.
    pub(crate) fn postpone(&mut self, error: StoreError, now: Now, closing: bool) {
        self.offers.postpone(error, now, closing);
        self.keeps_lock_at.take_if(|_| self.offers.again_at.is_none());
    }
}

/// A sign-out that the store has not heard of.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct SigningOut {
    pub(crate) id: u64,
    /// The vendor is to be told, too.
    pub(crate) tell: bool,
    /// The sessions that it ends.
    pub(crate) lineages: Vec<u64>,
    /// This client held none: it ends what is stored, if that began before.
    pub(crate) any: bool,
    pub(crate) since: SystemTime,
    /// The newest known token of each, unless it has been revoked.
    pub(crate) tokens: Vec<Arc<Token>>,
    pub(crate) told: Vec<Generation>,
    /// A token that may still get into the store.
    pub(crate) uncertain: Option<Generation>,
    /// The user has heard how it ended here.
    pub(crate) heard: bool,
    pub(crate) tries: u32,
    pub(crate) offers: Offers,
}

impl SigningOut {
    pub(crate) fn new(id: u64, tell: bool, any: bool, since: SystemTime) -> Self {
        Self {
            id,
            tell,
            lineages: Vec::new(),
            any,
            since,
            tokens: Vec::new(),
            told: Vec::new(),
            uncertain: None,
            heard: false,
            tries: 0,
            offers: Offers::from(Some(Duration::ZERO)),
        }
    }

    /// What an earlier one still owes to the store.
    pub(crate) fn inherit(&mut self, earlier: Option<Self>) {
        let Some(earlier) = earlier else { return };
        if earlier.any && !self.any {
            self.since = earlier.since;
        }
        self.told = earlier.told;
        self.lineages = earlier.lineages;
        self.any |= earlier.any;
        self.uncertain = earlier.uncertain;
        self.tokens = earlier.tokens;
    }

    /// Ends the session of this token, by the newest token there is.
    pub(crate) fn name(&mut self, token: Arc<Token>) {
        let lineage = token.generation.lineage;
        if !self.lineages.contains(&lineage) {
            self.lineages.push(lineage);
        }
        match self.tokens.iter_mut().find(|other| other.generation.lineage == lineage) {
            Some(other) if token.generation.is_after(other.generation) => *other = token,
            Some(_) => {}
            None if self.told.contains(&token.generation) => {}
            None => self.tokens.push(token),
        }
    }

    /// What is to be written over what, if what is stored is ended by this.
    pub(crate) fn tombstone(&self, seen: &StoreSeen, rules: &Rules) -> Option<(Option<Generation>, Record)> {
        let there = seen.record.as_ref().map(Record::generation);
        if let Some(token) = &seen.token {
            let named = self.lineages.contains(&token.generation.lineage);
            let ends = named || (self.any && token.began <= self.since);
            let expected = token.generation;
            return ends.then(|| (Some(expected), self.record(expected.next(), seen, rules)));
        }
        // It may be on its way into the store: a tombstone keeps it out.
        let late = self.uncertain?;
        let is_ended = there.is_some_and(|there| there.lineage == late.lineage);
        (!is_ended).then(|| (there, self.record(late.next(), seen, rules)))
    }

    /// Only of a credential that a sign-in uses up does a tombstone say which one it was.
    fn record(&self, generation: Generation, seen: &StoreSeen, rules: &Rules) -> Record {
        let tombstone = match &seen.record {
            Some(record) => record.tombstone(),
            None => Record::new(&rules.key, generation, RecordState::SignedOut),
        };
        let seed = seen.record.as_ref().and_then(|record| record.seed.clone());
        Record { generation, seed: seed.filter(|_| rules.capabilities.spent_by_sign_in), ..tombstone }
    }

    pub(crate) fn postpone(&mut self, error: StoreError, now: Now, closing: bool) {
        self.offers.postpone(error, now, closing);
        self.tries = 0;
    }
}

/// A sign-out is being reported to the vendor.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Telling {
    pub(crate) id: u64,
    pub(crate) stored: Result<(), Error>,
    /// How many of its tokens have not been revoked yet.
    pub(crate) left: usize,
    pub(crate) revoked: bool,
}

/// What other processes shall know of a failure.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Word {
    pub(crate) error: Error,
    /// Until when the vendor is not to be asked. `None`: for good.
    pub(crate) until: Option<SystemTime>,
    pub(crate) failures: u32,
    /// The credential that was refused.
    pub(crate) refused: Option<Fingerprint>,
    pub(crate) tries: u32,
}

impl Word {
    /// This record, with the word in it.
    pub(crate) fn on(&self, record: Record, now: SystemTime) -> Record {
        let reason = match self.error.kind() {
            ErrorKind::Throttled => WaitReason::Throttled,
            ErrorKind::InvalidCredentials => WaitReason::Refused,
            _ => WaitReason::Outage,
        };
        let not_before = self.until.map(|until| NotBefore { until, since: now, reason, failures: self.failures });
        let refused = self.refused.clone().or_else(|| record.refused.clone());
        Record { not_before: not_before.or(record.not_before), refused, ..record }
    }

    /// What other processes have left word of, if it still holds: how it failed, how often in a row, and how long to wait.
    pub(crate) fn read(record: &Record, now: SystemTime) -> Option<(Error, u32, Duration)> {
        let NotBefore { until, reason, failures, .. } = record.not_before?;
        let wait = until.duration_since(now).ok().filter(|wait| !wait.is_zero())?;
        let kind = match reason {
            WaitReason::Throttled => ErrorKind::Throttled,
            WaitReason::Outage => ErrorKind::Outage,
            // Who presents another credential may try it.
            WaitReason::Refused | WaitReason::Evicted => return None,
        };
        Some((Error::left_word(kind).with_retry_after(Some(wait)), failures, wait))
    }
}

/// A token that is to be revoked, because its session ends.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Revocation {
    pub(crate) token: Arc<Token>,
    /// The sign-out that waits for it.
    pub(crate) sign_out: Option<u64>,
}
