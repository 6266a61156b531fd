//! The vendor's budget of sign-in attempts, counted together with every process that shares the store.
//!
//! Pure: it says which record is to be loaded and saved next, and is told what came of it.

use crate::{clock::Now, store::Generation};
use std::time::{Duration, SystemTime};

/// How often other processes may be faster to write down an attempt before this one is counted here alone.
const TRIES: u32 = 20;

/// How many attempts a vendor allows in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) attempts: usize,
    pub(crate) within: Duration,
}

/// What counting an attempt comes to: its name, or how long to wait until the vendor would allow it.
pub(crate) type Counted = Result<SystemTime, Duration>;

/// What is being written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Job {
    /// An attempt is about to be made.
    Count,
    /// An attempt never reached the vendor.
    Release(SystemTime),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LedgerStage {
    Load(Job),
    /// `outcome`: what the caller hears once this is written.
    Save {
        job: Job,
        expected: Option<Generation>,
        outcome: Option<Counted>,
    },
}

/// What the ledger wants of the store next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerEntry {
    Load,
    /// Keep these attempts in the place of what has this generation.
    Save {
        expected: Option<Generation>,
        attempts: Vec<SystemTime>,
    },
}

/// The attempts that are known, and the entry that is being made.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Ledger {
    known: Attempts,
    stage: Option<LedgerStage>,
    tries: u32,
    /// Attempts that were not made and are still written down.
    releases: Vec<SystemTime>,
}

impl Ledger {
    /// An attempt is about to be made: it is counted first.
    pub(crate) fn count(&mut self) {
        (self.stage, self.tries) = (Some(LedgerStage::Load(Job::Count)), 0);
    }

    /// This attempt never reached the vendor. If the store does not answer it stays counted there, which is the safe side.
    pub(crate) fn release(&mut self, made: SystemTime) {
        self.known.release(made);
        self.releases.push(made);
    }

    pub(crate) fn next(&mut self) -> Option<LedgerEntry> {
        if self.stage.is_none() {
            (self.stage, self.tries) = (Some(LedgerStage::Load(Job::Release(self.releases.pop()?))), 0);
        }
        Some(match self.stage? {
            LedgerStage::Load(_) => LedgerEntry::Load,
            LedgerStage::Save { expected, .. } => LedgerEntry::Save { expected, attempts: self.known.times() },
        })
    }

    /// The entry that was being made is given up; an attempt that was counted for it is not.
    pub(crate) fn give_up(&mut self) {
        if let Some(LedgerStage::Save { outcome: Some(Ok(made)), .. }) = self.stage.take() {
            self.known.release(made);
        }
    }

    /// What the store has written down; `None`: it does not answer. Returns what counting came to, once it is known.
    pub(crate) fn loaded(
        &mut self,
        stored: Option<(Option<Generation>, &[SystemTime])>,
        budget: Budget,
        now: Now,
    ) -> Option<Counted> {
        let Some(LedgerStage::Load(job)) = self.stage.take() else { return None };
        let answers = stored.is_some();
        let (expected, times) = stored.unwrap_or_default();
        let corrected = self.known.learn(times, budget, now);
        let outcome = match job {
            Job::Count => Some(self.known.spend(budget, now)),
            Job::Release(made) => {
                self.known.release(made);
                None
            }
        };
        // A refusal writes nothing, unless a time that was wrong is to be put right for everybody.
        let writes = answers && (!matches!(outcome, Some(Err(_))) || corrected);
        if writes {
            self.stage = Some(LedgerStage::Save { job, expected, outcome });
            return None;
        }
        outcome
    }

    /// Whether it was written; `None`: the store does not answer.
    pub(crate) fn saved(&mut self, written: Option<bool>, budget: Budget, now: Now) -> Option<Counted> {
        let Some(LedgerStage::Save { job, outcome, .. }) = self.stage.take() else { return None };
        if written != Some(false) {
            return outcome;
        }
        // Another process counted one in between: look again.
        if let Some(Ok(made)) = outcome {
            self.known.release(made);
        }
        self.tries += 1;
        if self.tries < TRIES {
            self.stage = Some(LedgerStage::Load(job));
            return None;
        }
        (job == Job::Count).then(|| self.known.spend(budget, now))
    }
}

