//! A long day with all five vendors: twenty-four clients, and faults, ends, revocations, sign-outs and clocks that jump.
//!
//! The day goes on in rounds, each with fakes, clients and a runtime of its own, until `KEYWAY_SOAK_SECONDS` are over (3 if
//! nobody says). `KEYWAY_SOAK_SEED` chooses what happens; in which order the tasks run is the machine's choice. At the end of
//! each round nobody may have used another's token, none may have been spent twice but after a lost answer, nothing may have
//! leaked, panicked or got stuck, and every client has to be well again; at the end of the day memory has to be as before.
//!
//! `KEYWAY_SOAK_DEFECT` does one of these wrongs on purpose, so that the looking can be looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
mod leak_check;

use keyway::{
    AccessKey, Error, ErrorKind, Http, MemoryStore, Responder, Secret, Session, Timeouts,
    testing::{Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock, Seen},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    future::{Future, pending, poll_fn},
    hash::{BuildHasher, RandomState},
    mem::discriminant,
    ops::Deref,
    panic,
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, task::JoinSet, time::timeout};

/// What each client does in a round.
const STEPS: usize = 20;
/// Real time in which whatever was begun has to end once all faults are healed.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// How much more memory the last third of the day may use than the one before: what an allocator keeps, and no more.
const NOISE: usize = 6 * 1024 * 1024;
/// So many rounds are needed to tell growth from noise.
const ROUNDS_TO_TELL: usize = 9;

const DAY: &str = "a_long_day_with_all_five_vendors_leaves_nothing_behind";

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_long_day_with_all_five_vendors_leaves_nothing_behind() {
    let seconds = env::var("KEYWAY_SOAK_SECONDS").map_or(3, |seconds| seconds.parse().expect("seconds"));
    let seed =
        env::var("KEYWAY_SOAK_SEED").map_or_else(|_| RandomState::new().hash_one(0), |s| s.parse().expect("a seed"));
    let defect = env::var("KEYWAY_SOAK_DEFECT").ok();
    println!("KEYWAY_SOAK_SECONDS={seconds} KEYWAY_SOAK_SEED={seed}");
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        print(panic);
    }));
    let began = Instant::now();
    let watchdog = Watchdog::wake();
    let (mut dice, mut memory, mut tally) = (Dice(seed), Vec::new(), Tally::default());
    let least = if defect.as_deref() == Some("memory") { ROUNDS_TO_TELL } else { 1 };
    while memory.len() < least || began.elapsed() < Duration::from_secs(seconds) {
        let round = Round { seed: dice.roll(), answers_are_lost: memory.len() % 2 == 1, defect: defect.clone() };
        // Each round is a check of its own: what it noted is looked through and forgotten.
        leak_check::checked(|| tally.add(round.play()));
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
        memory.push(resident());
        watchdog.pat();
    }
    println!("{} rounds in {:?}: {tally}", memory.len(), began.elapsed());
    is_flat(&memory);
}

/// Takes down a process whose rounds do not go on, even if its runtime is what stands still.
struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    const OVER: u64 = u64::MAX;

    fn wake() -> Self {
        let rounds = Arc::new(AtomicU64::new(0));
        let watched = rounds.clone();
        thread::spawn(move || {
            let mut seen = None;
            loop {
                let now = watched.load(Ordering::SeqCst);
                match now {
                    Self::OVER => return,
                    now if seen == Some(now) => {
                        eprintln!("round {now} does not end: something is stuck");
                        std::process::abort();
                    }
                    now => seen = Some(now),
                }
                thread::sleep(3 * PATIENCE);
            }
        });
        Self(rounds)
    }

    fn pat(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(Self::OVER, Ordering::SeqCst);
    }
}

