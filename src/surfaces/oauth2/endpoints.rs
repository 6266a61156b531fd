//! Where a provider's endpoints are: told by the builder, or by the provider's metadata (RFC 8414, OpenID Connect Discovery).

use super::facts::DISCOVER;
use crate::{
    Error,
    clock::Now,
    http::{
        origins::{is_private, is_same_origin, is_this_machine},
        transport::{AuthClient, AuthResponse},
    },
};
use arc_swap::ArcSwapOption;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use url::Url;

/// One of a provider's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Device,
    Revocation,
    Introspection,
    Authorization,
    /// Where authorization requests are pushed (RFC 9126).
    Pushed,
    /// Where tokens are renewed, if that is elsewhere: some documents say so.
    Refresh,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token endpoint",
            Self::Device => "device authorization endpoint",
            Self::Revocation => "revocation endpoint",
            Self::Introspection => "introspection endpoint",
            Self::Authorization => "authorization endpoint",
            Self::Pushed => "pushed authorization request endpoint",
            Self::Refresh => "address for renewals",
        }
    }

    /// The builder method that names it.
    fn method(self) -> &'static str {
        match self {
            Self::Token | Self::Refresh => ".token_endpoint(..)",
            Self::Device => ".device_endpoint(..)",
            Self::Revocation => ".revocation_endpoint(..)",
            Self::Introspection => ".introspection_endpoint(..)",
            Self::Authorization => ".authorization_endpoint(..)",
            Self::Pushed => ".pushed_authorization_endpoint(..)",
        }
    }
}

/// What metadata says, as far as it is of use here.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) issuer: Option<String>,
    #[serde(default)]
    pub(super) token_endpoint: Option<String>,
    #[serde(default)]
    pub(super) device_authorization_endpoint: Option<String>,
    #[serde(default)]
    pub(super) revocation_endpoint: Option<String>,
    #[serde(default)]
    pub(super) introspection_endpoint: Option<String>,
    #[serde(default)]
    pub(super) authorization_endpoint: Option<String>,
    #[serde(default)]
    pub(super) pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip)]
    refresh: Option<String>,
    #[serde(default)]
    pub(super) require_pushed_authorization_requests: bool,
    /// The way back from the page names the issuer, always (RFC 9207, 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    fn of(&self, endpoint: Endpoint) -> Option<&str> {
        let address = match endpoint {
            Endpoint::Token => &self.token_endpoint,
            Endpoint::Device => &self.device_authorization_endpoint,
            Endpoint::Revocation => &self.revocation_endpoint,
            Endpoint::Introspection => &self.introspection_endpoint,
            Endpoint::Authorization => &self.authorization_endpoint,
            Endpoint::Pushed => &self.pushed_authorization_request_endpoint,
            Endpoint::Refresh => &self.refresh,
        };
        address.as_deref().filter(|address| !address.is_empty())
    }

    pub(super) fn set(&mut self, endpoint: Endpoint, address: String) {
        let place = match endpoint {
            Endpoint::Token => &mut self.token_endpoint,
            Endpoint::Device => &mut self.device_authorization_endpoint,
            Endpoint::Revocation => &mut self.revocation_endpoint,
            Endpoint::Introspection => &mut self.introspection_endpoint,
            Endpoint::Authorization => &mut self.authorization_endpoint,
            Endpoint::Pushed => &mut self.pushed_authorization_request_endpoint,
            Endpoint::Refresh => &mut self.refresh,
        };
        *place = Some(address);
    }
}

/// How long metadata counts where its answer does not say, and at most.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// It is not asked for more often, whatever its answer says.
const SHORTEST: Duration = Duration::from_secs(5 * 60);

/// Where the endpoints are, and which addresses are believed.
pub(super) struct Endpoints {
    /// What the builder was told; it counts for more than what is discovered.
    told: Metadata,
    /// Where the rest is discovered, as the user wrote it.
    issuer: Option<MetadataIssuer>,
    /// The origins that a provider may name beside its own.
    also: Vec<Url>,
    allow_http: bool,
    found: ArcSwapOption<FoundMetadata>,
}

/// Whose metadata is asked for.
pub(super) struct MetadataIssuer {
    /// As the user wrote it: an identifier is compared letter by letter.
    pub(super) id: String,
    pub(super) url: Url,
}

struct FoundMetadata {
    metadata: Metadata,
    /// Until when (monotonic) it counts.
    until: Duration,
}

