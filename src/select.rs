//! Waiting for whichever of two things comes first.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

/// What came first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for whichever completes first; if both have, the first one counts.
pub(crate) async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(move |context| {
        if let Poll::Ready(done) = Pin::as_mut(&mut one).poll(context) {
            return Poll::Ready(First::One(done));
        }
        Pin::as_mut(&mut other).poll(context).map(First::Other)
    })
    .await
}
