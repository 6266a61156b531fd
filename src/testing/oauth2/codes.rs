//! What a person is asked at the authorization endpoint, and the codes that come of it (RFC 6749, 4.1; RFC 7636).

use super::super::mint::Mint;
use crate::digest::Sha256;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

/// What an authorization request says, in its query or pushed before.
pub(super) type AuthorizationRequest = HashMap<String, String>;

/// The pushed requests and the codes.
#[derive(Default)]
pub(super) struct Codes {
    mint: Mint,
    pushed: HashMap<String, AuthorizationRequest>,
    codes: HashMap<String, Code>,
    /// What the client made secret in its requests.
    said: Vec<String>,
}

struct Code {
    request: AuthorizationRequest,
    ends: SystemTime,
    /// The tokens that were made of it.
    lineage: Option<usize>,
}

/// What becomes of a code that is exchanged.
pub(super) enum Exchanged {
    /// For this client and scope.
    Good(AuthorizationRequest),
    /// It was exchanged before, for these.
    Again(usize),
    Refused(&'static str),
}

impl Codes {
    /// Keeps a pushed request (RFC 9126), for one use.
    pub(super) fn push(&mut self, request: AuthorizationRequest) -> String {
        self.said.extend(request.get("state").cloned());
        let name = self.mint.make(|number, random| format!("urn:ietf:params:oauth:request_uri:{number}-{random}"));
        self.pushed.insert(name.clone(), request);
        name
    }

    pub(super) fn pulled(&mut self, name: &str) -> Option<AuthorizationRequest> {
        self.pushed.remove(name)
    }

    /// A person has said yes.
    pub(super) fn code(&mut self, request: AuthorizationRequest, now: SystemTime, life: Duration) -> String {
        self.said.extend(request.get("state").cloned());
        let code = self.mint.make(|number, random| format!("code-{number}-{random}"));
        self.codes.insert(code.clone(), Code { request, ends: now + life, lineage: None });
        code
    }

    pub(super) fn exchange(&mut self, code: &str, form: &HashMap<String, String>, now: SystemTime) -> Exchanged {
        let Some(known) = self.codes.get(code) else { return Exchanged::Refused("there is no such code") };
        if let Some(lineage) = known.lineage {
            return Exchanged::Again(lineage);
        }
        let asked = |name: &str| known.request.get(name).map(String::as_str).unwrap_or_default();
        let said = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::new().with(said("code_verifier")).finish());
        match () {
            () if known.ends <= now => Exchanged::Refused("the code has ended"),
            () if asked("redirect_uri") != said("redirect_uri") => Exchanged::Refused("the address is another one"),
            () if asked("code_challenge") != challenge => Exchanged::Refused("the verifier is another one"),
            () => Exchanged::Good(known.request.clone()),
        }
    }

    /// These tokens were made of it.
    pub(super) fn spend(&mut self, code: &str, lineage: usize) {
        if let Some(code) = self.codes.get_mut(code) {
            code.lineage = Some(lineage);
        }
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        let codes = self.codes.keys().cloned();
        codes.chain(self.pushed.keys().cloned()).chain(self.said.iter().cloned())
    }
}
