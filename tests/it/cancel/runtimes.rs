//! A runtime that ends at any await of a sign-in or a renewal.

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Drops not the caller but the run itself, at each of its awaits: its runtime ends there. The next caller, on another
/// runtime, goes on. Tells how many steps there were.
fn end_the_runtime_everywhere(renewal: bool) -> usize {
    for steps in 0..500 {
        let (vendor, memory, clock) = (Vendor::default(), MemoryStore::new(), ManualClock::new());
        let session = vendor.client(memory.clone(), &clock);
        if renewal {
            runtime().block_on(session.lease()).unwrap();
            clock.advance(Duration::from_secs(11 * 60));
        }
        let first = runtime();
        let done = first.block_on(async {
            let caller = session.clone();
            let caller = tokio::spawn(async move { caller.lease().await });
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            caller.is_finished()
        });
        drop(first);
        let next = runtime().block_on(session.lease()).unwrap();
        let found = runtime().block_on(vendor.client(memory, &clock).lease()).unwrap();
        assert_eq!(next.generation(), found.generation(), "after {steps} steps: what is served is not what is stored");
        let books = vendor.0.lock().unwrap();
        let counts = (books.sign_ins, books.renewals, books.reuses);
        match (renewal, books.lost) {
            (false, lost) => assert_eq!(counts, (1 + lost, 0, 0), "after {steps} steps"),
            // Once it was cleared to be sent the token may be used up: a sign-in does instead of using it twice.
            (true, 0) => assert!([(1, 1, 0), (2, 0, 0)].contains(&counts), "after {steps} steps: {counts:?}"),
            (true, _) => assert_eq!(counts, (2, 1, 0), "after {steps} steps"),
        }
        if done {
            return steps;
        }
    }
    panic!("never completes");
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_anywhere_in_a_sign_in_loses_at_most_an_answer() {
    let steps = end_the_runtime_everywhere(false);
    assert!(steps > 10, "{steps}");
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_anywhere_in_a_renewal_loses_at_most_an_answer() {
    let steps = end_the_runtime_everywhere(true);
    assert!(steps > 10, "{steps}");
}
