//! VTEX ID: an app key that is exchanged or sent as it is, an OAuth exchange, a user token; all in headers of its own.
#![cfg(feature = "vtex")]

use super::{
    Capabilities, Issued, Issuer, Placement, Prose, Renewal,
    builder::{Checked, NamedCredential, Options, grants, only, shared_options, surface_client},
    vtex_refusals::classify,
    vtex_shopper_password as by_password,
    vtex_shopper_session::{self as shopper, Shopper},
};
use crate::{
    CredentialSource, Error, ErrorKind, Secret,
    clock::Now,
    credential::Credential,
    generated::vtex::{FACTS, SERVER_PATH},
    http::{
        Surface,
        facts::Role,
        transport::{AuthClient, AuthResponse},
    },
    session::{
        Attempt,
        tokens::{Lifetime, Tokens, VendorExpiry, jwt_expiry},
    },
};
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

pub use super::{
    vtex_password::Authenticator,
    vtex_storefront::{Storefront, StorefrontSession},
};
pub use crate::generated::vtex::{Client as Api, builder, types};

surface_client! {
    /// A client of VTEX. Cheap to clone; clones share one session.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), keyway::Error> {
    /// use keyway::{Secret, vtex};
    ///
    /// let client = vtex::Client::for_account("mystore").app_key("vtexappkey-mystore-ABCDEF", Secret::from("…")).build()?;
    /// let orders = client.http().get("/api/oms/pvt/orders").send().await?;
    /// # Ok(()) }
    /// ```
    crate::generated::vtex::Client
}

impl Client {
    /// Begins a client for this account at its own host, `https://{account}.vtexcommercestable.com.br`.
    pub fn for_account(account: impl Into<String>) -> ClientBuilder {
        let account = account.into();
        Client::builder(format!("https://{account}.vtexcommercestable.com.br")).account(account)
    }
}

impl Client {
    /// How shoppers sign in at the store: by an access key that is mailed to them, renewed by cookies. These calls are
    /// written by hand, because they speak in cookies and multipart forms; they carry no session of this client's and
    /// touch none.
    #[must_use]
    pub fn storefront(&self) -> Storefront {
        Storefront::new(self.core.auth_client())
    }
}

pub(crate) static SURFACE: Surface =
    Surface { name: "vtex", facts: FACTS, classify, serves, content_type: Some("application/json") };

