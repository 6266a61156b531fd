//! Keys for tests of stores.

use crate::store::Key;

/// The key of a session that there is not, for tests of a [`Store`](crate::Store) of your own. Names that differ make keys that differ.
///
/// ```
/// use keyway::{MemoryStore, Record, Store, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), keyway::StoreError> {
/// let (store, key) = (MemoryStore::new(), testing::key("one"));
/// let record = Record::from_json(r#"{"schema":3,"lineage":7,"counter":1}"#)?;
/// assert!(store.compare_and_swap(&key, None, record).await?);
/// assert!(store.load(&testing::key("another")).await?.is_none());
/// # Ok(()) }
/// ```
#[must_use]
pub fn key(name: &str) -> Key {
    Key::new("testing", &[("name", name)])
}
