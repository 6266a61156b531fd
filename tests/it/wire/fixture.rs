//! Where one operation is played: a bare server that answers it as told and everything else as the session needs.

use super::{Call, Surface, document::Operation};
use keyway::{Error, Http, ResponseValue};
use serde::Serialize;
use serde_json::Value;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, method, path},
};

/// A typed answer, without its type.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// What the typed answer is when it is written again, secrets included.
    pub(crate) value: Value,
}

pub(crate) type Sent<'a> = Pin<Box<dyn Future<Output = Result<Answered, Error>> + Send + 'a>>;

/// Only a request may hold secrets, so the typed answer is sent to the fixture, which hands it back.
const WRITTEN: &str = "/written-again";

pub(crate) async fn answered<T: Serialize>(
    http: Http,
    sent: impl Future<Output = Result<ResponseValue<T>, Error>>,
) -> Result<Answered, Error> {
    let answer = sent.await?;
    let status = answer.status().as_u16();
    // Whoever brings credentials gets no others: no session is made for this.
    let echo = http.post(WRITTEN).header("authorization", "none").header("VtexIdclientAutCookie", "none");
    let echo = echo.json(&*answer).send().await.expect("an echo");
    let value = serde_json::from_slice(&echo.bytes().await.expect("an echo")).expect("JSON");
    Ok(Answered { status, value })
}

/// What answers the calls that a session makes for itself.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// One operation, a client with the right session, and the server.
pub(crate) struct Fixture<C> {
    pub(crate) client: C,
    director: Arc<Director>,
    _server: MockServer,
}

struct Director {
    method: String,
    path: Mutex<String>,
    session: Vec<Route>,
    answer: Mutex<ResponseTemplate>,
    seen: Mutex<Vec<Request>>,
}

impl<C> Fixture<C> {
    /// `role` is whose session the client has.
    pub(crate) async fn new<S: Surface<Client = C>>(operation: Operation<'_>, call: &Call<C>, role: &str) -> Self {
        let director = Arc::new(Director {
            method: operation.method(),
            path: Mutex::new(operation.path_with(call.path)),
            session: S::session(),
            answer: Mutex::new(ResponseTemplate::new(500)),
            seen: Mutex::default(),
        });
        // A server blocks its thread for a moment when it is dropped, and waits for ever if its task has used up its turn.
        tokio::task::yield_now().await;
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Directed(director.clone())).mount(&server).await;
        Self { client: S::client(&server.uri(), role), director, _server: server }
    }

    /// From now on the operation is expected at this path.
    pub(crate) fn expects(&self, path: String) {
        *self.director.path.lock().unwrap() = path;
    }

    /// From now on the operation is answered like this.
    pub(crate) fn answers(&self, status: u16, body: Option<&Value>) {
        let template = ResponseTemplate::new(status);
        self.answers_with(match body {
            Some(body) => template.set_body_json(body),
            None => template,
        });
    }

    pub(crate) fn answers_with(&self, template: ResponseTemplate) {
        *self.director.answer.lock().unwrap() = template;
    }

    /// What was sent since the last look, the session's own calls left out.
    pub(crate) fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut self.director.seen.lock().unwrap())
    }
}

/// Whether the session is not as it was after this: signed out, or refused a moment ago.
pub(crate) fn spends_the_session(operation: Operation<'_>, status: u16) -> bool {
    operation.step() == Some("sign-out") || status == 401
}

/// A 401 to a key that travels as it is: there is no other one to try, and it is not sent again for a while.
pub(crate) fn is_final(role: &str, status: u16) -> bool {
    role == "key" && status == 401
}

/// A server on which only the session's own calls are answered, as these routes say; the first that fits counts.
pub(crate) async fn server(routes: Vec<Route>) -> MockServer {
    let server = MockServer::start().await;
    for Route { method: verb, path: at, status, body } in routes {
        let template = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(method(verb)).and(path(at)).respond_with(template).mount(&server).await;
    }
    server
}

/// Method and path of everything the server saw.
pub(crate) async fn calls(server: &MockServer) -> Vec<String> {
    let seen = server.received_requests().await.expect("they are recorded");
    seen.iter().map(|request| format!("{} {}", request.method, request.url.path())).collect()
}

/// The JSON bodies sent to this path.
pub(crate) async fn sent(server: &MockServer, path: &str) -> Vec<Value> {
    let seen = server.received_requests().await.expect("they are recorded");
    let there = seen.iter().filter(|request| request.url.path() == path);
    there.map(|request| serde_json::from_slice(&request.body).unwrap_or_default()).collect()
}

struct Directed(Arc<Director>);

impl Respond for Directed {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (method, path) = (request.method.as_str(), request.url.path());
        if path == WRITTEN {
            return ResponseTemplate::new(200).set_body_bytes(request.body.clone());
        }
        let is_under_test = method == self.0.method && path == *self.0.path.lock().unwrap();
        let route = self.0.session.iter().find(|route| (route.method, route.path) == (method, path));
        match route.filter(|_| !is_under_test) {
            Some(route) => ResponseTemplate::new(route.status).set_body_json(&route.body),
            None => {
                let target = &request.url[url::Position::BeforePath..];
                crate::leak_check::wire_log::keep(method, target, &request.headers, &request.body);
                self.0.seen.lock().unwrap().push(request.clone());
                self.0.answer.lock().unwrap().clone()
            }
        }
    }
}
