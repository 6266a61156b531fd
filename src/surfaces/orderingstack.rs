//! OrderingStack: OAuth2 with a client of its own, a tenant header, and paths that are partly our guess.
#![cfg(feature = "orderingstack")]

use super::{
    builder::{NamedCredential, Options, begun_elsewhere, grants, only, shared_options, surface_client, tenant_header},
    orderingstack_grants::{
        self as grants, ANONYMOUS, CLIENT_CREDENTIALS, DEVICE, PASSWORD, REFRESH_TOKEN, TokenService, UNKNOWN_TENANT,
    },
};
use crate::{
    CredentialSource, Error, ErrorKind, Pages, Secret,
    credential::Credential,
    generated::orderingstack::{FACTS, SERVER_PATH},
    http::{
        Surface,
        client_id::ClientId,
        facts::{Role, Step},
        pages::Page,
        verdict::{Verdict, is_transient},
    },
};
use serde_json::Value;
use std::sync::Arc;

pub use crate::generated::orderingstack::{Client as Api, builder, types};

surface_client! {
    /// A client of OrderingStack's Auth API. Cheap to clone; clones share one session.
    ///
    /// A session is a user's, a service's or a module's, by the credential it began with. A call that needs another one
    /// fails before anything is sent, and says which builder method would serve.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), keyway::Error> {
    /// use keyway::{Secret, orderingstack};
    ///
    /// let client = orderingstack::Client::builder("https://ordering.example")
    ///     .tenant("9cbe650a-1fb7-4b06-912b-cead8a013e8b")
    ///     .client("till", Secret::from("…"))
    ///     .password("cashier@example.org", Secret::from("…"))
    ///     .build()?;
    /// let me = client.api().get_self().send().await?;
    /// let menu = client.http().get("/menu-api/api/menu").send().await?;
    /// # Ok(()) }
    /// ```
    crate::generated::orderingstack::Client
}

/// How many rows a page of a list is asked for.
const PAGE: i64 = 100;

