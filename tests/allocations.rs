//! What a lease of a fresh token costs in allocations: nothing. A binary of its own, because it counts them all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use allocation_counter::measure;
use futures_util::FutureExt;
use keyway::{Secret, testing::FakeOrderingStack};
use std::{
    hint::black_box,
    io::{Read, Write},
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
fn a_failing_answer_of_8_mib_costs_no_more_than_three_times_that_and_nothing_afterwards() {
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
