//! Records that cannot be read or changed by those who read and write the store.

mod key;
#[cfg(feature = "keyring")]
pub(super) mod keyring;

pub use key::{SealingKey, SealingKeys};

use super::{
    Generation, Key, Record, SealedText, Store, StoreError, StoreLock, blocking::off_the_workers, record::RecordState,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::{fmt, time::Duration};

/// Any store, with everything in it sealed (feature `sealed`): tokens, digests of credentials, attempts, sign-outs. Those
/// who read the folder, the database or a backup see whose record it is (a digest), which token of which session, how long it is
/// kept, and nothing else.
///
/// ```no_run
/// # fn example() -> Result<(), keyway::Error> {
/// use keyway::{FileStore, Sealed, SealingKey, vms};
///
/// let key = SealingKey::from_file("/etc/myapp/sealing.key")?;
/// let vms = vms::Client::builder("https://vms.example")
///     .password("operator@example.org", std::env::var("VMS_PASSWORD").unwrap_or_default())
///     .store(Sealed::new(FileStore::for_app("myapp")?, key))
///     .build()?;
/// # Ok(()) }
/// ```
///
/// # What it can do, and what not
///
/// - A record is bound to its session: one that was put in another's place, changed, or cut off is a [`StoreError`]
///   ([`StoreError::is_sealed`]), as is one that is sealed with a key this program does not have; the error names the key.
///   Such a record is left as it is, and no session begins without it: calls fail with `ErrorKind::Store` until a
///   person gives the key or removes the record.
/// - What is not sealed is refused as well, because another program that can write to the store could have put it there. To begin sealing
///   what there is, use [`take_unsealed`](Self::take_unsealed) until each session was saved once.
/// - A program that can write to the store can still remove a record, or put an older one of the same session back. What is so
///   damaged that it does not even begin as a sealed record counts as removed, with a warning of the store below.
/// - Everything that the store below promises holds: locks, comparing, whole saves.
///
/// To replace a key see [`SealingKeys`].
#[derive(Clone)]
#[doc(alias("encryption at rest", "encrypt"))]
pub struct Sealed<S> {
    store: S,
    keys: SealingKeys,
    takes_unsealed: bool,
}

impl<S: Store> Sealed<S> {
    /// Seals what is kept in `store`: with a [`SealingKey`], or with [`SealingKeys`] while one is being replaced.
    pub fn new(store: S, keys: impl Into<SealingKeys>) -> Self {
        Self { store, keys: keys.into(), takes_unsealed: false }
    }

    /// Takes records that are not sealed too, as if they were; the next save seals them. For the time of a change only.
    #[must_use]
    pub fn take_unsealed(self) -> Self {
        Self { takes_unsealed: true, ..self }
    }

    fn open(&self, key: &Key, record: Record) -> Result<Record, StoreError> {
        let RecordState::Sealed(sealed) = &record.state else {
            return if self.takes_unsealed { Ok(record) } else { Err(StoreError::sealed(NOT_SEALED)) };
        };
        let Some(with) = self.keys.named(&sealed.by) else {
            let (by, has) = (&sealed.by, self.keys.names());
            return Err(StoreError::sealed(format!(
                "the record is sealed with the key {by}, and this program has {has}; give it with SealingKeys::also(..), \
                 or remove the record"
            )));
        };
        let text = STANDARD_NO_PAD.decode(&sealed.text).ok();
        let text = text.and_then(|text| with.open(&about(key, record.generation, sealed), &text));
        let opened = text.ok_or_else(|| broken(sealed)).and_then(|text| Record::from_json(text.expose()))?;
        let is_itself = opened.generation == record.generation && opened.belongs_to(key);
        if is_itself { Ok(opened) } else { Err(broken(sealed)) }
    }

    async fn seal(&self, key: &Key, record: Record) -> Result<Record, StoreError> {
        let (keys, key) = (self.keys.clone(), key.clone());
        if record.is_slow_to_write() {
            return off_the_workers(move || sealed(&keys.sealing(), &key, &record)).await;
        }
        sealed(&keys.sealing(), &key, &record)
    }
}

const NOT_SEALED: &str = "the record is not sealed, so a program that can write there may have put it there; \
                          take it over with Sealed::take_unsealed(), or remove it";

fn broken(sealed: &SealedText) -> StoreError {
    let by = &sealed.by;
    StoreError::sealed(format!(
        "the record's seal, of the key {by}, is broken: it was changed, cut off, or taken from another session; \
         see who else writes there, and remove it"
    ))
}

fn sealed(with: &SealingKey, key: &Key, record: &Record) -> Result<Record, StoreError> {
    let mut outer = SealedText {
        by: with.id().to_owned(),
        text: String::new(),
        // Whole seconds, as it is written.
        keep: Duration::from_secs(record.time_to_live().as_secs()),
        has_session: record.has_session(),
        is_tombstone: record.is_tombstone(),
    };
    let text = with.seal(&about(key, record.generation, &outer), &record.to_json())?;
    outer.text = STANDARD_NO_PAD.encode(text);
    Ok(Record::new(key, record.generation, RecordState::Sealed(outer)))
}

/// What stands beside the sealed text and must not be changed either.
fn about(key: &Key, generation: Generation, sealed: &SealedText) -> String {
    let SealedText { by, keep, has_session, is_tombstone, .. } = sealed;
    let (generation, keep) = (generation.to_text(), keep.as_secs());
    format!("keyway record\n{key}\n{generation}\n{by}\n{keep}\n{has_session}\n{is_tombstone}")
}

impl<S: fmt::Debug> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("store", &self.store).field("keys", &self.keys).finish()
    }
}

impl<S: Store> Store for Sealed<S> {
    fn check(&self) -> Result<(), StoreError> {
        self.store.check()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let record = self.store.load(key).await?;
        record.map(|record| self.open(key, record)).transpose()
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(key, record).await?;
        self.store.compare_and_swap(key, expected, sealed).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.store.lock(key, wait).await
    }
}
