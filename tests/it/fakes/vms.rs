//! VMS.

use super::*;

#[apply(leak_checked!)]
async fn a_sign_in_replays_the_vendors_example_with_a_session_of_its_own() {
    let fake = FakeVms::start().await;
    let answer = body(vms_sign_in(&fake, json!({ "session_id": null })).send().await).await;

    let mut expected = example("vms", "/api/v1/token", "post", "200");
    expected["access_token"] = json!(fake.token(1));
    expected["user"]["login"] = json!(FakeVms::LOGIN);
    expected["user"]["access_token_id"] = json!(fake.sessions()[0].id);
    assert_eq!(answer, expected);
    assert_ne!(expected["access_token"], example("vms", "/api/v1/token", "post", "200")["access_token"]);
    assert_eq!(body(with_token(&fake, Method::GET, "/api/v1/users/self").await).await, expected["user"]);
}

#[apply(leak_checked!)]
async fn a_token_may_come_with_its_scheme() {
    let fake = FakeVms::builder().prefixed_token(true).start().await;
    let answer = body(vms_sign_in(&fake, json!({})).send().await).await;
    assert_eq!(answer["access_token"], format!("Bearer {}", fake.token(1)));
    assert_eq!(with_token(&fake, Method::GET, "/api/v1/cameras").await.expect("answers").status(), 200);
    let twice = vms(&fake, Method::GET, "/api/v1/cameras").bearer_auth(format!("Bearer {}", fake.token(1)));
    assert_eq!(status(twice.send()).await, 401);
}

#[apply(leak_checked!)]
async fn the_session_limit_is_419_and_a_chosen_session_makes_room() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().session_limit(2).other_sessions(2).clock(clock.clone()).start().await;
    let unknown = vms_sign_in(&fake, json!({ "session_id": "no-such-session" })).send().await;
    let unknown = unknown.expect("answers");
    assert_eq!(unknown.status(), 422);
    assert!(unknown.json::<Value>().await.expect("is JSON")["errors"]["session_id"].is_array());
    let limit = vms_sign_in(&fake, json!({})).send().await.expect("answers");
    assert_eq!(limit.status(), 419);
    let limit: Value = limit.json().await.expect("is JSON");
    let mut expected = example("vms", "/api/v1/token", "post", "419");
    let mut session = expected["sessions"][0].take();
    session["id"] = json!("other-1");
    session["last"] = json!(1_767_225_600 - 7200);
    expected["sessions"] = json!([session.clone(), session]);
    expected["sessions"][1]["id"] = json!("other-2");
    expected["sessions"][1]["online"] = json!(false);
    expected["sessions"][1]["last"] = json!(1_767_225_600 - 3600);
    expected["sessions_limit"] = json!(2);
    expected["sessions_count"] = json!(2);
    expected.as_object_mut().expect("an object").remove("captcha_will_required_in");
    assert_eq!(limit, expected);

    assert_eq!(status(vms_sign_in(&fake, json!({ "session_id": "other-2" })).send()).await, 200);
    let sessions = fake.sessions();
    assert_eq!((sessions.len(), sessions[0].id.as_str(), sessions[1].last), (2, "other-1", clock.world()));
    assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 419);
}

#[apply(leak_checked!)]
async fn a_wrong_password_ends_no_session() {
    let fake = FakeVms::builder().session_limit(1).other_sessions(1).start().await;
    let wrong = json!({ "session_id": "other-1", "password": "wrong" });
    assert_eq!(field_blamed(vms_sign_in(&fake, wrong)).await, "login");
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "login": "nobody" }))).await, "login");
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "password": null }))).await, "password");
    assert_eq!(fake.sessions().len(), 1);
}

#[apply(leak_checked!)]
async fn a_captcha_counts_once_and_for_a_minute() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().captcha(true).sign_ins_per_login(99).sign_ins_per_address(99);
    let fake = fake.clock(clock.clone()).start().await;
    assert_eq!(body(vms(&fake, Method::GET, "/api/v1/static/basic").send().await).await["is_captcha_available"], true);
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "captcha");

    let key = captcha_key(&fake).await;
    let answer = json!({ "captcha": fake.captcha_answer(), "key": key });
    assert_eq!(fake.captcha_answer_for(&key), Some(fake.captcha_answer()));
    assert_eq!(status(vms_sign_in(&fake, answer.clone()).send()).await, 200);
    assert_eq!(field_blamed(vms_sign_in(&fake, answer)).await, "captcha"); // it was good once

    let key = captcha_key(&fake).await;
    let right = json!({ "captcha": fake.captcha_answer(), "key": key });
    let wrong = json!({ "captcha": "wrong", "key": key });
    assert_eq!(field_blamed(vms_sign_in(&fake, wrong)).await, "captcha");
    assert_eq!(field_blamed(vms_sign_in(&fake, right)).await, "captcha"); // the wrong answer has spent it

    let key = captcha_key(&fake).await;
    let late = json!({ "captcha": fake.captcha_answer(), "key": key });
    clock.advance(MINUTE);
    assert_eq!(field_blamed(vms_sign_in(&fake, late)).await, "captcha");
}

