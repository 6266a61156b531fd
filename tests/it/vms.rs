//! VMS: captchas, the limit of sessions, throttles.

use crate::vms_client;
use keyway::{
    Answer, Captcha, ErrorKind, EvictionPolicy, Expiry, Responder, Secret, SessionId, SessionLimit, SignOut,
    testing::{FakeVms, FakeVmsBuilder, Fault, ManualClock},
    vms,
};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

async fn start(options: impl FnOnce(FakeVmsBuilder) -> FakeVmsBuilder) -> (Arc<FakeVms>, ManualClock) {
    let clock = ManualClock::new();
    (Arc::new(options(FakeVms::builder().clock(clock.clone())).start().await), clock)
}

type Answers = dyn Fn(&Captcha) -> Option<Secret> + Send + Sync;

/// Answers captchas with what `answers` says, and counts.
struct Person {
    answers: Box<Answers>,
    chooses: Option<usize>,
    captchas: Arc<AtomicUsize>,
}

impl Responder for Person {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        self.captchas.fetch_add(1, Ordering::SeqCst);
        (self.answers)(&captcha)
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        Some(limit.sessions.get(self.chooses?)?.id.clone())
    }
}

fn reads(fake: &Arc<FakeVms>) -> Person {
    let fake = fake.clone();
    let answers = move |_: &Captcha| Some(Secret::from(fake.captcha_answer()));
    Person { answers: Box::new(answers), chooses: None, captchas: Arc::default() }
}

#[apply(leak_checked!)]
async fn a_first_sign_in_serves_typed_and_free_calls_with_one_token() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let sessions = client.api().list_sessions().send().await.unwrap();
    assert_eq!(sessions.len(), 1);
    let cameras: Vec<serde_json::Value> =
        client.http().get("/api/v1/cameras").send().await.unwrap().json().await.unwrap();
    assert_eq!(cameras.len(), 3);
    let lease = client.session().lease().await.unwrap();
    assert_eq!(lease.expiry(), Expiry::Unknown);
    assert_eq!((fake.count("get_token"), fake.count("get_captcha")), (1, 0));
    assert!(client.session().profile().unwrap().facts()["login"].is_string());
}

#[apply(leak_checked!)]
async fn a_token_is_sent_with_one_bearer() {
    let (fake, clock) = start(|b| b.prefixed_token(true)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert!(!client.session().lease().await.unwrap().token().unwrap().expose().starts_with("Bearer"));
}

#[apply(leak_checked!)]
async fn without_a_responder_a_captcha_is_a_typed_error_that_can_be_resumed() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.http().get("/api/v1/cameras").send().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::CaptchaRequired, Some("get_token")));
    let captcha = error.captcha().unwrap();
    assert_eq!((captcha.media_type(), captcha.attempt(), captcha.expires_in().as_secs()), ("image/png", 1, 60));
    assert!(captcha.image().starts_with(b"\x89PNG"));
    assert_eq!(fake.count("get_token"), 0);

    let resume = error.resume().unwrap();
    let answer = Answer::Captcha(Secret::from(fake.captcha_answer()));
    let task = tokio::spawn(async move { resume.answer(answer).await });
    task.await.unwrap().unwrap();
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("get_captcha"), fake.count("get_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn while_a_captcha_waits_for_its_answer_everybody_sees_the_same_one() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    for _ in 0..20 {
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::CaptchaRequired);
        clock.advance(Duration::from_secs(2));
    }
    assert_eq!((fake.count("get_captcha"), fake.count("get_basic_static")), (1, 1));
    clock.advance(Duration::from_secs(21));
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(fake.count("get_captcha"), 2);
    let answer = Answer::Captcha(Secret::from(fake.captcha_answer()));
    error.resume().unwrap().answer(answer).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_persons_answer_does_not_shorten_a_wait_the_vendor_asked_for() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let question = client.session().lease().await.unwrap_err().resume().unwrap();
    let answer = Answer::Captcha(Secret::from(fake.captcha_answer()));
    fake.next("get_basic_static", Fault::TooManyRequests { retry_after: Some("30".to_owned()) });
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::Throttled);
    let sent = fake.saw().len();
    let error = question.answer(answer.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_local(), fake.saw().len()), (ErrorKind::Throttled, true, sent));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));

    // The question is still open, and its captcha lives for a minute.
    clock.advance(Duration::from_secs(30));
    question.answer(answer).await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_responder_is_asked_once_for_everybody_who_waits() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let person = reads(&fake);
    let captchas = person.captchas.clone();
    let client = vms_client(&fake, &clock).responder(person).build().unwrap();
    let calls = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.http().get("/api/v1/cameras").send().await.unwrap().status() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((captchas.load(Ordering::SeqCst), fake.count("get_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_wrong_answer_brings_a_new_captcha_and_the_third_is_the_last() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let answers = move |captcha: &Captcha| {
        noted.lock().unwrap().push(captcha.attempt());
        Some(Secret::from("wrong"))
    };
    let person = Person { answers: Box::new(answers), chooses: None, captchas: Arc::default() };
    let client = vms_client(&fake, &clock).responder(person).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CaptchaRequired);
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    assert_eq!(fake.count("get_token"), 3);
    let answer = Answer::Captcha(Secret::from(fake.captcha_answer()));
    error.resume().unwrap().answer(answer).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_person_who_declines_is_an_error_that_can_still_be_resumed() {
    let (fake, clock) = start(|b| b.captcha(true)).await;
    let person = Person { answers: Box::new(|_| None), chooses: None, captchas: Arc::default() };
    let client = vms_client(&fake, &clock).responder(person).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Declined);
    assert_eq!(fake.count("get_token"), 0);
    let wrong_kind = error.resume().unwrap().answer(Answer::Session("s".into())).await.unwrap_err();
    assert_eq!(wrong_kind.kind(), ErrorKind::Config);
    let answer = Answer::Captcha(Secret::from(fake.captcha_answer()));
    error.resume().unwrap().answer(answer).await.unwrap();
}

