//! A test of your own retry logic, against a vendor that fails when it is told to. No network, no account, no waiting.
//!
//! ```sh
//! cargo test --example your_own_tests
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{Clock, Error, vms};
use reqwest::{Response, StatusCode};
use std::time::Duration;

fn main() {
    println!("It is a test: cargo test --example your_own_tests");
}

/// What you have written: three tries, with ten seconds between them.
#[allow(dead_code, reason = "the program that would call it is yours")]
async fn cameras(vms: &vms::Client, clock: &impl Clock) -> Result<Response, Error> {
    for _ in 1..3 {
        let answer = vms.http().get("/api/v1/cameras").send().await?;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            return Ok(answer);
        }
        clock.sleep(Duration::from_secs(10)).await;
    }
    vms.http().get("/api/v1/cameras").send().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway::testing::{FakeVms, Fault, ManualClock};

    #[tokio::test]
    async fn an_outage_of_twenty_seconds_is_waited_for() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().clock(clock.clone()).start().await;
        fake.next_times("list_cameras", 2, Fault::Html(503)); // down, and down again
        fake.expect("list_cameras", 3); // checked when the fake is dropped
        fake.expect("get_token", 1); // the session outlives the outage
        let vms = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD);
        let vms = vms.clock(clock.clone()).build().expect("a client");

        let time_passes = async {
            for tries in 1..3 {
                fake.until("list_cameras", tries).await;
                clock.until_sleeping(1).await; // a barrier, not a guess
                clock.advance(Duration::from_secs(10)); // which takes no time at all
            }
        };
        let (answer, ()) = tokio::join!(cameras(&vms, &clock), time_passes);
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}
