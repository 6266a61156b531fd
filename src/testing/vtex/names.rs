//! Names at the fake VTEX store.

/// Where a user token stands: a header, and a cookie too, with an account after it or without.
pub(super) const TOKEN: &str = "VtexIdclientAutCookie";
pub(super) const ACCOUNT: &str = "apiexamples";
pub(super) const ACCOUNT_ID: &str = "a8b27fb4-6516-4cc0-82b6-a5f2b011e6e2";
pub(super) const EMAIL: &str = "user@example.com";
