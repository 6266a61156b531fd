//! Shopmonkey.

use super::*;

#[apply(leak_checked!)]
async fn a_login_replays_the_vendors_example_with_a_session_of_its_own() {
    let fake = FakeShopmonkey::start().await;
    let mut answer = body(login(&fake, json!({ "audience": "shop" })).send().await).await;
    let mut expected = example("shopmonkey", "/v3/auth/login", "post", "200");
    let (session, theirs) = (answer["data"]["sessionId"].take(), expected["data"]["sessionId"].take());
    assert_ne!(session, theirs);
    expected["data"]["token"] = json!(fake.token(1));
    assert_eq!(answer, expected);
    assert_eq!(fake.audience(1).as_deref(), Some("shop"));
    assert_eq!(status(with(&fake, &fake.token(1), Method::GET, "/v3/order").send()).await, 200);
    assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
    assert_eq!((fake.count("login"), fake.count("other")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_refused_login_is_an_envelope_with_a_status_or_inside_a_200() {
    let fake = FakeShopmonkey::start().await;
    let forbidden = FakeShopmonkey::builder().refused_login(403).start().await;
    let inside = FakeShopmonkey::builder().failures_in_200(true).start().await;
    for (fake, expected) in [(&fake, 401), (&forbidden, 403), (&inside, 200)] {
        let refused = login(fake, json!({ "password": "wrong" })).send().await.expect("answers");
        assert_eq!(refused.status(), expected);
        let refused: Value = refused.json().await.expect("is JSON");
        assert_eq!((&refused["success"], refused["code"].is_string()), (&json!(false), true));
    }
    assert_eq!(status(login(&fake, json!({ "audience": "moon" })).send()).await, 400);
    assert_eq!(status(login(&fake, json!({ "email": null })).send()).await, 400);
    assert_eq!(status(with(&inside, "no", Method::GET, "/v3/order").send()).await, 200);
    assert_eq!(status(with(&fake, "no", Method::GET, "/v3/order").send()).await, 401);
    fake.set_password(FakeShopmonkey::EMAIL, "new");
    assert_eq!(status(login(&fake, json!({})).send()).await, 401);
    assert_eq!(status(login(&fake, json!({ "password": "new" })).send()).await, 200);
}

#[apply(leak_checked!)]
async fn a_whole_profile_has_what_the_table_calls_required() {
    let fake = FakeShopmonkey::builder().whole_profile(true).user("ann@shop.example", "pw").start().await;
    let answer = body(login(&fake, json!({ "email": "ann@shop.example", "password": "pw" })).send().await).await;
    let schemas = &document("shopmonkey")["components"]["schemas"];
    for (schema, object) in [("LoginData", &answer["data"]), ("LoginUser", &answer["data"]["user"])] {
        for member in schemas[schema]["required"].as_array().expect("a list") {
            assert!(object.get(member.as_str().expect("a name")).is_some(), "{schema} lacks {member}");
        }
    }
    let nats = answer["data"]["natsUserCredentials"].as_str().expect("text");
    assert!(fake.secrets().iter().any(|secret| secret == nats));
}

#[apply(leak_checked!)]
async fn a_session_ends_with_its_life_when_revoked_and_when_signed_out() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().token_life(MINUTE).jwt(true).clock(clock.clone()).start().await;
    let order = |number: usize| status(with(&fake, &fake.token(number), Method::GET, "/v3/order").send());
    for _ in 0..3 {
        status(login(&fake, json!({})).send()).await;
    }
    let logout = || with(&fake, &fake.token(1), Method::POST, "/v3/auth/logout");
    assert_eq!(status(logout().send()).await, 400); // wants a body
    assert_eq!(body(logout().json(&json!({})).send().await).await, json!({ "success": true }));
    assert_eq!((order(1).await, order(2).await), (401, 200));
    clock.advance(MINUTE);
    assert_eq!(order(2).await, 401);
    status(login(&fake, json!({})).send()).await;
    assert_eq!(order(4).await, 200);
    fake.revoke_sessions();
    assert_eq!(order(4).await, 401);
    assert_eq!(status(with(&fake, FakeShopmonkey::API_KEY, Method::GET, "/v3/order").send()).await, 200);
    let claims = URL_SAFE_NO_PAD.decode(fake.token(4).split('.').nth(1).expect("a JWT")).expect("is base64");
    assert_eq!(serde_json::from_slice::<Value>(&claims).expect("is JSON")["exp"], START + 120);
}

#[apply(leak_checked!)]
async fn api_keys_are_made_listed_deleted_and_end_after_days() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let create = |change: Value| {
        let mut key = json!({ "audience": "shop", "name": "nightly" });
        key.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        with(&fake, FakeShopmonkey::API_KEY, Method::POST, "/v3/auth/api_key").json(&key).send()
    };
    for wrong in
        [json!({ "expires": "30d" }), json!({ "expires": -1 }), json!({ "name": null }), json!({ "audience": "app" })]
    {
        assert_eq!(status(create(wrong)).await, 400);
    }
    let made = body(create(json!({ "expires": 30 })).await).await;
    assert_eq!(made, json!({ "success": true, "data": { "token": fake.api_key(2) } }));
    assert_eq!(status(create(json!({ "name": "for ever", "expires": 0 }))).await, 200);

    let listed = body(with(&fake, &fake.api_key(2), Method::GET, "/v3/auth/api_key").send().await).await;
    assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), Some("api key #2"));
    let mut expected = example("shopmonkey", "/v3/auth/api_key", "get", "200")["data"][0].take();
    expected["id"] = listed["data"][1]["id"].clone();
    expected["name"] = json!("nightly");
    expected["createdDate"] = json!("2026-01-01T00:00:00.000Z");
    expected["expirationDate"] = json!("2026-01-31T00:00:00.000Z");
    assert_eq!(listed["data"][1], expected);
    assert_eq!(listed["data"][2].get("expirationDate"), None, "a key that never ends");
    assert_eq!(listed["meta"], json!({ "hasMore": false, "total": 3 }));

    let delete = |id: &Value| {
        let path = format!("/v3/auth/api_key/{}", id.as_str().expect("an id"));
        with(&fake, FakeShopmonkey::API_KEY, Method::DELETE, &path)
    };
    let third = &listed["data"][2]["id"];
    assert_eq!(status(delete(third).send()).await, 400); // wants a body
    let reason = json!({ "invalidatedReason": "leaked" });
    assert_eq!(body(delete(third).json(&reason).send().await).await, json!({ "success": true }));
    assert_eq!(status(delete(third).json(&reason).send()).await, 404);
    assert_eq!(status(with(&fake, &fake.api_key(3), Method::GET, "/v3/order").send()).await, 401);
    clock.advance(30 * DAY);
    assert_eq!(status(with(&fake, &fake.api_key(2), Method::GET, "/v3/order").send()).await, 401);
    assert_eq!((fake.count("create_api_key"), fake.count("delete_api_key")), (6, 3));
}

