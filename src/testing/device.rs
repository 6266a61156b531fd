//! Devices that wait for a person to let them in (RFC 8628).

use super::mint::{Mint, random};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// What a poll that came too early adds to the interval, for good.
const SLOWER: Duration = Duration::from_secs(5);

/// The devices that asked, in order.
#[derive(Default)]
pub(super) struct Devices {
    codes: Mint,
    requests: Vec<DeviceRequest>,
}

struct DeviceRequest {
    device_code: String,
    user_code: String,
    tenant: String,
    module: String,
    scope: String,
    interval: Duration,
    ends: SystemTime,
    polled: Option<SystemTime>,
    state: DeviceState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DeviceState {
    Pending,
    Approved,
    Denied,
    Spent,
}

/// How a device is answered whose codes have begun: where they are entered, and how one of them is put into that address.
pub(super) fn begun(
    (device_code, user_code): (String, String),
    page: &str,
    name: &str,
    rules: (Duration, Duration),
) -> Value {
    let (life, interval) = rules;
    json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?{name}={user_code}"),
        "interval": interval.as_secs(),
        "expires_in": life.as_secs(),
    })
}

/// A module that was let in.
pub(super) struct Approved {
    pub(super) module: String,
    pub(super) scope: String,
}

impl Devices {
    /// A new device code, with the user code that belongs to it.
    pub(super) fn begin(
        &mut self,
        tenant: &str,
        module: &str,
        scope: &str,
        interval: Duration,
        ends: SystemTime,
    ) -> (String, String) {
        let device_code = self.codes.make(|number, random| format!("os-device-{number}-{random}"));
        let letters: String = random().bytes().take(8).map(|byte| char::from(b'A' + byte % 16)).collect();
        let user_code = format!("{}-{}", &letters[..4], &letters[4..]);
        self.requests.push(DeviceRequest {
            device_code: device_code.clone(),
            user_code: user_code.clone(),
            tenant: tenant.to_owned(),
            module: module.to_owned(),
            scope: scope.to_owned(),
            interval,
            ends,
            polled: None,
            state: DeviceState::Pending,
        });
        (device_code, user_code)
    }

    /// What a poll is answered with: who was let in, or the error of RFC 8628. A device code is good for one token.
    pub(super) fn poll(&mut self, tenant: &str, device_code: &str, now: SystemTime) -> Result<Approved, &'static str> {
        let mut requests = self.requests.iter_mut();
        let known = requests.find(|request| request.device_code == device_code && request.tenant == tenant);
        let request = known.ok_or("invalid_grant")?;
        let too_early = request.polled.is_some_and(|polled| now < polled + request.interval);
        request.polled = Some(now);
        match request.state {
            DeviceState::Spent => Err("invalid_grant"),
            _ if request.ends <= now => Err("expired_token"),
            DeviceState::Denied => Err("access_denied"),
            DeviceState::Approved => {
                request.state = DeviceState::Spent;
                Ok(Approved { module: request.module.clone(), scope: request.scope.clone() })
            }
            DeviceState::Pending if too_early => {
                request.interval += SLOWER;
                Err("slow_down")
            }
            DeviceState::Pending => Err("authorization_pending"),
        }
    }

    /// What the person says to the newest device that waits, or to the one with this user code. Says whether there was
    /// one.
    pub(super) fn decide(&mut self, user_code: Option<&str>, approved: bool, now: SystemTime) -> bool {
        let waits = |request: &&mut DeviceRequest| {
            let right = user_code.is_none_or(|code| code == request.user_code);
            right && request.state == DeviceState::Pending && now < request.ends
        };
        let Some(request) = self.requests.iter_mut().rev().find(waits) else {
            return false;
        };
        request.state = if approved { DeviceState::Approved } else { DeviceState::Denied };
        true
    }

    /// The user code of the newest device.
    pub(super) fn newest_user_code(&self) -> Option<String> {
        self.requests.last().map(|request| request.user_code.clone())
    }

    /// All device codes.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.codes.made()
    }
}
