use super::*;

const LIFE: Duration = Duration::from_secs(600);

fn at(seconds: u64) -> Now {
    let monotonic = Duration::from_secs(seconds);
    Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + monotonic, monotonic }
}

fn ten_minutes() -> Deadlines {
    Deadlines::new(Lifetime::For(LIFE), at(0), &Windows::default(), 0.0, Duration::ZERO)
}

fn view(held: Option<&Deadlines>, now: Now) -> View<'_> {
    View { now, held, rejected: false, signed_out: false, cooling: None, needed: Duration::ZERO }
}

#[apply(leak_checked!)]
fn a_ten_minute_token_is_served_then_renewed_behind_then_waited_for() {
    let held = ten_minutes();
    for (second, decision) in [
        (0, Decision::Serve),
        (479, Decision::Serve),
        (480, Decision::ServeAndRenewBehind),
        (569, Decision::ServeAndRenewBehind),
        (570, Decision::Wait(Reason::Late)),
        (599, Decision::Wait(Reason::Late)),
        (600, Decision::Wait(Reason::Expired)),
    ] {
        assert_eq!(decide(&view(Some(&held), at(second))), decision, "at {second} s");
    }
}

#[apply(leak_checked!)]
fn a_token_is_fresh_then_aging_then_ended() {
    let held = ten_minutes();
    for (second, token) in [
        (0, Freshness::Fresh),
        (479, Freshness::Fresh),
        (480, Freshness::Aging),
        (599, Freshness::Aging),
        (600, Freshness::Ended),
    ] {
        assert_eq!(held.freshness(at(second)), token, "at {second} s");
    }
}

#[apply(leak_checked!)]
fn at_the_very_end_by_either_clock_it_is_over() {
    let held = ten_minutes();
    for (wall, monotonic, token) in
        [(599, 599, Freshness::Aging), (600, 599, Freshness::Ended), (599, 600, Freshness::Ended)]
    {
        let now = Now { wall: at(wall).wall, monotonic: at(monotonic).monotonic };
        assert_eq!(held.freshness(now), token, "wall {wall} s, monotonic {monotonic} s");
    }
}

#[apply(leak_checked!)]
fn by_one_clock_alone_it_is_fresh_until_its_early_window_opens() {
    let held = ten_minutes();
    for (second, fresh) in [(0, true), (479, true), (480, false), (600, false)] {
        assert_eq!(at(second).monotonic < held.fresh_until(), fresh, "at {second} s");
    }
}

#[apply(leak_checked!)]
fn every_reason_has_the_label_that_dashboards_know() {
    use Reason::{Answered, Asked, Early, Expired, Late, NoSession, Rejected, TooShort};
    let all = [NoSession, Early, Late, Expired, Rejected, TooShort, Asked, Answered];
    assert_eq!(
        all.map(Reason::as_str),
        ["no_session", "early", "late", "expired", "rejected", "too_short", "asked", "answered"]
    );
}

#[apply(leak_checked!)]
fn the_stricter_clock_wins() {
    let held = ten_minutes();
    let slept = Now { wall: at(8 * 3600).wall, monotonic: at(10).monotonic };
    assert_eq!(decide(&view(Some(&held), slept)), Decision::Wait(Reason::Expired));
    let set_back = Now { wall: at(0).wall - Duration::from_secs(86_400), monotonic: at(601).monotonic };
    assert_eq!(decide(&view(Some(&held), set_back)), Decision::Wait(Reason::Expired));
}

#[apply(leak_checked!)]
fn a_valid_token_is_served_while_a_failure_cools_down_and_an_ended_one_is_not() {
    let held = ten_minutes();
    let cooling = Some(Cooling::Until(Duration::from_secs(1000)));
    for second in [480, 599] {
        assert_eq!(decide(&View { cooling, ..view(Some(&held), at(second)) }), Decision::Serve);
    }
    let wait = Duration::from_secs(400);
    let refused = Decision::Refuse(Refusal::CoolingDown(Some(wait)));
    assert_eq!(decide(&View { cooling, ..view(Some(&held), at(600)) }), refused);
    assert_eq!(decide(&View { cooling, ..view(None, at(600)) }), refused);
    assert_eq!(decide(&View { cooling, ..view(None, at(1000)) }), Decision::Wait(Reason::NoSession));
}

#[apply(leak_checked!)]
fn a_rejected_token_is_never_served_and_an_unknown_expiry_is_served_until_then() {
    let held = Deadlines::new(Lifetime::Unknown, at(0), &Windows::default(), 0.0, Duration::ZERO);
    let later = at(5 * 365 * 24 * 3600);
    assert_eq!(decide(&view(Some(&held), later)), Decision::Serve);
    assert_eq!(decide(&View { rejected: true, ..view(Some(&held), at(1)) }), Decision::Wait(Reason::Rejected));
}

#[apply(leak_checked!)]
fn a_caller_who_needs_more_than_is_left_waits_for_a_renewal() {
    let held = ten_minutes();
    let needed = Duration::from_secs(300);
    assert_eq!(decide(&View { needed, ..view(Some(&held), at(300)) }), Decision::Serve);
    assert_eq!(decide(&View { needed, ..view(Some(&held), at(301)) }), Decision::Wait(Reason::TooShort));
}

