//! What clients do in a round, and what happens to them meanwhile.

use crate::{
    HOUR, PATIENCE, STEPS,
    measure::{Dice, Tally},
    vendors::{LOSING, Vendor},
};
use keyway::{
    Error, ErrorKind, Http, Session,
    testing::{Fault, ManualClock},
};
use serde_json::{Value, json};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::time::timeout;

/// One client: one of two of the same user, as if in two processes.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) user: &'static str,
    pub(crate) http: Http,
    pub(crate) session: Session,
    /// Where the vendor says whose session it is, and in which member.
    pub(crate) whoami: (&'static str, &'static str),
    /// Whether the next token is to be had without another session.
    pub(crate) renews: bool,
}

impl Actor {
    pub(crate) async fn day(self, mut dice: Dice) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..STEPS {
            let what = dice.below(100);
            let polls = if dice.below(3) == 0 { Some(dice.below(4)) } else { None };
            match abandoned(self.step(what), polls).await {
                None => tally.abandoned += 1,
                Some(Ok(())) => tally.good += 1,
                Some(Err(error)) => {
                    tally.failed(&error);
                    if matches!(error.kind(), ErrorKind::SignedOut | ErrorKind::InvalidCredentials)
                        && dice.below(2) == 0
                    {
                        let _ = self.session.sign_in().await.inspect_err(|error| tally.failed(error));
                    }
                }
            }
        }
        tally
    }

    pub(crate) async fn step(&self, what: u64) -> Result<(), Error> {
        match what {
            0..6 => self.session.lease().await.map(|lease| {
                tracing::trace!(?self.session, ?lease, headers = ?lease.headers(), token = ?lease.token(), "whatever can be printed");
            }),
            6..10 if self.renews => self.session.renew().await.map(drop),
            10..13 => self.session.sign_out().await.map(drop),
            13..18 => self.session.sign_in().await.map(drop),
            18..30 => self.is_still_itself().await,
            _ => self.call().await.map(drop),
        }
    }

    pub(crate) async fn call(&self) -> Result<u16, Error> {
        let answer = self.http.get("/some/things").header("x-client", self.user).send().await?;
        Ok(answer.status().as_u16())
    }

    /// The vendor itself says whose session this is.
    pub(crate) async fn is_still_itself(&self) -> Result<(), Error> {
        let (path, member) = self.whoami;
        let answer = self.http.get(path).header("accept", "application/json").send().await?;
        if answer.status() != 200 {
            return Ok(());
        }
        let told: Value = answer.json().await.map_err(Error::from)?;
        assert_eq!(told.pointer(member), Some(&json!(self.user)), "another one's session");
        Ok(())
    }
}

/// Does it, or leaves it after so many polls.
pub(crate) async fn abandoned<T>(work: impl Future<Output = T>, polls: Option<u64>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| match (work.as_mut().poll(context), &mut left) {
        (Poll::Ready(outcome), _) => Poll::Ready(Some(outcome)),
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, left) => {
            *left = left.map(|left| left - 1);
            Poll::Pending
        }
    })
    .await
}

/// What happens to everybody.
pub(crate) struct Misfortunes {
    pub(crate) vendors: Arc<Vec<Vendor>>,
    pub(crate) clock: ManualClock,
    pub(crate) loses: bool,
}

impl Misfortunes {
    pub(crate) async fn goes_on(self, mut dice: Dice, over: Arc<AtomicBool>) {
        while !over.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match dice.below(40) {
                0 => self.clock.jump_wall(i64::try_from(dice.below(7200)).unwrap() - 3600),
                1 => self.clock.set_wall(self.clock.world()),
                2 => self.clock.stop_monotonic_for(dice.seconds(3600)),
                3 => self.clock.advance(dice.seconds(2 * 3600)),
                4..6 => (dice.pick(&self.vendors).revoke)(dice.below(4)),
                6..24 => self.strike(dice.pick(&self.vendors), &mut dice),
                _ => self.clock.advance(dice.seconds(30)),
            }
        }
    }

    pub(crate) fn strike(&self, vendor: &Vendor, dice: &mut Dice) {
        let instead = [
            Fault::Html(503),
            Fault::Empty(500),
            Fault::CutBefore,
            Fault::TooManyRequests { retry_after: Some("5".to_owned()) },
            Fault::Json(400, json!({ "message": "not today" })),
        ];
        let late = [Fault::Delay(dice.seconds(30)), Fault::SlowBody(dice.seconds(30)), Fault::WrongContentType];
        let fake = vendor.fake();
        match dice.below(4) {
            0 => {
                let fault = if dice.below(2) == 0 { Fault::Unauthorized } else { dice.pick(&instead).clone() };
                fake.next("other", fault);
            }
            1 if !vendor.plain.is_empty() => {
                let all = [&instead[..4], &late, &LOSING].concat();
                fake.next(dice.pick::<&str>(vendor.plain), dice.pick(&all).clone());
            }
            2 if self.loses && !vendor.rotating.is_empty() => {
                fake.next(dice.pick::<&str>(vendor.rotating), dice.pick(&LOSING).clone());
            }
            _ if !vendor.rotating.is_empty() => {
                let all = [&instead[..4], &late].concat();
                fake.next(dice.pick::<&str>(vendor.rotating), dice.pick(&all).clone());
            }
            _ => {}
        }
    }
}

/// The faults end, the clocks are right, an hour passes again and again: every client has to be well within bounds.
pub(crate) async fn recover(vendors: &[Vendor], actors: &[Actor], clock: &ManualClock) {
    clock.set_wall(clock.world());
    let work = async {
        for actor in actors {
            vendors.iter().for_each(Vendor::heal);
            for tries in 0.. {
                let outcome = match actor.session.sign_in().await {
                    Ok(_) => actor.call().await,
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(200) => break,
                    _ if tries < 20 => clock.advance(HOUR),
                    outcome => panic!("{} is not well again: {outcome:?}", actor.user),
                }
            }
            actor.session.close().await.unwrap();
        }
    };
    let time = async {
        loop {
            // What sleeps gets on, and no token ends between a sign-in and its call.
            tokio::time::sleep(Duration::from_millis(2)).await;
            clock.advance(Duration::from_secs(1));
        }
    };
    let well = async {
        tokio::select! {
            () = work => {}
            () = time => {}
        }
    };
    assert!(timeout(PATIENCE, well).await.is_ok(), "clients are stuck");
}
