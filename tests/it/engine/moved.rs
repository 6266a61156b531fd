//! Sessions that were begun elsewhere, device codes that are shown again, and the clock that goes on by itself.

use super::{SECOND, at_once, lease, settle};
use keyway::{
    Answer, Clock, DeviceCode, ErrorKind, MemoryStore, Responder, Secret, orderingstack,
    testing::{FakeOrderingStack, FakeVitaMojo, ManualClock},
    vitamojo,
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);

async fn start() -> (FakeVitaMojo, ManualClock) {
    let clock = ManualClock::new();
    (FakeVitaMojo::builder().clock(clock.clone()).rotating(true).jwt(true).start().await, clock)
}

/// What another program has got: an access token and a refresh token.
async fn pair(fake: &FakeVitaMojo) -> (Secret, Secret) {
    let builder = vitamojo::Client::builder(fake.uri());
    let client = builder.password(FakeVitaMojo::EMAIL, Secret::from(FakeVitaMojo::PASSWORD)).build().unwrap();
    let call = client.api().auth().body_map(|body| body.email(FakeVitaMojo::EMAIL).password(FakeVitaMojo::PASSWORD));
    let token = call.send().await.unwrap().payload.token.clone();
    (token.value.clone(), token.refresh.clone().unwrap())
}

fn moved(fake: &FakeVitaMojo, clock: &ManualClock, (access, refresh): &(Secret, Secret)) -> vitamojo::ClientBuilder {
    let builder = vitamojo::Client::builder(fake.uri()).profile("moved").clock(clock.clone());
    builder.tokens(access.clone(), refresh.clone())
}

async fn works(client: &vitamojo::Client) {
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
}

#[apply(leak_checked!)]
async fn a_session_that_is_moved_uses_its_access_token_first_and_spends_nothing() {
    let (fake, clock) = start().await;
    let pair = pair(&fake).await;
    let client = moved(&fake, &clock, &pair).build().unwrap();
    works(&client).await;
    assert_eq!(client.session().lease().await.unwrap().token().unwrap().expose(), pair.0.expose());
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 0));
    // Then it is renewed as any other.
    for renewals in 1..=3 {
        clock.advance(11 * MINUTE);
        works(&client).await;
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, renewals, 0));
    }
}

#[apply(leak_checked!)]
async fn a_moved_session_whose_access_token_is_refused_is_renewed() {
    for ended in [true, false] {
        let (fake, clock) = start().await;
        let pair = pair(&fake).await;
        if ended {
            clock.advance(11 * MINUTE);
        } else {
            fake.revoke_access_tokens();
        }
        let client = moved(&fake, &clock, &pair).build().unwrap();
        works(&client).await;
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0), "{ended}");
    }
}

#[apply(leak_checked!)]
async fn a_moved_session_goes_on_from_its_store_after_a_restart() {
    let (fake, clock) = start().await;
    let (pair, store) = (pair(&fake).await, MemoryStore::new());
    for renewals in 0..4 {
        let client = moved(&fake, &clock, &pair).store(store.clone()).build().unwrap();
        works(&client).await;
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, renewals, 0));
        clock.advance(11 * MINUTE);
    }
    // What was signed out is not begun again by the same pair.
    let client = moved(&fake, &clock, &pair).store(store.clone()).build().unwrap();
    client.session().sign_out().await.unwrap();
    let client = moved(&fake, &clock, &pair).store(store).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignInRequired);
}

#[apply(leak_checked!)]
async fn an_orderingstack_session_is_moved_in_the_same_way() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).start().await;
    let builder = || {
        let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).clock(clock.clone());
        builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
    };
    let first = builder().refresh_token(fake.new_refresh_token()).build().unwrap();
    let access = first.session().lease().await.unwrap().token().unwrap().clone();
    let asked = fake.count("issue_token");
    let client = builder().tokens(access, fake.new_refresh_token()).build().unwrap();
    client.api().get_self().send().await.unwrap();
    assert_eq!(fake.count("issue_token"), asked);
    fake.revoke_access_tokens();
    client.api().get_self().send().await.unwrap();
    assert_eq!((fake.count("issue_token"), fake.reuses()), (asked + 1, 0));
}

#[apply(leak_checked!)]
fn a_moved_session_needs_both_tokens_and_no_other_credential() {
    let builder = || vitamojo::Client::builder("https://vita.example");
    for built in [
        builder().tokens("", "a refresh token").build(),
        builder().tokens("an access token", "").build(),
        builder().tokens("an access token", "a refresh token").password("me@vita.example", "moved password").build(),
        builder().tokens("an access token", "a refresh token").store(MemoryStore::new()).build(),
    ] {
        assert_eq!(built.unwrap_err().kind(), ErrorKind::Config);
    }
}

