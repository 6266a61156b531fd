//! A web service whose person answers later: the captcha goes to a browser, and the answer comes back in another request.
//!
//! ```sh
//! cargo run --example web_captcha            # then open the address it prints
//! ```
//!
//! Without an account it signs in to a fake in this process, which draws real captchas. With `KEYWAY_VMS_URL`,
//! `KEYWAY_VMS_LOGIN` and `KEYWAY_VMS_PASSWORD` it signs in to a real VMS.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use axum::{
    Form, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use keyway::{Answer, Error, Secret, testing::FakeVms, vms};
use std::{
    env,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

/// One client for the whole service; its clones share the session.
#[derive(Clone)]
struct Service {
    vms: vms::Client,
    /// The question that is open. An error is cheap to clone, and holds the picture as well as the way on.
    open: Arc<Mutex<Option<Error>>>,
    /// Stands in the form, and must come back with the answer: a page of another site cannot know it, so it cannot have a
    /// visitor's browser spend attempts.
    form_token: Arc<str>,
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
    let account = Account::of("VMS", fake.uri());
    // No responder: a question comes back as an error that can be resumed.
    let vms = vms::Client::builder(account.url())
        .password(account.get("LOGIN", FakeVms::LOGIN), account.get("PASSWORD", FakeVms::PASSWORD))
        .build()?;

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port())).await?;
    let address = listener.local_addr()?.to_string();
    println!("Open http://{address} in a browser.");
    let service = Service { vms, open: Arc::default(), form_token: form_token().into() };
    axum::serve(listener, pages(service, address)).await?;
    Ok(())
}

/// The service's pages, for visitors of this address.
fn pages(service: Service, address: String) -> Router {
    let pages = Router::new().route("/", get(cameras).post(answer)).route("/captcha.png", get(picture));
    pages.with_state(service).layer(middleware::from_fn(move |request, next| {
        let address = address.clone();
        async move { for_us(&address, request, next).await }
    }))
}

/// Drawn anew at every start. The keys of the standard library's hash maps are random, and no other crate is needed here; a
/// service of your own takes a crate made for it.
fn form_token() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

/// A name that leads to this machine may be anybody's, and a page under it would be let in as one of ours (DNS rebinding): only
/// the address that was printed is served. And no browser is to guess what an answer is.
async fn for_us(address: &str, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host != Some(address) {
        return (StatusCode::MISDIRECTED_REQUEST, "This is another host's.").into_response();
    }
    let mut answer = next.run(request).await;
    let headers = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::X_FRAME_OPTIONS, "DENY")];
    for (name, value) in headers {
        answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

fn port() -> u16 {
    env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0)
}

/// The page that a visitor wants to see. Without a session it asks.
async fn cameras(State(service): State<Service>) -> Response {
    match service.vms.http().get("/api/v1/cameras").send().await {
        Ok(answer) => match answer.json::<Vec<serde_json::Value>>().await {
            Ok(cameras) => page(&format!("<h1>Signed in</h1><p>{} cameras are there.</p>", cameras.len())),
            Err(_) => page("<h1>Signed in</h1><p>But the platform sent no list of cameras.</p>"),
        },
        Err(question) => ask(&service, question),
    }
}

/// The answer, which may come from another tab, twice, or after an hour.
async fn answer(State(service): State<Service>, headers: HeaderMap, Form(form): Form<Answered>) -> Response {
    let is_from_elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    if is_from_elsewhere || *form.form_token != *service.form_token {
        return (StatusCode::FORBIDDEN, "Answer in the form of this service.").into_response();
    }
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
        return page(&format!("<h1>Not signed in</h1><p>{}</p>", escaped(&question.to_string())));
    };
    let (attempt, seconds) = (captcha.attempt(), captcha.expires_in().as_secs());
    let again = if attempt > 1 { "That was not it, or it came too late. " } else { "" };
    let form = page(&format!(
        "<h1>Who is there?</h1><p>{again}What does the picture say? It is good for {seconds} s.</p>\
         <img src='/captcha.png?{attempt}' alt='captcha number {attempt}'>\
         <form method='post'><input type='hidden' name='form_token' value='{}'><input name='captcha' autofocus autocomplete='off'> <button>Sign in</button></form>",
        service.form_token
    ));
    service.note(Some(question));
    form
}

fn page(body: &str) -> Response {
    const STYLE: &str = "body { font: 1.1rem system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem } \
        img { display: block; width: 15rem; image-rendering: pixelated; border: 1px solid #ccc; margin: 1rem 0 } \
        input, button { font: inherit; padding: .3rem .6rem }";
    let head = format!("<!doctype html><meta charset='utf-8'><title>Cameras</title><style>{STYLE}</style>");
    Html(format!("{head}{body}")).into_response()
}

