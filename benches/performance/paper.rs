//! The figures as a table and as a picture, in `docs/performance.md`.

use std::{fmt::Write, fs, path::Path};

/// What was measured.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// One call by everybody, as a table.
    pub(crate) calls: String,
}

/// One figure beside the one it is measured against.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) against: String,
    /// What is aimed at, and how far that is used up: 1.0 is the aim itself.
    pub(crate) aim: String,
    pub(crate) used: Option<f64>,
}

impl Row {
    /// A figure that is to be at most `most`.
    pub(crate) fn new(what: impl Into<String>, ours: String, against: String) -> Self {
        Self { what: what.into(), ours, against, aim: "none".to_owned(), used: None }
    }

    pub(crate) fn aimed(self, aim: impl Into<String>, figure: f64, most: f64) -> Self {
        Self { aim: aim.into(), used: Some(figure / most), ..self }
    }
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = "| what | Keyway | measured against | aim | |\n|---|---|---|---|---|\n".to_owned();
    for Row { what, ours, against, aim, used } in rows {
        let kept = match used {
            Some(used) if *used <= 1.0 => "reached",
            Some(_) => "not yet",
            None => "",
        };
        writeln!(table, "| {what} | {ours} | {against} | {aim} | {kept} |").unwrap();
    }
    table
}

/// Writes the tables and the picture into `docs/`.
pub(crate) fn bless(page: &Page) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let file = docs.join("performance.md");
    let mut text = fs::read_to_string(&file).expect("docs/performance.md");
    let measured = format!("Measured on {}.\n\n", machine());
    if !page.calls.is_empty() {
        text = with(&text, "calls", &format!("{measured}{}", page.calls));
    }
    fs::write(&file, with(&text, "figures", &format!("{measured}{}", table(&page.rows)))).expect("a page");
    fs::write(docs.join("performance.svg"), picture(&page.rows)).expect("a picture");
}

/// The page with this between its marks of that name.
fn with(page: &str, name: &str, between: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = page.split_once(&begin).expect("a place for the figures");
    let (_, after) = rest.split_once(&end).expect("an end of the figures");
    format!("{before}{begin}{between}{end}{after}")
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({cores} cores, {})", model.unwrap_or("an unknown processor").trim(), std::env::consts::OS)
}

const LINE: usize = 26;
const LABELS: usize = 420;
const BAR: f64 = 300.0;

/// How far each aim is used up, as bars; the line is the aim.
fn picture(rows: &[Row]) -> String {
    let bars: Vec<_> = rows.iter().filter_map(|row| Some((row, row.used?))).collect();
    let (height, bound) = (bars.len() * LINE + 40, LABELS as f64 + BAR);
    let width = LABELS + 420;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{bound}\" y=\"16\" text-anchor=\"middle\" fill=\"#555\">aim</text>\n"
    );
    for (number, (row, used)) in bars.iter().enumerate() {
        let (top, text) = (number * LINE + 26, number * LINE + 40);
        let length = (used * BAR).clamp(1.0, BAR + 40.0);
        let fill = if *used <= 1.0 { "#2f7d5b" } else { "#b3372f" };
        let what = row.what.replace('&', "&amp;").replace('<', "&lt;").replace('`', "");
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{what}</text>\n\
             <rect x=\"{LABELS}\" y=\"{top}\" width=\"{length:.0}\" height=\"18\" fill=\"{fill}\"/>\n\
             <text x=\"{:.0}\" y=\"{text}\">{}</text>",
            LABELS - 8,
            (LABELS as f64 + length + 6.0).max(bound + 6.0),
            row.ours.replace('<', "&lt;"),
        )
        .unwrap();
    }
    writeln!(svg, "<line x1=\"{bound}\" x2=\"{bound}\" y1=\"22\" y2=\"{height}\" stroke=\"#555\"/>\n</svg>").unwrap();
    svg
}
