//! What sessions tell in numbers, through the facade of the crate [`metrics`](https://docs.rs/metrics): install the
//! exporter of your choice as its recorder, and they are in it. Needs the feature `metrics`; without it nothing is counted.
//!
//! | name | what it counts | labels |
//! |---|---|---|
//! | `keyway_sign_ins_total` | sign-ins the vendor was asked for | `surface`, `reason`, `outcome` |
//! | `keyway_renewals_total` | renewals the vendor was asked for, by refresh token | `surface`, `reason`, `outcome` |
//! | `keyway_renewal_seconds` | how long it took from wanting a token to having one or not, people included | `surface`, `reason`, `outcome` |
//! | `keyway_adoptions_total` | tokens taken from the store, where another process had put them | `surface` |
//! | `keyway_waiters` | callers that wait for a token now (a gauge) | `surface` |
//! | `keyway_lease_age_seconds` | how old the tokens were that callers got | `surface` |
//! | `keyway_refusals_total` | callers that were answered from memory, without asking the vendor | `surface`, `kind` |
//! | `keyway_throttles_total` | sign-ins and renewals that the vendor throttled, or our own budget before it | `surface`, `kind`: `vendor`, `budget` |
//! | `keyway_rejections_total` | tokens that the vendor answered with 401 | `surface` |
//! | `keyway_evictions_total` | sessions of the account that were ended for a new one | `surface` |
//! | `keyway_questions_total` | questions for a person or a policy | `surface`, `kind`: the [`ErrorKind`] that asks it |
//! | `keyway_unsaved_total` | tokens that the store did not take | `surface` |
//! | `keyway_sign_outs_total` | sign-outs | `surface` |
//!
//! Labels hold words of this crate and nothing else, so they can neither explode nor leak. `surface` is the module's name,
//! or that of [`Capabilities::new`](crate::custom::Capabilities::new). `outcome` is `ok` or an
//! [`ErrorKind`](crate::ErrorKind::as_str). `reason` is `no_session`, `early` or `late` (the windows), `expired`,
//! `rejected` (a 401), `too_short` (`lease_for`), `asked` (`renew()`) or `answered` (a question was).
//!
//! What to watch: sign-ins should be rare and renewals should not fail. `keyway_waiters` above zero for long is a slow
//! vendor; growing `keyway_refusals_total` is a vendor that is down or credentials that are wrong.

use crate::{
    Error, ErrorKind,
    session::{decide::Reason, report::What},
};
use std::time::Duration;

type Labels<'a> = &'a [(&'static str, &'static str)];

/// The numbers of one session. Empty calls without the feature.
#[derive(Debug)]
pub(crate) struct Telemetry {
    #[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "read by the numbers only"))]
    surface: &'static str,
    /// Made once: leases are counted in the hot path.
    #[cfg(feature = "metrics")]
    lease_age: metrics::Key,
}

impl Telemetry {
    pub(crate) fn new(surface: &'static str) -> Self {
        Self {
            surface,
            #[cfg(feature = "metrics")]
            lease_age: recorder::key("keyway_lease_age_seconds", surface, &[]),
        }
    }

    /// The vendor was asked for a sign-in. What was refused here, without asking, is not counted as one.
    pub(crate) fn signed_in(&self, reason: Reason, failure: Option<&Error>) {
        self.asked("keyway_sign_ins_total", reason, failure);
    }

    /// The vendor was asked for a renewal.
    pub(crate) fn renewed(&self, reason: Reason, failure: Option<&Error>) {
        self.asked("keyway_renewals_total", reason, failure);
    }

    fn asked(&self, name: &'static str, reason: Reason, failure: Option<&Error>) {
        let local = failure.is_some_and(Error::is_local);
        if failure.is_some_and(|error| error.kind() == ErrorKind::Throttled) {
            self.count("keyway_throttles_total", &[("kind", if local { "budget" } else { "vendor" })]);
        }
        if !local {
            self.count(name, &[("reason", reason.as_str()), ("outcome", outcome(failure))]);
        }
    }

    /// A run has ended.
    pub(crate) fn landed(&self, reason: Reason, failure: Option<&Error>, took: Duration) {
        self.record("keyway_renewal_seconds", &[("reason", reason.as_str()), ("outcome", outcome(failure))], took);
    }

