//! Without any one of these something breaks, and this is what.

use super::{
    explore::explore,
    scenes::{NONE, ONE},
    *,
};

fn breaks(broken: BrokenRule, what: &str, scene: Scene) {
    let found = explore(Scene { broken: Some(broken), ..scene }).expect_err("nothing breaks");
    eprintln!("{broken:?}: {found}");
    assert!(found.starts_with(what), "{found}");
}

fn two(left: Left) -> Scene {
    Scene { processes: 2, left, ..ONE }
}

const OUT: Left = Left { calls: 1, sign_outs: 1, sign_ins: 1, ..NONE };

#[apply(leak_checked!)]
fn a_lock_two_sign_in_at_once() {
    breaks(BrokenRule::Lock, SIGN_INS, two(Left { calls: 2, ..NONE }));
}

#[apply(leak_checked!)]
fn waiting_for_a_store_that_can_lock_a_token_is_spent_twice() {
    let scene = two(Left { calls: 2, renews: 2, misfortunes: 1, ..NONE });
    breaks(BrokenRule::Trouble, SPENT_TWICE, scene);
}

#[apply(leak_checked!)]
fn a_lock_as_long_as_it_asks_two_sign_in_at_once() {
    breaks(BrokenRule::LockWhileAsking, SIGN_INS, two(Left { calls: 2, ..OUT }));
}

#[apply(leak_checked!)]
fn a_lock_as_long_as_a_token_is_not_saved_its_predecessor_is_spent_twice() {
    breaks(BrokenRule::LockWhileUnsaved, SPENT_TWICE, two(Left { calls: 2, renews: 2, misfortunes: 1, ..NONE }));
}

#[apply(leak_checked!)]
fn a_look_whether_the_credential_is_used_up_it_is_spent_twice() {
    let scene = Scene { seed: true, ..two(Left { calls: 2, sign_outs: 1, ..NONE }) };
    breaks(BrokenRule::Seed, SPENT_TWICE, scene);
}

#[apply(leak_checked!)]
fn leaving_the_lock_it_is_held_at_rest() {
    breaks(BrokenRule::Leaving, LOCKED, ONE);
}

#[apply(leak_checked!)]
fn letting_go_what_was_signed_out_is_served() {
    breaks(BrokenRule::LettingGo, SERVED, Scene { left: OUT, ..ONE });
}

#[apply(leak_checked!)]
fn a_look_at_the_clock_what_has_ended_is_served() {
    breaks(BrokenRule::StoredExpiry, SERVED, Scene { left: Left { calls: 2, days: 1, ..NONE }, ..ONE });
}

#[apply(leak_checked!)]
fn memory_of_what_was_signed_out_it_is_adopted() {
    breaks(BrokenRule::Tombstones, ADOPTED, Scene { left: Left { misfortunes: 1, ..OUT }, ..ONE });
}

#[apply(leak_checked!)]
fn a_tombstone_for_what_may_still_arrive_it_comes_back() {
    breaks(BrokenRule::Uncertain, ADOPTED, Scene { left: OUT, ..ONE });
}

#[apply(leak_checked!)]
fn giving_back_what_comes_too_late_a_session_is_left() {
    breaks(BrokenRule::GivingBack, LEFT, Scene { left: OUT, ..ONE });
}

#[apply(leak_checked!)]
fn telling_whoever_signs_out_they_wait_for_ever() {
    breaks(BrokenRule::Telling, WAITS, Scene { left: OUT, ..ONE });
}

#[apply(leak_checked!)]
fn noting_that_it_has_looked_it_looks_for_ever() {
    breaks(BrokenRule::Looked, ENDLESS, ONE);
}

#[apply(leak_checked!)]
fn a_look_whether_a_poll_is_out_it_is_woken_for_nothing() {
    let scene = Scene { wants: VendorWants::DeviceCode, left: Left { calls: 1, resumes: 1, waits: 1, ..NONE }, ..ONE };
    breaks(BrokenRule::Polls, SPINS, scene);
}

#[apply(leak_checked!)]
fn counting_attempts_there_are_too_many() {
    let scene = Scene { renewal: Renewal::SignIn, budget: Some(1), ..two(Left { calls: 2, renews: 1, ..NONE }) };
    breaks(BrokenRule::Counting, BUDGET, scene);
}
