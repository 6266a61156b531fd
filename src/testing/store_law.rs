//! What every [`Store`] keeps to, as tests: [`store_laws!`](crate::testing::store_laws) runs them on one of yours.
#![allow(clippy::unwrap_used, reason = "a law that does not hold panics")]

use super::key::key;
use crate::store::{Generation, Key, Record, Store};
#[cfg(all(feature = "vitamojo", feature = "vms"))]
use crate::testing::{FakeVitaMojo, FakeVms, ManualClock};
use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Long enough that waiting it out would be noticed.
const LONG: Duration = Duration::from_secs(30);

#[cfg(all(feature = "vitamojo", feature = "vms"))]
const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

/// Makes stores for [`store_laws!`](crate::testing::store_laws).
pub trait StoreFactory: Sized + Send + Sync {
    /// The store that is tested.
    type Store: Store;

    /// An empty place that no other test uses. It may go when the factory is dropped. `None` where this machine has none to
    /// offer: then the law is left out.
    fn open() -> impl Future<Output = Option<Self>> + Send;

    /// A store on that place, as another process would have one, if that is possible.
    fn store(&self) -> Self::Store;
}

/// Runs one law to its end on a runtime of its own. What [`store_laws!`](crate::testing::store_laws) calls.
///
/// # Panics
/// If the law does not hold.
#[doc(hidden)]
pub fn hold_store_law(law: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime").block_on(law);
}

fn record(lineage: u64, counter: u64) -> Record {
    let json = format!(
        r#"{{"schema":3,"lineage":{lineage},"counter":{counter},"session":{{"access":"a-{lineage}-{counter}","issued_ms":1,"ends":"never"}}}}"#
    );
    Record::from_json(&json).unwrap()
}

fn generation(lineage: u64, counter: u64) -> Generation {
    record(lineage, counter).generation()
}

async fn kept(store: &impl Store, key: &Key) -> Option<Generation> {
    store.load(key).await.unwrap().map(|record| record.generation())
}

/// A swap succeeds only against the generation it expects.
pub async fn a_swap_succeeds_only_against_the_generation_it_expects<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    assert_eq!(kept(&store, &key).await, None);
    assert!(!store.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    assert_eq!(kept(&store, &key).await, None);
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    for stale in [None, Some(generation(1, 2)), Some(generation(2, 1))] {
        assert!(!store.compare_and_swap(&key, stale, record(1, 9)).await.unwrap());
    }
    assert!(store.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    // Another lineage may follow: the store does not order them.
    assert!(store.compare_and_swap(&key, Some(generation(1, 2)), record(2, 1)).await.unwrap());
    assert_eq!(kept(&place.store(), &key).await, Some(generation(2, 1)));
}

/// Two that are shown alike are two.
pub async fn a_swap_looks_at_the_whole_generation<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key, near, far) = (place.store(), key("one"), 1 << 63, u64::MAX);
    assert!(store.compare_and_swap(&key, None, record(near, 7)).await.unwrap());
    for other in [generation(near + 1, 7), generation(far, 7), generation(near, 77), generation(near, far)] {
        assert!(!store.compare_and_swap(&key, Some(other), record(near, 8)).await.unwrap());
    }
    assert!(store.compare_and_swap(&key, Some(generation(near, 7)), record(far, far)).await.unwrap());
    assert_eq!(kept(&place.store(), &key).await, Some(generation(far, far)));
}

/// What is removed is absent and can be saved anew.
pub async fn what_is_removed_is_absent_and_can_be_saved_anew<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    store.remove(&key).await.expect("nothing to do");
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    store.remove(&key).await.unwrap();
    assert_eq!(kept(&store, &key).await, None);
    assert!(!store.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    assert!(store.compare_and_swap(&key, None, record(1, 3)).await.unwrap());
}

