//! VTEX ID: a shopper's session, from the mailed key over renewals by cookies to a restart.

use crate::laws::Written;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyway::{
    AccessKey, Answer, Clock, Error, ErrorKind, Expiry, MemoryStore, Responder, Secret, SignOut,
    testing::{FakeVtex, FakeVtexBuilder, Fault, ManualClock},
    vtex::{Client, ClientBuilder},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a question stands.
const OPEN: Duration = Duration::from_secs(5 * 60);

async fn start(options: impl FnOnce(FakeVtexBuilder) -> FakeVtexBuilder) -> (Arc<FakeVtex>, ManualClock) {
    let clock = ManualClock::new();
    (Arc::new(options(FakeVtex::builder().clock(clock.clone())).start().await), clock)
}

fn builder(fake: &FakeVtex, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL).clock(clock.clone())
}

type Reads = dyn Fn(&AccessKey) -> Option<Secret> + Send + Sync;

/// Somebody with a mailbox.
struct Person {
    reads: Box<Reads>,
    asked: Arc<Mutex<Vec<u32>>>,
}

impl Responder for Person {
    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        self.asked.lock().unwrap().push(key.attempt());
        (self.reads)(&key)
    }
}

fn person(reads: impl Fn(&AccessKey) -> Option<Secret> + Send + Sync + 'static) -> Person {
    Person { reads: Box::new(reads), asked: Arc::default() }
}

/// Reads the newest mail to the address that was named.
fn reader(fake: &Arc<FakeVtex>) -> Person {
    let fake = fake.clone();
    person(move |key| fake.access_key_for(key.sent_to()).map(Secret::from))
}

/// The steps of sign-ins that the vendor was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    begun: usize,
    mails: usize,
    /// Keys that were handed in.
    keys: usize,
    renewals: usize,
}

const NO_STEPS: Steps = Steps { begun: 0, mails: 0, keys: 0, renewals: 0 };

fn counts(fake: &FakeVtex) -> Steps {
    Steps {
        begun: fake.count("start_authentication"),
        mails: fake.count("send_access_key"),
        keys: fake.count("validate_access_key"),
        renewals: fake.count("refresh_storefront_token"),
    }
}

fn newest_key(fake: &FakeVtex) -> Answer {
    Answer::AccessKey(Secret::from(fake.access_key()))
}

async fn orders(client: &Client) -> Result<u16, Error> {
    Ok(client.http().get("/api/oms/pvt/orders").send().await?.status().as_u16())
}

fn end_of(expiry: Expiry) -> SystemTime {
    let Expiry::At(end) = expiry else { panic!("{expiry:?}") };
    end
}

#[apply(leak_checked!)]
async fn a_shopper_signs_in_with_the_key_from_the_mail_and_calls_carry_the_header() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { orders(&client).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((counts(&fake), fake.count("other")), (Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS }, 20));
    let lease = client.session().lease().await.unwrap();
    assert!(lease.headers().contains_key("VtexIdclientAutCookie") && !lease.headers().contains_key("authorization"));
    assert_eq!(end_of(lease.expiry()).duration_since(clock.wall()).unwrap(), DAY);
    // The user token serves where the document asks for one.
    client.api().get_user_id_by_email().usuario(FakeVtex::EMAIL).send().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(orders(&client).await.unwrap_err().kind(), ErrorKind::SignedOut);
}

/// The vendor's document says `accessKey`; a server that ignores capitals would read both as one member with two values.
#[apply(leak_checked!)]
async fn the_access_key_goes_out_as_the_vendors_front_end_spells_it() {
    let started = r#"{"authenticationToken":"t"}"#;
    let opened = r#"{"authStatus":"Success","authCookie":{"Name":"VtexIdclientAutCookie_a","Value":"v"}}"#;
    let server = crate::wire::bare(vec![
        ("GET", "/api/vtexid/pub/authentication/start", 200, started),
        ("POST", "/api/vtexid/pub/authentication/accesskey/send", 200, ""),
        ("POST", "/api/vtexid/pub/authentication/accesskey/validate", 200, opened),
    ])
    .await;
    let client = Client::builder(server.uri()).account("a").storefront("jane@mail.com");
    let client = client.responder(person(|_| Some("123456".into()))).build().unwrap();
    client.session().sign_in().await.unwrap();
    let seen = server.received_requests().await.unwrap();
    let form = String::from_utf8(seen.last().unwrap().body.clone()).unwrap();
    assert!(form.contains("name=\"accesskey\"\r\n\r\n123456\r\n"), "{form}");
    assert_eq!(form.to_lowercase().matches("accesskey").count(), 1, "{form}");
}

