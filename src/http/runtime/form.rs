//! Bodies that are forms.

use super::exposed::{Exposed, text, texts};
use crate::error::Error;
use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::Value;

/// Puts `body` into the request as `application/x-www-form-urlencoded`.
pub fn form<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Error> {
    written_form(request, body, texts)
}

/// As [`form`], for documents that put objects into forms: they stand there as JSON.
pub fn form_with_json<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Error> {
    written_form(request, body, |value| match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => Some(values.into_iter().map(text).collect()),
        other => Some(vec![text(other)]),
    })
}

fn written_form<T: Serialize>(
    request: RequestBuilder,
    body: &T,
    texts: fn(Value) -> Option<Vec<String>>,
) -> Result<RequestBuilder, Error> {
    let cannot = |field: &str| Error::refused_field(field, "cannot be written into a form");
    let Ok(Value::Object(members)) = serde_json::to_value(Exposed(body)) else { return Err(cannot("body")) };
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members {
        let values = texts(value).ok_or_else(|| cannot(&name))?;
        form.extend_pairs(values.iter().map(|value| (&name, value)));
    }
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use serde_json::json;

    #[derive(Debug, Serialize)]
    struct Tokens {
        access_token: Secret,
    }

    #[apply(leak_checked!)]
    fn a_secret_is_written_into_a_form_and_nowhere_else() {
        let body = Tokens { access_token: Secret::from("hunter 2") };
        assert!(serde_json::to_string(&body).is_err());
        let request = reqwest::Client::new().post("https://vendor.example/");
        let request = form(request, &body).expect("a form").build().expect("a request");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
        let sent = request.body().and_then(reqwest::Body::as_bytes).expect("a body");
        assert_eq!(sent, b"access_token=hunter+2");
    }

    #[apply(leak_checked!)]
    fn a_form_holds_single_values_only() {
        let request = reqwest::Client::new().post("https://vendor.example/");
        let error = form(request, &json!({ "user": { "name": "x" } })).expect_err("nested");
        assert!(error.to_string().contains("`user`"), "{error}");
    }
}
