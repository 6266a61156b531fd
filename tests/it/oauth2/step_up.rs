//! A sign-in that an API wants of the person for one call (RFC 9470), while the session is good.

use super::{discovering, fixture, follow, follow_url, told};
use crate::{
    engine::{Sign, are_gone, settle},
    scripted_store::Hold,
};
use keyway::{
    Answer, Error, ErrorKind, FileStore, MemoryStore, Responder, Resume, Secret, SignInPage,
    oauth2::{Client, ClientBuilder, DpopKey, Loopback},
    testing::{FakeOAuth2, Fault, ManualClock},
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

const BACK: &str = "https://till.example/back";
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const MFA: &str = "urn:acme:acr:mfa urn:acme:acr:key";

fn web(fake: &FakeOAuth2, clock: &ManualClock) -> ClientBuilder {
    discovering(fake, clock).authorization_code(BACK).page_parameter("max_age", "86400")
}

/// Also what the API serves to those alone who have signed in by two factors.
async fn strict() -> (FakeOAuth2, ManualClock) {
    let (fake, clock) = fixture().await;
    fake.serve("/payments");
    fake.demand_step_up("/payments", Some(MFA), None);
    (fake, clock)
}

fn query(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

async fn get(client: &Client, path: &str) -> Result<u16, Error> {
    client.http().get(path).send().await.map(|answer| answer.status().as_u16())
}

async fn pay(client: &Client) -> Result<u16, Error> {
    get(client, "/payments").await
}

/// The page that a call has stopped with.
fn question(error: &Error) -> (SignInPage, Resume) {
    assert_eq!(error.kind(), ErrorKind::SignInPageRequired, "{error}");
    (error.sign_in_page().unwrap().clone(), error.resume().unwrap())
}

async fn sign_in(client: &Client) {
    let (page, resume) = question(&client.session().lease().await.unwrap_err());
    resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
}

#[apply(leak_checked!)]
async fn a_call_that_wants_more_of_the_person_asks_and_the_session_goes_on_meanwhile() {
    let (fake, clock) = strict().await;
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    let before = client.session().lease().await.unwrap().generation();
    let error = pay(&client).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(error.to_string().contains("acr_values `urn:acme:acr:mfa urn:acme:acr:key`"), "{error}");
    let (page, resume) = question(&error);
    assert_eq!(
        (query(page.url(), "acr_values").as_deref(), query(page.url(), "max_age").as_deref()),
        (Some(MFA), Some("86400"))
    );
    // Nobody else is concerned: not the token, not its renewals, not while the person is away.
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    assert_eq!((client.session().lease().await.unwrap().generation(), fake.count("issue_token")), (before, 1));
    clock.advance(HOUR);
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    assert_eq!((fake.count("issue_token"), fake.count("authorize")), (2, 1));

    let lease = resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
    assert_eq!((lease.generation().counter(), before.counter()), (1, 1), "another session");
    assert_ne!(lease.generation(), before);
    for _ in 0..3 {
        assert_eq!((pay(&client).await.unwrap(), get(&client, "/menu").await.unwrap()), (200, 200));
        clock.advance(HOUR);
    }
    assert_eq!((fake.count("authorize"), fake.count("issue_token"), fake.reuses()), (2, 5, 0));
}

/// A client whose pages are shown, and the addresses that they have.
fn terminal(fake: &FakeOAuth2, clock: &ManualClock) -> (Client, mpsc::UnboundedReceiver<String>) {
    let (shown, pages) = mpsc::unbounded_channel();
    let loopback =
        Loopback::showing(move |url| shown.send(url.to_owned()).map_err(|_| io::Error::other("nobody looks")));
    (discovering(fake, clock).browser(loopback).build().unwrap(), pages)
}

async fn pass(pages: &mut mpsc::UnboundedReceiver<String>) -> String {
    let page = pages.recv().await.unwrap();
    let redirect = follow_url(&page).await;
    assert_eq!(reqwest::get(redirect.expose()).await.unwrap().status(), 200);
    page
}

#[apply(leak_checked!)]
async fn with_a_browser_at_hand_the_call_waits_for_one_page_and_is_made_again() {
    let (fake, clock) = strict().await;
    let (client, mut pages) = terminal(&fake, &clock);
    let menu = tokio::spawn({
        let client = client.clone();
        async move { get(&client, "/menu").await }
    });
    pass(&mut pages).await;
    assert_eq!(menu.await.unwrap().unwrap(), 200);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { pay(&client).await })
        })
        .collect();
    let page = pass(&mut pages).await;
    assert_eq!(query(&page, "acr_values").as_deref(), Some(MFA));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!((fake.count("authorize"), fake.count("issue_token")), (2, 2));
    assert!(pages.try_recv().is_err(), "one page for all");
}