/// "If the response is empty with 200 OK", says the vendor.
#[apply(leak_checked!)]
async fn a_200_that_is_not_empty_has_sent_no_mail() {
    let send = "/api/vtexid/pub/authentication/accesskey/send";
    for (body, is_sent) in
        [("", true), ("{}", true), (r#"{"authStatus":"InvalidToken"}"#, false), (r#"{"authStatus":"Success"}"#, false)]
    {
        let started = r#"{"authenticationToken":"t"}"#;
        let routes = vec![("GET", "/api/vtexid/pub/authentication/start", 200, started), ("POST", send, 200, body)];
        let server = crate::wire::bare(routes).await;
        let client = Client::builder(server.uri()).account("a").storefront("jane@mail.com");
        let client = client.build().unwrap();
        let error = client.session().sign_in().await.unwrap_err();
        assert_eq!(error.kind() == ErrorKind::AccessKeyRequired, is_sent, "{body}: {error}");
        let sent = client.storefront().send_access_key(&"t".into(), "jane@mail.com").await;
        assert_eq!(sent.is_ok(), is_sent, "{body}");
        if !is_sent {
            assert_eq!(sent.unwrap_err().kind(), ErrorKind::Api, "{body}");
        }
    }
}

#[apply(leak_checked!)]
async fn renewals_rotate_and_no_refresh_token_is_spent_twice() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    let first = client.session().lease().await.unwrap();
    for round in 1..=20 {
        // By turns behind a caller's back, after the end, and because somebody asked.
        match round % 3 {
            0 => clock.advance(DAY - Duration::from_secs(200)),
            1 => clock.advance(DAY * 2),
            _ => drop(client.session().renew().await.unwrap()),
        }
        assert_eq!(orders(&client).await.unwrap(), 200);
        client.session().close().await.unwrap();
        let lease = client.session().lease().await.unwrap();
        assert_eq!(lease.generation().counter(), first.generation().counter() + round);
    }
    assert_eq!((counts(&fake), fake.reuses()), (Steps { begun: 1, mails: 1, keys: 1, renewals: 20 }, 0));
}

#[apply(leak_checked!)]
async fn a_401_is_answered_with_a_renewal_and_the_same_call() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    assert_eq!(orders(&client).await.unwrap(), 200);
    fake.revoke_tokens();
    assert_eq!(orders(&client).await.unwrap(), 200);
    assert_eq!(
        (counts(&fake), fake.count("other"), fake.reuses()),
        (Steps { begun: 1, mails: 1, keys: 1, renewals: 1 }, 3, 0)
    );
}

#[apply(leak_checked!)]
async fn after_a_restart_a_stored_session_is_served_and_renewed_without_a_person() {
    let (fake, clock) = start(|b| b).await;
    let store = Written::default();
    let client = builder(&fake, &clock).store(store.clone()).responder(reader(&fake)).build().unwrap();
    let first = client.session().lease().await.unwrap().generation();
    drop(client);
    for round in 0..4 {
        let restarted = builder(&fake, &clock).store(store.clone()).build().unwrap();
        let lease = restarted.session().lease().await.unwrap();
        assert_eq!(lease.generation().counter(), first.counter() + round);
        assert_eq!(orders(&restarted).await.unwrap(), 200);
        clock.advance(DAY + HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), (Steps { begun: 1, mails: 1, keys: 1, renewals: 3 }, 0));
}

