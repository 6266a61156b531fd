//! Each surface's ways of telling when a token ends, and what each becomes.

use crate::{vitamojo_client, vms_client};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyway::{
    Clock, ErrorKind, Expiry, Secret, Session,
    testing::{Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock},
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const DAY: i64 = 86_400;
const ELEVEN_YEARS: i64 = 11 * 366 * DAY;

/// How long a token lives, in seconds.
#[derive(Debug, PartialEq)]
enum Life {
    For(u64),
    Never,
    Unknown,
    /// An error says that it had ended when it came.
    DeadOnArrival,
}

use Life::{DeadOnArrival, For, Never, Unknown};

async fn life(session: &Session, clock: &ManualClock) -> Life {
    match session.lease().await.map(|lease| lease.expiry()) {
        Ok(Expiry::At(end)) => For(end.duration_since(clock.wall()).unwrap().as_secs()),
        Ok(Expiry::Never) => Never,
        Ok(Expiry::Unknown) => Unknown,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert!(error.to_string().contains("ends at once, or had ended before"), "{error}");
            DeadOnArrival
        }
    }
}

/// Seconds since 1970 on every clock of these tests.
fn now() -> i64 {
    let since = ManualClock::new().world().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

/// A token that tells its own end.
fn jwt(exp: impl Into<Value>) -> Value {
    let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": exp.into() }).to_string());
    json!(format!("e30.{claims}.c2ln"))
}

/// What the next answer of `operation` says there.
fn tell(fake: &Fake, operation: &str, at: &str, value: Option<Value>) {
    fake.next(
        operation,
        match value {
            Some(value) => Fault::Member(at.to_owned(), value),
            None => Fault::WithoutMember(at.to_owned()),
        },
    );
}

#[apply(leak_checked!)]
async fn vtex_tells_an_epoch_or_seconds_as_a_number_or_a_text() {
    let end = now() + 600;
    for (told, expected) in [
        (Some(json!(end)), For(600)),
        (Some(json!(end.to_string())), For(600)),
        (Some(json!(end * 1000)), For(600)),
        (Some(json!(1_669_770_737)), DeadOnArrival), // the vendor's own example, years ago
        (Some(json!(21_600)), For(21_600)),
        (Some(json!("21600")), For(21_600)),
        (Some(json!(0)), DeadOnArrival),
        (Some(json!(-5)), DeadOnArrival),
        (Some(json!(ELEVEN_YEARS)), Never),
        (Some(json!(now() + ELEVEN_YEARS)), Never),
        (Some(json!("soon")), Unknown),
        (Some(json!(null)), Unknown),
        (None, Unknown),
    ] {
        let clock = ManualClock::new();
        let fake = FakeVtex::builder().clock(clock.clone()).start().await;
        tell(&fake, "generate_authentication_token", "/expires", told.clone());
        let client = keyway::vtex::Client::builder(fake.uri()).clock(clock.clone());
        let client = client.app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
        assert_eq!(life(client.session(), &clock).await, expected, "{told:?}");
    }
}

#[apply(leak_checked!)]
async fn an_exchanged_vtex_token_lives_an_hour_or_as_was_asked_for_or_as_it_says() {
    for (minutes, token, expected) in [
        (None, json!("opaque"), For(3600)),
        (Some(30), json!("opaque"), For(1800)),
        (Some(30), jwt(now() + 600), For(600)),
        (None, jwt(now() - 1), DeadOnArrival),
        (None, jwt(now() + ELEVEN_YEARS), Never),
        (None, jwt("soon"), For(3600)),
    ] {
        let clock = ManualClock::new();
        let fake = FakeVtex::builder().clock(clock.clone()).start().await;
        tell(&fake, "exchange_oauth_access_token", "/authToken", Some(token.clone()));
        let builder = keyway::vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).clock(clock.clone());
        let builder = builder.oauth_exchange(FakeVtex::PROVIDER, || async {
            Ok::<_, std::io::Error>(Secret::from(FakeVtex::PROVIDER_TOKEN))
        });
        let builder = match minutes {
            Some(minutes) => builder.exchanged_for(Duration::from_secs(60 * minutes)),
            None => builder,
        };
        assert_eq!(life(builder.build().unwrap().session(), &clock).await, expected, "{minutes:?} {token}");
    }
}

#[apply(leak_checked!)]
async fn a_vita_mojo_token_lives_ten_minutes_unless_it_says_itself() {
    for (token, expected) in [
        (json!("opaque"), For(600)),
        (json!("a.b.c"), For(600)),
        (jwt(now() + 42), For(42)),
        (jwt(now() + 3600), For(3600)),
        (jwt(now()), DeadOnArrival),
        (jwt(-1), DeadOnArrival),
        (jwt(now() + ELEVEN_YEARS), Never),
        (jwt(Value::Null), For(600)),
    ] {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
        tell(&fake, "auth", "/payload/token/value", Some(token.clone()));
        let client = vitamojo_client(&fake, &clock).build().unwrap();
        assert_eq!(life(client.session(), &clock).await, expected, "{token}");
    }
}

