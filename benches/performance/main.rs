//! What Keyway costs, each figure beside one of the same run that it cannot beat, and beside what is aimed at.
//!
//! ```sh
//! cargo bench --bench performance                # every section, as a table
//! cargo bench --bench performance -- lease calls # these only
//! KEYWAY_BLESS=1 cargo bench --bench performance # and into docs/performance.md
//! cargo bench --bench performance -- profile     # where the instructions of each call go, into target/profile
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "a bench")]

mod acme;
mod calls;
mod herd;
mod lease;
mod paper;
mod peers;
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../tests/redis/server.rs"]
mod redis;
mod renewals;
mod storm;
mod vendor;

use paper::Page;

type Section = (&'static str, fn(&mut Page));

/// Their names and what they measure.
const SECTIONS: [Section; 7] = [
    ("peers", peers::calls),
    ("lease", |page| page.rows.extend(lease::rows())),
    ("herd", |page| page.rows.extend(herd::rows())),
    ("storm", |page| page.rows.extend(storm::rows())),
    ("renewals", |page| page.rows.extend(renewals::rows())),
    ("calls", |page| page.rows.extend(calls::rows())),
    ("growth", peers::growth),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // This program once more: the vendor, and what is measured in a process of its own.
        ["serve"] => vendor::serve(),
        ["count", what, times, address] => calls::run(what, times.parse().expect("a number"), address),
        ["profile"] => peers::profile(),
        ["memory", what, address] => herd::measure_memory(what, address),
        _ => report(&arguments),
    }
}

fn report(wanted: &[&str]) {
    let unknown: Vec<_> = wanted.iter().filter(|name| SECTIONS.iter().all(|(section, _)| section != *name)).collect();
    assert!(unknown.is_empty(), "there is no section {unknown:?}: {:?}", SECTIONS.map(|(name, _)| name));
    let chosen = SECTIONS.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
    let mut page = Page::default();
    for (name, measure) in chosen {
        eprintln!("measuring {name} …");
        measure(&mut page);
    }
    println!("{}\n{}", page.calls, paper::table(&page.rows));
    if std::env::var_os("KEYWAY_BLESS").is_some() {
        paper::bless(&page);
    }
}
