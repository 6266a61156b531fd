//! Questions that are answered in another process.

use keyway::{
    Answer, Error, ErrorKind, EvictionPolicy, SealingKey, SealingKeys, Session, orderingstack,
    testing::{FakeOrderingStack, FakeVms, ManualClock},
    vms,
};
use std::time::Duration;

fn keys(seed: u8) -> SealingKeys {
    SealingKeys::new(SealingKey::from_bytes(std::array::from_fn::<u8, 32, _>(|n| seed.wrapping_add(n as u8))).unwrap())
}

/// Each call is another process: it knows nothing of the other ones.
fn process(fake: &FakeVms, clock: &ManualClock) -> Session {
    let client = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone());
    client.session_limit(EvictionPolicy::Never).build().unwrap().session().clone()
}

async fn asked(session: &Session) -> Error {
    session.lease().await.map(drop).unwrap_err()
}

fn ticket(question: &Error) -> String {
    question.resume().unwrap().to_ticket(&keys(1)).unwrap()
}

#[apply(leak_checked!)]
async fn a_captcha_is_answered_where_it_was_not_asked() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let question = asked(&process(&fake, &clock)).await;
    let ticket = ticket(&question);
    clock.advance(Duration::from_secs(20));
    let answer = Answer::Captcha(fake.captcha_answer().into());
    let other = process(&fake, &clock);
    other.resume_ticket(&ticket, &keys(1)).unwrap().answer(answer).await.unwrap();
    assert!(other.lease().await.is_ok());
    assert_eq!((fake.count("get_captcha"), fake.count("get_token")), (1, 1));
    for hidden in ["captcha", "media_type", "image", FakeVms::LOGIN] {
        assert!(!ticket.contains(hidden), "{ticket}");
    }
}

#[apply(leak_checked!)]
async fn a_wrong_answer_is_another_question_with_another_ticket() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let first = ticket(&asked(&process(&fake, &clock)).await);
    let resumed = process(&fake, &clock).resume_ticket(&first, &keys(1)).unwrap();
    let second = resumed.answer(Answer::Captcha("wrong".into())).await.map(drop).unwrap_err();
    assert_eq!((second.kind(), second.captcha().unwrap().attempt()), (ErrorKind::CaptchaRequired, 2), "{second}");
    let resumed = process(&fake, &clock).resume_ticket(&ticket(&second), &keys(1)).unwrap();
    resumed.answer(Answer::Captcha(fake.captcha_answer().into())).await.unwrap();
}

/// What was said before goes along: the captcha is not asked for again.
#[apply(leak_checked!)]
async fn a_session_is_chosen_where_the_captcha_was_not_answered() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).session_limit(2).other_sessions(2).start().await;
    let first = asked(&process(&fake, &clock)).await;
    let resumed = process(&fake, &clock).resume_ticket(&ticket(&first), &keys(1)).unwrap();
    let second = resumed.answer(Answer::Captcha(fake.captcha_answer().into())).await.map(drop).unwrap_err();
    let id = second.session_limit().unwrap().sessions.iter().find(|session| !session.is_current).unwrap().id.clone();
    let third = process(&fake, &clock).resume_ticket(&ticket(&second), &keys(1)).unwrap();
    let stranger = third.answer(Answer::Session("stranger".into())).await.map(drop).unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::Config);
    third.answer(Answer::Session(id)).await.unwrap();
    assert_eq!(fake.count("get_captcha"), 1);
}

#[apply(leak_checked!)]
async fn a_device_code_is_shown_where_it_was_not_asked_for() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).start().await;
    let process = || {
        let client = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).clock(clock.clone());
        let client = client.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
        client.device(FakeOrderingStack::MODULE).build().unwrap().session().clone()
    };
    let question = asked(&process()).await;
    let code = question.device_code().unwrap().clone();
    let other = process();
    let resumed = other.resume_ticket(&ticket(&question), &keys(1)).unwrap();
    assert!(fake.approve_user_code(code.user_code()));
    let waits = tokio::spawn(async move { resumed.answer(Answer::DeviceCode).await.map(drop) });
    // The deadline of the run, and the vendor's pace.
    clock.until_sleeping(2).await;
    clock.advance(code.interval());
    fake.until("issue_token", 1).await;
    waits.await.unwrap().unwrap();
    assert_eq!(fake.count("start_device"), 1);
}

#[apply(leak_checked!)]
async fn what_is_no_ticket_of_this_session_is_refused_and_nothing_is_sent() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let (good, session) = (ticket(&asked(&process(&fake, &clock)).await), process(&fake, &clock));
    let before = fake.saw().len();
    let refused = |ticket: &str, keys: &SealingKeys, session: &Session| {
        let error = session.resume_ticket(ticket, keys).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Validation, true), "{ticket}: {error}");
        assert!(!error.to_string().contains("\u{1b}") && error.to_string().len() < 200, "{error}");
    };
    let odd =
        ["", ".", "..", "keyway1", "keyway1..", "keyway2.a.b", "keyway1.\u{1b}[2J.x", "<script>", &"x".repeat(100_000)];
    odd.iter().for_each(|odd| refused(odd, &keys(1), &session));
    refused(&good, &keys(2), &session);
    for at in 0..good.len() {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        refused(&format!("{}{other}{}", &good[..at], &good[at + 1..]), &keys(1), &session);
        refused(&good[..at], &keys(1), &session);
    }
    // Another account at the same address.
    let stranger = vms::Client::builder(fake.uri()).password("somebody-else", "the-password").clock(clock.clone());
    refused(&good, &keys(1), stranger.build().unwrap().session());
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    refused(&good, &keys(1), &session);
    assert_eq!(fake.saw().len(), before);
    let both = keys(2).also(SealingKey::from_bytes(std::array::from_fn::<u8, 32, _>(|n| 1 + n as u8)).unwrap());
    clock.advance(Duration::from_secs(1));
    refused(&good, &both, &session);
}

#[apply(leak_checked!)]
async fn a_ticket_that_comes_twice_costs_no_second_session() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let ticket = ticket(&asked(&process(&fake, &clock)).await);
    let session = process(&fake, &clock);
    let answer = || Answer::Captcha(fake.captcha_answer().into());
    let first = session.resume_ticket(&ticket, &keys(1)).unwrap();
    let second = session.resume_ticket(&ticket, &keys(1)).unwrap();
    let (one, two) = tokio::join!(first.answer(answer()), second.answer(answer()));
    assert_eq!(one.unwrap().generation(), two.unwrap().generation());
    session.resume_ticket(&ticket, &keys(1)).unwrap().answer(answer()).await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}
