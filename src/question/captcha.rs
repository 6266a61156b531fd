//! A picture with a text that a person has to read.

use crate::secret::Secret;
use std::{fmt, sync::Arc, time::Duration};

/// A captcha the vendor wants answered before it signs anybody in.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// if let Err(error) = client.session().lease().await
///     && let (Some(captcha), Some(resume)) = (error.captcha(), error.resume())
/// {
///     println!("a picture of {} bytes, {}", captcha.image().len(), captcha.media_type());
///     let text = "what a person reads in it";
///     resume.answer(Answer::Captcha(text.into())).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct Captcha {
    pub(crate) image: Arc<[u8]>,
    pub(crate) media_type: String,
    pub(crate) expires_in: Duration,
    pub(crate) attempt: u32,
    pub(crate) key: Secret,
}

impl Captcha {
    /// A picture of this media type. `key` names it to the vendor and goes back with the answer.
    #[must_use]
    pub fn new(image: impl Into<Vec<u8>>, media_type: impl Into<String>, key: impl Into<Secret>) -> Self {
        Self {
            image: image.into().into(),
            media_type: media_type.into(),
            expires_in: Duration::from_secs(60),
            attempt: 1,
            key: key.into(),
        }
    }

    /// How long the vendor accepts an answer. Default: a minute.
    #[must_use]
    pub fn valid_for(self, expires_in: Duration) -> Self {
        Self { expires_in, ..self }
    }

    /// The picture's bytes.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The picture's media type, such as `image/png`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// How long the vendor accepts an answer, counted from when the picture was fetched.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// 1 for the first captcha of a sign-in, 2 when the first answer was wrong, and so on.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Debug for Captcha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captcha")
            .field("media_type", &self.media_type)
            .field("bytes", &self.image.len())
            .field("expires_in", &self.expires_in)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_captcha_shows_no_key() {
        let shown = format!("{:?}", Captcha::new(*b"png", "image/png", "key-secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
