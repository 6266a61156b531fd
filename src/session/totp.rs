//! The codes of an authenticator app, for programs that sign in without a person.

use super::responder::Responder;
use crate::{Clock, Error, Secret, SystemClock, question::SecondFactor};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use totp_rs::Totp;

/// How long a code is shown (RFC 6238, 5.2). No vendor is known that takes another time.
const STEP: u64 = 30;

/// The second try is for clocks that differ by a moment. A third would spend an attempt on a seed that is wrong.
const TRIES: u32 = 2;

/// A clock that runs a little ahead is set back by so many steps at most.
const SET_BACK: u64 = 2;

/// Answers a second factor without a person: the codes that an authenticator app would show, made of the seed that the app
/// was set up with (RFC 6238: SHA-1, six digits, 30 s; feature `totp`).
///
/// ```
/// # fn seed_from_a_vault() -> String { "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned() }
/// # fn example() -> Result<(), keyway::Error> {
/// let answers = keyway::TotpSource::new(seed_from_a_vault())?; // and .responder(answers) on the builder
/// # drop(answers);
/// # Ok(()) }
/// # example().unwrap();
/// ```
///
/// No code is given twice by one source, because vendors refuse one that they have seen: the next one waits for the next step,
/// up to 30 s. Another process with the same seed knows nothing of it.
/// A code that was wrong is followed by one more, and then by none. To answer other questions as well, ask
/// [`code`](Self::code) in a [`Responder`] of your own.
///
/// A seed beside the password is one factor and not two: keep them in different places.
#[derive(Clone)]
#[doc(alias("otp", "authenticator", "mfa", "2fa"))]
pub struct TotpSource(Arc<TotpState>);

struct TotpState {
    app: Totp,
    clock: Arc<dyn Clock>,
    /// The last step whose code was given.
    given: Mutex<Option<u64>>,
}

impl TotpSource {
    /// The codes of this seed, in base32 as vendors show it beside the QR code; blanks and small letters do not matter.
    ///
    /// # Errors
    /// `ErrorKind::Config` if it is no base32, or shorter than ten bytes.
    pub fn new(seed: impl Into<Secret>) -> Result<Self, Error> {
        let seed = seed.into();
        let text = secrecy::zeroize::Zeroizing::new(
            seed.expose().chars().filter(|c| !c.is_whitespace() && *c != '=').collect::<String>().to_ascii_uppercase(),
        );
        let mistake = |what: &str| {
            Error::config(format!("the seed of the second factor cannot be used: {what}")).advice(
                "give the text that the vendor shows beside the QR code, or the `secret` of its otpauth address",
            )
        };
        let bytes = totp_rs::Secret::try_from_base32(&*text).map_err(|_| mistake("it is no base32"))?;
        if text.len() < 16 {
            return Err(mistake("it is shorter than ten bytes"));
        }
        let app = totp_rs::Builder::new().with_secret(bytes).with_step_duration(STEP).build_noncompliant();
        Ok(Self(Arc::new(TotpState { app, clock: Arc::new(SystemClock), given: Mutex::default() })))
    }

    /// Where the time comes from; for tests.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        let TotpState { app, .. } = &*self.0;
        Self(Arc::new(TotpState { app: app.clone(), clock: Arc::new(clock), given: Mutex::default() }))
    }

    /// The code of this moment, or of the next step if this one's was given already.
    ///
    /// # Cancel safety
    /// A code that was not handed over is given to the next one who asks.
    pub async fn code(&self) -> Secret {
        loop {
            let now = self.0.clock.wall();
            match self.take(now) {
                Some(code) => return code,
                None => self.0.clock.sleep(until_the_next(now)).await,
            }
        }
    }

    /// `None` if the code of this step was given, or of one that is hardly later: a clock that was set back gives none anew.
    fn take(&self, now: SystemTime) -> Option<Secret> {
        let step = seconds(now) / STEP;
        let mut given = self.0.given.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was wrong by more is put right, and is no reason to wait for hours.
        if given.is_some_and(|given| step <= given && given - step <= SET_BACK) {
            return None;
        }
        *given = Some(step);
        Some(Secret::from(self.0.app.generate(step * STEP).to_string()))
    }
}

impl Responder for TotpSource {
    async fn second_factor(&self, factor: SecondFactor) -> Option<Secret> {
        match factor.attempt() <= TRIES {
            true => Some(self.code().await),
            false => None,
        }
    }
}

impl fmt::Debug for TotpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSource(***)")
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn until_the_next(now: SystemTime) -> Duration {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs((since.as_secs() / STEP + 1) * STEP).saturating_sub(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    /// "12345678901234567890" in base32: the seed of RFC 6238, appendix B.
    const SEED: &str = "gezd gnbv gy3t qojq gezd gnbv gy3t qojq";

    #[apply(leak_checked!)]
    fn the_codes_are_those_of_rfc_6238() {
        let source = TotpSource::new(SEED).expect("a seed");
        for (at, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let taken = source.take(UNIX_EPOCH + Duration::from_secs(at)).expect("a code");
            assert_eq!(taken.expose(), code);
        }
        assert_eq!(format!("{source:?}"), "TotpSource(***)");
    }

    #[apply(leak_checked!)]
    fn a_clock_that_is_set_back_by_a_little_gives_no_code_anew() {
        let source = TotpSource::new(SEED).expect("a seed");
        let gives = |step: u64| source.take(UNIX_EPOCH + Duration::from_secs(step * STEP)).is_some();
        assert_eq!([100, 99, 100, 101, 20, 21].map(gives), [true, false, false, true, true, true]);
    }

    #[apply(leak_checked!)]
    async fn no_code_is_given_twice_and_the_next_one_waits_for_its_step() {
        let clock = ManualClock::new();
        let source = TotpSource::new(SEED).expect("a seed").clock(clock.clone());
        let first = source.code().await;
        let mut second = std::pin::pin!(source.code());
        tokio::select! {
            biased;
            _ = &mut second => panic!("given twice"),
            () = clock.until_sleeping(1) => {}
        }
        clock.advance(Duration::from_secs(STEP));
        assert_ne!(first.expose(), second.await.expose());
    }

    #[apply(leak_checked!)]
    async fn a_code_that_was_wrong_is_followed_by_one_more_and_then_by_none() {
        let clock = ManualClock::new();
        let source = TotpSource::new(SEED).expect("a seed").clock(clock.clone());
        for (attempt, answers) in [(1, true), (2, true), (3, false)] {
            clock.advance(Duration::from_secs(STEP));
            let factor = SecondFactor { attempt, ..SecondFactor::new("thread") };
            assert_eq!(source.second_factor(factor).await.is_some(), answers, "{attempt}");
        }
    }

    #[apply(leak_checked!)]
    fn what_is_no_seed_is_refused_without_showing_it() {
        for seed in ["", "JBSWY3DP", "not-base-32-at-all!", "0189"] {
            let said = TotpSource::new(seed).expect_err("no seed").to_string();
            assert!(said.contains("the seed of the second factor cannot be used") && !said.contains("all!"), "{said}");
        }
    }
}
