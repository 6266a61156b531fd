//! A server that is kept by somebody: it ends with its test, also with one that is killed.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// None takes longer to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the server when it is told how, and when nobody is there any more who could tell.
const KEEPER: &str = r#""$@" & process=$!
echo "$process" >"$PIDFILE"
wait_for() { read -r how || how=QUIT; kill "-$how" "$process"; }
wait_for
wait "$process""#;

/// A server that runs. Ended, by its own process, when it is dropped.
pub(crate) struct Kept {
    keeper: Child,
    signal: &'static str,
}

impl Kept {
    /// Starts it in this folder, where its log is. `None` if it does not come up, or its log has the words of one that will not.
    pub(crate) fn start(
        server: &Command,
        folder: &Path,
        signal: &'static str,
        is_up: impl Fn(&str) -> bool,
        given_up: &str,
    ) -> Option<Self> {
        let written = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(server.get_program()).args(server.get_args());
        command.env("PIDFILE", folder.join("pid")).current_dir(folder);
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(written).spawn().unwrap();
        let kept = Self { keeper, signal };
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !log(folder).contains(given_up) {
            if is_up(&log(folder)) {
                return Some(kept);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = writeln!(self.keeper.stdin.take().unwrap(), "{}", self.signal);
        let _ = self.keeper.wait();
    }
}

/// What the server in this folder has said.
pub(crate) fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Tries ports until something starts on one. Somebody else may take a port that was free a moment ago. Below those that
/// connections are given, so that none gets it while the server is down.
pub(crate) fn on_a_free_port(mut starts: impl FnMut(u16) -> bool) -> bool {
    (0..20).any(|attempt| {
        let port = 20_000 + u16::try_from(RandomState::new().hash_one(attempt) % 10_000).unwrap();
        TcpListener::bind(("127.0.0.1", port)).is_ok() && starts(port)
    })
}
