//! The grants, and how each behaves.

use super::code::{Asks, Redirect};
use crate::{
    Secret,
    credential::Credential,
    surfaces::{Capabilities, Prose, Renewal},
};

pub(super) const CLIENT_CREDENTIALS: &str = ".client_credentials()";
pub(super) const PASSWORD: &str = ".password(..)";
pub(super) const REFRESH_TOKEN: &str = ".refresh_token(..)";
pub(super) const DEVICE: &str = ".device()";
pub(super) const CODE: &str = ".authorization_code(..)";
pub(super) const EXCHANGE: &str = ".token_exchange(..)";
pub(super) const BROWSER: &str = ".browser(..)";

/// What a session begins with.
pub(super) enum Grant {
    ClientCredentials,
    Password {
        user: String,
        password: Credential,
    },
    RefreshToken {
        token: Credential,
        access: Option<Secret>,
    },
    Device,
    /// Another token, of this type, is exchanged.
    Exchange {
        subject: Credential,
        kind: String,
    },
    /// A person signs in at the provider's page.
    Code {
        redirect: Redirect,
        asks: Asks,
    },
}

impl Grant {
    /// The builder method that chose it.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::ClientCredentials => CLIENT_CREDENTIALS,
            Self::Password { .. } => PASSWORD,
            Self::RefreshToken { .. } => REFRESH_TOKEN,
            Self::Device => DEVICE,
            Self::Exchange { .. } => EXCHANGE,
            Self::Code { redirect: Redirect::To(_), .. } => CODE,
            Self::Code { redirect: Redirect::Loopback(_), .. } => BROWSER,
        }
    }

    /// The secret that it begins with, if that never changes.
    pub(super) fn seed(&self) -> Option<&Secret> {
        match self {
            Self::Password { password: secret, .. }
            | Self::Exchange { subject: secret, .. }
            | Self::RefreshToken { token: secret, .. } => secret.given(),
            Self::ClientCredentials | Self::Device | Self::Code { .. } => None,
        }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let user = Capabilities {
            renewal: Renewal::RefreshToken { rotates: true },
            prose: Prose {
                expiry: "`expires_in`, number or text; else the JWT's `exp`; else unknown",
                revocable: "at the revocation endpoint, where there is one",
                unauthorized: "the token ended: renewed, sent again once",
                failed_sign_in: "400 `invalid_grant`; 401 `invalid_client`",
                budget: "unknown: refused credentials are not tried again",
            },
            ..Capabilities::new("oauth2", self.method())
        };
        let prose = user.prose;
        match self {
            Self::Password { .. } => user,
            Self::Exchange { .. } => Capabilities {
                prose: Prose {
                    failed_sign_in: "400 `invalid_request` or `invalid_grant`; 401 `invalid_client`",
                    ..prose
                },
                ..user
            },
            Self::ClientCredentials => Capabilities {
                renewal: Renewal::SignIn,
                prose: Prose {
                    unauthorized: "the token ended: a new one, sent again once",
                    failed_sign_in: "401 `invalid_client`",
                    ..prose
                },
                ..user
            },
            Self::Device => Capabilities {
                unattended: false,
                prose: Prose { failed_sign_in: "`access_denied`, `expired_token`; 401 `invalid_client`", ..prose },
                ..user
            },
            Self::Code { .. } => Capabilities {
                unattended: false,
                prose: Prose {
                    failed_sign_in: "`access_denied` and others at the page; 400 `invalid_grant`; 401 `invalid_client`",
                    ..prose
                },
                ..user
            },
            Self::RefreshToken { .. } => Capabilities {
                unattended: false,
                spent_by_sign_in: true,
                prose: Prose {
                    failed_sign_in: "400 `invalid_grant`: a new one is needed; 401 `invalid_client`",
                    ..prose
                },
                ..user
            },
        }
    }
}

/// How each of them behaves, for the README's table.
#[cfg(all(test, every_surface))]
pub(in crate::surfaces) fn all() -> Vec<Capabilities> {
    let (secret, to) = (|| Credential::Nothing, |address: &str| Redirect::To(address.to_owned()));
    let grants = [
        Grant::ClientCredentials,
        Grant::Password { user: String::new(), password: secret() },
        Grant::Code { redirect: to("https://app.example/back"), asks: Asks::default() },
        Grant::Device,
        Grant::Exchange { subject: secret(), kind: String::new() },
        Grant::RefreshToken { token: secret(), access: None },
    ];
    grants.iter().map(Grant::capabilities).collect()
}
