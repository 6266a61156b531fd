//! Every order of the steps of several processes that share a store and an account, and whatever can befall them.
//!
//! Each process runs the very [`SessionCore`] that ships: nothing is decided here. The model performs what a core wants, as
//! `driver.rs` does, one step at a time, on one store, one lock and one vendor; and it looks at every order in which that can
//! happen. Time stands still but for explicit steps. `docs/laws.md` says what is explored, and what is not.

mod alone;
mod came;
mod driver;
mod explore;
mod outside;
mod scenes;
mod states;
mod steps;
mod wants;
mod without;

use super::{
    budget::Budget,
    capabilities::{Capabilities, Renewal},
    core::{CallOutcome, Resumed, SessionCore, WaiterState},
    dialogue::{About, Answer, Conversation, OpenQuestion},
    issued::{Issued, Polled},
    operation::{Event, Operation, Out, Purpose, StoreOp, VendorOp},
    profile::SignOut,
    rules::{BrokenRule, Rules},
    run::{RunFailure, WaitTicket},
    token::{Mark, Moment, Token},
    windows::Windows,
};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    question::{ActiveSession, Captcha, DeviceCode, SessionLimit},
    retry::Timeouts,
    store::{Fingerprint, Generation, Key, Record, RecordState, StoreError},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{Hash, Hasher},
    rc::Rc,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const SPENT_TWICE: &str = "something is spent twice";
const SIGN_INS: &str = "one signs in beside another";
const SERVED: &str = "what has ended or was signed out is served";
const ADOPTED: &str = "what was signed out is adopted";
const LEFT: &str = "a session is left behind that nobody knows";
const LOCKED: &str = "the lock is held at rest";
const WAITS: &str = "somebody waits for ever";
const ENDLESS: &str = "it never comes to rest";
const BUDGET: &str = "more attempts than the vendor allows";
const SPINS: &str = "it is woken for nothing, again and again";

const SECOND: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(10);
/// More than any rule wants at one moment, and more than a way to rest is long.
const MOST: usize = 400;
const LONGEST: usize = 4000;

/// How often what may happen still happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Left {
    calls: u8,
    renews: u8,
    sign_ins: u8,
    sign_outs: u8,
    rejects: u8,
    resumes: u8,
    closes: u8,
    waits: u8,
    days: u8,
    misfortunes: u8,
    crashes: u8,
    skews: u8,
}

/// What the vendor wants of a person before it signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VendorWants {
    Nothing,
    Captcha,
    /// The same, and a person is at hand who answers.
    Person,
    /// One session at most, and a policy says which one ends.
    OneSession,
    DeviceCode,
}

