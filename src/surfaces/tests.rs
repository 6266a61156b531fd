use super::*;
use std::{fmt::Write, fs, path::Path};

const BEGIN: &str = "<!-- capabilities -->\n";
const END: &str = "<!-- /capabilities -->";

fn all() -> Vec<Capabilities> {
    let vendors: Vec<_> = include!(concat!(env!("OUT_DIR"), "/capabilities.rs"));
    #[cfg(feature = "oauth2")]
    let vendors = vendors.into_iter().chain(oauth2::capabilities()).collect();
    vendors
}

fn table() -> String {
    let mut table = "| credential | unattended | next token | refresh token rotates | expiry from | revocable | a 401 means | a failed sign-in is | budget |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in all() {
        let unattended = match row {
            Capabilities { spent_by_sign_in: true, .. } => "once",
            Capabilities { unattended: true, .. } => "yes",
            _ => "no",
        };
        let (next, rotates) = match row.renewal {
            Renewal::RefreshToken { .. } if !row.same_account => {
                ("by refresh token; without one another account's, when needed", "taken as yes")
            }
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

/// `KEYWAY_BLESS=1 cargo test` writes the table into docs/capabilities.md.
#[apply(leak_checked!)]
fn the_page_of_capabilities_shows_what_the_engine_runs_on() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/capabilities.md");
    let page = fs::read_to_string(&file).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("a place for the table");
    let (shown, after) = rest.split_once(END).expect("an end of the table");
    let table = table();
    if std::env::var_os("KEYWAY_BLESS").is_some() {
        fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).expect("a page that can be written");
    } else {
        assert_eq!(shown, table, "docs/capabilities.md is old: KEYWAY_BLESS=1 cargo test");
    }
}

#[apply(leak_checked!)]
fn a_budget_that_is_told_is_a_budget_that_is_kept() {
    for row in all() {
        assert_eq!(row.budget.is_some(), row.prose.budget.starts_with(|c: char| c.is_ascii_digit()), "{}", row.surface);
    }
}
