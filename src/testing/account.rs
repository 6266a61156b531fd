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
pub(super) struct Accounts {
    known: Vec<Account>,
    /// Those whose secret is another one now.
    former: Vec<Account>,
}

impl Accounts {
    /// No account yet.
    pub(super) fn none() -> Self {
        Self { known: Vec::new(), former: Vec::new() }
    }

    /// The one that is always there.
    pub(super) fn with(name: &str, secret: &str) -> Self {
        Self { known: vec![Account::new(name, secret)], former: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, secret: &str) {
        self.known.push(Account::new(name, secret));
    }

    /// Gives this name, known or not, this secret instead of all others.
    pub(super) fn set(&mut self, name: &str, secret: &str) {
        self.former.extend(self.known.extract_if(.., |account| account.name == name));
        self.add(name, secret);
    }

    pub(super) fn know(&self, name: &str, secret: &str) -> bool {
        self.known.iter().any(|account| account.is(name, secret))
    }

    /// Whether there is one of this name.
    pub(super) fn have(&self, name: &str) -> bool {
        self.known.iter().any(|account| account.name == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.known.iter()
    }

    /// Those that are or were good.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.known.iter().chain(&self.former).map(|account| account.secret.clone())
    }
}
