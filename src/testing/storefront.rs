//! How shoppers of the fake VTEX store sign in by mail.

use super::mint::{Mint, random};
use std::time::{Duration, SystemTime};

/// How long a sign-in may take, from its start.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The sign-ins under way.
#[derive(Default)]
pub(super) struct Storefront {
    /// What the cookie `_vss` holds.
    sessions: Mint,
    attempts: Vec<Attempt>,
}

struct Attempt {
    session: String,
    fingerprint: Option<String>,
    ends: SystemTime,
    mail: Option<Mail>,
}

struct Mail {
    number: usize,
    email: String,
    key: String,
    spent: bool,
}

impl Storefront {
    /// The authentication token of a new sign-in.
    pub(super) fn begin(&mut self, fingerprint: Option<String>, now: SystemTime) -> String {
        // The shape of the vendor's: 64 hexadecimal digits.
        let session = self.sessions.make(|_, part| format!("{part}{}", random()).to_uppercase());
        self.attempts.push(Attempt { session: session.clone(), fingerprint, ends: now + LIFE, mail: None });
        session
    }

    /// Sends a mail with a new access key, which takes the place of the last. Says whether there is such a sign-in.
    pub(super) fn send(&mut self, session: &str, email: &str, now: SystemTime) -> bool {
        let number = self.attempts.iter().filter_map(|attempt| attempt.mail.as_ref()).map(|mail| mail.number).max();
        let number = number.unwrap_or(0) + 1;
        let Some(attempt) = self.live(session, now) else {
            return false;
        };
        let key = random().bytes().take(6).map(|digit| char::from(b'0' + digit % 10)).collect();
        attempt.mail = Some(Mail { number, email: email.to_owned(), key, spent: false });
        true
    }

    /// Ends a sign-in with the right access key, and gives the fingerprint it began with; else, why not. An access key
    /// is good once.
    pub(super) fn redeem(
        &mut self,
        session: &str,
        email: &str,
        key: &str,
        now: SystemTime,
    ) -> Result<Option<String>, &'static str> {
        let attempt = self.live(session, now).ok_or("InvalidToken")?;
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
        self.mails().max_by_key(|mail| mail.number).map(|mail| mail.key.clone())
    }

    pub(super) fn access_key_for(&self, email: &str) -> Option<String> {
        let mails = self.mails().filter(|mail| mail.email == email);
        mails.max_by_key(|mail| mail.number).map(|mail| mail.key.clone())
    }

    /// All authentication tokens and access keys.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.sessions.made().chain(self.mails().map(|mail| mail.key.clone()))
    }

    fn mails(&self) -> impl Iterator<Item = &Mail> {
        self.attempts.iter().filter_map(|attempt| attempt.mail.as_ref())
    }

    fn live(&mut self, session: &str, now: SystemTime) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.session == session && now < attempt.ends)
    }
}