#[apply(leak_checked!)]
async fn what_a_page_has_not_brought_about_is_not_asked_for_again_and_again() {
    let clock = ManualClock::new();
    let fake = FakeOAuth2::builder().clock(clock.clone()).honours_acr(false).start().await;
    fake.serve("/payments");
    fake.demand_step_up("/payments", Some(MFA), None);
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    for round in 1..3 {
        let (page, resume) = question(&pay(&client).await.unwrap_err());
        resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
        for _ in 0..3 {
            let error = pay(&client).await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)), "{error}");
            assert!(error.to_string().contains("has signed in again a moment ago"), "{error}");
        }
        assert_eq!((fake.count("authorize"), fake.count("issue_token")), (1 + round, 1 + round));
        clock.advance(MINUTE);
    }
    let (client, mut pages) = terminal(&fake, &clock);
    let call = tokio::spawn(async move { pay(&client).await });
    pass(&mut pages).await;
    pass(&mut pages).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("has signed in again a moment ago"), "{error}");
}

/// Declines every page but the first.
#[derive(Clone, Default)]
struct Once(Arc<AtomicUsize>);

impl Responder for Once {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Some(follow(&page).await),
            _ => None,
        }
    }
}

#[apply(leak_checked!)]
async fn a_person_who_declines_is_left_alone_for_a_while_and_the_session_stays() {
    let (fake, clock) = strict().await;
    let person = Once::default();
    let client = web(&fake, &clock).responder(person.clone()).build().unwrap();
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    for (asked, pause) in [(2, MINUTE / 2), (2, MINUTE / 2), (3, Duration::ZERO)] {
        let error = pay(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Declined, "{error}");
        assert_eq!((person.0.load(Ordering::SeqCst), get(&client, "/menu").await.unwrap()), (asked, 200));
        // Whoever thinks better of it can still go on.
        assert!(error.resume().is_some() && error.sign_in_page().is_some());
        clock.advance(pause);
    }
    assert_eq!(fake.count("issue_token"), 1);
}

/// Is led to the first page, and away from the second.
struct Leaves(Hold, Arc<AtomicUsize>);

impl Responder for Leaves {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        if self.1.fetch_add(1, Ordering::SeqCst) > 0 {
            self.0.pass().await;
        }
        Some(follow(&page).await)
    }
}

#[apply(leak_checked!)]
async fn clients_whose_page_was_declined_or_is_shown_still_are_gone_when_dropped() {
    let (fake, clock) = strict().await;
    let (store, declined) = Sign::new();
    let client = web(&fake, &clock).responder(Once::default()).store(store).profile("ann").build().unwrap();
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    for _ in 0..2 {
        let error = pay(&client).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Declined && error.resume().is_some(), "{error}");
    }
    drop(client);

    let ((store, shown), page) = (Sign::new(), Hold::new());
    let person = Leaves(page.clone(), Arc::default());
    let client = web(&fake, &clock).responder(person).store(store).profile("bea").build().unwrap();
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    let waiting = tokio::spawn(async move { pay(&client).await });
    page.arrived().await;
    waiting.abort();
    let _ = waiting.await;
    are_gone(vec![declined, shown]).await;
    assert_eq!(clock.sleepers(), 0, "the page is taken down");
}

