//! Where the public API got in the way: clients without a secret, accounts behind a gateway, calls with a time of their own.

use crate::{
    TENANT,
    raw::{Raw, answer, json},
    vms_client,
};
use keyway::{ErrorKind, orderingstack, testing::*, vtex};
use std::time::Duration;

const PUBLIC: &str = "kiosk-app";

#[apply(leak_checked!)]
async fn a_client_without_a_secret_says_in_the_form_who_it_is() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).public_client(PUBLIC).start().await;
    let begin = || orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT).clock(clock.clone());
    let user = begin().public_client(PUBLIC).password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
    let user = user.build().unwrap();
    user.session().lease().await.unwrap();
    user.session().renew().await.unwrap();
    let device = begin().public_client(PUBLIC).device(FakeOrderingStack::MODULE).build().unwrap();
    let question = device.session().lease().await.unwrap_err();
    assert!(question.device_code().is_some(), "{question}");

    let unknown = begin().public_client("someone-else").anonymous().build().unwrap();
    let error = unknown.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
    let service = begin().public_client(PUBLIC).client_credentials().build().unwrap_err();
    assert_eq!(service.kind(), ErrorKind::Config);
}

#[apply(leak_checked!)]
async fn typed_steps_are_made_in_the_clients_name() {
    let fake = FakeOrderingStack::builder().public_client(PUBLIC).start().await;
    let begin = || orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
    let secret = begin().client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET).anonymous().build();
    let public = begin().public_client(PUBLIC).anonymous().build();
    for client in [secret.unwrap(), public.unwrap()] {
        let form = |b: orderingstack::types::builder::TokenForm| {
            let b = b.grant_type("password").username(FakeOrderingStack::LOGIN.to_owned());
            b.password(keyway::Secret::from(FakeOrderingStack::PASSWORD))
        };
        client.api().issue_token().body_map(form).send().await.unwrap();
        let form = |b: orderingstack::types::builder::DeviceForm| b.module(FakeOrderingStack::MODULE);
        client.api().start_device().body_map(form).send().await.unwrap();
    }
}

#[apply(leak_checked!)]
async fn an_account_behind_a_gateway_is_named_to_it() {
    let fake = Raw::start(|_| json(200, r#"{"authStatus":"Success","token":"the-token","expires":3600}"#)).await;
    let client = vtex::Client::builder(fake.uri()).account("mystore").app_key("key", "the-app-token").build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("/apptoken/login?an=mystore"), 1, "{:?}", fake.seen());
    let client = vtex::Client::builder(fake.uri()).app_key("key", "the-app-token").build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("an="), fake.seen().len()), (1, 2));
}

#[apply(leak_checked!)]
async fn a_typed_call_may_have_a_time_of_its_own() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    let gate = fake.hold("get_self");
    let call = client.clone();
    let call = tokio::spawn(async move { call.api().get_self().timeout(Duration::from_secs(3)).send().await });
    gate.arrived(1).await;
    clock.until_sleeping(1).await;
    clock.advance(Duration::from_secs(3));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("get_self")), "{error}");
    gate.open();
    client.api().get_self().timeout(Duration::from_secs(30)).send().await.unwrap();
}

#[apply(leak_checked!)]
async fn a_write_that_worked_is_no_failure() {
    let vendor = Raw::start(|request| match request.contains("/oauth/token") {
        true => json(200, r#"{"access_token":"the-token"}"#),
        false => answer(204, "", ""),
    })
    .await;
    let client = orderingstack::Client::builder(vendor.uri()).tenant(TENANT).client("till", "the-client-secret");
    let client = client.password("cashier", "the-password").build().unwrap();
    let changed = client.api().update_self().send().await.unwrap();
    assert_eq!((changed.status().as_u16(), *changed), (204, true));
}

#[apply(leak_checked!)]
async fn a_vtex_call_without_a_body_says_what_it_would_be() {
    let vendor = Raw::start(|_| json(200, "{}")).await;
    let client = vtex::Client::builder(vendor.uri()).app_key_headers("key", "the-app-token").build().unwrap();
    let _ = client.api().get_storefront_user().user("u").send().await;
    let _ = client.api().expire_user_password().email("a@example.org").send().await;
    for request in vendor.seen() {
        assert!(request.to_lowercase().contains("content-type: application/json"), "{request}");
    }
}
