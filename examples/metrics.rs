//! What Keyway counts, live: two clients at work for a quarter of a minute, while their vendors end tokens, take their time and fail.
//!
//! ```sh
//! cargo run --example metrics --features metrics
//! ```
//!
//! In a project of your own: `cargo add keyway -F metrics`, and the exporter of your choice instead of the recorder here. It
//! talks to fakes in this process.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Error, EvictionPolicy, telemetry,
    testing::{FakeVitaMojo, FakeVms, Fault},
    vitamojo, vms,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recorder = DebuggingRecorder::new();
    let mut screen = Screen::new(recorder.snapshotter());
    recorder.install()?;
    telemetry::describe();

    // Tokens that live for four seconds, so that there is something to see.
    let orders = FakeVitaMojo::builder().token_life(4 * SECOND).jwt(true).rotating(true).start().await;
    let shop = vitamojo::Client::builder(orders.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build()?;
    // An account whose sessions are all taken.
    let cameras = FakeVms::builder().session_limit(2).other_sessions(2).start().await;
    let video = vms::Client::builder(cameras.uri())
        .password(FakeVms::LOGIN, FakeVms::PASSWORD)
        .session_limit(EvictionPolicy::Oldest)
        .build()?;

    let mut load = JoinSet::new();
    for n in 0..8 {
        let (shop, video) = (shop.clone(), video.clone());
        load.spawn(async move {
            loop {
                // A failure is counted too, and the next call is another try.
                let _ = shop.http().get("/order/v1/orders").send().await;
                let _ = video.http().get("/api/v1/cameras").send().await;
                sleep(Duration::from_millis(40 + n)).await;
            }
        });
    }
    screen.show("both sign in; at VMS another session ends for ours", 3).await;
    screen.show("Vita Mojo's tokens are renewed behind the calls", 3).await;
    orders.revoke_access_tokens();
    screen.show("Vita Mojo answered 401: renewed, and the call sent again", 2).await;
    cameras.revoke_all();
    screen.show("others at VMS took their place back: nobody fights for it, and callers are refused", 2).await;
    let slow = orders.hold("refresh_token");
    orders.next("refresh_token", Fault::Html(503));
    screen.show("Vita Mojo is slow to renew, and callers wait …", 4).await;
    slow.open();
    screen.show("… and then it fails and recovers", 4).await;
    load.abort_all();
    sign_out(&shop, &video).await?;
    screen.show("signed out", 1).await;
    Ok(())
}

async fn sign_out(shop: &vitamojo::Client, video: &vms::Client) -> Result<(), Error> {
    shop.session().sign_out().await?;
    video.session().sign_out().await.map(drop)
}

/// The sums so far, drawn over one another where the output is a terminal.
struct Screen {
    snapshotter: Snapshotter,
    /// By name and labels.
    /// By surface, name and the other labels.
    sums: BTreeMap<(String, String, String), Sum>,
    drawn: usize,
}

#[derive(Clone, Copy)]
enum Sum {
    Count(u64),
    Now(f64),
    Times { how_many: usize, total: f64, longest: f64 },
}

impl Screen {
    fn new(snapshotter: Snapshotter) -> Self {
        Self { snapshotter, sums: BTreeMap::new(), drawn: 0 }
    }

    async fn show(&mut self, scene: &str, seconds: u32) {
        let live = io::stdout().is_terminal();
        for _ in 0..seconds * 5 {
            sleep(SECOND / 5).await;
            self.collect();
            if live {
                self.draw(scene);
            }
        }
        if !live {
            self.draw(scene);
        }
    }

    /// This recorder tells what was added since it was asked last.
    fn collect(&mut self) {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let surface = key.labels().find(|label| label.key() == "surface").map_or("", |label| label.value());
            let others = key.labels().filter(|label| label.key() != "surface");
            let others: Vec<_> = others.map(|label| format!("{}={}", label.key(), label.value())).collect();
            let sum = self.sums.entry((surface.to_owned(), key.name().to_owned(), others.join(" ")));
            match value {
                DebugValue::Counter(more) => {
                    sum.and_modify(|sum| sum.add(more as f64)).or_insert(Sum::Count(more));
                }
                DebugValue::Gauge(by) => {
                    sum.and_modify(|sum| sum.add(*by)).or_insert(Sum::Now(*by));
                }
                DebugValue::Histogram(times) => {
                    let sum = sum.or_insert(Sum::Times { how_many: 0, total: 0.0, longest: 0.0 });
                    times.iter().for_each(|time| sum.add(**time));
                }
            }
        }
    }

    fn draw(&mut self, scene: &str) {
        let mut page = String::new();
        if self.drawn > 0 && io::stdout().is_terminal() {
            page += &format!("\x1b[{}A", self.drawn);
        }
        page += &format!("\x1b[K\n\x1b[K{scene}\n");
        let mut group = None;
        for ((surface, name, labels), sum) in &self.sums {
            if group.replace(surface) != Some(surface) {
                page += &format!("\x1b[Ksurface={surface}\n");
            }
            page += &format!("\x1b[K  {name:<24} {:<7} {labels}\n", sum.to_string());
        }
        self.drawn = page.lines().count();
        // What does not fit is cut off: a line that breaks would put all below it out of place.
        let page = match io::stdout().is_terminal() {
            true => format!("\x1b[?7l{page}\x1b[?7h"),
            false => page.replace("\x1b[K", ""),
        };
        print!("{page}");
        let _ = io::stdout().flush();
    }
}

impl Sum {
    fn add(&mut self, more: f64) {
        match self {
            Self::Count(sum) => *sum += more as u64,
            Self::Now(sum) => *sum += more,
            Self::Times { how_many, total, longest } => {
                *how_many += 1;
                *total += more;
                *longest = longest.max(more);
            }
        }
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(sum) => write!(f, "{sum:>5}"),
            Self::Now(sum) => write!(f, "{sum:>5} now"),
            Self::Times { how_many, total, longest } => {
                let mean = total / (*how_many).max(1) as f64;
                write!(f, "{how_many:>5}, mean {mean:.3} s, longest {longest:.3} s")
            }
        }
    }
}
