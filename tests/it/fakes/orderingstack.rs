//! OrderingStack.

mod users;

use super::*;
use FakeOrderingStack as Os;

const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

#[apply(leak_checked!)]
async fn a_password_gives_both_tokens_and_an_expiry_as_a_number() {
    let fake = Os::start().await;
    let answer = by_password(&fake).send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("is JSON");
    let expected = json!({
        "access_token": fake.token(1), "refresh_token": answer["refresh_token"], "token_type": "bearer",
        "expires_in": 3600, "scope": "read", "UUID": Os::USER, "TENANT": Os::TENANT, "TRUST": "T", "MFA": "F",
    });
    assert_eq!(answer, expected);
    assert_eq!(fake.saw()[0].tenant.as_deref(), Some(Os::TENANT));

    let me = body(with(&fake, 1, Method::GET, "/auth-api/api/me").send().await).await;
    assert_eq!((&me["login"], &me["UUID"]), (&json!(Os::LOGIN), &json!(Os::USER)));
    assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
    assert_eq!((fake.count("issue_token"), fake.count("get_self")), (1, 1));
}

#[apply(leak_checked!)]
async fn anonymous_users_and_services_get_no_refresh_token() {
    let fake = Os::start().await;
    let anonymous = [("grant_type", "password"), ("username", "anonymous"), ("password", ""), ("scope", "read")];
    for form in [anonymous.as_slice(), &[("grant_type", "client_credentials")]] {
        let answer = body(token(&fake, form).send().await).await;
        assert!(answer["access_token"].is_string() && answer.get("refresh_token").is_none(), "{answer}");
    }
    let me = body(with(&fake, 1, Method::GET, "/auth-api/api/me").send().await).await;
    assert_eq!(me["login"], "anonymous");
    let without_password = [("grant_type", "password"), ("username", "anonymous")];
    assert_eq!(refused(token(&fake, &without_password)).await, (400, "invalid_request".to_owned()));
    assert_eq!(status(with(&fake, 1, Method::GET, "/auth-api/api/users").send()).await, 403);
    assert_eq!(status(with(&fake, 1, Method::GET, "/menu-api/api/menu").send()).await, 200);
}

#[apply(leak_checked!)]
async fn the_clients_id_and_secret_are_form_encoded_before_they_are_basic() {
    let (id, secret) = ("web shop:1", "p%ss+w&rd é");
    let fake = Os::builder().client(id, secret).start().await;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let encoded = format!("{}:{}", encode(id), encode(secret));
    assert!(encoded.contains('+'), "{encoded}");
    assert_eq!(status(token_for(&fake, &encoded.replace('+', "%20")).send()).await, 200);
    assert_eq!(status(token_for(&fake, &encoded).send()).await, 200);
    for wrong in [format!("{id}:{secret}"), format!("{id}:"), String::new()] {
        assert_eq!(refused(token_for(&fake, &wrong)).await, (401, "invalid_client".to_owned()));
    }
    fake.set_client_secret("another");
    let refusal = token_for(&fake, &encoded).send().await.expect("answers");
    assert_eq!(refusal.status(), 401);
    assert!(header(&refusal, "www-authenticate").starts_with("Basic"));
    let other_way = call(&fake, Method::POST, "/auth-oauth2/oauth/token").header("x-tenant", Os::TENANT);
    assert_eq!(refused(other_way.bearer_auth("another")).await.0, 401);
}

