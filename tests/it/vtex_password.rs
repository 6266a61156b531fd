//! VTEX ID beyond the mailed key: passwords, the second factor, the authenticator's routes, signing out.

use crate::wire::bare;
use keyway::{
    Answer, Error, ErrorKind, MemoryStore, Responder, SecondFactor, Secret, SignOut, TotpSource,
    testing::{FakeVtex, FakeVtexBuilder, Fault, ManualClock},
    vtex::{Client, ClientBuilder, StorefrontSession},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const CODE: &str = "second-factor-code-417263";
const LATER: &str = "Eleven-Red-Lamps-7";

async fn start(options: impl FnOnce(FakeVtexBuilder) -> FakeVtexBuilder) -> (FakeVtex, Client) {
    let clock = ManualClock::new();
    let fake = options(FakeVtex::builder().clock(clock.clone())).start().await;
    let client = Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
    let client = client.clock(clock).build().unwrap();
    (fake, client)
}

async fn by_password(client: &Client, password: &str) -> Result<(Secret, StorefrontSession), (Secret, Error)> {
    let store = client.storefront();
    let thread = store.start_login(FakeVtex::ACCOUNT, FakeVtex::EMAIL).await.unwrap();
    match store.sign_in_with_password(FakeVtex::ACCOUNT, &thread, FakeVtex::EMAIL, &password.into()).await {
        Ok(session) => Ok((thread, session)),
        Err(error) => Err((thread, error)),
    }
}

#[apply(leak_checked!)]
async fn a_shopper_signs_in_with_a_password_and_renews_by_cookies() {
    let (fake, client) = start(|b| b).await;
    let (_, session) = by_password(&client, FakeVtex::PASSWORD).await.unwrap();
    assert_eq!((session.cookies.len(), session.refresh.is_some()), (2, true));
    assert_eq!(session.expires_in, Some(Duration::from_secs(24 * 3600)));
    let renewed = client.storefront().refresh(&session, None).await.unwrap();
    assert_ne!(renewed.refresh.unwrap().expose(), session.refresh.unwrap().expose());
    assert_eq!(["start_login", "validate_password"].map(|operation| fake.count(operation)), [1, 1]);
}

#[apply(leak_checked!)]
async fn a_wrong_password_is_refused_and_a_blocked_user_is_left_alone() {
    let (fake, client) = start(|b| b).await;
    let (_, error) = by_password(&client, "wrong-Password-1").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("WrongCredentials")), "{error}");
    fake.next("validate_password", Fault::Json(401, json!({ "authStatus": "BlockedUser" })));
    let (_, error) = by_password(&client, FakeVtex::PASSWORD).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(1800))), "{error}");
}

/// The block was also seen in words, in the language of the store.
#[apply(leak_checked!)]
async fn a_block_told_in_plain_words_is_a_block() {
    let path = "/api/vtexid/pub/authentication/classic/validate";
    let server = wiremock::MockServer::start().await;
    for (kind, expected) in [("text/plain", ErrorKind::Throttled), ("text/html", ErrorKind::Api)] {
        server.reset().await;
        let words = "Seu login está bloqueado temporariamente.";
        let answer = wiremock::ResponseTemplate::new(401).set_body_raw(words, kind);
        wiremock::Mock::given(wiremock::matchers::path(path)).respond_with(answer).mount(&server).await;
        let client = Client::builder(server.uri()).account("a").storefront("a@b.c").build().unwrap();
        let outcome = client.storefront().sign_in_with_password("a", &"t".into(), "a@b.c", &"p".into()).await;
        assert_eq!(outcome.unwrap_err().kind(), expected, "{kind}");
    }
}

#[apply(leak_checked!)]
async fn a_second_factor_is_asked_for_by_its_code_and_completes_the_sign_in() {
    let (fake, client) = start(|b| b.second_factor(FakeVtex::EMAIL, CODE)).await;
    let (thread, error) = by_password(&client, FakeVtex::PASSWORD).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::SecondFactorRequired, Some("RequiresMFA")), "{error}");
    assert!(error.to_string().contains("validate_second_factor(..)"), "{error}");
    let store = client.storefront();
    store.resend_second_factor(&thread).await.unwrap();
    store.register_phone(&thread, "+55 11 99999 9999").await.unwrap();
    assert!(store.register_authenticator_app(&thread).await.unwrap().expose().starts_with("https://"));
    let error = store.validate_second_factor(&thread, &"000000".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
    let session = store.validate_second_factor(&thread, &CODE.into()).await.unwrap();
    assert_eq!(session.cookies.len(), 2);
    let error = store.validate_second_factor(&thread, &CODE.into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "a code is good once: {error}");
    assert_eq!(fake.count("validate_mfa"), 3);
}

