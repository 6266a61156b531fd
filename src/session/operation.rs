//! What the core wants done, and what it has to tell.

use super::{
    decide::Reason,
    dialogue::{Answer, Ask, Conversation},
    issued::{Issued, Polled},
    profile::SignOut,
    report::What,
    run::{Revocation, Run},
    token::Token,
    tokens::Expiry,
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    question::DeviceCode,
    store::{Generation, Record, StoreError},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// An operation that is out.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Out<T> {
    pub(crate) id: u64,
    /// The run that it belongs to.
    pub(crate) run: u64,
    pub(crate) what: T,
    /// Monotonic, both.
    pub(crate) since: Duration,
    pub(crate) deadline: Duration,
}

/// Something to be done; its answer goes to `SessionCore::on` under its number.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Store(u64, StoreOp),
    Vendor(u64, VendorOp),
    Revoke(u64, Revocation),
    Person(u64, Ask),
    /// The issuer of this operation may send, or may not.
    Permit(u64, Result<Option<SystemTime>, Error>),
    /// Stop what is being done under this number.
    Abort(u64),
}

/// What is asked of the store.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
#[allow(clippy::large_enum_variant, reason = "there are a few of them per sign-in, and none is kept in numbers")]
pub(crate) enum StoreOp {
    Lock(Duration),
    /// Make sure that the lock lasts for so long.
    Extend(Duration),
    Unlock,
    Load,
    Save {
        expected: Option<Generation>,
        record: Record,
        purpose: Purpose,
    },
    LoadAttempts,
    SaveAttempts {
        expected: Option<Generation>,
        attempts: Vec<SystemTime>,
    },
}

/// What a record is saved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Token,
    Tombstone,
    /// What other processes shall know.
    Word,
    /// Times of a clock that was ahead are put right, once and for everybody.
    Times,
}

/// What is asked of the vendor.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
#[allow(clippy::large_enum_variant, reason = "there are a few of them per sign-in, and none is kept in numbers")]
pub(crate) enum VendorOp {
    SignIn(Conversation),
    Renew(Arc<Token>),
    Poll(DeviceCode),
}

/// What came of an operation.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them per sign-in, and none is kept in numbers")]
pub(crate) enum Event {
    Locked(Result<(), StoreError>),
    Extended(bool),
    Unlocked,
    /// With whether it began with the credential that this client has.
    Loaded(Result<Option<(Record, bool)>, StoreError>),
    Saved(Result<bool, StoreError>),
    Issued(VendorOp, Result<Issued, Error>),
    Polled(Result<Polled, Error>),
    Revoked(Result<SignOut, Error>),
    Answered(Option<Answer>),
    /// Its task has ended without an answer: its runtime has, or no task drives it.
    Lost,
    /// Its task has panicked.
    Panicked,
}

/// What happened, for the report, the log and the numbers. Told once nothing is locked.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Note {
    Happened(What),
    /// A run begins.
    Wanted {
        run: u64,
        reason: Reason,
    },
    /// The vendor was asked.
    Asked {
        renewal: bool,
        reason: Reason,
        failure: Option<Error>,
    },
    /// A run has ended.
    Ended {
        run: u64,
        sign_outs: u64,
        reason: Reason,
        left: Option<Duration>,
        took: Duration,
        /// A sign-in attempt or a refresh token has gone to the vendor.
        spent: bool,
        outcome: Result<Option<(Generation, Expiry)>, Error>,
    },
    StoreFailed(StoreError),
    LockLost,
    RefreshRefused,
    SavedLate(bool),
    StillUnsaved(StoreError),
    Uncounted(StoreError),
    NotRevoked {
        kind: Option<ErrorKind>,
        /// By a sign-out.
        asked_for: bool,
    },
}

impl Note {
    pub(crate) fn ended(
        run: &Run,
        sign_outs: u64,
        outcome: Result<Option<(Generation, Expiry)>, Error>,
        now: Now,
    ) -> Self {
        Self::Ended {
            run: run.id,
            sign_outs,
            reason: run.reason,
            left: run.left,
            took: now.monotonic.saturating_sub(run.started.monotonic),
            spent: run.spent,
            outcome,
        }
    }
}

impl VendorOp {
    /// What people have answered so far.
    pub(super) fn conversation(&self) -> Conversation {
        match self {
            Self::SignIn(conversation) => conversation.clone(),
            Self::Renew(_) | Self::Poll(_) => Conversation::default(),
        }
    }
}
