//! How a request gets its credentials and comes back.

pub(crate) mod address;
pub(crate) mod authorize;
#[cfg(feature = "oauth2")]
pub(crate) mod challenge;
pub(crate) mod choice;
#[cfg_attr(not(feature = "orderingstack"), allow(dead_code, reason = "not every surface speaks OAuth"))]
pub(crate) mod client_id;
pub(crate) mod cookies;
mod core;
pub(crate) mod document;
pub(crate) mod drift;
#[allow(
    dead_code,
    missing_docs,
    reason = "it holds what documents can say, whether or not one of ours says it today; generated code alone names it"
)]
pub mod facts;
pub(crate) mod json;
pub(crate) mod judge;
#[cfg(feature = "tower")]
pub(crate) mod layer;
pub(crate) mod limits;
mod member;
pub(crate) mod middlebox;
#[cfg(feature = "middleware")]
pub(crate) mod middleware;
mod misfit;
pub(crate) mod origins;
pub(crate) mod outside;
pub(crate) mod pages;
pub(crate) mod paths;
#[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor binds tokens to keys"))]
pub(crate) mod prover;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod response;
mod retryable;
pub mod runtime;
pub(crate) mod segments;
#[cfg(feature = "oauth2")]
pub(crate) mod step_up;
mod surface;
pub(crate) mod told_times;
pub(crate) mod transport;
mod trouble;
pub(crate) mod upload;
pub(crate) mod verdict;

pub use core::Core;
pub(crate) use {core::Parts, surface::Surface};
