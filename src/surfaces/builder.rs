//! What all builders share: the options, the checks before any I/O, and the assembly of a client.

use super::DynIssuer;
use crate::{
    Error, Session,
    chance::Chance,
    clock::{Clock, SystemClock},
    credential::Credential,
    http::{
        Core, Parts, Surface,
        client_id::ClientId,
        drift::Drift,
        facts::Role,
        judge::Judge,
        origins::{Origins, is_plain_loopback, is_private},
        paths::Paths,
        prover::Prover,
        transport::AuthClient,
    },
    retry::{Retry, Timeouts},
    session::{Settings, eviction::EvictionPolicy, responder::DynResponder, windows::Windows},
    store::{DynStore, Key, MemoryStore},
    tls::has_provider,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::{cell::OnceCell, fmt, sync::Arc, time::Duration};
use url::Url;

type Configure = Arc<dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync>;

/// What every builder asks for.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) store: Option<Arc<dyn DynStore>>,
    pub(crate) responder: Option<Arc<dyn DynResponder>>,
    pub(crate) configure: Option<Configure>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) windows: Windows,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) also: Vec<String>,
    pub(crate) allow_http: bool,
    pub(crate) profile: Option<String>,
    pub(crate) evict: EvictionPolicy,
    /// Other paths for operations.
    pub(crate) paths: Vec<(String, String)>,
    /// What the user says about failures.
    pub(crate) judge: Judge,
    /// Whose HTTP clients are used.
    pub(crate) http_of: Option<Core>,
}

impl Options {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            store: None,
            responder: None,
            configure: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            windows: Windows::default(),
            clock: Arc::new(SystemClock),
            also: Vec::new(),
            allow_http: false,
            profile: None,
            evict: EvictionPolicy::Never,
            paths: Vec::new(),
            judge: Judge::default(),
            http_of: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: before it is checked it may hold a password.
        f.debug_struct("Options").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

/// A credential and who it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// The builder method that set it.
    pub(crate) method: &'static str,
    pub(crate) principal: String,
    pub(crate) credential: Credential,
}

const FROM_NOWHERE: &str = "check where it comes from, such as a variable that is not set";

/// Exactly one credential, or what to do about it.
pub(crate) fn only(mut grants: Vec<Grant>, offered: &str) -> Result<Grant, Error> {
    match (grants.pop(), grants.pop()) {
        (None, _) => {
            Err(Error::config("the client has no credential").advice(format!("call {offered} on the builder")))
        }
        (Some(grant), None) if grant.principal.is_empty() => {
            Err(Error::config(format!("{} was given an empty name", grant.method)).advice(FROM_NOWHERE))
        }
        (Some(grant), None) if grant.credential.given().is_some_and(|secret| secret.expose().is_empty()) => {
            Err(Error::config(format!("{} was given an empty secret", grant.method)).advice(FROM_NOWHERE))
        }
        (Some(grant), None) => Ok(grant),
        (Some(second), Some(first)) if first.method == second.method => {
            Err(Error::config(format!("{} was called twice", first.method))
                .advice("one client is one session: make a client for each"))
        }
        (Some(second), Some(first)) => {
            Err(Error::config(format!("the client has two credentials, {} and {}", first.method, second.method))
                .advice("one client is one session: make a client for each"))
        }
    }
}

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
        Ok(Checked { options: self, root, also, paths, drift, tenant, more, client_id, prover, steps })
    }
}

/// With `.http(..)` the user may bring a TLS of their own.
const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "rustls-no-provider", feature = "native-tls"));

fn address(text: &str, method: &str, allow_http: bool) -> Result<Url, Error> {
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

/// Everything but RFC 3986's unreserved characters and what divides a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

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

    #[cfg(feature = "oauth2")]
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
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
    pub(crate) fn key(&self, surface: &'static Surface, grant: &Grant) -> Key {
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

    /// The client of this session.
    pub(crate) fn assemble(
        self,
        surface: &'static Surface,
        role: Role,
        issuer: Arc<dyn DynIssuer>,
        grant: &Grant,
    ) -> Result<Core, Error> {
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
            // Where the key does not name whose session it is, sharing a store would share somebody else's session.
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
            steps,
            direct,
        }))
    }
}