/// A tombstone stands in the place of a session.
pub async fn a_tombstone_stands_in_the_place_of_a_session<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    let tombstone = Record::from_json(r#"{"schema":3,"lineage":1,"counter":2,"signed_out":true}"#).unwrap();
    assert!(store.compare_and_swap(&key, Some(generation(1, 1)), tombstone).await.unwrap());
    assert!(store.load(&key).await.unwrap().unwrap().is_tombstone());
    // A renewal that began before the sign-out comes too late.
    assert!(!store.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    assert!(store.compare_and_swap(&key, Some(generation(1, 2)), record(2, 1)).await.unwrap());
}

/// Of many swaps at once exactly one wins.
pub async fn of_many_swaps_at_once_exactly_one_wins<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let key = key("one");
    let mut expected = None;
    for round in 0..5 {
        let barrier = Arc::new(tokio::sync::Barrier::new(16));
        let swaps: Vec<_> = (0..16)
            .map(|swap| {
                let (store, key, barrier) = (place.store(), key.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    let offered = record(round * 100 + swap, 1);
                    let won = store.compare_and_swap(&key, expected, offered.clone()).await.unwrap();
                    won.then(|| offered.generation())
                })
            })
            .collect();
        let mut won = Vec::new();
        for swap in swaps {
            won.extend(swap.await.unwrap());
        }
        assert_eq!(won.len(), 1);
        assert_eq!(kept(&place.store(), &key).await, Some(won[0]));
        expected = Some(won[0]);
    }
}

/// Of many processes that count on, none loses a count.
pub async fn of_many_who_count_on_nobody_loses_a_count<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let key = key("one");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, key) = (place.store(), key.clone());
            tokio::spawn(async move {
                for _ in 0..5 {
                    loop {
                        let seen = kept(&store, &key).await;
                        let next = seen.map_or(1, |seen| seen.counter() + 1);
                        if store.compare_and_swap(&key, seen, record(1, next)).await.unwrap() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(kept(&place.store(), &key).await, Some(generation(1, 40)));
}

/// A lock is held by one at a time.
pub async fn a_lock_is_held_by_one_at_a_time<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let key = key("one");
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, key, inside) = (place.store(), key.clone(), inside.clone());
            tokio::spawn(async move {
                for _ in 0..3 {
                    let lock = store.lock(&key, LONG).await.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    drop(lock);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Who holds the lock can load and save and so can those who do not.
pub async fn who_holds_the_lock_can_load_and_save_and_so_can_those_who_do_not<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, other, key) = (place.store(), place.store(), key("one"));
    let _lock = store.lock(&key, LONG).await.unwrap();
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    assert!(other.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    assert_eq!(kept(&store, &key).await, Some(generation(1, 2)));
}

/// A waiter that is dropped takes no lock.
pub async fn a_waiter_that_is_dropped_takes_no_lock<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    let held = store.lock(&key, LONG).await.unwrap();
    for polls in 1..4 {
        let other = place.store();
        let mut wait = Box::pin(other.lock(&key, LONG));
        for _ in 0..polls {
            assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    // Dropped at its first poll, while no process holds the lock.
    drop(held);
    for _ in 0..5 {
        drop(poll_once(place.store().lock(&key, LONG)));
    }
    let _again = store.lock(&key, LONG).await.expect("free again");
}

fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// A lock that is not free in time is an error.
pub async fn a_lock_that_is_not_free_in_time_is_an_error<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, other, key) = (place.store(), place.store(), key("one"));
    let held = store.lock(&key, Duration::ZERO).await.expect("it is free, and nobody needs to wait");
    for wait in [Duration::ZERO, Duration::from_millis(30)] {
        let error = other.lock(&key, wait).await.expect_err("it is held");
        assert!(error.is_busy() && !error.is_unavailable(), "{error}");
    }
    drop(held);
    // Where the lock is on another machine, that hears of it a moment later.
    let _held = other.lock(&key, LONG).await.expect("it is free");
}

/// A lock that is released is free when that returns.
pub async fn a_lock_that_is_released_is_free_when_that_returns<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, other, key) = (place.store(), place.store(), key("one"));
    for _ in 0..3 {
        let held = store.lock(&key, Duration::ZERO).await.expect("it is free");
        other.lock(&key, Duration::ZERO).await.expect_err("it is held");
        held.release().await.expect("it is freed");
        other.lock(&key, Duration::ZERO).await.expect("it is free at once").release().await.expect("it is freed");
    }
}

/// Two keys never mix.
pub async fn two_keys_never_mix<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, one, two) = (place.store(), key("one"), key("two"));
    assert!(store.compare_and_swap(&one, None, record(1, 1)).await.unwrap());
    assert_eq!(kept(&store, &two).await, None);
    assert!(store.compare_and_swap(&two, None, record(2, 1)).await.unwrap());
    store.remove(&one).await.unwrap();
    assert_eq!(kept(&store, &two).await, Some(generation(2, 1)));
    let _one = store.lock(&one, Duration::ZERO).await.unwrap();
    let _two = store.lock(&two, Duration::ZERO).await.expect("a lock of its own");
}