/// Clients of the live service take the session from the cookies of the second factor's answer.
#[apply(leak_checked!)]
async fn a_session_may_stand_in_the_cookies_alone() {
    let server = wiremock::MockServer::start().await;
    let body = json!({ "authStatus": "Success" });
    let answer = wiremock::ResponseTemplate::new(200).set_body_json(body);
    let answer = answer.append_header("set-cookie", "VtexIdclientAutCookie_a=v; path=/; httponly");
    let answer = answer.append_header("set-cookie", "_vss=; expires=Thu, 01 Jan 1970 00:00:00 GMT");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let client = Client::builder(server.uri()).account("a").storefront("a@b.c").build().unwrap();
    let session = client.storefront().validate_second_factor(&"t".into(), &"123456".into()).await.unwrap();
    let cookies: Vec<_> = session.cookies.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(cookies, [("VtexIdclientAutCookie_a", "v")]);
}

/// A client whose session begins with the password.
fn with_password(fake: &FakeVtex, password: &str) -> ClientBuilder {
    Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront_password(FakeVtex::EMAIL, password)
}

/// Types these codes, one after the other.
struct Phone(Mutex<Vec<&'static str>>, Arc<Mutex<Vec<u32>>>);

impl Responder for Phone {
    async fn second_factor(&self, factor: SecondFactor) -> Option<Secret> {
        self.1.lock().unwrap().push(factor.attempt());
        let mut codes = self.0.lock().unwrap();
        (!codes.is_empty()).then(|| codes.remove(0).into())
    }
}

fn phone(codes: &[&'static str]) -> (Phone, Arc<Mutex<Vec<u32>>>) {
    let asked = Arc::default();
    (Phone(Mutex::new(codes.to_vec()), Arc::clone(&asked)), asked)
}

/// Sign-ins opened, passwords, codes.
fn steps(fake: &FakeVtex) -> [usize; 3] {
    ["start_login", "validate_password", "validate_mfa"].map(|operation| fake.count(operation))
}

#[apply(leak_checked!)]
async fn a_session_begins_with_a_password_renews_by_cookies_and_comes_back() {
    let (clock, store) = (ManualClock::new(), MemoryStore::new());
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let client = || {
        let builder = with_password(&fake, FakeVtex::PASSWORD).clock(clock.clone()).store(store.clone());
        builder.build().unwrap()
    };
    let first = client();
    assert_eq!(first.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    assert_eq!(client().http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(first.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    assert_eq!((steps(&fake), fake.count("refresh_storefront_token")), ([1, 1, 0], 1));
    let error = Client::builder(fake.uri()).storefront_password("a", "b").build().unwrap_err();
    assert!(error.to_string().contains(".storefront_password(..) signs in to an account"), "{error}");
}

#[apply(leak_checked!)]
async fn a_wrong_password_of_a_session_is_presented_once() {
    let fake = FakeVtex::start().await;
    let client = with_password(&fake, "wrong-Password-1").build().unwrap();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
    }
    assert_eq!(fake.count("validate_password"), 1);
}

#[apply(leak_checked!)]
async fn a_session_finds_the_routes_that_the_account_has_and_remembers_them() {
    let fake = FakeVtex::builder().refuses_legacy_routes(true).password("jane_21", "Forty-Blue-Cups-9").start().await;
    let builder = Client::builder(fake.uri()).account(FakeVtex::ACCOUNT);
    let client = builder.storefront_password("jane_21", "Forty-Blue-Cups-9").build().unwrap();
    for _ in 0..2 {
        client.session().sign_in().await.unwrap();
        client.session().sign_out().await.unwrap();
    }
    let newer = ["start_authenticator", "validate_authenticator_password"].map(|operation| fake.count(operation));
    assert_eq!((steps(&fake), newer), ([1, 1, 0], [2, 2]));
}

#[apply(leak_checked!)]
async fn a_second_factor_is_a_question_that_is_answered_in_the_same_sign_in() {
    let fake = FakeVtex::builder().second_factor(FakeVtex::EMAIL, CODE).start().await;
    let client = with_password(&fake, FakeVtex::PASSWORD).build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    assert_eq!((question.kind(), question.code()), (ErrorKind::SecondFactorRequired, Some("RequiresMFA")));
    let asked = question.second_factor().unwrap();
    assert_eq!(asked.attempt(), 1);
    // Until it is answered nobody is asked again, and the person may have the code sent once more.
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SecondFactorRequired);
    client.storefront().resend_second_factor(asked.thread()).await.unwrap();
    let resume = question.resume().unwrap();
    assert_eq!(resume.answer(Answer::Captcha("x".into())).await.unwrap_err().kind(), ErrorKind::Config);

    let again = resume.answer(Answer::SecondFactor("000000".into())).await.unwrap_err();
    assert_eq!((again.kind(), again.second_factor().unwrap().attempt()), (ErrorKind::SecondFactorRequired, 2));
    assert!(again.to_string().contains("was wrong"), "{again}");
    again.resume().unwrap().answer(Answer::SecondFactor(CODE.into())).await.unwrap();
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    assert_eq!(steps(&fake), [1, 1, 2]);
}

#[apply(leak_checked!)]
async fn a_seed_answers_the_second_factor_with_nobody_there() {
    let clock = ManualClock::new();
    let app = || TotpSource::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap().clock(clock.clone());
    let shown = app().code().await;
    let fake = FakeVtex::builder().clock(clock.clone()).second_factor(FakeVtex::EMAIL, shown.expose()).start().await;
    let client = with_password(&fake, FakeVtex::PASSWORD).clock(clock.clone()).responder(app()).build().unwrap();
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    assert_eq!(steps(&fake), [1, 1, 1]);
}

#[apply(leak_checked!)]
async fn a_responder_is_asked_for_the_second_factor_at_most_three_times() {
    let fake = FakeVtex::builder().second_factor(FakeVtex::EMAIL, CODE).start().await;
    let (person, asked) = phone(&["1", "2", CODE]);
    let client = with_password(&fake, FakeVtex::PASSWORD).responder(person).build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((asked.lock().unwrap().clone(), steps(&fake)), (vec![1, 2, 3], [1, 1, 3]));

    let (person, asked) = phone(&["1", "2", "3", "4"]);
    let client = with_password(&fake, FakeVtex::PASSWORD).responder(person).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecondFactorRequired, "{error}");
    assert_eq!(asked.lock().unwrap().clone(), [1, 2, 3]);
    let (person, _) = phone(&[]);
    let client = with_password(&fake, FakeVtex::PASSWORD).responder(person).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Declined);
}

#[apply(leak_checked!)]
async fn a_code_that_comes_too_late_begins_the_sign_in_anew() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).second_factor(FakeVtex::EMAIL, CODE).start().await;
    let client = with_password(&fake, FakeVtex::PASSWORD).clock(clock.clone()).build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    clock.advance(Duration::from_secs(25 * 3600));
    let anew = question.resume().unwrap().answer(Answer::SecondFactor(CODE.into())).await.unwrap_err();
    assert_eq!(anew.kind(), ErrorKind::SecondFactorRequired, "{anew}");
    assert!(anew.to_string().contains("too late"), "{anew}");
    anew.resume().unwrap().answer(Answer::SecondFactor(CODE.into())).await.unwrap();
    assert_eq!(steps(&fake), [2, 2, 2]);
}

