//! What code that was made elsewhere stands on: the way from any client of ours to typed calls of another document.

use super::{
    address::Base, core::Core, facts::Facts, request::Http, response::BufferedResponse,
    runtime::response_value::ResponseValue,
};
use crate::{
    BoxFuture,
    error::Error,
    secret::{Carried, take_written},
    session::Session,
};
use bytes::Bytes;
use http::{HeaderValue, header::ACCEPT};
use reqwest::{Request, Response};
use std::{fmt, time::Duration};

/// Stops the compiler where generated code is of another time than this crate, before it complains of what it does not find. The
/// number is how both understand each other: `keyway-build` has the same one.
///
/// ```
/// keyway::__fits!(4, "0.2.0");
/// ```
///
/// ```compile_fail
/// keyway::__fits!(0, "0.0.9");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __fits {
    (4, $made_by:literal) => {};
    ($_interface:literal, $made_by:literal) => {
        compile_error!(concat!(
            "this code was made by `keyway-build` ",
            $made_by,
            ", which does not fit `keyway` 0.2.0: give both crates the same version in Cargo.toml, and build again"
        ));
    };
}

/// A client that has a session: [`custom::Client`](crate::custom::Client), and each bundled vendor's.
///
/// The client that [`include_document!`](crate::include_document) makes is given one, and sends its calls under that session.
pub trait HasSession: sealed::Sealed {
    #[doc(hidden)]
    fn core(&self, _: &Permit) -> Core;
}

impl<T: HasSession> HasSession for &T {
    fn core(&self, permit: &Permit) -> Core {
        (*self).core(permit)
    }
}

/// Only generated code has one.
#[derive(Debug)]
pub struct Permit;

pub(crate) mod sealed {
    pub trait Sealed {}
    impl<T: Sealed> Sealed for &T {}
}

/// Makes a client a way to typed calls of other documents.
macro_rules! has_session {
    ($client:ty) => {
        impl crate::http::outside::sealed::Sealed for $client {}

        impl crate::HasSession for $client {
            fn core(&self, _: &crate::http::outside::Permit) -> crate::http::Core {
                self.core.clone()
            }
        }
    };
}
pub(crate) use has_session;

/// Where a document's calls go: to the platform's root with the path of the document's server.
pub fn base(core: &Core, server_path: &str, operations: usize) -> Base {
    Base::new(core.root(), server_path, operations)
}

/// The HTTP client of the calls.
pub fn client(core: &Core) -> reqwest::Client {
    core.client().clone()
}

/// Free calls under the session.
pub fn free(core: &Core) -> Http {
    Http::new(core.clone())
}

/// The session.
pub fn session(core: &Core) -> &Session {
    core.session()
}

/// Sends an operation whose success is a text. What fails may be JSON.
pub fn call_for<'c>(
    core: &'c Core,
    mut request: Result<Request, Error>,
    facts: &'static Facts,
    timeout: Option<Duration>,
) -> BoxFuture<'c, Result<BufferedResponse, Error>> {
    let carried = prepare(&mut request, "*/*", timeout);
    core.operation(request, facts, carried)
}

/// Sends an operation whose success is bytes. They are not read here.
pub fn download<'c>(
    core: &'c Core,
    mut request: Result<Request, Error>,
    facts: &'static Facts,
    timeout: Option<Duration>,
) -> impl Future<Output = Result<ResponseValue<Download>, Error>> + use<'c> {
    let carried = prepare(&mut request, "*/*", timeout);
    async move {
        let mut response = core.opened(request, facts, carried).await?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(ResponseValue::of(Download { response }, status, headers))
    }
}

/// What holds for every generated call, and the secrets that were written into its request: on this thread, so this is asked
/// where the call begins and not where its future is polled.
pub(super) fn prepare(
    request: &mut Result<Request, Error>,
    accept: &'static str,
    timeout: Option<Duration>,
) -> Carried {
    if let Ok(request) = request {
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        if timeout.is_some() {
            *request.timeout_mut() = timeout;
        }
    }
    take_written()
}

/// What a vendor sends in answer to a call for bytes, read piece by piece, so that it need not fit into memory.
pub struct Download {
    response: Response,
}

impl Download {
    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    /// `Outage` if the connection breaks, `Timeout` if the call's own time is over.
    ///
    /// # Cancel safety
    /// A piece that was read is never lost: call it again.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(Error::from)
    }

    /// All of it, if it is no longer than `most` bytes.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); `Protocol` if it is longer.
    ///
    /// # Cancel safety
    /// What was read is lost.
    pub async fn bytes(mut self, most: usize) -> Result<Bytes, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > most {
                return Err(Error::protocol(format!(
                    "the answer is longer than {most} bytes and was not read further"
                ))
                .advice("read it with chunk(), piece by piece"));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    /// A macro cannot ask for the version of the crate that it stands in.
    #[apply(leak_checked!)]
    fn the_version_that_a_misfit_is_told_is_that_of_this_crate() {
        let told = concat!("does not fit `keyway` ", env!("CARGO_PKG_VERSION"), ":");
        assert!(include_str!("outside.rs").contains(told));
    }
}
