//! How a sign-in that stopped with a question goes on.

use super::{
    dialogue::{Answer, Conversation, OpenQuestion},
    lease::Lease,
};
#[cfg(feature = "sealed")]
use crate::secret::Secret;
use crate::{
    BoxFuture,
    error::{Continuation, Error},
};
use std::{any::Any, fmt, sync::Arc};

/// Continues a sign-in that stopped with a question, from any task, whenever the answer is there.
///
/// The first answer wins; a later answer joins the sign-in that the first one continued.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// let Err(error) = client.session().lease().await else { return Ok(()) };
/// let resume = error.resume().ok_or(error)?;
/// // Another task, such as the handler of a form, has the answer.
/// tokio::spawn(async move { resume.answer(Answer::Captcha("xk7q".into())).await });
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Resume(Arc<ResumeParts>);

/// The session that a question was asked for.
pub(super) trait Resumable: Send + Sync {
    /// A question of this session as a ticket's text, and what the ticket is bound to.
    #[cfg(feature = "sealed")]
    fn written(&self, question: &OpenQuestion, said: &Conversation) -> Result<(Secret, String), Error>;

    /// For the audit.
    #[cfg(feature = "audit")]
    fn answered(&self, kind: crate::ErrorKind);

    /// Goes on with the sign-in that stopped with the question of this number.
    fn resume(&self, id: u64, conversation: Conversation) -> BoxFuture<'_, Result<Lease, Error>>;
}

struct ResumeParts {
    session: Box<dyn Resumable>,
    /// The question's number in its session.
    id: u64,
    question: OpenQuestion,
    conversation: Conversation,
}

/// What a [`Resume`] goes on with, without its session.
#[cfg(feature = "oauth2")]
#[derive(Clone)]
pub(super) struct Parked {
    /// The question's number in its session.
    pub(super) id: u64,
    pub(super) question: OpenQuestion,
    pub(super) conversation: Conversation,
}

impl Resume {
    pub(super) fn new(
        session: impl Resumable + 'static,
        id: u64,
        question: OpenQuestion,
        conversation: Conversation,
    ) -> Self {
        Self(Arc::new(ResumeParts { session: Box::new(session), id, question, conversation }))
    }

    #[cfg(feature = "oauth2")]
    pub(super) fn of(session: impl Resumable + 'static, Parked { id, question, conversation }: Parked) -> Self {
        Self::new(session, id, question, conversation)
    }

    #[cfg(feature = "sealed")]
    pub(super) fn written(&self) -> Result<(Secret, String), Error> {
        self.0.session.written(&self.0.question, &self.0.conversation)
    }

    /// Hands in the answer and waits for the session that comes of it.
    ///
    /// # Errors
    /// `ErrorKind::Config` when the answer does not fit the question; else whatever the sign-in ends with: a wrong
    /// captcha comes back as `ErrorKind::CaptchaRequired` with a new picture.
    ///
    /// # Cancel safety
    /// Once polled, the sign-in goes on even if this future is dropped.
    pub async fn answer(&self, answer: Answer) -> Result<Lease, Error> {
        let ResumeParts { session, id, question, conversation } = &*self.0;
        let said = conversation.clone().answered(question, answer)?;
        #[cfg(feature = "audit")]
        session.answered(question.kind());
        session.resume(*id, said).await
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ResumeParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resume({:?})", self.question)
    }
}

impl Continuation for ResumeParts {}

/// An error carries what goes on as something that it knows nothing about.
impl Error {
    /// The handle that continues the interrupted sign-in once the answer is known.
    #[must_use]
    pub fn resume(&self) -> Option<Resume> {
        let continuation: Arc<dyn Any + Send + Sync> = self.continuation()?;
        continuation.downcast().ok().map(Resume)
    }

    /// This error without the session that it can be gone on with, for that session to keep.
    #[cfg(feature = "oauth2")]
    pub(super) fn parked(self) -> (Self, Option<Parked>) {
        let parked = self.resume().map(|resume| {
            let ResumeParts { id, question, conversation, .. } = &*resume.0;
            Parked { id: *id, question: question.clone(), conversation: conversation.clone() }
        });
        (self.without_continuation(), parked)
    }

    pub(super) fn with_resume(self, resume: Resume) -> Self {
        self.with_continuation(resume.0)
    }
}
