//! What kept a request from being sent or answered, in words that say what to do: a network that fails for now is another
//! thing than a certificate, a proxy or a port that will not do tomorrow either.

use crate::{Error, ErrorKind, error::Cause, http::misfit::misfit};
use hyper_util::client::proxy::matcher::Matcher;
use serde_json::error::Category;
use std::{error::Error as _, net::SocketAddr, sync::LazyLock};
use url::Url;

impl From<reqwest::Error> for Error {
    /// The URL is dropped: it may hold a secret. Unless the connection was never there, the vendor may have acted.
    fn from(error: reqwest::Error) -> Self {
        let url = error.url().cloned();
        let error = error.without_url();
        // A body that ends too early is called a failure of decoding too.
        let unread = error.source().filter(|_| error.is_decode());
        if let Some(why) = unread.and_then(|cause| cause.downcast_ref::<serde_json::Error>()) {
            return Self::unread(why).with_unknown_outcome();
        }
        if let Some(status) = error.status().filter(|_| error.is_status()) {
            return Self::of_status(status.as_u16());
        }
        let made = match () {
            () if error.is_builder() => Self::new(ErrorKind::Config, "the request cannot be built")
                .advice("check its headers, query, body and scheme: one of them cannot be sent"),
            () if error.is_connect() => not_connected(&error, url.as_ref()),
            () => {
                let (kind, what) = match error.is_timeout() {
                    true => (ErrorKind::Timeout, "no answer in time"),
                    false => (ErrorKind::Outage, "the connection broke before the answer was complete"),
                };
                Self::new(kind, with_cause(what, &error)).advice("check the address and the network, or try later")
            }
        };
        let is_told = error.is_builder() || error.is_decode() || error.is_redirect();
        let cause = Cause::of(&error).filter(|_| !is_told);
        let made = cause.into_iter().fold(made, Self::with_cause);
        let made = if error.is_connect() || error.is_builder() { made } else { made.with_unknown_outcome() };
        match error.status() {
            Some(status) => made.with_status(status.as_u16()),
            None => made,
        }
    }
}

impl Error {
    /// An answer of `http()` that the caller reads into a type of theirs.
    fn unread(why: &serde_json::Error) -> Self {
        let (what, advice) = match why.classify() {
            Category::Data => {
                ("does not fit the type it is read into", "correct the type, or look at the answer with text()")
            }
            _ => (
                "is not JSON",
                "look at it with text(): a failure, or something in between, may answer with a web page",
            ),
        };
        Self::protocol(format!("the answer {what} ({})", misfit(why))).advice(advice)
    }

    /// What `error_for_status()` of an answer means. Its headers and body are gone by then.
    fn of_status(status: u16) -> Self {
        let (kind, message) = match status {
            401 => (ErrorKind::Unauthorized, "the vendor does not accept this session"),
            403 => (ErrorKind::Forbidden, "the vendor forbids this call"),
            408 | 504 => (ErrorKind::Timeout, "the vendor took too long"),
            422 => (ErrorKind::Validation, "the vendor refused the values it was sent"),
            429 => (ErrorKind::Throttled, "the vendor allows no more requests for now"),
            500.. => (ErrorKind::Outage, "the vendor's service failed"),
            300..=399 => (ErrorKind::Protocol, "the vendor redirects, and credentials do not follow"),
            _ => (ErrorKind::Api, "the vendor answered with a failure"),
        };
        Self::new(kind, message)
            .with_status(status)
            .advice("send it with send_ok(), whose error has the vendor's code, body and Retry-After")
    }
}

