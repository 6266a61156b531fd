//! OrderingStack: every way to a token but the password: device codes, users without an account, services, refresh tokens.

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

/// Device codes that were asked for, and requests for a token.
fn counts(fake: &FakeOrderingStack) -> (usize, usize) {
    (fake.count("start_device"), fake.count("issue_token"))
}

/// Says that the code is shown, and waits for the session.
async fn shown(client: &Client) -> JoinHandle<Result<Generation, Error>> {
    let resume = client.session().lease().await.unwrap_err().resume().expect("a code that can be shown");
    tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(|lease| lease.generation()) })
}

/// Lets one interval pass, as soon as the poll and whoever waits for it sleep.
async fn pass(clock: &ManualClock, seconds: u64) {
    clock.until_sleeping(2).await;
    clock.advance(Duration::from_secs(seconds));
}

/// How many seconds after `began` each token was asked for.
fn asked_at(fake: &FakeOrderingStack, began: std::time::SystemTime) -> Vec<u64> {
    let asked = fake.saw().into_iter().filter(|seen| seen.operation == "issue_token");
    asked.map(|seen| seen.at.duration_since(began).unwrap().as_secs()).collect()
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
async fn a_device_is_asked_for_at_the_vendors_interval_until_a_person_lets_it_in() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let error = client.session().lease().await.unwrap_err();
    let device = error.device_code().expect("a code");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::DeviceCodeRequired, Some("start_device")));
    assert_eq!(device.user_code(), fake.user_code());
    assert_eq!(device.verification_uri_complete().unwrap(), {
        format!("{}?code={}", device.verification_uri(), device.user_code())
    });
    assert_eq!((device.interval(), device.expires_in()), (5 * SECOND, 10 * MINUTE));
    // Nobody has shown it yet, so nobody is asked; and it is the same code for everybody.
    assert_eq!(client.session().lease().await.unwrap_err().device_code().unwrap().user_code(), fake.user_code());
    assert_eq!(counts(&fake), (1, 0));

    let began = clock.world();
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    pass(&clock, 5).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 10, 15]);
    let profile = client.session().profile().unwrap();
    assert_eq!(profile.facts()["TENANT"], FakeOrderingStack::TENANT);

    // A module's session: it makes the module's calls, and is renewed without a person.
    let config = client.api().get_module_config().send().await.unwrap();
    assert_eq!(config.id.as_deref(), Some(FakeOrderingStack::MODULE));
    clock.advance(2 * HOUR);
    client.api().get_module_common_config().send().await.unwrap();
    assert_eq!((counts(&fake), fake.reuses()), ((1, 4), 0));
    let error = client.api().get_self().send().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("module session"), "{error}");
    assert_eq!(fake.count("get_self"), 0);
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
}

#[apply(leak_checked!)]
async fn slow_down_adds_five_seconds_for_good() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let began = clock.world();
    let waiting = shown(&client).await;
    fake.next_times("issue_token", 2, Fault::Json(400, json!({ "error": "slow_down" })));
    for seconds in [5, 10, 15] {
        pass(&clock, seconds).await;
    }
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(15 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 15, 30, 45]);
}

#[apply(leak_checked!)]
async fn a_lost_answer_doubles_the_interval_and_nothing_is_asked_twice() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let began = clock.world();
    let waiting = shown(&client).await;
    fake.next("issue_token", Fault::CutBefore);
    fake.next("issue_token", Fault::Html(502));
    fake.next("issue_token", Fault::TooManyRequests { retry_after: Some("50".into()) });
    for seconds in [5, 10, 20, 50] {
        pass(&clock, seconds).await;
    }
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(50 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(asked_at(&fake, began), [5, 15, 35, 85, 135]);
}

