//! Vita Mojo: a tenant header, a ten-minute token, and a refresh token that travels in the URL's path.
#![cfg(feature = "vitamojo")]

use super::{
    Capabilities, Issued, Issuer, Prose, Renewal,
    builder::{
        NamedCredential, Options, begun_elsewhere, grants, only, passwords, shared_options, surface_client,
        tenant_header,
    },
};
use crate::{
    CredentialSource, Error, ErrorKind, Secret,
    clock::Now,
    credential::Credential,
    generated::vitamojo::{FACTS, SERVER_PATH},
    http::{
        Surface,
        facts::{Role, Step},
        transport::{AuthClient, AuthResponse},
        verdict::{Verdict, is_transient},
    },
    session::{
        Attempt, Profile,
        tokens::{Lifetime, Tokens, jwt_expiry, present},
    },
};
use http::Method;
use serde::{Deserialize, Serialize};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub use crate::generated::vitamojo::{Client as Api, builder, types};

surface_client! {
    /// A client of Vita Mojo's platform. Cheap to clone; clones share one session.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), keyway::Error> {
    /// use keyway::{Secret, vitamojo};
    ///
    /// let client = vitamojo::Client::builder("https://vmos2.vmos.io")
    ///     .tenant("c36578d8-ffa6-4a5e-a808-400ee422028a")
    ///     .password("till@example.org", Secret::from("…"))
    ///     .build()?;
    /// let orders = client.http().get("/order/v1/orders").send().await?;
    /// let me = client.api().check_token().send().await?;
    /// # Ok(()) }
    /// ```
    crate::generated::vitamojo::Client
}

pub(crate) static SURFACE: Surface =
    Surface { name: "vitamojo", facts: FACTS, classify, serves: |_| ".password(..)", content_type: None };

/// How long a token lives.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// The header that selects the tenant.
const TENANT: &str = "tenant";

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::{FileStore, Secret, vitamojo};
///
/// let client = vitamojo::Client::builder("https://vmos2.vmos.io")
///     .password_from("till@example.org", async || std::fs::read_to_string("/run/secrets/vitamojo").map(Secret::from))
///     .store(FileStore::at("/var/lib/till/sessions"))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    tenant: Option<String>,
    grants: Vec<NamedCredential>,
    /// Given beside a refresh token.
    access: Option<Secret>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), tenant: None, grants: Vec::new(), access: None }
    }

    /// The tenant's UUID, sent with every call. Optional: without it the vendor takes the tenant from where the call came from.
    pub fn tenant(mut self, uuid: impl Into<String>) -> Self {
        self.tenant = Some(uuid.into());
        self
    }

    grants!();
    passwords!(email, "e-mail address");
    begun_elsewhere!();
    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        self.check_access()?;
        let grant = only(self.grants, ".password(email, secret) or .refresh_token(secret)")?;
        let tenant = self.tenant.map(|tenant| tenant_header(TENANT, &tenant)).transpose()?;
        let checked = self.options.check(&SURFACE)?.with_tenant(tenant);
        let seeded = grant.method == REFRESH_TOKEN;
        let checked = if seeded { checked.named_by_profile(grant.method)? } else { checked };
        let issuer = VitaMojo {
            auth: checked.auth_client(&SURFACE)?,
            email: (!seeded).then(|| grant.principal.clone()),
            secret: grant.credential.clone(),
            access: self.access,
            capabilities: if seeded { seed_capabilities() } else { capabilities() },
            renews_by_post: AtomicBool::new(false),
        };
        let core = checked.assemble(&SURFACE, Role::User, std::sync::Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

const PASSWORD: &str = ".password(..)";
const REFRESH_TOKEN: &str = ".refresh_token(..)";

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        // Seen to come back unchanged, but the vendor does not promise that: a used one counts as spent.
        renewal: Renewal::RefreshToken { rotates: true },
        default_life: Some(LIFE),
        prose: Prose {
            expiry: "`exp` if the token is a JWT, else ten minutes",
            revocable: "no",
            unauthorized: "the token ended: renewed, sent again once",
            failed_sign_in: "400 with a sentence",
            budget: "unknown: refused credentials are not tried again",
        },
        ..Capabilities::new("vitamojo", PASSWORD)
    }
}

pub(super) fn seed_capabilities() -> Capabilities {
    let password = capabilities();
    Capabilities {
        credential: REFRESH_TOKEN,
        unattended: false,
        spent_by_sign_in: true,
        prose: Prose { failed_sign_in: "400 `US-04`: a new one is needed", ..password.prose },
        ..password
    }
}

struct VitaMojo {
    auth: AuthClient,
    /// `None`: the secret is a refresh token.
    email: Option<String>,
    secret: Credential,
    /// It was given beside the refresh token, and is used before that.
    access: Option<Secret>,
    capabilities: Capabilities,
    /// The page says PUT; the live service was seen to want POST. Learned once, kept for the client's life.
    renews_by_post: AtomicBool,
}

#[derive(Serialize)]
struct VitaMojoSignIn<'a> {
    email: &'a str,
    password: Secret,
}

/// No more of the answer than a session needs.
#[derive(Deserialize)]
struct VitaMojoSignedIn {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    token: VitaMojoToken,
    #[serde(default)]
    user: serde_json::Value,
}