#[apply(leak_checked!)]
async fn a_refused_renewal_asks_a_person_again_and_presents_the_dead_token_to_nobody() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let client = builder(&fake, &clock).store(store.clone()).build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    question.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(DAY + HOUR);
    for _ in 0..10 {
        let error = orders(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.access_key().unwrap().attempt()), (ErrorKind::AccessKeyRequired, 1));
    }
    assert_eq!(counts(&fake), Steps { begun: 2, mails: 2, keys: 1, renewals: 1 });
    let question = orders(&client).await.unwrap_err();
    question.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    assert_eq!(orders(&client).await.unwrap(), 200);
    clock.advance(DAY + HOUR);
    assert_eq!(orders(&client).await.unwrap(), 200);
    assert_eq!((counts(&fake), fake.reuses()), (Steps { begun: 2, mails: 2, keys: 2, renewals: 2 }, 0));
}

#[apply(leak_checked!)]
async fn two_accounts_and_two_shoppers_side_by_side_in_one_store_never_mix() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let client = |account: &str, email: &str| {
        let builder = Client::builder(fake.uri()).account(account).storefront(email).clock(clock.clone());
        builder.store(store.clone()).responder(reader(&fake)).build().unwrap()
    };
    let mut tokens = std::collections::HashSet::new();
    for round in 0..3 {
        for (account, email) in [("one", "a@b.example"), ("two", "a@b.example"), ("one", "c@d.example")] {
            let lease = client(account, email).session().lease().await.unwrap();
            tokens.insert(lease.token().unwrap().expose().to_owned());
            let user = client(account, email).http().get("/api/sessions").send().await.unwrap();
            assert_eq!(user.json::<serde_json::Value>().await.unwrap()["user"], email, "{account}, round {round}");
        }
        clock.advance(DAY + HOUR);
    }
    assert_eq!(
        (tokens.len(), counts(&fake), fake.reuses()),
        (9, Steps { begun: 3, mails: 3, keys: 3, renewals: 6 }, 0)
    );
}

#[apply(leak_checked!)]
async fn a_wrong_key_is_asked_for_again_at_most_three_times_and_no_other_mail_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let wrong = person(|_| Some(Secret::from("000000")));
    let asked = wrong.asked.clone();
    let client = builder(&fake, &clock).responder(wrong).build().unwrap();
    let error = orders(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::AccessKeyRequired, Some("validate_access_key")),
        "{error}"
    );
    assert_eq!(
        (asked.lock().unwrap().clone(), counts(&fake)),
        (vec![1, 2, 3], Steps { begun: 1, mails: 1, keys: 3, ..NO_STEPS })
    );
    error.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 1, mails: 1, keys: 4, ..NO_STEPS })
    );

    let (fake, clock) = start(|b| b).await;
    let mails = fake.clone();
    let once_wrong =
        person(move |key| Some(Secret::from(if key.attempt() == 1 { "000000".into() } else { mails.access_key() })));
    let asked = once_wrong.asked.clone();
    let client = builder(&fake, &clock).responder(once_wrong).build().unwrap();
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 1, mails: 1, keys: 2, ..NO_STEPS })
    );
    assert_eq!(*asked.lock().unwrap(), [1, 2]);
}

#[apply(leak_checked!)]
async fn after_the_last_try_another_key_is_mailed() {
    let (fake, clock) = start(|b| b).await;
    let refused = json!({ "authStatus": "WrongCredentials", "lastAttemptAvailable": 0, "expiresIn": 0 });
    fake.next("validate_access_key", Fault::Json(400, refused));
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 2, mails: 2, keys: 2, ..NO_STEPS })
    );
}

#[apply(leak_checked!)]
async fn a_blocked_shopper_is_left_alone_for_half_an_hour() {
    let (fake, clock) = start(|b| b).await;
    fake.next("validate_access_key", Fault::Json(401, json!({ "authStatus": "BlockedUser" })));
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    for _ in 0..3 {
        let error = client.session().sign_in().await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(HOUR / 2)), "{error}");
    }
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS });
    clock.advance(HOUR / 2);
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 2, mails: 2, keys: 2, ..NO_STEPS })
    );
}