/// The memory of this process in bytes, 0 where that cannot be known.
fn resident() -> usize {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

fn is_flat(memory: &[usize]) {
    if memory.len() < ROUNDS_TO_TELL {
        return;
    }
    let third = memory.len() / 3;
    let mean = |rounds: &[usize]| rounds.iter().sum::<usize>() / rounds.len();
    let (middle, last) = (mean(&memory[third..2 * third]), mean(&memory[2 * third..]));
    println!("memory: {} KiB, then {} KiB", middle / 1024, last / 1024);
    assert!(last <= middle + middle / 10 + NOISE, "memory grows: {memory:?}");
}

/// SplitMix64: enough chance for a day, and the same from the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len() as u64) as usize]
    }

    fn seconds(&mut self, at_most: u64) -> Duration {
        Duration::from_secs(1 + self.below(at_most))
    }
}

/// What came of everything that was asked for.
#[derive(Default)]
struct Tally {
    good: usize,
    abandoned: usize,
    lost: usize,
    reuses: usize,
    failed: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.reuses += other.reuses;
        other.failed.into_iter().for_each(|(kind, count)| *self.failed.entry(kind).or_default() += count);
    }

    fn failed(&mut self, error: &Error) {
        is_documented(error);
        *self.failed.entry(error.kind().as_str()).or_default() += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { good, abandoned, lost, reuses, failed } = self;
        write!(
            f,
            "{good} good, {abandoned} abandoned, {lost} answers to renewals lost, {reuses} tokens used again, failed {failed:?}"
        )
    }
}

/// Whatever the day does, nobody here asks for what cannot be, or is to be asked what nobody answers.
fn is_documented(error: &Error) {
    let page = include_str!("../docs/errors.md");
    let kind = error.kind();
    assert!(
        page.contains(&format!("## `{kind:?}`")) || page.contains(&format!("## {kind:?}")),
        "{kind:?} is not documented"
    );
    let impossible =
        [ErrorKind::Config, ErrorKind::Validation, ErrorKind::CaptchaRequired, ErrorKind::DeviceCodeRequired];
    assert!(!impossible.contains(&kind), "{error}");
}

/// A vendor with two users and all that can be done to it.
struct Vendor {
    fake: Arc<dyn Deref<Target = Fake> + Send + Sync>,
    /// What makes a token and spends none.
    plain: &'static [&'static str],
    /// What may spend a refresh token.
    rotating: &'static [&'static str],
    revoke: Box<dyn Fn(u64) + Send + Sync>,
    reuses: Box<dyn Fn() -> usize + Send + Sync>,
}

/// Loses an answer after the vendor has done what was asked.
const LOSING: [Fault; 3] = [Fault::CutAfter, Fault::CutHalfway, Fault::TruncatedJson];

impl Vendor {
    /// How many answers to renewals were lost.
    fn lost(&self) -> usize {
        let loses = |fault: &Fault| LOSING.iter().any(|losing| discriminant(losing) == discriminant(fault));
        let lost = |seen: &Seen| self.rotating.contains(&&*seen.operation) && seen.fault.as_ref().is_some_and(loses);
        self.fake().saw().iter().filter(|seen| lost(seen)).count()
    }

    fn fake(&self) -> &Fake {
        self.fake.deref().deref()
    }

    fn heal(&self) {
        self.plain.iter().chain(self.rotating).chain(&["other"]).for_each(|operation| self.fake().heal(operation));
    }
}

/// One client: one of two of the same user, as if in two processes.
#[derive(Clone)]
struct Actor {
    user: &'static str,
    http: Http,
    session: Session,
    /// Where the vendor says whose session it is, and in which member.
    whoami: (&'static str, &'static str),
    /// Whether the next token is to be had without another session.
    renews: bool,
}

const OTHER: &str = "c@d.example";
const SECOND: &str = "the second one of all passwords";
const OTHER_KEY: &str = "vtexappkey-soak-SECOND";

/// What is no operation these fakes answer with whose session it is.
const ANY: (&str, &str) = ("/some/things", "/user");

