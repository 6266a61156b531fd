//! The checks before any I/O, and the assembly of a client.

use super::{
    address::address,
    options::{NamedCredential, Options},
};
use crate::{
    Error, Session,
    chance::Chance,
    http::{
        Core, Parts, Surface,
        client_id::ClientId,
        drift::Drift,
        facts::Role,
        origins::{Origins, is_plain_loopback},
        paths::Paths,
        prover::Prover,
        transport::AuthClient,
    },
    retry::Timeouts,
    session::{Settings, issuer::DynIssuer},
    store::{Key, MemoryStore},
    tls::has_provider,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{cell::OnceCell, sync::Arc, time::Duration};
use url::Url;

/// Everything the checks yield, ready for a surface to make its issuer from.
pub(crate) struct Checked {
    options: Options,
    root: Url,
    also: Vec<Url>,
    paths: Paths,
    drift: Arc<Drift>,
    /// The session's header for its tenant.
    tenant: Option<(HeaderName, HeaderValue)>,
    /// What names the session besides its address, tenant and principal.
    more: Vec<(&'static str, String)>,
    client_id: Option<ClientId>,
    prover: Option<Arc<dyn Prover>>,
    #[cfg(feature = "oauth2")]
    step_up: Option<Arc<dyn crate::http::step_up::StepUpPages>>,
    /// The HTTP client of the sign-ins, once there is one: making one reads all of the machine's certificates.
    steps: OnceCell<reqwest::Client>,
}

impl Options {
    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(self, surface: &'static Surface) -> Result<Checked, Error> {
        let root = address(&self.url, "builder(url)", self.allow_http)?;
        let also = self.also.iter().map(|url| address(url, ".also_origin(..)", self.allow_http));
        let also = also.collect::<Result<Vec<_>, _>>()?;
        let wants_tls = [&root].into_iter().chain(&also).any(|url| url.scheme() == "https");
        if wants_tls && !HAS_TLS && self.configure.is_none() {
            return Err(Error::no_tls());
        }
        if self.http_of.is_some() && self.configure.is_some() {
            return Err(Error::config(
                ".http(..) changes an HTTP client of its own, and .http_of(..) uses another client's",
            )
            .advice("call one of both; set .http(..) on the client that is shared"));
        }
        if let Some(mistake) = self.windows.mistake() {
            return Err(Error::config(format!(".windows(..) cannot work: {mistake}")));
        }
        let Timeouts { connect, request, sign_in, renewal, store_lock, person } = self.timeouts;
        if [connect, request, sign_in, renewal, store_lock, person].contains(&Duration::ZERO) {
            return Err(Error::config(".timeouts(..) cannot work: a timeout of zero ends everything before it begins"));
        }
        if renewal <= sign_in {
            return Err(Error::config(
                ".timeouts(..) cannot work: a `renewal` must outlast a `sign_in` request, or the next one would spend its token again",
            ));
        }
        if self.retry.attempts == 0 {
            return Err(Error::config(".retry(..) cannot work: `attempts` counts the first one, so it is at least 1"));
        }
        if let Some(Err(error)) = self.store.as_ref().map(|store| store.check()) {
            return Err(Error::config(format!(".store(..) cannot be used: {error}")).with_cause(error));
        }
        let paths = Paths::new(surface.facts, &self.paths)?;
        let drift = Arc::new(Drift::new(surface.name));
        let (tenant, more, client_id, prover, steps) = (None, Vec::new(), None, None, OnceCell::new());
        Ok(Checked {
            options: self,
            root,
            also,
            paths,
            drift,
            tenant,
            more,
            client_id,
            prover,
            #[cfg(feature = "oauth2")]
            step_up: None,
            steps,
        })
    }
}

/// With `.http(..)` the user may bring a TLS of their own.
const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "rustls-no-provider", feature = "native-tls"));

/// Where reqwest has its feature `cookies`, its own method of this name is the one that is called, and takes the jar away.
/// Where it does not, there is no jar, and this one does nothing.
#[allow(dead_code, reason = "it depends on the other crates in the tree which of both is called")]
trait WithoutJar {
    fn cookie_store(self, enable: bool) -> Self;
}

impl WithoutJar for reqwest::ClientBuilder {
    fn cookie_store(self, _: bool) -> Self {
        self
    }
}