/// The settings, the captchas and the sign-ins that were asked for.
fn asked(fake: &FakeVms) -> [usize; 3] {
    ["get_basic_static", "get_captcha", "get_token"].map(|operation| fake.count(operation))
}

#[apply(leak_checked!)]
async fn a_captcha_is_asked_for_only_when_the_settings_or_a_422_say_so() {
    let refused = |field: &str| Fault::Json(422, json!({ "message": "x", "errors": { field: ["wrong"] } }));
    for (settings, answer, expected) in [
        (None, None, [1, 0, 1]),
        (Some(Fault::Empty(404)), None, [1, 0, 1]),
        (Some(Fault::Json(200, json!({}))), None, [1, 0, 1]),
        (Some(Fault::Json(200, json!({ "is_captcha_available": null }))), None, [1, 0, 1]),
        (Some(Fault::Json(200, json!({ "is_captcha_available": true }))), None, [1, 1, 1]),
        (None, Some(refused("captcha")), [1, 1, 2]),
        (None, Some(refused("key")), [1, 1, 2]),
    ] {
        let (fake, clock) = start(|b| b).await;
        let about = format!("{settings:?}, {answer:?}");
        settings.into_iter().for_each(|fault| fake.next("get_basic_static", fault));
        answer.into_iter().for_each(|fault| fake.next("get_token", fault));
        let client = vms_client(&fake, &clock).responder(reads(&fake)).build().unwrap();
        client.session().lease().await.unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(asked(&fake), expected, "{about}");
    }
    // Settings that cannot be had are no leave to sign in.
    let (fake, clock) = start(|b| b).await;
    fake.next("get_basic_static", Fault::Html(500));
    let client = vms_client(&fake, &clock).responder(reads(&fake)).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    assert_eq!(asked(&fake), [1, 0, 0]);
}

#[apply(leak_checked!)]
async fn a_throttle_of_captchas_is_waited_for_too() {
    for (told, wait) in [(true, 540), (false, 600)] {
        let (fake, clock) = start(|b| b.captcha(true).captchas_per_address(1).retry_after(told)).await;
        let client = vms_client(&fake, &clock).build().unwrap();
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::CaptchaRequired);
        clock.advance(MINUTE);
        for _ in 0..3 {
            let error = client.session().sign_in().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(wait)), "{error}");
        }
        assert_eq!(asked(&fake), [2, 2, 0]);
        clock.advance(Duration::from_secs(wait));
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::CaptchaRequired);
        assert_eq!(asked(&fake), [3, 3, 0]);
    }
}

