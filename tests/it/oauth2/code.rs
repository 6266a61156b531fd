//! The authorization code with PKCE: a person signs in at the provider's page, and comes back by a redirect.

use super::{discovering, fixture, follow, said};
use keyway::{
    Answer, Error, ErrorKind, FileStore, MemoryStore, Resume, Secret, SignInPage,
    oauth2::{Client, ClientBuilder, Loopback},
    testing::{FakeOAuth2, Fault, ManualClock},
};
use serde_json::json;
use std::time::Duration;

const BACK: &str = "https://till.example/back";
const HOUR: Duration = Duration::from_secs(3600);

fn web(fake: &FakeOAuth2, clock: &ManualClock) -> ClientBuilder {
    discovering(fake, clock).authorization_code(BACK).scope("menu orders")
}

async fn asked(client: &Client) -> (SignInPage, Resume) {
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInPageRequired, "{error}");
    (error.sign_in_page().unwrap().clone(), error.resume().unwrap())
}

fn query(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

#[apply(leak_checked!)]
async fn a_person_signs_in_at_the_page_and_is_renewed_from_then_on() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).page_parameter("prompt", "login").build().unwrap();
    let (page, resume) = asked(&client).await;
    let of = |name| query(page.url(), name).unwrap_or_default();
    assert_eq!((of("response_type"), of("code_challenge_method")), ("code".into(), "S256".into()));
    assert_eq!((of("client_id"), of("redirect_uri")), (FakeOAuth2::CLIENT_ID.into(), BACK.into()));
    assert_eq!((of("scope"), of("prompt")), ("menu orders".into(), "login".into()));
    assert_eq!((of("state").len(), of("code_challenge").len()), (43, 43));
    assert_eq!((page.redirect_uri(), fake.count("issue_token")), (BACK, 0));

    let redirect = follow(&page).await;
    resume.answer(Answer::Redirect(redirect)).await.unwrap();
    assert_eq!(
        (said(&fake, "grant_type"), said(&fake, "redirect_uri")),
        (vec!["authorization_code".into()], vec![BACK.into()])
    );
    assert_eq!(said(&fake, "code_verifier")[0].len(), 43);
    assert_eq!(client.session().profile().unwrap().facts()["scope"], "menu orders");
    for _ in 0..3 {
        clock.advance(HOUR);
        assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
    }
    assert_eq!((fake.count("authorize"), fake.count("issue_token"), fake.reuses()), (1, 4, 0));
}

#[apply(leak_checked!)]
async fn one_page_is_for_everybody_who_waits_and_no_two_are_the_same() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let ((one, _), (other, _)) = (asked(&client).await, asked(&client).await);
    assert_eq!(one.url(), other.url());
    clock.advance(HOUR);
    let (later, _) = asked(&client).await;
    for name in ["state", "code_challenge"] {
        assert_ne!(query(one.url(), name), query(later.url(), name), "{name}");
    }
}

#[apply(leak_checked!)]
async fn a_redirect_that_belongs_elsewhere_is_refused_and_the_question_stays_open() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    let (mallory, _) = asked(&web(&fake, &clock).build().unwrap()).await;
    let good = follow(&page).await.expose().to_owned();
    let foreign = follow(&mallory).await;
    let state = query(page.url(), "state").unwrap();
    for (redirect, words) in [
        (foreign.expose().to_owned(), "`state`"),
        (good.replace(&state, "guessed"), "`state`"),
        (good.replace("/back", "/back/"), "another address"),
        (good.replace("https://", "http://"), "another address"),
        (good.replace("till.example", "evil.example"), "another address"),
        (good.split("&iss=").next().unwrap().to_owned(), "`iss`"),
        (format!("{}&iss=https%3A%2F%2Fevil.example", good.split("&iss=").next().unwrap()), "`iss`"),
        ("code=1".to_owned(), "no address"),
    ] {
        let error = resume.answer(Answer::Redirect(redirect.into())).await.unwrap_err();
        assert!(
            error.kind() == ErrorKind::Config && error.is_local() && error.to_string().contains(words),
            "{words}: {error}"
        );
    }
    let error = resume.answer(Answer::DeviceCode).await.unwrap_err();
    assert!(error.to_string().contains("Answer::Redirect"), "{error}");
    assert_eq!(fake.count("issue_token"), 0);
    resume.answer(Answer::Redirect(good.into())).await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_second_redirect_and_one_that_comes_when_the_session_is_there_send_nothing() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    let redirect = follow(&page).await;
    let first = resume.answer(Answer::Redirect(redirect.clone())).await.unwrap().generation();
    assert_eq!(resume.answer(Answer::Redirect(redirect.clone())).await.unwrap().generation(), first);
    // Somebody presses the button again.
    let again = follow(&page).await;
    assert_eq!(resume.answer(Answer::Redirect(again)).await.unwrap().generation(), first);
    assert_eq!((fake.count("issue_token"), fake.reuses()), (1, 0));
    // When the session has ended, a code of before begins none.
    fake.revoke_refresh_tokens();
    clock.advance(2 * HOUR);
    let error = resume.answer(Answer::Redirect(redirect)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInPageRequired, "{error}");
    assert_eq!((said(&fake, "grant_type"), fake.reuses()), (vec!["refresh_token".into()], 0));
}

