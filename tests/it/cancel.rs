//! Every public future, dropped after every number of polls: nothing is lost, nothing stays locked.

mod runtimes;
mod vendor;

use crate::{
    TENANT,
    counts::{Counts, NONE, counts},
    vms_client,
};
use keyway::{
    Answer, Error, ErrorKind, MemoryStore, Session,
    testing::{FakeVitaMojo, FakeVms, FakeVtex, ManualClock},
    vitamojo, vms, vtex,
};
use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use vendor::Vendor;

/// A future that is polled so many times and then dropped.
struct Counted<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Counted<F> {
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
        let fixture = set().await;
        let done = Counted { inner: Box::pin(future(&fixture)), polls }.await.is_some();
        after(fixture, done).await;
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

async fn signed_in() -> VitaMojo {
    let fixture = vita_mojo().await;
    fixture.client.session().lease().await.unwrap();
    fixture
}

async fn expired() -> VitaMojo {
    let fixture = signed_in().await;
    fixture.clock.advance(Duration::from_secs(11 * 60));
    fixture
}

/// Its token is one that the vendor has forgotten.
async fn forgotten() -> VitaMojo {
    let fixture = signed_in().await;
    fixture.fake.revoke_access_tokens();
    fixture
}

/// The session works, and no token was spent twice.
async fn is_well(session: &Session) -> Result<(), Error> {
    session.close().await.unwrap();
    session.lease().await.map(|_| ())
}

/// The same for a future of a session, which is well afterwards.
async fn drop_of_session<F: Future>(
    set: impl AsyncFn() -> VitaMojo,
    future: impl Fn(Session) -> F,
    after: impl Fn(&FakeVitaMojo, bool),
) {
    let future = |fixture: &VitaMojo| future(fixture.client.session().clone());
    drop_everywhere(set, future, async |fixture, done| {
        is_well(fixture.client.session()).await.unwrap();
        after(&fixture.fake, done);
    })
    .await;
}

fn one_of_each(fake: &FakeVitaMojo, _: bool) {
    assert_eq!(counts(fake), Counts { sign_ins: 1, renewals: 1, ..NONE });
}

#[apply(leak_checked!)]
async fn a_sign_in() {
    let lease = |session: Session| async move { session.lease().await.unwrap() };
    drop_of_session(vita_mojo, lease, |fake, _| assert_eq!(counts(fake), Counts { sign_ins: 1, ..NONE })).await;
}

#[apply(leak_checked!)]
async fn a_renewal() {
    drop_of_session(expired, |session| async move { session.lease().await.unwrap() }, one_of_each).await;
}

#[apply(leak_checked!)]
async fn a_renewal_that_was_asked_for() {
    let renewal = |session: Session| async move { session.renew().await.unwrap() };
    drop_of_session(expired, renewal, |fake, _| assert_eq!((fake.count("auth"), fake.reuses()), (1, 0))).await;
}

#[apply(leak_checked!)]
async fn a_call_that_is_replayed_after_a_401() {
    drop_everywhere(
        forgotten,
        |fixture| {
            let call = fixture.client.http().get("/order/v1/orders").send();
            async move { call.await.unwrap().status() }
        },
        async |fixture, done| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!(fixture.client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
            assert_eq!(counts(&fixture.fake), Counts { sign_ins: 1, renewals: 1, ..NONE });
            assert!(!done || fixture.fake.count("other") == 3);
        },
    )
    .await;
}

async fn signed_in_at_vms() -> (FakeVms, vms::Client) {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    (fake, client)
}

#[apply(leak_checked!)]
async fn a_sign_out() {
    drop_everywhere(
        signed_in_at_vms,
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

#[apply(leak_checked!)]
async fn an_explicit_sign_in() {
    drop_of_session(expired, |session| async move { session.sign_in().await.unwrap() }, one_of_each).await;
}

#[apply(leak_checked!)]
async fn a_lease_for_longer_than_is_left() {
    let half_used = async || {
        let fixture = signed_in().await;
        fixture.clock.advance(Duration::from_secs(5 * 60));
        fixture
    };
    let lease = |session: Session| async move { session.lease_for(Duration::from_secs(8 * 60)).await.unwrap() };
    drop_of_session(half_used, lease, |fake, done| {
        assert_eq!((fake.count("auth"), fake.reuses()), (1, 0));
        assert!(!done || fake.count("refresh_token") == 1);
    })
    .await;
}

#[apply(leak_checked!)]
async fn a_typed_call_that_is_replayed_after_a_401() {
    drop_everywhere(
        forgotten,
        |fixture| {
            let client = fixture.client.clone();
            async move { client.api().check_token().send().await.unwrap().status() }
        },
        async |fixture, done| {
            is_well(fixture.client.session()).await.unwrap();
            fixture.client.api().check_token().send().await.unwrap();
            assert_eq!(counts(&fixture.fake), Counts { sign_ins: 1, renewals: 1, ..NONE });
            assert!(!done || fixture.fake.count("check_token") == 3);
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_wait_for_an_orderly_end() {
    let renewing = async || {
        let fixture = expired().await;
        let session = fixture.client.session().clone();
        tokio::spawn(async move { session.lease().await });
        tokio::task::yield_now().await;
        fixture
    };
    drop_of_session(renewing, |session| async move { session.close().await }, one_of_each).await;
}

#[apply(leak_checked!)]
async fn a_typed_sign_out() {
    drop_everywhere(
        signed_in_at_vms,
        |(_, client)| {
            let client = client.clone();
            async move { client.api().logout().body_map(|body| body).send().await.unwrap().status() }
        },
        async |(fake, client), done| {
            assert!(!done || client.session().lease().await.unwrap_err().kind() == ErrorKind::SignedOut);
            client.session().sign_in().await.unwrap();
            assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
            assert!(!done || fake.sessions().len() == 1);
        },
    )
    .await;
}

/// The question is answered by whoever comes, if the answer was dropped before anybody saw it.
async fn goes_on(session: &Session, answer: Answer) {
    session.close().await.unwrap();
    if let Err(error) = session.lease().await {
        error.resume().expect("the question is still open").answer(answer).await.unwrap();
    }
}

#[apply(leak_checked!)]
async fn the_answer_to_a_captcha() {
    drop_everywhere(
        async || {
            let clock = ManualClock::new();
            let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
            let client = vms_client(&fake, &clock).build().unwrap();
            let resume = client.session().lease().await.unwrap_err().resume().unwrap();
            (fake, client, resume)
        },
        |(fake, _, resume)| {
            let (resume, answer) = (resume.clone(), Answer::Captcha(fake.captcha_answer().into()));
            async move { resume.answer(answer).await.unwrap() }
        },
        async |(fake, client, _), _| {
            goes_on(client.session(), Answer::Captcha(fake.captcha_answer().into())).await;
            assert_eq!((fake.count("get_captcha"), fake.count("get_token"), fake.sessions().len()), (1, 1, 1));
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn an_access_key() {
    drop_everywhere(
        async || {
            let clock = ManualClock::new();
            let fake = FakeVtex::builder().clock(clock.clone()).start().await;
            let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT).clock(clock);
            let client = builder.storefront(FakeVtex::EMAIL).build().unwrap();
            let resume = client.session().lease().await.unwrap_err().resume().unwrap();
            (fake, client, resume)
        },
        |(fake, _, resume)| {
            let (resume, answer) = (resume.clone(), Answer::AccessKey(fake.access_key().into()));
            async move { resume.answer(answer).await.unwrap() }
        },
        async |(fake, client, _), _| {
            goes_on(client.session(), Answer::AccessKey(fake.access_key().into())).await;
            assert_eq!((fake.count("send_access_key"), fake.count("validate_access_key")), (1, 1));
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_device_code_that_is_shown() {
    drop_everywhere(
        async || {
            let (vendor, clock) = (Vendor::default(), ManualClock::new());
            vendor.0.lock().unwrap().by_device = true;
            let session = vendor.client(MemoryStore::new(), &clock);
            let resume = session.lease().await.unwrap_err().resume().unwrap();
            (vendor, clock, session, resume)
        },
        |(_, clock, _, resume)| {
            let (resume, clock) = (resume.clone(), clock.clone());
            async move {
                tokio::select! {
                    lease = resume.answer(Answer::DeviceCode) => lease.unwrap(),
                    never = polls(&clock) => match never {},
                }
            }
        },
        async |(vendor, clock, session, _), _| {
            // Whoever waits for nothing any more is not polled for: the code is shown again by whoever comes.
            tokio::select! {
                () = async {
                    session.close().await.unwrap();
                    while let Err(error) = session.lease().await {
                        if let Some(resume) = error.resume() {
                            resume.answer(Answer::DeviceCode).await.unwrap();
                        }
                    }
                } => {}
                never = polls(&clock) => match never {},
            }
            let books = vendor.0.lock().unwrap();
            assert_eq!((books.sign_ins, books.reuses), (1, 0));
        },
    )
    .await;
}

/// Lets the waits between polls pass: one sleeper is the poll's, the other one the deadline's.
async fn polls(clock: &ManualClock) -> Infallible {
    loop {
        clock.until_sleeping(2).await;
        clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[apply(leak_checked!)]
async fn a_hundred_impatient_callers_around_an_expiry() {
    let fixture = expired().await;
    for _ in 0..100 {
        let session = fixture.client.session().clone();
        let mut call = pin!(Counted { inner: Box::pin(async move { session.lease().await }), polls: 1 });
        let _ = call.as_mut().await;
    }
    is_well(fixture.client.session()).await.unwrap();
    assert_eq!(counts(&fixture.fake), Counts { sign_ins: 1, renewals: 1, ..NONE });
}
