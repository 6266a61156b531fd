//! A clock that a test moves: one that stands still until then, or one that goes on by itself.

use crate::{BoxFuture, Clock, SystemClock};
use std::{
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

/// A clock that moves only when a test says so, or that [goes on by itself](Self::advancing) as well. Clones share the same
/// hands.
///
/// It has three hands, because the two clocks of a machine can go wrong in different ways and the rest of the world
/// does not care:
///
/// | | [`wall`](Clock::wall) | [`monotonic`](Clock::monotonic), and those who sleep | [`world`](Self::world) |
/// |---|---|---|---|
/// | [`advance`](Self::advance): time passes | moves | moves | moves |
/// | [`jump_wall`](Self::jump_wall), [`set_wall`](Self::set_wall): NTP, or a user set the clock | moves | – | – |
/// | [`stop_monotonic_for`](Self::stop_monotonic_for): the machine slept | moves | – | moves |
///
/// The fakes of this module live in the world: a wrong clock on the client's machine is not wrong at the vendor.
///
/// ```
/// use keyway::{Clock, testing::ManualClock};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(60)));
/// clock.until_sleeping(1).await; // no guess, no real time: a barrier
/// clock.advance(Duration::from_secs(60));
/// sleeper.await.expect("the sleeper wakes");
/// # }
/// ```
#[derive(Clone)]
#[doc(alias("mock time", "fake clock"))]
pub struct ManualClock {
    hands: Arc<Mutex<Hands>>,
}

struct Hands {
    wall: SystemTime,
    monotonic: Duration,
    world: SystemTime,
    /// It goes on by itself: until when (on the machine's clock) it has.
    followed: Option<Duration>,
    places_given: u64,
    /// Who waits, by place: until when on the monotonic clock, and how to wake them.
    sleepers: HashMap<u64, (Duration, Waker)>,
    /// Who waits for the number of sleepers to change.
    barriers: Vec<Waker>,
}

impl ManualClock {
    /// A clock at 2026-01-01 00:00:00 UTC, on a machine that has been up for one hour.
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }

    /// A clock at `wall`, on a machine that has been up for one hour.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        let hands = Hands {
            wall,
            monotonic: Duration::from_secs(3600),
            world: wall,
            followed: None,
            places_given: 0,
            sleepers: HashMap::new(),
            barriers: Vec::new(),
        };
        Self { hands: Arc::new(Mutex::new(hands)) }
    }

    /// A clock that goes on by itself as the machine's does, from the same moment as [`new`](Self::new), and can be moved as
    /// well: for a test against a real server, which does not wait for anybody's clock.
    ///
    /// ```
    /// use keyway::{Clock, testing::ManualClock};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let clock = ManualClock::advancing();
    /// let began = clock.monotonic();
    /// clock.sleep(Duration::from_millis(5)).await; // nothing moves it
    /// clock.advance(Duration::from_secs(3600)); // and an hour passes in no time
    /// assert!(clock.monotonic() - began >= Duration::from_secs(3600) + Duration::from_millis(5));
    /// # }
    /// ```
    #[must_use]
    pub fn advancing() -> Self {
        let clock = Self::new();
        clock.hands().followed = Some(SystemClock.monotonic());
        clock
    }

    /// Lets time pass, in one step, and wakes the sleepers that are due.
    ///
    /// A task that wakes and sleeps again sleeps from the new time: to see each of its rounds, advance round by round.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.wall += by;
        hands.world += by;
        hands.monotonic += by;
        let due = hands.take_due();
        drop(hands);
        due.into_iter().for_each(Waker::wake);
    }

    /// Moves the wall clock alone, forwards or (negative) backwards: a correction by NTP, or by hand.
    pub fn jump_wall(&self, seconds: i64) {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let mut hands = self.hands();
        if seconds < 0 {
            hands.wall -= distance;
        } else {
            hands.wall += distance;
        }
    }

    /// Sets the wall clock alone.
    pub fn set_wall(&self, wall: SystemTime) {
        self.hands().wall = wall;
    }

    /// The machine sleeps for `span`: the time of day goes on, the monotonic clock does not, and no timer fires.
    ///
    /// So do Linux and macOS. Afterwards the two clocks disagree about how long ago something was.
    pub fn stop_monotonic_for(&self, span: Duration) {
        let mut hands = self.hands();
        hands.wall += span;
        hands.world += span;
    }

    /// The time on everybody else's clock, which no jump of ours moves. What the fakes go by.
    #[must_use]
    pub fn world(&self) -> SystemTime {
        self.hands().world
    }

    /// How many futures of [`sleep`](Clock::sleep) wait on this clock: polled at least once, and not due yet.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.hands().sleepers.len()
    }

    /// Completes as soon as at least `count` sleepers wait: a barrier for tests, which needs no real time.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and does nothing else.
    pub async fn until_sleeping(&self, count: usize) {
        poll_fn(|context| {
            let mut hands = self.hands();
            if hands.sleepers.len() >= count {
                return Poll::Ready(());
            }
            hands.barriers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        look_at(&self.hands)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        self.hands().wall
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }

    fn now(&self) -> (SystemTime, Duration) {
        let hands = self.hands();
        (hands.wall, hands.monotonic)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let due = self.hands().monotonic.saturating_add(duration);
        Box::pin(Sleep { hands: self.hands.clone(), due, place: None, timer: None })
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hands = self.hands();
        f.debug_struct("ManualClock")
            .field("wall", &hands.wall)
            .field("monotonic", &hands.monotonic)
            .field("world", &hands.world)
            .field("sleepers", &hands.sleepers.len())
            .finish()
    }
}

/// A panic elsewhere leaves the hands as they are: they are valid after every statement.
fn look_at(hands: &Mutex<Hands>) -> MutexGuard<'_, Hands> {
    let mut hands = hands.lock().unwrap_or_else(PoisonError::into_inner);
    hands.follow();
    hands
}

