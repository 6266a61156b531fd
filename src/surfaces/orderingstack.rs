//! OrderingStack: OAuth2 with a client of its own, a tenant header, and paths that are partly our guess.

use super::{
    Capabilities, Issued, Issuer, Placement, Prose, Renewal,
    builder::{Grant, Options, only, shared_options, surface_client, tenant_header},
};
use crate::{
    CredentialSource, Error, ErrorKind, Pages, Secret,
    credential::Credential,
    generated::orderingstack::{FACTS, SERVER_PATH},
    http::{
        Surface,
        answer::Verdict,
        facts::{Role, Step},
        pages::Page,
        transport::{AuthCall, AuthClient, Reply},
    },
    session::{
        Attempt,
        tokens::{Life, Tokens, Told, jwt_expiry, present},
    },
};
use serde::Deserialize;
use serde_json::Value;

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
        let (client, filter) = (self.clone(), std::sync::Arc::new(filter));
        Pages::new(move |from| {
            let (client, filter) = (client.clone(), filter.clone());
            Box::pin(async move {
                let start = i64::try_from(from).unwrap_or(i64::MAX - PAGE);
                let call = filter(client.api().get_user_list());
                page(call.start(start).end(start + PAGE).send().await?)
            })
        })
    }

    /// The modules, page by page, as [`users`](Self::users).
    pub fn modules(
        &self,
        filter: impl Fn(builder::GetModulesList<'_>) -> builder::GetModulesList<'_> + Send + Sync + 'static,
    ) -> Pages<Value> {
        let (client, filter) = (self.clone(), std::sync::Arc::new(filter));
        Pages::new(move |from| {
            let (client, filter) = (client.clone(), filter.clone());
            Box::pin(async move {
                let start = i64::try_from(from).unwrap_or(i64::MAX - PAGE);
                let call = filter(client.api().get_modules_list());
                page(call.start(start).end(start + PAGE).send().await?)
            })
        })
    }
}

/// The total stands in a header, as json-server has it.
fn page(answer: crate::ResponseValue<Vec<Value>>) -> Result<Page<Value>, Error> {
    let total = answer.headers().get("x-total-count").and_then(|total| total.to_str().ok()?.trim().parse().ok());
    Ok(Page { items: answer.into_inner(), more: None, total })
}

static SURFACE: Surface = Surface { name: "orderingstack", facts: FACTS, judge };

/// The header that selects the tenant.
const TENANT: &str = "x-tenant";

/// Builds a [`Client`]. [`build`](Self::build) checks everything and contacts nobody.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    tenant: Option<String>,
    client: Option<(String, Secret)>,
    grants: Vec<Grant>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), tenant: None, client: None, grants: Vec::new() }
    }

    /// The tenant's UUID. Required: the token service wants it with every token.
    pub fn tenant(mut self, uuid: impl Into<String>) -> Self {
        self.tenant = Some(uuid.into());
        self
    }

    /// The OAuth2 client's id and secret. Required.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.client = Some((id.into(), secret.into()));
        self
    }

    /// Signs in as this user: a user's session.
    pub fn password(self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.grant(PASSWORD, user.into(), Credential::Given(password.into()))
    }

    /// Signs in as this user, with a password that is asked for at every sign-in: a user's session.
    pub fn password_from(self, user: impl Into<String>, source: impl CredentialSource) -> Self {
        self.grant(PASSWORD, user.into(), Credential::from_source(source))
    }

    /// Signs in as the client itself: a service's session.
    pub fn client_credentials(self) -> Self {
        self.grant(CLIENT_CREDENTIALS, "client".into(), Credential::Nothing)
    }

    fn grant(mut self, method: &'static str, principal: String, credential: Credential) -> Self {
        self.grants.push(Grant { method, principal, credential });
        self
    }

    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let grant = only(self.grants, ".password(user, secret) or .client_credentials()")?;
        let Some(tenant) = self.tenant else {
            return Err(Error::config("the client has no tenant").advice("call .tenant(uuid) on the builder"));
        };
        let Some((id, secret)) = self.client.filter(|(id, secret)| !id.is_empty() && !secret.expose().is_empty())
        else {
            return Err(
                Error::config("the client has no OAuth2 client").advice("call .client(id, secret) on the builder")
            );
        };
        let tenant = tenant_header(TENANT, &tenant)?;
        let checked = self.options.check(&SURFACE)?.with_tenant(Some(tenant)).with_client_id(&id);
        let service = grant.method == CLIENT_CREDENTIALS;
        let issuer = OrderingStack {
            auth: checked.auth_client(&SURFACE)?,
            client: (id, secret),
            user: (!service).then(|| grant.principal.clone()),
            password: grant.credential.clone(),
            capabilities: if service { service_capabilities() } else { user_capabilities() },
        };
        let role = if service { Role::Service } else { Role::User };
        let core = checked.assemble(&SURFACE, role, std::sync::Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

const PASSWORD: &str = ".password(..)";
const CLIENT_CREDENTIALS: &str = ".client_credentials()";

pub(super) fn user_capabilities() -> Capabilities {
    Capabilities {
        surface: "orderingstack",
        credential: PASSWORD,
        unattended: true,
        spent_by_sign_in: false,
        named: true,
        renewal: Renewal::RefreshToken { rotates: true },
        default_life: None,
        budget: None,
        placement: Placement::Bearer,
        prose: Prose {
            expiry: "`expires_in`, number or text; else the JWT's `exp`; else unknown",
            revocable: "no",
            unauthorized: "the token ended: renewed, sent again once",
            failed_sign_in: "400 `invalid_grant`; 401 for the client",
            budget: "unknown: refused credentials are not tried again",
        },
    }
}

pub(super) fn service_capabilities() -> Capabilities {
    let user = user_capabilities();
    Capabilities {
        credential: CLIENT_CREDENTIALS,
        renewal: Renewal::SignIn,
        prose: Prose {
            unauthorized: "the token ended: a new one, sent again once",
            failed_sign_in: "401 `invalid_client`",
            ..user.prose
        },
        ..user
    }
}

struct OrderingStack {
    auth: AuthClient,
    client: (String, Secret),
    /// `None`: the session is the client's own.
    user: Option<String>,
    password: Credential,
    capabilities: Capabilities,
}

/// No more of the answer than a session needs. What may be of any type is read as any JSON.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    #[serde(default)]
    refresh_token: Value,
    #[serde(default)]
    expires_in: Value,
}

