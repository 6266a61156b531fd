//! One call, or one lease, made so many times: what `benches/performance` counts and times.
//!
//! ```sh
//! outside count typed 400 http://127.0.0.1:8080      # for callgrind
//! outside cpu typed 4000 64 http://127.0.0.1:8080    # nanoseconds of a processor for each, with 64 in flight
//! ```

mod callers;
mod clients;
mod leases;

use callers::Caller;
use std::{env, fs, hint::black_box, sync::Arc};
use tokio::{runtime::Builder, task::JoinSet};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match arguments[..] {
            ["count", "lease", times, _] => leases::run(number(times)).await,
            ["count", what, times, address] => {
                let caller = Caller::of(what, address).await;
                for _ in 0..number(times) {
                    black_box(caller.call().await);
                }
            }
            ["cpu", what, times, at_once, address] => {
                println!("{}", in_flight(what, number(times), number(at_once), address).await);
            }
            ["list", address] => println!("{}", clients::list(address).await),
            ["idle", address] => println!("{}", clients::idle(address).await),
            ["first", address] => println!("{}", clients::first(address).await),
            _ => panic!("what is {arguments:?}?"),
        }
    });
}

/// Nanoseconds of a processor for each call, those of the kernel included.
async fn in_flight(what: &str, times: u64, at_once: u64, address: &str) -> u64 {
    let caller = Arc::new(Caller::of(what, address).await);
    // Opens the connections.
    together(&caller, at_once, 4).await;
    let before = processor();
    together(&caller, at_once, times / at_once).await;
    (processor() - before) / (times / at_once * at_once)
}

async fn together(caller: &Arc<Caller>, at_once: u64, each: u64) {
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let caller = caller.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                black_box(caller.call().await);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("a call");
    }
}

/// What this thread, which does everything, has had of a processor; 0 elsewhere than on Linux.
fn processor() -> u64 {
    let said = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    said.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}
