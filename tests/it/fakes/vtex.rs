//! VTEX.

use super::*;
use FakeVtex as Vtex;

const LOGIN: &str = "/api/vtexid/apptoken/login";
const REFRESH: &str = "/api/vtexid/refreshtoken/webstore";

#[apply(leak_checked!)]
async fn an_app_key_is_traded_for_a_token_that_ends_at_a_point_in_time() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().clock(clock.clone()).start().await;
    let answer = body(login(&fake, Vtex::APP_TOKEN).send().await).await;
    let mut expected = example("vtex", LOGIN, "post", "200");
    expected["token"] = json!(fake.token(1));
    expected["expires"] = json!(START + 6 * 3600);
    assert_eq!(answer, expected);

    let seen = body(with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders").send().await).await;
    assert_eq!(seen, json!({ "ok": true, "path": "/api/oms/pvt/orders", "user": Vtex::APP_KEY }));
    assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
    clock.advance(6 * 60 * MINUTE);
    assert_eq!(status(with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders").send()).await, 401);
    assert_eq!((fake.count("generate_authentication_token"), fake.count("other")), (1, 2));
}

#[apply(leak_checked!)]
async fn the_expiry_may_count_from_now() {
    let fake = Vtex::builder().expires_in_seconds(true).token_life(90 * SECOND).start().await;
    assert_eq!(body(login(&fake, Vtex::APP_TOKEN).send().await).await["expires"], 90);
}

#[apply(leak_checked!)]
async fn a_refused_sign_in_is_a_200_without_success_or_a_401() {
    for (builder, expected) in [(Vtex::builder(), 200), (Vtex::builder().refusals_in_401(true), 401)] {
        let fake = builder.start().await;
        for request in [login(&fake, "wrong"), exchange(&fake, json!({ "accessToken": "wrong" }))] {
            let refused = request.send().await.expect("answers");
            assert_eq!(refused.status(), expected);
            assert_eq!(refused.json::<Value>().await.expect("is JSON"), json!({ "authStatus": "WrongCredentials" }));
        }
        assert_eq!(status(call(&fake, Method::POST, LOGIN).json(&json!({})).send()).await, 400);
    }
}

#[apply(leak_checked!)]
async fn calls_are_made_with_a_token_in_header_or_cookie_or_with_a_pair() {
    let fake = Vtex::builder().app_key("second", "app-token-of-second").start().await;
    let token = fake.new_user_token(MINUTE);
    let orders = || call(&fake, Method::GET, "/api/oms/pvt/orders");
    let pair = |key: &str, token: &str| orders().header("X-VTEX-API-AppKey", key).header("X-VTEX-API-AppToken", token);
    let account_cookie = format!("a=b; VtexIdclientAutCookie_{}={token}", Vtex::ACCOUNT);
    for (request, expected, bearer) in [
        (orders().header("VtexIdclientAutCookie", &token), 200, Some("token #1")),
        (orders().header("cookie", format!("VtexIdclientAutCookie={token}")), 200, Some("token #1")),
        (orders().header("cookie", account_cookie), 200, Some("token #1")),
        (pair(Vtex::APP_KEY, Vtex::APP_TOKEN), 200, Some("app token #1")),
        (pair("second", "app-token-of-second"), 200, Some("app token #2")),
        (pair(Vtex::APP_KEY, "app-token-of-second"), 401, Some("app token #2")),
        (pair(Vtex::APP_KEY, Vtex::APP_TOKEN).header("VtexIdclientAutCookie", "no"), 401, Some("unknown")),
        (orders().header("X-VTEX-API-AppKey", Vtex::APP_KEY), 401, None),
        (orders().bearer_auth(&token), 401, None),
        (orders(), 401, None),
    ] {
        assert_eq!(status(request.send()).await, expected);
        assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), bearer);
    }
    fake.revoke_tokens();
    assert_eq!(status(orders().header("VtexIdclientAutCookie", &token).send()).await, 401);
    fake.set_app_token("second", "another");
    assert_eq!(status(pair("second", "app-token-of-second").send()).await, 401);
    assert_eq!((status(pair("second", "another").send()).await, fake.app_token(3).as_str()), (200, "another"));
}

