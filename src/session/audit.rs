//! What an auditor is told: who got which session when, and what was refused. The names and fields are a contract,
//! `docs/audit.md`; nothing in it is a secret.

use super::{operation::Note, report::What, rules::Rules};
use crate::ErrorKind;

/// Tells one event, with what every one of them has.
macro_rules! event {
    ($rules:expr, $name:literal $(, $field:ident = $value:expr)* $(,)?) => {
        tracing::info!(
            target: "keyway::audit", event = $name, surface = $rules.capabilities.surface, key = %$rules.key
            $(, $field = $value)*, "{}", $name
        )
    };
}

/// Who was asked a question, or has answered it.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Person,
    Policy,
}

impl By {
    pub(super) fn of(policy: bool) -> Self {
        if policy { Self::Policy } else { Self::Person }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Policy => "policy",
        }
    }
}

pub(super) fn tell(rules: &Rules, note: &Note) {
    match note {
        Note::Happened(what) => happened(rules, what),
        Note::Asked { renewal, failure: Some(error), .. } => refused(rules, *renewal, error),
        Note::RefreshRefused => event!(rules, "refresh_token_refused"),
        Note::StoreFailed(error) | Note::Uncounted(error) => event!(rules, "store_failed", error = error.to_string()),
        Note::SavedLate(saved) => event!(rules, "store_healed", saved = saved),
        Note::NotRevoked { kind, asked_for } if kind.is_some() || !asked_for => {
            event!(rules, "not_revoked", kind = kind.map(ErrorKind::as_str));
        }
        Note::Asked { failure: None, .. }
        | Note::Wanted { .. }
        | Note::Ended { .. }
        | Note::LockLost
        | Note::StillUnsaved(_)
        | Note::NotRevoked { .. } => {}
    }
}

fn happened(rules: &Rules, what: &What) {
    match what {
        What::SignedIn { reason, took, generation } => {
            let took_ms = took.as_millis() as u64;
            event!(
                rules,
                "signed_in",
                generation = generation.to_string(),
                reason = reason.as_str(),
                took_ms = took_ms
            );
        }
        What::Renewed { reason, took, generation } => {
            let took_ms = took.as_millis() as u64;
            event!(rules, "renewed", generation = generation.to_string(), reason = reason.as_str(), took_ms = took_ms);
        }
        What::Given { generation } => event!(rules, "given", generation = generation.to_string()),
        What::Adopted { generation } => event!(rules, "adopted", generation = generation.to_string()),
        What::Failed { reason, kind, took } => {
            let took_ms = took.as_millis() as u64;
            event!(rules, "failed", kind = kind.as_str(), reason = reason.as_str(), took_ms = took_ms);
        }
        What::Asked { kind, policy, .. } => {
            event!(rules, "question_asked", kind = kind.as_str(), by = By::of(*policy).as_str());
        }
        What::NotSaved { why } => event!(rules, "not_saved", error = why.as_str()),
        What::Evicted => event!(rules, "session_evicted"),
        What::Rejected { generation } => event!(rules, "token_rejected", generation = generation.to_string()),
        What::SignedOut => event!(rules, "signed_out"),
    }
}

/// The vendor, or our own count before it, did not let a sign-in or renewal through.
fn refused(rules: &Rules, renewal: bool, error: &crate::Error) {
    let step = if renewal { "renewal" } else { "sign_in" };
    match error.kind() {
        ErrorKind::InvalidCredentials => event!(rules, "credential_refused", step = step, status = error.status()),
        ErrorKind::Throttled => {
            let by = if error.is_local() { "budget" } else { "vendor" };
            let wait_ms = error.retry_after().map(|wait| wait.as_millis() as u64);
            event!(rules, "throttled", step = step, by = by, wait_ms = wait_ms);
        }
        _ => {}
    }
}

/// A question has come back. A declined question was not answered.
pub(super) fn answered(rules: &Rules, kind: ErrorKind, by: By, answered: bool) {
    super::apart::apart(|| {
        event!(rules, "question_answered", kind = kind.as_str(), by = by.as_str(), answered = answered);
    });
}
