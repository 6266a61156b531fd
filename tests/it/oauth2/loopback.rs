//! The way back to a program on the person's own machine (RFC 8252).

use super::{discovering, fixture, follow};
use keyway::{
    ErrorKind, Secret,
    oauth2::Loopback,
    testing::{FakeOAuth2, ManualClock},
};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

/// A client, and the addresses of the pages that it shows.
fn terminal(fake: &FakeOAuth2, clock: &ManualClock) -> (keyway::oauth2::Client, mpsc::UnboundedReceiver<String>) {
    let (shown, pages) = mpsc::unbounded_channel();
    let loopback =
        Loopback::showing(move |url| shown.send(url.to_owned()).map_err(|_| io::Error::other("nobody looks")));
    let builder = discovering(fake, clock).public_client(FakeOAuth2::PUBLIC_CLIENT);
    (builder.browser(loopback).build().unwrap(), pages)
}

/// What a browser gets that is sent there.
async fn visit(redirect: &str) -> (u16, String) {
    let answer = reqwest::get(redirect).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn page(fake: &FakeOAuth2, url: &str) -> String {
    assert!(url.starts_with(&fake.uri()));
    follow_url(url).await
}

async fn follow_url(url: &str) -> String {
    super::follow_url(url).await.expose().to_owned()
}

#[apply(leak_checked!)]
async fn a_person_signs_in_with_the_browser_of_their_machine_and_may_close_the_page() {
    let (fake, clock) = fixture().await;
    let (client, mut pages) = terminal(&fake, &clock);
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|_| ()) });
    let redirect = page(&fake, &pages.recv().await.unwrap()).await;
    assert!(redirect.starts_with("http://127.0.0.1:") && redirect.contains("/callback?code="));
    let (status, text) = visit(&redirect).await;
    waiting.await.unwrap().unwrap();
    assert!(status == 200 && text.contains("You can close this page"), "{text}");
    assert_eq!((fake.count("authorize"), fake.count("issue_token")), (1, 1));
    // The port is closed: there is nobody left to ask.
    reqwest::get(&redirect).await.unwrap_err();
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
}

#[apply(leak_checked!)]
async fn requests_that_are_not_the_answer_are_turned_away_and_it_goes_on_waiting() {
    let (fake, clock) = fixture().await;
    let (client, mut pages) = terminal(&fake, &clock);
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|_| ()) });
    let redirect = page(&fake, &pages.recv().await.unwrap()).await;
    let (root, query) = redirect.split_once("/callback?").unwrap();
    let host = root.trim_start_matches("http://").to_owned();
    // Browsers open connections that they never use.
    let idle = TcpStream::connect(&host).await.unwrap();
    assert_eq!(visit(&format!("{root}/favicon.ico")).await.0, 404);
    assert_eq!(visit(&format!("{root}/callback/?{query}")).await.0, 404);
    assert_eq!(visit(&format!("{root}/callback")).await.0, 400);
    assert_eq!(visit(&format!("{root}/callback?code=evil&state=guessed")).await.0, 400);
    assert_eq!(reqwest::Client::new().post(&redirect).send().await.unwrap().status(), 405);
    let raw = async |request: String| {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer.lines().next().unwrap_or_default().to_owned()
    };
    // A page of somebody else's, whose name leads here.
    let elsewhere = raw(format!("GET /callback?{query} HTTP/1.1\r\nHost: evil.example\r\n\r\n")).await;
    assert_eq!(elsewhere, "HTTP/1.1 421 Misdirected Request");
    assert_eq!(raw(format!("GET /callback?{query} HTTP/1.1\r\n\r\n")).await, "HTTP/1.1 421 Misdirected Request");
    assert_eq!(raw(format!("GET /{} HTTP/1.1\r\n", "x".repeat(64 * 1024))).await, "");
    assert_eq!(fake.count("issue_token"), 0);
    assert_eq!(visit(&redirect).await.0, 200);
    waiting.await.unwrap().unwrap();
    drop(idle);
}

#[apply(leak_checked!)]
async fn a_person_who_says_no_sees_that_and_so_does_the_program() {
    let (fake, clock) = fixture().await;
    fake.deny_authorizations();
    let (client, mut pages) = terminal(&fake, &clock);
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|_| ()) });
    let redirect = page(&fake, &pages.recv().await.unwrap()).await;
    let (status, text) = visit(&redirect).await;
    assert!(status == 200 && text.contains("Not signed in"), "{text}");
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Declined, Some("access_denied")), "{error}");
}

#[apply(leak_checked!)]
async fn a_page_that_cannot_be_shown_is_declined_and_can_be_answered_by_hand() {
    let (fake, clock) = fixture().await;
    let loopback = Loopback::showing(|_| Err(io::Error::other("no browser here")));
    let builder = discovering(&fake, &clock).public_client(FakeOAuth2::PUBLIC_CLIENT);
    let client = builder.browser(loopback).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Declined, "{error}");
    let redirect = follow(error.sign_in_page().unwrap()).await;
    error.resume().unwrap().answer(keyway::Answer::Redirect(redirect)).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_responder_of_the_users_own_may_show_the_page_and_pass_it_on() {
    struct Window(Loopback, Arc<std::sync::atomic::AtomicUsize>);
    impl keyway::Responder for Window {
        async fn sign_in_page(&self, page: keyway::SignInPage) -> Option<Secret> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            keyway::Responder::sign_in_page(&self.0, page).await
        }
    }
    let (fake, clock) = fixture().await;
    let (shown, mut pages) = mpsc::unbounded_channel();
    let loopback =
        Loopback::showing(move |url| shown.send(url.to_owned()).map_err(|_| io::Error::other("nobody looks")));
    let asked = Arc::default();
    let builder = discovering(&fake, &clock).browser(loopback.clone()).responder(Window(loopback, Arc::clone(&asked)));
    let client = builder.build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|_| ()) });
    visit(&page(&fake, &pages.recv().await.unwrap()).await).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[apply(leak_checked!)]
async fn clients_that_share_a_builder_are_answered_each_at_its_own_port() {
    /// Waits with all pages that are asked until it may go on.
    struct Window(Loopback, Arc<tokio::sync::Barrier>);
    impl keyway::Responder for Window {
        async fn sign_in_page(&self, page: keyway::SignInPage) -> Option<Secret> {
            self.1.wait().await;
            keyway::Responder::sign_in_page(&self.0, page).await
        }
    }
    let (fake, clock) = fixture().await;
    let (shown, mut pages) = mpsc::unbounded_channel();
    let loopback =
        Loopback::showing(move |url| shown.send(url.to_owned()).map_err(|_| io::Error::other("nobody looks")));
    let window = Window(loopback.clone(), Arc::new(tokio::sync::Barrier::new(2)));
    let builder = discovering(&fake, &clock).browser(loopback).responder(window);
    let clients = [builder.clone().build().unwrap(), builder.build().unwrap()];
    let waiting = clients.each_ref().map(|client| {
        let session = client.session().clone();
        tokio::spawn(async move { session.lease().await.map(|_| ()) })
    });
    for _ in 0..2 {
        let shown = tokio::time::timeout(std::time::Duration::from_secs(10), pages.recv()).await;
        let redirect = page(&fake, &shown.expect("a page for each").unwrap()).await;
        let (status, text) = visit(&redirect).await;
        assert!(status == 200 && text.contains("Back to the program"), "{text}");
    }
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    assert_eq!((fake.count("issue_token"), fake.reuses()), (2, 0));
}
