//! What a lease of a fresh token costs in allocations: nothing. A binary of its own, because it counts them all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use allocation_counter::measure;
use futures_util::FutureExt;
use keyway::{Secret, testing::FakeOrderingStack};
use std::hint::black_box;

const CALLS: usize = 10_000;

#[tokio::test]
async fn a_lease_of_a_fresh_token_and_its_headers_allocate_nothing() {
    let fake = FakeOrderingStack::start().await;
    let client = keyway::orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, Secret::from(FakeOrderingStack::CLIENT_SECRET))
        .client_credentials()
        .build()
        .unwrap();
    let session = client.session();
    session.lease().await.unwrap();
    let lease = || session.lease().now_or_never().expect("it is fresh, so nobody waits").unwrap();
    // Once, so that what a thread allocates for itself is there.
    drop(lease());

    let leases = measure(|| (0..CALLS).for_each(|_| drop(black_box(lease()))));
    assert_eq!((leases.count_total, leases.bytes_total), (0, 0));
    let values = measure(|| {
        for _ in 0..CALLS {
            let lease = lease();
            black_box((lease.headers()["authorization"].clone(), lease.headers()["x-tenant"].clone()));
        }
    });
    assert_eq!((values.count_total, values.bytes_total), (0, 0));
    assert_eq!(fake.count("issue_token"), 1);
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}
