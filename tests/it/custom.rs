//! A sixth vendor, written outside the crate: Acme, on a plain HTTP server, through `keyway::custom` alone.

mod acme;

use crate::{laws::Written, scripted_store::ScriptedStore};
use acme::{Acme, LIFE, PASSWORD, Platform, ROTATES, Server, capabilities, issued};
use keyway::{
    Answer, Captcha, Error, ErrorKind, EvictionPolicy, MemoryStore, Responder, SecondFactor, Secret, SessionId,
    SessionLimit, SignOut,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Placement, Renewal},
};
use serde_json::json;
use std::time::Duration;

async fn things(client: &Client) -> Result<u16, Error> {
    Ok(client.http().get("/things").send().await?.status().as_u16())
}

#[apply(leak_checked!)]
async fn it_signs_in_once_for_everybody_renews_by_rotation_and_signs_out() {
    let server = Server::start(|_| {}).await;
    let client = server.client(capabilities().renewal(ROTATES));
    let calls = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { things(&client).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((server.count("/login"), server.count("/renew"), server.count("/things")), (1, 0, 50));
    assert_eq!(client.session().profile().unwrap().facts()["name"], "Ann");
    for round in 1..=10 {
        server.clock.advance(LIFE);
        assert_eq!((things(&client).await.unwrap(), server.count("/renew")), (200, round));
    }
    assert_eq!((server.count("/login"), server.platform.lock().unwrap().reuses), (1, 0));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(things(&client).await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(server.count("/logout"), 1);
}

#[apply(leak_checked!)]
async fn a_401_is_answered_with_another_token_and_the_same_call_once() {
    let server = Server::start(|_| {}).await;
    let client = server.client(capabilities());
    assert_eq!(things(&client).await.unwrap(), 200);
    server.change(|platform| platform.access.clear());
    assert_eq!(things(&client).await.unwrap(), 200);
    assert_eq!((server.count("/login"), server.count("/things")), (2, 3));
    // Not renewed: used to its end, and then made anew.
    server.clock.advance(LIFE - Duration::from_secs(1));
    assert_eq!((things(&client).await.unwrap(), server.count("/login")), (200, 2));
    server.clock.advance(Duration::from_secs(1));
    assert_eq!((things(&client).await.unwrap(), server.count("/login")), (200, 3));
    assert_eq!(client.session().renew().await.unwrap_err().kind(), ErrorKind::Config);
}

#[apply(leak_checked!)]
async fn a_budget_is_kept_to_the_attempt_and_shared_through_a_store() {
    let server = Server::start(|platform| platform.faults.extend([503; 10])).await;
    let store = Written::default();
    let client = || {
        let issuer = server.issuer(capabilities().budget(3, Duration::from_secs(60)));
        server.builder(issuer).principal("till-7").store(store.clone()).build().unwrap()
    };
    let (one, two) = (client(), client());
    for _ in 0..4 {
        for client in [&one, &two] {
            client.session().sign_in().await.unwrap_err();
        }
    }
    let error = two.session().sign_in().await.unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Throttled, true));
    assert_eq!((error.retry_after(), server.count("/login")), (Some(Duration::from_secs(60)), 3));
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(two.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage);
    assert_eq!(server.count("/login"), 4);
}

/// Reads a captcha's picture, from the second one on.
struct Reader(u32);

impl Responder for Reader {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        let text = String::from_utf8(captcha.image().to_vec()).unwrap();
        Some(Secret::from(if captcha.attempt() >= self.0 { text } else { "wrong".into() }))
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        limit.sessions.last().map(|session| session.id.clone())
    }
}

