//! Signs a shopper in at a VTEX store: an access key goes out by mail, a person hands it in, and from then on cookies
//! renew the session.
//!
//! ```sh
//! cargo run --example vtex_storefront
//! ```
//!
//! Without an account it talks to a fake in this process and reads the fake's mail. With `KEYWAY_VTEX_ACCOUNT` and
//! `KEYWAY_VTEX_EMAIL` it talks to that store and asks at the terminal.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod person;

use keyway::{
    Answer, Error, Secret,
    testing::{FakeVtex, ManualClock},
    vtex::Client,
};
use person::Person;
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_VTEX_{name}")).ok();
    if let (Some(account), Some(email)) = (variable("ACCOUNT"), variable("EMAIL")) {
        return call(&Client::for_account(account).storefront(email).responder(Person::default()).build()?).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let builder = Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
    let client = builder.clock(clock.clone()).build()?;

    // There is no responder: the question comes back as an error, and the task that has the answer goes on from there.
    let Err(question) = call(&client).await else { return Ok(()) };
    let Some(resume) = question.resume() else { return Err(question) };
    println!("  {question}");
    println!("  (nobody is asked here: the key is read from the fake's mail)");
    resume.answer(Answer::AccessKey(Secret::from(fake.access_key()))).await?;
    call(&client).await?;
    for _ in 0..2 {
        println!("a day later:");
        clock.advance(Duration::from_secs(24 * 3600));
        call(&client).await?;
    }
    println!("{}", client.session().report());
    Ok(())
}

async fn call(client: &Client) -> Result<(), Error> {
    let answer = client.http().get("/api/sessions").send().await?;
    println!("  GET /api/sessions answered {}", answer.status());
    Ok(())
}
