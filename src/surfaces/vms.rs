//! VMS (aipix): captchas, a limit on concurrent sessions, throttled sign-ins, and no renewal.
#![cfg(feature = "vms")]

use super::{
    Capabilities, Issued, Issuer, Prose,
    builder::{NamedCredential, Options, grants, only, passwords, shared_options, surface_client},
};
use crate::{
    CredentialSource, Error, ErrorKind, EvictionPolicy, Secret,
    credential::Credential,
    generated::vms::{FACTS, SERVER_PATH},
    http::{
        Surface,
        facts::{Role, Step},
        json,
        transport::{AuthClient, AuthResponse},
        verdict::Verdict,
    },
    question::{ActiveSession, Captcha, SessionLimit},
    session::{
        Attempt, Profile, SignOut,
        budget::Budget,
        tokens::{Lifetime, Tokens},
    },
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub use crate::generated::vms::{Client as Api, builder, types};

surface_client! {
    /// A client of a VMS. Cheap to clone; clones share one session, so a hundred tasks are one session to the vendor.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), keyway::Error> {
    /// use keyway::{EvictionPolicy, Secret, vms};
    ///
    /// let vms = vms::Client::builder("https://vms.example")
    ///     .password("operator@example.org", Secret::from("…"))
    ///     .session_limit(EvictionPolicy::OldestOffline)
    ///     .build()?;
    /// let cameras = vms.http().get("/api/v1/cameras").send().await?;
    /// let sessions = vms.api().list_sessions().send().await?;
    /// # Ok(()) }
    /// ```
    crate::generated::vms::Client
}

pub(crate) static SURFACE: Surface =
    Surface { name: "vms", facts: FACTS, classify, serves: |_| ".password(..)", content_type: None };

/// The vendor allows ten tries in ten minutes, per address and per login. It does not say over which time the second
/// one runs; the same is assumed.
const BUDGET: Budget = Budget { attempts: 10, within: Duration::from_secs(10 * 60) };
/// A captcha without a stated life is believed for as long as the page's example says.
const CAPTCHA_LIFE: Duration = Duration::from_secs(60);

/// Builds a [`Client`]. [`build`](Self::build) checks everything and sends nothing.
///
/// ```no_run
/// # fn build() -> Result<(), keyway::Error> {
/// use keyway::{EvictionPolicy, FileStore, vms};
///
/// let client = vms::Client::builder("https://vms.example")
///     .password("guard@example.org", "…")
///     .session_limit(EvictionPolicy::OldestOffline)
///     .store(FileStore::at("/var/lib/guard/sessions"))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    options: Options,
    grants: Vec<NamedCredential>,
}

impl ClientBuilder {
    fn new(url: impl Into<String>) -> Self {
        Self { options: Options::new(url), grants: Vec::new() }
    }

    grants!();
    passwords!(login, "login");

    /// Which session ends when the account has as many as it may have. Default: [`EvictionPolicy::Never`].
    pub fn session_limit(mut self, evict: EvictionPolicy) -> Self {
        self.options.evict = evict;
        self
    }

    shared_options!();

    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(self) -> Result<Client, Error> {
        let grant = only(self.grants, ".password(login, secret)")?;
        let checked = self.options.check(&SURFACE)?;
        let issuer = Vms {
            auth: checked.auth_client(&SURFACE)?,
            login: grant.principal.clone(),
            password: grant.credential.clone(),
            capabilities: capabilities(),
        };
        let core = checked.assemble(&SURFACE, Role::User, std::sync::Arc::new(issuer), &grant)?;
        Ok(Client::from_core(core))
    }
}

const PASSWORD: &str = ".password(..)";

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        budget: Some(BUDGET),
        prose: Prose {
            expiry: "unknown: used until refused",
            revocable: "yes",
            unauthorized: "the session ended: a new one, sent again once",
            failed_sign_in: "422 by field; 419 session limit; 429 throttle",
            budget: "10 in 10 min, per address and per login",
        },
        ..Capabilities::new("vms", PASSWORD)
    }
}

struct Vms {
    auth: AuthClient,
    login: String,
    password: Credential,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct VmsSignIn<'a> {
    login: &'a str,
    password: Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    captcha: Option<&'a Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Secret>,
}

/// No more of the answer than a session needs.
#[derive(Deserialize)]
struct VmsSignedIn {
    access_token: Secret,
    #[serde(default)]
    user: Value,
}

