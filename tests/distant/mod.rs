//! What the tests of the stores on other machines have in common.

use keyway::{
    ErrorKind, Generation, Key, Record, Store,
    testing::{FakeVitaMojo, ManualClock},
    vitamojo,
};
use std::time::Duration;

pub(crate) fn vitamojo_client(fake: &FakeVitaMojo, clock: &ManualClock, store: impl Store) -> vitamojo::Client {
    let builder = vitamojo::Client::builder(fake.uri()).tenant("c36578d8-ffa6-4a5e-a808-400ee422028a");
    let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
    builder.clock(clock.clone()).store(store).build().unwrap()
}

pub(crate) fn of(json: &str) -> Record {
    Record::from_json(json).unwrap()
}

pub(crate) fn record(lineage: u64, counter: u64) -> Record {
    of(&format!(
        r#"{{"schema":2,"lineage":{lineage},"counter":{counter},"session":{{"access":"a-{counter}","issued_ms":1,"ends":"never"}}}}"#
    ))
}

pub(crate) fn generation(lineage: u64, counter: u64) -> Generation {
    record(lineage, counter).generation()
}

/// How many days records of each kind are kept, by what the store itself says is left of them.
pub(crate) async fn records_end_by_themselves(store: &impl Store, key: &Key, left: impl AsyncFn() -> Duration) {
    for (number, (json, days)) in (0_u64..).zip([
        (r#","session":{"access":"a","issued_ms":0,"ends":86400000}"#, 1 + 1),
        (r#","session":{"access":"a","refresh":"r","issued_ms":0,"ends":86400000}"#, 1 + 90),
        (r#","session":{"access":"a","issued_ms":0,"ends":"unknown"}"#, 365),
        ("", 90),
        (r#","attempts_ms":[5]"#, 30),
    ]) {
        let next = of(&format!(r#"{{"schema":2,"lineage":1,"counter":{}{json}}}"#, number + 1));
        let expected = (number > 0).then(|| generation(1, number));
        assert!(store.compare_and_swap(key, expected, next).await.unwrap());
        let (left, kept) = (left().await, Duration::from_secs(days * 24 * 3600));
        assert!((kept - Duration::from_secs(60)..=kept).contains(&left), "{json}: {left:?}");
    }
}

/// What a client that has signed in does while its store is down: in the window in which it is renewed behind the calls it is
/// served and not renewed, and after its end nothing is spent.
pub(crate) async fn nothing_is_spent_while_it_is_down(
    client: &vitamojo::Client,
    clock: &ManualClock,
    fake: &FakeVitaMojo,
) {
    const MINUTES: Duration = Duration::from_secs(60);
    clock.advance(9 * MINUTES);
    client.session().lease().await.expect("still valid");
    client.session().close().await.unwrap();
    clock.advance(2 * MINUTES);
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), fake.count("refresh_token"), fake.count("auth")), (ErrorKind::Store, 0, 1));
    assert!(error.to_string().contains("refuses connections; see whether it runs there"), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}