impl Client {
    /// The users, page by page. `filter` sets what the call offers beside the page:
    /// `client.users(|call| call.phone("+48 123"))`.
    ///
    /// The vendor's page names neither the rows nor the parameters of its lists; the dialect is that of its sister API.
    pub fn users(
        &self,
        filter: impl Fn(builder::GetUserList<'_>) -> builder::GetUserList<'_> + Send + Sync + 'static,
    ) -> Pages<Value> {
        Pages::of(self, filter, |client, filter, from| {
            Box::pin(async move {
                let (start, end) = rows(from);
                page(filter(client.api().get_user_list()).start(start).end(end).send().await?)
            })
        })
    }

    /// The modules, page by page, as [`users`](Self::users).
    pub fn modules(
        &self,
        filter: impl Fn(builder::GetModulesList<'_>) -> builder::GetModulesList<'_> + Send + Sync + 'static,
    ) -> Pages<Value> {
        Pages::of(self, filter, |client, filter, from| {
            Box::pin(async move {
                let (start, end) = rows(from);
                page(filter(client.api().get_modules_list()).start(start).end(end).send().await?)
            })
        })
    }
}

/// The rows of the page that begins at `from`.
fn rows(from: u64) -> (i64, i64) {
    let start = i64::try_from(from).unwrap_or(i64::MAX - PAGE);
    (start, start + PAGE)
}

/// The total stands in a header, as json-server has it.
fn page(answer: crate::ResponseValue<Vec<Value>>) -> Result<Page<Value>, Error> {
    let total = answer.headers().get("x-total-count").and_then(|total| total.to_str().ok()?.trim().parse().ok());
    Ok(Page { items: answer.into_inner(), more: None, total })
}

pub(crate) static SURFACE: Surface =
    Surface { name: "orderingstack", facts: FACTS, classify, serves, content_type: None };

/// The header that selects the tenant.
const TENANT: &str = "x-tenant";

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::orderingstack;
///
/// let client = orderingstack::Client::builder("https://ordering.example")
///     .tenant("9cbe650a-1fb7-4b06-912b-cead8a013e8b")
///     .client("kiosks", "…")
///     .device("kiosk-1")
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    tenant: Option<String>,
    client: Option<(String, Option<Secret>)>,
    scope: Option<String>,
    grants: Vec<NamedCredential>,
    /// Given beside a refresh token.
    access: Option<Secret>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), tenant: None, client: None, scope: None, grants: Vec::new(), access: None }
    }

    /// The tenant's UUID. Required: the token service wants it with every token.
    pub fn tenant(mut self, uuid: impl Into<String>) -> Self {
        self.tenant = Some(uuid.into());
        self
    }

    /// The OAuth2 client's id and secret. Required, unless it is a [`public_client`](Self::public_client).
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.client = Some((id.into(), Some(secret.into())));
        self
    }

    /// The id of an OAuth2 client that has no secret, because it could not keep one: an app on devices of other people
    /// (RFC 6749, 2.1). It says who it is in `client_id`.
    pub fn public_client(mut self, id: impl Into<String>) -> Self {
        self.client = Some((id.into(), None));
        self
    }

    /// The scopes to ask for, separated by blanks. Default, as the vendor's own clients have it: `read` for a user,
    /// `pos role.MENU` for a module, none for a service. A refresh token has its scopes in itself.
    pub fn scope(mut self, scopes: impl Into<String>) -> Self {
        self.scope = Some(scopes.into());
        self
    }

    /// Signs in as this user: a user's session. A second factor at sign-in is not supported: how the vendor wants it is
    /// unknown.
    pub fn password(self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.grant(PASSWORD, user.into(), Credential::Given(password.into()))
    }

    /// Signs in as this user, with a password that is asked for at every sign-in: a user's session.
    pub fn password_from(self, user: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(PASSWORD, user.into(), Credential::from_source(source))
    }

    /// Signs in as a user without an account: a user's session, and each sign-in makes another user. So a session whose
    /// answers name no refresh token is used to its end.
    ///
    /// Nothing says whose session it is: with a [`store`](Self::store) it needs a name, by [`profile`](Self::profile).
    pub fn anonymous(self) -> Self {
        self.grant(ANONYMOUS, "anonymous".into(), Credential::Nothing)
    }

    /// Signs in as the client itself: a service's session.
    pub fn client_credentials(self) -> Self {
        self.grant(CLIENT_CREDENTIALS, "client".into(), Credential::Nothing)
    }

    /// Signs in this device as a module, such as `kiosk-1`: a module's session. A person lets it in with a code
    /// ([`Responder::device_code`](crate::Responder::device_code)); from then on a refresh token renews it.
    pub fn device(self, module: impl Into<String>) -> Self {
        self.grant(DEVICE, module.into(), Credential::Nothing)
    }

    begun_elsewhere!();

    grants!();
    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let offered =
            ".password(user, secret), .anonymous(), .client_credentials(), .device(module) or .refresh_token(secret)";
        self.check_access()?;
        let grant = only(self.grants, offered)?;
        let Some(tenant) = self.tenant else {
            return Err(Error::config("the client has no tenant").advice("call .tenant(uuid) on the builder"));
        };
        let is_there = |secret: &Option<Secret>| secret.as_ref().is_none_or(|secret| !secret.expose().is_empty());
        let Some((id, secret)) = self.client.filter(|(id, secret)| !id.is_empty() && is_there(secret)) else {
            return Err(Error::config("the client has no OAuth2 client")
                .advice("call .client(id, secret) or .public_client(id) on the builder"));
        };
        fits(grant.method, secret.is_some(), self.scope.is_some())?;
        let header = tenant_header(TENANT, &tenant)?;
        let checked = self.options.check(&SURFACE)?.with_tenant(Some(header));
        let client = ClientId::new(id, secret)?;
        let checked = checked.with_scope(self.scope.as_deref()).with_client(client.clone());
        let (role, checked) = match grant.method {
            CLIENT_CREDENTIALS => (Role::Service, checked),
            DEVICE => (Role::Module, checked),
            ANONYMOUS | REFRESH_TOKEN => (Role::User, checked.named_by_profile(grant.method)?),
            _ => (Role::User, checked),
        };
        let issuer = TokenService {
            auth: checked.auth_client(&SURFACE)?,
            client,
            tenant,
            name: grant.principal.clone(),
            secret: grant.credential.clone(),
            access: self.access,
            scope: self.scope,
            capabilities: grants::capabilities(grant.method),
        };
        let core = checked.assemble(&SURFACE, role, Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

/// Whether a way in goes with the client and the scope.
fn fits(method: &str, has_secret: bool, has_scope: bool) -> Result<(), Error> {
    if method == CLIENT_CREDENTIALS && !has_secret {
        return Err(Error::config(".client_credentials() cannot work with .public_client(..): it has no credentials")
            .advice("call .client(id, secret) on the builder"));
    }
    if method == REFRESH_TOKEN && has_scope {
        return Err(Error::config(".scope(..) is not for .refresh_token(..): it has its scopes in itself"));
    }
    Ok(())
}

fn serves(role: Role) -> &'static str {
    match role {
        Role::Service | Role::Key => CLIENT_CREDENTIALS,
        Role::Module => DEVICE,
        Role::User | Role::Any => PASSWORD,
    }
}

