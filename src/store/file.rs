//! Sessions in a folder, shared by the processes of one user on one machine.

use super::{
    Generation, Key, Record, Store, StoreError, StoreLock, cut_off,
    disk::{Disk, Local, close_to_others, is_open_to_others},
    off_the_workers,
    pauses::Pauses,
    runtime,
};
use crate::{Error, Secret, chance::Chance};
use etcetera::BaseStrategy;
use std::{
    fmt,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// The first pause before a lock is tried again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long a save waits for the saves of others. Each of them takes milliseconds.
const SAVES_OF_OTHERS: Duration = Duration::from_secs(10);

/// How long a lock that was taken waits to be fetched by whoever wanted it.
const FETCH: Duration = Duration::from_secs(1);

/// The pauses, in milliseconds, before a file is tried again that somebody else has open: half a second in all.
const SCANS_OF_OTHERS: [u64; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// How many damaged files are kept of one session; the last one gives way to the next.
const MOST_DAMAGED: u32 = 9;

/// Keeps sessions in a folder: for programs that end and start again, and for several processes of one user.
///
/// Whichever process signs in or renews first does it for all that use the folder.
///
/// ```no_run
/// # fn example() -> Result<(), keyway::Error> {
/// use keyway::{FileStore, vms};
///
/// let vms = vms::Client::builder("https://vms.example")
///     .password("operator@example.org", std::env::var("VMS_PASSWORD").unwrap_or_default())
///     .store(FileStore::for_app("myapp")?)
///     .build()?;
/// # Ok(()) }
/// ```
///
/// # What is in the folder
///
/// Of each session, named by its surface and a digest of whose it is:
///
/// | file | |
/// |---|---|
/// | `….json` | the [`Record`] as one line of JSON: access and refresh token, when they were issued and end, which token of which session it is, a digest of the credential. Member by member at [`Record::to_json`]. Never a password, never a captcha |
/// | `….lock` | empty; locked while somebody signs in or renews |
/// | `….save` | empty; locked while somebody saves |
/// | `….tmp` | what is being saved. One that a killed process left is removed by the next save |
/// | `….corrupt-1` | a file that could not be read as a session's, moved out of the way. It may hold tokens |
///
/// The attempts at a vendor that limits them are kept in the same way. Do not remove `.lock` and `.save` files while a program
/// uses the folder: who holds the removed one and who makes a new one would not know of each other.
///
/// # Who can read it
///
/// The folder is made for its owner alone (`0700`), and so is every file (`0600`), whatever the umask. Folders above
/// it are made if they are missing, and those that exist are never changed: nor is the folder itself, if it was
/// there before; if others may enter it, that is told once as a warning.
///
/// Tokens are not encrypted. Whatever runs as the same user, and whoever is root, can read them.
///
/// On Windows the folder inherits the rights of the folder above it; that of `for_app` is the user's own. A file that a virus
/// scanner has open there is tried again for half a second.
///
/// # What it can do, and what not
///
/// A save is whole or not at all, also if the process is killed or the power fails: the new file is written beside the old
/// one, synced, and renamed over it. The locks are the operating system's, so those of a killed process are free.
/// A file that is damaged, or that belongs to another session, is moved away with a warning, and counts as absent. One
/// that a newer version of Keyway wrote is left as it is, and is an error ([`StoreError::is_newer`]).
///
/// It protects the processes of one machine. A folder on a network file system is only as good as the locks
/// there: if there are none, every lock is an error; if they exist but do not reach other machines, nothing tells.
#[derive(Clone)]
pub struct FileStore(Arc<Folder>);

struct Folder {
    path: PathBuf,
    disk: Box<dyn Disk>,
    /// Whether it was told that others may enter the folder.
    told: AtomicBool,
    chance: Chance,
}

impl FileStore {
    /// A folder for this program among those where the platform keeps programs' state: `$XDG_STATE_HOME/<app>/keyway`
    /// or `~/.local/state/<app>/keyway`, on Windows `%LOCALAPPDATA%\<app>\keyway`. It is made when the first session is saved.
    ///
    /// # Errors
    /// `ErrorKind::Config` if `app` is no plain name, or if this user has no home folder.
    pub fn for_app(app: &str) -> Result<Self, Error> {
        if let Some(mistake) = mistake_in(app) {
            return Err(Error::config(format!("the name given to FileStore::for_app(..) {mistake}"))
                .advice("give the program's own name, such as \"myapp\""));
        }
        let platform = etcetera::choose_base_strategy().map_err(|_| {
            Error::config("FileStore::for_app(..) found no home folder of this user")
                .advice("set HOME, or give a folder to FileStore::at(..)")
        })?;
        // Windows has no folder of that kind; its local application data does not roam with the user either.
        let state = platform.state_dir().unwrap_or_else(|| platform.cache_dir());
        Ok(Self::at(state.join(app).join("keyway")))
    }

    /// This folder. A relative path starts at the folder the program is in now. It is made when the first session is saved;
    /// give it one that holds nothing else.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self::on(Local, folder.into())
    }

    fn on(disk: impl Disk, folder: PathBuf) -> Self {
        let path = std::path::absolute(&folder).unwrap_or(folder);
        Self(Arc::new(Folder { path, disk: Box::new(disk), told: AtomicBool::new(false), chance: Chance::new() }))
    }

    fn pauses(&self, bound: Duration) -> Pauses<'_> {
        Pauses::new(FIRST_PAUSE, LONGEST_PAUSE, bound, &self.0.chance)
    }

    /// Does `work` while nobody else saves under this key.
    async fn alone<T, W>(&self, key: &Key, mut work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Folder, &Key) -> Result<T, StoreError> + Send + 'static,
    {
        let mut pauses = self.pauses(SAVES_OF_OTHERS);
        loop {
            let (folder, key) = (self.0.clone(), key.clone());
            work = match off_the_workers(move || folder.try_alone(&key, work)).await? {
                Ok(done) => return Ok(done),
                Err(work) => work,
            };
            if !pauses.pause().await {
                return Err(self.0.busy("others have been saving", SAVES_OF_OTHERS));
            }
        }
    }

    /// Tries once to take the lock of `key`. It is handed over from hand to hand: a runtime that nobody drives would
    /// otherwise be given it and keep it from everybody else.
    async fn try_lock(&self, key: &Key) -> Result<Option<Held>, StoreError> {
        let (folder, key) = (self.0.clone(), key.clone());
        let (offer, offered) = oneshot::channel();
        let (fetched, is_fetched) = mpsc::channel::<()>();
        // A waiter that is dropped drops `fetched` and the offer, and the lock with it.
        runtime()?.spawn_blocking(move || match folder.try_hold(&key, "lock") {
            Ok(Some(held)) => {
                let counter = Arc::new(Mutex::new(Offer::Held(held)));
                let offered = offer.send(Ok(Some(counter.clone()))).is_ok();
                if offered && is_fetched.recv_timeout(FETCH) == Err(RecvTimeoutError::Timeout) {
                    give_back(&counter);
                }
            }
            Ok(None) => drop(offer.send(Ok(None))),
            Err(error) => drop(offer.send(Err(error))),
        });
        let Some(counter) = offered.await.map_err(|_| cut_off())?? else { return Ok(None) };
        let offer = std::mem::replace(&mut *look_at(&counter), Offer::Gone);
        drop(fetched);
        match offer {
            Offer::Held(held) => Ok(Some(held)),
            // This task comes late, because its thread is busy, and would come late for the next offer too. What may wait
            // for the disk has been done: the file is open.
            Offer::GivenBack(file) => self.0.hold(file),
            Offer::Gone => Ok(None),
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileStore").field(&self.0.path).finish()
    }
}

impl Store for FileStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        // Without a lock: a rename shows the old file or the new one.
        let (folder, its_key) = (self.0.clone(), key.clone());
        match off_the_workers(move || folder.read(&its_key)).await? {
            Found::Nothing => Ok(None),
            Found::Record(record) => Ok(Some(*record)),
            // Looked at again where nobody can have put a whole one in its place.
            Found::Damaged(_) => self.alone(key, Folder::current).await,
        }
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.alone(key, move |folder, key| folder.swap(key, expected, &record)).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.alone(key, Folder::remove).await
    }

    /// Tried again and again, since waiting for an operating system's lock cannot be called off.
    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        let mut pauses = self.pauses(wait);
        loop {
            if let Some(held) = self.try_lock(key).await? {
                return Ok(StoreLock::new(held));
            }
            if !pauses.pause().await {
                return Err(self.0.busy("somebody else has held the lock", wait));
            }
        }
    }
}

