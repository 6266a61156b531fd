//! How a device code is shown, asked about, and given up.

use super::*;

/// Lets one interval pass, as soon as the poll and whoever waits for it sleep.
async fn pass(clock: &ManualClock, seconds: u64) {
    clock.until_sleeping(2).await;
    clock.advance(Duration::from_secs(seconds));
}

/// How many seconds after `began` each token was asked for.
fn asked_at(fake: &FakeOrderingStack, began: std::time::SystemTime) -> Vec<u64> {
    let asked = fake.saw().into_iter().filter(|seen| seen.operation == "issue_token");
    asked.map(|seen| seen.at.duration_since(began).unwrap().as_secs()).collect()
}

#[apply(leak_checked!)]
async fn a_device_is_asked_for_at_the_vendors_interval_until_a_person_lets_it_in() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let error = client.session().lease().await.unwrap_err();
    let device = error.device_code().expect("a code");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::DeviceCodeRequired, Some("start_device")));
    assert_eq!(device.user_code(), fake.user_code());
    assert_eq!(device.verification_uri_complete().unwrap(), {
        format!("{}?code={}", device.verification_uri(), device.user_code())
    });
    assert_eq!((device.interval(), device.expires_in()), (5 * SECOND, 10 * MINUTE));
    // Nobody has shown it yet, so nobody is asked; and it is the same code for everybody.
    assert_eq!(client.session().lease().await.unwrap_err().device_code().unwrap().user_code(), fake.user_code());
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 0 });

    let began = clock.world();
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    pass(&clock, 5).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 10, 15]);
    let profile = client.session().profile().unwrap();
    assert_eq!(profile.facts()["TENANT"], FakeOrderingStack::TENANT);

    // A module's session: it makes the module's calls, and is renewed without a person.
    let config = client.api().get_module_config().send().await.unwrap();
    assert_eq!(config.id.as_deref(), Some(FakeOrderingStack::MODULE));
    clock.advance(2 * HOUR);
    client.api().get_module_common_config().send().await.unwrap();
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 1, tokens: 4 }, 0));
    let error = client.api().get_self().send().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("module session"), "{error}");
    assert_eq!(fake.count("get_self"), 0);
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
}

#[apply(leak_checked!)]
async fn slow_down_adds_five_seconds_for_good() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let began = clock.world();
    let waiting = shown(&client).await;
    fake.next_times("issue_token", 2, Fault::Json(400, json!({ "error": "slow_down" })));
    for seconds in [5, 10, 15] {
        pass(&clock, seconds).await;
    }
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(15 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 15, 30, 45]);
}

#[apply(leak_checked!)]
async fn a_lost_answer_doubles_the_interval_and_nothing_is_asked_twice() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let began = clock.world();
    let waiting = shown(&client).await;
    fake.next("issue_token", Fault::CutBefore);
    fake.next("issue_token", Fault::Html(502));
    fake.next("issue_token", Fault::TooManyRequests { retry_after: Some("50".into()) });
    for seconds in [5, 10, 20, 50] {
        pass(&clock, seconds).await;
    }
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(50 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 15, 35, 85, 135]);
}

#[apply(leak_checked!)]
async fn an_interval_that_is_none_is_five_seconds() {
    for (told, seconds) in [
        (json!(null), 5),
        (json!(0), 5),
        (json!(-3), 5),
        (json!(0.4), 5),
        (json!("soon"), 5),
        (json!({}), 5),
        (json!("7"), 7),
        (json!(2), 2),
        (json!(7.9), 7),
    ] {
        let (fake, clock) = start(|b| b).await;
        let client = kiosk(&fake, &clock);
        let answer = json!({ "device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example",
            "interval": told, "expires_in": 60 });
        fake.next("start_device", Fault::Json(200, answer));
        let began = clock.world();
        let waiting = shown(&client).await;
        pass(&clock, seconds - 1).await;
        clock.until_sleeping(2).await;
        assert_eq!(counts(&fake), Asked { codes: 1, tokens: 0 }, "{told}");
        clock.advance(SECOND);
        // The fake knows no such code.
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Declined, Some("invalid_grant")), "{told}");
        assert_eq!(asked_at(&fake, began), [seconds], "{told}");
    }
}