#[apply(leak_checked!)]
async fn the_first_of_many_pages_is_as_good_as_the_last() {
    let (fake, clock) = strict().await;
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    let before = client.session().lease().await.unwrap().generation();
    let (page, resume) = question(&pay(&client).await.unwrap_err());
    for _ in 0..20 {
        question(&pay(&client).await.unwrap_err());
    }
    let redirect = follow(&page).await;
    let lease = resume.answer(Answer::Redirect(redirect.clone())).await.unwrap();
    assert_ne!(lease.generation(), before);
    assert_eq!(pay(&client).await.unwrap(), 200);
    assert_eq!(resume.answer(Answer::Redirect(redirect)).await.unwrap().generation(), lease.generation());
    assert_eq!(fake.count("issue_token"), 2);
}

/// Goes to each page, and has the call that waits for the second one refused once more after it.
struct Unlucky(Arc<FakeOAuth2>, Arc<AtomicUsize>);

impl Responder for Unlucky {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            self.0.next("other", Fault::Unauthorized);
        }
        Some(follow(&page).await)
    }
}

#[apply(leak_checked!)]
async fn a_token_that_is_refused_after_a_step_up_is_renewed_and_not_sent_again() {
    let (fake, clock) = strict().await;
    let fake = Arc::new(fake);
    let client = web(&fake, &clock).responder(Unlucky(fake.clone(), Arc::default())).build().unwrap();
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    assert_eq!(pay(&client).await.unwrap(), 200);
    // The sign-in, the page, and what has taken the place of the token that was refused.
    assert_eq!((fake.count("authorize"), fake.count("issue_token")), (2, 3));
}

#[apply(leak_checked!)]
async fn a_provider_that_wants_to_be_left_alone_is_asked_for_no_page_meanwhile() {
    for attended in [false, true] {
        let (fake, clock) = strict().await;
        let builder = web(&fake, &clock).pushed_requests();
        let client = if attended { builder.responder(Once::default()) } else { builder }.build().unwrap();
        match attended {
            true => assert_eq!(get(&client, "/menu").await.unwrap(), 200),
            false => sign_in(&client).await,
        }
        let slow = Fault::TooManyRequests { retry_after: Some("120".to_owned()) };
        fake.always("push_authorization", slow.clone());
        let error = pay(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Throttled, false), "{error}");
        let asked = fake.count("push_authorization");
        for _ in 0..3 {
            let error = pay(&client).await.unwrap_err();
            assert_eq!((error.kind(), error.is_local()), (ErrorKind::Throttled, true), "{error}");
            assert_eq!(error.retry_after(), Some(MINUTE * 2));
        }
        assert_eq!((fake.count("push_authorization"), get(&client, "/menu").await.unwrap()), (asked, 200));
        fake.heal("push_authorization");
        clock.advance(MINUTE * 2);
        let error = pay(&client).await.unwrap_err();
        let kind = if attended { ErrorKind::Declined } else { ErrorKind::SignInPageRequired };
        assert_eq!(error.kind(), kind, "{error}");
        if attended {
            continue;
        }
        // The same of the code that a page leads to.
        fake.always("issue_token", slow);
        let (page, resume) = question(&error);
        let error = resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        let asked = fake.count("issue_token");
        let error = client.session().renew().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Throttled, true), "{error}");
        assert_eq!((fake.count("issue_token"), get(&client, "/menu").await.unwrap()), (asked, 200));
    }
}

type Call = tokio::task::JoinHandle<Result<u16, Error>>;

/// Two calls, of which the second wants `other` of the person, have waited for the first one's page, which is passed.
async fn waiting_for_one_page(other: &str) -> (FakeOAuth2, mpsc::UnboundedReceiver<String>, Call, Call) {
    let (fake, clock) = strict().await;
    fake.serve("/refunds");
    fake.demand_step_up("/refunds", Some(other), None);
    let (client, mut pages) = terminal(&fake, &clock);
    let call = |path: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { get(&client, path).await })
    };
    let menu = call("/menu");
    pass(&mut pages).await;
    assert_eq!(menu.await.unwrap().unwrap(), 200);
    let first = call("/payments");
    let page = pages.recv().await.unwrap();
    let second = call("/refunds");
    fake.until("other", 3).await;
    settle().await;
    assert_eq!(reqwest::get(follow_url(&page).await.expose()).await.unwrap().status(), 200);
    (fake, pages, first, second)
}

