//! `client.http()`: any HTTP call under the session, with reqwest's own answers.

use super::{
    Core,
    address::below_root,
    segments::{self, climbs},
};
use crate::{
    Error, Secret,
    secret::{take_written, writing},
};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};
use reqwest::{Body, Method, Request, Response};
use serde::Serialize;
use std::{fmt, time::Duration};
use url::Url;

/// Makes free calls under the session: sign-in, renewal, replay after a 401 and tenant headers included.
///
/// A path that begins with `/` goes below the address given to the builder; a whole `https://` address is taken as it
/// is, and gets the session only if it is one of the client's own origins. In neither may there be a control character, a blank
/// at an end, a user name or, before the query, a backslash or a segment `.` or `..`, also one that shows only when a server
/// has decoded the path: what comes from outside cannot lead a call elsewhere. Where an address comes from outside as a whole,
/// [`paths_only`](Self::paths_only) keeps it from naming another host. Redirects are not followed.
#[derive(Clone)]
pub struct Http {
    core: Core,
    paths_only: bool,
}

impl fmt::Debug for Http {
    /// No address: see [`Error`](crate::Error).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, paths_only: false }
    }

    /// Takes paths alone from here on: a whole address is `ErrorKind::Config`, and nothing is sent. For addresses that come
    /// from outside, which could otherwise have this machine call any host it can reach, such as
    /// `http://169.254.169.254/`.
    ///
    /// ```no_run
    /// # async fn example(vms: keyway::vms::Client, from_outside: &str) -> Result<(), keyway::Error> {
    /// let answer = vms.http().paths_only().get(from_outside).send().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn paths_only(self) -> Self {
        Self { paths_only: true, ..self }
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
        let url = below(self.core.root(), path.as_ref(), self.paths_only);
        let inner = url.map(|url| self.core.client().request(method, url));
        RequestBuilder { core: self.core.clone(), inner, secrets: Vec::new() }
    }

    /// Sends a request that was built elsewhere.
    ///
    /// # Errors
    /// As [`RequestBuilder::send`].
    ///
    /// # Cancel safety
    /// As [`RequestBuilder::send`].
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        let checked = segments::check(request.url()).and_then(|()| self.is_ours(&request));
        checked.map_err(|error| error.at("http"))?;
        self.core.free(request).await.map_err(|error| error.at("http"))
    }

    fn is_ours(&self, request: &Request) -> Result<(), Error> {
        if self.paths_only && !self.core.is_own(request.url()) {
            return Err(Error::whole_address());
        }
        refuse_host(request)
    }
}

/// A server chooses by `Host` whose request it is: with another one, the session would go to a neighbour of the vendor's.
pub(super) fn refuse_host(request: &Request) -> Result<(), Error> {
    if !request.headers().contains_key(HOST) {
        return Ok(());
    }
    Err(Error::config("the call names a host of its own in its headers; nothing was sent")
        .advice("leave `Host` out: it follows from the address"))
}

impl Error {
    fn whole_address() -> Self {
        Self::config("the call names a whole address, and only paths are taken here; nothing was sent")
            .advice("give a path such as `/api/v1/cameras`, or call without .paths_only()")
    }
}

pub(crate) fn below(root: &Url, path: &str, paths_only: bool) -> Result<Url, Error> {
    let plain = is_plain(path);
    if !plain && is_climbing(path) {
        return Err(Error::climbing());
    }
    if !plain && is_changed(path) {
        return Err(Error::config(
            "the address of a call holds a control character, or a blank at an end, and URLs drop or change these; nothing was sent",
        )
        .advice("percent-encode what comes from outside; .query(..) does so"));
    }
    let whole = match path {
        _ if path.starts_with("//") => None,
        _ if path.starts_with('/') => below_root(root, path),
        _ if paths_only => return Err(Error::whole_address()),
        _ => Url::parse(path).ok().filter(|url| matches!(url.scheme(), "https" | "http")),
    };
    let whole = whole.ok_or_else(|| {
        Error::config("the address of a call is neither a path that begins with one `/` nor a whole https address")
            .advice("give http() a path such as `/api/v1/cameras`")
    })?;
    // reqwest would make an Authorization header of them.
    if !whole.username().is_empty() || whole.password().is_some() {
        return Err(Error::in_address());
    }
    Ok(whole)
}

