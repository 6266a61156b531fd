//! What a vendor may change in an answer without breaking anybody, made from the schemas.

use super::{
    Call, Surface, callable,
    document::{Answer, Document, Operation},
    fixture::{Fixture, is_final},
    is_presentable,
    sample::{self, Mutation},
    statuses::has_detail,
};
use keyway::ErrorKind;
use serde_json::Value;

/// New values, new members, null and absent ones: none fails a call or takes the type from a failure, unless the member
/// is what the answer is for.
pub(crate) async fn every_mutation<S: Surface>() {
    let document = Document::parse(S::DOCUMENT);
    let (mut harmless, mut fatal) = (0, 0);
    for (operation, call, role) in callable::<S>(&document) {
        let mut fixture = Fixture::new::<S>(operation, &call, role).await;
        for answer in operation.answers() {
            let Some(schema) = answer.schema else { continue };
            let mut values = sample::wholes(operation, &answer);
            values.extend(answer.examples.iter().map(|example| (*example).clone()));
            for mutation in values.iter().flat_map(|value| sample::mutations(&document, schema, value)) {
                survives::<S>(operation, &call, &fixture, (&answer, schema, &mutation)).await;
                if operation.step() == Some("sign-out") || is_final(role, answer.statuses[0]) {
                    fixture = Fixture::new::<S>(operation, &call, role).await;
                }
                *(if mutation.is_essential { &mut fatal } else { &mut harmless }) += 1;
            }
        }
    }
    println!("{}: {harmless} harmless mutations of answers, {fatal} that take what is essential", document.title());
}

async fn survives<S: Surface>(
    operation: Operation<'_>,
    call: &Call<S::Client>,
    fixture: &Fixture<S::Client>,
    (answer, schema, mutation): (&Answer<'_>, &Value, &Mutation),
) {
    let status = answer.statuses[0];
    let about = format!("{}, {}: {}", operation.id(), answer.key, mutation.what);
    fixture.answers(status, Some(&mutation.value));
    let outcome = (call.send)(&fixture.client, call.path).await;
    let secrets = sample::secrets(operation.document, schema, &mutation.value);
    match outcome {
        Ok(answered) => {
            assert!(answer.is_success() && !mutation.is_essential, "{about}: must not succeed");
            let lost = sample::lost(operation.document, schema, &mutation.value, &answered.value);
            assert!(lost.is_empty(), "{about}: lost on the way are {lost:?}");
        }
        Err(error) if answer.is_success() => {
            let is_told = operation.success_member().is_some_and(|(member, _)| mutation.at == format!("/{member}"));
            let told = S::means(&operation.id(), status, &mutation.value).unwrap_or(ErrorKind::Api);
            let wanted = if is_told { told } else { ErrorKind::Protocol };
            assert!(is_told || mutation.is_essential, "{about}: {error}");
            assert_eq!((error.kind(), error.status()), (wanted, Some(status)), "{about}: {error}");
            is_presentable(&error, &secrets, &about);
        }
        Err(error) => {
            assert_eq!((error.status(), error.operation()), (Some(status), Some(operation.id().as_str())), "{about}");
            if !mutation.is_essential {
                has_detail::<S>(answer, &error, &about);
            }
            let telling = S::telling(&operation.id(), status).iter().any(|at| mutation.at.starts_with(at));
            let kind = S::means(&operation.id(), status, &mutation.value);
            if let Some(kind) = kind.filter(|_| !telling) {
                assert_eq!(error.kind(), kind, "{about}: {error}");
            }
            is_presentable(&error, &secrets, &about);
        }
    }
}
