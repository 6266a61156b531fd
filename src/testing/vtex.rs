//! A fake of VTEX ID, with any other path of the store behind the same door.

use super::{
    Fake,
    account::Accounts,
    builders::a_fake,
    calendar,
    document::FakeDocument,
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    fake::locked,
    lineage::Lineages,
    mint::{Mint, uuid},
    passwords::Passwords,
    storefront::{Family, Storefront},
    time::Time,
    units::{UNIT, Units},
};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

mod signed_in;

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/vtex.json"));
/// Where a user token stands: a header, and a cookie too, with an account after it or without.
const TOKEN: &str = "VtexIdclientAutCookie";
/// The secret of an app key, where it is sent with a call.
const APP_TOKEN: &str = "X-VTEX-API-AppToken";
/// The longest that an exchanged token may live, and how long it does if nothing is said; in minutes.
const LONGEST_EXCHANGE: u64 = 120;
const USUAL_EXCHANGE: u64 = 60;
/// How the host of an account ends: its first label is the account.
const HOSTS: [&str; 2] = [".vtexcommercestable.com.br", ".myvtex.com"];

/// A VTEX store in memory: app keys, user tokens, sign-in by mail, settings of organization units.
///
/// The operations are those of the document. Beside them `/api/oms/pvt/orders`, `/api/oms/user/orders`,
/// `/api/license-manager/account`, `/api/sessions` and what [`Fake::serve`] adds (`other`) answer 200 and
/// `{"ok": true, "path": …, "user": …}` to a user token (`VtexIdclientAutCookie`, as header or cookie) and to an app
/// key pair (`X-VTEX-API-AppKey` with `X-VTEX-API-AppToken`); without one, or with a wrong one, the answer is 401.
///
/// ```
/// use keyway::testing::FakeVtex;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeVtex::start().await;
///
/// let pair = json!({ "appkey": FakeVtex::APP_KEY, "apptoken": FakeVtex::APP_TOKEN });
/// let http = reqwest::Client::new();
/// let answer = http.post(format!("{}/api/vtexid/apptoken/login", fake.uri())).json(&pair).send().await?;
/// let token = answer.json::<Value>().await?["token"].as_str().unwrap().to_owned();
///
/// let orders = http.get(format!("{}/api/oms/pvt/orders", fake.uri())).header("VtexIdclientAutCookie", token);
/// assert_eq!(orders.send().await?.status(), 200);
/// assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
/// # Ok(())
/// # }
/// ```
///
/// In the log, an app token is `app token #1`, the how-many-th this fake knows: the first is
/// [`APP_TOKEN`](FakeVtex::APP_TOKEN). What [`Fake`] can do, it can do: gates, faults, counts, expectations.
#[derive(Debug)]
pub struct FakeVtex {
    fake: Fake,
    vtex: Arc<Mutex<Vtex>>,
}

/// Says what the store is like. [`FakeVtex::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeVtexBuilder {
    clock: Time,
    port: u16,
    rules: Rules,
    app_keys: Accounts,
    /// By provider: the access tokens it gave out.
    providers: Accounts,
    /// By e-mail address: their names.
    users: Vec<(String, String)>,
    /// By user.
    passwords: Accounts,
    /// By user: the code that is right.
    second_factors: Accounts,
}

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) account: Option<String>,
    token_life: Duration,
    pub(super) storefront_life: Duration,
    pub(super) refresh_life: Duration,
    expires_in_seconds: bool,
    refusals_in_401: bool,
    refuses_legacy_routes: bool,
}

impl FakeVtex {
    /// The account, where [`account`](FakeVtexBuilder::account) names no other: that of the vendor's examples.
    pub const ACCOUNT: &'static str = "apiexamples";
    /// The id of the account: that of the vendor's example.
    pub const ACCOUNT_ID: &'static str = "a8b27fb4-6516-4cc0-82b6-a5f2b011e6e2";
    /// The app key that is always there: that of the vendor's example.
    pub const APP_KEY: &'static str = "vtexappkey-example-YSWQFZ";
    /// Its app token.
    pub const APP_TOKEN: &'static str = "vtex-app-token-0-seventeen-green-boxes";
    /// The OAuth provider that is always there.
    pub const PROVIDER: &'static str = "custom-oauth-provider";
    /// An access token of this provider.
    pub const PROVIDER_TOKEN: &'static str = "provider-access-token-of-a-shopper";
    /// The e-mail address of the one user who is always there: that of the vendor's example.
    pub const EMAIL: &'static str = "user@example.com";
    /// The password of this user.
    pub const PASSWORD: &'static str = "Nine-Grey-Kettles-4";
    /// The organization unit that is always there.
    pub const UNIT: &'static str = UNIT;

