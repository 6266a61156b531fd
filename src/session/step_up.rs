//! A sign-in that an API wants of the person while the session is good (RFC 9470): it is asked beside the session, which goes on
//! meanwhile, and what comes of it takes the session's place.

use super::{
    beside::{PageOutcome, Shown},
    dialogue::{Ask, Conversation, OpenQuestion, OpenReason},
    operation::Event,
    people::STEP_UP,
    resume::Resume,
    session::Session,
};
use crate::{
    error::{Error, ErrorKind},
    question::{SignInPage, StepUp},
    select::{First, first},
    store::Generation,
};
use std::{sync::PoisonError, thread, time::Duration};
use tokio::{runtime::Handle, sync::watch};
use tracing::Instrument;

/// What a caller does for whom a page is to be shown.
enum Turn {
    /// Show it, and tell what comes of it.
    Show(watch::Sender<Option<PageOutcome>>),
    /// It is shown; or another one is, and there is one page at a time.
    Wait { outcome: watch::Receiver<Option<PageOutcome>>, same: bool },
    /// The person has declined a moment ago.
    Declined(Error),
}

impl Session {
    /// Has a person sign in as an API wants it, at this page. One page is shown for all who want the same. `refused`: the token
    /// that the API did not find good enough.
    ///
    /// Without a responder the page is the error's question, for whoever shows it: each caller has one of their own.
    pub(crate) async fn step_up<P>(&self, wanted: &str, refused: Generation, page: P) -> Result<(), Error>
    where
        P: Future<Output = Result<SignInPage, Error>> + Send + 'static,
    {
        self.0.is_not_called_back()?;
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        if !self.0.state().core.may_step_up(wanted, self.now()) {
            return Err(Error::step_up_not_enough(wanted));
        }
        if !self.0.rules.attended {
            let (question, resume) = self.beside(page.await?, wanted, refused);
            let error = Error::step_up_required(&question.about, wanted);
            return Err(error.advice(question.advice()).with_resume(resume));
        }
        loop {
            let (mut outcome, same) = match self.turn(wanted) {
                Turn::Declined(error) => return Err(error.local()),
                Turn::Wait { outcome, same } => (outcome, same),
                Turn::Show(tell) => {
                    let outcome = tell.subscribe();
                    let (session, wanted, tell) =
                        (self.clone(), wanted.to_owned(), Tell { session: self.clone(), tell });
                    let shown = async move { tell.outcome(session.show(page, &wanted, refused).await) };
                    runtime.spawn(shown.instrument(self.0.log.span()));
                    return came(outcome).await;
                }
            };
            if same {
                return came(outcome).await;
            }
            // What comes of it is not this caller's affair.
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }

    fn turn(&self, wanted: &str) -> Turn {
        let now = self.now().monotonic;
        let mut slot = self.0.beside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = &*slot {
            let (outcome, same) = (shown.outcome.clone(), shown.wanted == wanted);
            let over = outcome.borrow().clone();
            match over {
                None if outcome.has_changed().is_ok() => return Turn::Wait { outcome, same },
                Some(PageOutcome { came: Err(error), until }) if same && now < until => return Turn::Declined(error),
                _ => {}
            }
        }
        let (tell, outcome) = watch::channel(None);
        *slot = Some(Shown { wanted: wanted.to_owned(), outcome });
        Turn::Show(tell)
    }

    async fn show<P>(&self, page: P, wanted: &str, refused: Generation) -> Result<(), Error>
    where
        P: Future<Output = Result<SignInPage, Error>>,
    {
        let (question, resume) = self.beside(page.await?, wanted, refused);
        let ask = Ask { question: question.clone(), policy: false };
        let answer = self.0.calling_back(".responder(..)", self.0.outside.person(ask));
        let why = match first(answer, self.0.clock.sleep(self.0.rules.timeouts.person)).await {
            First::One(Event::Answered(Some(answer))) => return resume.answer(answer).await.map(drop),
            First::One(_) => OpenReason::Declined,
            First::Other(()) => OpenReason::TooLate,
        };
        #[cfg(feature = "audit")]
        super::audit::answered(&self.0.rules, question.kind(), super::audit::By::Person, false);
        let error = Error::step_up_required(&question.about, wanted);
        Err(why.word(error).advice(question.advice()).with_resume(resume))
    }

    /// The question, which is told of as any other, and how it goes on.
    fn beside(&self, page: SignInPage, wanted: &str, refused: Generation) -> (OpenQuestion, Resume) {
        let lineage = self.held().map_or(refused.lineage, |lease| lease.generation().lineage);
        let page = page.of_step_up(StepUp { lineage, wanted: wanted.to_owned() });
        let question = OpenQuestion::of_page(page, self.now());
        self.0.change(|state, _| state.core.asked_beside(&question));
        (question.clone(), self.open(question, Conversation::default()))
    }
}

/// What came of a page that is shown, or was.
async fn came(mut outcome: watch::Receiver<Option<PageOutcome>>) -> Result<(), Error> {
    let over = outcome.wait_for(Option::is_some).await.ok().and_then(|over| over.clone());
    over.map_or_else(|| Err(Error::runtime_ended()), |over| over.came)
}

/// Tells what comes of a page, also that its task has panicked.
struct Tell {
    session: Session,
    tell: watch::Sender<Option<PageOutcome>>,
}

impl Tell {
    fn outcome(&self, came: Result<(), Error>) {
        let declined = came.as_ref().is_err_and(|error| error.kind() == ErrorKind::Declined);
        let wait = if declined { STEP_UP } else { Duration::ZERO };
        let until = self.session.now().monotonic.saturating_add(wait);
        self.tell.send_replace(Some(PageOutcome { came, until }));
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        if thread::panicking() && self.tell.borrow().is_none() {
            let capabilities = &self.session.0.rules.capabilities;
            self.outcome(Err(Error::panicked(capabilities.surface, capabilities.credential)));
        }
    }
}
