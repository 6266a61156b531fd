//! Makes Rust code from the bundled documents of the surfaces that are switched on. See `build/mod.rs`.
//!
//! A surface is a document in `specs/` and the feature of the same name. This reads `specs/`, writes to `OUT_DIR` and touches
//! nothing else.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

#[path = "build/mod.rs"]
mod room;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rustc-check-cfg=cfg(every_surface)");
    // The generator panics over what it has not foreseen. That becomes a sentence, not a backtrace.
    std::panic::set_hook(Box::new(|_| {}));

    let Err(sentences) = generate() else { return ExitCode::SUCCESS };
    for sentence in sentences {
        println!("cargo::error={sentence}");
    }
    ExitCode::FAILURE
}

/// # Errors
/// Sentences for the person who builds.
fn generate() -> Result<(), Vec<String>> {
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return Err(vec!["OUT_DIR is not set; run this through `cargo build`".to_owned()]);
    };
    let surfaces = surfaces()?;
    need_names(&surfaces)?;
    need_documents(&surfaces)?;
    let on: Vec<_> = surfaces.iter().filter(|surface| is_on(surface)).collect();
    let sentences: Vec<_> = on.iter().flat_map(|surface| build(surface, &out).err().unwrap_or_default()).collect();
    if !sentences.is_empty() {
        return Err(sentences);
    }
    if on.len() == surfaces.len() {
        println!("cargo::rustc-cfg=every_surface");
    }
    let list = on.iter().fold(String::new(), |list, surface| list + surface + " ");
    write(&out, "surfaces", &format!("generated! {{ {list}}}\n"))
}

/// The names of the documents.
fn surfaces() -> Result<Vec<String>, Vec<String>> {
    let files = fs::read_dir("specs").map_err(|why| vec![format!("specs/ cannot be read ({why}); put it back")])?;
    let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    let mut surfaces: Vec<_> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    surfaces.sort();
    Ok(surfaces)
}

/// A surface that is switched on and has its file but no document would be told by the compiler, in its words.
fn need_documents(surfaces: &[String]) -> Result<(), Vec<String>> {
    let features = env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    let has_file = |name: &str| Path::new(&format!("src/surfaces/{name}.rs")).exists();
    let has_document = |name: &str| surfaces.iter().any(|surface| surface == name);
    let lacking = features.split(',').filter(|name| has_file(name) && !has_document(name));
    let sentence = |name| format!("specs/{name}.json is missing; write it, or leave the feature `{name}` out");
    let sentences: Vec<_> = lacking.map(sentence).collect();
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

/// A surface is a feature, a module and a part of types' paths.
fn need_names(surfaces: &[String]) -> Result<(), Vec<String>> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let sentence = |name: &String| {
        format!(
            "specs/{name}.json: its name is no Rust module's; use small letters, digits and `_` only, as in `farm_gate`"
        )
    };
    let sentences: Vec<_> = surfaces.iter().filter(|name| !is_name(name)).map(sentence).collect();
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

fn is_on(surface: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", surface.to_uppercase())).is_some()
}

fn build(surface: &str, out: &Path) -> Result<(), Vec<String>> {
    let file = format!("specs/{surface}.json");
    println!("cargo::rerun-if-changed={file}");
    let text = fs::read_to_string(&file).map_err(|why| vec![format!("{file} cannot be read ({why}); put it back")])?;
    let code = room::surface(surface, &file, &text)
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    write(out, surface, &code)
}

fn write(out: &Path, name: &str, code: &str) -> Result<(), Vec<String>> {
    fs::write(out.join(format!("{name}.rs")), code)
        .map_err(|why| vec![format!("the code of {name} cannot be written ({why})")])
}
