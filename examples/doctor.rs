//! Looks at everything between this machine and a session, step by step, and prints a page that is fit to be pasted into a
//! ticket: no secret, no login, no token.
//!
//! ```sh
//! cargo run --example doctor -- vms
//! ```
//!
//! The vendor is one of vitamojo, orderingstack, shopmonkey, vms, vtex. Without an account it looks at a fake in this process;
//! the variables for a real one are those of the `quickstart`.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{
    Clock, Error, ErrorKind, Expiry, Session, SignOut, SystemClock, orderingstack, shopmonkey,
    testing::{FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex},
    vitamojo, vms, vtex,
};
use person::Person;
use std::{
    env,
    process::ExitCode,
    time::{Duration, SystemTime},
};
use url::Url;

const VENDORS: &str = "vitamojo, orderingstack, shopmonkey, vms, vtex";

#[tokio::main]
async fn main() -> ExitCode {
    let vendor = env::args().nth(1).unwrap_or_else(|| "vms".to_owned());
    let outcome = match vendor.as_str() {
        "vitamojo" => vita_mojo().await,
        "orderingstack" => ordering_stack().await,
        "shopmonkey" => shop_monkey().await,
        "vms" => vms().await,
        "vtex" => vtex().await,
        other => {
            println!("doctor: there is no vendor `{other}`; it is one of {VENDORS}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(Health::Well) => ExitCode::SUCCESS,
        Ok(Health::Ill) => ExitCode::FAILURE,
        Err(error) => {
            println!("  ✘ what the builder was given  {error}");
            ExitCode::FAILURE
        }
    }
}

async fn vita_mojo() -> Result<Health, Error> {
    let fake = FakeVitaMojo::builder().start().await;
    let account = Account::of("VITAMOJO", fake.uri());
    let mut builder = vitamojo::Client::builder(account.url())
        .password(account.get("EMAIL", FakeVitaMojo::EMAIL), account.get("PASSWORD", FakeVitaMojo::PASSWORD));
    if let Some(tenant) = account.maybe("TENANT") {
        builder = builder.tenant(tenant);
    }
    let client = builder.build()?;
    let who = async { client.api().check_token().send().await.map(drop) };
    Ok(examine("Vita Mojo", account.url(), client.session(), "check_token", who).await)
}

async fn ordering_stack() -> Result<Health, Error> {
    let fake = FakeOrderingStack::builder().start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = orderingstack::Client::builder(account.url())
        .tenant(account.get("TENANT", FakeOrderingStack::TENANT))
        .client(
            account.get("CLIENT_ID", FakeOrderingStack::CLIENT_ID),
            account.get("CLIENT_SECRET", FakeOrderingStack::CLIENT_SECRET),
        )
        .password(account.get("USER", FakeOrderingStack::LOGIN), account.get("PASSWORD", FakeOrderingStack::PASSWORD))
        .build()?;
    let who = async { client.api().get_self().send().await.map(drop) };
    Ok(examine("OrderingStack", account.url(), client.session(), "get_self", who).await)
}

async fn shop_monkey() -> Result<Health, Error> {
    let fake = FakeShopmonkey::builder().start().await;
    let account = Account::of("SHOPMONKEY", fake.uri());
    let client = shopmonkey::Client::builder(account.url())
        .password(account.get("EMAIL", FakeShopmonkey::EMAIL), account.get("PASSWORD", FakeShopmonkey::PASSWORD))
        .build()?;
    let who = async { client.api().list_api_keys().send().await.map(drop) };
    Ok(examine("Shopmonkey", account.url(), client.session(), "list_api_keys", who).await)
}

async fn vms() -> Result<Health, Error> {
    let fake = FakeVms::builder().start().await;
    let account = Account::of("VMS", fake.uri());
    let client = vms::Client::builder(account.url())
        .password(account.get("LOGIN", FakeVms::LOGIN), account.get("PASSWORD", FakeVms::PASSWORD))
        .responder(Person::default())
        .build()?;
    let who = async { client.api().get_self().send().await.map(drop) };
    Ok(examine("VMS", account.url(), client.session(), "get_self", who).await)
}

async fn vtex() -> Result<Health, Error> {
    let fake = FakeVtex::builder().start().await;
    let account = Account::of("VTEX", fake.uri());
    let client = vtex::Client::builder(account.url())
        .app_key(account.get("APPKEY", FakeVtex::APP_KEY), account.get("PASSWORD", FakeVtex::APP_TOKEN))
        .build()?;
    let who = async { client.http().get("/api/license-manager/account").send().await.map(drop) };
    Ok(examine("VTEX ID", account.url(), client.session(), "GET /api/license-manager/account", who).await)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Ill,
}

/// The patient's page.
struct Page(Health);

impl Page {
    fn well(&self, step: &str, what: impl std::fmt::Display) {
        println!("  ✔ {step:<12}{what}");
    }

    fn odd(&self, step: &str, what: impl std::fmt::Display) {
        println!("  – {step:<12}{what}");
    }

    fn ill(&mut self, step: &str, what: impl std::fmt::Display) {
        self.0 = Health::Ill;
        println!("  ✘ {step:<12}{what}");
    }
}

/// Step by step from the name to the sign-out; what cannot work any more after a failure is left out.
async fn examine(
    vendor: &str,
    url: &str,
    session: &Session,
    asks: &str,
    who: impl Future<Output = Result<(), Error>>,
) -> Health {
    let mut page = Page(Health::Well);
    println!("{vendor}, with keyway {} on {} {}", env!("CARGO_PKG_VERSION"), env::consts::OS, env::consts::ARCH);
    if reach(&mut page, url).await.is_none() || sign_in(&mut page, session).await.is_none() {
        return page.0;
    }
    match who.await {
        Ok(()) => page.well("who am I", format!("{asks} answers this session")),
        Err(error) => page.ill("who am I", error),
    }
    renew(&mut page, session).await;
    match session.sign_out().await {
        Ok(SignOut::Revoked) => page.well("sign-out", "the vendor ended the session"),
        Ok(SignOut::LocalOnly) => page.odd("sign-out", "forgotten here; this vendor offers no way to end it"),
        Err(error) => page.ill("sign-out", error),
    }
    println!("\nWhat the session did (UTC):");
    for line in session.report().to_string().lines() {
        println!("  {line}");
    }
    page.0
}

/// DNS, then TLS and HTTP, then what the vendor's clock says. Nothing of it needs an account.
async fn reach(page: &mut Page, url: &str) -> Option<()> {
    let Ok(url) = Url::parse(url) else {
        page.ill("address", "it cannot be read");
        return None;
    };
    let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
    match tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await.map(Iterator::count) {
        Ok(addresses) => page.well("DNS", format!("{host} has {addresses} address(es)")),
        Err(error) => {
            page.ill("DNS", format!("{host} is not found: {error}"));
            return None;
        }
    }
    let began = SystemClock.monotonic();
    let answer = match reqwest::Client::new().get(url.clone()).timeout(Duration::from_secs(10)).send().await {
        Ok(answer) => answer,
        Err(error) => {
            page.ill("connection", Error::from(error));
            return None;
        }
    };
    let took = (SystemClock.monotonic() - began).as_millis();
    let secured = if url.scheme() == "https" { "TLS and " } else { "plain " };
    page.well("connection", format!("{secured}{:?}, {} in {took} ms", answer.version(), answer.status()));
    match answer.headers().get("date").and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok()) {
        None => page.odd("clock", "the vendor's answers have no Date"),
        Some(date) => clock(page, date),
    }
    Some(())
}

fn clock(page: &mut Page, vendors: SystemTime) {
    let ours = SystemClock.wall();
    let skew = ours.duration_since(vendors).or_else(|_| vendors.duration_since(ours)).unwrap_or_default();
    match skew.as_secs() {
        // A `Date` has whole seconds, and the answer took its time.
        0..=5 => page.well("clock", "agrees with the vendor's"),
        6..=60 => page.odd("clock", format!("differs from the vendor's by {} s; Keyway allows for it", skew.as_secs())),
        seconds => page.ill("clock", format!("differs from the vendor's by {seconds} s: set this machine's clock")),
    }
}

async fn sign_in(page: &mut Page, session: &Session) -> Option<()> {
    let began = SystemClock.monotonic();
    match session.sign_in().await {
        Ok(lease) => {
            let took = (SystemClock.monotonic() - began).as_millis();
            page.well("sign-in", format!("in {took} ms, {}", lives(lease.expiry())));
            Some(())
        }
        Err(error) => {
            page.ill("sign-in", format!("{:?}: {error}", error.kind()));
            if let Some(id) = error.request_id() {
                page.odd("", format!("the vendor's request id is {id}"));
            }
            None
        }
    }
}

fn lives(expiry: Expiry) -> String {
    match expiry {
        Expiry::At(end) => {
            format!("good for {} s", end.duration_since(SystemClock.wall()).unwrap_or_default().as_secs())
        }
        Expiry::Never => "does not end by itself".to_owned(),
        Expiry::Unknown => "its end is not told: used until it is refused".to_owned(),
    }
}

async fn renew(page: &mut Page, session: &Session) {
    match session.renew().await {
        Ok(lease) => page.well("renewal", lives(lease.expiry())),
        // The capability table says so.
        Err(error) if error.kind() == ErrorKind::Config => page.odd("renewal", error),
        Err(error) => page.ill("renewal", error),
    }
}
