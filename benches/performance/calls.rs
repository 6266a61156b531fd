//! Instructions, counted by callgrind: of a lease, and of whole calls beside bare ones.
//!
//! The program runs itself under callgrind, once for some calls and once for more: the difference is what those cost.
//! The vendor is another process, so that its work is not counted.

use crate::{
    acme::Acme,
    lease::{Floor, header},
    paper::Row,
    vendor::{TOKEN, Vendor},
};
use http::{
    HeaderValue,
    header::{ACCEPT, AUTHORIZATION},
};
use keyway::vms::{Client, types::VmsSession};
use std::{env, hint::black_box, path::Path, process::Command, time::Duration};
use tokio::runtime::Builder;

/// How many calls the shorter run makes; the longer one makes twice as many.
const CALLS: [(&str, u64); 7] =
    [("floor", 20_000), ("lease", 20_000), ("bare", 400), ("copied", 400), ("http", 400), ("raw", 400), ("typed", 400)];

pub(crate) fn rows() -> Vec<Row> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is not installed: the instructions are left out");
        return Vec::new();
    }
    let vendor = Vendor::start();
    let [floor, lease, bare, copied, http, raw, typed] =
        CALLS.map(|(what, times)| per_call(what, times, &vendor.address));
    let apart = |ours: f64, theirs: f64| format!("{ours:.0} instructions, {:+.0}", ours - theirs);
    vec![
        Row::new(
            "header of a cached `lease()`",
            format!("{lease:.0} instructions"),
            format!("{floor:.0}: one atomic load, a clone, a clock"),
        )
        .aimed("at most 300", lease, 300.0),
        Row::new(
            "a typed call",
            apart(typed, raw),
            format!("{raw:.0}: what the generator writes for it, with a prepared header"),
        )
        .aimed("at most 1,500 more", typed - raw, 1_500.0),
        Row::new("a call with `http()`", apart(http, bare), format!("{bare:.0}: bare reqwest with a prepared header"))
            .aimed("at most 3,000 more", http - bare, 3_000.0),
        Row::new(
            "reqwest's own copy of a request; a call without a body keeps a cheaper one",
            format!("{:.0} instructions", copied - bare),
            "a bare call without it".into(),
        ),
    ]
}

fn per_call(what: &str, times: u64, address: &str) -> f64 {
    let [few, many] = [times, times * 2].map(|times| instructions(what, times, address));
    (many - few) / times as f64
}

fn instructions(what: &str, times: u64, address: &str) -> f64 {
    let program = env::current_exe().unwrap();
    count(&program, &["count", what, &times.to_string(), address])
}

pub(crate) fn count(program: &Path, arguments: &[&str]) -> f64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let valgrind = valgrind.arg(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&valgrind.stderr);
    assert!(valgrind.status.success(), "{arguments:?} failed:\n{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    collected.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("callgrind said:\n{said}"))
}

/// What is counted.
pub(crate) fn run(what: &str, times: u64, address: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match what {
            "floor" => {
                let floor = Floor::new();
                (0..times).for_each(|_| drop(black_box(floor.reach())));
            }
            "lease" => {
                let client = Acme::new(Duration::from_secs(3600), Duration::ZERO).client().build().unwrap();
                client.session().lease().await.unwrap();
                (0..times).for_each(|_| drop(black_box(header(client.session()))));
            }
            "http" | "typed" => ours(what, times, address).await,
            "bare" | "copied" | "raw" => theirs(what, times, address).await,
            _ => panic!("nothing is called {what}"),
        }
    });
}

async fn ours(what: &str, times: u64, address: &str) {
    let client = Client::builder(address).password("operator", "open sesame").build().unwrap();
    client.session().lease().await.unwrap();
    for _ in 0..times {
        if what == "http" {
            let answer = client.http().get("/api/v1/sessions").send().await.unwrap();
            black_box(answer.bytes().await.unwrap());
        } else {
            black_box(client.api().list_sessions().send().await.unwrap().into_inner());
        }
    }
}

async fn theirs(what: &str, times: u64, address: &str) {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(30));
    // The same request on the wire as ours.
    let builder = builder.user_agent(concat!("keyway/", env!("CARGO_PKG_VERSION")));
    let client = builder.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut token = HeaderValue::try_from(format!("Bearer {TOKEN}")).unwrap();
    token.set_sensitive(true);
    // The sign-in, so that both have met the vendor once before what is counted.
    client.post(format!("{address}/api/v1/token")).send().await.unwrap().bytes().await.unwrap();
    for _ in 0..times {
        let url = format!("{address}/api/v1/sessions");
        let request = client.get(url).header(ACCEPT, HeaderValue::from_static("application/json"));
        let request = request.header(AUTHORIZATION, token.clone()).build().unwrap();
        let copy = (what == "copied").then(|| request.try_clone().unwrap());
        let answer = client.execute(request).await.unwrap();
        drop(black_box(copy));
        assert!(answer.status().is_success());
        let body = answer.bytes().await.unwrap();
        if what == "raw" {
            black_box(serde_json::from_slice::<Vec<VmsSession>>(&body).unwrap());
        } else {
            black_box(body);
        }
    }
}
