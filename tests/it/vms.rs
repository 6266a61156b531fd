//! VMS: captchas, the limit of sessions, throttles.

// Both are in lists of the build script's, which `cargo fmt` does not read: it finds them here.
#[cfg(rustfmt)]
#[path = "laws/bundled/vms.rs"]
mod laws;
#[cfg(rustfmt)]
#[path = "wire/vms.rs"]
mod wire;

mod captchas;
mod evictions;
mod session_limits;

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
