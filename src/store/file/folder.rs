//! What is done to the files. All of it may wait for the disk, and none of it for another process.

use crate::{
    Secret,
    chance::Chance,
    store::{
        Generation, Key, Record, StoreError,
        disk::{Disk, is_open_to_others},
        guard::{self, Unsafe},
    },
};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The pauses, in milliseconds, before a file that another program has open is tried again. Half a second in all.
pub(super) const SCANS_OF_OTHERS: [u64; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// How many damaged files are kept of one session; the last one gives way to the next.
pub(super) const MOST_DAMAGED: u32 = 9;

pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) disk: Box<dyn Disk>,
    /// Whether it was told that others may enter the folder.
    pub(super) told: AtomicBool,
    pub(super) chance: Chance,
}

/// What stands under a key.
pub(super) enum FileContent {
    Nothing,
    Record(Box<Record>),
    /// With what is wrong with it.
    Damaged(StoreError),
}

impl Folder {
    pub(super) fn try_alone<T, W>(&self, key: &Key, work: W) -> Result<Result<T, W>, StoreError>
    where
        W: FnOnce(&Self, &Key) -> Result<T, StoreError>,
    {
        match self.try_hold(key, "save")? {
            Some(_held) => work(self, key).map(Ok),
            None => Ok(Err(work)),
        }
    }

    pub(super) fn try_hold(&self, key: &Key, lock: &str) -> Result<Option<FolderLock>, StoreError> {
        self.prepare()?;
        let path = self.file(key, lock);
        let file = self
            .patiently(|disk| disk.open_lock(&path))
            .map_err(|error| self.trouble("a lock file cannot be opened in", &error))?;
        self.hold(Arc::new(file))
    }

    /// Takes the lock of an open file if it is free.
    pub(super) fn hold(&self, file: Arc<File>) -> Result<Option<FolderLock>, StoreError> {
        match self.disk.try_lock(&file) {
            Ok(free) => Ok(free.then(|| FolderLock(file))),
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

    /// Makes the folder if there is none, and refuses one that others could have prepared.
    fn prepare(&self) -> Result<(), StoreError> {
        if !self.is_there()? {
            self.disk.make_folder(&self.path).map_err(|error| self.trouble("there is no folder", &error))?;
            self.is_there()?;
        }
        Ok(())
    }

    /// Whether there is a folder. One that cannot be used is an error.
    fn is_there(&self) -> Result<bool, StoreError> {
        match guard::check_folder(&self.path) {
            Ok(()) => {}
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.trouble("nothing can be kept in", &error)),
        }
        if fs::metadata(&self.path).is_ok_and(|folder| is_open_to_others(&folder))
            && !self.told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(folder = %self.path.display(), "keyway: others may enter the folder that sessions are kept in; it was there before and is left so (chmod 700 closes it)");
        }
        Ok(true)
    }

    pub(super) fn read(&self, key: &Key) -> Result<FileContent, StoreError> {
        if !self.is_there()? {
            return Ok(FileContent::Nothing);
        }
        let file = self.file(key, "json");
        let content = match self.patiently(|disk| disk.read(&file)) {
            Ok(content) => content,
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(FileContent::Nothing),
            Err(error) => return Err(self.trouble("a session cannot be read from", &error)),
        };
        let Ok(text) = String::from_utf8(content).map(Secret::from) else {
            return Ok(FileContent::Damaged(StoreError::new("it is no text")));
        };
        Ok(match Record::kept_for(key, text.expose())? {
            Ok(record) => FileContent::Record(Box::new(record)),
            Err(damage) => FileContent::Damaged(damage),
        })
    }

    /// What stands there, after a damaged file was moved out of the way. Called alone.
    pub(super) fn current(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.read(key)? {
            FileContent::Nothing => Ok(None),
            FileContent::Record(record) => Ok(Some(*record)),
            FileContent::Damaged(why) => self.quarantine(key, &why).map(|()| None),
        }
    }