#[derive(Deserialize)]
struct Basic {
    #[serde(default)]
    is_captcha_available: Option<bool>,
}

#[derive(Deserialize)]
struct Picture {
    key: Secret,
    img: String,
    #[serde(default)]
    ttl: Option<u64>,
}

impl Vms {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        // First, so that no person solves a captcha for a password that will not be sent.
        let password = attempt.credential(&self.password).await?;
        if attempt.captcha().is_none() && self.wants_captcha().await? {
            return Err(self.captcha().await?);
        }
        let captcha = attempt.captcha();
        // A chosen session that has ended elsewhere meanwhile is refused for its value: the engine asks anew, without it.
        let call = self.auth.call("get_token")?.json(&VmsSignIn {
            login: &self.login,
            password,
            session_id: attempt.end_session().map(|id| id.as_str()),
            captcha: captcha.map(|captcha| &captcha.text),
            key: captcha.map(|captcha| &captcha.key),
        })?;
        let reply = self.auth.spend(attempt, call).await?;
        if refuses(&reply, &["captcha", "key"]) {
            return Err(self.captcha().await?);
        }
        issued(&reply)
    }

    /// The platform's settings say whether a captcha is wanted; one that cannot say so wants none.
    async fn wants_captcha(&self) -> Result<bool, Error> {
        let reply = self.auth.ask(self.auth.call("get_basic_static")?).await?;
        match reply.status() {
            404 => Ok(false),
            _ => Ok(reply.json::<Basic>()?.is_captcha_available == Some(true)),
        }
    }

    /// A new captcha, as the question that stops the sign-in.
    async fn captcha(&self) -> Result<Error, Error> {
        let captcha = captcha(&self.auth.ask(self.auth.call("get_captcha")?).await?)?;
        Ok(Error::captcha_required(captcha).at("get_token"))
    }

    async fn end(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let call = self.auth.call("logout")?.json(&serde_json::json!({}))?.bearer(&tokens.access)?;
        let reply = self.auth.ask(call).await?;
        match reply.status() {
            // 401: the vendor has already forgotten it.
            401 => Ok(SignOut::Revoked),
            _ if reply.succeeded() => Ok(SignOut::Revoked),
            _ => Err(reply.failure()),
        }
    }
}

impl Issuer for Vms {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.password.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        self.end(tokens).await
    }
}

/// The session that the answer to a sign-in holds.
pub(crate) fn issued(reply: &AuthResponse) -> Result<Issued, Error> {
    let VmsSignedIn { access_token, user } = reply.json()?;
    let access = reply.token(bare(access_token))?;
    let tokens = Tokens { access, refresh: None, life: Lifetime::Unknown, date: reply.date() };
    Ok(Issued { tokens, profile: user.is_object().then(|| Profile::new(user)) })
}

/// The captcha that was asked for.
pub(crate) fn captcha(reply: &AuthResponse) -> Result<Captcha, Error> {
    let picture: Picture = reply.json()?;
    let (media_type, image) = data_uri(&picture.img).ok_or_else(|| {
        Error::protocol("the captcha's picture is no data URI").at("get_captcha").with_status(reply.status())
    })?;
    Ok(Captcha {
        image: image.into(),
        media_type,
        expires_in: picture.ttl.map_or(CAPTCHA_LIFE, Duration::from_secs),
        attempt: 1,
        key: picture.key,
    })
}

/// The vendor's example shows the token as `Bearer token`, its own clients add the word themselves: accept both.
fn bare(token: Secret) -> Secret {
    match token.expose().strip_prefix("Bearer ") {
        Some(bare) => Secret::from(bare),
        None => token,
    }
}

/// With or without padding.
const ANY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `data:image/png;base64,…`
fn data_uri(text: &str) -> Option<(String, Vec<u8>)> {
    let (media_type, data) = text.strip_prefix("data:")?.split_once(";base64,")?;
    // Encoders of mails break their lines, and some leave out what fills up the last group.
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some((media_type.to_owned(), ANY_BASE64.decode(data).ok()?))
}

/// Whether a 422 names one of these fields, and so means what was sent in it.
fn refuses(reply: &AuthResponse, fields: &[&str]) -> bool {
    let body = reply.value();
    let named = |field: &&str| body.get("errors").and_then(|errors| errors.get(*field)).is_some();
    reply.status() == 422 && fields.iter().any(named)
}