struct Mailbox(Arc<FakeVtex>, &'static str);

impl Responder for Mailbox {
    async fn access_key(&self, _: AccessKey) -> Option<Secret> {
        self.0.access_key_for(self.1).map(Secret::from)
    }
}

/// Everything builders share: one clock, one store for all, and deadlines that no jump of the clock passes while a request
/// is under way.
macro_rules! client {
    ($actors:ident, $clock:ident, $store:ident, $user:expr, $whoami:expr, $renews:expr, $builder:expr) => {
        for _ in 0..2 {
            let timeouts = Timeouts::default().with_renewal(365 * 24 * HOUR).with_store_lock(24 * HOUR);
            let builder = $builder.clock($clock.clone()).store($store.clone()).timeouts(timeouts);
            let client = builder.build().unwrap();
            let (http, session) = (client.http(), client.session().clone());
            $actors.push(Actor { user: $user, http, session, whoami: $whoami, renews: $renews });
        }
    };
}

async fn everybody(clock: &ManualClock) -> (Vec<Vendor>, Vec<Actor>) {
    let (store, mut actors) = (MemoryStore::new(), Vec::new());
    let builder = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).user(OTHER, SECOND);
    let vita = Arc::new(builder.start().await);
    vita.serve(ANY.0);
    for (user, password) in [(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD), (OTHER, SECOND)] {
        let whoami = ("/user/v1/auth/check", "/payload/user/email");
        client!(
            actors,
            clock,
            store,
            user,
            whoami,
            true,
            keyway::vitamojo::Client::builder(vita.uri()).password(user, password)
        );
    }
    let builder = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).user(OTHER, SECOND);
    let ordering = Arc::new(builder.start().await);
    ordering.serve(ANY.0);
    for (user, password) in [(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD), (OTHER, SECOND)] {
        let builder = || {
            let builder = keyway::orderingstack::Client::builder(ordering.uri()).tenant(FakeOrderingStack::TENANT);
            let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
            builder.password(user, password)
        };
        client!(actors, clock, store, user, ("/auth-api/api/me", "/login"), true, builder());
    }
    let monkey = FakeShopmonkey::builder().clock(clock.clone()).jwt(true).token_life(HOUR).user(OTHER, SECOND);
    let monkey = Arc::new(monkey.start().await);
    monkey.serve(ANY.0);
    for (user, password) in [(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD), (OTHER, SECOND)] {
        client!(
            actors,
            clock,
            store,
            user,
            ANY,
            false,
            keyway::shopmonkey::Client::builder(monkey.uri()).password(user, password)
        );
    }
    let vms = Arc::new(FakeVms::builder().clock(clock.clone()).user(OTHER, SECOND).start().await);
    vms.serve(ANY.0);
    for (user, password) in [(FakeVms::LOGIN, FakeVms::PASSWORD), (OTHER, SECOND)] {
        let builder = || {
            let builder = keyway::vms::Client::builder(vms.uri()).password(user, password);
            builder.session_limit(keyway::EvictionPolicy::Oldest)
        };
        client!(actors, clock, store, user, ("/api/v1/users/self", "/login"), false, builder());
    }
    let vtex = Arc::new(FakeVtex::builder().clock(clock.clone()).app_key(OTHER_KEY, SECOND).start().await);
    vtex.serve(ANY.0);
    for (user, password) in [(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN), (OTHER_KEY, SECOND)] {
        client!(
            actors,
            clock,
            store,
            user,
            ANY,
            true,
            keyway::vtex::Client::builder(vtex.uri()).app_key(user, password)
        );
    }
    let store_front = Arc::new(FakeVtex::builder().clock(clock.clone()).user(OTHER, "Till").start().await);
    store_front.serve(ANY.0);
    for user in [FakeVtex::EMAIL, OTHER] {
        let builder = || {
            let builder = keyway::vtex::Client::builder(store_front.uri()).account(FakeVtex::ACCOUNT);
            builder.storefront(user).responder(Mailbox(store_front.clone(), user))
        };
        client!(actors, clock, store, user, ANY, true, builder());
    }
    let vendors = vec![
        Vendor {
            fake: Arc::new(Of(vita.clone())),
            plain: &["auth"],
            rotating: &["refresh_token"],
            revoke: Box::new({
                let vita = vita.clone();
                move |which| if which == 0 { vita.revoke_refresh_tokens() } else { vita.revoke_access_tokens() }
            }),
            reuses: Box::new(move || vita.reuses()),
        },
        Vendor {
            fake: Arc::new(Of(ordering.clone())),
            plain: &[],
            rotating: &["issue_token"],
            revoke: Box::new({
                let ordering = ordering.clone();
                move |which| if which == 0 { ordering.revoke_refresh_tokens() } else { ordering.revoke_access_tokens() }
            }),
            reuses: Box::new(move || ordering.reuses()),
        },
        Vendor {
            fake: Arc::new(Of(monkey.clone())),
            plain: &["login", "logout"],
            rotating: &[],
            revoke: Box::new(move |_| monkey.revoke_sessions()),
            reuses: Box::new(|| 0),
        },
        Vendor {
            fake: Arc::new(Of(vms.clone())),
            plain: &["get_token", "get_basic_static", "logout"],
            rotating: &[],
            revoke: Box::new(move |_| vms.revoke_all()),
            reuses: Box::new(|| 0),
        },
        Vendor {
            fake: Arc::new(Of(vtex.clone())),
            plain: &["generate_authentication_token"],
            rotating: &[],
            revoke: Box::new(move |_| vtex.revoke_tokens()),
            reuses: Box::new(|| 0),
        },
        Vendor {
            fake: Arc::new(Of(store_front.clone())),
            plain: &["start_authentication", "send_access_key", "validate_access_key"],
            rotating: &["refresh_storefront_token"],
            revoke: Box::new({
                let store_front = store_front.clone();
                move |which| if which == 0 { store_front.revoke_refresh_tokens() } else { store_front.revoke_tokens() }
            }),
            reuses: Box::new(move || store_front.reuses()),
        },
    ];
    (vendors, actors)
}

