//! `specs/README.md` names the test that pins each reading. Those tests exist.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// `it::wire::vms::a_sentence`: a test binary, modules, a function.
fn is_test_name(text: &str) -> bool {
    let mut words = text.split("::");
    text.contains("::")
        && words.all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
}

fn exists(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    let file = Path::new(ROOT).join("tests").join(module.replace("::", "/"));
    let texts = [file.with_extension("rs"), file.join("mod.rs"), file.join("main.rs")].map(fs::read_to_string);
    texts.into_iter().flatten().any(|text| {
        let lines: Vec<&str> = text.lines().collect();
        let wanted = format!("fn {function}()");
        lines.windows(2).any(|pair| pair[0].trim().starts_with("#[") && pair[1].contains(&wanted))
    })
}

/// The sections of surfaces whose readings are still without tests of those names. Strike them out one by one.
const PENDING: [&str; 3] =
    ["OrderingStack (`orderingstack.json`)", "Shopmonkey (`shopmonkey.json`)", "VTEX ID (`vtex.json`)"];

#[test]
fn every_test_that_the_page_names_exists() {
    let page = fs::read_to_string(Path::new(ROOT).join("specs/README.md")).expect("the page");
    let sections = page.split("\n## ").filter(|section| !PENDING.iter().any(|title| section.starts_with(title)));
    let rows = sections.flat_map(str::lines).filter(|line| line.starts_with('|'));
    let names: Vec<&str> =
        rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|text| is_test_name(text)).collect();
    assert!(names.len() >= 28, "only {} names were found: the page is written in another way", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "specs/README.md names tests that are not there: {missing:#?}");
}
