//! A Postgres of one's own, gone with the test.

use crate::kept::{Folder, Kept, log, on_a_free_port};
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// A Postgres on a port of its own, with a folder of its own. Ended, by its own process, when it is dropped.
pub(crate) struct Server {
    kept: Option<Kept>,
    port: u16,
    folder: Folder,
    settings: Vec<String>,
}

/// A table of one's own in the Postgres that the tests share.
pub(crate) struct Place {
    pub(crate) server: &'static Server,
    pub(crate) table: String,
}

impl Place {
    /// `None` where no Postgres is installed: that is said once, in one line.
    pub(crate) fn open() -> Option<Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        static TABLES: AtomicUsize = AtomicUsize::new(0);
        let server = SHARED.get_or_init(Server::start).as_ref()?;
        Some(Self { server, table: format!("sessions_{}", TABLES.fetch_add(1, Ordering::SeqCst)) })
    }

    /// As children are told of it.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.server.url(), self.table)
    }
}

impl Server {
    /// `None` where no Postgres is installed: that is said once, in one line.
    pub(crate) fn start() -> Option<Self> {
        Self::with_files(&[], &[])
    }

    /// With further settings, such as `ssl=on`, and with these files in its folder. `FOLDER` stands for that.
    pub(crate) fn with_files(settings: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        let programs = programs()?;
        let folder = Folder::new();
        give_away(folder.path());
        let settings = settings.iter().map(|setting| setting.replace("FOLDER", folder.path().to_str().unwrap()));
        let mut server = Self { kept: None, port: 0, settings: settings.collect(), folder };
        let data = server.folder.path().join("data");
        let mut command = as_server(&programs.join("initdb"));
        command.arg("-D").arg(&data).args(["--no-sync", "--no-instructions", "--auth=trust", "--wal-segsize=1"]);
        command.args(["--username=postgres", "--encoding=UTF8", "--locale=C"]);
        let made = command.current_dir(server.folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Whoever is not `postgres` shows a password.
        let who =
            "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        for (name, content) in [("data/pg_hba.conf", who)].iter().chain(files) {
            let path = server.folder.path().join(name);
            fs::write(&path, content).unwrap();
            give_away(&path);
        }
        let started = on_a_free_port(|port| {
            server.port = port;
            server.launch()
        });
        assert!(started, "no Postgres could be started: {}", server.log());
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(crate) fn url_of(&self, who: &str) -> String {
        format!("postgres://{who}@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As after a crash: no connection is taken leave of, and what was not written is lost.
    pub(crate) fn kill(&mut self) {
        self.kept = None;
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "{}", self.log());
    }

    /// Says whether it came up.
    fn launch(&mut self) -> bool {
        let mut server = as_server(&programs().unwrap().join("postgres"));
        server.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string(), "-F"]);
        server.arg("-k").arg(self.folder.path());
        let usual = ["listen_addresses=127.0.0.1", "max_connections=200", "max_wal_size=32MB", "min_wal_size=2MB"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        let is_up = |log: &str| log.contains("database system is ready to accept connections");
        self.kept = Kept::start(&server, self.folder.path(), "QUIT", is_up, "database system is shut down");
        self.kept.is_some()
    }

    pub(crate) fn log(&self) -> String {
        log(self.folder.path())
    }

    /// A word with it, over a connection of the moment: the rows of the answer.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        let flows = tokio::spawn(connection);
        let said = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        drop(client);
        flows.await.unwrap().unwrap();
        let rows = said.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        rows.collect()
    }

    /// The only column of the only row.
    pub(crate) async fn value(&self, sql: &str) -> String {
        self.ask(sql).await.remove(0).remove(0).unwrap()
    }
}

/// The newest of those that are installed, or what `KEYWAY_POSTGRES` names: the folder of its programs.
fn programs() -> Option<&'static PathBuf> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PROGRAMS.get_or_init(|| {
        if let Ok(named) = env::var("KEYWAY_POSTGRES") {
            return Some(named.into());
        }
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let debian = versions.filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        });
        let path = env::var_os("PATH").unwrap_or_default();
        let others = env::split_paths(&path).map(|folder| (0, folder)).collect::<Vec<_>>();
        let all = debian.chain(others).filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists());
        let found = all.max_by_key(|(number, _)| *number).map(|(_, bin)| bin);
        // Not by `println!`, which is shown for failures only.
        if found.is_none() {
            let line = "\nleft out: the tests of the Postgres store, because no Postgres is installed (on Debian: apt-get install postgresql)\n";
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        }
        found
    });
    found.as_ref()
}

/// Postgres refuses to run as root: then it is the user `postgres`, or else nobody.
fn user() -> Option<&'static str> {
    static USER: OnceLock<Option<String>> = OnceLock::new();
    let user = USER.get_or_init(|| {
        let said = |arguments: &[&str]| {
            let said = Command::new("id").args(arguments).stderr(Stdio::null()).output().unwrap();
            said.status.success().then(|| String::from_utf8(said.stdout).unwrap().trim().to_owned())
        };
        let is_root = said(&["-u"]).unwrap() == "0";
        is_root.then(|| said(&["-un", "postgres"]).unwrap_or_else(|| "nobody".to_owned()))
    });
    user.as_deref()
}

pub(crate) fn as_server(program: &Path) -> Command {
    let Some(user) = user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
    command
}

/// Makes it the user's who runs Postgres.
pub(crate) fn give_away(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if path.is_file() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    if let Some(user) = user() {
        assert!(Command::new("chown").arg(user).arg(path).status().unwrap().success());
    }
}
