//! A device that a person lets in with a code on another one (RFC 8628).

use super::{fixture, told};
use keyway::{
    Answer, DeviceCode, ErrorKind, FileStore, Responder, Secret, SignInPage, Timeouts,
    testing::{FakeOAuth2, ManualClock},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

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

/// Shows every question until it is taken down.
#[derive(Clone, Default)]
struct Display {
    shown: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
}

impl Display {
    async fn show(&self) {
        struct Sign(Arc<AtomicUsize>);
        impl Drop for Sign {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let _sign = Sign(self.down.clone());
        self.shown.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

impl Responder for Display {
    async fn device_code(&self, _: DeviceCode) -> Option<()> {
        self.show().await;
        None
    }

    async fn sign_in_page(&self, _: SignInPage) -> Option<Secret> {
        self.show().await;
        None
    }
}

#[apply(leak_checked!)]
async fn what_is_shown_to_a_person_is_taken_down_once_another_process_was_let_in() {
    let (fake, clock) = fixture().await;
    for page in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let display = Display::default();
        // The clock below runs ahead of what is sent, however slow the machine is: none of that may be late by it.
        let timeouts = Timeouts::default().with_connect(HOUR).with_request(HOUR).with_sign_in(HOUR);
        let timeouts = timeouts.with_renewal(2 * HOUR).with_store_lock(HOUR).with_person(HOUR);
        let builder = || {
            let builder = super::discovering(&fake, &clock).store(FileStore::at(folder.path())).profile("till");
            let builder = builder.timeouts(timeouts);
            if page { builder.authorization_code("https://till.example/back") } else { builder.device() }
        };
        let clients = [(); 2].map(|()| builder().responder(display.clone()).build().unwrap());
        let waiting = clients.each_ref().map(|client| {
            let session = client.session().clone();
            tokio::spawn(async move { session.lease().await.map(|lease| lease.generation()) })
        });
        while display.shown.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        let asked = fake.count("issue_token");
        if page {
            // A third process, whose person is at the page already.
            let third = builder().build().unwrap();
            let error = third.session().lease().await.unwrap_err();
            let redirect = super::follow(error.sign_in_page().unwrap()).await;
            error.resume().unwrap().answer(Answer::Redirect(redirect)).await.unwrap();
            assert_eq!(fake.count("issue_token"), asked + 1);
        } else {
            assert!(fake.approve_device());
        }
        let mut both = std::pin::pin!(futures_util::future::join_all(waiting));
        let both = loop {
            clock.advance(Duration::from_secs(1));
            if let Ok(both) = tokio::time::timeout(Duration::from_millis(50), both.as_mut()).await {
                break both;
            }
        };
        let generations: Vec<_> = both.into_iter().map(|lease| lease.unwrap().unwrap()).collect();
        assert_eq!(generations[0], generations[1]);
        assert_eq!((display.shown.load(Ordering::SeqCst), display.down.load(Ordering::SeqCst)), (2, 2));
    }
}
