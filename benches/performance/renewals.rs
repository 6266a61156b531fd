//! What a renewal costs beside the vendor's own time, by where the session sleeps.

use crate::{acme::Acme, paper::Row, redis::Server};
use keyway::{FileStore, MemoryStore, RedisStore, custom::ClientBuilder};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const RENEWALS: usize = 300;

pub(crate) fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let memory = measure(|client| client.store(MemoryStore::new()));
    let file = measure(|client| client.store(FileStore::at(folder.path().join("sessions"))));
    let against = format!("{memory:.0} µs: in memory");
    let mut rows = vec![
        Row::new("a renewal, session in memory", format!("{memory:.0} µs"), "an instant vendor".into()),
        Row::new("a renewal, session in a file", format!("{file:.0} µs"), against.clone()),
    ];
    // Left out where no Redis is installed.
    if let Some(server) = Server::start() {
        let redis = measure(|client| client.store(RedisStore::connect(server.url()).unwrap()));
        rows.push(Row::new("a renewal, session in a Redis on this machine", format!("{redis:.0} µs"), against));
    }
    rows
}

/// Median microseconds.
fn measure(stored: impl Fn(ClientBuilder) -> ClientBuilder) -> f64 {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let acme = Acme::new(Duration::from_secs(3600), Duration::ZERO);
        let session = stored(acme.client()).build().unwrap().session().clone();
        session.lease().await.unwrap();
        let mut times = Vec::new();
        for _ in 0..RENEWALS {
            let began = Instant::now();
            session.renew().await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
