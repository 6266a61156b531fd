//! A web service whose visitors sign in by redirect: the question goes to the browser, and the answer comes back in another
//! request, on another task.
//!
//! ```sh
//! cargo run --example oauth2_web            # then open the address it prints
//! ```
//!
//! Without an account the provider is a fake in this process, whose page allows everything at once. With
//! `KEYWAY_OAUTH2_URL` (the issuer), `…_CLIENT_ID` and `…_CLIENT_SECRET` it is a real one, at which the address
//! `http://127.0.0.1:3000/back` is registered (`PORT` names another port).
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use keyway::{Answer, Error, oauth2::Client, testing::FakeOAuth2};
use std::{
    collections::HashMap,
    env,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

/// One visitor, with a session of their own.
#[derive(Clone)]
struct Visitor {
    client: Client,
    /// The question that is open. An error is cheap to clone, and holds the page as well as the way on.
    open: Option<Error>,
}

#[derive(Clone)]
struct Service {
    make: Arc<dyn Fn() -> Result<Client, Error> + Send + Sync>,
    /// Where this service is.
    root: Arc<str>,
    /// By the name in their cookie. Where several processes share the work, the clients share a store, and what is kept
    /// for a visitor is the ticket of their page: see `SignInPage::ticket`.
    visitors: Arc<Mutex<HashMap<String, Visitor>>>,
}

impl Service {
    fn visitor(&self, name: &str) -> Option<Visitor> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn keep(&self, name: &str, visitor: Visitor) {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), visitor);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = FakeOAuth2::start().await;
    let account = Account::of("OAUTH2", fake.uri());
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = port.unwrap_or(if account.is_fake() { 0 } else { 3000 });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let root: Arc<str> = format!("http://{}", listener.local_addr()?).into();
    let (issuer, back) = (account.url().to_owned(), format!("{root}/back"));
    let id = account.get("CLIENT_ID", FakeOAuth2::CLIENT_ID);
    let secret = account.get("CLIENT_SECRET", FakeOAuth2::CLIENT_SECRET);
    let make = move || {
        let builder = Client::discover(&issuer).client(&id, secret.as_str());
        builder.authorization_code(&back).build()
    };
    let service = Service { make: Arc::new(make), root: root.clone(), visitors: Arc::default() };
    let routes = Router::new().route("/", get(home)).route("/back", get(back_from_page)).with_state(service);
    println!("Open {root} in a browser.");
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn home(State(service): State<Service>, headers: HeaderMap) -> Response {
    let name = cookie(&headers).filter(|name| service.visitor(name).is_some()).unwrap_or_else(new_name);
    let new = || (service.make)().map(|client| Visitor { client, open: None });
    let mut visitor = match service.visitor(&name).map_or_else(new, Ok) {
        Ok(visitor) => visitor,
        Err(error) => return page(&error.to_string()).into_response(),
    };
    let outcome = visitor.client.session().lease().await;
    let response = match &outcome {
        Ok(_) => page("You are signed in. Calls of this service are made under your session.").into_response(),
        Err(error) => match error.sign_in_page() {
            Some(page) => Redirect::to(page.url()).into_response(),
            None => page(&error.to_string()).into_response(),
        },
    };
    visitor.open = outcome.err().filter(|error| error.sign_in_page().is_some());
    service.keep(&name, visitor);
    ([(header::SET_COOKIE, format!("visitor={name}; HttpOnly; SameSite=Lax; Path=/"))], response).into_response()
}

/// The provider's page has led the browser here. That it was this visitor's page is checked before anything is sent.
async fn back_from_page(State(service): State<Service>, headers: HeaderMap, request: Request) -> Response {
    let visitor = cookie(&headers).and_then(|name| service.visitor(&name));
    let Some(resume) = visitor.and_then(|visitor| visitor.open).and_then(|open| open.resume()) else {
        return page("Nobody here has been led to a sign-in page. Begin again.").into_response();
    };
    let redirect = format!("{}{}", service.root, request.uri());
    match resume.answer(Answer::Redirect(redirect.into())).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => page(&error.to_string()).into_response(),
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?.split(';');
    cookies.filter_map(|cookie| cookie.trim().strip_prefix("visitor=")).next().map(str::to_owned)
}

/// In a service of yours: your framework's own session.
fn new_name() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

fn page(text: &str) -> Html<String> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Keyway</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem;\
         color-scheme:light dark;overflow-wrap:anywhere}}</style>\n</head>\n<body>\n<h1>Keyway</h1>\n<p>{text}</p>\n\
         <p><a href=\"/\">Home</a></p>\n</body>\n</html>\n"
    ))
}
