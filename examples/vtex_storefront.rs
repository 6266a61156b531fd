//! Signs a shopper in at a VTEX store: an access key goes out by mail, somebody hands it in, and from then on cookies
//! renew the session.
//!
//! ```sh
//! cargo run --example vtex_storefront
//! ```
//!
//! Without an account it talks to a fake in this process and reads the fake's mail. With `KEYWAY_VTEX_ACCOUNT` and
//! `KEYWAY_VTEX_EMAIL` it talks to that store and asks at the terminal.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    AccessKey, Answer, Error, Responder, Secret,
    testing::{FakeVtex, ManualClock},
    vtex::Client,
};
use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_VTEX_{name}")).ok();
    if let (Some(account), Some(email)) = (variable("ACCOUNT"), variable("EMAIL")) {
        return call(&Client::for_account(account).storefront(email).responder(Terminal).build()?).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let builder = Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL);
    let client = builder.clock(clock.clone()).build()?;

    // Nobody answers: the question comes back as an error, and whoever has the answer goes on from there.
    let Err(question) = call(&client).await else { return Ok(()) };
    let Some(resume) = question.resume() else { return Err(question) };
    println!("  {question}");
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

/// Asks whoever sits here.
struct Terminal;

impl Responder for Terminal {
    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        let (sent_to, attempt) = (key.sent_to().to_owned(), key.attempt());
        // Reading a terminal blocks, so it is done off Tokio's workers.
        let line = tokio::task::spawn_blocking(move || ask(&sent_to, attempt)).await.ok()??;
        Some(Secret::from(line.trim()))
    }
}

fn ask(sent_to: &str, attempt: u32) -> Option<String> {
    let again = if attempt > 1 { "That was not it. " } else { "" };
    print!("{again}The key from the mail to {sent_to}: ");
    // Into a file or a pipe: a line of its own.
    if !io::stdout().is_terminal() {
        println!();
    }
    io::stdout().flush().ok()?;
    io::stdin().lock().lines().next()?.ok().filter(|line| !line.trim().is_empty())
}
