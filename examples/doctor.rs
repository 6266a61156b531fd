//! Looks at everything between this machine and a session, step by step, and prints a page that is fit to be pasted into a
//! ticket: no secret, no login, no token.
//!
//! ```sh
//! cargo run --example doctor -- vms
//! ```
//!
//! The vendor is one of vitamojo, orderingstack, shopmonkey, vms, vtex, oauth2. Without an account it looks at a fake in this
//! process; the variables for a real one are those of the `quickstart`. `oauth2` is any provider of OAuth 2.0: `KEYWAY_OAUTH2_URL`
//! (the issuer), `…_CLIENT_ID` and `…_CLIENT_SECRET`, and for a user `…_USER` and `…_PASSWORD`; it is asked, too, what it knows
//! of the token (RFC 7662).
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{
    Clock, Error, ErrorKind, Expiry, Session, SignOut, SystemClock, oauth2, orderingstack, shopmonkey,
    testing::{FakeOAuth2, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex},
    vitamojo, vms, vtex,
};
use person::Person;
use serde_json::Value;
use std::{
    env,
    process::ExitCode,
    time::{Duration, SystemTime},
};
use url::Url;

const VENDORS: &str = "vitamojo, orderingstack, shopmonkey, vms, vtex, oauth2";

#[tokio::main]
async fn main() -> ExitCode {
    let vendor = env::args().nth(1).unwrap_or_else(|| "vms".to_owned());
    let outcome = match vendor.as_str() {
        "vitamojo" => vita_mojo().await,
        "orderingstack" => ordering_stack().await,
        "shopmonkey" => shop_monkey().await,
        "vms" => vms().await,
        "vtex" => vtex().await,
        "oauth2" => oauth_2().await,
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
    let who = async { client.api().check_token().send().await.map(|_| answers("check_token")) };
    Ok(examine("Vita Mojo", account.url(), client.session(), who).await)
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
    let who = async { client.api().get_self().send().await.map(|_| answers("get_self")) };
    Ok(examine("OrderingStack", account.url(), client.session(), who).await)
}

async fn shop_monkey() -> Result<Health, Error> {
    let fake = FakeShopmonkey::builder().start().await;
    let account = Account::of("SHOPMONKEY", fake.uri());
    let client = shopmonkey::Client::builder(account.url())
        .password(account.get("EMAIL", FakeShopmonkey::EMAIL), account.get("PASSWORD", FakeShopmonkey::PASSWORD))
        .build()?;
    let who = async { client.api().list_api_keys().send().await.map(|_| answers("list_api_keys")) };
    Ok(examine("Shopmonkey", account.url(), client.session(), who).await)
}

async fn vms() -> Result<Health, Error> {
    let fake = FakeVms::builder().start().await;
    let account = Account::of("VMS", fake.uri());
    let client = vms::Client::builder(account.url())
        .password(account.get("LOGIN", FakeVms::LOGIN), account.get("PASSWORD", FakeVms::PASSWORD))
        .responder(Person::default())
        .build()?;
    let who = async { client.api().get_self().send().await.map(|_| answers("get_self")) };
    Ok(examine("VMS", account.url(), client.session(), who).await)
}

async fn vtex() -> Result<Health, Error> {
    let fake = FakeVtex::builder().start().await;
    let account = Account::of("VTEX", fake.uri());
    let client = vtex::Client::builder(account.url())
        .app_key(account.get("APPKEY", FakeVtex::APP_KEY), account.get("PASSWORD", FakeVtex::APP_TOKEN))
        .build()?;
    let who = async {
        client
            .http()
            .get("/api/license-manager/account")
            .send()
            .await
            .map(|_| answers("GET /api/license-manager/account"))
    };
    Ok(examine("VTEX ID", account.url(), client.session(), who).await)
}

/// As the client itself, or as a user where one is given.
async fn oauth_2() -> Result<Health, Error> {
    let fake = FakeOAuth2::start().await;
    let account = Account::of("OAUTH2", fake.uri());
    let builder = oauth2::Client::discover(account.url()).client(
        account.get("CLIENT_ID", FakeOAuth2::CLIENT_ID),
        account.get("CLIENT_SECRET", FakeOAuth2::CLIENT_SECRET),
    );
    let builder = match account.maybe("USER") {
        Some(user) => builder.password(user, account.get("PASSWORD", "")),
        None => builder.client_credentials(),
    };
    let client = builder.build()?;
    let who = async { introspected(client.introspect().await) };
    Ok(examine("OAuth 2.0", account.url(), client.session(), who).await)
}

/// What the provider knows of the token, as far as it names no person. Not every provider tells, and not every client may ask.
fn introspected(known: Result<Value, Error>) -> Result<Finding, Error> {
    let known = match known {
        Ok(known) => known,
        Err(error)
            if matches!(error.kind(), ErrorKind::Config | ErrorKind::InvalidCredentials | ErrorKind::Forbidden) =>
        {
            return Ok(Finding::Odd(format!("the provider does not tell what it knows of the token: {error}")));
        }
        Err(error) => return Err(error),
    };
    if known["active"] != true {
        return Ok(Finding::Ill(
            "introspection: the provider says that the token it has just issued is not active".into(),
        ));
    }
    let now = SystemClock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let ends = known["exp"].as_u64().map(|end| format!("ends in {} s", end.saturating_sub(now)));
    let kind = known["token_type"].as_str().map(|kind| format!("of type {}", plain(kind)));
    let scope = known["scope"].as_str().map(|scope| format!("scope {}", plain(scope)));
    let told: Vec<_> = [Some("active".to_owned()), kind, scope, ends].into_iter().flatten().collect();
    Ok(Finding::Well(format!("introspection: {}", told.join(", "))))
}

/// A provider's words in one line of ours.
fn plain(words: &str) -> String {
    words.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(100).collect()
}

/// What an answer says about the session.
enum Finding {
    Well(String),
    Odd(String),
    Ill(String),
}

fn answers(operation: &str) -> Finding {
    Finding::Well(format!("{operation} answers this session"))
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
    who: impl Future<Output = Result<Finding, Error>>,
) -> Health {
    let mut page = Page(Health::Well);
    println!("{vendor}, with keyway {} on {} {}", env!("CARGO_PKG_VERSION"), env::consts::OS, env::consts::ARCH);
    if reach(&mut page, url).await.is_none() || sign_in(&mut page, session).await.is_none() {
        return page.0;
    }
    match who.await {
        Ok(Finding::Well(what)) => page.well("who am I", what),
        Ok(Finding::Odd(what)) => page.odd("who am I", what),
        Ok(Finding::Ill(what)) => page.ill("who am I", what),
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
        Ok(addresses) => page.well("DNS", format!("addresses of {host}: {addresses}")),
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
