//! The wire, one operation and one documented status at a time, generated from the bundled documents.
//!
//! A surface adds one file, called as its document is: how its client is made, what answers its sign-in, and one line per
//! operation with fixed arguments. Everything else is read from its document, so an operation or a status that is not
//! covered cannot be forgotten: it is run, or the table is told to be incomplete.

mod broken;
mod fixture;
mod input;
mod lenient;
mod sample;
mod statuses;

macro_rules! files {
    ($($name:ident)*) => {
        $(mod $name;)*
    };
}
crate::for_every_document!(files,);

pub(crate) use crate::leak_check::document;

use document::{Document, Operation};
use fixture::{Route, Sent};
use keyway::{Error, ErrorKind};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// A server that answers these calls with these bodies, as they stand: method, path, status, body.
pub(crate) async fn bare(routes: Vec<(&'static str, &'static str, u16, &'static str)>) -> wiremock::MockServer {
    let server = wiremock::MockServer::start().await;
    for (verb, at, status, body) in routes {
        let answer = wiremock::ResponseTemplate::new(status).set_body_raw(body, "application/json");
        let call = wiremock::Mock::given(wiremock::matchers::method(verb)).and(wiremock::matchers::path(at));
        call.respond_with(answer).mount(&server).await;
    }
    server
}

/// What is peculiar to a surface.
trait Surface: 'static {
    type Client: Clone + Send + Sync;
    const DOCUMENT: &'static str;
    /// The tenant of the client, sent wherever the document declares a header for it.
    const TENANT: Option<&'static str> = None;
    /// What every call says of its body, even where it has none.
    const CONTENT_TYPE: Option<&'static str> = None;
    /// The roles that some builder's session has.
    const ROLES: &'static [&'static str] = &["user"];

    /// A client that never retries and has a session of this role; `user` also where none is needed.
    fn client(uri: &str, role: &str) -> Self::Client;

    /// What answers the calls that the session makes for itself.
    fn session() -> Vec<Route>;

    /// The headers by which a call shows its session, and which no other call has.
    fn session_headers(role: &str) -> Vec<(&'static str, &'static str)>;

    /// One line per operation that is not written by hand.
    fn calls() -> Vec<Call<Self::Client>>;

    /// For each schema that a failure has: whether the error holds a detail of that type.
    fn details() -> Vec<Detail>;

    /// What a failure means where the vendor's words count for more than the status.
    fn means(_operation: &str, _status: u16, _body: &Value) -> Option<ErrorKind> {
        None
    }

    /// The members (JSON pointers) of a failure that tell what it means.
    fn telling(_operation: &str, _status: u16) -> &'static [&'static str] {
        &[]
    }
}

/// The name of a schema, and whether an error holds a detail of its type.
type Detail = (&'static str, fn(&Error) -> bool);

/// Whether an error holds a detail of this type.
fn is<T: serde::de::DeserializeOwned + Send + Sync + 'static>(error: &Error) -> bool {
    error.detail::<T>().is_some()
}

/// A typed call with fixed arguments, and what it must look like on the wire.
struct Call<C> {
    operation: &'static str,
    /// The second argument is the value of every path parameter.
    send: for<'a> fn(&'a C, &'a str) -> Sent<'a>,
    /// The same without a single argument.
    bare: for<'a> fn(&'a C) -> Sent<'a>,
    path: &'static str,
    query: Vec<(&'static str, &'static str)>,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
}

/// What a call sends.
enum Body {
    /// The document's example, or nothing if the operation has no body.
    Documented,
    Json(Value),
    Form(Vec<(&'static str, &'static str)>),
}

impl<C> Call<C> {
    /// Every character that could lead a path astray, and one that is encoded already.
    const PATH: &'static str = "k/ü 7%2F?#;=&+..";

    fn new(
        operation: &'static str,
        send: for<'a> fn(&'a C, &'a str) -> Sent<'a>,
        bare: for<'a> fn(&'a C) -> Sent<'a>,
    ) -> Self {
        let body = Body::Documented;
        Self { operation, send, bare, path: Self::PATH, query: Vec::new(), headers: Vec::new(), body }
    }

    /// The value of the path parameters, where the document allows only certain ones.
    fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    fn asks(self, query: impl Into<Vec<(&'static str, &'static str)>>) -> Self {
        Self { query: query.into(), ..self }
    }

    fn with_headers(self, headers: impl Into<Vec<(&'static str, &'static str)>>) -> Self {
        Self { headers: headers.into(), ..self }
    }

    fn sends(self, body: Body) -> Self {
        Self { body, ..self }
    }
}

