//! The public door: which document, and where its code goes.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

use crate::{Diagnostic, Report, overlay, read};
use std::{
    collections::BTreeSet,
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
    Document(Vec<Diagnostic>),
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
    /// The code that is checked in is not what the document makes today.
    #[error("{} is not what the document makes; build once where `CI` is not set, and check it in", .0.display())]
    Stale(PathBuf),
    /// The name is no Rust module's.
    #[error("`{0}` is no Rust module's name; use small letters, digits and `_` only, as in `farm_gate`")]
    Name(String),
    /// This is not run by Cargo.
    #[error("OUT_DIR is not set; run this through `cargo build`")]
    NoBuildScript,
}

fn sentences(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Begins with the document in this file, as seen from the folder of `Cargo.toml`. Nothing is read yet.
///
/// It may be OpenAPI 3.0 or 3.1 or Swagger 2.0, in JSON or YAML, as its vendor publishes it.
pub fn document(file: impl Into<PathBuf>) -> Source {
    Source { file: file.into(), text: None, overlays: Vec::new(), only: None, strict: false, own: false }
}

/// A document from which code is to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is generated before `generate(..)`"]
pub struct Source {
    file: PathBuf,
    text: Option<String>,
    overlays: Vec<PathBuf>,
    only: Option<BTreeSet<String>>,
    strict: bool,
    own: bool,
}

/// Code, and what became of the document on the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Made {
    /// The code: the inside of a module.
    pub code: String,
    /// What was derived, dropped and left out.
    pub report: Report,
    /// The document as its overlays leave it, in JSON.
    pub document: String,
}

impl Source {
    /// Changes the document by an OpenAPI Overlay (1.0 or 1.1) before anything is made of it. Several are applied in order.
    #[cfg(feature = "overlay")]
    pub fn overlay(mut self, file: impl Into<PathBuf>) -> Self {
        self.overlays.push(file.into());
        self
    }

    /// Makes code of these operations alone, and of the types that they need. Each is named by its `operationId`, or by method
    /// and path as in the document. Of a vendor with thousands of calls the others would be compiled for nothing.
    ///
    /// ```no_run
    /// # fn main() -> keyway_build::Result {
    /// keyway_build::document("acme.json").only(["listOrders", "GET /orders/{id}"]).generate("acme")
    /// # }
    /// ```
    pub fn only<Name: Into<String>>(mut self, operations: impl IntoIterator<Item = Name>) -> Self {
        self.only.get_or_insert_default().extend(operations.into_iter().map(Into::into));
        self
    }

    /// Refuses a document of which something would be dropped or left out.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Takes this text for what stands in the file.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// One of Keyway's own documents: it says everything itself, and code of all of it stands inside Keyway.
    #[doc(hidden)]
    pub fn inside_keyway(mut self) -> Self {
        self.own = true;
        self
    }

    /// An overlay of one of Keyway's own documents.
    #[doc(hidden)]
    pub fn bundled_overlay(mut self, file: impl Into<PathBuf>) -> Self {
        self.overlays.push(file.into());
        self
    }

    /// The document as its overlays leave it, in JSON: what code is made of.
    ///
    /// # Errors
    /// [`Error`]: what cannot be read, or an overlay that cannot work.
    pub fn overlaid(&self) -> Result<String> {
        let this = self.clone();
        on_a_deep_stack(move || Ok(format!("{:#}\n", this.root()?)))
    }

    fn root(&self) -> Result<serde_json::Value> {
        let text = match &self.text {
            Some(text) => text.clone(),
            None => read_file(&self.file)?,
        };
        let file = self.file.display().to_string();
        let mut root =
            if self.own { read::json(&file, &text) } else { read::value(&file, &text) }.map_err(Error::Document)?;
        for overlay in &self.overlays {
            let (file, text) = (overlay.display().to_string(), read_file(overlay)?);
            let applied = match self.own {
                true => overlay::applied(&file, &text, &mut root),
                false => read::overlaid(&file, &text, &mut root),
            };
            applied.map_err(Error::Document)?;
        }
        Ok(root)
    }

