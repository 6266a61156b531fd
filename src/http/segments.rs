//! Whether an address leads where it seems to lead. Servers decode and normalise paths, some of them twice: what is text in
//! a segment here may be a step upwards there.

use crate::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use std::borrow::Cow;
use url::Url;

/// How often a path is decoded on its way: by a gateway, and by what stands behind it.
const DECODED: usize = 2;

/// Whether a path, as it is written in an address, holds a step upwards.
pub(crate) fn climbs(path: &[u8]) -> bool {
    let mut path = Cow::Borrowed(path);
    for _ in 0..DECODED {
        if has_dots(&path) {
            return true;
        }
        if !path.contains(&b'%') {
            return false;
        }
        path = percent_decode(&path).collect::<Vec<_>>().into();
    }
    has_dots(&path)
}

/// Whether a segment is `.` or `..`: between slashes of both kinds, and in front of parameters, which some servers drop.
fn has_dots(path: &[u8]) -> bool {
    let segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.map(before_parameters).any(|segment| matches!(segment, b"." | b".."))
}

/// Without the parameters of RFC 2396: `..;jsessionid=1`. Servers of strings that end with a zero see nothing behind one.
fn before_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default()
}

/// Refuses an address that names other credentials than the session, or leads elsewhere than it seems to.
///
/// # Errors
/// `Config`; nothing was sent.
pub(crate) fn check(url: &Url) -> Result<(), Error> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::in_address());
    }
    if climbs(url.path().as_bytes()) {
        return Err(Error::climbing());
    }
    Ok(())
}

impl Error {
    pub(crate) fn in_address() -> Self {
        Self::config("the address of a call holds a user name or password, which would take the session's place; nothing was sent")
            .advice("leave them out; credentials of the call's own go into its Authorization header")
    }

    pub(crate) fn climbing() -> Self {
        Self::config("the address of a call holds `.`, `..` or `\\`, which could lead elsewhere; nothing was sent")
            .advice("refuse dots and slashes in what comes from outside; percent-encoding does not stop a server from decoding them")
    }
}

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path value as one segment. Some values cannot be one: the URL would lead to another operation, here, or where a server
/// has decoded it.
pub fn encode_path(name: &str, value: &str) -> Result<String, Error> {
    let encoded = encode_segment(name, value)?;
    if climbs(value.as_bytes()) {
        return Err(Error::refused_field(name, "must hold no `.` or `..` between slashes: it is part of the path"));
    }
    Ok(encoded)
}

/// The vendor's own value as one segment: where it leads is the vendor's affair.
pub fn encode_segment(name: &str, value: &str) -> Result<String, Error> {
    match value {
        "" => Err(Error::refused_field(name, "must not be empty: it is part of the path")),
        "." | ".." => Err(Error::refused_field(name, "must not be `.` or `..`: it is part of the path")),
        _ => Ok(utf8_percent_encode(value, SEGMENT).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_step_upwards_is_found_however_it_is_written() {
        for climbing in [
            "..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a/..%2fb",
            "/a/..%2Fb",
            "/a/..%252fb",
            "/a/%252e%252e/b",
            "/a/..%5cb",
            "/a/..\\b",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/..%3b/b",
            "/a/%2e%2e%3bx%2fb",
            "/a/..%00/b",
            "/a/..%2500/b",
            "../../user/42",
        ] {
            assert!(climbs(climbing.as_bytes()), "{climbing}");
        }
        for harmless in ["/a..b/.hidden", "/...", "/v1.2/x", "/a/%2fb", "/a;x=../b", "/a/b%3fc=..", "/%", "/%2", "/é"]
        {
            assert!(!climbs(harmless.as_bytes()), "{harmless}");
        }
    }

    #[apply(leak_checked!)]
    fn an_address_names_no_credentials() {
        for named in ["https://u@h/a", "https://u:p@h/a", "https://:p@h/a"] {
            assert!(check(&Url::parse(named).expect("an address")).is_err(), "{named}");
        }
        assert!(check(&Url::parse("https://h/a?x=../b").expect("an address")).is_ok());
    }

    #[apply(leak_checked!)]
    fn a_path_value_is_one_segment_or_refused() {
        assert_eq!(encode_path("id", "a/b?c#d%e é").expect("a segment"), "a%2Fb%3Fc%23d%25e%20%C3%A9");
        assert_eq!(encode_path("id", "v1.2-x_~").expect("a segment"), "v1.2-x_~");
        assert_eq!(encode_path("id", "...").expect("a segment"), "...");
        for value in ["", ".", "..", "../../user/42", "..%2fadmin", "a/..;x", "a\\..\\b", "%2e%2e", "%252e%252e/a"] {
            let error = encode_path("id", value).expect_err("another path");
            assert!(error.validation().is_some_and(|fields| fields.contains_key("id")), "{error}");
        }
    }
}
