//! Keys that seal: where they come from, and which of several opens what.

use crate::{
    Error, Secret,
    digest::Sha256,
    store::{StoreError, guard, key::hex},
};
use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use secrecy::zeroize::Zeroizing;
use std::{fmt, fs::OpenOptions, io, path::Path, sync::Arc};

/// How long a key is, in bytes.
const LENGTH: usize = 32;

/// What AES-GCM adds to a text.
const TAG: usize = 16;

/// A key of 256 bits that seals records (AES-256-GCM, by aws-lc-rs), and is named by a digest of itself: two keys never have
/// one name, and a wrong key is found out by its name.
///
/// With random nonces a key should seal no more than four thousand million records; replace it before.
#[derive(Clone)]
pub struct SealingKey(Arc<NamedKey>);

struct NamedKey {
    id: String,
    key: RandomizedNonceKey,
}

impl SealingKey {
    /// These 32 bytes, drawn by a generator made for keys; never a password.
    ///
    /// ```
    /// # fn secret_from_a_vault() -> [u8; 32] { std::array::from_fn(|n| n as u8) }
    /// let key = keyway::SealingKey::from_bytes(secret_from_a_vault())?;
    /// assert_eq!(key.id().len(), 16);
    /// # Ok::<(), keyway::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ErrorKind::Config` if they are not 32, all the same, or a text.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::made(bytes.as_ref()).map_err(|mistake| {
            Error::config(format!("the sealing key cannot be used: {mistake}"))
                .advice("draw it with a generator made for keys: `openssl rand 32`")
        })
    }

    fn made(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() != LENGTH {
            return Err(format!("a key has {LENGTH} bytes, and this one has {}", bytes.len()));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err("one byte that is repeated is no key".to_owned());
        }
        if is_text(bytes) {
            return Err("it is a text, which can be guessed, and no 32 random bytes".to_owned());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| "the crypto library does not take it")?;
        let digest = Sha256::new().with(b"keyway sealing key").with(bytes).finish();
        Ok(Self(Arc::new(NamedKey { id: hex(&digest[..8]), key })))
    }

    /// The key in this file: 64 hexadecimal digits (`openssl rand -hex 32 > key; chmod 600 key`), or 32 bytes that are no text.
    /// The file must be this user's alone (`0600` or `0400`, no link): what others could read they have. It is only read.
    ///
    /// # Errors
    /// `ErrorKind::Config` if it cannot be read, others can read it, or it holds no key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let content = guard::read_private(path, 3 * LENGTH).map_err(|error| {
            Error::config(format!("the sealing key in `{}` cannot be used: {error}", path.display()))
                .advice("give a file of this user's own that nobody else can read (chmod 600)")
        })?;
        Self::of_content(&content).map_err(|mistake| {
            Error::config(format!("the file `{}` holds no sealing key: {mistake}", path.display()))
                .advice("make one with `openssl rand -hex 32`")
        })
    }

    /// What a file or a keyring holds of a key.
    pub(super) fn of_content(content: &[u8]) -> Result<Self, String> {
        match (content.len(), hexadecimal(content)) {
            (LENGTH, _) => Self::made(content),
            (_, Some(bytes)) => Self::made(&bytes),
            _ => Err("it holds neither 64 hexadecimal digits nor 32 bytes".to_owned()),
        }
    }

    /// A new key, and as 64 hexadecimal digits.
    pub(super) fn draw() -> Result<(Self, Secret), String> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| "the crypto library gives no random bytes")?;
        Ok((Self::made(bytes.as_slice())?, hex(bytes.as_slice()).into()))
    }

    /// Makes a key and a file for it, which must not be there yet and is this user's alone from its first moment (`0600`).
    ///
    /// # Errors
    /// `ErrorKind::Config` if the file is there, or cannot be written.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (key, text) = Self::draw().map_err(Error::config)?;
        let text = Secret::from(format!("{}\n", text.expose()));
        write_new(path, text.expose().as_bytes()).map_err(|error| {
            Error::config(format!("no sealing key can be kept in `{}`: {error}", path.display()))
                .advice("give a file that is not there yet, in a folder that this user can write to")
        })?;
        Ok(key)
    }

    /// Its name: 16 hexadecimal digits, made from the key. The key cannot be made from it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Nonce, sealed text and tag.
    pub(crate) fn seal(&self, about: &str, text: &Secret) -> Result<Vec<u8>, StoreError> {
        // With room for the tag, so that it does not grow and leave a copy behind.
        let mut sealed = Vec::with_capacity(text.expose().len() + TAG);
        sealed.extend_from_slice(text.expose().as_bytes());
        let nonce = self.0.key.seal_in_place_append_tag(Aad::from(about), &mut sealed);
        let nonce = nonce.map_err(|_| StoreError::new("the crypto library sealed nothing"))?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// What was sealed, if nothing of it and nothing about it was changed.
    pub(crate) fn open(&self, about: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.key.open_in_place(nonce, Aad::from(about), &mut sealed).ok()?;
        std::str::from_utf8(text).ok().map(Secret::from)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The keys of a [`Sealed`](super::Sealed) store: one seals, and each of them opens. Clones are the same keys, and
/// [`replace`](Self::replace) changes them all, while a program runs.
///
/// # To replace a key
///
/// 1. Give every process the new key as well: `SealingKeys::new(old).also(new)`. All of them can open it now.
/// 2. When all have it, let the new one seal: `SealingKeys::new(new).also(old)`. What is saved from now on is sealed anew,
///    which happens at each renewal.
/// 3. When everything has been saved once, or after as long as your sessions may sleep, leave the old one out.
///
/// Nothing fails meanwhile. A process that lacks the key of a record gets a [`StoreError`] that names the key.
///
/// ```no_run
/// use keyway::{FileStore, Sealed, SealingKey, SealingKeys};
///
/// // The new key seals; what the old one has sealed is still read, and sealed anew with the next save.
/// let keys = SealingKeys::new(SealingKey::from_file("/etc/till/new.key")?).also(SealingKey::from_file("/etc/till/old.key")?);
/// let store = Sealed::new(FileStore::at("/var/lib/till/sessions"), keys);
/// # Ok::<(), keyway::Error>(())
/// ```
#[derive(Clone)]
pub struct SealingKeys(Arc<ArcSwap<Vec<SealingKey>>>);

impl SealingKeys {
    /// This key seals and opens.
    #[must_use]
    pub fn new(key: SealingKey) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(vec![key])))
    }

    /// And this one opens what it has sealed.
    #[must_use]
    pub fn also(self, key: SealingKey) -> Self {
        let keys = self.0.load().iter().cloned().chain([key]).collect();
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }

    /// Uses those instead, wherever a clone of these keys is used.
    pub fn replace(&self, with: &Self) {
        self.0.store(with.0.load_full());
    }

    /// The one that seals.
    pub(crate) fn sealing(&self) -> SealingKey {
        self.0.load()[0].clone()
    }

    pub(crate) fn named(&self, id: &str) -> Option<SealingKey> {
        self.0.load().iter().find(|key| key.id() == id).cloned()
    }

    pub(crate) fn names(&self) -> String {
        self.0.load().iter().map(SealingKey::id).collect::<Vec<_>>().join(", ")
    }
}

impl From<SealingKey> for SealingKeys {
    fn from(key: SealingKey) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.load().iter()).finish()
    }
}

/// Whether a person may have typed it, with or without a line's end. Of keys that were drawn hardly one in a million million is
/// a text by chance.
fn is_text(bytes: &[u8]) -> bool {
    let is_no_letter = |letter: char| letter.is_control() && !letter.is_whitespace();
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(is_no_letter))
}

/// The bytes of 64 hexadecimal digits.
fn hexadecimal(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_ascii();
    let digits = (text.len() == 2 * LENGTH).then_some(text)?.chunks_exact(2);
    let byte = |pair: &[u8]| {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? * 16 + low?).ok()
    };
    digits.map(byte).collect::<Option<Vec<_>>>().map(Zeroizing::new)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()
}
