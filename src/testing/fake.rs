//! What every fake can do, whichever the vendor.

use super::{
    calendar,
    document::{FakeDocument, UNKNOWN, parameters},
    exchange::{FakeAnswer, FakeCall, Vendor},
    fault::{Fault, Faults},
    gate::{Gate, Hold, LONGEST_WAIT},
    log::Seen,
    proxy::{Deliveries, Delivery, LABEL},
    server::Server,
    time::Time,
};
use crate::witness::{Exchange, witness};
use std::{
    collections::HashMap,
    fmt,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;
use wiremock::{Request, Respond, ResponseTemplate};

/// What every fake can do: each of them lends it by `Deref`, so `fake.count("get_token")` just works.
///
/// Operations are named as the typed methods are, `get_token` for `getToken`. A path beside the document that the fake serves
/// ([`serve`](Self::serve)) is `other`. Everything else is answered with 404 and counts as `unknown`, so that a mistyped path
/// shows. A name that the fake does not know panics, at the line that gave it: it would otherwise count as "never called".
pub struct Fake {
    shared: Arc<FakeState>,
    vendor: Arc<Mutex<dyn Vendor>>,
    server: Server,
}

/// What the test and the server both look at.
struct FakeState {
    name: &'static str,
    /// Host and port, as soon as the server listens.
    address: OnceLock<String>,
    document: Arc<FakeDocument>,
    clock: Time,
    /// How many seconds the vendor's clock is ahead of the world's.
    skew: AtomicI64,
    desk: Mutex<Desk>,
    answered: watch::Sender<usize>,
    deliveries: Arc<Deliveries>,
}

#[derive(Default)]
struct Desk {
    seen: Vec<Seen>,
    expected: Vec<(String, usize)>,
    beside: Beside,
    faults: Faults,
    holds: HashMap<String, Arc<Hold>>,
    /// What the test asked for and cannot have, in sentences.
    complaints: Vec<String>,
}

/// What is served beside the document.
#[derive(Default)]
enum Beside {
    /// The paths that the vendor is known to have.
    #[default]
    Known,
    /// These paths too.
    Also(Vec<String>),
    /// Every path.
    Any,
}

impl Fake {
    /// Opens a vendor's doors at this port; 0 is any free one.
    pub(super) async fn open<V: Vendor>(
        name: &'static str,
        document: Arc<FakeDocument>,
        clock: Time,
        vendor: Arc<Mutex<V>>,
        port: u16,
    ) -> Self {
        let shared = Arc::new(FakeState {
            name,
            address: OnceLock::new(),
            document,
            deliveries: Arc::new(Deliveries::new(clock.clone())),
            clock,
            skew: AtomicI64::new(0),
            desk: Mutex::default(),
            answered: watch::Sender::new(0),
        });
        let reception = Reception { shared: shared.clone(), vendor: vendor.clone() };
        let server = Server::start(reception, shared.deliveries.clone(), port).await;
        let _ = shared.address.set(server.address.to_string()); // it is set here alone
        Self { shared, vendor, server }
    }

    /// The time at the vendor's.
    pub(super) fn now(&self) -> SystemTime {
        self.shared.now()
    }

    /// The root to give to a client's builder: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Every secret that this fake knows, knew or ever gave out, for tests that search logs for leaks.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        locked(&self.vendor).secrets()
    }

    /// All requests answered so far, in order, those among them whose answers are still held.
    #[must_use]
    pub fn saw(&self) -> Vec<Seen> {
        self.shared.desk().seen.clone()
    }

    /// How many requests for `operation` were answered so far.
    #[must_use]
    #[track_caller]
    pub fn count(&self, operation: &str) -> usize {
        self.shared.document.check(operation);
        self.shared.desk().count(operation)
    }

    /// Completes when `operation` was answered at least `times` in all: a barrier for tests.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and does nothing else.
    ///
    /// # Panics
    /// After 10 s of real time.
    #[track_caller]
    pub fn until(&self, operation: &str, times: usize) -> impl Future<Output = ()> + Send {
        self.shared.document.check(operation);
        // No `async fn`: its panic could not name the line it was called from.
        let (caller, awaited) = (Location::caller(), operation.to_owned());
        async move {
            let shared = self.shared.clone();
            let operation = awaited.clone();
            let wait = async move {
                let mut answered = shared.answered.subscribe();
                answered.wait_for(|_| shared.desk().count(&awaited) >= times).await.is_ok()
            };
            if self.server.runtime.within(LONGEST_WAIT, wait).await != Some(true) {
                let (name, count) = (self.shared.name, self.shared.desk().count(&operation));
                panic!(
                    "{name}: {times} requests for `{operation}` were awaited at {caller}, but within 10 s only {count} came"
                );
            }
        }
    }

    /// Expects exactly `times` requests for `operation` in this fake's life: checked by [`verify`](Self::verify), and
    /// when the fake is dropped.
    #[track_caller]
    pub fn expect(&self, operation: &str, times: usize) {
        self.shared.document.check(operation);
        self.shared.desk().expected.push((operation.to_owned(), times));
    }

    /// Checks now what [`expect`](Self::expect) asked for, and that every [`Fault`] could be done to its answer.
    ///
    /// # Panics
    /// If not: with a sentence about each, and all that this fake saw.
    ///
    /// ```should_panic
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), reqwest::Error> {
    /// let fake = keyway::testing::FakeVms::start().await;
    /// fake.expect("get_basic_static", 1);
    /// fake.expect("get_token", 1);
    /// reqwest::get(format!("{}/api/v1/static/basic", fake.uri())).await?;
    /// fake.verify();
    /// // FakeVms: `get_token` was to be called once, but was never called. It saw:
    /// //   get_basic_static: GET /api/v1/static/basic, answered with 200
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn verify(&self) {
        if let Some(unmet) = self.unmet() {
            panic!("{unmet}");
        }
    }

    fn unmet(&self) -> Option<String> {
        let desk = self.shared.desk();
        let wrong = desk.expected.iter().filter(|(operation, times)| desk.count(operation) != *times);
        let wrong = wrong.map(|(operation, times)| {
            let (wanted, came) = (often("to be called", *times), often("called", desk.count(operation)));
            format!("`{operation}` was {wanted}, but was {came}")
        });
        let wrong: Vec<_> = desk.complaints.iter().cloned().chain(wrong).collect();
        let seen = match desk.seen.as_slice() {
            [] => "It saw nothing.".to_owned(),
            seen => seen.iter().fold("It saw:".to_owned(), |lines, seen| lines + &format!("\n  {seen}")),
        };
        (!wrong.is_empty()).then(|| format!("{}: {}. {seen}", self.shared.name, wrong.join("; ")))
    }

    /// Holds the answers to `operation` from now on, until the gate is opened or dropped.
    #[track_caller]
    pub fn hold(&self, operation: &str) -> Gate {
        self.shared.document.check(operation);
        let (gate, hold) = Gate::new(operation, self.server.runtime.clone());
        self.shared.desk().holds.insert(operation.to_owned(), hold);
        gate
    }

    /// Lets the next request for `operation` go wrong.
    #[track_caller]
    pub fn next(&self, operation: &str, fault: Fault) {
        self.next_times(operation, 1, fault);
    }

    /// Lets the next `times` requests for `operation` go wrong. Faults queue up.
    #[track_caller]
    pub fn next_times(&self, operation: &str, times: usize, fault: Fault) {
        self.shared.document.check(operation);
        self.shared.desk().faults.queue(operation, times, &fault);
    }

    /// Lets every request for `operation` go wrong, after those that [`next`](Self::next) asked for.
    #[track_caller]
    pub fn always(&self, operation: &str, fault: Fault) {
        self.shared.document.check(operation);
        self.shared.desk().faults.keep(operation, fault);
    }

    /// From now on the vendor's clock is so many seconds ahead of everybody else's, or (negative) behind: its `Date`, the
    /// ends that it tells, and what it takes for over.
    pub fn skew_clock(&self, seconds: i64) {
        self.shared.skew.store(seconds, Ordering::SeqCst);
    }

    /// Serves this path too, as a service of the vendor's that its document lacks: a caller with a session is answered
    /// with 200, `"ok": true` and the path. `{}` stands for one segment of any text. Such calls count as `other`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), keyway::Error> {
    /// use keyway::{testing::FakeVitaMojo, vitamojo};
    ///
    /// let fake = FakeVitaMojo::start().await;
    /// fake.serve("/menu/v1/stores/{id}");
    /// let vita = vitamojo::Client::builder(fake.uri()).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).build()?;
    /// assert_eq!(vita.http().get("/menu/v1/stores/7").send().await?.status(), 200);
    /// assert_eq!(vita.http().get("/menu/v1/store/7").send().await?.status(), 404); // a slip of the hand
    /// assert_eq!((fake.count("other"), fake.count("unknown")), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn serve(&self, path: impl Into<String>) {
        match &mut self.shared.desk().beside {
            Beside::Any => {}
            Beside::Also(paths) => paths.push(path.into()),
            known @ Beside::Known => *known = Beside::Also(vec![path.into()]),
        }
    }

    /// Serves every path. A path that is mistyped is answered like the right one from now on.
    pub fn serve_any_path(&self) {
        self.shared.desk().beside = Beside::Any;
    }

    /// Takes back all faults of `operation`.
    #[track_caller]
    pub fn heal(&self, operation: &str) {
        self.shared.document.check(operation);
        self.shared.desk().faults.heal(operation);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(witness) = witness() {
            witness.closed(&self.server.address.to_string(), self.secrets());
        }
        match self.unmet() {
            // A second panic would abort the test, and hide the first.
            Some(unmet) if !thread::panicking() => panic!("{unmet}"),
            _ => {}
        }
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.shared.name).field("uri", &self.uri()).field("saw", &self.shared.desk().seen).finish()
    }
}