    fn quarantine(&self, key: &Key, why: &StoreError) -> Result<(), StoreError> {
        let file = self.file(key, "json");
        let free = (1..MOST_DAMAGED).find(|number| !self.file(key, &format!("corrupt-{number}")).exists());
        let aside = self.file(key, &format!("corrupt-{}", free.unwrap_or(MOST_DAMAGED)));
        self.patiently(|disk| disk.rename(&file, &aside))
            .map_err(|error| self.trouble("a damaged session file cannot be moved away in", &error))?;
        tracing::warn!(%key, %why, now = %aside.display(), "keyway: a session file was damaged and has been moved away");
        #[cfg(feature = "audit")]
        tracing::info!(target: "keyway::audit", event = "record_damaged", %key, error = %why, "record_damaged");
        Ok(())
    }

    /// Called alone.
    pub(super) fn swap(&self, key: &Key, expected: Option<Generation>, record: &Record) -> Result<bool, StoreError> {
        if self.current(key)?.map(|current| current.generation()) != expected {
            return Ok(false);
        }
        self.sweep(key, ".tmp");
        self.write(key, &record.to_bounded_json()?)?;
        if record.is_tombstone() {
            self.forget_damaged(key);
        }
        Ok(true)
    }

    /// Removes what killed processes began to write, and answers what could not be removed. It is called while no other process writes.
    fn sweep(&self, key: &Key, of_kind: &str) -> Option<io::Error> {
        let (begins, files) = (format!("{key}."), fs::read_dir(&self.path));
        let mut left = None;
        for file in files.into_iter().flatten().flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.strip_prefix(&begins).is_some_and(|rest| format!(".{rest}").contains(of_kind)) {
                // A temporary file that cannot be removed now is removed by the next save.
                left = self.patiently(|disk| disk.remove(&file.path())).err().or(left);
            }
        }
        left
    }

    /// A sign-out leaves no token behind, nor does a removal.
    fn forget_damaged(&self, key: &Key) {
        if let Some(error) = self.sweep(key, ".corrupt-") {
            tracing::warn!(%key, folder = %self.path.display(), %error, "keyway: a damaged session file could not be removed; it may hold tokens");
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
    pub(super) fn remove(&self, key: &Key) -> Result<(), StoreError> {
        if self.is_to_be_removed(key)? {
            let file = self.file(key, "json");
            let removed = self.patiently(|disk| disk.remove(&file)).and_then(|()| self.disk.sync_folder(&self.path));
            removed.map_err(|error| self.trouble("a session cannot be removed from", &error))?;
        }
        self.forget_damaged(key);
        Ok(())
    }

    /// Whether a file is there that may go. A sealed one that cannot be used may: this is the way out that its error names.
    fn is_to_be_removed(&self, key: &Key) -> Result<bool, StoreError> {
        match self.current(key) {
            Err(sealed) if sealed.is_sealed() => Ok(true),
            current => Ok(current?.is_some()),
        }
    }

    /// Tries again for a while what fails because another program has the file open.
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
        crate::witness::shown("a file's name", || path.display().to_string());
        path
    }

    pub(super) fn trouble(&self, what: &str, error: &io::Error) -> StoreError {
        if let Some(Unsafe { what: why, advice }) = Unsafe::of(error) {
            return StoreError::unavailable(format!("{what} `{}`: {why}; {advice}", self.path.display()));
        }
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

    pub(super) fn busy(&self, what: &str, wait: Duration) -> StoreError {
        let (folder, waited) = (self.path.display(), wait.as_secs_f64());
        StoreError::busy(format!("{what} in `{folder}` for {waited} s; see which program hangs, or wait longer"))
    }
}

/// An open file whose lock is held for as long as this lives.
pub(super) struct FolderLock(Arc<File>);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Said, not left to closing: a process that is being forked this moment has the file open as well.
        let _ = self.0.unlock();
    }
}

/// A lock on its way to the task that wants it.
pub(super) enum Offer {
    Lock(FolderLock),
    /// It was not fetched in time, and is free again.
    GivenBack(Arc<File>),
    Gone,
}

pub(super) fn withdraw_offer(offer: &Mutex<Offer>) {
    let mut offer = look_at(offer);
    if let Offer::Lock(held) = &*offer {
        let file = held.0.clone();
        // Frees the lock: the file alone does not hold it.
        *offer = Offer::GivenBack(file);
    }
}

pub(super) fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