/// RFC 6749, 5.2: `invalid_grant` refuses the user or the refresh token, `invalid_client` the client. The code counts
/// whatever the 4xx, and inside a 200 as well; an outage refuses no credential.
fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    if is_transient(verdict.status) || !matches!(verdict.facts.step, Step::SignIn | Step::Challenge) {
        return None;
    }
    let (what, advice) = match (verdict.facts.step, verdict.text("error")) {
        (Step::SignIn, Some("invalid_grant")) => ("the user or password", ".password(..)"),
        (_, Some("invalid_client" | "unauthorized_client")) => ("the OAuth2 client", ".client(..)"),
        _ if names_the_tenant(verdict) => {
            let error = Error::new(ErrorKind::Config, UNKNOWN_TENANT).advice("check what .tenant(..) was given");
            return Some(verdict.with_context(error));
        }
        _ => return None,
    };
    let error = Error::new(ErrorKind::InvalidCredentials, format!("the vendor refused {what}"))
        .advice(format!("check {advice}; it is not tried again until it changes or sign_in() is called"));
    Some(verdict.with_context(error))
}

/// A refusal whose words are about the tenant. Which code it has is not documented.
fn names_the_tenant(verdict: &Verdict<'_>) -> bool {
    let says = |member: &&str| verdict.text(member).is_some_and(|said| said.to_ascii_lowercase().contains("tenant"));
    (400..500).contains(&verdict.status) && ["error", "error_description", "message"].iter().any(says)
}

/// The rows of `docs/capabilities.md`.
#[cfg(test)]
pub(super) fn all_capabilities() -> Vec<super::Capabilities> {
    [PASSWORD, ANONYMOUS, CLIENT_CREDENTIALS, DEVICE, REFRESH_TOKEN].map(grants::capabilities).to_vec()
}

/// What comes of its answers.
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) static READING: super::reading::Reading = super::reading::Reading {
    surface: &SURFACE,
    came: |operation, reply, now| {
        use super::reading::Came;
        match operation {
            "issue_token" => Some(super::orderingstack_grants::issued(reply, now).map(Came::Session)),
            "start_device" => Some(super::orderingstack_grants::device_code(reply).map(Came::Device)),
            _ => None,
        }
    },
    tokens: &[("issue_token", "/access_token")],
    secrets: &["access_token", "refresh_token", "device_code", "user_code", "verification_uri_complete"],
};
