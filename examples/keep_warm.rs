//! A till that nobody uses at night: its session is kept warm, so that the first guest in the morning waits for nothing.
//!
//! ```sh
//! cargo run --example keep_warm --features keep-warm
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Session,
    testing::{FakeVitaMojo, ManualClock},
    vitamojo,
};
use std::time::Duration;

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), keyway::Error> {
    for warm in [false, true] {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).token_life(10 * MINUTE).rotating(true).start().await;
        let till = vitamojo::Client::builder(fake.uri())
            .tenant(TENANT)
            .password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
            .clock(clock.clone())
            .build()?;
        let session = till.session().clone();
        session.lease().await?;
        if warm {
            // One line, once: the task behind it ends with the last client of the session.
            session.keep_warm()?;
            one_night(&clock, &fake, &session).await?;
        } else {
            clock.advance(8 * 60 * MINUTE);
        }
        let night = fake.count("refresh_token");
        session.lease().await?;
        let morning = fake.count("refresh_token") - night;
        let how = if warm { "kept warm" } else { "left alone" };
        println!("{how}: {night} renewals in the night, {morning} while the first guest waits");
    }
    Ok(())
}

/// Eight hours, nine minutes at a time: whenever the task has gone to sleep again.
async fn one_night(clock: &ManualClock, fake: &FakeVitaMojo, session: &Session) -> Result<(), keyway::Error> {
    for renewals in 1..=53 {
        clock.until_sleeping(1).await;
        clock.advance(9 * MINUTE);
        fake.until("refresh_token", renewals).await;
        // Asked for behind the back of whoever calls now; it has come when there is a new token.
        while session.lease().await?.generation().counter() <= renewals as u64 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