/// What is ahead by less is put down to clocks that differ.
const SKEW: Duration = Duration::from_secs(60);

/// The attempts that still count, as far as this process and its store know, oldest first.
///
/// When an attempt was made is told by the wall clock, because others read it; until when it counts is told by the
/// monotonic one from the moment it became known here, so that no clock that is set reopens a budget.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Attempts(Vec<Attempted>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Attempted {
    made: SystemTime,
    /// Monotonic.
    counts_until: Duration,
}

impl Attempts {
    /// Takes note of attempts that others made. One that lies in the future (a clock was set back) counts as made now, from
    /// now on: answers whether there was one.
    pub(crate) fn learn(&mut self, stored: &[SystemTime], budget: Budget, now: Now) -> bool {
        let mut corrected = false;
        for made in stored.iter().copied() {
            if self.0.iter().any(|known| known.made == made) {
                continue;
            }
            let age = now.wall.duration_since(made);
            // A moment ahead is another machine's clock, not a wrong one.
            let ahead = age.as_ref().is_err_and(|ahead| ahead.duration() > SKEW);
            corrected |= ahead;
            let made = if ahead { self.unused(now.wall) } else { made };
            let counts_until = now.monotonic.saturating_add(budget.within.saturating_sub(age.unwrap_or_default()));
            self.add(Attempted { made, counts_until });
        }
        self.forget_old(now);
        corrected
    }

    /// Counts one attempt and names it, or says how long to wait until the vendor would allow it.
    pub(crate) fn spend(&mut self, budget: Budget, now: Now) -> Result<SystemTime, Duration> {
        self.forget_old(now);
        if self.0.len() >= budget.attempts {
            // When so many have ended that one is free again.
            let frees = self.0[self.0.len() - budget.attempts].counts_until;
            return Err(frees.saturating_sub(now.monotonic));
        }
        let made = self.unused(now.wall);
        self.add(Attempted { made, counts_until: now.monotonic.saturating_add(budget.within) });
        Ok(made)
    }

    /// Its time is its name.
    fn unused(&self, time: SystemTime) -> SystemTime {
        let mut made = whole_millis(time);
        while self.0.iter().any(|known| known.made == made) {
            made += Duration::from_millis(1);
        }
        made
    }

    /// This attempt never reached the vendor.
    pub(crate) fn release(&mut self, made: SystemTime) {
        self.0.retain(|known| known.made != made);
    }

    pub(crate) fn times(&self) -> Vec<SystemTime> {
        self.0.iter().map(|known| known.made).collect()
    }

    /// In the order in which they end.
    fn add(&mut self, attempted: Attempted) {
        let at = self.0.partition_point(|known| known.counts_until <= attempted.counts_until);
        self.0.insert(at, attempted);
    }

    fn forget_old(&mut self, now: Now) {
        self.0.retain(|known| now.monotonic < known.counts_until);
    }
}

