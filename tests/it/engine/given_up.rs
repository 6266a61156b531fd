//! What is given up in the very moment in which it begins.

use super::*;
use keyway::{Key, Record, Store, StoreError, StoreLock};
use std::task::{Context, Poll, Waker};
use tracing::{Event, Metadata, Subscriber, field, span};

/// Is gone when its client is.
struct Kept(Scripted, #[expect(dead_code, reason = "it is counted")] Open);

impl Issuer for Kept {
    fn describe(&self) -> Capabilities {
        self.0.describe()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.0.sign_in(attempt).await
    }
}

/// Does not answer the second look (the first is that of the sign-out, which begins before), nor whoever wants its lock.
struct Hangs(MemoryStore, AtomicUsize);

impl Store for Hangs {
    as_its_store!(0: compare_and_swap remove);

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            1 => pending().await,
            _ => self.0.load(key).await,
        }
    }

    async fn lock(&self, _: &Key, _: Duration) -> Result<StoreLock, StoreError> {
        pending().await
    }
}

/// Signs out when it is told that a token is wanted: the core has decided to look into the store, and that has not begun.
#[derive(Clone)]
struct SignsOut(Arc<Mutex<Option<Session>>>);

struct Text(String);

impl field::Visit for Text {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for SignsOut {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let Some(session) = self.0.lock().unwrap().take().filter(|_| text.0.contains("a token is wanted")) else {
            return;
        };
        let mut sign_out = Box::pin(session.sign_out());
        let polled = sign_out.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending | Poll::Ready(_)));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Found by `stress`: the task of such an operation was never stopped, and held its client for ever.
#[apply(leak_checked!)]
async fn an_operation_that_is_given_up_before_it_begins_holds_no_client() {
    let (vendor, clients) = (Vendor::rotating(), Arc::new(AtomicUsize::new(1)));
    let store = Hangs(vendor.memory.clone(), AtomicUsize::new(0));
    let issuer = Kept(vendor.issuer(), Open(clients.clone()));
    let builder = custom::Client::builder("https://scripted.example").issuer(issuer).principal("ann");
    let client = builder.clock(vendor.clock.clone()).store(store).build().unwrap();
    let told = tracing::subscriber::set_default(SignsOut(Arc::new(Mutex::new(Some(client.session().clone())))));
    let (outcome, _) = pass(&vendor.clock, SECOND, lease(client.session())).await;
    assert_eq!(outcome.unwrap_err().kind(), keyway::ErrorKind::SignedOut);
    drop((told, client));
    for _ in 0..100 {
        settle().await;
        vendor.clock.advance(SECOND);
    }
    assert_eq!(clients.load(Ordering::SeqCst), 0, "clients that are still there");
}
