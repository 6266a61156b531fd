//! Sending again: once after a 401 with a new token, and a few times after a failure that may pass.

#[cfg(feature = "oauth2")]
use super::step_up::StepUpChallenge;
use super::{
    core::Core,
    facts::Facts,
    origins::is_plain_loopback,
    retryable::{RetryableRequest, may_pass},
    told_times::retry_after,
};
use crate::{Error, Generation};
use http::HeaderMap;
use reqwest::{Request, Response, StatusCode};
use std::time::Duration;
use url::Url;

/// What an answer says of the session, whichever client has sent the request.
#[derive(Clone, Copy)]
pub(super) struct Answered<'a> {
    status: StatusCode,
    #[cfg(feature = "oauth2")]
    headers: &'a HeaderMap,
    /// Where the request went.
    address: &'a Url,
    /// It is the proof alone that is refused.
    pub(super) lacks_proof: bool,
}

/// What may still be done once for a call that carries this token.
pub(super) struct Replays {
    /// The one that it was sent with last.
    token: Option<Generation>,
    /// Send it again with another proof.
    proof: bool,
    /// Send it again with another token.
    renewal: bool,
    /// Have the person sign in once more.
    #[cfg(feature = "oauth2")]
    step_up: bool,
}

impl Replays {
    pub(super) fn of(token: Option<Generation>) -> Self {
        Self {
            token,
            proof: true,
            renewal: true,
            #[cfg(feature = "oauth2")]
            step_up: true,
        }
    }
}

impl Core {
    /// What is left to do with what came of the first try: waits and further tries, and one replay after a 401. Few calls
    /// come here.
    pub(super) async fn tried(
        &self,
        outcome: reqwest::Result<Response>,
        token: Option<Generation>,
        mut retryable: Option<RetryableRequest>,
        facts: Option<&Facts>,
        until: Option<Duration>,
    ) -> Result<Response, Error> {
        let mut replays = Replays::of(token);
        let mut response = self.retried(outcome, retryable.as_ref(), facts, until, token.is_some()).await?;
        loop {
            let answer = self.answered(response.status(), response.headers(), response.url());
            let again = self.replayable(&mut replays, answer, retryable.as_ref(), facts).await?;
            let Some(again) = again else { return Ok(response) };
            retryable = RetryableRequest::of(&again);
            let outcome = self.execute(again, until).await;
            response = self.retried(outcome, retryable.as_ref(), facts, until, token.is_some()).await?;
            self.note_success(&response, token, facts);
        }
    }

    /// After a 401: that token is rejected, and the request comes back with a new one, for the same address; or with the
    /// same one, where it was only the proof that lacked something. `None` when the 401 is the answer: no session was on the
    /// request, its body cannot be sent twice, a new token would not help, or all of that was done before.
    pub(super) async fn replayable(
        &self,
        replays: &mut Replays,
        answer: Answered<'_>,
        retryable: Option<&RetryableRequest>,
        facts: Option<&Facts>,
    ) -> Result<Option<Request>, Error> {
        let Some(token) = replays.token else { return Ok(None) };
        if answer.lacks_proof {
            // That says nothing about the token.
            let again = retryable.filter(|_| std::mem::take(&mut replays.proof));
            let again = again.and_then(|retryable| retryable.request(answer.address));
            return again.map(|mut again| self.prove(&mut again).map(|()| again)).transpose();
        }
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        #[cfg(feature = "oauth2")]
        if let Some(wanted) = self.wants_step_up(answer) {
            if !self.stepped_up(replays, token, wanted).await.map_err(of_unauthorized)? {
                return Ok(None);
            }
            return self.with_new_token(replays, answer, retryable, facts).await;
        }
        if !std::mem::take(&mut replays.renewal) {
            return Ok(None);
        }
        match self.0.session.reject(token, endpoint(facts, answer.address)) {
            true => self.with_new_token(replays, answer, retryable, facts).await,
            false => Ok(None),
        }
    }

    /// The request once more, with the token of the moment.
    async fn with_new_token(
        &self,
        replays: &mut Replays,
        answer: Answered<'_>,
        retryable: Option<&RetryableRequest>,
        facts: Option<&Facts>,
    ) -> Result<Option<Request>, Error> {
        let again = retryable.and_then(|retryable| retryable.request(answer.address));
        let Some(mut again) = again else { return Ok(None) };
        // The tenant stays: it may have been chosen for this call.
        again.headers_mut().remove(self.0.session.header());
        replays.token = self.authorize(&mut again, facts).await?;
        Ok(replays.token.map(|_| again))
    }

    /// How the API wants the person to have signed in, if that is why it refuses the call. Says nothing against the token.
    #[cfg(feature = "oauth2")]
    fn wants_step_up(&self, answer: Answered<'_>) -> Option<StepUpChallenge> {
        self.0.step_up.as_ref().and_then(|_| StepUpChallenge::of(answer.headers))
    }

