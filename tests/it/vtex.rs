//! VTEX ID: app keys, the OAuth exchange, user tokens, and headers of the vendor's own.

// Both are in lists of the build script's, which `cargo fmt` does not read: it finds them here.
#[cfg(rustfmt)]
#[path = "laws/bundled/vtex.rs"]
mod laws;
#[cfg(rustfmt)]
#[path = "wire/vtex.rs"]
mod wire;

use keyway::{
    ErrorKind, Expiry, Secret,
    testing::{FakeVtex, FakeVtexBuilder, Fault, ManualClock},
    vtex::{Client, ClientBuilder},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

async fn start(options: impl FnOnce(FakeVtexBuilder) -> FakeVtexBuilder) -> (FakeVtex, ManualClock) {
    let clock = ManualClock::new();
    (options(FakeVtex::builder().clock(clock.clone())).start().await, clock)
}

fn builder(fake: &FakeVtex, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri()).clock(clock.clone())
}

#[apply(leak_checked!)]
async fn an_app_key_is_exchanged_and_the_expiry_is_read_as_an_epoch_or_as_seconds() {
    for relative in [false, true] {
        let (fake, clock) = start(|b| b.expires_in_seconds(relative).token_life(6 * HOUR)).await;
        let client = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
        let lease = client.session().lease().await.unwrap();
        let Expiry::At(end) = lease.expiry() else { panic!("told") };
        let life = end.duration_since(keyway::Clock::wall(&clock)).unwrap();
        assert!(life.abs_diff(6 * HOUR) <= Duration::from_secs(1), "{relative} {life:?}");
        assert!(
            lease.headers().contains_key("VtexIdclientAutCookie") && !lease.headers().contains_key("authorization")
        );
        clock.advance(7 * HOUR);
        assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
        assert_eq!(fake.count("generate_authentication_token"), 2);
    }
}

#[apply(leak_checked!)]
async fn a_local_clock_that_is_a_day_wrong_does_no_harm() {
    for seconds in [-86_400, 86_400] {
        let (fake, clock) = start(|b| b.token_life(6 * HOUR)).await;
        clock.jump_wall(seconds);
        let client = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
        for _ in 0..5 {
            client.session().lease().await.unwrap();
            clock.advance(HOUR);
        }
        assert_eq!(fake.count("generate_authentication_token"), 1, "{seconds}");
    }
}

#[apply(leak_checked!)]
async fn an_app_key_is_sent_as_two_headers_and_nothing_signs_in() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    let lease = client.session().lease().await.unwrap();
    assert!(lease.token().is_none() && lease.expiry() == Expiry::Never);
    assert!(lease.headers().values().any(|value| value.is_sensitive()));
    assert_eq!((fake.saw().len(), fake.count("other")), (1, 1));
    client.api().get_organization_unit_settings().unit_id(FakeVtex::UNIT).send().await.unwrap();
}

#[apply(leak_checked!)]
async fn headers_that_are_refused_are_blamed_and_not_a_session() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, "letmein").build().unwrap();
    let error = client.api().get_organization_unit_settings().unit_id(FakeVtex::UNIT).send().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)), "{error}");
    assert!(error.to_string().contains("what .app_key_headers(..) gave"), "{error}");
}

#[apply(leak_checked!)]
async fn an_auth_status_other_than_success_is_a_refusal_inside_a_200_and_in_a_401() {
    for unauthorized in [false, true] {
        let (fake, clock) = start(|b| b.refusals_in_401(unauthorized)).await;
        let client = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, "wrong").build().unwrap();
        for _ in 0..3 {
            let error = client.session().lease().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
        }
        assert_eq!(fake.count("generate_authentication_token"), 1);
    }
    let (fake, clock) = start(|b| b).await;
    fake.next("generate_authentication_token", Fault::Json(200, json!({ "authStatus": "BlockedUser" })));
    let client = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(HOUR / 2)));
}

#[apply(leak_checked!)]
async fn an_oauth_exchange_asks_its_source_each_time() {
    let (fake, clock) = start(|b| b).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let source = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, std::io::Error>(Secret::from(FakeVtex::PROVIDER_TOKEN)) }
    };
    let client =
        builder(&fake, &clock).oauth_exchange(FakeVtex::PROVIDER, source).exchanged_for(HOUR / 2).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(HOUR);
    client.session().lease().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), fake.count("exchange_oauth_access_token")), (2, 2));
}

