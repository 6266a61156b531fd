//! The file system, one step per method: so that a test can let each of them fail.

use super::{
    guard::{self, Guarded},
    record,
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    path::Path,
    thread,
    time::Duration,
};

/// A record and the end of its line. What is longer is damage, and is not read into memory.
const LONGEST: u64 = record::LONGEST as u64 + 1;

/// What the store asks of a file system. Every method does the real thing unless a test overrides it.
pub(super) trait Disk: Send + Sync + 'static {
    /// Makes the folder and what lacks above it, for this user alone. What exists is left as it is.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above {
            DirBuilder::new().recursive(true).for_this_user_alone().create(above)?;
        }
        match DirBuilder::new().for_this_user_alone().create(folder) {
            Err(exists) if exists.kind() == ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        above.map_or(Ok(()), |above| self.sync_folder(above))
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).for_this_user_alone();
        open(&mut options, path)
    }

    /// Takes the lock of an open file if it is free; never waits.
    fn try_lock(&self, file: &File) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = open(OpenOptions::new().read(true), path)?;
        let length = file.metadata().map_or(0, |file| file.len()).min(LONGEST);
        // With room for all, so that it does not grow and leave copies behind.
        let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 64);
        file.take(LONGEST + 1).read_to_end(&mut content)?;
        Ok(content)
    }

    /// A file that is not there yet.
    fn create(&self, path: &Path) -> io::Result<File> {
        open(OpenOptions::new().write(true).create_new(true).for_this_user_alone(), path)
    }

    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Makes what was created, renamed or removed in a folder outlast a power failure.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if !cfg!(unix) {
            return Ok(());
        }
        match File::open(folder)?.sync_all() {
            // Some network file systems cannot do that for folders.
            Err(cannot) if matches!(cannot.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Whether this is how it looks while a virus scanner or an indexer has the file open. On Windows it can then neither
    /// be read nor replaced, for a moment.
    fn is_in_use(&self, error: &io::Error) -> bool {
        const ACCESS_DENIED: i32 = 5;
        const SHARING_VIOLATION: i32 = 32;
        cfg!(windows) && matches!(error.raw_os_error(), Some(ACCESS_DENIED | SHARING_VIOLATION))
    }

    /// Called on a thread on which no other task waits.
    fn wait(&self, pause: Duration) {
        thread::sleep(pause);
    }
}

/// Opens a file that is this user's alone, and nothing that others have put in its place.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.itself().open(path).map_err(|error| guard::explain(path, error))?;
    guard::check_file(&file).map(|()| file)
}

/// The real one.
pub(super) struct Local;

impl Disk for Local {}

/// What is created with it can be read and written by its owner alone, from its first moment on and whatever
/// the umask. Elsewhere than on Unix the folder's own rights decide.
trait Private {
    fn for_this_user_alone(&mut self) -> &mut Self;
}

impl Private for OpenOptions {
    fn for_this_user_alone(&mut self) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(self, 0o600);
        self
    }
}

impl Private for DirBuilder {
    fn for_this_user_alone(&mut self) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(self, 0o700);
        self
    }
}

/// Whether others than the owner may look into the folder or change it.
pub(super) fn is_open_to_others(folder: &fs::Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o077 != 0;
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}
