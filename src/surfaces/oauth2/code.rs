//! The authorization code with PKCE: the page that a person is led to, and what the way back from it says (RFC 6749, 4.1;
//! RFC 7636; RFC 9207).

use super::{loopback::Loopback, wants::Wants};
use crate::{Error, ErrorKind, Secret, SignInPage, digest::Sha256, line::is_plain, secret::SecretUrl};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

/// What an error of the page is about, in its line.
const AUTHORIZE: &str = "authorize";
/// Of state and verifier: as many bits as a guess must never find (RFC 7636, 7.1).
const RANDOM: usize = 32;

/// How a person comes back from the page.
#[derive(Debug, Clone)]
pub(super) enum Redirect {
    /// To an address of the user's own program.
    To(String),
    /// To a port of this machine that is open for this sign-in.
    Loopback(Loopback),
}

/// What the page is asked besides what every grant says.
#[derive(Debug, Clone, Default)]
pub(super) struct Asks {
    pub(super) more: Vec<(String, String)>,
    /// The request is pushed, and the page's address names it (RFC 9126).
    pub(super) pushed: bool,
}

impl Asks {
    /// With these in place of what the builder says under their names.
    pub(super) fn with(&self, others: impl Iterator<Item = (&'static str, String)>) -> Self {
        let mut more = self.more.clone();
        for (name, value) in others {
            more.retain(|(known, _)| known != name);
            more.push((name.to_owned(), value));
        }
        Self { more, ..self.clone() }
    }
}

/// An authorization request, with what it keeps for itself.
pub(super) struct Authorization {
    pub(super) fields: Vec<(String, String)>,
    redirect_uri: String,
    state: Secret,
    verifier: Secret,
}

impl Redirect {
    /// The address that a sign-in which begins now comes back to.
    pub(super) fn begin(&self) -> Result<String, Error> {
        match self {
            Self::To(address) => Ok(address.clone()),
            Self::Loopback(loopback) => loopback.open(),
        }
    }

    /// Whether a page that leads back to this address is one of these. The port of a loopback is another one every time.
    pub(super) fn leads_to(&self, address: &str) -> bool {
        match self {
            Self::To(own) => own == address,
            Self::Loopback(_) => Loopback::is_one(address),
        }
    }
}

impl Authorization {
    /// `bound_to`: the key that its code is bound to (RFC 9449, 10).
    pub(super) fn new(
        client: &str,
        redirect_uri: String,
        wants: &Wants,
        asks: &Asks,
        bound_to: Option<&str>,
    ) -> Result<Self, Error> {
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::new().with(verifier.expose()).finish());
        let own = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", &redirect_uri),
            ("state", state.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let more = bound_to.map(|key| ("dpop_jkt", key)).into_iter().chain(wants.fields());
        let own = own.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = own.chain(asks.more.iter().cloned()).collect();
        Ok(Self { fields, redirect_uri, state, verifier })
    }

    /// The question: the page at `endpoint` that asks these.
    pub(super) fn page(&self, mut endpoint: Url, fields: &[(&str, &str)]) -> SignInPage {
        endpoint.query_pairs_mut().extend_pairs(fields);
        SignInPage::new(endpoint, &self.redirect_uri, self.state.clone(), self.verifier.clone())
    }
}

/// 43 characters, too many to guess.
pub(super) fn random() -> Result<Secret, Error> {
    let mut bytes = [0; RANDOM];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        Error::config("the crypto library has no random numbers to give, and none others will do")
            .advice("see what keeps it from it, such as a sandbox")
    })?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The code in a redirect that fits its page, or what it says instead (RFC 6749, 4.1.2.1).
pub(super) fn code(redirect: &Secret) -> Result<Secret, Error> {
    let url = SecretUrl::parse(redirect).ok_or_else(|| Error::protocol("the redirect is no address"))?;
    let said = |name: &str| url.pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    if let Some(error) = said("error").filter(|error| !error.is_empty()) {
        return Err(refusal(&error));
    }
    match said("code").filter(|code| !code.is_empty()) {
        Some(code) => Ok(Secret::from(code)),
        None => Err(Error::protocol("the redirect holds neither a code nor an error")
            .advice("the provider, or something between, changed it")
            .at(AUTHORIZE)),
    }
}

fn refusal(code: &str) -> Error {
    let again = "the next call asks for a new sign-in page";
    let (kind, message, advice) = match code {
        "access_denied" => (ErrorKind::Declined, "the person, or the provider, said no", again),
        "server_error" | "temporarily_unavailable" => {
            (ErrorKind::Outage, "the provider's sign-in page failed for now", "try later")
        }
        "invalid_scope" => (ErrorKind::Config, "the provider refused the scope", "check .scope(..)"),
        "invalid_target" => {
            let message = "the provider refused the resource that the token is for";
            (ErrorKind::Config, message, "check .resource(..) and .audience(..)")
        }
        "unauthorized_client" | "unsupported_response_type" | "invalid_request" => {
            let message = "the provider's sign-in page does not take this client's request";
            (ErrorKind::Config, message, "check the client's registration at the provider")
        }
        _ => (ErrorKind::Declined, "the provider's sign-in page ended without a sign-in", again),
    };
    let code = is_plain(code).then(|| code.to_owned());
    Error::new(kind, message).advice(advice).with_code(code).at(AUTHORIZE)
}

/// A code that the provider does not take: it has ended, or it was used before.
pub(super) fn spent(error: Error) -> Error {
    match error.code() {
        Some("invalid_grant") => error
            .with_kind(ErrorKind::Declined)
            .message("the provider takes the code of this sign-in no longer")
            .advice("the next call asks for a new sign-in page"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn what_a_page_says_instead_of_a_code_is_told_by_its_kind() {
        let ended = |query: &str| code(&Secret::from(format!("https://app.example/back?{query}"))).expect_err(query);
        for (query, kind) in [
            ("error=access_denied&code=c", ErrorKind::Declined),
            ("error=login_required", ErrorKind::Declined),
            ("error=temporarily_unavailable", ErrorKind::Outage),
            ("error=invalid_scope", ErrorKind::Config),
            ("error=invalid_request", ErrorKind::Config),
            ("state=s", ErrorKind::Protocol),
            ("code=", ErrorKind::Protocol),
        ] {
            assert_eq!(ended(query).kind(), kind, "{query}");
        }
        assert_eq!(ended("error=access_denied").code(), Some("access_denied"));
        assert_eq!(ended("error=%1b%5b2J").code(), None);
        assert_eq!(code(&Secret::from("https://app.example/?code=a%20b")).expect("a code").expose(), "a b");
    }

    #[apply(leak_checked!)]
    fn what_is_random_is_long_and_never_the_same() {
        let (one, other) = (random().expect("random"), random().expect("random"));
        assert_eq!(one.expose().len(), 43);
        assert!(one.expose() != other.expose());
    }
}
