//! Randomness: for jitter, for names of lineages and for the words of locks.

use std::{
    hash::{BuildHasher, RandomState},
    process,
};

/// A stream of random numbers. Each is drawn from the operating system when it is wanted: what was drawn before a process
/// forked, or before its machine was cloned, would be drawn by both.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Chance {
    /// Simulations draw the same numbers each time.
    #[cfg(test)]
    seeded: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Chance {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(test)]
            seeded: None,
        }
    }

    /// The same numbers each time, for simulations.
    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seeded: Some(std::sync::Arc::new(seed.into())) }
    }

    pub(crate) fn next(&self) -> u64 {
        #[cfg(test)]
        if let Some(state) = &self.seeded {
            return split_mix(state);
        }
        getrandom::u64().unwrap_or_else(|_| without_the_system())
    }

    /// Between 0 and 1.
    pub(crate) fn share(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Where the operating system has no randomness to give. The standard hasher has another key each time.
fn without_the_system() -> u64 {
    RandomState::new().hash_one(process::id())
}

/// splitmix64: small, and good enough to keep a simulated fleet out of step.
#[cfg(test)]
fn split_mix(state: &std::sync::atomic::AtomicU64) -> u64 {
    let mut z = state.fetch_add(0x9e37_79b9_7f4a_7c15, std::sync::atomic::Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that forks has two of everything it holds.
    #[apply(leak_checked!)]
    fn two_in_the_same_state_draw_different_numbers() {
        let one = Chance::new();
        let other = one.clone();
        assert_ne!(one.next(), other.next());
        assert_ne!(without_the_system(), without_the_system());
    }

    #[apply(leak_checked!)]
    fn simulations_draw_the_same_numbers_each_time() {
        let drawn = || {
            let chance = Chance::seeded(7);
            [chance.next(), chance.next(), chance.next()]
        };
        assert_eq!(drawn(), drawn());
        assert!((0.0..1.0).contains(&Chance::new().share()));
    }
}