/// What stands under a key.
enum Found {
    Nothing,
    Record(Box<Record>),
    /// With what is wrong with it.
    Damaged(StoreError),
}

/// What is done to the files: all of it may wait for the disk, none of it for somebody else.
impl Folder {
    fn try_alone<T, W>(&self, key: &Key, work: W) -> Result<Result<T, W>, StoreError>
    where
        W: FnOnce(&Self, &Key) -> Result<T, StoreError>,
    {
        match self.try_hold(key, "save")? {
            Some(_held) => work(self, key).map(Ok),
            None => Ok(Err(work)),
        }
    }

    fn try_hold(&self, key: &Key, lock: &str) -> Result<Option<Held>, StoreError> {
        self.prepare()?;
        let path = self.file(key, lock);
        let file = self
            .patiently(|disk| disk.open_lock(&path))
            .map_err(|error| self.trouble("a lock file cannot be opened in", &error))?;
        self.hold(Arc::new(file))
    }

    /// Takes the lock of an open file if it is free.
    fn hold(&self, file: Arc<File>) -> Result<Option<Held>, StoreError> {
        match self.disk.try_lock(&file) {
            Ok(free) => Ok(free.then(|| Held(file))),
            Err(error) => {
                let folder = self.path.display();
                let what = format!("files cannot be locked in `{folder}`: {error}; choose a folder on a local disk");
                Err(match error.kind() {
                    ErrorKind::Interrupted => StoreError::new(what),
                    // `flock` has no other error that passes; where there is no lock service, it says `ENOLCK` for ever.
                    _ => StoreError::unavailable(what),
                })
            }
        }
    }

