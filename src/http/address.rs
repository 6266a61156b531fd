//! The address of a call: that of the platform's root, with a path and a query of its own.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use url::Url;

/// Where the calls of a document go: its server's address, and that of each operation whose path takes no values, parsed when
/// it is called for the first time.
#[derive(Clone)]
pub struct Base(Arc<Addresses>);

struct Addresses {
    base: Url,
    /// In the order of the document's facts.
    operations: Box<[OnceLock<Box<Url>>]>,
}

impl Base {
    /// Below this root, for a document of so many operations.
    pub(crate) fn new(root: &Url, server_path: &str, operations: usize) -> Self {
        let base = below_root(root, server_path).unwrap_or_else(|| root.clone());
        Self(Arc::new(Addresses { base, operations: (0..operations).map(|_| OnceLock::new()).collect() }))
    }

    /// This path below it.
    pub(crate) fn address(&self, path: &str) -> Option<Url> {
        below_root(&self.0.base, path)
    }

    /// The same for an operation that has always this path.
    pub(crate) fn address_of(&self, operation: usize, path: &'static str) -> Option<Url> {
        let known = self.0.operations.get(operation)?;
        if let Some(address) = known.get() {
            return Some(Url::clone(address));
        }
        let address = self.address(path)?;
        Some(Url::clone(known.get_or_init(|| Box::new(address))))
    }
}

/// No address: it may name a customer.
impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").finish_non_exhaustive()
    }
}

/// This path, with whatever query stands behind it, below `root`; `None` if that is no address.
///
/// The root was parsed when the client was built, and nearly every call takes it as it is: only what is added is parsed.
pub(crate) fn below_root(root: &Url, path: &str) -> Option<Url> {
    if !is_plain(path) {
        return Url::parse(&format!("{}{path}", root.as_str().trim_end_matches('/'))).ok();
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut address = root.clone();
    match root.path().trim_end_matches('/') {
        "" => address.set_path(path),
        prefix => address.set_path(&[prefix, path].concat()),
    }
    if query.is_some() {
        address.set_query(query);
    }
    Some(address)
}

/// Whether it is a path and nothing but one, without anything that is dropped where a whole address is parsed.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.bytes().any(|byte| byte <= b' ' || matches!(byte, b'#' | 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(root: &str, path: &str) -> Option<String> {
        Url::parse(&format!("{}{path}", root.trim_end_matches('/'))).ok().map(String::from)
    }

    fn put_together(root: &str, path: &str) -> Option<String> {
        below_root(&Url::parse(root).expect("a root"), path).map(String::from)
    }

    #[apply(leak_checked!)]
    fn an_address_that_is_put_together_is_the_one_that_would_be_parsed() {
        let paths = [
            "/",
            "//a",
            "/a/b",
            "/a/b/",
            "/a?b=c&d",
            "/a?",
            "/?x='y'",
            "/a/../b",
            "/%2e%2e/a",
            "/a\\b",
            "/é?ü=ß",
            "/a#b",
            "/a?b#c",
            "/a b",
            "/a ",
            "/\ta",
            "/a\u{7f}",
            "/a%20b%zz",
            "/{a}|^`\"<>",
            "/a;b=c:d@e",
            "",
            "a",
            "?a",
            "/a?b?c/../d",
        ];
        for root in
            ["https://vendor.example", "http://127.0.0.1:8080/", "https://h/base", "https://h/a/b/", "https://[::1]:1/"]
        {
            for path in paths {
                assert_eq!(put_together(root, path), parsed(root, path), "{root} {path:?}");
            }
        }
    }

    #[apply(leak_checked!)]
    fn an_operations_address_is_its_own_however_often_it_is_asked_for() {
        let base = Base::new(&Url::parse("https://h/base").expect("a root"), "/v3", 2);
        for _ in 0..2 {
            let addresses = [base.address_of(0, "/a"), base.address_of(1, "/b?c"), base.address("/d/e")];
            let addresses = addresses.map(|address| address.map(String::from).unwrap_or_default());
            assert_eq!(addresses, ["https://h/base/v3/a", "https://h/base/v3/b?c", "https://h/base/v3/d/e"]);
        }
        assert!(!format!("{base:?}").contains("//"), "{base:?}");
    }

    #[apply(leak_checked!)]
    fn whatever_the_path_is_it_leads_where_it_would_lead_if_all_of_it_were_parsed() {
        let any = (prop_oneof![Just("https://h/"), Just("http://h:81/base")], "/[ -~äß\t\n]{0,24}");
        proptest!(|((root, path) in any)| {
            prop_assert_eq!(put_together(root, &path), parsed(root, &path));
        });
    }
}