/// The first text, and the innermost cause: the operating system's words.
fn with_cause(what: &str, error: &reqwest::Error) -> String {
    match Cause::of(error).and_then(|cause| cause.innermost().map(str::to_owned)) {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Certificate,
    /// Trusted, and at another time than this machine's clock shows.
    CertificateTime,
    NotTls,
    TlsRefused,
    NoTls,
    ProxyWantsCredentials,
    ProxyGone,
    /// The proxy is there, and does not reach the vendor.
    ProxyFailed,
    Network,
}

/// By the words of rustls, OpenSSL, the platforms' own TLS and hyper. Their types belong to crates that are not all in
/// every build.
fn why(causes: &str) -> Why {
    let says = |words: &[&str]| words.iter().any(|word| causes.contains(word));
    let certificate = says(&["certificate"]);
    match () {
        () if certificate
            && says(&["certificate expired", "certificate has expired", "not valid yet", "not yet valid"]) =>
        {
            Why::CertificateTime
        }
        () if says(&["certificate verify failed", "invalid peer certificate", "self-signed", "self signed"]) => {
            Why::Certificate
        }
        () if says(&["proxy authorization required", "proxy authentication required"]) => Why::ProxyWantsCredentials,
        () if says(&["tunnel", "proxy"]) && says(&["tcp connect error", "dns error"]) => Why::ProxyGone,
        () if says(&["tunnel", "proxy"]) => Why::ProxyFailed,
        () if says(&["received corrupt message", "wrong version number", "invalidcontenttype", "record overflow"]) => {
            Why::NotTls
        }
        () if says(&["fatal alert: internalerror"]) => Why::Network,
        () if says(&["fatal alert", "handshake failure", "peer is incompatible", "unsupported protocol"]) => {
            Why::TlsRefused
        }
        () if says(&["scheme is not http"]) => Why::NoTls,
        () if certificate => Why::Certificate,
        () => Why::Network,
    }
}

fn not_connected(error: &reqwest::Error, url: Option<&Url>) -> Error {
    let cause = Cause::of(error);
    let causes = cause.as_ref().map(Cause::whole).unwrap_or_default().to_lowercase();
    let proxy = url.and_then(|url| proxy_of(error, url));
    let by = proxy.as_deref().map(|proxy| format!(" by way of the proxy {proxy}")).unwrap_or_default();
    let config = |what: String, advice: &'static str| Error::new(ErrorKind::Config, what).advice(advice);
    let line = |what: &str| with_cause(what, error);
    match (why(&causes), &proxy) {
        (Why::Certificate, _) => config(
            line(&format!("the vendor's certificate is not trusted{by}")),
            "if it is your own authority's, add that with .http(|b| b.add_root_certificate(..)) or SSL_CERT_FILE; \
             else check the address, and this machine's clock and authorities",
        ),
        (Why::CertificateTime, _) => config(
            format!("the vendor's certificate is not valid at the time that this machine's clock shows{by}"),
            "set the clock if it is wrong; if it is right, the vendor has to renew its certificate",
        ),
        (Why::NotTls, _) => config(
            line(&format!("the vendor's port does not speak TLS{by}")),
            "check the address: this port may be one of plain http, and https has another one",
        ),
        (Why::TlsRefused, _) => config(
            line(&format!("the vendor's server refuses to speak TLS{by}")),
            "check the address; it may want a certificate of yours, .http(|b| b.identity(..)), or another version",
        ),
        (Why::NoTls, _) => Error::no_tls(),
        (Why::ProxyWantsCredentials, _) => config(
            line(&format!("the proxy{} wants credentials", named(&proxy))),
            "give them with .http(|b| b.proxy(..)), or in the address that HTTPS_PROXY names",
        ),
        (Why::ProxyFailed, _) => {
            let what = line(&format!("the proxy{} did not reach the vendor", named(&proxy)));
            Error::new(ErrorKind::Outage, what).advice("check the proxy and the address, or try later")
        }
        (Why::ProxyGone, _) | (Why::Network, Some(_)) if !error.is_timeout() => config(
            line(&format!("the proxy{} cannot be reached", named(&proxy))),
            "check .http(..), HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY names hosts that need none",
        ),
        (Why::ProxyGone | Why::Network, _) => {
            let (kind, what) = match error.is_timeout() {
                true => (ErrorKind::Timeout, "no answer in time"),
                false => (ErrorKind::Outage, "the vendor cannot be reached"),
            };
            Error::new(kind, line(&format!("{what}{by}"))).advice("check the address and the network, or try later")
        }
    }
}

fn named(proxy: &Option<String>) -> String {
    proxy.as_deref().map(|proxy| format!(" {proxy}")).unwrap_or_default()
}

/// The proxy between us and this address: the one that the environment names, or whatever it was that did not answer.
/// Without user and password.
fn proxy_of(error: &reqwest::Error, url: &Url) -> Option<String> {
    static ENVIRONMENT: LazyLock<Matcher> = LazyLock::new(Matcher::from_env);
    let called = called(error);
    let port = url.port_or_known_default();
    let is_elsewhere = called.is_some_and(|called| Some(called.port()) != port);
    let named = ENVIRONMENT.intercept(&url.as_str().parse().ok()?).and_then(|proxy| {
        let uri = proxy.uri();
        let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}", uri.scheme_str()?, uri.host()?))
    });
    match (named, called) {
        // One that is set with .http(..) counts before the environment's, and may be at the port that was called.
        (Some(named), Some(called)) if is_elsewhere && !named.ends_with(&format!(":{}", called.port())) => {
            Some(called.to_string())
        }
        (Some(_), Some(_)) if !is_elsewhere => None,
        (Some(named), _) => Some(named),
        (None, Some(called)) if is_elsewhere => Some(called.to_string()),
        _ => None,
    }
}

/// The address that did not answer. hyper tells it in its `Debug` text alone.
fn called(error: &reqwest::Error) -> Option<SocketAddr> {
    let text = format!("{error:?}");
    let (_, rest) = text.split_once("ConnectError(\"tcp connect error\", ")?;
    rest.split_once(',')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn what_will_not_do_tomorrow_either_is_told_apart_by_its_words() {
        for (causes, wanted) in [
            ("client error (connect): invalid peer certificate: unknownissuer", Why::Certificate),
            ("error:0a000086:ssl routines::certificate verify failed (self-signed certificate)", Why::Certificate),
            ("the certificate was not trusted.", Why::Certificate),
            ("received corrupt message of type invalidcontenttype", Why::NotTls),
            ("error:0a00010b:ssl routines::wrong version number", Why::NotTls),
            ("received fatal alert: handshakefailure", Why::TlsRefused),
            ("received fatal alert: certificaterequired", Why::TlsRefused),
            ("received fatal alert: internalerror", Why::Network),
            ("invalid url, scheme is not http", Why::NoTls),
            ("tunnel error: proxy authorization required", Why::ProxyWantsCredentials),
            ("tunnel error: unsuccessful", Why::ProxyFailed),
            ("tunnel error: failed to create underlying connection: tcp connect error", Why::ProxyGone),
            ("tcp connect error: connection refused (os error 111)", Why::Network),
            ("dns error: failed to lookup address information", Why::Network),
        ] {
            assert_eq!(why(causes), wanted, "{causes}");
        }
    }
}
