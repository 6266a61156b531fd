//! The doors for programs of another shape: without async, under `tower`, with thousands of sessions, between two processes, with an issuer of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[path = "../leak_check/mod.rs"]
mod leak_check;

mod blocking;
mod layer;
mod session_laws;
mod sessions;
mod tickets;
mod warm;
