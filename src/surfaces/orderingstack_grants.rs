//! OrderingStack's token service: one address, and a way in for users with and without an account, services, modules, and
//! for programs that have a refresh token already.

use super::{
    Capabilities, Issued, Issuer, Polled, Prose, Renewal,
    token_endpoint::{self, DEVICE_GRANT, polled, renewal_refused, seed_refused},
};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    credential::Credential,
    http::{
        client_id::ClientId,
        transport::{AuthCall, AuthClient, AuthResponse},
    },
    question::DeviceCode,
    session::{Attempt, tokens::Tokens},
};

pub(super) const UNKNOWN_TENANT: &str = "the vendor does not know this client's tenant";

pub(super) const PASSWORD: &str = ".password(..)";
pub(super) const ANONYMOUS: &str = ".anonymous()";
pub(super) const CLIENT_CREDENTIALS: &str = ".client_credentials()";
pub(super) const DEVICE: &str = ".device(..)";
pub(super) const REFRESH_TOKEN: &str = ".refresh_token(..)";

/// What the vendor's own clients ask for, for a user and for a module.
const USER_SCOPE: &str = "read";
const MODULE_SCOPE: &str = "pos role.MENU";

/// How the credential of this builder method behaves.
pub(super) fn capabilities(method: &'static str) -> Capabilities {
    let user = Capabilities {
        renewal: Renewal::RefreshToken { rotates: true },
        prose: Prose {
            expiry: "`expires_in`, number or text; else the JWT's `exp`; else unknown",
            revocable: "no",
            unauthorized: "the token ended: renewed, sent again once",
            failed_sign_in: "400 `invalid_grant`; 401 for the client",
            budget: "unknown: refused credentials are not tried again",
        },
        ..Capabilities::new("orderingstack", PASSWORD)
    };
    let prose = user.prose;
    match method {
        ANONYMOUS => Capabilities {
            credential: ANONYMOUS,
            same_account: false,
            prose: Prose { failed_sign_in: "401 `invalid_client`", ..prose },
            ..user
        },
        CLIENT_CREDENTIALS => Capabilities {
            credential: CLIENT_CREDENTIALS,
            renewal: Renewal::SignIn,
            prose: Prose {
                unauthorized: "the token ended: a new one, sent again once",
                failed_sign_in: "401 `invalid_client`",
                ..prose
            },
            ..user
        },
        DEVICE => Capabilities {
            credential: DEVICE,
            unattended: false,
            prose: Prose {
                revocable: "with `logout_module`, by another session",
                failed_sign_in: "`access_denied`, `expired_token`; 404 for the module; 401 for the client",
                ..prose
            },
            ..user
        },
        REFRESH_TOKEN => Capabilities {
            credential: REFRESH_TOKEN,
            unattended: false,
            spent_by_sign_in: true,
            prose: Prose { failed_sign_in: "400 `invalid_grant`: a new one is needed; 401 for the client", ..prose },
            ..user
        },
        _ => user,
    }
}

/// Asks the token service for tokens.
pub(super) struct TokenService {
    pub(super) auth: AuthClient,
    pub(super) client: ClientId,
    /// The tenant's UUID.
    pub(super) tenant: String,
    /// The user's name, or the module's id.
    pub(super) name: String,
    /// The user's password, or the refresh token.
    pub(super) secret: Credential,
    /// It was given beside the refresh token, and is used before that.
    pub(super) access: Option<Secret>,
    pub(super) scope: Option<String>,
    pub(super) capabilities: Capabilities,
}

/// What an answer says about whom the token stands for.
const ABOUT: [&str; 5] = ["UUID", "TENANT", "TRUST", "MFA", "scope"];

impl TokenService {
    async fn begin(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if self.capabilities.credential == PASSWORD {
            let password = attempt.credential(&self.secret).await?;
            return self.by_password(attempt, &self.name, &password).await;
        }
        if self.capabilities.credential == REFRESH_TOKEN {
            let seed = attempt.credential(&self.secret).await?;
            return self.by_seed(attempt, &seed).await;
        }
        // The only credential of the rest.
        attempt.present(&self.client.credential())?;
        match self.capabilities.credential {
            ANONYMOUS => self.by_password(attempt, "anonymous", &Secret::from("")).await,
            DEVICE => Err(self.ask_person(attempt).await?),
            _ => self.as_service(attempt).await,
        }
    }

