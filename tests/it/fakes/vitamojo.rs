//! Vita Mojo.

use super::*;

#[apply(leak_checked!)]
async fn a_sign_in_replays_the_vendors_example_with_tokens_of_its_own() {
    let fake = FakeVitaMojo::start().await;
    let answer = vita_sign_in(&fake).header("tenant", "t-1").send().await.expect("answers");
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "content-type"), "application/json; charset=utf-8");

    let mut answer: Value = answer.json().await.expect("is JSON");
    let mut example = example("vitamojo", "/v1/auth", "post", "201");
    let (tokens, theirs) = (answer["payload"]["token"].take(), example["payload"]["token"].take());
    assert_eq!(answer, example);
    assert_ne!(tokens, theirs);
    let seen = &fake.saw()[0];
    assert_eq!((seen.path.as_str(), seen.method.as_str()), ("/user/v1/auth", "POST"));
    assert_eq!((seen.status, seen.tenant.as_deref(), &seen.bearer), (Some(201), Some("t-1"), &None));
}

#[apply(leak_checked!)]
async fn a_failed_sign_in_is_400_in_the_shape_of_the_live_service() {
    let fake = FakeVitaMojo::builder().clock(ManualClock::new()).start().await;
    for (email, password) in [(FakeVitaMojo::EMAIL, "wrong"), ("nobody@example.org", FakeVitaMojo::PASSWORD)] {
        let credentials = json!({ "email": email, "password": password });
        let answer = call(&fake, Method::POST, "/user/v1/auth").json(&credentials).send().await.expect("answers");
        assert_eq!(answer.status(), 400);
        let expected = json!({
            "message": "User not found",
            "statusCode": 400,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "path": "/v1/auth",
        });
        assert_eq!(answer.json::<Value>().await.expect("is JSON"), expected);
    }
    let torn = call(&fake, Method::POST, "/user/v1/auth").body("{\"email\":").send();
    assert_eq!(status(torn).await, 400);
    let partial = call(&fake, Method::POST, "/user/v1/auth").json(&json!({ "email": "a" })).send().await;
    assert_eq!(body(partial).await["message"][0]["value"], "password");
}

#[apply(leak_checked!)]
async fn a_tenant_may_be_required() {
    let fake = FakeVitaMojo::builder().require_tenant("t-1").start().await;
    assert_eq!(status(vita_sign_in(&fake).send()).await, 400);
    assert_eq!(status(vita_sign_in(&fake).header("tenant", "t-2").send()).await, 400);
    let signed_in = body(vita_sign_in(&fake).header("tenant", "t-1").send().await).await;
    assert_eq!(signed_in["payload"]["user"]["tenantUUID"], "t-1");
    let orders = || call(&fake, Method::GET, "/order/v1/orders?limit=1").bearer_auth(fake.token(1));
    assert_eq!(status(orders().send()).await, 400);
    let answer = body(orders().header("tenant", "t-1").send().await).await;
    assert_eq!(answer, json!({ "ok": true, "path": "/order/v1/orders", "tenant": "t-1" }));
}

#[apply(leak_checked!)]
async fn an_access_token_ends_after_its_life_on_the_fakes_clock() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let tokens = body(vita_sign_in(&fake).send().await).await["payload"]["token"].clone();
    let check = || call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1)).send();

    clock.advance(10 * MINUTE - SECOND);
    clock.jump_wall(86_400); // not the vendor's clock
    assert_eq!(body(check().await).await["payload"]["token"], tokens);
    clock.advance(SECOND);
    assert_eq!(status(check()).await, 401);
    assert_eq!(status(call(&fake, Method::GET, "/order/v1/orders").send()).await, 401);
}

#[apply(leak_checked!)]
async fn a_renewal_keeps_the_refresh_token_unless_it_rotates() {
    let fake = FakeVitaMojo::start().await;
    let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
    let renewed = renew(&fake, Method::PUT, &refresh).send().await.expect("answers");
    assert_eq!(renewed.status(), 200);
    assert_eq!(refresh_token(&renewed.json().await.expect("is JSON")), refresh);
    assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
    assert_eq!(fake.reuses(), 0);
    assert_eq!(fake.count("refresh_token"), 2);
    for number in [1, 2, 3] {
        let check = call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(number));
        assert_eq!(status(check.send()).await, 200);
    }
}

