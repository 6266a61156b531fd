//! `client.http()`: any HTTP call under the session, with reqwest's own answers.

use super::Core;
use crate::{Error, secret::writing};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, Response};
use serde::Serialize;
use std::{fmt, time::Duration};
use url::Url;

/// Makes free calls under the session: sign-in, renewal, replay after a 401 and tenant headers included.
///
/// A path that begins with `/` goes below the address given to the builder; a whole `https://` address is taken as it
/// is, and gets the session only if it is one of the client's own origins. In neither may there be a control character, a blank
/// at an end or, before the query, a backslash or a segment `.` or `..` in any encoding: what comes from outside cannot lead a
/// call elsewhere. Redirects are not followed.
#[derive(Debug, Clone)]
pub struct Http(Core);

impl Http {
    pub(crate) fn new(core: Core) -> Self {
        Self(core)
    }

    /// A `GET` of this path.
    pub fn get(&self, path: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A `POST` to this path.
    pub fn post(&self, path: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A `PUT` to this path.
    pub fn put(&self, path: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, path)
    }

    /// A `PATCH` of this path.
    pub fn patch(&self, path: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE` of this path.
    pub fn delete(&self, path: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// Any method on this path. A bad path is told when the call is sent.
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> RequestBuilder {
        let inner = below(self.0.root(), path.as_ref()).map(|url| self.0.client().request(method, url));
        RequestBuilder { core: self.0.clone(), inner }
    }

    /// Sends a request that was built elsewhere.
    ///
    /// # Errors
    /// As [`RequestBuilder::send`].
    ///
    /// # Cancel safety
    /// As [`RequestBuilder::send`].
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        self.0.call(request, None).await.map_err(|error| error.at("http"))
    }
}

fn below(root: &Url, path: &str) -> Result<Url, Error> {
    let plain = is_plain(path);
    if !plain && climbs(path) {
        return Err(Error::config(
            "the address of a call holds `.`, `..` or `\\`, which could lead elsewhere; nothing was sent",
        )
        .advice("percent-encode what comes from outside, and refuse dots"));
    }
    if !plain && is_changed(path) {
        return Err(Error::config(
            "the address of a call holds a control character, or a blank at an end, and URLs drop or change these; nothing was sent",
        )
        .advice("percent-encode what comes from outside; .query(..) does so"));
    }
    let whole = match path {
        _ if path.starts_with("//") => None,
        _ if path.starts_with('/') => Url::parse(&format!("{}{path}", root.as_str().trim_end_matches('/'))).ok(),
        _ => Url::parse(path).ok().filter(|url| matches!(url.scheme(), "https" | "http")),
    };
    whole.ok_or_else(|| {
        Error::config("the address of a call is neither a path that begins with one `/` nor a whole https address")
            .advice("give http() a path such as `/api/v1/cameras`")
    })
}

/// Nearly every address holds none of what would have to be looked at more closely.
fn is_plain(path: &str) -> bool {
    !path.bytes().any(|byte| byte <= b' ' || matches!(byte, b'.' | b'%' | b'\\' | 0x7f))
}

/// A dot segment, also an encoded one, or a backslash: URLs are normalised, so the call would go to another path.
fn climbs(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.contains('\\') || path.split('/').any(|segment| matches!(dots(segment.as_bytes()), Some(1 | 2)))
}

/// Whether what is sent would differ from what is looked at here: without what is dropped, `/.\t.` is `/..`.
fn is_changed(path: &str) -> bool {
    path.bytes().any(|byte| byte.is_ascii_control()) || path.starts_with(' ') || path.ends_with(' ')
}

/// How many dots a segment is, if it is nothing else.
fn dots(mut segment: &[u8]) -> Option<usize> {
    let mut dots = 0;
    while let [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] = segment {
        segment = rest;
        dots += 1;
    }
    segment.is_empty().then_some(dots)
}

/// A free call being built; its methods are a selection of reqwest's.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    core: Core,
    inner: Result<reqwest::RequestBuilder, Error>,
}

impl fmt::Debug for RequestBuilder {
    /// Neither headers nor query: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("core", &self.core).finish_non_exhaustive()
    }
}

impl RequestBuilder {
    /// Adds a header. Where its name is that of the header which carries the session's token (`Authorization`, or one of the
    /// vendor's own), it takes the session's place: the call then goes as it is, without the session, its tenant and a replay.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.map(|inner| inner.header(name, value))
    }

    /// Adds headers, replacing those of the same name.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|inner| inner.headers(headers))
    }

    /// Adds query parameters.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.map(|inner| writing(|| inner.query(query)))
    }

    /// Sends this as JSON. A `Secret` in it is written.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.map(|inner| writing(|| inner.json(body)))
    }

    /// Sends this body. A stream cannot be sent again, so after a 401 the 401 is the answer.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.map(|inner| inner.body(body))
    }

    /// The tenant this call is made in, instead of the session's own: a UUID. Only a service session may choose; with any
    /// other one another tenant is `ErrorKind::Config`, and nothing is sent.
    pub fn tenant(self, uuid: impl AsRef<str>) -> Self {
        let chosen = self.core.chosen_tenant(uuid.as_ref());
        let inner = self.inner.and_then(|inner| Ok(inner.headers(HeaderMap::from_iter([chosen?]))));
        Self { inner, ..self }
    }

    /// How long the call may take: the wait for the session, every try with the waits between them, and the answer's
    /// body. A renewal it waits for goes on if this is too short.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.map(|inner| inner.timeout(timeout))
    }

    fn map(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self { inner: self.inner.map(change), ..self }
    }

    /// Sends the call. A 4xx or 5xx is an answer, not an error, as with reqwest.
    ///
    /// # Errors
    /// `Config` for a path, header or body that cannot be sent; whatever keeps the session from having a token;
    /// `Outage` and `Timeout` for the network.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the call done or not done at the vendor; a renewal it has started goes on.
    pub async fn send(self) -> Result<Response, Error> {
        let request = self.inner.and_then(|inner| inner.build().map_err(Error::from));
        let request = request.map_err(|error| error.at("http"))?;
        self.core.call(request, None).await.map_err(|error| error.at("http"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(hunted!)]
    fn a_path_goes_below_the_root_with_its_prefix() {
        let below = |root: &str, path| below(&Url::parse(root).expect("a URL"), path).map(String::from);
        assert_eq!(below("https://h/", "/api/v1").as_deref().ok(), Some("https://h/api/v1"));
        assert_eq!(below("https://h/base", "/api?q=1").as_deref().ok(), Some("https://h/base/api?q=1"));
        assert_eq!(below("https://h/", "https://other/x").as_deref().ok(), Some("https://other/x"));
        for climbing in
            ["/..", "/a/../b", "/./a", "/a/%2e%2E/b", "/a\\..\\b", "/.?x=1", "https://h/a/../b", "https://h/%2e"]
        {
            assert!(below("https://h/base", climbing).is_err(), "{climbing}");
        }
        // Without what URLs drop, these are some of those.
        for dropped in ["/a/.. ", "/a/..\u{1f}", "/a/.\t./b", "/a/%2\te%2e/b", "/a?next=\r\nb", "https://h/.\n./b"] {
            assert!(below("https://h/base", dropped).is_err(), "{dropped:?}");
        }
        assert!(below("https://h/base", "/a..b/.hidden file?next=../x").is_ok());
        for bad in ["", "api", "//evil.example/x", "file:///etc/passwd", "https://["] {
            assert!(below("https://h/", bad).is_err(), "{bad}");
        }
    }
}
