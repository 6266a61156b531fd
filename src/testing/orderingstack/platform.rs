//! The state machine of the fake OrderingStack: its token service, and what needs a token.

use super::{
    answers::{TenantCaller, no_module, refusal},
    tenant::Tenant,
    users::ANONYMOUS,
};
use crate::testing::{
    account::Accounts,
    calendar,
    device::{Devices, begun},
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    lineage::Lineages,
    mint::{jwt, uuid},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How the token service tells the life of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpiresIn {
    /// `"expires_in": 3600`
    #[default]
    Number,
    /// `"expires_in": "3600"`, as some of the vendor's packages have it.
    Text,
    /// Not at all.
    Absent,
}

/// What the platform is like.
#[derive(Debug, Clone)]
pub(super) struct OrderingStackRules {
    pub(super) client: Accounts,
    /// The ids of clients without a secret.
    pub(super) public_clients: Vec<String>,
    pub(super) token_life: Duration,
    pub(super) refresh_life: Option<Duration>,
    pub(super) expires_in: ExpiresIn,
    pub(super) jwt: bool,
    pub(super) renewal: RefreshRule,
    pub(super) without_refresh_token: bool,
    pub(super) device_life: Duration,
    pub(super) device_interval: Duration,
    pub(super) delete_grace: Option<Duration>,
}

/// What a renewal does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefreshRule {
    Rotates,
    Repeats,
    Keeps,
}

pub(super) struct OrderingStackPlatform {
    pub(super) rules: OrderingStackRules,
    pub(super) tenants: BTreeMap<String, Tenant>,
    pub(super) tokens: Lineages<OrderingStackHolder>,
    pub(super) devices: Devices,
    document: Arc<FakeDocument>,
}

/// Whose a token is.
#[derive(Clone)]
pub(super) struct OrderingStackHolder {
    tenant: String,
    role: TokenRole,
    user: String,
    module: Option<String>,
    scope: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenRole {
    User,
    Anonymous,
    Service,
    Module,
}

impl OrderingStackPlatform {
    pub(super) fn new(
        rules: OrderingStackRules,
        tenants: BTreeMap<String, Tenant>,
        document: Arc<FakeDocument>,
    ) -> Self {
        Self { rules, tenants, tokens: Lineages::default(), devices: Devices::default(), document }
    }
}

impl Vendor for OrderingStackPlatform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let outcome = match ask.operation() {
            "issue_token" => self.issue_token(ask),
            "start_device" => self.start_device(ask),
            _ => self.signed_in(ask),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        match ask.operation() {
            "issue_token" | "start_device" => {
                let refused = oauth_error(401, "invalid_client", "Bad client credentials");
                refused.with("www-authenticate", "Basic realm=\"oauth2/client\"")
            }
            _ => oauth_error(401, "invalid_token", "The token is missing, has ended or is not known"),
        }
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/menu-api/api/menu"]
    }

    fn unknown(&self, _: &FakeCall<'_>) -> FakeAnswer {
        refusal(404, "Not Found")
    }

