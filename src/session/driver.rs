//! Performs what the core wants done. It decides nothing: it is a loop over [`SessionCore::next`].
//!
//! Each operation is a task of its own, so that one that blocks or hangs can be given up; its answer goes back to the core
//! under its number. Two more tasks keep the time while anything is out or owed: they have the only timers, however many wait.
//! Nothing of a user's (clock, store, issuer, responder, subscriber, the drop of a lock) runs while the state is locked.

use super::{
    apart::apart,
    attempt::Attempt,
    callback::{callback_of, called_back},
    capabilities::Placement,
    core::SessionCore,
    lease::CurrentToken,
    log::Log,
    operation::{Event, Note, Operation, StoreOp},
    outside::{Outside, StoreAnswer},
    report::Report,
    rules::Rules,
    timer::{Timed, TimerKind, TimerTask, keep_time},
    token::Moment,
};
use crate::{
    Error, Secret,
    clock::{Clock, Now},
    store::{Fingerprint, StoreError, StoreLock},
};
use arc_swap::ArcSwapOption;
use http::HeaderMap;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};
use tokio::{
    runtime::{self, Handle},
    sync::{Notify, oneshot},
    task::AbortHandle,
};
use tracing::Instrument;

/// Leave to send, with the attempt that was counted for it; or why not.
type Permission = Result<Option<SystemTime>, Error>;

/// Everything one session is and may do.
pub(super) struct Engine {
    pub(super) rules: Arc<Rules>,
    pub(super) log: Log,
    pub(super) outside: Outside,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the monotonic clock alone tells if a token is fresh.
    pub(super) one_clock: bool,
    /// Sent with every token, such as the tenant's header.
    pub(super) constant: HeaderMap,
    /// Which endpoints have taken a token.
    pub(super) worked: super::worked::Worked,
    /// What the hot path serves: the current token unless it was rejected.
    pub(super) current: ArcSwapOption<CurrentToken>,
    /// Tells those who wait that what they wait for may be there.
    pub(super) changed: Notify,
    /// Tells the task that keeps the session warm.
    #[cfg(feature = "keep-warm")]
    pub(super) warm: Arc<super::warm::Warm>,
    /// The page that a person is shown beside the session.
    #[cfg(feature = "oauth2")]
    pub(super) beside: Mutex<Option<super::beside::Shown>>,
    /// Tell the tasks that keep the time: one for deadlines, one for what is due.
    pub(super) timers: [Arc<Notify>; 2],
    /// Everything else. Never locked across an await.
    state: Mutex<EngineState>,
}

/// What the lock guards: the core, and what it cannot hold because it is not plain data.
pub(super) struct EngineState {
    pub(super) core: SessionCore,
    pub(super) report: Report,
    /// What is published, also if it was rejected.
    pub(super) held: Option<Arc<CurrentToken>>,
    pub(super) lock: Option<StoreLock>,
    /// What is out. `None`: it is about to begin, and a task that takes it out of here has given it up.
    tasks: Vec<(u64, Option<AbortHandle>)>,
    permits: Vec<(u64, oneshot::Sender<Permission>)>,
    /// Until when (monotonic) the tasks that keep the time sleep.
    pub(super) armed: [Option<Duration>; 2],
    /// Where it, and what is out, runs.
    pub(super) runtime: Option<runtime::Id>,
    /// What the waiting callers have been told.
    told: (u64, u64, u64),
}

/// What is to be done once the state is no longer locked.
#[derive(Default)]
struct Work {
    operations: Vec<Operation>,
    unlocks: Option<StoreLock>,
    dropped: Option<StoreLock>,
    notes: Vec<Note>,
    aborts: Vec<AbortHandle>,
    permits: Vec<(oneshot::Sender<Permission>, Permission)>,
    arms: [Option<bool>; 2],
    tells: bool,
    /// A run has begun or ended, or the session was signed out.
    has_news: bool,
}