#[apply(leak_checked!)]
async fn an_interval_that_is_none_is_five_seconds() {
    for (told, seconds) in [
        (json!(null), 5),
        (json!(0), 5),
        (json!(-3), 5),
        (json!(0.4), 5),
        (json!("soon"), 5),
        (json!({}), 5),
        (json!("7"), 7),
        (json!(2), 2),
        (json!(7.9), 7),
    ] {
        let (fake, clock) = start(|b| b).await;
        let client = kiosk(&fake, &clock);
        let answer = json!({ "device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example",
            "interval": told, "expires_in": 60 });
        fake.next("start_device", Fault::Json(200, answer));
        let began = clock.world();
        let waiting = shown(&client).await;
        pass(&clock, seconds - 1).await;
        clock.until_sleeping(2).await;
        assert_eq!(counts(&fake), (1, 0), "{told}");
        clock.advance(SECOND);
        // The fake knows no such code.
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Declined, Some("invalid_grant")), "{told}");
        assert_eq!(asked_at(&fake, began), [seconds], "{told}");
    }
}

#[apply(leak_checked!)]
async fn an_interval_left_out_is_five_seconds_and_a_life_left_out_ten_minutes() {
    let (fake, clock) = start(|b| b).await;
    for answer in [
        json!({ "device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example" }),
        json!({ "device_code": "dev", "verification_uri_complete": "https://x.example?code=W", "expires_in": "-1" }),
    ] {
        let client = kiosk(&fake, &clock);
        fake.next("start_device", Fault::Json(200, answer));
        let error = client.session().lease().await.unwrap_err();
        let device = error.device_code().unwrap();
        assert_eq!((device.interval(), device.expires_in()), (5 * SECOND, 10 * MINUTE));
    }
    fake.next(
        "start_device",
        Fault::Json(200, json!({ "device_code": "dev", "verification_uri": "https://x.example" })),
    );
    let error = kiosk(&fake, &clock).session().lease().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && error.to_string().contains("no code"), "{error}");
}

#[apply(leak_checked!)]
async fn whoever_is_turned_away_is_told_so_and_the_next_call_asks_for_another_code() {
    for (word, what) in [
        ("access_denied", "did not let this device in"),
        ("expired_token", "ended before"),
        ("invalid_grant", "takes this device code no longer"),
    ] {
        let (fake, clock) = start(|b| b).await;
        let client = kiosk(&fake, &clock);
        let waiting = shown(&client).await;
        fake.next("issue_token", Fault::Json(400, json!({ "error": word })));
        pass(&clock, 5).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code(), error.resume().is_none()), (ErrorKind::Declined, Some(word), true));
        assert!(error.to_string().contains(what), "{error}");
        // For a moment the answer is remembered; then a code of its own is asked for.
        let remembered = client.session().lease().await.unwrap_err();
        assert!(remembered.is_local() && counts(&fake) == (1, 1), "{word}: {remembered}");
        clock.advance(remembered.retry_after().unwrap());
        assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::DeviceCodeRequired, "{word}");
        assert_eq!(counts(&fake), (2, 1), "{word}");
    }
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.deny_device());
    clock.advance(5 * SECOND);
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), Some("access_denied"));
    assert_eq!(counts(&fake), (1, 1));
}

#[apply(leak_checked!)]
async fn a_code_that_has_ended_is_not_asked_about_any_more() {
    let (fake, clock) = start(|b| b.device_life(12 * SECOND)).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    for seconds in [5, 5, 2] {
        pass(&clock, seconds).await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Declined, None));
    assert_eq!(counts(&fake), (1, 2));
}

#[apply(leak_checked!)]
async fn a_wait_that_is_given_up_stops_the_asking_and_can_be_taken_up_again() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    clock.until_sleeping(2).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    client.session().close().await.unwrap();
    clock.advance(MINUTE);
    client.session().close().await.unwrap();
    assert_eq!(counts(&fake), (1, 1));
    // It is the same code for whoever comes next, and showing it again goes on where it stopped.
    let waiting = shown(&client).await;
    pass(&clock, 5).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(counts(&fake), (1, 2));
}

#[apply(leak_checked!)]
async fn a_sign_out_stops_the_asking() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    client.session().sign_out().await.unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(counts(&fake), (1, 0));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::DeviceCodeRequired);
    assert_eq!(counts(&fake), (2, 0));
}