/// Programs that start one after the other, such as a crash loop, know of the block from what they share.
#[apply(leak_checked!)]
async fn a_block_is_waited_for_by_the_programs_that_start_meanwhile_too() {
    let (fake, clock) = start(|b| b).await;
    fake.next("validate_access_key", Fault::Json(401, json!({ "authStatus": "BlockedUser" })));
    let store = MemoryStore::new();
    let program = || builder(&fake, &clock).responder(reader(&fake)).store(store.clone()).build().unwrap();
    for _ in 0..5 {
        assert_eq!(program().session().lease().await.unwrap_err().kind(), ErrorKind::Throttled);
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS });
    clock.advance(HOUR / 2);
    assert_eq!(
        (orders(&program()).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 2, mails: 2, keys: 2, ..NO_STEPS })
    );
}

/// The key is good for one try, and it would be spent for nobody.
#[apply(leak_checked!)]
async fn a_key_that_comes_when_nobody_waits_is_not_handed_in() {
    struct Slow(crate::scripted_store::Hold, Arc<FakeVtex>);
    impl Responder for Slow {
        async fn access_key(&self, _: AccessKey) -> Option<Secret> {
            self.0.pass().await;
            Some(Secret::from(self.1.access_key()))
        }
    }
    let (fake, clock) = start(|b| b).await;
    let answer = crate::scripted_store::Hold::new();
    let client = builder(&fake, &clock).responder(Slow(answer.clone(), fake.clone())).build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(drop) });
    answer.arrived().await;
    waiting.abort();
    let _ = waiting.await;
    answer.release();
    client.session().close().await.unwrap();
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, ..NO_STEPS });
    // Whoever comes next can still answer it.
    let error = client.session().lease().await.unwrap_err();
    error.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS });
}

#[apply(leak_checked!)]
async fn a_shopper_who_declines_can_still_hand_the_key_in() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).responder(person(|_| None)).build().unwrap();
    let error = orders(&client).await.unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Declined, Steps { begun: 1, mails: 1, ..NO_STEPS }));
    let wrong_kind = error.resume().unwrap().answer(Answer::DeviceCode).await.unwrap_err();
    assert_eq!(wrong_kind.kind(), ErrorKind::Config);
    error.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS })
    );
}

#[apply(leak_checked!)]
async fn without_a_responder_another_task_hands_in_the_key_and_a_second_answer_joins() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).build().unwrap();
    let error = orders(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::AccessKeyRequired, Some("send_access_key")));
    let question = error.access_key().unwrap();
    assert_eq!((question.sent_to(), question.attempt()), (FakeVtex::EMAIL, 1));
    let shown = format!("{error} {error:?} {question:?} {:?}", error.resume());
    assert!(fake.secrets().iter().all(|secret| !shown.contains(secret.as_str())), "{shown}");

    let answers = [newest_key(&fake), Answer::AccessKey(Secret::from("000000"))].map(|answer| {
        let resume = error.resume().unwrap();
        tokio::spawn(async move { resume.answer(answer).await.unwrap().generation() })
    });
    let [first, second] = answers;
    assert_eq!(first.await.unwrap(), second.await.unwrap());
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS })
    );
    // And long after: the session is there, nothing is sent.
    error.resume().unwrap().answer(Answer::AccessKey(Secret::from("000000"))).await.unwrap();
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS });
}

#[apply(leak_checked!)]
async fn a_key_that_comes_too_late_is_told_and_replaced_by_another_mail() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).build().unwrap();
    let first = orders(&client).await.unwrap_err();
    let late = newest_key(&fake);
    clock.advance(DAY + HOUR);
    let error = first.resume().unwrap().answer(late).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AccessKeyRequired && error.to_string().contains("too late"), "{error}");
    assert_eq!(counts(&fake), Steps { begun: 2, mails: 2, keys: 1, ..NO_STEPS });
    assert_eq!(
        (orders(&client).await.unwrap_err().kind(), counts(&fake)),
        (ErrorKind::AccessKeyRequired, Steps { begun: 2, mails: 2, keys: 1, ..NO_STEPS })
    );
    error.resume().unwrap().answer(newest_key(&fake)).await.unwrap();
    assert_eq!(
        (orders(&client).await.unwrap(), counts(&fake)),
        (200, Steps { begun: 2, mails: 2, keys: 2, ..NO_STEPS })
    );
}

