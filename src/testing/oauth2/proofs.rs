//! Proofs of the keys that tokens are bound to (DPoP, RFC 9449), as the fake checks them.

use super::super::exchange::FakeCall;
use crate::digest::Sha256;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde_json::Value;
use std::{collections::HashSet, time::SystemTime};

/// The proofs that were used, and the nonce that the next one must have.
#[derive(Default)]
pub(super) struct SeenProofs {
    used: HashSet<String>,
    /// How often the nonces were changed.
    turns: usize,
    /// No nonce is good enough.
    pub(super) never_content: bool,
}

/// Why a proof is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Nonce,
    Proof(&'static str),
}

impl SeenProofs {
    pub(super) fn turn(&mut self) {
        self.turns += 1;
    }

    /// What a proof must have that is made for `place`: the provider has other nonces than its API.
    pub(super) fn nonce(&self, place: &str) -> String {
        format!("nonce-of-{place}-{}", self.turns)
    }

    /// The thumbprint of the key that this request proves to have. `nonce`: the one that it must have, if any.
    pub(super) fn check(
        &mut self,
        ask: &FakeCall<'_>,
        root: &str,
        token: Option<&str>,
        nonce: Option<&str>,
    ) -> Result<String, Refused> {
        let wrong = Refused::Proof;
        let mut given = ask.request.headers.get_all("dpop").iter();
        let (Some(proof), None) = (given.next(), given.next()) else { return Err(wrong("there is not one proof")) };
        let proof = proof.to_str().map_err(|_| wrong("it is no text"))?;
        let (message, signature) = proof.rsplit_once('.').ok_or(wrong("it is no JWT"))?;
        let (header, claims) = message.split_once('.').ok_or(wrong("it is no JWT"))?;
        let (header, claims) = (read(header).ok_or(wrong("no header"))?, read(claims).ok_or(wrong("no claims"))?);
        if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || header["jwk"].get("d").is_some() {
            return Err(wrong("its header is another one"));
        }
        let member = |name: &str| header["jwk"][name].as_str().unwrap_or_default();
        let (x, y) = (member("x"), member("y"));
        let key = DecodingKey::from_ec_components(x, y).map_err(|_| wrong("there is no key in it"))?;
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::ES256, &key).map_err(|_| wrong("the key"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("the signature is no base64"))?;
        verifier.verify(message.as_bytes(), &signature).map_err(|_| wrong("the signature is another key's"))?;
        let text = |name: &str| claims[name].as_str();
        let now = ask.now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let is_now = claims["iat"].as_u64().is_some_and(|at| at <= now + 5 && now <= at + 60);
        match () {
            () if text("htm") != Some(ask.request.method.as_str()) => return Err(wrong("it is for another method")),
            () if text("htu") != Some(&format!("{root}{}", ask.path())) => {
                return Err(wrong("it is for another address"));
            }
            () if text("ath") != token.map(thumb).as_deref() => return Err(wrong("it is for another token")),
            () if !is_now => return Err(wrong("it is of another time")),
            () if nonce.is_some() && (self.never_content || text("nonce") != nonce) => return Err(Refused::Nonce),
            () => {}
        }
        let jti = text("jti").filter(|jti| jti.len() >= 16).ok_or(wrong("it has no name"))?;
        if !self.used.insert(jti.to_owned()) {
            return Err(wrong("it was used before"));
        }
        Ok(thumb(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)))
    }
}

fn thumb(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new().with(text).finish())
}

fn read(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
