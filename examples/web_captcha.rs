//! A web service whose person answers later: the captcha goes to a browser, and the answer comes back in another request.
//!
//! ```sh
//! cargo run --example web_captcha            # then open the address it prints
//! ```
//!
//! Without an account it signs in to a fake in this process, which draws real captchas. With `KEYWAY_VMS_URL`,
//! `KEYWAY_VMS_LOGIN` and `KEYWAY_VMS_PASSWORD` it signs in to a real VMS.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use axum::{
    Form, Router,
    extract::State,
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use keyway::{Answer, Error, Secret, testing::FakeVms, vms};
use std::{
    env,
    sync::{Arc, Mutex, PoisonError},
};

/// One client for the whole service; its clones share the session.
#[derive(Clone)]
struct Service {
    vms: vms::Client,
    /// The question that is open. An error is cheap to clone, and holds the picture as well as the way on.
    open: Arc<Mutex<Option<Error>>>,
}

impl Service {
    fn open(&self) -> Option<Error> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, question: Option<Error>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = question;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = FakeVms::builder().captcha(true).start().await;
    let [url, login, password] = match ["URL", "LOGIN", "PASSWORD"].map(|name| env::var(format!("KEYWAY_VMS_{name}"))) {
        [Ok(url), Ok(login), Ok(password)] => [url, login, password],
        _ => [fake.uri(), FakeVms::LOGIN.to_owned(), FakeVms::PASSWORD.to_owned()],
    };
    // No responder: a question comes back as an error that can be resumed.
    let vms = vms::Client::builder(url).password(login, password).build()?;

    let pages = Router::new().route("/", get(cameras).post(answer)).route("/captcha.png", get(picture));
    let service = pages.with_state(Service { vms, open: Arc::default() });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port())).await?;
    println!("Open http://{} in a browser.", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}

fn port() -> u16 {
    env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0)
}

/// The page somebody wants to see. If nobody is signed in, it asks.
async fn cameras(State(service): State<Service>) -> Response {
    match service.vms.http().get("/api/v1/cameras").send().await {
        Ok(answer) => match answer.json::<Vec<serde_json::Value>>().await {
            Ok(cameras) => Html(format!("<h1>Signed in</h1><p>{} cameras</p>", cameras.len())).into_response(),
            Err(_) => Html("<h1>The platform sent no list of cameras</h1>").into_response(),
        },
        Err(question) => ask(&service, question),
    }
}

/// The answer, which may come from another tab, twice, or after an hour.
async fn answer(State(service): State<Service>, Form(form): Form<Answered>) -> Response {
    let Some(resume) = service.open().and_then(|question| question.resume()) else {
        return Redirect::to("/").into_response();
    };
    match resume.answer(Answer::Captcha(form.captcha)).await {
        Ok(_) => {
            service.note(None);
            Redirect::to("/").into_response()
        }
        // Wrong, or too late: here is the next picture.
        Err(question) => ask(&service, question),
    }
}

fn ask(service: &Service, question: Error) -> Response {
    let Some(captcha) = question.captcha() else {
        service.note(None);
        return Html(format!("<h1>Not signed in</h1><p>{}</p>", escaped(&question.to_string()))).into_response();
    };
    let page = format!(
        "<h1>Who is there?</h1><img src='/captcha.png?{attempt}' alt='captcha'>\
         <form method='post'><input name='captcha' autofocus autocomplete='off'><button>Sign in</button></form>\
         <p>Number {attempt}, good for {} s.</p>",
        captcha.expires_in().as_secs(),
        attempt = captcha.attempt(),
    );
    service.note(Some(question));
    Html(page).into_response()
}

async fn picture(State(service): State<Service>) -> Response {
    match service.open().as_ref().and_then(Error::captcha) {
        Some(captcha) => {
            let headers = [
                (header::CONTENT_TYPE, captcha.media_type().to_owned()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (headers, captcha.image().to_vec()).into_response()
        }
        None => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(serde::Deserialize)]
struct Answered {
    captcha: Secret,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