#[apply(leak_checked!)]
async fn a_throttled_sign_in_waits_as_told_or_ten_minutes_by_address_and_by_login() {
    let second = |fake: &FakeVms, clock: &ManualClock| {
        vms::Client::builder(fake.uri()).password("second@mail.com", "secret").clock(clock.clone()).build().unwrap()
    };
    type Change = fn(FakeVmsBuilder) -> FakeVmsBuilder;
    // Of two logins, the second is refused if it is the address that counts.
    for (limit, second_waits) in
        [((|b| b.sign_ins_per_address(1)) as Change, true), (|b| b.sign_ins_per_login(1), false)]
    {
        for (told, wait) in [(true, 540), (false, 600)] {
            let (fake, clock) = start(|b| limit(b.user("second@mail.com", "secret")).retry_after(told)).await;
            let client = vms_client(&fake, &clock).build().unwrap();
            client.session().lease().await.unwrap();
            clock.advance(MINUTE);
            assert_eq!(second(&fake, &clock).session().lease().await.is_err(), second_waits);
            assert_eq!(fake.count("get_token"), 2);
            fake.revoke_all();
            for _ in 0..3 {
                let error = cameras(&client).await.unwrap_err();
                assert_eq!((error.kind(), error.status()), (ErrorKind::Throttled, Some(429)), "{error}");
                assert_eq!(error.retry_after(), Some(Duration::from_secs(wait)), "{error}");
                assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::Throttled);
            }
            assert_eq!(fake.count("get_token"), 3);
            clock.advance(Duration::from_secs(wait));
            assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 4));
        }
    }
}

#[apply(leak_checked!)]
async fn a_419_with_sessions_is_the_session_limit() {
    let (fake, clock) = start(|b| b.session_limit(3).other_sessions(3)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::SessionLimitReached, Some(419)));
    assert!(error.detail::<vms::types::SessionLimit>().is_some());
    let limit = error.session_limit().unwrap();
    assert_eq!((limit.sessions.len(), limit.limit, limit.count, limit.captcha_valid_for), (3, Some(3), Some(3), None));

    let stranger = error.resume().unwrap().answer(Answer::Session("stranger".into())).await.unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::Config);
    assert_eq!(fake.count("get_token"), 1);
    let chosen = limit.sessions[1].id.clone();
    error.resume().unwrap().answer(Answer::Session(chosen.clone())).await.unwrap();
    assert!(fake.sessions().iter().all(|session| session.id != chosen.as_str()));
    assert_eq!((fake.count("get_token"), fake.sessions().len()), (2, 3));
}

