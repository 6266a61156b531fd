//! A sign-in that an API wants of the person before it answers a call (RFC 9470).

use super::challenge::challenges;
use crate::{BoxFuture, Error, SignInPage};
use http::{HeaderMap, header::WWW_AUTHENTICATE};
use std::fmt;

/// The code of an API that does not find the sign-in good enough (RFC 9470, 3).
const CODE: &str = "insufficient_user_authentication";
/// No list of ways to sign in is longer, and no page's address grows by more.
const LONGEST: usize = 512;

/// How an API wants the person to have signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepUpChallenge {
    /// In one of these ways, the best one first.
    acr_values: Option<String>,
    /// At most so many seconds ago.
    max_age: Option<u32>,
}

impl StepUpChallenge {
    /// What this answer wants, if that is what it lacks.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        texts.filter_map(Self::read).next()
    }

    /// What the value of a `WWW-Authenticate` wants.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let all = challenges(text);
        let is_ours = |scheme: &str| ["Bearer", "DPoP"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let wanted = all.iter().find(|one| is_ours(one.scheme) && one.parameter("error") == Some(CODE))?;
        let acr_values = wanted.parameter("acr_values").map(str::trim).filter(|values| is_list(values));
        // What is no number of seconds says nothing; what is longer than anybody lives, as little.
        let max_age = wanted.parameter("max_age").and_then(|seconds| seconds.trim().parse().ok());
        // It wants something, and does not say what: that the person signs in.
        let max_age = max_age.or_else(|| acr_values.is_none().then_some(0));
        Some(Self { acr_values: acr_values.map(str::to_owned), max_age })
    }

    /// As the page is asked for it.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr_values = self.acr_values.clone().map(|values| ("acr_values", values));
        acr_values.into_iter().chain(self.max_age.map(|seconds| ("max_age", seconds.to_string())))
    }
}

/// Whether it is what lists of names are made of, in the quotes of a sentence too.
fn is_list(values: &str) -> bool {
    let fits = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !b"\"\\`".contains(&byte);
    !values.is_empty() && values.len() <= LONGEST && values.bytes().all(fits)
}

impl fmt::Display for StepUpChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.acr_values, self.max_age) {
            (Some(values), Some(seconds)) => write!(f, "acr_values `{values}`, max_age {seconds}"),
            (Some(values), None) => write!(f, "acr_values `{values}`"),
            (None, seconds) => write!(f, "max_age {}", seconds.unwrap_or_default()),
        }
    }
}

/// Where a person signs in as an API wants it.
pub(crate) trait StepUpPages: Send + Sync {
    /// The page, or why this client leads nobody to one.
    fn page(&self, wanted: StepUpChallenge) -> BoxFuture<'_, Result<SignInPage, Error>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(acr_values: Option<&str>, max_age: Option<u32>) -> Option<StepUpChallenge> {
        Some(StepUpChallenge { acr_values: acr_values.map(str::to_owned), max_age })
    }

    #[apply(leak_checked!)]
    fn an_api_says_how_a_person_is_to_sign_in() {
        for (text, expected) in [
            (
                r#"Bearer error="insufficient_user_authentication", acr_values="gold silver""#,
                wanted(Some("gold silver"), None),
            ),
            (r#"Bearer error="insufficient_user_authentication", max_age="5""#, wanted(None, Some(5))),
            (r#"bearer realm="a, b", ERROR=insufficient_user_authentication , max_age = 5"#, wanted(None, Some(5))),
            (
                r#"Basic realm="x", DPoP algs="ES256", error="insufficient_user_authentication", acr_values="g""#,
                wanted(Some("g"), None),
            ),
            (r#"Bearer error="insufficient_user_authentication""#, wanted(None, Some(0))),
            // What cannot be said again is not.
            (r#"Bearer error="insufficient_user_authentication", acr_values="a\"b", max_age=7"#, wanted(None, Some(7))),
            (r#"Bearer error="insufficient_user_authentication", max_age="99999999999""#, wanted(None, Some(0))),
            (r#"Bearer error="invalid_token", acr_values="gold""#, None),
            (r#"Bearer error_description="insufficient_user_authentication""#, None),
            (r#"Basic error="insufficient_user_authentication""#, None),
            (r#"Bearer realm="error=insufficient_user_authentication""#, None),
            ("", None),
        ] {
            assert_eq!(StepUpChallenge::read(text), expected, "{text}");
        }
    }
}
