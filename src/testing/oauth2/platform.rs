//! The provider's state machine.

use super::{
    super::{
        account::{Account, Accounts},
        calendar,
        device::{Devices, begun},
        document::OTHER,
        exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
        lineage::Lineages,
    },
    assertions::{Signers, TYPE},
    codes::{AuthorizationRequest, Codes, Exchanged},
    names,
    proofs::{Refused, SeenProofs},
    step_up::{CODE, Demands, SignedIn},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};
use url::{Url, form_urlencoded};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXCHANGE_GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What the provider is like.
#[derive(Debug, Clone)]
pub(super) struct OAuth2Rules {
    pub(super) clients: Accounts,
    pub(super) public_clients: Vec<String>,
    pub(super) users: Vec<Account>,
    pub(super) token_life: Duration,
    pub(super) refresh_life: Option<Duration>,
    pub(super) rotating: bool,
    pub(super) without_refresh_token: bool,
    pub(super) device_life: Duration,
    pub(super) device_interval: Duration,
    pub(super) code_life: Duration,
    pub(super) tells_iss: bool,
    pub(super) openid: bool,
    pub(super) needs_pushed: bool,
    pub(super) signers: Signers,
    /// Proofs must have the nonce of the moment.
    pub(super) dpop_nonces: bool,
    /// The token endpoint takes no request without a proof.
    pub(super) needs_dpop: bool,
    /// People sign in as `acr_values` says.
    pub(super) honours_acr: bool,
}

pub(super) struct OAuth2Platform {
    pub(super) rules: OAuth2Rules,
    pub(super) tokens: Lineages<OAuth2Holder>,
    pub(super) last_form: Vec<(String, String)>,
    pub(super) denies: bool,
    pub(super) proofs: SeenProofs,
    pub(super) demands: Demands,
    pub(super) devices: Devices,
    codes: Codes,
    code_reuses: usize,
    /// What clients sent as secrets of their own.
    said: Vec<String>,
}

/// Whose a token is.
#[derive(Clone)]
pub(super) struct OAuth2Holder {
    client: String,
    user: Option<String>,
    scope: String,
    renews: bool,
    /// The key that its tokens are bound to.
    key: Option<String>,
    /// How a person has signed in for it, if one has.
    person: Option<SignedIn>,
}

impl OAuth2Platform {
    pub(super) fn new(rules: OAuth2Rules) -> Self {
        Self {
            rules,
            tokens: Lineages::default(),
            last_form: Vec::new(),
            denies: false,
            proofs: SeenProofs::default(),
            demands: Demands::default(),
            devices: Devices::default(),
            codes: Codes::default(),
            code_reuses: 0,
            said: Vec::new(),
        }
    }

    pub(super) fn new_seed(&mut self, now: SystemTime) -> String {
        let user = Some(names::LOGIN.to_owned());
        let client = names::CLIENT_ID.to_owned();
        let lineage = self.tokens.begin(OAuth2Holder {
            client,
            user,
            scope: "read".to_owned(),
            renews: true,
            key: None,
            person: None,
        });
        self.new_refresh_token(lineage, now)
    }

    pub(super) fn reuses(&self) -> usize {
        self.tokens.reuses() + self.code_reuses
    }

    pub(super) fn is_live(&self, token: &str, now: SystemTime) -> bool {
        self.tokens.live(token, now).is_some() || self.tokens.of_refresh(token).is_some()
    }
}