#[apply(leak_checked!)]
async fn the_account_is_named_by_the_host_or_by_an() {
    let fake = Vtex::builder().account("mystore").start().await;
    let by = |host: &str, query: &str| {
        let credentials = json!({ "appkey": Vtex::APP_KEY, "apptoken": Vtex::APP_TOKEN });
        let request = call(&fake, Method::POST, &format!("{LOGIN}{query}")).json(&credentials);
        status(if host.is_empty() { request } else { request.header("host", host) }.send())
    };
    for (host, query, expected) in [
        ("", "", 400),
        ("", "?an=mystore", 200),
        ("", "?an=other", 400),
        ("api.vtexcommercestable.com.br", "", 400),
        ("api.vtexcommercestable.com.br", "?an=mystore", 200),
        ("mystore.vtexcommercestable.com.br", "", 200),
        ("mystore.myvtex.com:8443", "", 200),
        ("undefined.vtexcommercestable.com.br", "", 400),
        ("mystore.myvtex.com", "?an=other", 400),
    ] {
        assert_eq!(by(host, query).await, expected, "{host} {query}");
    }
    let orders = || with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders");
    assert_eq!(status(orders().send()).await, 200); // on a domain of the store's own
    assert_eq!(status(orders().header("host", "other.myvtex.com").send()).await, 400);
    assert_eq!(status(start(&fake, "scope=other").send()).await, 400);
    let check = call(&fake, Method::POST, "/api/vtexid/credential/validate?an=mystore");
    let check = body(check.json(&json!({ "token": fake.token(1) })).send().await).await;
    assert_eq!((&check["account"], &check["authStatus"]), (&json!("mystore"), &json!("Success")));
}

#[apply(leak_checked!)]
async fn a_providers_token_is_exchanged_for_minutes() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().provider_token("GoogleID", "g-1").clock(clock.clone()).start().await;
    let answer = body(exchange(&fake, json!({})).send().await).await;
    assert_eq!(answer, json!({ "authToken": fake.token(1) }));
    let google = json!({ "providerId": "GoogleID", "accessToken": "g-1", "duration": 120 });
    assert_eq!(status(exchange(&fake, google).send()).await, 200);
    assert_eq!(status(exchange(&fake, json!({ "duration": 121 })).send()).await, 400);
    let orders = |number: usize| status(with_token(&fake, number, Method::GET, "/api/oms/user/orders").send());
    clock.advance(60 * MINUTE - SECOND);
    assert_eq!((orders(1).await, orders(2).await), (200, 200));
    clock.advance(SECOND);
    assert_eq!((orders(1).await, orders(2).await), (401, 200));
}

#[apply(leak_checked!)]
async fn a_token_is_validated_in_the_body_of_a_call_without_a_session() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().clock(clock.clone()).start().await;
    let token = fake.new_user_token(MINUTE);
    let validate = || call(&fake, Method::POST, "/api/vtexid/credential/validate").json(&json!({ "token": token }));
    let mut expected = example("vtex", "/api/vtexid/credential/validate", "post", "200");
    let answer = body(validate().send().await).await;
    expected["id"] = answer["id"].clone();
    expected["user"] = json!(Vtex::EMAIL);
    assert_eq!(answer, expected);
    clock.advance(MINUTE);
    let over = validate().send().await.expect("answers");
    assert_eq!(over.status(), 401);
    assert_eq!(over.json::<Value>().await.expect("is JSON"), json!({ "authStatus": "WrongCredentials" }));
    assert_eq!(fake.saw().iter().filter(|seen| seen.bearer.is_some()).count(), 0);
}

#[apply(leak_checked!)]
async fn users_are_looked_up_each_way_with_its_own_credential() {
    let fake = Vtex::builder().user("john@mail.com", "John").start().await;
    let token = fake.new_user_token(MINUTE);
    let id = |email: &str| call(&fake, Method::GET, "/api/vtexid/pvt/user/id").query(&[("usuario", email)]);
    let found = body(id("john@mail.com").header("VtexIdclientAutCookie", &token).send().await).await;
    assert!(found.is_string());
    assert_eq!(text(id("no@mail.com").header("VtexIdclientAutCookie", &token).send().await).await, "null");
    let refused = with_pair(id("john@mail.com")).send().await.expect("answers");
    assert_eq!((refused.status().as_u16(), refused.text().await.expect("a body")), (401, String::new()));

    let info = |user: &str| call(&fake, Method::GET, "/api/vtexid/pvt/user/info").query(&[("user", user)]);
    let answer = body(with_pair(info("john@mail.com")).send().await).await;
    let expected = json!({
        "userId": found, "user": "john@mail.com", "name": "John",
        "accountId": Vtex::ACCOUNT_ID, "accountName": Vtex::ACCOUNT,
    });
    assert_eq!(answer, expected);
    assert_eq!(status(with_pair(info("no")).send()).await, 404);
    assert_eq!(status(info("john@mail.com").header("VtexIdclientAutCookie", &token).send()).await, 401);
    assert_eq!((fake.count("get_user_id_by_email"), fake.count("get_storefront_user")), (3, 3));
}

