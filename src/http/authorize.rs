//! Which requests carry the session, and how it gets onto them.

use super::{
    Core,
    facts::{Facts, TenantHeader},
};
use crate::{Error, Lease};
use reqwest::Request;
use std::net::IpAddr;
use url::{Host, Origin, Url};

/// Where credentials may go: the client's own origins, over https or within this machine.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    own: Vec<Origin>,
    plain_allowed: bool,
}

impl Origins {
    pub(crate) fn new(root: &Url, also: &[Url], plain_allowed: bool) -> Self {
        Self { own: [root].into_iter().chain(also).map(Url::origin).collect(), plain_allowed }
    }

    fn include(&self, url: &Url) -> bool {
        self.own.contains(&url.origin()) && (self.plain_allowed || is_private(url))
    }
}

/// Nobody in between can read along: https, or a loopback address.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

impl Core {
    /// Puts the session's headers on the request; `None` if this one goes without.
    ///
    /// A request goes without when the document says so, when its address is not one of ours, and when the caller has
    /// set credentials of their own.
    pub(crate) async fn authorize(&self, request: &mut Request, facts: Option<&Facts>) -> Result<Option<Lease>, Error> {
        let open = facts.is_some_and(|facts| facts.roles.is_empty());
        let own_credentials = request.headers().contains_key(self.0.session.header());
        if open || own_credentials || !self.0.origins.include(request.url()) {
            return Ok(None);
        }
        let lease = self.0.session.lease().await?;
        Self::carry(request, &lease);
        Ok(Some(lease))
    }

    /// Token and tenant come from one lease, so they are never mixed.
    pub(super) fn carry(request: &mut Request, lease: &Lease) {
        for (name, value) in lease.headers() {
            request.headers_mut().insert(name.clone(), value.clone());
        }
    }

    /// A call without a session still says for which tenant it is, if its document declares the header.
    pub(super) fn set_tenant(&self, request: &mut Request, facts: &Facts) -> Result<(), Error> {
        match (&self.0.tenant, facts.tenant) {
            (_, TenantHeader::Undeclared) | (None, TenantHeader::Optional(_)) => Ok(()),
            (Some((name, value)), _) => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(())
            }
            (None, TenantHeader::Required(name)) => {
                Err(Error::config(format!("this call needs the tenant's header `{name}`; nothing was sent"))
                    .advice("set .tenant(..) on the builder")
                    .at(facts.operation))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn credentials_go_to_the_own_https_origins_only() {
        let origins = Origins::new(&url("https://vms.example/base"), &[url("https://cdn.vms.example")], false);
        for own in ["https://vms.example/", "https://vms.example:443/x", "https://cdn.vms.example/y"] {
            assert!(origins.include(&url(own)), "{own}");
        }
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

    #[test]
    fn plain_http_is_for_loopback_unless_it_was_allowed() {
        let lan = url("http://10.0.0.5:8080/");
        assert!(!Origins::new(&lan, &[], false).include(&lan));
        assert!(Origins::new(&lan, &[], true).include(&lan));
        for loopback in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"] {
            assert!(Origins::new(&url(loopback), &[], false).include(&url(loopback)), "{loopback}");
        }
    }
}