/// A record comes back as it was.
pub async fn a_record_comes_back_as_it_was<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    let session = format!(
        r#"{{"schema":3,"key":"{key}","lineage":{},"counter":7,"seed":"digest","session":{{"access":"ac\"cess ü","refresh":"refresh","issued_ms":1000,"received_ms":1010,"ends":4600000,"evicted":true,"rejections":2,"began_ms":900}}}}"#,
        u64::MAX
    );
    let attempts = format!(r#"{{"schema":3,"key":"{key}","lineage":3,"counter":1,"attempts_ms":[5,6,7]}}"#);
    let mut expected = None;
    let learnt = format!(
        r#"{{"schema":3,"key":"{key}","lineage":4,"counter":1,"not_before":{{"until_ms":90,"since_ms":60,"reason":"throttled","failures":2}},"refused":"digest"}}"#
    );
    for json in [session, attempts, learnt] {
        let record = Record::from_json(&json).unwrap();
        assert!(store.compare_and_swap(&key, expected, record.clone()).await.unwrap());
        let back = place.store().load(&key).await.unwrap().unwrap();
        assert_eq!(back.to_json().expose(), json);
        expected = Some(record.generation());
    }
}

/// A store may refuse what is too long for it; it must not take it and have something else at the next start.
pub async fn a_token_of_any_length_is_kept_whole_or_refused<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    // A little less than the longest text that can be read.
    let long = record(1, 2).to_json().expose().replace("a-1-2", &"a".repeat((1 << 20) - 300));
    let long = Record::from_json(&long).unwrap();
    let saved = store.compare_and_swap(&key, Some(generation(1, 1)), long.clone()).await;
    let found = place.store().load(&key).await.unwrap().unwrap();
    match saved {
        Ok(saved) => assert!(saved && found.to_json().expose() == long.to_json().expose()),
        Err(_) => assert_eq!(found.generation(), generation(1, 1)),
    }
}

/// A client that comes later finds the session, its renewal is found by the first,
/// and what a vendor counts is counted together.
#[cfg(all(feature = "vitamojo", feature = "vms"))]
pub async fn clients_that_share_it_share_sessions_and_attempts<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = || {
        let builder = crate::vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone());
        let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
        builder.store(place.store()).build().unwrap()
    };
    let (one, two) = (client(), client());
    for signed_in in 0..3 {
        let (a, b) = tokio::join!(one.session().lease(), two.session().lease());
        assert_eq!(a.unwrap().generation(), b.unwrap().generation());
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, signed_in, 0));
        clock.advance(Duration::from_secs(11 * 60));
    }
    two.session().sign_out().await.unwrap();
    assert_ne!(client().session().lease().await.unwrap().generation().counter(), 3, "a session that was signed out");

    let fake = FakeVms::builder().clock(clock.clone()).session_limit(100).start().await;
    let mut refused = 0;
    for n in 0..12 {
        // Each with a password of its own: one that was refused is presented by no client again.
        let client =
            crate::vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, format!("wrong-{n}")).clock(clock.clone());
        let error = client.store(place.store()).build().unwrap().session().lease().await.unwrap_err();
        refused += usize::from(error.is_local());
    }
    assert_eq!((fake.count("get_token"), refused), (10, 2));
}

