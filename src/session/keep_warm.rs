//! Keeps a session's token good while there are no calls: so that the first call after a quiet night waits for nothing.

use super::{capabilities::Renewal, driver::Engine, session::Session, warm::Warm};
use crate::{
    clock::Clock,
    error::Error,
    select::{First, first},
};
use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::runtime::Handle;

/// The longest and the shortest wait before a renewal that failed is looked at again. The session's own wait after a failure
/// decides when the vendor is asked.
const LONGEST: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);

/// What the task does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WarmUp {
    Renew {
        again: Duration,
    },
    Wait(Duration),
    /// Until something happens.
    Rest,
}

impl Session {
    /// Keeps the token of this session good while there are no calls, from now on until the last client of the session is gone
    /// (feature `keep-warm`): it is renewed in its early window, as if a caller wanted it then. One task does so, however often
    /// this is called.
    ///
    /// It begins no session, and troubles no person: what takes one waits for a caller, as does a session that was signed out
    /// or that no caller has begun. After a failure it keeps to the same waits as calls do. Where tokens are not renewed, another
    /// session begins when the old one has ended, if that takes neither a person nor another account. Whether an idle session
    /// is worth a renewal every few minutes is yours to say.
    ///
    /// ```no_run
    /// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
    /// client.session().lease().await?;
    /// client.session().keep_warm()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ErrorKind::Config` outside a Tokio runtime. The task ends with its runtime; then it may be called again.
    #[doc(alias("background refresh"))]
    pub fn keep_warm(&self) -> Result<(), Error> {
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        let warm = self.0.warm.clone();
        if warm.begin() {
            let keeper = Keeper { engine: Arc::downgrade(&self.0), warm, clock: self.0.clock.clone() };
            runtime.spawn(keep(keeper));
        }
        Ok(())
    }

    fn step(&self) -> WarmUp {
        let capabilities = &self.0.rules.capabilities;
        let now = self.now();
        let state = self.0.state();
        let Some(token) = state.core.current.as_ref().filter(|_| !state.core.signed_out) else { return WarmUp::Rest };
        let left = token.deadlines.left(now);
        let renews = matches!(capabilities.renewal, Renewal::SignIn | Renewal::RefreshToken { .. });
        match () {
            () if token.deadlines.is_fresh(now) => WarmUp::Wait(token.deadlines.fresh_for(now)),
            () if !left.is_zero() && !renews => WarmUp::Wait(left),
            () if (left.is_zero() || state.core.rejected) && !capabilities.signs_in_quietly() => WarmUp::Rest,
            () => WarmUp::Renew { again: (left / 8).clamp(SHORTEST, LONGEST) },
        }
    }
}

/// Holds no session: when the last client is gone, it ends.
struct Keeper {
    engine: Weak<Engine>,
    warm: Arc<Warm>,
    clock: Arc<dyn Clock>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.warm.end();
    }
}

async fn keep(keeper: Keeper) {
    while let Some(session) = keeper.engine.upgrade().map(Session) {
        let step = session.step();
        let renews = matches!(step, WarmUp::Renew { .. });
        let pause = match step {
            WarmUp::Rest => None,
            WarmUp::Wait(pause) => Some(pause),
            WarmUp::Renew { again } => match session.lease().await {
                Ok(_) => Some(again),
                // What only a person, or a user who changes something, can mend is not asked for again.
                Err(error) if !error.is_temporary() && !error.is_local() => None,
                Err(error) => Some(error.retry_after().unwrap_or(LONGEST).max(SHORTEST)),
            },
        };
        drop(session);
        match pause {
            Some(pause) => {
                let mut slept = pin!(keeper.clock.sleep(pause));
                // What this task has set going itself is no news to it.
                while let First::One(()) = first(keeper.warm.news(), slept.as_mut()).await {
                    if !renews || keeper.engine.strong_count() == 0 {
                        break;
                    }
                }
            }
            None => keeper.warm.news().await,
        }
    }
}
