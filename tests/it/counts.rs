//! What a vendor was asked, by name: a test says `Counts { sign_ins: 2, renewals: 1, ..NONE }`.

use keyway::testing::FakeVitaMojo;

/// How often a vendor was asked for a session.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sign_ins: usize,
    pub(crate) renewals: usize,
    /// Refresh tokens that were used twice.
    pub(crate) reuses: usize,
}

pub(crate) const NONE: Counts = Counts { sign_ins: 0, renewals: 0, reuses: 0 };

pub(crate) fn counts(fake: &FakeVitaMojo) -> Counts {
    Counts { sign_ins: fake.count("auth"), renewals: fake.count("refresh_token"), reuses: fake.reuses() }
}
