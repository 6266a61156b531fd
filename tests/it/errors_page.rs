//! `docs/errors.md` names every kind of error, each with the lines that this crate really says.
//! `KEYWAY_BLESS=1 cargo test --test it errors_page` writes the lines anew.

use crate::{vitamojo_client, vms_client};
use keyway::{
    Captcha, Error, ErrorKind, Generation, Key, MemoryStore, Record, Responder, Retry, Secret, Store, StoreError,
    StoreLock, oauth2, orderingstack, shopmonkey,
    testing::{FakeOAuth2, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock},
    vitamojo, vms, vtex,
};
use serde_json::json;
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The kinds in the page's order, each with what is said.
async fn said() -> Vec<(ErrorKind, Vec<Error>)> {
    vec![
        (ErrorKind::InvalidCredentials, invalid_credentials().await),
        (ErrorKind::SignInRequired, sign_in_required().await),
        (ErrorKind::SignedOut, signed_out().await),
        (ErrorKind::CaptchaRequired, vec![vms_sign_in(FakeVms::builder().captcha(true)).await]),
        (
            ErrorKind::SessionLimitReached,
            vec![vms_sign_in(FakeVms::builder().session_limit(2).other_sessions(2)).await],
        ),
        (ErrorKind::DeviceCodeRequired, vec![device_code().await]),
        (ErrorKind::AccessKeyRequired, vec![access_key().await]),
        (ErrorKind::SecondFactorRequired, vec![second_factor().await]),
        (ErrorKind::SignInPageRequired, vec![sign_in_page().await]),
        (ErrorKind::Declined, vec![declined().await]),
        (ErrorKind::Unauthorized, unauthorized().await),
        (
            ErrorKind::Forbidden,
            vec![typed_call(Fault::Json(403, json!({ "message": "This action is unauthorized." }))).await],
        ),
        (ErrorKind::Validation, validation().await),
        (ErrorKind::Throttled, throttled().await),
        (ErrorKind::Api, api().await),
        (ErrorKind::Outage, vec![vms_fault(Fault::Html(503)).await, typed_call(Fault::CutHalfway).await]),
        (ErrorKind::Timeout, timeout().await),
        (ErrorKind::Protocol, protocol().await),
        (ErrorKind::Store, vec![store().await]),
        (ErrorKind::Config, config()),
    ]
}

async fn vms_sign_in(fake: keyway::testing::FakeVmsBuilder) -> Error {
    let (fake, clock) = (fake.start().await, ManualClock::new());
    vms_client(&fake, &clock).build().unwrap().session().lease().await.unwrap_err()
}

async fn vms_fault(fault: Fault) -> Error {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    fake.always("get_token", fault);
    vms_client(&fake, &clock).build().unwrap().session().lease().await.unwrap_err()
}

async fn typed_call(fault: Fault) -> Error {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    fake.always("list_sessions", fault);
    let client = vms_client(&fake, &clock).retry(Retry::never()).build().unwrap();
    client.api().list_sessions().send().await.unwrap_err()
}

async fn invalid_credentials() -> Vec<Error> {
    let vms = FakeVms::start().await;
    let vms = vms::Client::builder(vms.uri()).password(FakeVms::LOGIN, "wrong").build().unwrap();
    let os = FakeOrderingStack::start().await;
    let os = orderingstack::Client::builder(os.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, "wrong")
        .client_credentials()
        .build()
        .unwrap();
    let vita = FakeVitaMojo::start().await;
    let vita = vitamojo::Client::builder(vita.uri()).refresh_token("garbage").build().unwrap();
    vec![
        vms.session().lease().await.unwrap_err(),
        os.session().lease().await.unwrap_err(),
        vita.session().lease().await.unwrap_err(),
    ]
}

