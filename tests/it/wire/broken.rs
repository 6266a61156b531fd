//! Answers that are none: pages, nothing, halves, floods.

use super::{
    Surface, callable,
    document::{Document, Operation},
    fixture::{Answered, Fixture},
    is_presentable, sample, table,
};
use keyway::{Error, ErrorKind};
use serde_json::Value;
use wiremock::ResponseTemplate;

const PAGE: &str = "<!doctype html>\n<html><title>Sign in</title>\n<p>hunter2-in-the-answer</p></html>";
const SECRET: &str = "hunter2-in-the-answer";

/// Every operation against every broken answer: one typed error each, with the status and without the answer's text.
pub(crate) async fn every_broken_answer<S: Surface>() {
    let document = Document::parse(S::DOCUMENT);
    let mut exchanges = 0;
    for (operation, call, role) in callable::<S>(&document) {
        let mut fixture = Fixture::new::<S>(operation, &call, role).await;
        for broken in broken_answers(operation) {
            fixture.answers_with(broken.answer);
            let outcome = (call.send)(&fixture.client, call.path).await;
            judge(operation, broken.what, broken.wanted, outcome);
            exchanges += 1;
            if operation.step() == Some("sign-out") {
                fixture = Fixture::new::<S>(operation, &call, role).await;
            }
        }
    }
    println!("{}: {exchanges} broken answers", document.title());
}

struct Broken {
    what: &'static str,
    answer: ResponseTemplate,
    /// `None`: nothing is broken after all.
    wanted: (Option<ErrorKind>, u16),
}

fn broken_answers(operation: Operation<'_>) -> Vec<Broken> {
    let success = operation.answers().into_iter().find(|answer| answer.is_success()).expect("a success");
    let status = success.statuses[0];
    let protocol = Some(ErrorKind::Protocol);
    let page = |status| ResponseTemplate::new(status).set_body_raw(PAGE, "text/html; charset=utf-8");
    let mut broken = vec![
        Broken { what: "a page for an outage", answer: page(502), wanted: (Some(ErrorKind::Outage), 502) },
        Broken { what: "a page for a refusal", answer: page(403), wanted: (Some(ErrorKind::Forbidden), 403) },
        Broken { what: "a redirect", answer: page(302).insert_header("location", "/"), wanted: (protocol, 302) },
    ];
    let Some(schema) = success.schema else {
        broken.push(Broken { what: "a page where nothing was promised", answer: page(status), wanted: (None, status) });
        return broken;
    };
    let is_anything = operation.document.is_anything(schema);
    let value = sample::samples(operation, &success).remove(0);
    let text = value.to_string();
    let half = &text.as_bytes()[..text.len() / 2];
    let json = |bytes: &[u8]| ResponseTemplate::new(status).set_body_raw(bytes, "application/json");
    let nothing = if is_anything { None } else { protocol };
    broken.extend([
        Broken { what: "a page for an answer", answer: page(status), wanted: (protocol, status) },
        Broken { what: "nothing", answer: json(b""), wanted: (nothing, status) },
        Broken { what: "blanks", answer: json(b" \r\n"), wanted: (nothing, status) },
        Broken { what: "half an answer", answer: json(half), wanted: (protocol, status) },
        Broken {
            what: "an answer and a half",
            answer: json(&[text.as_bytes(), half].concat()),
            wanted: (protocol, status),
        },
        Broken {
            what: "the right answer called a page",
            answer: ResponseTemplate::new(status).set_body_raw(text.as_bytes(), "text/html"),
            wanted: (None, status),
        },
    ]);
    let wrong = if value.is_object() { Value::from(SECRET) } else { serde_json::json!({ "token": SECRET }) };
    if !is_anything {
        let answer = json(wrong.to_string().as_bytes());
        broken.push(Broken { what: "another type", answer, wanted: (protocol, status) });
    }
    broken
}

fn judge(
    operation: Operation<'_>,
    what: &str,
    (wanted, status): (Option<ErrorKind>, u16),
    outcome: Result<Answered, Error>,
) {
    let about = format!("{}, {what}", operation.id());
    let error = match (outcome, wanted) {
        (Ok(answered), None) => return assert_eq!(answered.status, status, "{about}"),
        (Err(error), Some(_)) => error,
        (other, _) => panic!("{about}: {other:?}"),
    };
    assert_eq!((Some(error.kind()), error.status()), (wanted, Some(status)), "{about}: {error}");
    assert_eq!(error.operation(), Some(operation.id().as_str()), "{about}");
    assert!(error.body().is_none(), "{about}");
    is_presentable(&error, &[SECRET.to_owned()], &about);
}

#[apply(leak_checked!)]
async fn an_answer_of_64_mib_is_not_read_to_its_end() {
    use super::vms::Vms;
    let document = Document::parse(Vms::DOCUMENT);
    let table = table::<Vms>(&document);
    let (operation, call) = table.iter().find(|(_, call)| call.operation == "get_basic_static").expect("an operation");
    for status in [200, 422] {
        let fixture = Fixture::new::<Vms>(*operation, call, "user").await;
        fixture.answers_with(ResponseTemplate::new(status).set_body_bytes(vec![b' '; 64 * 1024 * 1024]));
        let error = (call.send)(&fixture.client, call.path).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)), "{error}");
        assert!(error.to_string().contains("longer than 8 MiB"), "{error}");
        is_presentable(&error, &[], "64 MiB");
    }
}