impl FakeState {
    /// The time at the vendor's.
    fn now(&self) -> SystemTime {
        let (skew, now) = (self.skew.load(Ordering::SeqCst), self.clock.now());
        let distance = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { now - distance } else { now + distance }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        locked(&self.desk)
    }
}

impl Desk {
    fn count(&self, operation: &str) -> usize {
        self.seen.iter().filter(|seen| seen.operation == operation).count()
    }

    /// Whether a path of no operation is served all the same: one that the vendor is known to have, or the test asked for.
    fn serves(&self, path: &str, known: &[&str]) -> bool {
        let fits = |template: &str| parameters(template, path).is_some();
        match &self.beside {
            Beside::Any => true,
            Beside::Also(paths) if paths.iter().any(|template| fits(template)) => true,
            _ => known.iter().any(|template| fits(template)),
        }
    }

    /// The gate that holds this operation, and the number under which the next answer waits there.
    fn arrive(&mut self, operation: &str) -> Option<(Arc<Hold>, usize)> {
        let hold = self.holds.get(operation)?.clone();
        let number = hold.arrive();
        Some((hold, number))
    }
}

/// Receives requests from wiremock, which hands them over one by one.
struct Reception<V> {
    shared: Arc<FakeState>,
    vendor: Arc<Mutex<V>>,
}

