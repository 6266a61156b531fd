//! The session under a stack of `tower` services.

use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use keyway::{
    BoxFuture, Error, ErrorKind,
    oauth2::{self, DpopKey},
    testing::{FakeOAuth2, FakeVitaMojo, Fault, ManualClock},
    vitamojo,
};
use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

/// Sends requests without a body by an HTTP client of its own, and notes what it was given.
#[derive(Clone, Default)]
struct Wire {
    http: reqwest::Client,
    seen: Arc<Mutex<Vec<http::HeaderMap>>>,
}

impl<B: Send + 'static> Service<Request<B>> for Wire {
    type Response = Response<String>;
    type Error = reqwest::Error;
    type Future = BoxFuture<'static, Result<Response<String>, reqwest::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.seen.lock().unwrap().push(request.headers().clone());
        let (parts, _) = request.into_parts();
        let sent = self.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).send();
        Box::pin(async move {
            let answer = sent.await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Response::new(answer.text().await?);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok(response)
        })
    }
}

struct Stage {
    fake: FakeVitaMojo,
    clock: ManualClock,
    client: vitamojo::Client,
    wire: Wire,
}

async fn stage() -> Stage {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone());
    let client = client.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build().unwrap();
    Stage { fake, clock, client, wire: Wire::default() }
}

impl Stage {
    fn get(&self, path: &str) -> Request<Empty<&'static [u8]>> {
        Request::get(format!("{}{path}", self.fake.uri())).body(Empty::new()).unwrap()
    }

    async fn sends<B>(&self, request: Request<B>) -> Result<StatusCode, Error>
    where
        B: http_body::Body + Default + Send + 'static,
    {
        let mut stack = self.client.layer().layer(self.wire.clone());
        let ready: Result<(), _> =
            std::future::poll_fn(|context| Service::<Request<B>>::poll_ready(&mut stack, context)).await;
        ready.unwrap();
        match stack.call(request).await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(error.downcast_ref::<Error>().expect("one of ours").clone()),
        }
    }

    fn seen(&self) -> Vec<http::HeaderMap> {
        self.wire.seen.lock().unwrap().clone()
    }
}

#[apply(leak_checked!)]
async fn a_request_under_the_layer_has_the_session_and_its_tenant() {
    let stage = stage().await;
    for _ in 0..3 {
        assert_eq!(stage.sends(stage.get("/order/v1/orders")).await.unwrap(), 200);
    }
    assert_eq!((stage.fake.count("auth"), stage.fake.count("other")), (1, 3));
    let seen = stage.seen();
    assert!(seen.iter().all(|headers| headers["authorization"].is_sensitive() && headers["tenant"] == TENANT));
}

#[apply(leak_checked!)]
async fn a_401_is_answered_with_a_new_token_once() {
    let stage = stage().await;
    stage.sends(stage.get("/order/v1/orders")).await.unwrap();
    stage.clock.advance(Duration::from_secs(60));
    stage.fake.next("other", Fault::Json(401, serde_json::json!({})));
    assert_eq!(stage.sends(stage.get("/order/v1/orders")).await.unwrap(), 200);
    assert_eq!(stage.seen().len(), 3);
    // What has a body is not sent twice: its 401 is the answer, and the next one gets a new token.
    stage.clock.advance(Duration::from_secs(60));
    stage.fake.next("other", Fault::Json(401, serde_json::json!({})));
    let with_body = |text: &'static str| {
        let request = Request::post(format!("{}/order/v1/orders", stage.fake.uri()));
        request.body(Full::new(text.as_bytes())).unwrap()
    };
    assert_eq!(stage.sends(with_body("{}")).await.unwrap(), 401);
    assert_eq!(stage.seen().len(), 4);
    assert_eq!(stage.sends(stage.get("/order/v1/orders")).await.unwrap(), 200);
}

/// What has taken the session and does not any more tells that it ended; what never took it may be forbidden.
#[apply(leak_checked!)]
async fn an_endpoint_that_took_the_session_under_the_layer_is_believed_sooner_than_one_that_never_did() {
    let stage = stage().await;
    stage.fake.serve("/order/v1/secrets");
    let tokens = || stage.seen().iter().map(|headers| headers["authorization"].clone()).collect::<HashSet<_>>().len();
    let refused = |times| stage.fake.next_times("other", times, Fault::Json(401, serde_json::json!({})));
    assert_eq!(stage.sends(stage.get("/order/v1/orders")).await.unwrap(), 200);
    for round in 1..=2 {
        refused(2);
        assert_eq!(stage.sends(stage.get("/order/v1/secrets")).await.unwrap(), 401);
        assert_eq!(tokens(), 1 + round);
        stage.clock.advance(Duration::from_secs(31));
    }
    refused(1);
    assert_eq!((stage.sends(stage.get("/order/v1/secrets")).await.unwrap(), tokens()), (StatusCode::UNAUTHORIZED, 3));
    refused(1);
    assert_eq!((stage.sends(stage.get("/order/v1/orders")).await.unwrap(), tokens()), (StatusCode::OK, 4));
}

