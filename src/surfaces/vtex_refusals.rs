//! What VTEX ID means by a refusal: in a member, whatever the status says, or in words.

use crate::{
    Error, ErrorKind, Validation,
    http::{
        facts::Step,
        verdict::{Verdict, is_transient},
    },
};
use std::time::Duration;

/// How long a blocked user waits, by what clients have seen (15 to 30 minutes).
const BLOCKED: Duration = Duration::from_secs(30 * 60);

/// `authStatus` says what happened, whatever the status says; the authenticator says it in `code`. Its spelling varies
/// between clients.
pub(super) fn classify(verdict: &Verdict<'_>) -> Option<Error> {
    let step = verdict.facts.step;
    if !matches!(step, Step::SignIn | Step::Challenge) || verdict.status >= 500 {
        return None;
    }
    let Some(said) = verdict.text("authStatus").or_else(|| verdict.text("code")) else {
        return in_words(verdict);
    };
    let error = match said.to_ascii_lowercase().as_str() {
        "success" => return None,
        "blockeduser" => return Some(blocked(verdict)),
        _ if is_transient(verdict.status) => return None,
        "requiresmfa" => second_factor(),
        "weakpassword" | "invalidpasswordformat" => {
            let mut broken = Validation::new();
            broken.insert("newPassword".to_owned(), vec![said.to_owned()]);
            Error::new(ErrorKind::Validation, "the vendor refused the new password")
                .advice("choose one of 8 characters or more, with a digit, a capital and a small letter")
                .with_validation(broken)
        }
        "invalidb2bclaims" => Error::new(ErrorKind::Forbidden, "the user's organization has no active contract")
            .advice("ask the store's administrator"),
        _ if step == Step::Challenge => return None,
        _ => Error::new(ErrorKind::InvalidCredentials, "the vendor refused the credentials")
            .advice("check them; they are not tried again until they change or sign_in() is called"),
    };
    Some(verdict.with_context(error))
}

/// What was seen in plain words: an account without the older routes, and a user who is blocked.
fn in_words(verdict: &Verdict<'_>) -> Option<Error> {
    let is_sign_in = verdict.facts.operation.starts_with("validate_");
    match verdict.status {
        400 if verdict.says(LEGACY_ROUTES) => {
            let error = Error::new(ErrorKind::Api, "this account refuses the older sign-in routes")
                .advice("sign in by client.storefront().authenticator(account), from its start(..) on");
            Some(verdict.with_context(error))
        }
        401 if is_sign_in && verdict.is_plain_text() => Some(blocked(verdict)),
        _ => None,
    }
}

/// Every further try renews it, so nothing is tried.
fn blocked(verdict: &Verdict<'_>) -> Error {
    let error = verdict.with_context(Error::new(ErrorKind::Throttled, "the vendor has blocked this user for a while"));
    let wait = error.retry_after().unwrap_or(BLOCKED);
    error.with_retry_after(Some(wait))
}

/// A session puts it to a person; a caller that signs in by `storefront()` goes on itself.
pub(super) fn second_factor() -> Error {
    Error::new(ErrorKind::SecondFactorRequired, "the vendor wants a second factor before it signs in")
        .advice("ask the person for its code and hand it to validate_second_factor(..), in the same authentication")
}

/// How an account with *Login with Alternative Keys* refuses the older routes, as clients saw it.
pub(super) const LEGACY_ROUTES: &str = "legacy routes";