/// A fake that several hold.
struct Of<F>(Arc<F>);

impl<F: Deref<Target = Fake>> Deref for Of<F> {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.0
    }
}

struct Round {
    seed: u64,
    /// Whether answers to renewals are lost: only then may a token be spent twice.
    answers_are_lost: bool,
    defect: Option<String>,
}

impl Round {
    fn play(self) -> Tally {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tally = runtime.block_on(self.day());
        runtime.block_on(async {
            let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let gone = async {
                while alive() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            assert!(timeout(PATIENCE / 4, gone).await.is_ok(), "{} tasks are stuck", alive());
        });
        tally
    }

    async fn day(&self) -> Tally {
        let (clock, mut dice) = (ManualClock::new(), Dice(self.seed));
        let (vendors, actors) = everybody(&clock).await;
        let (vendors, over) = (Arc::new(vendors), Arc::new(AtomicBool::new(false)));
        let weather = Weather { vendors: vendors.clone(), clock: clock.clone(), loses: self.answers_are_lost };
        let weather = tokio::spawn(weather.goes_on(Dice(dice.roll()), over.clone()));
        let mut days = JoinSet::new();
        for actor in &actors {
            days.spawn(actor.clone().day(Dice(dice.roll())));
        }
        let mut tally = Tally::default();
        let all = async {
            while let Some(day) = days.join_next().await {
                tally.add(day.expect("an actor panicked"));
            }
        };
        assert!(timeout(PATIENCE, all).await.is_ok(), "actors are stuck");
        over.store(true, Ordering::SeqCst);
        weather.await.expect("the weather panicked");
        recover(&vendors, &actors, &clock).await;
        self.do_wrong(&actors, &vendors).await;
        for vendor in vendors.iter() {
            let (lost, reuses) = (vendor.lost(), (vendor.reuses)());
            tally.lost += lost;
            tally.reuses += reuses;
            assert!(reuses <= lost, "{reuses} tokens were spent twice, and {lost} answers were lost");
            nobody_used_anothers(vendor.fake());
        }
        tally
    }

    /// What the looking has to notice.
    async fn do_wrong(&self, actors: &[Actor], vendors: &[Vendor]) {
        match self.defect.as_deref() {
            None => {}
            Some("tenant") => {
                // The first two are of one user, the third of another one at the same vendor.
                let lease = actors[0].session.lease().await.unwrap();
                for user in [actors[0].user, actors[2].user] {
                    let call = actors[2].http.get("/some/things").headers(lease.headers().clone());
                    call.header("x-client", user).send().await.unwrap();
                }
            }
            Some("leak") => {
                let lease = actors[0].session.lease().await.unwrap();
                tracing::info!("the token is {}", lease.token().unwrap().expose());
            }
            Some("reuse") => {
                // The token of a sign-in of its own: the weather may have ended any other.
                let (fake, vendor) = (vendors[0].fake(), reqwest::Client::new());
                let login = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
                let sign_in = vendor.post(format!("{}/user/v1/auth", fake.uri())).json(&login);
                let told: Value = sign_in.send().await.unwrap().json().await.unwrap();
                let token = told["payload"]["token"]["refresh"].as_str().expect("a refresh token");
                for _ in 0..2 {
                    let renewal = vendor.put(format!("{}/user/v1/auth/refresh/{token}", fake.uri()));
                    renewal.send().await.unwrap();
                }
            }
            Some("panic") => assert!(tokio::spawn(async { panic!("on purpose") }).await.is_err()),
            Some("stuck") => drop(tokio::spawn(pending::<()>())),
            Some("memory") => drop(Box::leak(vec![1_u8; 24 * 1024 * 1024].into_boxed_slice())),
            Some(other) => panic!("what is the defect `{other}`?"),
        }
    }
}

impl Actor {
    async fn day(self, mut dice: Dice) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..STEPS {
            let what = dice.below(100);
            let polls = if dice.below(3) == 0 { Some(dice.below(4)) } else { None };
            match abandoned(self.step(what), polls).await {
                None => tally.abandoned += 1,
                Some(Ok(())) => tally.good += 1,
                Some(Err(error)) => {
                    tally.failed(&error);
                    if matches!(error.kind(), ErrorKind::SignedOut | ErrorKind::InvalidCredentials)
                        && dice.below(2) == 0
                    {
                        let _ = self.session.sign_in().await.inspect_err(|error| tally.failed(error));
                    }
                }
            }
        }
        tally
    }