/// Remembers which codes it was to show, and shows each for as long as anybody waits.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<String>>>);

impl Responder for Screen {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        self.0.lock().unwrap().push(device.user_code().to_owned());
        Some(())
    }
}

fn kiosk(fake: &FakeOrderingStack, clock: &ManualClock) -> orderingstack::ClientBuilder {
    let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).clock(clock.clone());
    let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
    builder.device(FakeOrderingStack::MODULE)
}

async fn platform() -> (FakeOrderingStack, ManualClock) {
    let clock = ManualClock::new();
    (FakeOrderingStack::builder().clock(clock.clone()).start().await, clock)
}

#[apply(leak_checked!)]
async fn a_device_code_that_nobody_waits_for_any_more_is_shown_again_to_whoever_comes() {
    let (fake, clock) = platform().await;
    let screen = Screen::default();
    let client = kiosk(&fake, &clock).responder(screen.clone()).build().unwrap();
    for times in 1..=3 {
        let waiting = lease(client.session());
        while screen.0.lock().unwrap().len() < times {
            tokio::task::yield_now().await;
        }
        clock.until_sleeping(1).await;
        waiting.abort();
        let _ = waiting.await;
        clock.advance(MINUTE);
        for _ in 0..10 {
            settle().await;
        }
    }
    let last = lease(client.session());
    while screen.0.lock().unwrap().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(fake.approve_device());
    clock.until_sleeping(1).await;
    clock.advance(MINUTE);
    last.await.unwrap().unwrap();
    let shown = screen.0.lock().unwrap().clone();
    assert_eq!((fake.count("start_device"), shown), (1, vec![fake.user_code(); 4]));
}

#[apply(leak_checked!)]
async fn a_device_code_that_was_given_up_can_be_answered_again_until_it_has_ended() {
    let (fake, clock) = platform().await;
    let client = kiosk(&fake, &clock).build().unwrap();
    let code = async || {
        let error = client.session().lease().await.unwrap_err();
        (error.device_code().unwrap().user_code().to_owned(), error.resume().unwrap())
    };
    let (first, resume) = code().await;
    for _ in 0..3 {
        let resume = resume.clone();
        let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await });
        clock.until_sleeping(1).await;
        waiting.abort();
        let _ = waiting.await;
        clock.advance(2 * MINUTE);
        for _ in 0..10 {
            settle().await;
        }
        assert_eq!(code().await.0, first);
    }
    assert_eq!(fake.count("start_device"), 1);
    assert!(fake.approve_device());
    let resume = code().await.1;
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await });
    clock.until_sleeping(1).await;
    clock.advance(MINUTE);
    waiting.await.unwrap().unwrap();
    assert_eq!(fake.count("start_device"), 1);
}

#[apply(leak_checked!)]
async fn a_device_code_that_has_ended_is_not_shown_again() {
    let (fake, clock) = platform().await;
    let client = kiosk(&fake, &clock).build().unwrap();
    let first = client.session().lease().await.unwrap_err();
    clock.advance(11 * MINUTE);
    let second = client.session().lease().await.unwrap_err();
    let user_code = |error: &keyway::Error| error.device_code().unwrap().user_code().to_owned();
    assert_ne!(user_code(&first), user_code(&second));
    assert_eq!(fake.count("start_device"), 2);
}

#[apply(leak_checked!)]
async fn a_clock_that_goes_on_by_itself_is_moved_as_well() {
    let clock = ManualClock::advancing();
    let (began, real) = (clock.now(), Instant::now());
    clock.sleep(Duration::from_millis(20)).await;
    let passed = clock.monotonic() - began.1;
    assert!(passed >= Duration::from_millis(20) && passed <= real.elapsed() + SECOND, "{passed:?}");
    let hour = Duration::from_secs(3600);
    let sleeper = tokio::spawn(clock.sleep(hour));
    clock.until_sleeping(1).await;
    clock.advance(hour);
    at_once(sleeper).await;
    assert!(clock.monotonic() - began.1 >= hour && clock.world() >= began.0 + hour && clock.wall() >= began.0 + hour);
    assert_eq!(clock.sleepers(), 0);
}

#[apply(leak_checked!)]
async fn a_clock_that_goes_on_by_itself_serves_sessions_and_fakes() {
    let clock = ManualClock::advancing();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = crate::vitamojo_client(&fake, &clock).build().unwrap();
    for counter in 1..=3 {
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), counter);
        clock.advance(11 * MINUTE);
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 2));
}
