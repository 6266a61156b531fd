//! The laws on a vendor that only its user knows: an issuer, and twenty lines of a document for its fake.

use keyway::{
    Error, Http, Secret, Session,
    custom::{Attempt, Capabilities, Client, Expires, Issued, Issuer, Renewal, Request, Tokens, TokensAt},
    testing::{__laws, ClientSetup, Fake, FakeApi, ManualClock, SessionFactory},
};
use serde_json::{Value, json};
use std::time::Duration;

const PASSWORD: &str = "open-sesame-1bd9c5";
const TOKENS: TokensAt = TokensAt::new("/access").refresh("/refresh").expires(&[Expires::Seconds("/expires_in")]);

struct Acme(Secret);

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.0)?;
        let body = json!({ "password": self.0.expose() });
        attempt.send(Request::post("/login").json(&body).carrying(&self.0)).await?.tokens(&TOKENS)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let body = json!({ "refresh": tokens.refresh().map(Secret::expose) });
        attempt.send(Request::post("/renew").json(&body)).await?.tokens(&TOKENS)
    }
}

/// Where `DEAF`, its clients take a 429 for an answer that makes no sense.
struct FakeAcme<const DEAF: bool>(FakeApi);

fn document(life: Duration) -> Value {
    let text = json!({ "type": "string" });
    let properties = json!({ "access": { "type": "string", "x-essential": true }, "refresh": text });
    let example = json!({ "access": "", "refresh": "", "expires_in": life.as_secs() });
    let tokens = json!({ "schema": { "type": "object", "properties": properties }, "example": example });
    let obtains = |operation: &str, step: &str| {
        let body = json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
        let answers = json!({ "200": { "description": "", "content": { "application/json": tokens } } });
        json!({ "post": { "operationId": operation, "x-session-step": step, "requestBody": body, "responses": answers } })
    };
    json!({
        "openapi": "3.1.0",
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
        "paths": {
            "/login": obtains("signIn", "sign-in"),
            "/renew": obtains("renew", "renew"),
            "/orders": { "get": { "security": [{ "bearer": [] }], "responses": { "200": { "description": "" } } } },
        },
    })
}

impl<const DEAF: bool> SessionFactory for FakeAcme<DEAF> {
    const OBTAIN: &'static [&'static str] = &["sign_in", "renew"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(600));
    const PATH: &'static str = "/orders";
    const CALL: &'static str = "get_orders";

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let document = document(life.unwrap_or_default()).to_string();
        Self(FakeApi::builder(document).clock(clock.clone()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let issuer = setup.issuer(Acme(Secret::from(PASSWORD)));
        let builder = Client::builder(setup.root()).issuer(issuer).principal("till-7");
        let builder = builder.judge(|failure| DEAF.then(|| Error::unexpected_status(failure.status())));
        let client = builder.clock(setup.clock()).store(setup.store()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_tokens();
    }

    fn secrets(&self) -> Vec<String> {
        self.0.secrets().into_iter().chain([PASSWORD.to_owned()]).collect()
    }
}

mod acme {
    keyway::testing::session_laws!(super::FakeAcme<false>);
}

/// Without this the laws could pass whatever the issuer does.
#[apply(leak_checked!)]
async fn an_issuer_whose_client_cannot_read_a_throttle_breaks_a_law() {
    let law = tokio::spawn(__laws::l14_a_throttle_is_waited_for_even_by_an_explicit_sign_in::<FakeAcme<true>>());
    assert!(law.await.unwrap_err().is_panic());
}