impl Engine {
    pub(super) fn new(outside: Outside, clock: Arc<dyn Clock>, constant: HeaderMap) -> Self {
        let rules = outside.rules.clone();
        let state = EngineState {
            core: SessionCore::new(rules.clone()),
            report: Report::default(),
            held: None,
            lock: None,
            tasks: Vec::new(),
            permits: Vec::new(),
            armed: [None; 2],
            runtime: None,
            told: (0, 0, 0),
        };
        Self {
            log: Log::new(rules.clone()),
            rules,
            outside,
            one_clock: clock.counts_sleep(),
            clock,
            constant,
            worked: super::worked::Worked::default(),
            current: ArcSwapOption::empty(),
            changed: Notify::new(),
            #[cfg(feature = "keep-warm")]
            warm: Arc::default(),
            #[cfg(feature = "oauth2")]
            beside: Mutex::default(),
            timers: Default::default(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now::read(&*self.clock)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, EngineState> {
        // Nothing panics while the state is changed, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A callback that uses the client it works for would wait for itself.
    pub(super) fn is_not_called_back(&self) -> Result<(), Error> {
        match callback_of(self.address()) {
            Some(name) => Err(Error::called_from_callback(name)),
            None => Ok(()),
        }
    }

    pub(super) async fn calling_back<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        called_back(self.address(), name, work).await
    }

    /// Tells the core what has happened, and does what it wants done next.
    pub(super) fn change<T>(self: &Arc<Self>, happened: impl FnOnce(&mut EngineState, Moment) -> T) -> T {
        let at = Moment { now: self.now(), dice: self.outside.chance.next() };
        let mut state = self.state();
        let outcome = happened(&mut state, at);
        self.go_on(state, at);
        outcome
    }

    fn go_on(self: &Arc<Self>, mut state: MutexGuard<'_, EngineState>, at: Moment) {
        let mut work = Work::default();
        while let Some(operation) = state.core.next(Moment { dice: self.outside.chance.next(), ..at }) {
            work.operations.push(operation);
        }
        state.settle(self, at.now, &mut work);
        drop(state);
        self.perform(work);
    }

    /// The same where nothing can be done any more, because the runtime ends: the next caller goes on.
    pub(super) fn lost(self: &Arc<Self>, happened: impl FnOnce(&mut EngineState, Moment)) {
        let at = Moment { now: self.now(), dice: self.outside.chance.next() };
        let work = {
            let mut state = self.state();
            happened(&mut state, at);
            let mut work = Work::default();
            state.settle(self, at.now, &mut work);
            work
        };
        self.log.tell(work.notes);
        apart(|| drop(work.dropped));
        apart(|| drop(work.unlocks));
        self.changed.notify_waiters();
    }

    fn perform(self: &Arc<Self>, work: Work) {
        let Work { operations, mut unlocks, dropped, notes, aborts, permits, arms, tells, has_news } = work;
        apart(|| drop(dropped));
        aborts.iter().for_each(AbortHandle::abort);
        self.log.tell(notes);
        #[cfg(feature = "keep-warm")]
        self.warm.tell(has_news);
        #[cfg(not(feature = "keep-warm"))]
        let _ = has_news;
        if tells {
            self.changed.notify_waiters();
        }
        for (asks, answer) in permits {
            // The caller that asked may have given up.
            let _ = asks.send(answer);
        }
        match Handle::try_current() {
            Ok(runtime) => {
                for operation in operations {
                    self.start(&runtime, operation, &mut unlocks);
                }
                for (time, arms) in TimerKind::BOTH.into_iter().zip(arms) {
                    match arms {
                        Some(true) => drop(runtime.spawn(keep_time(self.timer(time, &runtime)))),
                        Some(false) => self.timers[time as usize].notify_one(),
                        None => {}
                    }
                }
            }
            Err(_) => operations.iter().filter_map(Operation::id).for_each(|id| {
                self.lost(|state, at| {
                    state.tasks.retain(|(task, _)| *task != id);
                    state.core.on(id, Event::Lost, at);
                });
            }),
        }
    }

    fn start(self: &Arc<Self>, runtime: &Handle, operation: Operation, unlocks: &mut Option<StoreLock>) {
        let Some(id) = operation.id() else { return };
        let lock = match &operation {
            Operation::Store(_, StoreOp::Unlock) => unlocks.take(),
            Operation::Store(_, StoreOp::Extend(_)) => self.state().lock.as_ref().map(StoreLock::share),
            _ => None,
        };
        let task = Task { engine: self.clone(), id, answered: false };
        let handle = runtime.spawn(task.perform(operation, lock).instrument(self.log.span()));
        let mut state = self.state();
        state.runtime = Some(runtime.id());
        match state.tasks.iter_mut().find(|(task, _)| *task == id) {
            Some((_, begun)) => *begun = Some(handle.abort_handle()),
            None => {
                drop(state);
                handle.abort();
            }
        }
    }

    fn timer(self: &Arc<Self>, time: TimerKind, runtime: &Handle) -> TimerTask {
        self.state().runtime = Some(runtime.id());
        let engine: Weak<Self> = Arc::downgrade(self);
        let (signal, clock) = (self.timers[time as usize].clone(), self.clock.clone());
        TimerTask { time, engine, signal, clock, done: false }
    }

    /// Whether what is out was started on another runtime, which no task may drive any more.
    pub(super) fn runs_elsewhere(&self, state: &EngineState) -> bool {
        let here = Handle::try_current().map(|runtime| runtime.id()).ok();
        state.runtime.is_some() && state.runtime != here
    }

    /// This credential is about to be presented.
    pub(super) fn present(self: &Arc<Self>, secret: &Secret) -> Result<(), Error> {
        let refused = self.state().core.refused_elsewhere();
        let elsewhere = refused.is_some_and(|refused| refused.is_of(secret, 0));
        let mark = super::token::Mark::of(self.rules.salt, secret);
        self.change(|state, _| state.core.present(mark, Fingerprint::of(secret), elsewhere))
    }

    pub(super) async fn acquire(self: &Arc<Self>, asks: u64) -> Result<Option<SystemTime>, Error> {
        let (sender, answer) = oneshot::channel();
        self.change(|state, _| {
            state.permits.push((asks, sender));
            state.core.acquire(asks);
        });
        answer.await.unwrap_or_else(|_| Err(Error::superseded()))
    }
}

impl EngineState {
    /// After each change: what is served is published, what was done is told, and what is to be done is collected.
    fn settle(&mut self, engine: &Engine, now: Now, work: &mut Work) {
        self.publish(engine);
        work.notes = std::mem::take(&mut self.core.notes);
        for note in &work.notes {
            if let Note::Happened(what) = note {
                self.report.add(now.wall, what.clone());
            }
        }
        self.tasks.retain(|(_, task)| task.as_ref().is_none_or(|task| !task.is_finished()));
        self.tasks.extend(work.operations.iter().filter_map(Operation::id).map(|id| (id, None)));
        for operation in &work.operations {
            match operation {
                Operation::Abort(id) => self.abort(*id, &mut work.aborts),
                Operation::Store(_, StoreOp::Unlock) => work.unlocks = self.lock.take(),
                _ => {}
            }
        }
        let permits = work.operations.extract_if(.., |operation| matches!(operation, Operation::Permit(..)));
        for permit in permits {
            let Operation::Permit(asks, answer) = permit else { continue };
            if let Some(at) = self.permits.iter().position(|(id, _)| *id == asks) {
                work.permits.push((self.permits.swap_remove(at).1, answer));
            }
        }
        if !self.core.locked {
            work.dropped = self.lock.take();
        }
        let told = (self.core.runs, self.core.ended.as_ref().map_or(0, |(id, _)| *id), self.core.sign_outs);
        let at_rest = self.core.is_at_rest() || self.core.sign_out_ended.is_some();
        work.has_news = std::mem::replace(&mut self.told, told) != told;
        work.tells = at_rest || work.has_news;
        work.arms = TimerKind::BOTH.map(|time| self.arm(time));
    }

    fn abort(&mut self, id: u64, aborts: &mut Vec<AbortHandle>) {
        if let Some(at) = self.tasks.iter().position(|(task, _)| *task == id) {
            aborts.extend(self.tasks.swap_remove(at).1);
        }
    }

    /// `Some(true)`: a task that keeps the time is to be started; `Some(false)`: the one there is is to look again.
    fn arm(&mut self, time: TimerKind) -> Option<bool> {
        let wakes = self.wakes(time);
        let armed = &mut self.armed[time as usize];
        match (wakes, *armed) {
            (Some(wakes), None) => {
                *armed = Some(wakes);
                Some(true)
            }
            (Some(wakes), Some(before)) if wakes < before => {
                *armed = Some(wakes);
                Some(false)
            }
            (None, Some(_)) => Some(false),
            _ => None,
        }
    }

    pub(super) fn wakes(&self, time: TimerKind) -> Option<Duration> {
        match time {
            TimerKind::Deadline => self.core.deadline(),
            TimerKind::Due => self.core.due(),
        }
    }

    fn publish(&mut self, engine: &Engine) {
        let rejected = self.core.rejected;
        let same = match (&self.core.current, &self.held) {
            (Some(token), Some(held)) => Arc::ptr_eq(token, &held.token),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let placement: &Placement = &engine.rules.capabilities.placement;
            let current = self.core.current.clone();
            self.held = current.and_then(|token| CurrentToken::new(token, placement, &engine.constant)).map(Arc::new);
        }
        let served = self.held.clone().filter(|_| !rejected);
        let there = engine.current.load();
        let published = match (&*there, &served) {
            (Some(there), Some(served)) => Arc::ptr_eq(there, served),
            (None, None) => true,
            _ => false,
        };
        if !published {
            engine.current.store(served);
        }
    }
}

impl Operation {
    fn id(&self) -> Option<u64> {
        match self {
            Self::Store(id, _) | Self::Vendor(id, _) | Self::Revoke(id, _) | Self::Person(id, _) => Some(*id),
            Self::Permit(..) | Self::Abort(_) => None,
        }
    }
}

impl Timed for Engine {
    fn pause(&self, time: TimerKind) -> Option<Duration> {
        let now = self.now().monotonic;
        let mut state = self.state();
        let wakes = state.wakes(time);
        state.armed[time as usize] = wakes;
        wakes.map(|wakes| wakes.saturating_sub(now))
    }

    fn tick(self: Arc<Self>) {
        self.change(|state, at| state.core.tick(false, at));
    }

    fn abandoned(self: Arc<Self>, time: TimerKind) {
        self.lost(|state, _| {
            state.armed[time as usize] = None;
            state.core.abandoned();
        });
    }
}

/// One operation under way, as a task of its own: so that one that blocks or hangs can be given up. Its drop tells when it
/// ends without an answer.
struct Task {
    engine: Arc<Engine>,
    id: u64,
    answered: bool,
}

impl Task {
    async fn perform(self, operation: Operation, lock: Option<StoreLock>) {
        let engine = self.engine.clone();
        let outside = &engine.outside;
        let event = match operation {
            Operation::Store(_, what) => match engine.calling_back(".store(..)", outside.store(what, lock)).await {
                StoreAnswer::Event(event) => event,
                StoreAnswer::Lock(lock) => return self.locked(lock),
            },
            Operation::Vendor(_, what) => {
                let conversation = what.conversation();
                let attempt = Attempt::new(engine.clone(), self.id, conversation);
                engine.calling_back(".issuer(..)", outside.vendor(what, &attempt)).await
            }
            Operation::Revoke(_, what) => engine.calling_back(".issuer(..)", outside.revoke(what)).await,
            Operation::Person(_, what) => {
                let asked = if what.policy { ".session_limit(..)" } else { ".responder(..)" };
                #[cfg(feature = "audit")]
                let (kind, policy) = (what.question.kind(), what.policy);
                let event = engine.calling_back(asked, outside.person(what)).await;
                #[cfg(feature = "audit")]
                if let Event::Answered(answer) = &event {
                    super::audit::answered(&engine.rules, kind, super::audit::By::of(policy), answer.is_some());
                }
                event
            }
            Operation::Permit(..) | Operation::Abort(_) => return,
        };
        self.answer(event);
    }

    fn answer(mut self, event: Event) {
        self.answered = true;
        let id = self.id;
        self.engine.change(|state, at| state.core.on(id, event, at));
    }

    /// A lock that is not wanted any more is left at once.
    fn locked(mut self, lock: Result<StoreLock, StoreError>) {
        self.answered = true;
        let id = self.id;
        let unwanted = self.engine.change(|state, at| match lock {
            Err(error) => {
                state.core.on(id, Event::Locked(Err(error)), at);
                None
            }
            Ok(lock) if state.core.on(id, Event::Locked(Ok(())), at) => state.lock.replace(lock),
            Ok(lock) => Some(lock),
        });
        drop(unwanted);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let id = self.id;
        if std::thread::panicking() {
            self.engine.change(|state, at| state.core.on(id, Event::Panicked, at));
        } else {
            self.engine.lost(|state, at| _ = state.core.on(id, Event::Lost, at));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.timers.iter().for_each(|timer| timer.notify_one());
        #[cfg(feature = "keep-warm")]
        self.warm.tell(true);
        // Our own tests read what every session would have told, when it goes.
        #[cfg(feature = "testing")]
        crate::witness::shown("a session", || {
            let state = self.state();
            format!("{} {} {} {:?}", self.rules.key, self.rules.ledger, state.report, state.core.profile)
        });
    }
}
