//! The name of a session in a store.

use crate::digest::Sha256;
use std::fmt;

/// Names one session: surface, address, tenant, principal and grant. A digest of them; no secret goes in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    surface: &'static str,
    digest: String,
}

impl Key {
    /// `parts` are separated so that no two lists of parts make the same key.
    pub(crate) fn new(surface: &'static str, parts: &[(&str, &str)]) -> Self {
        let mut hash = Sha256::new();
        for text in [surface].into_iter().chain(parts.iter().flat_map(|(name, value)| [*name, *value])) {
            hash = hash.with((text.len() as u64).to_be_bytes()).with(text);
        }
        Self { surface, digest: hex(&hash.finish()) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.surface, self.digest)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn keys_differ_when_any_part_differs_and_when_parts_are_split_otherwise() {
        let key = |parts: &[(&str, &str)]| Key::new("vms", parts).to_string();
        let one = key(&[("url", "https://a"), ("login", "b")]);
        assert_eq!(one, key(&[("url", "https://a"), ("login", "b")]));
        assert_ne!(one, key(&[("url", "https://ab"), ("login", "")]));
        assert_ne!(one, key(&[("url", "https://a"), ("login", "c")]));
        assert_ne!(one, Key::new("vitamojo", &[("url", "https://a"), ("login", "b")]).to_string());
    }
}