#[apply(leak_checked!)]
async fn a_page_for_another_demand_may_be_good_enough_for_whoever_has_waited_for_it() {
    let (fake, _pages, first, second) = waiting_for_one_page("urn:acme:acr:mfa").await;
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (200, 200));
    assert_eq!(fake.count("authorize"), 2, "one page for both");
}

/// It was not asked itself so far.
#[apply(leak_checked!)]
async fn whoever_has_waited_for_a_page_that_was_not_good_enough_shows_its_own() {
    let (fake, mut pages, first, second) = waiting_for_one_page("urn:acme:acr:hardware").await;
    assert_eq!(first.await.unwrap().unwrap(), 200);
    let own = pass(&mut pages).await;
    assert_eq!(query(&own, "acr_values").as_deref(), Some("urn:acme:acr:hardware"));
    assert_eq!(second.await.unwrap().unwrap(), 200);
    assert_eq!((fake.count("authorize"), fake.count("issue_token")), (3, 3));
}

#[apply(leak_checked!)]
async fn a_step_up_that_fails_costs_its_own_caller_alone() {
    let (fake, clock) = strict().await;
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    let (page, resume) = question(&pay(&client).await.unwrap_err());
    fake.next("issue_token", Fault::Json(400, serde_json::json!({ "error": "invalid_grant" })));
    let error = resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Declined, "{error}");
    // Nothing cools down.
    client.session().renew().await.unwrap();
    let (page, resume) = question(&pay(&client).await.unwrap_err());
    fake.next("issue_token", Fault::Json(400, serde_json::json!({ "error": "invalid_grant" })));
    let gate = fake.hold("issue_token");
    let redirect = follow(&page).await;
    let answering = tokio::spawn(async move { resume.answer(Answer::Redirect(redirect)).await.map(drop) });
    gate.arrived(1).await;
    let session = client.session().clone();
    let renewing = tokio::spawn(async move { session.renew().await.map(drop) });
    // While the answer is out.
    assert_eq!(get(&client, "/menu").await.unwrap(), 200);
    gate.open();
    answering.await.unwrap().unwrap_err();
    renewing.await.unwrap().unwrap();
    assert_eq!(fake.reuses(), 0);
}

#[apply(leak_checked!)]
async fn clients_that_lead_nobody_to_a_page_say_so_and_spend_nothing() {
    let (fake, clock) = strict().await;
    let exchanged = "urn:ietf:params:oauth:token-type:access_token";
    let subject = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    let subject = subject.session().lease().await.unwrap().token().unwrap().clone();
    for (builder, method) in [
        (told(&fake, &clock).client_credentials(), ".client_credentials()"),
        (told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD), ".password(..)"),
        (told(&fake, &clock).refresh_token(fake.new_refresh_token()), ".refresh_token(..)"),
        (told(&fake, &clock).token_exchange(exchanged, subject), ".token_exchange(..)"),
    ] {
        let client = builder.build().unwrap();
        let before = client.session().lease().await.unwrap().generation();
        let asked = fake.count("issue_token");
        for _ in 0..3 {
            let error = pay(&client).await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)), "{error}");
            let line = error.to_string();
            assert!(line.contains(&format!("{method} leads nobody to a sign-in page")), "{line}");
            assert!(line.contains(".authorization_code(address)") && error.resume().is_none(), "{line}");
        }
        assert_eq!(get(&client, "/menu").await.unwrap(), 200);
        assert_eq!(client.session().lease().await.unwrap().generation(), before, "{method}");
        assert_eq!(fake.count("issue_token"), asked, "{method}");
    }
}