impl<V: Vendor> Respond for Reception<V> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path();
        let known = locked(&self.vendor).beside();
        let beside = || self.shared.desk().serves(path, known);
        let found = self.shared.document.find(request.method.as_str(), path, beside);
        let ask = FakeCall { request, found, now: self.shared.now() };
        let fault = self.shared.desk().faults.take(ask.operation());
        let (answer, seen) = self.answer(&ask, fault.as_ref());
        self.show(&ask, &answer, fault.as_ref().is_some_and(Fault::is_told));
        let delivery = Delivery {
            gate: self.note(seen),
            delay: fault.as_ref().and_then(Fault::delay),
            pause: fault.as_ref().and_then(Fault::pause),
            cut: fault.as_ref().and_then(Fault::cut),
            dateless: fault.as_ref().is_some_and(Fault::is_dateless),
        };
        template(answer, ask.now, self.shared.deliveries.order(delivery))
    }
}

impl<V: Vendor> Reception<V> {
    fn answer(&self, ask: &FakeCall<'_>, fault: Option<&Fault>) -> (FakeAnswer, Seen) {
        let mut vendor = locked(&self.vendor);
        // Before the answer: a sign-out forgets whose token it was.
        let bearer = vendor.token_of(ask).map(|token| vendor.name_of(token).unwrap_or_else(|| "unknown".to_owned()));
        let answer = match fault {
            None => answer_to(&mut *vendor, ask),
            Some(fault) => fault
                .instead(&*vendor, ask)
                .unwrap_or_else(|| self.spoil(fault, answer_to(&mut *vendor, ask), ask.operation())),
        };
        let answer = vendor.stamp(answer);
        let status = (!matches!(fault, Some(Fault::CutBefore))).then_some(answer.status);
        let seen = Seen::of(ask, status, bearer, fault);
        (answer, seen)
    }

