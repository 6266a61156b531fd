//! Every public future, dropped after every number of polls: nothing is lost, nothing stays locked.

use crate::{TENANT, vms_client};
use keyway::{
    Error, Session,
    testing::{FakeVitaMojo, FakeVms, ManualClock},
    vitamojo,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

/// A future that is polled so many times and then dropped.
struct Polled<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Polled<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}

/// Drops the future after 0, 1, 2, … polls until it completes; `after` looks at what is left each time.
async fn drop_everywhere<S, F, T>(set: impl AsyncFn() -> S, future: impl Fn(&S) -> F, after: impl AsyncFn(S, bool))
where
    F: Future<Output = T>,
{
    for polls in 0..200 {
        let stage = set().await;
        let done = Polled { inner: Box::pin(future(&stage)), polls }.await.is_some();
        after(stage, done).await;
        if done {
            assert!(polls > 0);
            return;
        }
    }
    panic!("never completes");
}

struct VitaMojo {
    fake: FakeVitaMojo,
    clock: ManualClock,
    client: vitamojo::Client,
}

async fn vita_mojo() -> VitaMojo {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let builder = vitamojo::Client::builder(fake.uri()).tenant(TENANT).clock(clock.clone());
    let client = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build().unwrap();
    VitaMojo { fake, clock, client }
}

async fn expired() -> VitaMojo {
    let stage = vita_mojo().await;
    stage.client.session().lease().await.unwrap();
    stage.clock.advance(Duration::from_secs(11 * 60));
    stage
}

/// The session works, and no token was spent twice.
async fn is_well(session: &Session) -> Result<(), Error> {
    session.close().await;
    session.lease().await.map(|_| ())
}

#[tokio::test]
async fn a_sign_in() {
    drop_everywhere(
        vita_mojo,
        |stage| {
            let session = stage.client.session().clone();
            async move { session.lease().await.unwrap() }
        },
        async |stage, _| {
            is_well(stage.client.session()).await.unwrap();
            assert_eq!((stage.fake.count("auth"), stage.fake.count("refresh_token")), (1, 0));
        },
    )
    .await;
}

#[tokio::test]
async fn a_renewal() {
    drop_everywhere(
        expired,
        |stage| {
            let session = stage.client.session().clone();
            async move { session.lease().await.unwrap() }
        },
        async |stage, _| {
            is_well(stage.client.session()).await.unwrap();
            assert_eq!((stage.fake.count("auth"), stage.fake.count("refresh_token")), (1, 1));
            assert_eq!(stage.fake.reuses(), 0);
        },
    )
    .await;
}

#[tokio::test]
async fn a_renewal_that_was_asked_for() {
    drop_everywhere(
        expired,
        |stage| {
            let session = stage.client.session().clone();
            async move { session.renew().await.unwrap() }
        },
        async |stage, _| {
            is_well(stage.client.session()).await.unwrap();
            assert_eq!((stage.fake.count("auth"), stage.fake.reuses()), (1, 0));
        },
    )
    .await;
}

#[tokio::test]
async fn a_call_that_is_replayed_after_a_401() {
    drop_everywhere(
        async || {
            let stage = vita_mojo().await;
            stage.client.session().lease().await.unwrap();
            stage.fake.revoke_access_tokens();
            stage
        },
        |stage| {
            let call = stage.client.http().get("/order/v1/orders").send();
            async move { call.await.unwrap().status() }
        },
        async |stage, done| {
            is_well(stage.client.session()).await.unwrap();
            assert_eq!(stage.client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
            assert_eq!((stage.fake.count("auth"), stage.fake.count("refresh_token"), stage.fake.reuses()), (1, 1, 0));
            assert!(!done || stage.fake.count("other") == 3);
        },
    )
    .await;
}

#[tokio::test]
async fn a_sign_out() {
    drop_everywhere(
        async || {
            let (fake, clock) = (FakeVms::start().await, ManualClock::new());
            let client = vms_client(&fake, &clock).build().unwrap();
            client.session().lease().await.unwrap();
            (fake, client)
        },
        |(_, client)| {
            let session = client.session().clone();
            async move { session.sign_out().await.unwrap() }
        },
        async |(fake, client), _| {
            if fake.count("logout") == 0 && client.session().report().to_string().contains("signed out") {
                fake.until("logout", 1).await;
            }
            client.session().sign_in().await.unwrap();
            assert_eq!(fake.sessions().len(), 1, "no session is left behind");
        },
    )
    .await;
}

#[tokio::test]
async fn a_hundred_impatient_callers_around_an_expiry() {
    let stage = expired().await;
    for _ in 0..100 {
        let session = stage.client.session().clone();
        let mut call = pin!(Polled { inner: Box::pin(async move { session.lease().await }), polls: 1 });
        let _ = call.as_mut().await;
    }
    is_well(stage.client.session()).await.unwrap();
    assert_eq!((stage.fake.count("auth"), stage.fake.count("refresh_token"), stage.fake.reuses()), (1, 1, 0));
}
