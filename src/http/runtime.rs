//! What generated operations stand on: the pieces that make a request and read its answer.
//!
//! It stands where the generator's own runtime would, so that generated code speaks our [`Error`] from the start and a
//! [`Secret`] is written nowhere but into a request.

pub(super) mod exposed;
mod form;
mod lenient;
mod optional;
mod query;
pub(super) mod response_value;

pub use super::{
    address::Base,
    choice::{Alternative, chosen, read},
    outside::{call_for, download},
    segments::{encode_path, encode_segment},
    upload::{bytes, json_as, multipart, plain},
};
use super::{core::Core, facts::Facts, outside::prepare, response::BufferedResponse};
use crate::{BoxFuture, error::Error, secret::Secret};
pub use exposed::Exposed;
pub use form::{form, form_with_json};
pub use lenient::{list, map, null_is_default};
pub use optional::{OpenText, Optional};
pub use query::{QueryParam, Style, queried};
use reqwest::{
    Request,
    header::{HeaderName, HeaderValue},
};
pub use response_value::ResponseValue;
use std::{fmt::Display, time::Duration};
use url::Url;

/// Sends a generated operation. Every request says that it wants JSON: some servers answer HTML otherwise. `timeout` is the
/// call's own, if it has one.
pub fn call<'c>(
    core: &'c Core,
    mut request: Result<Request, Error>,
    facts: &'static Facts,
    timeout: Option<Duration>,
) -> BoxFuture<'c, Result<BufferedResponse, Error>> {
    let carried = prepare(&mut request, "application/json", timeout);
    core.operation(request, facts, carried)
}

/// The address of a call with values in its path.
pub fn address(base: &Base, path: &str) -> Result<Url, Error> {
    base.address(path).ok_or_else(no_address)
}

/// The address of the operation that has this number among the document's facts, and always this path.
pub fn address_of(base: &Base, operation: usize, path: &'static str) -> Result<Url, Error> {
    base.address_of(operation, path).ok_or_else(no_address)
}

#[cold]
fn no_address() -> Error {
    Error::config("the call's address cannot be read; nothing was sent")
}

/// What a setter was given, as what is sent; else why that cannot be.
pub fn converted<T>(name: &str, value: impl TryInto<T, Error: Display>) -> Result<T, String> {
    value.try_into().map_err(|why| format!("`{name}` cannot be converted: {why}"))
}

/// A refused argument. The generated message reads "`field` why".
pub fn invalid_request(message: String) -> Error {
    match message.strip_prefix('`').and_then(|rest| rest.split_once("` ")) {
        Some((field, why)) => Error::refused_field(field, why),
        None => Error::refused_field("request", &message),
    }
}

/// A parameter of a document of others. It may be a secret, and is about to be sent.
#[doc(hidden)]
pub trait SentParameter {
    /// As it is sent.
    fn text(&self) -> String;
}

impl<T: Display> SentParameter for T {
    fn text(&self) -> String {
        self.to_string()
    }
}

#[doc(hidden)]
impl SentParameter for Secret {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// A parameter as it is sent.
pub fn text_of(parameter: &impl SentParameter) -> String {
    parameter.text()
}

/// A header parameter. It may be a secret, so it is never printed.
pub fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::refused_field(name, "holds a character that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's name, as the document writes it.
pub fn header_name(name: &'static str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::refused_field(name, "is no header's name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[apply(leak_checked!)]
    fn a_refused_argument_names_its_field() {
        let error = invalid_request("`email` is required".to_owned());
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.validation().expect("a field")["email"], ["is required"]);
    }
}