#[apply(leak_checked!)]
async fn orderingstack_tells_seconds_and_the_token_itself_is_asked_if_it_does_not() {
    for (told, token, expected) in [
        (Some(json!(3600)), None, For(3600)),
        (Some(json!("86399")), None, For(86_399)),
        (Some(json!(60)), Some(jwt(now() + 600)), For(60)),
        (None, Some(jwt(now() + 600)), For(600)),
        (None, None, Unknown),
        (Some(json!(0)), None, DeadOnArrival),
        (Some(json!(-1)), None, DeadOnArrival),
        (Some(json!(ELEVEN_YEARS)), None, Never),
        (Some(json!(now() + 600)), None, Never), // an epoch where seconds belong: far beyond ten years
        (Some(json!([])), None, Unknown),
    ] {
        let clock = ManualClock::new();
        let fake = FakeOrderingStack::builder().clock(clock.clone()).start().await;
        let mut answer = json!({
            "access_token": token.clone().unwrap_or(json!("opaque")), "refresh_token": "r", "token_type": "bearer"
        });
        if let Some(told) = &told {
            answer["expires_in"] = told.clone();
        }
        fake.next("issue_token", Fault::Json(200, answer));
        let client = keyway::orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
        let client = client.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET).clock(clock.clone());
        let client = client.password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD).build().unwrap();
        assert_eq!(life(client.session(), &clock).await, expected, "{told:?} {token:?}");
    }
}

#[apply(leak_checked!)]
async fn a_shopmonkey_logins_end_is_its_tokens_and_a_key_is_used_until_it_is_refused() {
    for (token, expected) in [
        (json!("opaque"), Unknown),
        (jwt(now() + 600), For(600)),
        (jwt((now() + 600) as f64 + 0.5), For(600)),
        (jwt(now() - 600), DeadOnArrival),
        (jwt(now() + ELEVEN_YEARS), Never),
    ] {
        let clock = ManualClock::new();
        let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
        tell(&fake, "login", "/data/token", Some(token.clone()));
        let client = keyway::shopmonkey::Client::builder(fake.uri()).clock(clock.clone());
        let client = client.password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).build().unwrap();
        assert_eq!(life(client.session(), &clock).await, expected, "{token}");
    }
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client = keyway::shopmonkey::Client::builder(fake.uri()).clock(clock.clone());
    let client = client.api_key(FakeShopmonkey::API_KEY).build().unwrap();
    assert_eq!(life(client.session(), &clock).await, Unknown);
}

#[apply(leak_checked!)]
async fn a_vms_token_tells_nothing_even_if_it_looks_as_if_it_did() {
    for token in [json!("opaque"), jwt(now() + 600)] {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().clock(clock.clone()).start().await;
        tell(&fake, "get_token", "/access_token", Some(token.clone()));
        let client = vms_client(&fake, &clock).build().unwrap();
        assert_eq!(life(client.session(), &clock).await, Unknown, "{token}");
    }
}

/// Nobody tells whose clock is wrong. A token that seems to live too long is repaired by its first 401; one that seems to
/// have ended before it came lives as long as the vendor's tokens do.
#[apply(leak_checked!)]
async fn without_a_date_a_clock_that_is_a_day_wrong_is_repaired_by_a_401() {
    for wrong in [-DAY, DAY] {
        let clock = ManualClock::new();
        clock.jump_wall(wrong);
        let fake = FakeVtex::builder().clock(clock.clone()).token_life(Duration::from_secs(3600)).start().await;
        fake.always("generate_authentication_token", Fault::WithoutDate);
        let client = keyway::vtex::Client::builder(fake.uri()).clock(clock.clone());
        let client = client.app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
        let expected = if wrong < 0 { For(3600 + DAY.unsigned_abs()) } else { Unknown };
        assert_eq!(life(client.session(), &clock).await, expected, "{wrong}");
        for (passed, signed_in) in [(0, 1), (30, 1), (31, 2), (31, 2), (31, 3)] {
            clock.advance(Duration::from_secs(60 * passed));
            assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
            assert_eq!(fake.count("generate_authentication_token"), signed_in, "{wrong}");
        }
        assert_eq!(fake.count("other"), 7, "two calls were sent twice");
    }
}

#[apply(leak_checked!)]
async fn without_a_date_a_token_that_seems_to_have_ended_lives_its_documented_life() {
    let clock = ManualClock::new();
    clock.jump_wall(DAY);
    let fake = FakeVitaMojo::builder().clock(clock.clone()).jwt(true).start().await;
    fake.always("auth", Fault::WithoutDate);
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    assert_eq!(life(client.session(), &clock).await, For(600));
    assert_eq!(fake.count("auth"), 1);
}