    fn secrets(&self) -> Vec<String> {
        let tenants = self.tenants.values().flat_map(|tenant| tenant.users.secrets());
        self.rules.client.secrets().chain(tenants).chain(self.tokens.made()).chain(self.devices.secrets()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.name(token)
    }
}

/// The token service.
impl OrderingStackPlatform {
    fn issue_token(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let tenant = self.check_client(ask)?;
        let lineage = match form(ask, "grant_type")?.as_str() {
            "password" => self.by_password(ask, &tenant)?,
            "client_credentials" => {
                self.tokens.begin(OrderingStackHolder::new(&tenant, TokenRole::Service, &uuid(), &scope(ask, "read")))
            }
            DEVICE_GRANT => self.by_device(ask, &tenant)?,
            "refresh_token" => return self.renew(ask, &tenant),
            _ => return Err(oauth_error(400, "unsupported_grant_type", "There is no such grant")),
        };
        let renews = matches!(self.tokens.owner(lineage).role, TokenRole::User | TokenRole::Module);
        let refresh = (renews && !self.rules.without_refresh_token).then(|| self.new_refresh_token(lineage, ask.now));
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    /// Client and tenant come first, whatever is asked for.
    fn check_client(&self, ask: &FakeCall<'_>) -> Result<String, FakeAnswer> {
        let known = match ask.basic() {
            Some((id, secret)) => self.rules.client.know(&id, &secret),
            None => {
                let is_public = ask.form("client_id").is_some_and(|id| self.rules.public_clients.contains(&id));
                is_public && ask.form("grant_type").as_deref() != Some("client_credentials")
            }
        };
        if !known {
            return Err(self.unauthorized(ask));
        }
        let tenant = ask.header("x-tenant").filter(|tenant| self.tenants.contains_key(*tenant));
        let tenant = tenant.ok_or_else(|| oauth_error(400, "invalid_request", "X-Tenant names no tenant"))?;
        Ok(tenant.to_owned())
    }

    fn by_password(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Result<usize, FakeAnswer> {
        let (username, password) = (form(ask, "username")?, form(ask, "password")?);
        let scope = scope(ask, "read");
        if username == ANONYMOUS && password.is_empty() {
            return Ok(self.tokens.begin(OrderingStackHolder::new(tenant, TokenRole::Anonymous, &uuid(), &scope)));
        }
        let user = self.tenants.get_mut(tenant).and_then(|tenant| tenant.users.sign_in(&username, &password));
        let user = user.ok_or_else(|| oauth_error(400, "invalid_grant", "Bad credentials"))?;
        Ok(self.tokens.begin(OrderingStackHolder::new(tenant, TokenRole::User, &user, &scope)))
    }

    fn renew(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Outcome {
        let token = form(ask, "refresh_token")?;
        let dead = || oauth_error(400, "invalid_grant", "The refresh token has ended or is not known");
        let holder = self.tokens.of_refresh(&token).map(|lineage| self.tokens.owner(lineage)).ok_or_else(dead)?;
        if holder.tenant != tenant || !self.is_there(holder) {
            return Err(dead());
        }
        let rotates = self.rules.renewal == RefreshRule::Rotates;
        let lineage = self.tokens.redeem(&token, rotates, ask.now).ok_or_else(dead)?;
        let refresh = match self.rules.renewal {
            _ if self.rules.without_refresh_token => None,
            RefreshRule::Rotates => Some(self.new_refresh_token(lineage, ask.now)),
            RefreshRule::Repeats => Some(token),
            RefreshRule::Keeps => None,
        };
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    fn start_device(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let tenant = self.check_client(ask)?;
        let (module, scope) = (form(ask, "module")?, scope(ask, "pos role.MENU"));
        self.tenants[&tenant].modules.user_of(&module).ok_or_else(no_module)?;
        let OrderingStackRules { device_life: life, device_interval: interval, .. } = self.rules;
        let codes = self.devices.begin(&tenant, &module, &scope, interval, ask.now + life);
        let page = format!("http://{}/user-service/device-code/{tenant}", ask.header("host").unwrap_or_default());
        Ok(FakeAnswer::json(200, &begun(codes, &page, "code", (life, interval))))
    }

    fn by_device(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Result<usize, FakeAnswer> {
        let waits = |error: &str| {
            let mut body = json!({ "error": error });
            if error == "authorization_pending" {
                body["error_uri"] = json!("https://www.rfc-editor.org/rfc/rfc8628#section-3.5");
            }
            FakeAnswer::json(400, &body)
        };
        let approved = self.devices.poll(tenant, &form(ask, "device_code")?, ask.now).map_err(waits)?;
        let user = self.tenants[tenant].modules.user_of(&approved.module).ok_or_else(|| waits("invalid_grant"))?;
        let holder = OrderingStackHolder::new(tenant, TokenRole::Module, &user, &approved.scope);
        Ok(self.tokens.begin(OrderingStackHolder { module: Some(approved.module), ..holder }))
    }

    pub(super) fn new_refresh_token(&mut self, lineage: usize, now: SystemTime) -> String {
        let ends = self.rules.refresh_life.map(|life| now + life);
        self.tokens.refresh(lineage, ends, |number, random| format!("os-refresh-{number}-{random}"))
    }

    /// Answers with a new access token, and this refresh token if there is one to tell.
    fn token(&mut self, ask: &FakeCall<'_>, lineage: usize, refresh: Option<&str>) -> FakeAnswer {
        let (holder, life) = (self.tokens.owner(lineage).clone(), self.rules.token_life);
        let ends = ask.now + life;
        let claims = self.rules.jwt.then(|| self.claims(&holder, ends));
        let token = self.tokens.access(lineage, refresh, Some(ends), |number, random| match claims {
            Some(mut claims) => {
                claims["jti"] = json!(random);
                jwt(&claims)
            }
            None => format!("os-access-{number}-{random}"),
        });
        let mut body = json!({
            "access_token": token,
            "token_type": "bearer",
            "scope": holder.scope,
            "UUID": holder.user,
            "TENANT": holder.tenant,
            "TRUST": "T",
            "MFA": if self.tenants[&holder.tenant].users.has_second_factor(&holder.user) { "T" } else { "F" },
        });
        match self.rules.expires_in {
            ExpiresIn::Number => body["expires_in"] = json!(life.as_secs()),
            ExpiresIn::Text => body["expires_in"] = json!(life.as_secs().to_string()),
            ExpiresIn::Absent => {}
        }
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh);
        }
        FakeAnswer::json(200, &body)
    }

    fn claims(&self, holder: &OrderingStackHolder, ends: SystemTime) -> Value {
        let mut claims = json!({
            "iss": "keyway-fake",
            "exp": calendar::epoch(ends),
            "UUID": holder.user,
            "TENANT": holder.tenant,
            "authorities": self.tenants[&holder.tenant].users.authorities(&holder.user),
            "scope": holder.scope.split(' ').collect::<Vec<_>>(),
        });
        if let Some(module) = &holder.module {
            claims["MODULE"] = json!(module);
        }
        claims
    }
}

/// What needs a token.
impl OrderingStackPlatform {
    fn signed_in(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let lineage = ask.bearer().and_then(|token| self.tokens.live(token, ask.now));
        let holder = lineage.map(|lineage| self.tokens.owner(lineage).clone());
        let holder = holder.filter(|holder| self.is_there(holder)).ok_or_else(|| self.unauthorized(ask))?;
        self.check_role(&holder, ask.operation())?;
        let tenant = self.tenant_of_call(&holder, ask)?;
        if ask.operation() == OTHER {
            return Ok(FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path(), "tenant": tenant })));
        }
        let caller = TenantCaller { user: &holder.user, module: holder.module.as_deref() };
        let known = self.tenants.get_mut(&tenant).ok_or_else(|| refusal(404, "No such tenant"))?;
        let answer = known.answer(ask, &caller)?;
        if ask.operation() == "logout_module" {
            let module = Some(ask.parameter(0));
            self.tokens.revoke(|_, holder| holder.tenant == tenant && holder.module.as_deref() == module);
        }
        Ok(answer)
    }

