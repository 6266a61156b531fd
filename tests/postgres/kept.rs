//! A server and a folder that are kept by somebody: they go with their test, also with one that is killed.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// None takes longer to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the server when it is told to, and when nobody is there any more who could tell.
const KEEPER: &str = r#""$@" & process=$!
read -r told
kill "-$SIGNAL" "$process"
wait "$process""#;

/// Removes the folder when nobody is there any more who could. What is in use is tried again.
const REMOVER: &str = r#"read -r told && exit
for _ in $(seq 100); do
    rm -rf "$PWD" 2>/dev/null && exit
    sleep 0.1
done"#;

/// A script that waits for a line, or for the end of whoever started it. In a group of its own: what ends the tests by a signal
/// to theirs, such as Ctrl-C, leaves it to do its work.
fn waiting(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).current_dir(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

fn tell(waiting: &mut Child) {
    let _ = writeln!(waiting.stdin.take().unwrap(), "end");
    let _ = waiting.wait();
}

/// A folder that is removed when it is dropped, and where nothing is dropped any more.
pub(crate) struct Folder {
    place: TempDir,
    remover: Child,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let remover = waiting(REMOVER, place.path()).spawn().unwrap();
        Self { place, remover }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        tell(&mut self.remover);
    }
}

/// A server that runs. Ended, by its own process, when it is dropped.
pub(crate) struct Kept {
    keeper: Child,
}

impl Kept {
    /// Starts it in this folder, where its log is, to be ended by this signal. `None` if it does not come up, or its log has the
    /// words of one that will not.
    pub(crate) fn start(
        server: &Command,
        folder: &Path,
        signal: &str,
        is_up: impl Fn(&str) -> bool,
        given_up: &str,
    ) -> Option<Self> {
        let written = fs::File::create(folder.join("log")).unwrap();
        let mut command = waiting(KEEPER, folder);
        command.arg(server.get_program()).args(server.get_args()).env("SIGNAL", signal);
        let keeper = command.stderr(written).spawn().unwrap();
        let kept = Self { keeper };
        let told = in_time(|| is_up(&log(folder)) || log(folder).contains(given_up));
        (told && !log(folder).contains(given_up)).then_some(kept)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        tell(&mut self.keeper);
    }
}

/// Looks until it is so: `false` if that takes too long.
pub(crate) fn in_time(mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
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
