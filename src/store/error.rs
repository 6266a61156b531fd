//! Why a store could not do what was asked.

use std::{fmt, sync::Arc};

/// Why a store could not do what was asked. The text must not hold a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
#[error("{what}")]
pub struct StoreError {
    what: Arc<str>,
    kind: StoreErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum StoreErrorKind {
    /// The next try may succeed.
    Failed,
    Busy,
    Unavailable,
    Newer,
    Sealed,
}

impl StoreError {
    /// Says what happened, in one line: something that failed now, and may succeed when it is tried again.
    pub fn new(what: impl fmt::Display) -> Self {
        Self::of(StoreErrorKind::Failed, what)
    }

    /// Says that another process holds the lock. A store answers that when a wait for its lock is over: what is busy works,
    /// and is waited for again.
    pub fn busy(what: impl fmt::Display) -> Self {
        Self::of(StoreErrorKind::Busy, what)
    }

    /// Says that nothing can be kept there, and that trying again will not change it: a folder that cannot be made, a file
    /// system without locks.
    pub fn unavailable(what: impl fmt::Display) -> Self {
        Self::of(StoreErrorKind::Unavailable, what)
    }

    fn of(kind: StoreErrorKind, what: impl fmt::Display) -> Self {
        Self { what: what.to_string().into(), kind }
    }

    pub(crate) fn not_in_time() -> Self {
        Self::busy("its lock was not free in time")
    }

    pub(crate) fn newer() -> Self {
        let what = "a newer version of Keyway wrote this record, so it is left as it is; update this program";
        Self::of(StoreErrorKind::Newer, what)
    }

    /// Says that what is kept there cannot be read with the keys at hand, or is not to be trusted. It is left as it is.
    pub(crate) fn sealed(what: impl fmt::Display) -> Self {
        Self::of(StoreErrorKind::Sealed, what)
    }

    pub(crate) fn too_late() -> Self {
        Self::new("it did not answer in time")
    }

    pub(crate) fn others_keep_changing() -> Self {
        Self::new("others keep changing what is stored")
    }

    /// Whether the store works, and another process holds the lock.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == StoreErrorKind::Busy
    }

    /// Whether nothing can be kept there until a person changes something.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.kind == StoreErrorKind::Unavailable
    }

    /// Whether a newer version of Keyway wrote what this one cannot read. It must not be changed.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.kind == StoreErrorKind::Newer
    }

    /// Whether a record is there that the keys at hand do not open, whose seal is broken, or that is not sealed and should be.
    /// It must not be changed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.kind == StoreErrorKind::Sealed
    }

    /// Whether a session is there that this program cannot use and must not replace.
    pub(crate) fn is_final(&self) -> bool {
        self.is_newer() || self.is_sealed()
    }
}
