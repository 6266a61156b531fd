//! TLS, as far as it is the user's to bring.

#[cfg(any(feature = "postgres", feature = "redis"))]
use std::net::IpAddr;

/// Whether a host is this machine, so that what is said to it is heard by no other.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Whether rustls can be used. With the feature `rustls-no-provider` alone the crypto provider is the user's to bring; without
/// one rustls panics when it is first used.
pub(crate) fn has_provider() -> bool {
    #[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
    return rustls::crypto::CryptoProvider::get_default().is_some();
    #[cfg(not(all(feature = "rustls-no-provider", not(feature = "rustls"))))]
    true
}
