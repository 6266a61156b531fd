//! What a lease of a fresh token costs in allocations: nothing. A binary of its own, because it counts them all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use allocation_counter::measure;
use futures_util::FutureExt;
use keyway::{
    Error, MemoryStore, Secret, Sessions,
    custom::{self, Attempt, Capabilities, Issued, Issuer, Renewal, Tokens},
    testing::{FakeOrderingStack, ManualClock},
};
use std::{
    hint::black_box,
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const CALLS: usize = 10_000;

#[tokio::test]
async fn a_lease_of_a_fresh_token_and_its_headers_allocate_nothing() {
    let fake = FakeOrderingStack::start().await;
    let client = keyway::orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, Secret::from(FakeOrderingStack::CLIENT_SECRET))
        .client_credentials()
        .build()
        .unwrap();
    let session = client.session();
    session.lease().await.unwrap();
    let lease = || session.lease().now_or_never().expect("it is fresh, so nobody waits").unwrap();
    // Once, so that what a thread allocates for itself is there.
    drop(lease());

    let leases = measure(|| (0..CALLS).for_each(|_| drop(black_box(lease()))));
    assert_eq!((leases.count_total, leases.bytes_total), (0, 0));
    let values = measure(|| {
        for _ in 0..CALLS {
            let lease = lease();
            black_box((lease.headers()["authorization"].clone(), lease.headers()["x-tenant"].clone()));
        }
    });
    assert_eq!((values.count_total, values.bytes_total), (0, 0));
    assert_eq!(fake.count("issue_token"), 1);
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}

/// Answers what comes with `body`, from a thread of its own: what it allocates is not ours.
fn vendor(status: u16, body: Vec<u8>) -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let (status, body) = match request[..read].windows(12).any(|twelve| twelve == b"/oauth/token") {
                true => (200, br#"{"access_token":"the-token"}"#.as_slice()),
                false => (status, body.as_slice()),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Some\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body);
        }
    });
    port
}

const MIB: u64 = 1024 * 1024;

