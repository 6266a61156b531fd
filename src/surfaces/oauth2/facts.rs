//! The provider's operations, as the standards have them, and what their refusals mean (RFC 6749, 5.2).

use crate::{
    Error, ErrorKind,
    http::{
        Surface,
        facts::{Certainty, Facts, Shape, Step, TenantHeader},
        verdict::{Verdict, is_transient},
    },
};

/// What calls go to: nothing is known of it.
pub(super) static SURFACE: Surface = surface(&[], |_| None);

/// Who hands out tokens. Where its operations are, its metadata or the builder says.
pub(super) static PROVIDER: Surface = surface(FACTS, classify);

const fn surface(facts: &'static [Facts], classify: fn(&Verdict<'_>) -> Option<Error>) -> Surface {
    Surface { name: "oauth2", facts, classify, serves: |_| ".client_credentials()", content_type: None }
}

pub(super) const DISCOVER: &str = "discover";
pub(super) const ISSUE: &str = "issue_token";
pub(super) const DEVICE: &str = "start_device";
pub(super) const REVOKE: &str = "revoke_token";
pub(super) const INTROSPECT: &str = "introspect_token";
pub(super) const PUSH: &str = "push_authorization";

static FACTS: &[Facts] = &[
    operation(DISCOVER, "GET", "/.well-known/openid-configuration", Step::Challenge),
    operation(ISSUE, "POST", "/token", Step::SignIn),
    operation(DEVICE, "POST", "/device_authorization", Step::Challenge),
    operation(REVOKE, "POST", "/revoke", Step::SignOut),
    operation(PUSH, "POST", "/par", Step::Challenge),
    operation(INTROSPECT, "POST", "/introspect", Step::Challenge),
];

const fn operation(operation: &'static str, method: &'static str, path: &'static str, step: Step) -> Facts {
    Facts {
        operation,
        method,
        path,
        roles: &[],
        resend: false,
        secret_url: false,
        certainty: Certainty::Documented,
        step,
        tenant: TenantHeader::Undeclared,
        client: true,
        failures: &[],
        // Providers add members as they like (RFC 6749, 5.1): that is no drift.
        answers: &[(100..=599, &Shape::Anything)],
        body: None,
        parameters: &[],
        success: None,
    }
}

const CHECK: &str = "it is not tried again until it changes or sign_in() is called";

/// The code counts whatever the 4xx, and inside a 200 as well; on a bad day no credential is refused. What a refused grant was,
/// who asked with it says.
fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    if is_transient(verdict.status) {
        return None;
    }
    let code = verdict.text("error");
    if code.is_none() && matches!(verdict.status, 404 | 405) {
        let nowhere = Error::new(ErrorKind::Api, "the provider has nothing at this endpoint");
        let advice = "check the endpoints on the builder, or what the provider's metadata says of them";
        return Some(verdict.with_context(nowhere.advice(advice)));
    }
    let (kind, what, advice) = match code? {
        "invalid_grant" => (ErrorKind::InvalidCredentials, "the provider refused the grant", CHECK.to_owned()),
        "invalid_client" => {
            let advice = format!("check what .client(..) was given; {CHECK}");
            (ErrorKind::InvalidCredentials, "the provider refused the OAuth2 client", advice)
        }
        "unauthorized_client" => {
            let advice = "have the provider allow it for this client, or choose another grant".to_owned();
            (ErrorKind::Config, "the provider lets this client use another grant only", advice)
        }
        "unsupported_grant_type" | "unsupported_response_type" => {
            let advice = "choose another grant on the builder".to_owned();
            (ErrorKind::Config, "the provider does not offer this grant", advice)
        }
        "invalid_scope" => (ErrorKind::Config, "the provider refused the scope", "check .scope(..)".to_owned()),
        "invalid_target" => {
            let advice = "check .resource(..) and .audience(..)".to_owned();
            (ErrorKind::Config, "the provider refused the resource that the token is for", advice)
        }
        "use_dpop_nonce" | "invalid_dpop_proof" => {
            let advice = "check this machine's clock, and that what stands between passes the header `DPoP`".to_owned();
            (ErrorKind::Api, "the provider does not take the proof of the key that tokens are bound to", advice)
        }
        "invalid_request" => {
            let advice = "check what the builder was given against the provider's own pages".to_owned();
            (ErrorKind::Api, "the provider takes the request for malformed", advice)
        }
        _ => return None,
    };
    let said = verdict.quoted("error_description").map(|said| format!(", and says {said}")).unwrap_or_default();
    Some(verdict.with_context(Error::new(kind, format!("{what}{said}")).advice(advice)))
}
