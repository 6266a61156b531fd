//! Questions that are answered in another process.

use super::{dialogue::ticket, resume::Resume, session::Session};
use crate::{error::Error, secret::Secret, store::SealingKeys};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// What a ticket begins with; another layout gets another word.
const LAYOUT: &str = "keyway1";

impl Resume {
    /// This question as a text that [`Session::resume_ticket`] goes on with, in this process or another one (feature `sealed`):
    /// for a service that keeps nothing between two requests of a browser. It is sealed with a key of yours, because it holds
    /// what the vendor knows the sign-in by; a browser that carries it can neither read nor change it.
    ///
    /// A captcha's picture is not in it, nor what a [`SessionLimit`](crate::SessionLimit) tells of each session besides its id:
    /// they have been shown. A ticket is good for a day at most, for a client of the same address, tenant and credential.
    /// It can be answered more than once, and each time costs what a wrong answer costs.
    ///
    /// ```no_run
    /// # async fn example(client: keyway::custom::Client, key: keyway::SealingKey, posted: (String, String)) -> Result<(), keyway::Error> {
    /// use keyway::{Answer, SealingKeys};
    ///
    /// let keys = SealingKeys::new(key);
    /// // The first request: the page shows the picture, and has the ticket in a hidden field.
    /// let Err(question) = client.session().lease().await else { return Ok(()) };
    /// let ticket = question.resume().map(|resume| resume.to_ticket(&keys)).transpose()?;
    /// // The second one, wherever it is served.
    /// let (ticket, captcha) = posted;
    /// client.session().resume_ticket(&ticket, &keys)?.answer(Answer::Captcha(captcha.into())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ErrorKind::Config` for a device code that is being shown: that sign-in goes on where it is shown.
    pub fn to_ticket(&self, keys: &SealingKeys) -> Result<String, Error> {
        let (text, about) = self.written()?;
        let key = keys.sealing();
        let sealed = key.seal(&bound(&about, key.id()), &text).map_err(|error| Error::config(error.to_string()))?;
        Ok(format!("{LAYOUT}.{}.{}", key.id(), URL_SAFE_NO_PAD.encode(sealed)))
    }
}

impl Session {
    /// Goes on with the question that [`Resume::to_ticket`] made this ticket of.
    ///
    /// # Errors
    /// `ErrorKind::Validation` if it is no ticket, was changed, is older than a day, belongs to another session, or is sealed
    /// with a key that is not among these; nothing is sent.
    pub fn resume_ticket(&self, ticket: &str, keys: &SealingKeys) -> Result<Resume, Error> {
        let mut parts = ticket.trim().splitn(3, '.');
        let (layout, id, sealed) = (parts.next(), parts.next(), parts.next());
        let (Some(LAYOUT), Some(id), Some(sealed)) = (layout, id, sealed) else {
            return Err(Error::refused_field("ticket", "is none"));
        };
        let is_id = id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        let Some(key) = keys.named(id) else {
            let id = if is_id { id } else { "that has no name" };
            return Err(Error::refused_field(
                "ticket",
                &format!("is sealed with the key {id}, which is not among these"),
            ));
        };
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok();
        let text: Option<Secret> = sealed.and_then(|sealed| key.open(&bound(&self.key(), id), &sealed));
        let text = text.ok_or_else(|| Error::refused_field("ticket", "was changed, or belongs to another session"))?;
        let (question, said) = ticket::read(&text, self.now())
            .ok_or_else(|| Error::refused_field("ticket", "is older than a day, or of another version"))?;
        Ok(self.open(question, said))
    }
}

/// What a ticket is bound to.
fn bound(session: &str, id: &str) -> String {
    format!("keyway ticket\n{session}\n{id}")
}
