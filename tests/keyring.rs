//! Sealed stores whose key is in a real keyring: GNOME Keyring, on a message bus of its own, which each test starts for itself;
//! and the kernel's. Real processes ask it, because a process has one message bus.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[path = "children/mod.rs"]
mod children;
#[macro_use]
mod leak_check;

use children::{
    Job, Process,
    churn::{self, churn, churned, next_saved_after},
    generations, serving, start, tell,
};
use keyring_core::{Entry, Error as KeyringError};
use keyway::{
    ErrorKind, FileStore, SealingKey, Store,
    testing::{self, FakeOrderingStack, FakeVitaMojo},
};
use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A message bus with a keyring on it, and a home for both. All ends with it.
struct Session {
    home: tempfile::TempDir,
    bus: Child,
    address: String,
    keyring: Option<Child>,
}

impl Session {
    /// `None` where neither is installed: that is said once, in one line.
    fn start() -> Option<Self> {
        let is_there = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !is_there("dbus-daemon") || !is_there("gnome-keyring-daemon") {
            let line = "\nleft out: the tests of the keyring, because no dbus-daemon or gnome-keyring-daemon is installed (on Debian: apt-get install dbus gnome-keyring)\n";
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        command.env("HOME", home.path()).env("XDG_DATA_HOME", home.path()).env("XDG_RUNTIME_DIR", home.path());
        let mut bus = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Some(Self { home, bus, address: address.trim().to_owned(), keyring: None })
    }

    /// With a keyring that this password opens, or has opened.
    fn with_keyring() -> Option<Self> {
        let mut session = Self::start()?;
        session.unlock("a password for the keyring");
        Some(session)
    }

    fn unlock(&mut self, password: &str) {
        self.run_keyring(&["--unlock"], password);
    }

    fn lock(&mut self) {
        self.run_keyring(&[], "");
    }

    fn run_keyring(&mut self, how: &[&str], password: &str) {
        self.end_keyring();
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(how).envs(self.environment());
        let mut keyring = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        keyring.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        // It says where it is once it is there.
        let mut line = String::new();
        BufReader::new(keyring.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        self.keyring = Some(keyring);
    }

    fn end_keyring(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            keyring.kill().unwrap();
            keyring.wait().unwrap();
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path().to_str().unwrap().to_owned();
        ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"]
            .map(|name| (name.to_owned(), home.clone()))
            .into_iter()
            .chain([("DBUS_SESSION_BUS_ADDRESS".to_owned(), self.address.clone())])
            .collect()
    }

    /// A folder for sessions.
    fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn job(&self, work: &'static str, uri: &str, folder: &Path) -> Job {
        Job { environment: self.environment(), ..Job::of(work, uri, folder) }
    }

    /// What a process comes to.
    fn ask(&self, work: &'static str, folder: &Path) -> String {
        Process::start(&self.job(work, "", folder)).hear()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_keyring();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(work) = children::work() else { return };
    let folder = PathBuf::from(children::place());
    let sealed = || FileStore::at(&folder).sealed_by_keyring();
    let entry = || {
        let store = zbus_secret_service_keyring_store::Store::new().unwrap();
        let entry: Entry =
            keyring_core::api::CredentialStoreApi::build(&*store, "keyway", folder.to_str().unwrap(), None).unwrap();
        entry
    };
    match work.as_str() {
        "which" => match sealed() {
            Ok(store) => tell(format!("{store:?}").rsplit_once("id: \"").unwrap().1.split('"').next().unwrap()),
            Err(error) => tell(format_args!("{:?} {error}", error.kind())),
        },
        // A runtime is around it, and that is no runtime for others.
        "inside" => children::run(async { tell(sealed().map_or_else(|error| error.to_string(), |_| "Ok".to_owned())) }),
        "named" => match SealingKey::from_keyring(folder.to_str().unwrap()) {
            Ok(key) => tell(key.id()),
            Err(error) => tell(format_args!("{:?} {error}", error.kind())),
        },
        "spoil" => tell(format_args!("{:?}", entry().set_password("no key, but a password").is_ok())),
        "forget" => tell(format_args!("{:?}", entry().delete_credential().is_ok())),
        "churn" => children::run(churn(sealed().unwrap())),
        surface => {
            let store = sealed().unwrap();
            children::run(children::serve(surface, store));
        }
    }
}

fn is_a_key(said: &str) -> bool {
    said.len() == 16 && said.bytes().all(|c| c.is_ascii_hexdigit())
}

#[apply(leak_checked!)]
fn eight_processes_that_make_the_key_at_once_have_one() {
    let Some(session) = Session::with_keyring() else { return };
    for folder in ["one", "two", "three"] {
        let job = session.job("which", "", &session.folder(folder));
        let mut processes: Vec<_> = (0..8).map(|_| Process::start(&job)).collect();
        let keys: HashSet<_> = processes.iter_mut().map(Process::hear).collect();
        assert!(keys.len() == 1 && keys.iter().all(|key| is_a_key(key)), "{keys:?}");
    }
    let folder = session.folder("one");
    assert_eq!(session.ask("named", &folder), session.ask("which", &folder), "by its name, it is the same");
    assert_eq!(session.ask("inside", &folder), "Ok");
}

#[apply(leak_checked!)]
async fn eight_processes_sealed_by_the_keyring_are_one_sign_in_and_one_renewal() {
    let Some(mut session) = Session::with_keyring() else { return };
    let vita = serving(FakeVitaMojo::builder().rotating(true).start().await);
    let ordering = serving(FakeOrderingStack::builder().rotating(true).start().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri())] {
        let folder = session.folder(surface);
        let job = session.job(surface, &uri, &folder);
        let before = generations(&mut start(8, &job));
        // The person signs out of the machine and in again.
        session.unlock("a password for the keyring");
        let after = generations(&mut start(8, &Job { ahead: Duration::from_secs(24 * 3600), ..job }));
        assert_eq!((before.len(), after.len()), (1, 1), "{surface}");
        assert!(after.is_disjoint(&before));
        for file in
            fs::read_dir(&folder).unwrap().flatten().filter(|file| file.path().extension().is_some_and(|e| e == "json"))
        {
            let text = fs::read_to_string(file.path()).unwrap();
            assert!(text.contains("\"sealed\":{") && !text.contains("access"), "{text}");
        }
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token"), vita.reuses()), (1, 1, 0));
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
}

#[apply(leak_checked!)]
fn processes_that_are_killed_while_they_save_what_the_keyring_seals_lose_nothing() {
    let Some(session) = Session::with_keyring() else { return };
    let folder = session.folder("churn");
    let file = folder.join(format!("{}.json", testing::key("churn")));
    let job = session.job("churn", "", &folder);
    let mut bystander = Process::start(&job);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Some are killed while they ask the keyring.
    let raw = async || fs::read_to_string(&file).unwrap();
    let killed = churn::killed_while_they_save(&job, churn::kills(20), 0, &mut bystander, raw);
    let newest = runtime.block_on(killed);
    let counter = churned(newest).generation().counter();
    assert!(next_saved_after(&mut bystander, counter) > counter);
}

#[apply(leak_checked!)]
fn a_keyring_that_is_absent_or_locked_is_one_sentence_and_nothing_is_changed() {
    let Some(mut session) = Session::start() else { return };
    let folder = session.folder("sessions");
    // A bus without a keyring, where none can be started; and no bus at all.
    let refused = |said: &str, what: &str| {
        assert!(said.starts_with("Config FileStore::sealed_by_keyring(): the keyring "), "{said}");
        assert!(said.contains(what) && said.contains("SealingKey::from_file(..)"), "{said}");
    };
    let Some(mut nowhere) = Session::start() else { return };
    nowhere.address = "unix:path=/nowhere/bus".into();
    refused(&nowhere.ask("which", &nowhere.folder("sessions")), "cannot be reached");

    session.unlock("a password for the keyring");
    let key = session.ask("which", &folder);
    assert!(is_a_key(&key), "{key}");
    session.lock();
    for folder in [&folder, &session.folder("another")] {
        refused(&session.ask("which", folder), "is locked");
    }
    session.unlock("a password for the keyring");
    assert_eq!(session.ask("which", &folder), key, "the one that was there");
}

#[apply(leak_checked!)]
async fn where_the_keyring_has_lost_the_key_no_other_is_made_over_what_it_sealed() {
    let Some(session) = Session::with_keyring() else { return };
    let vita = serving(FakeVitaMojo::builder().rotating(true).start().await);
    let folder = session.folder("sessions");
    let key = session.ask("which", &folder);
    generations(&mut start(1, &session.job("vitamojo", &vita.uri(), &folder)));
    let files = || {
        let files = fs::read_dir(&folder).unwrap().flatten();
        let contents = files.map(|file| (file.file_name(), fs::read(file.path()).unwrap()));
        contents.collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = files();

    assert_eq!(session.ask("spoil", &folder), "true");
    let said = session.ask("which", &folder);
    assert!(said.contains("the keyring's entry holds no sealing key") && !said.contains("no key, but"), "{said}");
    assert_eq!(session.ask("forget", &folder), "true");
    let said = session.ask("which", &folder);
    assert!(
        said.contains(&format!("are sealed with the key {key}, and the keyring has no key for that folder")),
        "{said}"
    );
    assert!(said.contains(&format!("(service keyway, user name {})", folder.display())), "{said}");
    assert_eq!(session.ask("forget", &folder), "false", "none was made");
    assert_eq!(files(), before);
    assert_eq!(vita.count("auth"), 1);
}

/// The kernel's keyring of this thread and process, if it lets us.
#[apply(leak_checked!)]
async fn a_key_in_the_kernels_keyring_opens_what_it_has_sealed() {
    let keyutils = linux_keyutils_keyring_store::Store::new().unwrap();
    let name = format!("keyway-test-{}", std::process::id());
    let entry = || keyring_core::api::CredentialStoreApi::build(&*keyutils, "keyway", &name, None).unwrap();
    let said = SealingKey::from_entry(entry()).unwrap_err();
    assert!(said.kind() == ErrorKind::Config && said.to_string().contains("has no such entry"), "{said}");
    let text: String = (0..64).map(|n| char::from_digit((n * 7 + n / 16) % 16, 16).unwrap()).collect();
    match entry().set_secret(text.as_bytes()) {
        Ok(()) => {}
        Err(KeyringError::PlatformFailure(why)) => {
            println!("\nleft out: the kernel's keyring, which this kernel does not give: {why}");
            return;
        }
        Err(other) => panic!("{other}"),
    }
    let (folder, at) = (tempfile::tempdir().unwrap(), testing::key("one"));
    let sealed = || keyway::Sealed::new(FileStore::at(folder.path()), SealingKey::from_entry(entry()).unwrap());
    assert!(sealed().compare_and_swap(&at, None, churned(1)).await.unwrap());
    assert_eq!(sealed().load(&at).await.unwrap().unwrap().generation(), churned(1).generation());
    entry().delete_credential().unwrap();
}
