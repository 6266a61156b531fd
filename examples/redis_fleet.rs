//! Three worker processes of one program share one VMS session through Redis: one signs in, the others adopt. Then the vendor
//! ends the session, a worker is killed, another one starts, and Redis goes away for a while.
//!
//! ```sh
//! cargo run --example redis_fleet
//! ```
//!
//! It needs no account: the vendor is a fake in the first process. It starts a Redis (or Valkey) of its own on a free
//! port of this machine, or uses the one that `REDIS_URL` names and leaves nothing in it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is there to be read")]

mod tidy;

use keyway::{
    Error, RedisStore,
    testing::{FakeVms, Fault},
    vms,
};
use std::{
    env,
    io::{self, IsTerminal, Read},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Tell a process that it is a worker: its number, the vendor's address, and where Redis is.
const WORKER: &str = "KEYWAY_EXAMPLE_WORKER";
const VENDOR: &str = "KEYWAY_EXAMPLE_VENDOR";
const REDIS: &str = "REDIS_URL";
const PREFIX: &str = "KEYWAY_EXAMPLE_PREFIX";

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    if let (Ok(number), Ok(vendor)) = (env::var(WORKER), env::var(VENDOR)) {
        worker(&number, vendor).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let redis = match env::var(REDIS) {
        Ok(url) => Redis { url, own: None },
        Err(_) => match Redis::start()? {
            Some(redis) => redis,
            None => {
                eprintln!("There is no redis-server and no valkey-server on this machine.");
                eprintln!(
                    "Install one (Debian: apt-get install redis-server, macOS: brew install redis), or set {REDIS} to one that runs."
                );
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    story(redis).await?;
    Ok(ExitCode::SUCCESS)
}

async fn story(mut redis: Redis) -> Result<(), Failure> {
    let fake = FakeVms::start().await;
    let prefix = format!("keyway-example-{}:", std::process::id());
    let start = |number| Worker::start(number, &fake.uri(), &redis.url, &prefix);
    // So that all of them come while the first one signs in.
    fake.next("get_token", Fault::Delay(Duration::from_millis(700)));

    title("Three workers start, 1, 2 and 3, and nobody is signed in");
    let mut workers = vec![start(1)?, start(2)?, start(3)?];
    pause(3).await;
    told(&fake);

    title("The vendor ends the session");
    fake.revoke_all();
    pause(3).await;
    told(&fake);

    title("Worker 2 is killed, and worker 4 starts");
    workers.remove(1).kill()?;
    workers.push(start(4)?);
    pause(2).await;
    told(&fake);

    title("What is in Redis");
    for (name, left) in redis.names(&prefix)? {
        println!("  {}  kept for {left}", short(&name));
    }
    println!("  (one is the session, the other the attempts, which this vendor limits)");

    if redis.own.is_some() {
        title("Redis goes away for two seconds, and comes back");
        redis.stop()?;
        pause(2).await;
        println!("  nobody noticed: a valid token needs no store");
        redis.launch()?;
        pause(1).await;
    }

    title("The end");
    for worker in workers {
        worker.end()?;
    }
    told(&fake);
    redis.clear(&prefix)
}

/// One of the workers: it calls and calls, and says what became of its session, until the first process wants no more.
async fn worker(number: &str, vendor: String) -> Result<(), Error> {
    let say = |what: &str| println!("  {}  {what}", bold(number));
    let store = RedisStore::connect(env::var(REDIS).unwrap_or_default())?.prefix(env::var(PREFIX).unwrap_or_default());
    let client = vms::Client::builder(vendor).password(FakeVms::LOGIN, FakeVms::PASSWORD).store(store).build()?;
    say(&format!("process {} begins to call", std::process::id()));
    let end = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]));
    let (mut told, mut good, mut failed) = (0, 0, 0);
    while !end.is_finished() {
        match client.http().get("/api/v1/cameras").send().await {
            Ok(answer) if answer.status().is_success() => good += 1,
            _ => failed += 1,
        }
        let report = client.session().report();
        report.to_string().lines().take(report.len()).skip(told).for_each(say);
        told = report.len();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    say(&format!("made {good} calls, and {failed} failed"));
    Ok(())
}

/// A process of this program.
struct Worker(Child);

impl Worker {
    fn start(number: u32, vendor: &str, redis: &str, prefix: &str) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(WORKER, number.to_string()).env(VENDOR, vendor).env(REDIS, redis).env(PREFIX, prefix);
        command.stdin(Stdio::piped()).spawn().map(Self)
    }

    fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// By closing its input.
    fn end(mut self) -> io::Result<()> {
        drop(self.0.stdin.take());
        self.0.wait().map(drop)
    }
}

/// Where the session sleeps.
struct Redis {
    url: String,
    own: Option<Own>,
}

/// A Redis that this program has started, and ends.
struct Own {
    program: &'static str,
    port: u16,
    folder: tempfile::TempDir,
    /// Shared with what ends it at Ctrl-C.
    process: Arc<Mutex<Option<Child>>>,
}

impl Redis {
    /// `None` where none is installed.
    fn start() -> Result<Option<Self>, Failure> {
        let installed = |program: &&str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
        let Some(program) = ["redis-server", "valkey-server"].into_iter().find(installed) else { return Ok(None) };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        println!("A {program} of this program's own listens at 127.0.0.1:{port}.");
        let own = Own { program, port, folder: tempfile::tempdir()?, process: Arc::default() };
        tidy::removed_at_ctrl_c(own.folder.path());
        let process = own.process.clone();
        tidy::at_ctrl_c(move || drop(end(&process)));
        let mut redis = Self { url: format!("redis://127.0.0.1:{port}"), own: Some(own) };
        redis.launch()?;
        Ok(Some(redis))
    }

    fn launch(&mut self) -> Result<(), Failure> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let mut command = Command::new(own.program);
        command.args(["--bind", "127.0.0.1", "--port", &own.port.to_string(), "--save", "", "--appendonly", "yes"]);
        command.arg("--dir").arg(own.folder.path()).stdout(Stdio::null());
        *own.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(command.spawn()?);
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", own.port)).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{} does not start", own.program).into())
    }

    fn stop(&mut self) -> io::Result<()> {
        self.own.as_ref().map_or(Ok(()), |own| end(&own.process))
    }

    /// The names that begin so, and how long each is kept.
    fn names(&self, prefix: &str) -> Result<Vec<(String, String)>, Failure> {
        let mut connection = redis::Client::open(self.url.as_str())?.get_connection()?;
        let mut scan = redis::cmd("SCAN");
        scan.cursor_arg(0).arg("MATCH").arg(format!("{prefix}*"));
        let mut names = scan.iter::<String>(&mut connection)?.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        let mut with_time = Vec::new();
        for name in names {
            let seconds: u64 = redis::cmd("TTL").arg(&name).query(&mut connection)?;
            with_time.push((name, format!("{} days", seconds.div_ceil(24 * 3600))));
        }
        Ok(with_time)
    }

    fn clear(&self, prefix: &str) -> Result<(), Failure> {
        let mut connection = redis::Client::open(self.url.as_str())?.get_connection()?;
        for (name, _) in self.names(prefix)? {
            redis::cmd("DEL").arg(name).exec(&mut connection)?;
        }
        Ok(())
    }
}

/// Ends the process, if there is one.
fn end(process: &Mutex<Option<Child>>) -> io::Result<()> {
    let Some(mut process) = process.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
    process.kill()?;
    process.wait().map(drop)
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn told(fake: &FakeVms) {
    let (sign_ins, calls) = (fake.count("get_token"), fake.count("list_cameras"));
    println!(
        "  the vendor has seen {sign_ins} {} and {calls} calls",
        if sign_ins == 1 { "sign-in" } else { "sign-ins" }
    );
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The name without most of its digest.
fn short(name: &str) -> String {
    match (name.find('{'), name.rfind('}')) {
        (Some(begin), Some(end)) if begin + 13 < end => format!("{}…{}", &name[..begin + 13], &name[end..]),
        _ => name.to_owned(),
    }
}

fn title(text: &str) {
    println!("\n{}", bold(text));
}

/// Bold on a terminal, plain elsewhere. A colour would be hard to read on one ground or the other.
fn bold(text: &str) -> String {
    match io::stdout().is_terminal() {
        true => format!("\x1b[1m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}
