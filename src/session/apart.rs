//! Code of others that is told something: subscribers, recorders, the drop of a lock.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What they do is not the session's trouble: where it panics, the panic's hook has said so, and
/// the session goes on.
pub(super) fn apart<T>(told: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(told)).ok()
}