#[apply(leak_checked!)]
async fn a_person_who_says_no_is_declined_and_the_next_call_asks_anew() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    fake.deny_authorizations();
    let error = resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.operation()),
        (ErrorKind::Declined, Some("access_denied"), Some("authorize"))
    );
    clock.advance(HOUR);
    let (next, _) = asked(&client).await;
    assert_ne!(next.url(), page.url());
    assert_eq!(fake.count("issue_token"), 0);
}

#[apply(leak_checked!)]
async fn a_code_that_the_provider_takes_no_longer_is_no_refused_credential() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    let redirect = follow(&page).await;
    clock.advance(Duration::from_secs(61));
    let error = resume.answer(Answer::Redirect(redirect)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Declined, Some("invalid_grant")), "{error}");
    clock.advance(HOUR);
    let (page, resume) = asked(&client).await;
    resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_code_whose_answer_is_lost_is_not_sent_again() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    let redirect = follow(&page).await;
    fake.next("issue_token", Fault::CutAfter);
    resume.answer(Answer::Redirect(redirect.clone())).await.unwrap_err();
    clock.advance(HOUR);
    let error = resume.answer(Answer::Redirect(redirect)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInPageRequired, "{error}");
    assert_eq!((fake.count("issue_token"), fake.reuses()), (1, 0));
}

#[apply(leak_checked!)]
async fn another_process_finishes_what_this_one_began() {
    let (fake, clock) = fixture().await;
    let folder = tempfile::tempdir().unwrap();
    let client = || web(&fake, &clock).store(FileStore::at(folder.path())).profile("ann").build().unwrap();
    let (one, other) = (client(), client());
    let (page, resume) = asked(&one).await;
    let (ticket, redirect) = (page.ticket(), follow(&page).await);
    let lease = other.finish_sign_in(&ticket, redirect.clone()).await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
    // Whoever began it finds the session, by the same redirect or by none.
    assert_eq!(resume.answer(Answer::Redirect(redirect.clone())).await.unwrap().generation(), lease.generation());
    assert_eq!(one.session().lease().await.unwrap().generation(), lease.generation());
    assert_eq!(other.finish_sign_in(&ticket, redirect).await.unwrap().generation(), lease.generation());
    assert_eq!((fake.count("issue_token"), fake.reuses()), (1, 0));
}

#[apply(leak_checked!)]
async fn a_ticket_finishes_its_own_sign_in_and_no_other() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, _) = asked(&client).await;
    let (other, _) = asked(&web(&fake, &clock).build().unwrap()).await;
    let redirect = follow(&other).await;
    let refused = async |client: &Client, ticket: &Secret, words: &str| {
        let error: Error = client.finish_sign_in(ticket, redirect.clone()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(words), "{words}: {error}");
    };
    refused(&client, &page.ticket(), "`state`").await;
    refused(&client, &Secret::from("no ticket"), "the ticket of a sign-in page").await;
    let service = discovering(&fake, &clock).client_credentials().build().unwrap();
    refused(&service, &other.ticket(), "leads nobody to a sign-in page").await;
    assert_eq!(fake.count("issue_token"), 0);
    // A client that is asking already takes what is brought.
    client.finish_sign_in(&page.ticket(), follow(&page).await).await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_ticket_is_finished_by_a_client_like_the_one_that_asked_and_by_no_other() {
    let (fake, clock) = fixture().await;
    let client = |name: &str| web(&fake, &clock).profile(name);
    let (page, _) = asked(&client("ann").build().unwrap()).await;
    let (ticket, redirect) = (page.ticket(), follow(&page).await);
    for (other, words) in [
        (client("bob"), "another client's page"),
        (client("ann").scope("menu"), "another client's page"),
        (client("ann").public_client(FakeOAuth2::PUBLIC_CLIENT), "another client's page"),
        (client("ann").issuer(format!("{}/", fake.uri())), "another client's page"),
        (
            discovering(&fake, &clock).authorization_code("https://till.example/other").scope("menu orders"),
            "another address",
        ),
        (discovering(&fake, &clock).browser(Loopback::new()).scope("menu orders").profile("ann"), "another address"),
    ] {
        let error = other.build().unwrap().finish_sign_in(&ticket, redirect.clone()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(words), "{words}: {error}");
    }
    assert_eq!(fake.count("issue_token"), 0);
    client("ann").build().unwrap().finish_sign_in(&ticket, redirect).await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_finish_that_is_dropped_leaves_no_code_for_the_next_sign_in() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).pushed_requests().build().unwrap();
    let (page, _) = asked(&client).await;
    let (ticket, redirect) = (page.ticket(), follow(&page).await);
    clock.advance(HOUR);
    // Another sign-in is asking when the redirect comes, and then whoever brought it goes away.
    let gate = fake.hold("push_authorization");
    let asking = client.session().clone();
    let asking = tokio::spawn(async move { asking.lease().await.map(|_| ()) });
    gate.arrived(1).await;
    let mut finishing = Box::pin(client.finish_sign_in(&ticket, redirect));
    assert!(futures_util::poll!(finishing.as_mut()).is_pending());
    drop(finishing);
    gate.open();
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInPageRequired, "{error}");
    clock.advance(HOUR);
    let (_, _) = asked(&client).await;
    assert_eq!(fake.count("issue_token"), 0);
}

