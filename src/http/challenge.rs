//! What `WWW-Authenticate` says (RFC 9110, 11.6.1): several challenges may stand in one value, and commas in quotes.

use std::borrow::Cow;

/// One challenge.
pub(crate) struct Challenge<'a> {
    pub(crate) scheme: &'a str,
    parameters: Vec<(&'a str, Cow<'a, str>)>,
}

impl Challenge<'_> {
    /// The parameter of this name, in whichever letters it is written. Of several the first counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let named = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_ref())
    }
}

/// The challenges of one value. What cannot be read is left out.
pub(crate) fn challenges(text: &str) -> Vec<Challenge<'_>> {
    let mut all: Vec<Challenge<'_>> = Vec::new();
    for part in parts(text) {
        let (scheme, parameter) = split(part);
        if let Some(scheme) = scheme {
            all.push(Challenge { scheme, parameters: Vec::new() });
        }
        let named = parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let (Some(last), Some((name, value))) = (all.last_mut(), named.filter(|(name, _)| is_token(name))) else {
            continue;
        };
        last.parameters.push((name, unquoted(value)));
    }
    all
}

/// What commas part, but not those in quotes.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c: char| {
        let was_escaped = escaped;
        escaped = quoted && c == '\\' && !was_escaped;
        quoted ^= c == '"' && !was_escaped;
        c == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// A part that begins a challenge has its scheme in front: a word without a value.
fn split(part: &str) -> (Option<&str>, &str) {
    let (word, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
    let begins = is_token(word) && !rest.trim_start().starts_with('=');
    if begins { (Some(word), rest.trim_start()) } else { (None, part) }
}

fn is_token(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest)) else {
        return value.into();
    };
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut escaped = false;
    let plain = inner.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    plain.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn several_challenges_stand_in_one_value_and_commas_in_quotes() {
        let text = r#"Newauth realm="apps, all", type=1, title="Login to \"apps\"" , Basic realm="simple", Negotiate, DPoP algs = "ES256""#;
        let all = challenges(text);
        let schemes: Vec<_> = all.iter().map(|one| one.scheme).collect();
        assert_eq!(schemes, ["Newauth", "Basic", "Negotiate", "DPoP"]);
        assert_eq!(all[0].parameter("REALM"), Some("apps, all"));
        assert_eq!((all[0].parameter("type"), all[0].parameter("title")), (Some("1"), Some("Login to \"apps\"")));
        assert_eq!((all[1].parameter("realm"), all[2].parameter("realm")), (Some("simple"), None));
        assert_eq!(all[3].parameter("algs"), Some("ES256"));
        assert!(challenges("").is_empty() && challenges(", ,").is_empty());
    }
}
