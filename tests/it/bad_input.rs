//! What cannot work is told before anything is sent, naming the builder method.

use keyway::{Error, ErrorKind, Retry, Secret, Timeouts, Windows, vitamojo, vms};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

fn refused(built: Result<impl std::fmt::Debug, Error>, method: &str) {
    let error = built.expect_err("must be refused");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.is_local() && error.status().is_none(), "{error}");
    let advice = error.to_string();
    assert!(advice.contains(method), "`{advice}` does not name {method}");
    assert!(!advice.contains("hunter2"), "{advice}");
}

fn at(url: &str) -> Result<vms::Client, Error> {
    vms::Client::builder(url).password("operator", "hunter2").build()
}

#[apply(leak_checked!)]
fn an_address_that_cannot_work_is_refused() {
    for url in [
        "",
        "   ",
        "vms.example",
        "/api",
        "https://",
        "ftp://vms.example",
        "http://vms.example",
        "http://10.0.0.5:8080",
        "https://user:hunter2@vms.example",
        "https://vms.example?token=hunter2",
        "https://vms.example#part",
        "https://vms .example",
    ] {
        refused(at(url), "builder(url)");
    }
}

#[apply(leak_checked!)]
fn an_address_that_works_is_taken() {
    for url in [
        "https://vms.example",
        "https://vms.example:8443/base/",
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:1",
    ] {
        at(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    let allowed = vms::Client::builder("http://10.0.0.5").password("operator", "hunter2").allow_http();
    allowed.build().expect("allowed");
}

#[apply(leak_checked!)]
fn a_client_needs_exactly_one_credential() {
    let builder = || vms::Client::builder("https://vms.example");
    refused(builder().build(), ".password(login, secret)");
    refused(builder().password("a", "hunter2").password("b", "hunter2").build(), ".password(..)");
    refused(builder().password("", "hunter2").build(), ".password(..)");
    refused(builder().password("operator", "").build(), ".password(..)");
    refused(vitamojo::Client::builder("https://vita.example").build(), ".password(email, secret)");
}

#[apply(leak_checked!)]
fn a_tenant_is_a_uuid_and_nothing_that_could_end_a_header() {
    for tenant in ["", "tenant", "c36578d8-ffa6-4a5e-a808-400ee422028a\r\nx: y", "c36578d8ffa64a5ea808400ee422028a0000"]
    {
        let builder = vitamojo::Client::builder("https://vita.example").password("a@b.example", "hunter2");
        refused(builder.tenant(tenant).build(), ".tenant(..)");
    }
}

#[apply(leak_checked!)]
fn settings_that_cannot_be_meant_are_refused() {
    let builder = || vms::Client::builder("https://vms.example").password("operator", Secret::from("hunter2"));
    refused(builder().windows(Windows::default().with_jitter(2.0)).build(), ".windows(..)");
    let upside_down = Windows::default().with_early_min(Duration::from_secs(9)).with_early_max(Duration::from_secs(1));
    refused(builder().windows(upside_down).build(), ".windows(..)");
    let late_first = Windows::default().with_early_share(0.1).with_late_share(0.2);
    refused(builder().windows(late_first).build(), ".windows(..)");
    let minute = Duration::from_secs(60);
    let late_above_early =
        Windows::default().with_early_max(minute).with_late_min(2 * minute).with_late_max(3 * minute);
    refused(builder().windows(late_above_early).build(), ".windows(..)");
    for share in [f64::NAN, f64::INFINITY, -0.1] {
        refused(builder().windows(Windows::default().with_early_share(share)).build(), ".windows(..)");
    }
    // Another renewal would start while the request of the first is out, and spend the same token.
    refused(builder().timeouts(Timeouts::default().with_renewal(minute).with_sign_in(minute)).build(), ".timeouts(..)");
    refused(builder().timeouts(Timeouts::default().with_request(Duration::ZERO)).build(), ".timeouts(..)");
    refused(builder().retry(Retry::default().with_attempts(0)).build(), ".retry(..)");
    for origin in
        ["cdn.example", "http://cdn.example", "https://me:hunter2@cdn.example", "https://cdn.example?key=hunter2"]
    {
        refused(builder().also_origin(origin).build(), ".also_origin(..)");
    }
}

#[apply(leak_checked!)]
async fn a_header_that_holds_a_line_break_is_refused_before_anything_is_sent() {
    let fake = keyway::testing::FakeVms::start().await;
    let client = vms::Client::builder(fake.uri()).password("operator", "hunter2").build().unwrap();
    let error = client.http().get("/api/v1/cameras").header("x-note", "one\r\ntwo").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "the request cannot be built (http): check its headers, query, body and scheme: one of them cannot be sent",
    );
    let own = format!("{}/api/v1/cameras/../users", fake.uri());
    for path in ["", "cameras", "//evil.example/x", "ftp://x.example/", "/api/v1/.\t./users", &own] {
        let error = client.http().get(path).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{path}");
    }
    assert!(fake.saw().is_empty());
}

/// What a future is at its first poll, with no runtime around.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits for what cannot come"),
    }
}

#[apply(leak_checked!)]
fn outside_a_runtime_a_call_is_an_error_and_no_panic() {
    let client = at("http://127.0.0.1:1").unwrap();
    let (session, http, api) = (client.session(), client.http(), client.api());
    let request = || reqwest::Request::new(reqwest::Method::GET, "http://127.0.0.1:1/x".parse().unwrap());
    let errors = [
        at_once(session.lease()).unwrap_err(),
        at_once(session.lease_for(Duration::from_secs(60))).unwrap_err(),
        at_once(session.sign_in()).unwrap_err(),
        at_once(session.sign_out()).unwrap_err(),
        at_once(http.get("/x").send()).unwrap_err(),
        at_once(http.get("/x").timeout(Duration::from_secs(1)).send()).unwrap_err(),
        at_once(http.execute(request())).unwrap_err(),
        at_once(api.list_sessions().send()).unwrap_err(),
        at_once(api.get_token().body_map(|body| body.login("operator").password("hunter2")).send()).unwrap_err(),
        at_once(api.logout().body_map(|body| body).send()).unwrap_err(),
    ];
    let vita = vitamojo::Client::builder("http://127.0.0.1:1").password("a@b.example", "hunter2").build().unwrap();
    let errors = errors.into_iter().chain([at_once(vita.session().renew()).unwrap_err()]);
    for error in errors {
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("Tokio"), "{error}");
    }
    at_once(session.close()).unwrap();
    assert!(session.profile().is_none() && session.report().is_empty());
}
