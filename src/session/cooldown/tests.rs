use super::*;
use crate::question::{AccessKey, Captcha, DeviceCode, SecondFactor, SessionLimit};
use std::time::SystemTime;

fn at(seconds: u64) -> Now {
    let monotonic = Duration::from_secs(seconds);
    Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + monotonic, monotonic }
}

#[apply(leak_checked!)]
fn waits_double_up_to_a_minute_and_end_with_a_success() {
    let mut cooldown = Cooldown::default();
    let outage = Error::new(ErrorKind::Outage, "down");
    let mut waits = Vec::new();
    for _ in 0..9 {
        cooldown.failed(&outage, at(0), 0.0, true);
        waits.push(cooldown.failure(at(0)).expect("cooling").1.expect("bounded").as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert!(cooldown.failure(at(60)).is_none());
    cooldown.succeeded();
    assert!(cooldown.failure(at(0)).is_none());
}

#[apply(leak_checked!)]
fn refused_credentials_cool_down_for_good() {
    let mut cooldown = Cooldown::default();
    cooldown.failed(&Error::new(ErrorKind::InvalidCredentials, "no"), at(0), 0.0, true);
    assert_eq!(cooldown.failure(at(1_000_000)).expect("cooling").1, None);
}

#[apply(leak_checked!)]
fn the_vendors_own_wait_is_believed_up_to_an_hour() {
    let mut cooldown = Cooldown::default();
    let throttled = Error::new(ErrorKind::Throttled, "slow").with_retry_after(Some(Duration::from_secs(1_000_000)));
    cooldown.failed(&throttled, at(0), 0.0, true);
    assert_eq!(cooldown.failure(at(0)).expect("cooling").1, Some(LONGEST_BELIEVED));
}

#[apply(leak_checked!)]
fn up_to_a_quarter_of_a_wait_is_taken_off_by_chance() {
    for (chance, expected) in [(0.0, 1000), (0.5, 875), (1.0, 750)] {
        let mut cooldown = Cooldown::default();
        cooldown.failed(&Error::new(ErrorKind::Outage, "down"), at(0), chance, true);
        assert_eq!(cooldown.cooling(), Some(Cooling::Until(Duration::from_millis(expected))));
    }
}

#[apply(leak_checked!)]
fn a_wish_shortens_every_wait_but_the_vendors_own() {
    let mut cooldown = Cooldown::default();
    cooldown.failed(&Error::throttled(Some(Duration::from_secs(30))), at(0), 0.0, true);
    cooldown.reset_failures();
    assert!(cooldown.is_throttled(at(29)) && !cooldown.is_throttled(at(30)));
    cooldown.failed(&Error::new(ErrorKind::Outage, "down"), at(30), 0.0, true);
    assert!(!cooldown.is_throttled(at(30)));
    assert!(cooldown.failure(at(30)).is_some());
    cooldown.reset_failures();
    assert!(cooldown.failure(at(30)).is_none());
    assert_eq!(cooldown.cooling(), None);
}

#[apply(leak_checked!)]
fn a_credential_that_may_change_is_tried_again_and_a_given_one_is_not() {
    for kind in [ErrorKind::InvalidCredentials, ErrorKind::Validation] {
        let wait = |given| {
            let mut cooldown = Cooldown::default();
            cooldown.failed(&Error::new(kind, "no"), at(0), 0.0, given);
            cooldown.cooling()
        };
        assert_eq!(wait(true), Some(Cooling::ForGood));
        assert_eq!(wait(false), Some(Cooling::Until(Duration::from_secs(1))));
    }
}

#[apply(leak_checked!)]
fn what_was_wrong_here_and_was_never_sent_is_no_reason_to_wait() {
    for kind in [ErrorKind::Config, ErrorKind::SignedOut] {
        let cooling = |error: Error| {
            let mut cooldown = Cooldown::default();
            cooldown.failed(&error, at(0), 0.0, true);
            cooldown.cooling()
        };
        assert_eq!(cooling(Error::new(kind, "wrong").local()), None);
        assert!(cooling(Error::new(kind, "wrong")).is_some());
    }
}

#[apply(leak_checked!)]
fn a_question_stays_open_while_its_answer_is_awaited_at_most_five_minutes() {
    let captcha = |life| Error::captcha_required(Captcha::new(*b"png", "image/png", "k").valid_for(life));
    let device = |life| Error::device_code_required(DeviceCode::new("d", "u", "https://vendor.example", life));
    let limit = SessionLimit::new(Vec::new());
    let (short, long) = (Duration::from_secs(42), Duration::from_secs(3600));
    for (question, seconds) in [
        (captcha(short), 42),
        (captcha(long), 300),
        (device(short), 42),
        (device(long), 300),
        (Error::session_limit_reached(limit), 300),
        (Error::access_key_required(AccessKey::new("me@example.org", "t")), 300),
        (Error::second_factor_required(SecondFactor::new("t")), 300),
    ] {
        let mut cooldown = Cooldown::default();
        cooldown.failed(&question, at(0), 0.0, true);
        assert_eq!(cooldown.cooling(), Some(Cooling::Until(Duration::from_secs(seconds))), "{question}");
    }
}
