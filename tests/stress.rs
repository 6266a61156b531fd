//! Many threads that do everything at once with two clients on one store: whatever happens, nobody gets stuck, nothing is
//! left, nothing is served after its sign-out, and nothing is spent twice but after a lost answer.
//!
//! `KEYWAY_STRESS_OPERATIONS` says how many operations there are (2,000 if nobody says), `KEYWAY_STRESS_SEED` chooses them; in
//! which order the threads run is the machine's choice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with other suites")]
mod leak_check;

use keyway::{
    Error, ErrorKind, Generation, Key, Lease, MemoryStore, Record, Secret, SignOut, Store, StoreError, StoreLock,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Renewal, Tokens},
    testing::ManualClock,
};
use std::{
    collections::{BTreeSet, HashMap},
    env,
    future::{Future, pending, poll_fn},
    panic,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::RwLock,
    task::{JoinSet, yield_now},
    time::timeout,
};

const THREADS: usize = 16;
const TASKS: usize = 64;
const LIFE: Duration = Duration::from_secs(60);
/// Real time, in which everything has to be over once nothing is begun any more.
const PATIENCE: Duration = Duration::from_secs(120);
const ON_PURPOSE: &str = "the stress panics on purpose";

/// Numbers that a seed decides, whoever draws them.
#[derive(Clone)]
struct Dice(Arc<AtomicU64>);

impl Dice {
    fn roll(&self) -> u64 {
        let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn in_hundred(&self, share: u64) -> bool {
        self.roll() % 100 < share
    }

    /// Others come first, now and then.
    async fn dawdle(&self) {
        for _ in 0..self.roll() % 4 {
            yield_now().await;
        }
    }
}

#[derive(Default)]
struct Session {
    newest: u64,
    revoked: bool,
    /// Refresh tokens whose answer was lost.
    lost: BTreeSet<u64>,
}

/// What everybody shares: the vendor, and whether anything goes wrong.
struct World {
    sessions: Mutex<Vec<Session>>,
    dice: Dice,
    healed: AtomicBool,
    spent_twice: AtomicUsize,
    served_late: AtomicUsize,
    stuck: AtomicUsize,
    moments: AtomicU64,
}

fn look_at<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn goes_wrong(&self, share: u64) -> bool {
        !self.healed.load(Ordering::SeqCst) && self.dice.in_hundred(share)
    }

    fn now(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }
}

fn names(kind: &str, session: usize, number: u64) -> String {
    format!("{kind}-token-of-session-{session:08}-{number:08}")
}

fn named(token: &str) -> (usize, u64) {
    let mut parts = token.rsplitn(3, '-');
    let (number, session) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (session.parse().expect("a session"), number.parse().expect("a number"))
}

/// An answer on its way. If it gets lost, the vendor's token is nobody's.
struct Answer<'a>(&'a World, usize, u64);

impl Answer<'_> {
    fn arrives(self) -> Issued {
        let issued = Issued::new(names("access", self.1, self.2)).with_refresh(names("refresh", self.1, self.2));
        std::mem::forget(self);
        issued.lives_for(LIFE)
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        look_at(&self.0.sessions)[self.1].lost.insert(self.2.saturating_sub(1));
    }
}

struct Vendor(Arc<World>);

impl Vendor {
    /// The answer may be late for ever, and whoever carries it may fall.
    async fn answers(&self, session: usize, number: u64) -> Issued {
        let answer = Answer(&self.0, session, number);
        self.0.dice.dawdle().await;
        if self.0.goes_wrong(1) {
            pending::<()>().await;
        }
        assert!(!self.0.goes_wrong(1), "{ON_PURPOSE}");
        answer.arrives()
    }
}

