//! A second factor that the vendor wants before it signs in.

use crate::secret::Secret;
use std::fmt;

/// A second factor: the code that an app shows, or that the vendor has sent in a message.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// if let Err(error) = client.session().lease().await
///     && let (Some(factor), Some(resume)) = (error.second_factor(), error.resume())
/// {
///     println!("the code, please (try {})", factor.attempt());
///     let code = "123456";
///     resume.answer(Answer::SecondFactor(code.into())).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct SecondFactor {
    pub(crate) attempt: u32,
    /// What ties the steps of this sign-in together at the vendor.
    pub(crate) thread: Secret,
}

impl SecondFactor {
    /// A code is wanted. `thread` is what the vendor ties the steps of the sign-in together with.
    #[must_use]
    pub fn new(thread: impl Into<Secret>) -> Self {
        Self { attempt: 1, thread: thread.into() }
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

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