/// 419 and, by the page's other sentence, 429 mean the session limit if they list sessions. 422 refuses credentials
/// only if it names them.
fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    let limit = || verdict.body.as_ref().and_then(session_limit);
    match (verdict.facts.step, verdict.status) {
        (Step::SignIn, 419 | 429) if limit().is_some() => {
            Some(verdict.with_context(Error::session_limit_reached(limit()?)))
        }
        (Step::SignIn | Step::Challenge, 429) => {
            let error = verdict.error();
            // A throttle that names no time lasts as long as the window of the documented ones.
            let wait = error.retry_after().unwrap_or(BUDGET.within);
            Some(error.with_retry_after(Some(wait)).advice("nothing is sent to the vendor until then"))
        }
        (Step::SignIn, 419) => {
            let error = Error::protocol("the vendor answered 419 without a list of sessions")
                .advice("that is no session limit; check the address given to the builder");
            Some(verdict.with_context(error))
        }
        (Step::SignIn, 422) => {
            let fields = verdict.validation()?;
            let captcha = fields.contains_key("captcha") || fields.contains_key("key");
            let refused = !captcha && (fields.contains_key("login") || fields.contains_key("password"));
            refused.then(|| {
                let error = Error::new(ErrorKind::InvalidCredentials, "the vendor refused the login or password")
                    .advice("check them; they are not tried again until they change or sign_in() is called");
                verdict.with_context(error.with_validation(fields))
            })
        }
        _ => None,
    }
}

fn session_limit(body: &Value) -> Option<SessionLimit> {
    let number = |name: &str| body.get(name).and_then(json::integer).and_then(|n| u64::try_from(n).ok());
    let small = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
    Some(SessionLimit {
        sessions: body.get("sessions")?.as_array()?.iter().filter_map(active_session).collect(),
        limit: small("sessions_limit"),
        count: small("sessions_count"),
        captcha_valid_for: number("captcha_will_required_in").map(Duration::from_secs),
    })
}

fn active_session(session: &Value) -> Option<ActiveSession> {
    let text = |name: &str| session.get(name).and_then(json::text);
    let yes = |name: &str| session.get(name).and_then(json::truth).unwrap_or(false);
    Some(ActiveSession {
        id: session.get("id").and_then(json::text)?.into(),
        is_current: yes("is_current"),
        online: yes("online"),
        client: text("client"),
        user_agent: text("user_agent"),
        ip: text("ip"),
        last: session.get("last").and_then(json::integer),
    })
}

/// The rows of `docs/capabilities.md`.
#[cfg(test)]
pub(super) fn all_capabilities() -> Vec<Capabilities> {
    vec![capabilities()]
}

/// What comes of its answers.
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) static READING: super::reading::Reading = super::reading::Reading {
    surface: &SURFACE,
    came: |operation, reply, _| {
        use super::reading::Came;
        match operation {
            "get_token" => Some(issued(reply).map(Came::Session)),
            "get_captcha" => Some(captcha(reply).map(Came::Captcha)),
            _ => None,
        }
    },
    tokens: &[],
    secrets: &["access_token", "key"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_token_is_taken_bare_or_with_the_word_bearer() {
        assert_eq!(bare(Secret::from("Bearer abc")).expose(), "abc");
        assert_eq!(bare(Secret::from("abc")).expose(), "abc");
    }

    #[apply(leak_checked!)]
    fn the_vendors_example_of_a_419_is_read_whole() {
        let body = serde_json::json!({
            "sessions": [{"id": "s1", "is_current": false, "user_agent": "ua", "client": "android", "online": true, "ip": "127.0.0.1"}],
            "sessions_limit": 5, "sessions_count": 5, "captcha_will_required_in": 120
        });
        let limit = session_limit(&body).expect("a limit");
        assert_eq!(
            (limit.limit, limit.count, limit.captcha_valid_for),
            (Some(5), Some(5), Some(Duration::from_secs(120)))
        );
        assert_eq!(limit.sessions[0].client.as_deref(), Some("android"));
        assert!(session_limit(&serde_json::json!({"message": "CSRF token mismatch."})).is_none());
    }

    #[apply(leak_checked!)]
    fn only_a_data_uri_is_a_picture() {
        assert_eq!(data_uri("data:image/png;base64,aGk="), Some(("image/png".into(), b"hi".to_vec())));
        for nonsense in ["", "aGk=", "data:image/png,hi", "data:image/png;base64,###"] {
            assert_eq!(data_uri(nonsense), None, "{nonsense}");
        }
    }
}
