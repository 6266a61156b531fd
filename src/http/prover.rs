//! Proofs that who presents a token has the key that it is bound to.

use crate::Error;
use http::{HeaderMap, StatusCode};
use reqwest::Request;
use url::Url;

/// Puts a proof on every request that carries a session whose tokens are bound to a key (RFC 9449, for instance).
pub(crate) trait Prover: Send + Sync {
    /// Puts a new proof on a request that carries the session's token: none is good for two requests.
    fn prove(&self, request: &mut Request) -> Result<(), Error>;

    /// Takes note of what an answer says about the next proof. Tells whether that was all that the request lacked.
    fn heard(&self, address: &Url, status: StatusCode, headers: &HeaderMap) -> bool;
}