    /// A store as documented: tokens of app keys live six hours, those of shoppers a day.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A store that differs from that.
    pub fn builder() -> FakeVtexBuilder {
        let rules = Rules {
            account: None,
            token_life: Duration::from_secs(6 * 3600),
            storefront_life: Duration::from_secs(24 * 3600),
            refresh_life: Duration::from_secs(7 * 24 * 3600),
            expires_in_seconds: false,
            refusals_in_401: false,
            refuses_legacy_routes: false,
        };
        FakeVtexBuilder {
            clock: Time::default(),
            port: 0,
            rules,
            app_keys: Accounts::with(Self::APP_KEY, Self::APP_TOKEN),
            providers: Accounts::with(Self::PROVIDER, Self::PROVIDER_TOKEN),
            users: vec![(Self::EMAIL.to_owned(), "Example User".to_owned())],
            passwords: Accounts::with(Self::EMAIL, Self::PASSWORD),
            second_factors: Accounts::none(),
        }
    }

    /// The access key in the newest mail.
    ///
    /// # Panics
    /// When no mail was sent yet.
    #[must_use]
    pub fn access_key(&self) -> String {
        locked(&self.vtex).storefront.newest_access_key().expect("a mail was sent")
    }

    /// The access key in the newest mail to this address.
    #[must_use]
    pub fn access_key_for(&self, email: &str) -> Option<String> {
        locked(&self.vtex).storefront.access_key_for(email)
    }

    /// A user token such as the vendor's Admin gives out, for clients that are given one.
    #[must_use]
    pub fn new_user_token(&self, life: Duration) -> String {
        let now = self.fake.now();
        let mut vtex = locked(&self.vtex);
        let lineage = vtex.tokens.begin(Holder::new(Self::EMAIL, "admin"));
        vtex.new_token(lineage, now + life, None)
    }

    /// Ends all user tokens given out so far: the next call with one of them is answered with 401. As cookies of a renewal
    /// they are taken as those are whose time is over.
    pub fn revoke_tokens(&self) {
        locked(&self.vtex).tokens.end_accesses();
    }

    /// Ends all refresh tokens given out so far: a renewal with one of them is answered with `InvalidToken`, in a 200.
    pub fn revoke_refresh_tokens(&self) {
        locked(&self.vtex).tokens.revoke_refreshes();
    }

    /// How often a refresh token was used again after it had been replaced. Each time, all tokens that descend from the
    /// same sign-in were revoked. What VTEX does then is not documented: this is what such services do.
    #[must_use]
    pub fn reuses(&self) -> usize {
        locked(&self.vtex).tokens.reuses()
    }

    /// Gives an app key, known or not, this app token instead of all others.
    pub fn set_app_token(&self, key: &str, token: &str) {
        locked(&self.vtex).set_app_token(key, token);
    }

    /// What `set_repeated_passwords` said last: whether users may sign in by password, and whether an old
    /// password may be used again.
    #[must_use]
    pub fn password_rules(&self) -> Option<(bool, bool)> {
        locked(&self.vtex).password_rules
    }

    /// Whose passwords were made to expire, in order.
    #[must_use]
    pub fn expired_passwords(&self) -> Vec<String> {
        locked(&self.vtex).expired_passwords.clone()
    }

    /// The user token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.vtex).tokens.token(number)
    }

    /// The app token that the log calls `app token #<number>`: first those that were there at the start.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn app_token(&self, number: usize) -> String {
        locked(&self.vtex).app_tokens.value(number).expect("there were so many app tokens")
    }
}

a_fake!(FakeVtex, FakeVtexBuilder);

impl FakeVtexBuilder {
    /// The store is this account's, and refuses calls for another with 400: the account that the host names
    /// (`<account>.vtexcommercestable.com.br`, `<account>.myvtex.com`), and `an`. `apptoken/login` and
    /// `credential/validate` must name it in one of the two ways.
    pub fn account(mut self, name: &str) -> Self {
        self.rules.account = Some(name.to_owned());
        self
    }

    /// One more app key.
    pub fn app_key(mut self, key: &str, token: &str) -> Self {
        self.app_keys.add(key, token);
        self
    }

    /// One more access token that an OAuth provider gave out.
    pub fn provider_token(mut self, provider: &str, token: &str) -> Self {
        self.providers.add(provider, token);
        self
    }

    /// One more user. A person who signs in by mail becomes one, too.
    pub fn user(mut self, email: &str, name: &str) -> Self {
        self.users.push((email.to_owned(), name.to_owned()));
        self
    }

    /// A user may sign in with this password; `user` is an e-mail address or, at the authenticator, a user name.
    pub fn password(mut self, user: &str, password: &str) -> Self {
        self.passwords.add(user, password);
        self
    }

