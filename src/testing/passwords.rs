//! What the fake VTEX store knows of passwords.

/// Passwords, second factors, and what users may do about both.
#[derive(Default)]
pub(super) struct Passwords {
    /// By user: e-mail address or user name.
    pub(super) known: Vec<(String, String)>,
    /// Whose sign-ins want a second factor, and the code that is right.
    pub(super) second_factors: Vec<(String, String)>,
    /// Sign-ins that wait for it: the authentication token, and who signs in.
    pub(super) waiting: Vec<(String, String)>,
    /// The account has *Login with Alternative Keys*.
    pub(super) refuses_legacy_routes: bool,
    /// Whether the migration of passwords is on, where it is set up.
    pub(super) migration: Option<bool>,
}

impl Passwords {
    pub(super) fn new(refuses_legacy_routes: bool) -> Self {
        Self { refuses_legacy_routes, ..Self::default() }
    }

    pub(super) fn set(&mut self, user: &str, password: &str) {
        self.known.retain(|(known, _)| known != user);
        self.known.push((user.to_owned(), password.to_owned()));
    }

    pub(super) fn want_second_factor(&mut self, user: &str, code: &str) {
        self.second_factors.push((user.to_owned(), code.to_owned()));
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.known.iter().chain(&self.second_factors).map(|(_, secret)| secret.clone())
    }

    pub(super) fn fits(&self, user: &str, password: &str) -> bool {
        self.known.iter().any(|(known, secret)| known == user && secret == password)
    }
}
