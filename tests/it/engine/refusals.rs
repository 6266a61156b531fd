//! What a 401 is about: the token, the session, or what it may do.

use super::SECOND;
use crate::vms_client;
use keyway::{
    ErrorKind, EvictionPolicy, MemoryStore,
    testing::{FakeVitaMojo, FakeVms, FakeVmsBuilder, Fault, ManualClock},
    vms,
};
use std::time::Duration;

const GOOD: &str = "/api/v1/cameras";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn start(options: impl FnOnce(FakeVmsBuilder) -> FakeVmsBuilder) -> (FakeVms, ManualClock) {
    let clock = ManualClock::new();
    (options(FakeVms::builder().clock(clock.clone()).session_limit(1000)).start().await, clock)
}

/// Calls the endpoint that works; tells its status or why there was none.
async fn works(client: &vms::Client) -> Result<u16, ErrorKind> {
    let answer = client.http().get(GOOD).send().await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.kind())
}

/// Calls an endpoint that answers 401 to everybody.
async fn forbidden(client: &vms::Client) {
    let outcome = client.api().list_sessions().send().await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unauthorized);
}

/// How many sign-ins it costs so many processes that one endpoint always answers 401, for 31 minutes.
async fn always_401(processes: usize) -> usize {
    let (fake, clock) = start(|b| b).await;
    fake.always("list_sessions", Fault::Unauthorized);
    let store = MemoryStore::new();
    let fleet: Vec<_> =
        (0..processes).map(|_| vms_client(&fake, &clock).store(store.clone()).build().unwrap()).collect();
    for _ in 0..60 {
        for client in &fleet {
            forbidden(client).await;
            assert_eq!(works(client).await, Ok(200));
        }
        clock.advance(Duration::from_secs(31));
    }
    fake.count("get_token")
}

#[apply(leak_checked!)]
async fn an_endpoint_that_always_answers_401_costs_a_fleet_what_it_costs_one_process() {
    let one = always_401(1).await;
    assert!(one <= 7, "{one} sign-ins");
    for processes in [2, 10] {
        let fleet = always_401(processes).await;
        assert!(fleet <= one + 1, "{processes} processes: {fleet} sign-ins, one process: {one}");
    }
}

/// Each process is new, and learns from the store that the token was born of a 401.
#[apply(leak_checked!)]
async fn an_endpoint_that_always_answers_401_costs_a_crash_loop_no_more_than_one() {
    let one = always_401(1).await;
    let (fake, clock) = start(|b| b).await;
    fake.always("list_sessions", Fault::Unauthorized);
    let store = MemoryStore::new();
    for _ in 0..60 {
        let client = vms_client(&fake, &clock).store(store.clone()).build().unwrap();
        forbidden(&client).await;
        assert_eq!(works(&client).await, Ok(200));
        clock.advance(Duration::from_secs(31));
    }
    let loops = fake.count("get_token");
    assert!(loops <= one + 1, "{loops} sign-ins, one process: {one}");
}

fn evicting(fake: &FakeVms, clock: &ManualClock) -> vms::Client {
    vms_client(fake, clock).session_limit(EvictionPolicy::Oldest).build().unwrap()
}

#[apply(leak_checked!)]
async fn a_401_about_permissions_after_an_eviction_ends_nothing() {
    for worked_before in [true, false] {
        let (fake, clock) = start(|b| b.session_limit(1).other_sessions(1)).await;
        fake.always("list_sessions", Fault::Unauthorized);
        let client = evicting(&fake, &clock);
        if worked_before {
            assert_eq!(works(&client).await, Ok(200));
        }
        for _ in 0..20 {
            forbidden(&client).await;
            assert_eq!(works(&client).await, Ok(200), "{worked_before}");
            clock.advance(Duration::from_secs(20));
        }
        assert_eq!(fake.sessions().len(), 1);
        assert_eq!(fake.count("get_token"), 2, "one was answered 419, one began the session");
    }
}

#[apply(leak_checked!)]
async fn a_session_that_evicted_and_is_ended_in_its_turn_waits_ten_minutes() {
    let (fake, clock) = start(|b| b.session_limit(1).other_sessions(1)).await;
    let client = evicting(&fake, &clock);
    assert_eq!(works(&client).await, Ok(200));
    clock.advance(MINUTE);
    fake.revoke_all();
    assert_eq!(works(&client).await, Err(ErrorKind::SessionLimitReached));
    clock.advance(Duration::from_secs(599));
    assert_eq!(works(&client).await, Err(ErrorKind::SessionLimitReached));
    clock.advance(SECOND);
    assert_eq!(works(&client).await, Ok(200));
}