/// The engine's own words for what is not there are the same on every store.
pub async fn what_it_says_holds_no_secret<F: StoreFactory>() {
    let Some(place) = F::open().await else { return };
    let (store, key) = (place.store(), key("one"));
    assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    let lock = store.lock(&key, LONG).await.unwrap();
    let error = place.store().lock(&key, Duration::ZERO).await.unwrap_err();
    let shown = format!("{lock:?} {error} {error:?} {:?}", store.load(&key).await.unwrap());
    assert!(!shown.contains("a-1-1"), "{shown}");
    let words: HashSet<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(words.len(), 1, "one line");
}

/// Runs every law of stores on one of your own, as a test each: `store_laws!(Factory)`, at the place of a module. `Factory` is a
/// [`StoreFactory`](crate::testing::StoreFactory). The tests run on Tokio runtimes of their own.
///
/// ```
/// # #![allow(unused)]
/// use keyway::{MemoryStore, testing::StoreFactory};
///
/// struct Memory(MemoryStore);
///
/// impl StoreFactory for Memory {
///     type Store = MemoryStore;
///
///     async fn open() -> Option<Self> {
///         Some(Self(MemoryStore::new()))
///     }
///
///     fn store(&self) -> MemoryStore {
///         self.0.clone()
///     }
/// }
///
/// #[cfg(test)]
/// mod memory {
///     keyway::testing::store_laws!(super::Memory);
/// }
/// ```
///
/// `examples/your_own_store.rs` is a store on a table of a database that keeps to all of them.
#[macro_export]
#[doc(hidden)]
macro_rules! __store_laws {
    ($factory:ty) => {
        $crate::testing::__store_law_names!($crate::testing::__store_law_tests, $factory);
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __store_law_tests {
    ($factory:ty, $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::testing::__laws::hold_store_law($crate::testing::__laws::$law::<$factory>());
        }
    )*};
}

/// Gives the names of all laws to a macro.
#[macro_export]
#[doc(hidden)]
macro_rules! __store_law_names {
    ($macro:path, $factory:ty) => {
        $macro! { $factory,
            a_swap_succeeds_only_against_the_generation_it_expects
            a_swap_looks_at_the_whole_generation
            what_is_removed_is_absent_and_can_be_saved_anew
            a_tombstone_stands_in_the_place_of_a_session
            of_many_swaps_at_once_exactly_one_wins
            of_many_who_count_on_nobody_loses_a_count
            a_lock_is_held_by_one_at_a_time
            who_holds_the_lock_can_load_and_save_and_so_can_those_who_do_not
            a_waiter_that_is_dropped_takes_no_lock
            a_lock_that_is_not_free_in_time_is_an_error
            a_lock_that_is_released_is_free_when_that_returns
            two_keys_never_mix
            a_record_comes_back_as_it_was
            a_token_of_any_length_is_kept_whole_or_refused
            what_it_says_holds_no_secret
        }
        $crate::testing::__store_law_names_of_vendors!($macro, $factory);
    };
}

/// The laws of clients on a store, where the vendors that they use are switched on.
#[cfg(all(feature = "vitamojo", feature = "vms"))]
#[macro_export]
#[doc(hidden)]
macro_rules! __store_law_names_of_vendors {
    ($macro:path, $factory:ty) => {
        $macro! { $factory, clients_that_share_it_share_sessions_and_attempts }
    };
}

#[cfg(not(all(feature = "vitamojo", feature = "vms")))]
#[macro_export]
#[doc(hidden)]
macro_rules! __store_law_names_of_vendors {
    ($macro:path, $factory:ty) => {};
}
