//! What stands between: firewalls, gateways and load balancers that answer in the vendor's place.

use super::json;
use http::{
    HeaderMap,
    header::{CONTENT_TYPE, SERVER, VIA},
};
use std::borrow::Cow;

/// Whether this is for a person who looks at it in a browser.
pub(crate) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_html = media_type.trim_start().to_ascii_lowercase().starts_with("text/html");
    is_html || json::trimmed(body).trim_ascii_start().starts_with(b"<")
}

/// Headers that only one product writes.
const MARKS: [(&str, &str); 10] = [
    ("cf-ray", "Cloudflare"),
    ("cf-mitigated", "Cloudflare"),
    ("x-amzn-waf-action", "AWS WAF"),
    ("x-amz-cf-id", "Amazon CloudFront"),
    ("x-azure-ref", "Azure Front Door"),
    ("x-iinfo", "Imperva"),
    ("x-sucuri-id", "Sucuri"),
    ("x-akamai-request-id", "Akamai"),
    ("x-datadome", "DataDome"),
    ("x-varnish", "Varnish"),
];

/// Who answered, as far as the answer's headers tell.
pub(crate) fn what_answered(headers: &HeaderMap) -> Option<Cow<'static, str>> {
    let known = MARKS.iter().find(|(mark, _)| headers.contains_key(*mark));
    if let Some((_, name)) = known {
        return Some((*name).into());
    }
    let named = [SERVER, VIA].into_iter().find_map(|name| word(headers.get(name)?.to_str().ok()?));
    named.map(|name| format!("what calls itself `{name}`").into())
}

/// A header's value, if it can stand in a line.
pub(crate) fn word(value: &str) -> Option<&str> {
    let value = value.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ' ' | '(' | ')' | ',');
    ((1..=40).contains(&value.len()) && value.chars().all(is_plain)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn who(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        what_answered(&headers).map(Cow::into_owned)
    }

    #[apply(leak_checked!)]
    fn who_answered_is_told_by_what_only_one_writes_or_by_its_own_name() {
        assert_eq!(who(&[("server", "cloudflare"), ("cf-ray", "1")]).as_deref(), Some("Cloudflare"));
        assert_eq!(who(&[("server", "nginx/1.26")]).as_deref(), Some("what calls itself `nginx/1.26`"));
        assert_eq!(
            who(&[("via", "1.1 squid (squid/6.6)")]).as_deref(),
            Some("what calls itself `1.1 squid (squid/6.6)`")
        );
        assert_eq!(who(&[("server", "<script>")]), None);
        assert_eq!(who(&[]), None);
    }
}
