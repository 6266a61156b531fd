//! Sending again: once after a 401 with a new token, and a few times after a failure that may pass.

use super::{Core, answer::retry_after, facts::Facts};
use crate::{Error, Generation};
use reqwest::{Request, Response, StatusCode};
use std::time::Duration;

impl Core {
    /// After a 401: that token is rejected, and the copy of the request comes back with a new one. `None` when the 401
    /// is the answer: no session was on the request, its body cannot be sent twice, or a new token would not help.
    pub(super) async fn replayable(
        &self,
        response: &Response,
        token: Option<Generation>,
        again: Option<Request>,
        facts: Option<&Facts>,
    ) -> Result<Option<Request>, Error> {
        let (StatusCode::UNAUTHORIZED, Some(token)) = (response.status(), token) else { return Ok(None) };
        let worth_it = self.0.session.reject(token);
        let Some(mut again) = again.filter(|_| worth_it) else { return Ok(None) };
        // The tenant stays: it may have been chosen for this call.
        again.headers_mut().remove(self.0.session.header());
        Ok(self.authorize(&mut again, facts).await?.map(|_| again))
    }

    /// Sends, and sends a copy of `spare` again where that may be. A wait that would end after `until` (monotonic) is not
    /// begun.
    pub(super) async fn send(
        &self,
        mut request: Request,
        spare: Option<&Request>,
        facts: Option<&Facts>,
        until: Option<Duration>,
    ) -> Result<Response, Error> {
        let may_resend = facts.is_some_and(|facts| facts.resend);
        let mut number = 1;
        loop {
            self.hurry(&mut request, until);
            let outcome = self.0.client.execute(request).await;
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
            let again = wait.and_then(|wait| Some((wait, copy(spare?)?)));
            let Some((wait, copy)) = again else { return outcome.map_err(Error::from) };
            self.0.clock.sleep(wait).await;
            request = copy;
        }
    }
}

/// A copy of a request; `None` if its body cannot be sent twice. Every call makes one. Most have no body, and reqwest's own
/// copy makes room in each of them for a timeout that they do not have either, at twice the price of the rest.
pub(super) fn copy(request: &Request) -> Option<Request> {
    if request.body().is_some() {
        return request.try_clone();
    }
    let mut copy = Request::new(request.method().clone(), request.url().clone());
    *copy.headers_mut() = request.headers().clone();
    *copy.version_mut() = request.version();
    if let Some(timeout) = request.timeout() {
        *copy.timeout_mut() = Some(*timeout);
    }
    Some(copy)
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}
