//! What an auditor is told: each event of a session's life, as one line.
//!
//! ```sh
//! cargo run --example audit --features audit
//! ```
//!
//! It needs no account: the vendor is a fake in this process. `docs/audit.md` lists all events and fields.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Answer, ErrorKind, Secret,
    testing::{FakeVms, ManualClock},
    vms,
};
use std::{fmt, time::Duration};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

/// Where the lines go; a real one writes into a log that cannot be changed afterwards.
struct Journal;

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        println!("{}", line.0.trim_start());
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            // The event's name says the same.
            "message" => {}
            "key" => self.0 += &format!(" key={:.12}…", format!("{value:?}")),
            name => self.0 += &format!(" {name}={value:?}"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), keyway::Error> {
    let audit = Targets::new().with_target("keyway::audit", tracing::Level::INFO);
    tracing_subscriber::registry().with(Journal.with_filter(audit)).init();

    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
    let client = |password: &str| {
        let client = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, Secret::from(password));
        client.clock(clock.clone()).build()
    };
    let vms = client(FakeVms::PASSWORD)?;
    if let Err(question) = vms.session().lease().await
        && let Some(resume) = question.resume()
    {
        resume.answer(Answer::Captcha(fake.captcha_answer().into())).await?;
    }
    vms.http().get("/api/v1/cameras").send().await?;
    clock.advance(Duration::from_secs(3600));
    fake.revoke_all();
    if let Err(error) = vms.http().get("/api/v1/cameras").send().await {
        assert_eq!(error.kind(), ErrorKind::CaptchaRequired, "{error}");
    }
    vms.session().sign_out().await?;
    Ok(())
}