#[apply(leak_checked!)]
async fn the_first_answer_wins_and_a_second_one_joins() {
    let (fake, clock) = start(|b| b.session_limit(2).other_sessions(2)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    let ids: Vec<_> = error.session_limit().unwrap().sessions.iter().map(|session| session.id.clone()).collect();
    let answers = ids.into_iter().map(|id| {
        let resume = error.resume().unwrap();
        tokio::spawn(async move { resume.answer(Answer::Session(id)).await })
    });
    for answer in answers.collect::<Vec<_>>() {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((fake.count("get_token"), fake.sessions().len()), (2, 2));
}

#[apply(leak_checked!)]
async fn a_policy_ends_one_session_and_the_captcha_is_used_again_inside_its_lease() {
    let (fake, clock) = start(|b| b.captcha(true).session_limit(4).other_sessions(4)).await;
    let person = reads(&fake);
    let captchas = person.captchas.clone();
    let builder = vms_client(&fake, &clock).responder(person).session_limit(EvictionPolicy::OldestOffline);
    let client = builder.build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((captchas.load(Ordering::SeqCst), fake.count("get_captcha"), fake.count("get_token")), (1, 1, 2));
    assert_eq!(fake.sessions().len(), 4);
}

#[apply(leak_checked!)]
async fn after_the_captchas_lease_a_new_one_is_asked_for() {
    let (fake, clock) = start(|b| b.captcha(true).session_limit(1).other_sessions(1)).await;
    let client = vms_client(&fake, &clock).responder(reads(&fake)).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    // Asked which session may end, this person has no opinion.
    assert_eq!(error.kind(), ErrorKind::Declined);
    let limit = error.session_limit().unwrap();
    assert_eq!(limit.captcha_valid_for, Some(Duration::from_secs(120)));
    clock.advance(Duration::from_secs(121));
    let id = limit.sessions[0].id.clone();
    error.resume().unwrap().answer(Answer::Session(id)).await.unwrap();
    assert_eq!((fake.count("get_captcha"), fake.count("get_token")), (2, 2));
}

#[apply(leak_checked!)]
async fn a_limit_that_stays_exceeded_ends_in_an_error_and_not_in_a_loop() {
    let (fake, clock) = start(|b| b).await;
    let sessions = json!({ "sessions": [{ "id": "s1", "is_current": false, "online": false }], "sessions_limit": 1 });
    fake.always("get_token", Fault::Json(419, sessions));
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn each_policy_ends_the_session_it_names_or_none() {
    // As they are listed: in use, out of use for long, out of use for longer.
    type Choice = fn() -> EvictionPolicy;
    let listed = |online: [bool; 3]| {
        let sessions = ["busy", "recent", "old"].into_iter().zip(online).zip([9, 5, 1]);
        let sessions = sessions
            .map(|((id, online), last)| json!({ "id": id, "is_current": false, "online": online, "last": last }));
        Fault::Json(419, json!({ "sessions": sessions.collect::<Vec<_>>(), "sessions_limit": 3, "sessions_count": 3 }))
    };
    let mixed = [true, false, false];
    for (policy, online, ends) in [
        ((|| EvictionPolicy::Never) as Choice, mixed, false),
        (|| EvictionPolicy::OldestOffline, mixed, true),
        (|| EvictionPolicy::OldestOffline, [true; 3], false),
        (|| EvictionPolicy::Oldest, [true; 3], true),
        (|| EvictionPolicy::choose(|limit| Some(limit.sessions[1].id.clone())), mixed, true),
        (|| EvictionPolicy::choose(|_| None), mixed, false),
        (|| EvictionPolicy::choose(|_| Some("stranger".into())), mixed, false),
        (|| EvictionPolicy::choose_async(async |limit| Some(limit.sessions[1].id.clone())), mixed, true),
        (|| EvictionPolicy::choose_async(async |_| None), mixed, false),
        (|| EvictionPolicy::choose_async(async |_| Some("stranger".into())), mixed, false),
    ] {
        let (fake, clock) = start(|b| b).await;
        let (policy, about) = (policy(), format!("{:?}", policy()));
        fake.next("get_token", listed(online));
        let client = vms_client(&fake, &clock).session_limit(policy).build().unwrap();
        match client.session().lease().await {
            // The fake knows none of these sessions, so the choice is answered with 422, and there is room without it.
            Ok(_) => assert!(ends && fake.count("get_token") == 3, "{about}"),
            Err(error) => {
                assert!(
                    !ends && error.kind() == ErrorKind::SessionLimitReached && error.resume().is_some(),
                    "{about}: {error}"
                );
                assert_eq!((error.session_limit().unwrap().sessions.len(), fake.count("get_token")), (3, 1), "{about}");
                assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
                assert_eq!(fake.count("get_token"), 1, "{about}");
            }
        }
    }
}

#[apply(leak_checked!)]
async fn which_session_a_policy_ends_is_seen_at_the_vendor() {
    for (policy, ended) in [(EvictionPolicy::OldestOffline, 1), (EvictionPolicy::Oldest, 0)] {
        let (fake, clock) = start(|b| b.session_limit(3)).await;
        // Three others, begun one after the other; the first is in use all the time.
        let others: Vec<_> = (0..3).map(|_| vms_client(&fake, &clock).build().unwrap()).collect();
        for other in &others {
            other.session().lease().await.unwrap();
            clock.advance(4 * MINUTE);
        }
        let before: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let first_is_in_use = ended == 1;
        if first_is_in_use {
            assert_eq!(cameras(&others[0]).await.unwrap(), 200);
        }
        let client = vms_client(&fake, &clock).session_limit(policy).build().unwrap();
        client.session().lease().await.unwrap();
        let after: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let gone: Vec<_> = (0..3).filter(|at| !after.contains(&before[*at])).collect();
        assert_eq!((gone, fake.count("get_token")), (vec![ended], 5));
    }
}

#[apply(leak_checked!)]
async fn a_chosen_session_that_has_vanished_ends_nobody_elses() {
    for place_is_free in [true, false] {
        let (fake, clock) = start(|b| b.session_limit(2).other_sessions(2)).await;
        let client = vms_client(&fake, &clock).build().unwrap();
        let question = client.session().lease().await.unwrap_err();
        let chosen = question.session_limit().unwrap().sessions[0].id.clone();
        assert!(fake.end_session(chosen.as_str()));
        if !place_is_free {
            vms_client(&fake, &clock).build().unwrap().session().lease().await.unwrap();
        }
        let there: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let outcome = question.resume().unwrap().answer(Answer::Session(chosen)).await;
        let left: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        assert!(there.iter().all(|id| left.contains(id)), "{place_is_free}");
        match outcome {
            // With the choice, which the vendor does not know any more, and without it.
            Ok(_) => assert!(place_is_free && fake.count("get_token") == 3),
            Err(error) => {
                // One session at most is ended per sign-in: who asks again may choose again.
                assert!(!place_is_free && error.kind() == ErrorKind::SessionLimitReached, "{error}");
                assert_eq!((error.session_limit().unwrap().sessions.len(), fake.count("get_token")), (2, 4));
                let next = error.session_limit().unwrap().sessions[0].id.clone();
                error.resume().unwrap().answer(Answer::Session(next)).await.unwrap();
                assert_eq!(fake.count("get_token"), 5);
            }
        }
    }
}

#[apply(leak_checked!)]
async fn a_429_with_sessions_is_the_session_limit_and_without_a_throttle() {
    let (fake, clock) = start(|b| b).await;
    let sessions = json!({ "sessions": [{ "id": "s1", "is_current": false, "online": true }] });
    fake.next("get_token", Fault::Json(429, sessions));
    let client = vms_client(&fake, &clock).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SessionLimitReached);

    let client = vms_client(&fake, &clock).build().unwrap();
    fake.next("get_token", Fault::TooManyRequests { retry_after: Some("7".into()) });
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(7))));
    assert!(client.session().lease().await.unwrap_err().is_local());
    assert_eq!(fake.count("get_token"), 2);
    clock.advance(Duration::from_secs(7));
    client.session().lease().await.unwrap();
}

