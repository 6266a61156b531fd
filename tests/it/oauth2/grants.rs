//! Client credentials, passwords, refresh tokens, and how a client says who it is (RFC 6749).

use super::{fixture, said, told};
use keyway::{
    ErrorKind, FileStore, MemoryStore, Secret, SourceError,
    oauth2::{Client, ClientAuth, ClientBuilder},
    testing::{FakeOAuth2, Fault},
};
use serde_json::json;
use std::{future::ready, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

#[apply(leak_checked!)]
async fn a_service_signs_in_as_the_client_itself_and_again_when_its_token_ends() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).client_credentials().scope("menu orders").build().unwrap();
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
    assert_eq!(
        (said(&fake, "grant_type"), said(&fake, "scope")),
        (vec!["client_credentials".into()], vec!["menu orders".into()])
    );
    assert_eq!(client.session().profile().unwrap().facts()["scope"], "menu orders");
    clock.advance(HOUR);
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("issue_token"), fake.count("other")), (2, 2));
}

#[apply(leak_checked!)]
async fn a_user_signs_in_by_password_and_is_renewed_by_tokens_that_rotate() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    for round in 1..=4 {
        assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
        assert_eq!(fake.count("issue_token"), round);
        clock.advance(HOUR);
    }
    assert_eq!((said(&fake, "grant_type"), fake.reuses()), (vec!["refresh_token".into()], 0));
}

#[apply(leak_checked!)]
async fn a_refresh_token_that_does_not_rotate_is_used_again() {
    let (_, clock) = fixture().await;
    let fake = FakeOAuth2::builder().clock(clock.clone()).rotating(false).start().await;
    let client = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    for _ in 0..3 {
        client.session().lease().await.unwrap();
        clock.advance(HOUR);
    }
    assert_eq!((fake.count("issue_token"), said(&fake, "grant_type")), (3, vec!["refresh_token".into()]));
}

#[apply(leak_checked!)]
async fn a_session_goes_on_with_a_refresh_token_that_was_given_and_spends_it_once() {
    let (fake, clock) = fixture().await;
    let (seed, store) = (fake.new_refresh_token(), MemoryStore::new());
    let client = || {
        let builder = told(&fake, &clock).refresh_token(seed.clone()).store(store.clone()).profile("till 7");
        builder.build().unwrap()
    };
    let first = client().session().lease().await.unwrap().generation();
    assert_eq!(client().session().lease().await.unwrap().generation(), first);
    clock.advance(HOUR);
    client().session().lease().await.unwrap();
    assert_eq!((fake.count("issue_token"), fake.reuses()), (2, 0));
}

#[apply(leak_checked!)]
async fn a_pair_of_tokens_that_was_given_is_used_before_anything_is_asked_for() {
    let (fake, clock) = fixture().await;
    let seed = fake.new_refresh_token();
    let first = told(&fake, &clock).refresh_token(seed).build().unwrap();
    let access = first.session().lease().await.unwrap().token().unwrap().clone();
    let refresh = fake.new_refresh_token();
    let client = told(&fake, &clock).tokens(access, refresh).build().unwrap();
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("issue_token"), 1);
    fake.revoke_access_tokens();
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("issue_token"), 2);
}

#[apply(leak_checked!)]
async fn whom_a_token_is_for_is_said_with_every_grant_and_with_renewals() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock)
        .password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD)
        .audience("tills")
        .resource("https://api.acme.example/a")
        .resource("https://api.acme.example/b")
        .build()
        .unwrap();
    let resources = vec!["https://api.acme.example/a".to_owned(), "https://api.acme.example/b".to_owned()];
    client.session().lease().await.unwrap();
    assert_eq!((said(&fake, "audience"), said(&fake, "resource")), (vec!["tills".into()], resources.clone()));
    clock.advance(HOUR);
    client.session().lease().await.unwrap();
    assert_eq!((said(&fake, "audience"), said(&fake, "resource")), (vec![], resources));
}

