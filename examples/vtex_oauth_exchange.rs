//! Exchanges the access token of your own identity provider for a shopper's token at VTEX. The provider is asked again
//! for every exchange, because VTEX gives no refresh token.
//!
//! ```sh
//! cargo run --example vtex_oauth_exchange
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VTEX_ACCOUNT`, `KEYWAY_VTEX_PROVIDER` and
//! `KEYWAY_VTEX_PROVIDER_TOKEN` it talks to that account.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{Error, Secret, SourceError, testing::FakeVtex, testing::ManualClock, vtex::Client};
use std::{env, time::Duration};

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_VTEX_{name}")).ok();
    if let (Some(account), Some(provider)) = (variable("ACCOUNT"), variable("PROVIDER")) {
        let source = move || async { env::var("KEYWAY_VTEX_PROVIDER_TOKEN").map(Secret::from) };
        return call(&Client::for_account(account).oauth_exchange(provider, source).build()?).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let source = || async {
        println!("  the provider is asked for a token");
        Ok::<_, SourceError>(Secret::from(FakeVtex::PROVIDER_TOKEN))
    };
    let builder = Client::builder(fake.uri()).oauth_exchange(FakeVtex::PROVIDER, source);
    let client = builder.exchanged_for(HALF_AN_HOUR).clock(clock.clone()).build()?;
    call(&client).await?;
    for _ in 0..2 {
        println!("half an hour later:");
        clock.advance(HALF_AN_HOUR);
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