/// Nobody has shown whether a mailed key can lead to it; the vendor's form has the member.
#[apply(leak_checked!)]
async fn a_second_factor_after_a_mailed_key_is_the_same_question() {
    for form in [
        json!({ "authStatus": "RequiresMFA", "promptMFA": true }),
        json!({ "authStatus": "Success", "promptMFA": true }),
    ] {
        let (fake, client) = start(|b| b).await;
        fake.next("validate_access_key", Fault::Json(200, form));
        let question = client.session().lease().await.unwrap_err();
        let thread = question.access_key().unwrap().thread().expose().to_owned();
        let key = Answer::AccessKey(fake.access_key().into());
        let factor = question.resume().unwrap().answer(key).await.unwrap_err();
        assert_eq!(factor.kind(), ErrorKind::SecondFactorRequired, "{factor}");
        assert_eq!(factor.second_factor().unwrap().thread().expose(), thread, "the same sign-in");
    }
}

#[apply(leak_checked!)]
async fn an_account_without_the_older_routes_signs_in_at_the_authenticator() {
    let (fake, client) = start(|b| b.refuses_legacy_routes(true).password("jane_21", "Forty-Blue-Cups-9")).await;
    let (_, error) = by_password(&client, FakeVtex::PASSWORD).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Api && error.to_string().contains("authenticator(account)"), "{error}");
    let routes = client.storefront().authenticator(FakeVtex::ACCOUNT);
    for (user, password) in [(FakeVtex::EMAIL, FakeVtex::PASSWORD), ("jane_21", "Forty-Blue-Cups-9")] {
        let thread = routes.start(user).await.unwrap();
        let session = routes.sign_in_with_password(&thread, user, &password.into()).await.unwrap();
        assert_eq!(session.cookies.len(), 2);
    }
    // What the older routes began is not known there.
    let thread = client.storefront().start_login(FakeVtex::ACCOUNT, FakeVtex::EMAIL).await.unwrap();
    let error = routes.sign_in_with_password(&thread, FakeVtex::EMAIL, &FakeVtex::PASSWORD.into()).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidToken"), "{error}");
    let saw = fake.saw();
    let asked: Vec<_> = saw.iter().filter(|seen| seen.operation.contains("authenticator")).collect();
    assert!(!asked.is_empty(), "the account goes along in every one");
}