impl Vendor for OAuth2Platform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let outcome = match ask.operation() {
            "discover" if !self.rules.openid => Ok(FakeAnswer::empty(404)),
            "discover" | "discover_oauth" => Ok(self.metadata(ask)),
            "authorize" => self.authorize(ask),
            "push_authorization" => self.push(ask),
            "issue_token" => self.issue_token(ask),
            "start_device" => self.start_device(ask),
            "revoke_token" => self.revoke(ask),
            "introspect_token" => self.introspect(ask),
            _ => self.api(ask),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        if ask.operation() == OTHER {
            let refused = oauth_error(401, "invalid_token", "The token is missing, has ended or is not known");
            return refused.with("www-authenticate", "Bearer error=\"invalid_token\"");
        }
        oauth_error(401, "invalid_client", "There is no such client").with("www-authenticate", "Basic realm=\"oauth2\"")
    }

    fn secrets(&self) -> Vec<String> {
        let users = self.rules.users.iter().map(|user| user.secret.clone());
        let made = self.tokens.made().chain(self.devices.secrets()).chain(self.codes.secrets());
        self.rules
            .clients
            .secrets()
            .chain(users)
            .chain(made)
            .chain(self.said.iter().cloned())
            .chain(self.rules.signers.secrets())
            .collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.name(token)
    }
}

/// The endpoints.
impl OAuth2Platform {
    fn metadata(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let root = root(ask);
        let mut metadata = json!({
            "issuer": root,
            "authorization_endpoint": format!("{root}/authorize"),
            "token_endpoint": format!("{root}/token"),
            "device_authorization_endpoint": format!("{root}/device_authorization"),
            "revocation_endpoint": format!("{root}/revoke"),
            "introspection_endpoint": format!("{root}/introspect"),
            "pushed_authorization_request_endpoint": format!("{root}/par"),
            "code_challenge_methods_supported": ["S256"],
        });
        if self.rules.tells_iss {
            metadata["authorization_response_iss_parameter_supported"] = json!(true);
        }
        if self.rules.needs_pushed {
            metadata["require_pushed_authorization_requests"] = json!(true);
        }
        FakeAnswer::json(200, &metadata)
    }

    /// Which client asks, whatever is asked for.
    fn client(&mut self, ask: &FakeCall<'_>) -> Result<String, FakeAnswer> {
        if let Some(assertion) =
            ask.form("client_assertion").filter(|_| ask.form("client_assertion_type").as_deref() == Some(TYPE))
        {
            let audiences = [root(ask), format!("{}/token", root(ask))];
            let client = self.rules.signers.client_of(&assertion, &audiences, ask.now);
            return client.ok_or_else(|| self.unauthorized(ask));
        }
        let given = ask.basic().or_else(|| Some((ask.form("client_id")?, ask.form("client_secret")?)));
        let known = match given {
            Some((id, secret)) => self.rules.clients.know(&id, &secret).then_some(id),
            None => ask.form("client_id").filter(|id| self.rules.public_clients.contains(id)),
        };
        known.ok_or_else(|| self.unauthorized(ask))
    }