    /// Makes the folder if there is none.
    fn prepare(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(file) if !file.is_dir() => Err(self.trouble("nothing can be kept in", &ErrorKind::NotADirectory.into())),
            Ok(folder) => {
                if is_open_to_others(&folder) && !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(folder = %self.path.display(), "keyway: others may enter the folder that sessions are kept in; it was there before and is left so (chmod 700 closes it)");
                }
                Ok(())
            }
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                self.disk.make_folder(&self.path).map_err(|error| self.trouble("there is no folder", &error))
            }
            Err(error) => Err(self.trouble("nothing can be kept in", &error)),
        }
    }

    fn read(&self, key: &Key) -> Result<Found, StoreError> {
        let file = self.file(key, "json");
        let content = match self.patiently(|disk| disk.read(&file)) {
            Ok(content) => content,
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(self.trouble("a session cannot be read from", &error)),
        };
        let Ok(text) = String::from_utf8(content).map(Secret::from) else {
            return Ok(Found::Damaged(StoreError::new("it is no text")));
        };
        match Record::from_json(text.expose()) {
            Ok(record) if record.belongs_to(key) => Ok(Found::Record(Box::new(record))),
            Ok(_) => Ok(Found::Damaged(StoreError::new("it belongs to another session"))),
            Err(newer) if newer.is_newer() => Err(newer),
            Err(damage) => Ok(Found::Damaged(damage)),
        }
    }

    /// What stands there, after a damaged file was moved out of the way. Called alone.
    fn current(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.read(key)? {
            Found::Nothing => Ok(None),
            Found::Record(record) => Ok(Some(*record)),
            Found::Damaged(why) => self.quarantine(key, &why).map(|()| None),
        }
    }

    fn quarantine(&self, key: &Key, why: &StoreError) -> Result<(), StoreError> {
        let file = self.file(key, "json");
        let free = (1..MOST_DAMAGED).find(|number| !self.file(key, &format!("corrupt-{number}")).exists());
        let aside = self.file(key, &format!("corrupt-{}", free.unwrap_or(MOST_DAMAGED)));
        close_to_others(&file);
        self.patiently(|disk| disk.rename(&file, &aside))
            .map_err(|error| self.trouble("a damaged session file cannot be moved away in", &error))?;
        tracing::warn!(%key, %why, now = %aside.display(), "keyway: a session file was damaged and has been moved away");
        Ok(())
    }

    /// Called alone.
    fn swap(&self, key: &Key, expected: Option<Generation>, record: &Record) -> Result<bool, StoreError> {
        if self.current(key)?.map(|current| current.generation()) != expected {
            return Ok(false);
        }
        self.sweep(key);
        self.write(key, &record.to_bounded_json()?).map(|()| true)
    }

    /// Removes what killed processes began to write. Nobody else writes now.
    fn sweep(&self, key: &Key) {
        let (begins, Ok(files)) = (format!("{key}."), fs::read_dir(&self.path)) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&begins) && name.ends_with(".tmp") {
                // If it cannot be removed now, the next save tries again.
                let _ = self.disk.remove(&file.path());
            }
        }
    }

    /// Beside the old file and then over it, so that there is a whole one at every moment. The name is random: even
    /// where locks lie, two processes never write into one file.
    fn write(&self, key: &Key, content: &Secret) -> Result<(), StoreError> {
        let temporary = self.file(key, &format!("{:016x}.tmp", self.chance.next()));
        let file = self.file(key, "json");
        let written = self.write_whole(&temporary, content);
        let renamed = written.and_then(|()| self.patiently(|disk| disk.rename(&temporary, &file)));
        if let Err(error) = renamed {
            let _ = self.patiently(|disk| disk.remove(&temporary));
            return Err(self.trouble("a session cannot be saved in", &error));
        }
        self.disk
            .sync_folder(&self.path)
            .map_err(|error| self.trouble("a power failure may undo the last save in", &error))
    }

    fn write_whole(&self, path: &Path, content: &Secret) -> io::Result<()> {
        let mut file = self.disk.create(path)?;
        self.disk.write(&mut file, content.expose().as_bytes())?;
        self.disk.write(&mut file, b"\n")?;
        self.disk.sync(&file)
    }

    /// Called alone.
    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        if self.current(key)?.is_none() {
            return Ok(());
        }
        let file = self.file(key, "json");
        let removed = self.patiently(|disk| disk.remove(&file)).and_then(|()| self.disk.sync_folder(&self.path));
        removed.map_err(|error| self.trouble("a session cannot be removed from", &error))
    }

    /// Tries again for a while what fails because somebody else has the file open.
    fn patiently<T>(&self, act: impl Fn(&dyn Disk) -> io::Result<T>) -> io::Result<T> {
        let disk = &*self.disk;
        for pause in SCANS_OF_OTHERS {
            match act(disk) {
                Err(error) if disk.is_in_use(&error) => disk.wait(Duration::from_millis(pause)),
                done => return done,
            }
        }
        act(disk)
    }

    fn file(&self, key: &Key, what: &str) -> PathBuf {
        let path = self.path.join(format!("{key}.{what}"));
        #[cfg(feature = "testing")]
        crate::testing::witness::shown("a file's name", || path.display().to_string());
        path
    }

    fn trouble(&self, what: &str, error: &io::Error) -> StoreError {
        let advice = match error.kind() {
            ErrorKind::PermissionDenied => "let this user write there, or give another folder to FileStore::at(..)",
            ErrorKind::ReadOnlyFilesystem => "give a folder that can be written to FileStore::at(..)",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there",
            _ => "see whether it is a folder on a disk that works, or give another one to FileStore::at(..)",
        };
        let what = format!("{what} `{}`: {error}; {advice}", self.path.display());
        match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::Unsupported => StoreError::unavailable(what),
            _ => StoreError::new(what),
        }
    }

    fn busy(&self, what: &str, wait: Duration) -> StoreError {
        let (folder, waited) = (self.path.display(), wait.as_secs_f64());
        StoreError::busy(format!("{what} in `{folder}` for {waited} s; see which program hangs, or wait longer"))
    }
}