#[apply(leak_checked!)]
async fn a_user_token_serves_until_it_ends_and_then_nothing_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let token = fake.new_user_token(HOUR);
    let client = builder(&fake, &clock).user_token(token).build().unwrap();
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 200);
    let info = client.api().get_user_id_by_email().usuario(FakeVtex::EMAIL).send().await.unwrap();
    assert_eq!(info.status(), 200);
    clock.advance(2 * HOUR);
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap().status(), 401);
    let before = fake.saw().len();
    assert_eq!(client.http().get("/api/oms/pvt/orders").send().await.unwrap_err().kind(), ErrorKind::Unauthorized);
    assert_eq!(fake.saw().len(), before);
}

#[apply(leak_checked!)]
async fn a_user_token_that_says_it_has_ended_is_not_sent() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let (fake, clock) = start(|b| b).await;
    let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": 1_600_000_000 }).to_string());
    let client = builder(&fake, &clock).user_token(format!("e30.{claims}.sig")).build().unwrap();
    let error = client.http().get("/api/oms/pvt/orders").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInRequired);
    assert!(fake.saw().is_empty());
}

#[apply(leak_checked!)]
async fn calls_that_sign_in_carry_no_credentials() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    client.session().lease().await.unwrap();
    let token = client.session().lease().await.unwrap().token().unwrap().clone();
    client.api().check_authenticated_user().body_map(|b| b.token(token)).send().await.unwrap();
    assert!(fake.saw().iter().all(|seen| seen.bearer.is_none()), "{:?}", fake.saw());
}

#[apply(leak_checked!)]
async fn an_exchange_at_another_origin_gets_nothing_of_the_session() {
    let (fake, clock) = start(|b| b).await;
    let other = FakeVtex::start().await;
    let client = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let answer = client.http().get(format!("{}/api/oms/pvt/orders", other.uri())).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(fake.saw().is_empty());
}

#[apply(leak_checked!)]
fn an_account_is_a_host_name_and_the_shared_host_must_be_told_which() {
    let refused = |builder: ClientBuilder, what: &str| {
        let error = builder.app_key("key", "hunter2").build().unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(what), "{error}");
    };
    for name in ["", "evil.example/", "a b", "a@b"] {
        refused(Client::builder("https://store.example").account(name), ".account(..)");
    }
    refused(Client::builder("https://api.vtexcommercestable.com.br"), ".account(..)");
    let minutes = Client::builder("https://store.example")
        .oauth_exchange("p", || async { Ok::<_, std::io::Error>(Secret::from("")) });
    let error = minutes.exchanged_for(Duration::from_secs(121 * 60)).build().unwrap_err();
    assert!(error.to_string().contains(".exchanged_for(..)"), "{error}");
    refused(Client::builder("https://store.example").exchanged_for(HOUR), ".exchanged_for(..)");
    Client::for_account("mystore").app_key("key", "hunter2").build().expect("a client");
}

#[apply(leak_checked!)]
async fn at_the_host_that_serves_all_accounts_the_sign_in_says_which() {
    let (fake, clock) = start(|b| b.account("mystore")).await;
    let address: std::net::SocketAddr = fake.uri().trim_start_matches("http://").parse().unwrap();
    let shared = "api.vtexcommercestable.com.br";
    let client = |account: &str| {
        let builder = Client::builder(format!("http://{shared}:{}", address.port())).allow_http().account(account);
        let builder = builder.http(move |b| b.resolve(shared, address)).clock(clock.clone());
        builder.app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap()
    };
    client("mystore").session().lease().await.unwrap();
    let error = client("another").session().lease().await.unwrap_err();
    assert_eq!((error.status(), fake.count("generate_authentication_token")), (Some(400), 2), "{error}");
}

#[apply(leak_checked!)]
async fn two_accounts_side_by_side_never_share_a_session() {
    let (fake, clock) = start(|b| b).await;
    let store = keyway::MemoryStore::new();
    let client = |profile: &str| {
        let builder = builder(&fake, &clock).account(profile).store(store.clone());
        builder.app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap()
    };
    let one = client("one").session().lease().await.unwrap();
    let two = client("two").session().lease().await.unwrap();
    assert_ne!(one.generation(), two.generation());
    assert_eq!(client("one").session().lease().await.unwrap().generation(), one.generation());
    assert_eq!(fake.count("generate_authentication_token"), 2);
}

