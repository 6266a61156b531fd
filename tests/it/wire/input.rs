//! What a caller may get wrong: nothing of it moves a request to another path, and nothing is sent that cannot be right.

use super::{
    Surface, callable,
    document::{Document, Operation},
    fixture::{Fixture, Sent},
};
use heck::ToSnakeCase;
use keyway::ErrorKind;

/// Values that would be another path if they were not encoded, or that no encoding makes a segment: servers decode paths, and
/// then follow dots.
pub(crate) async fn every_path_value<S: Surface>() {
    let document = Document::parse(S::DOCUMENT);
    for (operation, call, role) in callable::<S>(&document) {
        let Some(parameter) = operation.parameters("path").into_iter().next() else { continue };
        let name = parameter["name"].as_str().expect("a name");
        let schema = document.resolve(&parameter["schema"]);
        let is_limited = ["format", "pattern", "minLength", "maxLength"]
            .iter()
            .any(|limit| schema.get(*limit).is_some_and(|limit| limit != "password"));
        let fixture = Fixture::new::<S>(operation, &call, role).await;
        fixture.answers(500, None);
        for value in ["", ".", "..", "%2e%2e", "a/b", "ü", "a b?c#d", "../../v1/other", "\r\n"] {
            fixture.expects(operation.path_with(value));
            if ["", ".", "..", "%2e%2e", "../../v1/other"].contains(&value) || is_limited {
                refuses(operation, &fixture, (call.send)(&fixture.client, value), &[name]).await;
                continue;
            }
            let error = (call.send)(&fixture.client, value).await.unwrap_err();
            assert_eq!(error.status(), Some(500), "{}, {value:?}: {error}", operation.id());
            let paths: Vec<_> = fixture.seen().iter().map(|request| request.url.path().to_owned()).collect();
            assert_eq!(paths, [operation.path_with(value)], "{}, {value:?}", operation.id());
        }
    }
}

/// A call without its arguments names one that is missing; one that needs none is sent.
pub(crate) async fn every_missing_argument<S: Surface>() {
    let document = Document::parse(S::DOCUMENT);
    for (operation, call, role) in callable::<S>(&document) {
        let required = operation.required_arguments();
        if !required.is_empty() {
            let fixture = Fixture::new::<S>(operation, &call, role).await;
            refuses(operation, &fixture, (call.bare)(&fixture.client), &required).await;
        }
    }
}

/// `Validation` that names one of the fields, and nothing on the wire.
pub(crate) async fn refuses<C>(operation: Operation<'_>, fixture: &Fixture<C>, sent: Sent<'_>, fields: &[&str]) {
    let about = operation.id();
    let error = sent.await.expect_err(&about);
    assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, None), "{about}: {error}");
    assert!(error.is_local(), "{about}: {error}");
    assert_eq!(error.operation(), Some(about.as_str()), "{error}");
    let named = error.validation().unwrap_or_else(|| panic!("{about}: {error} names no field"));
    // A missing argument is named as its setter is, which is `type_` where Rust has taken the name.
    let is_one = |field: &str| {
        let field = field.trim_end_matches('_');
        fields.iter().any(|wanted| field == *wanted || field == wanted.to_snake_case())
    };
    assert!(named.keys().all(|field| is_one(field)), "{about}: {error} names none of {fields:?}");
    assert!(fixture.seen().is_empty(), "{about}: it was sent");
}
