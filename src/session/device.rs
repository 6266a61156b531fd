//! Waiting until a person has let this device in (RFC 8628).

use super::{
    Attempt,
    flight::{Asked, First, Pilot, Why, first},
    interact::{About, Conversation, Question},
};
use crate::{
    Error, ErrorKind,
    surfaces::{Issued, Polled},
};
use std::{pin::pin, time::Duration};

/// What a vendor that is asked too often adds to the interval, for good (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// However often the network fails, the vendor is asked at least this often.
const SLOWEST: Duration = Duration::from_secs(60);

impl Pilot {
    /// Shows the code and asks the vendor meanwhile: whoever shows it may take as long as the person does.
    pub(super) async fn show(
        &self,
        question: &Question,
        shown: impl Future<Output = Option<()>> + Send,
    ) -> Result<Asked, Error> {
        let mut decided = pin!(self.poll_until_decided(question));
        match first(decided.as_mut(), shown).await {
            First::One(outcome) => outcome.map(Asked::Granted),
            First::Other(Some(())) => decided.await.map(Asked::Granted),
            First::Other(None) => Ok(Asked::Nobody(Why::Declined)),
        }
    }

    /// Asks at the vendor's pace until the person has decided, the code has ended, or nobody waits any more.
    pub(super) async fn poll_until_decided(&self, question: &Question) -> Result<Issued, Error> {
        let (engine, flight) = (&self.engine, &self.flight);
        let (About::Device(device), Some(ends)) = (&question.about, question.ends()) else {
            return Err(Error::protocol("a device code vanished"));
        };
        let attempt = Attempt::new(engine.clone(), flight.clone(), Conversation::default());
        let mut interval = device.interval;
        loop {
            let left = ends.saturating_sub(engine.now().monotonic);
            flight.be_patient(engine.now(), left.saturating_add(engine.timeouts.flight));
            engine.clock.sleep(interval.min(left)).await;
            if engine.now().monotonic >= ends {
                return Err(Error::device_code_ended());
            }
            if !flight.is_awaited() {
                return Err(Error::nobody_waits());
            }
            // Signed out, or overtaken: whoever comes for the session now is not us.
            engine.state().check(flight)?;
            match engine.issuer.poll(&attempt, device).await {
                Ok(Polled::Issued(issued)) => {
                    engine.telemetry.signed_in(flight.reason, None);
                    return Ok(issued);
                }
                Ok(Polled::Pending) => {}
                Ok(Polled::SlowDown) => interval = interval.saturating_add(SLOWER),
                Err(error) if error.is_temporary() && !error.is_local() => interval = slower(interval, &error),
                Err(error) => {
                    engine.telemetry.signed_in(flight.reason, Some(&error));
                    return Err(error);
                }
            }
        }
    }
}

/// A lost answer doubles the interval (RFC 8628, 3.5), and a vendor that says how long to wait is believed.
fn slower(interval: Duration, error: &Error) -> Duration {
    interval.saturating_mul(2).min(SLOWEST.max(interval)).max(error.retry_after().unwrap_or_default())
}

impl Error {
    fn device_code_ended() -> Self {
        Self::new(ErrorKind::Declined, "nobody entered the device code while it was good")
            .advice("the next call asks for a new one")
    }

    /// Local and no failure of the vendor's: it does not cool down.
    fn nobody_waits() -> Self {
        Self::config("nobody waits for the device code any more").advice("answer the question again to go on")
    }
}
