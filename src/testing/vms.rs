//! A fake of the VMS Client API, with any other path of the platform behind the same door.

use super::{Fake, account::Accounts, builders::a_fake, document::FakeDocument, fake::locked, time::Time};
use platform::{HeldSession, VmsPlatform, VmsRules};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

mod captcha;
mod picture;
mod platform;

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/vms.json"));

/// A video platform in memory: a limit of sessions, captchas, throttles.
///
/// The operations are those of the document (`get_token`, `get_captcha`, `get_basic_static`, `list_sessions`,
/// `delete_session`, `logout`, `get_self`, `update_self`) and, for calls beside it, `list_cameras`,
/// `GET /api/v1/cameras`: three cameras, `[{"id": 1, "name": "Gate", "online": true}, …]`. Paths that [`Fake::serve`] adds (`other`)
/// answer 200 and `{"ok": true, "path": …}` to a valid token. Without one the answer is 401; and without
/// `Accept: application/json`, errors are redirects or HTML pages, as in the vendor's framework. A `session_id` that is not one
/// of the user's, or has ended meanwhile, is answered with 422.
///
/// ```
/// use keyway::testing::FakeVms;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeVms::builder().session_limit(2).other_sessions(2).start().await;
///
/// let credentials = json!({ "login": FakeVms::LOGIN, "password": FakeVms::PASSWORD });
/// let request = reqwest::Client::new().post(format!("{}/api/v1/token", fake.uri()));
/// let answer = request.header("accept", "application/json").json(&credentials).send().await?;
///
/// assert_eq!(answer.status(), 419);
/// assert_eq!(answer.json::<Value>().await?["sessions_count"], 2);
/// assert_eq!(fake.count("get_token"), 1);
/// # Ok(())
/// # }
/// ```
///
/// What [`Fake`] can do, it can do: gates, faults, counts, expectations.
pub struct FakeVms {
    fake: Fake,
    platform: Arc<Mutex<VmsPlatform>>,
}

/// Says what the platform is like. [`FakeVms::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeVmsBuilder {
    clock: Time,
    port: u16,
    rules: VmsRules,
    users: Accounts,
    other_sessions: usize,
}

/// A session as [`FakeVms::sessions`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmsSession {
    /// What `session_id` and `deleteSession` take.
    pub id: String,
    /// Whose it is.
    pub login: String,
    /// Whether it is in use.
    pub online: bool,
    /// When it was last used.
    pub last: SystemTime,
}

impl FakeVms {
    /// The login of the one user who is always there: that of the vendor's example.
    pub const LOGIN: &'static str = "mylogin@mail.com";
    /// That user's password.
    pub const PASSWORD: &'static str = "mypassword";

    /// A platform that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeVmsBuilder {
        let rules = VmsRules {
            session_limit: 5,
            captcha_after: None,
            token_life: None,
            prefixed_token: false,
            sign_ins_per_address: 10,
            sign_ins_per_login: 10,
            captchas_per_address: 20,
            retry_after: false,
            empty_429: false,
        };
        let users = Accounts::with(Self::LOGIN, Self::PASSWORD);
        FakeVmsBuilder { clock: Time::default(), port: 0, rules, users, other_sessions: 0 }
    }

    /// What stands in the newest captcha's picture.
    ///
    /// # Panics
    /// When no captcha was asked for yet.
    #[must_use]
    pub fn captcha_answer(&self) -> String {
        locked(&self.platform).captchas.newest_text().expect("a captcha was asked for")
    }

    /// What stands in the picture of the captcha with this key.
    #[must_use]
    pub fn captcha_answer_for(&self, key: &str) -> Option<String> {
        locked(&self.platform).captchas.text_of(key)
    }

    /// The sessions of all users, the one begun first in front.
    #[must_use]
    pub fn sessions(&self) -> Vec<VmsSession> {
        let mut platform = locked(&self.platform);
        let now = self.fake.now();
        platform.end_what_is_over(now);
        platform.sessions.iter().map(|session| VmsSession::of(session, now)).collect()
    }

    /// Ends a session, as if its user had done so elsewhere. Says whether there was one.
    pub fn end_session(&self, id: &str) -> bool {
        locked(&self.platform).end(|session| session.id == id)
    }

    /// Ends all sessions: the next call with a token of theirs is answered with 401.
    pub fn revoke_all(&self) {
        locked(&self.platform).sessions.clear();
    }

    /// Changes the password of a user. Sessions go on.
    pub fn set_password(&self, login: &str, password: &str) {
        locked(&self.platform).users.set(login, password);
    }

    /// The access token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.platform).tokens.value(number).expect("so many tokens were given out")
    }
}

