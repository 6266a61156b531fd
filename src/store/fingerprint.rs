//! Digests that tell whether a credential is still the same one. They are kept where others may read them, so guessing a
//! password from one is made slow; what stays in this process is compared at once.

use super::{blocking::off_the_workers, key::hex};
use crate::{digest::Sha256, secret::Secret};
use argon2::{Algorithm, Argon2, Params, Version};
use std::{
    collections::HashMap,
    fmt,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

/// Argon2id as OWASP recommends it where memory is short. An attacker needs as much for each guess.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;

/// What a slow digest begins with. Other parameters get another word.
const SLOW: &str = "argon2id-7m5";

/// How many digests are remembered, so that each is computed once. Beyond that the work is done again.
const REMEMBERED: usize = 1024;

/// Which credential a session began with, or which one was refused.
#[derive(Clone)]
#[cfg_attr(test, derive(Eq))]
pub(crate) struct Fingerprint(Of);

#[derive(Clone)]
#[cfg_attr(test, derive(Eq, PartialEq))]
enum Of {
    /// A credential that this process has. A fast digest of it: never written down.
    Ours(Secret),
    /// As a store gave it back.
    Written(String),
}

impl Fingerprint {
    pub(crate) fn of(credential: &Secret) -> Self {
        let hash = Sha256::new().with(b"keyway credential").with(credential.expose());
        Self(Of::Ours(hex(&hash.finish()).into()))
    }

    pub(crate) fn written(text: String) -> Self {
        Self(Of::Written(text))
    }

    /// Whether it is that of `credential`. `lineage` is the one of the record it stands in: layouts before the third salted
    /// with it.
    ///
    /// Slow, once, for a digest that was read from a store: ask [`matches`](Self::matches) on a runtime's thread.
    pub(crate) fn is_of(&self, credential: &Secret, lineage: u64) -> bool {
        let Self(Of::Ours(ours)) = Self::of(credential) else { return false };
        match &self.0 {
            Of::Ours(other) => other.expose() == ours.expose(),
            Of::Written(text) if text.contains('$') => slowly(text, &ours),
            Of::Written(text) => *text == fast(lineage, credential),
        }
    }

    /// [`is_of`](Self::is_of), off the threads that run tasks.
    ///
    /// # Cancel safety
    /// A dropped call may go on in the background, and has no effect but that the next one is fast.
    pub(crate) async fn matches(&self, credential: &Secret, lineage: u64) -> bool {
        if !self.is_slow_for(credential) {
            return self.is_of(credential, lineage);
        }
        let (this, credential) = (self.clone(), credential.clone());
        off_the_workers(move || Ok(this.is_of(&credential, lineage))).await.unwrap_or(false)
    }

    /// Whether comparing it with `credential` takes work that was not done before.
    fn is_slow_for(&self, credential: &Secret) -> bool {
        let (Of::Written(text), Self(Of::Ours(ours))) = (&self.0, Self::of(credential)) else { return false };
        salt_of(text).is_some_and(|salt| remembered(&ours, salt).is_none())
    }

    /// Whether writing it takes work that was not done before.
    #[cfg(any(feature = "postgres", feature = "redis", feature = "sealed", test))]
    pub(super) fn is_slow_to_write(&self) -> bool {
        matches!(&self.0, Of::Ours(ours) if remembered(ours, "").is_none())
    }

    /// As it is kept. Slow, once for each credential.
    pub(super) fn to_text(&self) -> String {
        let ours = match &self.0 {
            Of::Ours(ours) => ours,
            Of::Written(text) => return text.clone(),
        };
        let _alone = alone();
        if let Some(text) = remembered(ours, "") {
            return text;
        }
        let salt = format!("{:016x}", crate::chance::Chance::new().next());
        let text = format!("{SLOW}${salt}${}", slow(ours, &salt));
        remember(ours, "", &text);
        remember(ours, &salt, &text);
        text
    }
}

impl PartialEq for Fingerprint {
    /// Whether both are written the same: two digests of one credential may differ.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Of::Ours(one), Of::Ours(other)) => one.expose() == other.expose(),
            (Of::Written(one), Of::Written(other)) => one == other,
            _ => false,
        }
    }
}

/// For the model, which tells states apart by it.
#[cfg(test)]
impl std::hash::Hash for Fingerprint {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match &self.0 {
            Of::Ours(digest) => digest.expose().hash(state),
            Of::Written(digest) => digest.hash(state),
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(***)")
    }
}

/// The digest that layouts 1 and 2 kept, and that comparisons within this process use.
pub(crate) fn fast(salt: u64, credential: &Secret) -> String {
    let hash = Sha256::new().with(b"keyway seed credential").with(salt.to_be_bytes()).with(credential.expose());
    hex(&hash.finish()[..16])
}

/// The salt of a slow digest of this version's.
fn salt_of(text: &str) -> Option<&str> {
    let salt = text.strip_prefix(SLOW)?.strip_prefix('$')?.split_once('$')?.0;
    (salt.len() == 16).then_some(salt)
}

