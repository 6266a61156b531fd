//! How shoppers of the fake VTEX store sign in by mail.

use crate::testing::mint::{Mint, random};
use std::time::{Duration, SystemTime};

/// How long a sign-in may take, from its start.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The two families of sign-in routes: what one begins, the other does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Legacy,
    Authenticator,
}

/// The sign-ins under way.
#[derive(Default)]
pub(super) struct StorefrontSignIns {
    /// What the cookie `_vss` holds.
    sessions: Mint,
    access_keys: Mint,
    attempts: Vec<SignInAttempt>,
}

struct SignInAttempt {
    family: Family,
    session: String,
    fingerprint: Option<String>,
    ends: SystemTime,
    mail: Option<Mail>,
}

struct Mail {
    email: String,
    key: String,
    spent: bool,
}

impl StorefrontSignIns {
    /// The authentication token of a new sign-in.
    pub(super) fn begin(&mut self, fingerprint: Option<String>, now: SystemTime) -> String {
        self.begin_in(Family::Legacy, fingerprint, now)
    }

    /// The same, in this family of routes.
    pub(super) fn begin_in(&mut self, family: Family, fingerprint: Option<String>, now: SystemTime) -> String {
        // The shape of the vendor's: 64 hexadecimal digits.
        let session = self.sessions.make(|_, part| format!("{part}{}", random()).to_uppercase());
        self.attempts.push(SignInAttempt {
            family,
            session: session.clone(),
            fingerprint,
            ends: now + LIFE,
            mail: None,
        });
        session
    }

    /// Sends a mail with a new access key, which takes the place of the last. Says whether there is such a sign-in.
    pub(super) fn send(&mut self, family: Family, session: &str, email: &str, now: SystemTime) -> bool {
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.is_live(family, session, now)) else {
            return false;
        };
        let digits = |random: &str| random.bytes().take(6).map(|byte| char::from(b'0' + byte % 10)).collect();
        let key = self.access_keys.make(|_, random| digits(random));
        attempt.mail = Some(Mail { email: email.to_owned(), key, spent: false });
        true
    }

    /// Whether such a sign-in is under way.
    pub(super) fn is_open(&self, family: Family, session: &str, now: SystemTime) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_live(family, session, now))
    }

    /// Ends a sign-in with the right access key, and gives the fingerprint it began with; else, why not. An access key
    /// is good once.
    pub(super) fn redeem_in(
        &mut self,
        family: Family,
        session: &str,
        email: &str,
        key: &str,
        now: SystemTime,
    ) -> Result<Option<String>, &'static str> {
        let live = self.attempts.iter_mut().find(|attempt| attempt.is_live(family, session, now));
        let attempt = live.ok_or("InvalidToken")?;
        let mail = attempt.mail.as_mut().ok_or("InvalidEmail")?;
        if mail.email != email {
            return Err("InvalidEmail");
        }
        if mail.key != key || mail.spent {
            return Err("WrongCredentials");
        }
        mail.spent = true;
        Ok(attempt.fingerprint.clone())
    }

    pub(super) fn newest_access_key(&self) -> Option<String> {
        self.newest(|_| true)
    }

    pub(super) fn access_key_for(&self, email: &str) -> Option<String> {
        self.newest(|mail| mail.email == email)
    }

    /// All authentication tokens and access keys.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.sessions.made().chain(self.access_keys.made())
    }

    fn newest(&self, which: impl Fn(&Mail) -> bool) -> Option<String> {
        let mails = self.attempts.iter().filter_map(|attempt| attempt.mail.as_ref()).filter(|mail| which(mail));
        mails.max_by_key(|mail| self.access_keys.number(&mail.key)).map(|mail| mail.key.clone())
    }
}

impl SignInAttempt {
    fn is_live(&self, family: Family, session: &str, now: SystemTime) -> bool {
        self.family == family && self.session == session && now < self.ends
    }
}