#[derive(Debug, Clone, Copy)]
struct Scene {
    processes: usize,
    renewal: Renewal,
    /// The credential is itself a refresh token.
    seed: bool,
    /// The second process has another credential for the same account.
    foreign: bool,
    wants: VendorWants,
    budget: Option<usize>,
    /// What the vendor has done, and its answer, are two steps.
    slow: bool,
    left: Left,
    broken: Option<BrokenRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct ModelSession {
    /// The number of its newest refresh token.
    newest: u8,
    /// Refresh tokens whose answer, or the process that had it, was lost: one bit each.
    lost: u32,
    revoked: bool,
    /// It was served or saved.
    used: bool,
    /// It was signed out.
    ended: bool,
    /// No process can know of it any more: its answer or its process was lost.
    orphan: bool,
}

/// A question to the vendor on its way, and what has come of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Letter {
    id: u64,
    what: VendorOp,
    stage: ModelStage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ModelStage {
    Written,
    /// Leave to send it was asked for.
    Asked,
    Sent,
    /// `None`: nothing yet.
    Answered(Result<Option<Issued>, Error>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Caller {
    ticket: WaitTicket,
    /// How often it still signs in where a renewal has failed.
    insists: u8,
    renews: bool,
    /// The question it answers.
    answers: Option<u64>,
    /// A caller has signed out since it came.
    ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    core: SessionCore,
    letter: Option<Letter>,
    callers: Vec<Caller>,
    sign_outs: Vec<u64>,
    /// The caller of `close()` has waited for quiet.
    closes: Option<bool>,
    question: Option<(u64, OpenQuestion, Conversation)>,
    /// The sessions that were signed out here: one bit each.
    ended: u32,
    /// Until when the lease of its lock lasts for certain.
    lease: Duration,
    skew: u8,
}

#[derive(Debug, Clone)]
struct World {
    scene: Rc<Scene>,
    credentials: Rc<[Fingerprint; 2]>,
    rules: Arc<Rules>,
    now: Duration,
    processes: Vec<Rc<Process>>,
    sessions: Vec<ModelSession>,
    stored: Option<Record>,
    ledger: Option<Record>,
    /// Saves that were given up and may still arrive.
    ghosts: Vec<(Option<Generation>, Record)>,
    lock: Option<usize>,
    /// The lock has not done its duty.
    torn: bool,
    /// The store has forgotten what it held: no process can know what was signed out.
    forgot: bool,
    seeds: u8,
    attempts: u8,
    left: Left,
    broken: Option<&'static str>,
}

/// The lock's holder is gone.
const GONE: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Lock,
    Store,
    Vendor,
    Revoke,
    Person,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// Without any effect, and that is known.
    Fails,
    /// Whether it had an effect is not known; here it had.
    LosesAnswer,
    /// Whether it had an effect is not known; here it had none.
    LosesQuestion,
    Panics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModelStep {
    Call(usize),
    Renew(usize),
    SignIn(usize),
    SignOut(usize),
    Reject(usize),
    Resume(usize),
    Close(usize),
    Send(usize),
    Act(usize, Side, Fate),
    Deliver(usize),
    Late(usize, bool),
    Crash(usize, bool),
    /// The runtime that everything ran on has ended.
    Vanish(usize),
    Skew(usize),
    Ghost(bool),
    LeaseEnds,
    Forgets,
    Wait,
    Day,
    /// Nothing else is to be done than to wait.
    Later,
}

/// The session, and the number in it, of a token.
fn named(access: &Secret) -> (usize, u8) {
    let (session, number) = access.expose().split_once('.').expect("a token of the model");
    (session.parse().expect("a session"), number.parse().expect("a number"))
}

fn outage(unknown: bool) -> Error {
    let error = Error::new(ErrorKind::Outage, "down");
    if unknown { error.with_unknown_outcome() } else { error }
}

fn broken_store() -> StoreError {
    StoreError::new("broken")
}

impl Scene {
    fn world(self) -> World {
        let capabilities =
            Capabilities { budget: None, ..Capabilities::new("model", ".seed(..)").renewal(self.renewal) };
        let capabilities = if self.seed { capabilities.spent_by_sign_in() } else { capabilities };
        let budget = self.budget.map(|attempts| Budget { attempts, within: 1000 * SECOND });
        let rules = Arc::new(Rules {
            key: Key::new("model", &[("key", "1")]),
            ledger: Key::new("model", &[("ledger", "1")]),
            capabilities: Capabilities { budget, ..capabilities },
            windows: Windows { jitter: 0.0, ..Windows::default() },
            timeouts: Timeouts {
                sign_in: 10 * SECOND,
                renewal: 40 * SECOND,
                store_lock: 30 * SECOND,
                person: 40 * SECOND,
                ..Timeouts::default()
            },
            salt: 0,
            given: true,
            shared: true,
            evicts: self.wants == VendorWants::OneSession,
            attended: self.wants == VendorWants::Person,
            broken: self.broken,
        });
        World {
            now: Duration::ZERO,
            processes: (0..self.processes).map(|_| Rc::new(Process::new(&rules))).collect(),
            sessions: Vec::new(),
            stored: None,
            ledger: None,
            ghosts: Vec::new(),
            lock: None,
            torn: false,
            forgot: false,
            seeds: 0,
            attempts: 0,
            left: self.left,
            broken: None,
            rules,
            scene: Rc::new(self),
            credentials: Rc::new(
                ["the-first-password", "the-second-password"].map(|secret| Fingerprint::of(&secret.into())),
            ),
        }
    }
}

impl Process {
    fn new(rules: &Arc<Rules>) -> Self {
        Self {
            core: SessionCore::new(rules.clone()),
            letter: None,
            callers: Vec::new(),
            sign_outs: Vec::new(),
            closes: None,
            question: None,
            ended: 0,
            lease: Duration::ZERO,
            skew: 0,
        }
    }

    /// Every token it knows of.
    fn tokens(&self) -> impl Iterator<Item = &Arc<Token>> {
        let core = &self.core;
        let pending = core.pending.iter().map(|pending| &pending.token);
        let owed = core.revocations.iter().chain(core.revoking.iter().map(|out| &out.what)).map(|owed| &owed.token);
        let signed_out = core.signing_out.iter().flat_map(|names| &names.tokens);
        core.current.iter().chain(pending).chain(owed).chain(signed_out)
    }

    fn wakes_at(&self) -> Option<Duration> {
        let callers = self.callers.iter().filter_map(|caller| caller.ticket.serve_from);
        self.core.wakes_at().into_iter().chain(callers).min()
    }

    /// Numbers count up for ever; what no process remembers can be used again, so that states stay few.
    fn forgets_numbers(&mut self) {
        let core = &mut self.core;
        core.notes.clear();
        if core.store.is_some()
            || core.locking.is_some()
            || core.vendor.is_some()
            || core.revoking.is_some()
            || core.person.is_some()
        {
            return;
        }
        core.operations = 0;
        if self.callers.is_empty() && core.run.is_none() && core.pending.as_ref().is_none_or(|owed| owed.run.is_none())
        {
            (core.runs, core.ended, core.hangs) = (0, None, None);
        }
        let owed = core.signing_out.is_some() || core.telling.is_some() || !core.revocations.is_empty();
        if self.callers.is_empty() && self.sign_outs.is_empty() && !owed {
            (core.sign_outs, core.sign_out_ended) = (0, None);
        }
    }
}

impl World {
    fn at(&self, p: usize, dice: u64) -> Moment {
        let monotonic = 1000 * SECOND + self.now;
        let skew = Duration::from_secs(3600 * u64::from(self.processes[p].skew));
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.now + skew;
        Moment { now: Now { wall, monotonic }, dice }
    }

    fn process(&mut self, p: usize) -> &mut Process {
        Rc::make_mut(&mut self.processes[p])
    }

    fn breaks(&mut self, what: &'static str) {
        self.broken.get_or_insert(what);
    }

    /// Whose credential it is.
    fn credential(&self, p: usize) -> &Fingerprint {
        &self.credentials[usize::from(self.scene.foreign && p == 1)]
    }
}
