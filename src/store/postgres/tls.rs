//! TLS to Postgres: rustls, with the authorities that this machine trusts.

use crate::Error;
use rustls::{ClientConfig, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::Arc;

pub(super) fn of_this_machine() -> Result<ClientConfig, Error> {
    let provider = provider().ok_or_else(Error::no_provider)?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(BuilderVerifierExt::with_platform_verifier).map_err(|error| {
        Error::config(format!("PostgresStore::connect(..) cannot speak TLS here: {error}"))
            .advice("install this system's certificate authorities, or give your own to PostgresStore::from_config(..)")
    })?;
    Ok(config.with_no_client_auth())
}

/// That of the process, as for the requests to vendors.
fn provider() -> Option<Arc<CryptoProvider>> {
    let given = CryptoProvider::get_default().cloned();
    #[cfg(feature = "rustls")]
    return given.or_else(|| Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider())));
    #[cfg(not(feature = "rustls"))]
    given
}
