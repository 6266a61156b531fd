//! What several fakes and their builders have in common, as macros: a builder is a type of its fake.

/// A fake lends all that [`Fake`](super::Fake) can do, and its builder takes a clock and a port.
macro_rules! a_fake {
    ($fake:ident, $builder:ident) => {
        impl std::ops::Deref for $fake {
            type Target = crate::testing::Fake;

            fn deref(&self) -> &crate::testing::Fake {
                &self.fake
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
}
pub(super) use a_fake;

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
