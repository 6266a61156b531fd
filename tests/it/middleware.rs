//! The session under a client of the user's own, by `reqwest-middleware`.

use crate::{TENANT, vitamojo_client, vms_client};
use keyway::{
    Error, ErrorKind,
    testing::{FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock},
    vms,
};
use reqwest::{Request, Response, redirect::Policy};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use std::{fmt, time::Duration};
use wiremock::{MockServer, ResponseTemplate, matchers};

/// A platform, its clock, Keyway's client, and the user's own client with the session in it.
async fn vms() -> (FakeVms, ManualClock, vms::Client, ClientWithMiddleware) {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let keyway = vms_client(&fake, &clock).build().unwrap();
    let own = ClientBuilder::new(reqwest::Client::new()).with(keyway.middleware()).build();
    (fake, clock, keyway, own)
}

fn cameras(fake: &FakeVms) -> String {
    format!("{}/api/v1/cameras", fake.uri())
}

/// A server that sends whoever asks it to `target`.
async fn redirecting_to(target: &str) -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(302).insert_header("location", target);
    wiremock::Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
    server
}

#[apply(leak_checked!)]
#[threads(2)]
async fn fifty_calls_of_a_users_own_client_share_one_sign_in_and_every_one_carries_it() {
    let (fake, _clock, _keyway, own) = vms().await;
    let calls = (0..50).map(|_| tokio::spawn(own.get(cameras(&fake)).send()));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (1, 50));
    let bearers = fake.saw().into_iter().filter(|seen| seen.operation == "list_cameras").map(|seen| seen.bearer);
    assert!(bearers.flatten().all(|bearer| bearer == "token #1"));
}

#[apply(leak_checked!)]
async fn the_tenants_header_goes_along() {
    let (fake, clock) = (FakeVitaMojo::start().await, ManualClock::new());
    let keyway = vitamojo_client(&fake, &clock).build().unwrap();
    let own = ClientBuilder::new(reqwest::Client::new()).with(keyway.middleware()).build();
    own.get(format!("{}/order/v1/orders", fake.uri())).send().await.unwrap();
    assert_eq!(fake.saw()[1].tenant.as_deref(), Some(TENANT));
    // Any other tenant than the session's is refused, as with `http()`.
    let other = own.get(format!("{}/order/v1/orders", fake.uri())).header("tenant", TENANT.replace('c', "d"));
    let error = Error::from_middleware(&other.send().await.unwrap_err()).unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some("http")));
    assert_eq!(fake.count("other"), 1);
}

#[apply(leak_checked!)]
async fn another_origin_and_a_call_with_credentials_of_its_own_pass_as_they_are() {
    let (fake, _clock, _keyway, own) = vms().await;
    let other = FakeVms::start().await;
    let call = |fake| own.get(cameras(fake)).header("accept", "application/json");
    assert_eq!(call(&other).send().await.unwrap().status(), 401);
    assert_eq!(other.saw()[0].bearer, None);
    assert_eq!(call(&fake).bearer_auth("mine").send().await.unwrap().status(), 401);
    assert_eq!(fake.saw()[0].bearer.as_deref(), Some("unknown"));
    assert_eq!(fake.count("get_token"), 0);
}

#[apply(leak_checked!)]
async fn after_a_401_a_body_is_sent_again_once_with_the_next_token_and_a_stream_is_not() {
    let (fake, clock, keyway, own) = vms().await;
    fake.serve("/api/v1/marks");
    let marks = format!("{}/api/v1/marks", fake.uri());
    keyway.session().lease().await.unwrap();
    fake.revoke_all();
    assert_eq!(own.post(&marks).body("{}").send().await.unwrap().status(), 200);
    let bearers: Vec<_> =
        fake.saw().into_iter().filter(|seen| seen.operation == "other").map(|seen| seen.bearer).collect();
    assert_eq!(bearers, ["token #1", "token #2"].map(|token| Some(token.to_owned())));

    // Long enough that the next 401 is about the token again.
    clock.advance(Duration::from_secs(31));
    fake.revoke_all();
    let frames = futures_util::stream::iter([Ok::<_, std::io::Error>("frames")]);
    let stream = own.post(&marks).body(reqwest::Body::wrap_stream(frames));
    assert_eq!(stream.send().await.unwrap().status(), 401);
    // It counted all the same: the next call has a new session.
    assert_eq!(own.post(&marks).body("{}").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("get_token"), fake.count("other")), (3, 4));
}

#[apply(leak_checked!)]
async fn an_endpoint_that_always_answers_401_costs_one_renewal_and_hands_its_401_over() {
    let (fake, _clock, _keyway, own) = vms().await;
    fake.always("list_cameras", Fault::Html(401));
    for _ in 0..5 {
        assert_eq!(own.get(cameras(&fake)).send().await.unwrap().status(), 401);
    }
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (2, 6));
}