#[apply(leak_checked!)]
async fn a_token_is_refused_in_the_words_of_oauth() {
    let fake = Os::start().await;
    let form = |body: &str| fake_form(&fake, "/auth-oauth2/oauth/token").body(body.to_owned());
    let tenant = |request: RequestBuilder, uuid: &str| request.header("x-tenant", uuid);
    let password = "grant_type=password&username=manager&password=";
    for (request, error) in [
        (form("grant_type=client_credentials"), "invalid_request"), // no tenant
        (tenant(form("grant_type=client_credentials"), OTHER_TENANT), "invalid_request"),
        (tenant(form("username=manager"), Os::TENANT), "invalid_request"),
        (tenant(form("grant_type=magic"), Os::TENANT), "unsupported_grant_type"),
        (tenant(form(&format!("{password}wrong")), Os::TENANT), "invalid_grant"),
        (tenant(form(&format!("{password}wrong")), Os::TENANT), "invalid_grant"),
        (tenant(form(&format!("{password}wrong").replace("manager", "nobody")), Os::TENANT), "invalid_grant"),
        (tenant(form("grant_type=refresh_token&refresh_token=no"), Os::TENANT), "invalid_grant"),
    ] {
        assert_eq!(refused(request).await, (400, error.to_owned()));
    }
    let as_json = call(&fake, Method::POST, "/auth-oauth2/oauth/token").json(&json!({ "grant_type": "password" }));
    let as_json = as_json.header("authorization", basic()).header("x-tenant", Os::TENANT);
    assert_eq!(refused(as_json).await, (400, "invalid_request".to_owned()));
    sign_in_as_service(&fake).await;
    let user = body(with(&fake, 1, Method::GET, &user_path("")).send().await).await;
    assert_eq!(user["failedAttempts"], 2);
    assert_eq!((fake.count("issue_token"), fake.count("get_user")), (10, 1));
}

#[apply(leak_checked!)]
async fn refresh_tokens_rotate_and_a_spent_one_takes_its_family_with_it() {
    let fake = Os::start().await;
    let first = sign_in(&fake).await;
    let stranger = sign_in(&fake).await;
    let second = body(renew(&fake, &first).send().await).await["refresh_token"].as_str().expect("text").to_owned();
    assert_ne!(first, second);
    assert_eq!(status(with(&fake, 3, Method::GET, "/auth-api/api/me").send()).await, 200);

    assert_eq!(refused(renew(&fake, &first)).await, (400, "invalid_grant".to_owned()));
    assert_eq!(fake.reuses(), 1);
    assert_eq!(refused(renew(&fake, &second)).await, (400, "invalid_grant".to_owned()));
    assert_eq!(status(with(&fake, 3, Method::GET, "/auth-api/api/me").send()).await, 401);
    assert_eq!(status(renew(&fake, &stranger).send()).await, 200);
    assert_eq!((fake.reuses(), fake.count("issue_token")), (1, 6));
}

#[apply(leak_checked!)]
async fn a_renewal_may_leave_the_refresh_token_out_or_repeat_it() {
    let keeps = Os::builder().keeps_refresh_token(true).start().await;
    let refresh = sign_in(&keeps).await;
    for _ in 0..2 {
        assert!(body(renew(&keeps, &refresh).send().await).await.get("refresh_token").is_none());
    }
    let repeats = Os::builder().rotating(false).start().await;
    let refresh = sign_in(&repeats).await;
    for _ in 0..2 {
        assert_eq!(body(renew(&repeats, &refresh).send().await).await["refresh_token"], refresh);
    }
    let never = Os::builder().without_refresh_token(true).start().await;
    assert!(body(by_password(&never).send().await).await.get("refresh_token").is_none());
    assert_eq!((keeps.reuses(), repeats.reuses(), never.reuses()), (0, 0, 0));
}

#[apply(leak_checked!)]
async fn a_refresh_token_is_good_for_its_tenant_and_its_time() {
    let clock = ManualClock::new();
    let fake = Os::builder().tenant(OTHER_TENANT).refresh_life(DAY).clock(clock.clone()).start().await;
    let refresh = fake.new_refresh_token();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let abroad = token_in(&fake, OTHER_TENANT, &form);
    assert_eq!(refused(abroad).await, (400, "invalid_grant".to_owned()));
    let renewed = body(renew(&fake, &refresh).send().await).await;
    assert_eq!((&renewed["UUID"], fake.reuses()), (&json!(Os::USER), 0));
    clock.advance(DAY);
    let late = renew(&fake, renewed["refresh_token"].as_str().expect("text"));
    assert_eq!(refused(late).await, (400, "invalid_grant".to_owned()));
    let revoked = fake.new_refresh_token();
    fake.revoke_refresh_tokens();
    assert_eq!(refused(renew(&fake, &revoked)).await, (400, "invalid_grant".to_owned()));
}

