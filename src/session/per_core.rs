//! The header that carries the token, in as many copies as there are cores, within reason.
//!
//! A header's value counts its clones, up and down. With one value for all, every call of
//! every core would want the same counter; a thread that has a copy for itself counts undisturbed.

use http::HeaderValue;
use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Tokens may be long, and a process may hold many sessions.
const MOST: usize = 16;

/// One value, copied. Marked sensitive.
#[derive(Debug)]
pub(super) struct PerCoreHeader(Box<[HeaderValue]>);

impl PerCoreHeader {
    /// `None` if no header can hold this.
    pub(super) fn of(value: &str) -> Option<Self> {
        let copies = (0..how_many()).map(|_| {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            copy.set_sensitive(true);
            // What is cloned for the first time allocates: not in a caller's hot path. Its clone knows that it is shared.
            Some(copy.clone())
        });
        copies.collect::<Option<_>>().map(Self)
    }

    /// The copy of this thread, which few others or none use.
    #[inline]
    pub(super) fn mine(&self) -> &HeaderValue {
        self.of_place(place())
    }

    #[inline]
    fn of_place(&self, place: usize) -> &HeaderValue {
        // A power of two.
        &self.0[place & (self.0.len() - 1)]
    }
}

/// A power of two.
fn how_many() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        cores.next_power_of_two().min(MOST)
    })
}

thread_local! {
    /// Threads take their places in the order in which they come here.
    static PLACE: Cell<usize> = const { Cell::new(NO_PLACE) };
}

const NO_PLACE: usize = usize::MAX;

#[inline]
fn place() -> usize {
    match PLACE.get() {
        NO_PLACE => take_a_place(),
        place => place,
    }
}

#[cold]
fn take_a_place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let place = NEXT.fetch_add(1, Ordering::Relaxed);
    PLACE.set(place);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn every_thread_finds_the_value_and_it_is_sensitive() {
        let copies = PerCoreHeader::of("Bearer hunter2").expect("a header");
        thread::scope(|scope| {
            for _ in 0..2 * MOST {
                scope.spawn(|| {
                    assert_eq!(copies.mine(), "Bearer hunter2");
                    assert!(copies.mine().is_sensitive());
                });
            }
        });
        assert!(copies.0.len().is_power_of_two());
    }

    #[apply(leak_checked!)]
    fn every_place_has_a_copy_and_no_thread_takes_the_place_of_another() {
        let copies = PerCoreHeader::of("Bearer hunter2").expect("a header");
        let bytes = |place| copies.of_place(place).as_bytes().as_ptr();
        for place in 1..copies.0.len() {
            assert_ne!(bytes(place), bytes(0));
        }
        assert_eq!(bytes(copies.0.len()), bytes(0));
        let taken = || thread::scope(|scope| scope.spawn(place).join()).expect("a place");
        assert_ne!(taken(), taken());
        assert_eq!(place(), place());
    }

    #[apply(leak_checked!)]
    fn what_no_header_can_hold_has_no_copies() {
        assert!(PerCoreHeader::of("one\r\ntwo").is_none());
    }
}