/// Vita Mojo, by a refresh token that somebody got elsewhere and whose successor the vendor no longer takes.
async fn sign_in_required() -> Vec<Error> {
    let (fake, clock) = (FakeVitaMojo::start().await, ManualClock::new());
    let elsewhere = vitamojo_client(&fake, &clock).build().unwrap();
    let account =
        |body: vitamojo::types::builder::AuthReq| body.email(FakeVitaMojo::EMAIL).password(FakeVitaMojo::PASSWORD);
    let seed = elsewhere.api().auth().body_map(account).send().await.unwrap().payload.token.refresh.clone().unwrap();
    let client = vitamojo::Client::builder(fake.uri()).refresh_token(seed).clock(clock.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(Duration::from_secs(11 * 60));
    let refused = client.session().lease().await.unwrap_err();
    clock.advance(Duration::from_secs(3600));
    vec![refused, client.session().lease().await.unwrap_err()]
}

async fn signed_out() -> Vec<Error> {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().sign_out().await.unwrap();
    vec![client.session().lease().await.unwrap_err()]
}

async fn device_code() -> Error {
    let fake = FakeOrderingStack::start().await;
    let client = orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .device(FakeOrderingStack::MODULE)
        .build()
        .unwrap();
    client.session().lease().await.unwrap_err()
}

async fn access_key() -> Error {
    let fake = FakeVtex::start().await;
    let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
    builder.build().unwrap().session().lease().await.unwrap_err()
}

async fn second_factor() -> Error {
    let fake = FakeVtex::builder().second_factor(FakeVtex::EMAIL, "417263-second-factor").start().await;
    let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT);
    let client = builder.storefront_password(FakeVtex::EMAIL, FakeVtex::PASSWORD).build().unwrap();
    client.session().lease().await.unwrap_err()
}

async fn sign_in_page() -> Error {
    let fake = FakeOAuth2::start().await;
    let builder = oauth2::Client::discover(fake.uri()).public_client(FakeOAuth2::PUBLIC_CLIENT);
    let client = builder.authorization_code("https://till.example/back").build().unwrap();
    client.session().lease().await.unwrap_err()
}

async fn declined() -> Error {
    struct Nobody;
    impl Responder for Nobody {
        async fn captcha(&self, _: Captcha) -> Option<Secret> {
            None
        }
    }
    let (fake, clock) = (FakeVms::builder().captcha(true).start().await, ManualClock::new());
    vms_client(&fake, &clock).responder(Nobody).build().unwrap().session().lease().await.unwrap_err()
}

async fn unauthorized() -> Vec<Error> {
    let fake = FakeShopmonkey::start().await;
    let client = shopmonkey::Client::builder(fake.uri()).api_key("revoked").build().unwrap();
    let refused = client.api().list_api_keys().send().await.unwrap_err();
    let again = client.session().lease().await.unwrap_err();
    vec![typed_call(Fault::Json(401, json!({ "message": "Unauthenticated." }))).await, refused, again]
}

async fn validation() -> Vec<Error> {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.always("update_self", Fault::Json(422, json!({ "errors": { "language": ["The language is unknown."] } })));
    let theirs = client.api().update_self().body_map(|body| body.language("en".to_owned())).send().await.unwrap_err();
    let ours = client.api().delete_session().session_id("..").send().await.unwrap_err();
    vec![theirs, ours]
}

async fn throttled() -> Vec<Error> {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.always("get_token", Fault::Html(503));
    for _ in 0..10 {
        client.session().sign_in().await.unwrap_err();
    }
    let ours = client.session().sign_in().await.unwrap_err();
    vec![vms_fault(Fault::Json(429, json!({ "message": "Too Many Attempts." }))).await, ours]
}

async fn api() -> Vec<Error> {
    let (fake, clock) = (FakeShopmonkey::start().await, ManualClock::new());
    let builder = shopmonkey::Client::builder(fake.uri()).password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD);
    let client = builder.clock(clock).build().unwrap();
    let denied = json!({ "success": false, "code": "API_KEY_LIMIT", "message": "Too many keys." });
    fake.always("list_api_keys", Fault::Json(200, denied));
    let inside_a_200 = client.api().list_api_keys().send().await.unwrap_err();
    vec![inside_a_200, typed_call(Fault::Json(404, json!({ "message": "Not found." }))).await]
}