#[apply(leak_checked!)]
async fn the_expiry_is_told_in_three_dialects() {
    for (dialect, told) in
        [(ExpiresIn::Number, json!(90)), (ExpiresIn::Text, json!("90")), (ExpiresIn::Absent, Value::Null)]
    {
        let fake = Os::builder().expires_in(dialect).token_life(90 * SECOND).start().await;
        let answer = body(by_password(&fake).send().await).await;
        assert_eq!((&answer["expires_in"], answer.get("expires_in").is_some()), (&told, !told.is_null()));
    }
}

#[apply(leak_checked!)]
async fn an_access_token_ends_with_its_life_or_when_it_is_revoked() {
    let clock = ManualClock::new();
    let fake = Os::builder().token_life(MINUTE).jwt(true).clock(clock.clone()).start().await;
    sign_in(&fake).await;
    let token = fake.token(1);
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a JWT")).expect("is base64");
    let claims: Value = serde_json::from_slice(&claims).expect("is JSON");
    assert_eq!((&claims["exp"], &claims["TENANT"]), (&json!(START + 60), &json!(Os::TENANT)));

    clock.advance(MINUTE - SECOND);
    assert_eq!(status(with(&fake, 1, Method::GET, "/auth-api/api/me").send()).await, 200);
    clock.advance(SECOND);
    assert_eq!(refused(with(&fake, 1, Method::GET, "/auth-api/api/me")).await, (401, "invalid_token".to_owned()));
    sign_in(&fake).await;
    fake.revoke_access_tokens();
    assert_eq!(status(with(&fake, 2, Method::GET, "/menu-api/api/menu").send()).await, 401);
    assert_eq!(status(call(&fake, Method::GET, "/menu-api/api/menu").send()).await, 401);
}

#[apply(leak_checked!)]
async fn a_device_waits_for_a_person_and_gets_one_token() {
    let clock = ManualClock::new();
    let fake = Os::builder().clock(clock.clone()).start().await;
    let device = start_device(&fake).await;
    assert_eq!((&device["interval"], &device["expires_in"]), (&json!(5), &json!(600)));
    assert_eq!(device["user_code"], fake.user_code());
    let page = device["verification_uri_complete"].as_str().expect("text");
    assert!(page.starts_with(device["verification_uri"].as_str().expect("text")), "{page}");

    let pending = body(poll(&fake, &device).send().await).await;
    assert_eq!(pending["error"], "authorization_pending");
    assert!(pending["error_uri"].is_string());
    clock.advance(4 * SECOND);
    assert_eq!(refused(poll(&fake, &device)).await.1, "slow_down");
    clock.advance(9 * SECOND); // it is 10 s now, for good
    assert_eq!(refused(poll(&fake, &device)).await.1, "slow_down");
    clock.advance(15 * SECOND);
    assert_eq!(refused(poll(&fake, &device)).await.1, "authorization_pending");
    assert!(fake.approve_device() && !fake.approve_device());
    let tokens = body(poll(&fake, &device).send().await).await;
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(refused(poll(&fake, &device)).await, (400, "invalid_grant".to_owned()));

    let module = body(with(&fake, 1, Method::GET, "/auth-api/api/module-config").send().await).await;
    assert_eq!((&module["id"], &module["type"]), (&json!(Os::MODULE), &json!("KIOSK")));
    assert!(module["configSignature"].is_string());
    assert_eq!((fake.count("start_device"), fake.count("issue_token")), (1, 6));
}

