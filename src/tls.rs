//! TLS, as far as it is the user's to bring.

/// Whether rustls can be used. With the feature `rustls-no-provider` alone the crypto provider is the user's to bring; without
/// one rustls panics when it is first used.
pub(crate) fn has_provider() -> bool {
    #[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
    return rustls::crypto::CryptoProvider::get_default().is_some();
    #[cfg(not(all(feature = "rustls-no-provider", not(feature = "rustls"))))]
    true
}
