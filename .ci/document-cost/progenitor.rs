//! Progenitor by itself, with its own settings but for builders: `progenitor-alone FOLDER OUT` prints name and lines of each document;
//! `-` where it refuses one.

use std::{env, fs, panic, path::Path, path::PathBuf};

fn main() {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let (folder, out) = (arguments.next().expect("a folder of documents"), arguments.next().expect("a folder"));
    panic::set_hook(Box::new(|_| {}));
    let files = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        match panic::catch_unwind(|| code(&file)) {
            Ok(Ok(code)) => {
                println!("{name}\t{}", code.lines().count());
                fs::write(out.join(format!("{name}.rs")), code).expect("written");
            }
            _ => println!("{name}\t-"),
        }
    }
}

fn code(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(file)?;
    let document: serde_json::Value = match file.extension().is_some_and(|end| end == "json") {
        true => serde_json::from_str(&text)?,
        false => serde_saphyr::from_str(&text)?,
    };
    let document: openapiv3::OpenAPI = serde_json::from_value(document)?;
    let mut settings = progenitor::GenerationSettings::default();
    settings.with_interface(progenitor::InterfaceStyle::Builder);
    let tokens = progenitor::Generator::new(&settings).generate_tokens(&document)?;
    Ok(prettyplease::unparse(&syn::parse2(tokens)?))
}
