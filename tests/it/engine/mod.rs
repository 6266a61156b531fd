//! The engine against a vendor that lives in memory: every step of either side can be held, failed and counted.

mod deadlines;
mod fleet;
mod given_up;
mod limits;
mod locks;
mod moved;
mod people;
mod refusals;
mod sign_out;
mod sign_outs;
mod time;

#[cfg(feature = "oauth2")]
pub(crate) use people::{Sign, are_gone};

use crate::{
    counts::Counts,
    scripted_store::{Hold, ScriptedStore},
};
use keyway::{
    Clock, Error, MemoryStore, Secret, Session, SignOut,
    custom::{self, Attempt, Capabilities, Issued, Issuer, Renewal, Tokens},
    testing::ManualClock,
};
use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

pub(crate) const LIFE: Duration = Duration::from_secs(600);
pub(crate) const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ROTATES: Renewal = Renewal::RefreshToken { rotates: true };

pub(crate) type Leased = Result<keyway::Lease, Error>;

/// What the vendor does with a request instead of answering it.
pub(crate) enum Twist {
    Fail(Error),
    /// It answers only when the test lets it, and has done what was asked before that.
    Hold(Hold),
    /// It answers that late on the clock, with this.
    Late(Duration, Error),
    /// It has done what was asked, and answers that late on the clock.
    Slow(Duration),
    Never,
}

/// A vendor in memory, and a store that several processes share.
#[derive(Clone)]
pub(crate) struct Vendor {
    pub(crate) clock: ManualClock,
    pub(crate) memory: MemoryStore,
    pub(crate) capabilities: Capabilities,
    /// How long its tokens live; `None`: it does not say.
    pub(crate) life: Option<Duration>,
    books: Arc<Mutex<Books>>,
    /// Requests under way.
    open: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) sign_ins: usize,
    pub(crate) renewals: usize,
    /// How often a refresh token was presented again.
    pub(crate) reuses: usize,
    /// The tokens it was told to end, oldest first.
    pub(crate) told: Vec<String>,
    /// The sessions that go on, by their newest access token.
    pub(crate) live: Vec<String>,
    spent: Vec<String>,
    refused: Option<String>,
    made: usize,
    next_sign_in: VecDeque<Twist>,
    next_renewal: VecDeque<Twist>,
    next_sign_out: VecDeque<Twist>,
}

/// Counts a request for as long as it is under way.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Vendor {
    pub(crate) fn rotating() -> Self {
        Self::of(Capabilities::new("scripted", ".password(..)").renewal(ROTATES))
    }

    /// Where a new token is had by signing in again.
    pub(crate) fn signing_in() -> Self {
        Self::of(Capabilities::new("scripted", ".password(..)").renewal(Renewal::SignIn))
    }

    pub(crate) fn of(capabilities: Capabilities) -> Self {
        let (clock, memory) = (ManualClock::new(), MemoryStore::new());
        Self { clock, memory, capabilities, life: Some(LIFE), books: Arc::default(), open: Arc::default() }
    }

    pub(crate) fn issuer(&self) -> Scripted {
        Scripted { vendor: self.clone(), password: Secret::from("the scripted password") }
    }

    pub(crate) fn builder(&self, store: &ScriptedStore) -> custom::ClientBuilder {
        let builder = custom::Client::builder("https://scripted.example").issuer(self.issuer());
        builder.principal("ann").clock(self.clock.clone()).store(store.clone())
    }

    /// As a process of its own has it.
    pub(crate) fn process(&self) -> (Session, ScriptedStore) {
        let store = ScriptedStore::over(&self.memory);
        (self.builder(&store).build().unwrap().session().clone(), store)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        let books = self.books();
        Counts { sign_ins: books.sign_ins, renewals: books.renewals, reuses: books.reuses }
    }

    pub(crate) fn live(&self) -> usize {
        self.books().live.len()
    }

    /// Requests that nobody has answered or given up.
    pub(crate) fn under_way(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn twist_sign_ins(&self, twists: impl IntoIterator<Item = Twist>) {
        self.books().next_sign_in.extend(twists);
    }

    pub(crate) fn twist_renewals(&self, twists: impl IntoIterator<Item = Twist>) {
        self.books().next_renewal.extend(twists);
    }

    pub(crate) fn twist_sign_outs(&self, twists: impl IntoIterator<Item = Twist>) {
        self.books().next_sign_out.extend(twists);
    }

    pub(crate) fn hold_sign_in(&self) -> Hold {
        let hold = Hold::new();
        self.twist_sign_ins([Twist::Hold(hold.clone())]);
        hold
    }

    pub(crate) fn hold_renewal(&self) -> Hold {
        let hold = Hold::new();
        self.twist_renewals([Twist::Hold(hold.clone())]);
        hold
    }

    /// This password is refused from now on.
    pub(crate) fn refuse_password(&self) {
        self.books().refused = Some("the scripted password".to_owned());
    }

    fn opens(&self) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(self.open.clone())
    }

    async fn twist(&self, twist: Option<Twist>, done: Result<Issued, Error>) -> Result<Issued, Error> {
        match twist {
            None => done,
            Some(Twist::Fail(error)) => Err(error),
            Some(Twist::Hold(hold)) => {
                hold.pass().await;
                done
            }
            Some(Twist::Late(wait, error)) => {
                self.clock.sleep(wait).await;
                Err(error)
            }
            Some(Twist::Slow(wait)) => {
                self.clock.sleep(wait).await;
                done
            }
            Some(Twist::Never) => pending().await,
        }
    }
}