    /// A sign-in of this user by password wants a second factor, for which this code is right.
    pub fn second_factor(mut self, user: &str, code: &str) -> Self {
        self.second_factors.add(user, code);
        self
    }

    /// The account has *Login with Alternative Keys*: sign-ins by password run at the authenticator alone.
    pub fn refuses_legacy_routes(mut self, refuses: bool) -> Self {
        self.rules.refuses_legacy_routes = refuses;
        self
    }

    /// How long the token of an app key lives: six hours, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = life;
        self
    }

    /// How long the token of a shopper lives: a day, if not told otherwise.
    pub fn storefront_life(mut self, life: Duration) -> Self {
        self.rules.storefront_life = life;
        self
    }

    /// How long a refresh token lives: seven days, if not told otherwise.
    pub fn refresh_life(mut self, life: Duration) -> Self {
        self.rules.refresh_life = life;
        self
    }

    /// `expires` counts the seconds from now, as the vendor's older document had it. Else it is a point in time, in
    /// seconds since 1970.
    pub fn expires_in_seconds(mut self, relative: bool) -> Self {
        self.rules.expires_in_seconds = relative;
        self
    }

    /// A refused sign-in with an app key or a provider's token is a 401. Else it is a 200 without a token, whose
    /// `authStatus` is not `Success`. The vendor documents neither.
    pub fn refusals_in_401(mut self, unauthorized: bool) -> Self {
        self.rules.refusals_in_401 = unauthorized;
        self
    }

    /// Opens the store on a free port of 127.0.0.1, or on [its own](Self::port). It closes when the fake is dropped.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start(self) -> FakeVtex {
        let document = Arc::new(FakeDocument::read(DOCUMENT, ""));
        let vtex = Arc::new(Mutex::new(Vtex::new(self.clone(), document.clone())));
        let fake = Fake::open("FakeVtex", document, self.clock, vtex.clone(), self.port).await;
        FakeVtex { fake, vtex }
    }
}

/// The state machine.
pub(super) struct Vtex {
    pub(super) rules: Rules,
    pub(super) document: Arc<FakeDocument>,
    app_keys: Vec<AppKey>,
    app_tokens: Mint,
    providers: Accounts,
    pub(super) tokens: Lineages<Holder>,
    pub(super) storefront: Storefront,
    pub(super) passwords: Passwords,
    pub(super) users: Vec<User>,
    units: Units,
    password_rules: Option<(bool, bool)>,
    expired_passwords: Vec<String>,
}

struct AppKey {
    id: String,
    key: String,
    token: String,
    made: SystemTime,
    /// While a renewal is under way, the second token, which works too.
    new_token: Option<(String, SystemTime)>,
}

pub(super) struct User {
    pub(super) id: String,
    email: String,
    name: String,
}

/// Whose a token is.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) user: String,
    /// `admin` or `webstore`.
    pub(super) audience: &'static str,
    pub(super) fingerprint: Option<String>,
}

impl Vendor for Vtex {
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

    /// Nothing is known of it.
    fn throttled(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::empty(429)
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/api/oms/pvt/orders", "/api/oms/user/orders", "/api/license-manager/account", "/api/sessions"]
    }

