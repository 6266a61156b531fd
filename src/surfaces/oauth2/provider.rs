//! The provider, as the engine's issuer: what it is asked, and what its answers mean.

use super::{
    client_auth::{OAuthClient, Proof},
    code::{Asks, Authorization, Redirect, code, spent},
    dpop::{Proofs, SCHEME},
    endpoints::{Endpoint, Endpoints},
    facts::{DEVICE, INTROSPECT, ISSUE, PUSH, REVOKE},
    grants::Grant,
    wants::{Fields, Wants},
};
use crate::{
    BoxFuture, Error, ErrorKind, Secret, SignInPage, SignOut,
    clock::Now,
    http::{
        step_up::{StepUpChallenge, StepUpPages},
        transport::{AuthCall, AuthClient, AuthResponse},
    },
    question::DeviceCode,
    session::{Attempt, tokens::Tokens},
    surfaces::{
        Capabilities, Issued, Issuer, Placement, Polled,
        token_endpoint::{self, DEVICE_GRANT, device_code, polled, renewal_refused, seed_refused},
    },
};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Asks a provider for tokens.
pub(super) struct Provider {
    pub(super) auth: AuthClient,
    pub(super) endpoints: Endpoints,
    pub(super) client: OAuthClient,
    pub(super) grant: Grant,
    pub(super) wants: Wants,
    /// The session's name, which is that of a page's session, too.
    pub(super) session: String,
    /// Where tokens are bound to a key.
    pub(super) proofs: Option<Arc<Proofs>>,
}

impl Provider {
    fn now(&self) -> Now {
        Now { wall: self.auth.clock.wall(), monotonic: self.auth.clock.monotonic() }
    }

