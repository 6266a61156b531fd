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

/// The sections of the page with the surface each is about. One whose wire tests are still to come is left out.
fn sections(page: &str) -> Vec<&str> {
    let is_pending = |section: &str| {
        let named =
            section.split("`").find_map(|text| text.strip_prefix("wire::")).and_then(|rest| rest.split("::").next());
        named.is_some_and(|surface| !Path::new(ROOT).join(format!("tests/it/wire/{surface}.rs")).exists())
    };
    page.split("\n## ").filter(|section| !is_pending(section)).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = fs::read_to_string(Path::new(ROOT).join("specs/README.md")).expect("the page");
    let rows = sections(&page).into_iter().flat_map(str::lines).filter(|line| line.starts_with('|'));
    let names: Vec<&str> =
        rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|text| is_test_name(text)).collect();
    assert!(names.len() >= 28, "only {} names were found: the page is written in another way", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "specs/README.md names tests that are not there: {missing:#?}");
}
