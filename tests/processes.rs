//! Real processes that share one folder: this test binary starts itself as often as it needs, against fakes in the first
//! process. The clock is the machine's, because the operating system's locks and files are what is tested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use keyway::{
    BoxFuture, Clock, FileStore, Http, Record, Session, Store, SystemClock, orderingstack,
    testing::{self, FakeOrderingStack, FakeVitaMojo, FakeVms},
    vitamojo, vms,
};
use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

/// No process may be silent for longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where there is no session the operation that signs in is asked for once.
#[tokio::test]
async fn eight_processes_without_a_session_are_one_sign_in() {
    let (vita, ordering, vms) = (vita_mojo().await, ordering_stack().await, FakeVms::start().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri()), ("vms", vms.uri())] {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = start(8, &Job::of(surface, &uri, folder.path()));
        assert_eq!(generations(&mut processes).len(), 1, "{surface}");
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token")), (1, 0));
    assert_eq!((ordering.count("issue_token"), vms.count("get_token")), (1, 1));
}

#[tokio::test]
async fn eight_processes_on_an_ended_token_are_one_renewal() {
    let (vita, ordering) = (vita_mojo().await, ordering_stack().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri())] {
        let folder = tempfile::tempdir().unwrap();
        let job = Job::of(surface, &uri, folder.path());
        let before = generations(&mut start(1, &job));
        let mut processes = start(8, &Job { ahead: Duration::from_secs(24 * 3600), ..job });
        let after = generations(&mut processes);
        assert_eq!(after.len(), 1, "{surface}");
        assert!(after.is_disjoint(&before));
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token"), vita.reuses()), (1, 1, 0));
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
}

/// The vendor tells no end, so the 401 does.
#[tokio::test]
async fn eight_processes_whose_token_is_refused_are_one_new_sign_in() {
    let (fake, folder) = (FakeVms::start().await, tempfile::tempdir().unwrap());
    let mut processes = start(8, &Job::of("vms", &fake.uri(), folder.path()));
    let before = generations(&mut processes);
    fake.revoke_all();
    let after = generations(&mut processes);
    assert_eq!((before.len(), after.len(), fake.count("get_token")), (1, 1, 2));
    assert!(after.is_disjoint(&before));
}

#[tokio::test]
async fn twenty_seconds_of_rotation_by_six_processes_use_no_token_twice() {
    let (fake, folder) = (ordering_stack().await, tempfile::tempdir().unwrap());
    let mut processes = start(6, &Job::of("orderingstack", &fake.uri(), folder.path()));
    let before = generations(&mut processes);
    for process in &mut processes {
        process.say("renew and call");
    }
    thread::sleep(Duration::from_secs(20));
    for process in &mut processes {
        let told = process.ask("stop");
        assert!(told.ends_with("failed {}"), "{told}");
    }
    let renewals = fake.count("issue_token") - 1;
    assert!(renewals >= 15, "only {renewals} renewals");
    assert_eq!(fake.reuses(), 0);
    // One session from beginning to end: nobody had to sign in anew.
    let lineages = generations(&mut processes).into_iter().chain(before).map(|answer| answer[..12].to_owned());
    assert_eq!(lineages.collect::<HashSet<_>>().len(), 1);
}

#[tokio::test]
async fn a_process_that_is_killed_in_the_middle_of_a_sign_in_holds_up_nobody() {
    let (fake, folder) = (FakeVms::start().await, tempfile::tempdir().unwrap());
    let mut processes = start(3, &Job::of("vms", &fake.uri(), folder.path()));
    let gate = fake.hold("get_token");
    let mut killed = processes.pop().unwrap();
    killed.say("call");
    gate.arrived(1).await;
    for process in &mut processes {
        process.say("call");
    }
    killed.kill();
    gate.open();
    let generations: HashSet<_> = processes.iter_mut().map(|process| process.hear()).collect();
    assert_eq!((generations.len(), fake.count("get_token")), (1, 2), "{generations:?}");
}

