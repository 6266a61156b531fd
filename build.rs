//! Makes Rust code from the bundled documents of the surfaces that are switched on. See `build/mod.rs`.
//!
//! It reads `specs/`, writes to `OUT_DIR` and touches nothing else.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

#[path = "build/mod.rs"]
mod room;

use std::{env, fs, path::Path, process::ExitCode};

const SURFACES: &[&str] = &["vitamojo", "orderingstack", "shopmonkey", "vms", "vtex"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    // The generator panics over what it has not foreseen. That becomes a sentence, not a backtrace.
    std::panic::set_hook(Box::new(|_| {}));

    let mut outcome = ExitCode::SUCCESS;
    for surface in SURFACES.iter().filter(|surface| is_on(surface)) {
        for sentence in build(surface).err().unwrap_or_default() {
            println!("cargo::error={sentence}");
            outcome = ExitCode::FAILURE;
        }
    }
    outcome
}

fn is_on(surface: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", surface.to_uppercase())).is_some()
}

/// # Errors
/// Sentences for the person who builds.
fn build(surface: &str) -> Result<(), Vec<String>> {
    let file = format!("specs/{surface}.json");
    println!("cargo::rerun-if-changed={file}");
    let text = fs::read_to_string(&file).map_err(|why| vec![format!("{file} cannot be read ({why}); put it back")])?;
    let code = room::surface(surface, &file, &text)
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;

    let Some(out) = env::var_os("OUT_DIR") else {
        return Err(vec!["OUT_DIR is not set; run this through `cargo build`".to_owned()]);
    };
    let target = Path::new(&out).join(format!("{surface}.rs"));
    fs::write(&target, code).map_err(|why| vec![format!("the code of {surface} cannot be written ({why})")])
}
