//! Bodies that are no JSON: files, uploads of several parts, texts and bytes.

use super::runtime::exposed::Exposed;
use crate::{Error, chance::Chance};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// A file to be sent: its bytes, and how it is described to the vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    bytes: Bytes,
    name: Option<String>,
    media_type: Option<String>,
}

impl File {
    /// A file of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), name: None, media_type: None }
    }

    /// What it is called. In an upload of several parts, a file without a name is called `file`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What is in it, such as `image/png`. Default: `application/octet-stream`.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

impl<T: Into<Bytes>> From<T> for File {
    fn from(bytes: T) -> Self {
        Self::new(bytes)
    }
}

/// How long it is, and no byte of it.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("length", &self.bytes.len())
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}

/// The one member that stands for a file on its way into a request.
const FILE: &str = "keyway::File";

#[derive(Serialize, Deserialize)]
struct WrittenFile {
    #[serde(rename = "keyway::File")]
    bytes: String,
    name: Option<String>,
    media_type: Option<String>,
}

impl Serialize for File {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = STANDARD.encode(&self.bytes);
        WrittenFile { bytes, name: self.name.clone(), media_type: self.media_type.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Value::String(text) = value {
            return Ok(Self::new(text));
        }
        Self::of(&value).ok_or_else(|| serde::de::Error::custom("a file"))
    }
}

impl File {
    fn of(value: &Value) -> Option<Self> {
        value.get(FILE)?;
        let WrittenFile { bytes, name, media_type } = WrittenFile::deserialize(value).ok()?;
        Some(Self { bytes: STANDARD.decode(bytes).ok()?.into(), name, media_type })
    }
}

/// Puts `body` into the request as `multipart/form-data`: files as files, texts and numbers as they are, everything else as
/// JSON.
pub fn multipart<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Error> {
    let cannot = || Error::refused_field("body", "cannot be written as a form of several parts");
    let Ok(Value::Object(members)) = serde_json::to_value(Exposed(body)) else { return Err(cannot()) };
    let mut parts = Vec::new();
    for (name, value) in members {
        match value {
            Value::Null => {}
            Value::Array(values) if values.iter().all(|value| !value.is_array()) => {
                values.into_iter().try_for_each(|value| part(&mut parts, &name, value))?;
            }
            value => part(&mut parts, &name, value)?,
        }
    }
    // What no part can hold beforehand, because nobody can guess it.
    let chance = Chance::new();
    let boundary = format!("{:016x}{:016x}", chance.next(), chance.next());
    let mut written = Vec::new();
    for (head, bytes) in &parts {
        written.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        written.extend_from_slice(bytes);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}")).body(written))
}

fn part(parts: &mut Vec<(String, Bytes)>, name: &str, value: Value) -> Result<(), Error> {
    let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    if let Some(file) = File::of(&value) {
        let media_type = file.media_type.as_deref().unwrap_or("application/octet-stream");
        if media_type.contains(['\r', '\n']) {
            return Err(Error::refused_field(name, "has a media type with a line break"));
        }
        head +=
            &format!("; filename=\"{}\"\r\nContent-Type: {media_type}", quoted(file.name.as_deref().unwrap_or("file")));
        parts.push((head, file.bytes));
        return Ok(());
    }
    let text = match value {
        Value::String(text) => text,
        value @ (Value::Object(_) | Value::Array(_)) => {
            head += "\r\nContent-Type: application/json";
            value.to_string()
        }
        other => other.to_string(),
    };
    parts.push((head, text.into()));
    Ok(())
}

/// A name as browsers write it: nothing in it ends it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Puts a text into the request as it is.
pub fn plain(request: RequestBuilder, media_type: &'static str, body: &str) -> RequestBuilder {
    request.header(CONTENT_TYPE, media_type).body(body.to_owned())
}

/// Puts bytes into the request as they are. The file may say better than the document what it is.
pub fn bytes(request: RequestBuilder, media_type: &'static str, body: &File) -> RequestBuilder {
    let media_type = body.media_type.as_deref().unwrap_or(media_type);
    request.header(CONTENT_TYPE, media_type).body(body.bytes.clone())
}

/// Puts JSON into the request under a media type of its own.
pub fn json_as<T: Serialize>(request: RequestBuilder, media_type: &'static str, body: &T) -> RequestBuilder {
    request.header(CONTENT_TYPE, media_type).json(&Exposed(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sent(body: impl Serialize) -> (String, String) {
        let request = multipart(reqwest::Client::new().post("https://vendor.example/"), &body).expect("a form");
        let request = request.build().expect("a request");
        let media_type = request.headers()[CONTENT_TYPE].to_str().expect("a text").to_owned();
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        (media_type, String::from_utf8_lossy(body).into_owned())
    }

    #[apply(leak_checked!)]
    fn a_form_of_several_parts_has_files_texts_and_json() {
        let file = File::new(&b"\x89PNG"[..]).named("a\"b\r\n.png").media_type("image/png");
        let (media_type, body) =
            sent(json!({ "picture": file, "title": "Till", "tags": ["a", "b"], "size": { "w": 1 }, "none": null }));
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        assert_eq!(body.matches(boundary).count(), 6, "{body}");
        assert!(
            body.contains("name=\"picture\"; filename=\"a%22b%0D%0A.png\"\r\nContent-Type: image/png\r\n\r\n"),
            "{body}"
        );
        assert!(body.contains("name=\"size\"\r\nContent-Type: application/json\r\n\r\n{\"w\":1}\r\n"), "{body}");
        assert!(body.contains("name=\"tags\"\r\n\r\na\r\n") && body.contains("name=\"tags\"\r\n\r\nb\r\n"), "{body}");
        assert!(body.ends_with(&format!("--{boundary}--\r\n")), "{body}");
    }

    #[apply(leak_checked!)]
    fn a_file_shows_its_length_only() {
        let shown = format!("{:?}", File::new("hunter2").named("secret.txt"));
        assert!(shown.contains("length: 7") && !shown.contains("hunter2") && !shown.contains("secret.txt"), "{shown}");
    }

    #[apply(leak_checked!)]
    fn a_media_type_cannot_add_a_header() {
        let file = File::new("x").media_type("text/plain\r\nX-Evil: 1");
        let request = multipart(reqwest::Client::new().post("https://vendor.example/"), &json!({ "file": file }));
        assert!(request.expect_err("refused").to_string().contains("line break"));
    }
}
