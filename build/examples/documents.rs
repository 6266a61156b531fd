//! Makes code from every document of a folder, and prints a table of what became of each.
//!
//! `documents FOLDER [OUT]`: with `OUT`, the code and the table of each document are written there.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool")]

use std::{env, fs, path::PathBuf, time::Instant};

fn main() {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let folder = arguments.next().expect("a folder of documents");
    let out = arguments.next();
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| ["json", "yaml", "yml"].iter().any(|known| end == *known)));
    files.sort();
    println!("document\toperations\ttyped\tfields\tuntyped\tlines\tms\tleft out");
    for file in files {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let name: String =
            stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        let name = format!("d_{name}");
        let began = Instant::now();
        match keyway_build::document(&file).make(&name) {
            Ok(made) => {
                let report = &made.report;
                let left: Vec<String> = report
                    .rows()
                    .filter(|row| row.kind == keyway_build::Kind::LeftOut)
                    .map(|row| format!("{} × {}", row.count, row.what))
                    .collect();
                println!(
                    "{stem}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                    report.operations,
                    report.typed,
                    report.fields,
                    report.untyped,
                    made.code.lines().count(),
                    began.elapsed().as_millis(),
                    left.join("; ")
                );
                if let Some(out) = &out {
                    fs::write(out.join(format!("{name}.rs")), &made.code).expect("written");
                    fs::write(out.join(format!("{name}.md")), report.to_string()).expect("written");
                }
            }
            Err(error) => println!(
                "{stem}\t-\t-\t-\t-\t-\t{}\trefused: {}",
                began.elapsed().as_millis(),
                error.to_string().lines().next().unwrap_or_default()
            ),
        }
    }
}
