//! The pages of `specs/` name the test that pins each reading. Those tests exist.

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
    let mut texts: Vec<String> = texts.into_iter().flatten().collect();
    // What is tried with every operation stands once, beside these files.
    if texts.iter().any(|text| text.contains("\nfor_every_operation!(")) {
        texts.extend(fs::read_to_string(file.with_file_name("mod.rs")));
    }
    texts.into_iter().any(|text| {
        let lines: Vec<&str> = text.lines().collect();
        let wanted = format!("fn {function}()");
        lines.windows(2).any(|pair| pair[0].trim().starts_with("#[") && pair[1].contains(&wanted))
    })
}

/// All pages, one after the other.
fn pages() -> String {
    let files = fs::read_dir(Path::new(ROOT).join("specs")).expect("specs/").map(|file| file.expect("a file").path());
    let pages = files.filter(|file| file.extension().is_some_and(|ending| ending == "md"));
    pages.map(|page| fs::read_to_string(page).expect("a page").replace("\r\n", "\n")).collect()
}

/// The last cells of the rows under the headings `## Contradictions`.
fn cells(page: &str) -> Vec<&str> {
    let tables = page.split("\n## Contradictions\n").skip(1);
    let tables = tables.map(|rest| rest.split("\n#").next().unwrap_or_default());
    // A table begins with its titles and a line.
    let rows = tables.flat_map(|table| table.lines().filter(|line| line.starts_with('|')).skip(2));
    rows.map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim()).collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[apply(leak_checked!)]
fn every_test_that_a_page_names_exists() {
    let page = pages();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let names: Vec<&str> = rows.flat_map(quoted).filter(|text| is_test_name(text)).collect();
    assert!(names.len() >= 90, "only {} names were found: the page is written in another way", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "specs/ names tests that are not there: {missing:#?}");
}

#[apply(leak_checked!)]
fn every_reading_names_its_test_or_is_for_later() {
    let page = pages();
    let cells = cells(&page);
    assert!(cells.len() >= 80, "only {} readings were found: the page is written in another way", cells.len());
    let is_pinned = |cell: &str| quoted(cell).next().is_some() && quoted(cell).all(is_test_name);
    let loose: Vec<_> = cells.into_iter().filter(|cell| *cell != "later" && !is_pinned(cell)).collect();
    assert!(loose.is_empty(), "specs/ has readings without a test: {loose:#?}");
}
