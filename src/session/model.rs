//! A model of several processes that share a store and an account, and of everything that can befall them: crashes at any
//! step, locks that end, answers that are lost, saves that fail, flights whose place is taken, sign-outs.
//!
//! What a process does is decided by the production functions of `course.rs`; the model only carries it out, one step at a
//! time, and stateright looks at every order in which the steps of all of them can happen.

use super::{
    course::{
        Beaten, Course, Fate, Known, Overtaken, Sight, Source, Stored, Token, Unsaved, course, fate, is_one_too_many,
        overtaken,
    },
    flight::{LOOKS, ROUNDS, SAVES},
};
use crate::store::Generation;
use stateright::{Checker, HasDiscoveries, Model, Property};

/// A refresh token as the vendor knows it: the so-and-so-many-th of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Refresh {
    session: u8,
    number: u8,
}

/// An access token with its refresh token, as a process or the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kept {
    generation: Generation,
    refresh: Refresh,
    /// The day on which it was issued. It is fresh on that day and ages on the next.
    day: u8,
}

/// The vendor's side of one session. It revokes a session whose refresh token comes twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Session {
    revoked: bool,
    /// For each refresh token that was spent: whether what the vendor answered was lost.
    spent: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    generation: Generation,
    kept: Option<Kept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Want {
    Renew(Refresh),
    SignIn,
}

/// A token on its way to being saved and served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Obtained {
    kept: Kept,
    renewed: bool,
    /// What it is to replace in the store.
    over: Option<Generation>,
    /// What was held when it was asked for.
    replaces: Option<Generation>,
    was_aside: bool,
}

/// A token that the store has not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Aside {
    kept: Kept,
    renewed: bool,
    over: Option<Generation>,
    /// It is served: from then on it is offered to the store again and again.
    served: bool,
    /// The lock is kept with it.
    locks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Locking,
    Looking,
    Sending {
        want: Want,
        next: Generation,
        over: Option<Generation>,
        replaces: Option<Generation>,
    },
    /// The vendor has acted, and its answer is on the way. `None`: it refuses.
    Answered {
        obtained: Option<Obtained>,
        want: Want,
    },
    Saving(Obtained),
    /// Somebody else has changed the store.
    LookingWhoSaved(Obtained),
}

