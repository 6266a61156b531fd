//! A folder whose key is in the keyring of the operating system.

use super::{
    FileStore,
    folder::{Folder, FolderLock},
};
use crate::{
    Error,
    store::{
        Key, Record, StoreError,
        record::RecordState,
        sealed::{
            Sealed, SealingKey,
            keyring::{PATIENCE, Trouble, find, in_time, make, system_entry},
        },
    },
};
use keyring_core::Entry;
use std::{fs, io::ErrorKind, thread, time::Duration};

/// Between two looks at whether another process is done.
const PAUSE: Duration = Duration::from_millis(20);

impl FileStore {
    /// This store, sealed with a key in the keyring of the operating system (feature `keyring`): in the Secret Service of Linux
    /// and the BSDs (GNOME Keyring, KWallet, KeePassXC), in macOS' login keychain, in the Credential Manager of Windows. Whoever copies the
    /// folder, or has a backup of it, has no session.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), keyway::Error> {
    /// use keyway::{FileStore, vms};
    ///
    /// let vms = vms::Client::builder("https://vms.example")
    ///     .password("operator@example.org", std::env::var("VMS_PASSWORD").unwrap_or_default())
    ///     .store(FileStore::for_app("myapp")?.sealed_by_keyring()?)
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// The key is made the first time, once for all processes that share the folder; the entry is named by the
    /// service `keyway` and the folder's path. Where sessions are sealed there and the keyring has no key for
    /// them, none is made: the error names the key that is missing. Sessions that are not sealed are refused, as in every
    /// [`Sealed`] store: [`take_unsealed`](Sealed::take_unsealed) takes them over.
    ///
    /// Waits for a person who is asked to unlock the keyring, a minute at most: call it where a program starts, or in
    /// `spawn_blocking`.
    ///
    /// # Errors
    /// `ErrorKind::Config` if there is no keyring, if it stays locked, if its entry holds no key, if the key of what is sealed
    /// there is gone, or if the folder cannot be used. Nothing has been changed then.
    pub fn sealed_by_keyring(self) -> Result<Sealed<Self>, Error> {
        let store = self.clone();
        let key = in_time("FileStore::sealed_by_keyring()", move || key_of(&store.0, system_entry))?;
        Ok(Sealed::new(self, key))
    }
}

fn key_of(folder: &Folder, entry: impl FnOnce(&str) -> Result<Entry, Trouble>) -> Result<SealingKey, Trouble> {
    // Of many processes one makes the key, and the others find it.
    let _alone = alone(folder)?;
    // One name for one folder, whichever way leads there.
    let path = fs::canonicalize(&folder.path).unwrap_or_else(|_| folder.path.clone());
    let path = path.display().to_string();
    let entry = entry(&path)?;
    if let Some(key) = find(&entry)? {
        return Ok(key);
    }
    if let Some(by) = folder.sealed_with()? {
        return Err(Trouble::new(
            format!("sessions in `{path}` are sealed with the key {by}, and the keyring has no key for that folder"),
            format!(
                "unlock it and start again if it is locked, restore its entry (service keyway, user name {path}), or remove those \
                 sessions"
            ),
        ));
    }
    make(&entry)
}

fn alone(folder: &Folder) -> Result<FolderLock, Trouble> {
    let lock = Key::new("keyring", &[]);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if let Some(held) = folder.try_hold(&lock, "lock")? {
            return Ok(held);
        }
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
    Err(Trouble::new("another process has been asking the keyring for a minute", "see whether it waits for somebody"))
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string(), "give a folder of this user's own")
    }
}

impl Folder {
    /// The name of a key that seals something here.
    fn sealed_with(&self) -> Result<Option<String>, StoreError> {
        let trouble = |error| self.trouble("it cannot be seen what is sealed in", &error);
        for file in fs::read_dir(&self.path).map_err(trouble)? {
            let path = file.map_err(trouble)?.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let content = match self.disk.read(&path) {
                Ok(content) => secrecy::zeroize::Zeroizing::new(content),
                Err(gone) if gone.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(trouble(error)),
            };
            match std::str::from_utf8(&content).map(Record::from_json) {
                Ok(Ok(Record { state: RecordState::Sealed(sealed), .. })) => return Ok(Some(sealed.by)),
                Ok(Err(cut_off)) if cut_off.is_sealed() => return Ok(Some("whose name is cut off".to_owned())),
                // What is not sealed, and what is damaged, no key opens.
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