#[apply(leak_checked!)]
async fn an_app_token_is_renewed_in_two_steps() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().clock(clock.clone()).start().await;
    let step = |key: &str, step: &str| {
        with_pair(call(&fake, Method::PATCH, &format!("/api/vtexid/apikey/{key}/apitoken/{step}"))).send()
    };
    assert_eq!(status(step(Vtex::APP_KEY, "finish-renewal")).await, 404);
    assert_eq!(status(step("no", "renew")).await, 400);
    assert_eq!(status(step("no", "finish-renewal")).await, 400);
    clock.advance(DAY);
    let renewal = body(step(Vtex::APP_KEY, "renew").await).await;
    assert_eq!((&renewal["newToken"], &renewal["expirationPeriod"]), (&json!(fake.app_token(2)), &json!(30)));
    assert_eq!(renewal["creationDateNewToken"], "2026-01-02T00:00:00.000Z");
    assert_eq!(status(step(Vtex::APP_KEY, "renew")).await, 409);
    assert_eq!(body(login(&fake, &fake.app_token(2)).send().await).await["authStatus"], "Success");
    let finished = body(step(Vtex::APP_KEY, "finish-renewal").await).await; // still with the old one
    assert_eq!((&finished["id"], &finished["creationDateNewToken"]), (&renewal["id"], &Value::Null));
    assert_eq!(body(login(&fake, Vtex::APP_TOKEN).send().await).await["authStatus"], "WrongCredentials");
    assert_eq!(body(login(&fake, &fake.app_token(2)).send().await).await["authStatus"], "Success");
    assert_eq!((fake.count("start_token_renewal"), fake.count("finish_token_renewal")), (3, 3));
}

#[apply(leak_checked!)]
async fn a_shopper_signs_in_with_the_key_from_a_mail() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().clock(clock.clone()).start().await;
    let started = body(start(&fake, "scope=apiexamples").send().await).await;
    let session = started["authenticationToken"].as_str().expect("text").to_owned();
    let mut expected = example("vtex", "/api/vtexid/pub/authentication/start", "get", "200");
    expected["authenticationToken"] = json!(session);
    assert_eq!((started, session.len()), (expected, 64));

    let mail = |email: &str, session: &str| send_key(&fake, email, session).send();
    assert_eq!(body(mail("nobody", &session).await).await, json!({ "authStatus": "InvalidEmail" }));
    assert_eq!(body(mail("new@example.com", "no").await).await, json!({ "authStatus": "InvalidToken" }));
    let sent = mail("new@example.com", &session).await;
    assert_eq!(text(sent).await, "");
    let stale = fake.access_key();
    assert_eq!(status(send_key(&fake, "new@example.com", &session).send()).await, 200);
    let key = fake.access_key();
    assert_eq!((key.len(), fake.access_key_for("new@example.com")), (6, Some(key.clone())));
    assert_eq!(fake.access_key_for(Vtex::EMAIL), None);

    for (email, key, session, told) in [
        ("new@example.com", stale.as_str(), session.as_str(), "WrongCredentials"),
        ("other@example.com", &key, &session, "InvalidEmail"),
        ("new@example.com", &key, "no", "InvalidToken"),
    ] {
        let refused = validate_key(&fake, email, key, session).send().await.expect("answers");
        assert_eq!(refused.status(), 400);
        let mut expected = example("vtex", "/api/vtexid/pub/authentication/accesskey/validate", "post", "400");
        expected["authStatus"] = json!(told);
        assert_eq!(refused.json::<Value>().await.expect("is JSON"), expected);
    }
    let signed_in = validate_key(&fake, "new@example.com", &key, &session).send().await.expect("answers");
    let cookie = header(&signed_in, "set-cookie").to_owned();
    let parts: Vec<&str> = cookie.split("; ").collect();
    assert!(parts[0].starts_with("vid_rt="));
    let rest = [
        "expires=Thu, 08 Jan 2026 00:00:00 GMT",
        "domain=127.0.0.1",
        "path=/api/vtexid/refreshtoken/webstore",
        "secure",
        "samesite=strict",
        "httponly",
    ];
    assert_eq!(parts[1..], rest);
    let answer: Value = signed_in.json().await.expect("is JSON");
    let mut expected = example("vtex", "/api/vtexid/pub/authentication/accesskey/validate", "post", "200");
    expected["authCookie"]["Value"] = json!(fake.token(1));
    expected["accountAuthCookie"]["Value"] = json!(fake.token(1));
    expected["expiresIn"] = json!(86_400);
    expected["userId"] = answer["userId"].clone();
    assert_eq!(answer, expected);

    let again = validate_key(&fake, "new@example.com", &key, &session).send().await;
    assert_eq!(body(again).await["authStatus"], "WrongCredentials"); // it was good once
    clock.advance(DAY);
    assert_eq!(body(mail("new@example.com", &session).await).await["authStatus"], "InvalidToken");
    assert_eq!((fake.count("send_access_key"), fake.count("validate_access_key")), (5, 5));
}

