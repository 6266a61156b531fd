//! OrderingStack: every way to a token but the password: device codes, users without an account, services, refresh tokens.

mod device;
mod modules;
mod seeds;

use keyway::{
    Answer, Clock, DeviceCode, Error, ErrorKind, FileStore, Generation, Key, MemoryStore, Record, Responder, Session,
    SignOut, Store, StoreError, StoreLock,
    orderingstack::{Client, ClientBuilder},
    testing::{FakeOrderingStack, FakeOrderingStackBuilder, Fault, ManualClock},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn start(
    options: impl FnOnce(FakeOrderingStackBuilder) -> FakeOrderingStackBuilder,
) -> (FakeOrderingStack, ManualClock) {
    let clock = ManualClock::new();
    let builder = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).token_life(HOUR);
    (options(builder).start().await, clock)
}

fn builder(fake: &FakeOrderingStack, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .clock(clock.clone())
}

/// A kiosk without anybody who shows its code.
fn kiosk(fake: &FakeOrderingStack, clock: &ManualClock) -> Client {
    builder(fake, clock).device(FakeOrderingStack::MODULE).build().unwrap()
}

/// What the token service was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// Device codes.
    codes: usize,
    tokens: usize,
}

fn counts(fake: &FakeOrderingStack) -> Asked {
    Asked { codes: fake.count("start_device"), tokens: fake.count("issue_token") }
}

/// Says that the code is shown, and waits for the session.
async fn shown(client: &Client) -> JoinHandle<Result<Generation, Error>> {
    let resume = client.session().lease().await.unwrap_err().resume().expect("a code that can be shown");
    tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(|lease| lease.generation()) })
}

/// Lets the device in before it is asked for the first time, and does not wait for the clock.
struct Butler {
    fake: Arc<FakeOrderingStack>,
    clock: ManualClock,
    asked: Arc<AtomicUsize>,
}

impl Responder for Butler {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(self.fake.approve_user_code(device.user_code()));
        // The poll sleeps already: it was begun before the code was shown.
        self.clock.advance(device.interval());
        Some(())
    }
}

async fn attended() -> (Arc<FakeOrderingStack>, ManualClock, Client, Arc<AtomicUsize>) {
    let (fake, clock) = start(|b| b).await;
    let (fake, asked) = (Arc::new(fake), Arc::default());
    let butler = Butler { fake: fake.clone(), clock: clock.clone(), asked: Arc::clone(&asked) };
    let client = builder(&fake, &clock).device(FakeOrderingStack::MODULE).responder(butler).build().unwrap();
    (fake, clock, client, asked)
}

#[apply(leak_checked!)]
async fn a_refused_client_is_presented_once_whatever_the_way_in() {
    let (fake, clock) = start(|b| b).await;
    let wrong =
        || Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).client("till", "wrong").clock(clock.clone());
    for (client, tokens) in [
        (wrong().device(FakeOrderingStack::MODULE), 0),
        (wrong().anonymous(), 1),
        (wrong().client_credentials(), 2),
        (wrong().refresh_token("seed"), 3),
    ] {
        let client = client.build().unwrap();
        for _ in 0..3 {
            let error = client.session().lease().await.unwrap_err();
            let found = (error.kind(), error.status(), error.code());
            assert_eq!(found, (ErrorKind::InvalidCredentials, Some(401), Some("invalid_client")));
            assert!(error.to_string().contains(".client(..)"), "{error}");
            clock.advance(HOUR);
        }
        assert_eq!(counts(&fake), Asked { codes: 1, tokens });
    }
}

#[apply(leak_checked!)]
async fn somebody_without_an_account_is_somebody_else_after_every_sign_in() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).anonymous().build().unwrap();
    let who = || client.session().profile().unwrap().facts()["UUID"].clone();
    client.api().get_self().send().await.unwrap();
    let first = who();
    // Without a refresh token the session is used to its end: nobody becomes somebody else before it must be.
    clock.advance(HOUR - SECOND);
    client.api().get_self().send().await.unwrap();
    client.session().close().await.unwrap();
    assert_eq!((counts(&fake), who()), (Asked { codes: 0, tokens: 1 }, first.clone()));
    clock.advance(SECOND);
    client.api().get_self().send().await.unwrap();
    assert_ne!(who(), first);
    assert_eq!((counts(&fake), fake.count("get_self")), (Asked { codes: 0, tokens: 2 }, 3));
    fake.revoke_access_tokens();
    client.api().get_self().send().await.unwrap();
    assert_eq!((counts(&fake), fake.count("get_self")), (Asked { codes: 0, tokens: 3 }, 5));
}

