//! Room 1: what is peculiar to each vendor. No locks, no clocks, no tasks in here.
//!
//! A surface says how it is called ([`Capabilities`]), how it signs in, renews and signs out ([`Issuer`]), and what its
//! builder asks for. Everything else is the engine's.

mod builder;
#[cfg(feature = "orderingstack")]
pub mod orderingstack;
#[cfg(feature = "shopmonkey")]
pub mod shopmonkey;
#[cfg(feature = "vitamojo")]
pub mod vitamojo;
#[cfg(feature = "vms")]
pub mod vms;
#[cfg(feature = "vtex")]
pub mod vtex;
#[cfg(feature = "vtex")]
mod vtex_storefront;

use crate::{
    BoxFuture, Error, Secret,
    session::{Attempt, Profile, SignOut, cooldown::Budget, tokens::Tokens},
};
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// How one credential of one vendor behaves, as data: the engine runs on it and the README's table shows it.
#[derive(Debug, Clone)]
pub(crate) struct Capabilities {
    /// The surface's module.
    pub(crate) surface: &'static str,
    /// The credential, as its builder method is called.
    pub(crate) credential: &'static str,
    /// Whether it signs in without a person, where the vendor asks for nothing more.
    pub(crate) unattended: bool,
    pub(crate) renewal: Renewal,
    /// Whether the principal says whose session it is. If not, a session stays in its client and in no store.
    pub(crate) named: bool,
    /// How long a token lives when the vendor does not say.
    pub(crate) default_life: Option<Duration>,
    pub(crate) budget: Option<Budget>,
    pub(crate) placement: Placement,
    pub(crate) prose: Prose,
}

/// What of the capability table is for people.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "read by the test that renders the README's table")]
pub(crate) struct Prose {
    pub(crate) expiry: &'static str,
    pub(crate) revocable: &'static str,
    pub(crate) unauthorized: &'static str,
    pub(crate) failed_sign_in: &'static str,
    pub(crate) budget: &'static str,
}

/// How a session gets its next token, and what that does to a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// A new token means a new session, which is made only when the old one is refused.
    None,
    /// The credential never changes: there is nothing to renew, and a refusal is final.
    Static,
    /// By signing in again, which costs nothing but a request.
    SignIn,
    /// With a refresh token. `rotates`: a used one may be spent, so two must never use the same one.
    RefreshToken { rotates: bool },
}

impl Renewal {
    pub(crate) fn rotates(self) -> bool {
        matches!(self, Self::RefreshToken { rotates: true })
    }

    pub(crate) fn has_refresh_token(self) -> bool {
        matches!(self, Self::RefreshToken { .. })
    }
}

/// How a token travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of the vendor's own, holding the bare token.
    Header(HeaderName),
    /// A header that names a key beside the one that holds its secret.
    Pair { name: HeaderName, value: HeaderValue, secret: HeaderName },
}

/// What a sign-in or renewal yields.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) tokens: Tokens,
    pub(crate) profile: Option<Profile>,
}

/// The vendor's side of a session. Errors speak: one with a captcha or a session limit is a question, and
/// `ErrorKind::SignInRequired` from [`renew`](Issuer::renew) says that the refresh token is definitely refused.
pub(crate) trait Issuer: Send + Sync + 'static {
    fn describe(&self) -> &Capabilities;

    /// The credential a session begins with, where it never changes: what tells one lineage from another.
    fn seed(&self) -> Option<&Secret>;

    fn sign_in<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Issued, Error>>;

    /// `refresh` is the session's refresh token.
    fn renew<'a>(&'a self, attempt: &'a Attempt, refresh: &'a Secret) -> BoxFuture<'a, Result<Issued, Error>>;

    fn sign_out<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<SignOut, Error>>;
}

#[cfg(all(
    test,
    feature = "orderingstack",
    feature = "shopmonkey",
    feature = "vitamojo",
    feature = "vms",
    feature = "vtex"
))]
mod tests {
    use super::*;
    use std::{fmt::Write, fs, path::Path};

    const BEGIN: &str = "<!-- capabilities -->\n";
    const END: &str = "<!-- /capabilities -->";

    fn all() -> Vec<Capabilities> {
        vec![
            vitamojo::capabilities(),
            orderingstack::user_capabilities(),
            orderingstack::service_capabilities(),
            shopmonkey::login_capabilities(),
            shopmonkey::key_capabilities(),
            vms::capabilities(),
            vtex::exchanged_capabilities(),
            vtex::header_capabilities(),
            vtex::oauth_capabilities(),
            vtex::user_capabilities(),
        ]
    }

    fn table() -> String {
        let mut table = "| credential | unattended | next token | refresh token rotates | expiry from | revocable | a 401 means | a failed sign-in is | budget |\n\
                         |---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for row in all() {
            let unattended = if row.unattended { "yes" } else { "no" };
            let (next, rotates) = match row.renewal {
                Renewal::None => ("a new session, when needed", "none"),
                Renewal::Static => ("never", "none"),
                Renewal::SignIn => ("by signing in again", "none"),
                Renewal::RefreshToken { rotates: true } => ("by refresh token", "taken as yes"),
                Renewal::RefreshToken { rotates: false } => ("by refresh token", "no"),
            };
            let Prose { expiry, revocable, unauthorized, failed_sign_in, budget } = row.prose;
            let (surface, credential) = (row.surface, row.credential);
            writeln!(
                table,
                "| `{surface}` `{credential}` | {unattended} | {next} | {rotates} | {expiry} | {revocable} | {unauthorized} | {failed_sign_in} | {budget} |"
            )
            .expect("a string");
        }
        table
    }

    /// `KEYWAY_BLESS=1 cargo test` writes the table into the README.
    #[test]
    fn the_readme_shows_the_capabilities_the_engine_runs_on() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(&file).expect("a README");
        let (before, rest) = readme.split_once(BEGIN).expect("a place for the table");
        let (shown, after) = rest.split_once(END).expect("an end of the table");
        let table = table();
        if std::env::var_os("KEYWAY_BLESS").is_some() {
            fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).expect("a README that can be written");
        } else {
            assert_eq!(shown, table, "the README's capability table is old: KEYWAY_BLESS=1 cargo test");
        }
    }

    #[test]
    fn a_budget_that_is_told_is_a_budget_that_is_kept() {
        for row in all() {
            assert_eq!(
                row.budget.is_some(),
                row.prose.budget.starts_with(|c: char| c.is_ascii_digit()),
                "{}",
                row.surface
            );
        }
    }
}