#[apply(leak_checked!)]
async fn a_captcha_can_be_needed_after_some_sign_ins() {
    let fake = FakeVms::builder().captcha_after(2).start().await;
    let available = || async {
        body(vms(&fake, Method::GET, "/api/v1/static/basic").send().await).await["is_captcha_available"].take()
    };
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "password": "wrong" }))).await, "login");
    assert_eq!(available().await, false);
    assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 200);
    assert_eq!(available().await, true);
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "captcha");
    let key = captcha_key(&fake).await;
    let answer = json!({ "captcha": fake.captcha_answer(), "key": key });
    assert_eq!(status(vms_sign_in(&fake, answer).send()).await, 200);
}

#[apply(leak_checked!)]
async fn after_a_session_limit_the_same_captcha_counts_again_for_two_minutes() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().captcha(true).session_limit(1).other_sessions(1).clock(clock.clone()).start().await;
    let key = captcha_key(&fake).await;
    let mut request = json!({ "captcha": fake.captcha_answer(), "key": key });
    let limit = |request: &Value| vms_sign_in(&fake, request.clone()).send();
    assert_eq!(body(limit(&request).await).await["captcha_will_required_in"], 120);
    clock.advance(119 * SECOND);
    assert_eq!(body(limit(&request).await).await["captcha_will_required_in"], 1);
    request["session_id"] = json!("other-1");
    assert_eq!(status(vms_sign_in(&fake, request.clone()).send()).await, 200);
    assert_eq!(field_blamed(vms_sign_in(&fake, request)).await, "captcha"); // the session has spent it

    let key = captcha_key(&fake).await;
    let request = json!({ "captcha": fake.captcha_answer(), "key": key });
    assert_eq!(status(vms_sign_in(&fake, request.clone()).send()).await, 419);
    clock.advance(120 * SECOND);
    assert_eq!(field_blamed(vms_sign_in(&fake, request)).await, "captcha");
}

#[apply(leak_checked!)]
async fn a_captcha_has_a_picture_and_twenty_are_enough() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let captcha = body(vms(&fake, Method::GET, "/api/v1/captcha").send().await).await;
    let picture = captcha["img"].as_str().expect("text").strip_prefix("data:image/png;base64,").expect("a PNG");
    assert!(STANDARD.decode(picture).expect("is base64").starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(captcha["ttl"], 60);
    let key = captcha["key"].as_str().expect("text");
    assert!(key.starts_with("$2y$10$") && key.contains('/') && key.len() == 60, "{key}");
    for _ in 1..20 {
        assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 200);
    }
    assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 429);
    clock.advance(10 * MINUTE);
    assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 200);
}

#[apply(leak_checked!)]
async fn every_attempt_counts_and_the_eleventh_is_429() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().session_limit(1).clock(clock.clone()).start().await;
    let sign_in = |change| status(vms_sign_in(&fake, change).send());
    assert_eq!(sign_in(json!({})).await, 200);
    for _ in 0..5 {
        assert_eq!(sign_in(json!({})).await, 419);
    }
    for _ in 0..4 {
        assert_eq!(sign_in(json!({ "password": "wrong" })).await, 422);
    }
    let refused = vms_sign_in(&fake, json!({})).send().await.expect("answers");
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, ""));
    assert_eq!(refused.json::<Value>().await.expect("is JSON"), json!({ "message": "Too Many Attempts." }));
    clock.advance(10 * MINUTE);
    assert_eq!(sign_in(json!({})).await, 419);
}

#[apply(leak_checked!)]
async fn the_throttles_count_by_address_and_by_login() {
    let fake = FakeVms::builder().sign_ins_per_login(2).session_limit(9).user("second", "pw");
    let fake = fake.retry_after(true).empty_429(true).clock(ManualClock::new()).start().await;
    let sign_in = |login: &str, address: &str| {
        vms_sign_in(&fake, json!({ "login": login, "password": "wrong" })).header("x-forwarded-for", address).send()
    };
    assert_eq!(status(sign_in(FakeVms::LOGIN, "192.0.2.1")).await, 422);
    assert_eq!(status(sign_in(FakeVms::LOGIN, "192.0.2.2")).await, 422);
    let refused = sign_in(FakeVms::LOGIN, "192.0.2.3").await.expect("answers");
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, "600"));
    assert_eq!(refused.text().await.expect("a body"), "");
    for number in 0..9 {
        assert_eq!(status(sign_in(&format!("guess-{number}"), "192.0.2.1")).await, 422);
    }
    assert_eq!(status(sign_in("second", "192.0.2.1")).await, 429);
    assert_eq!(status(sign_in("second", "192.0.2.2")).await, 422);
}