#[apply(leak_checked!)]
async fn a_revocation_is_noticed_at_once_after_six_hours_of_401s_elsewhere() {
    for order in ["good first", "bad first"] {
        let (fake, clock) = start(|b| b).await;
        fake.always("list_sessions", Fault::Unauthorized);
        let client = vms_client(&fake, &clock).build().unwrap();
        for _ in 0..360 {
            forbidden(&client).await;
            assert_eq!(works(&client).await, Ok(200));
            clock.advance(MINUTE);
        }
        let before = fake.count("get_token");
        assert!(before <= 13, "{before} sign-ins in six hours");
        fake.revoke_all();
        if order == "bad first" {
            forbidden(&client).await;
        }
        assert_eq!(works(&client).await, Ok(200), "{order}");
        assert_eq!(fake.count("get_token"), before + 1, "{order}");
    }
}

#[apply(leak_checked!)]
async fn a_session_that_lived_for_a_day_is_no_sign_of_missing_permissions() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    assert_eq!(works(&client).await, Ok(200));
    for _ in 0..7 {
        clock.advance(DAY);
        fake.revoke_all();
        assert_eq!(works(&client).await, Ok(200));
    }
    clock.advance(Duration::from_secs(31));
    fake.revoke_all();
    assert_eq!(works(&client).await, Ok(200));
    assert_eq!(fake.count("get_token"), 9);
}

/// The same where each day begins with an endpoint that nobody has called before.
#[apply(leak_checked!)]
async fn a_session_that_lived_for_a_day_resets_the_streak_wherever_it_ended() {
    let (fake, clock) = start(|b| b).await;
    fake.serve(format!("{GOOD}/{{number}}"));
    let client = vms_client(&fake, &clock).build().unwrap();
    let call = async |number: usize| client.http().get(format!("{GOOD}/{number}")).send().await.unwrap().status();
    call(0).await;
    for number in 1..=7 {
        clock.advance(DAY);
        fake.revoke_all();
        assert_ne!(call(number).await, 401, "day {number}");
    }
    clock.advance(Duration::from_secs(31));
    fake.revoke_all();
    assert_ne!(call(8).await, 401);
    assert_eq!(fake.count("get_token"), 9);
}

/// The same with processes that are started anew each day.
#[apply(leak_checked!)]
async fn a_session_that_lived_for_a_day_resets_the_streak_across_restarts() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let process = || vms_client(&fake, &clock).store(store.clone()).build().unwrap();
    assert_eq!(works(&process()).await, Ok(200));
    for _ in 0..7 {
        clock.advance(DAY);
        fake.revoke_all();
        assert_eq!(works(&process()).await, Ok(200));
    }
    clock.advance(Duration::from_secs(31));
    fake.revoke_all();
    assert_eq!(works(&process()).await, Ok(200));
}

#[apply(leak_checked!)]
async fn near_its_end_a_token_that_was_born_of_a_401_is_renewed_after_another_one() {
    for milliseconds in [1100, 1400, 1600, 1900, 1999] {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).token_life(2 * SECOND).jwt(true).start().await;
        let client = crate::vitamojo_client(&fake, &clock).build().unwrap();
        let call = async || client.http().get("/order/v1/orders").send().await.unwrap().status().as_u16();
        assert_eq!(call().await, 200);
        fake.revoke_access_tokens();
        assert_eq!(call().await, 200, "the next token is born of a 401");
        clock.advance(Duration::from_millis(milliseconds));
        // The vendor's clock is a little ahead: to it the token has ended.
        fake.revoke_access_tokens();
        assert_eq!(call().await, 200, "{milliseconds} ms: {}", client.session().report());
    }
}

#[apply(leak_checked!)]
async fn fifty_callers_of_a_two_second_token_hear_of_no_401() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).token_life(2 * SECOND).jwt(true).start().await;
    let client = crate::vitamojo_client(&fake, &clock).build().unwrap();
    for step in 0..60 {
        if step % 7 == 0 {
            fake.revoke_access_tokens();
        }
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.http().get("/order/v1/orders").send().await.unwrap().status() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 200, "step {step}");
        }
        clock.advance(Duration::from_millis(300));
    }
}
