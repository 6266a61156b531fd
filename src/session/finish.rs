//! Sign-in pages that were asked in another process.

use super::{
    dialogue::{Answer, Conversation, OpenQuestion},
    lease::Lease,
    session::Session,
};
use crate::{error::Error, question::SignInPage, secret::Secret};

impl Session {
    /// Signs in, as [`sign_in`](Self::sign_in) does, with this redirect, which answers a page that was asked elsewhere. It goes
    /// with the sign-in that it is for, and is left nowhere else.
    pub(crate) async fn finish(&self, page: SignInPage, redirect: Secret) -> Result<Lease, Error> {
        // Before anything is forgotten: a redirect of another sign-in must not undo a sign-out.
        page.accepts(&redirect).map_err(Error::no_answer_to_page)?;
        let question = self.open(OpenQuestion::of_page(page, self.now()), Conversation::default());
        self.forget_failures();
        question.answer(Answer::Redirect(redirect)).await
    }
}