#[apply(leak_checked!)]
async fn a_storefront_session_is_renewed_by_cookies_that_replace_each_other() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().clock(clock.clone()).start().await;
    let first = shopper(&fake, "scope=apiexamples").await;
    clock.advance(2 * DAY); // the token has ended, the refresh token has not
    let renewed = refresh(&fake, &first, &fake.token(1)).json(&json!({})).send().await.expect("answers");
    let cookies = set_cookies(&renewed);
    let names: Vec<&str> = cookies.iter().map(|(name, _)| name.as_str()).collect();
    let [id_cookie, account_cookie] = cookie_names();
    assert_eq!(names, ["vid_rt", &id_cookie, &account_cookie]);
    assert!(cookies[1].1 == fake.token(2) && cookies[2].1 == fake.token(2));
    let answer: Value = renewed.json().await.expect("is JSON");
    assert_eq!((&answer["status"], &answer["refreshAfter"]), (&json!("Success"), &json!("2026-01-03T12:00:00.000Z")));
    let orders = |number: usize| status(with_token(&fake, number, Method::GET, "/api/oms/user/orders").send());
    assert_eq!((orders(1).await, orders(2).await), (401, 200));

    let reused = refresh(&fake, &first, &fake.token(2)).send().await.expect("answers");
    assert_eq!((reused.status().as_u16(), set_cookies(&reused).len()), (200, 0));
    assert_eq!(reused.json::<Value>().await.expect("is JSON"), json!({ "status": "InvalidToken" }));
    assert_eq!((fake.reuses(), orders(2).await), (1, 401));
    let second = refresh(&fake, &cookies[0].1, &fake.token(2)).send().await;
    assert_eq!(body(second).await["status"], "InvalidToken"); // gone with its family
    assert_eq!((fake.reuses(), fake.count("refresh_storefront_token")), (1, 3));
}

#[apply(leak_checked!)]
async fn a_renewal_wants_both_cookies_the_fingerprint_and_time() {
    let clock = ManualClock::new();
    let fake = Vtex::builder().refresh_life(DAY).storefront_life(60 * MINUTE).clock(clock.clone()).start().await;
    let token = shopper(&fake, "scope=apiexamples&fingerprint=12345").await;
    shopper(&fake, "scope=apiexamples").await;
    let fingerprint = json!({ "fingerprint": "12345" });
    let told = |request: RequestBuilder| async { body(request.send().await).await["status"].take() };
    let one_cookie = format!("vid_rt={token}; {}={}", cookie_names()[0], fake.token(1));
    let one_cookie = call(&fake, Method::POST, REFRESH).header("cookie", one_cookie);
    assert_eq!(told(one_cookie.json(&fingerprint)).await, "InvalidSession");
    assert_eq!(told(refresh(&fake, &token, &fake.token(2)).json(&fingerprint)).await, "InvalidSession");
    assert_eq!(told(refresh(&fake, &token, &fake.token(1)).json(&json!({}))).await, "InvalidSession");
    assert_eq!(told(refresh(&fake, "no", &fake.token(1)).json(&fingerprint)).await, "InvalidToken");
    assert_eq!(told(refresh(&fake, &token, &fake.token(1)).json(&fingerprint)).await, "Success");
    clock.advance(DAY);
    let second = shopper(&fake, "scope=apiexamples").await;
    fake.revoke_refresh_tokens();
    assert_eq!(told(refresh(&fake, &second, &fake.token(4))).await, "InvalidToken");
    let third = shopper(&fake, "scope=apiexamples").await;
    clock.advance(DAY);
    assert_eq!(told(refresh(&fake, &third, &fake.token(5))).await, "InvalidToken");
    assert_eq!(fake.reuses(), 0);
}