impl Endpoints {
    pub(super) fn new(told: Metadata, issuer: Option<MetadataIssuer>, also: Vec<Url>, allow_http: bool) -> Self {
        Self { told, issuer, also, allow_http, found: ArcSwapOption::empty() }
    }

    /// The address of an endpoint that is needed.
    pub(super) async fn get(&self, endpoint: Endpoint, auth: &AuthClient, now: Now) -> Result<Url, Error> {
        self.find(endpoint, auth, now).await?.ok_or_else(|| {
            let (name, method) = (endpoint.name(), endpoint.method());
            Error::config(format!("nothing says where the provider's {name} is"))
                .advice(format!("name it with {method} on the builder, or ask the provider whether it has one"))
        })
    }

    /// The address of an endpoint, if the provider has it.
    pub(super) async fn find(&self, endpoint: Endpoint, auth: &AuthClient, now: Now) -> Result<Option<Url>, Error> {
        if let Some(told) = self.told.of(endpoint) {
            // It was checked by the builder.
            return Ok(Url::parse(told).ok());
        }
        let Some(issuer) = &self.issuer else { return Ok(None) };
        let found = self.found(issuer, auth, now).await?;
        found.metadata.of(endpoint).map(|address| self.believed(endpoint, address, issuer)).transpose()
    }

    /// What names the provider in what is signed for it alone: its issuer, or else its token endpoint (RFC 7523, 3).
    pub(super) fn audience(&self) -> &str {
        let issuer = self.issuer.as_ref().map(|issuer| issuer.id.as_str());
        issuer.or(self.told.token_endpoint.as_deref()).unwrap_or_default()
    }

    /// The provider's own word about itself, if it is asked for one.
    pub(super) async fn metadata(&self, auth: &AuthClient, now: Now) -> Result<Metadata, Error> {
        match &self.issuer {
            Some(issuer) => Ok(self.found(issuer, auth, now).await?.metadata.clone()),
            None => Ok(Metadata::default()),
        }
    }

