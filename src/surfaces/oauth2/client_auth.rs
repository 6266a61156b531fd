//! How a client says who it is (RFC 6749, 2.3).

use super::assertion::{SigningKey, TYPE, assertion};
use crate::{
    CredentialSource, Error, Secret,
    credential::Credential,
    http::{client_id::ClientId, transport::AuthCall},
    session::Attempt,
};
use std::{fmt, time::SystemTime};

/// How a client says to its provider who it is.
///
/// ```
/// use keyway::{Secret, oauth2::{self, ClientAuth}};
///
/// # fn build() -> Result<(), keyway::Error> {
/// let client = oauth2::Client::builder("https://api.acme.example")
///     .token_endpoint("https://login.acme.example/token")
///     .client_with("billing", ClientAuth::post(Secret::from("…")))
///     .client_credentials()
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientAuth(Method);

#[derive(Clone)]
enum Method {
    None,
    Basic(Credential),
    Post(Credential),
    SecretJwt(Credential),
    KeyJwt(SigningKey),
    Tls,
}

impl ClientAuth {
    /// Not at all (`none`): an app on devices of other people could keep no secret. It says its id in the form.
    #[must_use]
    pub fn none() -> Self {
        Self(Method::None)
    }

    /// Id and secret in a header (`client_secret_basic`), both form-encoded before, as RFC 6749 wants it.
    #[must_use]
    pub fn basic(secret: impl Into<Secret>) -> Self {
        Self(Method::Basic(Credential::Given(secret.into())))
    }

    /// As [`basic`](Self::basic), with a secret that is asked for at every request, from a vault for instance.
    #[must_use]
    pub fn basic_from(source: impl CredentialSource) -> Self {
        Self(Method::Basic(Credential::from_source(source)))
    }

    /// Id and secret in the form (`client_secret_post`), for providers that take no header.
    #[must_use]
    pub fn post(secret: impl Into<Secret>) -> Self {
        Self(Method::Post(Credential::Given(secret.into())))
    }

    /// As [`post`](Self::post), with a secret that is asked for at every request.
    #[must_use]
    pub fn post_from(source: impl CredentialSource) -> Self {
        Self(Method::Post(Credential::from_source(source)))
    }

    /// By a signature with the secret that both know, which itself is not sent (`client_secret_jwt`, RFC 7523). Providers
    /// want secrets of 32 bytes or more for it.
    #[must_use]
    pub fn secret_jwt(secret: impl Into<Secret>) -> Self {
        Self(Method::SecretJwt(Credential::Given(secret.into())))
    }

    /// By a signature with a private key, of which the provider knows the public half (`private_key_jwt`, RFC 7523). Each
    /// is good for one request and a minute. It is made for the issuer, where there is one, and else for the token
    /// endpoint.
    #[must_use]
    pub fn private_key_jwt(key: SigningKey) -> Self {
        Self(Method::KeyJwt(key))
    }

    /// By the certificate of the connection (`tls_client_auth`, RFC 8705), which is given to the HTTP client:
    /// `.http(|b| b.identity(..))`. The id goes in the form.
    #[must_use]
    pub fn tls() -> Self {
        Self(Method::Tls)
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Method::None => "ClientAuth(none)",
            Method::Basic(_) => "ClientAuth(client_secret_basic)",
            Method::Post(_) => "ClientAuth(client_secret_post)",
            Method::SecretJwt(_) => "ClientAuth(client_secret_jwt)",
            Method::KeyJwt(_) => "ClientAuth(private_key_jwt)",
            Method::Tls => "ClientAuth(tls_client_auth)",
        })
    }
}

/// A client with its way to say who it is, checked.
pub(super) struct OAuthClient {
    id: String,
    method: Method,
}

impl OAuthClient {
    pub(super) fn new(id: String, auth: ClientAuth) -> Result<Self, Error> {
        if id.is_empty() {
            return Err(nothing_given("an empty id"));
        }
        let client = Self { id, method: auth.0 };
        match client.given() {
            Some(secret) if secret.expose().is_empty() => Err(nothing_given("an empty secret")),
            _ => Ok(client),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it can say who it is at all: without that nothing is its own credential.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.method, Method::None)
    }

    fn credential(&self) -> Option<&Credential> {
        match &self.method {
            Method::Basic(secret) | Method::Post(secret) | Method::SecretJwt(secret) => Some(secret),
            Method::None | Method::KeyJwt(_) | Method::Tls => None,
        }
    }

    /// Its secret, if that never changes.
    pub(super) fn given(&self) -> Option<&Secret> {
        self.credential()?.given()
    }

    /// What its requests are signed with from now on: asked anew from the source, where there is one.
    pub(super) async fn proof<'a>(
        &'a self,
        attempt: Option<&Attempt>,
        audience: &'a str,
        now: SystemTime,
    ) -> Result<Proof<'a>, Error> {
        let secret = match (self.credential(), attempt) {
            (None, _) => None,
            (Some(secret), Some(attempt)) => Some(attempt.secret_of(secret).await?),
            (Some(secret), None) => Some(secret.get().await?),
        };
        Ok(Proof { client: self, secret, audience, now })
    }
}

/// What says on a request who asks.
pub(super) struct Proof<'a> {
    client: &'a OAuthClient,
    secret: Option<Secret>,
    /// For whom it is signed, where it is.
    audience: &'a str,
    now: SystemTime,
}

impl Proof<'_> {
    /// What the provider refuses when it refuses this client.
    pub(super) fn credential(&self) -> Secret {
        self.secret.clone().unwrap_or_else(|| Secret::from(self.client.id.as_str()))
    }

    /// This request, in the client's name.
    pub(super) fn sign(&self, call: AuthCall, fields: &[(&str, &str)]) -> Result<AuthCall, Error> {
        let mut fields = fields.to_vec();
        let id = self.client.id.as_str();
        match (&self.client.method, &self.secret) {
            (Method::Basic(_), Some(secret)) => {
                let client = ClientId::new(id.to_owned(), Some(secret.clone()))?;
                if fields.is_empty() {
                    // An empty form is none to some.
                    fields.push(("client_id", id));
                }
                let call = call.form(&fields);
                Ok(match client.basic() {
                    Some((header, secret)) => call.authorized(header, secret),
                    None => call,
                })
            }
            (Method::Post(_), Some(secret)) => {
                fields.extend([("client_id", id), ("client_secret", secret.expose())]);
                Ok(call.form(&fields))
            }
            (Method::SecretJwt(_), Some(secret)) => self.assert(call, &fields, &SigningKey::shared(secret)?),
            (Method::KeyJwt(key), _) => self.assert(call, &fields, key),
            _ => {
                fields.push(("client_id", id));
                Ok(call.form(&fields))
            }
        }
    }
}

impl Proof<'_> {
    fn assert(&self, call: AuthCall, fields: &[(&str, &str)], key: &SigningKey) -> Result<AuthCall, Error> {
        let mut fields = fields.to_vec();
        let id = self.client.id.as_str();
        let assertion = assertion(key, id, self.audience, self.now)?;
        fields.extend([("client_id", id), ("client_assertion_type", TYPE), ("client_assertion", assertion.expose())]);
        Ok(call.form(&fields))
    }
}

fn nothing_given(what: &str) -> Error {
    Error::config(format!(".client(..) was given {what}"))
        .advice("check where it comes from, such as a variable that is not set")
}
