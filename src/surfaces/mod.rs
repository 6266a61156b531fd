//! What is peculiar to each vendor. No locks, no clocks, no tasks in here.
//!
//! A surface says how it is called ([`Capabilities`]), how it signs in, renews and signs out ([`Issuer`]), and what its
//! builder asks for. Everything else is the engine's.

mod builder;
pub mod custom;
#[cfg(feature = "oauth2")]
pub mod oauth2;
pub mod orderingstack;
#[cfg(feature = "orderingstack")]
mod orderingstack_grants;
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) mod reading;
pub mod shopmonkey;
#[cfg(any(feature = "oauth2", feature = "orderingstack"))]
mod token_endpoint;
pub mod vitamojo;
pub mod vms;
pub mod vtex;
#[cfg(all(any(test, fuzzing), every_surface))]
pub(crate) mod vtex_answers;
#[cfg(feature = "vtex")]
mod vtex_password;
#[cfg(feature = "vtex")]
mod vtex_refusals;
#[cfg(feature = "vtex")]
mod vtex_shopper;
#[cfg(feature = "vtex")]
mod vtex_shopper_password;
#[cfg(feature = "vtex")]
mod vtex_shopper_session;
#[cfg(feature = "vtex")]
mod vtex_storefront;

pub(crate) use crate::session::{
    capabilities::{Capabilities, Placement, Prose, Renewal},
    issued::{Issued, Polled},
    issuer::{DynIssuer, Issuer},
};

#[cfg(all(test, every_surface))]
mod tests;
