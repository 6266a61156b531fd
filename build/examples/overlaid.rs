//! Writes the bundled documents as code is made of them, for other tools: `overlaid SPECS OUT`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a tool")]

use std::{env, fs, path::PathBuf};

fn main() {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let (specs, out) = (arguments.next().expect("a folder of documents"), arguments.next().expect("a folder"));
    fs::create_dir_all(&out).expect("a folder");
    for file in fs::read_dir(&specs).expect("the folder").map(|entry| entry.expect("an entry").path()) {
        if file.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let name = file.file_name().expect("a name");
        let overlay = specs.join("overlays").join(name);
        let document = keyway_build::document(&file).inside_keyway();
        let document = if overlay.exists() { document.bundled_overlay(overlay) } else { document };
        fs::write(out.join(name), document.overlaid().expect("an overlay that works")).expect("written");
    }
}
