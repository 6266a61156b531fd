//! What the crate tells through `tracing`: little, and never a secret.

use crate::{
    laws::{Fixture, Surface, for_every_surface},
    scripted_store::{Hold, ScriptedStore},
    vitamojo_client, vms_client,
};
use keyway::{
    Captcha, ErrorKind, MemoryStore, Responder, Secret,
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
};
use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Level, Subscriber, span};
use tracing_subscriber::{
    Layer,
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// With what writes into it.
    fn of_everything() -> (Self, impl Subscriber + Send + Sync) {
        let log = Self::default();
        let all = tracing_subscriber::filter::LevelFilter::TRACE;
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_max_level(all);
        (log, subscriber.finish())
    }

    /// The lines so far, of our crate only, and forgets them.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        // The record for auditors is a contract of its own (docs/audit.md).
        let ours = |line: &&str| line.contains("keyway:") && !line.contains("keyway::audit:");
        text.lines().filter(ours).map(str::to_owned).collect()
    }
}

#[apply(leak_checked!)]
fn a_renewal_tells_two_lines_a_failure_one_more_and_a_served_token_none() {
    let (log, subscriber) = Log::of_everything();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = ManualClock::new();
            let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
            let client = vitamojo_client(&fake, &clock).build().unwrap();
            client.session().lease().await.unwrap();
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            assert!(lines.iter().all(|line| line.contains("DEBUG")), "{lines:#?}");

            for _ in 0..100 {
                client.http().get("/order/v1/orders").send().await.unwrap();
            }
            assert_eq!(log.take(), Vec::<String>::new());

            clock.advance(Duration::from_secs(11 * 60));
            client.session().lease().await.unwrap();
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            for input in ["reason=\"expired\"", "left_ms=0", "generation=", "took_ms=", "attempt=2"] {
                assert!(lines[1].contains(input), "{input}: {}", lines[1]);
            }

            fake.always("refresh_token", Fault::Html(503));
            clock.advance(Duration::from_secs(11 * 60));
            for _ in 0..10 {
                client.session().lease().await.unwrap_err();
            }
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            assert!(lines[1].contains("WARN") && lines[1].contains("kind=\"outage\""), "{lines:#?}");
            for secret in fake.secrets() {
                assert!(lines.iter().all(|line| !line.contains(&secret)));
            }
            let (_, told) = lines[1].split_once("keyway: ").unwrap();
            let fields = told.split_whitespace().filter_map(|word| word.split_once('=')).map(|(field, _)| field);
            let fields: Vec<_> = fields.chain(["generation", "expiry"]).collect();
            assert!(fields.len() > 8, "{lines:#?}");
            let page = include_str!("../../docs/logs.md");
            for field in fields {
                assert!(page.contains(&format!("| `{field}`")), "docs/logs.md does not explain `{field}`: {lines:#?}");
            }
        });
    });
}

#[apply(leak_checked!)]
fn a_question_is_told_and_is_no_warning() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (fake, clock) = (FakeVms::builder().captcha(true).start().await, ManualClock::new());
            let client = vms_client(&fake, &clock).build().unwrap();
            let question = client.session().lease().await.unwrap_err();
            let lines = log.take();
            assert_eq!(lines.len(), 1, "{lines:#?}");
            let kind = question.kind().as_str();
            assert!(lines[0].contains(" INFO ") && lines[0].contains(&format!("kind=\"{kind}\"")), "{lines:#?}");
        });
    });
}

/// Declines what it is asked, when the test lets it.
struct Declines(Hold);

impl Responder for Declines {
    async fn captcha(&self, _: Captcha) -> Option<Secret> {
        self.0.pass().await;
        None
    }
}

#[apply(leak_checked!)]
fn a_look_into_the_store_that_a_person_has_overtaken_tells_of_nothing_owed() {
    let (log, subscriber) = Log::of_everything();
    tracing::subscriber::with_default(subscriber, || {
        crate::leak_check::runtime(1).block_on(async {
            let (clock, store, person) = (ManualClock::new(), ScriptedStore::default(), Hold::new());
            let fake = FakeVms::builder().clock(clock.clone()).captcha(true).start().await;
            let responder = Declines(person.clone());
            let client = vms_client(&fake, &clock).store(store.clone()).responder(responder).build().unwrap();
            let waiting = crate::engine::lease(client.session());
            person.arrived().await;
            let look = store.hold_failing_load();
            clock.advance(Duration::from_secs(8));
            look.arrived().await;
            person.release();
            assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Declined);
            log.take();
            look.release();
            crate::engine::settle().await;
            assert_eq!(log.take(), Vec::<String>::new());
        });
    });
}

