//! What never ends by itself, and what nobody drives any more.

use super::{ELEVEN_MINUTES, LIFE, SECOND, Twist, Vendor, at_once, lease, pass, settle, sign_in};
use crate::counts::{Counts, NONE};
use crate::scripted_store::ScriptedStore;
use keyway::{
    Clock, Error, ErrorKind,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Renewal},
    testing::ManualClock,
};
use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::runtime::{Builder, Runtime};

const HOUR: Duration = Duration::from_secs(3600);

/// Counts those that are under way.
#[derive(Clone, Default)]
struct Endless {
    asked: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
    /// It asks for leave to send before it falls silent.
    sends: bool,
}

struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn of(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Issuer for Endless {
    fn describe(&self) -> Capabilities {
        Capabilities::new("endless", ".password(..)").renewal(Renewal::SignIn)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _alive = Alive::of(&self.alive);
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.sends {
            let _permit = attempt.acquire().await?;
        }
        pending().await
    }
}

#[apply(leak_checked!)]
async fn a_request_that_never_ends_is_given_up_told_and_cools_down() {
    for sends in [true, false] {
        let (clock, issuer) = (ManualClock::new(), Endless { sends, ..Endless::default() });
        let builder = Client::builder("https://endless.example").issuer(issuer.clone()).clock(clock.clone());
        let session = builder.build().unwrap().session().clone();
        let (outcome, took) = pass(&clock, SECOND, lease(&session)).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), took), (ErrorKind::Timeout, Duration::from_secs(90)), "{error}");
        assert!(session.lease().await.unwrap_err().is_local(), "it cools down");
        assert_eq!((issuer.asked.load(Ordering::SeqCst), issuer.alive.load(Ordering::SeqCst)), (1, 0));
    }
}

#[apply(leak_checked!)]
async fn six_hours_of_requests_that_never_end_leave_nothing_alive() {
    let (clock, issuer) = (ManualClock::new(), Endless { sends: true, ..Endless::default() });
    let builder = Client::builder("https://endless.example").issuer(issuer.clone()).clock(clock.clone());
    let session = builder.build().unwrap().session().clone();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut failed = 0;
    let began = clock.monotonic();
    while clock.monotonic() - began < 6 * HOUR {
        let (outcome, _) = pass(&clock, Duration::from_secs(5), lease(&session)).await;
        failed += usize::from(!outcome.unwrap_err().is_local());
        clock.advance(Duration::from_secs(30));
    }
    settle().await;
    let asked = issuer.asked.load(Ordering::SeqCst);
    assert!((130..=180).contains(&asked) && failed == asked, "{asked} sign-ins, {failed} failures");
    assert_eq!((issuer.alive.load(Ordering::SeqCst), tasks(), clock.sleepers()), (0, before, 0));
}

#[apply(leak_checked!)]
async fn a_renewal_that_never_ends_is_given_up_and_its_token_is_not_spent_again() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let _hold = vendor.hold_renewal();
    let (outcome, _) = pass(&vendor.clock, SECOND, lease(&session)).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(vendor.under_way(), 0);
    vendor.clock.advance(Duration::from_secs(60));
    at_once(lease(&session)).await.unwrap();
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}

/// The hands of a manual clock, on a machine that sleeps: its monotonic clock counts that, its timers do not.
#[derive(Clone)]
struct Laptop {
    hands: ManualClock,
    slept: Arc<Mutex<Duration>>,
}

impl Laptop {
    fn of(hands: &ManualClock) -> Self {
        Self { hands: hands.clone(), slept: Arc::default() }
    }

    fn sleeps(&self, span: Duration) {
        *self.slept.lock().unwrap() += span;
    }

    fn asleep(&self) -> Duration {
        *self.slept.lock().unwrap()
    }
}

impl Clock for Laptop {
    fn wall(&self) -> SystemTime {
        self.hands.wall() + self.asleep()
    }

    fn monotonic(&self) -> Duration {
        self.hands.monotonic() + self.asleep()
    }

    fn counts_sleep(&self) -> bool {
        true
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.hands.sleep(duration)
    }
}

/// A session on a laptop whose renewal is out when it falls asleep for eight hours.
async fn sleeps_while_renewing(answered: bool) -> Counts {
    let vendor = Vendor::rotating();
    let laptop = Laptop::of(&vendor.clock);
    let store = ScriptedStore::over(&vendor.memory);
    let session = vendor.builder(&store).clock(laptop.clone()).build().unwrap().session().clone();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let hold = vendor.hold_renewal();
    let first = lease(&session);
    hold.arrived().await;
    laptop.sleeps(8 * HOUR);
    // Others come at once after it has woken.
    let others: Vec<_> = (0..5).map(|_| lease(&session)).collect();
    settle().await;
    if answered {
        hold.release();
    }
    for task in others.into_iter().chain([first]) {
        let _ = pass(&vendor.clock, SECOND, task).await;
    }
    vendor.clock.advance(Duration::from_secs(60));
    at_once(lease(&session)).await.unwrap();
    vendor.counts()
}

