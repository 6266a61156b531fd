//! A program whose cryptography is that of the FIPS module of AWS-LC: the recipe of `docs/fips.md`.

use rustls::crypto::{CryptoProvider, default_fips_provider};

/// Call it first thing in `main`.
///
/// # Errors
/// Says so if the module does not work here, or the process has another provider already.
pub fn use_the_validated_module() -> Result<(), &'static str> {
    default_fips_provider().install_default().map_err(|_| "this process has another crypto provider already")?;
    match CryptoProvider::get_default() {
        Some(provider) if provider.fips() => Ok(()),
        _ => Err("the crypto provider is not the validated one"),
    }
}
