//! A fake of Shopmonkey's auth service, with any other path of its API behind the same door.

use super::{Fake, account::Accounts, builders::a_fake, document::FakeDocument, fake::locked, time::Time};
use platform::{ShopmonkeyPlatform, ShopmonkeyRules};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

mod answers;
mod api_keys;
mod platform;

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/shopmonkey.json"));

/// A Shopmonkey in memory: sign-ins, API keys, and answers that say `success: false`.
///
/// The operations are those of the document: `login`, `logout`, `list_api_keys`, `create_api_key`, `delete_api_key`.
/// Beside them `/v3/order`, `/v3/user` and what [`Fake::serve`] adds (`other`) answer 200 and `{"success": true, "ok": true, "path": …}` to
/// the token of a session and to an API key; without one the answer is 401. Every answer has an `X-Request-Id`.
///
/// ```
/// use keyway::testing::FakeShopmonkey;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeShopmonkey::builder().failures_in_200(true).start().await;
///
/// let credentials = json!({ "email": FakeShopmonkey::EMAIL, "password": "wrong" });
/// let login = format!("{}/v3/auth/login", fake.uri());
/// let answer = reqwest::Client::new().post(login).json(&credentials).send().await?;
///
/// assert_eq!(answer.status(), 200);
/// assert_eq!(answer.json::<Value>().await?["success"], false);
/// assert_eq!(fake.count("login"), 1);
/// # Ok(())
/// # }
/// ```
///
/// In the log, an API key is `api key #1`, the how-many-th this fake knows: the first is
/// [`API_KEY`](FakeShopmonkey::API_KEY). What [`Fake`] can do, it can do: gates, faults, counts, expectations.
pub struct FakeShopmonkey {
    fake: Fake,
    platform: Arc<Mutex<ShopmonkeyPlatform>>,
}

/// Says what the vendor is like. [`FakeShopmonkey::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeShopmonkeyBuilder {
    clock: Time,
    port: u16,
    rules: ShopmonkeyRules,
    users: Accounts,
    /// By name.
    keys: Accounts,
}

impl FakeShopmonkey {
    /// The e-mail address of the one user who is always there.
    pub const EMAIL: &'static str = "owner@shop.example";
    /// That user's password.
    pub const PASSWORD: &'static str = "three wrenches and a jack";
    /// The API key that is always there: it never expires.
    pub const API_KEY: &'static str = "sm-api-key-0-of-the-shop-at-the-corner";

    /// A vendor that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeShopmonkeyBuilder {
        let rules = ShopmonkeyRules {
            token_life: None,
            jwt: false,
            whole_profile: false,
            failures_in_200: false,
            refused_login: 401,
            without_meta: false,
            repeat_pages: false,
            calls_per_minute: None,
            retry_after_date: false,
        };
        let users = Accounts::with(Self::EMAIL, Self::PASSWORD);
        let keys = Accounts::with("Integration", Self::API_KEY);
        FakeShopmonkeyBuilder { clock: Time::default(), port: 0, rules, users, keys }
    }

    /// Ends all sessions: the next call with a token of theirs is answered with 401. API keys go on.
    pub fn revoke_sessions(&self) {
        locked(&self.platform).sessions.revoke_accesses();
    }

    /// Ends an API key by its value. Says whether there was one.
    pub fn revoke_api_key(&self, key: &str) -> bool {
        locked(&self.platform).keys.end(|known| known.value == key)
    }

    /// Changes the password of a user. Sessions go on.
    pub fn set_password(&self, email: &str, password: &str) {
        locked(&self.platform).users.set(email, password);
    }

    /// For which audience the session of `token #<number>` was begun; none if it was not said.
    ///
    /// # Panics
    /// When there were not so many sessions yet, or this one has ended.
    #[must_use]
    pub fn audience(&self, number: usize) -> Option<String> {
        let platform = locked(&self.platform);
        let lineage = platform.sessions.of_access(&platform.sessions.token(number)).expect("the session goes on");
        platform.sessions.owner(lineage).audience.clone()
    }

    /// The session token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.platform).sessions.token(number)
    }

    /// The API key that the log calls `api key #<number>`: first those that were there at the start, then those made.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn api_key(&self, number: usize) -> String {
        locked(&self.platform).keys.mint.value(number).expect("there were so many API keys")
    }
}

a_fake!(
    /// A vendor as documented: sessions and keys that do not end, failures with a status of their own.
    FakeShopmonkey,
    FakeShopmonkeyBuilder
);

impl FakeShopmonkeyBuilder {
    /// One more user.
    pub fn user(mut self, email: &str, password: &str) -> Self {
        self.users.add(email, password);
        self
    }

    /// One more API key that is there from the start.
    pub fn api_key(mut self, name: &str, key: &str) -> Self {
        self.keys.add(name, key);
        self
    }

    /// How long a session lives: for ever, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = Some(life);
        self
    }

    /// Session tokens are JWTs, with an `exp` if sessions end. Their signature is a dummy.
    pub fn jwt(mut self, jwt: bool) -> Self {
        self.rules.jwt = jwt;
        self
    }

    /// A sign-in tells all that the vendor's tables call required, NATS credentials among it. Its example, which is
    /// what else is answered, lacks most of that.
    pub fn whole_profile(mut self, whole: bool) -> Self {
        self.rules.whole_profile = whole;
        self
    }

    /// What goes wrong is told with `success: false` in a 200. A 429 stays what it is.
    pub fn failures_in_200(mut self, inside: bool) -> Self {
        self.rules.failures_in_200 = inside;
        self
    }

    /// The status of a wrong password: 401, if not told otherwise. The vendor's page says 4XX.
    pub fn refused_login(mut self, status: u16) -> Self {
        self.rules.refused_login = status;
        self
    }

    /// Lists have no `meta`, as in the vendor's example.
    pub fn without_meta(mut self, without: bool) -> Self {
        self.rules.without_meta = without;
        self
    }

    /// Lists begin anew, whatever `skip` says, and say that there is more, if they are longer than one page.
    pub fn repeat_pages(mut self, repeat: bool) -> Self {
        self.rules.repeat_pages = repeat;
        self
    }

    /// How many calls each session and each API key has in 60 s; without a limit, if not told otherwise. All answers
    /// to them have `X-RateLimit-Limit-Minute` and `X-RateLimit-Remaining-Minute` then; a 429 has `Retry-After`.
    pub fn calls_per_minute(mut self, limit: usize) -> Self {
        self.rules.calls_per_minute = Some(limit);
        self
    }

    /// `Retry-After` is a date, not a number of seconds.
    pub fn retry_after_date(mut self, date: bool) -> Self {
        self.rules.retry_after_date = date;
        self
    }

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, "")
    }

    fn platform(self, document: Arc<FakeDocument>) -> ShopmonkeyPlatform {
        ShopmonkeyPlatform::new(self.rules, self.users, &self.keys, document, self.clock.now())
    }
}
