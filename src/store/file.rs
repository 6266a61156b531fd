//! Sessions in a folder, shared by the processes of one user on one machine.

mod folder;
#[cfg(feature = "keyring")]
mod keyring;

use super::{
    Generation, Key, Record, Store, StoreError, StoreLock,
    blocking::{cut_off, off_the_workers, runtime},
    disk::{Disk, Local},
    pauses::Pauses,
};
use crate::{Error, chance::Chance};
use etcetera::BaseStrategy;
use folder::{FileContent, Folder, FolderLock, Offer, look_at, withdraw_offer};
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::AtomicBool,
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

/// How long a lock that was taken waits for the task that asked for it.
const FETCH: Duration = Duration::from_secs(1);

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
/// | `….lock` | empty; locked while a process signs in or renews |
/// | `….save` | empty; locked while a process saves |
/// | `….tmp` | what is being saved. One that a killed process left is removed by the next save |
/// | `….corrupt-1` | a file that could not be read as a session's, moved out of the way. It may hold tokens, and is removed at the sign-out |
///
/// The attempts at a vendor that limits them are kept in the same way. Do not remove `.lock` and `.save` files while a program
/// uses the folder: who holds the removed one and who makes a new one would not know of each other.
///
/// # Who can read it
///
/// The folder is made for its owner alone (`0700`), and so is every file (`0600`), whatever the umask. Folders above
/// it are made like that if they are missing, and those that exist are never changed: nor is the folder itself, if it was
/// there before; if others may enter it, that is told once as a warning.
///
/// What others could have prepared is not used, and is an error ([`StoreError::is_unavailable`]): a folder that others can
/// write into, that belongs to another user, that everybody could replace (one below a folder that all may write to and that
/// is not sticky), or that another user's symbolic link leads to; in it, a symbolic link, a hard link, whatever is no
/// regular file, and a file of another user or one that others can write to. A file of one's own that others can only read
/// is closed to them.
///
/// Tokens are not encrypted. Every program of the same user can read them, and root can.
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
#[doc(alias("token cache", "persist", "disk cache"))]
pub struct FileStore(Arc<Folder>);

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

    /// Does `work` while no other process saves under this key.
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

    /// Tries once to take the lock of `key`. It is handed over from hand to hand: a runtime that no thread drives would
    /// otherwise be given it and keep it from everybody else.
    async fn try_lock(&self, key: &Key) -> Result<Option<FolderLock>, StoreError> {
        let (folder, key) = (self.0.clone(), key.clone());
        let (offer, offered) = oneshot::channel();
        let (fetched, is_fetched) = mpsc::channel::<()>();
        // A waiter that is dropped drops `fetched` and the offer, and the lock with it.
        runtime()?.spawn_blocking(move || match folder.try_hold(&key, "lock") {
            Ok(Some(held)) => {
                let counter = Arc::new(Mutex::new(Offer::Lock(held)));
                let offered = offer.send(Ok(Some(counter.clone()))).is_ok();
                if offered && is_fetched.recv_timeout(FETCH) == Err(RecvTimeoutError::Timeout) {
                    withdraw_offer(&counter);
                }
            }
            Ok(None) => drop(offer.send(Ok(None))),
            Err(error) => drop(offer.send(Err(error))),
        });
        let Some(counter) = offered.await.map_err(|_| cut_off())?? else { return Ok(None) };
        let offer = std::mem::replace(&mut *look_at(&counter), Offer::Gone);
        drop(fetched);
        match offer {
            Offer::Lock(held) => Ok(Some(held)),
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
            FileContent::Nothing => Ok(None),
            FileContent::Record(record) => Ok(Some(*record)),
            // Looked at again under the lock, where no process can have put a whole one in its place.
            FileContent::Damaged(_) => self.alone(key, Folder::current).await,
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
                return Err(self.0.busy("another client has held the lock", wait));
            }
        }
    }
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
mod tests;
