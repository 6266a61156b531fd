//! Acme: a vendor as a program of its own writes it, and the server it talks to.

use keyway::{
    ActiveSession, Captcha, DeviceCode, Error, Secret, SessionId, SessionLimit, SignOut,
    custom::{Attempt, Capabilities, Client, ClientBuilder, Issued, Issuer, Polled, Renewal, Tokens},
    testing::ManualClock,
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};
pub(super) const PASSWORD: &str = "open sesame";
pub(super) const LIFE: Duration = Duration::from_secs(600);
pub(super) const ROTATES: Renewal = Renewal::RefreshToken { rotates: true };

/// Acme's side.
#[derive(Default)]
pub(super) struct Platform {
    pub(super) seen: Vec<String>,
    /// Statuses that are answered instead, first come, first served.
    pub(super) faults: VecDeque<u16>,
    pub(super) access: Vec<String>,
    pub(super) refresh: Vec<String>,
    pub(super) spent: Vec<String>,
    pub(super) reuses: usize,
    pub(super) made: usize,
    pub(super) captcha: bool,
    pub(super) captchas: usize,
    pub(super) limit: Option<usize>,
    /// What polls are answered with, and when they came.
    pub(super) polls: VecDeque<u16>,
    pub(super) polled: Vec<Duration>,
    pub(super) clock: ManualClock,
}

impl Platform {
    pub(super) fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        self.seen.push(path.clone());
        if let Some(fault) = (path != "/things").then(|| self.faults.pop_front()).flatten() {
            return ResponseTemplate::new(fault);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match path.as_str() {
            "/login" => self.login(&text("password"), &text("captcha"), &text("end")),
            "/renew" => self.renew(&text("refresh")),
            "/captcha" => {
                self.captchas += 1;
                ResponseTemplate::new(200).set_body_json(json!({ "key": format!("c{}", self.captchas) }))
            }
            "/logout" => {
                self.access.retain(|token| *token != text("token"));
                ResponseTemplate::new(204)
            }
            "/device" => ResponseTemplate::new(200).set_body_json(json!({ "device": "dev-secret", "user": "WDJB" })),
            "/poll" => {
                self.polled.push(keyway::Clock::monotonic(&self.clock));
                match self.polls.pop_front().unwrap_or(202) {
                    200 => self.begin(),
                    status => ResponseTemplate::new(status),
                }
            }
            _ => {
                let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
                let token = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
                let live = |token: &str| self.access.iter().any(|known| known == token);
                let known = token.or(header("x-acme")).is_some_and(live);
                ResponseTemplate::new(if known { 200 } else { 401 })
            }
        }
    }

    pub(super) fn login(&mut self, password: &str, captcha: &str, end: &str) -> ResponseTemplate {
        if self.captcha && captcha != format!("c{}", self.captchas) {
            return ResponseTemplate::new(428);
        }
        if password != PASSWORD {
            return ResponseTemplate::new(401);
        }
        self.access.retain(|token| token != end);
        if self.limit.is_some_and(|limit| self.access.len() >= limit) {
            return ResponseTemplate::new(409).set_body_json(json!(self.access));
        }
        self.begin()
    }

    pub(super) fn renew(&mut self, refresh: &str) -> ResponseTemplate {
        if self.spent.iter().any(|spent| spent == refresh) {
            self.reuses += 1;
        }
        let Some(at) = self.refresh.iter().position(|known| known == refresh) else {
            return ResponseTemplate::new(401);
        };
        self.spent.push(self.refresh.remove(at));
        self.begin()
    }

    pub(super) fn begin(&mut self) -> ResponseTemplate {
        self.made += 1;
        let (access, refresh) = (format!("access-{}", self.made), format!("refresh-{}", self.made));
        self.access.push(access.clone());
        self.refresh.push(refresh.clone());
        ResponseTemplate::new(200).set_body_json(json!({ "access": access, "refresh": refresh }))
    }
}

pub(super) struct Server {
    pub(super) platform: Arc<Mutex<Platform>>,
    pub(super) clock: ManualClock,
    pub(super) server: MockServer,
}

