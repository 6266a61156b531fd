//! What a typed call answers.

use crate::{error::Error, http::response::BufferedResponse};
use reqwest::{StatusCode, header::HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A typed answer with its status and headers.
///
/// It can be used like the value in it; [`into_inner`](ResponseValue::into_inner) takes the value out.
pub struct ResponseValue<T> {
    inner: T,
    status: StatusCode,
    headers: HeaderMap,
}

impl<T> ResponseValue<T> {
    /// The value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// The status: one of 200 to 299.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl<T: DeserializeOwned> ResponseValue<T> {
    /// For operations whose success is JSON.
    #[doc(hidden)]
    pub fn from_answer(answer: BufferedResponse) -> Result<Self, Error> {
        Ok(Self { inner: answer.value()?, status: answer.status, headers: answer.headers })
    }
}

impl ResponseValue<Value> {
    /// For operations of whose body nothing is known: where any JSON will do, nothing does as well.
    #[doc(hidden)]
    pub fn anything(answer: BufferedResponse) -> Result<Self, Error> {
        let inner = if answer.is_empty() { Value::Null } else { answer.json()? };
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl ResponseValue<()> {
    /// For operations whose success has no documented body: whatever comes is fine.
    #[doc(hidden)]
    pub fn empty(answer: BufferedResponse) -> Self {
        Self { inner: (), status: answer.status, headers: answer.headers }
    }
}

impl ResponseValue<String> {
    /// For operations whose success is a text.
    #[doc(hidden)]
    pub fn text(answer: BufferedResponse) -> Result<Self, Error> {
        let inner = String::from_utf8(answer.body.to_vec()).map_err(|_| answer.no_success("the answer is no text"))?;
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl<T: DeserializeOwned> ResponseValue<Option<T>> {
    /// For operations of whose successes one has a body and another has none.
    #[doc(hidden)]
    pub fn maybe(answer: BufferedResponse) -> Result<Self, Error> {
        let inner = if answer.is_empty() { None } else { Some(answer.value()?) };
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl<T> ResponseValue<T> {
    pub(crate) fn of(inner: T, status: StatusCode, headers: HeaderMap) -> Self {
        Self { inner, status, headers }
    }
}

impl<T> Deref for ResponseValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for ResponseValue<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// Status and type only: what a vendor does not describe is plain JSON, and that may hold a secret.
impl<T> fmt::Debug for ResponseValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        f.debug_struct("ResponseValue").field("status", &self.status).field("of", &what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorKind, secret::Secret};
    use serde::Deserialize;

    fn answer(body: &str) -> BufferedResponse {
        BufferedResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            carried: Default::default(),
            operation: None,
        }
    }

    #[derive(Debug, Deserialize)]
    struct Tokens {
        #[allow(dead_code, reason = "it is never read")]
        access_token: Secret,
    }

    #[apply(leak_checked!)]
    fn a_wrong_answer_is_never_quoted() {
        for body in ["", "{\"access_token\":", "<html>hunter2</html>", "{\n\"access_token\": [\"hunter2\"]}"] {
            let error = ResponseValue::<Tokens>::from_answer(answer(body)).expect_err("no tokens");
            assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)));
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[apply(leak_checked!)]
    fn where_any_json_will_do_nothing_does_as_well() {
        for body in ["", " \r\n"] {
            assert!(ResponseValue::anything(answer(body)).expect("anything").is_null());
            assert!(ResponseValue::<Option<Tokens>>::from_answer(answer(body)).is_err());
        }
        assert!(ResponseValue::anything(answer("<html>")).is_err());
    }

    #[apply(leak_checked!)]
    fn an_answer_that_cannot_be_read_is_named_after_its_call() {
        let answer =
            |body: &'static [u8]| BufferedResponse { body: body.into(), operation: Some("get_log"), ..answer("") };
        let errors = [
            ResponseValue::<Tokens>::from_answer(answer(b"{}")).err(),
            ResponseValue::<Option<Tokens>>::maybe(answer(b"{}")).err(),
            ResponseValue::anything(answer(b"<html>")).err(),
            ResponseValue::text(answer(b"\xFF")).err(),
        ];
        for error in errors {
            let error = error.expect("it cannot be read");
            assert_eq!((error.operation(), error.status()), (Some("get_log"), Some(200)), "{error}");
        }
    }

    #[apply(leak_checked!)]
    fn an_answer_without_a_documented_body_may_have_any() {
        assert_eq!(ResponseValue::empty(answer("<html>")).status(), 200);
    }
}
