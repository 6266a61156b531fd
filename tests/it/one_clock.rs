//! A monotonic clock that counts the time a machine sleeps is the only one that a lease looks at.

use crate::{TENANT, vitamojo_client};
use keyway::{
    Clock, MemoryStore,
    testing::{FakeVitaMojo, ManualClock},
};
use std::{
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

/// The hands of a manual clock, on a machine that was started `up` ago.
#[derive(Clone)]
struct CountsSleep {
    hands: ManualClock,
    up: Duration,
    since: SystemTime,
}

impl CountsSleep {
    fn new(hands: &ManualClock, up: Duration) -> Self {
        Self { hands: hands.clone(), up, since: hands.world() }
    }
}

impl Clock for CountsSleep {
    fn wall(&self) -> SystemTime {
        self.hands.wall()
    }

    fn monotonic(&self) -> Duration {
        self.up + self.hands.world().duration_since(self.since).unwrap_or_default()
    }

    fn counts_sleep(&self) -> bool {
        true
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.hands.sleep(duration)
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[apply(leak_checked!)]
async fn setting_the_wall_clock_ahead_costs_a_renewal_and_back_prolongs_nothing() {
    let hands = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(hands.clone()).start().await;
    let client = vitamojo_client(&fake, &hands).clock(CountsSleep::new(&hands, HOUR)).build().unwrap();
    let counter = async || client.session().lease().await.unwrap().generation().counter();
    assert_eq!(counter().await, 1);
    // A machine that was paused from outside looks the same: its monotonic clock has stood still.
    hands.jump_wall(3 * 3600);
    assert_eq!(counter().await, 2);
    hands.jump_wall(-24 * 3600);
    assert_eq!(counter().await, 2);
    hands.advance(Duration::from_secs(600));
    assert_eq!(counter().await, 3);
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 2));
}

/// Within the second in which somebody has looked at both clocks the others look at one.
#[apply(leak_checked!)]
async fn a_token_that_one_caller_finds_to_be_over_is_served_to_none() {
    let hands = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(hands.clone()).start().await;
    let client = vitamojo_client(&fake, &hands).clock(CountsSleep::new(&hands, HOUR)).build().unwrap();
    for _ in 0..2 {
        client.session().lease().await.unwrap();
    }
    hands.jump_wall(3 * 3600);
    let gate = fake.hold("refresh_token");
    let session = client.session().clone();
    let finds = tokio::spawn(async move { session.lease_for(Duration::from_secs(60)).await });
    gate.arrived(1).await;
    let other = crate::engine::lease(client.session());
    crate::engine::settle().await;
    gate.open();
    for lease in [finds.await, other.await] {
        assert_eq!(lease.unwrap().unwrap().generation().counter(), 2);
    }
}

#[apply(leak_checked!)]
async fn a_token_ends_while_the_machine_sleeps() {
    let hands = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(hands.clone()).start().await;
    let client = vitamojo_client(&fake, &hands).clock(CountsSleep::new(&hands, HOUR)).build().unwrap();
    client.session().lease().await.unwrap();
    hands.stop_monotonic_for(8 * HOUR);
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_token_that_is_older_than_the_machine_is_up_ends_when_it_ends() {
    let (hands, store) = (ManualClock::new(), MemoryStore::new());
    let fake = FakeVitaMojo::builder().clock(hands.clone()).start().await;
    let before = vitamojo_client(&fake, &hands).store(store.clone()).build().unwrap();
    let first = before.session().lease().await.unwrap();
    hands.advance(Duration::from_secs(400));

    let young = CountsSleep::new(&hands, Duration::from_secs(5));
    let after = vitamojo_client(&fake, &hands).tenant(TENANT).clock(young).store(store).build().unwrap();
    assert_eq!(after.session().lease().await.unwrap().generation(), first.generation());
    hands.advance(Duration::from_secs(200));
    assert_ne!(after.session().lease().await.unwrap().generation(), first.generation());
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 1));
}
