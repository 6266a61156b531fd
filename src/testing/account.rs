//! Those who may sign in with a name and a secret: users, clients, key pairs.

use std::fmt;

/// A name, and the secret that proves it.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) secret: String,
}

impl Account {
    pub(super) fn new(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), secret: secret.to_owned() }
    }

    pub(super) fn is(&self, name: &str, secret: &str) -> bool {
        self.name == name && self.secret == secret
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    /// The one that is always there.
    pub(super) fn with(name: &str, secret: &str) -> Self {
        Self(vec![Account::new(name, secret)])
    }

    pub(super) fn add(&mut self, name: &str, secret: &str) {
        self.0.push(Account::new(name, secret));
    }

    /// Gives this name, known or not, this secret instead of all others.
    pub(super) fn set(&mut self, name: &str, secret: &str) {
        self.0.retain(|account| account.name != name);
        self.add(name, secret);
    }

    pub(super) fn know(&self, name: &str, secret: &str) -> bool {
        self.0.iter().any(|account| account.is(name, secret))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.iter()
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|account| account.secret.clone())
    }
}
