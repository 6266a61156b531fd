//! What an error means.

/// What an [`Error`](crate::Error) means to the caller.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The vendor refused the credentials. Keyway remembers it and does not try them again until they change or
    /// `sign_in()` is called. Correct the credentials; see [`Error::validation`](crate::Error::validation) for what the vendor said.
    InvalidCredentials,
    /// There is no session and nothing that could make one unattended. Sign in again with a person's help.
    SignInRequired,
    /// A caller called `sign_out()` on this client. Call `sign_in()` to begin a new session.
    SignedOut,
    /// The vendor wants a captcha answered and no responder did. Answer through [`Error::resume`](crate::Error::resume).
    CaptchaRequired,
    /// The account has as many sessions as it may have. Choose one to end through [`Error::resume`](crate::Error::resume), or set a policy.
    SessionLimitReached,
    /// A person must enter a code on a device of their own to let this one in. Show [`Error::device_code`](crate::Error::device_code) and go on
    /// through [`Error::resume`](crate::Error::resume).
    DeviceCodeRequired,
    /// The vendor has sent a key to a person. Hand it in through [`Error::resume`](crate::Error::resume).
    AccessKeyRequired,
    /// The vendor wants a second factor. Hand its code in through [`Error::resume`](crate::Error::resume).
    SecondFactorRequired,
    /// A person must sign in at a page of the provider's. Lead them to [`Error::sign_in_page`](crate::Error::sign_in_page) and go on through
    /// [`Error::resume`](crate::Error::resume) with the address that they come back to.
    SignInPageRequired,
    /// The responder was asked and declined, or did not answer within [`Timeouts::person`](crate::Timeouts::person).
    Declined,
    /// The vendor answered 401 even with a fresh token. Renewing does not help; the account may lack the right.
    Unauthorized,
    /// The vendor answered 403: this session may not do that.
    Forbidden,
    /// A value was refused, by the vendor or by a limit of the document before anything was sent (then there is no
    /// [`Error::status`](crate::Error::status)). See [`Error::validation`](crate::Error::validation).
    Validation,
    /// Too many requests: the vendor said so, or our own attempt budget did ([`Error::is_local`](crate::Error::is_local)). Wait for
    /// [`Error::retry_after`](crate::Error::retry_after).
    Throttled,
    /// Any other documented failure, also one inside a 200. See [`Error::code`](crate::Error::code) and [`Error::body`](crate::Error::body).
    Api,
    /// The vendor could not be reached or answered 5xx. Try later.
    Outage,
    /// No answer in time.
    Timeout,
    /// The answer breaks the documented contract.
    Protocol,
    /// The store that keeps sessions failed.
    Store,
    /// Something the user of this crate gave us cannot work. The message names the builder method.
    Config,
}

impl ErrorKind {
    /// Its name in snake_case, such as `invalid_credentials`: for labels and logs. A kind keeps its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::SignInRequired => "sign_in_required",
            Self::SignedOut => "signed_out",
            Self::CaptchaRequired => "captcha_required",
            Self::SessionLimitReached => "session_limit_reached",
            Self::DeviceCodeRequired => "device_code_required",
            Self::AccessKeyRequired => "access_key_required",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SignInPageRequired => "sign_in_page_required",
            Self::Declined => "declined",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Validation => "validation",
            Self::Throttled => "throttled",
            Self::Api => "api",
            Self::Outage => "outage",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Store => "store",
            Self::Config => "config",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    /// A kind that is added here does not compile before it has a place in the list, and so in the page.
    #[apply(leak_checked!)]
    fn every_kind_has_a_name_of_its_own_and_a_section_in_the_page_of_errors() {
        use ErrorKind::*;
        let all = [
            InvalidCredentials,
            SignInRequired,
            SignedOut,
            CaptchaRequired,
            SessionLimitReached,
            DeviceCodeRequired,
            AccessKeyRequired,
            SecondFactorRequired,
            SignInPageRequired,
            Declined,
            Unauthorized,
            Forbidden,
            Validation,
            Throttled,
            Api,
            Outage,
            Timeout,
            Protocol,
            Store,
            Config,
        ];
        let known = |kind| match kind {
            InvalidCredentials | SignInRequired | SignedOut | CaptchaRequired | SessionLimitReached
            | DeviceCodeRequired | AccessKeyRequired | SecondFactorRequired | SignInPageRequired => (),
            Declined | Unauthorized | Forbidden | Validation | Throttled | Api | Outage | Timeout | Protocol => (),
            Store | Config => (),
        };
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).expect("a page");
        let mut names = std::collections::BTreeSet::new();
        for kind in all {
            known(kind);
            let heading = format!("\n## `{kind:?}`\n");
            assert!(page.contains(&heading), "docs/errors.md has no section {kind:?}");
            assert!(names.insert(kind.as_str()), "{kind:?}");
            assert_eq!(kind.as_str().replace('_', ""), format!("{kind:?}").to_lowercase());
        }
        assert_eq!(page.matches("\n## `").count(), all.len());
    }
}