    /// The metadata, fetched when it is first needed, and again when its time is over. If that fails, it is used as it was:
    /// endpoints seldom move, and a session must not end of it.
    async fn found(&self, issuer: &MetadataIssuer, auth: &AuthClient, now: Now) -> Result<Arc<FoundMetadata>, Error> {
        let known = self.found.load_full();
        if let Some(known) = known.as_ref().filter(|known| now.monotonic < known.until) {
            return Ok(known.clone());
        }
        match (discover(issuer, auth).await, known) {
            (Ok((metadata, life)), _) => {
                let found = Arc::new(FoundMetadata { metadata, until: now.monotonic.saturating_add(life) });
                self.found.store(Some(found.clone()));
                Ok(found)
            }
            (Err(_), Some(known)) => {
                let until = now.monotonic.saturating_add(SHORTEST);
                self.found.store(Some(Arc::new(FoundMetadata { metadata: known.metadata.clone(), until })));
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Whether what the provider names may have credentials: it is private, and at an origin that the user knows of.
    fn believed(&self, endpoint: Endpoint, address: &str, issuer: &MetadataIssuer) -> Result<Url, Error> {
        let name = endpoint.name();
        let wrong = |what: &str| {
            Error::protocol(format!("the provider's metadata names a {name} that {what}; nothing was sent to it"))
                .advice("ask the provider, or give the right one to the builder")
                .at(DISCOVER)
        };
        let url = Url::parse(address).map_err(|_| wrong("is no address"))?;
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a fragment or a user's name"));
        }
        let is_named = [&issuer.url].into_iter().chain(&self.also).any(|own| is_same_origin(own, &url));
        // Who listens on the person's own machine is not the provider, unless that is there itself.
        if !is_named && is_this_machine(&url) && !is_this_machine(&issuer.url) {
            return Err(wrong("is on this machine, where the issuer is not"));
        }
        let is_as_private = url.scheme() == "https" || issuer.url.scheme() != "https" && is_private(&url);
        if !(is_as_private || is_named || self.allow_http && url.scheme() == "http") {
            return Err(wrong("is not https"));
        }
        // A person's browser goes there, and nothing of ours that is secret.
        if endpoint == Endpoint::Authorization {
            return Ok(url);
        }
        if !is_named {
            let what = format!("the provider's metadata names a {name} at another origin; nothing was sent to it");
            let advice = "if that origin is the provider's, name it with .also_origin(..) on the builder";
            return Err(Error::new(crate::ErrorKind::Config, what).advice(advice).at(DISCOVER));
        }
        Ok(url)
    }
}

/// Asks at the two addresses that metadata stands at: OpenID Connect's, which most have, and then RFC 8414's.
async fn discover(issuer: &MetadataIssuer, auth: &AuthClient) -> Result<(Metadata, Duration), Error> {
    let mut reply = auth.ask(auth.call(DISCOVER)?.to(openid(&issuer.url))).await?;
    if matches!(reply.status(), 400 | 401 | 403 | 404 | 405) {
        reply = auth.ask(auth.call(DISCOVER)?.to(rfc8414(&issuer.url))).await?;
    }
    if reply.status() == 404 {
        let error = crate::ErrorKind::Config;
        let error = Error::new(error, "the provider has no metadata at the issuer's address").with_status(404);
        return Err(error.advice("check the issuer, or name the endpoints on the builder").at(DISCOVER));
    }
    let metadata: Metadata = reply.json().map_err(known_outcome)?;
    // Letter by letter (RFC 8414, 3.3), but for a slash at the end, which people leave out.
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    if metadata.issuer.as_deref().map(bare) != Some(bare(&issuer.id)) {
        let error = Error::protocol("the metadata at the issuer's address is of another issuer; nothing of it is used");
        return Err(reply.said(error.advice("give the builder the issuer letter by letter as the provider has it")));
    }
    Ok((metadata, life(&reply)))
}

/// Nothing was asked that could have been done.
fn known_outcome(error: Error) -> Error {
    error.with_known_outcome()
}

/// Below the issuer's own path (OpenID Connect Discovery 1.0, 4).
fn openid(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/')));
    url
}

/// In front of the issuer's own path (RFC 8414, 3.1).
fn rfc8414(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/')));
    url
}

/// How long its answer lets metadata be kept (RFC 9111, 5.2.2.1).
fn life(reply: &AuthResponse) -> Duration {
    let directives = reply.header("cache-control").unwrap_or_default().split(',');
    let seconds = directives.filter_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()).flatten()
    });
    seconds.map(Duration::from_secs).next().unwrap_or(LIFE).clamp(SHORTEST, LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn metadata_stands_behind_the_issuers_path_or_in_front_of_it() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let (plain, tenant) = (url("https://id.example"), url("https://id.example/tenants/a/"));
        assert_eq!(openid(&plain).as_str(), "https://id.example/.well-known/openid-configuration");
        assert_eq!(openid(&tenant).as_str(), "https://id.example/tenants/a/.well-known/openid-configuration");
        assert_eq!(rfc8414(&plain).as_str(), "https://id.example/.well-known/oauth-authorization-server");
        assert_eq!(rfc8414(&tenant).as_str(), "https://id.example/.well-known/oauth-authorization-server/tenants/a");
    }

    #[apply(leak_checked!)]
    fn metadata_leads_no_browser_to_this_machine_or_into_the_clear() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let issuer = |id: &str| MetadataIssuer { id: id.to_owned(), url: url(id) };
        let believed = |also: &[&str], own: &str, address: &str, endpoint| {
            let also = also.iter().map(|text| url(text)).collect();
            let endpoints = Endpoints::new(Metadata::default(), None, also, false);
            endpoints.believed(endpoint, address, &issuer(own)).map_err(|error| error.to_string())
        };
        let page = |address: &str| believed(&[], "https://id.example", address, Endpoint::Authorization);
        for address in [
            "http://127.0.0.1:8080/authorize",
            "http://[::1]/authorize",
            "http://localhost/authorize",
            "https://localhost/authorize",
            "https://localhost./authorize",
            "https://id.localhost/authorize",
            "https://127.9.9.9/authorize",
            "https://0.0.0.0/authorize",
            "https://[::]/authorize",
            "https://[::ffff:127.0.0.1]/authorize",
            "http://id.example/authorize",
            "ftp://id.example/authorize",
            "javascript:alert(1)",
        ] {
            let told = page(address).expect_err(address);
            assert!(told.contains("authorization endpoint") && told.contains("nothing was sent"), "{address}: {told}");
        }
        page("https://login.id.example/authorize").expect("a page elsewhere");
        // What is on this machine itself, and what the user has named.
        let own = "http://127.0.0.1:3000";
        believed(&[], own, "http://127.0.0.1:3001/authorize", Endpoint::Authorization).expect("both are here");
        let named = &["http://localhost:3001"];
        believed(named, "https://id.example", "http://localhost:3001/authorize", Endpoint::Authorization)
            .expect("named");
        believed(&[], "https://id.example", "http://127.0.0.1/token", Endpoint::Token).expect_err("another origin");
    }
}
