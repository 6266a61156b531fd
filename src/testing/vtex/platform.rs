//! The state machine of the fake VTEX store, and what needs no session there but shoppers' ways to sign in.

use super::{
    answers::{auth_status, object, text, unknown_account},
    app_keys::{APP_TOKEN, AppKeys},
    names::{ACCOUNT, EMAIL, TOKEN},
    passwords::Passwords,
    storefront::{Family, StorefrontSignIns},
    units::Units,
};
use crate::testing::{
    account::Accounts,
    calendar,
    document::FakeDocument,
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    lineage::Lineages,
    mint::uuid,
};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The longest that an exchanged token may live, and how long it does if nothing is said; in minutes.
const LONGEST_EXCHANGE: u64 = 120;
const USUAL_EXCHANGE: u64 = 60;
/// How the host of an account ends: its first label is the account.
const HOSTS: [&str; 2] = [".vtexcommercestable.com.br", ".myvtex.com"];

/// What the store is like.
#[derive(Debug, Clone)]
pub(super) struct VtexRules {
    pub(super) account: Option<String>,
    pub(super) token_life: Duration,
    pub(super) storefront_life: Duration,
    pub(super) refresh_life: Duration,
    pub(super) expires_in_seconds: bool,
    pub(super) refusals_in_401: bool,
    /// The account has *Login with Alternative Keys*.
    pub(super) refuses_legacy_routes: bool,
}

pub(super) struct VtexPlatform {
    pub(super) rules: VtexRules,
    pub(super) document: Arc<FakeDocument>,
    pub(super) app_keys: AppKeys,
    providers: Accounts,
    pub(super) tokens: Lineages<VtexHolder>,
    pub(super) storefront: StorefrontSignIns,
    pub(super) passwords: Passwords,
    pub(super) users: Vec<VtexUser>,
    pub(super) units: Units,
    pub(super) password_rules: Option<(bool, bool)>,
    pub(super) expired_passwords: Vec<String>,
}

pub(super) struct VtexUser {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) name: String,
}

/// Whose a token is.
#[derive(Clone)]
pub(super) struct VtexHolder {
    pub(super) user: String,
    /// `admin` or `webstore`.
    pub(super) audience: &'static str,
    pub(super) fingerprint: Option<String>,
}

impl Vendor for VtexPlatform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        if let Err(refusal) = self.check_account(ask) {
            return refusal;
        }
        let outcome = self.about_passwords(ask).unwrap_or_else(|| match ask.operation() {
            "generate_authentication_token" => self.trade_app_key(ask),
            "exchange_oauth_access_token" => self.exchange(ask),
            "check_authenticated_user" => self.validate(ask),
            "start_authentication" => self.start_authentication(ask),
            "send_access_key" => self.mail_key(ask, ask.query("email"), Family::Legacy),
            "validate_access_key" => self.redeem_key(ask, Family::Legacy),
            "refresh_storefront_token" => self.refresh(ask),
            _ => self.signed_in(ask),
        });
        outcome.unwrap_or_else(|refusal| refusal)
    }

    /// Each operation has a form of its own, or none.
    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        match ask.operation() {
            "check_authenticated_user" => {
                FakeAnswer::json(401, &self.document.example("check_authenticated_user", 401))
            }
            "get_user_id_by_email" | "get_storefront_user" => FakeAnswer::empty(401),
            "generate_authentication_token" | "exchange_oauth_access_token" => auth_status(401, "WrongCredentials"),
            _ => FakeAnswer::json(401, &self.document.example("get_organization_unit_settings", 401)),
        }
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/api/oms/pvt/orders", "/api/oms/user/orders", "/api/license-manager/account", "/api/sessions"]
    }

    fn secrets(&self) -> Vec<String> {
        let tokens = self.tokens.made().chain(self.app_keys.tokens.made());
        let tokens = tokens.chain(self.providers.secrets()).chain(self.storefront.secrets());
        tokens.chain(self.passwords.secrets()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.name(token).or_else(|| self.app_keys.tokens.name("app token", token))
    }

    fn token_of<'a>(&self, ask: &'a FakeCall<'_>) -> Option<&'a str> {
        self.user_token(ask).or_else(|| ask.header(APP_TOKEN))
    }
}

/// What needs no session.
impl VtexPlatform {
    fn trade_app_key(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let (key, token) = (text(&body, "appkey")?, text(&body, "apptoken")?);
        if !self.app_keys.know(key, token) {
            return Err(self.refuse());
        }
        let ends = ask.now + self.rules.token_life;
        let lineage = self.tokens.begin(VtexHolder::new(key, "admin"));
        let mut answer = self.document.example("generate_authentication_token", 200);
        answer["token"] = json!(self.new_token(lineage, ends, None));
        answer["expires"] = match self.rules.expires_in_seconds {
            true => json!(self.rules.token_life.as_secs()),
            false => json!(calendar::epoch(ends)),
        };
        Ok(FakeAnswer::json(200, &answer))
    }