#[apply(leak_checked!)]
async fn a_captcha_is_a_question_and_a_wrong_answer_brings_another_one() {
    let server = Server::start(|platform| platform.captcha = true).await;
    let client = server.builder(server.issuer(capabilities())).responder(Reader(2)).build().unwrap();
    assert_eq!(things(&client).await.unwrap(), 200);
    assert_eq!((server.count("/login"), server.count("/captcha")), (3, 2));

    let server = Server::start(|platform| platform.captcha = true).await;
    let client = server.client(capabilities());
    let error = things(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CaptchaRequired);
    let text = String::from_utf8(error.captcha().unwrap().image().to_vec()).unwrap();
    error.resume().unwrap().answer(Answer::Captcha(text.into())).await.unwrap();
    assert_eq!((things(&client).await.unwrap(), server.count("/login"), server.count("/captcha")), (200, 2, 1));
}

#[apply(leak_checked!)]
async fn a_session_limit_follows_the_policy_or_the_person_or_is_an_error() {
    let full = |platform: &mut Platform| {
        platform.limit = Some(2);
        platform.access = vec!["theirs-1".into(), "theirs-2".into()];
    };
    let left = |server: &Server| server.platform.lock().unwrap().access.clone();
    for (policy, ended) in [
        (EvictionPolicy::Oldest, "theirs-1"),
        (EvictionPolicy::OldestOffline, "theirs-1"),
        (EvictionPolicy::choose(|limit| Some(limit.sessions[1].id.clone())), "theirs-2"),
    ] {
        let server = Server::start(full).await;
        let client = server.builder(server.issuer(capabilities())).session_limit(policy).build().unwrap();
        assert_eq!((things(&client).await.unwrap(), server.count("/login")), (200, 2));
        assert!(!left(&server).iter().any(|token| token == ended));
    }
    let server = Server::start(full).await;
    let asked = server.builder(server.issuer(capabilities())).responder(Reader(1)).build().unwrap();
    assert_eq!((things(&asked).await.unwrap(), left(&server)), (200, vec!["theirs-1".into(), "access-1".to_owned()]));

    let server = Server::start(full).await;
    let client = server.client(capabilities());
    let error = things(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.session_limit().unwrap().sessions.len()), (ErrorKind::SessionLimitReached, 2));
    assert_eq!((left(&server).len(), server.count("/login")), (2, 1));
    error.resume().unwrap().answer(Answer::Session("theirs-1".into())).await.unwrap();
    assert_eq!((things(&client).await.unwrap(), server.count("/login")), (200, 2));
}

#[apply(leak_checked!)]
async fn a_device_code_is_polled_at_the_vendors_pace_through_every_answer() {
    let server = Server::start(|platform| platform.polls.extend([202, 429, 503, 200])).await;
    let issuer = Acme { device: true, seeded: false, ..server.issuer(capabilities().attended()) };
    let client = server.builder(issuer).build().unwrap();
    let error = things(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.device_code().unwrap().user_code()), (ErrorKind::DeviceCodeRequired, "WDJB"));
    assert_eq!(server.count("/poll"), 0);
    let began = keyway::Clock::monotonic(&server.clock);
    let resume = error.resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await });
    // Pending keeps the interval, "slower" adds five seconds for good, a failure doubles it.
    for interval in [5, 5, 10, 20] {
        // The one who waits, and the next poll.
        server.clock.until_sleeping(2).await;
        server.clock.advance(Duration::from_secs(interval));
    }
    waiting.await.unwrap().unwrap();
    let polled: Vec<_> = server.platform.lock().unwrap().polled.iter().map(|at| (*at - began).as_secs()).collect();
    assert_eq!(polled, [5, 10, 20, 40]);
    assert_eq!((things(&client).await.unwrap(), server.count("/device"), server.count("/login")), (200, 1, 0));
}

#[apply(leak_checked!)]
async fn a_person_who_says_no_on_the_device_ends_the_sign_in() {
    let server = Server::start(|platform| platform.polls.push_back(403)).await;
    let issuer = Acme { device: true, seeded: false, ..server.issuer(capabilities().attended()) };
    let client = server.builder(issuer).build().unwrap();
    let resume = things(&client).await.unwrap_err().resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await });
    server.clock.until_sleeping(2).await;
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Declined);
    assert_eq!(server.count("/poll"), 1);
}

