//! What is kept of a request in case that it has to be sent again.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{ACCEPT, AUTHORIZATION},
};
use reqwest::{Request, Response, StatusCode};
use std::time::Duration;
use url::Url;

/// Whether this is the answer, whatever the call may still try.
pub(super) fn is_final(response: &Response) -> bool {
    response.status() != StatusCode::UNAUTHORIZED && !may_pass(response.status())
}

pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// What a request can be made from once more. Every call keeps one and hardly any needs it, so it is as little as can be.
pub(super) enum RetryableRequest {
    /// A request without a body, and without its address: that comes back with the answer or with the failure.
    Head {
        method: Method,
        headers: Headers,
        version: Version,
        timeout: Option<Duration>,
    },
    Whole(Request),
}

/// The headers of a request. Nearly every call has these two and no others, and allocates nothing for them.
#[derive(Default)]
pub(super) struct Headers {
    accept: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    others: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    fn of(map: &HeaderMap) -> Self {
        let mut headers = Self::default();
        for (name, value) in map {
            if name == ACCEPT && headers.accept.is_none() {
                headers.accept = Some(value.clone());
            } else if name == AUTHORIZATION && headers.authorization.is_none() {
                headers.authorization = Some(value.clone());
            } else {
                headers.others.push((name.clone(), value.clone()));
            }
        }
        headers
    }

    /// Several values of one name stay several, in their order.
    fn append_to(&self, map: &mut HeaderMap) {
        let usual = [(ACCEPT, &self.accept), (AUTHORIZATION, &self.authorization)];
        for (name, value) in usual.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))) {
            map.append(name, value);
        }
        for (name, value) in &self.others {
            map.append(name.clone(), value.clone());
        }
    }
}

impl RetryableRequest {
    /// `None` if the request has a body that cannot be sent twice.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.body().is_some() {
            return request.try_clone().map(Self::Whole);
        }
        let (method, headers) = (request.method().clone(), Headers::of(request.headers()));
        Some(Self::Head { method, headers, version: request.version(), timeout: request.timeout().copied() })
    }

    /// The request, for the address it had.
    pub(super) fn request(&self, address: &Url) -> Option<Request> {
        let (method, headers, version, timeout) = match self {
            Self::Head { method, headers, version, timeout } => (method, headers, version, timeout),
            Self::Whole(request) => return request.try_clone(),
        };
        let mut request = Request::new(method.clone(), address.clone());
        *request.version_mut() = *version;
        *request.timeout_mut() = *timeout;
        headers.append_to(request.headers_mut());
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn what_is_sent_again_has_every_value_of_every_header_in_its_order() {
        let address = Url::parse("https://vendor.example/a?b=c").expect("an address");
        let mut request = Request::new(Method::DELETE, address.clone());
        *request.timeout_mut() = Some(Duration::from_secs(7));
        let given = [("x-a", "1"), ("accept", "a/b"), ("x-a", "2"), ("authorization", "Bearer x"), ("accept", "c/d")];
        append(&mut request, &given);
        append(&mut request, &[("authorization", "Bearer y"), ("x-b", "3")]);
        let again =
            RetryableRequest::of(&request).and_then(|retryable| retryable.request(&address)).expect("it has no body");
        for name in ["x-a", "x-b", "accept", "authorization"] {
            let [sent, before] =
                [&again, &request].map(|request| request.headers().get_all(name).iter().collect::<Vec<_>>());
            assert_eq!(sent, before, "{name}");
        }
        assert_eq!(again.headers().len(), request.headers().len());
        assert_eq!(
            (again.method(), again.url(), again.timeout()),
            (request.method(), request.url(), request.timeout())
        );
    }

    fn append(request: &mut Request, headers: &[(&'static str, &'static str)]) {
        for (name, value) in headers {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}