#[apply(leak_checked!)]
async fn another_process_finishes_a_step_up_and_a_second_redirect_sends_nothing() {
    let (fake, clock) = strict().await;
    let folder = tempfile::tempdir().unwrap();
    let client = || web(&fake, &clock).store(FileStore::at(folder.path())).profile("ann").build().unwrap();
    let (one, other) = (client(), client());
    sign_in(&one).await;
    let (page, resume) = question(&pay(&one).await.unwrap_err());
    let (ticket, redirect) = (page.ticket(), follow(&page).await);
    let lease = other.finish_sign_in(&ticket, redirect.clone()).await.unwrap();
    assert_eq!((pay(&other).await.unwrap(), fake.count("issue_token")), (200, 2));
    // The page is loaded once more, here, there, and at a third one.
    for again in [&other, &client()] {
        let again = again.finish_sign_in(&ticket, redirect.clone()).await.unwrap();
        assert_eq!(again.generation(), lease.generation());
    }
    assert_eq!(resume.answer(Answer::Redirect(redirect)).await.unwrap().generation(), lease.generation());
    assert_eq!(pay(&one).await.unwrap(), 200);
    assert_eq!((fake.count("issue_token"), fake.reuses()), (2, 0));
}

#[apply(leak_checked!)]
async fn a_step_up_goes_on_after_a_sign_out_as_a_sign_in_does_and_undoes_none_by_itself() {
    let (fake, clock) = strict().await;
    let client = web(&fake, &clock).store(MemoryStore::new()).profile("ann").build().unwrap();
    sign_in(&client).await;
    let (page, resume) = question(&pay(&client).await.unwrap_err());
    client.session().sign_out().await.unwrap();
    let redirect = follow(&page).await;
    assert_eq!(resume.answer(Answer::Redirect(redirect)).await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(pay(&client).await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
async fn a_page_that_is_pushed_and_a_bound_token_step_up_as_well() {
    let (fake, clock) = strict().await;
    let builder = web(&fake, &clock).pushed_requests().dpop(DpopKey::generate().unwrap());
    let client = builder.build().unwrap();
    sign_in(&client).await;
    let (page, resume) = question(&pay(&client).await.unwrap_err());
    assert!(query(page.url(), "acr_values").is_none() && query(page.url(), "request_uri").is_some());
    resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
    assert_eq!((pay(&client).await.unwrap(), fake.count("push_authorization")), (200, 2));
}

/// The person is to have signed in within ten minutes.
#[apply(leak_checked!)]
async fn a_sign_in_that_is_too_old_for_a_call_is_asked_for_anew_each_time_it_is() {
    let (fake, clock) = fixture().await;
    fake.serve("/payments");
    fake.demand_step_up("/payments", None, Some(MINUTE * 10));
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    assert_eq!(pay(&client).await.unwrap(), 200);
    for _ in 0..2 {
        clock.advance(MINUTE * 11);
        let (page, resume) = question(&pay(&client).await.unwrap_err());
        assert_eq!((query(page.url(), "max_age").as_deref(), query(page.url(), "acr_values")), (Some("600"), None));
        resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
        assert_eq!(pay(&client).await.unwrap(), 200);
    }
}

#[apply(leak_checked!)]
async fn who_sends_with_a_client_of_their_own_hands_in_the_challenge() {
    let (fake, clock) = strict().await;
    let client = web(&fake, &clock).build().unwrap();
    sign_in(&client).await;
    let send = async |client: &Client| {
        let lease = client.session().lease().await.unwrap();
        let request = reqwest::Client::new().get(format!("{}/payments", fake.uri()));
        request.header("authorization", lease.header()).send().await.unwrap()
    };
    let (lease, refused) = (client.session().lease().await.unwrap(), send(&client).await);
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let (page, resume) = question(&client.step_up(challenge, &lease).await.unwrap_err());
    resume.answer(Answer::Redirect(follow(&page).await)).await.unwrap();
    assert_eq!(send(&client).await.status(), 200);
    // Another request was refused with the same one: what is there now has not been tried for it.
    let now = client.session().lease().await.unwrap();
    assert_eq!(client.step_up(challenge, &lease).await.unwrap().generation(), now.generation());
    assert_eq!(fake.count("authorize"), 2);
    for other in ["", "Bearer error=\"invalid_token\"", "Basic realm=\"x\""] {
        let error = client.step_up(other, &lease).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("WWW-Authenticate"), "{error}");
    }
}
