//! The client that progenitor makes of one operation of the bundled document.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=sessions.json");
    let document = serde_json::from_str(&fs::read_to_string("sessions.json").unwrap()).unwrap();
    let tokens = progenitor::Generator::default().generate_tokens(&document).unwrap();
    let code = prettyplease::unparse(&syn::parse2(tokens).unwrap());
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap()).join("progenitor.rs"), code).unwrap();
}
