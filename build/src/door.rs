//! The public door: which document, and where its code goes.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

use crate::Complaint;
use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

/// What `main` of a build script returns.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Why no code was made.
///
/// `Debug` shows the same sentences as `Display`: it is what Cargo prints when `main` of a build script returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document says what it may not say: one sentence each, with the place and the cure.
    #[error("{}", sentences(.0))]
    Document(Vec<Complaint>),
    /// A file cannot be read.
    #[error("{} cannot be read ({cause}); put it there, or correct its name in the build script", .file.display())]
    Read {
        /// As the build script names it.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written ({cause}); make the folder writable", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The name is no Rust module's.
    #[error("`{0}` is no Rust module's name; use small letters, digits and `_` only, as in `farm_gate`")]
    Name(String),
    /// This is not run by Cargo.
    #[error("OUT_DIR is not set; run this through `cargo build`")]
    NoBuildScript,
}

fn sentences(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Begins with the document in this file, as seen from the folder of `Cargo.toml`. Nothing is read yet.
pub fn document(file: impl Into<PathBuf>) -> Source {
    Source { file: file.into(), text: None }
}

/// A document from which code is to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is generated before `generate(..)`"]
pub struct Source {
    file: PathBuf,
    text: Option<String>,
}

impl Source {
    /// Takes this text for what stands in the file.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The code, as a text.
    ///
    /// # Errors
    /// [`Error`]: what cannot be read, or what the document may not say.
    pub fn code(&self, name: &str) -> Result<String> {
        need_name(name)?;
        let text = match &self.text {
            Some(text) => text.clone(),
            None => read(&self.file)?,
        };
        crate::surface(name, &self.file.display().to_string(), &text).map_err(Error::Document)
    }

    /// For a build script: writes the code to `OUT_DIR/<name>.rs`, and has Cargo run the script again when the document
    /// changes. What stops it is told to Cargo sentence by sentence.
    ///
    /// # Errors
    /// [`Error`], as Cargo was told.
    pub fn generate(self, name: &str) -> Result {
        println!("cargo::rerun-if-changed={}", self.file.display());
        self.generated(name).inspect_err(tell)
    }

    fn generated(&self, name: &str) -> Result {
        let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(Error::NoBuildScript)?;
        let code = self.code(name)?;
        write(&out.join(format!("{name}.rs")), &code)
    }
}

fn tell(error: &Error) {
    for line in error.to_string().lines() {
        println!("cargo::error={line}");
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|cause| Error::Read { file: file.to_owned(), cause })
}

fn write(file: &Path, text: &str) -> Result {
    fs::write(file, text).map_err(|cause| Error::Write { file: file.to_owned(), cause })
}

/// It is a module, and a part of types' paths.
fn need_name(name: &str) -> Result {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { Ok(()) } else { Err(Error::Name(name.to_owned())) }
}
