//! README.md is read beside its files, on a registry's page and in the API reference: its links lead somewhere in each.

use std::{fs, path::Path};

#[apply(hunted!)]
fn every_page_that_the_readme_links_to_is_there_and_is_found_from_the_reference_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let (readme, reference) = (read("README.md"), read("src/lib.rs"));
    let links: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect();
    assert!(links.len() > 9, "{links:?}");
    for (page, target) in links {
        assert_eq!(page, target);
        assert!(root.join(page).is_file(), "README.md links to {page}, which is not there");
        let elsewhere = format!("//! [{page}]: https://docs.rs/crate/keyway/latest/source/{page}\n");
        assert!(reference.contains(&elsewhere), "src/lib.rs lacks: {elsewhere}");
    }
    let bare = readme.split('`').find(|code| code.ends_with(".md") && root.join(code).is_file());
    assert_eq!(bare, None, "named without a link");
}
