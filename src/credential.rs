//! Where a secret comes from: given once, or asked for at every sign-in.

use crate::{
    BoxFuture,
    error::{Cause, Error, ErrorKind},
    secret::Secret,
};
use std::{fmt, future::Future, sync::Arc};

/// Hands out a secret whenever a sign-in needs it: from a vault, a file that rotates, a prompt.
///
/// Any `Fn() -> impl Future<Output = Result<Secret, E>>` is a source.
///
/// ```
/// use keyway::Secret;
///
/// # fn build() -> Result<(), keyway::Error> {
/// let vms = keyway::vms::Client::builder("https://vms.example")
///     .password_from("operator@example.org", || async { std::fs::read_to_string("/run/secrets/vms").map(|secret| Secret::from(secret.trim_end())) })
///     .build()?;
/// # Ok(()) }
/// ```
#[doc(alias("vault", "secret manager"))]
pub trait CredentialSource: Send + Sync + 'static {
    /// The secret as it is now.
    ///
    /// # Errors
    /// Whatever keeps the source from answering; its text is shown, so it must not hold the secret.
    fn secret(&self) -> impl Future<Output = Result<Secret, SourceError>> + Send;
}

/// Why a [`CredentialSource`] could not answer.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

impl<F, Answered, E> CredentialSource for F
where
    F: Fn() -> Answered + Send + Sync + 'static,
    Answered: Future<Output = Result<Secret, E>> + Send,
    E: Into<SourceError>,
{
    async fn secret(&self) -> Result<Secret, SourceError> {
        self().await.map_err(Into::into)
    }
}

/// [`CredentialSource`] behind a pointer.
pub(crate) trait DynSource: Send + Sync {
    fn secret(&self) -> BoxFuture<'_, Result<Secret, SourceError>>;
}

impl<S: CredentialSource> DynSource for S {
    fn secret(&self) -> BoxFuture<'_, Result<Secret, SourceError>> {
        Box::pin(CredentialSource::secret(self))
    }
}

/// A secret or the source of one.
#[derive(Clone)]
pub(crate) enum Credential {
    /// The grant needs none beside what the client has anyway.
    Nothing,
    Given(Secret),
    Source(Arc<dyn DynSource>),
}

impl Credential {
    pub(crate) fn from_source(source: impl CredentialSource) -> Self {
        Self::Source(Arc::new(source))
    }

    /// The secret, if it never changes.
    pub(crate) fn given(&self) -> Option<&Secret> {
        match self {
            Self::Given(secret) => Some(secret),
            Self::Nothing | Self::Source(_) => None,
        }
    }

    pub(crate) async fn get(&self) -> Result<Secret, Error> {
        match self {
            Self::Nothing => Ok(Secret::from("")),
            Self::Given(secret) => Ok(secret.clone()),
            Self::Source(source) => source.secret().await.map_err(|error| {
                let cause = Cause::alone(&*error);
                Error::new(ErrorKind::Config, format!("the credential source failed: {cause}"))
                    .advice("nothing was sent; see the source")
                    .with_cause(cause)
            }),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Given(_) => "Given(***)",
            Self::Source(_) => "Source(..)",
        })
    }
}
