//! What several fakes and their builders have in common, as macros: a builder is a type of its fake.

/// A fake is its platform behind a server. It lends all that [`Fake`](super::Fake) can do, and its builder takes a clock
/// and a port.
///
/// With a sentence about the vendor that is there if nothing else is told, the fake starts as that one. Its builder says
/// then which document it keeps to, by `document()`, and makes the platform, by `platform(self, document)`.
macro_rules! a_fake {
    ($fake:ident, $builder:ident) => {
        impl std::ops::Deref for $fake {
            type Target = crate::testing::Fake;

            fn deref(&self) -> &crate::testing::Fake {
                &self.fake
            }
        }

        // Tests share and keep both.
        const _: () = {
            const fn shared<T: Send + Sync + 'static>() {}
            shared::<$fake>();
            shared::<$builder>();
        };

        /// No secret of its platform.
        impl std::fmt::Debug for $fake {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.fake, f)
            }
        }

        impl $builder {
            /// The vendor goes by this clock instead of the machine's.
            pub fn clock(mut self, clock: crate::testing::ManualClock) -> Self {
                self.clock = crate::testing::time::Time::Manual(clock);
                self
            }

            /// Listens on this port of 127.0.0.1 instead of a free one, for a program that is run by hand. One that is taken
            /// panics at the start.
            pub fn port(mut self, port: u16) -> Self {
                self.port = port;
                self
            }
        }
    };

    ($(#[$as_documented:meta])+ $fake:ident, $builder:ident) => {
        crate::testing::builders::a_fake!($fake, $builder);

        impl $fake {
            $(#[$as_documented])+
            ///
            /// # Cancel safety
            /// A dropped start leaves nothing behind.
            pub async fn start() -> Self {
                Self::builder().start().await
            }
        }

        impl $builder {
            /// Opens it on a free port of 127.0.0.1, or on [its own](Self::port). It closes when the fake is dropped.
            ///
            /// # Cancel safety
            /// A dropped start leaves nothing behind.
            pub async fn start(self) -> $fake {
                let (clock, port) = (self.clock.clone(), self.port);
                let document = std::sync::Arc::new(Self::document());
                let platform = std::sync::Arc::new(std::sync::Mutex::new(self.platform(document.clone())));
                let fake = crate::testing::Fake::open(stringify!($fake), document, clock, platform.clone(), port).await;
                $fake { fake, platform }
            }
        }
    };
}
pub(super) use a_fake;

/// What can be done to the access tokens of a fake whose platform has them as `tokens`.
macro_rules! gives_out_tokens {
    ($fake:ident) => {
        impl $fake {
            /// Ends all access tokens given out so far: the next call with one of them is answered with 401.
            pub fn revoke_access_tokens(&self) {
                locked(&self.platform).tokens.revoke_accesses();
            }

            /// The access token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
            ///
            /// # Panics
            /// When there were not so many yet.
            #[must_use]
            pub fn token(&self, number: usize) -> String {
                locked(&self.platform).tokens.token(number)
            }
        }
    };
}
pub(super) use gives_out_tokens;

/// The same for a token service, whose platform has `devices` beside its `tokens`.
macro_rules! a_token_service {
    ($fake:ident) => {
        crate::testing::builders::gives_out_tokens!($fake);

        impl $fake {
            /// Ends all refresh tokens given out so far: a renewal with one of them is answered with 400 and `invalid_grant`.
            pub fn revoke_refresh_tokens(&self) {
                locked(&self.platform).tokens.revoke_refreshes();
            }

            /// A person lets in the device that asked last and still waits. Says whether there was one.
            pub fn approve_device(&self) -> bool {
                locked(&self.platform).devices.decide(None, true, self.fake.now())
            }

            /// A person turns away the device that asked last and still waits. Says whether there was one.
            pub fn deny_device(&self) -> bool {
                locked(&self.platform).devices.decide(None, false, self.fake.now())
            }
        }
    };
}
pub(super) use a_token_service;

/// What the builder of a token service with devices says of lives, in its `rules`.
macro_rules! token_service {
    () => {
        /// How long access tokens live: an hour, if not told otherwise.
        pub fn token_life(mut self, life: Duration) -> Self {
            self.rules.token_life = life;
            self
        }

        /// How long refresh tokens live: for ever, if not told otherwise.
        pub fn refresh_life(mut self, life: Duration) -> Self {
            self.rules.refresh_life = Some(life);
            self
        }

        /// No answer has a refresh token: nothing can be renewed.
        pub fn without_refresh_token(mut self, without: bool) -> Self {
            self.rules.without_refresh_token = without;
            self
        }

        /// How long a device may wait to be let in: ten minutes, if not told otherwise.
        pub fn device_life(mut self, life: Duration) -> Self {
            self.rules.device_life = life;
            self
        }

        /// How long a device must wait between two polls: five seconds, if not told otherwise. A poll that comes too early
        /// is answered with `slow_down`, and makes it five seconds more.
        pub fn device_interval(mut self, interval: Duration) -> Self {
            self.rules.device_interval = interval;
            self
        }
    };
}
pub(super) use token_service;