#[apply(leak_checked!)]
async fn what_the_issuer_says_is_what_callers_get() {
    for (status, kind, is_sent_again) in [
        (401, ErrorKind::InvalidCredentials, false),
        (429, ErrorKind::Throttled, true),
        (500, ErrorKind::Outage, true),
        (418, ErrorKind::Api, true),
    ] {
        let server = Server::start(|platform| platform.faults.push_back(status)).await;
        let client = server.client(capabilities());
        for _ in 0..5 {
            assert_eq!(things(&client).await.unwrap_err().kind(), kind, "{status}");
        }
        assert_eq!(server.count("/login"), 1, "{status}");
        server.clock.advance(Duration::from_secs(42));
        let again = things(&client).await;
        assert_eq!(
            (again.is_ok(), server.count("/login")),
            (is_sent_again, 1 + usize::from(is_sent_again)),
            "{status}"
        );
    }
}

#[apply(leak_checked!)]
async fn a_sign_out_the_vendor_does_not_take_is_local() {
    let server = Server::start(|_| {}).await;
    let client = server.client(capabilities());
    things(&client).await.unwrap();
    server.change(|platform| platform.faults.push_back(500));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(things(&client).await.unwrap_err().kind(), ErrorKind::SignedOut);
}

#[apply(leak_checked!)]
async fn sessions_with_a_name_share_a_store_and_those_without_are_refused_it() {
    let server = Server::start(|_| {}).await;
    let store = Written::default();
    let named = |name: &str| {
        server.builder(server.issuer(capabilities())).principal(name).store(store.clone()).build().unwrap()
    };
    for client in [named("till-7"), named("till-7"), named("till-8"), named("till-8")] {
        assert_eq!(things(&client).await.unwrap(), 200);
    }
    assert_eq!(server.count("/login"), 2);
    let error = server.builder(server.issuer(capabilities())).store(store.clone()).build().unwrap_err();
    assert!(
        error.kind() == ErrorKind::Config && error.to_string().contains("name whose it is with .principal(..)"),
        "{error}"
    );
    for _ in 0..2 {
        assert_eq!(things(&server.client(capabilities())).await.unwrap(), 200);
    }
    assert_eq!(server.count("/login"), 4);
}

/// Signs in with a password and does not say so.
struct Silent(Acme);

impl Issuer for Silent {
    fn describe(&self) -> Capabilities {
        self.0.describe()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        let body = json!({ "password": self.0.password.expose(), "captcha": null, "end": null });
        match self.0.post("/login", body).await? {
            (200, body) => Ok(issued(&body)),
            _ => Err(Error::invalid_credentials("Acme refused the password")),
        }
    }
}

