//! The manual clock.

use super::*;

#[apply(leak_checked!)]
async fn advancing_moves_all_hands_and_wakes_those_who_are_due() {
    let clock = ManualClock::new();
    let (wall, monotonic, world) = (clock.wall(), clock.monotonic(), clock.world());
    let soon = tokio::spawn(clock.sleep(SECOND));
    let later = tokio::spawn(clock.sleep(MINUTE));
    clock.until_sleeping(2).await;

    clock.clone().advance(SECOND);

    soon.await.expect("the first sleeper wakes");
    assert_eq!((clock.sleepers(), later.is_finished()), (1, false));
    let moved = (clock.wall(), clock.monotonic(), clock.world());
    assert_eq!(moved, (wall + SECOND, monotonic + SECOND, world + SECOND));
    clock.advance(MINUTE);
    later.await.expect("the second sleeper wakes");
}

#[apply(leak_checked!)]
fn it_starts_where_its_documentation_says() {
    let clock = ManualClock::new();
    assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    assert_eq!(ManualClock::at(SystemTime::UNIX_EPOCH).wall(), SystemTime::UNIX_EPOCH);
}

#[apply(leak_checked!)]
fn a_jump_of_the_wall_clock_moves_nothing_else() {
    let clock = ManualClock::new();
    let (wall, monotonic, world) = (clock.wall(), clock.monotonic(), clock.world());

    clock.jump_wall(-3600);
    assert_eq!(clock.wall(), wall - 60 * MINUTE);
    clock.jump_wall(7200);
    assert_eq!(clock.wall(), wall + 60 * MINUTE);
    clock.set_wall(wall);
    assert_eq!((clock.wall(), clock.monotonic(), clock.world()), (wall, monotonic, world));
}

#[apply(leak_checked!)]
fn a_sleeping_machine_loses_monotonic_time_and_wakes_nobody() {
    let clock = ManualClock::new();
    let (wall, monotonic) = (clock.wall(), clock.monotonic());
    let mut sleep = clock.sleep(MINUTE);
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);

    clock.stop_monotonic_for(60 * MINUTE);

    assert_eq!((clock.wall(), clock.monotonic()), (wall + 60 * MINUTE, monotonic));
    assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);
    clock.advance(MINUTE);
    assert_eq!(sleep.as_mut().poll(&mut context), Poll::Ready(()));
}

#[apply(leak_checked!)]
fn a_sleeper_counts_from_its_first_poll_to_its_end() {
    let clock = ManualClock::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut barrier = pin!(clock.until_sleeping(1));
    let mut sleep = clock.sleep(MINUTE);
    assert_eq!(clock.sleepers(), 0);
    assert_eq!(barrier.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(clock.sleepers(), 1);
    assert_eq!(barrier.as_mut().poll(&mut context), Poll::Ready(()));
    drop(sleep);
    assert_eq!(clock.sleepers(), 0);
}