impl Books {
    fn begin(&mut self, life: Option<Duration>, over: Option<&str>) -> Issued {
        self.made += 1;
        let number = self.made;
        let access = format!("scripted-access-{number}");
        match over.and_then(|old| self.live.iter_mut().find(|live| *live == old)) {
            Some(live) => *live = access.clone(),
            None => self.live.push(access.clone()),
        }
        let issued = Issued::new(access).with_refresh(format!("scripted-refresh-{number}"));
        match life {
            Some(life) => issued.lives_for(life),
            None => issued,
        }
    }
}

pub(crate) struct Scripted {
    pub(crate) vendor: Vendor,
    pub(crate) password: Secret,
}

fn is_done(twist: Option<&Twist>) -> bool {
    !matches!(twist, Some(Twist::Fail(_) | Twist::Late(..) | Twist::Never))
}

impl Issuer for Scripted {
    fn describe(&self) -> Capabilities {
        self.vendor.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.password)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _open = self.vendor.opens();
        attempt.present(&self.password)?;
        let _permit = attempt.acquire().await?;
        let (twist, done) = {
            let mut books = self.vendor.books();
            books.sign_ins += 1;
            if books.refused.as_deref() == Some(self.password.expose()) {
                return Err(Error::invalid_credentials("the password is wrong"));
            }
            let twist = books.next_sign_in.pop_front();
            let done = is_done(twist.as_ref()).then(|| books.begin(self.vendor.life, None));
            (twist, done)
        };
        self.vendor.twist(twist, done.ok_or_else(|| Error::unexpected_status(500))).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let _open = self.vendor.opens();
        let _permit = attempt.acquire().await?;
        let refresh = tokens.refresh().unwrap().expose().to_owned();
        let access = refresh.replace("refresh", "access");
        let (twist, done) = {
            let mut books = self.vendor.books();
            books.renewals += 1;
            let twist = books.next_renewal.pop_front();
            let done = is_done(twist.as_ref()).then(|| {
                if books.spent.contains(&refresh) {
                    books.reuses += 1;
                    return Err(Error::refresh_refused("the refresh token is spent"));
                }
                if !books.live.contains(&access) {
                    return Err(Error::refresh_refused("the session is over"));
                }
                books.spent.push(refresh);
                Ok(books.begin(self.vendor.life, Some(&access)))
            });
            (twist, done)
        };
        self.vendor.twist(twist, done.unwrap_or_else(|| Err(Error::unexpected_status(500)))).await
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let _open = self.vendor.opens();
        let access = tokens.access().expose().to_owned();
        let twist = {
            let mut books = self.vendor.books();
            books.told.push(access.clone());
            // An older token of the session does not end it.
            books.live.retain(|live| *live != access);
            books.next_sign_out.pop_front()
        };
        self.vendor.twist(twist, Ok(Issued::new("scripted-nothing"))).await.map(|_| SignOut::Revoked)
    }
}

pub(crate) fn lease(session: &Session) -> JoinHandle<Leased> {
    let session = session.clone();
    tokio::spawn(async move { session.lease().await })
}

pub(crate) fn sign_out(session: &Session) -> JoinHandle<Result<SignOut, Error>> {
    let session = session.clone();
    tokio::spawn(async move { session.sign_out().await })
}

pub(crate) fn sign_in(session: &Session) -> JoinHandle<Leased> {
    let session = session.clone();
    tokio::spawn(async move { session.sign_in().await })
}

/// Time for everything on this runtime that waits for nothing outside of it.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass in steps until this is done; tells how much has passed.
pub(crate) async fn pass<T>(clock: &ManualClock, step: Duration, task: JoinHandle<T>) -> (T, Duration) {
    let began = clock.monotonic();
    loop {
        settle().await;
        if task.is_finished() {
            return (task.await.unwrap(), clock.monotonic() - began);
        }
        assert!(clock.monotonic() - began < Duration::from_secs(24 * 3600), "it never ends");
        clock.advance(step);
    }
}

/// What this comes to without any time passing.
pub(crate) async fn at_once<T>(task: JoinHandle<T>) -> T {
    for _ in 0..20 {
        settle().await;
    }
    assert!(task.is_finished(), "it waits for time to pass");
    task.await.unwrap()
}