#[apply(leak_checked!)]
async fn a_refusal_is_remembered_also_if_the_issuer_does_not_say_what_it_presents() {
    let server = Server::start(|_| {}).await;
    let acme = Acme { password: "guessed".into(), ..server.issuer(capabilities()) };
    let client = Client::builder(server.server.uri()).issuer(Silent(acme)).clock(server.clock.clone()).build().unwrap();
    for _ in 0..5 {
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
        server.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(server.count("/login"), 1);
    // Whoever asks for it has changed something.
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(server.count("/login"), 2);
}

#[apply(leak_checked!)]
async fn another_seed_begins_another_session_and_the_same_one_goes_on() {
    let server = Server::start(|_| {}).await;
    let store = MemoryStore::new();
    let client = |password: &str| {
        let issuer = Acme { password: password.into(), ..server.issuer(capabilities()) };
        server.builder(issuer).principal("till-7").store(store.clone()).build().unwrap()
    };
    assert_eq!(things(&client(PASSWORD)).await.unwrap(), 200);
    assert_eq!(things(&client(PASSWORD)).await.unwrap(), 200);
    assert_eq!(server.count("/login"), 1);
    // Whoever was given another password is not served with what the first one opened.
    assert_eq!(things(&client("guessed")).await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(server.count("/login"), 2);
    assert_eq!((things(&client(PASSWORD)).await.unwrap(), server.count("/login")), (200, 2));
}

#[apply(leak_checked!)]
async fn a_credential_that_is_spent_by_its_sign_in_is_presented_once() {
    let server = Server::start(|_| {}).await;
    let client = server.client(capabilities().renewal(ROTATES).spent_by_sign_in());
    assert_eq!(things(&client).await.unwrap(), 200);
    server.change(|platform| platform.refresh.clear());
    server.clock.advance(LIFE);
    for _ in 0..3 {
        assert_eq!(things(&client).await.unwrap_err().kind(), ErrorKind::SignInRequired);
        server.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!((server.count("/login"), server.count("/renew")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_refresh_token_that_does_not_rotate_is_used_without_the_store() {
    let server = Server::start(|_| {}).await;
    let store = ScriptedStore::default();
    let issuer = server.issuer(capabilities().renewal(Renewal::RefreshToken { rotates: false }));
    let client = server.builder(issuer).store(store.clone()).principal("ann").build().unwrap();
    assert_eq!(things(&client).await.unwrap(), 200);
    store.fail_loads(10);
    server.clock.advance(LIFE);
    assert_eq!(things(&client).await.unwrap(), 200);
    assert_eq!((server.count("/login"), server.count("/renew")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_token_travels_in_the_header_that_was_named() {
    let server = Server::start(|_| {}).await;
    let client = server.client(capabilities().placement(Placement::Header("x-acme".parse().unwrap())));
    assert_eq!(things(&client).await.unwrap(), 200);
    let lease = client.session().lease().await.unwrap();
    assert!(lease.headers()["x-acme"].is_sensitive() && !lease.headers().contains_key("authorization"));
}

#[apply(leak_checked!)]
async fn a_client_without_an_issuer_or_with_an_empty_name_is_refused() {
    let server = Server::start(|_| {}).await;
    let error = Client::builder(server.server.uri()).build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".issuer(..)"), "{error}");
    let error = server.builder(server.issuer(capabilities())).principal("").build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".principal(..)"), "{error}");
    assert!(server.platform.lock().unwrap().seen.is_empty());
}

/// Signs nobody in without the code that was sent beside the password.
struct Careful(Acme);

impl Issuer for Careful {
    fn describe(&self) -> Capabilities {
        self.0.describe()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        match attempt.second_factor() {
            Some((asked, code)) if asked.thread().expose() == "a-thread-of-acme" && code.expose() == "417-263-058" => {
                self.0.sign_in(attempt).await
            }
            _ => Err(Error::second_factor_required(SecondFactor::new("a-thread-of-acme"))),
        }
    }
}

#[apply(leak_checked!)]
async fn a_second_factor_is_asked_for_until_its_code_is_right() {
    let server = Server::start(|_| {}).await;
    let issuer = Careful(server.issuer(capabilities().attended()));
    let client = Client::builder(server.server.uri()).issuer(issuer).clock(server.clock.clone()).build().unwrap();
    let mut error = client.session().lease().await.unwrap_err();
    for (attempt, wrong) in [(1, "000-000-000"), (2, "111-111-111")] {
        assert_eq!(error.kind(), ErrorKind::SecondFactorRequired, "{error}");
        assert_eq!(error.second_factor().unwrap().attempt(), attempt);
        error = error.resume().unwrap().answer(Answer::SecondFactor(wrong.into())).await.unwrap_err();
    }
    error.resume().unwrap().answer(Answer::SecondFactor("417-263-058".into())).await.unwrap();
    assert_eq!((things(&client).await.unwrap(), server.count("/login")), (200, 1));
}
