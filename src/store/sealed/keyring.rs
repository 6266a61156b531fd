//! Sealing keys in a keyring: that of the operating system, or another one that the crate `keyring-core` knows.

use super::key::SealingKey;
use crate::Error;
use keyring_core::{CredentialStore, Entry, Error as KeyringError};
use std::{
    borrow::Cow,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// What our entries are called by.
const SERVICE: &str = "keyway";

/// How long a person has to unlock a keyring.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const OR_A_FILE: &str = "or give a key of a file: SealingKey::from_file(..)";

impl SealingKey {
    /// The key of this name in the keyring of the operating system: the entry of the service `keyway` and this user name, in the
    /// Secret Service of Linux and the BSDs (GNOME Keyring, KWallet, KeePassXC), in macOS' login keychain, in the Credential
    /// Manager of Windows. It holds 64 hexadecimal digits. Of a Secret Service:
    ///
    /// ```sh
    /// openssl rand -hex 32 | tr -d '\n' | secret-tool store --label='myapp' service keyway username myapp
    /// ```
    ///
    /// Waits for a person who is asked to unlock the keyring, a minute at most: call it where a program starts, or in
    /// `spawn_blocking`. For a folder of sessions there is [`FileStore::sealed_by_keyring`](crate::FileStore::sealed_by_keyring), which makes the key as well.
    ///
    /// # Errors
    /// `ErrorKind::Config` if there is no keyring or no such entry, if it stays locked, or if the entry holds no key.
    pub fn from_keyring(name: &str) -> Result<Self, Error> {
        let name = name.to_owned();
        in_time("SealingKey::from_keyring(..)", move || existing(&system_entry(&name)?))
    }

    /// The key in this entry of any keyring that the crate `keyring-core` reaches, such as that of the kernel of Linux
    /// (`linux-keyutils-keyring-store`; it forgets when the machine restarts). Otherwise as
    /// [`from_keyring`](Self::from_keyring).
    ///
    /// # Errors
    /// `ErrorKind::Config` if there is no such entry, if it cannot be read, or if it holds no key.
    pub fn from_entry(entry: Entry) -> Result<Self, Error> {
        in_time("SealingKey::from_entry(..)", move || existing(&entry))
    }
}

/// What is wrong, and what to do.
pub(crate) struct Trouble {
    pub(crate) what: Cow<'static, str>,
    pub(crate) advice: Cow<'static, str>,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

impl From<KeyringError> for Trouble {
    /// Without what the entry holds, which is in some of these errors.
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::NoStorageAccess(_) => Self::new(
                "the keyring is locked, or there is none yet, and nobody unlocked it",
                format!("unlock it, {OR_A_FILE}"),
            ),
            KeyringError::NoEntry => Self::new(
                "the keyring has no such entry",
                "put the key there, as 64 hexadecimal digits (`openssl rand -hex 32`)",
            ),
            KeyringError::Ambiguous(_) => {
                Self::new("the keyring has several entries of that name", "remove all but the right one")
            }
            KeyringError::PlatformFailure(why) => Self::new(
                format!("the keyring cannot be reached: {}", one_line(&why.to_string())),
                format!("see whether a keyring runs in this session, {OR_A_FILE}"),
            ),
            KeyringError::NoDefaultStore | KeyringError::NotSupportedByStore(_) => {
                Self::new("this system has no keyring that is known", OR_A_FILE)
            }
            KeyringError::TooLong(what, most) => {
                Self::new(format!("the {what} is longer than the {most} characters that the keyring takes"), OR_A_FILE)
            }
            _ => {
                Self::new("the keyring answered what cannot be read", format!("see what is wrong with it, {OR_A_FILE}"))
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entry of this name in the keyring of the operating system. Which store others set as the crate's own does not matter.
pub(crate) fn system_entry(name: &str) -> Result<Entry, Trouble> {
    Ok(system()?.build(SERVICE, name, None)?)
}

#[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
fn system() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(all(unix, not(any(target_os = "ios", target_os = "android"))), windows)))]
fn system() -> Result<Arc<CredentialStore>, KeyringError> {
    Err(KeyringError::NoDefaultStore)
}

/// What `work` comes to, in a minute, on a thread of its own: it blocks, and its libraries may run a runtime of their own,
/// which must not be inside another one.
pub(crate) fn in_time<T: Send + 'static>(
    of: &'static str,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = mpsc::sync_channel(1);
    let started = thread::Builder::new().name("keyway keyring".into()).spawn(move || drop(tell.send(work())));
    let done = match started {
        Ok(_) => told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            Err(Trouble::new("the keyring did not answer within a minute", format!("unlock it, {OR_A_FILE}")))
        }),
        Err(error) => Err(Trouble::new(format!("no thread can be started: {error}"), "see what uses up this machine")),
    };
    done.map_err(|Trouble { what, advice }| Error::config(format!("{of}: {what}")).advice(advice))
}

/// The key in the entry, if there is one.
pub(crate) fn find(entry: &Entry) -> Result<Option<SealingKey>, Trouble> {
    let content = match entry.get_secret() {
        Ok(content) => secrecy::zeroize::Zeroizing::new(content),
        Err(KeyringError::NoEntry) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    SealingKey::of_content(&content).map(Some).map_err(|mistake| {
        Trouble::new(
            format!("the keyring's entry holds no sealing key: {mistake}"),
            "put the key there, or remove the entry if nothing was sealed with it",
        )
    })
}

fn existing(entry: &Entry) -> Result<SealingKey, Trouble> {
    find(entry)?.ok_or_else(|| KeyringError::NoEntry.into())
}

/// Makes a key and keeps it in the entry. What counts is what stands there then.
pub(crate) fn make(entry: &Entry) -> Result<SealingKey, Trouble> {
    let (key, text) =
        SealingKey::draw().map_err(|mistake| Trouble::new(mistake, "see what is wrong with this system"))?;
    entry.set_secret(text.expose().as_bytes())?;
    match find(entry)? {
        Some(kept) if kept.id() == key.id() => Ok(key),
        Some(_) => Err(Trouble::new(
            "somebody else wrote another key into the keyring at once",
            "start again, and that one is used",
        )),
        None => Err(Trouble::new("the keyring has not kept the key", OR_A_FILE)),
    }
}
