//! Real processes: a test binary that starts itself as often as it needs, and tells each what to do, line by line. Such a
//! binary has a test named `child`, which does nothing of its own.
#![allow(dead_code, reason = "each test binary uses what it needs")]

pub(crate) mod churn;
pub(crate) mod halting;

use keyway::{
    BoxFuture, Clock, Http, Session, Store, SystemClock, orderingstack,
    testing::{Fake, FakeOrderingStack, FakeVitaMojo, FakeVms},
    vitamojo, vms,
};
use std::{
    collections::{BTreeMap, HashSet},
    env,
    ffi::{OsStr, OsString},
    future::Future,
    io::{BufRead, BufReader, Write},
    ops::Deref,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};
use tokio::sync::{Notify, mpsc::UnboundedReceiver};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

/// No process may be silent for longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a process is to do.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) work: &'static str,
    pub(crate) uri: String,
    pub(crate) place: OsString,
    /// How far its clocks are ahead of the others'.
    pub(crate) ahead: Duration,
    pub(crate) umask: Option<&'static str>,
    /// What its environment has beside ours.
    pub(crate) environment: Vec<(String, String)>,
}

impl Job {
    /// `place` is where the sessions sleep.
    pub(crate) fn of(work: &'static str, uri: &str, place: impl AsRef<OsStr>) -> Self {
        Self {
            work,
            uri: uri.into(),
            place: place.as_ref().into(),
            ahead: Duration::ZERO,
            umask: None,
            environment: Vec::new(),
        }
    }
}

/// A process that this one has started, and ends when it is dropped.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    heard: mpsc::Receiver<String>,
}

/// Starts processes, and waits until each of them is ready.
pub(crate) fn start(count: usize, job: &Job) -> Vec<Process> {
    let mut processes: Vec<_> = (0..count).map(|_| Process::start(job)).collect();
    processes.iter_mut().for_each(|process| assert_eq!(process.hear(), "ready"));
    processes
}

/// Until so many more requests for this operation were answered, one after the other: each may take as long as
/// [`Fake::until`](keyway::testing::Fake::until) waits.
pub(crate) async fn answered(fake: &keyway::testing::Fake, operation: &str, more: usize) {
    let before = fake.count(operation);
    for times in 1..=more {
        fake.until(operation, before + times).await;
    }
}

/// Has all of them call at once, and answers the tokens they called with.
pub(crate) fn generations(processes: &mut [Process]) -> HashSet<String> {
    processes.iter_mut().for_each(|process| process.say("call"));
    let answers = processes.iter_mut().map(|process| process.hear());
    answers.inspect(|answer| assert!(answer.starts_with("200 "), "{answer}")).collect()
}