static USER_TOKEN: HeaderName = HeaderName::from_static("vtexidclientautcookie");
static APP_KEY: HeaderName = HeaderName::from_static("x-vtex-api-appkey");
static APP_TOKEN: HeaderName = HeaderName::from_static("x-vtex-api-apptoken");
/// The host that serves all accounts: the only one that must be told which.
const SHARED_HOST: &str = "api.vtexcommercestable.com.br";

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::vtex;
///
/// let builder = vtex::Client::builder("https://store.vtexcommercestable.com.br");
/// let client = builder.app_key("vtexappkey-store-ABCDEF", "…").build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    account: Option<String>,
    duration: Option<Duration>,
    grants: Vec<NamedCredential>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), account: None, duration: None, grants: Vec::new() }
    }

    /// The account's name, where the address does not say it: at the host that serves all accounts, at a gateway in front
    /// of it, or to keep two accounts behind one domain apart. An exchange of an app key then says it in `an`.
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.account = Some(name.into());
        self
    }

    /// Exchanges an app key and its token for a token of some hours.
    pub fn app_key(self, key: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.grant(EXCHANGED, key.into(), Credential::Given(token.into()))
    }

    /// As [`app_key`](Self::app_key), with an app token that is asked for at every exchange.
    pub fn app_key_from(self, key: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(EXCHANGED, key.into(), Credential::from_source(source))
    }

    /// Sends an app key and its token with every call, as they are.
    pub fn app_key_headers(self, key: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.grant(HEADERS, key.into(), Credential::Given(token.into()))
    }

    /// As [`app_key_headers`](Self::app_key_headers), with an app token that is asked for when the session begins.
    pub fn app_key_headers_from(self, key: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(HEADERS, key.into(), Credential::from_source(source))
    }

    /// Exchanges the access token of another identity provider, asked for at every exchange, for a token of this account.
    pub fn oauth_exchange(self, provider: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(OAUTH, provider.into(), Credential::from_source(source))
    }

    /// How long the token of an [`oauth_exchange`](Self::oauth_exchange) shall live: whole minutes, at most 120.
    /// Default: 60 minutes, the vendor's.
    pub fn exchanged_for(mut self, life: Duration) -> Self {
        self.duration = Some(life);
        self
    }

    /// Uses the token of a user who is already signed in.
    pub fn user_token(self, token: impl Into<Secret>) -> Self {
        self.grant(USER, "user".into(), Credential::Given(token.into()))
    }

    /// As [`user_token`](Self::user_token), asked for when the session begins and when the token has ended.
    pub fn user_token_from(self, source: impl CredentialSource) -> Self {
        self.grant(USER, "user".into(), Credential::from_source(source))
    }

    /// A shopper's session: an access key is mailed to this address, a person hands it in
    /// ([`Responder::access_key`](crate::Responder::access_key)), and from then on cookies renew it. Needs the account's
    /// name, from [`for_account`](Client::for_account) or [`account`](Self::account).
    ///
    /// A renewal needs cookies whose names only the vendor knows. So what a store keeps as the refresh token of such a
    /// session is the line of cookies that the next renewal sends: `vid_rt=…; VtexIdclientAutCookie_…=…`.
    pub fn storefront(self, email: impl Into<String>) -> Self {
        self.grant(shopper::METHOD, email.into(), Credential::Nothing)
    }

    /// A shopper's session that begins with a password. An account that refuses the older routes is signed in to at the
    /// authenticator's, where `login` may be a user name too. Where a second factor is wanted a person is asked
    /// ([`Responder::second_factor`](crate::Responder::second_factor)). Needs the account's name, and is renewed, as
    /// [`storefront`](Self::storefront) is.
    pub fn storefront_password(self, login: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.grant(by_password::METHOD, login.into(), Credential::Given(password.into()))
    }

    /// As [`storefront_password`](Self::storefront_password), with a password that is asked for at every sign-in.
    pub fn storefront_password_from(self, login: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(by_password::METHOD, login.into(), Credential::from_source(source))
    }

    grants!();
    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let offered = ".app_key(..), .app_key_headers(..), .oauth_exchange(..), .user_token(..), .storefront(..) \
                       or .storefront_password(..)";
        let grant = only(self.grants, offered)?;
        let account = self.account.map(account_name).transpose()?;
        let minutes = self.duration.map(minutes).transpose()?;
        if minutes.is_some() && grant.method != OAUTH {
            return Err(Error::config(".exchanged_for(..) is for .oauth_exchange(..)"));
        }
        let checked = self.options.check(&SURFACE)?.with_account(account.as_deref());
        if [shopper::METHOD, by_password::METHOD].contains(&grant.method) {
            let account = account.ok_or_else(|| {
                let what = format!("{} signs in to an account", grant.method);
                Error::config(what).advice("say which one with .account(..)")
            })?;
            let issuer = Shopper {
                auth: checked.auth_client(&SURFACE)?,
                account,
                login: grant.principal.clone(),
                password: (grant.method == by_password::METHOD).then(|| grant.credential.clone()),
                is_newer: AtomicBool::new(false),
            };
            let core = checked.assemble(&SURFACE, Role::User, Arc::new(issuer), &grant)?;
            return Ok(Client::from_core(core));
        }
        let role = if grant.method == HEADERS { Role::Key } else { Role::User };
        let issuer = Vtex {
            auth: checked.auth_client(&SURFACE)?,
            account: needs_account(&checked, account)?,
            name: grant.principal.clone(),
            secret: grant.credential.clone(),
            minutes,
            capabilities: capabilities(grant.method, &grant.principal, minutes)?,
        };
        let core = checked.assemble(&SURFACE, role, Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

/// Account names are host names: anything else would lead to another party's host.
fn account_name(name: String) -> Result<String, Error> {
    let sane = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if sane {
        return Ok(name);
    }
    Err(Error::config(".account(..) was given something that is no account name")
        .advice("give the name alone, of letters, digits and `-`, such as `mystore`"))
}

/// A sign-in says in `an` for which account it is, unless the host's own name says so: at the shared host, and at a gateway
/// in front of it.
fn needs_account(checked: &Checked, account: Option<String>) -> Result<Option<String>, Error> {
    let host = checked.root().host_str().unwrap_or_default();
    match account {
        None if host == SHARED_HOST => {
            Err(Error::config("this host serves all accounts").advice("say which one with .account(..)"))
        }
        Some(account) if host.strip_prefix(&account.to_ascii_lowercase()).is_some_and(|rest| rest.starts_with('.')) => {
            Ok(None)
        }
        account => Ok(account),
    }
}

fn minutes(life: Duration) -> Result<u64, Error> {
    match life.as_secs() {
        seconds if seconds % 60 == 0 && (1..=120).contains(&(seconds / 60)) => Ok(seconds / 60),
        _ => Err(Error::config(".exchanged_for(..) takes whole minutes, from 1 to 120")),
    }
}

const EXCHANGED: &str = ".app_key(..)";
const HEADERS: &str = ".app_key_headers(..)";
const OAUTH: &str = ".oauth_exchange(..)";
const USER: &str = ".user_token(..)";

fn capabilities(method: &'static str, name: &str, minutes: Option<u64>) -> Result<Capabilities, Error> {
    Ok(match method {
        EXCHANGED => exchanged_capabilities(),
        HEADERS => {
            let value = HeaderValue::try_from(name)
                .map_err(|_| Error::config(".app_key_headers(..) was given a key that no header can carry"))?;
            let placement = Placement::Pair { name: APP_KEY.clone(), value, secret: APP_TOKEN.clone() };
            Capabilities { placement, ..header_capabilities() }
        }
        OAUTH => {
            Capabilities { default_life: Some(Duration::from_secs(60 * minutes.unwrap_or(60))), ..oauth_capabilities() }
        }
        _ => user_capabilities(),
    })
}

pub(super) fn exchanged_capabilities() -> Capabilities {
    Capabilities {
        renewal: Renewal::SignIn,
        placement: Placement::Header(USER_TOKEN.clone()),
        prose: Prose {
            expiry: "`expires`, an epoch or seconds; else the JWT's `exp`; else unknown",
            revocable: "no",
            unauthorized: "the token ended: a new one, sent again once",
            failed_sign_in: "`authStatus` other than `Success`, also inside a 200",
            budget: "unknown; a blocked user waits 30 min",
        },
        ..Capabilities::new("vtex", EXCHANGED)
    }
}

pub(super) fn header_capabilities() -> Capabilities {
    let exchanged = exchanged_capabilities();
    Capabilities {
        credential: HEADERS,
        renewal: Renewal::Static,
        named: false,
        prose: Prose {
            expiry: "does not end by itself",
            revocable: "in the vendor's admin",
            unauthorized: "final; remembered for 30 s",
            failed_sign_in: "nothing signs in",
            budget: "none",
        },
        ..exchanged
    }
}

pub(super) fn oauth_capabilities() -> Capabilities {
    let exchanged = exchanged_capabilities();
    Capabilities {
        credential: OAUTH,
        named: false,
        default_life: Some(Duration::from_secs(60 * 60)),
        prose: Prose { expiry: "`exp` if the token is a JWT, else the minutes asked for", ..exchanged.prose },
        ..exchanged
    }
}

pub(super) fn user_capabilities() -> Capabilities {
    let header = header_capabilities();
    Capabilities {
        credential: USER,
        prose: Prose {
            expiry: "`exp` if the token is a JWT, else unknown: used until refused",
            revocable: "no",
            ..header.prose
        },
        ..header
    }
}

struct Vtex {
    auth: AuthClient,
    /// What `an` says, where it must be said.
    account: Option<String>,
    /// The app key, the provider, or nothing of meaning.
    name: String,
    secret: Credential,
    minutes: Option<u64>,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Credentials<'a> {
    appkey: &'a str,
    apptoken: Secret,
}

#[derive(Deserialize)]
struct ExchangedToken {
    token: Secret,
    #[serde(default)]
    expires: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OauthExchange<'a> {
    provider_id: &'a str,
    access_token: Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OauthExchanged {
    auth_token: Secret,
}

impl Vtex {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let secret = attempt.credential(&self.secret).await?;
        match self.capabilities.credential {
            EXCHANGED => self.exchange(attempt, secret).await,
            OAUTH => self.oauth_exchange(attempt, secret).await,
            HEADERS => Ok(issued(secret, Lifetime::Never, None)),
            _ => self.user_token(attempt, secret),
        }
    }

    async fn exchange(&self, attempt: &Attempt, apptoken: Secret) -> Result<Issued, Error> {
        let mut call = self.auth.call("generate_authentication_token")?;
        if let Some(account) = &self.account {
            call = call.query("an", account);
        }
        let reply = self.auth.spend(attempt, call.json(&Credentials { appkey: &self.name, apptoken })?).await?;
        exchanged(&reply, attempt.now())
    }

    async fn oauth_exchange(&self, attempt: &Attempt, access_token: Secret) -> Result<Issued, Error> {
        let body = OauthExchange { provider_id: &self.name, access_token, duration: self.minutes };
        let reply = self.auth.spend(attempt, self.auth.call("exchange_oauth_access_token")?.json(&body)?).await?;
        oauth_exchanged(&reply, self.capabilities.default_life, attempt.now())
    }

    /// A token that another program obtained. One that has already ended is not worth a request.
    fn user_token(&self, attempt: &Attempt, token: Secret) -> Result<Issued, Error> {
        // It was handed out some time ago, so our own clock has to do.
        let now = attempt.now();
        match Lifetime::ingest(jwt_expiry(&token), None, now, Some(now.wall)) {
            Lifetime::For(Duration::ZERO) => Err(Error::new(ErrorKind::SignInRequired, "the user's token has ended")
                .advice("give .user_token(..) a new one")),
            life => Ok(issued(token, life, None)),
        }
    }
}

/// The token that an app key was exchanged for; it arrived at `now`.
pub(crate) fn exchanged(reply: &AuthResponse, now: Now) -> Result<Issued, Error> {
    let ExchangedToken { token, expires } = reply.json()?;
    let token = reply.token(token)?;
    let told = VendorExpiry::epoch_or_seconds(&expires).or(|| jwt_expiry(&token));
    let life = Lifetime::ingest(told, None, now, reply.date());
    Ok(issued(token, life, reply.date()))
}

/// The token that another provider's was exchanged for; `asked` is the life that was asked for.
pub(crate) fn oauth_exchanged(reply: &AuthResponse, asked: Option<Duration>, now: Now) -> Result<Issued, Error> {
    let OauthExchanged { auth_token } = reply.json()?;
    let auth_token = reply.token(auth_token)?;
    let told = jwt_expiry(&auth_token);
    let life = Lifetime::ingest(told, asked, now, reply.date());
    Ok(issued(auth_token, life, reply.date()))
}

fn issued(access: Secret, life: Lifetime, date: Option<std::time::SystemTime>) -> Issued {
    Issued { tokens: Tokens { access, refresh: None, life, date }, profile: None }
}

impl Issuer for Vtex {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.secret.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }
}