#[derive(Deserialize)]
struct VitaMojoToken {
    value: Secret,
    #[serde(default)]
    refresh: serde_json::Value,
}

impl VitaMojo {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let secret = attempt.credential(&self.secret).await?;
        let Some(email) = &self.email else { return self.by_seed(attempt, &secret).await };
        let call = self.auth.call("auth")?.json(&VitaMojoSignIn { email, password: secret })?;
        let reply = self.auth.spend(attempt, call).await?;
        issued(&reply, attempt.now())
    }

    /// The first use of the refresh token that the builder was given.
    async fn by_seed(&self, attempt: &Attempt, seed: &Secret) -> Result<Issued, Error> {
        if let Some(access) = &self.access {
            return Ok(Issued::given(access, seed, Some(LIFE), attempt.now()));
        }
        let issued = self.exchanged(attempt, seed).await.map_err(|error| match error.kind() {
            ErrorKind::SignInRequired => error
                .with_kind(ErrorKind::InvalidCredentials)
                .advice("give .refresh_token(..) a new one; this one is not tried again until sign_in() is called"),
            _ => error,
        })?;
        Ok(Issued { tokens: issued.tokens.keeping(Some(seed)), ..issued })
    }

    async fn exchanged(&self, attempt: &Attempt, refresh: &Secret) -> Result<Issued, Error> {
        let documented = !self.renews_by_post.load(Ordering::Relaxed);
        let method = if documented { Method::PUT } else { Method::POST };
        let reply = self.exchange(attempt, refresh, method).await?;
        if documented && is_unknown_method(&reply) {
            let reply = self.exchange(attempt, refresh, Method::POST).await?;
            if !is_unknown_method(&reply) {
                self.renews_by_post.store(true, Ordering::Relaxed);
            }
            return issued(&reply, attempt.now());
        }
        issued(&reply, attempt.now())
    }

    async fn exchange(&self, attempt: &Attempt, refresh: &Secret, method: Method) -> Result<AuthResponse, Error> {
        let call = self.auth.call("refresh_token")?.path("value", refresh.expose())?.method(method);
        self.auth.spend(attempt, call).await
    }
}

/// The session that the answer to a sign-in or a renewal holds; it arrived at `now`.
pub(crate) fn issued(reply: &AuthResponse, now: Now) -> Result<Issued, Error> {
    let VitaMojoSignedIn { payload } = reply.json()?;
    let date = reply.date();
    let access = reply.token(payload.token.value)?;
    let life = Lifetime::ingest(jwt_expiry(&access), Some(LIFE), now, date);
    let refresh = payload.token.refresh.as_str().map(Secret::from);
    let profile = payload.user.is_object().then(|| Profile::new(payload.user));
    Ok(Issued { tokens: Tokens { access, refresh: present(refresh), life, date }, profile })
}

/// The path is not served with this method: 404 or 405 from something that does not speak the vendor's error format.
fn is_unknown_method(reply: &AuthResponse) -> bool {
    matches!(reply.status(), 404 | 405) && reply.value().get("vmosCode").is_none()
}

impl Issuer for VitaMojo {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.secret.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.exchanged(attempt, tokens.refresh_to_spend()?).await
    }
}

/// A 400 of the sign-in refuses the credentials, one of the renewal the refresh token: if the vendor itself says so. Its own
/// code counts whatever the 4xx; a sentence alone may be a gateway's, and so counts with the documented statuses only. A list
/// of constraints is about the values' form, and a web page is not the vendor speaking.
fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    // Where the path is not known, the method may be another one: see `is_unknown_method`.
    let is_elsewhere = is_transient(verdict.status) || matches!(verdict.status, 404 | 405);
    let is_refusal = (400..500).contains(&verdict.status) && !is_elsewhere;
    if !is_refusal || verdict.validation().is_some() {
        return None;
    }
    let is_documented = matches!(verdict.status, 400 | 401);
    // The page documents both without a body.
    let is_worded = verdict.text("message").is_some() || verdict.is_empty();
    if verdict.text("vmosCode").is_none() && !(is_documented && is_worded) {
        return None;
    }
    match verdict.facts.step {
        Step::SignIn => {
            let error = Error::new(ErrorKind::InvalidCredentials, "the vendor refused the e-mail address or password")
                .advice("check them; they are not tried again until they change or sign_in() is called");
            Some(verdict.with_context(error))
        }
        Step::Renew => {
            let error =
                Error::new(ErrorKind::SignInRequired, "the vendor refused the refresh token").advice("sign in again");
            Some(verdict.with_context(error))
        }
        _ => None,
    }
}

/// The rows of `docs/capabilities.md`.
#[cfg(test)]
pub(super) fn all_capabilities() -> Vec<Capabilities> {
    vec![capabilities(), seed_capabilities()]
}

/// What comes of its answers.
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) static READING: super::reading::Reading = super::reading::Reading {
    surface: &SURFACE,
    came: |operation, reply, now| {
        use super::reading::Came;
        match operation {
            "auth" | "refresh_token" => Some(issued(reply, now).map(Came::Session)),
            _ => None,
        }
    },
    tokens: &[("auth", "/payload/token/value"), ("refresh_token", "/payload/token/value")],
    secrets: &["value", "refresh"],
};
