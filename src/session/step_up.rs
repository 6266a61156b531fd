//! A sign-in that an API wants of the person while the session is good (RFC 9470): it is asked beside the session, which goes on
//! meanwhile, and what comes of it takes the session's place.

use super::{
    beside::{PageFailure, PageOutcome, Shown},
    callback::called_back,
    dialogue::{Answer, Conversation, OpenQuestion, OpenReason},
    driver::Engine,
    people::STEP_UP,
    resume::{Parked, Resume},
    session::Session,
};
use crate::{
    error::{Error, ErrorKind},
    question::{SignInPage, StepUp},
    select::{First, first},
    store::Generation,
};
use std::{
    sync::{Arc, PoisonError, Weak},
    thread,
    time::Duration,
};
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
    /// that the API did not find good enough. `false`: nobody was asked, because another session is there by now, which may be.
    ///
    /// Without a responder the page is the error's question, for whoever shows it: each caller has one of their own.
    pub(crate) async fn step_up<P>(&self, wanted: &str, refused: Generation, page: P) -> Result<bool, Error>
    where
        P: Future<Output = Result<SignInPage, Error>> + Send + 'static,
    {
        self.0.is_not_called_back()?;
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        let engine = Arc::downgrade(&self.0);
        loop {
            if self.held().is_some_and(|lease| lease.generation().lineage != refused.lineage) {
                return Ok(false);
            }
            self.may_step_up(wanted)?;
            if !self.0.rules.attended {
                let parked = self.beside(asked(&engine, page).await?, wanted, refused);
                return Err(self.with_way_on(unanswered(parked, OpenReason::Unattended, wanted)));
            }
            let (mut outcome, same) = match self.turn(wanted) {
                Turn::Declined(error) => return Err(error),
                Turn::Wait { outcome, same } => (outcome, same),
                Turn::Show(tell) => {
                    let outcome = tell.subscribe();
                    let showing = Showing { engine, wanted: wanted.to_owned(), refused };
                    runtime.spawn(showing.until_over(page, tell).instrument(self.0.log.span()));
                    return self.came(outcome).await;
                }
            };
            if same {
                return self.came(outcome).await;
            }
            // What comes of it is not this caller's affair, but a session that does may be good enough.
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }

    /// Not while the provider wants to be left alone, and not the same once more at once.
    fn may_step_up(&self, wanted: &str) -> Result<(), Error> {
        let now = self.now();
        let state = self.0.state();
        if !state.core.may_step_up(wanted, now) {
            return Err(Error::step_up_not_enough(wanted));
        }
        state.core.may_ask_for_page(now)
    }

    fn turn(&self, wanted: &str) -> Turn {
        let now = self.now().monotonic;
        let mut slot = self.0.beside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = &*slot {
            let (outcome, same) = (shown.outcome.clone(), shown.wanted == wanted);
            let over = outcome.borrow().clone();
            match over {
                None if outcome.has_changed().is_ok() => return Turn::Wait { outcome, same },
                Some(PageOutcome { came: Err(failure), until }) if same && now < until => {
                    return Turn::Declined(self.with_way_on(failure).local());
                }
                _ => {}
            }
        }
        let (tell, outcome) = watch::channel(None);
        *slot = Some(Shown { wanted: wanted.to_owned(), outcome });
        Turn::Show(tell)
    }

    /// What came of a page that is shown, or was.
    async fn came(&self, mut outcome: watch::Receiver<Option<PageOutcome>>) -> Result<bool, Error> {
        let over = outcome.wait_for(Option::is_some).await.ok().and_then(|over| over.clone());
        match over {
            Some(over) => over.came.map(|()| true).map_err(|failure| self.with_way_on(failure)),
            None => Err(Error::runtime_ended()),
        }
    }

    fn with_way_on(&self, PageFailure { error, parked }: PageFailure) -> Error {
        match parked {
            Some(parked) => error.with_resume(Resume::of(self.clone(), parked)),
            None => error,
        }
    }

    /// The question, which is told of as any other, and has a number.
    fn beside(&self, page: SignInPage, wanted: &str, refused: Generation) -> Parked {
        let lineage = self.held().map_or(refused.lineage, |lease| lease.generation().lineage);
        let page = page.of_step_up(StepUp { lineage, wanted: wanted.to_owned() });
        let question = OpenQuestion::of_page(page, self.now());
        let id = self.0.change(|state, _| {
            state.core.asked_beside(&question);
            state.core.number_question()
        });
        Parked { id, question, conversation: Conversation::default() }
    }
}