#[apply(leak_checked!)]
async fn a_refresh_token_that_comes_with_it_keeps_somebody_without_an_account_the_same() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).anonymous().build().unwrap();
    let answer = |n: u32| {
        let body = json!({ "access_token": format!("a{n}"), "refresh_token": format!("r{n}"), "expires_in": 3600, "UUID": "u" });
        Fault::Json(200, body)
    };
    (1..=3).for_each(|n| fake.next("issue_token", answer(n)));
    let first = client.session().lease().await.unwrap().generation();
    assert_eq!(first.counter(), 1);
    clock.advance(56 * MINUTE);
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
    clock.advance(2 * HOUR);
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 3);
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 3 });
}

#[apply(leak_checked!)]
async fn a_service_signs_in_again_whether_or_not_a_refresh_token_came_with_its_token() {
    for refresh in [json!(null), json!(""), json!("r1")] {
        let (fake, clock) = start(|b| b).await;
        let client = builder(&fake, &clock).client_credentials().build().unwrap();
        let body = json!({ "access_token": "a1", "refresh_token": refresh, "expires_in": 3600 });
        fake.next("issue_token", Fault::Json(200, body));
        client.session().lease().await.unwrap();
        clock.advance(2 * HOUR);
        // A refresh token that the fake does not know would be refused.
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap();
        assert_eq!(counts(&fake), Asked { codes: 0, tokens: 3 }, "{refresh}");
    }
}

#[apply(leak_checked!)]
async fn a_user_without_a_refresh_token_signs_in_again_by_password() {
    let (fake, clock) = start(|b| b.without_refresh_token(true)).await;
    let client = builder(&fake, &clock).password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
    let client = client.build().unwrap();
    for sign_ins in 1..4 {
        client.api().get_self().send().await.unwrap();
        assert_eq!(counts(&fake), Asked { codes: 0, tokens: sign_ins });
        clock.advance(2 * HOUR);
    }
}

#[apply(leak_checked!)]
async fn two_names_in_one_store_are_two_sessions() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let seeds = [fake.new_refresh_token(), fake.new_refresh_token()];
    let client = |name: &str, seed: &str| {
        builder(&fake, &clock).refresh_token(seed).profile(name).store(store.clone()).build().unwrap()
    };
    for round in 1..=2 {
        for (name, seed) in ["ann", "bob"].iter().zip(&seeds) {
            assert_eq!(client(name, seed).session().lease().await.unwrap().generation().counter(), round);
        }
        clock.advance(2 * HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 4 }, 0));
}

#[apply(leak_checked!)]
fn what_names_nobody_needs_a_name_where_others_could_find_it() {
    let builder =
        || Client::builder("https://ordering.example").tenant(FakeOrderingStack::TENANT).client("id", "hunter2");
    for (client, method) in
        [(builder().refresh_token("hunter2"), ".refresh_token(..)"), (builder().anonymous(), ".anonymous()")]
    {
        client.clone().build().unwrap();
        client.clone().profile("till-7").store(MemoryStore::new()).build().unwrap();
        for nameless in [client.clone(), client.profile("")] {
            let error = nameless.store(MemoryStore::new()).build().unwrap_err();
            let shown = error.to_string();
            assert!(error.kind() == ErrorKind::Config && shown.contains(method) && shown.contains(".profile(..)"));
        }
    }
    for (client, word) in [
        (builder().device(""), "empty name"),
        (builder().refresh_token(""), "empty secret"),
        (builder().anonymous().device("kiosk-1"), "two credentials"),
        (builder().refresh_token("hunter2").scope("read"), ".scope(..)"),
    ] {
        let error = client.build().unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(word), "{error}");
    }
}

/// A second factor is set up with codes like those of any authenticator app, and taken away again.
#[apply(leak_checked!)]
async fn a_second_factor_is_set_up_and_taken_away() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
    let client = client.build().unwrap();
    let told = client.api().totp_secret().send().await.unwrap();
    let secret = told["secret"].as_str().unwrap().to_owned();
    let app = totp_rs::Secret::try_from_base32(&secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(app).build_noncompliant();
    let now = clock.wall().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let configure = |at| {
        let code = app.generate(at).to_string();
        client.api().totp_configure().body_map(|body| body.secret(&*secret).code(code)).send()
    };
    let error = configure(now + 3600).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(400)));
    assert!(!format!("{error} {error:?}").contains(&secret));
    configure(now).await.unwrap();
    assert_eq!(client.api().get_self().send().await.unwrap().mfa, Some(true));
    client.api().totp_remove().send().await.unwrap();
    assert_eq!(client.api().get_self().send().await.unwrap().mfa, Some(false));
    let counted = ["totp_secret", "totp_configure", "totp_remove", "get_self"].map(|operation| fake.count(operation));
    assert_eq!((counted, counts(&fake)), ([1, 2, 1, 2], Asked { codes: 0, tokens: 1 }));
}