#[apply(leak_checked!)]
async fn a_bad_redirect_undoes_no_sign_out_and_a_good_one_begins_a_session() {
    let (fake, clock) = fixture().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, _) = asked(&client).await;
    let (ticket, redirect) = (page.ticket(), follow(&page).await);
    client.session().sign_out().await.unwrap();
    client.finish_sign_in(&ticket, format!("{BACK}?code=1&state=guessed")).await.unwrap_err();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    client.finish_sign_in(&ticket, redirect).await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_request_is_pushed_where_the_provider_or_the_user_wants_it() {
    let (plain, clock) = fixture().await;
    let strict = FakeOAuth2::builder().clock(clock.clone()).needs_pushed_requests(true).start().await;
    for (fake, builder) in [(&plain, web(&plain, &clock).pushed_requests()), (&strict, web(&strict, &clock))] {
        let client = builder.build().unwrap();
        let (page, resume) = asked(&client).await;
        assert!(query(page.url(), "request_uri").is_some() && query(page.url(), "state").is_none());
        assert_eq!(query(page.url(), "client_id").as_deref(), Some(FakeOAuth2::CLIENT_ID));
        resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
        assert_eq!((fake.count("push_authorization"), fake.count("issue_token")), (1, 1));
    }
    plain.next("push_authorization", Fault::Json(201, json!({ "expires_in": 60 })));
    let error = web(&plain, &clock).pushed_requests().build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Protocol, Some("push_authorization")), "{error}");
}

#[apply(leak_checked!)]
async fn a_provider_that_tells_no_issuer_is_taken_at_its_redirect() {
    let (_, clock) = fixture().await;
    let fake = FakeOAuth2::builder().clock(clock.clone()).tells_iss(false).start().await;
    let client = web(&fake, &clock).build().unwrap();
    let (page, resume) = asked(&client).await;
    resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_metadata_without_a_page_is_told_and_an_own_page_counts() {
    let (fake, clock) = fixture().await;
    fake.always("discover", Fault::WithoutMember("/authorization_endpoint".into()));
    let error = web(&fake, &clock).build().unwrap().session().lease().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".authorization_endpoint(..)"), "{error}");
    let client = web(&fake, &clock).authorization_endpoint("/authorize?realm=tills").build().unwrap();
    let (page, _) = asked(&client).await;
    assert_eq!(query(page.url(), "realm").as_deref(), Some("tills"));
}

#[apply(leak_checked!)]
fn what_a_page_cannot_be_asked_is_refused_by_the_builder() {
    let basis = || Client::discover("https://id.acme.example").public_client("till");
    let refused = |builder: ClientBuilder, words: &str| {
        let error = builder.build().unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(words), "{words}: {error}");
    };
    refused(basis().authorization_code("/back"), "no whole address");
    refused(basis().authorization_code("https://till.example/back#x"), "a fragment");
    refused(basis().authorization_code("http://till.example/back"), "is not https");
    refused(basis().authorization_code(BACK).store(MemoryStore::new()), ".profile(..)");
    refused(basis().authorization_code(BACK).page_parameter("state", "mine"), "`state`");
    basis().authorization_code("com.acme.till:/back").build().unwrap();
    basis().authorization_code("http://localhost:3000/back").build().unwrap();
}