/// What is told to be larger than anything that is read is not collected; read piece by piece it costs a piece.
#[test]
fn an_answer_of_64_mib_costs_27_mib_at_most_and_a_piece_where_it_is_read_in_pieces() {
    let text = format!(r#"{{"name":"{}"}}"#, "x".repeat(64 * 1024 * 1024));
    for status in [200, 422] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = client(vendor(status, text.clone().into_bytes()));
        runtime.block_on(client.session().lease()).unwrap();
        let id = "3f2b8f6e-9c1d-4a57-8e46-1b7c0d5a2e90";
        let mut error = None;
        let typed = measure(|| {
            runtime.block_on(async {
                error = client.api().get_user().id(id).send().await.err();
                // What its connection holds goes when its task is run.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            });
        });
        assert!(error.is_some(), "no type is that large");
        assert!(typed.bytes_max <= 27 * MIB, "{status}: {} MiB at its peak", typed.bytes_max / MIB);
        assert!(typed.bytes_current <= 128 * 1024, "{} KiB afterwards", typed.bytes_current / 1024);
        let mut read = 0;
        let pieces = measure(|| {
            runtime.block_on(async {
                let mut answer = client.http().get("/x").send().await.unwrap();
                while let Some(piece) = answer.chunk().await.unwrap() {
                    read += piece.len();
                }
            });
        });
        assert_eq!(read, text.len());
        assert!(pieces.bytes_max <= MIB, "{status}: {} KiB at its peak", pieces.bytes_max / 1024);
    }
}

fn client(port: u16) -> keyway::orderingstack::Client {
    keyway::orderingstack::Client::builder(format!("http://127.0.0.1:{port}"))
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, Secret::from(FakeOrderingStack::CLIENT_SECRET))
        .client_credentials()
        .build()
        .unwrap()
}

/// On one thread, so that all that the call allocates is counted.
#[test]
fn a_failing_answer_of_8_mib_costs_at_most_three_times_that_and_nothing_later() {
    let objects = format!("[{}0]", r#"{"":0},"#.repeat(8 * 1024 * 1024 / 7 - 16));
    let fields: String = (0..550_000).map(|n| format!(r#""f{n:06}":[],"#)).collect();
    let fields = format!(r#"{{"errors":{{{fields}"z":[]}}}}"#);
    for body in [objects, fields] {
        assert!(body.len() as u64 <= 8 * MIB && body.len() as u64 > 6 * MIB);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let port = vendor(422, body.into_bytes());
        let client = client(port);
        runtime.block_on(client.session().lease()).unwrap();
        let id = "3f2b8f6e-9c1d-4a57-8e46-1b7c0d5a2e90";
        let mut errors = Vec::new();
        let cost = measure(|| {
            errors.push(runtime.block_on(client.api().get_user().id(id).send()).unwrap_err());
            errors.push(runtime.block_on(client.http().get("/x").send_ok()).unwrap_err());
        });
        assert_eq!(errors[0].status(), Some(422), "{:?}", errors[0]);
        assert!(cost.bytes_max <= 24 * MIB, "{} MiB at its peak", cost.bytes_max / MIB);
        assert!(cost.bytes_current <= 128 * 1024, "{} KiB afterwards", cost.bytes_current / 1024);
    }
}

/// A vendor that takes no time and no memory.
struct Paper(Arc<AtomicU64>);

impl Issuer for Paper {
    fn describe(&self) -> Capabilities {
        Capabilities::new("paper", ".issuer(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let token = |kind: &str| format!("{kind}-{number:08}-0123456789abcdef0123456789abcdef");
        Ok(Issued::new(token("access")).with_refresh(token("refresh")).lives_for(Duration::from_secs(24 * 3600)))
    }

    async fn renew(&self, attempt: &Attempt, _: &Tokens) -> Result<Issued, Error> {
        self.sign_in(attempt).await
    }
}

/// How long each of many took.
struct Latency(Vec<Duration>);

impl Latency {
    /// With room for so many, so that it does not grow while memory is measured.
    fn with(many: u64) -> Self {
        Self(Vec::with_capacity(usize::try_from(many).unwrap()))
    }

    /// A row of the table in `docs/people.md`.
    fn tell(&mut self, what: &str) {
        self.0.sort_unstable();
        let within = |of_thousand: usize| self.0[(self.0.len() - 1) * of_thousand / 1000].as_micros();
        let rows = [500, 990, 999, 1000].map(|of_thousand| format!("{} µs", within(of_thousand)));
        println!("| {what} | {} |", rows.join(" | "));
    }
}

/// `KEYWAY_SESSIONS` says how many; 100,000 take a minute. On one thread, so that all of it is counted.
#[test]
fn a_session_that_sleeps_takes_less_than_a_kilobyte_and_no_key_signs_in_twice() {
    let keys: u64 = std::env::var("KEYWAY_SESSIONS").map_or(2_000, |keys| keys.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (signed_in, store, clock) = (Arc::new(AtomicU64::new(0)), MemoryStore::new(), ManualClock::new());
    let (counts, its) = (signed_in.clone(), clock.clone());
    let builder = move |name: String| {
        let builder = custom::Client::builder("https://vendor.example").issuer(Paper(counts.clone()));
        builder.principal(name).clock(its.clone()).store(store.clone())
    };
    let first = builder("the first".to_owned()).build().unwrap();
    let sessions = Sessions::new(64, move |key: &u64| builder(format!("user {key}")).http_of(&first).build());
    let sessions = sessions.idle(Duration::from_secs(60)).clock(clock.clone());
    let (mut begun, mut taken_up, mut there) = (Latency::with(keys), Latency::with(keys), Latency::with(keys));
    let lease = async |key: u64, latency: &mut Latency| {
        let at = Instant::now();
        let client = sessions.get(&key).unwrap();
        client.session().lease().await.unwrap();
        latency.0.push(at.elapsed());
        client
    };
    let cost = measure(|| {
        runtime.block_on(async {
            for key in 0..keys {
                drop(lease(key, &mut begun).await);
            }
            clock.advance(Duration::from_secs(61));
            sessions.forget_idle();
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        });
    });
    assert!(sessions.is_empty());
    let each = cost.bytes_current / i64::try_from(keys).unwrap();
    assert!(each <= 1024, "{each} bytes for each session that sleeps");

    let mut dice = 1_u64;
    runtime.block_on(async {
        for _ in 0..keys {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (dice >> 33) % keys;
            let client = lease(key, &mut taken_up).await;
            // Somebody else who wants it meanwhile.
            drop(lease(key, &mut there).await);
            drop(client);
        }
    });
    assert_eq!((signed_in.load(Ordering::SeqCst), sessions.len()), (keys, 64), "one sign-in per key");
    println!("{keys} keys, {each} bytes each while they sleep; one sign-in per key");
    println!("| | half of them within | 99 of 100 | 999 of 1,000 | the longest |\n|---|---|---|---|---|");
    begun.tell("begun: a client is made, which signs in and saves");
    taken_up.tell("taken up again: the session is read from the store");
    there.tell("there already");
}
