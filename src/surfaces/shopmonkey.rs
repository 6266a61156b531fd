//! Shopmonkey: a login session or a static API key, and answers in envelopes that may deny a 200.
#![cfg(feature = "shopmonkey")]

use super::{
    Capabilities, Issued, Issuer, Prose, Renewal,
    builder::{NamedCredential, Options, grants, only, passwords, shared_options, surface_client},
};
use crate::{
    CredentialSource, Error, ErrorKind, Pages, Secret,
    clock::Now,
    credential::Credential,
    generated::shopmonkey::{FACTS, SERVER_PATH},
    http::{
        Surface,
        facts::{Role, Step},
        pages::Page,
        transport::{AuthClient, AuthResponse},
        verdict::Verdict,
    },
    session::{
        Attempt, Profile, SignOut,
        tokens::{Lifetime, Tokens, jwt_expiry},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::SystemTime;

pub use crate::generated::shopmonkey::{Client as Api, builder, types};

surface_client! {
    /// A client of Shopmonkey. Cheap to clone; clones share one session.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), keyway::Error> {
    /// use keyway::{Secret, shopmonkey};
    ///
    /// let client = shopmonkey::Client::builder("https://api.shopmonkey.cloud").api_key(Secret::from("…")).build()?;
    /// let orders = client.http().get("/v3/order").send().await?;
    /// let mut keys = client.api_keys(|call| call);
    /// while let Some(key) = keys.next().await {
    ///     println!("{:?}", key?.name);
    /// }
    /// # Ok(()) }
    /// ```
    crate::generated::shopmonkey::Client
}

/// The vendor's own limit; it clamps a larger one silently.
const PAGE: i64 = 100;

impl Client {
    /// The API keys, page by page. `filter` sets what the call offers beside the page:
    /// `client.api_keys(|call| call.order_by(r#"{"id":"asc"}"#))`.
    pub fn api_keys(
        &self,
        filter: impl Fn(builder::ListApiKeys<'_>) -> builder::ListApiKeys<'_> + Send + Sync + 'static,
    ) -> Pages<types::ApiKeyItem> {
        Pages::of(self, filter, |client, filter, from| {
            Box::pin(async move {
                let skip = i64::try_from(from).unwrap_or(i64::MAX);
                let call = filter(client.api().list_api_keys().limit(PAGE));
                let answer = call.skip(skip).send().await?.into_inner();
                let (more, total) = answer.meta.map_or((None, None), |meta| (meta.has_more, meta.total));
                let total = total.map(|total| total as u64);
                Ok(Page { items: answer.data, more, total })
            })
        })
    }
}

/// A `where` filter from a typed value: the vendor wants JSON as text, with bare operators (`{"name":{"contains":"till"}}`).
///
/// # Errors
/// `Config` if the value cannot be written as JSON.
pub fn filter<T: Serialize + ?Sized>(condition: &T) -> Result<String, Error> {
    serde_json::to_string(condition).map_err(|_| Error::config("the filter cannot be written as JSON"))
}

pub(crate) static SURFACE: Surface =
    Surface { name: "shopmonkey", facts: FACTS, classify, serves: |_| ".password(..)", content_type: None };

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::shopmonkey;
///
/// let client = shopmonkey::Client::builder("https://api.shopmonkey.cloud").api_key("…").build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    audience: Option<types::LoginAudience>,
    grants: Vec<NamedCredential>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), audience: None, grants: Vec::new() }
    }

    /// The app to sign in to, for [`password`](Self::password). Without it the vendor chooses.
    pub fn audience(mut self, audience: impl Into<types::LoginAudience>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    passwords!(email, "e-mail address");

    /// Uses this API key as it is: nothing signs in, nothing is renewed.
    pub fn api_key(self, key: impl Into<Secret>) -> Self {
        self.grant(API_KEY, "api key".into(), Credential::Given(key.into()))
    }

    /// Uses an API key that is asked for when the session begins, and again after the vendor refused it.
    pub fn api_key_from(self, source: impl CredentialSource) -> Self {
        self.grant(API_KEY, "api key".into(), Credential::from_source(source))
    }

    grants!();
    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let grant = only(self.grants, ".password(email, secret) or .api_key(secret)")?;
        let is_key = grant.method == API_KEY;
        if is_key && self.audience.is_some() {
            return Err(Error::config(".audience(..) is for .password(..): an API key has its audience in itself"));
        }
        let audience = self.audience.as_ref().map(ToString::to_string);
        let checked = self.options.check(&SURFACE)?.with_audience(audience);
        let issuer = Shopmonkey {
            auth: checked.auth_client(&SURFACE)?,
            email: (!is_key).then(|| grant.principal.clone()),
            secret: grant.credential.clone(),
            audience: self.audience,
            capabilities: if is_key { key_capabilities() } else { login_capabilities() },
        };
        let core = checked.assemble(&SURFACE, Role::User, std::sync::Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

const PASSWORD: &str = ".password(..)";
const API_KEY: &str = ".api_key(..)";

pub(super) fn login_capabilities() -> Capabilities {
    Capabilities {
        prose: Prose {
            expiry: "`exp` if the token has one, else unknown: used until refused",
            revocable: "yes",
            unauthorized: "the session ended: a new one, sent again once",
            failed_sign_in: "400, 401 or 403 in the vendor's envelope (which one is unknown)",
            budget: "unknown: refused credentials are not tried again",
        },
        ..Capabilities::new("shopmonkey", PASSWORD)
    }
}

pub(super) fn key_capabilities() -> Capabilities {
    let login = login_capabilities();
    Capabilities {
        credential: API_KEY,
        renewal: Renewal::Static,
        named: false,
        prose: Prose {
            expiry: "days, chosen when it was made; 0 or none: practically never",
            revocable: "with `delete_api_key`, by another session",
            unauthorized: "final; remembered for 30 s",
            failed_sign_in: "nothing signs in",
            budget: "none",
        },
        ..login
    }
}

struct Shopmonkey {
    auth: AuthClient,
    /// `None`: the secret is an API key.
    email: Option<String>,
    secret: Credential,
    audience: Option<types::LoginAudience>,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Login<'a> {
    email: &'a str,
    password: Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: &'a Option<types::LoginAudience>,
}

/// No more of the answer than a session needs: the vendor's own example lacks most of what it calls required.
#[derive(Deserialize)]
struct LoggedIn {
    data: LoginData,
}

#[derive(Deserialize)]
struct LoginData {
    token: Secret,
}

/// Members of the sign-in's answer that are secrets beside the token.
const SECRETS: [&str; 3] = ["natsUserCredentials", "algoliaAuthToken", "sessionId"];

impl Shopmonkey {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let secret = attempt.credential(&self.secret).await?;
        let Some(email) = &self.email else { return Ok(lent(secret, None, None, attempt.now())) };
        let call = self.auth.call("login")?.json(&Login { email, password: secret, audience: &self.audience })?;
        let reply = self.auth.spend(attempt, call).await?;
        issued(&reply, attempt.now())
    }

    async fn end(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        if self.email.is_none() {
            return Ok(SignOut::LocalOnly);
        }
        let call = self.auth.call("logout")?.json(&serde_json::json!({}))?.bearer(&tokens.access)?;
        let reply = self.auth.ask(call).await?;
        match reply.status() {
            // 401: the vendor has already forgotten it.
            401 => Ok(SignOut::Revoked),
            _ => reply.checked().map(|_| SignOut::Revoked),
        }
    }
}

/// The session that the answer to a login holds; it arrived at `now`.
pub(crate) fn issued(reply: &AuthResponse, now: Now) -> Result<Issued, Error> {
    let LoggedIn { data } = reply.json()?;
    let token = reply.token(data.token)?;
    let profile = reply.value().get_mut("data").map(Value::take).map(|data| Profile::without(data, &SECRETS));
    Ok(lent(token, profile, reply.date(), now))
}

fn lent(access: Secret, profile: Option<Profile>, date: Option<SystemTime>, now: Now) -> Issued {
    let life = Lifetime::ingest(jwt_expiry(&access), None, now, date);
    Issued { tokens: Tokens { access, refresh: None, life, date }, profile }
}

impl Issuer for Shopmonkey {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.secret.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        self.end(tokens).await
    }
}

/// The page gives classes of statuses only: whichever of the three refuses a login, in the vendor's envelope and not a
/// firewall's web page, it is the credentials. So is a login that is denied inside a 200.
fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    let envelope = verdict.body.as_ref().is_some_and(|body| body.get("success").is_some());
    if !envelope || verdict.facts.step != Step::SignIn || !matches!(verdict.status, 200 | 400 | 401 | 403) {
        return None;
    }
    let error = Error::new(ErrorKind::InvalidCredentials, "the vendor refused the e-mail address or password")
        .advice("check them; they are not tried again until they change or sign_in() is called");
    Some(verdict.with_context(error))
}

/// The rows of `docs/capabilities.md`.
#[cfg(test)]
pub(super) fn all_capabilities() -> Vec<Capabilities> {
    vec![login_capabilities(), key_capabilities()]
}

/// What comes of its answers.
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) static READING: super::reading::Reading = super::reading::Reading {
    surface: &SURFACE,
    came: |operation, reply, now| {
        use super::reading::Came;
        match operation {
            "login" => Some(issued(reply, now).map(Came::Session)),
            _ => None,
        }
    },
    tokens: &[("login", "/data/token")],
    secrets: &["token", "sessionId", "natsUserCredentials"],
};