    async fn by_password(&self, attempt: &Attempt, user: &str, password: &Secret) -> Result<Issued, Error> {
        let scope = self.scope.as_deref().unwrap_or(USER_SCOPE);
        let fields =
            [("grant_type", "password"), ("username", user), ("password", password.expose()), ("scope", scope)];
        self.issued(attempt, &fields).await
    }

    async fn as_service(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let scope = self.scope.as_deref().map(|scope| ("scope", scope));
        let fields: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(scope).collect();
        self.issued(attempt, &fields).await
    }

    /// The first use of the refresh token that the builder was given.
    async fn by_seed(&self, attempt: &Attempt, seed: &Secret) -> Result<Issued, Error> {
        if let Some(access) = &self.access {
            return Ok(Issued::given(access, seed, None, attempt.now()));
        }
        let issued = self.exchanged(attempt, seed).await.map_err(seed_refused)?;
        Ok(Issued { tokens: issued.tokens.keeping(Some(seed)), ..issued })
    }

    async fn continue_with(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let refresh = tokens.refresh_to_spend()?;
        self.exchanged(attempt, refresh).await.map_err(renewal_refused)
    }

    async fn exchanged(&self, attempt: &Attempt, refresh: &Secret) -> Result<Issued, Error> {
        self.issued(attempt, &[("grant_type", "refresh_token"), ("refresh_token", refresh.expose())]).await
    }

    async fn issued(&self, attempt: &Attempt, fields: &[(&str, &str)]) -> Result<Issued, Error> {
        let reply = self.auth.spend(attempt, self.call("issue_token", fields)?).await?;
        issued(&reply, attempt.now()).map_err(|error| self.naming_the_tenant(error))
    }

    /// A form, sent in the client's name.
    fn call(&self, operation: &str, fields: &[(&str, &str)]) -> Result<AuthCall, Error> {
        let public = self.client.public().map(|id| ("client_id", id));
        let fields: Vec<_> = fields.iter().copied().chain(public).collect();
        let call = self.auth.call(operation)?.form(&fields);
        Ok(match self.client.basic() {
            Some((header, secret)) => call.authorized(header, secret),
            None => call,
        })
    }

    fn naming_the_tenant(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Config if error.status().is_some_and(|status| status != 407) => {
                error.message(format!("{UNKNOWN_TENANT}, {}", self.tenant))
            }
            _ => error,
        }
    }
}

/// The session that an answer of the token service holds; it arrived at `now`.
pub(crate) fn issued(reply: &AuthResponse, now: Now) -> Result<Issued, Error> {
    token_endpoint::issued(reply, now, &ABOUT)
}

/// A device that waits for a person (RFC 8628).
impl TokenService {
    /// Asks for the codes with which a person lets this module in: the question that stops the sign-in.
    async fn ask_person(&self, attempt: &Attempt) -> Result<Error, Error> {
        let scope = self.scope.as_deref().unwrap_or(MODULE_SCOPE);
        let call = self.call("start_device", &[("module", &self.name), ("scope", scope)])?;
        let reply = self.auth.spend(attempt, call).await?;
        let device = device_code(&reply).map_err(|error| self.naming_the_tenant(error))?;
        Ok(Error::device_code_required(device).at("start_device"))
    }

    async fn ask_again(&self, attempt: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        let fields = [("grant_type", DEVICE_GRANT), ("device_code", device.device_code().expose())];
        // A lost answer must lead to a slower pace, which is the engine's; so nothing is tried again in here.
        let reply = self.auth.ask(self.call("issue_token", &fields)?).await?;
        polled(&reply, || issued(&reply, attempt.now()))
    }
}

/// What a person needs to let this device in.
pub(crate) fn device_code(reply: &AuthResponse) -> Result<DeviceCode, Error> {
    token_endpoint::device_code(reply).map_err(|error| unknown_module(error, reply))
}

fn unknown_module(error: Error, reply: &AuthResponse) -> Error {
    match reply.status() {
        // From the vendor, and not from a server that has no such address; about the module, and not about the tenant.
        404 if reply.value().is_object() && error.kind() != ErrorKind::Config => {
            error.message("the vendor knows no such module").advice("check the id given to .device(..)")
        }
        _ => error,
    }
}

impl Issuer for TokenService {
    fn describe(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn seed(&self) -> Option<&Secret> {
        match self.capabilities.credential {
            CLIENT_CREDENTIALS => self.client.secret(),
            // What a person let in, and who has no account, is not another one when the client's secret changes.
            _ => self.secret.given(),
        }
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.begin(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.continue_with(attempt, tokens).await
    }

    async fn poll(&self, attempt: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        self.ask_again(attempt, device).await
    }
}