/// As a store keeps it.
fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let monotonic = Duration::from_secs(seconds);
        Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + monotonic, monotonic }
    }

    const TEN: Budget = Budget { attempts: 10, within: Duration::from_secs(600) };
    const ONE: Budget = Budget { attempts: 1, ..TEN };

    #[apply(leak_checked!)]
    fn the_eleventh_attempt_in_ten_minutes_is_refused_here() {
        let mut attempts = Attempts::default();
        for second in 0..10 {
            assert!(attempts.spend(TEN, at(second)).is_ok());
        }
        assert_eq!(attempts.spend(TEN, at(10)), Err(Duration::from_secs(590)));
        let made = attempts.spend(TEN, at(600)).expect("the first one has ended");
        attempts.release(made);
        assert!(attempts.spend(TEN, at(600)).is_ok());
        assert_eq!(attempts.spend(TEN, at(600)), Err(Duration::from_secs(1)));
    }

    /// Others are faster each time.
    fn outraced(ledger: &mut Ledger) -> Option<Counted> {
        for n in 1..20 {
            assert_eq!(ledger.next(), Some(LedgerEntry::Load));
            assert_eq!(ledger.loaded(Some((None, &[])), TEN, at(0)), None);
            assert!(matches!(ledger.next(), Some(LedgerEntry::Save { .. })));
            assert_eq!(ledger.saved(Some(false), TEN, at(0)), None, "{n}");
        }
        ledger.loaded(Some((None, &[])), TEN, at(0));
        ledger.saved(Some(false), TEN, at(0))
    }

    #[apply(leak_checked!)]
    fn after_twenty_tries_an_attempt_is_counted_here_alone_and_its_release_is_given_up() {
        let mut ledger = Ledger::default();
        ledger.count();
        let made = outraced(&mut ledger).expect("it is counted").expect("it is allowed");
        assert_eq!((ledger.next(), ledger.known.times().len()), (None, 1));
        ledger.release(made);
        assert_eq!(ledger.next(), Some(LedgerEntry::Load));
        assert_eq!(outraced(&mut ledger), None);
        assert_eq!((ledger.next(), ledger.known.times().len()), (None, 0));
    }

    #[apply(leak_checked!)]
    fn what_a_store_that_does_not_answer_holds_is_not_written_over() {
        let mut ledger = Ledger::default();
        ledger.count();
        assert!(matches!(ledger.loaded(None, TEN, at(0)), Some(Ok(_))));
        assert_eq!(ledger.next(), None);
    }

    #[apply(leak_checked!)]
    fn a_minute_ahead_is_another_clock_and_more_is_a_wrong_one() {
        assert!(!Attempts::default().learn(&[at(60).wall], TEN, at(0)));
        assert!(Attempts::default().learn(&[at(61).wall], TEN, at(0)));
    }

    #[apply(leak_checked!)]
    fn no_clock_that_is_set_reopens_the_budget() {
        let mut attempts = Attempts::default();
        assert!(attempts.spend(ONE, at(10_000)).is_ok());
        for wall in [at(0).wall, at(1_000_000).wall] {
            let jumped = Now { wall, ..at(10_100) };
            assert_eq!(attempts.spend(ONE, jumped), Err(Duration::from_secs(500)));
        }
    }

    #[apply(leak_checked!)]
    fn the_attempts_of_others_count_for_what_is_left_of_their_time_and_only_once() {
        let mut attempts = Attempts::default();
        let others = [at(100).wall];
        attempts.learn(&others, ONE, at(400));
        attempts.learn(&others, ONE, at(500));
        assert_eq!(attempts.spend(ONE, at(500)), Err(Duration::from_secs(200)));
        assert!(attempts.spend(ONE, at(700)).is_ok());
    }

    #[apply(leak_checked!)]
    fn an_attempt_from_the_future_counts_as_made_now() {
        let mut attempts = Attempts::default();
        assert!(attempts.learn(&[at(99_999).wall], ONE, at(0)));
        assert_eq!(attempts.spend(ONE, at(0)), Err(Duration::from_secs(600)));
        assert_eq!(attempts.times(), [at(0).wall], "it is put right");
        assert!(!attempts.learn(&[at(0).wall], ONE, at(1)));
    }

    #[apply(leak_checked!)]
    fn attempts_of_the_same_moment_are_told_apart() {
        let mut attempts = Attempts::default();
        let (first, second) = (attempts.spend(TEN, at(0)), attempts.spend(TEN, at(0)));
        let first = first.expect("the budget has room");
        assert_eq!((first, second), (at(0).wall, Ok(at(0).wall + Duration::from_millis(1))));
        assert_eq!(attempts.times(), [first, first + Duration::from_millis(1)]);
    }

    #[apply(leak_checked!)]
    fn an_attempt_is_named_in_whole_milliseconds_as_a_store_keeps_it() {
        let mut attempts = Attempts::default();
        let now = Now { wall: at(0).wall + Duration::from_micros(1999), ..at(0) };
        assert_eq!(attempts.spend(TEN, now), Ok(at(0).wall + Duration::from_millis(1)));
    }

    #[apply(leak_checked!)]
    fn every_attempt_of_the_others_counts() {
        let mut attempts = Attempts::default();
        attempts.learn(&[at(100).wall, at(101).wall], TEN, at(102));
        assert_eq!(attempts.times(), [at(100).wall, at(101).wall]);
    }
}
