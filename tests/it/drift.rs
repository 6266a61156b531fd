//! A vendor that leaves its document is told of: once, by name, and nothing else is.

use crate::{
    laws::{Fixture, Surface, for_every_surface},
    vitamojo_client, vms_client,
};
use keyway::{
    Session,
    testing::{
        Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock, RefreshDialect,
    },
};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Level, Subscriber, field, subscriber::DefaultGuard};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

const HOUR: Duration = Duration::from_secs(3600);

/// What this thread is told of drift: `kind surface operation status`, and the members if there are any.
#[derive(Clone, Default)]
pub(crate) struct Drifts(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line(String);

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => assert!(format!("{value:?}").starts_with("keyway: contract.drift: ")),
            _ => self.record_str(field, &format!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        assert!(["kind", "surface", "operation", "status", "members"].contains(&field.name()), "{field}");
        self.0 += if self.0.is_empty() { "" } else { " " };
        self.0 += value;
    }
}

impl<S: Subscriber> Layer<S> for Drifts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().name() != "contract.drift" {
            return;
        }
        assert_eq!(*event.metadata().level(), Level::WARN);
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

impl Drifts {
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let drifts = Self::default();
        let subscriber = tracing_subscriber::registry().with(drifts.clone());
        (drifts, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// From the first sign-in to the last sign-out, through ends, refusals and bad days.
async fn a_vendor_that_keeps_to_its_document_is_never_told_of<S: Surface>() {
    let (drifts, _guard) = Drifts::listen();
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    for _ in 0..3 {
        assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
        fixture.clock.advance(S::LIFE.unwrap_or(HOUR));
        fixture.surface.forget();
    }
    fixture.surface.forget_refresh();
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    for fault in [Fault::Html(503), Fault::Empty(504), Fault::TooManyRequests { retry_after: Some("1".to_owned()) }] {
        fixture.clock.advance(48 * HOUR);
        fixture.surface.forget();
        fixture.all(&fault);
        http.get(S::PATH).send().await.unwrap_err();
    }
    fixture.heal();
    fixture.clock.advance(48 * HOUR);
    assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
    session.sign_out().await.unwrap();
    assert_eq!(drifts.take(), [""; 0]);
}

/// Another client tells it for itself; whoever clones one does not.
async fn an_unknown_member_of_a_sign_in_is_told_once_and_by_name<S: Surface>() {
    let (drifts, _guard) = Drifts::listen();
    let fixture = Fixture::<S>::new().await;
    fixture.all(&Fault::Member("/loyaltyRank".to_owned(), json!("gold of 7f3a09")));
    for _ in 0..2 {
        let (http, session) = fixture.client();
        let mut told = 0;
        for _ in 0..4 {
            assert_eq!(http.clone().get(S::PATH).send().await.unwrap().status(), 200);
            fixture.clock.advance(S::LIFE.unwrap_or(HOUR));
            fixture.surface.forget();
            told += drifts.take().into_iter().inspect(|line| is_about_loyalty(line)).count();
        }
        // Each operation that obtains a token is one.
        let asked = S::OBTAIN.iter().filter(|operation| fixture.fake().count(operation) > 0).count();
        assert_eq!(told, if S::HAS_DOCUMENT { asked } else { 0 });
        session.sign_out().await.unwrap();
    }
}

fn is_about_loyalty(line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    assert!(matches!(words[..], ["member", _, _, "200" | "201", "loyaltyRank"]), "{line}");
}

for_every_surface! {
    a_vendor_that_keeps_to_its_document_is_never_told_of
    an_unknown_member_of_a_sign_in_is_told_once_and_by_name
}

/// The sessions of a client of each surface, and the fakes they are with.
async fn everybody() -> Vec<(Box<dyn AsRef<Fake>>, Session, &'static str)> {
    let clock = ManualClock::new();
    let vita = FakeVitaMojo::start().await;
    let vita_session = vitamojo_client(&vita, &clock).build().unwrap().session().clone();
    let ordering = FakeOrderingStack::start().await;
    let builder = keyway::orderingstack::Client::builder(ordering.uri()).tenant(FakeOrderingStack::TENANT);
    let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
    let builder = builder.password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD).clock(clock.clone());
    let ordering_session = builder.build().unwrap().session().clone();
    let monkey = FakeShopmonkey::start().await;
    let builder = keyway::shopmonkey::Client::builder(monkey.uri()).clock(clock.clone());
    let builder = builder.password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD);
    let monkey_session = builder.build().unwrap().session().clone();
    let vms = FakeVms::start().await;
    let vms_session = vms_client(&vms, &clock).build().unwrap().session().clone();
    let vtex = FakeVtex::start().await;
    let builder = keyway::vtex::Client::builder(vtex.uri()).app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN);
    let vtex_session = builder.clock(clock).build().unwrap().session().clone();
    vec![
        (Box::new(Of(vita)), vita_session, "auth"),
        (Box::new(Of(ordering)), ordering_session, "issue_token"),
        (Box::new(Of(monkey)), monkey_session, "login"),
        (Box::new(Of(vms)), vms_session, "get_token"),
        (Box::new(Of(vtex)), vtex_session, "generate_authentication_token"),
    ]
}

/// A fake of whatever vendor.
struct Of<F>(F);

impl<F: std::ops::Deref<Target = Fake>> AsRef<Fake> for Of<F> {
    fn as_ref(&self) -> &Fake {
        &self.0
    }
}

/// What is told when every surface's sign-in is answered like this, three times over.
async fn told(fault: Fault) -> Vec<String> {
    let (drifts, _guard) = Drifts::listen();
    for (fake, session, sign_in) in everybody().await {
        let fake: &Fake = (*fake).as_ref();
        fake.always(sign_in, fault.clone());
        for _ in 0..3 {
            session.sign_in().await.unwrap_err();
        }
    }
    drifts.take()
}