    fn exchange(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let (provider, token) = (text(&body, "providerId")?, text(&body, "accessToken")?);
        let minutes = if body["duration"].is_null() { Some(USUAL_EXCHANGE) } else { body["duration"].as_u64() };
        let minutes = minutes.filter(|minutes| *minutes <= LONGEST_EXCHANGE);
        let minutes = minutes.ok_or_else(|| FakeAnswer::message(400, "duration must be 120 minutes at most."))?;
        if !self.providers.know(provider, token) {
            return Err(self.refuse());
        }
        let lineage = self.tokens.begin(VtexHolder::new(EMAIL, "webstore"));
        let mut answer = self.document.example("exchange_oauth_access_token", 200);
        answer["authToken"] = json!(self.new_token(lineage, ask.now + Duration::from_secs(60 * minutes), None));
        Ok(FakeAnswer::json(200, &answer))
    }

    fn refuse(&self) -> FakeAnswer {
        auth_status(if self.rules.refusals_in_401 { 401 } else { 200 }, "WrongCredentials")
    }

    fn validate(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let lineage = self.tokens.live(text(&body, "token")?, ask.now).ok_or_else(|| self.unauthorized(ask))?;
        let VtexHolder { user, audience, .. } = self.tokens.owner(lineage).clone();
        let mut answer = self.document.example("check_authenticated_user", 200);
        if let Some(known) = self.user(&user) {
            answer["id"] = json!(known.id);
        }
        answer["user"] = json!(user);
        answer["account"] = json!(self.account());
        answer["audience"] = json!(audience);
        answer["tokenType"] = json!(if self.app_keys.has(&user) { "appkey" } else { "user" });
        Ok(FakeAnswer::json(200, &answer))
    }
}

impl VtexPlatform {
    pub(super) fn new(
        rules: VtexRules,
        (app_keys, providers): (&Accounts, Accounts),
        (users, passwords): (Vec<VtexUser>, Passwords),
        document: Arc<FakeDocument>,
        now: SystemTime,
    ) -> Self {
        Self {
            rules,
            app_keys: AppKeys::new(app_keys, document.clone(), now),
            providers,
            tokens: Lineages::default(),
            storefront: StorefrontSignIns::default(),
            passwords,
            users,
            units: Units::new(document.clone()),
            document,
            password_rules: None,
            expired_passwords: Vec::new(),
        }
    }

    /// Refuses what is meant for another account, and what names none but must.
    fn check_account(&self, ask: &FakeCall<'_>) -> Result<(), FakeAnswer> {
        let Some(account) = &self.rules.account else {
            return Ok(());
        };
        let named = [account_of_host(ask), ask.query("an")].into_iter().flatten().collect::<Vec<_>>();
        let must = ["generate_authentication_token", "check_authenticated_user"].contains(&ask.operation());
        match named.iter().all(|name| name == account) && !(must && named.is_empty()) {
            true => Ok(()),
            false => Err(unknown_account()),
        }
    }

    pub(super) fn account(&self) -> &str {
        self.rules.account.as_deref().unwrap_or(ACCOUNT)
    }

    pub(super) fn account_cookie(&self) -> String {
        format!("{TOKEN}_{}", self.account())
    }

    pub(super) fn user(&self, email: &str) -> Option<&VtexUser> {
        self.users.iter().find(|user| user.email == email)
    }

    pub(super) fn new_token(&mut self, lineage: usize, ends: SystemTime, beside: Option<&str>) -> String {
        self.tokens.access(lineage, beside, Some(ends), |number, random| format!("vtex-user-token-{number}-{random}"))
    }
}

impl VtexUser {
    pub(super) fn new(email: &str, name: &str) -> Self {
        Self { id: uuid(), email: email.to_owned(), name: name.to_owned() }
    }
}

impl VtexHolder {
    pub(super) fn new(user: &str, audience: &'static str) -> Self {
        Self { user: user.to_owned(), audience, fingerprint: None }
    }
}

/// The account that the host names. A host that is no account's names none: 127.0.0.1, or that which all share.
fn account_of_host(ask: &FakeCall<'_>) -> Option<String> {
    let host = ask.header("host")?.split(':').next()?;
    let account = HOSTS.iter().find_map(|end| host.strip_suffix(end))?;
    (account != "api").then(|| account.to_owned())
}