impl Issuer for Vendor {
    fn describe(&self) -> Capabilities {
        Capabilities::new("stress", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.0.dice.dawdle().await;
        assert!(!self.0.goes_wrong(1), "{ON_PURPOSE}");
        let _permit = attempt.acquire().await?;
        if self.0.goes_wrong(2) {
            return Err(Error::unexpected_status(503));
        }
        let session = {
            let mut sessions = look_at(&self.0.sessions);
            sessions.push(Session::default());
            sessions.len() - 1
        };
        Ok(self.answers(session, 0).await)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        let (session, number) = named(tokens.refresh().map(Secret::expose).expect("a refresh token"));
        let newest = {
            let mut sessions = look_at(&self.0.sessions);
            let there = &mut sessions[session];
            if there.newest != number {
                let excused = there.revoked || there.lost.contains(&number);
                there.revoked = true;
                self.0.spent_twice.fetch_add(usize::from(!excused), Ordering::SeqCst);
            }
            if there.revoked {
                return Err(Error::refresh_refused("the vendor knows no such token"));
            }
            there.newest += 1;
            there.newest
        };
        Ok(self.answers(session, newest).await)
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        self.0.dice.dawdle().await;
        if self.0.goes_wrong(2) {
            pending::<()>().await;
        }
        let (session, _) = named(tokens.access().expose());
        look_at(&self.0.sessions)[session].revoked = true;
        Ok(SignOut::Revoked)
    }
}

/// Fails now and then, before or after it has done what it was asked.
struct Shaky {
    world: Arc<World>,
    inner: MemoryStore,
}

impl Shaky {
    async fn stands(&self) -> Result<(), StoreError> {
        self.world.dice.dawdle().await;
        if self.world.goes_wrong(2) { Err(StoreError::new("it shakes")) } else { Ok(()) }
    }
}

impl Store for Shaky {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.stands().await?;
        self.inner.load(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.stands().await?;
        let saved = self.inner.compare_and_swap(key, expected, record).await;
        self.stands().await?;
        saved
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.stands().await?;
        self.inner.lock(key, wait).await
    }
}

/// One client, and what it has served.
struct User {
    client: Client,
    served: Mutex<Option<usize>>,
    /// The sessions that were signed out here, and when that had returned.
    ended: Mutex<HashMap<usize, u64>>,
    /// Whoever signs in shares it, whoever looks that nobody is served has it alone.
    gate: RwLock<()>,
}

impl User {
    fn look_at(&self, world: &World, lease: &Lease, began: u64) {
        let (session, _) = named(lease.token().expect("a bearer token").expose());
        if look_at(&self.ended).get(&session).is_some_and(|ended| *ended < began) {
            eprintln!("session {session} was signed out, and is served");
            world.served_late.fetch_add(1, Ordering::SeqCst);
        }
        *look_at(&self.served) = Some(session);
    }

    async fn leases(&self, world: &World) {
        let began = world.now();
        if let Ok(lease) = self.client.session().lease().await {
            self.look_at(world, &lease, began);
        }
    }

    async fn renews(&self, world: &World) {
        let began = world.now();
        if let Ok(lease) = self.client.session().renew().await {
            self.look_at(world, &lease, began);
        }
    }

    async fn signs_in(&self, world: &World) {
        let _beside = self.gate.read().await;
        let began = world.now();
        if let Ok(lease) = self.client.session().sign_in().await {
            self.look_at(world, &lease, began);
        }
    }