#[apply(leak_checked!)]
async fn reuse_of_a_rotated_refresh_token_revokes_its_whole_family() {
    let fake = FakeVitaMojo::builder().rotating(true).start().await;
    let first = refresh_token(&body(vita_sign_in(&fake).send().await).await);
    let other_family = refresh_token(&body(vita_sign_in(&fake).send().await).await);
    let second = refresh_token(&body(renew(&fake, Method::PUT, &first).send().await).await);
    assert_ne!(first, second);

    let reused = body(renew(&fake, Method::PUT, &first).send().await).await;
    assert_eq!((&reused["statusCode"], &reused["vmosCode"]), (&json!(400), &json!("US-04")));
    assert_eq!(fake.reuses(), 1);
    assert_eq!(status(renew(&fake, Method::PUT, &second).send()).await, 400);
    let check = |number| status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(number)).send());
    assert_eq!((check(1).await, check(3).await), (401, 401));
    assert_eq!(check(2).await, 200);
    assert_eq!(status(renew(&fake, Method::PUT, &other_family).send()).await, 200);
}

#[apply(leak_checked!)]
async fn each_dialect_answers_the_other_with_404_and_no_vendor_code() {
    for (dialect, right, wrong, ok) in [
        (RefreshDialect::PutOk, Method::PUT, Method::POST, 200),
        (RefreshDialect::PostCreated, Method::POST, Method::PUT, 201),
    ] {
        let fake = FakeVitaMojo::builder().refresh_dialect(dialect).start().await;
        let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        let missing = renew(&fake, wrong, &refresh).send().await.expect("answers");
        assert_eq!(missing.status(), 404);
        assert_eq!(missing.json::<Value>().await.expect("is JSON").get("vmosCode"), None);
        assert_eq!(status(renew(&fake, right, &refresh).send()).await, ok);
        assert_eq!(fake.count("refresh_token"), 2);
    }
}

#[apply(leak_checked!)]
async fn an_odd_refresh_token_works_once_it_is_encoded() {
    let fake = FakeVitaMojo::builder().odd_tokens(true).rotating(true).start().await;
    let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
    assert!(['/', '%', '+', '?', '#', ' ', 'é'].iter().all(|odd| refresh.contains(*odd)));
    let bare = call(&fake, Method::PUT, &format!("/user/v1/auth/refresh/{refresh}")).send();
    assert_eq!(status(bare).await, 404);
    assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
}

#[apply(leak_checked!)]
async fn a_jwt_tells_when_it_ends() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().jwt(true).token_life(MINUTE).clock(clock.clone()).start().await;
    status(vita_sign_in(&fake).send()).await;
    let token = fake.token(1);
    let claims = token.split('.').nth(1).expect("claims");
    let claims = serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(claims).expect("is base64")).expect("is JSON");
    assert_eq!(claims["exp"], 1_767_225_660);
    let check = || status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(&token).send());
    assert_eq!(check().await, 200);
    clock.advance(MINUTE);
    assert_eq!(check().await, 401);
}

#[apply(leak_checked!)]
async fn tokens_can_be_revoked_and_passwords_changed() {
    let fake = FakeVitaMojo::builder().user("second@example.org", "second").start().await;
    let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
    fake.revoke_access_tokens();
    let check = call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1));
    assert_eq!(status(check.send()).await, 401);
    assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
    fake.revoke_refresh_tokens();
    assert_eq!(body(renew(&fake, Method::PUT, &refresh).send().await).await["vmosCode"], "US-04");
    fake.set_password(FakeVitaMojo::EMAIL, "changed");
    assert_eq!(status(vita_sign_in(&fake).send()).await, 400);
    let second = json!({ "email": "second@example.org", "password": "second" });
    let second = body(call(&fake, Method::POST, "/user/v1/auth").json(&second).send().await).await;
    assert_eq!(second["payload"]["user"]["email"], "second@example.org");
}
