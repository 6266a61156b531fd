//! Who is known to the fake.

pub(super) const CLIENT_ID: &str = "till";
pub(super) const CLIENT_SECRET: &str = "client secret: of the till + 100 %";
pub(super) const PUBLIC_CLIENT: &str = "till-app";
pub(super) const LOGIN: &str = "cashier";
pub(super) const PASSWORD: &str = "nine nuts and a napkin";
pub(super) const FORBIDDEN_SCOPE: &str = "forbidden";
