//! What a vendor's document says of how one signs in (`securitySchemes` of OpenAPI), for a builder that knows by which grant.

use super::{
    addresses::NamedEndpoint,
    endpoints::Endpoint,
    grants::{BROWSER, CLIENT_CREDENTIALS, CODE, DEVICE, PASSWORD},
};
use crate::{Document, Error, FlowKind, SecurityFlow};

/// What [`Document`] says, as data.
#[derive(Clone)]
pub(super) struct Documented {
    title: &'static str,
    flows: &'static [SecurityFlow],
    pub(super) has_origin: bool,
}

/// Where a flow leads.
pub(super) struct Led {
    pub(super) endpoints: Vec<NamedEndpoint>,
    pub(super) issuer: Option<String>,
}

impl Documented {
    pub(super) fn of<D: Document>() -> Self {
        let has_origin = D::ORIGIN.is_some();
        Self { title: D::TITLE.lines().next().unwrap_or_default(), flows: D::FLOWS, has_origin }
    }

    /// Where the flow of this builder method leads, in this security scheme if the user chose one.
    pub(super) fn led(&self, method: &str, scheme: Option<&str>) -> Result<Led, Error> {
        let flow = self.flow(method, scheme)?;
        let addresses = [
            (Endpoint::Token, flow.token_url),
            (Endpoint::Authorization, flow.authorization_url),
            (Endpoint::Device, flow.device_url),
            (Endpoint::Refresh, flow.refresh_url),
        ];
        let named = |(endpoint, address): (_, Option<&str>)| Some((endpoint, ".document(..)", address?.to_owned()));
        let issuer = flow.metadata_url.map(|url| {
            issuer(url).ok_or_else(|| {
                self.wrong("names metadata at an address that does not tell its issuer")
                    .advice("name it with .issuer(address) on the builder")
            })
        });
        Ok(Led { endpoints: addresses.into_iter().filter_map(named).collect(), issuer: issuer.transpose()? })
    }

    /// The one flow that it can be.
    fn flow(&self, method: &str, scheme: Option<&str>) -> Result<&'static SecurityFlow, Error> {
        let of_scheme = |flow: &&SecurityFlow| scheme.is_none_or(|name| name == flow.scheme);
        let of_scheme: Vec<_> = self.flows.iter().filter(of_scheme).collect();
        let fitting = |fits: &dyn Fn(&SecurityFlow) -> bool| -> Vec<_> {
            of_scheme.iter().copied().filter(|flow| fits(flow)).collect()
        };
        let mut fit = fitting(&|flow| is_for(method, flow.kind));
        if fit.is_empty() {
            fit = fitting(&|flow| flow.metadata_url.is_some());
        }
        let Some(first) = fit.first().copied() else { return Err(self.none(method, scheme)) };
        let leads = |flow: &SecurityFlow| (flow.token_url, flow.authorization_url, flow.device_url, flow.metadata_url);
        let renews = |flow: &SecurityFlow| flow.refresh_url.or(flow.token_url);
        let is_same = |flow: &&SecurityFlow| match kind_of(method) {
            Some(_) => leads(flow) == leads(first) && renews(flow) == renews(first),
            // A token is given in: the page that others come by is of no account.
            None => flow.token_url == first.token_url && renews(flow) == renews(first),
        };
        if fit.iter().all(is_same) { Ok(first) } else { Err(self.several(method, &fit)) }
    }

    fn none(&self, method: &str, scheme: Option<&str>) -> Error {
        let names: Vec<_> = self.flows.iter().map(|flow| format!("{} of `{}`", word(flow.kind), flow.scheme)).collect();
        let chosen = if scheme.is_some() { " in the scheme of .security_scheme(..)" } else { "" };
        let what = match names.is_empty() {
            true => "names no flow of OAuth 2.0 in its `securitySchemes`".to_owned(),
            false => format!("names no flow for {method}{chosen}; it names {}", names.join(", ")),
        };
        let advice = "choose a grant that it names, or say where tokens come from with .token_endpoint(address) or .issuer(address)";
        self.wrong(&what).advice(advice)
    }

    fn several(&self, method: &str, fit: &[&SecurityFlow]) -> Error {
        let mut schemes: Vec<_> = fit.iter().map(|flow| format!("`{}`", flow.scheme)).collect();
        schemes.dedup();
        let what = format!("names several flows for {method} that lead to different places: of {}", schemes.join(", "));
        self.wrong(&what).advice("choose one with .security_scheme(name), or name .token_endpoint(address)")
    }

    fn wrong(&self, what: &str) -> Error {
        let title = if self.title.is_empty() { "the vendor" } else { self.title };
        Error::config(format!("the document of {title} {what}"))
    }
}

/// The flow of a builder method; `None` where a token is given in, which any of them takes.
fn kind_of(method: &str) -> Option<FlowKind> {
    match method {
        CLIENT_CREDENTIALS => Some(FlowKind::ClientCredentials),
        PASSWORD => Some(FlowKind::Password),
        CODE | BROWSER => Some(FlowKind::AuthorizationCode),
        DEVICE => Some(FlowKind::Device),
        _ => None,
    }
}

fn is_for(method: &str, kind: FlowKind) -> bool {
    match kind_of(method) {
        Some(own) => own == kind,
        // Neither has a token endpoint.
        None => !matches!(kind, FlowKind::Implicit | FlowKind::OpenIdConnect),
    }
}

fn word(kind: FlowKind) -> &'static str {
    match kind {
        FlowKind::ClientCredentials => "clientCredentials",
        FlowKind::Password => "password",
        FlowKind::AuthorizationCode => "authorizationCode",
        FlowKind::Implicit => "implicit",
        FlowKind::Device => "deviceAuthorization",
        FlowKind::OpenIdConnect => "openIdConnect",
    }
}

/// Whose metadata stands at this address (OpenID Connect Discovery 1.0, 4; RFC 8414, 3).
fn issuer(metadata: &str) -> Option<String> {
    if let Some(issuer) = metadata.trim_end_matches('/').strip_suffix("/.well-known/openid-configuration") {
        return Some(issuer.to_owned());
    }
    let (origin, path) = metadata.split_once("/.well-known/oauth-authorization-server")?;
    (path.is_empty() || path.starts_with('/')).then(|| format!("{origin}{}", path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn an_address_of_metadata_tells_its_issuer() {
        for (address, own) in [
            ("https://id.example/.well-known/openid-configuration", Some("https://id.example")),
            ("https://id.example/t/7/.well-known/openid-configuration", Some("https://id.example/t/7")),
            ("https://id.example/.well-known/oauth-authorization-server", Some("https://id.example")),
            ("https://id.example/.well-known/oauth-authorization-server/t/7", Some("https://id.example/t/7")),
            ("https://id.example/.well-known/oauth-authorization-servers", None),
            ("https://id.example/metadata.json", None),
        ] {
            assert_eq!(issuer(address).as_deref(), own, "{address}");
        }
    }
}