#[apply(leak_checked!)]
async fn a_device_is_turned_away_or_comes_too_late() {
    let clock = ManualClock::new();
    let fake = Os::builder().device_life(MINUTE).device_interval(SECOND).clock(clock.clone()).start().await;
    let (first, second) = (start_device(&fake).await, start_device(&fake).await);
    assert!(fake.deny_device()); // the second
    assert_eq!(refused(poll(&fake, &second)).await, (400, "access_denied".to_owned()));
    assert!(!fake.approve_user_code(second["user_code"].as_str().expect("text")));
    assert!(fake.approve_user_code(first["user_code"].as_str().expect("text")));
    assert_eq!(status(poll(&fake, &first).send()).await, 200);
    let third = start_device(&fake).await;
    clock.advance(MINUTE);
    assert!(!fake.approve_device());
    assert_eq!(refused(poll(&fake, &third)).await, (400, "expired_token".to_owned()));
    assert_eq!(refused(poll(&fake, &json!({ "device_code": "no" }))).await, (400, "invalid_grant".to_owned()));

    let unknown = fake_form(&fake, "/auth-oauth2/oauth/device").header("x-tenant", Os::TENANT).body("module=no");
    let unknown = unknown.send().await.expect("answers");
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.json::<Value>().await.expect("is JSON")["description"], "Cannot determine module");
}

#[apply(leak_checked!)]
async fn a_token_of_the_wrong_kind_is_403_and_modules_are_told_apart() {
    let fake = Os::start().await;
    sign_in(&fake).await; // 1: a user
    sign_in_as_service(&fake).await; // 2
    sign_in_as_module(&fake).await; // 3
    let catalog_user = format!("/auth-api/api/catalog/user/{}", Os::USER);
    let user = user_path("");
    for (path, by_user, by_service, by_module) in [
        ("/auth-api/api/me", 200, 403, 403),
        ("/auth-api/api/users", 200, 403, 403),
        (user.as_str(), 200, 200, 403),
        ("/auth-api/api/modules", 200, 200, 403),
        ("/auth-api/api/catalog/modules", 403, 200, 403),
        (catalog_user.as_str(), 403, 200, 403),
        ("/auth-api/api/module-config", 404, 403, 200),
        ("/auth-api/api/module-common-config", 404, 403, 200),
        ("/menu-api/api/menu", 200, 200, 200),
    ] {
        for (number, expected) in [(1, by_user), (2, by_service), (3, by_module)] {
            let answer = with(&fake, number, Method::GET, path).header("x-tenant", Os::TENANT).send();
            assert_eq!(status(answer).await, expected, "{path} with token #{number}");
        }
    }
    let answer = with(&fake, 1, Method::GET, "/auth-api/api/module-config").send().await;
    assert_eq!(body(answer).await["description"], "Cannot determine module");
    assert_eq!(status(with(&fake, 2, Method::GET, &catalog_user).send()).await, 400); // wants the tenant
}

#[apply(leak_checked!)]
async fn a_second_factor_is_set_up_and_shows_at_sign_in() {
    let fake = Os::start().await;
    sign_in(&fake).await;
    let secret = body(with(&fake, 1, Method::GET, "/auth-api/api/totp/secret").send().await).await["secret"].take();
    assert!(fake.secrets().iter().any(|known| secret == *known.as_str()));
    let configure = |code: &str| {
        let config = json!({ "secret": secret, "code": code });
        status(with(&fake, 1, Method::POST, "/auth-api/api/totp").json(&config).send())
    };
    let app = totp_rs::Secret::try_from_base32(secret.as_str().expect("is a text")).expect("is base32");
    let app = totp_rs::Builder::new().with_secret(app).build_noncompliant();
    let now = keyway::Clock::wall(&keyway::SystemClock).duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = now.expect("is after 1970").as_secs();
    assert_eq!(configure("12345").await, 400);
    assert_eq!(configure(&app.generate(now + 3600).to_string()).await, 400);
    assert_eq!(configure(&app.generate(now).to_string()).await, 200);
    assert_eq!(body(by_password(&fake).send().await).await["MFA"], "T");
    assert_eq!(status(with(&fake, 1, Method::DELETE, "/auth-api/api/totp").send()).await, 200);
    assert_eq!(body(by_password(&fake).send().await).await["MFA"], "F");
}

