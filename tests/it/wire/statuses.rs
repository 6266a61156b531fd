//! Every operation with every documented status: what goes out, and what becomes of what comes back.

use super::{
    Body, Call, Surface, callable,
    document::{Answer, Document, Operation, percent_encoded},
    fixture::{Fixture, is_final, spends_the_session},
    is_presentable, roles, sample, table,
};
use crate::drift::Drifts;
use keyway::{Error, ErrorKind};
use serde_json::Value;
use wiremock::Request;

/// Plays the whole document. An answer is the document's example, or a whole value made from its schema.
pub(crate) async fn every_status<S: Surface>() {
    let (drifts, _guard) = Drifts::listen();
    let document = Document::parse(S::DOCUMENT);
    let table = table::<S>(&document);
    let (mut pairs, mut exchanges) = (0, 0);
    for (operation, call) in &table {
        pairs += operation.answers().len();
        let roles = roles::<S>(*operation);
        if roles.is_empty() {
            is_refused::<S>(*operation, call).await;
        }
        for role in roles {
            let mut fixture = Fixture::new::<S>(*operation, call, role).await;
            for answer in operation.answers() {
                for (status, body) in answers(*operation, &answer) {
                    play::<S>(*operation, call, &fixture, &answer, (status, role, body.as_ref())).await;
                    exchanges += 1;
                    if spends_the_session(*operation, status) {
                        fixture = Fixture::new::<S>(*operation, call, role).await;
                    }
                }
            }
        }
    }
    assert_eq!(drifts.take(), [""; 0], "what is documented is no drift");
    let title = document.title();
    println!("{title}: {} operations, {pairs} operations × statuses, {exchanges} exchanges", table.len());
}

/// No client has the session it needs: it is told so before anything is sent.
async fn is_refused<S: Surface>(operation: Operation<'_>, call: &Call<S::Client>) {
    let fixture = Fixture::new::<S>(operation, call, "user").await;
    let error = (call.send)(&fixture.client, call.path).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some(operation.id().as_str())), "{error}");
    assert!(error.is_local() && fixture.seen().is_empty(), "{error}");
}

/// The answers to be given for one documented one.
fn answers(operation: Operation<'_>, answer: &Answer<'_>) -> Vec<(u16, Option<Value>)> {
    let samples = sample::samples(operation, answer);
    let mut all = Vec::new();
    for status in &answer.statuses {
        if samples.is_empty() || *status == 204 {
            all.push((*status, None));
        } else {
            all.extend(samples.iter().map(|sample| (*status, Some(sample.clone()))));
        }
    }
    all
}

async fn play<S: Surface>(
    operation: Operation<'_>,
    call: &Call<S::Client>,
    fixture: &Fixture<S::Client>,
    answer: &Answer<'_>,
    (status, role, body): (u16, &str, Option<&Value>),
) {
    let about = format!("{} as {role}, {status}", operation.id());
    fixture.answers(status, body);
    let outcome = (call.send)(&fixture.client, call.path).await;
    let seen = fixture.seen();
    // A 401 to a session is answered with a new session and the same request.
    let times = if status == 401 && !operation.roles().is_empty() && !is_final(role, status) { 2 } else { 1 };
    assert_eq!(seen.len(), times, "{about}: sent {times} times");
    seen.iter().for_each(|request| sent_as_documented::<S>(operation, call, role, request, &about));
    match outcome {
        Ok(answered) if answer.is_success() => {
            assert_eq!(answered.status, status, "{about}");
            let (Some(schema), Some(body)) = (answer.schema, body) else { return };
            let lost = sample::lost(operation.document, schema, body, &answered.value);
            assert!(lost.is_empty(), "{about}: lost on the way are {lost:?}");
        }
        Err(error) if !answer.is_success() => failed_as_documented::<S>(operation, answer, status, body, &error, call),
        other => panic!("{about}: {other:?}"),
    }
}

fn sent_as_documented<S: Surface>(
    operation: Operation<'_>,
    call: &Call<S::Client>,
    role: &str,
    request: &Request,
    about: &str,
) {
    assert_eq!(request.method.as_str(), operation.method(), "{about}");
    assert_eq!(request.url.path(), operation.path_with(call.path), "{about}");
    let mut query: Vec<_> = request.url.query_pairs().map(|(name, value)| (name.into(), value.into())).collect();
    let mut wanted: Vec<(String, String)> = call.query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    query.sort();
    wanted.sort();
    assert_eq!(query, wanted, "{about}");

    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().expect("a text").to_owned());
    assert_eq!(header("accept").as_deref(), Some("application/json"), "{about}");
    assert_eq!(header("api-version"), None, "{about}");
    let has_session = !operation.roles().is_empty();
    // Where the program says who it is, that stands in the session's place.
    let is_own = |name: &str| operation.wants_the_client() && name.eq_ignore_ascii_case("authorization");
    for (name, value) in S::session_headers(role).into_iter().filter(|(name, _)| !is_own(name)) {
        let wanted = has_session.then_some(value).or(declared_tenant::<S>(operation, name));
        assert_eq!(header(name).as_deref(), wanted, "{about}: {name}");
    }
    if !has_session {
        let own = header("authorization").map(|value| value.starts_with("Basic "));
        assert_eq!(own, operation.wants_the_client().then_some(true), "{about}");
    }
    if let Some(name) = operation.tenant_header() {
        assert_eq!(header(name).as_deref(), S::TENANT, "{about}: {name}");
    }
    for parameter in operation.parameters("header").into_iter().filter(|parameter| parameter["x-tenant"] != true) {
        let name = parameter["name"].as_str().expect("a name");
        let wanted = call.headers.iter().find(|(wanted, _)| *wanted == name).map(|(_, value)| *value);
        assert_eq!(header(name).as_deref(), wanted, "{about}: {name}");
    }
    body_as_documented::<S>(operation, call, request, about);
}

