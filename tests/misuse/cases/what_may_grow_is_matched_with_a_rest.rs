use keyway::{ErrorKind, SessionLimit};

fn temporary(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Outage | ErrorKind::Timeout | ErrorKind::Throttled | ErrorKind::Store => true,
        ErrorKind::InvalidCredentials | ErrorKind::SignInRequired | ErrorKind::SignedOut => false,
        ErrorKind::CaptchaRequired | ErrorKind::SessionLimitReached | ErrorKind::DeviceCodeRequired => false,
        ErrorKind::AccessKeyRequired | ErrorKind::SecondFactorRequired | ErrorKind::Declined | ErrorKind::Unauthorized | ErrorKind::Forbidden => false,
        ErrorKind::Validation | ErrorKind::Api | ErrorKind::Protocol | ErrorKind::Config => false,
    }
}

fn limit() -> SessionLimit {
    SessionLimit { sessions: Vec::new(), limit: None, count: None, captcha_valid_for: None }
}

fn main() {}