/// A tenant's id as the header that selects it.
pub(crate) fn tenant_header(name: &'static str, tenant: &str) -> Result<(HeaderName, HeaderValue), Error> {
    if !crate::http::limits::is_uuid(tenant) {
        return Err(Error::config(".tenant(..) was given something that is no UUID")
            .advice("ask the vendor for the tenant's UUID, such as 9cbe650a-1fb7-4b06-912b-cead8a013e8b"));
    }
    let value = HeaderValue::try_from(tenant).map_err(|_| Error::config(".tenant(..) cannot be sent as a header"))?;
    Ok((HeaderName::from_static(name), value))
}

impl Checked {
    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    pub(crate) fn with_tenant(self, tenant: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { tenant, ..self }
    }

    /// The OAuth client that asks for tokens.
    #[cfg(feature = "orderingstack")]
    pub(crate) fn with_client(mut self, client: ClientId) -> Self {
        self.more.push(("client", client.id().to_owned()));
        self.client_id = Some(client);
        self
    }

    pub(crate) fn with_scope(mut self, scope: Option<&str>) -> Self {
        self.more.extend(scope.map(|scope| ("scope", scope.to_owned())));
        self
    }

    pub(crate) fn with_audience(mut self, audience: Option<String>) -> Self {
        self.more.extend(audience.map(|audience| ("audience", audience)));
        self
    }