    /// A caller waits, for as long as this lives.
    pub(crate) fn waiting(&self) -> WaiterGauge<'_> {
        self.gauge("keyway_waiters", 1.0);
        WaiterGauge(self)
    }

    /// A caller got no token; counted if neither store nor vendor was asked for one.
    pub(crate) fn refused(&self, error: &Error) {
        if error.is_local() {
            self.count("keyway_refusals_total", &[("kind", error.kind().as_str())]);
        }
    }

    /// A line of the report.
    pub(crate) fn happened(&self, what: &What) {
        match what {
            What::Adopted { .. } => self.count("keyway_adoptions_total", &[]),
            What::Asked { kind, .. } => self.count("keyway_questions_total", &[("kind", kind.as_str())]),
            What::NotSaved { .. } => self.count("keyway_unsaved_total", &[]),
            What::Evicted => self.count("keyway_evictions_total", &[]),
            What::Rejected { .. } => self.count("keyway_rejections_total", &[]),
            What::SignedOut => self.count("keyway_sign_outs_total", &[]),
            // Counted where the vendor was asked, which one line of the report may be several times.
            What::SignedIn { .. } | What::Given { .. } | What::Renewed { .. } | What::Failed { .. } => {}
        }
    }
}

fn outcome(failure: Option<&Error>) -> &'static str {
    failure.map_or("ok", |error| error.kind().as_str())
}

/// A caller that waits for a token.
pub(crate) struct WaiterGauge<'a>(&'a Telemetry);

impl Drop for WaiterGauge<'_> {
    fn drop(&mut self) {
        self.0.gauge("keyway_waiters", -1.0);
    }
}

#[cfg(not(feature = "metrics"))]
impl Telemetry {
    #[inline]
    pub(crate) fn lent(&self, _age: impl FnOnce() -> Duration) {}

    fn count(&self, _name: &'static str, _labels: Labels<'_>) {}

    fn record(&self, _name: &'static str, _labels: Labels<'_>, _time: Duration) {}

    fn gauge(&self, _name: &'static str, _by: f64) {}
}

#[cfg(feature = "metrics")]
pub use recorder::describe;

#[cfg(feature = "metrics")]
mod recorder {
    use crate::session::telemetry::{Labels, Telemetry};
    use metrics::{Key, Label, Level, Metadata, Unit, with_recorder};
    use std::time::Duration;

    static METADATA: Metadata<'static> = Metadata::new("keyway", Level::INFO, Some("keyway"));

    pub(super) fn key(name: &'static str, surface: &'static str, more: Labels<'_>) -> Key {
        let labels = [("surface", surface)].into_iter().chain(more.iter().copied());
        Key::from_parts(name, labels.map(|(name, value)| Label::from_static_parts(name, value)).collect::<Vec<_>>())
    }

    impl Telemetry {
        /// A caller got a token of this age.
        #[inline]
        pub(crate) fn lent(&self, age: impl FnOnce() -> Duration) {
            let age = age().as_secs_f64();
            with_recorder(|recorder| recorder.register_histogram(&self.lease_age, &METADATA).record(age));
        }

        pub(super) fn count(&self, name: &'static str, labels: Labels<'_>) {
            let key = key(name, self.surface, labels);
            with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(1));
        }

        pub(super) fn record(&self, name: &'static str, labels: Labels<'_>, time: Duration) {
            let key = key(name, self.surface, labels);
            with_recorder(|recorder| recorder.register_histogram(&key, &METADATA).record(time.as_secs_f64()));
        }

        pub(super) fn gauge(&self, name: &'static str, by: f64) {
            let key = key(name, self.surface, &[]);
            with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).increment(by));
        }
    }

    /// Tells the recorder that is installed what each number means and in which unit it is. Call it once, after you have
    /// installed your recorder; without it the numbers come all the same, and undescribed.
    pub fn describe() {
        let counters = [
            ("keyway_sign_ins_total", "sign-ins the vendor was asked for"),
            ("keyway_renewals_total", "renewals the vendor was asked for, by refresh token"),
            ("keyway_adoptions_total", "tokens taken from the store, where somebody else had put them"),
            ("keyway_refusals_total", "callers that were answered from memory, without asking the vendor"),
            ("keyway_throttles_total", "sign-ins and renewals that were throttled"),
            ("keyway_rejections_total", "tokens that the vendor answered with 401"),
            ("keyway_evictions_total", "sessions of the account that were ended for a new one"),
            ("keyway_questions_total", "questions for a person or a policy"),
            ("keyway_unsaved_total", "tokens that the store did not take"),
            ("keyway_sign_outs_total", "sign-outs"),
        ];
        let histograms = [
            ("keyway_renewal_seconds", "how long it took from wanting a token to having one or not"),
            ("keyway_lease_age_seconds", "how old the tokens were that callers got"),
        ];
        with_recorder(|recorder| {
            for (name, what) in counters {
                recorder.describe_counter(name.into(), Some(Unit::Count), what.into());
            }
            for (name, what) in histograms {
                recorder.describe_histogram(name.into(), Some(Unit::Seconds), what.into());
            }
            recorder.describe_gauge("keyway_waiters".into(), Some(Unit::Count), "callers that wait for a token".into());
        });
    }
}