#[apply(leak_checked!)]
async fn a_renewal_that_was_out_while_the_machine_slept_is_not_sent_again() {
    // The answer comes. Nobody knows whether it is any good after eight hours.
    let Counts { sign_ins, renewals, reuses } = sleeps_while_renewing(true).await;
    assert!(reuses == 0 && sign_ins + renewals <= 3, "{sign_ins} {renewals} {reuses}");
    // It is lost.
    let Counts { sign_ins, renewals, reuses } = sleeps_while_renewing(false).await;
    assert_eq!((sign_ins, renewals, reuses), (2, 1, 0));
}

/// The same with a clock that stands still while the machine sleeps.
#[apply(leak_checked!)]
async fn a_renewal_that_was_out_while_the_clock_stood_still_is_not_sent_again() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(ELEVEN_MINUTES);
    let hold = vendor.hold_renewal();
    let first = lease(&session);
    hold.arrived().await;
    vendor.clock.stop_monotonic_for(8 * HOUR);
    let second = lease(&session);
    settle().await;
    hold.release();
    for task in [first, second] {
        at_once(task).await.unwrap();
    }
    assert_eq!(vendor.counts(), Counts { sign_ins: 1, renewals: 1, ..NONE });
}

fn own() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each call on a runtime of its own, for a day; the vendor answers after others had a turn.
#[apply(leak_checked!)]
fn a_runtime_per_call_for_a_day_spends_no_token_twice() {
    for slow in [Duration::ZERO, Duration::from_millis(1)] {
        let vendor = own().block_on(async { Vendor::rotating() });
        let (session, _) = vendor.process();
        let mut lost = 0;
        for _ in 0..1440 {
            if !slow.is_zero() {
                let mut books = vendor.books();
                if books.next_renewal.is_empty() {
                    books.next_renewal.push_back(Twist::Slow(slow));
                }
            }
            let runtime = own();
            let outcome = runtime.block_on(async {
                let waiting = lease(&session);
                settle().await;
                vendor.clock.advance(slow);
                waiting.await.unwrap()
            });
            lost += usize::from(outcome.is_err());
            // What it left behind ends with it.
            drop(runtime);
            vendor.clock.advance(Duration::from_secs(60));
        }
        assert_eq!((vendor.counts().reuses, lost), (0, 0), "{slow:?}");
    }
}

/// A renewal behind a caller's back is under way when the runtime ends, again and again.
#[apply(leak_checked!)]
fn a_renewal_that_ends_with_its_runtime_is_known_to_be_unknown() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    own().block_on(async { session.lease().await.unwrap() });
    for _ in 0..100 {
        let hold = vendor.hold_renewal();
        vendor.clock.advance(Duration::from_secs(500));
        own().block_on(async {
            session.lease().await.unwrap();
            settle().await;
        });
        drop(hold);
        vendor.books().next_renewal.clear();
        vendor.clock.advance(Duration::from_secs(200));
        own().block_on(async { session.lease().await.unwrap() });
    }
    assert_eq!(vendor.counts().reuses, 0);
}

/// Whoever waits on another runtime is not left waiting.
#[apply(leak_checked!)]
fn who_waits_for_a_runtime_that_has_ended_starts_anew() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    let first = own();
    let hold = vendor.hold_sign_in();
    first.block_on(async {
        drop(lease(&session));
        hold.arrived().await;
    });
    let second = own();
    let waiting = second.spawn({
        let session = session.clone();
        async move { session.lease().await }
    });
    second.block_on(settle());
    drop(first);
    second.block_on(async { at_once(waiting).await.unwrap() });
    assert_eq!(vendor.counts().sign_ins, 2);
}

#[apply(leak_checked!)]
async fn a_sign_in_beside_a_renewal_that_hangs_comes_to_an_end() {
    let vendor = Vendor::rotating();
    let (session, _) = vendor.process();
    session.lease().await.unwrap();
    vendor.clock.advance(LIFE);
    vendor.twist_renewals([Twist::Never]);
    let (outcome, took) = pass(&vendor.clock, SECOND, sign_in(&session)).await;
    outcome.expect("what was asked for is a sign-in");
    assert!(took <= Duration::from_secs(91), "{took:?}");
    assert_eq!(vendor.counts(), Counts { sign_ins: 2, renewals: 1, ..NONE });
}