#[apply(leak_checked!)]
async fn a_request_that_goes_elsewhere_or_has_its_own_credentials_passes_as_it_is() {
    let stage = stage().await;
    let elsewhere = wiremock::MockServer::start().await;
    let foreign = Request::get(format!("{}/a", elsewhere.uri())).body(Empty::<&[u8]>::new()).unwrap();
    assert_eq!(stage.sends(foreign).await.unwrap(), 404);
    let mut own = stage.get("/order/v1/orders");
    own.headers_mut().insert("authorization", "Basic eDp5".parse().unwrap());
    stage.sends(own).await.unwrap();
    let seen = stage.seen();
    assert!(!seen[0].contains_key("authorization") && !seen[0].contains_key("tenant"), "{seen:?}");
    assert_eq!((&seen[1]["authorization"], stage.fake.count("auth")), (&"Basic eDp5".parse().unwrap(), 0));
}

#[apply(leak_checked!)]
async fn an_odd_address_gets_nothing() {
    let stage = stage().await;
    let host = stage.fake.uri().replace("http://", "");
    for address in [
        format!("http://{host}/files/..%2fadmin"),
        format!("http://{host}/files/../admin"),
        format!("http://{host}/files/%2e%2e/admin"),
        format!("http://{host}/..;/admin"),
        format!("http://user:pw@{host}/a"),
        "/order/v1/orders".to_owned(),
    ] {
        let request = Request::get(&address).body(Empty::<&[u8]>::new()).unwrap();
        let error = stage.sends(request).await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{address}: {error}");
    }
    let mut named = stage.get("/a");
    named.headers_mut().insert("host", "neighbour.example".parse().unwrap());
    assert_eq!(stage.sends(named).await.unwrap_err().kind(), ErrorKind::Config);
    assert!(stage.seen().is_empty());
}

#[apply(leak_checked!)]
async fn what_keeps_the_session_from_having_a_token_comes_out_as_it_is() {
    let stage = stage().await;
    stage.fake.always("auth", Fault::Html(503));
    let error = stage.sends(stage.get("/order/v1/orders")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Outage, "{error}");
    assert!(stage.seen().is_empty());
}

/// A stack is made of services that tell nobody of failures, too.
#[allow(dead_code, reason = "that it compiles is the test")]
fn a_stack_of_infallible_services(client: &vitamojo::Client) {
    #[derive(Clone)]
    struct Never;
    impl Service<Request<Empty<&'static [u8]>>> for Never {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<()>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Empty<&'static [u8]>>) -> Self::Future {
            std::future::ready(Ok(Response::new(())))
        }
    }
    let _: Box<dyn Service<Request<Empty<&'static [u8]>>, Response = Response<()>, Error = _, Future = _>> =
        Box::new(client.layer().layer(Never));
}

/// A stack under a session whose tokens are bound to a key, with a provider and an API that want nonces.
#[apply(leak_checked!)]
async fn a_bound_session_proves_its_key_under_the_layer_and_learns_the_nonces() {
    let fake = FakeOAuth2::builder().needs_dpop(true).dpop_nonces(true).start().await;
    fake.serve("/menu");
    let client = oauth2::Client::discover(fake.uri()).client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET);
    let client = client.client_credentials().dpop(DpopKey::generate().unwrap()).build().unwrap();
    let wire = Wire::default();
    let mut stack = client.layer().layer(wire.clone());
    let address = format!("{}/menu?size=2", fake.uri());
    let post = || Request::post(&address).body(Full::new("one".as_bytes())).unwrap();
    // What has a body is sent once: its nonce is learnt, and the token is not blamed.
    assert_eq!(stack.call(post()).await.unwrap().status(), 401);
    assert_eq!(stack.call(post()).await.unwrap().status(), 200);
    let issued = fake.count("issue_token");
    fake.change_dpop_nonces();
    let mut stack = client.layer().layer(wire.clone());
    let get = || Request::get(&address).body(Empty::<&[u8]>::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(stack.call(get()).await.unwrap().status(), 200);
    }
    assert_eq!((fake.count("other"), fake.count("issue_token")), (5, issued));
    // A proof of its own each, and none that is readable in what prints headers.
    let seen = wire.seen.lock().unwrap().clone();
    let proofs: HashSet<_> = seen.iter().map(|headers| headers["dpop"].clone()).collect();
    assert!(proofs.len() == 5 && seen.iter().all(|headers| headers["authorization"].is_sensitive()));
    // A token that was revoked is followed by another one under the same key.
    fake.revoke_access_tokens();
    assert_eq!(stack.call(get()).await.unwrap().status(), 200);
}