fn serves(role: Role) -> &'static str {
    match role {
        Role::Key => HEADERS,
        _ => ".user_token(..) or .storefront(..)",
    }
}

/// The rows of `docs/capabilities.md`.
#[cfg(test)]
pub(super) fn all_capabilities() -> Vec<Capabilities> {
    vec![
        exchanged_capabilities(),
        header_capabilities(),
        oauth_capabilities(),
        user_capabilities(),
        shopper::capabilities(),
        by_password::capabilities(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn kind(status: u16) -> ErrorKind {
        let now = SystemTime::UNIX_EPOCH;
        let reply = AuthResponse::with(
            &SURFACE,
            "generate_authentication_token",
            status,
            r#"{"authStatus":"WrongCredentials"}"#,
        );
        exchanged(&reply, Now { wall: now, monotonic: Duration::ZERO }).expect_err("refused").kind()
    }

    #[apply(leak_checked!)]
    fn credentials_are_refused_by_the_vendor_and_not_by_a_bad_day_of_it() {
        for status in [200, 400, 401, 403] {
            assert_eq!(kind(status), ErrorKind::InvalidCredentials, "{status}");
        }
        for (status, expected) in
            [(408, ErrorKind::Timeout), (429, ErrorKind::Throttled), (500, ErrorKind::Outage), (503, ErrorKind::Outage)]
        {
            assert_eq!(kind(status), expected, "{status}");
        }
    }
}