#[apply(leak_checked!)]
async fn a_shopper_signs_in_by_mail_and_renews_by_cookies_that_rotate() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let store = client.storefront();
    let begun = client.api().start_authentication().scope(FakeVtex::ACCOUNT).send().await.unwrap();
    let token = begun.authentication_token.clone().unwrap();

    let error = store.send_access_key(&token, "nobody").await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Api, Some(400), Some("InvalidEmail")));
    store.send_access_key(&token, FakeVtex::EMAIL).await.unwrap();
    let error = store.validate_access_key(&token, FakeVtex::EMAIL, &Secret::from("000000")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidCredentials, Some(400)), "{error}");

    let key = Secret::from(fake.access_key());
    let first = store.validate_access_key(&token, FakeVtex::EMAIL, &key).await.unwrap();
    assert_eq!((first.cookies.len(), first.refresh.is_some(), first.expires_in.is_some()), (2, true, true));
    let second = store.refresh(&first, None).await.unwrap();
    assert_eq!((second.cookies.len(), second.refresh.is_some()), (2, true));
    assert_ne!(first.refresh.as_ref().unwrap().expose(), second.refresh.as_ref().unwrap().expose());
    let third = store.refresh(&second, None).await.unwrap();
    assert_eq!(fake.reuses(), 0);

    let error = store.refresh(&first, None).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::SignInRequired, Some(200)), "{error}");
    let shown = format!("{third:?} {error:?} {store:?}");
    assert!(fake.secrets().iter().all(|secret| !shown.contains(secret.as_str())), "{shown}");
    let with_key = |seen: &keyway::testing::Seen| seen.header("x-vtex-api-appkey").is_some();
    assert!(!fake.saw().iter().any(with_key), "no session of the client's goes along");
}

#[apply(leak_checked!)]
async fn a_value_that_would_end_its_cookie_is_refused_before_anything_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    for token in ["", "a;vid_rt=b", "a\r\nx: y"] {
        let error = client.storefront().send_access_key(&Secret::from(token), "a@b.example").await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Validation, true), "{error}");
    }
    assert!(fake.saw().is_empty());
}

#[apply(leak_checked!)]
async fn a_call_that_takes_the_other_credential_alone_is_refused_before_anything_is_sent() {
    let (fake, clock) = start(|b| b).await;
    let token = fake.new_user_token(HOUR);
    let user = builder(&fake, &clock).user_token(token).build().unwrap();
    let exchanged = builder(&fake, &clock).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let key = builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    for client in [&user, &exchanged] {
        let error = client.api().get_storefront_user().user(FakeVtex::EMAIL).send().await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some("get_storefront_user")));
        assert!(error.to_string().contains(".app_key_headers(..)"), "{error}");
    }
    let error = key.api().get_user_id_by_email().usuario(FakeVtex::EMAIL).send().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some("get_user_id_by_email")));
    assert!(error.to_string().contains(".user_token(..)"), "{error}");
    assert!(fake.saw().is_empty(), "{:?}", fake.saw());
    key.api().get_storefront_user().user(FakeVtex::EMAIL).send().await.unwrap();
    user.api().get_user_id_by_email().usuario(FakeVtex::EMAIL).send().await.unwrap();
}

