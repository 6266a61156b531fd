//! A vendor that this crate does not know.

use super::{PATH, Surface, bundled::vitamojo::Vendor as VitaMojo};
use keyway::{
    Http, Secret, Session,
    custom::{Attempt, Capabilities, Issued, Issuer, Renewal, Tokens},
    testing::{ClientSetup, Fake, FakeVitaMojo, ManualClock, SessionFactory},
};
use std::time::Duration;

/// A vendor that this crate does not know: an issuer written as a user writes one. Its platform happens to be Vita Mojo's.
pub(crate) struct Acme(FakeVitaMojo, Option<Duration>);

struct AcmeIssuer {
    root: String,
    http: reqwest::Client,
    life: Option<Duration>,
}

impl AcmeIssuer {
    async fn tokens(&self, attempt: &Attempt, call: reqwest::RequestBuilder) -> Result<Issued, keyway::Error> {
        let _permit = attempt.acquire().await?;
        let answer = call.send().await?;
        match answer.status().as_u16() {
            200 | 201 => {}
            400 => return Err(keyway::Error::refresh_refused("Acme refused it")),
            429 => return Err(keyway::Error::throttled(None)),
            status => return Err(keyway::Error::unexpected_status(status)),
        }
        let body: serde_json::Value = answer.json().await?;
        let token = |name: &str| body["payload"]["token"][name].as_str().unwrap_or_default().to_owned();
        let issued = Issued::new(token("value")).with_refresh(token("refresh"));
        Ok(self.life.into_iter().fold(issued, Issued::lives_for))
    }
}

impl Issuer for AcmeIssuer {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, keyway::Error> {
        let password = Secret::from(FakeVitaMojo::PASSWORD);
        attempt.present(&password)?;
        let body = serde_json::json!({ "email": FakeVitaMojo::EMAIL, "password": password.expose() });
        self.tokens(attempt, self.http.post(format!("{}/user/v1/auth", self.root)).json(&body)).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, keyway::Error> {
        let refresh = tokens.refresh().map(Secret::expose).unwrap_or_default();
        self.tokens(attempt, self.http.put(format!("{}/user/v1/auth/refresh/{refresh}", self.root))).await
    }
}

impl SessionFactory for Acme {
    const OBTAIN: &'static [&'static str] = VitaMojo::OBTAIN;
    const LIFE: Option<Duration> = VitaMojo::LIFE;
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(VitaMojo::start(clock, life).await.0, life)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let issuer = AcmeIssuer { root: setup.root().to_owned(), http, life: self.1 };
        let builder =
            keyway::custom::Client::builder(setup.root()).issuer(setup.issuer(issuer)).principal(FakeVitaMojo::EMAIL);
        let client = builder.clock(setup.clock()).store(setup.store()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }
}

impl Surface for Acme {
    const READS_RETRY_AFTER: bool = false;
    const HAS_DOCUMENT: bool = false;

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}