#[apply(leak_checked!)]
async fn a_session_that_arrives_after_the_sign_out_is_not_kept() {
    let (fake, clock) = start(|b| b).await;
    let client = kiosk(&fake, &clock);
    let waiting = shown(&client).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    let gate = fake.hold("issue_token");
    clock.advance(5 * SECOND);
    gate.arrived(1).await;
    client.session().sign_out().await.unwrap();
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(counts(&fake), (1, 1));
}

/// Shows nothing.
struct Blind;

impl Responder for Blind {}

#[apply(leak_checked!)]
async fn a_code_that_nobody_shows_is_not_asked_about() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).device(FakeOrderingStack::MODULE).responder(Blind).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Declined, (1, 0)));
    // It can be shown all the same.
    let resume = error.resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(drop) });
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    waiting.await.unwrap().unwrap();
    assert_eq!(counts(&fake), (1, 1));
}

#[apply(leak_checked!)]
async fn a_modules_session_sleeps_in_a_store_and_wakes_without_a_person() {
    let (fake, clock) = start(|b| b).await;
    let home = tempfile::tempdir().unwrap();
    let client = || builder(&fake, &clock).device(FakeOrderingStack::MODULE).store(FileStore::at(home.path()));
    let first = client().build().unwrap();
    let waiting = shown(&first).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    let generation = waiting.await.unwrap().unwrap();
    drop(first);
    let again = client().build().unwrap();
    assert_eq!(again.session().lease().await.unwrap().generation(), generation);
    clock.advance(2 * HOUR);
    let third = client().build().unwrap();
    assert_eq!(third.session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!((counts(&fake), fake.reuses()), ((1, 2), 0));
    // Another module is another session.
    let other = builder(&fake, &clock).device("kds-1").store(FileStore::at(home.path())).build().unwrap();
    let error = other.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(404)));
    assert!(error.to_string().contains(".device(..)"), "{error}");
    assert_eq!(counts(&fake), (2, 2));
}

#[apply(leak_checked!)]
async fn while_the_old_token_is_good_a_refused_renewal_troubles_nobody() {
    let (fake, clock, client, asked) = attended().await;
    let first = client.session().lease().await.unwrap().generation();
    fake.revoke_refresh_tokens();
    clock.advance(56 * MINUTE);
    for minute in 0..3 {
        assert_eq!(client.session().lease().await.unwrap().generation(), first, "{minute}");
        client.session().close().await.unwrap();
        clock.advance(MINUTE);
    }
    // In the late window too, where callers wait for the renewal.
    clock.advance(50 * SECOND);
    assert_eq!(client.session().lease().await.unwrap().generation(), first);
    // One renewal was refused, and it was not tried again.
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, (1, 2)));
    clock.advance(10 * SECOND);
    assert_ne!(client.session().lease().await.unwrap().generation(), first);
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, (2, 3)));
}

#[apply(leak_checked!)]
async fn a_sign_in_that_only_makes_sure_of_a_session_renews_it_and_asks_nobody() {
    let (fake, clock, client, asked) = attended().await;
    client.session().sign_in().await.unwrap();
    clock.advance(2 * HOUR);
    client.session().sign_in().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, (1, 2)));
    // After a renewal that failed it is meant.
    clock.advance(2 * HOUR);
    fake.next("issue_token", Fault::Html(503));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    client.session().sign_in().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, (2, 4)));
}

#[apply(leak_checked!)]
async fn a_token_without_a_refresh_token_is_used_to_its_end_before_a_person_is_asked() {
    let (fake, clock) = start(|b| b.without_refresh_token(true)).await;
    let (fake, asked) = (Arc::new(fake), Arc::<AtomicUsize>::default());
    let butler = Butler { fake: fake.clone(), clock: clock.clone(), asked: asked.clone() };
    let client = builder(&fake, &clock).device(FakeOrderingStack::MODULE).responder(butler).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(HOUR - SECOND);
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, (1, 1)));
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, (2, 2)));
}

