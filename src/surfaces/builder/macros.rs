//! The parts of clients and builders that every surface has, as macros: a builder is a type of its surface.

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

/// How a credential is taken, for a builder with `grants`, of which [`only`](super::only) one may be meant.
macro_rules! grants {
    () => {
        fn grant(mut self, method: &'static str, principal: String, credential: Credential) -> Self {
            self.grants.push(NamedCredential { method, principal, credential });
            self
        }
    };
}
pub(crate) use grants;

/// Sign-ins by name and password, for a builder with `grant()`. The name is called as the vendor calls it.
macro_rules! passwords {
    ($name:ident, $word:literal) => {
        #[doc = concat!("Signs in with this ", $word, " and password.")]
        pub fn password(self, $name: impl Into<String>, password: impl Into<Secret>) -> Self {
            self.grant(PASSWORD, $name.into(), Credential::Given(password.into()))
        }

        #[doc = concat!("Signs in with this ", $word, " and a password that is asked for at every sign-in.")]
        pub fn password_from(self, $name: impl Into<String>, source: impl CredentialSource) -> Self {
            self.grant(PASSWORD, $name.into(), Credential::from_source(source))
        }
    };
}
pub(crate) use passwords;

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

        pub(super) fn check_access(&self) -> Result<(), Error> {
            match &self.access {
                Some(access) if access.expose().is_empty() => {
                    Err(Error::config(".tokens(..) was given an empty access token")
                        .advice("give .refresh_token(..) alone"))
                }
                _ => Ok(()),
            }
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
                let base = crate::http::outside::base(&core, SERVER_PATH, FACTS.len());
                let api = <$generated>::new_with_client(base, core.client().clone(), core.clone());
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

        const _: () = {
            const fn promised<T: Send + Sync + Clone + 'static>() {}
            promised::<ClientBuilder>();
        };
    };
}
pub(crate) use surface_client;
