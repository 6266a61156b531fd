//! Captchas: who is asked, how often, and for how long a question stands.

use super::*;

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