impl Stage {
    fn obtained(self) -> Option<Obtained> {
        match self {
            Self::Answered { obtained, .. } => obtained,
            Self::Saving(obtained) | Self::LookingWhoSaved(obtained) => Some(obtained),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flight {
    id: u8,
    epoch: u8,
    stage: Stage,
    locked: bool,
    torn: bool,
    rounds: u32,
    looks: u32,
    saves: u32,
    /// What was stored before the lock was had.
    early: Option<Record>,
}

/// A sign-out on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Burial {
    /// What is to be buried, once it was looked for.
    seen: Option<Generation>,
    /// Whose session it is: what others begin since is theirs.
    lineage: Option<u64>,
    tries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Process {
    held: Option<Kept>,
    rejected: bool,
    unsaved: Option<Aside>,
    /// An unsaved token is being offered: what stood in the store when it was looked into.
    offer: Option<(Kept, Option<Generation>, u8)>,
    refused: Option<Refresh>,
    ended: Option<u64>,
    epoch: u8,
    flights: u8,
    flight: Option<Flight>,
    /// A flight whose place was taken, or that was beaten by a sign-out, and that has not noticed yet.
    stale: Option<Flight>,
    burial: Option<Burial>,
    /// A token that nobody needs any more, and that the vendor was not told of.
    withdrawn: Option<Refresh>,
    /// Lineages that the vendor was told of, because nobody here would use them.
    given_back: Vec<u64>,
    /// How often somebody still asks for a token.
    calls: u8,
    /// How often an unsaved token is still offered.
    offers: u8,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Broken {
    /// A refresh token was spent twice although the first answer had arrived, or could still.
    SpentTwice,
    /// A stored token that was good gave way to something else than its successor.
    LostSaved,
    /// What was signed out stands in the store again.
    Resurrected,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    sessions: Vec<Session>,
    stored: Option<Record>,
    /// Lineages that are being signed out.
    condemned: Vec<u64>,
    /// Lineages whose tombstone was there.
    buried: Vec<u64>,
    /// Lineages that were obtained by flights which a sign-out had beaten.
    disowned: Vec<u64>,
    /// Which flight of which process holds the store's lock.
    lock: Option<(usize, u8)>,
    processes: Vec<Process>,
    day: u8,
    /// How many misfortunes may still happen.
    misfortunes: u8,
    broken: Option<Broken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Call(usize),
    /// Looks, without the lock, whether somebody else has put a live token into the store. `true`: the store's answer was long on
    /// its way, and tells what stood there when the flight began.
    Find(usize, Which, bool),
    Lock(usize, Which),
    Look(usize, Which),
    Send(usize, Which),
    Receive(usize, Which),
    Save(usize, Which),
    LookWhoSaved(usize, Which),
    LookBeforeOffering(usize),
    Offer(usize),
    LookBeforeBurying(usize),
    Bury(usize),
    /// The vendor answers 401 to the held token, because it has revoked the session.
    Refuse401(usize),
    DayPasses,
    /// The lock of a process that is gone, or whose lease ended, is free.
    LockEnds,
    /// A misfortune, unless the lock is kept with an unsaved token.
    GiveUpOnLock(usize, Which),
    // Misfortunes.
    Crash(usize),
    CannotLook(usize, Which),
    RequestLost(usize, Which),
    AnswerLost(usize, Which),
    SaveFails(usize, Which, bool),
    PlaceTaken(usize),
    /// The runtime that a flight was on is gone; the process and its other runtimes are not.
    RuntimeEnds(usize),
    SignOut(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Current,
    Stale,
}

/// A fleet, with its mechanisms: one that is taken out must be missed.
#[derive(Debug, Clone, Copy)]
struct Fleet {
    processes: usize,
    calls: u8,
    days: u8,
    misfortunes: u8,
    /// The lock keeps others out.
    locks: bool,
    /// The store is looked into under the lock, and not before.
    looks_under_lock: bool,
    /// Whether the lock is still held is asked before sending.
    asks_before_sending: bool,
    /// Whether the flight was beaten is asked before sending and before serving.
    asks_whether_beaten: bool,
    /// A flight whose place is taken hands its lock over.
    hands_over: bool,
    /// The lock is kept with a renewed token that the store has not taken.
    keeps_lock: bool,
    /// A sign-out takes the lock of the flight it beats along.
    takes_lock_along: bool,
    /// The vendor can be told that a token is not needed any more.
    revokes: bool,
    /// Nor is it told of one that whoever took the flight's place has found aside.
    leaves_what_was_aside: bool,
    /// A save replaces only what it was made to replace.
    compares: bool,
    /// A lease may end while a request is out, or before its answer is saved. Else it outlasts both, which a store cannot promise
    /// of a process that pauses for too long.
    pauses: bool,
}

const FLEET: Fleet = Fleet {
    processes: 2,
    calls: 2,
    days: 2,
    misfortunes: 1,
    locks: true,
    looks_under_lock: true,
    asks_before_sending: true,
    asks_whether_beaten: true,
    hands_over: true,
    keeps_lock: true,
    takes_lock_along: true,
    revokes: false,
    leaves_what_was_aside: true,
    compares: true,
    pauses: false,
};

const SPENT_TWICE: &str = "no refresh token is spent twice unless the vendor's answer was lost";
const LOST: &str = "no saved token is lost";
const USED: &str = "what was given back is not used";
const SIGNED_OUT: &str = "what was signed out stays so";
const WAITS: &str = "nobody waits for ever";

const BURIALS: u32 = 3;
const OFFERS: u8 = 2;
/// Holds the lock in the place of a flight.
const OFFERING: u8 = 0;
/// Holds the lock together with an unsaved token.
const KEPT: u8 = u8::MAX;
/// A sign-out holds the lock of the flight it has beaten.
const BURYING: u8 = u8::MAX - 1;

impl World {
    fn token(&self, kept: &Kept) -> Token {
        match self.day - kept.day {
            0 => Token::Fresh,
            1 => Token::Aging,
            _ => Token::Ended,
        }
    }

    /// Whether the vendor still renews with it.
    fn is_good(&self, refresh: Refresh) -> bool {
        let session = &self.sessions[refresh.session as usize];
        !session.revoked && session.spent.len() == refresh.number as usize
    }

    /// Whatever delivered this token, the process that had it is gone.
    fn lose(&mut self, refresh: Refresh) {
        let stored = self.stored.and_then(|record| record.kept).map(|kept| kept.refresh);
        if stored != Some(refresh) && refresh.number > 0 {
            self.sessions[refresh.session as usize].spent[refresh.number as usize - 1] = true;
        }
    }

    fn swap(&mut self, over: Option<Generation>, record: Record, compares: bool) -> bool {
        let there = self.stored.map(|record| record.generation);
        if compares && there != over {
            return false;
        }
        let old = self.stored.and_then(|record| record.kept);
        let succeeds = |old: &Kept| record.generation.is_after(old.generation);
        let condemned = |old: &Kept| self.condemned.contains(&old.generation.lineage);
        if old.is_some_and(|old| self.is_good(old.refresh) && !succeeds(&old) && !condemned(&old)) {
            self.broken = Some(Broken::LostSaved);
        }
        if record.kept.is_some() && self.buried.contains(&record.generation.lineage) {
            self.broken = Some(Broken::Resurrected);
        }
        self.stored = Some(record);
        true
    }

    fn sign_in(&mut self) -> Refresh {
        self.sessions.push(Session::default());
        Refresh { session: self.sessions.len() as u8 - 1, number: 0 }
    }

    fn renew(&mut self, refresh: Refresh) -> Option<Refresh> {
        let session = &mut self.sessions[refresh.session as usize];
        if let Some(lost) = session.spent.get(refresh.number as usize) {
            // A session that is revoked already spends nothing.
            if !lost && !session.revoked {
                self.broken = Some(Broken::SpentTwice);
            }
            session.revoked = true;
            return None;
        }
        if session.revoked {
            return None;
        }
        session.spent.push(false);
        Some(Refresh { number: refresh.number + 1, ..refresh })
    }

    fn as_seen_by(&self, process: &Process, record: Record) -> Stored {
        match record.kept {
            None => Stored::Tombstone(record.generation),
            Some(kept) => Stored::Session(self.known(process, &kept)),
        }
    }

    fn known(&self, process: &Process, kept: &Kept) -> Known {
        Known { generation: kept.generation, token: self.token(kept), refresh: process.refused != Some(kept.refresh) }
    }

    fn sight(&self, process: &Process, record: Option<Record>, may_spend: bool) -> Sight {
        let held = process.held.map(|held| {
            let known = self.known(process, &held);
            if process.rejected { Known { token: Token::Ended, ..known } } else { known }
        });
        let unsaved =
            process.unsaved.map(|aside| Unsaved { known: self.known(process, &aside.kept), over: aside.over });
        Sight {
            stored: record.map(|record| self.as_seen_by(process, record)),
            held,
            unsaved,
            ended: process.ended,
            asked: false,
            may_refresh: true,
            may_spend,
            sign_in_spends: false,
        }
    }
}

impl Process {
    fn flight(&self, which: Which) -> Option<Flight> {
        match which {
            Which::Current => self.flight,
            Which::Stale => self.stale,
        }
    }

    fn beaten(&self, flight: &Flight) -> Option<Beaten> {
        if self.epoch != flight.epoch {
            return Some(Beaten::BySignOut);
        }
        self.flight.is_none_or(|current| current.id != flight.id).then_some(Beaten::BySuccessor)
    }

    /// Whether it holds the lock by other means than a flight.
    fn keeps_lock(&self, id: u8) -> bool {
        match id {
            OFFERING => self.offer.is_some(),
            KEPT => self.unsaved.is_some_and(|aside| aside.locks),
            BURYING => self.burial.is_some(),
            _ => false,
        }
    }

    fn wants_a_token(&self, world: &World) -> bool {
        let fresh = self.held.is_some_and(|held| !self.rejected && world.token(&held) == Token::Fresh);
        self.calls > 0 && self.flight.is_none() && !fresh
    }

    fn take_off(&mut self, early: Option<Record>) {
        self.flights += 1;
        self.flight = Some(Flight {
            id: self.flights,
            epoch: self.epoch,
            stage: Stage::Locking,
            locked: false,
            torn: false,
            rounds: ROUNDS,
            looks: LOOKS,
            saves: SAVES,
            early,
        });
    }

    fn publish(&mut self, kept: Kept) {
        self.held = Some(kept);
        self.rejected = false;
    }

    /// Tokens that exist in this process alone.
    fn on_hand(&self) -> Vec<Refresh> {
        let obtained = [self.flight, self.stale].into_iter().flatten().filter_map(|flight| flight.stage.obtained());
        let unsaved = self.unsaved.map(|aside| aside.kept);
        let kept = obtained.map(|obtained| obtained.kept).chain(unsaved).chain(self.held);
        kept.map(|kept| kept.refresh).chain(self.withdrawn).collect()
    }
}

/// One step of one flight of one process.
struct Step<'a> {
    fleet: &'a Fleet,
    world: &'a mut World,
    at: usize,
    which: Which,
    flight: Flight,
}

impl Step<'_> {
    fn process(&mut self) -> &mut Process {
        &mut self.world.processes[self.at]
    }

    fn go(&mut self, stage: Stage) {
        self.flight.stage = stage;
        let flight = Some(self.flight);
        match self.which {
            Which::Current => self.process().flight = flight,
            Which::Stale => self.process().stale = flight,
        }
    }

    fn holds_lock(&self) -> bool {
        self.world.lock == Some((self.at, self.flight.id))
    }

    fn unlock(&mut self) {
        self.fleet.leave(self.world, self.at, self.flight.id);
    }

    /// However it ended: those who waited are told.
    fn land(&mut self) {
        self.unlock();
        match self.which {
            Which::Current => self.process().flight = None,
            Which::Stale => self.process().stale = None,
        }
    }

    fn look_again(&mut self) {
        self.flight.looks -= 1;
        if self.flight.looks == 0 { self.land() } else { self.go(Stage::Looking) }
    }

    fn beaten(&self) -> Option<Beaten> {
        self.world.processes[self.at].beaten(&self.flight).filter(|_| self.fleet.asks_whether_beaten)
    }

    fn lock(&mut self, had: bool) {
        if had {
            self.world.lock = Some((self.at, self.flight.id));
        }
        self.flight.locked = had;
        match self.beaten() {
            Some(_) => self.land(),
            None => self.go(Stage::Looking),
        }
    }

    fn adopt(&mut self, record: Option<Record>) {
        if let (None, Some(kept)) = (self.beaten(), record.and_then(|record| record.kept)) {
            self.take_aside(kept.generation);
            self.process().publish(kept);
        }
        self.land();
    }

    /// What has a tombstone stays signed out, also for a store that forgets it.
    fn note_tombstone(&mut self, record: Option<Record>) {
        if let Some(Record { generation, kept: None }) = record {
            self.process().ended = Some(generation.lineage);
        }
    }

    fn look(&mut self, readable: bool) {
        let record = match () {
            () if !readable => None,
            () if self.fleet.looks_under_lock => self.world.stored,
            () => self.flight.early,
        };
        let sight = self.world.sight(&self.world.processes[self.at], record, self.flight.locked && readable);
        self.note_tombstone(record);
        let over = record.map(|record| record.generation);
        let replaces = sight.held.map(|held| held.generation);
        match course(&sight) {
            Course::Adopt => self.adopt(record),
            Course::Salvage => {
                let Aside { kept, renewed, .. } = self.process().unsaved.expect("it was seen");
                self.settle(Obtained { kept, renewed, over, replaces, was_aside: true });
            }
            Course::Renew { with, next } => {
                let process = &self.world.processes[self.at];
                let kept = match with {
                    Source::Unsaved => process.unsaved.map(|aside| aside.kept),
                    Source::Held => process.held,
                    Source::Stored => record.and_then(|record| record.kept),
                };
                let want = Want::Renew(kept.expect("it was seen").refresh);
                self.go(Stage::Sending { want, next, over, replaces });
            }
            Course::SignIn => {
                // Lineages are random: here they are numbered by the sessions.
                let next = Generation::first(100 * self.world.sessions.len() as u64 + self.at as u64);
                self.go(Stage::Sending { want: Want::SignIn, next, over, replaces });
            }
            Course::Refuse => self.land(),
        }
    }

    fn send(&mut self, arrives: bool) {
        let Stage::Sending { want, next, over, replaces } = self.flight.stage else { return };
        if self.flight.locked && !self.holds_lock() && self.fleet.asks_before_sending {
            self.flight.rounds -= 1;
            self.flight.looks = LOOKS;
            return if self.flight.rounds == 0 { self.land() } else { self.go(Stage::Locking) };
        }
        if self.beaten().is_some() {
            return self.land();
        }
        if !arrives {
            return self.torn();
        }
        let day = self.world.day;
        let (refresh, renewed) = match want {
            Want::SignIn => (Some(self.world.sign_in()), false),
            Want::Renew(refresh) => (self.world.renew(refresh), true),
        };
        let kept = refresh.map(|refresh| Kept { generation: next, refresh, day });
        let obtained = kept.map(|kept| Obtained { kept, renewed, over, replaces, was_aside: false });
        self.go(Stage::Answered { obtained, want });
    }

    fn torn(&mut self) {
        let renewing = matches!(
            self.flight.stage,
            Stage::Sending { want: Want::Renew(_), .. } | Stage::Answered { want: Want::Renew(_), .. }
        );
        if renewing && !self.flight.torn {
            self.flight.torn = true;
            self.look_again();
        } else {
            self.land();
        }
    }

    fn receive(&mut self, arrives: bool) {
        let Stage::Answered { obtained, want } = self.flight.stage else { return };
        match (obtained, want) {
            (Some(obtained), _) if arrives => self.settle(obtained),
            (Some(obtained), _) => {
                self.world.lose(obtained.kept.refresh);
                self.torn();
            }
            (None, _) if !arrives => self.torn(),
            (None, Want::Renew(refresh)) => {
                self.process().refused = Some(refresh);
                self.look_again();
            }
            (None, Want::SignIn) => self.land(),
        }
    }

    /// As `Pilot::settle` begins: the token stands aside until it is saved.
    fn settle(&mut self, obtained: Obtained) {
        let Obtained { kept, renewed, over, .. } = obtained;
        if let Some(beaten) = self.beaten() {
            if self.fate(beaten, &obtained) == Fate::Withdraw {
                self.give_back(kept);
                return self.land();
            }
            let process = self.process();
            let known = process.held.into_iter().chain(process.unsaved.map(|aside| aside.kept));
            if known.into_iter().any(|known| !kept.generation.is_after(known.generation)) {
                return self.land();
            }
        }
        self.take_aside(kept.generation);
        self.process().unsaved = Some(Aside { kept, renewed, over, served: false, locks: false });
        self.go(Stage::Saving(Obtained { was_aside: true, ..obtained }));
    }

    fn fate(&self, beaten: Beaten, obtained: &Obtained) -> Fate {
        fate(beaten, !obtained.renewed, obtained.was_aside && self.fleet.leaves_what_was_aside)
    }

    /// As `State::take_aside`.
    fn take_aside(&mut self, other: Generation) {
        let used = self.process().held.map(|held| held.generation);
        let unsaved = self.process().unsaved.take().filter(|aside| used != Some(aside.kept.generation));
        let too_many = |aside: &Aside| is_one_too_many(aside.kept.generation, aside.renewed, other);
        if let Some(Aside { kept: needless, .. }) = unsaved.filter(too_many) {
            self.give_back(needless);
        }
    }

    fn give_back(&mut self, kept: Kept) {
        if !self.fleet.revokes {
            self.process().withdrawn = Some(kept.refresh);
            return;
        }
        self.process().given_back.push(kept.generation.lineage);
        self.world.sessions[kept.refresh.session as usize].revoked = true;
    }

    fn drop_aside(&mut self, kept: Kept) {
        self.process().unsaved.take_if(|aside| aside.kept.generation == kept.generation);
    }

    fn save(&mut self) {
        let Stage::Saving(obtained) = self.flight.stage else { return };
        let record = Record { generation: obtained.kept.generation, kept: Some(obtained.kept) };
        if self.world.swap(obtained.over, record, self.fleet.compares) {
            self.drop_aside(obtained.kept);
            self.serve(obtained);
        } else {
            self.go(Stage::LookingWhoSaved(obtained));
        }
    }

    /// The store does not answer; whether it has saved is not known.
    fn save_fails(&mut self, saves: bool) {
        let Stage::Saving(obtained) = self.flight.stage else { return };
        if saves {
            let record = Record { generation: obtained.kept.generation, kept: Some(obtained.kept) };
            self.world.swap(obtained.over, record, self.fleet.compares);
        }
        self.serve_unsaved(obtained);
    }

    fn look_who_saved(&mut self) {
        let Stage::LookingWhoSaved(obtained) = self.flight.stage else { return };
        self.note_tombstone(self.world.stored);
        let process = &self.world.processes[self.at];
        let stored = self.world.stored.map(|record| self.world.as_seen_by(process, record));
        match overtaken(obtained.kept.generation, obtained.replaces, stored) {
            Overtaken::SaveOver(over) => {
                self.flight.saves -= 1;
                let obtained = Obtained { over, ..obtained };
                if self.flight.saves == 0 { self.serve_unsaved(obtained) } else { self.settle(obtained) }
            }
            Overtaken::Keep => self.serve_unsaved(obtained),
            Overtaken::Adopt => {
                let (Obtained { kept: ours, renewed, .. }, theirs) = (obtained, self.world.stored);
                let needless =
                    theirs.is_some_and(|record| is_one_too_many(ours.generation, renewed, record.generation));
                if self.beaten() == Some(Beaten::BySignOut) && needless {
                    self.give_back(ours);
                }
                self.adopt(self.world.stored);
            }
            Overtaken::Withdraw => {
                self.drop_aside(obtained.kept);
                self.give_back(obtained.kept);
                self.look_again();
            }
        }
    }

    fn serve(&mut self, obtained: Obtained) {
        if self.process().epoch != self.flight.epoch {
            self.world.disowned.push(obtained.kept.generation.lineage);
        }
        match self.beaten() {
            None => self.process().publish(obtained.kept),
            Some(beaten) if self.fate(beaten, &obtained) == Fate::Withdraw => self.withdraw(obtained.kept),
            Some(_) => {}
        }
        self.land();
    }

    fn serve_unsaved(&mut self, obtained: Obtained) {
        let Obtained { kept, renewed, over, .. } = obtained;
        if self.beaten().is_none() {
            // What it replaces is spent and still stands in the store: nobody else may find it there.
            let locks = renewed && self.holds_lock() && self.fleet.keeps_lock;
            self.process().unsaved = Some(Aside { kept, renewed, over, served: true, locks });
        }
        self.serve(obtained);
    }

    /// In one step, as the store is asked for this one token only.
    fn withdraw(&mut self, kept: Kept) {
        if self.world.stored.is_some_and(|record| record.generation == kept.generation) {
            self.world.stored = Some(Record { generation: kept.generation.next(), kept: None });
            self.world.buried.push(kept.generation.lineage);
        }
        self.give_back(kept);
    }
}

impl Fleet {
    fn flight_actions(&self, world: &World, at: usize, which: Which, actions: &mut Vec<Action>) {
        let Some(flight) = world.processes[at].flight(which) else { return };
        let unlucky = world.misfortunes > 0;
        match flight.stage {
            Stage::Locking => {
                let finds = |late: &bool| self.found(world, at, &flight, *late).is_some();
                if world.lock != Some((at, flight.id)) {
                    actions.extend([false, true].into_iter().filter(finds).map(|late| Action::Find(at, which, late)));
                }
                let open = |holder| holder == (at, flight.id) || (holder == (at, KEPT) && which == Which::Current);
                if world.lock.is_none_or(open) || !self.locks {
                    actions.push(Action::Lock(at, which));
                } else if unlucky || world.lock.is_some_and(|(_, id)| id == KEPT) {
                    actions.push(Action::GiveUpOnLock(at, which));
                }
            }
            Stage::Looking => {
                actions.push(Action::Look(at, which));
                if unlucky {
                    actions.push(Action::CannotLook(at, which));
                }
            }
            Stage::Sending { .. } => {
                actions.push(Action::Send(at, which));
                if unlucky {
                    actions.push(Action::RequestLost(at, which));
                }
            }
            Stage::Answered { .. } => {
                actions.push(Action::Receive(at, which));
                if unlucky {
                    actions.push(Action::AnswerLost(at, which));
                }
            }
            Stage::Saving(_) => {
                actions.push(Action::Save(at, which));
                if unlucky {
                    actions.push(Action::SaveFails(at, which, true));
                    actions.push(Action::SaveFails(at, which, false));
                }
            }
            Stage::LookingWhoSaved(_) => actions.push(Action::LookWhoSaved(at, which)),
        }
    }

    /// What `Pilot::find` takes over, if it does, while it has no lock.
    fn found(&self, world: &World, at: usize, flight: &Flight, late: bool) -> Option<Record> {
        let process = &world.processes[at];
        let record = if late { flight.early } else { world.stored };
        let beaten = process.beaten(flight).is_some() && self.asks_whether_beaten;
        record.filter(|_| !beaten && course(&world.sight(process, record, true)) == Course::Adopt)
    }

    /// Whether the lock may end by itself now. It does not while a request is out, nor before its answer is saved, unless
    /// the process pauses.
    fn lock_may_end(&self, world: &World) -> bool {
        let Some((at, id)) = world.lock else { return false };
        let process = &world.processes[at];
        let mut flights = [process.flight, process.stale].into_iter().flatten();
        let stage = flights.find(|flight| flight.id == id).map(|flight| flight.stage);
        let obtained = match stage {
            // Its process is gone.
            None if !process.keeps_lock(id) => return true,
            None => id == BURYING,
            Some(stage) => matches!(stage, Stage::Answered { .. } | Stage::Saving(_) | Stage::LookingWhoSaved(_)),
        };
        let obtained = obtained || process.unsaved.is_some_and(|aside| aside.renewed);
        world.misfortunes > 0 && (self.pauses || !obtained)
    }

    fn at_rest(world: &World) -> bool {
        world.processes.iter().all(|process| {
            process.flight.is_none() && process.stale.is_none() && process.offer.is_none() && process.burial.is_none()
        })
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let processes = vec![Process { calls: self.calls, offers: OFFERS, ..Process::default() }; self.processes];
        vec![World {
            sessions: Vec::new(),
            stored: None,
            condemned: Vec::new(),
            buried: Vec::new(),
            disowned: Vec::new(),
            lock: None,
            processes,
            day: 0,
            misfortunes: self.misfortunes,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        let unlucky = world.misfortunes > 0;
        let can_offer = |at| world.lock.is_none_or(|holder| holder == (at, KEPT)) || !self.locks;
        for (at, process) in world.processes.iter().enumerate() {
            self.flight_actions(world, at, Which::Current, actions);
            self.flight_actions(world, at, Which::Stale, actions);
            if process.wants_a_token(world) {
                actions.push(Action::Call(at));
            }
            match process.offer {
                Some(_) => actions.push(Action::Offer(at)),
                None => {
                    // An orderly end offers whatever is aside, once no flight is under way.
                    let offered = |aside: Aside| aside.served || process.flight.is_none();
                    if process.unsaved.is_some_and(offered) && process.offers > 0 && can_offer(at) {
                        actions.push(Action::LookBeforeOffering(at));
                    }
                }
            }
            match process.burial {
                Some(Burial { seen: Some(_), .. }) => actions.push(Action::Bury(at)),
                Some(_) => actions.push(Action::LookBeforeBurying(at)),
                None => {}
            }
            let revoked = |held: &Kept| world.sessions[held.refresh.session as usize].revoked;
            if process.held.as_ref().is_some_and(revoked) && !process.rejected {
                actions.push(Action::Refuse401(at));
            }
            if unlucky {
                actions.push(Action::Crash(at));
                if process.stale.is_none() && process.flight.is_some() {
                    actions.push(Action::PlaceTaken(at));
                }
                if process.flight.is_some() {
                    actions.push(Action::RuntimeEnds(at));
                }
                if process.stale.is_none() && process.burial.is_none() && process.held.is_some() {
                    actions.push(Action::SignOut(at));
                }
            }
        }
        if world.day < self.days {
            actions.push(Action::DayPasses);
        }
        if self.lock_may_end(world) {
            actions.push(Action::LockEnds);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let flying = |world: &mut World, at: usize, which: Which, steer: &dyn Fn(&mut Step<'_>)| {
            let flight = world.processes[at].flight(which).expect("it flies");
            steer(&mut Step { fleet: self, world, at, which, flight });
        };
        match action {
            Action::Call(at) => {
                let early = world.stored;
                world.processes[at].calls -= 1;
                world.processes[at].take_off(early);
            }
            Action::Find(at, which, late) => flying(&mut world, at, which, &|step| {
                let found = self.found(step.world, at, &step.flight, late);
                step.adopt(found);
            }),
            Action::Lock(at, which) => flying(&mut world, at, which, &|step| step.lock(true)),
            Action::GiveUpOnLock(at, which) => {
                let kept = world.lock.is_some_and(|(_, id)| id == KEPT);
                world.misfortunes -= u8::from(!kept);
                flying(&mut world, at, which, &|step| step.lock(false));
            }
            Action::Look(at, which) => flying(&mut world, at, which, &|step| step.look(true)),
            Action::Send(at, which) => flying(&mut world, at, which, &|step| step.send(true)),
            Action::Receive(at, which) => flying(&mut world, at, which, &|step| step.receive(true)),
            Action::Save(at, which) => flying(&mut world, at, which, &|step| step.save()),
            Action::LookWhoSaved(at, which) => flying(&mut world, at, which, &|step| step.look_who_saved()),
            Action::LookBeforeOffering(at) => {
                let process = &world.processes[at];
                let Aside { kept, over, .. } = process.unsaved?;
                let offers = process.offers - 1;
                let stored = world.stored.map(|record| world.as_seen_by(process, record));
                let unsaved = Unsaved { known: world.known(process, &kept), over };
                let (epoch, there) = (process.epoch, stored.map(|stored| stored.generation()));
                world.processes[at].offers = offers;
                if self.locks {
                    world.lock = Some((at, OFFERING));
                }
                if unsaved.succeeds(stored) {
                    world.processes[at].offer = Some((kept, there, epoch));
                } else {
                    world.processes[at].unsaved = None;
                    self.leave(&mut world, at, OFFERING);
                }
            }
            Action::Offer(at) => {
                let (kept, over, epoch) = world.processes[at].offer.take()?;
                if self.locks && self.asks_before_sending && world.lock != Some((at, OFFERING)) {
                    return Some(world);
                }
                let record = Record { generation: kept.generation, kept: Some(kept) };
                let saved = world.swap(over, record, self.compares);
                let process = &mut world.processes[at];
                if saved {
                    process.unsaved.take_if(|aside| aside.kept.generation == kept.generation);
                }
                if saved && process.epoch != epoch {
                    world.stored = Some(Record { generation: kept.generation.next(), kept: None });
                    world.buried.push(kept.generation.lineage);
                }
                self.leave(&mut world, at, OFFERING);
            }
            Action::LookBeforeBurying(at) => {
                let there = world.stored.filter(|record| record.kept.is_some()).map(|record| record.generation);
                let burial = world.processes[at].burial?;
                match there.filter(|there| burial.lineage.is_none_or(|lineage| lineage == there.lineage)) {
                    Some(there) => {
                        let (seen, lineage) = (Some(there), Some(there.lineage));
                        world.processes[at].burial = Some(Burial { seen, lineage, ..burial });
                        world.processes[at].ended = lineage;
                        world.condemned.push(there.lineage);
                    }
                    None => self.end_burial(&mut world, at),
                }
            }
            Action::Bury(at) => {
                let burial = world.processes[at].burial?;
                let seen = burial.seen?;
                let tombstone = Record { generation: seen.next(), kept: None };
                if world.stored.map(|record| record.generation) == Some(seen) {
                    world.stored = Some(tombstone);
                    world.buried.push(seen.lineage);
                    self.end_burial(&mut world, at);
                } else if burial.tries == 1 {
                    self.end_burial(&mut world, at);
                } else {
                    world.processes[at].burial = Some(Burial { seen: None, tries: burial.tries - 1, ..burial });
                }
            }
            Action::Refuse401(at) => world.processes[at].rejected = true,
            Action::DayPasses => world.day += 1,
            Action::LockEnds => {
                let gone = world.lock.is_some_and(|(at, id)| {
                    let process = &world.processes[at];
                    let mut flights = [process.flight, process.stale].into_iter().flatten();
                    flights.all(|flight| flight.id != id) && !process.keeps_lock(id)
                });
                world.lock = None;
                world.misfortunes -= u8::from(!gone);
            }
            misfortune => {
                world.misfortunes -= 1;
                match misfortune {
                    Action::Crash(at) => {
                        let process = world.processes[at].clone();
                        process.on_hand().into_iter().for_each(|refresh| world.lose(refresh));
                        if process.burial.is_some() {
                            // Nobody was told that this sign-out is done.
                            world.disowned.retain(|lineage| process.ended != Some(*lineage));
                        }
                        let Process { calls, offers, flights, .. } = process;
                        world.processes[at] = Process { calls, offers, flights, ..Process::default() };
                    }
                    Action::CannotLook(at, which) => flying(&mut world, at, which, &|step| step.look(false)),
                    Action::RequestLost(at, which) => flying(&mut world, at, which, &|step| step.send(false)),
                    Action::AnswerLost(at, which) => flying(&mut world, at, which, &|step| step.receive(false)),
                    Action::SaveFails(at, which, saves) => {
                        flying(&mut world, at, which, &|step| step.save_fails(saves));
                    }
                    Action::PlaceTaken(at) => {
                        let flight = world.processes[at].flight.take()?;
                        if let Stage::Answered { obtained: Some(obtained), .. } = flight.stage {
                            // Whoever is silent for longer than a request may take has lost its answer.
                            world.lose(obtained.kept.refresh);
                        }
                        let early = world.stored;
                        world.processes[at].stale = Some(flight);
                        world.processes[at].take_off(early);
                        if world.lock == Some((at, flight.id)) && self.hands_over {
                            world.lock = Some((at, world.processes[at].flights));
                        } else if world.lock == Some((at, flight.id)) {
                            world.lock = None;
                        }
                    }
                    Action::RuntimeEnds(at) => {
                        let process = &mut world.processes[at];
                        let flight = process.flight.take()?;
                        // The lock is left, because nobody may come again: an answer that is not saved counts as lost.
                        let aside = process.unsaved.filter(|aside| !aside.locks).map(|aside| aside.kept);
                        let obtained = flight.stage.obtained().map(|obtained| obtained.kept);
                        aside.into_iter().chain(obtained).for_each(|kept| world.lose(kept.refresh));
                        self.leave(&mut world, at, flight.id);
                    }
                    Action::SignOut(at) => {
                        let process = &mut world.processes[at];
                        let held = process.held.take().map(|held| held.generation.lineage);
                        process.epoch += 1;
                        process.ended = held.or(process.ended);
                        process.unsaved = None;
                        process.rejected = false;
                        process.stale = process.flight.take();
                        let flight = process.stale.map(|flight| (at, flight.id));
                        process.burial = Some(Burial { seen: None, lineage: None, tries: BURIALS });
                        world.condemned.extend(held);
                        let had = world.lock.is_some() && (world.lock == flight || world.lock == Some((at, KEPT)));
                        if had && self.takes_lock_along {
                            world.lock = Some((at, BURYING));
                        }
                    }
                    _ => return None,
                }
            }
        }
        debug_assert!(world.broken.is_some() || self.rank(&world) < self.rank(before), "{action:?} of {before:?}");
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SPENT_TWICE, |_, world: &World| world.broken != Some(Broken::SpentTwice)),
            Property::always(LOST, |_, world: &World| world.broken != Some(Broken::LostSaved)),
            Property::always(USED, |_, world: &World| {
                // What somebody signed out may be held by others until the vendor refuses it.
                let others = |lineage: &u64| !world.condemned.contains(lineage);
                let uses = |process: &Process| {
                    let held = process.held.map(|held| held.generation.lineage).filter(others);
                    held.is_some_and(|held| process.given_back.contains(&held))
                };
                !world.processes.iter().any(uses)
            }),
            Property::always(SIGNED_OUT, |_, world: &World| {
                let stored = world.stored.filter(|record| record.kept.is_some());
                let disowned = stored.is_some_and(|record| world.disowned.contains(&record.generation.lineage));
                world.broken != Some(Broken::Resurrected) && !(disowned && Self::at_rest(world))
            }),
            // With a rank that falls with every step, there is no other way to wait for ever.
            Property::always(WAITS, |fleet: &Self, world: &World| {
                let mut actions = Vec::new();
                fleet.actions(world, &mut actions);
                !actions.is_empty() || world.broken.is_some() || Self::at_rest(world)
            }),
        ]
    }
}

impl Fleet {
    /// Leaves the lock, if it is held; an unsaved token may keep it.
    fn leave(&self, world: &mut World, at: usize, id: u8) {
        if world.lock == Some((at, id)) {
            let kept = world.processes[at].unsaved.is_some_and(|aside| aside.locks);
            world.lock = kept.then_some((at, KEPT));
        }
    }

    fn end_burial(&self, world: &mut World, at: usize) {
        world.processes[at].burial = None;
        self.leave(world, at, BURYING);
    }

    /// Falls with every step: no run goes on for ever.
    fn rank(&self, world: &World) -> u64 {
        let processes = world.processes.iter().map(|process| {
            let flights = [process.flight, process.stale].into_iter().flatten().map(|flight| {
                let stage = match flight.stage {
                    Stage::Locking => 6,
                    Stage::Looking => 5,
                    Stage::Sending { .. } => 4,
                    Stage::Answered { .. } => 3,
                    Stage::Saving(_) => 2,
                    Stage::LookingWhoSaved(_) => 1,
                };
                let (rounds, looks, saves) =
                    (u64::from(flight.rounds), u64::from(flight.looks), u64::from(flight.saves));
                100 * (stage + 10 * saves + 100 * looks + 1000 * rounds) + 50
            });
            let offer = u64::from(process.unsaved.is_some()) + 5 * u64::from(process.offer.is_some());
            let offer = 10 * u64::from(process.offers) + offer;
            let burial =
                process.burial.map_or(0, |burial| u64::from(burial.tries * 2) - u64::from(burial.seen.is_some()));
            let held = u64::from(process.held.is_some() && !process.rejected);
            100_000_000 * u64::from(process.calls) + flights.sum::<u64>() + offer + burial + held
        });
        let free = u64::from(world.lock.is_some());
        let days = u64::from(self.days - world.day);
        10_000_000_000 * u64::from(world.misfortunes) + 1_000_000_000 * days + processes.sum::<u64>() + free
    }
}

/// What breaks first, if anything does, and by which steps.
fn breaks(fleet: Fleet, enough: HasDiscoveries) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = fleet.checker().threads(threads).finish_when(enough).spawn_bfs().join();
    let broken = checker.discoveries().into_iter();
    broken.map(|(property, path)| format!("{property}: {:?}", path.into_actions())).collect()
}

/// Set in the environment, the model is larger: `.ci/long.d/model` does so.
fn given(name: &str) -> Option<u8> {
    std::env::var(name).ok()?.parse().ok()
}

#[apply(hunted!)]
fn whatever_befalls_them_processes_spend_nothing_twice_lose_nothing_and_never_wait_in_vain() {
    let fleet = Fleet {
        processes: given("KEYWAY_MODEL_PROCESSES").map_or(FLEET.processes, usize::from),
        calls: given("KEYWAY_MODEL_CALLS").unwrap_or(FLEET.calls),
        days: given("KEYWAY_MODEL_DAYS").unwrap_or(FLEET.days),
        misfortunes: given("KEYWAY_MODEL_MISFORTUNES").unwrap_or(FLEET.misfortunes),
        revokes: given("KEYWAY_MODEL_REVOKES").is_some(),
        ..FLEET
    };
    assert_eq!(breaks(fleet, HasDiscoveries::AnyFailures), [""; 0]);
}

/// One process whose vendor can be told of what is not needed, and whom a great deal befalls.
const ONE_BY_ITSELF: Fleet = Fleet { processes: 1, days: 1, misfortunes: 3, revokes: true, ..FLEET };

#[apply(hunted!)]
fn whatever_befalls_one_process_it_gives_nothing_back_that_it_uses() {
    assert_eq!(breaks(ONE_BY_ITSELF, HasDiscoveries::AnyFailures), [""; 0]);
}

/// Each mechanism is missed: without it something breaks.
mod without {
    use super::*;

    fn missed(property: &'static str, fleet: Fleet) {
        let broken = breaks(fleet, HasDiscoveries::AnyOf([property].into()));
        assert!(broken.iter().any(|broken| broken.starts_with(property)), "{broken:?}");
    }

    #[apply(hunted!)]
    fn a_lock_that_keeps_others_out_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { locks: false, asks_before_sending: false, misfortunes: 0, ..FLEET });
    }

    #[apply(hunted!)]
    fn a_look_under_the_lock_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { looks_under_lock: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn asking_before_sending_whether_the_lock_is_still_held_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { asks_before_sending: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn a_lock_that_outlasts_the_request_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { pauses: true, ..FLEET });
    }

    #[apply(hunted!)]
    fn a_lock_that_is_handed_over_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { hands_over: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn a_sign_out_that_takes_the_lock_along_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { takes_lock_along: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn a_lock_that_is_kept_with_what_is_not_saved_a_token_is_spent_twice() {
        missed(SPENT_TWICE, Fleet { keeps_lock: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn leaving_what_a_successor_has_found_it_is_given_back_and_used() {
        missed(USED, Fleet { leaves_what_was_aside: false, ..ONE_BY_ITSELF });
    }

    #[apply(hunted!)]
    fn comparing_before_saving_a_saved_token_is_lost() {
        missed(LOST, Fleet { compares: false, ..FLEET });
    }

    #[apply(hunted!)]
    fn asking_whether_somebody_signed_out_the_session_comes_back() {
        missed(SIGNED_OUT, Fleet { asks_whether_beaten: false, ..FLEET });
    }
}