    async fn proof(&self, attempt: Option<&Attempt>) -> Result<Proof<'_>, Error> {
        self.client.proof(attempt, self.endpoints.audience(), self.now().wall).await
    }

    async fn endpoint(&self, endpoint: Endpoint) -> Result<Url, Error> {
        self.endpoints.get(endpoint, &self.auth, self.now()).await
    }

    /// A form, sent in the client's name.
    fn call<'a>(
        &self,
        operation: &str,
        address: Url,
        proof: &'a Proof<'_>,
        fields: Fields<'a>,
    ) -> Result<AuthCall, Error> {
        proof.sign(self.auth.call(operation)?.to(address), &fields)
    }

    /// Asks for a token by this grant.
    async fn obtain(&self, attempt: &Attempt, proof: &Proof<'_>, fields: Fields<'_>) -> Result<Issued, Error> {
        let address = self.endpoint(Endpoint::Token).await?;
        self.obtain_at(address, attempt, proof, fields).await
    }

    async fn obtain_at(
        &self,
        address: Url,
        attempt: &Attempt,
        proof: &Proof<'_>,
        fields: Fields<'_>,
    ) -> Result<Issued, Error> {
        let ask = || self.ask_for_token(&address, proof, &fields);
        let reply = self.auth.spend(attempt, ask()?).await?;
        // Nothing was spent: the provider has looked at the proof alone.
        let reply = if self.lacked_nonce(&reply, &address) { self.auth.spend(attempt, ask()?).await? } else { reply };
        self.issued(&reply, attempt.now())
    }

    /// A request for a token, with a proof of its own where that is wanted.
    fn ask_for_token(&self, address: &Url, proof: &Proof<'_>, fields: &Fields<'_>) -> Result<AuthCall, Error> {
        let call = self.call(ISSUE, address.clone(), proof, fields.clone())?;
        match &self.proofs {
            Some(proofs) => proofs.on(call, address),
            None => Ok(call),
        }
    }

    fn lacked_nonce(&self, reply: &AuthResponse, address: &Url) -> bool {
        self.proofs.as_ref().is_some_and(|proofs| proofs.heard_of(reply, address))
    }

    fn issued(&self, reply: &AuthResponse, now: Now) -> Result<Issued, Error> {
        issued(reply, now, self.proofs.is_some())
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let proof = &self.proof(Some(attempt)).await?;
        match &self.grant {
            Grant::ClientCredentials => {
                attempt.present(&proof.credential())?;
                self.obtain(attempt, proof, self.granted("client_credentials")).await
            }
            Grant::Password { user, password } => {
                let password = attempt.credential(password).await?;
                let mut fields = self.granted("password");
                fields.extend([("username", user.as_str()), ("password", password.expose())]);
                let issued = self.obtain(attempt, proof, fields).await;
                issued.map_err(|error| refused(error, "the provider refused the user or password", ".password(..)"))
            }
            Grant::Exchange { subject, kind } => {
                let subject = attempt.credential(subject).await?;
                let mut fields = self.granted(EXCHANGE);
                fields.extend([("subject_token", subject.expose()), ("subject_token_type", kind)]);
                self.obtain(attempt, proof, fields).await.map_err(refused_subject)
            }
            Grant::RefreshToken { token, access } => {
                let seed = attempt.credential(token).await?;
                if let Some(access) = access {
                    return Ok(Issued::given(access, &seed, None, attempt.now()));
                }
                let issued = self.exchanged(attempt, proof, &seed).await.map_err(seed_refused)?;
                Ok(Issued { tokens: issued.tokens.keeping(Some(&seed)), ..issued })
            }
            Grant::Device => {
                attempt.present(&proof.credential())?;
                Err(self.ask_person(attempt, proof).await?)
            }
            Grant::Code { redirect, asks } => match attempt.redirect() {
                Some((page, redirect)) => self.by_code(attempt, proof, page, redirect).await,
                None => {
                    Err(Error::sign_in_page_required(self.lead_to_page(Some(attempt), proof, redirect, asks).await?))
                }
            },
        }
    }

    fn granted(&self, grant: &'static str) -> Fields<'_> {
        [("grant_type", grant)].into_iter().chain(self.wants.fields()).collect()
    }

    /// The code is good once: what comes of it, if it was sent, is known from the answer alone.
    async fn by_code(
        &self,
        attempt: &Attempt,
        proof: &Proof<'_>,
        page: &SignInPage,
        redirect: &Secret,
    ) -> Result<Issued, Error> {
        let code = code(redirect)?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", page.redirect_uri()),
            ("code_verifier", page.thread().expose()),
        ];
        fields.extend(self.wants.resources());
        self.obtain(attempt, proof, fields).await.map_err(spent)
    }

    /// The page at which a person signs in: the question that stops a sign-in, or a call.
    async fn lead_to_page(
        &self,
        attempt: Option<&Attempt>,
        proof: &Proof<'_>,
        redirect: &Redirect,
        asks: &Asks,
    ) -> Result<SignInPage, Error> {
        let endpoint = self.endpoint(Endpoint::Authorization).await?;
        let metadata = self.endpoints.metadata(&self.auth, self.now()).await?;
        let bound_to = self.proofs.as_ref().map(|proofs| proofs.thumbprint());
        let authorization = Authorization::new(self.client.id(), redirect.begin()?, &self.wants, asks, bound_to)?;
        let fields: Vec<_> = authorization.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let page = if asks.pushed || metadata.require_pushed_authorization_requests {
            let request = self.push(attempt, proof, fields).await?;
            authorization.page(endpoint, &[("client_id", self.client.id()), ("request_uri", &request)])
        } else {
            authorization.page(endpoint, &fields)
        };
        let page = page.of_session(&self.session);
        let always = metadata.authorization_response_iss_parameter_supported;
        Ok(match metadata.issuer {
            Some(issuer) => page.with_issuer(issuer, always),
            None => page,
        })
    }

    /// The page once more, asked as an API wants it.
    async fn step_up_page(&self, wanted: &StepUpChallenge) -> Result<SignInPage, Error> {
        let Grant::Code { redirect, asks } = &self.grant else {
            let method = self.grant.method();
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("the API wants a person to sign in again for this call ({wanted}), and {method} leads nobody to a sign-in page"),
            )
            .advice("make this call with a client of .authorization_code(address) or .browser(loopback)"));
        };
        let proof = self.proof(None).await?;
        self.lead_to_page(None, &proof, redirect, &asks.with(wanted.parameters())).await
    }

    /// Whether a page that was asked elsewhere is one that this client asks: another one's code would make a session of
    /// somebody else's here.
    pub(super) fn asks_such(&self, page: &SignInPage) -> Result<(), Error> {
        let Grant::Code { redirect, .. } = &self.grant else {
            return Err(Error::config("this client leads nobody to a sign-in page, so there is none to finish")
                .advice("call .authorization_code(address) on the builder"));
        };
        if !redirect.leads_to(page.redirect_uri()) {
            return Err(Error::config("the ticket is of a page that leads back to another address; nothing was sent")
                .advice("finish it with a client of the same .authorization_code(address)"));
        }
        if page.session() != Some(&self.session) {
            let what =
                "the ticket is of another client's page: of another id, provider, scope or profile; nothing was sent";
            return Err(Error::config(what).advice("finish it with a client that is built as the one that asked"));
        }
        Ok(())
    }

    /// Tells the provider the whole request beforehand (RFC 9126), and gets its name.
    async fn push(
        &self,
        attempt: Option<&Attempt>,
        proof: &Proof<'_>,
        mut fields: Vec<(&str, &str)>,
    ) -> Result<String, Error> {
        let address = self.endpoint(Endpoint::Pushed).await?;
        // Who asks, the proof says.
        fields.retain(|(name, _)| *name != "client_id");
        let call = self.call(PUSH, address, proof, fields)?;
        let reply = match attempt {
            Some(attempt) => self.auth.spend(attempt, call).await?,
            // Beside a session, for which no attempt is made.
            None => self.auth.ask(call).await?,
        };
        let value = reply.checked()?.value();
        match value.get("request_uri").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            Some(name) => Ok(name.to_owned()),
            None => Err(reply.said(Error::protocol("the provider has taken the request and given it no name"))),
        }
    }

    async fn exchanged(&self, attempt: &Attempt, proof: &Proof<'_>, refresh: &Secret) -> Result<Issued, Error> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())].into_iter();
        let fields = fields.chain(self.wants.resources()).collect();
        let address = match self.endpoints.find(Endpoint::Refresh, &self.auth, self.now()).await? {
            Some(elsewhere) => elsewhere,
            None => self.endpoint(Endpoint::Token).await?,
        };
        self.obtain_at(address, attempt, proof, fields).await
    }

    /// Asks for the codes with which a person lets this device in: the question that stops the sign-in.
    async fn ask_person(&self, attempt: &Attempt, proof: &Proof<'_>) -> Result<Error, Error> {
        let address = self.endpoint(Endpoint::Device).await?;
        let reply = self.auth.spend(attempt, self.call(DEVICE, address, proof, self.wants.fields())?).await?;
        Ok(Error::device_code_required(device_code(&reply)?).at(DEVICE))
    }

    async fn ask_again(&self, attempt: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        let fields = vec![("grant_type", DEVICE_GRANT), ("device_code", device.device_code().expose())];
        let address = self.endpoint(Endpoint::Token).await?;
        let proof = self.proof(Some(attempt)).await?;
        // A lost answer must lead to a slower pace, which is the engine's; so nothing is tried again in here.
        let ask = || self.ask_for_token(&address, &proof, &fields);
        let reply = self.auth.ask(ask()?).await?;
        let reply = if self.lacked_nonce(&reply, &address) { self.auth.ask(ask()?).await? } else { reply };
        polled(&reply, || self.issued(&reply, attempt.now()))
    }

    /// Tells the provider that this token is done with (RFC 7009). One that it does not know is done with already.
    async fn revoke(&self, address: &Url, token: &Secret, kind: &'static str) -> Result<(), Error> {
        let fields = vec![("token", token.expose()), ("token_type_hint", kind)];
        let proof = self.proof(None).await?;
        let reply = self.auth.ask(self.call(REVOKE, address.clone(), &proof, fields)?).await?;
        reply.checked().map(|_| ())
    }

    /// The refresh token first: with it, a provider ends what was made of it (RFC 7009, 2.1).
    async fn end(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let Some(address) = self.endpoints.find(Endpoint::Revocation, &self.auth, self.now()).await? else {
            return Ok(SignOut::LocalOnly);
        };
        if let Some(refresh) = tokens.refresh() {
            self.revoke(&address, refresh, "refresh_token").await?;
        }
        match self.revoke(&address, tokens.access(), "access_token").await {
            // Some revoke refresh tokens alone (RFC 7009, 2.2.1), and say so.
            Err(error) if error.code() == Some("unsupported_token_type") && tokens.refresh().is_some() => {
                Ok(SignOut::Revoked)
            }
            outcome => outcome.map(|()| SignOut::Revoked),
        }
    }

    /// What the provider knows of this token (RFC 7662).
    pub(super) async fn introspect(&self, token: &Secret) -> Result<Value, Error> {
        let address = self.endpoint(Endpoint::Introspection).await?;
        let fields = vec![("token", token.expose()), ("token_type_hint", "access_token")];
        let proof = self.proof(None).await?;
        let reply = self.auth.ask(self.call(INTROSPECT, address, &proof, fields)?).await?;
        Ok(reply.checked()?.value())
    }
}