impl Hands {
    /// What has passed on the machine's clock since the last look has passed here, too.
    fn follow(&mut self) {
        let Some(followed) = &mut self.followed else { return };
        let now = SystemClock.monotonic();
        let passed = now.saturating_sub(std::mem::replace(followed, now));
        self.wall += passed;
        self.world += passed;
        self.monotonic += passed;
    }

    fn take_due(&mut self) -> Vec<Waker> {
        let now = self.monotonic;
        let due: Vec<u64> = self.sleepers.iter().filter(|(_, (due, _))| *due <= now).map(|(place, _)| *place).collect();
        due.into_iter().filter_map(|place| self.sleepers.remove(&place)).map(|(_, waker)| waker).collect()
    }

    fn new_place(&mut self) -> u64 {
        self.places_given += 1;
        self.places_given
    }
}

struct Sleep {
    hands: Arc<Mutex<Hands>>,
    due: Duration,
    place: Option<u64>,
    /// On a clock that goes on by itself.
    timer: Option<BoxFuture<'static, ()>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = self.hands.clone();
        let mut hands = look_at(&shared);
        if hands.monotonic >= self.due {
            return Poll::Ready(());
        }
        if hands.followed.is_some() && self.is_woken(hands.monotonic, context) {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| hands.new_place());
        hands.sleepers.insert(place, (self.due, context.waker().clone()));
        let barriers = mem::take(&mut hands.barriers);
        drop(hands);
        barriers.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Sleep {
    /// Whether the machine's own timer says that it is time. It wakes this sleeper if not.
    fn is_woken(&mut self, now: Duration, context: &mut Context<'_>) -> bool {
        let left = self.due.saturating_sub(now);
        let timer = self.timer.get_or_insert_with(|| SystemClock.sleep(left));
        timer.as_mut().poll(context).is_ready()
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            look_at(&self.hands).sleepers.remove(&place);
        }
    }
}