#[apply(leak_checked!)]
async fn a_client_says_who_it_is_as_it_was_told_to() {
    let (fake, clock) = fixture().await;
    let with = |auth| told(&fake, &clock).client_with(FakeOAuth2::CLIENT_ID, auth).client_credentials();
    let source = || ready(Ok::<_, SourceError>(Secret::from(FakeOAuth2::CLIENT_SECRET)));
    let (id, secret) = (vec![FakeOAuth2::CLIENT_ID.to_owned()], vec![FakeOAuth2::CLIENT_SECRET.to_owned()]);
    for (auth, in_form) in [
        (ClientAuth::basic(FakeOAuth2::CLIENT_SECRET), false),
        (ClientAuth::basic_from(source), false),
        (ClientAuth::post(FakeOAuth2::CLIENT_SECRET), true),
        (ClientAuth::post_from(source), true),
    ] {
        let shown = format!("{auth:?}");
        with(auth).build().unwrap().session().lease().await.expect(&shown);
        let expected = if in_form { (id.clone(), secret.clone()) } else { (vec![], vec![]) };
        assert_eq!((said(&fake, "client_id"), said(&fake, "client_secret")), expected, "{shown}");
    }
    let public = told(&fake, &clock).public_client(FakeOAuth2::PUBLIC_CLIENT);
    let public = public.password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    public.session().lease().await.unwrap();
    assert_eq!(said(&fake, "client_id"), [FakeOAuth2::PUBLIC_CLIENT]);
    // By certificate, which this fake does not look at: the form says the id, and nothing else.
    let tls = told(&fake, &clock).client_with(FakeOAuth2::PUBLIC_CLIENT, ClientAuth::tls()).client_credentials();
    let error = tls.build().unwrap().session().lease().await.unwrap_err();
    assert_eq!(
        (error.code(), said(&fake, "client_id")),
        (Some("unauthorized_client"), vec![FakeOAuth2::PUBLIC_CLIENT.into()])
    );
}

#[apply(leak_checked!)]
async fn a_refusal_is_told_by_its_code_with_what_the_provider_says_in_plain_words() {
    let (fake, clock) = fixture().await;
    let lease = async |builder: ClientBuilder| builder.build().unwrap().session().lease().await.unwrap_err();
    let error = lease(told(&fake, &clock).client("till", "wrong-one").client_credentials()).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_client")), "{error}");
    assert!(error.to_string().contains("says \"There is no such client\""), "{error}");
    let error = lease(told(&fake, &clock).password(FakeOAuth2::LOGIN, "wrong-one")).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_grant")), "{error}");
    let error = lease(told(&fake, &clock).refresh_token("wrong-one")).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_grant")), "{error}");
    let error = lease(told(&fake, &clock).client_credentials().scope(FakeOAuth2::FORBIDDEN_SCOPE)).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, Some("invalid_scope")), "{error}");
    for (code, kind) in [
        ("unauthorized_client", ErrorKind::Config),
        ("unsupported_grant_type", ErrorKind::Config),
        ("invalid_target", ErrorKind::Config),
        ("invalid_request", ErrorKind::Api),
        ("something_else", ErrorKind::Api),
        ("temporarily_unavailable", ErrorKind::Outage),
    ] {
        fake.next("issue_token", Fault::Json(400, json!({ "error": code })));
        let error = lease(told(&fake, &clock).client_credentials()).await;
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error}");
    }
    // In a 200, as some have it.
    fake.next("issue_token", Fault::Json(200, json!({ "error": "invalid_client" })));
    assert_eq!(lease(told(&fake, &clock).client_credentials()).await.kind(), ErrorKind::InvalidCredentials);
}

#[apply(leak_checked!)]
async fn what_a_provider_says_is_not_shown_where_it_is_long_or_odd_or_repeats_a_secret() {
    let (fake, clock) = fixture().await;
    let long = "x".repeat(200);
    for said in ["two\nlines", "a \"quote\"", "\u{202e}turned", &long, FakeOAuth2::CLIENT_SECRET, "", "é"] {
        let answer =
            json!({ "error": "invalid_scope", "error_description": said, "error_uri": "https://evil.example" });
        fake.next("issue_token", Fault::Json(400, answer));
        let client = told(&fake, &clock).client_credentials().build().unwrap();
        let error = client.session().lease().await.unwrap_err().to_string();
        assert!(
            error.starts_with("the provider refused the scope (issue_token, HTTP 400, invalid_scope): "),
            "{error}"
        );
    }
}

#[apply(leak_checked!)]
async fn a_refused_secret_is_not_sent_again_and_a_corrected_one_is() {
    let (fake, clock) = fixture().await;
    let secret = std::sync::Arc::new(std::sync::Mutex::new("wrong-one".to_owned()));
    let source = {
        let secret = secret.clone();
        move || ready(Ok::<_, SourceError>(Secret::from(secret.lock().unwrap().as_str())))
    };
    let client = told(&fake, &clock).client_from(FakeOAuth2::CLIENT_ID, source).client_credentials().build().unwrap();
    client.session().lease().await.unwrap_err();
    for _ in 0..5 {
        clock.advance(HOUR);
        client.session().lease().await.unwrap_err();
    }
    assert_eq!(fake.count("issue_token"), 1);
    *secret.lock().unwrap() = FakeOAuth2::CLIENT_SECRET.to_owned();
    clock.advance(HOUR);
    client.session().lease().await.unwrap();
    assert_eq!(fake.count("issue_token"), 2);
}