/// `KEYWAY_KILLS` says how many; `.ci/long.d/kills` wants more than the everyday run.
#[test]
fn processes_that_are_killed_while_they_save_or_lock_lose_nothing_and_hold_up_nobody() {
    let kills = env::var("KEYWAY_KILLS").map_or(40, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (store, key) = (FileStore::at(folder.path()), testing::key("churn"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let job = Job::of("churn", "", folder.path());
    let mut bystander = Process::start(&job);
    let (random, mut newest) = (RandomState::new(), 0);
    for kill in 0..kills {
        let mut victim = Process::start(&job);
        let dice = random.hash_one(kill);
        for _ in 0..1 + dice % 8 {
            newest = newest.max(victim.saved());
        }
        // Somewhere in the middle of whatever it does next.
        thread::sleep(Duration::from_micros(dice / 8 % 4000));
        victim.kill();
        newest = newest.max(victim.last_saved().unwrap_or(0));
        // The raw file, so that nothing can have been healed in between.
        let text = fs::read_to_string(folder.path().join(format!("{key}.json"))).unwrap();
        let record = Record::from_json(&text).expect("a whole record");
        assert!(record.generation().counter() >= newest, "{} after {newest} was saved", record.generation());
        newest = newest.max(bystander.next_saved_after(newest));
    }
    bystander.kill();
    runtime.block_on(async {
        let _lock = store.lock(&key, Duration::from_secs(1)).await.expect("those who held it are gone");
        let last = store.load(&key).await.unwrap().unwrap().generation();
        assert!(store.compare_and_swap(&key, Some(last), churned(last.counter() + 1)).await.unwrap());
    });
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.file_name()).collect();
    assert_eq!(left.len(), 3, "more than the session and its two locks: {left:?}");
}

#[tokio::test]
async fn one_process_signs_out_while_seven_call() {
    let (fake, folder) = (FakeVms::start().await, tempfile::tempdir().unwrap());
    let mut processes = start(8, &Job::of("vms", &fake.uri(), folder.path()));
    assert_eq!(generations(&mut processes).len(), 1);
    let (leaver, callers) = processes.split_first_mut().unwrap();
    for caller in callers.iter_mut() {
        caller.say("calls");
    }
    let before = fake.count("other");
    fake.until("other", before + 20).await;
    assert_eq!(leaver.ask("sign out"), "Ok(Revoked)");
    let before = fake.count("other");
    fake.until("other", before + 50).await;
    for caller in callers.iter_mut() {
        let told = caller.ask("stop");
        // They have credentials of their own, and begin a session that they share.
        assert!(told.ends_with("failed {}"), "{told}");
    }
    assert_eq!(leaver.ask("call"), "SignedOut");
    assert_eq!((generations(callers).len(), fake.count("get_token")), (1, 2));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let fake = FakeVms::start().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for umask in ["000", "022", "077"] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state/app/keyway");
        let job = Job { umask: Some(umask), ..Job::of("vms", &fake.uri(), &folder) };
        generations(&mut start(1, &job));
        assert_eq!(mode(&folder), 0o700, "{umask}");
        let above = 0o777 & !u32::from_str_radix(umask, 8).unwrap();
        assert_eq!(mode(folder.parent().unwrap()), above, "not ours to close");
        let files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|file| file.path()).collect();
        // A session, its locks, and the same for the attempts.
        assert!(files.len() >= 5, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{umask}: {files:?}");
    }
}

async fn vita_mojo() -> FakeVitaMojo {
    FakeVitaMojo::builder().rotating(true).start().await
}

async fn ordering_stack() -> FakeOrderingStack {
    FakeOrderingStack::builder().rotating(true).start().await
}

/// What a process is to do.
#[derive(Clone)]
struct Job {
    work: &'static str,
    uri: String,
    folder: String,
    /// How far its clocks are ahead of the others'.
    ahead: Duration,
    umask: Option<&'static str>,
}

impl Job {
    fn of(work: &'static str, uri: &str, folder: &Path) -> Self {
        Self { work, uri: uri.into(), folder: folder.to_str().unwrap().into(), ahead: Duration::ZERO, umask: None }
    }
}

/// A process that this one has started, and ends when it is dropped.
struct Process {
    child: Child,
    stdin: ChildStdin,
    heard: mpsc::Receiver<String>,
}

/// Starts processes, and waits until each of them is ready.
fn start(count: usize, job: &Job) -> Vec<Process> {
    let mut processes: Vec<_> = (0..count).map(|_| Process::start(job)).collect();
    processes.iter_mut().for_each(|process| assert_eq!(process.hear(), "ready"));
    processes
}

/// Has all of them call at once, and answers the tokens they called with.
fn generations(processes: &mut [Process]) -> HashSet<String> {
    processes.iter_mut().for_each(|process| process.say("call"));
    let answers = processes.iter_mut().map(|process| process.hear());
    answers.inspect(|answer| assert!(answer.starts_with("200 "), "{answer}")).collect()
}

impl Process {
    fn start(job: &Job) -> Self {
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
        command.env("KEYWAY_CHILD", job.work).env("KEYWAY_CHILD_URI", &job.uri);
        command.env("KEYWAY_CHILD_FOLDER", &job.folder).env("KEYWAY_CHILD_AHEAD", job.ahead.as_secs().to_string());
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

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        self.heard.recv_timeout(PATIENCE).expect("a process is stuck or gone")
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    fn saved(&mut self) -> u64 {
        self.hear().parse().unwrap()
    }

    /// What it said before it ended.
    fn last_saved(&mut self) -> Option<u64> {
        self.heard.iter().last().map(|last| last.parse().unwrap())
    }

    fn next_saved_after(&mut self, counter: u64) -> u64 {
        loop {
            let saved = self.saved();
            if saved > counter {
                return saved;
            }
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Ok(work) = env::var("KEYWAY_CHILD") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match work.as_str() {
            "churn" => churn().await,
            surface => serve(surface).await,
        }
    });
}

fn tell(what: impl std::fmt::Display) {
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

fn client(surface: &str) -> (Http, Session) {
    let uri = env::var("KEYWAY_CHILD_URI").unwrap();
    let store = FileStore::at(env::var("KEYWAY_CHILD_FOLDER").unwrap());
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

/// Does what it is told, line by line, until nobody is there to tell it.
async fn serve(surface: &str) {
    let (http, session) = client(surface);
    let (told, mut lines) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    tell("ready");
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "call" => match call(&http).await {
                Ok(()) => tell(format_args!("200 {}", session.lease().await.unwrap().generation())),
                Err(what) => tell(what),
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
                        *failed.entry(error.to_string()).or_default() += 1;
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

async fn call(http: &Http) -> Result<(), String> {
    match http.get("/some/service/v1/things").send().await {
        Ok(answer) if answer.status() == 200 => Ok(()),
        Ok(answer) => Err(answer.status().to_string()),
        Err(error) => Err(format!("{:?}", error.kind())),
    }
}

/// Long enough to be written in more than one piece.
fn churned(counter: u64) -> Record {
    let token = "t".repeat(20_000);
    let json = format!(
        r#"{{"schema":2,"lineage":1,"counter":{counter},"session":{{"access":"{token}","issued_ms":1,"ends":"never"}}}}"#
    );
    Record::from_json(&json).unwrap()
}

/// Saves and saves, with the lock and without, and says each time what is safe now.
async fn churn() {
    let (store, key) = (FileStore::at(env::var("KEYWAY_CHILD_FOLDER").unwrap()), testing::key("churn"));
    for round in 0_u64.. {
        let lock = match round % 2 {
            0 => Some(store.lock(&key, PATIENCE).await.unwrap()),
            _ => None,
        };
        let seen = store.load(&key).await.unwrap().map(|record| record.generation());
        let next = seen.map_or(1, |seen| seen.counter() + 1);
        if store.compare_and_swap(&key, seen, churned(next)).await.unwrap() {
            tell(next);
        }
        drop(lock);
    }
}
