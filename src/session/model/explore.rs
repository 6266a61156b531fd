//! What must hold, and the search for a state in which it does not.

use super::*;

impl World {
    /// What would go on by itself if everybody answered at once; none at rest.
    pub(super) fn goes_on(&self) -> Option<Self> {
        let all = 0..self.processes.len();
        let answers = all.flat_map(|p| {
            let acts = |side| ModelStep::Act(p, side, Fate::Works);
            let polls = ModelStep::Act(p, Side::Vendor, Fate::Works);
            [
                ModelStep::Send(p),
                ModelStep::Deliver(p),
                polls,
                acts(Side::Lock),
                acts(Side::Store),
                acts(Side::Revoke),
                acts(Side::Person),
            ]
        });
        let steps = [ModelStep::Ghost(true)].into_iter().chain(answers).chain([ModelStep::LeaseEnds, ModelStep::Later]);
        steps
            .filter(|step| self.is_possible(*step) && (*step != ModelStep::LeaseEnds || self.lock == Some(GONE)))
            .find_map(|step| {
                let next = self.step(step)?;
                Some(next)
            })
    }

    pub(super) fn at_rest(&self) -> Option<&'static str> {
        let waits = |process: &Rc<Process>| {
            !process.callers.is_empty() || !process.sign_outs.is_empty() || process.closes.is_some()
        };
        let held = |process: &Rc<Process>, n: usize| process.tokens().any(|token| named(&token.tokens.access).0 == n);
        let stored = self.stored.as_ref().and_then(Record::kept).map(|kept| named(&kept.access).0);
        let left = |(n, session): (usize, &ModelSession)| {
            let known = stored == Some(n) || self.processes.iter().any(|process| held(process, n));
            !(session.revoked || session.orphan || known || session.used && !session.ended)
        };
        let writes_tombstone = self.processes.iter().any(|process| process.core.signing_out.is_some());
        let back = |n: usize| {
            !(writes_tombstone || self.forgot) && self.processes.iter().any(|process| process.ended & (1_u32 << n) != 0)
        };
        match () {
            () if self.processes.iter().any(waits) => Some(WAITS),
            () if self.lock.is_some() => Some(LOCKED),
            () if self.sessions.iter().enumerate().any(left) => Some(LEFT),
            () if stored.is_some_and(back) => Some(ADOPTED),
            () => None,
        }
    }

    /// Cheaper than to try.
    pub(super) fn is_possible(&self, step: ModelStep) -> bool {
        let left = &self.left;
        let core = |p: usize| &self.processes[p].core;
        let stage = |p: usize| self.processes[p].letter.as_ref().map(|letter| &letter.stage);
        match step {
            ModelStep::Call(_) => left.calls > 0,
            ModelStep::Renew(_) => left.renews > 0,
            ModelStep::SignIn(_) => left.sign_ins > 0,
            ModelStep::SignOut(_) => left.sign_outs > 0,
            ModelStep::Reject(p) => left.rejects > 0 && core(p).current.is_some(),
            ModelStep::Resume(p) => left.resumes > 0 && self.processes[p].question.is_some(),
            ModelStep::Close(p) => left.closes > 0 && self.processes[p].closes.is_none(),
            ModelStep::Send(p) => stage(p) == Some(&ModelStage::Written),
            ModelStep::Deliver(p) => matches!(stage(p), Some(ModelStage::Answered(_))),
            ModelStep::Act(_, _, fate) if fate != Fate::Works && left.misfortunes == 0 => false,
            ModelStep::Act(p, Side::Store, Fate::LosesAnswer) => {
                matches!(&core(p).store, Some(Out { what: StoreOp::Save { .. } | StoreOp::SaveAttempts { .. }, .. }))
            }
            ModelStep::Act(p, Side::Lock, Fate::Works) => core(p).locking.is_some() && self.lock.is_none(),
            ModelStep::Act(p, Side::Lock, fate) => {
                core(p).locking.is_some() && matches!(fate, Fate::Fails | Fate::Panics)
            }
            ModelStep::Act(p, Side::Store, _) => core(p).store.is_some(),
            ModelStep::Act(p, Side::Vendor, _) => stage(p) == Some(&ModelStage::Sent),
            ModelStep::Act(p, Side::Revoke, fate) => {
                core(p).revoking.is_some() && matches!(fate, Fate::Works | Fate::Fails)
            }
            ModelStep::Act(p, Side::Person, fate) => {
                core(p).person.is_some() && matches!(fate, Fate::Works | Fate::Fails)
            }
            ModelStep::Late(p, acted) => {
                left.misfortunes > 0 && self.deadline(p).is_some() && (!acted || stage(p) == Some(&ModelStage::Sent))
            }
            ModelStep::Crash(..) => left.crashes > 0,
            ModelStep::Vanish(p) => left.misfortunes > 0 && !core(p).is_quiet(),
            ModelStep::Skew(p) => left.skews > 0 && self.processes[p].skew == 0,
            ModelStep::Ghost(_) => !self.ghosts.is_empty(),
            ModelStep::LeaseEnds => self.lock.is_some() && (left.misfortunes > 0 || self.lock == Some(GONE)),
            ModelStep::Forgets => left.misfortunes > 0 && self.stored.is_some(),
            ModelStep::Wait => left.waits > 0,
            ModelStep::Day => left.days > 0,
            ModelStep::Later => true,
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let print = |what: &dyn Fn(&mut Fold)| {
            let mut fold = Fold(0);
            what(&mut fold);
            fold.0
        };
        // Which of them it is makes no difference, but for whose credential it has.
        let mut processes: Vec<_> = (0..self.processes.len())
            .map(|p| {
                print(&|fold| (&*self.processes[p], self.lock == Some(p), self.scene.foreign && p == 1).hash(fold))
            })
            .collect();
        processes.sort_unstable();
        let world =
            (&self.sessions, &self.stored, &self.ledger, &self.ghosts, self.lock.is_some(), self.lock == Some(GONE));
        let rest = (self.torn, self.forgot, self.seeds, self.attempts, self.left, self.now);
        print(&|fold| (&processes, &world, &rest).hash(fold))
    }
}

