//! Which OAuth client asks (RFC 6749, 2.3): one with a secret says so in a header, one without in the form.

use crate::{Error, Secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use reqwest::Request;
use std::fmt;

/// The client that a session's requests for tokens are made by.
#[derive(Clone)]
pub(crate) struct ClientId {
    id: String,
    /// The secret, and the header that holds both.
    secret: Option<(HeaderValue, Secret)>,
}

impl ClientId {
    pub(crate) fn new(id: String, secret: Option<Secret>) -> Result<Self, Error> {
        let secret = match secret {
            Some(secret) => Some((basic(&id, &secret)?, secret)),
            None => None,
        };
        Ok(Self { id, secret })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The id of a client without a secret.
    pub(crate) fn public(&self) -> Option<&str> {
        self.secret.is_none().then_some(&self.id)
    }

    pub(crate) fn basic(&self) -> Option<(&HeaderValue, &Secret)> {
        self.secret.as_ref().map(|(header, secret)| (header, secret))
    }

    pub(crate) fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref().map(|(_, secret)| secret)
    }

    /// What a vendor refuses when it refuses this client.
    pub(crate) fn credential(&self) -> Secret {
        self.secret().cloned().unwrap_or_else(|| Secret::from(self.id.as_str()))
    }

    /// Says on a request for a token who asks, unless it says so itself.
    pub(crate) fn sign(&self, request: &mut Request) {
        if request.headers().contains_key(AUTHORIZATION) {
            return;
        }
        match &self.secret {
            Some((header, _)) => _ = request.headers_mut().insert(AUTHORIZATION, header.clone()),
            None => self.sign_form(request),
        }
    }

    fn sign_form(&self, request: &mut Request) {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let Some(form) = request.body().and_then(|body| body.as_bytes()) else { return };
        let is_form = media_type.starts_with("application/x-www-form-urlencoded");
        if !is_form || url::form_urlencoded::parse(form).any(|(name, _)| name == "client_id") {
            return;
        }
        let Ok(form) = std::str::from_utf8(form) else { return };
        let mut form = url::form_urlencoded::Serializer::new(form.to_owned());
        let form = form.append_pair("client_id", &self.id).finish();
        *request.body_mut() = Some(form.into());
    }
}

/// Both parts form-encoded first, so that a colon cannot move the border (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, Error> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret.expose())));
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .map_err(|_| Error::config("the client's id and secret cannot be sent as a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientId").finish_non_exhaustive()
    }
}
