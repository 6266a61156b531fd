//! What the engine itself has to say when there is no token.

use crate::{
    error::{Error, ErrorKind},
    question::Question,
    store::StoreError,
};
use std::time::Duration;

impl Error {
    pub(crate) fn no_runtime() -> Self {
        Self::config("Keyway was called outside a Tokio runtime")
            .advice("call it from async code that Tokio runs, such as #[tokio::main]")
    }

    pub(super) fn runtime_ended() -> Self {
        Self::config("Keyway was called on a Tokio runtime that is ending")
            .advice("let calls end before their runtime does, or call it from another one")
    }

    pub(super) fn called_from_callback(name: &str) -> Self {
        Self::config(format!("{name} called the client that waits for it"))
            .advice("give it a client of its own, or none")
    }

    pub(super) fn signed_out() -> Self {
        Self::new(ErrorKind::SignedOut, "this session was signed out")
            .advice("call sign_in() to begin a new one")
            .local()
    }

    pub(super) fn superseded() -> Self {
        Self::new(ErrorKind::Timeout, "this sign-in or renewal was given up, and another one took its place").local()
    }

    pub(super) fn vendor_too_late(sent: bool) -> Self {
        let error = Self::new(ErrorKind::Timeout, "the vendor did not answer within .timeouts(..), `renewal`");
        match sent {
            true => error.advice("whether it has acted on it is not known").with_unknown_outcome(),
            false => error.advice("nothing was sent that spends anything; see what the issuer waits for"),
        }
    }

    pub(super) fn panicked(surface: &str, credential: &str) -> Self {
        Self::protocol(format!(
            "a sign-in or renewal of `{surface}` by `{credential}` panicked, in an issuer, responder, credential source or store, or in Keyway",
        ))
        .advice("see the panic's own message; the next call tries anew")
    }

    pub(super) fn lock_lost() -> Self {
        Self::new(ErrorKind::Store, "the session store's lock was lost; nothing was sent")
            .advice("another process may be renewing: try again")
            .local()
    }

    pub(super) fn store_is_busy() -> Self {
        Self::new(ErrorKind::Store, "the session store's lock was held by another process all the time")
            .advice("that process is signing in or renewing: try again, or see .timeouts(..), `store_lock`")
            .local()
    }

    pub(super) fn store_is_not_ours(error: &StoreError) -> Self {
        Self::new(ErrorKind::Store, format!("the session store failed: {error}"))
            .advice("nothing was sent, and no other session is begun over that one")
            .local()
    }

    /// A token that rotates must not be used without the store: two processes would use the same one.
    pub(super) fn not_without_store(trouble: Option<&StoreError>) -> Self {
        let what = trouble.map(ToString::to_string).unwrap_or_default();
        let error = Self::new(ErrorKind::Store, format!("the session store failed: {what}"))
            .advice("the session is not renewed without it, because its refresh token may only be spent once");
        trouble.cloned().into_iter().fold(error, Self::with_cause)
    }

    pub(super) fn sign_out_not_stored(error: &StoreError) -> Self {
        Self::new(ErrorKind::Store, format!("the session store failed: {error}"))
            .advice("this client has forgotten the session, but others that share the store may still use it")
            .with_cause(error.clone())
    }

    pub(super) fn not_saved(trouble: Option<&StoreError>) -> Self {
        let why = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let error = Self::new(ErrorKind::Store, format!("the session store has not taken what was to be saved{why}"))
            .advice("the next process signs in anew; a session that was signed out may still be used there");
        trouble.cloned().into_iter().fold(error, Self::with_cause)
    }

    pub(super) fn seed_used(credential: &str) -> Self {
        Self::new(ErrorKind::SignInRequired, format!("what {credential} gave has begun a session before and is spent"))
            .advice("give the builder a new one")
            .local()
    }

    pub(super) fn used_to_its_end() -> Self {
        Self::new(ErrorKind::SignInRequired, "the session can be renewed no longer, and is used to its end")
            .advice("nothing is to be done before that")
    }

    pub(super) fn dead_on_arrival() -> Self {
        Self::protocol("the vendor issued a token that ends at once, or had ended before")
            .advice("check this machine's clock and the vendor's")
    }

    pub(super) fn budget_used_up(wait: Duration) -> Self {
        Self::new(ErrorKind::Throttled, "the vendor's budget of sign-in attempts is used up; nothing was sent")
            .with_retry_after(Some(wait))
            .local()
    }

    pub(super) fn refused_elsewhere() -> Self {
        Self::new(
            ErrorKind::InvalidCredentials,
            "the vendor refused these credentials when another process presented them",
        )
        .advice("correct them; sign_in() presents them once more")
        .local()
    }

    /// A redirect of another page, address or provider.
    pub(crate) fn no_answer_to_page(what: &'static str) -> Self {
        Self::config(format!("the redirect is not the answer to this sign-in page: {what}; nothing was sent"))
            .advice("answer with the whole address that the browser was sent to after this very page")
    }

    /// An API wants the person to sign in in a certain way.
    #[cfg(feature = "oauth2")]
    pub(super) fn step_up_required(about: &Question, wanted: &str) -> Self {
        Self::question(about).message(format!("the API wants the person to sign in again for this call ({wanted})"))
    }

    /// They have, and it wants it still.
    #[cfg(feature = "oauth2")]
    pub(crate) fn step_up_not_enough(wanted: &str) -> Self {
        let what = format!("the person has signed in again a moment ago, and the API wants it still ({wanted})");
        Self::new(ErrorKind::Unauthorized, what)
            .advice("see whether the provider does what it is asked with for this client, and whether the API reads it")
    }

    pub(super) fn device_code_ended() -> Self {
        Self::new(ErrorKind::Declined, "nobody entered the device code while it was good")
            .advice("the next call asks for a new one")
    }

    /// Local and no failure of the vendor's: it does not cool down.
    pub(super) fn nobody_waits() -> Self {
        Self::config("nobody waits for the device code any more").advice("answer the question again to go on")
    }

    /// What other processes have left word of.
    pub(super) fn left_word(kind: ErrorKind) -> Self {
        let what = match kind {
            ErrorKind::Throttled => "the vendor has throttled another process of this account",
            _ => "another process could not reach the vendor moments ago",
        };
        Self::new(kind, what).local()
    }

    /// Asks this, once more.
    pub(super) fn question(about: &Question) -> Self {
        Self::asks(about.clone())
    }

    /// Which question this asks.
    pub(super) fn question_kind(&self) -> ErrorKind {
        self.asked().map_or(self.kind(), Question::kind)
    }
}