async fn picture(State(service): State<Service>) -> Response {
    match service.open().as_ref().and_then(Error::captcha) {
        // Anything else a browser might take for a page, with a script in it.
        Some(captcha) if IMAGES.contains(&captcha.media_type()) => {
            let headers = [
                (header::CONTENT_TYPE, captcha.media_type().to_owned()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (headers, captcha.image().to_vec()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Pictures that hold no script, as SVG can.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

#[derive(serde::Deserialize)]
struct Answered {
    form_token: String,
    captcha: Secret,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway::Captcha;

    /// The service on a fake that wants a captcha, and a browser that asks it.
    struct Stage {
        fake: FakeVms,
        service: Service,
        root: String,
        browser: reqwest::Client,
    }

    impl Stage {
        async fn set() -> Self {
            let fake = FakeVms::builder().captcha(true).start().await;
            let vms = vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).build();
            let service =
                Service { vms: vms.expect("a client"), open: Arc::default(), form_token: form_token().into() };
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("an address").to_string();
            let pages = pages(service.clone(), address.clone());
            tokio::spawn(async move { axum::serve(listener, pages).await });
            Self { fake, service, root: format!("http://{address}/"), browser: reqwest::Client::new() }
        }

        async fn asked(self) -> Self {
            let page = self.browser.get(&self.root).send().await.expect("a page").text().await.expect("text");
            assert!(page.contains("captcha number 1"), "{page}");
            self
        }

        fn answers(&self, form_token: &str) -> reqwest::RequestBuilder {
            let form = format!("captcha=wrong&form_token={form_token}");
            let post = self.browser.post(&self.root).body(form);
            post.header("content-type", "application/x-www-form-urlencoded")
        }

        async fn refuses(&self, request: reqwest::RequestBuilder, status: u16) {
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), status);
            assert_eq!(self.fake.count("get_token"), 0, "an attempt was spent");
        }
    }

    #[tokio::test]
    async fn a_form_of_another_site_spends_no_attempt() {
        let stage = Stage::set().await.asked().await;
        let token = stage.service.form_token.clone();
        // Without the token, with a guess, and with the token in what a browser says is another site's.
        stage.refuses(stage.answers(""), 403).await;
        stage.refuses(stage.answers(&form_token()), 403).await;
        for site in ["cross-site", "same-site", "none"] {
            stage.refuses(stage.answers(&token).header("Sec-Fetch-Site", site), 403).await;
        }
        let bare = stage.browser.post(&stage.root).body("captcha=wrong");
        stage.refuses(bare.header("content-type", "application/x-www-form-urlencoded"), 422).await;
        let own = stage.answers(&token).header("Sec-Fetch-Site", "same-origin").send().await.expect("an answer");
        assert!(own.text().await.expect("a page").contains("captcha number 2"));
    }

    #[tokio::test]
    async fn a_name_of_somebody_else_that_leads_here_is_served_nothing() {
        let stage = Stage::set().await.asked().await;
        let port = stage.root.rsplit_once(':').expect("a port").1.trim_end_matches('/').to_owned();
        for host in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("localhost:{port}")] {
            for path in ["", "captcha.png"] {
                let get = stage.browser.get(format!("{}{path}", stage.root)).header("Host", &host);
                stage.refuses(get, 421).await;
            }
            stage.refuses(stage.answers(&stage.service.form_token).header("Host", &host), 421).await;
        }
    }

    #[tokio::test]
    async fn only_a_picture_is_served_as_one_and_no_browser_guesses() {
        let stage = Stage::set().await.asked().await;
        let picture = || stage.browser.get(format!("{}captcha.png", stage.root)).send();
        let served = picture().await.expect("an answer");
        assert_eq!(
            (served.status().as_u16(), &served.headers()["x-content-type-options"]),
            (200, &"nosniff".parse().expect("a value"))
        );
        for media_type in
            ["text/html", "image/svg+xml", "IMAGE/SVG+XML", "image/png; charset=utf-7", "", "application/xhtml+xml"]
        {
            let captcha = Captcha::new(*b"<script>alert(1)</script>", media_type, "the-captcha-key");
            stage.service.note(Some(Error::captcha_required(captcha)));
            let served = picture().await.expect("an answer");
            assert_eq!(served.status(), 404, "{media_type}");
            assert!(served.text().await.expect("text").is_empty());
        }
    }

    #[tokio::test]
    async fn what_a_vendor_says_is_text_on_the_page() {
        let stage = Stage::set().await;
        let shown = ask(&stage.service, Error::invalid_credentials("<script>alert(1)</script>"));
        let page = axum::body::to_bytes(shown.into_body(), 1 << 16).await.expect("a page");
        assert!(!String::from_utf8_lossy(&page).contains("<script>"));
    }
}