#[apply(leak_checked!)]
async fn an_api_key_that_is_signed_out_is_dead() {
    let fake = FakeShopmonkey::builder().api_key("second", "sm-api-key-second").start().await;
    assert_eq!(fake.api_key(2), "sm-api-key-second");
    let logout = with(&fake, FakeShopmonkey::API_KEY, Method::POST, "/v3/auth/logout").json(&json!({}));
    assert_eq!(status(logout.send()).await, 200);
    assert_eq!(status(with(&fake, FakeShopmonkey::API_KEY, Method::GET, "/v3/order").send()).await, 401);
    assert!(fake.revoke_api_key("sm-api-key-second") && !fake.revoke_api_key("sm-api-key-second"));
    assert_eq!(status(with(&fake, "sm-api-key-second", Method::GET, "/v3/order").send()).await, 401);
}

#[apply(leak_checked!)]
async fn a_page_has_a_hundred_at_most_and_the_next_one_goes_on() {
    let fake = with_many_keys(FakeShopmonkey::builder(), 205).await;
    let page =
        |query: &str| with(&fake, FakeShopmonkey::API_KEY, Method::GET, &format!("/v3/auth/api_key?{query}")).send();
    let mut names = Vec::new();
    for (query, length, more) in [("limit=500", 100, true), ("limit=500&skip=100", 100, true), ("skip=200", 6, false)] {
        let page = body(page(query).await).await;
        names.extend(page["data"].as_array().expect("a list").iter().map(|key| key["name"].clone()));
        assert_eq!(page["meta"], json!({ "hasMore": more, "total": 206 }));
        assert_eq!(page["data"].as_array().map(Vec::len), Some(length));
    }
    names.dedup();
    assert_eq!(names.len(), 206);
    assert_eq!(body(page("skip=206").await).await["data"], json!([]));
    assert_eq!(body(page("limit=206&skip=106").await).await["meta"]["hasMore"], false); // 100 fit exactly
    assert_eq!(status(page("limit=many")).await, 400);
}

#[apply(leak_checked!)]
async fn pages_may_lack_their_meta_or_repeat_for_ever() {
    let bare = with_many_keys(FakeShopmonkey::builder().without_meta(true), 3).await;
    let list = |fake: &FakeShopmonkey, query: &str| {
        with(fake, FakeShopmonkey::API_KEY, Method::GET, &format!("/v3/auth/api_key?{query}")).send()
    };
    let page = body(list(&bare, "limit=2").await).await;
    assert_eq!((page["data"].as_array().map(Vec::len), page.get("meta")), (Some(2), None));
    let repeats = with_many_keys(FakeShopmonkey::builder().repeat_pages(true), 3).await;
    let (first, second) = (list(&repeats, "limit=2").await, list(&repeats, "limit=2&skip=2").await);
    let (first, second) = (body(first).await, body(second).await);
    assert_eq!((&first, &first["meta"]), (&second, &json!({ "hasMore": true, "total": 4 })));
}