#[apply(leak_checked!)]
async fn the_settings_of_a_unit_are_read_set_switched_and_deleted() {
    let fake = Vtex::start().await;
    let path = "/api/vtexid/organization-units/{unitId}/settings";
    let at = |unit: &str, method: Method| call(&fake, method, &path.replace("{unitId}", unit));
    let ask = |method: Method, body: Value| with_pair(at(Vtex::UNIT, method)).json(&body).send();
    let settings = |settings: Value| json!({ "settings": settings });
    let read = || with_pair(at(Vtex::UNIT, Method::GET)).send();
    assert_eq!(body(read().await).await, example("vtex", path, "get", "200"));

    let off = settings(json!([{ "type": "OAuth", "status": "Disabled" }]));
    let switched = body(ask(Method::PATCH, off.clone()).await).await;
    assert_eq!(switched["authenticationMethods"][1]["status"], "Disabled");
    let password = settings(json!([{ "type": "Password", "status": "Disabled" }]));
    refused(ask(Method::PATCH, password).await, 400, "Invalid authentication configuration.").await;
    let set = settings(json!([{ "type": "OAuth", "name": "PingFederate", "status": "Disabled" }]));
    let conflict = "Authentication settings already exist for one or more methods.";
    refused(ask(Method::POST, set.clone()).await, 409, conflict).await;

    let deleted = ask(Method::DELETE, settings(json!([{ "type": "OAuth" }]))).await.expect("answers");
    assert_eq!((deleted.status().as_u16(), deleted.text().await.expect("a body")), (204, String::new()));
    let again = ask(Method::DELETE, settings(json!([{ "type": "OAuth" }]))).await;
    refused(again, 400, "Authentication settings were not found for delete.").await;
    refused(ask(Method::PATCH, off).await, 400, "Authentication settings were not found for update.").await;
    assert_eq!(body(ask(Method::POST, set).await).await, json!({ "success": true }));
    let empty = settings(json!([]));
    refused(ask(Method::POST, empty).await, 400, "Invalid authentication configuration.").await;
    assert_eq!(body(read().await).await["authenticationMethods"][1]["status"], "Disabled");

    refused(with_pair(at("no", Method::GET)).send().await, 404, "Organization unit not found.").await;
    refused(at(Vtex::UNIT, Method::GET).send().await, 401, "The current user could not be resolved.").await;
    let counts =
        ["get", "set", "update", "delete"].map(|verb| fake.count(&format!("{verb}_organization_unit_settings")));
    assert_eq!(counts, [4, 3, 3, 2]);
}