/// `call!(operation)` or `call!(operation(call, value) => call.setter(value))`, with the surface's `Client` in scope.
macro_rules! call {
    ($operation:ident) => {
        call!($operation(call, _value) => call)
    };
    ($operation:ident($call:ident, $value:pat) => $filled:expr) => {
        $crate::wire::Call::new(
            stringify!($operation),
            |client: &Client, value: &str| {
                let ($call, $value) = (client.api().$operation(), value);
                let filled = $filled;
                Box::pin($crate::wire::fixture::answered(client.http(), filled.send()))
            },
            |client: &Client| {
                Box::pin($crate::wire::fixture::answered(client.http(), client.api().$operation().send()))
            },
        )
    };
}
use call;

/// What is tried with every operation of a surface.
macro_rules! for_every_operation {
    ($surface:ty) => {
        #[apply(leak_checked!)]
        async fn every_operation_and_status_is_as_documented() {
            $crate::wire::statuses::every_status::<$surface>().await;
        }

        #[apply(leak_checked!)]
        async fn the_vendors_examples_parse() {
            $crate::wire::statuses::every_example::<$surface>().await;
        }

        #[apply(leak_checked!)]
        async fn answers_are_read_leniently() {
            $crate::wire::lenient::every_mutation::<$surface>().await;
        }

        #[apply(leak_checked!)]
        async fn a_broken_answer_is_a_typed_error() {
            $crate::wire::broken::every_broken_answer::<$surface>().await;
        }

        #[apply(leak_checked!)]
        async fn a_path_value_stays_in_its_place() {
            $crate::wire::input::every_path_value::<$surface>().await;
        }

        #[apply(leak_checked!)]
        async fn a_missing_argument_is_named_and_nothing_is_sent() {
            $crate::wire::input::every_missing_argument::<$surface>().await;
        }
    };
}
use for_every_operation;

/// An operation with its call and the role to try it with.
type Row<'d, C> = (Operation<'d>, Call<C>, &'d str);

/// The operations that some client may call.
fn callable<S: Surface>(document: &Document) -> Vec<Row<'_, S::Client>> {
    let with_role = |(operation, call)| Some((operation, call, *roles::<S>(operation).first()?));
    table::<S>(document).into_iter().filter_map(with_role).collect()
}

/// The operations of the document, each with its call. Fails if one side has what the other lacks.
fn table<S: Surface>(document: &Document) -> Vec<(Operation<'_>, Call<S::Client>)> {
    let mut calls = S::calls();
    let operations = document.operations().into_iter().filter(|operation| !operation.is_hand_written());
    let table = operations.map(|operation| {
        let at = calls.iter().position(|call| call.operation == operation.id());
        (operation, calls.swap_remove(at.unwrap_or_else(|| panic!("no wire test for {}", operation.id()))))
    });
    let table = table.collect();
    let left: Vec<_> = calls.iter().map(|call| call.operation).collect();
    assert!(left.is_empty(), "not in the document, or twice in the table: {left:?}");
    table
}

/// The roles an operation is tried with. None if no client can have one: then any client is refused.
fn roles<'d, S: Surface>(operation: Operation<'d>) -> Vec<&'d str> {
    let mut roles = operation.roles();
    if roles.is_empty() {
        roles.push("user");
    }
    roles.retain(|role| S::ROLES.contains(role));
    roles
}

/// What every error must be, whatever went wrong: one short line without a secret.
fn is_presentable(error: &Error, secrets: &[String], about: &str) {
    let shown = error.to_string();
    assert!(!shown.contains('\n') && shown.len() < 300 && !shown.contains('<'), "{about}: {shown}");
    let all = format!("{error} {error:?} {error:#?}");
    for secret in secrets.iter().filter(|secret| secret.len() > 5) {
        assert!(!all.contains(secret.as_str()), "{about}: {shown}");
    }
}

#[apply(leak_checked!)]
fn every_surface_has_its_wire_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str, ending: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(root.join(folder)).expect("a folder").map(|file| file.expect("a file").path());
        let files = files.filter(|file| file.extension().is_some_and(|found| found == ending));
        files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect()
    };
    let surfaces = &names("src/surfaces", "rs") & &names("specs", "json");
    let missing: Vec<_> = surfaces.difference(&names("tests/it/wire", "rs")).cloned().collect();
    assert!(missing.is_empty(), "tests/it/wire/ lacks {missing:?}");
}