#[apply(leak_checked!)]
async fn a_password_is_set_by_a_mailed_key_and_a_weak_one_is_a_validation() {
    let (fake, client) = start(|b| b).await;
    let routes = client.storefront().authenticator(FakeVtex::ACCOUNT);
    let thread = routes.start(FakeVtex::EMAIL).await.unwrap();
    routes.send_access_key(&thread, FakeVtex::EMAIL).await.unwrap();
    let key = Secret::from(fake.access_key());
    let error = routes.set_password(&thread, FakeVtex::EMAIL, &key, &"too-weak".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Validation, Some("WeakPassword")), "{error}");
    assert!(error.validation().unwrap().contains_key("newPassword"), "{error}");
    routes.set_password(&thread, FakeVtex::EMAIL, &key, &LATER.into()).await.unwrap();
    by_password(&client, LATER).await.unwrap();
    let (_, error) = by_password(&client, FakeVtex::PASSWORD).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "the old one: {error}");

    let store = client.storefront();
    let thread = client.api().start_authentication().scope(FakeVtex::ACCOUNT).send().await.unwrap();
    let thread = thread.authentication_token.clone().unwrap();
    store.send_access_key(&thread, FakeVtex::EMAIL).await.unwrap();
    let key = Secret::from(fake.access_key());
    let error = store.set_password(&thread, FakeVtex::EMAIL, &key, &"short".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    store.set_password(&thread, FakeVtex::EMAIL, &key, &FakeVtex::PASSWORD.into()).await.unwrap();
    let used = routes.start(FakeVtex::EMAIL).await.unwrap();
    let error = routes.validate_access_key(&used, FakeVtex::EMAIL, &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
}

/// As the vendor's own front end does it. What it ends at the vendor nobody has shown, so the session does not claim it.
#[apply(leak_checked!)]
async fn signing_out_tells_the_vendor_and_claims_no_more() {
    let (fake, client) = start(|b| b).await;
    let (_, session) = by_password(&client, FakeVtex::PASSWORD).await.unwrap();
    client.storefront().sign_out(FakeVtex::ACCOUNT, &session).await.unwrap();
    assert_eq!(fake.count("logout"), 1);

    let question = client.session().lease().await.unwrap_err();
    question.resume().unwrap().answer(Answer::AccessKey(fake.access_key().into())).await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(fake.count("logout"), 2);
}

#[apply(leak_checked!)]
async fn a_redirection_after_signing_out_is_no_failure() {
    let server = bare(vec![("GET", "/api/vtexid/pub/logout", 302, "")]).await;
    let client = Client::builder(server.uri()).account("a").user_token("t").build().unwrap();
    let sign_in = bare(vec![(
        "POST",
        "/api/vtexid/pub/mfa/validate",
        200,
        r#"{"authStatus":"Success","authCookie":{"Name":"VtexIdclientAutCookie_a","Value":"v"}}"#,
    )])
    .await;
    let other = Client::builder(sign_in.uri()).account("a").user_token("t").build().unwrap();
    let session = other.storefront().validate_second_factor(&"t".into(), &"1".into()).await.unwrap();
    client.storefront().sign_out("a", &session).await.unwrap();
    let seen = server.received_requests().await.unwrap();
    assert_eq!(seen[0].url.query(), Some("scope=a&returnUrl="));
    assert_eq!(seen[0].headers["cookie"].to_str().unwrap(), "VtexIdclientAutCookie_a=v");
}

#[apply(leak_checked!)]
async fn users_of_the_authenticator_are_made_and_passwords_migrate() {
    let fake = FakeVtex::start().await;
    let client = Client::builder(fake.uri()).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let identifier = || {
        let identifier = keyway::vtex::types::StorefrontIdentifier::builder().type_("username").value("jane_21");
        identifier.try_into().expect("an identifier")
    };
    let made = client.api().create_storefront_user().body_map(|body| body.identifiers(vec![identifier()]));
    assert_eq!(made.send().await.unwrap().identifier.as_deref(), Some("jane_21"));
    let again = client.api().create_storefront_user().body_map(|body| body.identifiers(vec![identifier()]));
    assert_eq!(again.send().await.unwrap_err().status(), Some(409));
    let switch = || client.api().switch_password_migration().name("PasswordMigration").body_map(|b| b.enabled(false));
    assert_eq!(switch().send().await.unwrap_err().status(), Some(404));
    let set = client.api().set_password_migration().name("PasswordMigration").body_map(|body| {
        body.client_id("store").idp_endpoint("https://a.example/authentication").secret("c2VjcmV0LXNlY3JldA==")
    });
    set.send().await.unwrap();
    switch().send().await.unwrap();
    client.api().delete_password_migration().name("PasswordMigration").send().await.unwrap();
    assert_eq!(switch().send().await.unwrap_err().status(), Some(404));
}