impl Server {
    pub(super) async fn start(change: impl FnOnce(&mut Platform)) -> Self {
        let clock = ManualClock::new();
        let mut platform = Platform { clock: clock.clone(), ..Platform::default() };
        change(&mut platform);
        let platform = Arc::new(Mutex::new(platform));
        let (server, behind) = (MockServer::start().await, platform.clone());
        Mock::given(any())
            .respond_with(move |request: &Request| behind.lock().unwrap().answer(request))
            .mount(&server)
            .await;
        Self { platform, clock, server }
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.platform.lock().unwrap().seen.iter().filter(|seen| *seen == path).count()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Platform)) {
        change(&mut self.platform.lock().unwrap());
    }

    pub(super) fn issuer(&self, capabilities: Capabilities) -> Acme {
        let (root, http) = (self.server.uri(), reqwest::Client::new());
        Acme { root, http, capabilities, password: PASSWORD.into(), seeded: true, device: false }
    }

    pub(super) fn builder(&self, issuer: Acme) -> ClientBuilder {
        Client::builder(self.server.uri()).issuer(issuer).clock(self.clock.clone())
    }

    pub(super) fn client(&self, capabilities: Capabilities) -> Client {
        self.builder(self.issuer(capabilities)).build().unwrap()
    }
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities::new("acme", ".password(..)")
}

/// The issuer, as a user writes it.
pub(super) struct Acme {
    pub(super) root: String,
    pub(super) http: reqwest::Client,
    pub(super) capabilities: Capabilities,
    pub(super) password: Secret,
    pub(super) seeded: bool,
    pub(super) device: bool,
}

impl Acme {
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<(u16, Value), Error> {
        let answer = self.http.post(format!("{}{path}", self.root)).json(&body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    pub(super) async fn captcha(&self) -> Result<Error, Error> {
        let (_, body) = self.post("/captcha", json!({})).await?;
        let key = body["key"].as_str().unwrap_or_default();
        // The picture shows the key: whoever reads it answers right.
        Ok(Error::captcha_required(Captcha::new(key, "text/plain", key).valid_for(Duration::from_secs(30))))
    }
}

pub(super) fn issued(body: &Value) -> Issued {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Issued::new(text("access")).with_refresh(text("refresh")).lives_for(LIFE).with_profile(json!({ "name": "Ann" }))
}

pub(super) fn limit(body: &Value) -> SessionLimit {
    let ids = body.as_array().into_iter().flatten().filter_map(Value::as_str);
    SessionLimit::new(ids.map(ActiveSession::new).collect())
}

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        self.seeded.then_some(&self.password)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if self.device {
            let (_, body) = self.post("/device", json!({})).await?;
            let (device, user) =
                (body["device"].as_str().unwrap_or_default(), body["user"].as_str().unwrap_or_default());
            let code = DeviceCode::new(device, user, "https://acme.example/device", Duration::from_secs(120));
            return Err(Error::device_code_required(code));
        }
        attempt.present(&self.password)?;
        let permit = attempt.acquire().await?;
        let captcha = attempt.captcha().map(|captcha| captcha.text().expose());
        let body = json!({
            "password": self.password.expose(), "captcha": captcha, "end": attempt.end_session().map(SessionId::as_str),
        });
        let sent = self.post("/login", body).await;
        let (status, body) = match sent {
            Ok(answer) => answer,
            Err(error) => {
                attempt.release(permit).await;
                return Err(error);
            }
        };
        match status {
            200 => Ok(issued(&body)),
            401 => Err(Error::invalid_credentials("Acme refused the password")),
            409 => Err(Error::session_limit_reached(limit(&body))),
            428 => Err(self.captcha().await?),
            429 => Err(Error::throttled(Some(Duration::from_secs(42)))),
            status => Err(Error::unexpected_status(status)),
        }
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        let refresh = tokens.refresh().map(Secret::expose).unwrap_or_default();
        match self.post("/renew", json!({ "refresh": refresh })).await? {
            (200, body) => Ok(issued(&body)),
            (401, _) => Err(Error::refresh_refused("Acme refused the refresh token")),
            (status, _) => Err(Error::unexpected_status(status)),
        }
    }

    async fn poll(&self, _: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        match self.post("/poll", json!({ "device": device.device_code().expose() })).await? {
            (200, body) => Ok(Polled::Issued(issued(&body))),
            (202, _) => Ok(Polled::Pending),
            (429, _) => Ok(Polled::SlowDown),
            (403, _) => Err(Error::declined("the person said no")),
            (status, _) => Err(Error::unexpected_status(status)),
        }
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        match self.post("/logout", json!({ "token": tokens.access().expose() })).await? {
            (204, _) => Ok(SignOut::Revoked),
            (status, _) => Err(Error::unexpected_status(status)),
        }
    }
}
