//! Where credentials may go.

use std::net::IpAddr;
use url::{Host, Position, Url};

/// Where credentials may go: the client's own origins, over https or within this machine.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    own: Vec<Url>,
    /// How the addresses begin that are of the first of them and may have credentials.
    first: Option<String>,
    plain_allowed: bool,
}

impl Origins {
    pub(crate) fn new(root: &Url, also: &[Url], plain_allowed: bool) -> Self {
        let first = (plain_allowed || is_private(root)).then(|| format!("{}/", &root[..Position::BeforePath]));
        Self { own: [root].into_iter().chain(also).cloned().collect(), first, plain_allowed }
    }

    pub(super) fn include(&self, url: &Url) -> bool {
        // Nearly every call is for the root. Its origin ends with the `/` of a path, so nothing longer begins like it.
        if self.first.as_ref().is_some_and(|first| url.as_str().starts_with(first)) {
            return true;
        }
        self.own.iter().any(|own| is_same_origin(own, url)) && (self.plain_allowed || is_private(url))
    }
}

/// Scheme, host and port; `own` is https or http.
pub(crate) fn is_same_origin(own: &Url, url: &Url) -> bool {
    own.scheme() == url.scheme()
        && own.host_str() == url.host_str()
        && own.port_or_known_default() == url.port_or_known_default()
}

/// No machine on the way can read what is sent: https, or a loopback address.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// What is sent without encryption stays within this machine.
pub(crate) fn is_plain_loopback(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback(url)
}

/// Whether this leads to the machine that opens it, by whatever of its names.
#[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor names addresses"))]
pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let inner = address.to_ipv4_mapped().map(IpAddr::V4).unwrap_or(IpAddr::V6(address));
            inner.is_loopback() || inner.is_unspecified()
        }
        None => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[apply(leak_checked!)]
    fn credentials_go_to_the_own_https_origins_only() {
        let origins = Origins::new(&url("https://vms.example/base"), &[url("https://cdn.vms.example")], false);
        for own in ["https://vms.example/", "https://vms.example:443/x", "https://cdn.vms.example/y"] {
            assert!(origins.include(&url(own)), "{own}");
        }
        assert!(!is_plain_loopback(&url("https://127.0.0.1/")) && is_plain_loopback(&url("http://localhost:8080/")));
        for foreign in [
            "http://vms.example/",
            "https://vms.example:8443/",
            "https://vms.example.evil.example/",
            "https://evil.example/vms.example",
            "https://user@evil.example/",
        ] {
            assert!(!origins.include(&url(foreign)), "{foreign}");
        }
    }

    #[apply(leak_checked!)]
    fn plain_http_is_for_loopback_unless_it_was_allowed() {
        let lan = url("http://10.0.0.5:8080/");
        assert!(!Origins::new(&lan, &[], false).include(&lan));
        assert!(Origins::new(&lan, &[], true).include(&lan));
        for loopback in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"] {
            assert!(Origins::new(&url(loopback), &[], false).include(&url(loopback)), "{loopback}");
        }
    }
}
