//! What a vendor sees when callers go away: six hundred of them, each with 60 ms of patience, and a vendor that takes 40 ms to
//! sign in and 80 ms to renew. Once with a client as one writes it in an afternoon, once with Keyway. On a fake, in this process.
//!
//! ```sh
//! cargo run --example impatient
//! ```
//!
//! A caller who goes away takes the renewal along that it was waiting for. The vendor has spent the refresh token by then, and
//! its answer, with the next one, is never read. A client that presents the old one again is taken for a thief.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    testing::{FakeVitaMojo, Fault},
    vitamojo,
};
use serde_json::{Value, json};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const CALLERS: u32 = 600;
const EVERY: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_millis(60);
const SIGN_IN_TAKES: Duration = Duration::from_millis(40);
const RENEWAL_TAKES: Duration = Duration::from_millis(80);
const TOKEN_LIFE: Duration = Duration::from_secs(2);
const PATH: &str = "/tenant/v1/stores";

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    println!("{CALLERS} callers, one every {EVERY:?}, each with {PATIENCE:?} of patience");
    println!(
        "the vendor takes {SIGN_IN_TAKES:?} to sign in and {RENEWAL_TAKES:?} to renew
"
    );
    println!("| client | sign-ins | renewals | spent twice | served | gave up | refused |");
    println!("|---|---|---|---|---|---|---|");

    let fake = vendor().await;
    let afternoon = Arc::new(Afternoon::new(fake.uri()));
    let seen = callers(move || {
        let client = afternoon.clone();
        async move { client.call().await }
    });
    row("`Mutex<Option<Token>>`", &fake, seen.await);

    let fake = vendor().await;
    let client = vitamojo::Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build()?;
    let seen = callers(move || {
        let call = client.http().get(PATH);
        async move { Ok(call.send_ok().await.map(drop)?) }
    });
    row("Keyway", &fake, seen.await);
    Ok(())
}

/// A vendor whose refresh tokens can be used once, and that ends the session of a client that uses one twice.
async fn vendor() -> FakeVitaMojo {
    let fake = FakeVitaMojo::builder().rotating(true).jwt(true).token_life(TOKEN_LIFE).start().await;
    fake.always("auth", Fault::Delay(SIGN_IN_TAKES));
    fake.always("refresh_token", Fault::Delay(RENEWAL_TAKES));
    fake
}

#[derive(Default)]
struct Seen {
    served: u32,
    gave_up: u32,
    refused: u32,
}

/// Lets the callers come one after the other, and go when their patience is over.
async fn callers<Call>(call: impl Fn() -> Call) -> Seen
where
    Call: Future<Output = Result<(), Failed>> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for _ in 0..CALLERS {
        calls.spawn(timeout(PATIENCE, call()));
        sleep(EVERY).await;
    }
    let mut seen = Seen::default();
    while let Some(outcome) = calls.join_next().await {
        match outcome {
            Ok(Ok(Ok(()))) => seen.served += 1,
            Ok(Err(_)) => seen.gave_up += 1,
            Ok(Ok(Err(_))) | Err(_) => seen.refused += 1,
        }
    }
    seen
}

fn row(client: &str, fake: &FakeVitaMojo, Seen { served, gave_up, refused }: Seen) {
    let (sign_ins, renewals, twice) = (fake.count("auth"), fake.count("refresh_token"), fake.reuses());
    println!("| {client} | {sign_ins} | {renewals} | {twice} | {served} | {gave_up} | {refused} |");
}

/// A client as one writes it: a lock around the token, renewed by the task that finds that it has ended.
struct Afternoon {
    root: String,
    http: reqwest::Client,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    access: String,
    refresh: String,
    ends: Instant,
}

impl Afternoon {
    fn new(root: String) -> Self {
        Self { root, http: reqwest::Client::new(), token: Mutex::default() }
    }

    async fn call(&self) -> Result<(), Failed> {
        let token = self.token().await?;
        let call = self.http.get(format!("{}{PATH}", self.root)).bearer_auth(token);
        call.send().await?.error_for_status()?;
        Ok(())
    }

    async fn token(&self) -> Result<String, Failed> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref().filter(|token| Instant::now() < token.ends) {
            return Ok(token.access.clone());
        }
        let renewed = match token.as_ref() {
            Some(old) => {
                self.ask(self.http.put(format!("{}/user/v1/auth/refresh/{}", self.root, old.refresh))).await.ok()
            }
            None => None,
        };
        let new = match renewed {
            Some(new) => new,
            None => {
                let who = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
                self.ask(self.http.post(format!("{}/user/v1/auth", self.root)).json(&who)).await?
            }
        };
        *token = Some(new.clone());
        Ok(new.access)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Token, Failed> {
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let part = |name: &str| answer["payload"]["token"][name].as_str().unwrap_or_default().to_owned();
        Ok(Token { access: part("value"), refresh: part("refresh"), ends: Instant::now() + TOKEN_LIFE })
    }
}
