//! A device that a person lets in with a code on another one (RFC 8628).

use super::{fixture, told};
use keyway::{
    Answer, DeviceCode, ErrorKind, Responder,
    testing::{FakeOAuth2, ManualClock},
};
use std::{sync::Arc, time::Duration};

/// Lets the device in before it is asked for the first time, and does not wait for the clock.
struct Shown(Arc<FakeOAuth2>, ManualClock);

impl Responder for Shown {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        assert!(device.verification_uri_complete().unwrap().ends_with(device.user_code()));
        assert!(self.0.approve_device());
        // The poll sleeps already: it was begun before the code was shown.
        self.1.advance(device.interval());
        Some(())
    }
}

#[apply(leak_checked!)]
async fn a_person_lets_a_device_in_and_it_is_renewed_from_then_on() {
    let (fake, clock) = fixture().await;
    let fake = Arc::new(fake);
    let client = told(&fake, &clock)
        .public_client(FakeOAuth2::PUBLIC_CLIENT)
        .device()
        .responder(Shown(fake.clone(), clock.clone()));
    let client = client.build().unwrap();
    let session = client.session().clone();
    let waiting = tokio::spawn(async move { session.lease().await.map(|_| ()) });
    waiting.await.unwrap().unwrap();
    assert_eq!((fake.count("start_device"), fake.count("issue_token")), (1, 1));
    clock.advance(Duration::from_secs(3600));
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("start_device"), fake.count("issue_token"), fake.reuses()), (1, 2, 0));
}

#[apply(leak_checked!)]
async fn a_device_that_a_person_turns_away_is_declined() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).device().build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    assert_eq!(question.kind(), ErrorKind::DeviceCodeRequired, "{question}");
    assert!(fake.deny_device());
    let resume = question.resume().unwrap();
    let waiting = tokio::spawn(async move { resume.answer(Answer::DeviceCode).await.map(|_| ()) });
    clock.until_sleeping(2).await;
    clock.advance(Duration::from_secs(5));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Declined, Some("access_denied")), "{error}");
}