a_fake!(
    /// A platform as documented: five sessions, no captcha, tokens that do not end, ten sign-ins in ten minutes.
    FakeVms,
    FakeVmsBuilder
);

impl FakeVmsBuilder {
    /// How many sessions each user may have: five, if not told otherwise.
    pub fn session_limit(mut self, limit: usize) -> Self {
        self.rules.session_limit = limit;
        self
    }

    /// Sessions that the default user already has elsewhere: `other-1`, the one used longest ago, `other-2` and so on.
    /// The odd ones are online, the even ones are not.
    pub fn other_sessions(mut self, count: usize) -> Self {
        self.other_sessions = count;
        self
    }

    /// Sign-in needs a captcha.
    pub fn captcha(mut self, needed: bool) -> Self {
        self.rules.captcha_after = needed.then_some(0);
        self
    }

    /// Sign-in needs a captcha after so many were tried, by any client and with any outcome.
    pub fn captcha_after(mut self, sign_ins: usize) -> Self {
        self.rules.captcha_after = Some(sign_ins);
        self
    }

    /// How long a session lives: for ever, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = Some(life);
        self
    }

    /// The `access_token` of the answer reads `Bearer …`, as in the vendor's example.
    pub fn prefixed_token(mut self, prefixed: bool) -> Self {
        self.rules.prefixed_token = prefixed;
        self
    }

    /// One more user.
    pub fn user(mut self, login: &str, password: &str) -> Self {
        self.users.add(login, password);
        self
    }

    /// How many sign-ins one address has in ten minutes: ten, if not told otherwise. The address is the one in
    /// `X-Forwarded-For`; without that header, all calls come from 127.0.0.1.
    pub fn sign_ins_per_address(mut self, limit: usize) -> Self {
        self.rules.sign_ins_per_address = limit;
        self
    }

    /// How many sign-ins one login has in ten minutes: ten, if not told otherwise.
    pub fn sign_ins_per_login(mut self, limit: usize) -> Self {
        self.rules.sign_ins_per_login = limit;
        self
    }

    /// How many captchas one address has in ten minutes: twenty, if not told otherwise.
    pub fn captchas_per_address(mut self, limit: usize) -> Self {
        self.rules.captchas_per_address = limit;
        self
    }

    /// A 429 tells in `Retry-After` how many seconds to wait. Not documented, but usual in the vendor's framework.
    pub fn retry_after(mut self, told: bool) -> Self {
        self.rules.retry_after = told;
        self
    }

    /// A 429 has no body. Its body is not documented; else it is that of the vendor's framework.
    pub fn empty_429(mut self, empty: bool) -> Self {
        self.rules.empty_429 = empty;
        self
    }

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, "").also("list_cameras", "GET", "/api/v1/cameras")
    }

    fn platform(self, document: Arc<FakeDocument>) -> VmsPlatform {
        let mut platform = VmsPlatform::new(self.rules, self.users, document);
        platform.add_other_sessions(FakeVms::LOGIN, self.other_sessions, self.clock.now());
        platform
    }
}

impl VmsSession {
    fn of(session: &HeldSession, now: SystemTime) -> Self {
        let (id, login) = (session.id.clone(), session.login.clone());
        Self { id, login, online: session.is_online(now), last: session.last }
    }
}
