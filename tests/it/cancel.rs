//! Every public future, dropped after every number of polls: nothing is lost, nothing stays locked.

use crate::{TENANT, vms_client};
use keyway::{
    Answer, DeviceCode, Error, ErrorKind, Generation, Key, MemoryStore, Record, Session, Store, StoreError, StoreLock,
    custom::{self, Attempt, Capabilities, Issued, Issuer, Polled, Renewal, Tokens},
    testing::{FakeVitaMojo, FakeVms, FakeVtex, ManualClock},
    vitamojo, vtex,
};
use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

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

async fn expired() -> VitaMojo {
    let fixture = vita_mojo().await;
    fixture.client.session().lease().await.unwrap();
    fixture.clock.advance(Duration::from_secs(11 * 60));
    fixture
}

/// The session works, and no token was spent twice.
async fn is_well(session: &Session) -> Result<(), Error> {
    session.close().await.unwrap();
    session.lease().await.map(|_| ())
}

#[apply(leak_checked!)]
async fn a_sign_in() {
    drop_everywhere(
        vita_mojo,
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.lease().await.unwrap() }
        },
        async |fixture, _| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!((fixture.fake.count("auth"), fixture.fake.count("refresh_token")), (1, 0));
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_renewal() {
    drop_everywhere(
        expired,
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.lease().await.unwrap() }
        },
        async |fixture, _| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!((fixture.fake.count("auth"), fixture.fake.count("refresh_token")), (1, 1));
            assert_eq!(fixture.fake.reuses(), 0);
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_renewal_that_was_asked_for() {
    drop_everywhere(
        expired,
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.renew().await.unwrap() }
        },
        async |fixture, _| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!((fixture.fake.count("auth"), fixture.fake.reuses()), (1, 0));
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_call_that_is_replayed_after_a_401() {
    drop_everywhere(
        async || {
            let fixture = vita_mojo().await;
            fixture.client.session().lease().await.unwrap();
            fixture.fake.revoke_access_tokens();
            fixture
        },
        |fixture| {
            let call = fixture.client.http().get("/order/v1/orders").send();
            async move { call.await.unwrap().status() }
        },
        async |fixture, done| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!(fixture.client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
            assert_eq!(
                (fixture.fake.count("auth"), fixture.fake.count("refresh_token"), fixture.fake.reuses()),
                (1, 1, 0)
            );
            assert!(!done || fixture.fake.count("other") == 3);
        },
    )
    .await;
}

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
async fn an_explicit_sign_in() {
    drop_everywhere(
        expired,
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.sign_in().await.unwrap() }
        },
        async |fixture, _| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!(
                (fixture.fake.count("auth"), fixture.fake.count("refresh_token"), fixture.fake.reuses()),
                (1, 1, 0)
            );
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_lease_for_longer_than_is_left() {
    drop_everywhere(
        async || {
            let fixture = vita_mojo().await;
            fixture.client.session().lease().await.unwrap();
            fixture.clock.advance(Duration::from_secs(5 * 60));
            fixture
        },
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.lease_for(Duration::from_secs(8 * 60)).await.unwrap() }
        },
        async |fixture, done| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!((fixture.fake.count("auth"), fixture.fake.reuses()), (1, 0));
            assert!(!done || fixture.fake.count("refresh_token") == 1);
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_typed_call_that_is_replayed_after_a_401() {
    drop_everywhere(
        async || {
            let fixture = vita_mojo().await;
            fixture.client.session().lease().await.unwrap();
            fixture.fake.revoke_access_tokens();
            fixture
        },
        |fixture| {
            let client = fixture.client.clone();
            async move { client.api().check_token().send().await.unwrap().status() }
        },
        async |fixture, done| {
            is_well(fixture.client.session()).await.unwrap();
            fixture.client.api().check_token().send().await.unwrap();
            assert_eq!(
                (fixture.fake.count("auth"), fixture.fake.count("refresh_token"), fixture.fake.reuses()),
                (1, 1, 0)
            );
            assert!(!done || fixture.fake.count("check_token") == 3);
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_wait_for_an_orderly_end() {
    drop_everywhere(
        async || {
            let fixture = expired().await;
            let session = fixture.client.session().clone();
            tokio::spawn(async move { session.lease().await });
            tokio::task::yield_now().await;
            fixture
        },
        |fixture| {
            let session = fixture.client.session().clone();
            async move { session.close().await }
        },
        async |fixture, _| {
            is_well(fixture.client.session()).await.unwrap();
            assert_eq!(
                (fixture.fake.count("auth"), fixture.fake.count("refresh_token"), fixture.fake.reuses()),
                (1, 1, 0)
            );
        },
    )
    .await;
}

#[apply(leak_checked!)]
async fn a_typed_sign_out() {
    drop_everywhere(
        async || {
            let (fake, clock) = (FakeVms::start().await, ManualClock::new());
            let client = vms_client(&fake, &clock).build().unwrap();
            client.session().lease().await.unwrap();
            (fake, client)
        },
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

/// A vendor in this process, whose refresh tokens rotate: how often a run was polled says exactly where it is.
#[derive(Clone, Default)]
struct Vendor(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    by_device: bool,
    /// The one refresh token that is good.
    current: usize,
    sign_ins: usize,
    renewals: usize,
    reuses: usize,
    /// Answers that never arrived.
    lost: usize,
}

/// An answer on its way.
struct Letter(Vendor, bool);

impl Drop for Letter {
    fn drop(&mut self) {
        if !self.1 {
            self.0.0.lock().unwrap().lost += 1;
        }
    }
}

impl Vendor {
    /// With a budget, so that attempts are counted in the store too.
    fn client(&self, store: MemoryStore, clock: &ManualClock) -> Session {
        let builder = custom::Client::builder("https://vendor.example").issuer(self.clone()).principal("till-7");
        builder.store(Stepping(store)).clock(clock.clone()).build().unwrap().session().clone()
    }

    async fn answer(&self) -> Issued {
        let number = {
            let mut books = self.0.lock().unwrap();
            books.current = books.sign_ins + books.renewals;
            books.current
        };
        let mut letter = Letter(self.clone(), false);
        tokio::task::yield_now().await;
        letter.1 = true;
        Issued::new(format!("access-{number}")).with_refresh(number.to_string()).lives_for(Duration::from_secs(600))
    }
}

impl Issuer for Vendor {
    fn describe(&self) -> Capabilities {
        let capabilities = Capabilities::new("vendor", ".password(..)").budget(10, Duration::from_secs(600));
        capabilities.renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if self.0.lock().unwrap().by_device {
            let device = DeviceCode::new("device-code", "WDJB", "https://vendor.example", Duration::from_secs(600));
            return Err(Error::device_code_required(device));
        }
        let _permit = attempt.acquire().await?;
        tokio::task::yield_now().await;
        self.0.lock().unwrap().sign_ins += 1;
        Ok(self.answer().await)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        tokio::task::yield_now().await;
        {
            let mut books = self.0.lock().unwrap();
            if tokens.refresh().unwrap().expose() != books.current.to_string() {
                books.reuses += 1;
                return Err(Error::refresh_refused("it was used before"));
            }
            books.renewals += 1;
        }
        Ok(self.answer().await)
    }

    async fn poll(&self, attempt: &Attempt, _: &DeviceCode) -> Result<Polled, Error> {
        let _permit = attempt.acquire().await?;
        self.0.lock().unwrap().sign_ins += 1;
        Ok(Polled::Issued(self.answer().await))
    }
}

/// A store in memory that takes a step before and after each deed.
#[derive(Clone)]
struct Stepping(MemoryStore);

async fn step<T>(deed: impl Future<Output = T>) -> T {
    tokio::task::yield_now().await;
    let done = deed.await;
    tokio::task::yield_now().await;
    done
}

impl Store for Stepping {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        step(self.0.load(key)).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        step(self.0.compare_and_swap(key, old, new)).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        step(self.0.remove(key)).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        step(self.0.lock(key, wait)).await
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Drops not the caller but the run itself, at each of its awaits: its runtime ends there. The next caller, on another
/// runtime, goes on. Tells how many steps there were.
fn end_the_runtime_everywhere(renewal: bool) -> usize {
    for steps in 0..500 {
        let (vendor, memory, clock) = (Vendor::default(), MemoryStore::new(), ManualClock::new());
        let session = vendor.client(memory.clone(), &clock);
        if renewal {
            runtime().block_on(session.lease()).unwrap();
            clock.advance(Duration::from_secs(11 * 60));
        }
        let first = runtime();
        let done = first.block_on(async {
            let caller = session.clone();
            let flight = tokio::spawn(async move { caller.lease().await });
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            flight.is_finished()
        });
        drop(first);
        let next = runtime().block_on(session.lease()).unwrap();
        let found = runtime().block_on(vendor.client(memory, &clock).lease()).unwrap();
        assert_eq!(next.generation(), found.generation(), "after {steps} steps: what is served is not what is stored");
        let books = vendor.0.lock().unwrap();
        let counts = (books.sign_ins, books.renewals, books.reuses);
        match (renewal, books.lost) {
            (false, lost) => assert_eq!(counts, (1 + lost, 0, 0), "after {steps} steps"),
            // Once it was cleared to be sent the token may be used up: a sign-in does instead of using it twice.
            (true, 0) => assert!([(1, 1, 0), (2, 0, 0)].contains(&counts), "after {steps} steps: {counts:?}"),
            (true, _) => assert_eq!(counts, (2, 1, 0), "after {steps} steps"),
        }
        if done {
            return steps;
        }
    }
    panic!("never completes");
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_anywhere_in_a_sign_in_loses_at_most_an_answer() {
    let steps = end_the_runtime_everywhere(false);
    assert!(steps > 10, "{steps}");
}

#[apply(leak_checked!)]
fn a_runtime_that_ends_anywhere_in_a_renewal_loses_at_most_an_answer() {
    let steps = end_the_runtime_everywhere(true);
    assert!(steps > 10, "{steps}");
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
    assert_eq!((fixture.fake.count("auth"), fixture.fake.count("refresh_token"), fixture.fake.reuses()), (1, 1, 0));
}