/// The page, from the provider. One that wants to be left alone is.
async fn asked<P>(engine: &Weak<Engine>, page: P) -> Result<SignInPage, Error>
where
    P: Future<Output = Result<SignInPage, Error>>,
{
    page.await.inspect_err(|error| {
        if let Some(engine) = engine.upgrade() {
            engine.change(|state, at| state.core.failed_beside(error, at));
        }
    })
}

/// Nobody has been at the page, but can still be.
fn unanswered(parked: Parked, why: OpenReason, wanted: &str) -> PageFailure {
    let error = Error::step_up_required(&parked.question.about, wanted);
    PageFailure { error: why.word(error).advice(parked.question.advice()), parked: Some(parked) }
}

/// A page on its way to a person and back. It does not hold the session: whoever drops the client takes the page down.
struct Showing {
    engine: Weak<Engine>,
    wanted: String,
    refused: Generation,
}

impl Showing {
    async fn until_over<P>(self, page: P, tell: watch::Sender<Option<PageOutcome>>)
    where
        P: Future<Output = Result<SignInPage, Error>>,
    {
        let tell = Tell { engine: self.engine.clone(), tell };
        // Its session has one ear, and all who wait have the others.
        if let First::One(came) = first(self.show(page), tell.tell.closed()).await {
            tell.outcome(came);
        }
    }

    async fn show<P>(&self, page: P) -> Result<(), PageFailure>
    where
        P: Future<Output = Result<SignInPage, Error>>,
    {
        let page = asked(&self.engine, page).await?;
        let (parked, clock, rules, responder) = {
            let session = self.session()?;
            let parked = session.beside(page.clone(), &self.wanted, self.refused);
            let engine = &*session.0;
            (parked, engine.clock.clone(), engine.rules.clone(), engine.outside.responder.clone())
        };
        let Some(responder) = responder else {
            return Err(unanswered(parked, OpenReason::Unattended, &self.wanted));
        };
        let answer = called_back(self.engine.as_ptr().addr(), ".responder(..)", responder.sign_in_page(page));
        let why = match first(answer, clock.sleep(rules.timeouts.person)).await {
            First::One(Some(redirect)) => {
                let resume = Resume::of(self.session()?, parked);
                return resume.answer(Answer::Redirect(redirect)).await.map(drop).map_err(PageFailure::from);
            }
            First::One(None) => OpenReason::Declined,
            First::Other(()) => OpenReason::TooLate,
        };
        #[cfg(feature = "audit")]
        super::audit::answered(&rules, parked.question.kind(), super::audit::By::Person, false);
        Err(unanswered(parked, why, &self.wanted))
    }

    /// Where it is gone, nobody hears the error.
    fn session(&self) -> Result<Session, Error> {
        self.engine.upgrade().map(Session).ok_or_else(Error::nobody_waits)
    }
}

/// Tells what comes of a page, also that its task has panicked.
struct Tell {
    engine: Weak<Engine>,
    tell: watch::Sender<Option<PageOutcome>>,
}

impl Tell {
    fn outcome(&self, came: Result<(), PageFailure>) {
        let Some(engine) = self.engine.upgrade() else { return };
        let declined = came.as_ref().is_err_and(|failure| failure.error.kind() == ErrorKind::Declined);
        let wait = if declined { STEP_UP } else { Duration::ZERO };
        let until = engine.now().monotonic.saturating_add(wait);
        self.tell.send_replace(Some(PageOutcome { came, until }));
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        if thread::panicking()
            && self.tell.borrow().is_none()
            && let Some(engine) = self.engine.upgrade()
        {
            let capabilities = &engine.rules.capabilities;
            self.outcome(Err(Error::panicked(capabilities.surface, capabilities.credential).into()));
        }
    }
}