#[apply(leak_checked!)]
async fn a_module_that_is_signed_out_has_to_be_let_in_again() {
    let (fake, clock, client, asked) = attended().await;
    let service = builder(&fake, &clock).client_credentials().build().unwrap();
    client.api().get_module_config().send().await.unwrap();
    service.api().logout_module().id(FakeOrderingStack::MODULE).send().await.unwrap();
    // It ends what it names, and not the session that makes the call.
    service.api().get_module().id(FakeOrderingStack::MODULE).send().await.unwrap();
    // A code for the module, its token, the service's.
    assert_eq!((counts(&fake), fake.count("logout_module"), fake.count("get_module")), ((1, 2), 1, 1));
    client.api().get_module_config().send().await.unwrap();
    // The call, a renewal that is refused, another code and its token, the call again.
    assert_eq!((counts(&fake), fake.count("get_module_config")), ((2, 4), 3));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[apply(leak_checked!)]
async fn a_refused_client_is_presented_once_whatever_the_way_in() {
    let (fake, clock) = start(|b| b).await;
    let wrong =
        || Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).client("till", "wrong").clock(clock.clone());
    for (client, expected) in [
        (wrong().device(FakeOrderingStack::MODULE), (1, 0)),
        (wrong().anonymous(), (1, 1)),
        (wrong().client_credentials(), (1, 2)),
        (wrong().refresh_token("seed"), (1, 3)),
    ] {
        let client = client.build().unwrap();
        for _ in 0..3 {
            let error = client.session().lease().await.unwrap_err();
            let found = (error.kind(), error.status(), error.code());
            assert_eq!(found, (ErrorKind::InvalidCredentials, Some(401), Some("invalid_client")));
            assert!(error.to_string().contains(".client(..)"), "{error}");
            clock.advance(HOUR);
        }
        assert_eq!(counts(&fake), expected);
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
    assert_eq!((counts(&fake), who()), ((0, 1), first.clone()));
    clock.advance(SECOND);
    client.api().get_self().send().await.unwrap();
    assert_ne!(who(), first);
    assert_eq!((counts(&fake), fake.count("get_self")), ((0, 2), 3));
    fake.revoke_access_tokens();
    client.api().get_self().send().await.unwrap();
    assert_eq!((counts(&fake), fake.count("get_self")), ((0, 3), 5));
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
    assert_eq!(counts(&fake), (0, 3));
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
        assert_eq!(counts(&fake), (0, 3), "{refresh}");
    }
}

#[apply(leak_checked!)]
async fn a_user_without_a_refresh_token_signs_in_again_by_password() {
    let (fake, clock) = start(|b| b.without_refresh_token(true)).await;
    let client = builder(&fake, &clock).password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
    let client = client.build().unwrap();
    for sign_ins in 1..4 {
        client.api().get_self().send().await.unwrap();
        assert_eq!(counts(&fake), (0, sign_ins));
        clock.advance(2 * HOUR);
    }
}

#[apply(leak_checked!)]
async fn a_session_is_begun_with_a_refresh_token_and_goes_on_with_its_successors() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    for counter in 1..4 {
        client.api().get_self().send().await.unwrap();
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), counter);
        clock.advance(2 * HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), ((0, 3), 0));
}

#[apply(leak_checked!)]
async fn a_refresh_token_that_is_not_replaced_stays_good() {
    let (fake, clock) = start(|b| b.keeps_refresh_token(true)).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    for _ in 0..3 {
        client.session().lease().await.unwrap();
        clock.advance(2 * HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), ((0, 3), 0));
}

