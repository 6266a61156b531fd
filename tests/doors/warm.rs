//! A session that is kept warm is renewed while nobody calls, and ends with its last client.

use keyway::{
    ErrorKind, ReportEvent,
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
    vitamojo, vms,
};
use std::time::Duration;

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";
const MINUTE: Duration = Duration::from_secs(60);

async fn rotating(clock: &ManualClock) -> FakeVitaMojo {
    FakeVitaMojo::builder().clock(clock.clone()).token_life(10 * MINUTE).rotating(true).start().await
}

fn till(fake: &FakeVitaMojo, clock: &ManualClock) -> vitamojo::Client {
    let client = vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone());
    client.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build().unwrap()
}

fn is_renewal(event: &ReportEvent) -> bool {
    matches!(event, ReportEvent::Renewed { .. })
}

/// Lets this much time pass, and whatever is woken by it come to rest.
async fn pass(clock: &ManualClock, time: Duration) {
    clock.advance(time);
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[apply(leak_checked!)]
async fn an_idle_session_is_renewed_once_for_each_token() {
    let clock = ManualClock::new();
    let fake = rotating(&clock).await;
    let client = till(&fake, &clock);
    client.session().lease().await.unwrap();
    for _ in 0..3 {
        client.session().keep_warm().unwrap();
    }
    for renewals in 1..=12 {
        clock.until_sleeping(1).await;
        // Eight or nine minutes after the last one: the early window is two minutes, and a part of it by chance.
        clock.advance(10 * MINUTE - 90 * Duration::from_secs(1));
        fake.until("refresh_token", renewals).await;
        // What was asked for has come: looked for without asking for anything.
        while client.session().report().iter().filter(|line| is_renewal(&line.event)).count() < renewals {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 12, 0));
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 12));
}

#[apply(leak_checked!)]
async fn it_ends_with_the_last_client() {
    let clock = ManualClock::new();
    let fake = rotating(&clock).await;
    let client = till(&fake, &clock);
    client.session().lease().await.unwrap();
    client.session().keep_warm().unwrap();
    clock.until_sleeping(1).await;
    drop(client);
    for _ in 0..10 {
        pass(&clock, 10 * MINUTE).await;
    }
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 0));
}

#[apply(leak_checked!)]
async fn it_begins_no_session_and_brings_none_back() {
    let clock = ManualClock::new();
    let fake = rotating(&clock).await;
    let client = till(&fake, &clock);
    client.session().keep_warm().unwrap();
    for _ in 0..10 {
        pass(&clock, 10 * MINUTE).await;
    }
    assert!(fake.saw().is_empty());
    client.session().lease().await.unwrap();
    client.session().sign_out().await.unwrap();
    let before = fake.saw().len();
    for _ in 0..10 {
        pass(&clock, 10 * MINUTE).await;
    }
    assert_eq!(fake.saw().len(), before);
    // Whoever signs in again has it kept warm again.
    client.session().sign_in().await.unwrap();
    clock.until_sleeping(1).await;
    clock.advance(9 * MINUTE);
    fake.until("refresh_token", 1).await;
}

#[apply(leak_checked!)]
async fn an_outage_is_asked_about_as_calls_would() {
    let clock = ManualClock::new();
    let fake = rotating(&clock).await;
    let (warm, calling) = (till(&fake, &clock), till(&fake, &clock));
    for client in [&warm, &calling] {
        client.session().lease().await.unwrap();
    }
    warm.session().keep_warm().unwrap();
    fake.always("refresh_token", Fault::Html(503));
    let before = fake.count("refresh_token");
    for _ in 0..600 {
        pass(&clock, Duration::from_secs(1)).await;
    }
    let asked = fake.count("refresh_token") - before;
    assert!((1..=20).contains(&asked), "{asked} renewals in an outage of two minutes of the early window");
    fake.heal("refresh_token");
    for _ in 0..10 {
        pass(&clock, MINUTE).await;
    }
    warm.session().lease().await.unwrap();
}

#[apply(leak_checked!)]
async fn a_session_that_takes_a_person_is_left_to_callers() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).token_life(10 * MINUTE).start().await;
    let client = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone());
    let client = client.build().unwrap();
    let question = client.session().lease().await.map(drop).unwrap_err();
    let answer = keyway::Answer::Captcha(fake.captcha_answer().into());
    question.resume().unwrap().answer(answer).await.unwrap();
    client.session().keep_warm().unwrap();
    let before = fake.saw().len();
    for _ in 0..30 {
        pass(&clock, MINUTE).await;
    }
    // At most it looks whether a captcha is wanted, and then asks nobody.
    assert!(fake.saw().len() <= before + 2, "{:?}", fake.saw().len() - before);
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
fn outside_a_runtime_it_is_an_error() {
    let client = vms::Client::builder("https://vms.example").password("operator", "the-password").build().unwrap();
    assert_eq!(client.session().keep_warm().unwrap_err().kind(), ErrorKind::Config);
}
