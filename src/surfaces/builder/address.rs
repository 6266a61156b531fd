//! The addresses that a builder is given, each in one spelling.

use crate::{Error, http::origins::is_private};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use url::Url;

pub(super) fn address(text: &str, method: &str, allow_http: bool) -> Result<Url, Error> {
    let wrong = |what: &str| Error::config(format!("the address given to {method} {what}"));
    if text.trim().is_empty() {
        return Err(wrong("is empty").advice("give the platform's root, such as https://vms.example"));
    }
    let url = Url::parse(text).map_err(|error| {
        wrong(&format!("cannot be read ({error})")).advice("give the platform's root, such as https://vms.example")
    })?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is no https address").advice("give the platform's root, such as https://vms.example"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or password").advice("give credentials to their own builder methods"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("holds a query or fragment").advice("give the platform's root only"));
    }
    if !allow_http && !is_private(&url) {
        return Err(wrong("is not https").advice("use https, or .allow_http() if nobody can listen on that network"));
    }
    Ok(in_one_spelling(url))
}

/// One address has one name, whatever way it was written: clients that mean the same platform share its session and its
/// budget of attempts. A URL is without a default port and capitals already.
fn in_one_spelling(mut url: Url) -> Url {
    let path = percent_decode_str(url.path().trim_end_matches('/')).collect::<Vec<_>>();
    // What is not reserved means the same with and without its encoding (RFC 3986, 6.2.2).
    let decoded = url.path().contains('%').then(|| percent_encode(&path, IN_PATH).to_string());
    let path = decoded.unwrap_or_else(|| url.path().trim_end_matches('/').to_owned());
    // An encoded slash is another path than a slash.
    if !url.path().to_ascii_lowercase().contains("%2f") {
        url.set_path(&path);
    }
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        let _ = url.set_host(Some(&host));
    }
    url
}

/// Everything but RFC 3986's unreserved characters and what divides a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
