//! A shopper's session that begins with a password: the older routes or the authenticator's, and a second factor after any
//! sign-in.

use super::{
    Capabilities, Issued, Prose,
    vtex_password::{authenticator_start, legacy_start, opened, password_login},
    vtex_refusals::LEGACY_ROUTES,
    vtex_shopper_session::{self as by_mail, Shopper, validated},
    vtex_storefront::AUTHENTICATION,
};
use crate::{
    Error, ErrorKind, Secret,
    credential::Credential,
    http::transport::{AuthCall, AuthResponse},
    question::SecondFactor,
    session::Attempt,
};
use std::sync::atomic::Ordering;

pub(super) const METHOD: &str = ".storefront_password(..)";

pub(super) fn capabilities() -> Capabilities {
    let by_mail = by_mail::capabilities();
    Capabilities {
        credential: METHOD,
        unattended: true,
        prose: Prose {
            failed_sign_in: "`authStatus`; `RequiresMFA` is a question, a wrong code asked again, at most 3 times",
            ..by_mail.prose
        },
        ..by_mail
    }
}

impl Shopper {
    pub(super) async fn sign_in_by_password(&self, attempt: &Attempt, password: &Credential) -> Result<Issued, Error> {
        let password = attempt.credential(password).await?;
        if !self.is_newer.load(Ordering::Relaxed) {
            let thread = opened(&self.auth.ask(legacy_start(&self.auth, &self.account, &self.login)?).await?)?;
            let call = self.call("validate_password")?;
            let reply = self.spend_password(attempt, call, &thread, &password).await?;
            if !(reply.status() == 400 && reply.says(LEGACY_ROUTES)) {
                return self.completed(&reply, &thread, attempt);
            }
            // The account has no older routes: nothing was checked, and nothing counted against the user.
            self.is_newer.store(true, Ordering::Relaxed);
        }
        let start = authenticator_start(self.call("start_authenticator")?, &self.account, &self.login)?;
        let thread = opened(&self.auth.ask(start).await?)?;
        let call = self.call("validate_authenticator_password")?;
        let reply = self.spend_password(attempt, call, &thread, &password).await?;
        self.completed(&reply, &thread, attempt)
    }

    async fn spend_password(
        &self,
        attempt: &Attempt,
        call: AuthCall,
        thread: &Secret,
        password: &Secret,
    ) -> Result<AuthResponse, Error> {
        self.auth.spend(attempt, password_login(call, thread, &self.login, password)?).await
    }

    /// Goes on with a sign-in that wanted a second factor, in the same authentication.
    pub(super) async fn sign_in_with_code(
        &self,
        attempt: &Attempt,
        asked: &SecondFactor,
        code: &Secret,
    ) -> Result<Issued, Error> {
        let call = self.auth.call("validate_mfa")?.cookies(&[(AUTHENTICATION, asked.thread())])?;
        let call = call.multipart(&[("mfaToken", code.expose()), ("recaptcha", "")])?;
        let reply = self.auth.spend(attempt, call).await?;
        match validated(&reply, &self.account, attempt.now()) {
            Err(error) if error.code() == Some("InvalidToken") => self.begins_anew(attempt).await,
            Err(error) if matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::SecondFactorRequired) => {
                let again = Error::second_factor_required(asked.clone());
                Err(reply.said(again.message("the code of the second factor was wrong")))
            }
            outcome => outcome,
        }
    }

    /// The code came too late: the sign-in that it belongs to has ended.
    async fn begins_anew(&self, attempt: &Attempt) -> Result<Issued, Error> {
        const TOO_LATE: &str = "the code of the second factor came too late, and the sign-in begins anew";
        let worded = |error: Error| if error.asked().is_some() { error.message(TOO_LATE) } else { error };
        match &self.password {
            Some(password) => Box::pin(self.sign_in_by_password(attempt, password)).await.map_err(worded),
            None => Err(worded(self.ask_for_key(attempt).await?)),
        }
    }

    /// The session that a sign-in opened, or the question that stands before it.
    pub(super) fn completed(&self, reply: &AuthResponse, thread: &Secret, attempt: &Attempt) -> Result<Issued, Error> {
        validated(reply, &self.account, attempt.now()).map_err(|error| match error.kind() {
            ErrorKind::SecondFactorRequired => {
                reply.said(Error::second_factor_required(SecondFactor::new(thread.clone())))
            }
            _ => error,
        })
    }

    fn call(&self, operation: &'static str) -> Result<AuthCall, Error> {
        Ok(self.auth.call(operation)?.query("an", &self.account))
    }
}
