//! What an issuer of one's own sends with `attempt.send(..)`: the builder's client, permits, and failures in the vendor's words.

use keyway::{
    Error, ErrorKind, Secret, SignOut,
    custom::{
        Attempt, Capabilities, Client, ClientBuilder, Expires, Failure, Issued, Issuer, Renewal, Request, Sender,
        Tokens, TokensAt,
    },
    testing::ManualClock,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_json, header, method, path},
};

const PASSWORD: &str = "open sesame, acme";
const TOKENS: TokensAt = TokensAt::new("/data/access")
    .refresh("/data/refresh")
    .expires(&[Expires::Minutes("/data/life"), Expires::Epoch("/data/end")]);

/// The whole issuer of a vendor, as a user writes it.
struct Acme {
    password: Secret,
    sender: Option<Sender>,
    budget: Option<usize>,
}

fn acme() -> Acme {
    Acme { password: PASSWORD.into(), sender: None, budget: None }
}

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        let capabilities = Capabilities::new("acme", ".password(..)").renewal(Renewal::RefreshToken { rotates: true });
        match self.budget {
            Some(attempts) => capabilities.budget(attempts, Duration::from_secs(30 * 24 * 3600)),
            None => capabilities,
        }
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let body = json!({ "password": self.password.expose() });
        attempt.send(Request::post("/login").named("login").json(&body).carrying(&self.password)).await?.tokens(&TOKENS)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let refresh = tokens.refresh().cloned().unwrap_or_else(|| "".into());
        attempt.send(Request::post("/renew/{token}").path("token", refresh.expose())).await?.tokens(&TOKENS)
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let Some(sender) = &self.sender else { return Ok(SignOut::LocalOnly) };
        sender.send(Request::delete("/session").bearer(tokens.access())).await?.checked()?;
        Ok(SignOut::Revoked)
    }
}

async fn vendor(answers: Vec<(&str, &str, ResponseTemplate)>) -> MockServer {
    let server = MockServer::start().await;
    for (verb, at, answer) in answers {
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}

fn tokens(more: Value) -> ResponseTemplate {
    let mut data = json!({ "access": "acme-access-1", "refresh": "acme-refresh-1" });
    data.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    ResponseTemplate::new(200).set_body_json(json!({ "data": data }))
}

fn builder(server: &MockServer) -> ClientBuilder {
    Client::builder(server.uri()).issuer(acme())
}

async fn error(builder: ClientBuilder) -> Error {
    builder.build().unwrap().session().lease().await.unwrap_err()
}

async fn count(server: &MockServer, at: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|seen| seen.url.path() == at).count()
}

#[apply(leak_checked!)]
async fn a_sign_in_goes_out_with_the_builders_client_and_its_answer_is_read_by_pointers() {
    let server = MockServer::start().await;
    let signs_in = Mock::given(method("POST")).and(path("/login")).and(body_json(json!({ "password": PASSWORD })));
    signs_in.and(header("x-way", "mine")).respond_with(tokens(json!({ "life": 10 }))).expect(1).mount(&server).await;
    let renews = Mock::given(method("POST")).and(path("/renew/acme-refresh-1"));
    renews.respond_with(tokens(json!({ "life": "10" }))).expect(1).mount(&server).await;
    let clock = ManualClock::new();
    let way = reqwest::header::HeaderMap::from_iter([("x-way".parse().unwrap(), "mine".parse().unwrap())]);
    let client = builder(&server).clock(clock.clone()).http(move |b| b.default_headers(way.clone())).build().unwrap();
    let lease = client.session().lease().await.unwrap();
    assert_eq!(lease.expiry(), keyway::Expiry::At(keyway::Clock::wall(&clock) + Duration::from_secs(600)));
    clock.advance(Duration::from_secs(601));
    client.session().lease().await.unwrap();
}

/// The vendor's clock is an hour behind, and the end that it tells is a point in time.
#[apply(leak_checked!)]
async fn a_point_in_time_is_measured_by_the_date_of_the_answer() {
    let clock = ManualClock::new();
    let theirs = keyway::Clock::wall(&clock) - Duration::from_secs(3600);
    let end = theirs.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 600;
    let answer = tokens(json!({ "end": end })).insert_header("date", httpdate::fmt_http_date(theirs).as_str());
    let server = vendor(vec![("POST", "/login", answer)]).await;
    let lease = builder(&server).clock(clock.clone()).build().unwrap().session().lease().await.unwrap();
    let keyway::Expiry::At(at) = lease.expiry() else { panic!("it ends") };
    let left = at.duration_since(keyway::Clock::wall(&clock)).unwrap();
    assert!(left.abs_diff(Duration::from_secs(600)) <= Duration::from_secs(1), "{left:?}");
}

/// With the code of other clients the thirty-third of these was refused as a throttle.
#[apply(leak_checked!)]
async fn an_attempt_that_never_arrived_does_not_count() {
    // Taken, so that nobody else listens there, and listening to nobody.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    let clock = ManualClock::advancing();
    let client =
        Client::builder(address).issuer(Acme { budget: Some(2), ..acme() }).clock(clock.clone()).build().unwrap();
    for _ in 0..4 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Outage, Some("login")), "{error}");
        clock.advance(Duration::from_secs(3600));
    }
}

