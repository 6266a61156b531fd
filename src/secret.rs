//! The one type for everything that must not be seen, and the one place that lets it out.

use bytes::Bytes;
use secrecy::{
    ExposeSecret, SecretString,
    zeroize::{Zeroize, Zeroizing},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use std::{cell::Cell, fmt};

/// A password, token, captcha answer or key.
///
/// It has no `Display`, its `Debug` shows nothing, and its memory is wiped when it is dropped.
/// The only way to read it is [`expose`](Secret::expose).
///
/// `Serialize` works only while Keyway writes a request: anywhere else it is an error, so that
/// logging a request type as JSON cannot leak what is in it.
///
/// ```
/// use keyway::Secret;
///
/// let password = Secret::from("hunter2");
/// assert_eq!(format!("{password:?}"), "Secret(***)");
/// assert!(serde_json::to_string(&password).is_err());
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    fn new(secret: SecretString) -> Self {
        #[cfg(feature = "testing")]
        if let Some(witness) = crate::testing::witness::witness() {
            witness.secret(secret.expose_secret());
        }
        Self(secret)
    }

    /// The secret itself. Whoever calls this answers for where it goes next.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Generated code renders parameters with `.to_string()`; an inherent method serves it without a `Display`.
    #[allow(
        clippy::inherent_to_string,
        dead_code,
        reason = "called by generated code, if an operation has a secret parameter"
    )]
    pub(crate) fn to_string(&self) -> String {
        self.expose().to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<String> for Secret {
    fn from(mut secret: String) -> Self {
        if secret.capacity() == secret.len() {
            return Self::new(secret.into());
        }
        // Giving back what is too much may move it, and would leave a copy where it was.
        let exact = Self::from(&*secret);
        secret.zeroize();
        exact
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if WRITING.get() {
            serializer.serialize_str(self.expose())
        } else {
            Err(S::Error::custom("a keyway::Secret is written only into a request that Keyway sends"))
        }
    }
}

thread_local! {
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `write` with secrets serialisable on this thread. `write` cannot await, so nothing else gets in between.
pub(crate) fn writing<T>(write: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WRITING.set(self.0);
        }
    }
    let _restore = Restore(WRITING.replace(true));
    write()
}

/// Bytes that are wiped when the last of those who share them drops them.
pub(crate) fn wiped(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(hunted!)]
    fn a_secret_is_serialised_only_inside_writing() {
        let secret = Secret::from("hunter2");
        assert!(serde_json::to_string(&secret).is_err());
        assert_eq!(writing(|| serde_json::to_string(&secret)).expect("inside"), "\"hunter2\"");
        assert!(serde_json::to_string(&secret).is_err());
    }

    #[apply(hunted!)]
    fn a_panic_while_writing_closes_the_door_again() {
        let panicked = std::panic::catch_unwind(|| writing(|| panic!("while writing")));
        assert!(panicked.is_err());
        assert!(serde_json::to_string(&Secret::from("hunter2")).is_err());
    }
}