/// The methods that every builder has. Its type has a field `options: Options`.
macro_rules! shared_options {
    () => {
        /// Where the session sleeps. Clients with the same address, tenant and account that share a store share the session; static keys,
        /// user tokens and OAuth exchanges are never shared, because nothing in them says whose they are. Default: a [`MemoryStore`](crate::MemoryStore) of this client's own, which cannot
        /// protect replicas.
        pub fn store(mut self, store: impl crate::Store) -> Self {
            self.options.store = Some(std::sync::Arc::new(store));
            self
        }

        /// Who answers when a sign-in needs a person. Default: no responder; the question comes back as a resumable error.
        pub fn responder(mut self, responder: impl crate::Responder) -> Self {
            self.options.responder = Some(std::sync::Arc::new(responder));
            self
        }

        /// Changes the HTTP client: proxy, certificates, mTLS. Applied to the client of the calls and to that of the
        /// sign-ins; redirects stay off on both, and how long a call or a sign-in may take is said by `.timeouts(..)`.
        /// Retries that are set here count for calls alone: a sign-in that is sent twice is two attempts. Plain http to
        /// this machine goes by no proxy. Cookie jars stay off, because one carries what an origin sets to every port of its
        /// host, and past a sign-out: a call may set `Cookie` itself, and a client of your own, under
        /// [`SessionMiddleware`](https://docs.rs/keyway/latest/keyway/struct.SessionMiddleware.html), may have a jar.
        pub fn http(
            mut self,
            configure: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
        ) -> Self {
            self.options.configure = Some(std::sync::Arc::new(configure));
            self
        }

        /// How long to wait for whom; the defaults are at [`Timeouts`](crate::Timeouts).
        pub fn timeouts(mut self, timeouts: crate::Timeouts) -> Self {
            self.options.timeouts = timeouts;
            self
        }

        /// Uses the HTTP client of another client, with its connections, certificates and settings, for services that have many
        /// clients of one vendor: to make one takes milliseconds, and memory. Sessions are not shared by that, nor is anything
        /// else; the time that a call may take ([`Timeouts::request`](crate::Timeouts)) is that of the other one.
        pub fn http_of(mut self, other: &impl crate::HasSession) -> Self {
            self.options.http_of = Some(other.core(&crate::http::outside::Permit));
            self
        }

        /// Where the vendor's code stands in a failure, as a JSON pointer: `"/errors/0/extensions/code"`. It becomes
        /// [`Error::code`](crate::Error::code). Default: where this vendor's failures have it, else a member `code` or `error`.
        pub fn code_at(mut self, pointer: &'static str) -> Self {
            self.options.judge.code_at = Some(pointer);
            self
        }

        /// Reads a failure as the vendor means it, where the status alone does not say: of sign-ins and renewals, of free calls
        /// that ask for it ([`send_ok`](crate::RequestBuilder::send_ok)) and of typed calls, those of documents of your own among
        /// them. `None` leaves it to its status. It is called for failures alone, and must not block.
        pub fn judge(
            mut self,
            judge: impl Fn(&crate::custom::Failure<'_>) -> Option<crate::Error> + Send + Sync + 'static,
        ) -> Self {
            self.options.judge.says = Some(std::sync::Arc::new(judge));
            self
        }

        /// How often a call is sent again; the default, at [`Retry`](crate::Retry), is three attempts for what may be re-sent.
        pub fn retry(mut self, retry: crate::Retry) -> Self {
            self.options.retry = retry;
            self
        }

        /// When a token is renewed; the defaults are at [`Windows`](crate::Windows).
        pub fn windows(mut self, windows: crate::Windows) -> Self {
            self.options.windows = windows;
            self
        }

        /// Where the time comes from; for tests.
        pub fn clock(mut self, clock: impl crate::Clock) -> Self {
            self.options.clock = std::sync::Arc::new(clock);
            self
        }

        /// A further origin that gets the session, such as the platform's file server.
        pub fn also_origin(mut self, url: impl Into<String>) -> Self {
            self.options.also.push(url.into());
            self
        }

        /// Allows plain http beyond this machine, where everybody on the way can read the session. Loopback addresses
        /// need no permission.
        pub fn allow_http(mut self) -> Self {
            self.options.allow_http = true;
            self
        }

        /// Another path for an operation, below the platform's root and with the document's parameters, where the
        /// document's own is wrong or a guess: `.operation_path("update_consents", "/auth-api/api/me/consent")`.
        pub fn operation_path(mut self, operation: impl Into<String>, path: impl Into<String>) -> Self {
            self.options.paths.push((operation.into(), path.into()));
            self
        }

        /// A name that keeps this session apart in a shared store from another one of the same account, and that a session needs
        /// there if its credential does not say whose it is. (What a sign-in tells
        /// about the user is [`Session::profile`](crate::Session::profile).)
        pub fn profile(mut self, name: impl Into<String>) -> Self {
            self.options.profile = Some(name.into());
            self
        }
    };
}
pub(crate) use shared_options;

/// The doors of a client that has a `core`, besides its typed calls.
macro_rules! doors {
    ($client:ty) => {
        impl $client {
            /// Any HTTP call under the session.
            #[must_use]
            pub fn http(&self) -> crate::Http {
                crate::Http::new(self.core.clone())
            }

            /// The session itself.
            #[must_use]
            pub fn session(&self) -> &crate::Session {
                self.core.session()
            }

            /// The session for the calls of a client of your own; see [`SessionMiddleware`](crate::SessionMiddleware).
            #[cfg(feature = "middleware")]
            pub fn middleware(&self) -> crate::SessionMiddleware {
                crate::SessionMiddleware::new(self.core.clone())
            }

            /// The session for a stack of `tower` services of your own; see [`SessionLayer`](crate::SessionLayer).
            #[cfg(feature = "tower")]
            pub fn layer(&self) -> crate::SessionLayer {
                crate::SessionLayer::new(self.core.clone())
            }
        }

        crate::http::outside::has_session!($client);

        const _: () = {
            const fn promised<T: Send + Sync + Clone + 'static>() {}
            promised::<$client>();
        };
    };
}
pub(crate) use doors;

/// Sessions that were begun elsewhere, for a builder with `grant()` and `access`.
macro_rules! begun_elsewhere {
    () => {
        /// Goes on with a session that was begun elsewhere. This refresh token is spent by its first use; from then on its
        /// successors are, which a [`store`](Self::store) keeps from one start to the next: there the same refresh token
        /// counts for less than what is stored, and another one begins another session.
        ///
        /// Nothing says whose session it is: with a store it needs a name, by [`profile`](Self::profile).
        pub fn refresh_token(self, token: impl Into<Secret>) -> Self {
            self.grant(REFRESH_TOKEN, "refresh token".into(), Credential::Given(token.into()))
        }

        /// Goes on with a session that was begun elsewhere, of which an access token is at hand that is still good: that
        /// one is used first, and the refresh token is not spent before it has ended or is refused. Otherwise as
        /// [`refresh_token`](Self::refresh_token).
        pub fn tokens(mut self, access: impl Into<Secret>, refresh: impl Into<Secret>) -> Self {
            self.access = Some(access.into());
            self.refresh_token(refresh)
        }
    };
}
pub(crate) use begun_elsewhere;

/// The client of a surface: its free calls, its typed calls and its session.
macro_rules! surface_client {
    ($(#[$doc:meta])* $generated:path) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct Client {
            core: crate::http::Core,
            api: $generated,
        }

        impl Client {
            /// Begins a client for the platform at this address, such as `https://vms.example`.
            pub fn builder(url: impl Into<String>) -> ClientBuilder {
                ClientBuilder::new(url)
            }

            fn from_core(core: crate::http::Core) -> Self {
                let base = format!("{}{}", core.root().as_str().trim_end_matches('/'), SERVER_PATH);
                let api = <$generated>::new_with_client(&base, core.client().clone(), core.clone());
                Self { core, api }
            }

            /// Every documented operation, typed. A failure the vendor answers is an error.
            #[must_use]
            pub fn api(&self) -> &$generated {
                &self.api
            }
        }

        impl std::fmt::Debug for Client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("Client").field("core", &self.core).finish()
            }
        }

        crate::surfaces::builder::doors!(Client);
    };
}
pub(crate) use surface_client;