#[apply(leak_checked!)]
async fn a_refused_password_is_presented_once_and_a_throttle_lasts_as_long_as_it_says() {
    let server =
        vendor(vec![("POST", "/login", ResponseTemplate::new(401).set_body_json(json!({ "code": "BAD" })))]).await;
    let client = builder(&server).build().unwrap();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.status()),
            (ErrorKind::InvalidCredentials, Some("BAD"), Some(401))
        );
    }
    assert_eq!(count(&server, "/login").await, 1);
    let throttles = ResponseTemplate::new(429).insert_header("retry-after", "42");
    let error = error(builder(&vendor(vec![("POST", "/login", throttles)]).await)).await;
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(42))), "{error}");
}

#[apply(leak_checked!)]
async fn a_code_is_read_where_the_vendor_puts_it_and_never_if_it_repeats_a_secret() {
    let failure = |code: &str| json!({ "errors": [{ "extensions": { "code": code } }] });
    for (code, shown) in [("TOO_YOUNG", Some("TOO_YOUNG")), (PASSWORD, None)] {
        let answer = ResponseTemplate::new(403).set_body_json(failure(code)).insert_header("x-request-id", "r-17");
        let server = vendor(vec![("POST", "/login", answer)]).await;
        let error = error(builder(&server).code_at("/errors/0/extensions/code")).await;
        assert_eq!(
            (error.code(), error.operation(), error.request_id()),
            (shown, Some("login"), Some("r-17")),
            "{error}"
        );
    }
}

#[apply(leak_checked!)]
async fn a_judge_reads_failures_of_the_issuer_and_of_every_call_alike() {
    let teapot = || ResponseTemplate::new(418).set_body_json(json!({ "code": "SHORT_AND_STOUT" }));
    let judge = |failure: &Failure<'_>| {
        (failure.status() == 418).then(|| Error::declined(format!("a teapot at {}", failure.operation())))
    };
    let server = vendor(vec![("POST", "/login", teapot())]).await;
    let refused = error(builder(&server).judge(judge)).await;
    assert_eq!(
        (refused.kind(), refused.code(), refused.status()),
        (ErrorKind::Declined, Some("SHORT_AND_STOUT"), Some(418))
    );
    let server = vendor(vec![("POST", "/login", tokens(json!({}))), ("GET", "/tea", teapot())]).await;
    let client = builder(&server).judge(judge).build().unwrap();
    let refused = client.http().get("/tea").send_ok().await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Declined, Some("SHORT_AND_STOUT")), "{refused}");
    assert!(refused.to_string().contains("a teapot at http"), "{refused}");
}

#[apply(leak_checked!)]
async fn an_answer_that_was_lost_has_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut room = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut caller, &mut room).await;
        }
    });
    let error = error(Client::builder(address).issuer(acme())).await;
    assert!(error.is_outcome_unknown() && error.kind() == ErrorKind::Outage, "{error}");
    server.abort();
    // A success without a token is no session, and may be one at the vendor.
    let empty = ResponseTemplate::new(200).set_body_json(json!({ "data": { "access": "" } }));
    let error = error2(&vendor(vec![("POST", "/login", empty)]).await).await;
    assert!(error.is_outcome_unknown() && error.kind() == ErrorKind::Protocol, "{error}");
}

async fn error2(server: &MockServer) -> Error {
    error(builder(server)).await
}

#[apply(leak_checked!)]
async fn a_sign_out_is_sent_with_what_the_issuer_was_made_with() {
    let server = MockServer::start().await;
    Mock::given(path("/login")).respond_with(tokens(json!({}))).mount(&server).await;
    let ends = Mock::given(method("DELETE")).and(path("/session")).and(header("authorization", "Bearer acme-access-1"));
    ends.respond_with(ResponseTemplate::new(204)).expect(1).mount(&server).await;
    let client =
        Client::builder(server.uri()).issuer_with(|sender| Acme { sender: Some(sender), ..acme() }).build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
}

#[apply(leak_checked!)]
async fn a_request_that_would_lead_elsewhere_is_refused_before_anything_is_sent() {
    struct Lost(&'static str);
    impl Issuer for Lost {
        fn describe(&self) -> Capabilities {
            Capabilities::new("lost", ".issuer(..)")
        }
        async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
            attempt.send(Request::post(self.0)).await?.tokens(&TOKENS)
        }
    }
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(tokens(json!({}))).mount(&server).await;
    for elsewhere in ["@evil.example/x", ".evil.example/x", "login", ""] {
        let error = error(Client::builder(server.uri()).issuer(Lost(elsewhere))).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{elsewhere}: {error}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    let redirects = ResponseTemplate::new(307).insert_header("location", format!("{}/stolen", server.uri()).as_str());
    let error = error(builder(&vendor(vec![("POST", "/login", redirects)]).await)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(server.received_requests().await.unwrap().is_empty(), "the password stays where it was sent");
}
