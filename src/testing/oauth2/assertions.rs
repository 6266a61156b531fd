//! Clients that sign who they are (RFC 7523), as the fake sees them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde_json::Value;
use std::{collections::HashSet, fmt, time::SystemTime};

pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The clients with keys, and the assertions that were used.
#[derive(Clone, Default)]
pub(super) struct Signers {
    keys: Vec<(String, Algorithm, DecodingKey)>,
    used: HashSet<String>,
    secrets: Vec<String>,
}

impl Signers {
    /// A client that signs with a key on P-256, of which this is the public point.
    pub(super) fn add_point(&mut self, id: &str, point: &[u8]) {
        self.keys.push((id.to_owned(), Algorithm::ES256, DecodingKey::from_ec_der(point)));
    }

    /// A client that signs with a secret.
    pub(super) fn add_secret(&mut self, id: &str, secret: &str) {
        let key = DecodingKey::from_secret(secret.as_bytes()).expect("a secret that is long enough");
        self.keys.push((id.to_owned(), Algorithm::HS256, key));
        self.secrets.push(secret.to_owned());
    }

    /// Which client has signed this for one of these audiences, for now and for the first time.
    pub(super) fn client_of(&mut self, assertion: &str, audiences: &[String], now: SystemTime) -> Option<String> {
        let (message, signature) = assertion.rsplit_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(message.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let text = |name: &str| claims[name].as_str();
        let client = text("iss").filter(|client| text("sub") == Some(client))?;
        let (_, algorithm, key) = self.keys.iter().find(|(id, ..)| id == client)?;
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(algorithm, key).ok()?;
        verifier.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let is_now = claims["exp"].as_u64().is_some_and(|ends| now < ends && ends <= now + 600);
        let is_ours = audiences.iter().any(|own| text("aud") == Some(own));
        let client = client.to_owned();
        (is_now && is_ours && self.used.insert(text("jti")?.to_owned())).then_some(client)
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.secrets.iter().chain(&self.used).cloned()
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, ..)| id)).finish()
    }
}