/// Hashes without help of the optimizer.
struct Fold(u64);

impl Fold {
    fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.fold(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }
}

fn all_steps(processes: usize) -> Vec<ModelStep> {
    use Fate::{Fails, LosesAnswer, LosesQuestion, Panics, Works};
    let users = [
        ModelStep::Call,
        ModelStep::Renew,
        ModelStep::SignIn,
        ModelStep::SignOut,
        ModelStep::Reject,
        ModelStep::Resume,
        ModelStep::Close,
    ];
    let mut steps = vec![
        ModelStep::Ghost(true),
        ModelStep::Ghost(false),
        ModelStep::LeaseEnds,
        ModelStep::Forgets,
        ModelStep::Wait,
        ModelStep::Day,
    ];
    for p in 0..processes {
        steps.extend(users.iter().map(|step| step(p)));
        let all = [Works, Fails, LosesAnswer, LosesQuestion, Panics];
        for side in [Side::Lock, Side::Store, Side::Vendor, Side::Revoke, Side::Person] {
            let fates = all.iter().filter(|fate| side != Side::Store || **fate != LosesQuestion);
            steps.extend(fates.map(|fate| ModelStep::Act(p, side, *fate)));
        }
        steps.extend([ModelStep::Send(p), ModelStep::Deliver(p), ModelStep::Late(p, false), ModelStep::Late(p, true)]);
        steps.extend([ModelStep::Crash(p, false), ModelStep::Crash(p, true), ModelStep::Vanish(p), ModelStep::Skew(p)]);
    }
    steps
}

/// What was seen: from which state, and by which step.
type SeenStates = HashMap<u64, (u64, ModelStep)>;

fn way(seen: &SeenStates, mut print: u64) -> String {
    let mut steps = Vec::new();
    while let Some((from, step)) = seen.get(&print).filter(|(from, _)| *from != print) {
        steps.push(format!("{step:?}"));
        print = *from;
    }
    steps.reverse();
    steps.join(" ")
}

/// Whether it comes to rest, and how, if everybody answers at once.
fn rests(world: &World, print: u64, rested: &mut HashSet<u64>) -> Option<&'static str> {
    let mut chain = vec![print];
    let mut world = world.clone();
    while rested.insert(*chain.last()?) {
        match world.goes_on() {
            Some(next) if next.broken.is_some() => return next.broken,
            Some(_) if chain.len() > LONGEST => return Some(ENDLESS),
            Some(next) => world = next,
            None => return world.at_rest(),
        }
        let print = world.fingerprint();
        if chain.contains(&print) {
            return Some(ENDLESS);
        }
        chain.push(print);
    }
    None
}

/// How many states there are within the scene's bounds, or what breaks first and by which steps.
pub(super) fn explore(scene: Scene) -> Result<usize, String> {
    let most = std::env::var("KEYWAY_MODEL_STATES").ok().and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    let steps = all_steps(scene.processes);
    let first = scene.world();
    let (mut seen, mut rested) = (SeenStates::new(), HashSet::new());
    seen.insert(first.fingerprint(), (first.fingerprint(), ModelStep::Later));
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        let from = world.fingerprint();
        if let Some(broken) = rests(&world, from, &mut rested) {
            return Err(format!("{broken}, after {} states: {}", seen.len(), way(&seen, from)));
        }
        for step in steps.iter().filter(|step| world.is_possible(**step)) {
            let Some(next) = world.step(*step) else { continue };
            if let Some(broken) = next.broken {
                return Err(format!("{broken}, after {} states: {} {step:?}", seen.len(), way(&seen, from)));
            }
            if let std::collections::hash_map::Entry::Vacant(place) = seen.entry(next.fingerprint()) {
                place.insert((from, *step));
                queue.push_back(next);
            }
        }
        if seen.len() > most {
            break;
        }
    }
    Ok(seen.len())
}