    /// Whether another token may be good enough: one that is there already, or one that a person who was asked has signed in for.
    #[cfg(feature = "oauth2")]
    async fn stepped_up(
        &self,
        replays: &mut Replays,
        refused: Generation,
        wanted: StepUpChallenge,
    ) -> Result<bool, Error> {
        let is_newer = self.0.session.held().is_some_and(|lease| lease.generation() != refused);
        if is_newer && std::mem::take(&mut replays.renewal) {
            return Ok(true);
        }
        if !std::mem::take(&mut replays.step_up) {
            return Err(Error::step_up_not_enough(&wanted.to_string()));
        }
        // Another sign-in may be good enough; if it is not, this call has yet to ask.
        replays.step_up = !self.step_up(wanted, refused).await?;
        Ok(true)
    }

    /// What an answer says of the session. Takes note of what it says about proofs.
    pub(super) fn answered<'a>(&self, status: StatusCode, headers: &'a HeaderMap, address: &'a Url) -> Answered<'a> {
        let prover = self.0.prover.as_ref();
        let lacks_proof = prover.is_some_and(|prover| prover.heard(address, status, headers));
        Answered {
            status,
            #[cfg(feature = "oauth2")]
            headers,
            address,
            lacks_proof,
        }
    }

    /// Sends `retryable` again where that may be, after a first try with this outcome. A wait that would end after `until`
    /// (monotonic) is not begun. `carries`: the session is on it.
    pub(super) async fn retried(
        &self,
        mut outcome: reqwest::Result<Response>,
        retryable: Option<&RetryableRequest>,
        facts: Option<&Facts>,
        until: Option<Duration>,
        carries: bool,
    ) -> Result<Response, Error> {
        let may_resend = facts.is_some_and(|facts| facts.resend);
        let mut number = 1;
        loop {
            number += 1;
            let wait = match &outcome {
                Ok(response) if may_resend && may_pass(response.status()) => {
                    self.0.retry.wait_before(number, retry_after(response.headers(), self.0.clock.wall()))
                }
                Err(error) if error.is_connect() || (may_resend && !error.is_builder()) => {
                    self.0.retry.wait_before(number, None)
                }
                _ => None,
            };
            let wait = wait.filter(|wait| until.is_none_or(|until| *wait < self.left(until)));
            let again = wait.and_then(|wait| Some((wait, retryable?.request(address(&outcome)?)?)));
            let Some((wait, mut again)) = again else { return outcome.map_err(Error::from) };
            self.0.clock.sleep(wait).await;
            if carries {
                self.prove(&mut again)?;
            }
            outcome = self.execute(again, until).await;
        }
    }

    /// An endpoint that takes the session tells later, with a 401, of the session's end.
    #[inline]
    pub(super) fn note_success(&self, response: &Response, token: Option<Generation>, facts: Option<&Facts>) {
        if token.is_some() && response.status().is_success() {
            self.answered(response.status(), response.headers(), response.url());
            self.0.session.worked(endpoint(facts, response.url()));
        }
    }

    /// The same for an answer that another client has got.
    #[cfg(feature = "tower")]
    pub(super) fn note_taken(&self, answer: Answered<'_>, token: Option<Generation>) {
        if token.is_some() && answer.status.is_success() {
            self.0.session.worked(endpoint(None, answer.address));
        }
    }

    /// Sends once, in what is left of the time.
    pub(super) fn execute(
        &self,
        mut request: Request,
        until: Option<Duration>,
    ) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.apply_deadline(&mut request, until);
        self.client_for(request.url()).execute(request)
    }

    fn client_for(&self, url: &Url) -> &reqwest::Client {
        self.0.direct.as_ref().filter(|_| is_plain_loopback(url)).unwrap_or(&self.0.client)
    }
}

#[cfg(feature = "oauth2")]
impl Core {
    /// Has the person sign in as this is wanted. `refused`: the token with which it was not found good enough. That token is good for
    /// everything else, and goes on being lent until there is another one. `false`: nobody was asked, because there is one already.
    pub(crate) async fn step_up(&self, wanted: StepUpChallenge, refused: Generation) -> Result<bool, Error> {
        let Some(pages) = self.0.step_up.clone() else { return Ok(true) };
        let words = wanted.to_string();
        let page = async move { pages.page(wanted).await };
        self.0.session.step_up(&words, refused, page).await
    }
}

/// The answer was a 401, whatever else was to say.
#[cfg(feature = "oauth2")]
fn of_unauthorized(error: Error) -> Error {
    if error.status().is_none() { error.with_status(StatusCode::UNAUTHORIZED.as_u16()) } else { error }
}

/// What tells one endpoint from another: the operation, or the path of a free call.
#[inline]
fn endpoint(facts: Option<&Facts>, address: &Url) -> u64 {
    match facts {
        Some(facts) => facts.operation.as_ptr().addr() as u64,
        // FNV-1a: a few instructions a byte, and good enough to tell a handful of paths apart.
        None => address
            .path()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
    }
}

fn address(outcome: &reqwest::Result<Response>) -> Option<&Url> {
    outcome.as_ref().map_or_else(reqwest::Error::url, |response| Some(response.url()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[apply(leak_checked!)]
    fn ten_thousand_paths_have_a_number_each() {
        let numbers = (0..10_000).map(|n| {
            let address = Url::parse(&format!("https://vendor.example/orders/{n}/lines")).expect("an address");
            endpoint(None, &address)
        });
        assert_eq!(numbers.collect::<HashSet<_>>().len(), 10_000);
    }
}