#[apply(leak_checked!)]
fn what_went_to_the_vendor_is_told_as_spent_and_nothing_else_is() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .finish();
    // As the last line says it; a line without the word says neither.
    let spent = || log.take().last()?.split_once(" spent=")?.1.split(' ').next()?.parse::<bool>().ok();
    tracing::subscriber::with_default(subscriber, || {
        crate::leak_check::runtime(1).block_on(async {
            let (clock, store) = (ManualClock::new(), MemoryStore::new());
            let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
            let client = || vitamojo_client(&fake, &clock).store(store.clone()).build().unwrap();
            let (one, other) = (client(), client());
            one.session().lease().await.unwrap();
            assert_eq!(spent(), Some(true), "a sign-in");
            other.session().lease().await.unwrap();
            assert_eq!(spent(), Some(false), "a token that was in the store");
            clock.advance(Duration::from_secs(11 * 60));
            other.session().lease().await.unwrap();
            assert_eq!(spent(), Some(true), "a refresh token");
            clock.advance(Duration::from_secs(11 * 60));
            fake.always("refresh_token", Fault::Html(503));
            other.session().lease().await.unwrap_err();
            assert_eq!(spent(), Some(true), "a refresh token of which nobody knows what became");

            let asking = FakeVms::builder().captcha(true).start().await;
            vms_client(&asking, &clock).build().unwrap().session().lease().await.unwrap_err();
            assert_eq!(spent(), Some(false), "a question that came before the sign-in");
            asking.always("get_basic_static", Fault::CutBefore);
            vms_client(&asking, &clock).build().unwrap().session().lease().await.unwrap_err();
            assert_eq!(spent(), Some(false), "a vendor that was not reached");
        });
    });
}

/// Counts what this crate tells on this thread.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Told>>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Told {
    spans: usize,
    debug: usize,
    /// INFO and above: what people see by default.
    loud: usize,
}

impl<S: Subscriber> Layer<S> for Counter {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "keyway.renewal" {
            self.0.lock().unwrap().spans += 1;
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // The record for auditors is a contract of its own (docs/audit.md).
        let target = event.metadata().target();
        if !target.starts_with("keyway") || target == "keyway::audit" {
            return;
        }
        let mut told = self.0.lock().unwrap();
        match *event.metadata().level() {
            Level::TRACE => {}
            Level::DEBUG => told.debug += 1,
            _ => told.loud += 1,
        }
    }
}

impl Counter {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let counter = Self::default();
        let subscriber = tracing_subscriber::registry().with(counter.clone());
        (counter, tracing::subscriber::set_default(subscriber))
    }

    fn take(&self) -> Told {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// One span and two quiet events for each token that is obtained, one loud one for each failure; nothing for a call.
async fn a_token_is_two_quiet_lines_and_a_failure_one_loud_one<S: Surface>() {
    let (counter, _guard) = Counter::listen();
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    let quiet = Told { spans: 1, debug: 2, loud: 0 };
    assert_eq!(counter.take(), quiet);

    for _ in 0..100 {
        assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    }
    assert_eq!(counter.take(), Told::default());

    fixture.surface.forget();
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    assert_eq!(counter.take(), quiet);

    fixture.surface.forget();
    fixture.clock.advance(Duration::from_secs(3600));
    fixture.clock.advance(S::LIFE.unwrap_or_default());
    fixture.all(&Fault::Html(503));
    for _ in 0..100 {
        http.get(S::PATH).send().await.unwrap_err();
    }
    assert_eq!(counter.take(), Told { spans: 1, debug: 1, loud: 1 });
}

/// It tells by itself: whoever waited for it may be gone.
async fn a_failure_is_told_although_nobody_waits_for_it<S: Surface>() {
    let (counter, _guard) = Counter::listen();
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    fixture.all(&Fault::Html(503));
    let gate = fixture.fake().hold(fixture.sign_in());
    let caller = {
        let session = session.clone();
        tokio::spawn(async move { session.lease().await })
    };
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    session.close().await.unwrap();
    assert_eq!(counter.take(), Told { spans: 1, debug: 1, loud: 1 });
}

for_every_surface! {
    a_token_is_two_quiet_lines_and_a_failure_one_loud_one
    a_failure_is_told_although_nobody_waits_for_it
}

#[apply(leak_checked!)]
async fn a_session_that_came_too_late_is_ended_quietly_unless_that_fails() {
    for (answer, lines) in [(None, 0), (Some(Fault::Html(503)), 1)] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (fake, clock) = (FakeVms::start().await, ManualClock::new());
        let client = vms_client(&fake, &clock).build().unwrap();
        let gate = fake.hold("get_token");
        let waiting = {
            let session = client.session().clone();
            tokio::spawn(async move { session.lease().await })
        };
        gate.arrived(1).await;
        client.session().sign_out().await.unwrap();
        answer.into_iter().for_each(|fault| fake.next("logout", fault));
        gate.open();
        waiting.await.unwrap().unwrap_err();
        client.session().close().await.unwrap();
        assert_eq!(fake.count("logout"), 1);
        let told = log.take();
        let told = told.iter().filter(|line| line.contains("could not be revoked"));
        assert_eq!(told.count(), lines);
    }
}