    async fn signs_out(&self, world: &World) {
        let _alone = self.gate.write().await;
        let served = *look_at(&self.served);
        let _ = self.client.session().sign_out().await;
        let ended = world.now();
        look_at(&self.ended).extend(served.into_iter().map(|session| (session, ended)));
        for _ in 0..3 {
            match self.client.session().lease().await {
                Err(error) if error.kind() == ErrorKind::SignedOut => {}
                outcome => {
                    eprintln!("signed out, and then {outcome:?}");
                    world.served_late.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    async fn does(&self, world: &World, clock: &ManualClock, what: u64) {
        match what % 100 {
            0..55 => self.leases(world).await,
            55..65 => self.renews(world).await,
            65..75 => drop(self.client.http().get("/things").send().await),
            75..85 => self.signs_in(world).await,
            85..90 => self.signs_out(world).await,
            90..95 => clock.advance(Duration::from_secs(what / 100 % 40)),
            95..97 => clock.jump_wall(i64::try_from(what / 100 % 7200).unwrap_or_default() - 3600),
            97..98 => drop(self.client.session().close().await),
            _ => {
                // Enough to let most of it happen, and dropped then.
                let polls = what / 100 % 6;
                dropped_after(polls, self.leases(world)).await;
                dropped_after(polls, self.signs_in(world)).await;
            }
        }
    }
}

/// Polls it so often and no more.
async fn dropped_after<T>(polls: u64, future: impl Future<Output = T>) {
    let (mut future, mut polled) = (pin!(future), 0);
    poll_fn(|context| {
        polled += 1;
        if polled > polls { Poll::Ready(()) } else { future.as_mut().poll(context).map(drop) }
    })
    .await;
}

/// Answers 401 to tokens that have ended at the vendor, and now and then to others.
async fn things(world: Arc<World>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(thing(world.clone(), stream));
    }
}

async fn thing(world: Arc<World>, mut stream: TcpStream) {
    let mut asked = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        asked.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        if !text.contains("\r\n\r\n") {
            continue;
        }
        let token = text
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("authorization: bearer ").map(str::to_owned));
        let known = token.is_some_and(|token| !look_at(&world.sessions)[named(token.trim()).0].revoked);
        let status = if known && !world.goes_wrong(10) { "200 OK" } else { "401 Unauthorized" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        asked.clear();
    }
}

fn given(name: &str, or: u64) -> u64 {
    env::var(name).map_or(or, |text| text.parse().expect(name))
}

#[apply(leak_checked!)]
fn many_threads_that_do_everything_at_once_leave_nothing_behind() {
    let seed = given("KEYWAY_STRESS_SEED", 1);
    let operations = given("KEYWAY_STRESS_OPERATIONS", 2000);
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.payload_as_str().is_some_and(|text| text.contains(ON_PURPOSE)) {
            print(panic);
        }
    }));
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    let (world, users, left) = runtime.block_on(stress(seed, operations));
    let _ = panic::take_hook();
    let counts = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    let sessions = look_at(&world.sessions).len();
    println!("seed {seed}: {operations} operations, {sessions} sessions, {left} tasks left");
    assert_eq!(counts(&world.stuck), 0, "stuck, with the seed {seed}");
    assert_eq!(counts(&world.served_late), 0, "leases after a sign-out had returned, with the seed {seed}");
    assert_eq!(counts(&world.spent_twice), 0, "spent twice, with the seed {seed}");
    assert_eq!((users, left), (0, 0), "clients and tasks that are left, with the seed {seed}");
    assert!(sessions > 0, "nothing happened");
}

/// Returns the world, how many clients did not get well again, and how many tasks are left.
async fn stress(seed: u64, operations: u64) -> (Arc<World>, usize, usize) {
    let world = Arc::new(World {
        sessions: Mutex::default(),
        dice: Dice(Arc::new(AtomicU64::new(seed))),
        healed: AtomicBool::new(false),
        spent_twice: AtomicUsize::new(0),
        served_late: AtomicUsize::new(0),
        stuck: AtomicUsize::new(0),
        moments: AtomicU64::new(0),
    });
    let (clock, shared) = (ManualClock::new(), MemoryStore::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(things(world.clone(), listener));
    let beats = tokio::spawn({
        let clock = clock.clone();
        // Whatever waits for the clock comes to its turn.
        async move {
            loop {
                clock.advance(Duration::from_millis(100));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let user = || {
        let store = Shaky { world: world.clone(), inner: shared.clone() };
        let builder = Client::builder(url.as_str()).issuer(Vendor(world.clone())).principal("till-7");
        let client = builder.store(store).clock(clock.clone()).build().unwrap();
        Arc::new(User { client, served: Mutex::default(), ended: Mutex::default(), gate: RwLock::default() })
    };
    let users = [user(), user()];
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (world, clock, user) = (world.clone(), clock.clone(), users[task % users.len()].clone());
        tasks.spawn(async move {
            for _ in 0..operations.div_ceil(TASKS as u64) {
                let what = world.dice.roll();
                if timeout(PATIENCE, user.does(&world, &clock, what)).await.is_err() {
                    eprintln!("stuck: {what}, {}", user.client.session().report());
                    world.stuck.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("a task of the stress itself");
    }
    let ill = heal(&world, users).await;
    server.abort();
    beats.abort();
    let metrics = tokio::runtime::Handle::current().metrics();
    // What serves a connection of the pool ends when that does.
    let over = async {
        while metrics.num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = timeout(PATIENCE / 4, over).await;
    (world, ill, metrics.num_alive_tasks())
}

/// From now on nothing goes wrong: every client works again, ends in order, and goes.
async fn heal(world: &World, users: [Arc<User>; 2]) -> usize {
    world.healed.store(true, Ordering::SeqCst);
    let mut ill = 0;
    for user in users {
        let session = user.client.session();
        let well = async {
            while session.sign_in().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let sent = user.client.http().get("/things").send().await;
            sent.is_ok() && session.close().await.is_ok()
        };
        match timeout(PATIENCE, well).await {
            Ok(true) => {}
            outcome => {
                eprintln!("not well again ({outcome:?}): {}", session.report());
                ill += 1;
            }
        }
    }
    ill
}
