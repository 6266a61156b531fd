//! Makes Rust code from the bundled documents of the surfaces that are switched on, with the crate `keyway-build`.
//!
//! A surface is a document in `specs/` and the feature of the same name; `specs/overlays/` has what we say beside a document
//! that its vendor publishes. This reads `specs/`, writes to `OUT_DIR` and touches
//! nothing else. Who has no surface of ours switched on does not build the generator.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    // Also for a document that is added, or taken away.
    println!("cargo::rerun-if-changed=specs");
    println!("cargo::rustc-check-cfg=cfg(every_surface)");
    let made = surfaces().and_then(|surfaces| lists(&surfaces).and_then(|()| documents::generate(&surfaces)));
    let Err(sentences) = made else { return ExitCode::SUCCESS };
    for sentence in sentences {
        println!("cargo::error={sentence}");
    }
    ExitCode::FAILURE
}

/// The names of the documents.
fn surfaces() -> Result<Vec<String>, Vec<String>> {
    let files = fs::read_dir("specs").map_err(|why| vec![format!("specs/ cannot be read ({why}); put it back")])?;
    let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    let mut surfaces: Vec<_> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    surfaces.sort();
    Ok(surfaces)
}

/// What would otherwise be written by hand for each surface.
fn lists(surfaces: &[String]) -> Result<(), Vec<String>> {
    let each = |one: &dyn Fn(&str) -> String| surfaces.iter().map(|surface| one(surface)).collect::<String>();
    // One by one: of a name that a feature switches off, the compiler then says which feature that is.
    let vendors = each(&|surface| format!("#[cfg(feature = {surface:?})]\npub use surfaces::{surface};\n"));
    let capabilities = each(&|surface| format!("{surface}::all_capabilities(), "));
    // A surface whose ways to sign in have files of their own reads their answers in one above them.
    let reads = |surface: &str| {
        let above = format!("{surface}_answers");
        if Path::new("src/surfaces").join(&above).with_extension("rs").is_file() { above } else { surface.to_owned() }
    };
    let readings = each(&|surface| format!("&crate::surfaces::{}::READING, ", reads(surface)));
    // For the tests: what is made of the names follows what is handed on.
    let names = each(&|surface| format!(" {surface}"));
    let macro_of_all = format!("($($what:ident)::+, $($before:tt)*) => {{ $($what)::+! {{ $($before)*{names} }} }};");
    write("for_every_document.rs", &format!("macro_rules! for_every_document {{ {macro_of_all} }}\n"))?;
    write("vendors.rs", &vendors)?;
    write("capabilities.rs", &format!("[{capabilities}].concat()\n"))?;
    write("readings.rs", &format!("[{readings}]\n"))
}

fn write(name: &str, text: &str) -> Result<(), Vec<String>> {
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join(name), text).map_err(|why| vec![format!("the list {name} cannot be written ({why})")])
}

#[cfg(not(feature = "_generator"))]
mod documents {
    /// There is none to make code from.
    pub(super) fn generate(_: &[String]) -> Result<(), Vec<String>> {
        super::write("surfaces.rs", "generated! {}\n")
    }
}

#[cfg(feature = "_generator")]
mod documents {
    use super::write;
    use std::{
        env, fs,
        path::{Path, PathBuf},
    };

    /// # Errors
    /// Sentences for the person who builds, but for those that the generator has told Cargo itself.
    pub(super) fn generate(surfaces: &[String]) -> Result<(), Vec<String>> {
        need_documents(surfaces)?;
        let on: Vec<_> = surfaces.iter().filter(|surface| is_on(surface)).collect();
        let generated = on.iter().map(|surface| document(surface).generate(surface));
        if generated.filter(Result::is_err).count() > 0 {
            return Err(Vec::new());
        }
        write_others(surfaces)?;
        if on.len() == surfaces.len() {
            println!("cargo::rustc-cfg=every_surface");
        }
        let list = on.iter().fold(String::new(), |list, surface| list + surface + " ");
        write("surfaces.rs", &format!("generated! {{ {list}}}\n"))?;
        let row = |surface: &String| {
            format!("({surface:?}, include_str!(concat!(env!(\"OUT_DIR\"), \"/{surface}.json\"))),\n")
        };
        write("documents.rs", &format!("[\n{}]\n", surfaces.iter().map(row).collect::<String>()))
    }

    /// A surface's document, and what we say beside it where the document is the vendor's own.
    fn document(surface: &str) -> keyway_build::Source {
        let document = keyway_build::document(format!("specs/{surface}.json")).inside_keyway();
        let overlay = PathBuf::from(format!("specs/overlays/{surface}.json"));
        if overlay.exists() { document.bundled_overlay(overlay) } else { document }
    }

    /// Fakes answer from the documents as they are generated from, also where a surface is off.
    fn write_others(surfaces: &[String]) -> Result<(), Vec<String>> {
        let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
        for surface in surfaces.iter().filter(|surface| !is_on(surface)) {
            let text = document(surface).overlaid().map_err(|why| vec![why.to_string()])?;
            fs::write(out.join(format!("{surface}.json")), text)
                .map_err(|why| vec![format!("the document of {surface} cannot be written ({why})")])?;
        }
        Ok(())
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

    fn is_on(surface: &str) -> bool {
        env::var_os(format!("CARGO_FEATURE_{}", surface.to_uppercase())).is_some()
    }
}