    fn spoil(&self, fault: &Fault, mut answer: FakeAnswer, operation: &str) -> FakeAnswer {
        if let Err(why) = fault.spoil(&mut answer) {
            self.shared.desk().complaints.push(format!("a fault of `{operation}` could not be done: {why}"));
        }
        answer
    }

    /// Shows the exchange to the functions that look at it.
    fn show(&self, ask: &FakeCall<'_>, answer: &FakeAnswer, is_faulty: bool) {
        let (Some(witness), Some(address)) = (witness(), self.shared.address.get()) else {
            return;
        };
        let wrong = witness.exchange(&Exchange {
            fake: self.shared.name,
            address,
            operation: ask.operation(),
            method: ask.request.method.as_str(),
            target: &ask.request.url[url::Position::BeforePath..],
            headers: &ask.request.headers,
            body: &ask.request.body,
            is_faulty,
            status: answer.status,
            content_type: answer.content_type,
            answer: &answer.body,
        });
        self.shared.desk().complaints.extend(wrong);
    }

    /// Writes the log, and asks whether the answer is to be held.
    fn note(&self, seen: Seen) -> Option<(Arc<Hold>, usize)> {
        let mut desk = self.shared.desk();
        let gate = desk.arrive(&seen.operation);
        desk.seen.push(seen);
        drop(desk);
        self.shared.answered.send_modify(|answered| *answered += 1);
        gate
    }
}

fn answer_to(vendor: &mut impl Vendor, ask: &FakeCall<'_>) -> FakeAnswer {
    if ask.operation() == UNKNOWN { vendor.unknown(ask) } else { vendor.answer(ask) }
}

fn often(what: &str, times: usize) -> String {
    match times {
        0 => format!("never {what}"),
        1 => format!("{what} once"),
        times => format!("{what} {times} times"),
    }
}

/// What wiremock sends. The connection ends with it: so the door knows where the answer ends.
fn template(answer: FakeAnswer, now: SystemTime, label: u64) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(answer.status)
        .insert_header("date", calendar::http_date(now))
        .insert_header("connection", "close")
        .insert_header(LABEL, label.to_string());
    for (name, value) in answer.headers {
        template = template.append_header(name, value);
    }
    match answer.body {
        body if body.is_empty() => template,
        body => template.set_body_raw(body, answer.content_type),
    }
}

/// A panic in a test leaves a fake's state as it is: it is valid after every request.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
