//! What a module keeps once a person has let it in.

use super::*;

#[apply(leak_checked!)]
async fn a_modules_session_sleeps_in_a_store_and_wakes_without_a_person() {
    let (fake, clock) = start(|b| b).await;
    let home = tempfile::tempdir().unwrap();
    let client = || builder(&fake, &clock).device(FakeOrderingStack::MODULE).store(FileStore::at(home.path()));
    let first = client().build().unwrap();
    let waiting = shown(&first).await;
    clock.until_sleeping(2).await;
    assert!(fake.approve_device());
    clock.advance(5 * SECOND);
    let generation = waiting.await.unwrap().unwrap();
    drop(first);
    let again = client().build().unwrap();
    assert_eq!(again.session().lease().await.unwrap().generation(), generation);
    clock.advance(2 * HOUR);
    let third = client().build().unwrap();
    assert_eq!(third.session().lease().await.unwrap().generation().counter(), 2);
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 1, tokens: 2 }, 0));
    // Another module is another session.
    let other = builder(&fake, &clock).device("kds-1").store(FileStore::at(home.path())).build().unwrap();
    let error = other.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(404)));
    assert!(error.to_string().contains(".device(..)"), "{error}");
    assert_eq!(counts(&fake), Asked { codes: 2, tokens: 2 });
}

#[apply(leak_checked!)]
async fn while_the_old_token_is_good_a_refused_renewal_troubles_nobody() {
    let (fake, clock, client, asked) = attended().await;
    let first = client.session().lease().await.unwrap().generation();
    fake.revoke_refresh_tokens();
    clock.advance(56 * MINUTE);
    for minute in 0..3 {
        assert_eq!(client.session().lease().await.unwrap().generation(), first, "{minute}");
        client.session().close().await.unwrap();
        clock.advance(MINUTE);
    }
    // In the late window too, where callers wait for the renewal.
    clock.advance(50 * SECOND);
    assert_eq!(client.session().lease().await.unwrap().generation(), first);
    // One renewal was refused, and it was not tried again.
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, Asked { codes: 1, tokens: 2 }));
    clock.advance(10 * SECOND);
    assert_ne!(client.session().lease().await.unwrap().generation(), first);
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, Asked { codes: 2, tokens: 3 }));
}

#[apply(leak_checked!)]
async fn a_sign_in_that_only_makes_sure_of_a_session_renews_it_and_asks_nobody() {
    let (fake, clock, client, asked) = attended().await;
    client.session().sign_in().await.unwrap();
    clock.advance(2 * HOUR);
    client.session().sign_in().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, Asked { codes: 1, tokens: 2 }));
    // After a renewal that failed it is meant.
    clock.advance(2 * HOUR);
    fake.next("issue_token", Fault::Html(503));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    client.session().sign_in().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, Asked { codes: 2, tokens: 4 }));
}

#[apply(leak_checked!)]
async fn a_token_without_a_refresh_token_is_used_to_its_end_before_a_person_is_asked() {
    let (fake, clock) = start(|b| b.without_refresh_token(true)).await;
    let (fake, asked) = (Arc::new(fake), Arc::<AtomicUsize>::default());
    let butler = Butler { fake: fake.clone(), clock: clock.clone(), asked: asked.clone() };
    let client = builder(&fake, &clock).device(FakeOrderingStack::MODULE).responder(butler).build().unwrap();
    client.session().lease().await.unwrap();
    clock.advance(HOUR - SECOND);
    client.session().lease().await.unwrap();
    client.session().close().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (1, Asked { codes: 1, tokens: 1 }));
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), counts(&fake)), (2, Asked { codes: 2, tokens: 2 }));
}

#[apply(leak_checked!)]
async fn a_module_that_is_signed_out_has_to_be_let_in_again() {
    let (fake, clock, client, asked) = attended().await;
    let service = builder(&fake, &clock).client_credentials().build().unwrap();
    client.api().get_module_config().send().await.unwrap();
    service.api().logout_module().id(FakeOrderingStack::MODULE).send().await.unwrap();
    // It ends what it names, and not the session that makes the call.
    service.api().get_module().id(FakeOrderingStack::MODULE).send().await.unwrap();
    // A code for the module, its token, the service's.
    assert_eq!(
        (counts(&fake), fake.count("logout_module"), fake.count("get_module")),
        (Asked { codes: 1, tokens: 2 }, 1, 1)
    );
    client.api().get_module_config().send().await.unwrap();
    // The call, a renewal that is refused, another code and its token, the call again.
    assert_eq!((counts(&fake), fake.count("get_module_config")), (Asked { codes: 2, tokens: 4 }, 3));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