#[apply(leak_checked!)]
async fn after_a_restart_the_store_beats_the_same_seed_and_a_new_seed_beats_the_store() {
    let (fake, clock) = start(|b| b).await;
    let home = tempfile::tempdir().unwrap();
    let client = |seed: &str| {
        let client = builder(&fake, &clock).refresh_token(seed).profile("till-7").store(FileStore::at(home.path()));
        client.build().unwrap()
    };
    let seed = fake.new_refresh_token();
    let first = client(&seed).session().lease().await.unwrap().generation();
    // Adopted while it lives, renewed by the successor when it does not: the seed is sent once in its life.
    assert_eq!(client(&seed).session().lease().await.unwrap().generation(), first);
    clock.advance(2 * HOUR);
    let renewed = client(&seed).session().lease().await.unwrap().generation();
    assert_eq!((renewed.counter(), counts(&fake), fake.reuses()), (2, (0, 2), 0));

    let another = client(&fake.new_refresh_token()).session().lease().await.unwrap().generation();
    assert_eq!((another.counter(), counts(&fake), fake.reuses()), (1, (0, 3), 0));
    assert_ne!(another.to_string().split('.').next(), renewed.to_string().split('.').next());
    // The first seed is not the store's any more, and whoever comes with it again is told by the vendor.
    assert_eq!(client(&seed).session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(counts(&fake), (0, 4));
}

#[apply(leak_checked!)]
async fn a_seed_that_is_spent_is_never_sent_again() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let seed = fake.new_refresh_token();
    let client =
        || builder(&fake, &clock).refresh_token(&*seed).profile("till-7").store(store.clone()).build().unwrap();
    let one = client();
    one.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(2 * HOUR);
    let two = client();
    for session in [one.session(), two.session(), one.session(), client().session()] {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::SignInRequired);
        assert_eq!(session.sign_in().await.unwrap_err().kind(), ErrorKind::SignInRequired);
        clock.advance(HOUR);
    }
    // The seed once; its successor by each of the three clients, who know nothing of each other's refusals.
    assert_eq!((counts(&fake), fake.reuses()), ((0, 4), 0));
    let error = one.session().sign_in().await.unwrap_err();
    assert!(error.is_local() && error.to_string().contains(".refresh_token(..)"), "{error}");
}

#[apply(leak_checked!)]
async fn a_refused_seed_is_sent_once() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token("long dead").build().unwrap();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_grant")));
        assert!(error.to_string().contains(".refresh_token(..)"), "{error}");
        clock.advance(HOUR);
    }
    assert_eq!(counts(&fake), (0, 1));
}

#[apply(leak_checked!)]
async fn an_outage_spends_no_seed_and_an_explicit_sign_in_loses_no_session() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    fake.next("issue_token", Fault::Html(503));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    clock.advance(2 * HOUR);
    fake.next_times("issue_token", 2, Fault::Html(503));
    for _ in 0..2 {
        assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    client.session().sign_in().await.unwrap();
    assert_eq!((counts(&fake), fake.reuses()), ((0, 5), 0));
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
}

#[apply(leak_checked!)]
async fn a_torn_answer_to_the_seed_leaves_it_to_the_next_call_to_find_out() {
    let (fake, clock) = start(|b| b.rotating(false)).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    fake.next("issue_token", Fault::CutAfter);
    let error = client.session().lease().await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_eq!(counts(&fake), (0, 1));
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), (0, 2));
}

#[apply(leak_checked!)]
async fn a_signed_out_seed_begins_no_other_session() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::SignInRequired);
    assert_eq!(counts(&fake), (0, 1));
}

/// A store that is there only while it is told to be.
#[derive(Clone, Default)]
struct Flaky {
    memory: MemoryStore,
    down: Arc<AtomicBool>,
}

impl Flaky {
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::new("down")) } else { Ok(()) }
    }
}

impl Store for Flaky {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.check()?;
        self.memory.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.check()?;
        self.memory.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.memory.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.check()?;
        self.memory.lock(key, wait).await
    }
}

#[apply(leak_checked!)]
async fn without_its_store_a_seed_is_not_sent_because_it_may_be_spent() {
    let (fake, clock) = start(|b| b).await;
    let (store, seed) = (Flaky::default(), fake.new_refresh_token());
    let client = || {
        let client = builder(&fake, &clock).refresh_token(&*seed).profile("till-7").store(store.clone());
        client.build().unwrap().session().clone()
    };
    let first: Session = client();
    first.lease().await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    let restarted = client();
    let error = restarted.lease().await.unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Store, (0, 1)));
    // Whoever holds a token goes on with it.
    first.lease().await.unwrap();
    store.down.store(false, Ordering::SeqCst);
    clock.advance(SECOND);
    assert_eq!(restarted.lease().await.unwrap().generation(), first.lease().await.unwrap().generation());
    assert_eq!((counts(&fake), fake.reuses()), ((0, 1), 0));
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
    assert_eq!((counts(&fake), fake.reuses()), ((0, 4), 0));
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
    assert_eq!((counted, counts(&fake)), ([1, 2, 1, 2], (0, 1)));
}