#[apply(leak_checked!)]
async fn an_app_token_is_renewed_while_both_work_and_the_old_one_ends_with_the_finish() {
    let (fake, clock) = start(|b| b).await;
    let client = |token: Secret| builder(&fake, &clock).app_key_headers(FakeVtex::APP_KEY, token).build().unwrap();
    let old = client(FakeVtex::APP_TOKEN.into());
    let status = |client: &Client| client.http().get("/api/oms/pvt/orders").send();

    let early = old.api().finish_token_renewal().api_key(FakeVtex::APP_KEY).send().await.unwrap_err();
    assert_eq!((early.kind(), early.status()), (ErrorKind::Api, Some(404)));
    let renewal = old.api().start_token_renewal().api_key(FakeVtex::APP_KEY).send().await.unwrap().into_inner();
    let new = client(renewal.new_token.unwrap());
    assert_eq!(
        (status(&old).await.unwrap().status(), status(&new).await.unwrap().status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    let twice = old.api().start_token_renewal().api_key(FakeVtex::APP_KEY).send().await.unwrap_err();
    assert_eq!((twice.kind(), twice.status()), (ErrorKind::Api, Some(409)));

    new.api().finish_token_renewal().api_key(FakeVtex::APP_KEY).send().await.unwrap();
    assert_eq!(status(&new).await.unwrap().status(), 200);
    // The old one: one 401, final, then remembered.
    let before = fake.count("other");
    assert_eq!(status(&old).await.unwrap().status(), 401);
    for _ in 0..5 {
        assert_eq!(status(&old).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    }
    assert_eq!(
        (fake.count("other") - before, fake.count("start_token_renewal"), fake.count("finish_token_renewal")),
        (1, 2, 2)
    );
}

#[apply(leak_checked!)]
async fn two_app_keys_at_one_store_never_share_a_token() {
    let (fake, clock) = start(|b| b.app_key("vtexappkey-second", "second-app-token")).await;
    let store = keyway::MemoryStore::new();
    let client =
        |key: &str, token: &str| builder(&fake, &clock).store(store.clone()).app_key(key, token).build().unwrap();
    let mut seen = Vec::new();
    for (key, token) in [(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN), ("vtexappkey-second", "second-app-token")] {
        for _ in 0..2 {
            seen.push(client(key, token).session().lease().await.unwrap().token().unwrap().expose().to_owned());
        }
    }
    assert!(seen[0] == seen[1] && seen[2] == seen[3] && seen[0] != seen[2]);
    assert_eq!(fake.count("generate_authentication_token"), 2);
}

#[apply(leak_checked!)]
async fn an_oauth_source_that_fails_or_gives_what_is_refused_is_asked_again_and_told() {
    let (fake, clock) = start(|b| b.provider_token(FakeVtex::PROVIDER, "second-provider-token")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    // Gives nothing, then a token that has ended, the same again, and a good one.
    let source = move || {
        let gives =
            ["", "ended", "ended", "second-provider-token"].get(counted.fetch_add(1, Ordering::SeqCst)).copied();
        async move {
            match gives.unwrap_or("second-provider-token") {
                "" => Err(std::io::Error::other("the provider is down")),
                token => Ok(Secret::from(token)),
            }
        }
    };
    let client = builder(&fake, &clock).oauth_exchange(FakeVtex::PROVIDER, source).build().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        seen.push((error.kind(), fake.count("exchange_oauth_access_token")));
        clock.advance(Duration::from_secs(60));
    }
    client.session().lease().await.unwrap();
    assert_eq!(seen[1..], [(ErrorKind::InvalidCredentials, 1), (ErrorKind::InvalidCredentials, 1)], "{seen:?}");
    assert_eq!((seen[0].1, asked.load(Ordering::SeqCst), fake.count("exchange_oauth_access_token")), (0, 4, 2));
    // From then on once per token, at the end of its hour.
    for round in 1..=5 {
        clock.advance(HOUR);
        client.session().lease().await.unwrap();
        assert_eq!((asked.load(Ordering::SeqCst), fake.count("exchange_oauth_access_token")), (4 + round, 2 + round));
    }
}

#[apply(leak_checked!)]
async fn a_user_token_near_its_end_is_used_to_its_end_and_then_asked_for_again() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let (fake, clock) = start(|b| b).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, time) = (asked.clone(), clock.clone());
    let source = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let now = keyway::Clock::wall(&time).duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": now + 100 }).to_string());
        async move { Ok::<_, std::io::Error>(Secret::from(format!("e30.{claims}.sig"))) }
    };
    let client = builder(&fake, &clock).user_token_from(source).build().unwrap();
    let first = client.session().lease().await.unwrap().generation();
    let error = client.session().lease_for(HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let before = asked.load(Ordering::SeqCst);
    clock.advance(Duration::from_secs(99));
    let last = client.session().lease().await.unwrap().generation();
    client.session().close().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), before);
    clock.advance(Duration::from_secs(1));
    let next = client.session().lease().await.unwrap().generation();
    assert!(next != last && next != first && asked.load(Ordering::SeqCst) == before + 1);
    assert!(fake.saw().is_empty());
}
