//! Paths that the user of the crate knows better than our document does.

use super::facts::{Certainty, Facts};
use crate::Error;
use url::Url;

/// Other paths for operations, each with the operation that is meant: one of another document may have the same name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths(Vec<(&'static Facts, String)>);

impl Paths {
    /// Checks every override against the facts: the operation exists, and its parameters have their places.
    pub(crate) fn new(facts: &'static [Facts], given: &[(String, String)]) -> Result<Self, Error> {
        let mut paths = Vec::new();
        for (operation, path) in given {
            let wrong = |what: String| Error::config(format!(".operation_path(..) cannot work: {what}"));
            let known = facts.iter().find(|facts| facts.operation == operation);
            let known = known.ok_or_else(|| wrong(unknown(facts, operation)))?;
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err(wrong(format!("the path of `{operation}` must begin with `/` and hold no query")));
            }
            let (wanted, given) = (names(known.path), names(path));
            let fits = |one: &[&str], other: &[&str]| one.iter().all(|name| other.contains(name));
            if wanted.len() != given.len() || !fits(&given, &wanted) || !fits(&wanted, &given) {
                let wanted: Vec<_> = wanted.iter().map(|name| format!("{{{name}}}")).collect();
                return Err(wrong(format!(
                    "the path of `{operation}` must hold these and no others: [{}]",
                    wanted.join(", ")
                )));
            }
            paths.push((known, path.clone()));
        }
        Ok(Self(paths))
    }

    /// The path template of an operation.
    pub(crate) fn of<'a>(&'a self, facts: &'a Facts) -> &'a str {
        self.given(facts).unwrap_or(facts.path)
    }

    fn given(&self, facts: &Facts) -> Option<&str> {
        let is_meant = |known: &Facts| {
            known.operation == facts.operation && known.method == facts.method && known.path == facts.path
        };
        // Whoever says it twice means the last one.
        self.0.iter().rev().find(|(known, _)| is_meant(known)).map(|(_, path)| path.as_str())
    }

    /// Where nothing is at a path that the user gave, it is that path, and no guess of ours.
    pub(crate) fn blame(&self, facts: &Facts, error: Error) -> Error {
        let given = self.given(facts).filter(|_| facts.certainty == Certainty::Guessed);
        match (given, error.status()) {
            (Some(given), Some(404 | 405)) => error
                .message(format!("nothing was found at {given}, as .operation_path(..) has it"))
                .advice("check the path and its method against the vendor's own document"),
            _ => error,
        }
    }

    /// Moves a request from the documented path to the given one, its path values kept as they are encoded.
    pub(crate) fn apply(&self, facts: &Facts, url: &mut Url) {
        let Some(instead) = self.given(facts) else { return };
        let path = url.path().to_owned();
        let segments: Vec<_> = path.split('/').collect();
        let template: Vec<_> = facts.path.split('/').skip(1).collect();
        let Some(root) = segments.len().checked_sub(template.len()) else { return };
        let mut moved = instead.to_owned();
        for (place, value) in template.iter().zip(&segments[root..]) {
            if place.starts_with('{') {
                moved = moved.replace(*place, value);
            }
        }
        url.set_path(&format!("{}{moved}", segments[..root].join("/")));
    }
}

/// The parameters of a template.
fn names(template: &str) -> Vec<&str> {
    template.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect()
}

/// Says so of a name that no operation has, and names the one that is most like it.
pub(super) fn unknown(facts: &[Facts], given: &str) -> String {
    let alike = |name: &str| strsim::normalized_damerau_levenshtein(&plain(name), &plain(given));
    let nearest = facts.iter().map(|facts| facts.operation).max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match nearest.filter(|name| alike(name) > 0.6) {
        Some(name) => format!("there is no operation `{given}`; did you mean `{name}`?"),
        None => format!("there is no operation `{given}`; they are named as the methods of api() are"),
    }
}

/// Without what tells `getToken` from `get_token`.
fn plain(name: &str) -> String {
    name.replace(['_', '-', ' '], "").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::facts::{Step, TenantHeader};

    static FACTS: &[Facts] = &[Facts {
        operation: "get_user_contact",
        method: "GET",
        path: "/auth-api/api/user/{id}/contact",
        roles: &[],
        resend: true,
        secret_url: false,
        certainty: Certainty::Guessed,
        step: Step::Call,
        tenant: TenantHeader::Undeclared,
        client: false,
        failures: &[],
        answers: &[],
        body: None,
        parameters: &[],
        success: None,
    }];

    fn paths(operation: &str, path: &str) -> Result<Paths, Error> {
        Paths::new(FACTS, &[(operation.to_owned(), path.to_owned())])
    }

    #[apply(leak_checked!)]
    fn a_path_is_moved_with_its_values_and_below_the_roots_own_path() {
        let paths = paths("get_user_contact", "/api/contacts/{id}").expect("fits");
        let mut url = Url::parse("https://h/base/auth-api/api/user/a%2Fb/contact?x=1").expect("a URL");
        paths.apply(&FACTS[0], &mut url);
        assert_eq!(url.as_str(), "https://h/base/api/contacts/a%2Fb?x=1");
        assert_eq!(paths.of(&FACTS[0]), "/api/contacts/{id}");
    }

    #[apply(leak_checked!)]
    fn of_a_mistyped_operation_the_nearest_is_named() {
        for mistyped in ["getUserContact", "get_user_contacts", "get-user-contact", "get_usr_contact"] {
            let said = paths(mistyped, "/api/{id}").expect_err("no operation").to_string();
            assert!(said.contains("did you mean `get_user_contact`?"), "{said}");
        }
        let said = paths("delete_everything", "/api/{id}").expect_err("no operation").to_string();
        assert!(!said.contains("did you mean"), "{said}");
    }

    #[apply(leak_checked!)]
    fn of_two_paths_for_one_operation_the_last_one_counts() {
        let given = ["/api/one/{id}", "/api/two/{id}"].map(|path| ("get_user_contact".to_owned(), path.to_owned()));
        let paths = Paths::new(FACTS, &given).expect("both fit");
        assert_eq!(paths.of(&FACTS[0]), "/api/two/{id}");
    }

    #[apply(leak_checked!)]
    fn a_path_that_cannot_work_is_refused() {
        for (operation, path) in [
            ("get_user_contacts", "/api/{id}"),
            ("get_user_contact", "api/{id}"),
            ("get_user_contact", "/api/contacts"),
            ("get_user_contact", "/api/{id}/{name}"),
            ("get_user_contact", "/api/{name}"),
            ("get_user_contact", "/api/{id}?x=1"),
        ] {
            assert!(paths(operation, path).is_err(), "{operation} {path}");
        }
    }

    #[apply(leak_checked!)]
    fn an_operation_of_another_document_keeps_its_path_whatever_its_name() {
        let other = Facts { path: "/v2/user/{id}/contact", ..FACTS[0] };
        let paths = paths("get_user_contact", "/api/contacts/{id}").expect("fits");
        assert_eq!(paths.of(&FACTS[0]), "/api/contacts/{id}");
        assert_eq!(paths.of(&other), other.path);
        let mut url = Url::parse("https://h/v2/user/7/contact").expect("a URL");
        paths.apply(&other, &mut url);
        assert_eq!(url.as_str(), "https://h/v2/user/7/contact");
    }
}