/// What an answer says about whom the token stands for. Not the ID token, which is not verified here.
const ABOUT: [&str; 1] = ["scope"];

/// The session that an answer of the token endpoint holds. A token of another type than is asked for is none: nobody knows
/// how it travels (RFC 6749, 7.1), and one that is not bound to the key is less than what was asked for (RFC 9449, 5).
fn issued(reply: &AuthResponse, now: Now, is_bound: bool) -> Result<Issued, Error> {
    let issued = token_endpoint::issued(reply, now, &ABOUT)?;
    let value = reply.value();
    let kind = value.get("token_type").filter(|kind| !kind.is_null());
    let is = |wanted: &str| kind.and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
    let error = match is_bound {
        true if is(SCHEME) => return Ok(issued),
        true => Error::protocol("the provider issued a token that is not bound to the key: its type is not `DPoP`")
            .advice("have the provider bind this client's tokens, or leave .dpop(..) out"),
        false if kind.is_none() || is("bearer") => return Ok(issued),
        false if is(SCHEME) => Error::protocol("the provider issued a token of a type that is not `Bearer` but `DPoP`")
            .advice("give the builder a key with .dpop(..)"),
        false => Error::protocol("the provider issued a token of a type that is not `Bearer`")
            .advice("ask the provider for bearer tokens: how others travel is not known here"),
    };
    Err(reply.said(error).with_unknown_outcome())
}

