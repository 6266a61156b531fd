//! Tokens that are bound to a key (RFC 9449): the fake checks every proof, and takes none twice.

use super::{discovering, follow, said};
use keyway::{
    Answer, ErrorKind, FileStore, MemoryStore,
    oauth2::{Client, ClientBuilder, DpopKey},
    testing::{FakeOAuth2, Fault, ManualClock},
};
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn bound(nonces: bool) -> (FakeOAuth2, ManualClock) {
    let clock = ManualClock::new();
    let builder = FakeOAuth2::builder().clock(clock.clone()).needs_dpop(true);
    let fake = builder.dpop_nonces(nonces).start().await;
    fake.serve("/menu");
    fake.serve("/orders");
    (fake, clock)
}

fn service(fake: &FakeOAuth2, clock: &ManualClock) -> ClientBuilder {
    discovering(fake, clock).client_credentials().dpop(DpopKey::generate().unwrap())
}

fn user(fake: &FakeOAuth2, clock: &ManualClock, key: &DpopKey) -> ClientBuilder {
    discovering(fake, clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).dpop(key.clone())
}

async fn called(client: &Client) -> u16 {
    client.http().get("/menu?size=2#top").send().await.unwrap().status().as_u16()
}

#[apply(leak_checked!)]
async fn every_call_of_a_bound_session_proves_that_it_has_the_key() {
    let (fake, clock) = bound(false).await;
    let client = service(&fake, &clock).build().unwrap();
    for _ in 0..3 {
        assert_eq!(called(&client).await, 200);
    }
    let lease = client.session().lease().await.unwrap();
    assert!(lease.header().to_str().unwrap().starts_with("DPoP "));
    clock.advance(HOUR);
    assert_eq!(called(&client).await, 200);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (2, 4));
    // Without proofs nothing is to be had here.
    let plain = discovering(&fake, &clock).client_credentials().build().unwrap();
    let error = plain.session().lease().await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_dpop_proof"), "{error}");
}

#[apply(leak_checked!)]
async fn a_nonce_is_learnt_once_from_the_provider_and_once_from_the_api() {
    let (fake, clock) = bound(true).await;
    let client = service(&fake, &clock).build().unwrap();
    assert_eq!(called(&client).await, 200);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (2, 2));
    assert_eq!(called(&client).await, 200);
    clock.advance(HOUR);
    assert_eq!(called(&client).await, 200);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (3, 4));
    // Nonces change: one more request each, and no token is thrown away for it.
    fake.change_dpop_nonces();
    assert_eq!(called(&client).await, 200);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (3, 6));
}

#[apply(leak_checked!)]
async fn a_nonce_that_is_never_good_is_sent_for_once_and_costs_no_token() {
    let (fake, clock) = bound(true).await;
    let client = service(&fake, &clock).build().unwrap();
    assert_eq!(called(&client).await, 200);
    let (issued, calls) = (fake.count("issue_token"), fake.count("other"));
    fake.refuse_dpop_nonces();
    assert_eq!(called(&client).await, 401);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (issued, calls + 2));
    let error = service(&fake, &clock).build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.code(), fake.count("issue_token")), (Some("use_dpop_nonce"), issued + 2), "{error}");
}

#[apply(leak_checked!)]
async fn a_revoked_token_is_renewed_under_the_same_key_and_the_call_is_sent_again() {
    let (fake, clock) = bound(true).await;
    let key = DpopKey::generate().unwrap();
    let client = user(&fake, &clock, &key).build().unwrap();
    assert_eq!(called(&client).await, 200);
    fake.revoke_access_tokens();
    fake.change_dpop_nonces();
    let calls = fake.count("other");
    assert_eq!(client.http().post("/orders").body("one").send().await.unwrap().status(), 200);
    assert_eq!(said(&fake, "grant_type"), ["refresh_token"]);
    // 401 of the token, 401 of the nonce, and in.
    assert_eq!((fake.count("other"), fake.reuses()), (calls + 3, 0));
}

