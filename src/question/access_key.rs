//! A key that the vendor sends to a person.

use crate::secret::Secret;
use std::fmt;

/// A key that the vendor has sent to a person, by mail for instance, and wants to have back.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// if let Err(error) = client.session().lease().await
///     && let (Some(key), Some(resume)) = (error.access_key(), error.resume())
/// {
///     println!("a key was mailed to {}", key.sent_to());
///     let key = "what stands in the mail";
///     resume.answer(Answer::AccessKey(key.into())).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct AccessKey {
    pub(crate) sent_to: String,
    pub(crate) attempt: u32,
    /// What ties the steps of this sign-in together at the vendor.
    pub(crate) thread: Secret,
}

impl AccessKey {
    /// A key that went to this address. `thread` is what the vendor ties the steps of the sign-in together with.
    #[must_use]
    pub fn new(sent_to: impl Into<String>, thread: impl Into<Secret>) -> Self {
        Self { sent_to: sent_to.into(), attempt: 1, thread: thread.into() }
    }

    /// Where the key went.
    #[must_use]
    pub fn sent_to(&self) -> &str {
        &self.sent_to
    }

    /// 1 for the first answer of a sign-in, 2 when the first one was wrong, and so on.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the vendor ties the steps of this sign-in together with.
    #[must_use]
    pub fn thread(&self) -> &Secret {
        &self.thread
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn an_access_key_shows_neither_its_thread_nor_whom_it_went_to() {
        let shown = format!("{:?}", AccessKey::new("shopper@example.org", "thread-secret"));
        assert!(!shown.contains("secret") && !shown.contains("shopper"), "{shown}");
    }
}