#[apply(leak_checked!)]
fn sign_out_beats_everything() {
    let held = ten_minutes();
    let decision = decide(&View { signed_out: true, ..view(Some(&held), at(0)) });
    assert_eq!(decision, Decision::Refuse(Refusal::SignedOut));
}

/// Whatever the token, the windows and the clocks: the laws of the decision.
mod laws {
    use super::*;
    use proptest::prelude::*;

    const YEAR: u64 = 365 * 24 * 3600;

    fn lives() -> impl Strategy<Value = Lifetime> {
        prop_oneof![
            Just(Lifetime::Never),
            Just(Lifetime::Unknown),
            Just(Lifetime::For(Duration::ZERO)),
            (0_u64..600_000).prop_map(|ms| Lifetime::For(Duration::from_millis(ms))),
            (0..10 * YEAR).prop_map(|s| Lifetime::For(Duration::from_secs(s))),
        ]
    }

    fn windows() -> impl Strategy<Value = Windows> {
        let seconds = 0_u64..10_000;
        (0.0..=0.25, seconds.clone(), seconds.clone(), 0.0..=0.125, seconds.clone(), seconds, 0.0..=1.0).prop_map(
            |(early_share, e1, e2, late_share, l1, l2, jitter)| Windows {
                early_share,
                early_min: Duration::from_secs(e1.min(e2)),
                early_max: Duration::from_secs(e1.max(e2)),
                late_share,
                late_min: Duration::from_secs(l1.min(l2)),
                late_max: Duration::from_secs(l1.max(l2)),
                jitter,
            },
        )
    }

    /// A moment after the start, with the two clocks up to a year apart.
    fn moments() -> impl Strategy<Value = Now> {
        (0..11 * YEAR, 0..11 * YEAR).prop_map(|(wall, monotonic)| Now {
            wall: at(0).wall + Duration::from_secs(wall),
            monotonic: Duration::from_secs(monotonic),
        })
    }

    fn coolings() -> impl Strategy<Value = Option<Cooling>> {
        prop_oneof![
            Just(None),
            Just(Some(Cooling::ForGood)),
            (0..11 * YEAR).prop_map(|s| Some(Cooling::Until(Duration::from_secs(s)))),
        ]
    }

    proptest! {
        #[apply(leak_checked!)]
        fn nothing_ended_rejected_or_too_short_is_ever_served(
            life in lives(), windows in windows(), now in moments(), cooling in coolings(),
            rejected: bool, signed_out: bool, needed in 0..YEAR, chance in 0.0..1.0,
        ) {
            let held = Deadlines::new(life, at(0), &windows, chance, Duration::ZERO);
            let needed = Duration::from_secs(needed);
            let decision = decide(&View { now, held: Some(&held), rejected, signed_out, cooling, needed });
            if matches!(decision, Decision::Serve | Decision::ServeAndRenewBehind) {
                prop_assert!(!rejected && !signed_out);
                if let Lifetime::For(life) = life {
                    prop_assert!(now.monotonic < life && now.wall < at(0).wall + life);
                    prop_assert!(held.left(now) >= needed);
                }
            }
        }

        #[apply(leak_checked!)]
        fn inside_the_early_window_nobody_waits_and_a_failure_blocks_no_valid_token(
            life in lives(), windows in windows(), now in moments(), cooling in coolings(), chance in 0.0..1.0,
        ) {
            let held = Deadlines::new(life, at(0), &windows, chance, Duration::ZERO);
            let decision = decide(&View { cooling, ..view(Some(&held), now) });
            if held.is_valid(now) {
                prop_assert!(!matches!(decision, Decision::Refuse(_)));
                if held.early.is_ahead_of(now) {
                    prop_assert!(!matches!(decision, Decision::Wait(_)), "{decision:?}");
                }
            } else {
                prop_assert!(!matches!(decision, Decision::Serve | Decision::ServeAndRenewBehind));
            }
        }

        #[apply(leak_checked!)]
        fn a_refusal_says_when_to_try_again_and_then_is_over(
            life in lives(), now in moments(), end in 0..11 * YEAR,
        ) {
            let held = Deadlines::new(life, at(0), &Windows::default(), 0.0, Duration::ZERO);
            let cooling = Some(Cooling::Until(Duration::from_secs(end)));
            let decision = decide(&View { cooling, rejected: true, ..view(Some(&held), now) });
            match decision {
                Decision::Refuse(Refusal::CoolingDown(Some(wait))) => {
                    prop_assert!(wait > Duration::ZERO);
                    let later = Now { monotonic: now.monotonic + wait, ..now };
                    let after = decide(&View { cooling, rejected: true, ..view(Some(&held), later) });
                    prop_assert_eq!(after, Decision::Wait(Reason::Rejected));
                }
                other => prop_assert_eq!(other, Decision::Wait(Reason::Rejected)),
            }
        }

        #[apply(leak_checked!)]
        fn a_fresh_token_is_used_before_it_is_renewed(life in 1_u64..10 * YEAR, windows in windows(), chance in 0.0..1.0) {
            let held = Deadlines::new(Lifetime::For(Duration::from_secs(life)), at(0), &windows, chance, Duration::ZERO);
            prop_assert_eq!(decide(&view(Some(&held), at(0))), Decision::Serve);
            prop_assert!(held.fresh.monotonic >= Duration::from_secs(life) * 3 / 4);
            prop_assert!(held.early.monotonic >= held.fresh.monotonic && held.end.monotonic >= held.early.monotonic);
        }
    }
}
