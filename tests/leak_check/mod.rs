//! Every test starts here; those few that do not are listed with their reasons in `tests/it/leak_checks.rs`. When it has ended, every secret that a fake gave out or that the test typed is
//! searched for wherever others could have read it, and every exchange with a fake is held against the vendor's document.
//!
//! Searched for, as they are and percent-encoded, in base64, in JSON and in a `Debug` text: what fakes gave out and were
//! told, and whatever became a [`keyway::Secret`] while the test ran.
//!
//! Searched through, from the beginning of the test to its end:
//!
//! | what | how it comes here |
//! |---|---|
//! | `Display` and `Debug` of every error, its code, request id and fields, and the question that it carries | when the error is dropped |
//! | a session's key, report and profile | when the session is dropped |
//! | panics, also those that a test catches | a hook |
//! | logs at TRACE of Keyway, reqwest and hyper's pool and connector | a global subscriber; hyper itself tells only under a flag: `.ci/long.d/hyper` |
//! | names of files, and keys in Redis | the stores |
//! | URLs | the fakes; operations whose document says `x-secret-url` have a secret in theirs |
//! | every other origin | a secret that one fake knows must not be sent to a fake that does not |
//!
//! An error's `source()` is texts alone, and searched with it. Its `body()` is not searched: that is the vendor's own answer,
//! handed over to whoever asks for it, and none of a call that hands out tokens. What else can be printed, leases, clients and the types of
//! answers, is printed by the law L12 and the tests of each surface.
//!
//! Where several tests share a process, secrets tell them apart: fakes give out values that exist nowhere else. What came to
//! be on another test's own threads, a secret or a line, is left to that test; the rest is everybody's.

#[allow(dead_code, reason = "some tests need all of it, others little")]
pub(crate) mod contract;
#[allow(dead_code, reason = "some tests need all of it, others little")]
pub(crate) mod document;
pub(crate) mod patterns;
pub(crate) mod wire_log;

use keyway::testing::{
    Fake,
    witness::{self, Exchange, Witness},
};
use patterns::Patterns;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    thread,
};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter, prelude::*};

