//! Postgres goes away, comes back, is another one.

use crate::{Place, Server, distant::nothing_is_spent_while_it_is_down, generation, record, vitamojo_client};
use keyway::{
    PostgresStore, Store,
    testing::{FakeVitaMojo, ManualClock, key},
};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(30);
const MINUTES: Duration = Duration::from_secs(60);

#[apply(leak_checked!)]
async fn postgres_that_is_down_stops_only_what_rotates_and_is_back_without_a_restart() {
    let Some(mut server) = Server::start() else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock, server.store().await);
    client.session().lease().await.unwrap();
    server.kill();
    nothing_is_spent_while_it_is_down(&client, &clock, &fake).await;

    server.restart();
    clock.advance(10 * MINUTES);
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("refresh_token"), fake.count("auth"), fake.reuses()), (1, 1, 0));
}

/// The refresh token is spent when Postgres goes away: what came of it must not be lost.
#[apply(leak_checked!)]
async fn postgres_gone_in_the_middle_of_a_renewal_and_back_loses_nothing() {
    let Some(mut server) = Server::start() else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock, server.store().await);
    client.session().lease().await.unwrap();
    let gate = fake.hold("refresh_token");
    let session = client.session().clone();
    let renewal = tokio::spawn(async move { session.renew().await.map(|lease| lease.generation()) });
    gate.arrived(1).await;
    server.kill();
    gate.open();
    // The caller has the new token all the same; that nobody else can have it yet is one sentence.
    let renewed = renewal.await.unwrap().unwrap();
    assert_eq!(renewed.counter(), 2);
    let report = client.session().report().to_string();
    let told: Vec<_> = report.lines().filter(|line| line.contains("Postgres at")).collect();
    assert!(told.iter().any(|line| line.contains("refuses connections") || line.contains("has ended")), "{report}");

    server.restart();
    client.session().close().await.expect("it is saved now");
    let another = vitamojo_client(&fake, &clock, PostgresStore::connect(server.url()).unwrap());
    assert_eq!(another.session().lease().await.unwrap().generation(), renewed);
    clock.advance(11 * MINUTES);
    assert_eq!(another.session().lease().await.unwrap().generation().counter(), 3);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn postgres_that_was_started_anew_is_used_as_if_nothing_had_been() {
    let Some(mut server) = Server::start() else { return };
    let (store, key) = (server.store().await, key("one"));
    let mut expected = None;
    for round in 0..3 {
        let next = record(1, 1 + round);
        assert!(store.compare_and_swap(&key, expected, next.clone()).await.unwrap(), "{round}");
        expected = Some(next.generation());
        let lock = store.lock(&key, LONG).await.unwrap();
        server.restart();
        assert!(!lock.extend(LONG).await, "its connection has ended");
        assert_eq!(store.load(&key).await.unwrap().map(|kept| kept.generation()), expected);
    }
}

/// An administrator ends the connection, as a failover does.
#[apply(leak_checked!)]
async fn a_connection_that_postgres_ends_is_made_anew_unnoticed() {
    let Some(server) = Server::start() else { return };
    let (store, key) = (server.store().await, key("one"));
    for counter in 1..5 {
        let expected = (counter > 1).then(|| generation(1, counter - 1));
        assert!(store.compare_and_swap(&key, expected, record(1, counter)).await.unwrap());
        server.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'keyway'").await;
    }
}

/// It was a primary, and is a standby now, behind the same connection.
#[apply(leak_checked!)]
async fn a_postgres_that_cannot_be_written_to_says_so_and_is_tried_again() {
    let Some(place) = Place::ready().await else { return };
    let role = format!("role_{}", place.table);
    let grant = format!("grant select, insert, update, delete on {} to {role}", place.table);
    let read_only = |on| format!("alter role {role} set default_transaction_read_only = {on}");
    place.server.ask(&format!("create role {role} login password 'seen'; {grant}; {}", read_only("on"))).await;
    let store = PostgresStore::connect(place.server.url_of(&format!("{role}:seen"))).unwrap().table(&place.table);
    let said = store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap_err().to_string();
    assert!(said.contains("is a standby that cannot be written to; give the address of the primary"), "{said}");
    place.server.ask(&read_only("off")).await;
    assert!(store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[apply(leak_checked!)]
fn postgres_is_used_from_one_runtime_after_the_other() {
    let Some(place) = Place::open() else { return };
    let (store, key) = (place.store(), key("one"));
    one_thread().block_on(async { store.create_table().await.unwrap() });
    for counter in 1..5 {
        let expected = (counter > 1).then(|| generation(1, counter - 1));
        one_thread().block_on(async {
            assert!(store.compare_and_swap(&key, expected, record(1, counter)).await.unwrap());
        });
    }
}

/// The connection belongs to the runtime that made it, and that one stands still.
#[apply(leak_checked!)]
fn postgres_is_used_although_the_runtime_that_connected_is_driven_by_nobody() {
    let Some(place) = Place::open() else { return };
    let (store, key) = (place.store(), key("one"));
    let (idle, busy) = (one_thread(), one_thread());
    idle.block_on(async { store.create_table().await.unwrap() });
    busy.block_on(async { assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap()) });
    idle.block_on(async { assert!(store.load(&key).await.unwrap().is_some()) });
}

#[apply(leak_checked!)]
fn postgres_outside_a_runtime_is_an_error_and_no_panic() {
    let (store, key) = (PostgresStore::connect("postgres://127.0.0.1:1/app").unwrap(), key("one"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(store.load(&key)).poll(&mut context).is_ready());
    assert!(std::pin::pin!(store.lock(&key, LONG)).poll(&mut context).is_ready());
    assert!(std::pin::pin!(store.create_table()).poll(&mut context).is_ready());
}
