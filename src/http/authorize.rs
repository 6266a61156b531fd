//! Which requests carry the session, and how it gets onto them.

use super::{
    core::Core,
    facts::{Facts, Role, TenantHeader},
    limits::is_uuid,
};
use crate::{Error, Generation, Lease};
use http::{HeaderName, HeaderValue};
use reqwest::Request;
use url::Url;

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
        self.carry(request, &lease)?;
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

    /// Puts the lease's headers on a request whose tenant is settled, and the proof that goes with them, if one does.
    pub(super) fn carry(&self, request: &mut Request, lease: &Lease) -> Result<(), Error> {
        self.set_headers(request, lease);
        self.prove(request)
    }

    /// A new proof for a request that carries the session's token.
    pub(super) fn prove(&self, request: &mut Request) -> Result<(), Error> {
        self.0.prover.as_ref().map_or(Ok(()), |prover| prover.prove(request))
    }

    fn set_headers(&self, request: &mut Request, lease: &Lease) {
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