    fn issue_token(&mut self, ask: &FakeCall<'_>) -> Outcome {
        self.last_form = form_urlencoded::parse(&ask.request.body).into_owned().collect();
        let client = self.client(ask)?;
        if scope(ask).split(' ').any(|scope| scope == names::FORBIDDEN_SCOPE) {
            return Err(oauth_error(400, "invalid_scope", "There is no such scope"));
        }
        let key = self.bound_to(ask)?;
        let lineage = match field(ask, "grant_type")?.as_str() {
            "client_credentials" if self.rules.public_clients.contains(&client) => {
                return Err(oauth_error(400, "unauthorized_client", "This client has no credentials"));
            }
            "client_credentials" => self.begin(&client, None, scope(ask)),
            "password" => self.by_password(ask, &client)?,
            "authorization_code" => self.by_code(ask, &client, key.as_deref())?,
            DEVICE_GRANT => self.by_device(ask, &client)?,
            EXCHANGE_GRANT => self.by_exchange(ask, &client)?,
            "refresh_token" => return self.renew(ask, &client, key.as_deref()),
            _ => return Err(oauth_error(400, "unsupported_grant_type", "There is no such grant")),
        };
        self.tokens.owner_mut(lineage).key = key;
        let renews = self.tokens.owner(lineage).renews && !self.rules.without_refresh_token;
        let refresh = renews.then(|| self.new_refresh_token(lineage, ask.now));
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    fn begin(&mut self, client: &str, user: Option<String>, scope: String) -> usize {
        let renews = user.is_some();
        self.tokens.begin(OAuth2Holder { client: client.to_owned(), user, scope, renews, key: None, person: None })
    }

    fn by_password(&mut self, ask: &FakeCall<'_>, client: &str) -> Result<usize, FakeAnswer> {
        let (user, password) = (field(ask, "username")?, field(ask, "password")?);
        if !self.rules.users.iter().any(|known| known.is(&user, &password)) {
            return Err(oauth_error(400, "invalid_grant", "The user or password is wrong"));
        }
        Ok(self.begin(client, Some(user), scope(ask)))
    }

    fn by_code(&mut self, ask: &FakeCall<'_>, client: &str, key: Option<&str>) -> Result<usize, FakeAnswer> {
        let code = field(ask, "code")?;
        self.said.extend(ask.form("code_verifier"));
        let form: HashMap<_, _> = self.last_form.iter().cloned().collect();
        let refused = |why: &str| oauth_error(400, "invalid_grant", why);
        match self.codes.exchange(&code, &form, ask.now) {
            Exchanged::Good(request) if request.get("dpop_jkt").is_some_and(|bound| key != Some(bound)) => {
                Err(refused("the code is bound to another key"))
            }
            Exchanged::Good(request) if request["client_id"] == client => {
                let scope = request.get("scope").cloned().unwrap_or_else(|| "read".to_owned());
                let lineage = self.begin(client, Some(names::LOGIN.to_owned()), scope);
                let acr = request.get("acr_values").filter(|_| self.rules.honours_acr);
                self.tokens.owner_mut(lineage).person = Some(SignedIn::now(acr, ask.now));
                self.codes.spend(&code, lineage);
                Ok(lineage)
            }
            Exchanged::Good(_) => Err(refused("the code is another client's")),
            Exchanged::Again(lineage) => {
                self.code_reuses += 1;
                self.tokens.revoke(|known, _| known == lineage);
                Err(refused("the code was exchanged before"))
            }
            Exchanged::Refused(why) => Err(refused(why)),
        }
    }

    fn by_device(&mut self, ask: &FakeCall<'_>, client: &str) -> Result<usize, FakeAnswer> {
        let waits = |error: &str| FakeAnswer::json(400, &json!({ "error": error }));
        let approved = self.devices.poll(client, &field(ask, "device_code")?, ask.now).map_err(waits)?;
        Ok(self.begin(client, Some(names::LOGIN.to_owned()), approved.scope))
    }

    /// A token for another one (RFC 8693): ours, of a user.
    fn by_exchange(&mut self, ask: &FakeCall<'_>, client: &str) -> Result<usize, FakeAnswer> {
        let subject = field(ask, "subject_token")?;
        field(ask, "subject_token_type")?;
        let lineage = self.tokens.live(&subject, ask.now);
        let lineage = lineage.ok_or_else(|| oauth_error(400, "invalid_request", "The subject token is not good"))?;
        let user = self.tokens.owner(lineage).user.clone();
        let lineage = self.begin(client, user, scope(ask));
        Ok(lineage)
    }

    fn renew(&mut self, ask: &FakeCall<'_>, client: &str, key: Option<&str>) -> Outcome {
        let token = field(ask, "refresh_token")?;
        let dead = || oauth_error(400, "invalid_grant", "The refresh token has ended or is not known");
        let holder = self.tokens.of_refresh(&token).map(|lineage| self.tokens.owner(lineage)).ok_or_else(dead)?;
        if holder.client != client || holder.key.as_deref() != key {
            return Err(dead());
        }
        let lineage = self.tokens.redeem(&token, self.rules.rotating, ask.now).ok_or_else(dead)?;
        let rotates = self.rules.rotating && !self.rules.without_refresh_token;
        let refresh = rotates.then(|| self.new_refresh_token(lineage, ask.now));
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    fn new_refresh_token(&mut self, lineage: usize, now: SystemTime) -> String {
        let ends = self.rules.refresh_life.map(|life| now + life);
        self.tokens.refresh(lineage, ends, |number, random| format!("oa-refresh-{number}-{random}"))
    }

    fn token(&mut self, ask: &FakeCall<'_>, lineage: usize, refresh: Option<&str>) -> FakeAnswer {
        let (holder, life) = (self.tokens.owner(lineage).clone(), self.rules.token_life);
        let ends = Some(ask.now + life);
        let shape = |number: usize, random: &str| format!("oa-access-{number}-{random}");
        let token = self.tokens.access(lineage, refresh, ends, shape);
        let mut body = json!({
            "access_token": token,
            "token_type": if holder.key.is_some() { "DPoP" } else { "Bearer" },
            "expires_in": life.as_secs(),
            "scope": holder.scope,
        });
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh);
        }
        if ask.form("grant_type").as_deref() == Some(EXCHANGE_GRANT) {
            body["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
        }
        FakeAnswer::json(200, &body).with("cache-control", "no-store")
    }

    fn start_device(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let client = self.client(ask)?;
        let OAuth2Rules { device_life: life, device_interval: interval, .. } = self.rules;
        let codes = self.devices.begin(&client, "", &scope(ask), interval, ask.now + life);
        let page = format!("{}/activate", root(ask));
        Ok(FakeAnswer::json(200, &begun(codes, &page, "user_code", (life, interval))))
    }

    /// With a refresh token everything goes that was made of it; what is not known is ended already (RFC 7009, 2.2).
    fn revoke(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let client = self.client(ask)?;
        let token = field(ask, "token")?;
        let lineage = self.tokens.of_refresh(&token).or_else(|| self.tokens.of_access(&token));
        self.tokens.revoke(|known, holder| Some(known) == lineage && holder.client == client);
        Ok(FakeAnswer::empty(200))
    }

    fn introspect(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let client = self.client(ask)?;
        if self.rules.public_clients.contains(&client) {
            return Err(self.unauthorized(ask));
        }
        let lineage = self.tokens.live(&field(ask, "token")?, ask.now);
        let Some(holder) = lineage.map(|lineage| self.tokens.owner(lineage)) else {
            return Ok(FakeAnswer::json(200, &json!({ "active": false })));
        };
        let mut known = json!({
            "active": true,
            "client_id": holder.client,
            "scope": holder.scope,
            "token_type": "Bearer",
            "exp": calendar::epoch(ask.now + self.rules.token_life),
        });
        if let Some(user) = &holder.user {
            known["username"] = json!(user);
        }
        Ok(FakeAnswer::json(200, &known))
    }

    fn api(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let bound = ask.header("authorization").and_then(|value| value.strip_prefix("DPoP ")).map(str::to_owned);
        let token = bound.as_deref().or_else(|| ask.bearer());
        let lineage = token.and_then(|token| self.tokens.live(token, ask.now));
        let lineage = lineage.ok_or_else(|| self.unauthorized(ask))?;
        let good = FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path() }));
        let scheme = if bound.is_some() { "DPoP" } else { "Bearer" };
        let person = self.tokens.owner(lineage).person.as_ref();
        if let Some(challenge) = self.demands.challenge(ask.path(), person, ask.now) {
            let refused = oauth_error(401, CODE, "The person has to sign in in another way");
            return Err(refused.with("www-authenticate", format!("{scheme} {challenge}")));
        }
        let Some(key) = self.tokens.owner(lineage).key.clone() else {
            return if bound.is_none() { Ok(good) } else { Err(self.unauthorized(ask)) };
        };
        let nonce = self.rules.dpop_nonces.then(|| self.proofs.nonce("api"));
        let with_nonce = |answer: FakeAnswer| match &nonce {
            Some(nonce) => answer.with("dpop-nonce", nonce.clone()),
            None => answer,
        };
        let refused = |error: &str, why: &str| {
            let answer = oauth_error(401, error, why);
            Err(with_nonce(answer.with("www-authenticate", format!("DPoP error=\"{error}\", algs=\"ES256\""))))
        };
        if bound.is_none() {
            return refused("invalid_token", "The token is bound to a key");
        }
        match self.proofs.check(ask, &root(ask), bound.as_deref(), nonce.as_deref()) {
            Ok(proven) if proven == key => Ok(with_nonce(good)),
            Ok(_) => refused("invalid_token", "The token is bound to another key"),
            Err(Refused::Nonce) => refused("use_dpop_nonce", "The proof must have this nonce"),
            Err(Refused::Proof(why)) => refused("invalid_dpop_proof", why),
        }
    }

    /// The key that the tokens of this request are to be bound to.
    fn bound_to(&mut self, ask: &FakeCall<'_>) -> Result<Option<String>, FakeAnswer> {
        if ask.header("dpop").is_none() && !self.rules.needs_dpop {
            return Ok(None);
        }
        let nonce = self.rules.dpop_nonces.then(|| self.proofs.nonce("provider"));
        let proven = self.proofs.check(ask, &root(ask), None, nonce.as_deref());
        let refused = |error: &str, why: &str| {
            let answer = oauth_error(400, error, why);
            nonce.iter().fold(answer, |answer, nonce| answer.with("dpop-nonce", nonce.clone()))
        };
        proven.map(Some).map_err(|why| match why {
            Refused::Nonce => refused("use_dpop_nonce", "The proof must have this nonce"),
            Refused::Proof(why) => refused("invalid_dpop_proof", why),
        })
    }
}

