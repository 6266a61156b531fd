//! Which requests carry the session, and how it gets onto them.

use super::{
    Core,
    facts::{Facts, Role, TenantHeader},
    limits::is_uuid,
};
use crate::{Error, Generation, Lease};
use http::{HeaderName, HeaderValue};
use reqwest::Request;
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

    fn include(&self, url: &Url) -> bool {
        // Nearly every call is for the root. Its origin ends with the `/` of a path, so nothing longer begins like it.
        if self.first.as_ref().is_some_and(|first| url.as_str().starts_with(first)) {
            return true;
        }
        self.own.iter().any(|own| is_same_origin(own, url)) && (self.plain_allowed || is_private(url))
    }
}

/// Scheme, host and port; `own` is https or http.
fn is_same_origin(own: &Url, url: &Url) -> bool {
    own.scheme() == url.scheme()
        && own.host_str() == url.host_str()
        && own.port_or_known_default() == url.port_or_known_default()
}

/// Nobody in between can read along: https, or a loopback address.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// Nobody on the way needs to hear what is said in the clear within this machine.
pub(crate) fn is_plain_loopback(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback(url)
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
    /// Puts the session's headers on the request and tells which token is in them; `None` if this one goes without.
    pub(crate) async fn authorize(
        &self,
        request: &mut Request,
        facts: Option<&Facts>,
    ) -> Result<Option<Generation>, Error> {
        if self.goes_without(request, facts) {
            return Ok(None);
        }
        self.settle_tenant(request)?;
        let lease = self.0.session.lease().await?;
        self.carry(request, &lease);
        Ok(Some(lease.generation()))
    }

    /// A request goes without the session when the document says so, when its address is not one of ours, and when the
    /// caller has set credentials of their own.
    pub(super) fn goes_without(&self, request: &Request, facts: Option<&Facts>) -> bool {
        let without = match facts {
            Some(facts) => facts.roles.is_empty(),
            // The headers of a typed call are ours.
            None => request.headers().contains_key(self.0.session.header()),
        };
        without || !self.is_own(request.url())
    }

    /// Whether this address is one of the client's own origins.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        self.0.origins.include(url)
    }

    /// Puts the lease's headers on a request whose tenant is settled.
    pub(super) fn carry(&self, request: &mut Request, lease: &Lease) {
        let session = self.0.session.header();
        // This core's copy: all of them would fight over the one in the map.
        request.headers_mut().insert(session, lease.header().clone());
        if lease.headers().len() == 1 {
            return;
        }
        let tenant = self.0.tenant.as_ref().map(|(name, _)| name);
        for (name, value) in lease.headers().iter().filter(|(name, _)| *name != session && tenant != Some(*name)) {
            request.headers_mut().insert(name, value.clone());
        }
    }

    /// A call without a session still says for which tenant it is, if its document declares the header.
    pub(super) fn set_tenant(&self, request: &mut Request, facts: &Facts) -> Result<(), Error> {
        match (&self.0.tenant, facts.tenant) {
            (_, TenantHeader::Undeclared) | (None, TenantHeader::Optional(_)) => Ok(()),
            (Some(_), _) => self.settle_tenant(request).map_err(|error| error.at(facts.operation)),
            (None, TenantHeader::Required(name)) => {
                Err(Error::config(format!("this call needs the tenant's header `{name}`; nothing was sent"))
                    .advice("set .tenant(..) on the builder")
                    .at(facts.operation))
            }
        }
    }

    /// The request's tenant: the one its caller chose, else the session's.
    pub(super) fn settle_tenant(&self, request: &mut Request) -> Result<(), Error> {
        let Some((name, own)) = &self.0.tenant else { return Ok(()) };
        let mut given = request.headers().get_all(name).iter();
        let tenant = match (given.next(), given.next()) {
            (None, _) => own.clone(),
            (Some(chosen), None) => self.chosen_tenant(chosen.to_str().unwrap_or_default())?.1,
            (Some(_), Some(_)) => {
                return Err(Error::config("the call names two tenants; nothing was sent")
                    .advice("say it once: with .tenant(..) or as a header"));
            }
        };
        request.headers_mut().insert(name.clone(), tenant);
        Ok(())
    }

    /// The header of a tenant chosen for one call. The session of a service is good for every tenant, any other one only
    /// for its own.
    pub(super) fn chosen_tenant(&self, uuid: &str) -> Result<(HeaderName, HeaderValue), Error> {
        let Some((name, own)) = &self.0.tenant else {
            return Err(Error::config("a tenant was chosen for a call, and this client knows none; nothing was sent")
                .advice("set .tenant(..) on the builder, if the vendor has tenants"));
        };
        if own.as_bytes().eq_ignore_ascii_case(uuid.as_bytes()) {
            return Ok((name.clone(), own.clone()));
        }
        let chosen = HeaderValue::from_str(uuid).ok().filter(|_| is_uuid(uuid));
        let Some(chosen) = chosen else {
            return Err(Error::config("the tenant chosen for a call is no UUID; nothing was sent")
                .advice("give the tenant's UUID, such as 9cbe650a-1fb7-4b06-912b-cead8a013e8b"));
        };
        if self.0.role != Role::Service {
            let what = format!(
                "the call is for another tenant than this client's {} session, and only a service session may choose; \
                 nothing was sent",
                self.0.role
            );
            return Err(Error::config(what).advice("make a client with that .tenant(..)"));
        }
        Ok((name.clone(), chosen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    fn plain_http_is_for_loopback_unless_it_was_allowed() {
        let lan = url("http://10.0.0.5:8080/");
        assert!(!Origins::new(&lan, &[], false).include(&lan));
        assert!(Origins::new(&lan, &[], true).include(&lan));
        for loopback in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"] {
            assert!(Origins::new(&url(loopback), &[], false).include(&url(loopback)), "{loopback}");
        }
    }
}