    /// One more thing that tells this session from others.
    #[cfg(feature = "oauth2")]
    pub(crate) fn with_part(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Every request that carries the session carries a proof of its own, too.
    #[cfg(feature = "oauth2")]
    pub(crate) fn with_prover(self, prover: Option<Arc<dyn Prover>>) -> Self {
        Self { prover, ..self }
    }

    /// Where a person signs in once more if an API wants it.
    #[cfg(feature = "oauth2")]
    pub(crate) fn with_step_up(self, pages: Arc<dyn crate::http::step_up::StepUpPages>) -> Self {
        Self { step_up: Some(pages), ..self }
    }

    #[cfg(feature = "oauth2")]
    pub(crate) fn clock(&self) -> &Arc<dyn crate::Clock> {
        &self.options.clock
    }

    #[cfg(feature = "oauth2")]
    pub(crate) fn has_store(&self) -> bool {
        self.options.store.is_some()
    }

    pub(crate) fn with_account(mut self, account: Option<&str>) -> Self {
        self.more.extend(account.map(|account| ("account", account.to_owned())));
        self
    }

    /// The name of a surface that is not one of ours.
    pub(crate) fn with_surface(mut self, name: &str) -> Self {
        self.more.push(("surface", name.to_owned()));
        self
    }

    /// The credential does not say whose session it begins: what sleeps in a store needs another name.
    pub(crate) fn named_by_profile(self, method: &str) -> Result<Self, Error> {
        let has_name = self.options.profile.as_ref().is_some_and(|name| !name.is_empty());
        if self.options.store.is_some() && !has_name {
            return Err(Error::config(format!(
                "{method} does not say whose session it is, and two people who share a .store(..) would share one"
            ))
            .advice("name the session with .profile(..), or leave .store(..) out"));
        }
        Ok(self)
    }

    fn constant(&self) -> HeaderMap {
        self.tenant.iter().cloned().collect()
    }

    /// The client for auth calls.
    pub(crate) fn auth_client(&self, surface: &'static Surface) -> Result<AuthClient, Error> {
        Ok(AuthClient {
            surface,
            client: self.steps()?,
            root: self.root.clone(),
            timeout: self.options.timeouts.sign_in,
            clock: self.options.clock.clone(),
            constant: self.constant(),
            paths: self.paths.clone(),
            drift: self.drift.clone(),
            judge: self.options.judge.clone(),
        })
    }

    /// What sends the steps of a session. No idle pool: they are rare, and a stale connection would lose a token. No
    /// retries of the user's: each try would be an attempt that is not counted, or present a spent token.
    fn steps(&self) -> Result<reqwest::Client, Error> {
        if let Some(made) = self.steps.get() {
            return Ok(made.clone());
        }
        if let Some(steps) = self.shared().and_then(|(_, steps, _)| steps) {
            return Ok(steps.clone());
        }
        let made = self.reqwest(|builder| {
            let builder = builder.pool_max_idle_per_host(0).retry(reqwest::retry::never());
            if is_plain_loopback(&self.root) { builder.no_proxy() } else { builder }
        })?;
        Ok(self.steps.get_or_init(|| made).clone())
    }

    /// The HTTP clients of another client: not those of one that goes by a proxy where this one must not.
    fn shared(&self) -> Option<(&reqwest::Client, Option<&reqwest::Client>, Option<&reqwest::Client>)> {
        let other = self.options.http_of.as_ref()?;
        (is_plain_loopback(other.root()) == is_plain_loopback(&self.root)).then(|| other.http_clients())
    }

    /// The user's settings first, then what we do not leave to chance.
    fn reqwest(
        &self,
        last: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, Error> {
        let mut builder = reqwest::Client::builder().connect_timeout(self.options.timeouts.connect);
        builder = builder.user_agent(concat!("keyway/", env!("CARGO_PKG_VERSION")));
        #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
        {
            builder = builder.tls_backend_rustls();
        }
        if let Some(configure) = &self.options.configure {
            builder = configure(builder);
        } else if !has_provider() {
            return Err(Error::no_provider());
        }
        let builder = builder.redirect(reqwest::redirect::Policy::none()).referer(false);
        // Not only where it is asked for: a neighbour in the tree may switch the feature on, and a jar knows no ports.
        let builder = last(builder.cookie_store(false));
        builder.build().map_err(|error| Error::from(error).advice("check what .http(..) sets on the client"))
    }

    /// Names the session, in a store and wherever it is told from others.
    pub(crate) fn key(&self, surface: &'static Surface, grant: &NamedCredential) -> Key {
        let tenant = self.tenant.as_ref().and_then(|(_, value)| value.to_str().ok()).unwrap_or_default();
        let profile = self.options.profile.as_deref().unwrap_or_default();
        let mut parts = vec![
            ("root", self.root.as_str()),
            ("tenant", tenant),
            ("principal", &grant.principal),
            ("grant", grant.method),
            ("profile", profile),
        ];
        parts.extend(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        Key::new(surface.name, &parts)
    }

    /// What sends calls, and what sends those in the clear within this machine, if any are to be: by no proxy.
    fn clients(&self) -> Result<(reqwest::Client, Option<reqwest::Client>), Error> {
        let request = self.options.timeouts.request;
        let client = match self.shared() {
            Some((client, ..)) => client.clone(),
            None => self.reqwest(|builder| builder.timeout(request))?,
        };
        let has_loopback = [&self.root].into_iter().chain(&self.also).any(is_plain_loopback);
        let direct = match (has_loopback, self.shared()) {
            (true, Some((.., Some(direct)))) => Some(direct.clone()),
            (true, _) => Some(self.reqwest(|builder| builder.timeout(request).no_proxy())?),
            (false, _) => None,
        };
        Ok((client, direct))
    }

    /// The client of this session.
    pub(crate) fn assemble(
        self,
        surface: &'static Surface,
        role: Role,
        issuer: Arc<dyn DynIssuer>,
        grant: &NamedCredential,
    ) -> Result<Core, Error> {
        let (client, direct) = self.clients()?;
        let steps = match surface.facts.is_empty() {
            true => client.clone(),
            false => self.steps()?,
        };
        let constant = self.constant();
        let key = self.key(surface, grant);
        let issuer_names_its_principal = issuer.describe().named;
        let Options { store, responder, timeouts, retry, windows, clock, allow_http, evict, judge, .. } = self.options;
        let session = Session::new(Settings {
            key,
            // The vendors count by address too, so all logins at one address share a budget.
            ledger: Key::new(surface.name, &[("attempts at", self.root.as_str())]),
            issuer,
            // Where the key does not name whose session it is, sharing a store would share another user's session.
            shared: store.is_some() && issuer_names_its_principal,
            store: store.filter(|_| issuer_names_its_principal).unwrap_or_else(|| Arc::new(MemoryStore::new())),
            clock: clock.clone(),
            responder,
            evict,
            windows,
            timeouts,
            constant,
            chance: Chance::new(),
        });
        let origins = Origins::new(&self.root, &self.also, allow_http);
        let (root, tenant, paths, drift) = (self.root, self.tenant, self.paths, self.drift);
        Ok(Core::new(Parts {
            surface,
            session,
            client,
            root,
            origins,
            role,
            tenant,
            timeouts,
            retry,
            clock,
            paths,
            drift,
            judge,
            client_id: self.client_id,
            prover: self.prover,
            #[cfg(feature = "oauth2")]
            step_up: self.step_up,
            steps,
            direct,
        }))
    }
}
