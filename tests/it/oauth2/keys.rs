//! Clients that sign who they are, and token exchange (RFC 7523, RFC 8693).

use super::{discovering, fixture, said, told};
use keyway::{
    ErrorKind, MemoryStore, Secret, SourceError,
    oauth2::{ClientAuth, SigningKey},
    testing::FakeOAuth2,
};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use std::{future::ready, time::Duration};

const SHARED: &str = "a shared secret of thirty-two bytes, or some more";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

#[apply(leak_checked!)]
async fn a_client_signs_who_it_is_with_its_key_and_each_signature_is_good_once() {
    let (_, clock) = fixture().await;
    let pair = KeyPair::generate().unwrap();
    let point = pair.der_bytes().to_vec();
    let fake = FakeOAuth2::builder().clock(clock.clone()).client_key("signer", &point).start().await;
    let key = SigningKey::es256(pair.serialize_pem()).unwrap().with_id("2026-11");
    let auth = ClientAuth::private_key_jwt(key);
    assert!(format!("{auth:?}").contains("private_key_jwt"));
    let client = told(&fake, &clock).client_with("signer", auth.clone()).client_credentials().build().unwrap();
    for round in 1..=3 {
        client.session().lease().await.unwrap();
        assert_eq!(fake.count("issue_token"), round);
        clock.advance(Duration::from_secs(3600));
    }
    assert_eq!((said(&fake, "client_id"), said(&fake, "client_secret")), (vec!["signer".into()], vec![]));
    // By the issuer's name, where there is one.
    let client = discovering(&fake, &clock).client_with("signer", auth).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    client.introspect().await.unwrap();
    assert_eq!(
        (fake.count("introspect_token"), client.session().sign_out().await.unwrap()),
        (1, keyway::SignOut::Revoked)
    );
    // Another key is not the client's.
    let other = SigningKey::es256(KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let client = told(&fake, &clock).client_with("signer", ClientAuth::private_key_jwt(other));
    let error = client.client_credentials().build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_client")), "{error}");
}

#[apply(leak_checked!)]
async fn a_client_signs_who_it_is_with_the_secret_that_it_shares() {
    let (_, clock) = fixture().await;
    let fake = FakeOAuth2::builder().clock(clock.clone()).client_shared_key("sharer", SHARED).start().await;
    let with = |secret: &str| told(&fake, &clock).client_with("sharer", ClientAuth::secret_jwt(secret));
    let client = with(SHARED).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    assert!(said(&fake, "client_secret").is_empty());
    let error = with("another secret of thirty-two bytes, or more");
    let error = error.client_credentials().build().unwrap().session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
}

#[apply(leak_checked!)]
fn a_key_fits_its_algorithm_or_is_refused() {
    let (p256, ed) = (KeyPair::generate().unwrap(), KeyPair::generate_for(&PKCS_ED25519).unwrap());
    SigningKey::es256(p256.serialize_pem()).unwrap();
    SigningKey::ed25519(ed.serialize_pem()).unwrap();
    for wrong in [SigningKey::rs256(p256.serialize_pem()), SigningKey::es256(ed.serialize_pem()), SigningKey::es256("")]
    {
        let error = wrong.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("no private key"), "{error}");
    }
}

#[apply(leak_checked!)]
async fn a_token_is_exchanged_for_one_of_another_audience_and_again_when_it_ends() {
    let (fake, clock) = fixture().await;
    let user = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    let source = {
        let session = user.session().clone();
        move || {
            let session = session.clone();
            async move {
                let lease = session.lease().await.map_err(SourceError::from)?;
                Ok::<_, SourceError>(lease.token().cloned().unwrap_or_else(|| Secret::from("none")))
            }
        }
    };
    let client = told(&fake, &clock).token_exchange_from(ACCESS, source).audience("kitchen").build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(said(&fake, "grant_type"), ["urn:ietf:params:oauth:grant-type:token-exchange"]);
    assert_eq!(
        (said(&fake, "subject_token_type"), said(&fake, "audience")),
        (vec![ACCESS.into()], vec!["kitchen".into()])
    );
    assert_eq!((client.introspect().await.unwrap()["username"].as_str()), Some(FakeOAuth2::LOGIN));
    clock.advance(Duration::from_secs(3600));
    client.session().lease().await.unwrap();
    assert_eq!((said(&fake, "grant_type"), fake.reuses()), (vec!["refresh_token".into()], 0));
}

#[apply(leak_checked!)]
async fn a_subject_token_that_is_refused_is_not_sent_again() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).token_exchange(ACCESS, "a-token-of-nobody").build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_request")), "{error}");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(3600));
        client.session().lease().await.unwrap_err();
    }
    assert_eq!(fake.count("issue_token"), 1);
    let source = || ready(Ok::<_, SourceError>(Secret::from("x-7f3a")));
    let error = told(&fake, &clock).token_exchange_from(ACCESS, source).store(MemoryStore::new()).build().unwrap_err();
    assert!(error.to_string().contains(".profile(..)"), "{error}");
}