impl OrderingStack {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let Some(user) = &self.user else {
            return self.issued(attempt, &[("grant_type", "client_credentials")]).await;
        };
        let password = attempt.credential(&self.password).await?;
        let fields =
            [("grant_type", "password"), ("username", user), ("password", password.expose()), ("scope", "read")];
        self.issued(attempt, &fields).await
    }

    async fn continue_with(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let refresh = tokens.refresh_to_spend()?;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
        // The same answer refuses a password and a refresh token; only the question tells them apart.
        self.issued(attempt, &fields).await.map_err(|error| match (error.kind(), error.code()) {
            (ErrorKind::InvalidCredentials, Some("invalid_grant")) => error.with_kind(ErrorKind::SignInRequired),
            (_, Some("invalid_token")) if error.status() == Some(401) => error.with_kind(ErrorKind::SignInRequired),
            _ => error,
        })
    }

    async fn issued(&self, attempt: &Attempt, fields: &[(&str, &str)]) -> Result<Issued, Error> {
        let reply = self.auth.spend(attempt, self.call()?.form(fields)).await?;
        self.tokens(&reply, attempt)
    }

    fn call(&self) -> Result<AuthCall, Error> {
        let (id, secret) = &self.client;
        self.auth.call("issue_token")?.basic(id, secret)
    }

    fn tokens(&self, reply: &Reply, attempt: &Attempt) -> Result<Issued, Error> {
        let answer: TokenAnswer = reply.json()?;
        let date = reply.date();
        let told = Told::seconds(&answer.expires_in).or(|| jwt_expiry(&answer.access_token));
        let life = Life::ingest(told, self.capabilities.default_life, attempt.now(), date);
        let refresh = present(answer.refresh_token.as_str().map(Secret::from));
        Ok(Issued { tokens: Tokens { access: answer.access_token, refresh, life, date }, profile: None })
    }
}

impl Issuer for OrderingStack {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        if self.user.is_some() { self.password.given() } else { Some(&self.client.1) }
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.continue_with(attempt, tokens).await
    }
}

/// RFC 6749, 5.2: `invalid_grant` refuses the user or the refresh token, `invalid_client` the client.
fn judge(verdict: &Verdict<'_>) -> Option<Error> {
    if verdict.facts.step != Step::SignIn {
        return None;
    }
    let (what, advice) = match (verdict.status, verdict.text("error")?) {
        (400 | 401, "invalid_grant") => ("the user or password", ".password(..)"),
        (400 | 401, "invalid_client" | "unauthorized_client") => ("the OAuth2 client", ".client(..)"),
        _ => return None,
    };
    let error = Error::new(ErrorKind::InvalidCredentials, format!("the vendor refused {what}"))
        .advice(format!("check {advice}; it is not tried again until it changes or sign_in() is called"));
    Some(verdict.dressed(error))
}