#[apply(leak_checked!)]
async fn a_redirect_to_another_origin_loses_the_token_and_its_401_rejects_nothing() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let foreign = FakeVms::start().await;
    let leaving = redirecting_to(&cameras(&foreign)).await;
    let keyway = vms_client(&fake, &clock).also_origin(leaving.uri()).build().unwrap();
    let own = ClientBuilder::new(reqwest::Client::new()).with(keyway.middleware()).build();
    let before = keyway.session().lease().await.unwrap().generation();
    for _ in 0..2 {
        assert_eq!(own.get(format!("{}/export", leaving.uri())).send().await.unwrap().status(), 401);
    }
    assert!(foreign.saw().iter().all(|seen| seen.bearer.is_none()));
    assert_eq!(keyway.session().lease().await.unwrap().generation(), before);
    assert_eq!((fake.count("get_token"), foreign.count("list_cameras")), (1, 2));
}

#[apply(leak_checked!)]
async fn a_session_in_the_vendors_own_headers_wants_the_word_that_redirects_are_off() {
    let fake = FakeVtex::start().await;
    let foreign = MockServer::start().await;
    let leaving = redirecting_to(&foreign.uri()).await;
    let builder = keyway::vtex::Client::builder(fake.uri()).also_origin(leaving.uri());
    let keyway = builder.app_key_headers(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN).build().unwrap();
    let orders = format!("{}/api/oms/pvt/orders", fake.uri());

    let unsure = ClientBuilder::new(reqwest::Client::new()).with(keyway.middleware()).build();
    let error = Error::from_middleware(&unsure.get(&orders).send().await.unwrap_err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(".redirects_off()"), "{error}");
    assert_eq!(fake.saw().len(), 0);
    // A call that gets no session needs no word.
    assert_eq!(unsure.get(foreign.uri()).send().await.unwrap().status(), 404);

    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let sure = ClientBuilder::new(client).with(keyway.middleware().redirects_off()).build();
    assert_eq!(sure.get(&orders).send().await.unwrap().status(), 200);
    assert_eq!(sure.get(leaving.uri()).send().await.unwrap().status(), 302);
    assert_eq!(foreign.received_requests().await.unwrap().len(), 1);
}

#[apply(leak_checked!)]
async fn what_keeps_the_session_from_a_token_stays_typed_under_other_middlewares() {
    let (fake, clock) = (FakeVms::builder().captcha(true).start().await, ManualClock::new());
    let keyway = vms_client(&fake, &clock).build().unwrap();
    let client = ClientBuilder::new(reqwest::Client::new());
    let own = client.with(Wrapping).with(Wrapping).with(keyway.middleware()).build();
    let outer = own.get(cameras(&fake)).send().await.unwrap_err();
    let error = Error::from_middleware(&outer).unwrap();
    assert_eq!(error.kind(), ErrorKind::CaptchaRequired);
    assert!(error.captcha().is_some());
    let answer = keyway::Answer::Captcha(fake.captcha_answer().into());
    error.resume().unwrap().answer(answer).await.unwrap();
    assert_eq!(own.get(cameras(&fake)).send().await.unwrap().status(), 200);
    assert_eq!(fake.count("list_cameras"), 1);
}

#[apply(leak_checked!)]
async fn the_networks_failure_and_another_middlewares_are_not_the_sessions() {
    let (fake, _clock, keyway, own) = vms().await;
    keyway.session().lease().await.unwrap();
    fake.always("list_cameras", Fault::CutBefore);
    let error = own.get(cameras(&fake)).send().await.unwrap_err();
    assert!(error.is_request() && Error::from_middleware(&error).is_none(), "{error:?}");
    let theirs = reqwest_middleware::Error::middleware(Wrapped(None));
    assert!(Error::from_middleware(&theirs).is_none());
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (1, 1));
}

#[apply(leak_checked!)]
async fn a_calls_own_timeout_covers_the_wait_for_the_session_and_the_sign_in_goes_on() {
    let (fake, clock, keyway, own) = vms().await;
    let gate = fake.hold("get_token");
    let call = tokio::spawn(own.get(cameras(&fake)).timeout(Duration::from_secs(5)).send());
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(5));
    let error = Error::from_middleware(&call.await.unwrap().unwrap_err()).unwrap();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Timeout, true));
    gate.open();
    keyway.session().lease().await.unwrap();
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (1, 0));
}

#[apply(leak_checked!)]
async fn sessions_of_several_vendors_stand_in_one_client_each_for_its_own_origin() {
    let clock = ManualClock::new();
    let (vms, vitamojo) = (FakeVms::start().await, FakeVitaMojo::start().await);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(vms_client(&vms, &clock).build().unwrap().middleware())
        .with(vitamojo_client(&vitamojo, &clock).build().unwrap().middleware())
        .build();
    assert_eq!(client.get(cameras(&vms)).send().await.unwrap().status(), 200);
    assert_eq!(client.get(format!("{}/order/v1/orders", vitamojo.uri())).send().await.unwrap().status(), 200);
    assert_eq!((vms.count("get_token"), vms.count("list_cameras")), (1, 1));
    assert_eq!((vitamojo.count("other"), vitamojo.saw().len()), (1, 2));
}

/// Wraps every failure, as middlewares that retry do.
struct Wrapping;

#[derive(Debug)]
struct Wrapped(Option<reqwest_middleware::Error>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("given up")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref()?)
    }
}

#[async_trait::async_trait]
impl Middleware for Wrapping {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let outcome = next.run(request, extensions).await;
        outcome.map_err(|error| reqwest_middleware::Error::middleware(Wrapped(Some(error))))
    }
}
