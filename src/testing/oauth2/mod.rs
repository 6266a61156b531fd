//! A fake of a provider that speaks OAuth 2.0, with an API behind the same door.

mod assertions;
mod codes;
mod names;
mod platform;
mod proofs;
mod provider;
mod step_up;

pub use provider::{FakeOAuth2, FakeOAuth2Builder};