    /// The code, and what became of the document.
    ///
    /// # Errors
    /// [`Error`]: what cannot be read, or what no code can be made of.
    pub fn make(&self, name: &str) -> Result<Made> {
        need_name(name)?;
        let (file, name, this) = (self.file.display().to_string(), name.to_owned(), self.clone());
        on_a_deep_stack(move || {
            let root = this.root()?;
            let document = format!("{root:#}\n");
            if this.own {
                let code = crate::surface(&name, &file, root).map_err(Error::Document)?;
                return Ok(Made { code, report: Report::default(), document });
            }
            let (code, report) = crate::published(&name, &file, root, this.only.as_ref()).map_err(Error::Document)?;
            if this.strict {
                refuse_losses(&file, &report).map_err(Error::Document)?;
            }
            Ok(Made { code, report, document })
        })
    }

    /// For a build script: writes the code to `OUT_DIR/<name>.rs`, which `keyway::include_document!(<name>)` includes, and has
    /// Cargo run the script again when the document or an overlay changes. The document as its overlays leave it is written beside
    /// it in JSON, to `<name>.json`, for fakes, and what became of it to `<name>.md`; operations that were left out are told as a warning. What stops it is told to Cargo sentence by sentence.
    ///
    /// # Errors
    /// [`Error`], as Cargo was told.
    pub fn generate(self, name: &str) -> Result {
        self.watched();
        let generated = || {
            let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(Error::NoBuildScript)?;
            let made = self.make(name)?;
            write(&out.join(format!("{name}.rs")), &made.code)?;
            write(&out.join(format!("{name}.json")), &made.document)?;
            if self.own {
                return Ok(());
            }
            let table = out.join(format!("{name}.md"));
            write(&table, &made.report.to_string())?;
            self.tell_losses(&made.report, &table);
            Ok(())
        };
        generated().inspect_err(tell)
    }

    /// For a build script: writes the code to a file that is checked in, for `include!` or as a module of its own. Where the
    /// variable `CI` is set, nothing is written: there the file must be what the document makes.
    ///
    /// The file's name is the module's, as in `src/acme.rs`.
    ///
    /// # Errors
    /// [`Error`], as Cargo was told; [`Error::Stale`] if the file is another.
    pub fn generate_to(self, file: impl AsRef<Path>) -> Result {
        self.watched();
        println!("cargo::rerun-if-env-changed=CI");
        let file = file.as_ref();
        let generated = || {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let made = self.make(&name)?;
            if fs::read_to_string(file).is_ok_and(|before| before == made.code) {
                return Ok(());
            }
            if env::var_os("CI").is_some_and(|ci| !ci.is_empty()) {
                return Err(Error::Stale(file.to_owned()));
            }
            write(file, &made.code)
        };
        generated().inspect_err(tell)
    }

    fn watched(&self) {
        for file in std::iter::once(&self.file).chain(&self.overlays) {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }

    fn tell_losses(&self, report: &Report, table: &Path) {
        println!("{}: {report}", self.file.display());
        let left = report.operations - report.typed;
        if left > 0 {
            let (file, table) = (self.file.display(), table.display());
            println!(
                "cargo::warning={file}: {left} of {} operations have no typed call; {table} says why",
                report.operations
            );
        }
    }
}

/// Schemas are looked at by functions that call themselves; how deep a document goes is its author's choice.
pub(crate) fn on_a_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    const STACK: usize = 256 * 1024 * 1024;
    match std::thread::Builder::new().name("keyway-build".to_owned()).stack_size(STACK).spawn(work) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(why) => panic!("no thread can be started to read the document ({why})"),
    }
}

fn refuse_losses(file: &str, report: &Report) -> crate::diagnostic::Diagnosed<()> {
    let mut diagnostics = crate::diagnostic::Diagnostics::about(file);
    for row in report.losses() {
        for place in &row.places {
            let cure = "change it in an overlay, or build without `.strict()`";
            diagnostics.add(place, format!("{} ({})", row.what, row.kind), cure);
        }
    }
    diagnostics.or(())
}

fn tell(error: &Error) {
    for line in error.to_string().lines() {
        println!("cargo::error={line}");
    }
}

fn read_file(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|cause| Error::Read { file: file.to_owned(), cause })
}

fn write(file: &Path, text: &str) -> Result {
    fs::write(file, text).map_err(|cause| Error::Write { file: file.to_owned(), cause })
}

/// It is a module, and a part of types' paths.
fn need_name(name: &str) -> Result {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && crate::names::is_identifier(name);
    if is_plain { Ok(()) } else { Err(Error::Name(name.to_owned())) }
}
