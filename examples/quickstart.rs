//! Signs in to every vendor, makes one typed and one free call at each, and survives what their tokens do to you.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! Without an account it talks to fakes in this process. With these variables it talks to a real one:
//!
//! - `KEYWAY_VITAMOJO_URL`, `KEYWAY_VITAMOJO_EMAIL`, `KEYWAY_VITAMOJO_PASSWORD` and, where needed, `KEYWAY_VITAMOJO_TENANT`
//! - `KEYWAY_VMS_URL`, `KEYWAY_VMS_LOGIN`, `KEYWAY_VMS_PASSWORD`
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Captcha, Error, Evict, Expiry, Lease, Responder, Secret,
    testing::{Fake, FakeVitaMojo, FakeVms, ManualClock},
    vitamojo, vms,
};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut table = Table::default();
    match account("VITAMOJO", "EMAIL") {
        Some(account) => table.add(vita_mojo(account).await?),
        None => table.add(fake_vita_mojo().await?),
    }
    match account("VMS", "LOGIN") {
        Some(account) => table.add(vms(account).await?),
        None => table.add(fake_vms().await?),
    }
    table.print();
    Ok(())
}

async fn fake_vita_mojo() -> Result<Row, Error> {
    println!("Vita Mojo (a fake in this process)");
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
    let client = vitamojo::Client::builder(fake.uri())
        .tenant("c36578d8-ffa6-4a5e-a808-400ee422028a")
        .password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
        .clock(clock.clone())
        .build()?;

    let lease = call_vita_mojo(&client).await?;

    println!("  … eleven minutes later the token has expired …");
    clock.advance(Duration::from_secs(11 * 60));
    let renewed = call_vita_mojo(&client).await?;
    println!("  token {} became token {} without a new sign-in", lease.generation(), renewed.generation());

    Ok(Row::new("Vita Mojo", "password, then renewed", &renewed)
        .saw(&fake, &["auth", "refresh_token", "check_token", "other"]))
}

async fn vita_mojo(account: Account) -> Result<Row, Error> {
    println!("Vita Mojo ({})", account.url);
    let mut builder = vitamojo::Client::builder(account.url).password(account.name, account.password);
    if let Ok(tenant) = env::var("KEYWAY_VITAMOJO_TENANT") {
        builder = builder.tenant(tenant);
    }
    let lease = call_vita_mojo(&builder.build()?).await?;
    Ok(Row::new("Vita Mojo", "password", &lease))
}

async fn call_vita_mojo(client: &vitamojo::Client) -> Result<Lease, Error> {
    let check = client.api().check_token().send().await?;
    println!("  typed call:  GET /v1/auth/check says the session is {}", found(check.payload.user.is_some()));
    let answer = client.http().get("/tenant/v1/stores").send().await?;
    println!("  free call:   GET /tenant/v1/stores answered {}", answer.status());
    client.session().lease().await
}

async fn fake_vms() -> Result<Row, Error> {
    println!("\nVMS (a fake in this process: captchas are on, and all five sessions are taken)");
    let clock = ManualClock::new();
    let builder = FakeVms::builder().clock(clock.clone()).captcha(true).session_limit(5).other_sessions(5);
    let fake = std::sync::Arc::new(builder.token_life(Duration::from_secs(3600)).start().await);
    let client = vms::Client::builder(fake.uri())
        .password(FakeVms::LOGIN, FakeVms::PASSWORD)
        .responder(ReadsTheCaptcha(fake.clone()))
        .session_limit(Evict::OldestOffline)
        .clock(clock.clone())
        .build()?;

    call_vms(&client).await?;
    println!("  the captcha was answered, and the session that was offline longest made room");

    println!("  … two hours later the token has expired …");
    clock.advance(Duration::from_secs(2 * 3600));
    let lease = call_vms(&client).await?;
    println!("  the 401 was noticed, and the call was sent again after a new sign-in");

    let operations = ["get_captcha", "get_token", "list_sessions", "list_cameras"];
    Ok(Row::new("VMS", "password, captcha", &lease).saw(&fake, &operations))
}

async fn vms(account: Account) -> Result<Row, Error> {
    println!("\nVMS ({})", account.url);
    let client = vms::Client::builder(account.url)
        .password(account.name, account.password)
        .responder(AsksAtTheTerminal)
        .build()?;
    let lease = call_vms(&client).await?;
    let outcome = client.session().sign_out().await?;
    println!("  signed out: {outcome:?}");
    Ok(Row::new("VMS", "password", &lease))
}

async fn call_vms(client: &vms::Client) -> Result<Lease, Error> {
    let sessions = client.api().list_sessions().send().await?;
    println!("  typed call:  GET /api/v1/sessions lists {} sessions", sessions.len());
    let answer = client.http().get("/api/v1/cameras").send().await?;
    println!("  free call:   GET /api/v1/cameras answered {}", answer.status());
    client.session().lease().await
}

/// Stands for a person: it knows what the fake's picture says.
struct ReadsTheCaptcha(std::sync::Arc<FakeVms>);

impl Responder for ReadsTheCaptcha {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        let kind = captcha.media_type();
        println!(
            "  captcha {}: {} bytes of {kind}, good for {:?}",
            captcha.attempt(),
            captcha.image().len(),
            captcha.expires_in()
        );
        Some(Secret::from(self.0.captcha_answer()))
    }
}

/// Asks whoever sits here.
struct AsksAtTheTerminal;

impl Responder for AsksAtTheTerminal {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        let file = env::temp_dir().join("keyway-captcha.png");
        std::fs::write(&file, captcha.image()).ok()?;
        println!("  what does {} say?", file.display());
        let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.ok()??.ok()?;
        Some(Secret::from(line.trim()))
    }
}

struct Account {
    url: String,
    name: String,
    password: Secret,
}

/// The account in the environment, if there is one.
fn account(vendor: &str, name: &str) -> Option<Account> {
    let variable = |what: &str| env::var(format!("KEYWAY_{vendor}_{what}")).ok();
    Some(Account { url: variable("URL")?, name: variable(name)?, password: variable("PASSWORD")?.into() })
}

fn found(yes: bool) -> &'static str {
    if yes { "valid" } else { "unknown" }
}

#[derive(Default)]
struct Table(Vec<Row>);

struct Row {
    vendor: &'static str,
    how: &'static str,
    expiry: String,
    saw: Vec<String>,
}

impl Row {
    fn new(vendor: &'static str, how: &'static str, lease: &Lease) -> Self {
        let expiry = match lease.expiry() {
            Expiry::At(end) => {
                let seconds = end.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
                format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
            }
            Expiry::Never => "never".into(),
            Expiry::Unknown => "not told".into(),
        };
        Self { vendor, how, expiry, saw: Vec::new() }
    }

    /// What the vendor saw, counted in the fake's own log.
    fn saw(mut self, fake: &Fake, operations: &[&str]) -> Self {
        self.saw = operations.iter().map(|name| format!("{} {name}", fake.count(name))).collect();
        self
    }
}

impl Table {
    fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    fn print(&self) {
        println!("\n{:<10} {:<24} {:<14} what the vendor saw", "vendor", "signed in with", "expires");
        for row in &self.0 {
            let saw = if row.saw.is_empty() { "(a real vendor keeps its own log)".into() } else { row.saw.join(", ") };
            println!("{:<10} {:<24} {:<14} {saw}", row.vendor, row.how, row.expiry);
        }
    }
}