#[apply(leak_checked!)]
async fn an_interval_left_out_is_five_seconds_and_a_life_left_out_ten_minutes() {
    let (fake, clock) = start(|b| b).await;
    for answer in [
        json!({ "device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example" }),
        json!({ "device_code": "dev", "verification_uri_complete": "https://x.example?code=W", "expires_in": "-1" }),
    ] {
        let client = kiosk(&fake, &clock);
        fake.next("start_device", Fault::Json(200, answer));
        let error = client.session().lease().await.unwrap_err();
        let device = error.device_code().unwrap();
        assert_eq!((device.interval(), device.expires_in()), (5 * SECOND, 10 * MINUTE));
    }
    fake.next(
        "start_device",
        Fault::Json(200, json!({ "device_code": "dev", "verification_uri": "https://x.example" })),
    );
    let error = kiosk(&fake, &clock).session().lease().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && error.to_string().contains("no code"), "{error}");
}

#[apply(leak_checked!)]
async fn whoever_is_turned_away_is_told_so_and_the_next_call_asks_for_another_code() {
    for (word, what) in [
        ("access_denied", "did not let this device in"),
        ("expired_token", "ended before"),
        ("invalid_grant", "takes this device code no longer"),
    ] {
        let (fake, clock) = start(|b| b).await;
        let client = kiosk(&fake, &clock);
        let waiting = shown(&client).await;
        fake.next("issue_token", Fault::Json(400, json!({ "error": word })));
        pass(&clock, 5).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code(), error.resume().is_none()), (ErrorKind::Declined, Some(word), true));
        assert!(error.to_string().contains(what), "{error}");
        // For a moment the answer is remembered; then a code of its own is asked for.
        let remembered = client.session().lease().await.unwrap_err();
        assert!(remembered.is_local() && counts(&fake) == Asked { codes: 1, tokens: 1 }, "{word}: {remembered}");
        clock.advance(remembered.retry_after().unwrap());
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::DeviceCodeRequired, "{word}");
        assert_eq!(counts(&fake), Asked { codes: 2, tokens: 1 }, "{word}");
    }
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.deny_device());
    clock.advance(5 * SECOND);
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), Some("access_denied"));
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 1 });
}

#[apply(leak_checked!)]
async fn a_code_that_has_ended_is_not_asked_about_any_more() {
    let (fake, clock) = start(|b| b.device_life(12 * SECOND)).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    for seconds in [5, 5, 2] {
        pass(&clock, seconds).await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Declined, None));
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 2 });
}

#[apply(leak_checked!)]
async fn a_wait_that_is_given_up_stops_the_asking_and_can_be_taken_up_again() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    clock.until_sleeping(2).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    client.session().close().await.unwrap();
    clock.advance(MINUTE);
    client.session().close().await.unwrap();
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 1 });
    // It is the same code for whoever comes next, and showing it again goes on where it stopped.
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 2 });
}

#[apply(leak_checked!)]
async fn a_sign_out_stops_the_asking() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    client.session().sign_out().await.unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 0 });
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::DeviceCodeRequired);
    assert_eq!(counts(&fake), Asked { codes: 2, tokens: 0 });
}

#[apply(leak_checked!)]
async fn a_session_that_arrives_after_the_sign_out_is_not_kept() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    let gate = fake.hold("issue_token");
    clock.advance(5 * SECOND);
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 1 });
}

/// Shows nothing.
struct Blind;

impl Responder for Blind {}

#[apply(leak_checked!)]
async fn a_code_that_nobody_shows_is_not_asked_about() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).device(FakeOrderingStack::MODULE).responder(Blind).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Declined, Asked { codes: 1, tokens: 0 }));
    // It can be shown all the same.
    let resume = error.resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(drop) });
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(counts(&fake), Asked { codes: 1, tokens: 1 });
}