#[apply(leak_checked!)]
async fn a_refresh_token_is_of_no_use_to_who_has_another_key() {
    let (fake, clock) = bound(false).await;
    let key = DpopKey::generate().unwrap();
    let owner = user(&fake, &clock, &key).build().unwrap();
    owner.session().lease().await.unwrap();
    let stolen = fake.secrets().into_iter().find(|secret| secret.starts_with("oa-refresh-")).unwrap();
    let thief = discovering(&fake, &clock).refresh_token(stolen).dpop(DpopKey::generate().unwrap()).build().unwrap();
    let error = thief.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_grant")), "{error}");
    clock.advance(HOUR);
    owner.session().renew().await.unwrap();
    assert_eq!((said(&fake, "grant_type"), fake.reuses()), (vec!["refresh_token".into()], 0));
}

#[apply(leak_checked!)]
async fn a_token_that_is_not_bound_makes_no_session() {
    let (fake, clock) = bound(false).await;
    for fault in [Fault::Member("/token_type".into(), json!("Bearer")), Fault::WithoutMember("/token_type".into())] {
        fake.next("issue_token", fault);
        let error = service(&fake, &clock).build().unwrap().session().lease().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Protocol && error.to_string().contains("not bound to the key"), "{error}");
    }
    assert_eq!(fake.count("other"), 0);
}

#[apply(leak_checked!)]
async fn processes_that_have_the_same_key_share_a_session_and_others_do_not_find_it() {
    let (fake, clock) = bound(true).await;
    let folder = tempfile::tempdir().unwrap();
    let key = DpopKey::es256(DpopKey::generate().unwrap().to_pem()).unwrap();
    let at = |key: &DpopKey| user(&fake, &clock, key).store(FileStore::at(folder.path()));
    let (one, other) = (at(&key).build().unwrap(), at(&key).build().unwrap());
    assert_eq!((called(&one).await, called(&other).await), (200, 200));
    // Once for the nonce, and once for the token.
    assert_eq!(fake.count("issue_token"), 2);
    let another = at(&DpopKey::es256(DpopKey::generate().unwrap().to_pem()).unwrap()).build().unwrap();
    assert_eq!(called(&another).await, 200);
    assert_eq!(fake.count("issue_token"), 4);
    let alone = service(&fake, &clock).store(MemoryStore::new()).build().unwrap_err();
    assert!(alone.kind() == ErrorKind::Config && alone.to_string().contains("DpopKey::es256(pem)"), "{alone}");
    // The key is nowhere in the folder, and in no text.
    let pem = key.to_pem();
    let body: String = pem.expose().lines().filter(|line| !line.starts_with('-')).collect();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&body[40..80]));
    }
    assert!(!format!("{key:?} {one:?}").contains(&body[40..80]));
}

#[apply(leak_checked!)]
async fn a_person_and_a_device_are_let_in_under_a_key_too() {
    let (fake, clock) = bound(true).await;
    let key = DpopKey::generate().unwrap();
    let web = discovering(&fake, &clock).authorization_code("https://till.example/back").dpop(key.clone()).build();
    let web = web.unwrap();
    let question = web.session().lease().await.unwrap_err();
    let page = question.sign_in_page().unwrap();
    assert!(page.url().contains(&format!("dpop_jkt={}", key.thumbprint())));
    let redirect = follow(page).await;
    question.resume().unwrap().answer(Answer::Redirect(redirect)).await.unwrap();
    assert_eq!(called(&web).await, 200);

    let device = discovering(&fake, &clock).device().dpop(DpopKey::generate().unwrap()).build().unwrap();
    let question = device.session().lease().await.unwrap_err();
    assert!(fake.approve_device());
    let resume = question.resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(|_| ()) });
    clock.until_sleeping(2).await;
    clock.advance(Duration::from_secs(5));
    waiting.await.unwrap().unwrap();
    assert_eq!(called(&device).await, 200);
    assert_eq!(said(&fake, "grant_type"), ["urn:ietf:params:oauth:grant-type:device_code"]);
}

#[apply(leak_checked!)]
async fn a_client_of_the_users_own_carries_proofs_under_the_middleware() {
    let (fake, clock) = bound(true).await;
    let session = service(&fake, &clock).build().unwrap();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(session.middleware()).build();
    for calls in [2, 3] {
        let answer = client.get(format!("{}/menu", fake.uri())).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), fake.count("other")), (200, calls));
    }
    fake.revoke_access_tokens();
    let answer = client.get(format!("{}/menu", fake.uri())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), fake.count("issue_token")), (200, 3));
}