async fn timeout() -> Vec<Error> {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let call = tokio::spawn(client.http().get("/api/v1/cameras").timeout(Duration::from_secs(5)).send());
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(5));
    vec![call.await.unwrap().unwrap_err(), typed_call(Fault::Empty(504)).await]
}

async fn protocol() -> Vec<Error> {
    #[derive(Debug, serde::Deserialize)]
    struct Camera {
        #[allow(dead_code, reason = "the fake's cameras have none")]
        title: String,
    }
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let cameras = client.http().get("/api/v1/cameras").send().await.unwrap();
    let read: Error = cameras.json::<Vec<Camera>>().await.unwrap_err().into();
    vec![typed_call(Fault::Html(200)).await, typed_call(Fault::Empty(302)).await, read]
}

/// A disk that is gone when a token is to be renewed that may be spent only once.
async fn store() -> Error {
    #[derive(Clone, Default)]
    struct Disk {
        memory: MemoryStore,
        gone: Arc<AtomicBool>,
    }
    impl Disk {
        fn is_there(&self) -> Result<(), StoreError> {
            if self.gone.load(Ordering::SeqCst) { Err(StoreError::new("the disk is gone")) } else { Ok(()) }
        }
    }
    impl Store for Disk {
        async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
            self.is_there()?;
            self.memory.load(key).await
        }
        async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
            self.is_there()?;
            self.memory.compare_and_swap(key, old, new).await
        }
        async fn remove(&self, key: &Key) -> Result<(), StoreError> {
            self.memory.remove(key).await
        }
        async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
            self.memory.lock(key, wait).await
        }
    }
    let (fake, clock, disk) = (FakeVitaMojo::start().await, ManualClock::new(), Disk::default());
    let client = vitamojo_client(&fake, &clock).store(disk.clone()).build().unwrap();
    client.session().lease().await.unwrap();
    disk.gone.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(11 * 60));
    client.session().lease().await.unwrap_err()
}

fn config() -> Vec<Error> {
    let none = vms::Client::builder("https://vms.example").build().unwrap_err();
    let plain = vms::Client::builder("http://vms.example").password("login", "hunter2").build().unwrap_err();
    vec![none, plain]
}

#[apply(leak_checked!)]
async fn the_page_of_errors_has_every_kind_with_the_lines_that_are_really_said() {
    let said = said().await;
    let _alone = PAGE.lock();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let page = fs::read_to_string(&file).unwrap();
    let (mut written, mut rest) = (String::new(), page.as_str());
    for (kind, errors) in said {
        for error in &errors {
            assert_eq!(error.kind(), kind, "{error}");
        }
        let lines: String = errors.iter().map(|error| format!("{error}\n")).collect();
        let heading = format!("## `{kind:?}`\n");
        let (before, section) =
            rest.split_once(&heading).unwrap_or_else(|| panic!("no section for {kind:?}, in order"));
        let (intro, after) = section.split_once("```text\n").unwrap_or_else(|| panic!("{kind:?} shows no lines"));
        let (shown, after) = after.split_once("```\n").unwrap();
        assert!(!intro.contains("\n## ") && !before.contains("\n## `"), "around {kind:?}");
        if !blesses() {
            assert_eq!(shown, lines, "docs/errors.md is old: KEYWAY_BLESS=1 cargo test --test it errors_page");
        }
        written += &format!("{before}{heading}{intro}```text\n{lines}```\n");
        rest = after;
    }
    assert!(!rest.contains("\n## `"), "a section of no kind: {rest}");
    if blesses() {
        fs::write(&file, format!("{written}{rest}")).unwrap();
    }
}

/// Held by a test that reads the page and writes it anew.
pub(crate) static PAGE: Mutex<()> = Mutex::new(());

/// Whether the page is to be written anew.
pub(crate) fn blesses() -> bool {
    std::env::var_os("KEYWAY_BLESS").is_some()
}