    async fn step(&self, what: u64) -> Result<(), Error> {
        match what {
            0..6 => self.session.lease().await.map(|lease| {
                tracing::trace!(?self.session, ?lease, headers = ?lease.headers(), token = ?lease.token(), "whatever can be printed");
            }),
            6..10 if self.renews => self.session.renew().await.map(drop),
            10..13 => self.session.sign_out().await.map(drop),
            13..18 => self.session.sign_in().await.map(drop),
            18..30 => self.is_still_itself().await,
            _ => self.call().await.map(drop),
        }
    }

    async fn call(&self) -> Result<u16, Error> {
        let answer = self.http.get("/some/things").header("x-client", self.user).send().await?;
        Ok(answer.status().as_u16())
    }

    /// The vendor itself says whose session this is.
    async fn is_still_itself(&self) -> Result<(), Error> {
        let (path, member) = self.whoami;
        let answer = self.http.get(path).header("accept", "application/json").send().await?;
        if answer.status() != 200 {
            return Ok(());
        }
        let told: Value = answer.json().await.map_err(Error::from)?;
        assert_eq!(told.pointer(member), Some(&json!(self.user)), "another one's session");
        Ok(())
    }
}

/// Does it, or leaves it after so many polls.
async fn abandoned<T>(work: impl Future<Output = T>, polls: Option<u64>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| match (work.as_mut().poll(context), &mut left) {
        (Poll::Ready(outcome), _) => Poll::Ready(Some(outcome)),
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, left) => {
            *left = left.map(|left| left - 1);
            Poll::Pending
        }
    })
    .await
}

/// What happens to everybody.
struct Weather {
    vendors: Arc<Vec<Vendor>>,
    clock: ManualClock,
    loses: bool,
}