impl Process {
    pub(crate) fn start(job: &Job) -> Self {
        let program = env::current_exe().unwrap();
        let mut command = match job.umask {
            None => Command::new(program),
            Some(umask) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(program);
                shell
            }
        };
        command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
        command.envs(job.environment.iter().cloned());
        command.env("KEYWAY_CHILD", job.work).env("KEYWAY_CHILD_URI", &job.uri);
        command.env("KEYWAY_CHILD_PLACE", &job.place).env("KEYWAY_CHILD_AHEAD", job.ahead.as_secs().to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, heard) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test harness writes lines of its own, and half a line before ours.
                if let Some((_, said)) = line.split_once("@ ") {
                    let _ = tell.send(said.to_owned());
                }
            }
        });
        Self { child, stdin, heard }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    pub(crate) fn hear(&mut self) -> String {
        self.heard.recv_timeout(PATIENCE).expect("a process is stuck or gone")
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// What it says from now on until it ends.
    pub(crate) fn last_words(&mut self) -> impl Iterator<Item = String> {
        self.heard.iter()
    }

    /// Stops it wherever it is, or lets it go on.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What this process is to do, if it is not the first one.
pub(crate) fn work() -> Option<String> {
    env::var("KEYWAY_CHILD").ok()
}

/// Where its sessions sleep.
pub(crate) fn place() -> String {
    env::var("KEYWAY_CHILD_PLACE").unwrap()
}

pub(crate) fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

pub(crate) fn tell(what: impl std::fmt::Display) {
    println!("@ {what}");
    std::io::stdout().flush().unwrap();
}

/// The machine's clocks, set ahead.
struct Ahead(Duration);

impl Clock for Ahead {
    fn wall(&self) -> SystemTime {
        SystemClock.wall() + self.0
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

pub(crate) fn client(surface: &str, store: impl Store) -> (Http, Session) {
    let uri = env::var("KEYWAY_CHILD_URI").unwrap();
    let clock = Ahead(Duration::from_secs(env::var("KEYWAY_CHILD_AHEAD").unwrap().parse().unwrap()));
    match surface {
        "vitamojo" => {
            let builder = vitamojo::Client::builder(uri).tenant(TENANT);
            let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
            let client = builder.store(store).clock(clock).build().unwrap();
            (client.http(), client.session().clone())
        }
        "orderingstack" => {
            let builder = orderingstack::Client::builder(uri).tenant(FakeOrderingStack::TENANT);
            let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
            let builder = builder.password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
            let client = builder.store(store).clock(clock).build().unwrap();
            (client.http(), client.session().clone())
        }
        "vms" => {
            let builder = vms::Client::builder(uri).password(FakeVms::LOGIN, FakeVms::PASSWORD);
            let client = builder.store(store).clock(clock).build().unwrap();
            (client.http(), client.session().clone())
        }
        other => panic!("no surface `{other}`"),
    }
}

/// What halts in the middle of something goes on when its process is told to.
pub(crate) static GO_ON: Notify = Notify::const_new();

/// What it is told, read by a thread, so that its tasks go on meanwhile.
pub(crate) fn lines() -> UnboundedReceiver<String> {
    let (told, lines) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if line == "go on" {
                GO_ON.notify_one();
            } else if told.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Does what it is told, line by line, until nobody is there to tell it.
pub(crate) async fn serve(surface: &str, store: impl Store) {
    let (http, session) = client(surface, store);
    let mut lines = lines();
    tell("ready");
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "call" => match call(&http).await {
                Ok(()) => tell(format_args!("200 {}", session.lease().await.unwrap().generation())),
                Err(what) => tell(what),
            },
            "sign in" => match session.sign_in().await {
                Ok(_) => tell("Ok"),
                Err(error) => tell(format_args!("{:?}", error.kind())),
            },
            "sign out" => tell(format_args!("{:?}", session.sign_out().await)),
            "calls" | "renew and call" => {
                let (mut good, mut failed) = (0, BTreeMap::<String, u32>::new());
                while lines.is_empty() {
                    // About once a second; who comes second finds what the first one got.
                    if line != "calls"
                        && good % 40 == 0
                        && let Err(error) = session.renew().await
                    {
                        *failed.entry(format!("renewal: {:?}", error.kind())).or_default() += 1;
                    }
                    match call(&http).await {
                        Ok(()) => good += 1,
                        Err(what) => *failed.entry(what).or_default() += 1,
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                lines.recv().await;
                tell(format_args!("{good} good, failed {failed:?}"));
            }
            other => panic!("what is `{other}`?"),
        }
    }
}

/// What the children call.
pub(crate) const PATH: &str = "/some/service/v1/things";

/// A fake that serves what the children call.
pub(crate) fn serving<F: Deref<Target = Fake>>(fake: F) -> F {
    fake.serve(PATH);
    fake
}

pub(crate) async fn call(http: &Http) -> Result<(), String> {
    match http.get(PATH).send().await {
        Ok(answer) if answer.status() == 200 => Ok(()),
        Ok(answer) => Err(answer.status().to_string()),
        Err(error) => Err(format!("{:?}", error.kind())),
    }
}
