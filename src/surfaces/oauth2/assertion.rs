//! What a client signs to say who it is (RFC 7521, RFC 7523). The signatures are a library's.

use super::code::random;
use crate::{Error, Secret};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The type of an assertion, in the form (RFC 7523, 2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long one is good for: until it arrives, on clocks that differ a little.
const LIFE: Duration = Duration::from_secs(60);

/// A client's private key, for [`ClientAuth::private_key_jwt`](super::ClientAuth::private_key_jwt).
///
/// ```
/// use keyway::oauth2::SigningKey;
///
/// # fn key(pem: &str) -> Result<SigningKey, keyway::Error> {
/// let key = SigningKey::es256(pem)?.with_id("2026-11");
/// # Ok(key) }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<EncodingKey>,
    algorithm: Algorithm,
    id: Option<String>,
}

impl SigningKey {
    /// A key on the curve P-256, for `ES256`: PEM, in PKCS#8.
    ///
    /// # Errors
    /// `Config`, if it is none.
    pub fn es256(pem: impl Into<Secret>) -> Result<Self, Error> {
        Self::of(Algorithm::ES256, EncodingKey::from_ec_pem(pem.into().expose().as_bytes()))
    }

    /// An RSA key, for `RS256`: PEM.
    ///
    /// # Errors
    /// `Config`, if it is none.
    pub fn rs256(pem: impl Into<Secret>) -> Result<Self, Error> {
        Self::of(Algorithm::RS256, EncodingKey::from_rsa_pem(pem.into().expose().as_bytes()))
    }

    /// An RSA key, for `PS256`: PEM.
    ///
    /// # Errors
    /// `Config`, if it is none.
    pub fn ps256(pem: impl Into<Secret>) -> Result<Self, Error> {
        Self::of(Algorithm::PS256, EncodingKey::from_rsa_pem(pem.into().expose().as_bytes()))
    }

    /// An Ed25519 key, for `EdDSA`: PEM, in PKCS#8.
    ///
    /// # Errors
    /// `Config`, if it is none.
    pub fn ed25519(pem: impl Into<Secret>) -> Result<Self, Error> {
        Self::of(Algorithm::EdDSA, EncodingKey::from_ed_pem(pem.into().expose().as_bytes()))
    }

    /// The name by which the provider knows it (`kid`).
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// That it can sign is tried at once: not every key that can be read fits its algorithm.
    fn of(algorithm: Algorithm, key: Result<EncodingKey, jsonwebtoken::errors::Error>) -> Result<Self, Error> {
        let wrong = || {
            Error::config(format!("what was given for the client's key is no private key for {algorithm:?}"))
                .advice("give PEM, in PKCS#8, of the kind that the constructor is named after")
        };
        let key = Self { key: Arc::new(key.map_err(|_| wrong())?), algorithm, id: None };
        key.sign(&json!({})).map_err(|_| wrong())?;
        Ok(key)
    }

    /// The secret that client and provider share, for `HS256`.
    pub(super) fn shared(secret: &Secret) -> Result<Self, Error> {
        Self::of(Algorithm::HS256, EncodingKey::from_secret(secret.expose().as_bytes()))
    }

    /// These claims, signed: a JWT.
    fn sign(&self, claims: &Value) -> Result<Secret, Error> {
        let mut header = json!({ "alg": self.algorithm, "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        // By name, and not by what is this process' default: another crate may bring another.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.algorithm, &self.key);
        let signature = signer.and_then(|signer| {
            signer
                .try_sign(message.as_bytes())
                .map_err(|_| jsonwebtoken::errors::Error::from(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat))
        });
        let signature = signature.map_err(|_| Error::config("the client's key cannot sign"))?;
        Ok(Secret::from(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The assertion of this client for this provider, good for one request.
pub(super) fn assertion(key: &SigningKey, client: &str, audience: &str, now: SystemTime) -> Result<Secret, Error> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    key.sign(&json!({
        "iss": client,
        "sub": client,
        "aud": audience,
        "jti": random()?.expose(),
        "iat": seconds(now),
        "exp": seconds(now + LIFE),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_key_that_cannot_sign_is_refused_when_it_is_given() {
        for key in [SigningKey::es256("no-pem"), SigningKey::rs256("no-pem"), SigningKey::ed25519("no-pem")] {
            assert_eq!(key.expect_err("no key").kind(), crate::ErrorKind::Config);
        }
    }

    #[apply(leak_checked!)]
    fn no_two_assertions_are_the_same() {
        let key = SigningKey::shared(&Secret::from("a shared secret of thirty-two bytes or so")).expect("a key");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let made = || assertion(&key, "till", "https://id.example", now).expect("an assertion");
        let (one, other) = (made(), made());
        assert!(one.expose() != other.expose());
        let claims = one.expose().split('.').nth(1).expect("claims");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
        assert_eq!((&claims["aud"], &claims["exp"]), (&json!("https://id.example"), &json!(1_800_000_060_u64)));
    }
}
