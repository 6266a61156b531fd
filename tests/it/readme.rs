//! README.md is read beside its files, on a registry's page and in the API reference: its links lead somewhere in each.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[apply(leak_checked!)]
fn every_page_that_the_readme_links_to_is_there_and_linked_from_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let (readme, reference) = (read("README.md"), read("src/lib.rs"));
    let links: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect();
    assert!(links.len() > 9, "{links:?}");
    for (page, target) in links {
        assert_eq!(page, target);
        assert!(root.join(page).exists(), "README.md links to {page}, which is not there");
        let elsewhere = format!("//! [{page}]: https://docs.rs/crate/keyway/latest/source/{page}\n");
        assert!(reference.contains(&elsewhere), "src/lib.rs lacks: {elsewhere}");
    }
    let bare = readme.split('`').find(|code| code.ends_with(".md") && root.join(code).is_file());
    assert_eq!(bare, None, "named without a link");
}

/// The pages below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The pages that have Rust in them, by their path from here, with their texts.
fn pages_with_code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found =
        ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root.join(page)).to_vec();
    ["docs", "specs"].iter().for_each(|folder| pages(&root.join(folder), &mut found));
    found.push(root.join("build/README.md"));
    let named = |page: &PathBuf| page.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    let pages = found.iter().map(|page| (named(page), fs::read_to_string(page).unwrap()));
    let pages: Vec<_> = pages.filter(|(_, text)| text.lines().any(|line| line.starts_with("```rust"))).collect();
    assert!(pages.len() > 12, "{pages:?}");
    pages
}

#[apply(leak_checked!)]
fn every_page_with_rust_in_it_is_compiled_as_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, _) in pages_with_code() {
        let (crate_root, named) = match page.strip_prefix("build/") {
            Some(page) => ("build/src/lib.rs", page.to_owned()),
            None => ("src/lib.rs", page),
        };
        let reference = fs::read_to_string(root.join(crate_root)).unwrap();
        assert!(
            reference.contains(&format!("include_str!(\"../{named}\")")),
            "`mod papers` of {crate_root} lacks {named}"
        );
    }
}

/// `rustdoc` hides lines that begin with `#`; whoever reads the page itself sees them, and copies them.
#[apply(leak_checked!)]
fn what_a_page_shows_of_a_program_is_all_that_is_compiled_of_it() {
    for (page, text) in pages_with_code() {
        let (mut is_code, mut hidden) = (false, Vec::new());
        for line in text.lines() {
            if line.starts_with("```") {
                is_code = !is_code && line.starts_with("```rust");
            } else if is_code && (line.trim() == "#" || line.trim_start().starts_with("# ")) {
                hidden.push(line);
            }
        }
        assert_eq!(hidden, Vec::<&str>::new(), "{page}");
    }
}

/// The names of all functions below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            names.extend(text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once(['(', '<'])?.0.to_owned())));
            // Laws are the arms of a macro too.
            names.extend(text.lines().map(|line| line.trim().trim_end_matches(',').to_owned()));
        }
    }
}

#[apply(leak_checked!)]
fn every_test_that_security_md_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    ["src", "tests", "examples", "build/tests"].iter().for_each(|folder| functions(&root.join(folder), &mut there));
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let is_test = |word: &&str| {
        word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let named: BTreeSet<_> = page.split('`').filter(is_test).collect();
    assert!(named.len() > 60, "{named:?}");
    let gone: Vec<_> = named.into_iter().filter(|name| !there.contains(*name)).collect();
    assert!(gone.is_empty(), "SECURITY.md names tests that are not there: {gone:?}");
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| **")) {
        assert_eq!(row.matches(" |").count(), 4, "a row has an asset, an attacker, a control and a test: {row}");
    }
}