#[apply(leak_checked!)]
async fn sessions_are_listed_ended_and_signed_out() {
    let fake = FakeVms::builder().other_sessions(2).start().await;
    status(vms_sign_in(&fake, json!({})).send()).await;
    let listed = body(with_token(&fake, Method::GET, "/api/v1/sessions").await).await;
    let current: Vec<_> = listed.as_array().expect("a list").iter().map(|session| &session["is_current"]).collect();
    assert_eq!(current, [false, false, true]);
    assert_eq!(listed[2]["id"], fake.sessions()[2].id);

    let ended = with_token(&fake, Method::POST, "/api/v1/sessions/other-1").await;
    assert_eq!(body(ended).await, json!({ "status": "ok" }));
    assert!(fake.end_session("other-2") && !fake.end_session("other-2"));
    assert_eq!(fake.sessions().len(), 1);
    assert_eq!(status(with_token(&fake, Method::POST, "/api/v1/logout")).await, 200);
    assert_eq!(status(with_token(&fake, Method::POST, "/api/v1/logout")).await, 401);
    assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), Some("token #1"));
    assert!(fake.sessions().is_empty());
}

#[apply(leak_checked!)]
async fn a_session_ends_with_its_life_or_when_it_is_revoked() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().token_life(MINUTE).session_limit(1).clock(clock.clone()).start().await;
    status(vms_sign_in(&fake, json!({})).send()).await;
    let cameras = body(with_token(&fake, Method::GET, "/api/v1/cameras").await).await;
    assert_eq!(cameras.as_array().expect("a list").len(), 3);
    clock.advance(MINUTE);
    assert_eq!(status(with_token(&fake, Method::GET, "/api/v1/cameras")).await, 401);
    assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 200); // there is room again
    fake.revoke_all();
    let cameras = vms(&fake, Method::GET, "/api/v1/cameras").bearer_auth(fake.token(2));
    assert_eq!(status(cameras.send()).await, 401);
}

#[apply(leak_checked!)]
async fn a_password_can_be_changed_by_who_knows_it() {
    let fake = FakeVms::start().await;
    status(vms_sign_in(&fake, json!({})).send()).await;
    let change = |change: Value| vms(&fake, Method::PUT, "/api/v1/users/self").bearer_auth(fake.token(1)).json(&change);
    let new = json!({ "current_password": "wrong", "password": "new", "password_confirmation": "new" });
    assert_eq!(field_blamed(change(new)).await, "current_password");
    let new = json!({ "current_password": FakeVms::PASSWORD, "password": "new", "password_confirmation": "other" });
    assert_eq!(field_blamed(change(new)).await, "password");
    let new = json!({ "current_password": FakeVms::PASSWORD, "password": "new", "password_confirmation": "new" });
    assert_eq!(status(change(new).send()).await, 200);
    assert_eq!(status(change(json!({ "language": "en" })).send()).await, 200);
    assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "login");
    assert_eq!(status(vms_sign_in(&fake, json!({ "password": "new" })).send()).await, 200);
}

#[apply(leak_checked!)]
async fn who_does_not_ask_for_json_is_taken_for_a_browser() {
    let fake = FakeVms::builder().session_limit(1).start().await;
    let http = Client::builder().redirect(Policy::none()).build().expect("a client");
    let sign_in = |password: &str| {
        let credentials = json!({ "login": FakeVms::LOGIN, "password": password });
        http.post(format!("{}/api/v1/token", fake.uri())).json(&credentials).send()
    };
    assert_eq!(status(sign_in(FakeVms::PASSWORD)).await, 200); // what works looks the same
    let limit = sign_in(FakeVms::PASSWORD).await.expect("answers");
    assert_eq!((limit.status().as_u16(), header(&limit, "content-type")), (419, "text/html; charset=UTF-8"));
    let refused = sign_in("wrong").await.expect("answers");
    assert_eq!((refused.status(), header(&refused, "location")), (StatusCode::FOUND, "/login"));
    let cameras = http.get(format!("{}/api/v1/cameras", fake.uri())).send().await.expect("answers");
    assert_eq!((cameras.status(), header(&cameras, "location")), (StatusCode::FOUND, "/login"));
    let page = text(http.get(format!("{}/login", fake.uri())).send().await).await;
    assert!(page.starts_with("<!DOCTYPE html>"));
}