#[apply(leak_checked!)]
async fn two_processes_share_a_session_and_spend_its_refresh_token_once() {
    let (fake, clock) = fixture().await;
    let folder = tempfile::tempdir().unwrap();
    let client = || {
        let builder = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD);
        builder.store(FileStore::at(folder.path())).build().unwrap()
    };
    let (one, two) = (client(), client());
    for round in 1..=3 {
        let (a, b) = tokio::join!(one.session().lease(), two.session().lease());
        assert_eq!(a.unwrap().generation(), b.unwrap().generation());
        assert_eq!(fake.count("issue_token"), round);
        clock.advance(HOUR);
    }
    assert_eq!(fake.reuses(), 0);
}

#[apply(leak_checked!)]
async fn clients_that_differ_in_client_provider_scope_or_resource_share_no_session() {
    let (fake, clock) = fixture().await;
    let store = MemoryStore::new();
    let basis = || told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).store(store.clone());
    let all = [
        basis(),
        basis().scope("menu"),
        basis().audience("tills"),
        basis().resource("https://api.acme.example"),
        basis().public_client(FakeOAuth2::PUBLIC_CLIENT),
        basis().issuer(fake.uri()),
    ];
    let mut seen = std::collections::HashSet::new();
    for builder in all {
        seen.insert(builder.build().unwrap().session().lease().await.unwrap().generation());
    }
    assert_eq!((seen.len(), fake.count("issue_token")), (6, 6));
    basis().build().unwrap().session().lease().await.unwrap();
    assert_eq!(fake.count("issue_token"), 6);
}

/// The order in which a builder is told its endpoints says nothing about whose session it is.
#[apply(leak_checked!)]
async fn endpoints_in_another_order_are_the_same_session() {
    let (fake, clock) = fixture().await;
    let store = MemoryStore::new();
    let credentials = |builder: ClientBuilder| {
        let builder = builder.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET).client_credentials();
        builder.clock(clock.clone()).store(store.clone()).build().unwrap()
    };
    let one = credentials(Client::builder(fake.uri()).token_endpoint("/token").revocation_endpoint("/revoke"));
    let other = credentials(Client::builder(fake.uri()).revocation_endpoint("/revoke").token_endpoint("/token"));
    one.session().lease().await.unwrap();
    other.session().lease().await.unwrap();
    assert_eq!(fake.count("issue_token"), 1);
}

#[apply(leak_checked!)]
fn a_builder_shows_no_address() {
    let builder = Client::builder("https://user:open-sesame@vendor.example").token_endpoint("https://u:hunter2@x/");
    let shown = format!("{builder:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
}

#[apply(leak_checked!)]
fn what_cannot_work_is_refused_by_the_builder_in_one_sentence() {
    let basis = || Client::builder("https://api.acme.example").token_endpoint("/token").client("till", "a secret");
    let refused = |builder: ClientBuilder, words: &str| {
        let error = builder.build().unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(words), "{words}: {error}");
    };
    refused(basis(), "no credential");
    refused(basis().client_credentials().device(), "two credentials");
    refused(Client::builder("https://a.example").client("a", "b-9f3").client_credentials(), "where tokens come from");
    refused(Client::builder("https://a.example").token_endpoint("/t").client_credentials(), "no OAuth2 client");
    refused(basis().public_client("till").client_credentials(), "it has no credentials");
    refused(basis().client("", "a secret").client_credentials(), "empty id");
    refused(basis().client("till", "").client_credentials(), "empty secret");
    refused(basis().tokens("", "one-that-renews"), "empty access token");
    refused(basis().refresh_token("a token").scope("read"), ".scope(..)");
    refused(basis().client_credentials().resource("/relative"), ".resource(..)");
    refused(basis().client_credentials().resource("https://a.example/#part"), ".resource(..)");
    refused(basis().token_endpoint("http://id.acme.example/token").client_credentials(), "is not https");
    refused(basis().token_endpoint("https://u:p@id.acme.example/token").client_credentials(), "a user's name");
    refused(basis().token_endpoint("//id.acme.example/token").client_credentials(), ".token_endpoint(..)");
    refused(basis().token_endpoint("ftp://id.acme.example/token").client_credentials(), "no https address");
    refused(
        basis().revocation_endpoint("https://id.acme.example/r#f").client_credentials(),
        ".revocation_endpoint(..)",
    );
    refused(basis().issuer("https://id.acme.example?tenant=7").client_credentials(), "a query");
    refused(basis().device().store(MemoryStore::new()), ".profile(..)");
    basis().token_endpoint("http://127.0.0.1:9/token").client_credentials().build().unwrap();
    basis().token_endpoint("http://id.lan/token").allow_http().client_credentials().build().unwrap();
}