#[apply(leak_checked!)]
async fn an_undocumented_status_is_told_once() {
    // OrderingStack documents an answer for every status, and Shopmonkey for all from 400 to 499.
    assert_eq!(
        told(Fault::Empty(402)).await,
        ["status vitamojo auth 402", "status vms get_token 402", "status vtex generate_authentication_token 402"]
    );
    assert_eq!(
        told(Fault::Redirect(307, "http://127.0.0.1:1/".to_owned())).await,
        [
            "status vitamojo auth 307",
            "status shopmonkey login 307",
            "status vms get_token 307",
            "status vtex generate_authentication_token 307"
        ]
    );
    assert_eq!(told(Fault::Html(502)).await, [""; 0], "a bad day");
}

#[apply(leak_checked!)]
async fn another_envelope_is_told_once() {
    let secret = "9c1b5ae0f3d24c77";
    let outside = Fault::Json(200, json!({ "result": { "token": secret }, "meta": 1, secret: true }));
    assert_eq!(
        told(outside).await,
        [
            // Its sign-in is a 201.
            "status vitamojo auth 200",
            "envelope orderingstack issue_token 200 (no name), meta, result",
            "envelope shopmonkey login 200 (no name), meta, result",
            "envelope vms get_token 200 (no name), meta, result",
            "envelope vtex generate_authentication_token 200 (no name), meta, result",
        ]
    );
    for (status, body) in [(201, json!([secret])), (201, json!(secret))] {
        let drifts: Vec<_> =
            told(Fault::Json(status, body)).await.into_iter().filter(|l| l.contains("vitamojo")).collect();
        assert_eq!(drifts, ["envelope vitamojo auth 201"]);
    }
    let page = told(Fault::Html(200)).await;
    assert_eq!(page.iter().filter(|line| line.starts_with("envelope")).count(), 4, "{page:?}");
}

/// What a typed call reads is looked at on the outside; free calls are their callers' own.
#[apply(leak_checked!)]
async fn typed_calls_are_looked_at_on_the_outside_and_free_ones_not_at_all() {
    let (drifts, _guard) = Drifts::listen();
    let (fake, clock) = (FakeVitaMojo::start().await, ManualClock::new());
    let client = vitamojo_client(&fake, &clock).build().unwrap();
    let ask = async |fault: Fault| {
        fake.next("check_token", fault);
        let answer = client.api().check_token().send().await.map(drop);
        (answer.is_ok(), drifts.take())
    };
    assert_eq!(ask(Fault::Member("/more".to_owned(), json!(1))).await, (true, vec![]));
    let renamed = Fault::Json(200, json!({ "data": { "id": 7 } }));
    assert_eq!(ask(renamed.clone()).await.1, ["envelope vitamojo check_token 200 data"]);
    assert_eq!(ask(renamed).await.1, [""; 0], "once");
    assert_eq!(ask(Fault::Empty(410)).await, (false, vec!["status vitamojo check_token 410".to_owned()]));
    assert_eq!(ask(Fault::Empty(403)).await, (false, vec![]), "what any session may hear");
    for fault in [Fault::Empty(410), Fault::Json(200, json!([]))] {
        fake.next("other", fault);
        client.http().get("/order/v1/orders").send().await.unwrap();
    }
    assert_eq!(drifts.take(), [""; 0]);
}

/// Also of a call that carries nothing but the session.
#[apply(leak_checked!)]
async fn a_typed_calls_own_token_is_no_name_that_is_told() {
    let (drifts, _guard) = Drifts::listen();
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    fake.next("get_token", Fault::Json(200, json!({ "access_token": "alphakey" })));
    client.session().lease().await.unwrap();
    fake.next("get_self", Fault::Json(200, json!({ "alphakey": 1, "other": 2 })));
    client.api().get_self().send().await.unwrap();
    let told = drifts.take();
    assert_eq!(told, ["envelope vms get_self 200 (no name), other"]);
}

#[apply(leak_checked!)]
async fn many_unknown_members_are_one_line_and_more_of_them_are_none() {
    let (drifts, _guard) = Drifts::listen();
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    let with = |names: std::ops::Range<u32>| {
        let mut body = json!({ "access_token": "token" });
        names.for_each(|name| body[format!("n{name}")] = Value::Null);
        Fault::Json(200, body)
    };
    fake.next("get_token", with(0..100));
    client.session().lease().await.unwrap();
    let first = "n0, n1, n10, n11, n12, n13, n14, n15, and 56 more";
    assert_eq!(drifts.take(), [format!("member vms get_token 200 {first}")]);
    for round in 1..9 {
        fake.revoke_all();
        fake.next("get_token", with(100 * round..100 * round + 100));
        client.http().get("/api/v1/cameras").send().await.unwrap();
    }
    assert_eq!(drifts.take(), [""; 0]);
}

/// What a vendor is known to do beside its document is no news.
#[apply(leak_checked!)]
async fn a_known_dialect_is_no_drift() {
    let (drifts, _guard) = Drifts::listen();
    let clock = ManualClock::new();
    let vita = FakeVitaMojo::builder().refresh_dialect(RefreshDialect::PostCreated).start().await;
    let client = vitamojo_client(&vita, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    client.session().renew().await.unwrap();
    assert_eq!(vita.count("refresh_token"), 2);
    let vms = FakeVms::start().await;
    vms.always("get_basic_static", Fault::Empty(404));
    vms_client(&vms, &clock).build().unwrap().session().lease().await.unwrap();
    assert_eq!(drifts.take(), [""; 0]);
}
