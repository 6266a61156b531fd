//! How a client is made of what its builder was given: what cannot work together is refused, and nothing is sent.

use super::{
    addresses::{self, is_resource, redirect_address},
    builder::ClientBuilder,
    client::Client,
    client_auth::OAuthClient,
    code::Redirect,
    documented::Led,
    dpop::{DpopKey, Proofs},
    endpoints::Endpoint,
    facts::{PROVIDER, SURFACE},
    grants::{BROWSER, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, Grant, PASSWORD, REFRESH_TOKEN},
    provider::Provider,
};
use crate::{
    Error,
    http::facts::Role,
    surfaces::builder::{Checked, NamedCredential, only},
};
use std::sync::Arc;

/// The builder methods that choose a grant.
const OFFERED: &str = ".authorization_code(address), .browser(loopback), .token_exchange(type, secret), .client_credentials(), .device(), .refresh_token(secret) or .password(user, secret)";

/// What a page may be asked by Keyway alone.
const OURS: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "redirect_uri",
    "request_uri",
    "response_type",
    "scope",
    "state",
];

impl ClientBuilder {
    /// The client. Nothing is sent before its first call.
    ///
    /// # Errors
    /// `Config`, naming the builder method whose value cannot work.
    pub fn build(mut self) -> Result<Client, Error> {
        let chosen = only(std::mem::take(&mut self.grants), OFFERED)?;
        self.check(&chosen)?;
        self.take_from_document(&chosen)?;
        let client = self.oauth_client(&chosen)?;
        let endpoints = addresses::endpoints(&self.options, &self.endpoints, self.issuer.as_deref())?;
        self.listen();
        let (checked, proofs) = self.checked(&chosen, client.id())?;
        let auth = checked.auth_client(&PROVIDER)?;
        let session = checked.key(&SURFACE, &chosen).to_string();
        let wants = std::mem::take(&mut self.wants);
        let provider = Provider { auth, endpoints, client, grant: self.grant_of(&chosen), wants, session, proofs };
        let provider = Arc::new(provider);
        let checked = checked.with_step_up(provider.clone());
        let core = checked.assemble(&SURFACE, Role::User, provider.clone(), &chosen)?;
        Ok(Client::new(core, provider))
    }

    fn oauth_client(&mut self, chosen: &NamedCredential) -> Result<OAuthClient, Error> {
        let Some((id, auth)) = self.client.take() else {
            return Err(Error::config("the client has no OAuth2 client")
                .advice("call .client(id, secret) or .public_client(id) on the builder"));
        };
        let client = OAuthClient::new(id, auth)?;
        if chosen.method == CLIENT_CREDENTIALS && client.is_public() {
            return Err(Error::config(
                ".client_credentials() cannot work with .public_client(..): it has no credentials",
            )
            .advice("call .client(id, secret) on the builder"));
        }
        Ok(client)
    }

    /// The listener on this machine is the client's own, and answers unless a responder of the user's does.
    fn listen(&mut self) {
        let Some(Redirect::Loopback(loopback)) = &mut self.redirect else { return };
        if self.options.responder.is_none() {
            self.options.responder = Some(Arc::new(loopback.clone()));
        }
        *loopback = loopback.of_one_client();
    }

    /// Whose session it is, and what binds its tokens.
    fn checked(&mut self, chosen: &NamedCredential, client: &str) -> Result<(Checked, Option<Arc<Proofs>>), Error> {
        // Whichever was named first: the address that tokens come from says whose session it is.
        let token = self.endpoints.iter().rev().find(|(endpoint, ..)| *endpoint == Endpoint::Token);
        let provider = self.issuer.take().or_else(|| token.map(|(_, _, address)| address.clone()));
        let checked = self.options.clone().check(&SURFACE)?.with_part("client", client);
        let checked = checked.with_part("provider", provider.unwrap_or_default());
        let checked = checked.with_scope(self.wants.scope.as_deref()).with_audience(self.wants.audience.clone());
        let checked = checked.with_part("resource", self.wants.resources.join(" "));
        let checked = match chosen.method {
            BROWSER | CODE | DEVICE | EXCHANGE | REFRESH_TOKEN => checked.named_by_profile(chosen.method)?,
            _ => checked,
        };
        if self.dpop.as_ref().is_some_and(DpopKey::is_new) && checked.has_store() {
            let what = ".dpop(..) was given a key that this process alone has, and what sleeps in the .store(..) is bound to it";
            return Err(Error::config(what).advice(
                "keep DpopKey::to_pem() where your secrets are, and give it to DpopKey::es256(pem) in every process",
            ));
        }
        let Some(key) = self.dpop.take() else { return Ok((checked, None)) };
        let proofs = Arc::new(Proofs::new(key, checked.clock().clone()));
        Ok((checked.with_part("dpop", proofs.thumbprint()).with_prover(Some(proofs.clone())), Some(proofs)))
    }

    fn grant_of(self, chosen: &NamedCredential) -> Grant {
        match chosen.method {
            PASSWORD => Grant::Password { user: chosen.principal.clone(), password: chosen.credential.clone() },
            REFRESH_TOKEN => Grant::RefreshToken { token: chosen.credential.clone(), access: self.access },
            DEVICE => Grant::Device,
            EXCHANGE => Grant::Exchange { subject: chosen.credential.clone(), kind: self.subject },
            _ => match self.redirect {
                Some(redirect) => Grant::Code { redirect, asks: self.asks },
                None => Grant::ClientCredentials,
            },
        }
    }

    /// What the document says of where this grant is asked for, unless the user does.
    fn take_from_document(&mut self, chosen: &NamedCredential) -> Result<(), Error> {
        let Some(document) = &self.document else { return Ok(()) };
        if self.options.url.is_empty() && !document.has_origin {
            return Err(Error::config(
                "the document names no whole address of a server, so nothing says where calls go",
            )
            .advice("begin with Client::builder(address).document::<acme::Document>()"));
        }
        let names_token = self.endpoints.iter().any(|(endpoint, ..)| *endpoint == Endpoint::Token);
        if names_token || self.issuer.is_some() {
            return Ok(());
        }
        let Led { endpoints, issuer } = document.led(chosen.method, self.security_scheme.as_deref())?;
        let named: Vec<_> = self.endpoints.iter().map(|(endpoint, ..)| *endpoint).collect();
        self.endpoints.extend(endpoints.into_iter().filter(|(endpoint, ..)| !named.contains(endpoint)));
        self.issuer = issuer;
        Ok(())
    }

    /// What cannot work together.
    fn check(&self, chosen: &NamedCredential) -> Result<(), Error> {
        self.check_access()?;
        if chosen.method == REFRESH_TOKEN && self.wants.scope.is_some() {
            return Err(Error::config(".scope(..) is not for .refresh_token(..): it has its scopes in itself"));
        }
        if let Some(Redirect::To(address)) = &self.redirect {
            redirect_address(address, self.options.allow_http)?;
        }
        if let Some((name, _)) = self.asks.more.iter().find(|(name, _)| OURS.contains(&name.as_str())) {
            return Err(Error::config(format!(".page_parameter(..) was given `{name}`, which is Keyway's to say")));
        }
        if let Some(resource) = self.wants.resources.iter().find(|resource| !is_resource(resource)) {
            let what = if resource.is_empty() { "nothing" } else { "what is no absolute address, or has a fragment" };
            return Err(Error::config(format!(".resource(..) was given {what}"))
                .advice("give the resource's address, such as https://api.acme.example"));
        }
        Ok(())
    }
}