#[apply(leak_checked!)]
async fn lists_are_filtered_by_json_and_ordered_by_id() {
    let fake = with_many_keys(FakeShopmonkey::builder(), 4).await;
    let list = |query: &[(&str, &str)]| {
        with(&fake, FakeShopmonkey::API_KEY, Method::GET, "/v3/auth/api_key").query(query).send()
    };
    let names = |page: Value| -> Vec<Value> {
        page["data"].as_array().expect("a list").iter().map(|key| key["name"].clone()).collect()
    };
    for condition in [r#"{"name":"key-2"}"#, r#"{"name":{"equals":"key-2"}}"#] {
        assert_eq!(names(body(list(&[("where", condition)]).await).await), ["key-2"]);
    }
    let ignored = list(&[("where", r#"{"name":{"$eq":"key-2"}}"#)]).await;
    assert_eq!(body(ignored).await["meta"]["total"], 5); // silently, as at the vendor's
    assert_eq!(status(list(&[("where", "name=key-2")])).await, 400);
    assert_eq!(status(list(&[("orderby", r#"{"id":"asc"}"#)])).await, 400);
    let up = body(list(&[("orderBy", r#"{"id":"asc"}"#)]).await).await;
    let mut down = names(body(list(&[("orderBy", r#"{"id":"desc"}"#)]).await).await);
    down.reverse();
    assert_eq!(names(up.clone()), down);
    let two =
        [("ids", up["data"][0]["id"].as_str().expect("an id")), ("ids", up["data"][3]["id"].as_str().expect("an id"))];
    assert_eq!(body(list(&two).await).await["meta"]["total"], 2);
}

#[apply(leak_checked!)]
async fn each_token_has_its_calls_per_minute() {
    for (date, told) in [(false, "31"), (true, "Thu, 01 Jan 2026 00:01:00 GMT")] {
        let clock = ManualClock::new();
        let fake =
            FakeShopmonkey::builder().calls_per_minute(2).retry_after_date(date).clock(clock.clone()).start().await;
        let order = |token: &str| with(&fake, token, Method::GET, "/v3/order").send();
        for left in ["1", "0"] {
            let answer = order(FakeShopmonkey::API_KEY).await.expect("answers");
            assert_eq!((answer.status().as_u16(), header(&answer, "x-ratelimit-remaining-minute")), (200, left));
        }
        clock.advance(29 * SECOND);
        let refused = order(FakeShopmonkey::API_KEY).await.expect("answers");
        assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, told));
        assert_eq!(header(&refused, "x-ratelimit-limit-minute"), "2");
        assert_eq!(status(login(&fake, json!({})).send()).await, 200); // has no token yet
        assert_eq!(status(order(&fake.token(1))).await, 200);
        clock.advance(31 * SECOND);
        assert_eq!(status(order(FakeShopmonkey::API_KEY)).await, 200);
    }
}

#[apply(leak_checked!)]
async fn every_answer_has_a_request_id_even_a_fault() {
    let fake = FakeShopmonkey::start().await;
    fake.next("list_api_keys", Fault::Html(403)); // the firewall in front
    fake.next("list_api_keys", Fault::TooManyRequests { retry_after: Some("7".to_owned()) });
    fake.next("list_api_keys", Fault::Json(200, json!({ "success": false, "code": "BOFF-97d5f9" })));
    let mut seen = Vec::new();
    for expected in [(403, ""), (429, "7"), (200, ""), (200, "")] {
        let answer =
            with(&fake, FakeShopmonkey::API_KEY, Method::GET, "/v3/auth/api_key").send().await.expect("answers");
        assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), expected);
        seen.push(header(&answer, "x-request-id").to_owned());
    }
    assert_eq!(seen, ["req-1", "req-2", "req-3", "req-4"]);
}

#[apply(leak_checked!)]
async fn no_secret_shows_in_what_it_prints() {
    let builder = FakeShopmonkey::builder().api_key("second", "a second key").user("ann", "a password");
    let printed = format!("{builder:?}");
    let fake = builder.start().await;
    status(login(&fake, json!({})).send()).await;
    status(with(&fake, "a second key", Method::GET, "/v3/order").send()).await;
    let secrets = fake.secrets();
    assert_eq!(secrets.len(), 6); // two passwords, two keys, a token and the id of its session
    let printed = format!("{printed} {fake:?} {:?}", fake.saw());
    assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
}

async fn with_many_keys(builder: keyway::testing::FakeShopmonkeyBuilder, count: usize) -> FakeShopmonkey {
    let names = (1..=count).map(|number| format!("key-{number}"));
    names.fold(builder, |builder, name| builder.api_key(&name, &format!("value of {name}"))).start().await
}

/// A login of the default user, with these members changed.
fn login(fake: &FakeShopmonkey, change: Value) -> RequestBuilder {
    let mut request = json!({ "email": FakeShopmonkey::EMAIL, "password": FakeShopmonkey::PASSWORD });
    request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    call(fake, Method::POST, "/v3/auth/login").json(&request)
}

fn with(fake: &FakeShopmonkey, token: &str, method: Method, path: &str) -> RequestBuilder {
    call(fake, method, path).bearer_auth(token)
}
