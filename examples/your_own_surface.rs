//! A vendor that Keyway does not know: write an `Issuer`, and the engine does the rest.
//!
//! ```sh
//! cargo run --example your_own_surface
//! ```
//!
//! The vendor is made up: it listens in this process, signs in by password, and its refresh tokens are good once.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Error, Secret,
    custom::{Attempt, Capabilities, Client, Issued, Issuer, Renewal, Request, Tokens, TokensAt},
    testing::ManualClock,
};
use serde_json::json;
use std::time::Duration;

struct Acme {
    password: Secret,
}

const TOKENS: TokensAt = TokensAt::new("/access").refresh("/refresh");

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)")
            .renewal(Renewal::RefreshToken { rotates: true })
            .default_life(Duration::from_secs(600))
            .budget(10, Duration::from_secs(600))
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.password)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let body = json!({ "password": self.password.expose() });
        attempt.send(Request::post("/login").json(&body)).await?.tokens(&TOKENS)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let body = json!({ "refresh": tokens.refresh().map(Secret::expose) });
        attempt.send(Request::post("/renew").json(&body)).await?.tokens(&TOKENS)
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vendor = vendor::start().await;
    let clock = ManualClock::new();
    let acme = Acme { password: "open sesame".into() };
    let client = Client::builder(vendor.uri()).issuer(acme).principal("till-7").clock(clock.clone()).build()?;
    call(&client).await?;
    for _ in 0..2 {
        println!("ten minutes later:");
        clock.advance(Duration::from_secs(600));
        call(&client).await?;
    }
    println!("{}", client.session().report());
    Ok(())
}

async fn call(client: &Client) -> Result<(), Error> {
    println!("GET /things answered {}", client.http().get("/things").send().await?.status());
    Ok(())
}

/// The vendor that is made up.
mod vendor {
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

    pub(super) async fn start() -> MockServer {
        let (server, made) = (MockServer::start().await, AtomicUsize::new(0));
        let answer = move |request: &Request| {
            let newest = made.load(Ordering::SeqCst);
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
            let good = match request.url.path() {
                "/login" => body["password"] == "open sesame",
                "/renew" => body["refresh"] == format!("refresh-{newest}"),
                _ => {
                    return ResponseTemplate::new(if bearer == Some(&format!("Bearer access-{newest}")) {
                        200
                    } else {
                        401
                    });
                }
            };
            println!("  Acme was asked: {}", request.url.path());
            let next = newest + usize::from(good);
            made.store(next, Ordering::SeqCst);
            let body = json!({ "access": format!("access-{next}"), "refresh": format!("refresh-{next}") });
            if good { ResponseTemplate::new(200).set_body_json(body) } else { ResponseTemplate::new(401) }
        };
        Mock::given(any()).respond_with(answer).mount(&server).await;
        server
    }
}