#[apply(leak_checked!)]
async fn an_empty_429_is_a_throttle_of_ten_minutes() {
    let (fake, clock) = start(|b| b).await;
    fake.next("get_token", Fault::Empty(429));
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Throttled, Some(429)));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
}

#[apply(leak_checked!)]
async fn a_419_without_sessions_is_a_broken_contract() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    for fault in [Fault::Html(419), Fault::Empty(419), Fault::Json(419, json!({ "message": "CSRF token mismatch." }))] {
        fake.next("get_token", fault);
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(419)), "{error}");
        clock.advance(Duration::from_secs(600));
    }
    assert_eq!(fake.count("get_token"), 3);
}

#[apply(leak_checked!)]
async fn a_422_is_judged_by_its_fields() {
    let (fake, clock) = start(|b| b).await;
    for (field, kind) in [
        ("login", ErrorKind::InvalidCredentials),
        ("password", ErrorKind::InvalidCredentials),
        ("any_key", ErrorKind::Validation),
    ] {
        let client = vms_client(&fake, &clock).build().unwrap();
        fake.next("get_token", Fault::Json(422, json!({ "message": "x", "errors": { field: ["why"] } })));
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(422)), "{error}");
        assert_eq!(error.validation().unwrap()[field], ["why"]);
    }
}

#[apply(leak_checked!)]
async fn a_wrong_password_is_sent_once() {
    let (fake, clock) = start(|b| b).await;
    let client =
        vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, "wrong").clock(clock.clone()).build().unwrap();
    for _ in 0..30 {
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn the_budget_refuses_here_before_the_vendor_would() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.always("get_token", Fault::Html(503));
    for _ in 0..12 {
        client.session().sign_in().await.unwrap_err();
    }
    assert_eq!(fake.count("get_token"), 10);
    let error = client.session().sign_in().await.unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Throttled, true));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
}

