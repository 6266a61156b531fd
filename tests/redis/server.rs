//! A Redis of one's own, gone with the test.

use std::{
    env, fs,
    hash::{BuildHasher, RandomState},
    io::{ErrorKind, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// No Redis takes longer to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A Redis on a port of its own, with a folder of its own. Ended, by its own process, when it is dropped.
pub(crate) struct Server {
    process: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

impl Server {
    /// `None` where no Redis is installed: that is said once, in one line.
    pub(crate) fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// With further settings, each as on the command line: `--requirepass secret`. `PORT`, `FOLDER` and `BUS` (a second port, for
    /// a cluster) stand for its own.
    pub(crate) fn with(settings: &[&str]) -> Option<Self> {
        Self::with_files(settings, &[])
    }

    /// And with these files in its folder.
    pub(crate) fn with_files(settings: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        program()?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { process: None, port: 0, folder: tempfile::tempdir().unwrap(), settings };
        for (name, content) in files {
            fs::write(server.folder.path().join(name), content).unwrap();
        }
        // Somebody else may take a port that was free a moment ago. Below those that connections are given, so that none
        // gets it while this Redis is down.
        for attempt in 0..20 {
            server.port = 20_000 + u16::try_from(RandomState::new().hash_one(attempt) % 10_000).unwrap();
            if TcpListener::bind(("127.0.0.1", server.port)).is_ok() && server.launch() {
                return Some(server);
            }
        }
        panic!("no Redis could be started: {}", server.log());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Of a node of a cluster: where the others talk to it.
    pub(crate) fn bus(&self) -> u16 {
        self.port - 10_000
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// As after a loss of power.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "{}", self.log());
    }

    /// Says whether it came up.
    fn launch(&mut self) -> bool {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program().unwrap());
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.folder.path());
        let (port, folder) = (self.port.to_string(), self.folder.path().to_str().unwrap());
        let bus = self.bus().to_string();
        let own = |setting: &String| setting.replace("PORT", &port).replace("FOLDER", folder).replace("BUS", &bus);
        let settings = self.settings.iter().map(own);
        command.args(settings.flat_map(|setting| setting.split(' ').map(str::to_owned).collect::<Vec<_>>()));
        let mut process = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && process.try_wait().unwrap().is_none() {
            if self.log().contains("Ready to accept connections") {
                self.process = Some(process);
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A word with it, over a connection of the moment.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.ask_as(&self.url(), words)
    }

    /// The same of one that may be gone, or may refuse.
    pub(crate) fn try_to_ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        redis::Cmd::new().arg(words).query(&mut redis::Client::open(self.url())?.get_connection()?)
    }

    pub(crate) fn ask_as<T: redis::FromRedisValue>(&self, url: &str, words: &[&str]) -> T {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut connection).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `KEYWAY_REDIS_SERVER` names, or the first of Redis and Valkey that is installed.
pub(crate) fn program() -> Option<&'static str> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let usual = || ["redis-server", "valkey-server"].map(str::to_owned).to_vec();
        let programs = env::var("KEYWAY_REDIS_SERVER").map_or_else(|_| usual(), |wanted| vec![wanted]);
        let found = programs.into_iter().find(|program| {
            let asked = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            !asked.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        });
        // Once, although the crate's own tests start one as well. Not by `println!`, which is shown for failures only.
        if found.is_none() && env!("CARGO_CRATE_NAME") == "redis" {
            let line = "\nleft out: the tests of the Redis store, because no redis-server is installed (on Debian: apt-get install redis-server)\n";
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        }
        found
    });
    found.as_deref()
}
