//! A fake of VTEX ID, with any other path of the store behind the same door.

use super::{Fake, account::Accounts, builders::a_fake, document::FakeDocument, fake::locked, time::Time};
use passwords::Passwords;
use platform::{VtexHolder, VtexPlatform, VtexRules, VtexUser};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

mod answers;
mod app_keys;
mod names;
mod password;
mod passwords;
mod platform;
mod shopper;
mod signed_in;
mod storefront;
mod units;

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/vtex.json"));

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
pub struct FakeVtex {
    fake: Fake,
    platform: Arc<Mutex<VtexPlatform>>,
}

/// Says what the store is like. [`FakeVtex::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeVtexBuilder {
    clock: Time,
    port: u16,
    rules: VtexRules,
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

impl FakeVtex {
    /// The account, where [`account`](FakeVtexBuilder::account) names no other: that of the vendor's examples.
    pub const ACCOUNT: &'static str = names::ACCOUNT;
    /// The id of the account: that of the vendor's example.
    pub const ACCOUNT_ID: &'static str = names::ACCOUNT_ID;
    /// The app key that is always there: that of the vendor's example.
    pub const APP_KEY: &'static str = "vtexappkey-example-YSWQFZ";
    /// Its app token.
    pub const APP_TOKEN: &'static str = "vtex-app-token-0-seventeen-green-boxes";
    /// The OAuth provider that is always there.
    pub const PROVIDER: &'static str = "custom-oauth-provider";
    /// An access token of this provider.
    pub const PROVIDER_TOKEN: &'static str = "provider-access-token-of-a-shopper";
    /// The e-mail address of the one user who is always there: that of the vendor's example.
    pub const EMAIL: &'static str = names::EMAIL;
    /// The password of this user.
    pub const PASSWORD: &'static str = "Nine-Grey-Kettles-4";
    /// The organization unit that is always there.
    pub const UNIT: &'static str = units::UNIT;

    /// A store that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeVtexBuilder {
        let rules = VtexRules {
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
        locked(&self.platform).storefront.newest_access_key().expect("a mail was sent")
    }

    /// The access key in the newest mail to this address.
    #[must_use]
    pub fn access_key_for(&self, email: &str) -> Option<String> {
        locked(&self.platform).storefront.access_key_for(email)
    }

    /// A user token such as the vendor's Admin gives out, for clients that are given one.
    #[must_use]
    pub fn new_user_token(&self, life: Duration) -> String {
        let now = self.fake.now();
        let mut platform = locked(&self.platform);
        let lineage = platform.tokens.begin(VtexHolder::new(Self::EMAIL, "admin"));
        platform.new_token(lineage, now + life, None)
    }

    /// Ends all user tokens given out so far: the next call with one of them is answered with 401. As cookies of a renewal
    /// they are taken as those are whose time is over.
    pub fn revoke_tokens(&self) {
        locked(&self.platform).tokens.end_accesses();
    }

    /// Ends all refresh tokens given out so far: a renewal with one of them is answered with `InvalidToken`, in a 200.
    pub fn revoke_refresh_tokens(&self) {
        locked(&self.platform).tokens.revoke_refreshes();
    }

    /// How often a refresh token was used again after it had been replaced. Each time, all tokens that descend from the
    /// same sign-in were revoked. What VTEX does then is not documented: this is what such services do.
    #[must_use]
    pub fn reuses(&self) -> usize {
        locked(&self.platform).tokens.reuses()
    }

    /// Gives an app key, known or not, this app token instead of all others.
    pub fn set_app_token(&self, key: &str, token: &str) {
        locked(&self.platform).app_keys.set(key, token);
    }

    /// What `set_repeated_passwords` said last: whether users may sign in by password, and whether an old
    /// password may be used again.
    #[must_use]
    pub fn password_rules(&self) -> Option<(bool, bool)> {
        locked(&self.platform).password_rules
    }

    /// Whose passwords were made to expire, in order.
    #[must_use]
    pub fn expired_passwords(&self) -> Vec<String> {
        locked(&self.platform).expired_passwords.clone()
    }

    /// The user token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.platform).tokens.token(number)
    }

    /// The app token that the log calls `app token #<number>`: first those that were there at the start.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn app_token(&self, number: usize) -> String {
        locked(&self.platform).app_keys.tokens.value(number).expect("there were so many app tokens")
    }
}

a_fake!(
    /// A store as documented: tokens of app keys live six hours, those of shoppers a day.
    FakeVtex,
    FakeVtexBuilder
);

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
        self.passwords.set(user, password);
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

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, "")
    }

    fn platform(self, document: Arc<FakeDocument>) -> VtexPlatform {
        let users = self.users.iter().map(|(email, name)| VtexUser::new(email, name)).collect();
        let passwords = Passwords::new(self.passwords, self.second_factors);
        let keys = (&self.app_keys, self.providers);
        VtexPlatform::new(self.rules, keys, (users, passwords), document, self.clock.now())
    }
}