/// Makes a test of a function without arguments, sync or async: `#[apply(leak_checked!)]`. An async one runs on one thread, or
/// with `#[threads(4)]` below on so many.
macro_rules! leak_checked {
    ($(#[doc = $about:literal])* $(#[ignore = $why:literal])? #[threads($threads:literal)] async fn $name:ident() $body:block) => {
        $(#[doc = $about])*
        $(#[ignore = $why])?
        #[test]
        fn $name() {
            fn test() {
                $crate::leak_check::runtime($threads).block_on(async $body);
            }
            $crate::leak_check::checked(test);
        }
    };
    ($(#[$about:meta])* async fn $name:ident() $body:block) => {
        $(#[$about])*
        #[test]
        fn $name() {
            fn test() {
                $crate::leak_check::runtime(1).block_on(async $body);
            }
            $crate::leak_check::checked(test);
        }
    };
    ($(#[$about:meta])* fn $name:ident() $body:block) => {
        $(#[$about])*
        #[test]
        fn $name() {
            fn test() $body
            $crate::leak_check::checked(test);
        }
    };
}

/// As `store_laws!` does, with the leak check around each.
#[allow(unused_macros, reason = "not every test binary tests stores")]
macro_rules! leak_checked_laws {
    ($factory:ty, $($law:ident)*) => {$(
        #[apply(leak_checked!)]
        #[threads(4)]
        async fn $law() {
            __laws::$law::<$factory>().await;
        }
    )*};
}

/// Runs a test, and then looks for what it made secret.
pub(crate) fn checked(test: impl FnOnce()) {
    let check = LeakCheck::begin();
    let outcome = panic::catch_unwind(AssertUnwindSafe(test));
    let leaks = check.end();
    match outcome {
        Err(panic) => panic::resume_unwind(panic),
        Ok(()) => assert!(leaks.is_empty(), "{}", leaks.join("\n")),
    }
}

/// Runs a test that is not checked beside others that are: what it makes secret and what it shows is left to it.
#[allow(dead_code, reason = "few tests are not checked")]
pub(crate) fn apart(test: impl FnOnce()) {
    COLLECTOR.log().tests.extend(thread_name());
    test();
}

/// One on the test's own thread, or one with so many threads. All of its threads, those for blocking work as well, have
/// the test's name: what comes to be on them is the test's.
#[allow(dead_code, reason = "not all tests are async")]
pub(crate) fn runtime(threads: usize) -> Runtime {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().thread_name(thread_name().unwrap_or_default()).build().expect("a runtime")
}

/// Something that came to pass while tests ran.
pub(crate) enum Entry {
    Secret {
        thread: Option<String>,
        secret: String,
    },
    /// Others can read this.
    Shown {
        what: &'static str,
        thread: Option<String>,
        text: String,
    },
    /// This was sent to this address.
    Sent {
        address: String,
        text: String,
    },
    /// The fake at this address has gone; these may be sent to it.
    Closed {
        address: String,
        secrets: Vec<String>,
    },
    /// The test lets what others know be sent to this address.
    #[allow(dead_code, reason = "few tests say so")]
    Trusted(String),
}

/// The test says that credentials of others may be sent to this fake, because a client was told so.
#[allow(dead_code, reason = "few tests say so")]
pub(crate) fn trusts(fake: &Fake) {
    COLLECTOR.note(Entry::Trusted(fake.uri().trim_start_matches("http://").to_owned()));
}

/// All that came to pass and that a test in progress may still want to look through.
#[derive(Default)]
struct Log {
    /// How many entries were thrown away.
    forgotten: usize,
    entries: VecDeque<Arc<Entry>>,
    /// The checks in progress, each with its first entry.
    checks: BTreeMap<usize, usize>,
    checks_begun: usize,
    /// The names of threads that are tests.
    tests: BTreeSet<String>,
}

struct Collector(Mutex<Log>);

static COLLECTOR: Collector = Collector(Mutex::new(Log {
    forgotten: 0,
    entries: VecDeque::new(),
    checks: BTreeMap::new(),
    checks_begun: 0,
    tests: BTreeSet::new(),
}));

impl Collector {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, entry: Entry) {
        let mut log = self.log();
        if !log.checks.is_empty() {
            log.entries.push_back(Arc::new(entry));
        }
    }
}

impl Witness for Collector {
    fn secret(&self, secret: &str) {
        self.note(Entry::Secret { thread: thread_name(), secret: secret.to_owned() });
    }

    fn shown(&self, what: &'static str, text: &str) {
        self.note(Entry::Shown { what, thread: thread_name(), text: text.to_owned() });
    }

    fn exchange(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let mut text = format!("{} {}\n", exchange.method, exchange.target);
        for (name, value) in exchange.headers {
            text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        text += &String::from_utf8_lossy(exchange.body);
        self.note(Entry::Sent { address: exchange.address.to_owned(), text });
        if !contract::has_secret_url(exchange) {
            self.shown("a URL", exchange.target);
        }
        contract::breaches(exchange)
    }

    fn closed(&self, address: &str, secrets: Vec<String>) {
        secrets.iter().for_each(|secret| self.secret(secret));
        self.note(Entry::Closed { address: address.to_owned(), secrets });
    }
}

fn thread_name() -> Option<String> {
    thread::current().name().map(str::to_owned)
}

/// A line of the log.
struct Line;

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        COLLECTOR.shown("a log", &String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Line {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        witness::tell(&COLLECTOR);
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Line);
        // The server of the fakes and stages may tell what it likes: it is the vendor.
        let ours = tracing_subscriber::filter::filter_fn(|about| !about.target().starts_with("wiremock"));
        tracing_subscriber::registry().with(lines.with_filter(ours).with_filter(LevelFilter::TRACE)).init();
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            COLLECTOR.shown("a panic", &panic.to_string());
            print(panic);
        }));
    });
}

pub(crate) struct LeakCheck {
    number: usize,
    test: Option<String>,
}

impl LeakCheck {
    pub(crate) fn begin() -> Self {
        listen();
        let test = thread_name();
        let mut log = COLLECTOR.log();
        log.checks_begun += 1;
        let (number, first) = (log.checks_begun, log.forgotten + log.entries.len());
        log.checks.insert(number, first);
        log.tests.extend(test.clone());
        Self { number, test }
    }

    /// What was found, in sentences.
    pub(crate) fn end(self) -> Vec<String> {
        let (entries, tests) = self.take();
        let is_anothers = |thread: &Option<String>| {
            thread.as_ref().is_some_and(|thread| Some(thread) != self.test.as_ref() && tests.contains(thread))
        };
        let secrets = entries.iter().filter_map(|entry| match &**entry {
            Entry::Secret { thread, secret } if !is_anothers(thread) => Some(secret.as_str()),
            _ => None,
        });
        let patterns = Patterns::of(secrets);
        let mut leaks = BTreeMap::new();
        for entry in &entries {
            if let Entry::Shown { what, thread, text } = &**entry
                && !is_anothers(thread)
            {
                for found in patterns.found_in(text) {
                    let leak = || {
                        format!("{what} shows the secret `{}` {}: {}", found.secret, found.form, found.excerpt(text))
                    };
                    leaks.entry((*what, found.secret)).or_insert_with(leak);
                }
            }
        }
        leaks.into_values().chain(sent_elsewhere(&entries, &patterns)).collect()
    }

    /// The entries since the check began, and the tests there are. Forgets what no other check wants.
    fn take(&self) -> (Vec<Arc<Entry>>, BTreeSet<String>) {
        let mut log = COLLECTOR.log();
        let first = log.checks.remove(&self.number).unwrap_or_default();
        let entries = log.entries.iter().skip(first - log.forgotten).cloned().collect();
        let wanted = log.checks.values().min().copied().unwrap_or(log.forgotten + log.entries.len());
        let over = wanted - log.forgotten;
        log.entries.drain(..over);
        log.forgotten = wanted;
        (entries, log.tests.clone())
    }
}

/// Secrets that were sent to a fake which does not know them, while another one does.
pub(crate) fn sent_elsewhere(entries: &[Arc<Entry>], patterns: &Patterns<'_>) -> BTreeSet<String> {
    let mut homes: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    let mut trusted = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        match &**entry {
            Entry::Closed { secrets, .. } => {
                secrets.iter().for_each(|secret| _ = homes.entry(secret).or_default().insert(at));
            }
            Entry::Trusted(address) => _ = trusted.insert(address.as_str()),
            _ => {}
        }
    }
    let mut sent_elsewhere = BTreeSet::new();
    // From the end: a port is given to one fake after the other, and which one it was is told by when it closed.
    let mut closed: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate().rev() {
        if let Entry::Closed { address, .. } = &**entry {
            closed.insert(address, at);
        }
        let Entry::Sent { address, text } = &**entry else { continue };
        // What an open fake knows is not known.
        let Some(fake) = closed.get(address.as_str()).filter(|_| !trusted.contains(address.as_str())) else { continue };
        let is_at_home = |secret: &str| homes.get(secret).is_none_or(|homes| homes.contains(fake));
        let astray = patterns.found_in(text).filter(|found| found.is_unique() && !is_at_home(found.secret));
        sent_elsewhere.extend(astray.map(|found| {
            let excerpt = found.excerpt(text);
            format!("the secret `{}` was sent to another origin, {address}: {excerpt}", found.secret)
        }));
    }
    sent_elsewhere
}
