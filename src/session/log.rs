//! What is logged of a session: one event per run, and the numbers.

use super::{apart::apart, telemetry::Telemetry};
use super::{decide::Reason, operation::Note, report::What, rules::Rules, tokens::Expiry};
use crate::{ErrorKind, clock};
use std::sync::{Arc, Mutex, PoisonError};

/// Tells the log and the numbers what has happened.
pub(super) struct Log {
    pub(super) telemetry: Telemetry,
    rules: Arc<Rules>,
    /// What the log shows of the run that began last.
    span: Mutex<tracing::Span>,
}

impl Log {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self { telemetry: Telemetry::new(rules.capabilities.surface), rules, span: Mutex::new(tracing::Span::none()) }
    }

    /// Whatever the caller is in, a run is in none of it: it outlives its caller.
    fn begin_span(&self, run: u64, reason: Reason) {
        let span = tracing::debug_span!(parent: None, "keyway.renewal", key = %self.rules.key, attempt = run, reason = reason.as_str());
        let before = std::mem::replace(&mut *self.span.lock().unwrap_or_else(PoisonError::into_inner), span);
        drop(before);
    }

    pub(super) fn span(&self) -> tracing::Span {
        let span = || self.span.lock().unwrap_or_else(PoisonError::into_inner).clone();
        apart(span).unwrap_or_else(tracing::Span::none)
    }

    /// Into the numbers and into the log.
    pub(super) fn tell(&self, notes: Vec<Note>) {
        for note in notes {
            apart(|| self.tell_one(note));
        }
    }

    fn tell_one(&self, note: Note) {
        let key = &self.rules.key;
        #[cfg(feature = "audit")]
        super::audit::tell(&self.rules, &note);
        match note {
            Note::Happened(what) => {
                self.telemetry.happened(&what);
                if let What::NotSaved { why } = what {
                    tracing::warn!(%key, error = %why, "keyway: the store did not take the new token; it is kept in memory");
                }
            }
            Note::Wanted { run, reason } => {
                self.begin_span(run, reason);
                self.span().in_scope(|| tracing::debug!("keyway: a token is wanted"));
            }
            Note::Asked { renewal: true, reason, failure } => self.telemetry.renewed(reason, failure.as_ref()),
            Note::Asked { renewal: false, reason, failure } => self.telemetry.signed_in(reason, failure.as_ref()),
            Note::Ended { .. } => self.tell_end(&note),
            Note::StoreFailed(error) => tracing::warn!(%key, %error, "keyway: the store failed"),
            Note::LockLost => tracing::warn!(%key, "keyway: the store's lock was lost; looking again"),
            Note::RefreshRefused => tracing::info!(%key, "keyway: the vendor refused the refresh token"),
            Note::SavedLate(saved) => tracing::info!(%key, saved, "keyway: the store answers again"),
            Note::StillUnsaved(error) => tracing::debug!(%key, %error, "keyway: the store still fails"),
            Note::Uncounted(error) => {
                tracing::warn!(key = %self.rules.ledger, %error, "keyway: the store failed; sign-in attempts are counted in this process only");
            }
            Note::NotRevoked { kind, asked_for: true } => {
                if kind.is_some() {
                    tracing::warn!(%key, kind = kind.map(ErrorKind::as_str), "keyway: the vendor was not told of the sign-out");
                }
            }
            Note::NotRevoked { .. } => {
                tracing::warn!(%key, "keyway: a token that came too late could not be revoked");
            }
        }
    }

    /// One event per run, with everything the decision was made from. A renewal that works is no news.
    fn tell_end(&self, note: &Note) {
        let Note::Ended { run, sign_outs, reason, left, took, spent, outcome } = note else { return };
        let span = self.span();
        let _inside = span.enter();
        let key = &self.rules.key;
        self.telemetry.landed(*reason, outcome.as_ref().err(), *took);
        let reason = reason.as_str();
        let took_ms = took.as_millis() as u64;
        let left_ms = left.map(|left| left.as_millis() as u64);
        match outcome {
            Ok(token) => {
                let generation = token.map(|(generation, _)| tracing::field::display(generation));
                let expiry = token.map(|(_, expiry)| in_words(expiry));
                tracing::debug!(%key, attempt = run, sign_outs, reason, left_ms, took_ms, spent, generation, expiry, "keyway: a token was obtained");
            }
            Err(error) => {
                let (kind, wait) = (error.kind().as_str(), error.retry_after().map(tracing::field::debug));
                // A question is no trouble: its answer is awaited.
                if error.asked().is_some_and(|question| question.kind() == error.kind()) {
                    tracing::info!(%key, attempt = run, sign_outs, reason, left_ms, took_ms, spent, kind, wait, "keyway: {error}");
                } else {
                    tracing::warn!(%key, attempt = run, sign_outs, reason, left_ms, took_ms, spent, kind, wait, "keyway: {error}");
                }
            }
        }
    }
}

fn in_words(expiry: Expiry) -> String {
    match expiry {
        Expiry::At(end) => clock::in_words(end),
        Expiry::Never => "never".to_owned(),
        Expiry::Unknown => "unknown".to_owned(),
    }
}