/// A refused grant, in the words of the builder method that gave it.
fn refused(error: Error, what: &'static str, method: &str) -> Error {
    match (error.kind(), error.code()) {
        (ErrorKind::InvalidCredentials, Some("invalid_grant")) => error
            .message(what)
            .advice(format!("check {method}; it is not tried again until it changes or sign_in() is called")),
        _ => error,
    }
}

/// A subject token that is not taken is told by `invalid_request` (RFC 8693, 2.2.2), and by `invalid_grant`, too.
fn refused_subject(error: Error) -> Error {
    match error.code() {
        Some("invalid_request" | "invalid_grant") => error
            .with_kind(ErrorKind::InvalidCredentials)
            .message("the provider refused the token that was to be exchanged")
            .advice("check .token_exchange(..); it is not tried again until it changes or sign_in() is called"),
        _ => error,
    }
}

impl StepUpPages for Provider {
    fn page(&self, wanted: StepUpChallenge) -> BoxFuture<'_, Result<SignInPage, Error>> {
        Box::pin(async move { self.step_up_page(&wanted).await })
    }
}

impl Issuer for Provider {
    fn describe(&self) -> Capabilities {
        let capabilities = self.grant.capabilities();
        match self.proofs {
            Some(_) => capabilities.placement(Placement::Scheme(SCHEME)),
            None => capabilities,
        }
    }

    fn seed(&self) -> Option<&Secret> {
        match self.grant {
            Grant::ClientCredentials => self.client.given(),
            // What a person let in is not another session when the client's secret changes.
            _ => self.grant.seed(),
        }
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let proof = self.proof(Some(attempt)).await?;
        self.exchanged(attempt, &proof, tokens.refresh_to_spend()?).await.map_err(renewal_refused)
    }

    async fn poll(&self, attempt: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        self.ask_again(attempt, device).await
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        self.end(tokens).await
    }
}
