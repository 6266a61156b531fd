//! Any HTTP call under the session: a query, JSON both ways, a stream, a failure that is an answer, a file of another origin,
//! a timeout of its own, and the bare token for what is not HTTP.
//!
//! ```sh
//! cargo run --example any_request
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VMS_URL`, `KEYWAY_VMS_LOGIN` and
//! `KEYWAY_VMS_PASSWORD` it talks to a real VMS.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{Error, testing::FakeVms, vms};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = FakeVms::builder().start().await;
    fake.serve("/api/v1/marks");
    let account = Account::of("VMS", fake.uri());
    let vms = vms::Client::builder(account.url())
        .password(account.get("LOGIN", FakeVms::LOGIN), account.get("PASSWORD", FakeVms::PASSWORD))
        .build()?;
    let http = vms.http();

    // The first call signs in. What comes back is reqwest's own answer.
    let cameras: Vec<Value> = http.get("/api/v1/cameras").query(&[("limit", 10)]).send().await?.json().await?;
    println!("a query:      {} cameras", cameras.len());

    // A body can be sent again after a 401, so an ended session is repaired behind your back …
    let answer = http.post("/api/v1/marks").json(&json!({ "title": "seen" })).send().await?;
    println!("a body:       {}", answer.status());

    // … and a failure is an answer, as with reqwest. The typed calls of `vms.api()` make an error of it.
    let answer = http.put("/api/v1/users/self").json(&json!({})).send().await?;
    println!("a failure:    {} is an answer, and not an error", answer.status());

    // Piece by piece, with a timeout that covers the wait for the session too.
    let mut answer = http.get("/api/v1/cameras").timeout(Duration::from_secs(5)).send().await?;
    let mut bytes = 0;
    while let Some(piece) = answer.chunk().await? {
        bytes += piece.len();
    }
    println!("a stream:     {bytes} bytes");

    // An address that is not the client's own never gets the session; `.also_origin(..)` on the builder would allow it.
    let elsewhere = FakeVms::builder().start().await;
    http.get(format!("{}/api/v1/cameras", elsewhere.uri())).send().await?;
    let strangers_saw_a_token = elsewhere.saw().iter().any(|seen| seen.bearer.is_some());
    println!(
        "another host: {}",
        if strangers_saw_a_token { "got the session!" } else { "got the call without the session" }
    );

    // For what is not HTTP, such as a stream or a message broker.
    let lease = vms.session().lease().await?;
    println!("the token:    {:?}, to be shown with .expose()", lease.token());
    vms.session().sign_out().await.map(drop)
}