#[apply(leak_checked!)]
async fn a_session_that_ended_is_noticed_and_the_call_is_sent_again() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_all();
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(client.api().list_sessions().send().await.unwrap().status(), 200);
    assert_eq!((fake.count("get_token"), fake.count("list_cameras"), fake.count("list_sessions")), (2, 2, 1));
}

#[apply(leak_checked!)]
async fn a_sign_out_ends_the_session_at_the_vendor_and_is_seen_by_every_clone() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let clone = client.clone();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert!(fake.sessions().is_empty());
    assert_eq!(clone.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    clone.session().sign_in().await.unwrap();
    assert_eq!((fake.sessions().len(), fake.count("get_token"), fake.count("logout")), (1, 2, 1));
}

#[apply(leak_checked!)]
async fn the_typed_logout_ends_the_session_here_too() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    client.api().logout().body_map(|body| body).send().await.unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(fake.count("logout"), 1);
}

#[apply(leak_checked!)]
async fn a_vms_session_is_not_renewed_and_says_what_to_do() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("sign_in()"), "{error}");
    assert!(fake.saw().is_empty());
    let error = client.session().lease_for(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

const MINUTE: Duration = Duration::from_secs(60);

async fn cameras(client: &vms::Client) -> Result<u16, keyway::Error> {
    Ok(client.http().get("/api/v1/cameras").send().await?.status().as_u16())
}

/// A platform for one session at a time, which somebody else has.
async fn contested() -> (Arc<FakeVms>, ManualClock) {
    start(|b| b.session_limit(1).other_sessions(1)).await
}

/// Somebody else takes the only session back.
fn lose_to_another(fake: &FakeVms) {
    fake.revoke_all();
}

#[apply(leak_checked!)]
async fn a_session_lost_soon_after_it_took_anothers_place_is_not_taken_back() {
    let (fake, clock) = contested().await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(10 * MINUTE - Duration::from_secs(1));
    lose_to_another(&fake);
    for second in 0..600 {
        let error = cameras(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionLimitReached, "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(600 - second)));
        clock.advance(Duration::from_secs(1));
    }
    // One call met the 401; nothing else was sent for ten minutes.
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (2, 2));
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 3));
}

#[apply(leak_checked!)]
async fn after_the_peace_a_sign_in_ends_no_session_until_somebody_asks_for_it() {
    let (fake, clock) = contested().await;
    let rival = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    assert_eq!((cameras(&client).await.unwrap(), cameras(&rival).await.unwrap()), (200, 200));
    assert_eq!(cameras(&client).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 4);
    clock.advance(10 * MINUTE);
    for _ in 0..5 {
        let error = cameras(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::SessionLimitReached, Some(419)), "{error}");
        assert!(error.session_limit().is_some() && error.resume().is_some());
    }
    assert_eq!((cameras(&rival).await.unwrap(), fake.count("get_token")), (200, 5));
    client.session().sign_in().await.unwrap();
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 7));
    // The rival's session took a place more than ten minutes ago, so that it is simply made anew, by its policy.
    assert_eq!((cameras(&rival).await.unwrap(), fake.count("get_token")), (200, 9));
}

#[apply(leak_checked!)]
async fn a_session_lost_later_than_that_is_made_anew() {
    let (fake, clock) = contested().await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    for round in 0..5 {
        assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 2 + round));
        clock.advance(10 * MINUTE);
        lose_to_another(&fake);
    }
}

#[apply(leak_checked!)]
async fn one_that_took_nobodys_place_is_made_anew_however_soon_it_is_lost() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    for round in 1..=3 {
        assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, round));
        clock.advance(MINUTE);
        fake.revoke_all();
    }
}

