//! Which endpoints have taken a token: what used to work and does not any more tells of the token.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of endpoints, small and without a lock. Two endpoints may share a place: then the one speaks for the other.
#[derive(Debug, Default)]
pub(super) struct Worked([AtomicU64; 8]);

impl Worked {
    /// Every call comes here, and nearly every one finds its place taken.
    #[inline]
    pub(super) fn mark(&self, endpoint: u64) {
        let (word, bit) = self.place(endpoint);
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, endpoint: u64) -> bool {
        let (word, bit) = self.place(endpoint);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// It does not work any more.
    pub(super) fn forget(&self, endpoint: u64) {
        let (word, bit) = self.place(endpoint);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    #[inline]
    fn place(&self, endpoint: u64) -> (&AtomicU64, u64) {
        // The upper bits of a product are the well-mixed ones.
        let mixed = endpoint.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55;
        (&self.0[(mixed >> 6) as usize], 1 << (mixed & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn an_endpoint_is_known_from_its_first_success_until_it_fails() {
        let worked = Worked::default();
        assert!(!worked.has(7));
        worked.mark(7);
        worked.mark(7);
        assert!(worked.has(7) && !worked.has(8));
        worked.forget(7);
        assert!(!worked.has(7));
    }

    #[apply(leak_checked!)]
    fn most_of_fifty_endpoints_have_a_place_of_their_own() {
        let worked = Worked::default();
        let alone = (0..50).filter(|endpoint| {
            let alone = !worked.has(*endpoint);
            worked.mark(*endpoint);
            alone
        });
        assert!(alone.count() > 40);
    }
}
