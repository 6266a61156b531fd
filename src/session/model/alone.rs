//! One process step by step, beside others of which nothing is seen but what they leave in the store.

use super::{super::run::Word, scenes::ONE, *};

/// More steps than any of these takes.
const STEPS: usize = 100;

fn world() -> World {
    ONE.world()
}

impl World {
    /// What is out to the store, the lock first.
    pub(super) fn out(&self) -> Option<&StoreOp> {
        let core = &self.processes[0].core;
        core.locking.as_ref().or(core.store.as_ref()).map(|out| &out.what)
    }

    pub(super) fn store_answers(&mut self) {
        let side = if self.processes[0].core.locking.is_some() { Side::Lock } else { Side::Store };
        self.acts(0, side, Fate::Works).expect("it can be answered");
    }

    pub(super) fn vendor_is_asked(&self) -> bool {
        self.processes[0].letter.as_ref().is_some_and(|letter| letter.stage == ModelStage::Sent)
    }

    /// Everybody answers until nothing is out. `meanwhile`: what others do before each answer, and how the vendor answers.
    pub(super) fn rests(&mut self, mut meanwhile: impl FnMut(&mut Self) -> Fate) {
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

#[apply(leak_checked!)]
fn a_token_is_offered_three_times_to_a_store_that_keeps_changing() {
    let mut world = world();
    let mut tries = 0;
    world.uses(ModelStep::Call(0));
    world.rests(|world| {
        if world.saves(Purpose::Token) {
            tries += 1;
            world.others_save();
        }
        Fate::Works
    });
    assert_eq!(tries, 3);
    assert!(world.processes[0].core.pending.is_some(), "it is served, and still owed");
}

#[apply(leak_checked!)]
fn a_tombstone_is_offered_eleven_times_to_a_store_that_keeps_changing() {
    let mut world = world();
    world.uses(ModelStep::Call(0));
    world.rests(|_| Fate::Works);
    world.uses(ModelStep::SignOut(0));
    let mut tries = 0;
    for _ in 0..STEPS {
        if world.saves(Purpose::Tombstone) {
            tries += 1;
            world.others_save();
        }
        let store = world.out().is_some();
        let revokes = world.acts(0, Side::Revoke, Fate::Works).is_some();
        match (store, revokes) {
            (true, _) => world.store_answers(),
            (false, true) => {}
            (false, false) => break,
        }
    }
    assert_eq!(tries, 11);
    assert!(world.processes[0].core.signing_out.is_some(), "it is still owed");
}

impl World {
    fn load_fails(&mut self, error: StoreError) {
        assert_eq!(self.out(), Some(&StoreOp::Load));
        let id = self.processes[0].core.store.as_ref().expect("a load").id;
        self.change(0, 98, |core, at| core.on(id, Event::Loaded(Err(error)), at));
    }
}

#[apply(leak_checked!)]
fn a_look_that_fails_is_none_and_the_lock_is_asked_for() {
    let mut world = world();
    world.uses(ModelStep::Call(0));
    world.load_fails(broken_store());
    let core = &world.processes[0].core;
    assert!(core.run.as_ref().is_some_and(|run| run.blind.is_some()) && core.seen.is_none());
    assert!(matches!(world.out(), Some(StoreOp::Lock(_))));
}

#[apply(leak_checked!)]
fn a_record_that_nobody_here_can_read_is_written_over_by_nobody_here() {
    for locked in [false, true] {
        let mut world = world();
        world.uses(ModelStep::Call(0));
        while locked && !world.processes[0].core.locked {
            world.store_answers();
        }
        world.load_fails(StoreError::sealed("with a key that is not here"));
        assert!(world.processes[0].callers.is_empty(), "{locked}");
        world.rests(|world| {
            assert!(!world.vendor_is_asked() && !matches!(world.out(), Some(StoreOp::Save { .. })));
            Fate::Works
        });
        assert!(world.processes[0].core.current.is_none());
    }
}

#[apply(leak_checked!)]
fn word_is_left_to_no_store_that_does_not_say_what_it_holds() {
    let mut world = world();
    let error = outage(false);
    let word = Word { error, until: None, failures: 1, refused: None, tries: 0 };
    world.process(0).core.word = Some(word);
    world.settle(0, None);
    world.load_fails(broken_store());
    let core = &world.processes[0].core;
    assert!(core.word.is_none() && core.store.is_none() && core.pending.is_none());
}

#[apply(leak_checked!)]
fn what_is_owed_to_a_store_that_does_not_say_what_it_holds_is_offered_later() {
    let mut world = world();
    world.uses(ModelStep::Call(0));
    while !world.saves(Purpose::Token) {
        let side = if world.vendor_is_asked() { Side::Vendor } else { Side::Store };
        let side = if world.processes[0].core.locking.is_some() { Side::Lock } else { side };
        world.acts(0, side, Fate::Works).expect("it can be answered");
    }
    world.acts(0, Side::Store, Fate::Fails).expect("it can be answered");
    let again = |world: &World| world.processes[0].core.pending.as_ref().and_then(|owed| owed.offers.again_at);
    let first = again(&world).expect("it is owed");
    world.passes(first.saturating_sub(1000 * SECOND));
    while world.out() != Some(&StoreOp::Load) {
        world.store_answers();
    }
    world.load_fails(broken_store());
    assert!(again(&world).expect("it is owed") > first);
}