/// Whether `text` is the slow digest of what this process has.
fn slowly(text: &str, ours: &Secret) -> bool {
    let Some(salt) = salt_of(text) else { return false };
    let _alone = alone();
    let expected = remembered(ours, salt).unwrap_or_else(|| {
        let expected = format!("{SLOW}${salt}${}", slow(ours, salt));
        remember(ours, salt, &expected);
        expected
    });
    if expected == text {
        // Written again as it was read: the processes of a fleet agree on one, and none computes another.
        remember(ours, "", text);
    }
    expected == text
}

/// One at a time: many clients that begin at once would otherwise take seven megabytes each.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn slow(ours: &Secret, salt: &str) -> String {
    let mut digest = [0; 16];
    // Both could fail for lengths that are out of bounds, and these are constants.
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(digest.len())).unwrap_or_default();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    match argon2.hash_password_into(ours.expose().as_bytes(), salt.as_bytes(), &mut digest) {
        Ok(()) => hex(&digest),
        Err(_) => String::new(),
    }
}

/// What has been computed, by a digest that means nothing outside this process.
static KNOWN: LazyLock<(u64, Mutex<HashMap<String, String>>)> =
    LazyLock::new(|| (crate::chance::Chance::new().next(), Mutex::default()));

fn name(ours: &Secret, salt: &str) -> String {
    fast(KNOWN.0, &format!("{salt}${}", ours.expose()).into())
}

fn remembered(ours: &Secret, salt: &str) -> Option<String> {
    KNOWN.1.lock().unwrap_or_else(PoisonError::into_inner).get(&name(ours, salt)).cloned()
}

fn remember(ours: &Secret, salt: &str, text: &str) {
    let mut known = KNOWN.1.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(name(ours, salt), text.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn what_is_written_is_known_again_and_nothing_else_is() {
        let (mine, other) = (Secret::from("123456"), Secret::from("123457"));
        let ours = Fingerprint::of(&mine);
        assert!(ours.is_of(&mine, 1) && !ours.is_of(&other, 1));
        let written = Fingerprint::written(ours.to_text());
        assert!(written.is_of(&mine, 2), "the lineage does not matter");
        assert!(!written.is_of(&other, 2));
        assert_eq!(ours.to_text(), Fingerprint::of(&mine).to_text(), "computed once");
    }

    #[apply(leak_checked!)]
    async fn where_it_must_not_block_it_is_the_same_and_fast_the_second_time() {
        let mine = Secret::from("of a test of its own");
        let text = Fingerprint::of(&mine).to_text();
        // As another process would have written it.
        let salt = "00000000deadbeef";
        let Of::Ours(ours) = Fingerprint::of(&mine).0 else { panic!("ours") };
        let foreign = Fingerprint::written(format!("{SLOW}${salt}${}", slow(&ours, salt)));
        assert!(foreign.is_slow_for(&mine));
        assert!(foreign.matches(&mine, 1).await);
        assert!(!foreign.is_slow_for(&mine) && foreign.matches(&mine, 1).await);
        assert!(!foreign.matches(&Secret::from("an-other-7f3a"), 1).await);
        // And from now on that one is written.
        assert_ne!(Fingerprint::of(&mine).to_text(), text);
        assert_eq!(Fingerprint::of(&mine).to_text(), foreign.to_text());
    }

    #[apply(leak_checked!)]
    fn the_digests_of_earlier_layouts_are_known_again() {
        let mine = Secret::from("hunter2");
        let old = Fingerprint::written(fast(7, &mine));
        assert!(old.is_of(&mine, 7));
        assert!(!old.is_of(&mine, 8) && !old.is_of(&Secret::from("hunter3"), 7));
        assert_ne!(old.to_text(), Fingerprint::of(&mine).to_text());
    }

    #[apply(leak_checked!)]
    fn nothing_that_others_could_have_written_is_taken_for_ours() {
        let mine = Secret::from("hunter2");
        let text = Fingerprint::of(&mine).to_text();
        let digest = text.rsplit('$').next().expect("a digest");
        for wrong in [
            "",
            "$",
            "$$",
            SLOW,
            "argon2id-7m5$",
            "argon2id-7m5$$",
            "argon2id-9m9$0000000000000000$00",
            &format!("{SLOW}$${digest}"),
            &format!("{SLOW}$ü${digest}"),
            &text[..text.len() - 1],
            &format!("{text}$"),
        ] {
            assert!(!Fingerprint::written(wrong.to_owned()).is_of(&mine, 1), "{wrong}");
        }
    }

    #[apply(leak_checked!)]
    fn it_takes_memory_and_passes_and_shows_nothing() {
        let text = Fingerprint::of(&Secret::from("hunter2")).to_text();
        assert!(text.starts_with("argon2id-7m5$"), "{text}");
        assert!(!text.contains(&fast(0, &Secret::from("hunter2"))));
        assert_eq!(format!("{:?}", Fingerprint::written(text)), "Fingerprint(***)");
        const { assert!(MEMORY_KIB * PASSES >= 35 * 1024) };
    }
}
