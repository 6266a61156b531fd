//! The account in the environment, or that of a fake in this process.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use std::{env, process};

/// Where to look, and what to be called there.
pub(crate) struct Account {
    vendor: &'static str,
    url: String,
    is_fake: bool,
}

impl Account {
    /// The account of `KEYWAY_{vendor}_URL` and its sister variables; the fake's, where that is not set.
    pub(crate) fn of(vendor: &'static str, fake: String) -> Self {
        match env::var(format!("KEYWAY_{vendor}_URL")) {
            Ok(url) => Self { vendor, url, is_fake: false },
            Err(_) => {
                println!("No account in the environment: a fake in this process answers.");
                Self { vendor, url: fake, is_fake: true }
            }
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `KEYWAY_{vendor}_{name}`, or what the fake knows.
    pub(crate) fn get(&self, name: &str, fakes: &str) -> String {
        if self.is_fake { fakes.to_owned() } else { self.maybe(name).unwrap_or_else(|| self.misses(name)) }
    }

    /// `KEYWAY_{vendor}_{name}`, where it is needed only by some.
    #[allow(dead_code, reason = "most need all they ask for")]
    pub(crate) fn maybe(&self, name: &str) -> Option<String> {
        if self.is_fake { None } else { env::var(format!("KEYWAY_{}_{name}", self.vendor)).ok() }
    }

    #[allow(dead_code, reason = "not every example shows more on a fake")]
    pub(crate) fn is_fake(&self) -> bool {
        self.is_fake
    }

    #[allow(clippy::print_stderr, reason = "it is there to be read")]
    fn misses(&self, name: &str) -> ! {
        let vendor = self.vendor;
        eprintln!("KEYWAY_{vendor}_URL names an account, but KEYWAY_{vendor}_{name} is not set.");
        process::exit(2)
    }
}