impl Weather {
    async fn goes_on(self, mut dice: Dice, over: Arc<AtomicBool>) {
        while !over.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match dice.below(40) {
                0 => self.clock.jump_wall(i64::try_from(dice.below(7200)).unwrap() - 3600),
                1 => self.clock.set_wall(self.clock.world()),
                2 => self.clock.stop_monotonic_for(dice.seconds(3600)),
                3 => self.clock.advance(dice.seconds(2 * 3600)),
                4..6 => (dice.pick(&self.vendors).revoke)(dice.below(4)),
                6..24 => self.strike(dice.pick(&self.vendors), &mut dice),
                _ => self.clock.advance(dice.seconds(30)),
            }
        }
    }

    fn strike(&self, vendor: &Vendor, dice: &mut Dice) {
        let instead = [
            Fault::Html(503),
            Fault::Empty(500),
            Fault::CutBefore,
            Fault::TooManyRequests { retry_after: Some("5".to_owned()) },
            Fault::Json(400, json!({ "message": "not today" })),
        ];
        let late = [Fault::Delay(dice.seconds(30)), Fault::SlowBody(dice.seconds(30)), Fault::WrongContentType];
        let fake = vendor.fake();
        match dice.below(4) {
            0 => {
                let fault = if dice.below(2) == 0 { Fault::Unauthorized } else { dice.pick(&instead).clone() };
                fake.next("other", fault);
            }
            1 if !vendor.plain.is_empty() => {
                let all = [&instead[..4], &late, &LOSING].concat();
                fake.next(dice.pick::<&str>(vendor.plain), dice.pick(&all).clone());
            }
            2 if self.loses && !vendor.rotating.is_empty() => {
                fake.next(dice.pick::<&str>(vendor.rotating), dice.pick(&LOSING).clone());
            }
            _ if !vendor.rotating.is_empty() => {
                let all = [&instead[..4], &late].concat();
                fake.next(dice.pick::<&str>(vendor.rotating), dice.pick(&all).clone());
            }
            _ => {}
        }
    }
}

/// The faults end, the clocks are right, an hour passes again and again: every client has to be well within bounds.
async fn recover(vendors: &[Vendor], actors: &[Actor], clock: &ManualClock) {
    clock.set_wall(clock.world());
    let work = async {
        for actor in actors {
            vendors.iter().for_each(Vendor::heal);
            for tries in 0.. {
                let outcome = match actor.session.sign_in().await {
                    Ok(_) => actor.call().await,
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(200) => break,
                    _ if tries < 20 => clock.advance(HOUR),
                    outcome => panic!("{} is not well again: {outcome:?}", actor.user),
                }
            }
            actor.session.close().await.unwrap();
        }
    };
    let time = async {
        loop {
            // What sleeps gets on, and no token ends between a sign-in and its call.
            tokio::time::sleep(Duration::from_millis(2)).await;
            clock.advance(Duration::from_secs(1));
        }
    };
    let well = async {
        tokio::select! {
            () = work => {}
            () = time => {}
        }
    };
    assert!(timeout(PATIENCE, well).await.is_ok(), "clients are stuck");
}

/// Every call says who it is of; a token that comes with two names was lent to the wrong one.
fn nobody_used_anothers(fake: &Fake) {
    let mut owners = HashMap::new();
    for seen in fake.saw() {
        if let (Some(token), Some(user)) = (seen.bearer.as_deref(), seen.header("x-client")) {
            let owner = owners.entry(token.to_owned()).or_insert_with(|| user.to_owned());
            assert!(token == "unknown" || owner == user, "{token} of {owner} was used by {user}");
        }
    }
}

/// Each wrong, done on purpose in a process of its own, is noticed and named.
#[apply(leak_checked!)]
fn every_kind_of_wrong_is_noticed() {
    let wrongs = [
        ("tenant", "was used by"),
        ("leak", "a log shows the secret"),
        ("reuse", "tokens were spent twice"),
        ("panic", "something panicked"),
        ("stuck", "tasks are stuck"),
        ("memory", "memory grows"),
    ];
    let mut unnoticed = Vec::new();
    for (wrong, said) in wrongs {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", DAY, "--nocapture"]).env("KEYWAY_SOAK_DEFECT", wrong);
        let told = command.env("KEYWAY_SOAK_SECONDS", "1").output().unwrap();
        let text = [told.stdout, told.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if told.status.success() || !text.contains(said) {
            unnoticed.push(format!("`{wrong}` was not noticed: {text}"));
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