    fn secrets(&self) -> Vec<String> {
        let tokens = self.tokens.made().chain(self.app_tokens.made());
        let tokens = tokens.chain(self.providers.secrets()).chain(self.storefront.secrets());
        tokens.chain(self.passwords.secrets()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        let user = self.tokens.number(token).map(|number| format!("token #{number}"));
        user.or_else(|| self.app_tokens.number(token).map(|number| format!("app token #{number}")))
    }

    fn token_of<'a>(&self, ask: &'a FakeCall<'_>) -> Option<&'a str> {
        self.user_token(ask).or_else(|| ask.header(APP_TOKEN))
    }
}

/// What needs no session.
impl Vtex {
    fn trade_app_key(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let (key, token) = (text(&body, "appkey")?, text(&body, "apptoken")?);
        if !self.knows(key, token) {
            return Err(self.refuse());
        }
        let ends = ask.now + self.rules.token_life;
        let lineage = self.tokens.begin(Holder::new(key, "admin"));
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
        let lineage = self.tokens.begin(Holder::new(FakeVtex::EMAIL, "webstore"));
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
        let Holder { user, audience, .. } = self.tokens.owner(lineage).clone();
        let mut answer = self.document.example("check_authenticated_user", 200);
        if let Some(known) = self.user(&user) {
            answer["id"] = json!(known.id);
        }
        answer["user"] = json!(user);
        answer["account"] = json!(self.account());
        answer["audience"] = json!(audience);
        answer["tokenType"] = json!(if self.app_keys.iter().any(|key| key.key == user) { "appkey" } else { "user" });
        Ok(FakeAnswer::json(200, &answer))
    }
}

impl Vtex {
    fn new(builder: FakeVtexBuilder, document: Arc<FakeDocument>) -> Self {
        let now = builder.clock.now();
        let refuses_legacy_routes = builder.rules.refuses_legacy_routes;
        let mut vtex = Self {
            rules: builder.rules,
            app_keys: Vec::new(),
            app_tokens: Mint::default(),
            providers: builder.providers,
            tokens: Lineages::default(),
            storefront: Storefront::default(),
            passwords: Passwords::new(refuses_legacy_routes),
            users: builder.users.iter().map(|(email, name)| User::new(email, name)).collect(),
            units: Units::new(document.clone()),
            document,
            password_rules: None,
            expired_passwords: Vec::new(),
        };
        for account in builder.passwords.iter() {
            vtex.passwords.set(&account.name, &account.secret);
        }
        for account in builder.second_factors.iter() {
            vtex.passwords.want_second_factor(&account.name, &account.secret);
        }
        for account in builder.app_keys.iter() {
            vtex.app_tokens.adopt(&account.secret);
            vtex.app_keys.push(AppKey::new(&account.name, &account.secret, now));
        }
        vtex
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

    fn account(&self) -> &str {
        self.rules.account.as_deref().unwrap_or(FakeVtex::ACCOUNT)
    }

    pub(super) fn account_cookie(&self) -> String {
        format!("{TOKEN}_{}", self.account())
    }

    pub(super) fn user(&self, email: &str) -> Option<&User> {
        self.users.iter().find(|user| user.email == email)
    }

    fn knows(&self, key: &str, token: &str) -> bool {
        self.app_keys.iter().any(|known| known.key == key && known.has(token))
    }

    fn set_app_token(&mut self, key: &str, token: &str) {
        self.app_tokens.adopt(token);
        self.app_keys.retain(|known| known.key != key);
        self.app_keys.push(AppKey::new(key, token, SystemTime::UNIX_EPOCH));
    }

    pub(super) fn new_token(&mut self, lineage: usize, ends: SystemTime, beside: Option<&str>) -> String {
        self.tokens.access(lineage, beside, Some(ends), |number, random| format!("vtex-user-token-{number}-{random}"))
    }
}

impl AppKey {
    fn new(key: &str, token: &str, made: SystemTime) -> Self {
        Self { id: uuid(), key: key.to_owned(), token: token.to_owned(), made, new_token: None }
    }

    fn has(&self, token: &str) -> bool {
        self.token == token || self.new_token.as_ref().is_some_and(|(new, _)| new == token)
    }
}

impl User {
    pub(super) fn new(email: &str, name: &str) -> Self {
        Self { id: uuid(), email: email.to_owned(), name: name.to_owned() }
    }
}

impl Holder {
    pub(super) fn new(user: &str, audience: &'static str) -> Self {
        Self { user: user.to_owned(), audience, fingerprint: None }
    }
}

impl fmt::Debug for Vtex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vtex").field("rules", &self.rules).finish_non_exhaustive()
    }
}

pub(super) fn auth_status(status: u16, told: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "authStatus": told }))
}

pub(super) fn unknown_account() -> FakeAnswer {
    FakeAnswer::message(400, "Account not found.")
}

pub(super) fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| FakeAnswer::message(400, "The body must be a JSON object."))
}

pub(super) fn text<'a>(body: &'a Value, member: &str) -> Result<&'a str, FakeAnswer> {
    body[member].as_str().ok_or_else(|| FakeAnswer::message(400, &format!("{member} is required.")))
}

/// The account that the host names. A host that is no account's names none: 127.0.0.1, or that which all share.
fn account_of_host(ask: &FakeCall<'_>) -> Option<String> {
    let host = ask.header("host")?.split(':').next()?;
    let account = HOSTS.iter().find_map(|end| host.strip_suffix(end))?;
    (account != "api").then(|| account.to_owned())
}

/// The name of the cookie that ends with the account's id.
pub(super) fn id_cookie() -> String {
    format!("{TOKEN}_{}", FakeVtex::ACCOUNT_ID)
}

/// A line as in the vendor's example.
pub(super) fn set_cookie(ask: &FakeCall<'_>, name: &str, value: &str, ends: SystemTime, path: &str) -> String {
    let domain = ask.header("host").and_then(|host| host.split(':').next()).unwrap_or_default();
    let expires = calendar::http_date(ends);
    format!("{name}={value}; expires={expires}; domain={domain}; path={path}; secure; samesite=strict; httponly")
}
