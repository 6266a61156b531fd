//! Signs in to all five vendors, makes a typed and a free call at each, and survives what their tokens do to you.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! Without an account it talks to fakes in this process. With these variables it talks to a real one:
//!
//! - `KEYWAY_VITAMOJO_URL`, `…_EMAIL`, `…_PASSWORD` and, where needed, `…_TENANT`
//! - `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`, `…_CLIENT_ID`, `…_CLIENT_SECRET`, `…_USER`, `…_PASSWORD`
//! - `KEYWAY_SHOPMONKEY_URL`, `…_EMAIL`, `…_PASSWORD`
//! - `KEYWAY_VMS_URL`, `…_LOGIN`, `…_PASSWORD`
//! - `KEYWAY_VTEX_URL`, `…_APPKEY`, `…_PASSWORD` (the app token)
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod person;

use keyway::{
    Captcha, Error, EvictionPolicy, Expiry, Lease, Responder, Secret, orderingstack, shopmonkey,
    testing::{Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, ManualClock},
    vitamojo, vms, vtex,
};
use person::Person;
use std::{env, sync::Arc, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut table = Table::default();
    match account("VITAMOJO", "EMAIL") {
        Some(account) => table.add(vita_mojo(account).await?),
        None => table.add(fake_vita_mojo().await?),
    }
    match account("ORDERINGSTACK", "USER") {
        Some(account) => table.add(ordering_stack(account).await?),
        None => table.add(fake_ordering_stack().await?),
    }
    match account("SHOPMONKEY", "EMAIL") {
        Some(account) => table.add(shop_monkey(account).await?),
        None => table.add(fake_shop_monkey().await?),
    }
    match account("VMS", "LOGIN") {
        Some(account) => table.add(vms(account).await?),
        None => table.add(fake_vms().await?),
    }
    match account("VTEX", "APPKEY") {
        Some(account) => table.add(vtex(account).await?),
        None => table.add(fake_vtex().await?),
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

async fn fake_ordering_stack() -> Result<Row, Error> {
    println!("\nOrderingStack (a fake in this process: a refresh token that is used twice\nrevokes the whole session)");
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).start().await;
    let client = orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD)
        .clock(clock.clone())
        .build()?;

    call_ordering_stack(&client).await?;
    println!("  … a day later the token has expired, and fifty tasks notice at once …");
    clock.advance(Duration::from_secs(24 * 3600));
    let tasks: Vec<_> =
        (0..50).map(|_| client.session().clone()).map(|s| tokio::spawn(async move { s.lease().await })).collect();
    for task in tasks {
        task.await.expect("a task that does not panic")?;
    }
    let lease = call_ordering_stack(&client).await?;
    println!("  {} refresh tokens were used twice", fake.reuses());
    Ok(Row::new("OrderingStack", "password, then renewed", &lease).saw(&fake, &["issue_token", "get_self", "other"]))
}

async fn ordering_stack(account: Account) -> Result<Row, Error> {
    println!("\nOrderingStack ({})", account.url);
    let variable = |what: &str| env::var(format!("KEYWAY_ORDERINGSTACK_{what}")).unwrap_or_default();
    let client = orderingstack::Client::builder(account.url)
        .tenant(variable("TENANT"))
        .client(variable("CLIENT_ID"), variable("CLIENT_SECRET"))
        .password(account.name, account.password)
        .build()?;
    Ok(Row::new("OrderingStack", "password", &call_ordering_stack(&client).await?))
}

async fn call_ordering_stack(client: &orderingstack::Client) -> Result<Lease, Error> {
    let me = client.api().get_self().send().await?;
    println!("  typed call:  GET /auth-api/api/me says the login is {}", me.login.as_deref().unwrap_or("unknown"));
    let answer = client.http().get("/menu-api/api/menu").send().await?;
    println!("  free call:   GET /menu-api/api/menu answered {}", answer.status());
    client.session().lease().await
}

async fn fake_shop_monkey() -> Result<Row, Error> {
    println!("\nShopmonkey (a fake in this process)");
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).start().await;
    let client = shopmonkey::Client::builder(fake.uri())
        .password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD)
        .clock(clock.clone())
        .build()?;
    call_shop_monkey(&client).await?;
    println!("  … the vendor ends the session …");
    fake.revoke_sessions();
    let lease = call_shop_monkey(&client).await?;
    println!("  the 401 was noticed, and the call was sent again after a new sign-in");
    Ok(Row::new("Shopmonkey", "password", &lease).saw(&fake, &["login", "list_api_keys", "other"]))
}