#[apply(leak_checked!)]
async fn each_operation_says_401_in_words_of_its_own() {
    let fake = Vtex::start().await;
    for (operation, method, path, expected) in [
        ("generate_authentication_token", Method::POST, LOGIN, r#"{"authStatus":"WrongCredentials"}"#),
        ("get_user_id_by_email", Method::GET, "/api/vtexid/pvt/user/id", ""),
        ("other", Method::GET, "/api/oms/user/orders", r#"{"message":"The current user could not be resolved."}"#),
    ] {
        fake.next(operation, Fault::Unauthorized);
        let answer = call(&fake, method, path).send().await.expect("answers");
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.text().await.expect("a body"), expected);
    }
}

#[apply(leak_checked!)]
async fn passwords_are_ruled_and_made_to_expire() {
    let fake = Vtex::start().await;
    let rules = "/api/vtexid/pub/providers/setup/password/webstore/password";
    let rule = |body: Value| with_pair(call(&fake, Method::POST, rules)).json(&body).send();
    assert_eq!(fake.password_rules(), None);
    assert_eq!(text(rule(json!({ "isActive": true, "allowRepeated": false })).await).await, "");
    assert_eq!(status(rule(json!({ "isActive": true }))).await, 400);
    assert_eq!(fake.password_rules(), Some((true, false)));
    let expire = || call(&fake, Method::POST, "/api/vtexid/password/expire").query(&[("email", "a+b@example.com")]);
    assert_eq!(text(with_pair(expire()).send().await).await, "");
    assert_eq!(status(expire().send()).await, 401);
    fake.next("expire_user_password", Fault::Json(403, json!({})));
    assert_eq!(status(with_pair(expire()).send()).await, 403);
    assert_eq!(fake.expired_passwords(), ["a+b@example.com"]);
}

#[apply(leak_checked!)]
async fn no_secret_shows_in_what_it_prints() {
    let builder = Vtex::builder().app_key("second", "an app token").provider_token("p", "a provider's token");
    let printed = format!("{builder:?}");
    let fake = builder.start().await;
    let token = shopper(&fake, "scope=apiexamples").await;
    status(refresh(&fake, &token, &fake.token(1)).send()).await;
    status(login(&fake, Vtex::APP_TOKEN).send()).await;
    let secrets = fake.secrets();
    // Two app tokens, two of providers, three user tokens, two to refresh, a sign-in, the key from its mail, a password.
    assert_eq!(secrets.len(), 12);
    let printed = format!("{printed} {fake:?} {:?}", fake.saw());
    assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
}

fn login(fake: &Vtex, app_token: &str) -> RequestBuilder {
    call(fake, Method::POST, LOGIN).json(&json!({ "appkey": Vtex::APP_KEY, "apptoken": app_token }))
}

/// An exchange of the default provider's token, with these members changed.
fn exchange(fake: &Vtex, change: Value) -> RequestBuilder {
    let mut request = json!({ "providerId": Vtex::PROVIDER, "accessToken": Vtex::PROVIDER_TOKEN });
    request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    call(fake, Method::POST, "/api/vtexid/audience/webstore/provider/oauth/exchange").json(&request)
}

fn with_token(fake: &Vtex, number: usize, method: Method, path: &str) -> RequestBuilder {
    call(fake, method, path).header("VtexIdclientAutCookie", fake.token(number))
}

fn with_pair(request: RequestBuilder) -> RequestBuilder {
    request.header("X-VTEX-API-AppKey", Vtex::APP_KEY).header("X-VTEX-API-AppToken", Vtex::APP_TOKEN)
}

fn start(fake: &Vtex, query: &str) -> RequestBuilder {
    call(fake, Method::GET, &format!("/api/vtexid/pub/authentication/start?{query}"))
}

fn send_key(fake: &Vtex, email: &str, session: &str) -> RequestBuilder {
    let request = call(fake, Method::POST, "/api/vtexid/pub/authentication/accesskey/send");
    request.query(&[("email", email)]).header("cookie", format!("_vss={session}"))
}

fn validate_key(fake: &Vtex, email: &str, key: &str, session: &str) -> RequestBuilder {
    let field = |name: &str, value: &str| {
        format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = format!("{}{}--b0undary--\r\n", field("accessKey", key), field("login", email));
    call(fake, Method::POST, "/api/vtexid/pub/authentication/accesskey/validate")
        .header("cookie", format!("_vss={session}"))
        .header("content-type", "multipart/form-data; boundary=b0undary")
        .body(form)
}

/// Signs the default user in, and gives the refresh token.
async fn shopper(fake: &Vtex, query: &str) -> String {
    let session = body(start(fake, query).send().await).await["authenticationToken"].take();
    let session = session.as_str().expect("text");
    assert_eq!(status(send_key(fake, Vtex::EMAIL, session).send()).await, 200);
    let answer = validate_key(fake, Vtex::EMAIL, &fake.access_key(), session).send().await.expect("answers");
    set_cookies(&answer)[0].1.clone()
}

fn refresh(fake: &Vtex, refresh_token: &str, user_token: &str) -> RequestBuilder {
    let [id_cookie, account_cookie] = cookie_names();
    let cookies = format!("vid_rt={refresh_token}; {id_cookie}={user_token}; {account_cookie}={user_token}");
    call(fake, Method::POST, REFRESH).header("cookie", cookies)
}

fn cookie_names() -> [String; 2] {
    [Vtex::ACCOUNT_ID, Vtex::ACCOUNT].map(|account| format!("VtexIdclientAutCookie_{account}"))
}

fn set_cookies(answer: &Response) -> Vec<(String, String)> {
    let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().expect("text"));
    let cookies = lines.filter_map(|line| line.split(';').next()?.split_once('='));
    cookies.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn refused(answer: reqwest::Result<Response>, status: u16, message: &str) {
    let answer = answer.expect("answers");
    assert_eq!(answer.status(), status);
    assert_eq!(answer.json::<Value>().await.expect("is JSON"), json!({ "message": message }));
}