#[apply(leak_checked!)]
async fn a_key_that_never_comes_is_one_mail_in_five_minutes_and_only_if_somebody_calls() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).build().unwrap();
    for mails in 1..=3 {
        for _ in 0..5 {
            assert_eq!(orders(&client).await.unwrap_err().kind(), ErrorKind::AccessKeyRequired);
            clock.advance(OPEN / 5);
        }
        assert_eq!(counts(&fake), Steps { begun: mails, mails, ..NO_STEPS });
    }
    clock.advance(DAY);
    assert_eq!(counts(&fake), Steps { begun: 3, mails: 3, ..NO_STEPS });
}

#[apply(leak_checked!)]
async fn an_address_the_vendor_refuses_is_tried_once_until_somebody_asks_for_it() {
    let (fake, clock) = start(|b| b).await;
    let builder = Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront("nobody").clock(clock.clone());
    let client = builder.responder(reader(&fake)).build().unwrap();
    for _ in 0..10 {
        let error = orders(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("InvalidEmail")), "{error}");
        clock.advance(HOUR);
    }
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, ..NO_STEPS });
    client.session().sign_in().await.unwrap_err();
    assert_eq!(counts(&fake), Steps { begun: 2, mails: 2, ..NO_STEPS });
}

#[apply(leak_checked!)]
async fn the_end_is_the_tokens_own_else_the_answers_else_the_cookies_else_a_day() {
    let (fake, clock) = start(|b| b.storefront_life(2 * HOUR)).await;
    let now = || clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": now() + 7200 }).to_string());
    let jwt = format!("e30.{claims}.sig");
    for (token, expires_in, hours) in
        [(jwt.as_str(), json!(86_399), 2), ("opaque", json!(10_800), 3), ("opaque", json!(null), 24)]
    {
        let cookie = json!({ "Name": "VtexIdclientAutCookie_apiexamples", "Value": token });
        let body = json!({ "authStatus": "Success", "authCookie": cookie, "expiresIn": expires_in });
        fake.next("validate_access_key", Fault::Json(200, body));
        let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
        let lease = client.session().lease().await.unwrap();
        assert_eq!(end_of(lease.expiry()), clock.wall() + hours * HOUR, "{expires_in}");
    }
    // The answer to a renewal names no end but that of its cookies.
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    client.session().lease().await.unwrap();
    let renewed = client.session().renew().await.unwrap();
    assert_eq!((end_of(renewed.expiry()), fake.reuses()), (clock.wall() + 2 * HOUR, 0));
}

#[apply(leak_checked!)]
async fn without_a_refresh_token_a_person_is_asked_when_the_session_has_ended() {
    let (fake, clock) = start(|b| b).await;
    let cookie = json!({ "Name": "VtexIdclientAutCookie_apiexamples", "Value": "opaque" });
    let body = json!({ "authStatus": "Success", "authCookie": cookie, "expiresIn": 86_400 });
    fake.next("validate_access_key", Fault::Json(200, body));
    let client = builder(&fake, &clock).responder(reader(&fake)).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(DAY - Duration::from_secs(1));
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    assert_eq!(counts(&fake), Steps { begun: 1, mails: 1, keys: 1, ..NO_STEPS });
    clock.advance(Duration::from_secs(1));
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), Steps { begun: 2, mails: 2, keys: 2, ..NO_STEPS });
}

#[apply(leak_checked!)]
fn a_storefront_needs_the_accounts_name() {
    let error = Client::builder("https://store.example").storefront("a@b.example").build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".account(..)"), "{error}");
    Client::for_account("mystore").storefront("a@b.example").build().expect("a client");
}
