//! Nothing: what is tested is Keyway without TLS.