#[apply(leak_checked!)]
async fn no_secret_shows_in_what_it_prints() {
    let builder = Os::builder().client("id", "a client's secret").user("ann", "a password");
    let printed = format!("{builder:?}");
    let fake = builder.start().await;
    assert!(!fake.new_refresh_token().is_empty());
    assert_eq!(status(token_for(&fake, "id:a+client%27s+secret").send()).await, 200);
    let secrets = fake.secrets();
    assert_eq!(secrets.len(), 5); // of the client, two passwords, a refresh token, an access token
    let printed = format!("{printed} {fake:?} {:?}", fake.saw());
    assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", Os::CLIENT_ID, Os::CLIENT_SECRET)))
}

/// A form from the usual client, without a tenant.
fn fake_form(fake: &Os, path: &str) -> RequestBuilder {
    let request = call(fake, Method::POST, path).header("authorization", basic());
    request.header("content-type", "application/x-www-form-urlencoded")
}

fn token_in(fake: &Os, tenant: &str, form: &[(&str, &str)]) -> RequestBuilder {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    fake_form(fake, "/auth-oauth2/oauth/token").header("x-tenant", tenant).body(form)
}

fn token(fake: &Os, form: &[(&str, &str)]) -> RequestBuilder {
    token_in(fake, Os::TENANT, form)
}

/// Asks for the token of a service, as this client: `id:secret`, form-encoded or not.
fn token_for(fake: &Os, client: &str) -> RequestBuilder {
    call(fake, Method::POST, "/auth-oauth2/oauth/token")
        .header("authorization", format!("Basic {}", STANDARD.encode(client)))
        .header("x-tenant", Os::TENANT)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
}

fn by_password(fake: &Os) -> RequestBuilder {
    token(fake, &[("grant_type", "password"), ("username", Os::LOGIN), ("password", Os::PASSWORD)])
}

fn renew(fake: &Os, refresh: &str) -> RequestBuilder {
    token(fake, &[("grant_type", "refresh_token"), ("refresh_token", refresh)])
}

async fn sign_in(fake: &Os) -> String {
    body(by_password(fake).send().await).await["refresh_token"].as_str().expect("a refresh token").to_owned()
}

async fn sign_in_as_service(fake: &Os) {
    let answer = token(fake, &[("grant_type", "client_credentials")]).send();
    assert_eq!(status(answer).await, 200);
}

async fn sign_in_as_module(fake: &Os) {
    let device = start_device(fake).await;
    assert!(fake.approve_device());
    assert_eq!(status(poll(fake, &device).send()).await, 200);
}

async fn start_device(fake: &Os) -> Value {
    let start = fake_form(fake, "/auth-oauth2/oauth/device").header("x-tenant", Os::TENANT).body("module=kiosk-1");
    body(start.send().await).await
}

fn poll(fake: &Os, device: &Value) -> RequestBuilder {
    let code = device["device_code"].as_str().expect("a device code");
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    token(fake, &[("grant_type", grant), ("device_code", code)])
}

fn with(fake: &Os, number: usize, method: Method, path: &str) -> RequestBuilder {
    call(fake, method, path).bearer_auth(fake.token(number))
}

fn user_path(rest: &str) -> String {
    format!("/auth-api/api/users/{}{rest}", Os::USER)
}

async fn refused(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("answers");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("is JSON");
    (status, body["error"].as_str().expect("an error").to_owned())
}