async fn shop_monkey(account: Account) -> Result<Row, Error> {
    println!("\nShopmonkey ({})", account.url);
    let client = shopmonkey::Client::builder(account.url).password(account.name, account.password).build()?;
    let lease = call_shop_monkey(&client).await?;
    client.session().sign_out().await?;
    Ok(Row::new("Shopmonkey", "password", &lease))
}

async fn call_shop_monkey(client: &shopmonkey::Client) -> Result<Lease, Error> {
    let keys = client.api_keys(|call| call).collect().await?;
    println!("  typed calls: GET /v3/auth/api_key lists all keys, page by page: {}", keys.len());
    let answer = client.http().get("/v3/order").send().await?;
    println!("  free call:   GET /v3/order answered {}", answer.status());
    client.session().lease().await
}

async fn fake_vtex() -> Result<Row, Error> {
    println!("\nVTEX ID (a fake in this process)");
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let client = vtex::Client::builder(fake.uri())
        .app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN)
        .clock(clock.clone())
        .build()?;
    call_vtex(&client).await?;
    println!("  … a day later the token has expired …");
    clock.advance(Duration::from_secs(24 * 3600));
    let lease = call_vtex(&client).await?;
    let operations = ["generate_authentication_token", "check_authenticated_user", "other"];
    Ok(Row::new("VTEX ID", "app key, exchanged", &lease).saw(&fake, &operations))
}

async fn vtex(account: Account) -> Result<Row, Error> {
    println!("\nVTEX ID ({})", account.url);
    let client = vtex::Client::builder(account.url).app_key(account.name, account.password).build()?;
    Ok(Row::new("VTEX ID", "app key, exchanged", &call_vtex(&client).await?))
}

async fn call_vtex(client: &vtex::Client) -> Result<Lease, Error> {
    let lease = client.session().lease().await?;
    let Some(token) = lease.token().cloned() else { return Ok(lease) };
    let who = client.api().check_authenticated_user().body_map(|body| body.token(token)).send().await?;
    println!(
        "  typed call:  POST /api/vtexid/credential/validate says {}",
        who.auth_status.as_ref().map_or("nothing".into(), ToString::to_string)
    );
    let answer = client.http().get("/api/oms/pvt/orders").send().await?;
    println!("  free call:   GET /api/oms/pvt/orders answered {}", answer.status());
    Ok(lease)
}

async fn fake_vms() -> Result<Row, Error> {
    println!("\nVMS (a fake in this process: captchas are on, and all five sessions are taken)");
    let clock = ManualClock::new();
    let builder = FakeVms::builder().clock(clock.clone()).captcha(true).session_limit(5).other_sessions(5);
    let fake = Arc::new(builder.token_life(Duration::from_secs(3600)).start().await);
    let client = vms::Client::builder(fake.uri())
        .password(FakeVms::LOGIN, FakeVms::PASSWORD)
        .responder(ReadsTheCaptcha(fake.clone()))
        .session_limit(EvictionPolicy::OldestOffline)
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
        .responder(Person::default())
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
struct ReadsTheCaptcha(Arc<FakeVms>);

impl Responder for ReadsTheCaptcha {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        let kind = captcha.media_type();
        println!(
            "  captcha {}: {} bytes of {kind}, good for {:?} (the fake answers it)",
            captcha.attempt(),
            captcha.image().len(),
            captcha.expires_in()
        );
        Some(Secret::from(self.0.captcha_answer()))
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
            // `Thu, 01 Jan 2026 00:21:40 GMT` without the day of the week and the seconds.
            Expiry::At(end) => httpdate::fmt_http_date(end)[5..22].to_owned(),
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
        println!("\n{:<14} {:<24} expires (GMT, by its fake's clock)", "vendor", "signed in with");
        for row in &self.0 {
            let saw =
                if row.saw.is_empty() { "a real one, which keeps its own log".into() } else { row.saw.join(", ") };
            println!("{:<14} {:<24} {}", row.vendor, row.how, row.expiry);
            println!("{:<14} saw {saw}", "");
        }
        println!("\nNext:");
        for (command, what) in [
            ("cargo run --example impatient", "what happens when callers go away"),
            ("cargo run --example vms_captcha", "a sign-in that asks you something"),
            ("cargo run --example doctor -- vms", "what to do when it does not work"),
        ] {
            println!("  {command:<34} {what}");
        }
        println!("  {:<34} your own program, from the first call on", "docs/guide/README.md");
    }
}