/// The person's side.
impl OAuth2Platform {
    fn push(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let client = self.client(ask)?;
        let mut request: AuthorizationRequest = form_urlencoded::parse(&ask.request.body).into_owned().collect();
        request.retain(|name, _| !name.starts_with("client_"));
        request.insert("client_id".to_owned(), client);
        let name = self.codes.push(request);
        Ok(FakeAnswer::json(201, &json!({ "request_uri": name, "expires_in": 60 })))
    }

    /// The person who looks at it allows it at once, or turns it away.
    fn authorize(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let request = match ask.query("request_uri") {
            Some(name) => self.codes.pulled(&name),
            None if self.rules.needs_pushed => None,
            None => Some(ask.request.url.query_pairs().into_owned().collect::<AuthorizationRequest>()),
        };
        let page = |why: &str| FakeAnswer { content_type: "", body: Vec::new(), ..FakeAnswer::html(400, why) };
        let request = request.ok_or_else(|| page("There is no such request"))?;
        let said = |name: &str| request.get(name).cloned().unwrap_or_default();
        let client = said("client_id");
        let known = self.rules.clients.iter().any(|known| known.name == client);
        if !known && !self.rules.public_clients.contains(&client) {
            return Err(page("There is no such client"));
        }
        let mut back = Url::parse(&said("redirect_uri")).map_err(|_| page("There is no such address"))?;
        let state = request.get("state").cloned();
        let outcome = match () {
            () if said("response_type") != "code" => ("error", "unsupported_response_type".to_owned()),
            () if said("code_challenge_method") != "S256" => ("error", "invalid_request".to_owned()),
            () if self.denies => ("error", "access_denied".to_owned()),
            () => ("code", self.codes.code(request, ask.now, self.rules.code_life)),
        };
        back.query_pairs_mut().append_pair(outcome.0, &outcome.1);
        if let Some(state) = state {
            back.query_pairs_mut().append_pair("state", &state);
        }
        if self.rules.tells_iss {
            back.query_pairs_mut().append_pair("iss", &root(ask));
        }
        Ok(FakeAnswer::empty(302).with("location", back.as_str()))
    }
}

fn root(ask: &FakeCall<'_>) -> String {
    format!("http://{}", ask.header("host").unwrap_or_default())
}

fn oauth_error(status: u16, error: &str, description: &str) -> FakeAnswer {
    let body: Value = json!({ "error": error, "error_description": description });
    FakeAnswer::json(status, &body).with("cache-control", "no-store")
}

/// A field that must be there.
fn field(ask: &FakeCall<'_>, name: &str) -> Result<String, FakeAnswer> {
    ask.form(name).ok_or_else(|| oauth_error(400, "invalid_request", &format!("{name} is missing")))
}

fn scope(ask: &FakeCall<'_>) -> String {
    ask.form("scope").unwrap_or_else(|| "read".to_owned())
}
