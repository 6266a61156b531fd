//! One call by everybody, and what grows with its answer: from the crate `benches/outside`, which depends on Keyway as a user's does.

use crate::{
    calls::count,
    paper::{Page, Row},
    vendor::{ROW, Vendor},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How many calls the shorter run makes; the longer one makes twice as many.
const CALLS: u64 = 400;
const LEASES: u64 = 20_000;
/// In flight at a time, and how many of them.
const AT_ONCE: u64 = 64;
const IN_FLIGHT: u64 = 64 * 400;
/// The best of several: whatever else the machine does only adds.
const TRIES: usize = 5;

/// Who calls: their name in `benches/outside`, and in words.
const PEERS: [(&str, &str); 8] = [
    ("hyper", "hyper-util, which reqwest stands on: no header, bytes"),
    ("bare", "reqwest: no header, bytes, no session"),
    ("by_hand", "reqwest by hand: `bearer_auth`, `json`; no renewal, no retry, no replay"),
    ("progenitor", "progenitor: typed, a fixed token"),
    ("octocrab", "octocrab: typed, an app's installation token that it renews"),
    ("http", "**Keyway `http()`**: bytes; session, renewal, retry, replay"),
    ("typed", "**Keyway, a typed call**: the same, checked against the document"),
    ("judged", "**Keyway, a typed call** whose answer says in its body whether it succeeded"),
];

/// `benches/outside`, built as a user builds.
struct Outside(PathBuf);

impl Outside {
    fn build() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = package.join("target/outside");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
        cargo.arg(package.join("benches/outside/Cargo.toml")).env("CARGO_TARGET_DIR", &target);
        assert!(cargo.status().unwrap().success(), "benches/outside does not build");
        Self(target.join("release/outside"))
    }

    /// Instructions of each call; none where callgrind is not installed.
    fn instructions(&self, what: &str, times: u64, address: &str) -> Option<f64> {
        Command::new("valgrind").arg("--version").output().ok()?;
        let [few, many] = [times, times * 2].map(|times| count(&self.0, &["count", what, &times.to_string(), address]));
        Some((many - few) / times as f64)
    }

    fn says(&self, arguments: &[&str]) -> String {
        let said = Command::new(&self.0).args(arguments).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Microseconds of a processor for each of many calls at once.
    fn at_once(&self, what: &str, address: &str) -> f64 {
        let (times, at_once) = (IN_FLIGHT.to_string(), AT_ONCE.to_string());
        let one = || self.says(&["cpu", what, &times, &at_once, address]).parse::<f64>().unwrap() / 1e3;
        (0..TRIES).map(|_| one()).fold(f64::INFINITY, f64::min)
    }
}

/// One call of one of them.
struct Call {
    what: &'static str,
    instructions: Option<f64>,
    micros: f64,
}

/// The table for readers, and the rows that have an aim.
pub(crate) fn calls(page: &mut Page) {
    let (outside, vendor) = (Outside::build(), Vendor::start());
    let address = format!("{}/rows/0", vendor.address);
    let calls = PEERS.map(|(name, what)| {
        // First, because octocrab's key is made in its first process, which would be counted.
        let micros = outside.at_once(name, &address);
        Call { what, instructions: outside.instructions(name, CALLS, &address), micros }
    });
    let [_, bare, _, _, _, http, typed, judged] = &calls;
    let rows = &mut page.rows;
    let ratio = |what: &str, call: &Call, most: f64| {
        let (ours, theirs) = (call.instructions?, bare.instructions?);
        let against = format!("{theirs:.0}: reqwest, no header, bytes");
        let row = Row::new(what, format!("{ours:.0} instructions, {:.2}×", ours / theirs), against);
        Some(row.aimed(format!("at most {most}×"), ours / theirs, most))
    };
    rows.extend(ratio("a typed call, whole", typed, 1.05));
    rows.extend(ratio("a typed call, whole, whose answer says whether it succeeded", judged, 1.05));
    rows.extend(ratio("a call with `http()`, whole", http, 1.03));
    let (ours, theirs) = (typed.micros, bare.micros);
    let row = Row::new(
        format!("{AT_ONCE} typed calls in flight"),
        format!("{ours:.1} µs of a processor each, {:.2}×", ours / theirs),
        format!("{theirs:.1} µs: reqwest, no header, bytes"),
    );
    rows.push(row.aimed("at most 1.1×", ours / theirs, 1.1));
    if let Some(each) = outside.instructions("lease", LEASES, "") {
        let what = "header of a cached `lease()`, in another crate of 16 codegen units";
        rows.push(Row::new(what, format!("{each:.0} instructions"), "nothing".into()).aimed(
            "at most 250",
            each,
            250.0,
        ));
    }
    page.calls = table(&calls, bare);
}

fn table(calls: &[Call], bare: &Call) -> String {
    let head = "| one call, its connection open, its answer read | instructions | | a processor's time, 64 at once | |\n|---|---:|---:|---:|---:|\n";
    let lines = calls.iter().map(|call| {
        let instructions = match (call.instructions, bare.instructions) {
            (Some(ours), Some(theirs)) => format!("{ours:.0} | {:.2}×", ours / theirs),
            _ => "not counted |".to_owned(),
        };
        format!("| {} | {instructions} | {:.1} µs | {:.2}× |\n", call.what, call.micros, call.micros / bare.micros)
    });
    head.to_owned() + &lines.collect::<String>()
}

/// Where the instructions of each call go, by function, those of what it calls included: a listing for everybody.
pub(crate) fn profile() {
    let (outside, vendor) = (Outside::build(), Vendor::start());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/profile");
    fs::create_dir_all(&folder).unwrap();
    let address = format!("{}/rows/0", vendor.address);
    for (name, _) in PEERS {
        let [found, listing] = ["out", "txt"].map(|ending| folder.join(format!("{name}.{ending}")));
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", found.display()));
        let counted = valgrind.arg(&outside.0).args(["count", name, &CALLS.to_string(), &address]).status();
        assert!(counted.unwrap().success(), "{name}");
        let mut annotate = Command::new("callgrind_annotate");
        annotate.args(["--inclusive=yes", "--tree=calling", "--threshold=100"]).arg(&found);
        fs::write(&listing, annotate.output().unwrap().stdout).unwrap();
        println!("{name}: {} for {CALLS} calls", listing.display());
    }
}

/// What grows with an answer, and what a client costs that does nothing.
pub(crate) fn growth(page: &mut Page) {
    let (outside, vendor) = (Outside::build(), Vendor::start());
    // Of eight MiB, which is the longest answer that a typed call takes.
    let most = 8 * 1024 * 1024 / (ROW.len() + 1);
    let rows = &mut page.rows;
    let mut before = None;
    for count in [100, 10_000, most] {
        let address = format!("{}/rows/{count}", vendor.address);
        let said = outside.says(&["list", &address]);
        let (nanos, peak) = said.split_once(' ').expect("two figures");
        let (each, peak) = (nanos.parse::<f64>().unwrap() / count as f64, peak.parse::<f64>().unwrap() / count as f64);
        let against = before.map_or("none".to_owned(), |(each, _)| format!("{each:.0} ns: with fewer rows"));
        let what = format!("a list of {count} rows of {} bytes, typed: each row", ROW.len());
        let row = Row::new(what, format!("{each:.0} ns, {peak:.0} bytes at the most"), against);
        rows.push(match before {
            Some((fewer, _)) => row.aimed("at most 1.5×", each / fewer, 1.5),
            None => row,
        });
        before = Some((each, peak));
    }
    let figures = |what: &str| -> Vec<f64> {
        let said = outside.says(&[what, &vendor.address]);
        said.split(' ').map(|figure| figure.parse().expect("a figure")).collect()
    };
    let [ours, theirs] = figures("idle")[..] else { panic!("two figures") };
    rows.push(Row::new(
        "a client with a session that does nothing, of a thousand",
        format!("{ours:.0} KiB"),
        format!("{theirs:.0} KiB: a reqwest client that has made a call"),
    ));
    let [built, answered, theirs_built, theirs_answered] = figures("first")[..] else { panic!("four figures") };
    rows.push(Row::new("`build()`", format!("{built:.1} ms"), format!("{theirs_built:.1} ms: reqwest's")));
    rows.push(Row::new(
        "from `build()` to the first answer, sign-in and connection included",
        format!("{answered:.1} ms"),
        format!("{theirs_answered:.1} ms: reqwest's first, without a sign-in"),
    ));
}
