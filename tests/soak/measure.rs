//! Chance, the tally of a day, the watchdog over it, and what the process uses.

use crate::PATIENCE;
use keyway::{Error, ErrorKind};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How much more memory the last third of the day may use than the one before: what an allocator keeps, and no more.
pub(crate) const NOISE: usize = 6 * 1024 * 1024;

/// So many rounds are needed to tell growth from noise.
pub(crate) const ROUNDS_TO_TELL: usize = 9;

/// Takes down a process whose rounds do not go on, even if its runtime is what stands still.
pub(crate) struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    pub(crate) const OVER: u64 = u64::MAX;

    pub(crate) fn wake() -> Self {
        let rounds = Arc::new(AtomicU64::new(0));
        let watched = rounds.clone();
        thread::spawn(move || {
            let mut seen = None;
            loop {
                let now = watched.load(Ordering::SeqCst);
                match now {
                    Self::OVER => return,
                    now if seen == Some(now) => {
                        eprintln!("round {now} does not end: something is stuck");
                        std::process::abort();
                    }
                    now => seen = Some(now),
                }
                thread::sleep(3 * PATIENCE);
            }
        });
        Self(rounds)
    }

    pub(crate) fn pat(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(Self::OVER, Ordering::SeqCst);
    }
}

/// The memory of this process in bytes, 0 where that cannot be known.
pub(crate) fn resident() -> usize {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

pub(crate) fn is_flat(memory: &[usize]) {
    if memory.len() < ROUNDS_TO_TELL {
        return;
    }
    let third = memory.len() / 3;
    let mean = |rounds: &[usize]| rounds.iter().sum::<usize>() / rounds.len();
    let (middle, last) = (mean(&memory[third..2 * third]), mean(&memory[2 * third..]));
    println!("memory: {} KiB, then {} KiB", middle / 1024, last / 1024);
    assert!(last <= middle + middle / 10 + NOISE, "memory grows: {memory:?}");
}

/// SplitMix64: enough chance for a day, and the same from the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub(crate) fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len() as u64) as usize]
    }

    pub(crate) fn seconds(&mut self, at_most: u64) -> Duration {
        Duration::from_secs(1 + self.below(at_most))
    }
}

/// What came of everything that was asked for.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) good: usize,
    pub(crate) abandoned: usize,
    pub(crate) lost: usize,
    pub(crate) reuses: usize,
    pub(crate) failed: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.good += other.good;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.reuses += other.reuses;
        other.failed.into_iter().for_each(|(kind, count)| *self.failed.entry(kind).or_default() += count);
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        is_documented(error);
        *self.failed.entry(error.kind().as_str()).or_default() += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { good, abandoned, lost, reuses, failed } = self;
        write!(
            f,
            "{good} good, {abandoned} abandoned, {lost} answers to renewals lost, {reuses} tokens used again, failed {failed:?}"
        )
    }
}

/// Whatever the day does, nobody here asks for what cannot be, or is to be asked what nobody answers.
pub(crate) fn is_documented(error: &Error) {
    let page = include_str!("../../docs/errors.md");
    let kind = error.kind();
    assert!(
        page.contains(&format!("## `{kind:?}`")) || page.contains(&format!("## {kind:?}")),
        "{kind:?} is not documented"
    );
    let impossible =
        [ErrorKind::Config, ErrorKind::Validation, ErrorKind::CaptchaRequired, ErrorKind::DeviceCodeRequired];
    assert!(!impossible.contains(&kind), "{error}");
}
