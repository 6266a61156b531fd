//! Who answers when a sign-in needs a person.

use crate::{
    BoxFuture, Secret,
    question::{AccessKey, Captcha, DeviceCode, SecondFactor, SessionId, SessionLimit, SignInPage},
};

/// Who answers when a sign-in needs a person. Every question may be declined with `None`; that is the default.
///
/// A question is asked once for everybody who waits for the sign-in, and never while a store's lock is held. Captchas are
/// asked at most three times per sign-in ([`Captcha::attempt`] tells which this is), and each answer is waited for as long
/// as [`Timeouts::person`](crate::Timeouts::person) says. A declined question ends the sign-in with
/// `ErrorKind::Declined`, which can still be resumed.
///
/// **A question may be taken down.** Where nobody needs its answer any more, its future is dropped at the `.await` where it stands:
/// the time is over, the session was signed out, or another process that shares the store was let in. Close a window in a
/// `Drop`, not behind the `.await`.
///
/// ```
/// use keyway::{Captcha, Responder, Secret};
///
/// struct Terminal;
/// impl Responder for Terminal {
///     async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
///         std::fs::write("captcha.png", captcha.image()).ok()?;
///         // Reading a terminal blocks, so it is done off Tokio's workers.
///         let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.ok()??.ok()?;
///         Some(Secret::from(line.trim()))
///     }
/// }
/// ```
#[doc(alias("callback", "prompt", "captcha solver"))]
pub trait Responder: Send + Sync + 'static {
    /// Returns what the picture says; `None` declines.
    fn captcha(&self, captcha: Captcha) -> impl Future<Output = Option<Secret>> + Send {
        let _ = captcha;
        async { None }
    }

    /// Returns which session is to end so that a new one can begin; `None` declines. Asked only where the policy is
    /// [`EvictionPolicy::Never`](crate::EvictionPolicy::Never).
    fn choose_session(&self, limit: SessionLimit) -> impl Future<Output = Option<SessionId>> + Send {
        let _ = limit;
        async { None }
    }

    /// Shows a code that lets this device in, and returns `Some(())` once it is shown; `None` declines.
    ///
    /// The vendor is asked meanwhile. This may go on showing it for as long as it likes, with a countdown for instance: it
    /// is dropped when the person has decided or the code has ended.
    fn device_code(&self, device: DeviceCode) -> impl Future<Output = Option<()>> + Send {
        let _ = device;
        async { None }
    }

    /// Returns the key that the vendor has sent to a person; `None` declines.
    fn access_key(&self, key: AccessKey) -> impl Future<Output = Option<Secret>> + Send {
        let _ = key;
        async { None }
    }

    /// Returns the code of the second factor, from an app or a message; `None` declines.
    fn second_factor(&self, factor: SecondFactor) -> impl Future<Output = Option<Secret>> + Send {
        let _ = factor;
        async { None }
    }

    /// Leads a person to this page, and returns the whole address that the browser is sent to after it; `None` declines.
    fn sign_in_page(&self, page: SignInPage) -> impl Future<Output = Option<Secret>> + Send {
        let _ = page;
        async { None }
    }
}

/// [`Responder`] behind a pointer.
pub(crate) trait DynResponder: Send + Sync {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>>;
    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>>;
    fn device_code(&self, device: DeviceCode) -> BoxFuture<'_, Option<()>>;
    fn access_key(&self, key: AccessKey) -> BoxFuture<'_, Option<Secret>>;
    fn second_factor(&self, factor: SecondFactor) -> BoxFuture<'_, Option<Secret>>;
    fn sign_in_page(&self, page: SignInPage) -> BoxFuture<'_, Option<Secret>>;
}

impl<R: Responder> DynResponder for R {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::captcha(self, captcha))
    }

    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>> {
        Box::pin(Responder::choose_session(self, limit))
    }

    fn device_code(&self, device: DeviceCode) -> BoxFuture<'_, Option<()>> {
        Box::pin(Responder::device_code(self, device))
    }

    fn access_key(&self, key: AccessKey) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::access_key(self, key))
    }

    fn second_factor(&self, factor: SecondFactor) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::second_factor(self, factor))
    }

    fn sign_in_page(&self, page: SignInPage) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::sign_in_page(self, page))
    }
}