/// An open file whose lock is held for as long as this lives.
struct Held(Arc<File>);

impl Drop for Held {
    fn drop(&mut self) {
        // Said, not left to closing: a process that is being forked this moment has the file open as well.
        let _ = fs4::FileExt::unlock(&*self.0);
    }
}

/// A lock on its way to the task that wants it.
enum Offer {
    Held(Held),
    /// It was not fetched in time, and is free again.
    GivenBack(Arc<File>),
    Gone,
}

fn give_back(offer: &Mutex<Offer>) {
    let mut offer = look_at(offer);
    if let Offer::Held(held) = &*offer {
        let file = held.0.clone();
        // Frees the lock: the file alone does not hold it.
        *offer = Offer::GivenBack(file);
    }
}

fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What keeps `app` from being the name of a folder on every platform.
fn mistake_in(app: &str) -> Option<&'static str> {
    if app.trim().is_empty() {
        return Some("is empty");
    }
    if app.chars().all(|c| c == '.') {
        return Some("is made of dots");
    }
    app.chars()
        .any(|c| c.is_control() || r#"/\:*?"<>|"#.contains(c))
        .then_some("holds a character that no file name may hold")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Ends, Kept, LONGEST, RecordState};
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
        time::SystemTime,
    };

    fn key() -> Key {
        Key::new("vms", &[("login", "me")])
    }

    fn record(generation: Generation) -> Record {
        Record::new(&key(), generation, RecordState::SignedOut)
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).expect("a folder").flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().replace(&key().to_string(), "key"));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// A disk on which one kind of step fails.
    #[derive(Clone, Copy)]
    struct Broken(&'static str, ErrorKind);

    impl Broken {
        fn at(&self, step: &str) -> io::Result<()> {
            if self.0 == step { Err(self.1.into()) } else { Ok(()) }
        }
    }

    impl Disk for Broken {
        fn make_folder(&self, folder: &Path) -> io::Result<()> {
            self.at("make folder").and_then(|()| Local.make_folder(folder))
        }
        fn open_lock(&self, path: &Path) -> io::Result<File> {
            self.at("open lock").and_then(|()| Local.open_lock(path))
        }
        fn try_lock(&self, file: &File) -> io::Result<bool> {
            self.at("lock").and_then(|()| Local.try_lock(file))
        }
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            self.at("read").and_then(|()| Local.read(path))
        }
        fn create(&self, path: &Path) -> io::Result<File> {
            self.at("create").and_then(|()| Local.create(path))
        }
        /// A disk that is full has room for a part of it.
        fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
            let failed = self.at("write");
            let fits = if failed.is_err() { &content[..content.len() / 2] } else { content };
            Local.write(file, fits).and(failed)
        }
        fn sync(&self, file: &File) -> io::Result<()> {
            self.at("sync").and_then(|()| Local.sync(file))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.at("rename").and_then(|()| Local.rename(from, to))
        }
        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            self.at("sync folder").and_then(|()| Local.sync_folder(folder))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.at("remove").and_then(|()| Local.remove(path))
        }
    }

    /// Fails to save over a file that is there; answers what it said.
    async fn fail_to_save(step: &'static str, why: ErrorKind) -> (tempfile::TempDir, String) {
        let home = tempfile::tempdir().expect("a folder");
        let (key, first) = (key(), Generation::first(7));
        let works = FileStore::at(home.path());
        assert!(works.compare_and_swap(&key, None, record(first)).await.expect("works"));
        let broken = FileStore::on(Broken(step, why), home.path().into());
        let error = broken.compare_and_swap(&key, Some(first), record(first.next())).await.expect_err("broken");
        (home, error.to_string())
    }

    #[apply(hunted!)]
    async fn a_save_that_fails_at_any_step_leaves_the_old_file_whole_and_nothing_beside_it() {
        for (step, why) in [
            ("open lock", ErrorKind::ReadOnlyFilesystem),
            ("lock", ErrorKind::Unsupported),
            ("read", ErrorKind::PermissionDenied),
            ("create", ErrorKind::ReadOnlyFilesystem),
            ("create", ErrorKind::PermissionDenied),
            ("write", ErrorKind::StorageFull),
            ("write", ErrorKind::QuotaExceeded),
            ("sync", ErrorKind::StorageFull),
            ("rename", ErrorKind::StorageFull),
        ] {
            let (home, _) = fail_to_save(step, why).await;
            assert_eq!(names(home.path()), ["key.json", "key.save"], "{step}");
            let kept = FileStore::at(home.path()).load(&key()).await.expect("whole");
            assert_eq!(kept.map(|kept| kept.generation()), Some(Generation::first(7)), "{step}");
            // And it goes on when the trouble is over.
            let (store, first) = (FileStore::at(home.path()), Generation::first(7));
            assert!(store.compare_and_swap(&key(), Some(first), record(first.next())).await.expect("works again"));
        }
    }

    #[apply(hunted!)]
    async fn a_save_that_a_power_failure_may_undo_says_so_and_is_there_until_then() {
        let (home, said) = fail_to_save("sync folder", ErrorKind::Other).await;
        assert!(said.starts_with("a power failure may undo the last save"), "{said}");
        assert_eq!(names(home.path()), ["key.json", "key.save"]);
        let kept = FileStore::at(home.path()).load(&key()).await.expect("whole");
        assert_eq!(kept.map(|kept| kept.generation().counter()), Some(2));
    }

    #[apply(hunted!)]
    async fn what_works_and_is_busy_differs_from_what_fails_and_from_what_never_works() {
        for (step, why, never_works) in [
            ("lock", ErrorKind::Other, true),
            ("lock", ErrorKind::Interrupted, false),
            ("read", ErrorKind::PermissionDenied, true),
            ("create", ErrorKind::ReadOnlyFilesystem, true),
            ("write", ErrorKind::StorageFull, false),
            ("sync", ErrorKind::Other, false),
        ] {
            let home = tempfile::tempdir().expect("a folder");
            let broken = FileStore::on(Broken(step, why), home.path().into());
            let error = broken.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect_err(step);
            assert_eq!((error.is_unavailable(), error.is_busy()), (never_works, false), "{error}");
        }
        let home = tempfile::tempdir().expect("a folder");
        let (store, key) = (FileStore::at(home.path()), key());
        let _held = Store::lock(&store, &key, Duration::ZERO).await.expect("free");
        let error = Store::lock(&store, &key, Duration::ZERO).await.expect_err("held");
        assert_eq!((error.is_busy(), error.is_unavailable()), (true, false), "{error}");
    }

    #[apply(hunted!)]
    async fn every_failure_says_where_and_what_to_do() {
        for (step, why, advice) in [
            ("create", ErrorKind::ReadOnlyFilesystem, "give a folder that can be written"),
            ("create", ErrorKind::PermissionDenied, "let this user write there"),
            ("write", ErrorKind::StorageFull, "free some space there"),
            ("lock", ErrorKind::Unsupported, "choose a folder on a local disk"),
        ] {
            let (home, said) = fail_to_save(step, why).await;
            assert!(said.contains(advice) && said.contains(&home.path().display().to_string()), "{said}");
            assert_eq!(said.lines().count(), 1);
        }
    }

    #[apply(hunted!)]
    async fn without_locks_or_without_a_folder_there_is_no_lock_but_an_error() {
        let home = tempfile::tempdir().expect("a folder");
        for (step, why) in [
            ("make folder", ErrorKind::ReadOnlyFilesystem),
            ("open lock", ErrorKind::ReadOnlyFilesystem),
            ("lock", ErrorKind::Unsupported),
        ] {
            let broken = FileStore::on(Broken(step, why), home.path().join("app/keyway"));
            let wait = Duration::from_secs(60);
            let error = Store::lock(&broken, &key(), wait).await.expect_err("at once, not after the wait");
            assert!(error.is_unavailable() && !error.is_busy(), "{error}");
            assert!(broken.load(&key()).await.expect("nothing is there").is_none());
        }
    }

    #[apply(hunted!)]
    async fn a_temporary_file_that_cannot_be_removed_now_is_removed_by_the_next_save() {
        struct Worse(Broken);
        impl Disk for Worse {
            fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
                self.0.rename(from, to)
            }
            fn remove(&self, _: &Path) -> io::Result<()> {
                Err(ErrorKind::StorageFull.into())
            }
        }
        let home = tempfile::tempdir().expect("a folder");
        let (key, first) = (key(), Generation::first(7));
        let worse = FileStore::on(Worse(Broken("rename", ErrorKind::StorageFull)), home.path().into());
        worse.compare_and_swap(&key, None, record(first)).await.expect_err("broken");
        assert_eq!(names(home.path()).len(), 2);
        // Another session's is not touched.
        fs::write(home.path().join("vms-other.1.tmp"), "").expect("written");
        assert!(FileStore::at(home.path()).compare_and_swap(&key, None, record(first)).await.expect("works"));
        assert_eq!(names(home.path()), ["key.json", "key.save", "vms-other.1.tmp"]);
    }

    /// A disk on which somebody has the file open at the first so many tries of one kind of step.
    struct Scanned {
        step: &'static str,
        left: Mutex<usize>,
        waited: Arc<Mutex<Vec<u64>>>,
    }

    impl Scanned {
        fn at(&self, step: &str) -> io::Result<()> {
            let mut left = self.left.lock().expect("nobody panics here");
            if self.step != step || *left == 0 {
                return Ok(());
            }
            *left -= 1;
            Err(ErrorKind::ResourceBusy.into())
        }
    }

    impl Disk for Scanned {
        fn open_lock(&self, path: &Path) -> io::Result<File> {
            self.at("open lock").and_then(|()| Local.open_lock(path))
        }
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            self.at("read").and_then(|()| Local.read(path))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            let is_damaged = to.to_string_lossy().contains("corrupt");
            self.at(if is_damaged { "move away" } else { "rename" }).and_then(|()| Local.rename(from, to))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.at("remove").and_then(|()| Local.remove(path))
        }
        fn is_in_use(&self, error: &io::Error) -> bool {
            error.kind() == ErrorKind::ResourceBusy
        }
        fn wait(&self, pause: Duration) {
            self.waited.lock().expect("nobody panics here").push(pause.as_millis() as u64);
        }
    }

    /// Has a session saved, found damaged, saved anew and removed where one kind of step fails so many times. Answers
    /// whether all of that worked, and the pauses.
    async fn use_scanned(step: &'static str, times: usize) -> (bool, Vec<u64>) {
        let home = tempfile::tempdir().expect("a folder");
        let (key, first, waited) = (key(), Generation::first(7), Arc::new(Mutex::new(Vec::new())));
        let disk = Scanned { step, left: Mutex::new(times), waited: waited.clone() };
        let store = FileStore::on(disk, home.path().into());
        let outcome = async {
            assert!(store.compare_and_swap(&key, None, record(first)).await?);
            fs::write(home.path().join(format!("{key}.json")), "damage").expect("written");
            assert!(store.load(&key).await?.is_none());
            assert!(store.compare_and_swap(&key, None, record(first)).await?);
            store.remove(&key).await
        };
        let works = outcome.await.is_ok();
        let waited = waited.lock().expect("nobody panics here").clone();
        (works, waited)
    }

    #[apply(hunted!)]
    async fn what_could_not_be_saved_is_removed_although_somebody_looks_at_it() {
        struct Full(Scanned);
        impl Disk for Full {
            fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
                Err(ErrorKind::StorageFull.into())
            }
            fn remove(&self, path: &Path) -> io::Result<()> {
                self.0.remove(path)
            }
            fn is_in_use(&self, error: &io::Error) -> bool {
                self.0.is_in_use(error)
            }
            fn wait(&self, pause: Duration) {
                self.0.wait(pause);
            }
        }
        let (home, waited) = (tempfile::tempdir().expect("a folder"), Arc::new(Mutex::new(Vec::new())));
        let full = Full(Scanned { step: "remove", left: Mutex::new(1), waited: waited.clone() });
        let store = FileStore::on(full, home.path().into());
        store.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect_err("full");
        assert_eq!(
            (names(home.path()), &waited.lock().expect("nobody panics here")[..]),
            (vec!["key.save".into()], &[2][..])
        );
    }

    #[apply(hunted!)]
    async fn a_file_that_somebody_else_has_open_is_tried_again_for_half_a_second() {
        assert_eq!(SCANS_OF_OTHERS.iter().sum::<u64>(), 510);
        for step in ["open lock", "read", "rename", "move away", "remove"] {
            for times in [1, 8] {
                assert_eq!(use_scanned(step, times).await, (true, SCANS_OF_OTHERS[..times].to_vec()), "{step}");
            }
            assert_eq!(use_scanned(step, 9).await, (false, SCANS_OF_OTHERS.to_vec()), "{step}");
        }
    }

    #[apply(hunted!)]
    async fn a_damaged_file_is_moved_away_counts_as_absent_and_is_healed_by_the_next_save() {
        let home = tempfile::tempdir().expect("a folder");
        let (store, key, first) = (FileStore::at(home.path()), key(), Generation::first(7));
        let file = home.path().join(format!("{key}.json"));
        let stranger = Record { key: Some("vms-somebody-else".into()), ..record(first) };
        let stranger = stranger.to_json().expose().to_owned();
        let damages: [&[u8]; 5] = [b"", b"{\"schema\":2", b"\xff\xfe", b"[]", stranger.as_bytes()];
        for (count, damage) in damages.into_iter().enumerate() {
            fs::write(&file, damage).expect("written");
            assert!(store.load(&key).await.expect("absent").is_none());
            assert!(!file.exists());
            let aside = home.path().join(format!("{key}.corrupt-{}", count + 1));
            assert_eq!(fs::read(&aside).expect("kept"), damage);
            assert!(!is_open_to_others(&fs::metadata(&aside).expect("kept")));
            assert!(store.compare_and_swap(&key, None, record(first)).await.expect("healed"));
            assert_eq!(store.load(&key).await.expect("whole").map(|kept| kept.generation()), Some(first));
        }
        // A swap that finds the damage first does the same; and there is an end to what is kept.
        for _ in 0..20 {
            fs::write(&file, "damage").expect("written");
            assert!(!store.compare_and_swap(&key, Some(first), record(first.next())).await.expect("absent"));
        }
        let aside = names(home.path()).into_iter().filter(|name| name.contains("corrupt")).count();
        assert_eq!(aside, MOST_DAMAGED as usize);
    }

    #[apply(hunted!)]
    async fn damage_that_cannot_be_moved_away_is_an_error_and_no_absence() {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join(format!("{}.json", key())), "damage").expect("written");
        let broken = FileStore::on(Broken("rename", ErrorKind::ReadOnlyFilesystem), home.path().into());
        let said = broken.load(&key()).await.expect_err("cannot be moved").to_string();
        assert!(said.starts_with("a damaged session file cannot be moved away"), "{said}");
    }

    #[apply(hunted!)]
    async fn a_file_of_a_newer_version_is_left_as_it_is() {
        let home = tempfile::tempdir().expect("a folder");
        let (store, key) = (FileStore::at(home.path()), key());
        let newer = r#"{"schema":99,"and":["what","comes"]}"#;
        let file = home.path().join(format!("{key}.json"));
        fs::write(&file, newer).expect("written");
        assert!(store.load(&key).await.expect_err("newer").is_newer());
        for expected in [None, Some(Generation::first(7))] {
            let swap = store.compare_and_swap(&key, expected, record(Generation::first(8)));
            assert!(swap.await.expect_err("newer").is_newer());
        }
        assert!(store.remove(&key).await.expect_err("newer").is_newer());
        assert_eq!(fs::read_to_string(&file).expect("still there"), newer);
        assert_eq!(names(home.path()), ["key.json", "key.save"]);
    }

    #[cfg(unix)]
    #[apply(hunted!)]
    async fn folders_that_are_there_keep_their_mode() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let home = tempfile::tempdir().expect("a folder");
        let (mine, yours) = (home.path().join("state/app/keyway"), home.path().join("yours"));
        fs::create_dir(home.path().join("state")).expect("made");
        for existing in [home.path().join("state"), yours.clone()] {
            fs::create_dir_all(&existing).expect("made");
            fs::set_permissions(&existing, PermissionsExt::from_mode(0o755)).expect("set");
        }
        for folder in [&mine, &yours] {
            let store = FileStore::at(folder);
            assert!(store.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect("works"));
            drop(Store::lock(&store, &key(), Duration::ZERO).await.expect("free"));
            for name in fs::read_dir(folder).expect("a folder").flatten() {
                assert_eq!(mode(&name.path()), 0o600, "{name:?}");
            }
        }
        assert_eq!((mode(&mine), mode(&yours), mode(&home.path().join("state"))), (0o700, 0o755, 0o755));
    }

    #[apply(hunted!)]
    async fn a_file_where_a_folder_should_be_is_told_as_that_and_not_as_a_folder_open_to_others() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("sessions");
        fs::write(&file, "").expect("written");
        let store = FileStore::at(&file);
        let said = Store::lock(&store, &key(), Duration::ZERO).await.expect_err("no folder").to_string();
        assert!(said.starts_with("nothing can be kept in") && said.contains("not a directory"), "{said}");
        assert!(!store.0.told.load(Ordering::Relaxed));
    }

    #[apply(hunted!)]
    fn a_program_is_named_by_a_plain_name() {
        for wrong in ["", " ", ".", "..", "...", "a/b", "/a", "a\\b", "c:", "a\0", "a\nb"] {
            let error = FileStore::for_app(wrong).expect_err(wrong);
            assert_eq!(error.kind(), crate::ErrorKind::Config, "{error}");
        }
        let store = FileStore::for_app("my app.2").expect("a plain name");
        assert!(store.0.path.ends_with("my app.2/keyway") && store.0.path.is_absolute());
    }

    #[apply(hunted!)]
    fn debug_shows_the_folder_and_nothing_else() {
        let folder = std::path::absolute("some/where").expect("a current folder");
        assert_eq!(format!("{:?}", FileStore::at(&folder)), format!("FileStore({folder:?})"));
    }

    #[apply(hunted!)]
    fn outside_a_runtime_there_is_an_error_and_no_panic() {
        let store = FileStore::at("/nowhere");
        let (key, mut context) = (key(), Context::from_waker(Waker::noop()));
        assert!(pin!(Store::load(&store, &key)).poll(&mut context).is_ready());
        assert!(pin!(Store::lock(&store, &key, Duration::ZERO)).poll(&mut context).is_ready());
    }

    /// Tells each time a lock has been tried.
    struct Tells(mpsc::SyncSender<()>);

    impl Disk for Tells {
        fn try_lock(&self, file: &File) -> io::Result<bool> {
            let free = Local.try_lock(file);
            self.0.send(()).expect("somebody listens");
            free
        }
    }

    #[apply(hunted!)]
    async fn a_waiter_on_a_runtime_that_nobody_drives_keeps_the_lock_from_nobody() {
        let home = tempfile::tempdir().expect("a folder");
        let (tells, told) = mpsc::sync_channel(8);
        let (store, key) = (FileStore::on(Tells(tells), home.path().into()), key());
        let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut waiting = Box::pin(Store::lock(&store, &key, Duration::from_secs(60)));
        {
            let _inside = idle.enter();
            assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        told.recv().expect("it was tried");
        let other = FileStore::at(home.path());
        assert!(other.try_lock(&key).await.expect("works").is_none(), "it is taken for the idle one");
        let _mine = Store::lock(&other, &key, FETCH * 5).await.expect("left again when nobody fetched it");
        idle.shutdown_background();
    }

    /// Its thread was busy for longer than an offer stands: it would be so the next time, too.
    #[apply(hunted!)]
    fn a_task_whose_thread_is_busy_gets_a_free_lock_when_it_is_polled_again() {
        let home = tempfile::tempdir().expect("a folder");
        let (tells, told) = mpsc::sync_channel(8);
        let (busy, other, key) = (FileStore::on(Tells(tells), home.path().into()), FileStore::at(home.path()), key());
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (busy_thread, others) = (runtime(), runtime());
        let _inside = busy_thread.enter();
        let mut waiting = Box::pin(Store::lock(&busy, &key, Duration::from_secs(60)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        told.recv().expect("it was tried");
        // Until the offer has been taken back.
        let given_back = others.block_on(async { Store::lock(&other, &key, FETCH * 5).await.expect("free") });
        drop(given_back);
        let Poll::Ready(got) = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the lock is free, and it is not taken")
        };
        let _held = got.expect("the lock");
        others.block_on(async { Store::lock(&other, &key, Duration::ZERO).await.expect_err("it is held") });
    }

    #[apply(hunted!)]
    async fn what_is_too_long_to_be_read_again_is_not_saved() {
        let home = tempfile::tempdir().expect("a folder");
        let (store, key, first) = (FileStore::at(home.path()), key(), Generation::first(7));
        let kept = |length: usize| {
            // Each quote is written as two characters.
            let (access, at) = ("\"".repeat(length / 2), SystemTime::UNIX_EPOCH);
            let state = RecordState::Live(Kept {
                access: access.into(),
                refresh: None,
                issued: at,
                received: at,
                ends: Ends::Never,
                evicted: false,
                rejections: 0,
                began: at,
            });
            Record { state, ..record(first) }
        };
        let around = LONGEST - kept(0).to_json().expose().len();
        let error = store.compare_and_swap(&key, None, kept(around + 2)).await.expect_err("too long");
        assert!(error.to_string().contains("longer than any store keeps"), "{error}");
        assert_eq!(names(home.path()), ["key.save"]);
        assert!(store.compare_and_swap(&key, None, kept(around / 2 * 2)).await.expect("it fits"));
        assert_eq!(store.load(&key).await.expect("whole").map(|kept| kept.generation()), Some(first));
    }
}
