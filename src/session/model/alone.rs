//! One process step by step, beside others of which nothing is seen but what they leave in the store.

use super::{scenes::ONE, *};

/// More steps than any of these takes.
const STEPS: usize = 100;

fn world() -> World {
    ONE.world()
}

impl World {
    /// What is out to the store, the lock first.
    fn out(&self) -> Option<&StoreOp> {
        let core = &self.processes[0].core;
        core.locking.as_ref().or(core.store.as_ref()).map(|out| &out.what)
    }

    fn store_answers(&mut self) {
        let side = if self.processes[0].core.locking.is_some() { Side::Lock } else { Side::Store };
        self.acts(0, side, Fate::Works).expect("it can be answered");
    }

    fn vendor_is_asked(&self) -> bool {
        self.processes[0].letter.as_ref().is_some_and(|letter| letter.stage == ModelStage::Sent)
    }

    /// Everybody answers until nothing is out. `meanwhile`: what others do before each answer, and how the vendor answers.
    fn rests(&mut self, mut meanwhile: impl FnMut(&mut Self) -> Fate) {
        for _ in 0..STEPS {
            let fate = meanwhile(self);
            if self.vendor_is_asked() {
                self.acts(0, Side::Vendor, fate).expect("it can be answered");
            } else if self.out().is_some() {
                self.store_answers();
            } else {
                return;
            }
        }
        panic!("it never rests");
    }

    /// Another process saves what stands there.
    fn others_save(&mut self) {
        let nothing = || Record::new(&self.rules.key, Generation::first(99), RecordState::Nothing);
        let there = self.stored.clone().unwrap_or_else(nothing);
        self.stored = Some(Record { generation: there.generation().next(), ..there });
    }

    fn saves(&self, what: Purpose) -> bool {
        matches!(self.out(), Some(StoreOp::Save { purpose, .. }) if *purpose == what)
    }
}

#[apply(leak_checked!)]
fn word_for_the_others_is_left_by_the_fourth_try_or_not_at_all() {
    for (busy, left) in [(0, true), (1, true), (3, true), (4, false), (9, false)] {
        let mut world = world();
        let mut tries = 0;
        world.uses(ModelStep::Call(0));
        world.rests(|world| {
            if world.saves(Purpose::Word) {
                tries += 1;
                if tries <= busy {
                    world.others_save();
                }
            }
            Fate::LosesQuestion
        });
        assert_eq!(tries, (busy + 1).min(4));
        assert_eq!(world.stored.is_some_and(|there| there.not_before.is_some()), left, "{busy}");
    }
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_frees_no_lock_while_the_vendor_is_asked() {
    let mut world = world();
    world.uses(ModelStep::Call(0));
    while !world.vendor_is_asked() {
        world.store_answers();
    }
    let core = &mut world.process(0).core;
    core.abandoned();
    assert!(core.locked);
}

#[apply(leak_checked!)]
fn refresh_tokens_that_others_keep_putting_there_are_tried_four_times() {
    let mut world = world();
    world.uses(ModelStep::Call(0));
    world.rests(|_| Fate::Works);
    world.passes(LIFE + SECOND);
    world.uses(ModelStep::Call(0));
    let mut renewals = 0;
    world.rests(|world| {
        if world.vendor_is_asked() {
            renewals += 1;
            // It has been used by another process, which has saved what came of it.
            world.sessions[0].newest += 1;
            let there = world.stored.clone().expect("a session");
            let mut kept = there.kept().expect("tokens").clone();
            kept.access = format!("0.{}", world.sessions[0].newest).into();
            kept.refresh = Some(format!("r0.{}", world.sessions[0].newest).into());
            world.stored =
                Some(Record { state: RecordState::Live(kept), generation: there.generation().next(), ..there });
            world.sessions[0].revoked = true;
        }
        Fate::Works
    });
    assert_eq!(renewals, 4);
    assert!(world.processes[0].callers.is_empty());
}
