//! How a sign-in that stopped with a question goes on.

use super::{
    Lease, Session,
    dialogue::{Answer, Conversation, Question},
};
use crate::Error;
use std::{fmt, sync::Arc};

/// Continues a sign-in that stopped with a question, from any task, whenever the answer is there.
///
/// The first answer wins; whoever answers later joins the sign-in that the first one continued.
#[derive(Clone)]
pub struct Resume(Arc<Challenge>);

struct Challenge {
    session: Session,
    /// The question's number in its session.
    id: u64,
    question: Question,
    conversation: Conversation,
}

impl Resume {
    pub(super) fn new(session: Session, id: u64, question: Question, conversation: Conversation) -> Self {
        Self(Arc::new(Challenge { session, id, question, conversation }))
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
        let Challenge { session, id, question, conversation } = &*self.0;
        session.resume(*id, conversation.clone().answered(question, answer)?).await
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resume({:?})", self.0.question)
    }
}
