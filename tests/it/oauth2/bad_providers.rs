//! Providers that do what none may: one typed error each, and nothing is sent where it does not belong.

use super::{discovering, fixture, told};
use keyway::{
    Error, ErrorKind,
    oauth2::ClientBuilder,
    testing::{FakeOAuth2, Fault},
};
use serde_json::json;

async fn fails(builder: ClientBuilder) -> Error {
    builder.build().unwrap().session().lease().await.unwrap_err()
}

#[apply(leak_checked!)]
async fn metadata_of_another_issuer_is_not_used() {
    let (fake, clock) = fixture().await;
    for issuer in [json!("https://evil.example"), json!(format!("{}/tenant", fake.uri())), json!(null), json!(7)] {
        fake.next("discover", Fault::Member("/issuer".into(), issuer));
        let error = fails(discovering(&fake, &clock).client_credentials()).await;
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Protocol, Some("discover")), "{error}");
        assert!(error.to_string().contains("another issuer"), "{error}");
    }
    fake.next("discover", Fault::WithoutMember("/issuer".into()));
    assert_eq!(fails(discovering(&fake, &clock).client_credentials()).await.kind(), ErrorKind::Protocol);
    assert_eq!(fake.count("issue_token"), 0);
}

#[apply(leak_checked!)]
async fn an_endpoint_that_others_could_listen_to_gets_nothing() {
    let (fake, clock) = fixture().await;
    for (address, words) in [
        ("http://id.acme.example/token", "is not https"),
        ("token", "is no address"),
        ("https://user@id.acme.example/token", "a user's name"),
        ("https://id.acme.example/token#x", "a fragment"),
        ("ftp://127.0.0.1/token", "another origin"),
    ] {
        fake.next("discover", Fault::Member("/token_endpoint".into(), json!(address)));
        let error = fails(discovering(&fake, &clock).client_credentials()).await;
        assert!(
            error.to_string().contains(words) && error.to_string().contains("nothing was sent"),
            "{address}: {error}"
        );
        assert!(!error.to_string().contains("://"), "{error}");
    }
    fake.next("discover", Fault::WithoutMember("/token_endpoint".into()));
    let error = fails(discovering(&fake, &clock).client_credentials()).await;
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains(".token_endpoint(..)"), "{error}");
    assert_eq!(fake.count("issue_token"), 0);
}

#[apply(leak_checked!)]
async fn metadata_that_never_ends_or_leads_elsewhere_is_one_error() {
    let (fake, clock) = fixture().await;
    let (other, _) = fixture().await;
    for (fault, kind) in [
        (Fault::Huge, ErrorKind::Protocol),
        (Fault::Redirect(302, format!("{}/.well-known/openid-configuration", fake.uri())), ErrorKind::Protocol),
        (Fault::Redirect(307, format!("{}/.well-known/openid-configuration", other.uri())), ErrorKind::Protocol),
        (Fault::TruncatedJson, ErrorKind::Protocol),
        (Fault::Html(200), ErrorKind::Protocol),
        (Fault::Html(503), ErrorKind::Outage),
        (Fault::CutBefore, ErrorKind::Outage),
    ] {
        fake.next("discover", fault.clone());
        let error = fails(discovering(&fake, &clock).client_credentials()).await;
        assert_eq!((error.kind(), error.operation()), (kind, Some("discover")), "{fault:?}: {error}");
    }
    fake.always("discover", Fault::Empty(404));
    fake.always("discover_oauth", Fault::Empty(404));
    let error = fails(discovering(&fake, &clock).client_credentials()).await;
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("no metadata"), "{error}");
    assert_eq!((fake.count("issue_token"), other.saw().len()), (0, 0));
}

#[apply(leak_checked!)]
async fn a_token_of_another_type_makes_no_session() {
    let (fake, clock) = fixture().await;
    for kind in ["mac", "DPoP", "N_A", ""] {
        fake.next("issue_token", Fault::Member("/token_type".into(), json!(kind)));
        let error = fails(told(&fake, &clock).client_credentials()).await;
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Protocol, Some("issue_token")), "{kind}: {error}");
    }
    for fault in [
        Fault::Member("/token_type".into(), json!("bearer")),
        Fault::WithoutMember("/token_type".into()),
        Fault::Member("/expires_in".into(), json!("3600")),
    ] {
        fake.next("issue_token", fault.clone());
        told(&fake, &clock).client_credentials().build().unwrap().session().lease().await.expect("a session");
    }
}

#[apply(leak_checked!)]
async fn a_token_endpoint_that_redirects_gets_no_second_chance() {
    let (fake, clock) = fixture().await;
    let (other, _) = fixture().await;
    for status in [301, 302, 303, 307, 308] {
        fake.next("issue_token", Fault::Redirect(status, format!("{}/token", other.uri())));
        let error = fails(told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD)).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)), "{error}");
    }
    assert_eq!((other.saw().len(), fake.count("issue_token")), (0, 5));
}
