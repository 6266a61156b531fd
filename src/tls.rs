//! TLS, as far as it is the user's to bring.

use crate::Error;

/// With the feature `rustls-no-provider` alone the crypto provider is the user's to bring; without one rustls panics when
/// it is first used.
///
/// # Errors
/// `ErrorKind::Config` if there is none.
pub(crate) fn need_provider() -> Result<(), Error> {
    #[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(Error::config("no crypto provider is installed for rustls")
            .advice("install one first, such as rustls::crypto::ring::default_provider().install_default()"));
    }
    Ok(())
}
