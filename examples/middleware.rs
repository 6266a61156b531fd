//! The session under a client of your own: `reqwest-middleware`, with a middleware of yours around it.
//!
//! ```sh
//! cargo run --example middleware
//! ```
//!
//! In a project of your own: `cargo add keyway -F middleware` and `cargo add reqwest-middleware`. It talks to a
//! fake in this process.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{Error, testing::FakeVms, vms};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use serde_json::Value;

/// Whatever your client does with every call: here, it writes a line.
struct Diary;

#[async_trait::async_trait]
impl Middleware for Diary {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let call = format!("{} {}", request.method(), request.url().path());
        let outcome = next.run(request, extensions).await;
        match &outcome {
            Ok(answer) => println!("  {call}: {}", answer.status()),
            Err(_) => println!("  {call}: not answered"),
        }
        outcome
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = FakeVms::builder().captcha(true).start().await;
    let vms = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).build()?;

    // Outermost first: what stands after the session sees the call as it leaves, token and all.
    let client = ClientBuilder::new(reqwest::Client::new()).with(Diary).with(vms.middleware()).build();
    let cameras = format!("{}/api/v1/cameras", fake.uri());

    println!("The first call signs in, and this platform wants a captcha answered:");
    if let Err(failure) = client.get(&cameras).send().await {
        // The typed error, out of the client's own.
        let error = Error::from_middleware(&failure).ok_or(failure)?;
        println!("  {error}");
        let (Some(_), Some(resume)) = (error.captcha(), error.resume()) else { return Err(error.into()) };
        println!("  (nobody is asked here: the fake tells what its picture says)");
        resume.answer(keyway::Answer::Captcha(fake.captcha_answer().into())).await?;
    }

    println!("The same call again:");
    let list: Vec<Value> = client.get(&cameras).send().await?.json().await?;
    println!("  {} cameras", list.len());

    println!("A call to somebody else goes without the session:");
    let elsewhere = FakeVms::start().await;
    client.get(format!("{}/api/v1/cameras", elsewhere.uri())).header("accept", "application/json").send().await?;
    let strangers_saw_a_token = elsewhere.saw().iter().any(|seen| seen.bearer.is_some());
    println!("  {}", if strangers_saw_a_token { "it got the session!" } else { "it got no token" });
    vms.session().sign_out().await?;
    Ok(())
}
