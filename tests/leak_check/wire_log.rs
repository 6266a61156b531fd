//! What Keyway sent, for other people's tools: one line of JSON per request in the file that `KEYWAY_WIRE_LOG` names.
//! `.ci/long.d/interop` plays them through a validating proxy.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{LazyLock, Mutex, PoisonError},
};

static LOG: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let path = std::env::var_os("KEYWAY_WIRE_LOG")?;
    Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path).expect("the log of the wire")))
});

/// `target` is the path with its query.
pub(crate) fn keep(method: &str, target: &str, headers: &HeaderMap, body: &[u8]) {
    let Some(log) = LOG.as_ref() else { return };
    let headers: Value =
        headers.iter().map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])).collect();
    let line = json!({ "method": method, "target": target, "headers": headers, "body": STANDARD.encode(body) });
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.write_all(format!("{line}\n").as_bytes()).expect("the log of the wire");
}
