//! Vita Mojo: a tenant header, a ten-minute token, and a refresh token that travels in the URL's path.

use super::{
    Capabilities, Issued, Issuer, Placement, Prose, Renewal,
    builder::{Grant, Options, only, shared_options, surface_client, tenant_header},
};
use crate::{
    CredentialSource, Error, ErrorKind, Secret,
    credential::Credential,
    generated::vitamojo::{FACTS, SERVER_PATH},
    http::{
        Surface,
        answer::Verdict,
        facts::{Role, Step},
        transport::{AuthClient, Reply},
    },
    session::{
        Attempt, Profile,
        tokens::{Life, Tokens, jwt_expiry, present},
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

static SURFACE: Surface = Surface { name: "vitamojo", facts: FACTS, judge };

/// The header that selects the tenant.
const TENANT: &str = "tenant";

/// Builds a [`Client`]. [`build`](Self::build) checks everything and contacts nobody.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    tenant: Option<String>,
    grants: Vec<Grant>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), tenant: None, grants: Vec::new() }
    }

    /// The tenant's UUID, sent with every call. Optional: without it the vendor takes the tenant from where the call came from.
    pub fn tenant(mut self, uuid: impl Into<String>) -> Self {
        self.tenant = Some(uuid.into());
        self
    }

    /// Signs in with this e-mail address and password.
    pub fn password(self, email: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.grant(email.into(), Credential::Given(password.into()))
    }

    /// Signs in with this e-mail address and a password that is asked for at every sign-in.
    pub fn password_from(self, email: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(email.into(), Credential::from_source(source))
    }

    fn grant(mut self, principal: String, credential: Credential) -> Self {
        self.grants.push(Grant { method: ".password(..)", principal, credential });
        self
    }

    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let grant = only(self.grants, ".password(email, secret)")?;
        let tenant = self.tenant.map(|tenant| tenant_header(TENANT, &tenant)).transpose()?;
        let checked = self.options.check(&SURFACE)?.with_tenant(tenant);
        let issuer = VitaMojo {
            auth: checked.auth_client(&SURFACE)?,
            email: grant.principal.clone(),
            password: grant.credential.clone(),
            capabilities: capabilities(),
            renews_by_post: AtomicBool::new(false),
        };
        let core = checked.assemble(&SURFACE, Role::User, std::sync::Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        surface: "vitamojo",
        credential: ".password(..)",
        unattended: true,
        spent_by_sign_in: false,
        named: true,
        // Seen to come back unchanged, but nobody promises that: a used one counts as spent.
        renewal: Renewal::RefreshToken { rotates: true },
        default_life: Some(Duration::from_secs(10 * 60)),
        budget: None,
        placement: Placement::Bearer,
        prose: Prose {
            expiry: "`exp` if the token is a JWT, else ten minutes",
            revocable: "no",
            unauthorized: "the token ended: renewed, sent again once",
            failed_sign_in: "400 with a sentence",
            budget: "unknown: refused credentials are not tried again",
        },
    }
}

struct VitaMojo {
    auth: AuthClient,
    email: String,
    password: Credential,
    capabilities: Capabilities,
    /// The page says PUT; the live service was seen to want POST. Learned once, kept for the client's life.
    renews_by_post: AtomicBool,
}

#[derive(Serialize)]
struct SignIn<'a> {
    email: &'a str,
    password: Secret,
}

/// No more of the answer than a session needs.
#[derive(Deserialize)]
struct SignedIn {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    token: Token,
    #[serde(default)]
    user: serde_json::Value,
}

#[derive(Deserialize)]
struct Token {
    value: Secret,
    #[serde(default)]
    refresh: serde_json::Value,
}

impl VitaMojo {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let password = attempt.credential(&self.password).await?;
        let call = self.auth.call("auth")?.json(&SignIn { email: &self.email, password })?;
        let reply = self.auth.spend(attempt, call).await?;
        self.issued(&reply, attempt)
    }

    async fn continue_with(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let refresh = tokens.refresh_to_spend()?;
        let documented = !self.renews_by_post.load(Ordering::Relaxed);
        let method = if documented { Method::PUT } else { Method::POST };
        let reply = self.exchange(attempt, refresh, method).await?;
        if documented && is_unknown_method(&reply) {
            let reply = self.exchange(attempt, refresh, Method::POST).await?;
            if !is_unknown_method(&reply) {
                self.renews_by_post.store(true, Ordering::Relaxed);
            }
            return self.issued(&reply, attempt);
        }
        self.issued(&reply, attempt)
    }

    async fn exchange(&self, attempt: &Attempt, refresh: &Secret, method: Method) -> Result<Reply, Error> {
        let call = self.auth.call("refresh_token")?.path("value", refresh.expose())?.method(method);
        self.auth.spend(attempt, call).await
    }

    fn issued(&self, reply: &Reply, attempt: &Attempt) -> Result<Issued, Error> {
        let SignedIn { payload } = reply.json()?;
        let date = reply.date();
        let access = payload.token.value;
        let life = Life::ingest(jwt_expiry(&access), self.capabilities.default_life, attempt.now(), date);
        let refresh = payload.token.refresh.as_str().map(Secret::from);
        let profile = payload.user.is_object().then(|| Profile::new(payload.user));
        Ok(Issued { tokens: Tokens { access, refresh: present(refresh), life, date }, profile })
    }
}

/// The path is not served with this method: 404 or 405 from something that does not speak the vendor's error format.
fn is_unknown_method(reply: &Reply) -> bool {
    matches!(reply.status(), 404 | 405) && reply.value().get("vmosCode").is_none()
}

impl Issuer for VitaMojo {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.password.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.continue_with(attempt, tokens).await
    }
}

/// A 400 of the sign-in refuses the credentials, one of the renewal the refresh token: if the vendor itself says so. A
/// list of constraints is about the values' form, and a web page is not the vendor speaking.
fn judge(verdict: &Verdict<'_>) -> Option<Error> {
    if !matches!(verdict.status, 400 | 401) || verdict.validation().is_some() {
        return None;
    }
    let vendor_speaks = verdict.text("vmosCode").is_some() || verdict.text("message").is_some();
    match verdict.facts.step {
        // The page documents this one without a body.
        Step::SignIn if vendor_speaks || verdict.is_empty() => {
            let error = Error::new(ErrorKind::InvalidCredentials, "the vendor refused the e-mail address or password")
                .advice("check them; they are not tried again until they change or sign_in() is called");
            Some(verdict.dressed(error))
        }
        Step::Renew if vendor_speaks => {
            let error =
                Error::new(ErrorKind::SignInRequired, "the vendor refused the refresh token").advice("sign in again");
            Some(verdict.dressed(error))
        }
        _ => None,
    }
}
