//! What the fake VTEX store knows of passwords.

use crate::testing::account::Accounts;

/// Passwords, second factors, and what users may do about both.
pub(super) struct Passwords {
    /// By user: e-mail address or user name.
    pub(super) known: Accounts,
    /// Whose sign-ins want a second factor, and the code that is right.
    pub(super) second_factors: Accounts,
    /// Sign-ins that wait for it: the authentication token, and who signs in.
    pub(super) waiting: Vec<(String, String)>,
    /// Whether the migration of passwords is on, where it is set up.
    pub(super) migration: Option<bool>,
}

impl Passwords {
    pub(super) fn new(known: Accounts, second_factors: Accounts) -> Self {
        Self { known, second_factors, waiting: Vec::new(), migration: None }
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.known.secrets().chain(self.second_factors.secrets())
    }
}