fn declared_tenant<S: Surface>(operation: Operation<'_>, header: &str) -> Option<&'static str> {
    let declared = operation.tenant_header().filter(|name| name.eq_ignore_ascii_case(header));
    declared.and(S::TENANT)
}

fn body_as_documented<S: Surface>(operation: Operation<'_>, call: &Call<S::Client>, request: &Request, about: &str) {
    let media_type = request.headers.get("content-type").map(|value| value.to_str().expect("a text"));
    assert_eq!(media_type, operation.body().map(|(media_type, _)| media_type).or(S::CONTENT_TYPE), "{about}");
    let sent = || serde_json::from_slice::<Value>(&request.body).expect("JSON");
    match (&call.body, operation.body()) {
        (Body::Documented, None) => assert!(request.body.is_empty(), "{about}: a body"),
        (Body::Documented, Some(_)) => {
            let example = operation.body_example();
            assert_eq!(Some(&sent()), example, "{about}: the call is to send the document's example");
        }
        (Body::Json(wanted), _) => assert_eq!(sent(), *wanted, "{about}"),
        (Body::Form(wanted), _) => {
            let text = String::from_utf8(request.body.clone()).expect("a text");
            let mut pairs: Vec<_> = text.split('&').map(|pair| pair.replace('+', "%20")).collect();
            let mut wanted: Vec<_> =
                wanted.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
            pairs.sort();
            wanted.sort();
            assert_eq!(pairs, wanted, "{about}");
        }
    }
}

fn failed_as_documented<S: Surface>(
    operation: Operation<'_>,
    answer: &Answer<'_>,
    status: u16,
    body: Option<&Value>,
    error: &Error,
    call: &Call<S::Client>,
) {
    let about = format!("{}, {status}: {error}", operation.id());
    let kind = body.and_then(|body| S::means(&operation.id(), status, body)).unwrap_or(meaning(status));
    assert_eq!(error.kind(), kind, "{about}");
    assert_eq!((error.status(), error.operation()), (Some(status), Some(operation.id().as_str())), "{about}");
    assert!(!error.is_local(), "{about}");
    // What hands out tokens shows no body.
    let shown = body.filter(|_| operation.step().is_none());
    assert_eq!(error.body(), shown, "{about}");
    has_detail::<S>(answer, error, &about);
    let mut secrets = match (answer.schema, body) {
        (Some(schema), Some(body)) => sample::secrets(operation.document, schema, body),
        _ => Vec::new(),
    };
    secrets.extend([call.path.to_owned(), percent_encoded(call.path)]);
    is_presentable(error, &secrets, &about);
}

/// The error holds the documented type and no other.
pub(crate) fn has_detail<S: Surface>(answer: &Answer<'_>, error: &Error, about: &str) {
    let wanted = answer.schema.map(|schema| {
        let name = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next());
        name.unwrap_or_else(|| panic!("{about}: the failure's schema has no name"))
    });
    let details = S::details();
    if let Some(wanted) = wanted {
        assert!(details.iter().any(|(name, _)| *name == wanted), "details() lacks {wanted}");
    }
    for (name, is_there) in details {
        assert_eq!(is_there(error), wanted == Some(name), "{about}: {name} in {error}");
    }
}

/// What a status means by itself.
fn meaning(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        408 | 504 => ErrorKind::Timeout,
        422 => ErrorKind::Validation,
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Outage,
        _ => ErrorKind::Api,
    }
}

/// The vendor's own examples of answers, each as its typed call reads it.
pub(crate) async fn every_example<S: Surface>() {
    let (drifts, _guard) = Drifts::listen();
    let document = Document::parse(S::DOCUMENT);
    let mut examples = 0;
    for (operation, call, role) in callable::<S>(&document) {
        for answer in operation.answers() {
            for example in &answer.examples {
                let fixture = Fixture::new::<S>(operation, &call, role).await;
                fixture.answers(answer.statuses[0], Some(example));
                let about = format!("{}, {}", operation.id(), answer.key);
                match (call.send)(&fixture.client, call.path).await {
                    Ok(answered) => {
                        let schema = answer.schema.expect("an example has a schema");
                        let lost = sample::lost(&document, schema, example, &answered.value);
                        assert!(answer.is_success() && lost.is_empty(), "{about}: lost on the way are {lost:?}");
                    }
                    Err(error) => {
                        assert!(!answer.is_success(), "{about}: {error}");
                        has_detail::<S>(&answer, &error, &about);
                    }
                }
                examples += 1;
            }
        }
    }
    assert_eq!(drifts.take(), [""; 0], "what is documented is no drift");
    println!("{}: {examples} examples of answers", document.title());
}