#[apply(leak_checked!)]
async fn who_adopts_such_a_session_from_a_store_keeps_the_peace_too() {
    let (fake, clock) = contested().await;
    let store = crate::laws::Written::default();
    let client =
        || vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).store(store.clone()).build().unwrap();
    assert_eq!((cameras(&client()).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(5 * MINUTE);
    let heir = client();
    assert_eq!((cameras(&heir).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(4 * MINUTE);
    lose_to_another(&fake);
    assert_eq!(cameras(&heir).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    clock.advance(9 * MINUTE);
    assert_eq!(cameras(&heir).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 2);
    clock.advance(MINUTE);
    assert_eq!((cameras(&heir).await.unwrap(), fake.count("get_token")), (200, 3));
}

#[apply(leak_checked!)]
async fn two_fleets_at_one_account_do_not_end_each_others_sessions_for_ever() {
    let (fake, clock) = start(|b| b.session_limit(1)).await;
    let fleet = || vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let (one, two) = (fleet(), fleet());
    let mut served = [0, 0];
    for _ in 0..120 {
        for (fleet, served) in [&one, &two].into_iter().zip(&mut served) {
            match cameras(fleet).await {
                Ok(status) => *served += usize::from(status == 200),
                Err(error) => assert_eq!(error.kind(), ErrorKind::SessionLimitReached, "{error}"),
            }
        }
        clock.advance(MINUTE);
    }
    // The first signs in (1); the second ends its session (2), loses its own to it (2), leaves it alone for ten minutes, and
    // from then on looks every five minutes whether there is room: minute 11, 16 … 116.
    assert_eq!((served, fake.count("get_token")), ([120, 1], 5 + 22));
}

#[apply(leak_checked!)]
async fn clients_and_restarts_that_share_a_store_share_ten_attempts_in_ten_minutes() {
    let (fake, clock) = start(|b| b.user("another@mail.com", "secret")).await;
    fake.always("get_token", Fault::Html(503));
    let store = crate::laws::Written::default();
    let client = |login: &str| {
        let builder = vms::Client::builder(fake.uri()).password(login, "whatever").clock(clock.clone());
        builder.store(store.clone()).build().unwrap()
    };
    let (one, two) = (client(FakeVms::LOGIN), client(FakeVms::LOGIN));
    let (clone, other_login) = (one.clone(), client("another@mail.com"));
    for round in 1..=2 {
        for client in [&one, &two, &clone, &other_login] {
            assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage, "{round}");
            clock.advance(Duration::from_secs(10));
        }
    }
    for _ in 0..2 {
        assert_eq!(one.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    assert_eq!(fake.count("get_token"), 10);
    let restarted = client(FakeVms::LOGIN);
    for seconds in [0, 11 * 60, -22 * 60, 86_400, -86_400, 11 * 60] {
        clock.jump_wall(seconds);
        for client in [&one, &two, &clone, &other_login] {
            let error = client.session().sign_in().await.unwrap_err();
            // By the budget, or because another process has just found the vendor down.
            assert!(matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Outage), "{seconds}: {error}");
            assert!(error.is_local(), "{seconds}: {error}");
        }
    }
    assert!(restarted.session().sign_in().await.unwrap_err().is_local());
    assert_eq!(fake.saw().len(), fake.count("get_token") + fake.count("get_basic_static"));
    assert_eq!(fake.count("get_token"), 10);
    // The first attempt was made 80 s before the tenth: its ten minutes are over first, and one is free again.
    clock.advance(Duration::from_secs(520));
    assert_eq!(one.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage);
    assert!(two.session().sign_in().await.unwrap_err().is_local());
    assert_eq!(fake.count("get_token"), 11);
}

#[apply(leak_checked!)]
async fn the_report_says_whether_a_person_was_asked_or_the_policy() {
    for (captcha, evict, expected) in [
        (false, EvictionPolicy::Never, "asked: which session may end"),
        (false, EvictionPolicy::OldestOffline, "the policy was asked: which session may end"),
        (true, EvictionPolicy::Never, "asked: captcha"),
        (true, EvictionPolicy::OldestOffline, "asked: captcha"),
    ] {
        let (fake, clock) = start(|b| b.captcha(captcha).session_limit(1).other_sessions(1)).await;
        let client = vms_client(&fake, &clock).session_limit(evict).build().unwrap();
        let _ = client.session().lease().await;
        let report = client.session().report().to_string();
        assert!(report.contains(expected), "{report}");
        assert_eq!(report.contains("the policy was asked"), expected.starts_with("the policy"), "{report}");
    }
}

#[apply(leak_checked!)]
async fn the_report_tells_a_sign_in_from_a_key_that_was_given() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let report = client.session().report().to_string();
    assert!(report.contains("signed in"), "{report}");
    assert!(!report.contains("what the builder was given"), "{report}");
}
