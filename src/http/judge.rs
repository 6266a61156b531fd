//! How a user's own words read a failure, before it becomes an error.

use super::{
    facts::{Facts, Step},
    response::BufferedResponse,
    verdict::{Classify, Verdict},
};
use crate::{Error, clock::Clock};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// A failure that a vendor answered, before it becomes an error: what a function given to
/// [`judge`](crate::custom::ClientBuilder::judge), which every builder has, looks at.
pub struct Failure<'a> {
    verdict: &'a Verdict<'a>,
    code: Option<String>,
}

impl Failure<'_> {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.verdict.status
    }

    /// The vendor's code, from where [`code_at`](crate::custom::ClientBuilder::code_at) says that it stands.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The operation, as typed calls name it; `http` for a free call, and `sign_in`, `renew` or `session` for those of an
    /// [`Issuer`](crate::custom::Issuer) of yours.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.verdict.facts.operation
    }

    /// The body, if it is JSON. It may repeat a secret of the call.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        self.verdict.body.as_ref()
    }

    /// A header of the answer, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.verdict.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("status", &self.status())
            .field("operation", &self.operation())
            .finish_non_exhaustive()
    }
}

type Reads = dyn Fn(&Failure<'_>) -> Option<Error> + Send + Sync;

/// What a user says about failures.
#[derive(Clone, Default)]
pub(crate) struct Judge {
    /// Where the vendor's code stands in a body, as a JSON pointer.
    pub(crate) code_at: Option<&'static str>,
    pub(crate) says: Option<Arc<Reads>>,
}

impl Judge {
    /// What an answer's failure means, if the call failed.
    pub(crate) fn judged(
        &self,
        answer: &BufferedResponse,
        classify: Classify,
        facts: &Facts,
        clock: &dyn Clock,
    ) -> Result<(), Error> {
        let may_deny = facts.success.is_some() || matches!(facts.step, Step::SignIn | Step::Renew);
        if answer.status.is_success() && !may_deny {
            return Ok(());
        }
        let verdict = Verdict::of(answer, facts, clock.wall());
        if answer.status.is_success() && verdict.succeeded() {
            return Ok(());
        }
        let error = self.reads(&verdict, classify).unwrap_or_else(|| self.coded(&verdict, verdict.error()));
        Err(error.at(facts.operation))
    }

    /// The user's own reading, else the surface's, if either has one.
    pub(crate) fn reads(&self, verdict: &Verdict<'_>, classify: Classify) -> Option<Error> {
        let code = self.code_of(verdict).or_else(|| verdict.code());
        let said = self.says.as_ref().and_then(|says| says(&Failure { verdict, code }));
        said.map(|error| verdict.with_context(error))
            .or_else(|| classify(verdict))
            .map(|error| self.coded(verdict, error))
    }

    /// An error of this failure, with the code from where the user says that it stands.
    pub(crate) fn coded(&self, verdict: &Verdict<'_>, error: Error) -> Error {
        match self.code_of(verdict) {
            Some(code) => error.with_code(Some(code)),
            None => error,
        }
    }

    fn code_of(&self, verdict: &Verdict<'_>) -> Option<String> {
        let code = match verdict.body.as_ref()?.pointer(self.code_at?)? {
            Value::String(code) => code.clone(),
            Value::Number(code) => code.to_string(),
            _ => return None,
        };
        verdict.is_code(&code).then_some(code)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("code_at", &self.code_at).finish_non_exhaustive()
    }
}
