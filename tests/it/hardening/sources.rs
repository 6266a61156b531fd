//! Secrets that come from sources: asked when needed, and never twice for nothing.

use super::*;

#[apply(leak_checked!)]
async fn a_source_whose_secret_has_changed_is_asked_and_tried_again() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let secret = Arc::new(Mutex::new("wrong".to_owned()));
    let s = secret.clone();
    let client = keyway::vms::Client::builder(fake.uri())
        .clock(clock.clone())
        .password_from(FakeVms::LOGIN, move || {
            let s = s.lock().unwrap().clone();
            async move { Ok::<_, std::io::Error>(Secret::from(s)) }
        })
        .build()
        .unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    *secret.lock().unwrap() = FakeVms::PASSWORD.to_owned();
    clock.advance(Duration::from_secs(86400));
    client.session().lease().await.expect("the new password is tried");
}

#[apply(leak_checked!)]
async fn two_keys_from_sources_do_not_share_a_session() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).api_key("other", "KEY-OF-COMPANY-B").start().await;
    let store = MemoryStore::new();
    let a = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .api_key_from(key_source(FakeShopmonkey::API_KEY))
        .build()
        .unwrap();
    let b = keyway::shopmonkey::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .api_key_from(key_source("KEY-OF-COMPANY-B"))
        .build()
        .unwrap();
    a.session().lease().await.unwrap();
    assert_eq!(b.session().lease().await.unwrap().token().unwrap().expose(), "KEY-OF-COMPANY-B");
}

#[apply(leak_checked!)]
async fn a_failing_source_is_not_asked_on_every_call() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let n = asked.clone();
    let client = keyway::vtex::Client::builder(fake.uri())
        .account(FakeVtex::ACCOUNT)
        .clock(clock.clone())
        .oauth_exchange(FakeVtex::PROVIDER, move || {
            let k = n.fetch_add(1, Ordering::SeqCst);
            async move {
                if k == 0 {
                    Ok(Secret::from(FakeVtex::PROVIDER_TOKEN))
                } else {
                    Err(std::io::Error::other("vault down"))
                }
            }
        })
        .build()
        .unwrap();
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(57 * 60));
    for _ in 0..20 {
        client.session().lease().await.unwrap();
        client.session().close().await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[apply(leak_checked!)]
async fn a_source_that_hangs_does_not_keep_the_lock_for_ever() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let store = MemoryStore::new();
    let a = keyway::vms::Client::builder(fake.uri())
        .clock(clock.clone())
        .store(store.clone())
        .password_from(FakeVms::LOGIN, std::future::pending::<Result<Secret, std::io::Error>>)
        .build()
        .unwrap();
    let session = a.session().clone();
    let call = tokio::spawn(async move { session.lease().await });
    clock.until_sleeping(2).await;
    call.abort();
    clock.advance(Duration::from_secs(24 * 3600));
    vms(&fake, &clock).store(store.clone()).build().unwrap().session().lease().await.unwrap();
}
