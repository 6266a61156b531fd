//! The addresses that a builder is given, checked before anything is sent.

use super::endpoints::{Endpoint, Endpoints, Metadata, MetadataIssuer};
use crate::{Error, http::origins::is_private, surfaces::builder::Options};
use url::Url;

/// An endpoint, the builder method that names it, and what it was given.
pub(super) type NamedEndpoint = (Endpoint, &'static str, String);

/// Where a provider's endpoints are, by what the builder was told.
pub(super) fn endpoints(options: &Options, named: &[NamedEndpoint], issuer: Option<&str>) -> Result<Endpoints, Error> {
    let mut told = Metadata::default();
    for (endpoint, method, text) in named {
        told.set(*endpoint, address(options, method, text)?.into());
    }
    let issuer = issuer.map(|id| checked_issuer(options, id)).transpose()?;
    if issuer.is_none() && told.token_endpoint.is_none() {
        return Err(Error::config("nothing says where tokens come from")
            .advice("call .token_endpoint(address) or .issuer(address) on the builder"));
    }
    let also = [&options.url].into_iter().chain(&options.also);
    let also = also.filter_map(|url| Url::parse(url).ok()).collect();
    Ok(Endpoints::new(told, issuer, also, options.allow_http))
}

fn checked_issuer(options: &Options, id: &str) -> Result<MetadataIssuer, Error> {
    let url = address(options, ".issuer(..)", id)?;
    if url.query().is_some() {
        return Err(Error::config("the address given to .issuer(..) holds a query"));
    }
    Ok(MetadataIssuer { id: id.to_owned(), url })
}

/// A whole address, or a path below the root.
fn address(options: &Options, method: &str, text: &str) -> Result<Url, Error> {
    let wrong = |what: &str| Error::config(format!("the address given to {method} {what}"));
    let whole = match text.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
        Some(path) => format!("{}/{path}", options.url.trim_end_matches('/')),
        None => text.to_owned(),
    };
    let url = Url::parse(&whole).map_err(|error| {
        wrong(&format!("cannot be read ({error})")).advice("give a whole address, or a path that begins with `/`")
    })?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is no https address"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("holds a fragment or a user's name"));
    }
    if !options.allow_http && !is_private(&url) {
        return Err(wrong("is not https").advice("use https, or .allow_http() if nobody can listen on that network"));
    }
    Ok(url)
}

/// An absolute address without a fragment (RFC 8707, 2).
pub(super) fn is_resource(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

/// Where a sign-in page leads back to: registered at the provider, so it is taken as it is (RFC 6749, 3.1.2). A program of
/// its own may have a scheme of its own (RFC 8252, 7.1).
pub(super) fn redirect_address(text: &str, allow_http: bool) -> Result<(), Error> {
    let wrong = |what: &str| Error::config(format!("the address given to .authorization_code(..) {what}"));
    let url = Url::parse(text).map_err(|_| wrong("is no whole address"))?;
    if url.fragment().is_some() {
        return Err(wrong("holds a fragment"));
    }
    match url.scheme() == "http" && !allow_http && !is_private(&url) {
        true => Err(wrong("is not https").advice("a code in the clear is a code for everybody on the way")),
        false => Ok(()),
    }
}