    /// Whether the user who signed in is still known, and may.
    fn is_there(&self, holder: &OrderingStackHolder) -> bool {
        holder.role != TokenRole::User || self.tenants[&holder.tenant].users.is_active(&holder.user)
    }

    fn check_role(&self, holder: &OrderingStackHolder, operation: &str) -> Result<(), FakeAnswer> {
        let admitted = match holder.role {
            _ if operation == OTHER => true,
            TokenRole::User => self.document.admits(operation, "oauth2"),
            TokenRole::Anonymous => ["get_self", "get_public_tenant_config"].contains(&operation),
            TokenRole::Service => self.document.admits(operation, "oauth2-client"),
            TokenRole::Module => self.document.admits(operation, "moduleToken"),
        };
        let wants_module = self.document.admits(operation, "moduleToken");
        match holder.role {
            _ if admitted => Ok(()),
            // Upstream these are for users' tokens, too, as long as they name a module.
            TokenRole::User | TokenRole::Anonymous if wants_module => Err(no_module()),
            _ => Err(refusal(403, "Access is denied")),
        }
    }

    /// The tenant in which a call is made. Only services may choose it, and one operation wants them to.
    fn tenant_of_call(&self, holder: &OrderingStackHolder, ask: &FakeCall<'_>) -> Result<String, FakeAnswer> {
        let chosen = match (ask.header("x-tenant"), ask.operation()) {
            (None, "get_catalog_user") => return Err(refusal(400, "x-tenant is required")),
            (_, "get_catalog_tenant") => ask.parameter(0), // the path chooses
            (None, _) => &holder.tenant,
            (Some(chosen), _) => chosen,
        };
        if holder.role != TokenRole::Service && chosen != holder.tenant {
            return Err(refusal(403, "The token is for another tenant"));
        }
        let known = self.tenants.contains_key(chosen);
        known.then(|| chosen.to_owned()).ok_or_else(|| refusal(404, "No such tenant"))
    }
}

impl OrderingStackHolder {
    pub(super) fn new(tenant: &str, role: TokenRole, user: &str, scope: &str) -> Self {
        Self { tenant: tenant.to_owned(), role, user: user.to_owned(), module: None, scope: scope.to_owned() }
    }
}

fn oauth_error(status: u16, error: &str, description: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "error": error, "error_description": description }))
}

/// A field that must be there, if only with an empty value.
fn form(ask: &FakeCall<'_>, name: &str) -> Result<String, FakeAnswer> {
    ask.form(name).ok_or_else(|| oauth_error(400, "invalid_request", &format!("{name} is missing")))
}

fn scope(ask: &FakeCall<'_>, usual: &str) -> String {
    ask.form("scope").unwrap_or_else(|| usual.to_owned())
}