/// Nearly every address holds none of what would have to be looked at more closely.
fn is_plain(path: &str) -> bool {
    !path.bytes().any(|byte| byte <= b' ' || matches!(byte, b'.' | b'%' | b'\\' | 0x7f))
}

/// A dot segment, also one that shows when it is decoded, or a backslash: URLs are normalised, so the call would go to
/// another path.
fn is_climbing(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.contains('\\') || climbs(path.as_bytes())
}

/// Whether what is sent would differ from what is looked at here: without what is dropped, `/.\t.` is `/..`.
fn is_changed(path: &str) -> bool {
    path.bytes().any(|byte| byte.is_ascii_control()) || path.starts_with(' ') || path.ends_with(' ')
}

/// A free call being built; its methods are a selection of reqwest's.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    core: Core,
    inner: Result<reqwest::RequestBuilder, Error>,
    /// What was written into the request, and is not to be shown where the vendor repeats it.
    secrets: Vec<Secret>,
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
        self.writing(|inner| inner.query(query))
    }

    /// Sends this as JSON. A `Secret` in it is written.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.writing(|inner| inner.json(body))
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

    fn writing(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        let mut changed = self.map(|inner| writing(|| change(inner)));
        changed.secrets.extend(take_written());
        changed
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
        let (core, request) = (self.core, request(self.inner));
        let sent = async { core.free(request?).await };
        sent.await.map_err(|error| error.at("http"))
    }

    /// Sends the call, and takes every answer that is no success for the error that a typed call would make of it: with the
    /// vendor's code, body and fields, and with the time to wait.
    ///
    /// ```no_run
    /// # async fn example(vms: keyway::vms::Client) -> Result<(), keyway::Error> {
    /// let cameras: Vec<serde_json::Value> = vms.http().get("/api/v1/cameras").send_ok().await?.json().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send); `Unauthorized`, `Forbidden`, `Validation`, `Throttled`, `Outage` and `Timeout` by the
    /// answer's status, `Protocol` for a redirect, and for a page of something that stands between, `Api` otherwise.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_ok(self) -> Result<Response, Error> {
        let (core, request, secrets) = (self.core, request(self.inner), self.secrets);
        let sent = async { core.free_ok(request?, secrets).await };
        sent.await.map_err(|error| error.at("http"))
    }
}

fn request(built: Result<reqwest::RequestBuilder, Error>) -> Result<Request, Error> {
    let request = built.and_then(|inner| inner.build().map_err(Error::from))?;
    refuse_host(&request)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_path_goes_below_the_root_with_its_prefix() {
        let below = |root: &str, path| below(&Url::parse(root).expect("a URL"), path, false).map(String::from);
        assert_eq!(below("https://h/", "/api/v1").as_deref().ok(), Some("https://h/api/v1"));
        assert_eq!(below("https://h/base", "/api?q=1").as_deref().ok(), Some("https://h/base/api?q=1"));
        assert_eq!(below("https://h/", "https://other/x").as_deref().ok(), Some("https://other/x"));
        for climbing in [
            "/..",
            "/a/../b",
            "/./a",
            "/a/%2e%2E/b",
            "/a\\..\\b",
            "/.?x=1",
            "https://h/a/../b",
            "https://h/%2e",
            "/a/..%2fb",
        ] {
            assert!(below("https://h/base", climbing).is_err(), "{climbing}");
        }
        // Without what URLs drop, these are some of those.
        for dropped in ["/a/.. ", "/a/..\u{1f}", "/a/.\t./b", "/a/%2\te%2e/b", "/a?next=\r\nb", "https://h/.\n./b"] {
            assert!(below("https://h/base", dropped).is_err(), "{dropped:?}");
        }
        assert!(below("https://h/base", "/a..b/.hidden file?next=../x").is_ok());
        for bad in
            ["", "api", "//evil.example/x", "file:///etc/passwd", "https://[", "https://u:p@h/x", "https://u@h/x"]
        {
            assert!(below("https://h/", bad).is_err(), "{bad}");
        }
    }

    #[apply(leak_checked!)]
    fn where_paths_alone_are_taken_no_host_can_be_named() {
        let below = |path| below(&Url::parse("https://h/base").expect("a URL"), path, true).map(String::from);
        assert_eq!(below("/a?b=https://x/").as_deref().ok(), Some("https://h/base/a?b=https://x/"));
        for whole in ["http://169.254.169.254/", "https://h/base/a", "https:evil.example", "//evil.example"] {
            assert!(below(whole).is_err(), "{whole}");
        }
    }
}
