//! A call's own timeout, and the deadline of a slow vendor or source.

use super::*;

#[apply(leak_checked!)]
async fn a_call_whose_own_timeout_is_short_ends_in_time_and_the_renewal_survives() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let call = {
        let client = client.clone();
        let call = client.http().get("/api/v1/cameras").timeout(Duration::from_secs(2)).send();
        tokio::spawn(async move { call.await.unwrap_err() })
    };
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("http")));
    gate.open();
    client.session().close().await.unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_renewal_that_takes_longer_than_a_call_serves_the_next_one() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(ELEVEN_MINUTES);
    let gate = fake.hold("refresh_token");
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(2)).send());
    gate.arrived(1).await;
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Timeout, true), "{error}");
    assert_eq!(fake.count("other"), 0);
    gate.open();
    let next = client.http().get("/order/v1/orders").timeout(Duration::from_secs(2)).send().await.unwrap();
    assert_eq!(next.status(), 200);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}

#[apply(leak_checked!)]
async fn a_calls_own_timeout_covers_the_renewal_after_a_401() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_access_tokens();
    let (answers, renewals) = (fake.hold("other"), fake.hold("refresh_token"));
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(5)).send());
    // The 401 itself takes three of the five seconds, so two are left for the renewal.
    answers.arrived(1).await;
    clock.advance(Duration::from_secs(3));
    answers.open();
    renewals.arrived(1).await;
    assert!(!call.is_finished());
    clock.advance(Duration::from_secs(2));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("http")), "{error}");
    renewals.open();
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("other"), fake.count("refresh_token"), fake.count("auth")), (2, 1, 1));
}

#[apply(leak_checked!)]
async fn a_calls_own_timeout_covers_the_second_sending_after_a_401() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    fake.revoke_access_tokens();
    let answers = fake.hold("other");
    let call = tokio::spawn(client.http().get("/order/v1/orders").timeout(Duration::from_secs(5)).send());
    answers.arrived(1).await;
    answers.let_through(1);
    answers.arrived(2).await;
    clock.advance(Duration::from_secs(5));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Timeout, false), "{error}");
    assert_eq!((fake.count("other"), fake.count("refresh_token")), (2, 1));
}

#[apply(leak_checked!)]
async fn however_many_wait_one_timer_tells_them_that_the_vendor_is_too_late() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let gate = fake.hold("get_token");
    let wait = || {
        let session = client.session().clone();
        tokio::spawn(async move { session.lease().await.map(drop) })
    };
    let mut waiting = vec![wait()];
    gate.arrived(1).await;
    clock.until_sleeping(1).await;
    let before = clock.sleepers();
    waiting.extend((0..99).map(|_| wait()));
    tokio::task::yield_now().await;
    assert_eq!(clock.sleepers(), before);
    clock.advance(Timeouts::default().renewal);
    for waits in waiting {
        let error = waits.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    // It was given up: nobody waits for its answer, and the next call asks anew.
    gate.open();
    clock.advance(Duration::from_secs(1));
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("get_token"), 2);
}

/// Somebody who takes one step each time he is let.
#[derive(Clone)]
struct Hesitant {
    arrived: Arc<Semaphore>,
    leave: Arc<Semaphore>,
}

impl Hesitant {
    fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), leave: Arc::new(Semaphore::new(0)) }
    }

    async fn step(&self) {
        self.arrived.add_permits(1);
        self.leave.acquire().await.unwrap().forget();
    }

    /// Waits until he wants to take his next step.
    async fn hesitates(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    fn let_go(&self, steps: usize) {
        self.leave.add_permits(steps);
    }
}

impl Issuer for Hesitant {
    fn describe(&self) -> Capabilities {
        Capabilities::new("hesitant", ".password(..)")
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.step().await;
        let _permit = attempt.acquire().await?;
        self.step().await;
        Ok(Issued::new("a-token-after-two-steps"))
    }
}

impl CredentialSource for Hesitant {
    async fn secret(&self) -> Result<Secret, SourceError> {
        self.step().await;
        Ok(FakeVms::PASSWORD.into())
    }
}

#[apply(leak_checked!)]
async fn whoever_waited_for_a_slow_source_waits_for_the_vendor_no_longer_than_others_do() {
    let (fake, clock, source) = (FakeVms::start().await, ManualClock::new(), Hesitant::new());
    let client = vms::Client::builder(fake.uri()).clock(clock.clone());
    let client = client.password_from(FakeVms::LOGIN, source.clone()).build().unwrap();
    let gate = fake.hold("get_token");
    let lease = || {
        let session = client.session().clone();
        tokio::spawn(async move { session.lease().await.map(drop) })
    };
    let first = lease();
    source.hesitates().await;
    let waiting = lease();
    first.abort();
    first.await.unwrap_err();
    source.let_go(2);
    gate.arrived(1).await;
    clock.advance(Timeouts::default().renewal);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    gate.open();
}
