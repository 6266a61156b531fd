//! Tokens that are bound to a key, and the proofs that go with them (DPoP, RFC 9449). The signatures are a library's.

use super::code::random;
use crate::{
    Error, Secret,
    clock::Clock,
    digest::Sha256,
    http::{
        prover::Prover,
        transport::{AuthCall, AuthResponse},
    },
};
use arc_swap::ArcSwap;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::EncodingKey;
use reqwest::Request;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};
use url::{Position, Url};

/// How such a token travels: `Authorization: DPoP …`.
pub(super) const SCHEME: &str = "DPoP";
const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: &str = "dpop-nonce";
/// A nonce is longer than no sensible one, and no answer can make requests grow beyond what servers take.
const LONGEST_NONCE: usize = 1024;

/// The key that a session's tokens are bound to (RFC 9449), on the curve P-256: a thief who has a token and not the key has
/// nothing. Give it to [`ClientBuilder::dpop`](super::ClientBuilder::dpop).
///
/// ```
/// use keyway::{Secret, oauth2::{self, DpopKey}};
///
/// # fn build() -> Result<(), keyway::Error> {
/// let client = oauth2::Client::discover("https://id.acme.example")
///     .client("billing", Secret::from("…"))
///     .client_credentials()
///     .dpop(DpopKey::generate()?)
///     .build()?;
/// # Ok(()) }
/// ```
///
/// It stands in no [`Store`](crate::Store): beside the tokens it would protect nothing from who reads that. So processes that
/// share a store are all given the same key, by [`es256`](Self::es256), from where their other secrets come from.
#[derive(Clone)]
pub struct DpopKey(Arc<DpopPair>);

struct DpopPair {
    pair: EcdsaKeyPair,
    pem: Secret,
    /// The public half.
    jwk: Value,
    thumbprint: String,
    /// No other process has it.
    is_new: bool,
}

impl DpopKey {
    /// A new key, which this process alone has, for sessions that are kept in no store.
    ///
    /// # Errors
    /// `Config`, if the operating system has no random numbers to give.
    pub fn generate() -> Result<Self, Error> {
        let none = |_| Error::config("no key can be made: the operating system has no random numbers to give");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(none)?;
        let der = pair.to_pkcs8v1().map_err(none)?;
        Self::of(der.as_ref(), pem(der.as_ref()), true)
    }

    /// A key that was made before: PEM, in PKCS#8, such as [`to_pem`](Self::to_pem) or
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` gives it.
    ///
    /// # Errors
    /// `Config`, if it is none.
    pub fn es256(pem: impl Into<Secret>) -> Result<Self, Error> {
        let pem = pem.into();
        let key = EncodingKey::from_ec_pem(pem.expose().as_bytes()).map_err(|_| not_one())?;
        Self::of(key.as_bytes(), pem.clone(), false)
    }

    fn of(der: &[u8], pem: Secret, is_new: bool) -> Result<Self, Error> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| not_one())?;
        // `04`, then both coordinates (SEC 1, 2.3.3).
        let (x, y) = match pair.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => point.split_at(32),
            _ => return Err(not_one()),
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // In this order, and without blanks (RFC 7638, 3).
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let jwk = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y });
        let thumbprint = digest(&canonical);
        Ok(Self(Arc::new(DpopPair { pair, pem, jwk, thumbprint, is_new })))
    }

    /// The key as PEM, for a place where secrets are kept.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        self.0.pem.clone()
    }

    /// What names its public half (RFC 7638), as providers show it in `cnf` and `dpop_jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// Whether it was made by this process, and no other one has it.
    pub(super) fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// These claims, signed.
    fn sign(&self, claims: &Value) -> Result<Secret, Error> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.0.jwk });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.0.pair.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.map_err(|_| Error::config("the key given to .dpop(..) cannot sign"))?;
        Ok(Secret::from(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey").field("thumbprint", &self.0.thumbprint).finish_non_exhaustive()
    }
}

fn not_one() -> Error {
    Error::config("what was given for a key of .dpop(..) is no private key on P-256")
        .advice("give PEM, in PKCS#8, or make one with DpopKey::generate()")
}

fn pem(der: &[u8]) -> Secret {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Secret::from(pem.as_str())
}

fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new().with(text).finish())
}

/// The proofs of one session. A provider and the APIs that take its tokens have nonces of their own (RFC 9449, 9).
pub(super) struct Proofs {
    key: DpopKey,
    clock: Arc<dyn Clock>,
    at_provider: Nonces,
    at_apis: Nonces,
}

/// The last nonce of each origin.
#[derive(Default)]
struct Nonces(ArcSwap<BTreeMap<String, Secret>>);

impl Nonces {
    fn of(&self, address: &Url) -> Option<Secret> {
        self.0.load().get(&origin(address)).cloned()
    }

    /// Whether the answer brought one.
    fn keep(&self, address: &Url, brought: Option<&str>) -> bool {
        let is_one = |nonce: &&str| !nonce.is_empty() && nonce.len() <= LONGEST_NONCE;
        let Some(brought) = brought.filter(is_one) else { return false };
        let origin = origin(address);
        // Nearly every answer repeats the one before.
        if self.0.load().get(&origin).is_none_or(|known| known.expose() != brought) {
            self.0.rcu(|known| {
                let mut known = BTreeMap::clone(known);
                known.insert(origin.clone(), Secret::from(brought));
                known
            });
        }
        true
    }
}

fn origin(address: &Url) -> String {
    address[..Position::BeforePath].to_owned()
}

impl Proofs {
    pub(super) fn new(key: DpopKey, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock, at_provider: Nonces::default(), at_apis: Nonces::default() }
    }

    pub(super) fn thumbprint(&self) -> &str {
        self.key.thumbprint()
    }

    /// A proof for one request (RFC 9449, 4.2).
    fn proof(&self, method: &str, address: &Url, token: Option<&str>, nonce: Option<&Secret>) -> Result<Secret, Error> {
        let now = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({
            "jti": random()?.expose(),
            "htm": method,
            "htu": &address[..Position::AfterPath],
            "iat": now.as_secs(),
        });
        if let Some(token) = token {
            claims["ath"] = json!(digest(token));
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce.expose());
        }
        self.key.sign(&claims)
    }

    /// A request for a token, with its proof.
    pub(super) fn on(&self, call: AuthCall, address: &Url) -> Result<AuthCall, Error> {
        let nonce = self.at_provider.of(address);
        call.secret_header("dpop", &self.proof("POST", address, None, nonce.as_ref())?)
    }

    /// Takes note of the nonce that a provider's answer brings. Tells whether the request lacked nothing else (RFC 9449, 8).
    pub(super) fn heard_of(&self, reply: &AuthResponse, address: &Url) -> bool {
        let brought = self.at_provider.keep(address, reply.header(NONCE));
        brought && matches!(reply.status(), 400 | 401) && reply.value()["error"] == "use_dpop_nonce"
    }
}

impl Prover for Proofs {
    fn prove(&self, request: &mut Request) -> Result<(), Error> {
        let carried = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = carried.and_then(|value| value.strip_prefix(SCHEME)).map(str::trim_start);
        let nonce = self.at_apis.of(request.url());
        let proof = self.proof(request.method().as_str(), request.url(), token, nonce.as_ref())?;
        let mut value = HeaderValue::try_from(proof.expose())
            .map_err(|_| Error::config("the proof of a token's key cannot be sent as a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(PROOF, value);
        Ok(())
    }

    fn heard(&self, address: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
        let brought = self.at_apis.keep(address, headers.get(NONCE).and_then(|nonce| nonce.to_str().ok()));
        let challenges = headers.get_all(http::header::WWW_AUTHENTICATE).iter();
        let asks = |challenge: &HeaderValue| challenge.to_str().is_ok_and(|text| text.contains("use_dpop_nonce"));
        brought && status == StatusCode::UNAUTHORIZED && challenges.into_iter().any(asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_key_goes_out_as_pem_and_comes_back_the_same() {
        let made = DpopKey::generate().expect("a key");
        let again = DpopKey::es256(made.to_pem()).expect("a key");
        assert_eq!((made.thumbprint(), made.thumbprint().len()), (again.thumbprint(), 43));
        assert!(made.is_new() && !again.is_new());
        assert_eq!(DpopKey::es256("no-pem").expect_err("no key").kind(), crate::ErrorKind::Config);
    }
}
